/*
 * spool_test.c - what is committed is read back, what is damaged is seen.
 * In a private directory; no root needed.
 */
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/records.h"
#include "spool.h"
#include "spool/journal.h"
#include "tests/unit/t_queue.h"

#define PREAMBLE	1024	/* docs/spool.md */
#define CHUNK		DRAFT_BLOCK
#define HEAD		8192	/* its first read */
#define TEXT		"Subject: x\n\nbody\n"
#define POKES_MAX	100000	/* more than any socket keeps */
#define ID		"0123456789abc"

struct world {
	char		 top[64];
	struct spool	 sp;
	struct result	 res;
	struct buf	 notes;
};

/* While it is set there is no /proc, so that drafts get names in tmp/. */
static int	 has_no_proc;

int
faccessat(int dir, const char *path, int mode, int flags)
{
	(void)flags;
	if (has_no_proc && strcmp(path, "/proc/self/fd") == 0) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_faccessat, dir, path, mode);
}

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	result_init(&w->res);
	buf_init(&w->notes, 0);
	assert_int_equal(spool_open(&w->sp, w->top, &w->res), 0);
	has_no_proc = 0;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	spool_close(&w->sp);
	result_fini(&w->res);
	buf_fini(&w->notes);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

static int
exists(const struct world *w, const char *folder, const char *id)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/%s", w->top, folder, id);
	return lstat(path, &st) == 0;
}

/* The bytes of a queue file. */
static void
slurp(const struct world *w, const char *id, struct buf *b)
{
	int fd;

	fd = openat(w->sp.queue, id, O_RDONLY | O_CLOEXEC);
	assert_true(fd != -1);
	buf_init(b, 0);
	assert_int_equal(io_read_file(fd, b, 64 * 1024 * 1024), 0);
	close(fd);
}

/* A queue file of any bytes. */
static void
plant(const struct world *w, const char *id, const void *p, size_t n)
{
	int fd;

	fd = openat(w->sp.queue, id, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);
	assert_true(fd != -1);
	assert_int_equal(io_write_all(fd, p, n), 0);
	close(fd);
}

static enum spool_got
load(struct world *w, const char *id, int for_write, struct message *m)
{
	enum spool_got got;

	got = spool_load(&w->sp, id, for_write, m, &w->res);
	/* A message that cannot be had comes with a reason. */
	if (got == SPOOL_LATER || got == SPOOL_CORRUPT)
		assert_non_null(w->res.reason);
	return got;
}

static enum spool_got
load_verdict(struct world *w, const char *id, int for_write)
{
	struct message m;
	enum spool_got got;

	got = load(w, id, for_write, &m);
	message_fini(&m);
	return got;
}

static struct recipient *
add(struct message *m, const char *address, enum route_kind kind,
    enum origin origin, const char *owner)
{
	struct recipient *r;

	r = message_add(m, address);
	assert_non_null(r);
	r->kind = kind;
	r->origin = origin;
	if (owner != NULL) {
		r->owner = strdup(owner);
		assert_non_null(r->owner);
	}
	return r;
}

/* One of each kind and list, with the largest of each number. */
static void
fill(struct message *m)
{
	struct recipient *r;

	message_init(m);
	m->arrived = 1700000000;
	m->submitter = UINT32_MAX;
	m->text.flags = MESSAGE_8BIT_BODY | MESSAGE_LONG_LINES;
	m->text.hops = 3;
	m->text.lines = 3;
	text_copy(m->sender, sizeof(m->sender), "ann@example.org");
	m->ret = RET_HDRS;
	text_copy(m->envid, sizeof(m->envid), "<id> 1+1=2");
	r = add(m, "bob", ROUTE_UNKNOWN, ORIGIN_CALLER, NULL);
	r->notify = NOTIFY_SUCCESS | NOTIFY_FAILURE;
	r->orcpt = strdup("rfc822;bob;x@example.org");
	assert_non_null(r->orcpt);
	add(m, "\"a b\"@example.org", ROUTE_REMOTE, ORIGIN_CALLER, NULL);
	r = add(m, "carl", ROUTE_MAILBOX, ORIGIN_FORWARD, "bob");
	r->is_final = 1;
	r->parent = 0;
	r->depth = 1;
	r->notify = NOTIFY_NEVER;
	r = add(m, "/var/log/mail archive", ROUTE_FILE, ORIGIN_ALIASES,
	    "archive");
	r->parent = 2;
	r->depth = 2;
	r->entry.index = UINT32_MAX;
	r->entry.digest = UINT64_MAX;
	r = add(m, "prog -x \"y\" | z", ROUTE_PIPE, ORIGIN_FORWARD, "carl");
	r->parent = 1;
	r->depth = 10;
	r->entry.index = 7;
	r->entry.digest = 1;
	add(m, "j\xc3\xbcrgen@example.org", ROUTE_REMOTE, ORIGIN_CALLER, NULL);
}

/* The file of fill() under ID. */
static void
commit_filled(struct world *w)
{
	struct message m;

	fill(&m);
	t_commit(&w->sp, ID, &m, TEXT, sizeof(TEXT) - 1);
	message_fini(&m);
}

static void
assert_same_rcpt(const struct recipient *a, const struct recipient *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->origin, b->origin);
	assert_int_equal(a->is_final, b->is_final);
	assert_int_equal(a->is_reported, b->is_reported);
	assert_int_equal(a->parent, b->parent);
	assert_int_equal(a->depth, b->depth);
	assert_string_equal(a->address, b->address);
	assert_int_equal(a->owner == NULL, b->owner == NULL);
	if (a->owner != NULL)
		assert_string_equal(a->owner, b->owner);
	assert_int_equal(a->entry.index, b->entry.index);
	assert_true(a->entry.digest == b->entry.digest);
	assert_int_equal(a->checkpoint.length, b->checkpoint.length);
	assert_int_equal(a->action, b->action);
	assert_int_equal(a->notify, b->notify);
	assert_int_equal(a->orcpt == NULL, b->orcpt == NULL);
	if (a->orcpt != NULL)
		assert_string_equal(a->orcpt, b->orcpt);
}

static void
test_round_trip(void **state)
{
	struct world *w = *state;
	struct message m, got;
	char text[64];
	uint32_t i;

	fill(&m);
	t_commit(&w->sp, ID, &m, TEXT, sizeof(TEXT) - 1);
	assert_int_equal(load(w, ID, 0, &got), SPOOL_GOT);
	assert_string_equal(got.id, ID);
	assert_string_equal(got.sender, m.sender);
	assert_int_equal(got.arrived, m.arrived);
	assert_int_equal(got.submitter, m.submitter);
	assert_int_equal(got.text.flags, m.text.flags);
	assert_int_equal(got.text.hops, m.text.hops);
	assert_int_equal(got.text.lines, m.text.lines);
	assert_int_equal(got.ret, m.ret);
	assert_string_equal(got.envid, m.envid);
	assert_int_equal(got.text.offset, PREAMBLE);
	assert_int_equal(got.text.length, sizeof(TEXT) - 1);
	assert_int_equal(io_pread_all(got.fd, text, sizeof(TEXT) - 1,
	    got.text.offset), 0);
	assert_memory_equal(text, TEXT, sizeof(TEXT) - 1);
	assert_int_equal(got.nrcpts, m.nrcpts);
	for (i = 0; i < m.nrcpts; i++)
		assert_same_rcpt(&got.rcpts[i], &m.rcpts[i]);
	assert_string_equal(got.reports.bounce_id, "");
	message_fini(&got);
	message_fini(&m);
}

static void
test_longest_values(void **state)
{
	struct world *w = *state;
	char address[TARGET_MAX + 1], owner[ADDRESS_MAX + 1];
	char orcpt[ORCPT_MAX + 1];
	struct message m, got;
	struct recipient *r;

	memset(address, 'x', TARGET_MAX);
	address[TARGET_MAX] = '\0';
	memset(owner, 'o', ADDRESS_MAX);
	owner[ADDRESS_MAX] = '\0';
	message_init(&m);
	memcpy(m.sender, owner, sizeof(owner));
	m.arrived = T_TIME(1LL << 40);
	m.text.hops = UINT32_MAX;
	m.text.flags = 0xff;
	m.submitter = UINT32_MAX;
	m.text.lines = INT64_MAX / 2;
	m.ret = RET_FULL;
	memset(m.envid, 'e', ENVID_MAX);
	memset(orcpt, 'x', ORCPT_MAX);
	orcpt[1] = ';';
	orcpt[ORCPT_MAX] = '\0';
	r = add(&m, address, ROUTE_PIPE, ORIGIN_ALIASES, owner);
	r->orcpt = strdup(orcpt);
	r->notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY;
	t_commit(&w->sp, ID, &m, "", 0);
	assert_int_equal(load(w, ID, 0, &got), SPOOL_GOT);
	assert_string_equal(got.sender, owner);
	assert_string_equal(got.envid, m.envid);
	assert_int_equal(got.text.length, 0);
	assert_same_rcpt(&got.rcpts[0], &m.rcpts[0]);
	message_fini(&got);
	message_fini(&m);
}

