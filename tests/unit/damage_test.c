/*
 * damage_test.c - a queue file with any byte changed, or cut anywhere: it is
 * read as it was, or found to be damaged.  In a private directory; no root
 * needed.
 */
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "spool.h"
#include "spool/journal.h"
#include "tests/unit/t_queue.h"

#define ID	"0123456789abc"
#define TEXT	"Subject: x\nTo: y\n\nsome text\nof two lines, or more\n"

struct world {
	char		 top[64];
	struct spool	 sp;
	struct result	 res;
	struct message	 whole, shorter;	/* without its last record */
	int		 fd;
	off_t		 size;
};

static void
add(struct message *m, const char *address, unsigned notify,
    const char *orcpt)
{
	struct recipient *r = message_add(m, address);

	assert_non_null(r);
	r->notify = notify;
	r->orcpt = orcpt == NULL ? NULL : strdup(orcpt);
}

static void
commit(struct world *w)
{
	struct message m;

	message_init(&m);
	m.arrived = 1700000000;
	m.submitter = 1000;
	m.ret = RET_HDRS;
	text_copy(m.sender, sizeof(m.sender), "alice@host.test");
	text_copy(m.envid, sizeof(m.envid), "id+1");
	add(&m, "bob", 0, NULL);
	add(&m, "x@far.test", NOTIFY_SUCCESS | NOTIFY_FAILURE,
	    "rfc822;X@far.test");
	add(&m, "y@far.test", 0, NULL);
	add(&m, "z@far.test", NOTIFY_NEVER, NULL);
	t_commit(&w->sp, ID, &m, TEXT, sizeof(TEXT) - 1);
	message_fini(&m);
}

static void
happen(struct message *m, struct buf *b, uint32_t i, enum rcpt_state state)
{
	struct recipient *r = &m->rcpts[i];

	r->state = state;
	r->attempts++;
	r->due = 1700000300;
	result_quote(&r->last, SOURCE_SERVER, state == RCPT_FAILED ?
	    STATUS_FAILED : STATUS_DEFERRED, "4.2.1", "said for %u", i);
	if (state == RCPT_FAILED)
		r->action = ACTION_FAILED;
	journal_state(b, m, i, 0);
}

static void
append(struct world *w, void (*what)(struct message *, struct buf *))
{
	struct message m;
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(spool_load(&w->sp, ID, 1, &m, &w->res), SPOOL_GOT);
	what(&m, &b);
	assert_int_equal(spool_append(&m, &b, 0, &w->res), 0);
	message_fini(&m);
	buf_fini(&b);
}

static void
most(struct message *m, struct buf *b)
{
	happen(m, b, 0, RCPT_OPEN);
	m->rcpts[0].owner = strdup("bob");
	m->rcpts[0].checkpoint = (struct checkpoint){ 3, 4, 5 };
	journal_append(b, m, 0);
	happen(m, b, 1, RCPT_OPEN);
	happen(m, b, 2, RCPT_FAILED);
	journal_bounce(b, "abc", 2);
	journal_reported(b, 2);
	journal_warning(b, "abd");
	journal_warned(b);
	happen(m, b, 3, RCPT_OPEN);
}