/* Sizes around those at which the writer changes its way. */
static void
test_sizes(void **state)
{
	static const struct { size_t text; uint32_t nrcpts; } cases[] = {
		{ 0, 1 }, { 1, 1 }, { CHUNK - PREAMBLE - 1, 1 },
		{ CHUNK - PREAMBLE, 1 }, { CHUNK - PREAMBLE + 1, 1 },
		{ CHUNK, 1 }, { 3 * CHUNK + 5, 1 }, { 9 << 20, 1 },
		{ 10, 3000 }, { CHUNK - PREAMBLE - 1, 3000 },
		{ CHUNK - PREAMBLE, 3000 }, { CHUNK - PREAMBLE + 1, 3000 },
		{ 2 * CHUNK - PREAMBLE, 3000 }, { 2 * CHUNK, 3000 },
	};
	struct world *w = *state;
	struct message m, got;
	char address[64], *text, *back;
	size_t i, k, pieces;
	struct draft d;

	spool_mark(&w->sp);
	for (i = 0; i < N(cases) * 3; i++) {
		const size_t n = cases[i / 3].text;

		pieces = i % 3 == 0 ? n + 1 : 1000;
		text = malloc(n + 1);
		back = malloc(n + 1);
		assert_true(text != NULL && back != NULL);
		for (k = 0; k < n; k++)
			text[k] = (char)('a' + k % 26);
		message_init(&m);
		for (k = 0; k < cases[i / 3].nrcpts; k++) {
			snprintf(address, sizeof(address),
			    "recipient.%zu@example.org", k);
			add(&m, address, ROUTE_UNKNOWN, ORIGIN_CALLER, NULL);
		}
		assert_int_equal(draft_begin(&w->sp, &d, ID, &w->res), 0);
		for (k = 0; k < n; k += pieces) {
			if (i % 3 == 2)
				pieces = draft_room(&d);
			assert_in_range(pieces, 1, n + 1 + CHUNK);
			assert_int_equal(draft_write(&d, text + k,
			    n - k < pieces ? n - k : pieces, &w->res), 0);
			if (i % 3 == 2 && n - k >= pieces)
				assert_int_equal(lseek(d.fd, 0, SEEK_CUR) %
				    CHUNK, 0);
		}
		assert_int_equal(draft_seal(&d, &m, &w->res), 0);
		assert_int_equal(draft_publish(&d, &w->res), 0);
		draft_drop(&d);
		assert_int_equal(load(w, ID, 0, &got), SPOOL_GOT);
		assert_int_equal(got.text.length, n);
		assert_int_equal(got.nrcpts, m.nrcpts);
		assert_int_equal(io_pread_all(got.fd, back, n, got.text.offset),
		    0);
		assert_memory_equal(back, text, n);
		assert_int_equal(spool_check_text(&got, &w->res), SPOOL_GOT);
		assert_string_equal(got.rcpts[got.nrcpts - 1].address,
		    m.rcpts[m.nrcpts - 1].address);
		message_fini(&got);
		message_fini(&m);
		assert_int_equal(spool_remove(&w->sp, ID, 0), 0);
		free(text);
		free(back);
	}
}

/* The text's checksum when it is n bytes long. */
static uint64_t
sum_of(struct world *w, const char *text, size_t n)
{
	struct message m, got;
	struct draft d;
	uint64_t sum;

	message_init(&m);
	add(&m, "ann@example.org", ROUTE_UNKNOWN, ORIGIN_CALLER, NULL);
	assert_int_equal(draft_begin(&w->sp, &d, ID, &w->res), 0);
	assert_int_equal(draft_write(&d, text, n, &w->res), 0);
	assert_int_equal(draft_seal(&d, &m, &w->res), 0);
	assert_int_equal(draft_publish(&d, &w->res), 0);
	draft_drop(&d);
	assert_int_equal(load(w, ID, 0, &got), SPOOL_GOT);
	assert_int_equal(spool_check_text(&got, &w->res), SPOOL_GOT);
	sum = got.text.sum;
	assert_true(sum != 0);
	message_fini(&got);
	message_fini(&m);
	assert_int_equal(spool_remove(&w->sp, ID, 0), 0);
	return sum;
}

static void
test_text_that_is_not_checked_is_not_summed(void **state)
{
	const size_t most = 16 << 20;
	char *text = calloc(1, most + 1);
	struct world *w = *state;
	uint64_t sum;

	assert_true(text != NULL);
	spool_mark(&w->sp);
	sum = sum_of(w, text, most);
	assert_true(sum_of(w, text, most - 1) != sum);
	assert_true(sum_of(w, text, most + 1) == sum);
	free(text);
}

/* Files that the first read has just, or just not. */
static void
test_sizes_around_the_first_read(void **state)
{
	struct world *w = *state;
	char text[HEAD] = "";
	struct message m, got;
	struct stat st;
	size_t n, small = 0, large = 0;

	memset(text, 'x', sizeof(text));
	for (n = HEAD - PREAMBLE - 100; n < HEAD - PREAMBLE + 10; n++) {
		message_init(&m);
		add(&m, "ann@example.org", ROUTE_UNKNOWN, ORIGIN_CALLER, NULL);
		t_commit(&w->sp, ID, &m, text, n);
		message_fini(&m);
		assert_int_equal(load(w, ID, 0, &got), SPOOL_GOT);
		assert_int_equal(got.nrcpts, 1);
		assert_string_equal(got.rcpts[0].address, "ann@example.org");
		assert_int_equal(fstat(got.fd, &st), 0);
		small += st.st_size <= HEAD;
		large += st.st_size > HEAD;
		assert_int_equal(got.text.offset + got.text.length +
		    got.journal, st.st_size);
		message_fini(&got);
		assert_int_equal(spool_remove(&w->sp, ID, 0), 0);
	}
	assert_true(small > 1 && large > 1);
}

static void
test_load_of_a_submitter(void **state)
{
	struct world *w = *state;
	struct message m;

	commit_filled(w);
	assert_int_equal(spool_load_of(&w->sp, ID, UINT32_MAX, &m, &w->res),
	    SPOOL_GOT);
	assert_int_equal(m.nrcpts, 6);
	message_fini(&m);
	assert_int_equal(spool_load_of(&w->sp, ID, 0, &m, &w->res),
	    SPOOL_GONE);
	assert_int_equal(m.nrcpts, 0);
	message_fini(&m);
	assert_int_equal(spool_load_of(&w->sp, "0", 0, &m, &w->res),
	    SPOOL_GONE);
	message_fini(&m);
}

/* A listing of many messages would else write as many inodes. */
static void
test_a_look_leaves_no_time_of_access(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	struct world *w = *state;
	struct stat st;

	commit_filled(w);
	assert_int_equal(utimensat(w->sp.queue, ID, old, 0), 0);
	assert_int_equal(load_verdict(w, ID, 0), SPOOL_GOT);
	assert_int_equal(fstatat(w->sp.queue, ID, &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
}

static void
test_draft_without_publish(void **state)
{
	struct world *w = *state;
	struct message m;
	struct draft d;
	int named, step;

	fill(&m);
	for (named = 0; named < 2; named++) {
		has_no_proc = named;
		for (step = 0; step < 3; step++) {
			assert_int_equal(draft_begin(&w->sp, &d, NULL,
			    &w->res), 0);
			assert_int_equal(d.is_named, named);
			assert_int_equal(t_count(w->top, "tmp"), named);
			if (step > 0)
				assert_int_equal(draft_write(&d, TEXT,
				    sizeof(TEXT) - 1, &w->res), 0);
			if (step > 1)
				assert_int_equal(draft_seal(&d, &m, &w->res),
				    0);
			assert_int_equal(t_count(w->top, "queue"), 0);
			draft_drop(&d);
			draft_drop(&d);
			assert_int_equal(t_count(w->top, "queue"), 0);
			assert_int_equal(t_count(w->top, "tmp"), 0);
		}
	}
	message_fini(&m);
}

static void
test_named_draft(void **state)
{
	struct world *w = *state;
	struct message m, got;
	struct draft d;

	fill(&m);
	has_no_proc = 1;
	assert_int_equal(draft_begin(&w->sp, &d, ID, &w->res), 0);
	assert_true(exists(w, "tmp", ID));
	assert_int_equal(draft_write(&d, TEXT, sizeof(TEXT) - 1, &w->res), 0);
	assert_int_equal(draft_seal(&d, &m, &w->res), 0);
	assert_int_equal(draft_publish(&d, &w->res), 0);
	draft_drop(&d);
	assert_int_equal(t_count(w->top, "tmp"), 0);
	assert_int_equal(load(w, ID, 0, &got), SPOOL_GOT);
	assert_int_equal(got.nrcpts, m.nrcpts);
	message_fini(&got);
	message_fini(&m);
}

/* The runner clears what killed writers left, and only that. */
static void
test_sweep(void **state)
{
	struct world *w = *state;
	struct draft d;
	int tmp, fd;

	spool_sweep(&w->sp);		/* no tmp/ at all */
	has_no_proc = 1;
	assert_int_equal(draft_begin(&w->sp, &d, "alive", &w->res), 0);
	tmp = openat(w->sp.dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(tmp != -1);
	fd = openat(tmp, "killed", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(mkfifoat(tmp, "fifo", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", tmp, "link"), 0);
	spool_sweep(&w->sp);
	assert_true(exists(w, "tmp", "alive"));
	assert_false(exists(w, "tmp", "killed"));
	io_close(&d.fd);		/* killed now */
	spool_sweep(&w->sp);
	assert_false(exists(w, "tmp", "alive"));
	draft_drop(&d);
	close(tmp);
}

static void
test_taken_name(void **state)
{
	struct world *w = *state;
	struct draft d;
	struct message m;
	struct buf before, after;
	int named;

	commit_filled(w);
	slurp(w, ID, &before);
	fill(&m);
	for (named = 0; named < 2; named++) {
		has_no_proc = named;
		assert_int_equal(draft_begin(&w->sp, &d, ID, &w->res), 0);
		assert_int_equal(draft_write(&d, "other", 5, &w->res), 0);
		assert_int_equal(draft_seal(&d, &m, &w->res), 0);
		errno = 0;
		assert_int_equal(draft_publish(&d, &w->res), -1);
		assert_int_equal(errno, EEXIST);
		draft_drop(&d);
		assert_int_equal(t_count(w->top, "tmp"), 0);
		slurp(w, ID, &after);
		assert_int_equal(after.len, before.len);
		assert_memory_equal(after.data, before.data, before.len);
		buf_fini(&after);
	}
	message_fini(&m);
	buf_fini(&before);
}

static void
test_ids(void **state)
{
	static const struct { const char *id; int ok; } cases[] = {
		{ "0", 1 }, { "abc123", 1 }, { "0123456789abcdefghijklmn", 1 },
		{ "0123456789abcdefghijklmno", 0 }, { "", 0 }, { ".", 0 },
		{ "..", 0 }, { "../x", 0 }, { "a/b", 0 }, { "A", 0 },
		{ "a b", 0 }, { "a\n", 0 }, { ".hidden", 0 }, { "a-b", 0 },
	};
	static const struct { const char *id; time_t time; } times[] = {
		{ "6b0cd9451ad5ab783c2ae", 0x6b0cd945 },
		{ "f0000000", 0xf0000000 }, { "6b0cd94", 0 }, { "", 0 },
		{ "u6b0cd9451ad5ab783c2a", 0 }, { "6b0cd94z1ad5ab783c2ae", 0 },
	};
	char last[QUEUE_ID_MAX + 1] = "", id[QUEUE_ID_MAX + 1];
	time_t now = time(NULL);
	struct world *w = *state;
	struct draft d;
	size_t i;

	for (i = 0; i < N(times); i++)
		assert_int_equal(spool_id_time(times[i].id), times[i].time);
	spool_new_id(id);
	assert_in_range(spool_id_time(id), now, time(NULL));
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(draft_begin(&w->sp, &d, cases[i].id,
		    &w->res), cases[i].ok ? 0 : -1);
		draft_drop(&d);
		assert_int_equal(load_verdict(w, cases[i].id, 0), SPOOL_GONE);
	}
	for (i = 0; i < 1000; i++) {
		spool_new_id(id);
		assert_int_equal(strspn(id, "0123456789abcdef"), strlen(id));
		assert_true(strlen(id) <= QUEUE_ID_MAX);
		/* By time, as far as the clock shows one. */
		assert_true(strncmp(last, id, 13) <= 0);
		assert_string_not_equal(last, id);
		memcpy(last, id, sizeof(id));
	}
}

static void
test_values_refused_when_written(void **state)
{
	static const char *const bad[] = { "a\nb", "a\rb", "a\tb", "\001",
	    "a\177", "a\n", "\n" };
	struct world *w = *state;
	struct message m;
	struct recipient *r;
	struct draft d;
	size_t i;
	int where;

	for (i = 0; i < N(bad); i++)
		for (where = 0; where < 5; where++) {
			message_init(&m);
			if (where == 0)
				text_copy(m.sender, sizeof(m.sender), bad[i]);
			if (where == 3)
				text_copy(m.envid, sizeof(m.envid), bad[i]);
			r = add(&m, where == 1 ? bad[i] : "bob", ROUTE_UNKNOWN,
			    ORIGIN_CALLER, where == 2 ? bad[i] : "ok");
			r->last.status = STATUS_DEFERRED;
			if (where == 4)
				r->orcpt = strdup(bad[i]);
			assert_int_equal(draft_begin(&w->sp, &d, NULL,
			    &w->res), 0);
			assert_int_equal(draft_seal(&d, &m, &w->res), -1);
			draft_drop(&d);
			assert_int_equal(t_count(w->top, "queue"), 0);
			message_fini(&m);
		}
}

static void
note(struct buf *b, struct message *m, uint32_t i, enum rcpt_state to)
{
	m->rcpts[i].state = to;
	journal_state(b, m, i, 0);
}

/* A note that could not be read back is not written. */
static void
test_notes_refused(void **state)
{
	static char code_lf[] = "5.1\nX", code_tab[] = "5.1\tX";
	struct world *w = *state;
	char address[TARGET_MAX + 2], owner[ADDRESS_MAX + 2];
	struct buf before, after, notes[8];
	struct message m;
	size_t i;

	commit_filled(w);
	slurp(w, ID, &before);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	for (i = 0; i < N(notes); i++)
		buf_init(&notes[i], 0);
	text_copy(m.rcpts[0].last.code, sizeof(m.rcpts[0].last.code), code_lf);
	note(&notes[0], &m, 0, RCPT_FAILED);
	text_copy(m.rcpts[0].last.code, sizeof(m.rcpts[0].last.code),
	    code_tab);
	note(&notes[1], &m, 0, RCPT_OPEN);
	free(m.rcpts[0].owner);
	m.rcpts[0].owner = strdup("bob\nS\t1");
	m.rcpts[0].checkpoint.length = 0;
	journal_append(&notes[2], &m, 0);
	journal_bounce(&notes[3], "x\nS\t1", 0);
	journal_bounce(&notes[4], "", 0);
	memset(address, 'x', sizeof(address));
	address[sizeof(address) - 1] = '\0';
	memset(owner, 'x', sizeof(owner));
	owner[sizeof(owner) - 1] = '\0';
	add(&m, address, ROUTE_UNKNOWN, ORIGIN_CALLER, NULL);
	journal_recipient(&notes[5], &m, m.nrcpts - 1);
	add(&m, "x", ROUTE_UNKNOWN, ORIGIN_CALLER, owner);
	journal_recipient(&notes[6], &m, m.nrcpts - 1);
	add(&m, "x", ROUTE_UNKNOWN, ORIGIN_CALLER, "o")->notify = 16;
	journal_recipient(&notes[7], &m, m.nrcpts - 1);
	for (i = 0; i < N(notes); i++) {
		assert_int_equal(spool_append(&m, &notes[i], 1, &w->res), -1);
		buf_fini(&notes[i]);
	}
	message_fini(&m);
	slurp(w, ID, &after);
	assert_int_equal(after.len, before.len);
	buf_fini(&before);
	buf_fini(&after);
}

static void
set_last(struct recipient *r, enum status status, const char *code,
    const char *reason)
{
	r->attempts++;
	result_set(&r->last, status, code, "%s", reason);
}

/* Every record, appended and folded again. */
static void
test_states(void **state)
{
	struct world *w = *state;
	struct recipient *r;
	struct message m;

	commit_filled(w);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	note(&w->notes, &m, 0, RCPT_EXPANDED);
	set_last(&m.rcpts[1], STATUS_FAILED, "5.1.1", "550 no\r\nS\t2\r\n");
	m.rcpts[1].last.source = SOURCE_SERVER;
	result_from_server(&m.rcpts[1].last, "mx[192.0.2.1]");
	note(&w->notes, &m, 1, RCPT_FAILED);
	note(&w->notes, &m, 2, RCPT_SENT);
	set_last(&m.rcpts[3], STATUS_DEFERRED, "4.2.2", "quota");
	result_detail(&m.rcpts[3].last, "/m/bob:\t%s", "full");
	m.rcpts[3].due = 1800000000;
	journal_state(&w->notes, &m, 3, 0);
	m.rcpts[4].checkpoint.dev = UINT64_MAX;
	m.rcpts[4].checkpoint.ino = 2;
	m.rcpts[4].checkpoint.length = INT64_MAX;
	journal_append(&w->notes, &m, 4);
	set_last(&m.rcpts[5], STATUS_DEFERRED, "", "");
	journal_state(&w->notes, &m, 5, 0);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);

	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_int_equal(m.rcpts[0].state, RCPT_EXPANDED);
	r = &m.rcpts[1];
	assert_int_equal(r->state, RCPT_FAILED);
	assert_int_equal(r->attempts, 1);
	assert_string_equal(r->last.code, "5.1.1");
	assert_string_equal(r->last.reason, "550 no S 2");
	assert_int_equal(r->last.source, SOURCE_SERVER);
	assert_string_equal(r->last.server, "mx[192.0.2.1]");
	assert_null(r->last.detail);
	assert_int_equal(r->last.status, STATUS_FAILED);
	assert_int_equal(m.rcpts[2].state, RCPT_SENT);
	r = &m.rcpts[3];
	assert_int_equal(r->state, RCPT_OPEN);
	assert_int_equal(r->due, 1800000000);
	assert_string_equal(r->last.reason, "quota");
	assert_string_equal(r->last.detail, "/m/bob: full");
	assert_int_equal(r->last.source, SOURCE_US);
	assert_int_equal(r->last.status, STATUS_DEFERRED);
	r = &m.rcpts[4];
	assert_int_equal(r->kind, ROUTE_PIPE);
	assert_true(r->checkpoint.dev == UINT64_MAX && r->checkpoint.ino == 2 &&
	    r->checkpoint.length == INT64_MAX);
	assert_string_equal(r->owner, "carl");
	assert_string_equal(m.rcpts[5].last.code, "");
	assert_string_equal(m.rcpts[5].last.reason, "");
	buf_reset(&w->notes);
	journal_withdrawn(&w->notes, 4);
	journal_state(&w->notes, &m, 3, 0);
	assert_int_equal(spool_append(&m, &w->notes, 0, &w->res), 0);
	message_fini(&m);
	assert_int_equal(load(w, ID, 0, &m), SPOOL_GOT);
	assert_int_equal(m.rcpts[4].checkpoint.length, -1);
	message_fini(&m);
}

static void
assert_same_state(const struct message *a, const struct message *b)
{
	uint32_t i;

	assert_int_equal(a->nrcpts, b->nrcpts);
	for (i = 0; i < a->nrcpts; i++) {
		assert_same_rcpt(&a->rcpts[i], &b->rcpts[i]);
		assert_int_equal(a->rcpts[i].attempts, b->rcpts[i].attempts);
		assert_int_equal(a->rcpts[i].due, b->rcpts[i].due);
		assert_string_equal(a->rcpts[i].last.code,
		    b->rcpts[i].last.code);
	}
	assert_string_equal(a->reports.bounce_id, b->reports.bounce_id);
	assert_string_equal(a->reports.warn_id, b->reports.warn_id);
	assert_int_equal(a->reports.is_warned, b->reports.is_warned);
	assert_int_equal(a->is_held, b->is_held);
}

/*
 * Recipients of fill(): 0 failed and was told of in b1, 1 sent to somebody new
 * by .forward, 2 delivered and to be told of in b2, 3 put off with its mark
 * withdrawn, 4 has a mark, 5 failed and is to be told of, 6 is new.
 */
static void
happen(struct message *m, uint32_t told)
{
	struct recipient *r;

	m->rcpts[0].state = m->rcpts[5].state = RCPT_FAILED;
	m->rcpts[0].action = m->rcpts[5].action = ACTION_FAILED;
	set_last(&m->rcpts[0], STATUS_FAILED, "5.1.1", "no");
	set_last(&m->rcpts[5], STATUS_FAILED, "5.1.2", "no host");
	m->rcpts[0].is_reported = 1;
	m->rcpts[1].state = RCPT_EXPANDED;
	m->rcpts[2].state = RCPT_SENT;
	m->rcpts[2].action = ACTION_DELIVERED;
	result_set(&m->rcpts[2].last, STATUS_SENT, "2.0.0", "in");
	set_last(&m->rcpts[3], STATUS_DEFERRED, "4.2.2", "quota");
	m->rcpts[3].due = 1800000000;
	m->rcpts[3].tried = 1;
	m->rcpts[3].checkpoint.length = -1;
	m->rcpts[4].checkpoint.length = 77;
	r = add(m, "new", ROUTE_UNKNOWN, ORIGIN_FORWARD, "bob");
	r->parent = 1;
	text_copy(m->reports.warn_id, sizeof(m->reports.warn_id), "w1");
	m->reports.is_warned = 1;
	m->is_held = told != 0;
	text_copy(m->reports.bounce_id, sizeof(m->reports.bounce_id),
	    told ? "b2" : "");
}

/* Notes that are lost are made anew from what is in memory. */
static void
test_all_again(void **state)
{
	static const char *const had[] = {
		"", "F\t0\t1\t5.1.1\tno\nB\tb1\n",
		"F\t0\t1\t5.1.1\tno\nB\tb1\nP\t0\nX\t1\n",
		"A\t3\t1\t2\t3\tarchive\nD\t3\t4\t9\t4.2.0\tx\nH\tw1\n",
		"A\t4\t0\t0\t77\tcarl\nF\t0\t1\t5.1.1\tno\nB\tb1\nP\t0\n",
		"Y\t2\t3\t2.0.0\tin\nF\t5\t1\t5.1.2\tno host\nA\t4\t0\t0\t7\tx\n",
	};
	struct world *w = *state;
	struct message m, got;
	struct buf b;
	size_t i, k;

	commit_filled(w);
	slurp(w, ID, &b);
	for (i = 0; i < 2 * N(had); i++) {
		buf_reset(&w->notes);
		buf_add(&w->notes, b.data, b.len);
		buf_puts(&w->notes, had[i / 2]);
		plant(w, "a", w->notes.data, w->notes.len);
		assert_int_equal(load(w, "a", 1, &m), SPOOL_GOT);
		m.rcpts[0].attempts = m.rcpts[5].attempts = 0;
		happen(&m, i % 2);
		/* Twice: the second time all of it is in the file. */
		for (k = 0; k < 2; k++) {
			buf_reset(&w->notes);
			journal_all(&w->notes, &m);
			assert_int_equal(spool_append(&m, &w->notes, 1,
			    &w->res), 0);
			assert_int_equal(load(w, "a", 0, &got), SPOOL_GOT);
			assert_int_equal(got.reports.owed, 2);
			assert_same_state(&got, &m);
			message_fini(&got);
		}
		message_fini(&m);
	}
	buf_fini(&b);
}

/* Who has a mark is looked at at once, whatever was said before. */
static void
test_append_is_due(void **state)
{
	static const struct { const char *notes; int64_t due; } cases[] = {
		{ "D\t2\t3\t5000\t4.2.0\tlater\n", 5000 },
		{ "D\t2\t3\t5000\t4.2.0\tlater\nA\t2\t1\t2\t3\tbob\n", 0 },
		{ "D\t2\t3\t5000\t4.2.0\tx\nA\t2\t1\t2\t3\tbob\n"
		    "W\t2\nD\t2\t4\t6000\n", 6000 },
	};
	struct world *w = *state;
	struct message m;
	struct buf b;
	size_t i;

	commit_filled(w);
	slurp(w, ID, &b);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&w->notes);
		buf_add(&w->notes, b.data, b.len);
		buf_puts(&w->notes, cases[i].notes);
		plant(w, "a", w->notes.data, w->notes.len);
		assert_int_equal(load(w, "a", 0, &m), SPOOL_GOT);
		assert_int_equal(m.rcpts[2].due, cases[i].due);
		message_fini(&m);
	}
	buf_fini(&b);
}

/* Version 0.1 wrote a path into the reason: it is for root alone. */
static void
test_old_replies(void **state)
{
	static const struct {
		const char	*line;
		uint32_t	 rcpt;
		const char	*reason, *detail;
	} cases[] = {
		{ "D\t2\t3\t5000\t4.2.0\t/m/bob: a link\n", 2, "",
		    "/m/bob: a link" },
		{ "F\t1\t1\t5.1.1\tmx said: 550 no\n", 1, "mx said: 550 no",
		    NULL },
		{ "D\t2\t3\t5000\t4.2.0\tbusy\t0\t/m/bob\t\n", 2, "busy",
		    "/m/bob" },
	};
	struct world *w = *state;
	struct message m;
	struct buf b;
	size_t i;

	commit_filled(w);
	slurp(w, ID, &b);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&w->notes);
		buf_add(&w->notes, b.data, b.len);
		buf_puts(&w->notes, cases[i].line);
		plant(w, "a", w->notes.data, w->notes.len);
		assert_int_equal(load(w, "a", 0, &m), SPOOL_GOT);
		assert_string_equal(m.rcpts[cases[i].rcpt].last.reason,
		    cases[i].reason);
		if (cases[i].detail == NULL)
			assert_null(m.rcpts[cases[i].rcpt].last.detail);
		else
			assert_string_equal(m.rcpts[cases[i].rcpt].last.detail,
			    cases[i].detail);
		message_fini(&m);
	}
	buf_fini(&b);
}