static void
last(struct message *m, struct buf *b)
{
	happen(m, b, 3, RCPT_SENT);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	result_init(&w->res);
	assert_int_equal(spool_open(&w->sp, w->top, &w->res), 0);
	spool_mark(&w->sp);
	commit(w);
	append(w, most);
	assert_int_equal(spool_load(&w->sp, ID, 0, &w->shorter, &w->res),
	    SPOOL_GOT);
	append(w, last);
	assert_int_equal(spool_load(&w->sp, ID, 0, &w->whole, &w->res),
	    SPOOL_GOT);
	w->fd = openat(w->sp.queue, ID, O_RDWR | O_CLOEXEC);
	w->size = lseek(w->fd, 0, SEEK_END);
	assert_true(w->size > 1024);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	message_fini(&w->whole);
	message_fini(&w->shorter);
	result_fini(&w->res);
	close(w->fd);
	spool_close(&w->sp);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

static int
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int
same_rcpt(const struct recipient *a, const struct recipient *b)
{
	return same_text(a->address, b->address) && a->notify == b->notify &&
	    same_text(a->orcpt, b->orcpt) && a->state == b->state &&
	    a->attempts == b->attempts && a->due == b->due &&
	    a->action == b->action && a->is_reported == b->is_reported &&
	    a->kind == b->kind && a->parent == b->parent &&
	    a->checkpoint.length == b->checkpoint.length &&
	    same_text(a->owner, b->owner) && result_is_same(&a->last, &b->last);
}

/* Who sent it, what it is, and to whom. */
static int
same_envelope(const struct message *a, const struct message *b)
{
	uint32_t i;

	if (strcmp(a->sender, b->sender) != 0 || a->arrived != b->arrived ||
	    a->submitter != b->submitter || a->ret != b->ret ||
	    strcmp(a->envid, b->envid) != 0 || a->nrcpts != b->nrcpts ||
	    a->text.length != b->text.length ||
	    a->text.lines != b->text.lines || a->text.flags != b->text.flags ||
	    a->text.hops != b->text.hops)
		return 0;
	for (i = 0; i < a->nrcpts; i++)
		if (!same_text(a->rcpts[i].address, b->rcpts[i].address) ||
		    !same_text(a->rcpts[i].orcpt, b->rcpts[i].orcpt) ||
		    a->rcpts[i].notify != b->rcpts[i].notify)
			return 0;
	return 1;
}

static int
same(const struct message *a, const struct message *b)
{
	uint32_t i;

	if (!same_envelope(a, b) || a->reports.owed != b->reports.owed ||
	    a->reports.is_warned != b->reports.is_warned ||
	    strcmp(a->reports.bounce_id, b->reports.bounce_id) != 0 ||
	    strcmp(a->reports.warn_id, b->reports.warn_id) != 0)
		return 0;
	for (i = 0; i < a->nrcpts; i++)
		if (!same_rcpt(&a->rcpts[i], &b->rcpts[i]))
			return 0;
	return 1;
}

static enum spool_got
load(struct world *w, struct message *m)
{
	enum spool_got got = spool_load(&w->sp, ID, 0, m, &w->res);

	return got == SPOOL_GOT ? spool_check_text(m, &w->res) : got;
}

/* 1 when it was found to be damaged. */
static int
try_byte(struct world *w, off_t at, unsigned char byte)
{
	struct message m;
	enum spool_got got;

	assert_int_equal(pwrite(w->fd, &byte, 1, at), 1);
	got = load(w, &m);
	/* Without its end, the last line is one that was never written. */
	if (got == SPOOL_GOT && !same(&m, at == w->size - 1 ? &w->shorter :
	    &w->whole))
		fail_msg("byte %ld as %02x is believed", (long)at, byte);
	if (got != SPOOL_GOT)
		assert_int_equal(got, SPOOL_CORRUPT);
	message_fini(&m);
	return got == SPOOL_CORRUPT;
}

static void
test_each_byte_that_is_another_one_is_found(void **state)
{
	static const unsigned char values[] = { 0, '\t', '\n', ' ', '0', '1',
	    '9', 'a', 'S', 'P', 0xff };
	struct world *w = *state;
	unsigned char was;
	off_t at;
	unsigned i;
	long found = 0, tried = 0;

	for (at = 0; at < w->size; at++) {
		assert_int_equal(pread(w->fd, &was, 1, at), 1);
		for (i = 0; i < 8; i++, tried++)
			found += try_byte(w, at,
			    (unsigned char)(was ^ 1U << i));
		for (i = 0; i < N(values); i++, tried++)
			found += values[i] != was ? try_byte(w, at,
			    values[i]) : 1;
		assert_int_equal(pwrite(w->fd, &was, 1, at), 1);
	}
	/* All but the changes of the last line's end. */
	assert_true(tried - found < 8 + (long)N(values));
}

static void
test_a_file_that_was_cut_is_never_another_message(void **state)
{
	struct world *w = *state;
	struct message m;
	enum spool_got got;
	off_t len;

	for (len = w->size - 1; len >= 0; len--) {
		assert_int_equal(ftruncate(w->fd, len), 0);
		got = load(w, &m);
		if (got == SPOOL_GOT && !same_envelope(&m, &w->whole))
			fail_msg("cut at %ld it is believed", (long)len);
		if (got != SPOOL_GOT)
			assert_int_equal(got, SPOOL_CORRUPT);
		message_fini(&m);
	}
}

/* As a disk gives back sectors that it has lost. */
static void
test_zeros_are_found(void **state)
{
	static const char zeros[512];
	struct world *w = *state;
	struct message m;
	char was[512];
	ssize_t n;
	off_t at;

	for (at = 0; at < w->size; at += (off_t)sizeof(zeros)) {
		n = pread(w->fd, was, sizeof(was), at);
		assert_true(n > 0);
		assert_int_equal(pwrite(w->fd, zeros, (size_t)n, at), n);
		if (load(w, &m) == SPOOL_GOT)
			assert_true(same_envelope(&m, &w->whole));
		message_fini(&m);
		assert_int_equal(pwrite(w->fd, was, (size_t)n, at), n);
	}
	assert_int_equal(load(w, &m), SPOOL_GOT);
	message_fini(&m);
}

static void
test_lines_that_change_places_are_found(void **state)
{
	struct world *w = *state;
	struct message m;
	struct buf b;
	char *first, *second, *end;

	buf_init(&b, 0);
	assert_int_equal(lseek(w->fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_file(w->fd, &b, 1024 * 1024), 0);
	first = strstr(b.data, "\nR\t2\t") + 1;
	second = strstr(b.data, "\nR\t3\t") + 1;
	end = strchr(second, '\n') + 1;
	assert_int_equal(pwrite(w->fd, second, (size_t)(end - second),
	    first - b.data), end - second);
	assert_int_equal(pwrite(w->fd, first, (size_t)(second - first),
	    first - b.data + (end - second)), second - first);
	assert_int_equal(load(w, &m), SPOOL_CORRUPT);
	message_fini(&m);
	buf_fini(&b);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_byte_that_is_another_one_is_found),
		TEST(test_a_file_that_was_cut_is_never_another_message),
		TEST(test_zeros_are_found),
		TEST(test_lines_that_change_places_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