/* The same words again are not written again, and read back all the same. */
static void
test_same_words(void **state)
{
	static const char *const whys[] = { "h said: 450 later", "" };
	struct world *w = *state;
	struct message m;
	size_t i, once;

	for (i = 0; i < N(whys); i++) {
		commit_filled(w);
		assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
		buf_reset(&w->notes);
		set_last(&m.rcpts[1], STATUS_DEFERRED, "4.2.1",
		    "something else");
		journal_state(&w->notes, &m, 1, 0);
		set_last(&m.rcpts[1], STATUS_DEFERRED, "4.2.0", whys[i]);
		journal_state(&w->notes, &m, 1, 0);
		once = w->notes.len;
		m.rcpts[1].attempts = 7;
		m.rcpts[1].due = 99;
		journal_state(&w->notes, &m, 1, 1);
		assert_string_equal(w->notes.data + once, "D\t1\t7\t99\n");
		assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
		message_fini(&m);
		assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
		assert_int_equal(m.rcpts[1].attempts, 7);
		assert_int_equal(m.rcpts[1].due, 99);
		assert_int_equal(m.rcpts[1].last.status, STATUS_DEFERRED);
		assert_string_equal(m.rcpts[1].last.code, "4.2.0");
		assert_string_equal(m.rcpts[1].last.reason, whys[i]);
		message_fini(&m);
		assert_int_equal(spool_remove(&w->sp, ID, 0), 0);
	}
}

/* What comes again and again leaves room for what must not be lost. */
static void
test_long_journal(void **state)
{
	static const struct { int64_t mib; size_t deferred,
	    failed; } cases[] = {
		{ 0, REASON_MAX, REASON_MAX }, { 127, REASON_MAX, REASON_MAX },
		{ 129, 128, 128 }, { 191, 128, 128 }, { 193, 0, 0 },
	};
	struct world *w = *state;
	char reason[REASON_MAX + 1];
	struct message m;
	struct buf one;
	size_t i;

	memset(reason, 'y', REASON_MAX);
	reason[REASON_MAX] = '\0';
	commit_filled(w);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_true(m.journal > 100 && m.journal < 2000);
	result_set(&m.rcpts[1].last, STATUS_DEFERRED, "4.2.1", "%s", reason);
	for (i = 0; i < N(cases); i++) {
		m.journal = cases[i].mib * 1024 * 1024;
		buf_init(&one, 0);
		note(&one, &m, 1, RCPT_OPEN);
		if (cases[i].deferred == 0)
			assert_int_equal(one.len, 0);
		else
			assert_true(one.len > cases[i].deferred &&
			    one.len < cases[i].deferred + 32);
		buf_reset(&one);
		note(&one, &m, 1, RCPT_FAILED);
		assert_true(one.len > cases[i].failed &&
		    one.len < cases[i].failed + 32);
		buf_fini(&one);
	}
	m.journal = 7;
	buf_puts(&w->notes, "S\t0\n");
	assert_int_equal(spool_append(&m, &w->notes, 0, &w->res), 0);
	assert_int_equal(m.journal, 11);
	message_fini(&m);
}

/*
 * What a write left that failed cannot be cut off either: it is before the next
 * write, or there is none.
 */
static void
test_append_after_what_is_left(void **state)
{
	struct world *w = *state;
	struct message m;
	int good, bad;

	commit_filled(w);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	good = m.fd;
	bad = openat(w->sp.queue, ID, O_RDONLY | O_CLOEXEC);
	assert_true(bad != -1);
	note(&w->notes, &m, 1, RCPT_SENT);
	m.fd = bad;
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), -1);
	assert_int_equal(write(good, "S\t", 2), 2);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), -1);
	m.fd = good;
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);
	close(bad);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_int_equal(m.rcpts[1].state, RCPT_SENT);
	message_fini(&m);
}

/* One that is too long to be read is no damaged one. */
static void
test_journal_too_long(void **state)
{
	struct world *w = *state;
	int fd;

	commit_filled(w);
	fd = openat(w->sp.queue, ID, O_WRONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(ftruncate(fd, 300 * 1024 * 1024), 0);
	close(fd);
	assert_int_equal(load_verdict(w, ID, 1), SPOOL_LATER);
	assert_non_null(strstr(w->res.reason, "256 MiB"));
}

/* An append says whose mailbox it was, for a recipient not yet routed. */
static void
test_append_keeps_the_way(void **state)
{
	struct world *w = *state;
	struct message m;

	commit_filled(w);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	m.rcpts[0].checkpoint.dev = 1;
	m.rcpts[0].checkpoint.ino = 2;
	m.rcpts[0].checkpoint.length = 3;
	m.rcpts[0].owner = strdup("bob");
	journal_append(&w->notes, &m, 0);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);
	assert_int_equal(load(w, ID, 0, &m), SPOOL_GOT);
	assert_int_equal(m.rcpts[0].kind, ROUTE_MAILBOX);
	assert_string_equal(m.rcpts[0].owner, "bob");
	assert_int_equal(m.rcpts[0].checkpoint.length, 3);
	message_fini(&m);
}

/* What a success owes its sender is folded as it was noted. */
static void
test_successes(void **state)
{
	static const enum action actions[] = { ACTION_DELIVERED,
	    ACTION_RELAYED, ACTION_EXPANDED };
	struct world *w = *state;
	struct message m;
	uint32_t i;

	commit_filled(w);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	for (i = 0; i < N(actions); i++) {
		m.rcpts[i].action = actions[i];
		result_set(&m.rcpts[i].last, STATUS_SENT, "2.0.0",
		    "h said: 250");
		if (actions[i] == ACTION_EXPANDED)
			note(&w->notes, &m, i, RCPT_EXPANDED);
		else
			note(&w->notes, &m, i, RCPT_SENT);
	}
	note(&w->notes, &m, 3, RCPT_SENT);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_int_equal(m.reports.owed, N(actions));
	for (i = 0; i < N(actions); i++) {
		assert_int_equal(m.rcpts[i].state, actions[i] ==
		    ACTION_EXPANDED ? RCPT_EXPANDED : RCPT_SENT);
		assert_int_equal(m.rcpts[i].action, actions[i]);
		assert_true(recipient_is_owed(&m.rcpts[i]));
		assert_string_equal(m.rcpts[i].last.code, "2.0.0");
		assert_string_equal(m.rcpts[i].last.reason, "h said: 250");
	}
	assert_int_equal(m.rcpts[3].state, RCPT_SENT);
	assert_false(recipient_is_owed(&m.rcpts[3]));
	buf_reset(&w->notes);
	for (i = 0; i < N(actions); i++)
		journal_reported(&w->notes, i);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);
	assert_int_equal(load(w, ID, 0, &m), SPOOL_GOT);
	assert_int_equal(m.reports.owed, 0);
	message_fini(&m);
}

/* Whose sender wants no report of failure is owed none. */
static void
test_wishes(void **state)
{
	static const struct { unsigned notify; int failure, delay, success; }
	    cases[] = {
		{ 0, 1, 1, 0 },
		{ NOTIFY_NEVER, 0, 0, 0 },
		{ NOTIFY_SUCCESS, 0, 0, 1 },
		{ NOTIFY_FAILURE, 1, 0, 0 },
		{ NOTIFY_DELAY | NOTIFY_SUCCESS, 0, 1, 1 },
	};
	struct world *w = *state;
	struct message m;
	struct recipient *r;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		message_init(&m);
		r = add(&m, "bob", ROUTE_UNKNOWN, ORIGIN_CALLER, NULL);
		r->notify = cases[i].notify;
		assert_int_equal(recipient_wants(r, NOTIFY_FAILURE),
		    cases[i].failure);
		assert_int_equal(recipient_wants(r, NOTIFY_DELAY),
		    cases[i].delay);
		assert_int_equal(recipient_wants(r, NOTIFY_SUCCESS),
		    cases[i].success);
		t_commit(&w->sp, ID, &m, TEXT, sizeof(TEXT) - 1);
		message_fini(&m);
		assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
		result_set(&m.rcpts[0].last, STATUS_FAILED, "5.1.1", "no");
		buf_reset(&w->notes);
		note(&w->notes, &m, 0, RCPT_FAILED);
		assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
		message_fini(&m);
		assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
		assert_int_equal(m.rcpts[0].state, RCPT_FAILED);
		assert_int_equal(m.reports.owed, cases[i].failure);
		assert_int_equal(recipient_is_owed(&m.rcpts[0]),
		    cases[i].failure);
		message_fini(&m);
		assert_int_equal(spool_remove(&w->sp, ID, 0), 0);
	}
}

/* The bounce under way is planned until all it has is reported. */
static void
test_bounce_plan(void **state)
{
	static const struct {
		const char *notes, *plan;
		uint32_t owed;
	} cases[] = {
		{ "F\t0\t1\t5.1.1\tx\n", "", 1 },
		{ "F\t0\t1\t5.1.1\tx\nB\tb1\n", "b1", 1 },
		{ "F\t0\t1\t5.1.1\tx\nF\t1\t1\t5\ty\nB\tb1\n", "b1", 2 },
		{ "F\t0\t1\t5.1.1\tx\nF\t1\t1\t5\ty\nB\tb1\nP\t0\n", "b1", 1 },
		{ "F\t0\t1\t5.1.1\tx\nF\t1\t1\t5\ty\nB\tb1\nP\t0\nP\t1\n",
		    "", 0 },
		/* the same twice is one */
		{ "F\t0\t1\t5.1.1\tx\nF\t1\t1\t5\ty\nB\tb1\nP\t0\nP\t0\n",
		    "b1", 1 },
		{ "F\t0\t1\t5.1.1\tx\nF\t0\t2\t5.1.1\tx\nB\tb1\nP\t0\n", "",
		    0 },
		/* a report of who has not failed is none */
		{ "F\t0\t1\t5.1.1\tx\nB\tb1\nP\t1\n", "b1", 1 },
		/* a failure after that plans another */
		{ "F\t0\t1\t5.1.1\tx\nB\tb1\nP\t0\nF\t1\t1\t5\ty\n", "", 1 },
		{ "F\t0\t1\t5\tx\nB\tb1\nP\t0\nF\t1\t1\t5\ty\nB\tb2\n", "b2",
		    1 },
		/* one for each sender: it holds until its last P */
		{ "F\t0\t1\t5\tx\nF\t1\t1\t5\ty\nB\tb1\t0\n", "b1", 2 },
		{ "F\t0\t1\t5\tx\nF\t1\t1\t5\ty\nB\tb1\t0\nP\t1\n", "b1", 1 },
		{ "F\t0\t1\t5\tx\nF\t1\t1\t5\ty\nB\tb1\t0\nP\t0\n", "", 1 },
		{ "F\t0\t1\t5\tx\nF\t1\t1\t5\ty\nB\tb1\t0\nP\t0\nB\tb2\t1\n",
		    "b2", 1 },
		{ "F\t0\t1\t5\tx\nF\t1\t1\t5\ty\nB\tb1\t0\nP\t0\nB\tb2\t1\n"
		    "P\t1\n", "", 0 },
	};
	struct world *w = *state;
	struct message m;
	struct buf b;
	size_t i;

	commit_filled(w);
	slurp(w, ID, &b);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&w->notes);
		buf_add(&w->notes, b.data, b.len);
		buf_puts(&w->notes, cases[i].notes);
		plant(w, "b", w->notes.data, w->notes.len);
		assert_int_equal(load(w, "b", 0, &m), SPOOL_GOT);
		assert_string_equal(m.reports.bounce_id, cases[i].plan);
		assert_int_equal(m.reports.owed, cases[i].owed);
		message_fini(&m);
	}
	buf_fini(&b);
}

/* A notice of delay is planned once, and made once. */
static void
test_notice_plan(void **state)
{
	struct world *w = *state;
	struct message m;

	commit_filled(w);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_string_equal(m.reports.warn_id, "");
	journal_warning(&w->notes, "w1");
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_string_equal(m.reports.warn_id, "w1");
	assert_false(m.reports.is_warned);
	assert_int_equal(m.reports.owed, 0);
	buf_reset(&w->notes);
	journal_warned(&w->notes);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), 0);
	message_fini(&m);
	assert_int_equal(load(w, ID, 1, &m), SPOOL_GOT);
	assert_true(m.reports.is_warned);
	buf_reset(&w->notes);
	journal_warning(&w->notes, "../w");
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), -1);
	message_fini(&m);
}

/* Every cut of the last record: ignored, and removed by who may write. */
static void
test_torn_record(void **state)
{
	static const char *const records[] = {
		"R\t6\t0\t1\t0\t1\t0\t0\t0000000000000000\tdora\tbob\n",
		"X\t0\n", "S\t0\n", "W\t0\n", "P\t0\n", "B\tabc\n",
		"A\t0\t1\t2\t3\tbob\n", "F\t0\t1\t5.1.1\tno such user\n",
		"D\t0\t1\t99\t4.4.1\ttimed out\n",
		"Y\t0\t3\t2.0.0\tdelivered\n", "N\t5\t1\t\n",
		"H\tabc\n", "G\n",
	};
	struct world *w = *state;
	struct message m;
	struct buf b, after;
	size_t i, n, whole;

	commit_filled(w);
	slurp(w, ID, &b);
	whole = b.len;
	for (i = 0; i < N(records); i++) {
		b.len = whole;
		buf_puts(&b, records[i]);
		for (n = whole; n < b.len; n++) {
			plant(w, "t", b.data, n);
			assert_int_equal(load(w, "t", 0, &m), SPOOL_GOT);
			assert_int_equal(m.nrcpts, 6);
			assert_int_equal(m.rcpts[0].state, RCPT_OPEN);
			assert_int_equal(m.rcpts[5].notify, 0);
			assert_string_equal(m.reports.warn_id, "");
			assert_false(m.reports.is_warned);
			message_fini(&m);
			slurp(w, "t", &after);	/* a reader cuts nothing */
			assert_int_equal(after.len, n);
			buf_fini(&after);
			assert_int_equal(load(w, "t", 1, &m), SPOOL_GOT);
			buf_reset(&w->notes);
			note(&w->notes, &m, 1, RCPT_SENT);
			assert_int_equal(spool_append(&m, &w->notes, 0,
			    &w->res), 0);
			message_fini(&m);
			slurp(w, "t", &after);
			assert_int_equal(after.len, whole + 4);
			assert_memory_equal(after.data, b.data, whole);
			assert_string_equal(after.data + whole, "S\t1\n");
			buf_fini(&after);
		}
		plant(w, "t", b.data, b.len);
		assert_int_equal(load_verdict(w, "t", 1), SPOOL_GOT);
	}
	buf_fini(&b);
}

/* Every cut up to the first whole recipient is seen as damage. */
static void
test_cut_file(void **state)
{
	struct world *w = *state;
	struct buf b;
	size_t first, n;

	commit_filled(w);
	slurp(w, ID, &b);
	first = PREAMBLE + sizeof(TEXT) - 1;
	first += strcspn(b.data + first, "\n") + 1;
	for (n = 0; n < first; n++) {
		plant(w, "c", b.data, n);
		assert_int_equal(load_verdict(w, "c", 0), SPOOL_CORRUPT);
		assert_int_equal(load_verdict(w, "c", 1), SPOOL_CORRUPT);
	}
	plant(w, "c", b.data, first);
	assert_int_equal(load_verdict(w, "c", 0), SPOOL_GOT);
	buf_fini(&b);
}

/* What the preamble promises must be in the file. */
static void
test_lengths_beyond_the_file(void **state)
{
	static const char *const lengths[] = { "18", "16", "99", "-1" };
	struct world *w = *state;
	struct buf b;
	char *at;
	size_t i;

	commit_filled(w);
	slurp(w, ID, &b);
	at = strstr(b.data, "length 17");
	assert_non_null(at);
	for (i = 0; i < N(lengths); i++) {
		memcpy(at + strlen("length "), lengths[i], 2);
		plant(w, "p", b.data, b.len);
		assert_int_equal(load_verdict(w, "p", 1), SPOOL_CORRUPT);
	}
	memset(b.data, 0, PREAMBLE);
	plant(w, "p", b.data, b.len);
	assert_int_equal(load_verdict(w, "p", 1), SPOOL_CORRUPT);
	buf_fini(&b);
}

static void
test_damaged_journal(void **state)
{
	struct world *w = *state;
	struct buf b;

	commit_filled(w);
	slurp(w, ID, &b);
	buf_puts(&b, "Z\t0\n");
	plant(w, "j", b.data, b.len);
	assert_int_equal(load_verdict(w, "j", 0), SPOOL_CORRUPT);
	assert_int_equal(load_verdict(w, "j", 1), SPOOL_CORRUPT);
	buf_fini(&b);
}

static void
test_files_that_are_none(void **state)
{
	struct world *w = *state;
	int for_write;

	assert_int_equal(load_verdict(w, "none", 1), SPOOL_GONE);
	assert_int_equal(symlinkat("/etc/passwd", w->sp.queue, "link"), 0);
	assert_int_equal(mkfifoat(w->sp.queue, "fifo", 0600), 0);
	assert_int_equal(mkdirat(w->sp.queue, "dir", 0700), 0);
	for (for_write = 0; for_write < 2; for_write++) {
		assert_int_equal(load_verdict(w, "link", for_write),
		    SPOOL_CORRUPT);
		assert_int_equal(load_verdict(w, "fifo", for_write),
		    SPOOL_CORRUPT);
		assert_int_equal(load_verdict(w, "dir", for_write),
		    SPOOL_CORRUPT);
	}
	/* And they can be put out of the way. */
	assert_int_equal(spool_put_aside(&w->sp, "dir", "corrupt"), 0);
	assert_true(exists(w, "corrupt", "dir"));
	assert_int_equal(spool_put_aside(&w->sp, "none", "corrupt"), -1);
	assert_int_equal(errno, ENOENT);
}

struct seen {
	int	n;
	char	ids[8][QUEUE_ID_MAX + 1];
};

/* Enough at two. */
static int
see(void *arg, const char *id)
{
	struct seen *s = arg;

	assert_true(s->n < 8);
	text_copy(s->ids[s->n++], sizeof(s->ids[0]), id);
	return s->n == 2;
}

static void
test_list_and_remove(void **state)
{
	struct world *w = *state;
	struct seen seen = { 0, { "" } };

	assert_int_equal(spool_list(&w->sp, see, &seen), 0);
	assert_int_equal(seen.n, 0);
	plant(w, "one", "", 0);
	plant(w, "two", "", 0);
	plant(w, "README.txt", "", 0);
	plant(w, ".hidden", "", 0);
	plant(w, "0123456789abcdefghijklmno", "", 0);
	assert_int_equal(spool_list(&w->sp, see, &seen), 0);
	assert_int_equal(seen.n, 2);
	plant(w, "three", "", 0);
	seen.n = 0;
	assert_int_equal(spool_list(&w->sp, see, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(spool_remove(&w->sp, "three", 0), 0);
	assert_int_equal(spool_remove(&w->sp, "one", 0), 0);
	assert_int_equal(spool_remove(&w->sp, "one", 0), 0);
	assert_int_equal(spool_put_aside(&w->sp, "two", "dead"), 0);
	assert_true(exists(w, "dead", "two"));
	assert_int_equal(spool_count(&w->sp, "dead"), 1);
	assert_int_equal(spool_count(&w->sp, "corrupt"), 0);
	seen.n = 0;
	assert_int_equal(spool_list(&w->sp, see, &seen), 0);
	assert_int_equal(seen.n, 0);
}

/* One file at any time; of two names, as a power failure may leave, too. */
static void
test_a_message_is_put_back_under_its_id(void **state)
{
	struct world *w = *state;
	struct spool folder;
	struct message m, other;

	assert_int_equal(spool_open_folder(&w->sp, "dead", &folder), -1);
	assert_int_equal(errno, ENOENT);
	plant(w, "one", "", 0);
	assert_int_equal(spool_put_aside(&w->sp, "one", "dead"), 0);
	assert_int_equal(spool_open_folder(&w->sp, "dead", &folder), 0);
	(void)spool_load(&folder, "one", 0, &m, &w->res);
	(void)spool_load(&folder, "one", 0, &other, &w->res);
	assert_int_equal(spool_claim(&m), 0);
	assert_int_equal(spool_claim(&other), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(spool_put_back(&w->sp, &folder, "one"), 0);
	assert_false(exists(w, "dead", "one"));
	assert_int_equal(spool_sync_back(&w->sp, &folder), 0);
	assert_int_equal(linkat(w->sp.queue, "one", folder.queue, "one", 0), 0);
	assert_int_equal(spool_put_back(&w->sp, &folder, "one"), -1);
	assert_int_equal(errno, EEXIST);
	/* The runner puts it aside again: rename(2) would leave both. */
	assert_int_equal(spool_put_aside(&w->sp, "one", "dead"), 0);
	assert_false(exists(w, "queue", "one"));
	assert_true(exists(w, "dead", "one"));
	assert_int_equal(spool_remove(&folder, "one", 1), 0);
	message_fini(&m);
	assert_int_equal(spool_claim(&other), -1);
	assert_int_equal(errno, ENOENT);
	message_fini(&other);
	spool_close(&folder);
}

static void
test_open(void **state)
{
	struct world *w = *state;
	char path[256];
	struct spool sp;
	struct stat st;

	assert_int_equal(fstat(w->sp.queue, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/none", w->top);
	assert_int_equal(spool_open(&sp, path, &w->res), -1);
	assert_non_null(strstr(w->res.reason, "none"));
	spool_close(&sp);
	/* One that no socket address has room for. */
	memset(path, 'x', 200);
	path[0] = '/';
	path[200] = '\0';
	assert_int_equal(spool_open(&sp, path, &w->res), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	snprintf(path, sizeof(path), "%s/link", w->top);
	assert_int_equal(symlink(w->top, path), 0);
	assert_int_equal(spool_open(&sp, path, &w->res), 0);
	spool_close(&sp);
	/* Where others could make another link. */
	assert_int_equal(chmod(w->top, 0777), 0);
	assert_int_equal(spool_open(&sp, path, &w->res), -1);
	assert_int_equal(chmod(w->top, 0700), 0);
}

static void
test_file_mode(void **state)
{
	struct world *w = *state;
	struct stat st;

	commit_filled(w);
	assert_int_equal(fstatat(w->sp.queue, ID, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_uid, geteuid());
}

static void
test_lock(void **state)
{
	struct world *w = *state;
	int copy, fd;

	fd = spool_lock(&w->sp);
	assert_true(fd != -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	errno = 0;
	assert_int_equal(spool_lock(&w->sp), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	copy = dup(fd);
	close(fd);
	assert_int_equal(spool_lock(&w->sp), -1);
	close(copy);
	fd = spool_lock(&w->sp);
	assert_true(fd != -1);
	/* Let go on purpose it is free at once, copies or not. */
	copy = dup(fd);
	spool_unlock(&fd);
	assert_int_equal(fd, -1);
	spool_unlock(&fd);
	fd = spool_lock(&w->sp);
	assert_true(fd != -1);
	close(fd);
	close(copy);
	/* The name leads nowhere else. */
	assert_int_equal(unlinkat(w->sp.dir, "lock", 0), 0);
	assert_int_equal(symlinkat("/tmp/x", w->sp.dir, "lock"), 0);
	assert_int_equal(spool_lock(&w->sp), -1);
	assert_int_equal(errno, ELOOP);
}

static void
test_why_it_cannot_be_locked(void **state)
{
	struct world *w = *state;
	char reason[256];
	int fd;

	assert_int_equal(spool_lock_reason(&w->sp, reason, sizeof(reason)),
	    -1);
	fd = spool_lock(&w->sp);
	assert_int_equal(spool_lock_reason(&w->sp, reason, sizeof(reason)),
	    -1);
	close(fd);
	assert_int_equal(unlinkat(w->sp.dir, "lock", 0), 0);
	assert_int_equal(mkdirat(w->sp.dir, "lock", 0700), 0);
	assert_int_equal(spool_lock_reason(&w->sp, reason, sizeof(reason)),
	    0);
	assert_non_null(strstr(reason, w->top));
	assert_non_null(strstr(reason, "/lock: Is a directory: remove it"));
}

/* Without a descriptor for it: that is no other runner. */
static void
test_a_want_of_descriptors_is_no_other_runner(void **state)
{
	struct world *w = *state;
	struct rlimit old, few;
	char reason[256];
	int error, lock, ret;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	lock = spool_lock(&w->sp);
	error = errno;
	ret = spool_lock_reason(&w->sp, reason, sizeof(reason));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(lock, -1);
	assert_int_equal(error, EMFILE);
	assert_int_equal(ret, 0);
	assert_non_null(strstr(reason, "/lock: "));
	assert_non_null(strstr(reason, strerror(EMFILE)));
	lock = spool_lock(&w->sp);
	assert_int_not_equal(lock, -1);
	close(lock);
}

/* In a process of its own: its locks are one owner's. */
static int
is_over(const void *arg)
{
	return spool_hold_call(arg, 1000) == -1;
}

static void
test_few_calls_of_a_user(void **state)
{
	struct world *w = *state;
	pid_t pids[CALLS_OF_USER];
	int i, pair[2];
	char c;

	for (i = 0; i < CALLS_OF_USER; i++) {
		assert_int_equal(pipe(pair), 0);
		pids[i] = fork();
		if (pids[i] == 0) {
			if (spool_hold_call(&w->sp, 1000) == -1)
				_exit(1);
			(void)!write(pair[1], "", 1);
			pause();
		}
		close(pair[1]);
		assert_int_equal(read(pair[0], &c, 1), 1);
		close(pair[0]);
	}
	assert_int_equal(t_in_child(is_over, &w->sp), 1);
	assert_int_not_equal(spool_hold_call(&w->sp, 1001), -1);
	/* However it ends. */
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	assert_int_equal(t_in_child(is_over, &w->sp), 0);
	for (i = 0; i < CALLS_OF_USER; i++)
		if (i != 1) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
}

static void
test_wake(void **state)
{
	struct world *w = *state;
	struct ipc out, in;
	uint64_t ino;
	int i, sock, second;

	ipc_init(&out);
	ipc_init(&in);
	ipc_begin(&out, IPC_WAKE, 1);
	assert_int_equal(spool_poke(&w->sp, &out), -1);
	assert_int_equal(errno, ENOENT);
	sock = spool_wake_open(&w->sp);
	assert_true(sock != -1);
	assert_int_equal(ipc_recv(sock, &in, IPC_WAKE_LIMIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(spool_poke(&w->sp, &out), 0);
	assert_int_equal(ipc_recv(sock, &in, IPC_WAKE_LIMIT), 1);
	assert_int_equal(in.kind, IPC_WAKE);
	for (i = 0; i < POKES_MAX && spool_poke(&w->sp, &out) == 0; i++)
		;
	assert_int_equal(errno, EAGAIN);
	assert_true(i > 0 && i < POKES_MAX);
	close(sock);
	/* The name stays behind a runner that is killed. */
	assert_int_equal(spool_poke(&w->sp, &out), -1);
	assert_int_equal(errno, ECONNREFUSED);
	second = spool_wake_open(&w->sp);
	assert_true(second != -1);
	assert_int_equal(spool_poke(&w->sp, &out), 0);
	assert_int_equal(ipc_recv(second, &in, IPC_WAKE_LIMIT), 1);
	/* A runner whose name was taken by another one can tell. */
	ino = spool_wake_ino(&w->sp);
	assert_true(ino != 0);
	sock = spool_wake_open(&w->sp);
	assert_true(sock != -1);
	assert_true(spool_wake_ino(&w->sp) != ino);
	close(sock);
	close(second);
	assert_int_equal(unlinkat(w->sp.dir, "wake", 0), 0);
	assert_true(spool_wake_ino(&w->sp) == 0);
	ipc_fini(&out);
	ipc_fini(&in);
}

/* Somebody moved queue/ away, as its runner can tell. */
static void
test_queue_is_replaced(void **state)
{
	struct world *w = *state;
	struct spool other;

	assert_false(spool_is_replaced(&w->sp));
	assert_int_equal(renameat(w->sp.dir, "queue", w->sp.dir, "old"), 0);
	assert_true(spool_is_replaced(&w->sp));
	assert_int_equal(spool_open(&other, w->sp.path, &w->res), 0);
	assert_true(spool_is_replaced(&w->sp));
	assert_false(spool_is_replaced(&other));
	spool_close(&other);
	assert_int_equal(unlinkat(w->sp.dir, "queue", AT_REMOVEDIR), 0);
	assert_int_equal(renameat(w->sp.dir, "old", w->sp.dir, "queue"), 0);
}

/* A queue that another user could prepare is not used. */
static void
test_queue_of_another_user(void **state)
{
	struct world *w = *state;
	struct spool other;

	t_needs_root();
	assert_int_equal(fchownat(w->sp.dir, "queue", 1, 1, 0), 0);
	assert_int_equal(spool_open(&other, w->sp.path, &w->res), -1);
	assert_non_null(strstr(w->res.reason, "/queue: "));
	assert_int_equal(fchownat(w->sp.dir, "queue", 0, 0, 0), 0);
}

/* A journal that cannot be written is as it was before. */
static void
test_append_fails(void **state)
{
	struct world *w = *state;
	struct message m;
	struct buf before, after;

	commit_filled(w);
	slurp(w, ID, &before);
	assert_int_equal(load(w, ID, 0, &m), SPOOL_GOT);	/* read only */
	note(&w->notes, &m, 0, RCPT_SENT);
	assert_int_equal(spool_append(&m, &w->notes, 1, &w->res), -1);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	message_fini(&m);
	slurp(w, ID, &after);
	assert_int_equal(after.len, before.len);
	buf_fini(&before);
	buf_fini(&after);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_round_trip),
		CASE(test_longest_values),
		CASE(test_sizes), CASE(test_sizes_around_the_first_read),
		CASE(test_load_of_a_submitter),
		CASE(test_a_look_leaves_no_time_of_access),
		CASE(test_text_that_is_not_checked_is_not_summed),
		CASE(test_draft_without_publish),
		CASE(test_named_draft),
		CASE(test_sweep),
		CASE(test_taken_name),
		CASE(test_ids),
		CASE(test_values_refused_when_written),
		CASE(test_notes_refused),
		CASE(test_states),
		CASE(test_successes),
		CASE(test_wishes),
		CASE(test_append_keeps_the_way),
		CASE(test_all_again),
		CASE(test_append_is_due),
		CASE(test_old_replies),
		CASE(test_same_words),
		CASE(test_long_journal),
		CASE(test_journal_too_long),
		CASE(test_bounce_plan),
		CASE(test_notice_plan),
		CASE(test_torn_record),
		CASE(test_cut_file),
		CASE(test_damaged_journal),
		CASE(test_lengths_beyond_the_file),
		CASE(test_files_that_are_none),
		CASE(test_list_and_remove),
		CASE(test_a_message_is_put_back_under_its_id),
		CASE(test_open),
		CASE(test_file_mode),
		CASE(test_lock),
		CASE(test_why_it_cannot_be_locked),
		CASE(test_a_want_of_descriptors_is_no_other_runner),
		CASE(test_few_calls_of_a_user),
		CASE(test_wake),
		CASE(test_queue_is_replaced),
		CASE(test_queue_of_another_user),
		CASE(test_append_fails),
		CASE(test_append_after_what_is_left),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
