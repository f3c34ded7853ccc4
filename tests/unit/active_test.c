/*
 * active_test.c - what is in the queue is listed, loaded when it is due, and
 * postponed when its share is used up.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "spool/journal.h"
#include "tests/unit/t_active.h"

#define HALF	(ACTIVE_MAX / 2)
#define MOST	(ACTIVE_MAX / 4 * 3)	/* of one submitter */
#define LONG	400000			/* files of a long queue */
#if defined(__GLIBC__)
#define READDIR	"readdir64"		/* what readdir() is built as */
#else
#define READDIR	"readdir"
#endif

/* How many were loaded. */
static unsigned	 nloaded;
/* Files that a directory is said to have, until it was read. */
static unsigned	 nshown;

/* In place of that of libc. */
struct dirent *
readdir(DIR *dir)
{
	struct dirent *(*real)(DIR *) = (struct dirent *(*)(DIR *))dlsym(
	    RTLD_NEXT, READDIR);
	static struct dirent shown;

	if (nshown == 0)
		return real(dir);
	nshown--;
	shown.d_type = DT_REG;
	/* In no order, and each once. */
	snprintf(shown.d_name, sizeof(shown.d_name), "%08x",
	    nshown * 2654435761U);
	return &shown;
}

static int
setup(void **state)
{
	struct t_active *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t_active_init(t, "");
	nloaded = 0;
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	t_active_fini(*state);
	free(*state);
	return 0;
}

static void
commit(struct t_active *t, const char *id)
{
	t_active_commit(t, id, "bob", NULL);
}

static struct entry *
entry(struct t_active *t, const char *id)
{
	size_t i;

	for (i = 0; i < t->active.n; i++)
		if (strcmp(t->active.entries[i]->id, id) == 0)
			return t->active.entries[i];
	return NULL;
}

static void
take_away(struct t_active *t, const char *id)
{
	assert_int_equal(unlinkat(t->q.spool.queue, id, 0), 0);
}

static void
count(struct active *all, struct active_message *a)
{
	(void)all;
	(void)a;
	nloaded++;
}

static void
test_listed_once_and_sorted(void **state)
{
	struct t_active *t = *state;

	commit(t, "c");
	commit(t, "a");
	active_scan(&t->active);
	commit(t, "b");
	active_add(&t->active, "b");
	active_add(&t->active, "b");
	active_scan(&t->active);
	assert_int_equal(t->active.n, 3);
	assert_string_equal(t->active.entries[0]->id, "a");
	assert_string_equal(t->active.entries[1]->id, "b");
	assert_string_equal(t->active.entries[2]->id, "c");
	assert_int_equal(active_scan_ms(&t->active), -1);
}

/* Seconds of the processor, not of the clock. */
static double
spent_s(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Of the first scan of a queue of n files, in whatever order they lie. */
static double
scan_s(struct t_active *t, unsigned n)
{
	struct active a;
	double began;
	size_t i;

	active_init(&a, &t->q, &t->watchers);
	nshown = n;
	began = spent_s();
	active_scan(&a);
	began = spent_s() - began;
	assert_int_equal(a.n, n);
	for (i = 1; i < n; i++)
		assert_true(strcmp(a.entries[i - 1]->id, a.entries[i]->id) < 0);
	active_fini(&a);
	return began;
}

/*
 * Eight times as many cost about ten times as much.  They would cost 64 times
 * as much if each was put into its place when it is found.
 */
static void
test_a_long_queue_is_listed_in_n_log_n(void **state)
{
	struct t_active *t = *state;
	double few = scan_s(t, LONG / 8), many = scan_s(t, LONG);

	print_message("%d: %.3f s, %d: %.3f s\n", LONG / 8, few, LONG, many);
	assert_true(many < 24 * few + 0.1);
}

static void
test_removed_by_the_administrator(void **state)
{
	struct t_active *t = *state;

	commit(t, "a");
	commit(t, "b");
	active_scan(&t->active);
	take_away(t, "a");
	active_scan(&t->active);
	assert_int_equal(entry(t, "a")->state, ENTRY_GONE);
	assert_int_equal(entry(t, "b")->state, ENTRY_NEW);
	active_sweep(&t->active);
	assert_int_equal(t->active.n, 1);
	/* One that is being delivered stays until that is over. */
	assert_non_null(t_active_load(t, "b"));
	take_away(t, "b");
	active_scan(&t->active);
	assert_int_equal(entry(t, "b")->state, ENTRY_ACTIVE);
}

/* Back into the queue, to be due at that time. */
static void
unload(struct t_active *t, const char *id, enum entry_state state, time_t due)
{
	struct entry *e = entry(t, id);

	e->state = (unsigned char)state;
	e->due = due;
	active_end(&t->active, e->message);
}

/* By a user, or by root: the number of entries that it is about. */
static size_t
flush(struct t_active *t, const char *id, uint32_t uid)
{
	struct watcher w;
	unsigned bit;
	size_t left;
	int fds[2], i = 0;

	memset(&w, 0, sizeof(w));
	w.state = WATCHER_WAITING;
	w.uid = uid;
	w.sees_all = uid == 0;
	text_copy(w.id, sizeof(w.id), id);
	assert_int_equal(pipe(fds), 0);
	w.fd = fds[1];
	bit = active_watch(&t->active, &w);
	assert_int_not_equal(bit, 0);
	assert_int_equal(active_flush(&t->active, &w, bit), 0);
	while (bit != 1U << i)
		i++;
	left = t->watchers.list[i].left - 1;
	if (uid == 0)
		watcher_lost(&t->watchers, &t->watchers.list[i]);
	close(fds[0]);
	return left;
}

static void
test_due(void **state)
{
	struct t_active *t = *state;
	time_t now = time(NULL);
	const struct {
		enum entry_state state;
		int		 is_flushed, is_defer;
		time_t		 due;
		int		 is_loaded;
	} cases[] = {
		{ ENTRY_WAITING, 0, 0, 0, 1 },
		{ ENTRY_WAITING, 0, 0, now + 3600, 0 },
		{ ENTRY_WAITING, 1, 0, now + 3600, 1 },
		{ ENTRY_WAITING, 0, 0, now + 1000000, 1 },	/* a clock */
		{ ENTRY_UNTIL_FLUSH, 0, 1, 0, 0 },
		{ ENTRY_UNTIL_FLUSH, 1, 1, 0, 1 },
		{ ENTRY_UNTIL_FLUSH, 0, 0, 0, 1 },
	};
	size_t i;

	commit(t, "a");
	for (i = 0; i < N(cases); i++) {
		assert_non_null(t_active_load(t, "a"));
		t->q.conf.retry.is_defer = cases[i].is_defer;
		unload(t, "a", cases[i].state, cases[i].due);
		if (cases[i].is_flushed)
			flush(t, "", 0);
		assert_true(active_refresh(&t->active, 0));
		active_load(&t->active, count);
		if ((entry(t, "a")->message != NULL) != cases[i].is_loaded)
			fail_msg("case %zu", i);
		flush(t, "a", 0);
	}
}

/* Set back far, and what was due is a year away: it is due now. */
static void
test_clock_that_is_set_back(void **state)
{
	struct t_active *t = *state;

	commit(t, "a");
	commit(t, "b");
	assert_non_null(t_active_load(t, "a"));
	unload(t, "b", ENTRY_WAITING, time(NULL) + 3600);
	unload(t, "a", ENTRY_WAITING, time(NULL) + 365 * 86400);
	active_load(&t->active, count);
	assert_null(t->active.messages);
	active_clock_set(&t->active);
	active_load(&t->active, count);
	assert_non_null(entry(t, "a")->message);
	assert_null(entry(t, "b")->message);
}

/* Nothing is walked before something may be due. */
static void
test_due_ms(void **state)
{
	struct t_active *t = *state;

	assert_int_equal(active_due_ms(&t->active), -1);
	commit(t, "a");
	active_scan(&t->active);
	assert_int_equal(active_due_ms(&t->active), 0);
	assert_non_null(t_active_load(t, "a"));
	unload(t, "a", ENTRY_WAITING, time(NULL) + 100);
	nloaded = 0;
	active_load(&t->active, count);
	assert_int_equal(nloaded, 0);
	assert_true(active_due_ms(&t->active) > 0);
	assert_true(active_due_ms(&t->active) <= 100 * 1000);
	assert_true(active_is_idle(&t->active));
	assert_false(active_is_done(&t->active));
	flush(t, "a", 0);
	active_load(&t->active, count);
	assert_int_equal(nloaded, 1);
	assert_false(active_is_idle(&t->active));
	assert_false(active_is_empty(&t->active));
	/* Given back, it may be due again: empty, and not idle. */
	t_active_unload(t, t->active.messages);
	active_scan(&t->active);
	assert_true(active_is_empty(&t->active));
	assert_false(active_is_idle(&t->active));
}

static void
test_which_recipients(void **state)
{
	struct t_active *t = *state;
	struct active_message *a;
	int forced;

	t_active_commit(t, "a", "bob", "carl", NULL);
	for (forced = 0; forced < 2; forced++) {
		a = t_active_load(t, "a");
		assert_non_null(a);
		a->m.rcpts[0].due = time(NULL) + 3600;
		journal_state(&a->notes, &a->m, 0, 0);
		assert_int_equal(spool_append(&a->m, &a->notes, 0,
		    &a->m.rcpts[0].last), 0);
		t_active_unload(t, a);
		if (forced)
			flush(t, "", 0);
		a = t_active_load(t, "a");
		assert_int_equal(a->is_forced, forced);
		assert_int_equal(a->open, forced ? 2 : 1);
		assert_int_equal(a->attempts[0].stage, forced ? STAGE_ROUTE :
		    STAGE_NONE);
		assert_int_equal(a->is_partial, !forced);
		t_active_unload(t, a);
	}
}

static void
test_unreadable(void **state)
{
	static const char junk[] = "not a message";
	struct t_active *t = *state;
	int fd;

	fd = openat(t->q.spool.queue, "a", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
	commit(t, "b");
	assert_non_null(t_active_load(t, "b"));
	assert_int_equal(entry(t, "a")->state, ENTRY_GONE);
	assert_int_equal(t_count(t->top, "corrupt"), 1);
	assert_int_equal(t_count(t->top, "queue"), 2);	/* b, the notice */
	/* One that was listed and is not there any more. */
	active_add(&t->active, "c");
	assert_null(t_active_load(t, "c"));
	assert_int_equal(entry(t, "c")->state, ENTRY_GONE);
}

static void
load_all(struct t_active *t)
{
	unsigned before;

	do {
		before = nloaded;
		active_load(&t->active, count);
	} while (nloaded > before);
}

/* As if somebody else had submitted it. */
static void
commit_as(struct t_active *t, const char *id, uint32_t uid)
{
	struct message m;

	t_message(&m, "ann@example.org", time(NULL), "bob", NULL);
	m.submitter = uid;
	t_commit(&t->q.spool, id, &m, T_TEXT, sizeof(T_TEXT) - 1);
	message_fini(&m);
}

static void
test_no_more_than_that(void **state)
{
	struct t_active *t = *state;
	char id[8];
	int i;

	for (i = 0; i < MOST + 3; i++) {
		snprintf(id, sizeof(id), "%04d", i);
		commit(t, id);
	}
	active_scan(&t->active);
	load_all(t);
	assert_int_equal(nloaded, MOST);
	assert_int_equal(active_due_ms(&t->active), -1);
	assert_string_equal(t->active.messages->m.id, "0000");
	/* The oldest that is not tried yet. */
	unload(t, "0000", ENTRY_WAITING, time(NULL) + 300);
	load_all(t);
	assert_int_equal(nloaded, MOST + 1);
	assert_non_null(entry(t, "0225")->message);
}

/* However much one has queued, another one is loaded at once. */
static void
test_submitters_take_turns(void **state)
{
	struct t_active *t = *state;
	char id[8];
	int i;

	for (i = 0; i < 2 * ACTIVE_MAX; i++) {
		snprintf(id, sizeof(id), "%04d", i);
		commit_as(t, id, 1001);
	}
	active_scan(&t->active);
	load_all(t);
	assert_int_equal(nloaded, MOST);
	for (i = 0; i < 3; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		commit_as(t, id, 1002 + (uint32_t)i);
		active_add(&t->active, id);
	}
	load_all(t);
	assert_int_equal(nloaded, MOST + 3);
	assert_non_null(entry(t, "x2")->message);
	/* A free place goes to who has fewest. */
	commit_as(t, "y", 1002);
	active_add(&t->active, "y");
	unload(t, "0000", ENTRY_WAITING, time(NULL) + 300);
	load_all(t);
	assert_non_null(entry(t, "y")->message);
}

#define BACKLOG	200			/* messages, of which few were loaded */

/* How many of the backlog were not looked at yet. */
static unsigned
nunread(struct t_active *t)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < t->active.n; i++)
		n += t->active.entries[i]->state == ENTRY_NEW;
	return n;
}

/* Puts all that is loaded back, but one. */
static void
unload_others(struct t_active *t, const struct active_message *one)
{
	struct active_message *am, *next;

	for (am = t->active.messages; am != NULL; am = next) {
		next = am->next;
		if (am != one)
			unload(t, am->m.id, ENTRY_WAITING, time(NULL) + 300);
	}
}

static void
commit_backlog(struct t_active *t, const char *prefix)
{
	char id[16];
	int i;

	for (i = 0; i < BACKLOG; i++) {
		snprintf(id, sizeof(id), "%s%04d", prefix, i);
		commit(t, id);
	}
}

/* Each message is read once, and what a runner was started for at first. */
static void
test_new_mail_does_not_wait_for_a_backlog(void **state)
{
	struct t_active *t = *state;
	struct active_message *new;
	char id[QUEUE_ID_MAX + 1];
	unsigned n;

	commit_backlog(t, "");
	spool_new_id(id);
	commit(t, id);
	active_scan(&t->active);
	active_load(&t->active, count);
	new = entry(t, id)->message;
	assert_non_null(new);
	assert_string_equal(t->active.messages->m.id, "0000");
	unload_others(t, new);
	for (n = nunread(t); n > 0; n = nunread(t)) {
		assert_int_equal(active_due_ms(&t->active), 0);
		assert_false(active_is_next(&t->active, new));
		active_load(&t->active, count);
		assert_true(nunread(t) < n);
		unload_others(t, new);
	}
	assert_int_equal(nloaded, BACKLOG + 1);
	assert_true(active_is_next(&t->active, new));
	/* One that precedes it is loaded first, if there is a place. */
	commit(t, "0");
	active_add(&t->active, "0");
	assert_false(active_is_next(&t->active, new));
	turns_enter(&t->active.turns, new->entry->submitter, MOST - 1);
	assert_true(active_is_next(&t->active, new));
	turns_leave(&t->active.turns, new->entry->submitter, MOST - 1);
	active_load(&t->active, count);
	assert_true(active_is_next(&t->active, new));
}

/* Until all is known, a message is not the next for its mailbox. */
static void
assert_waits_for_unread(struct t_active *t, const struct active_message *new)
{
	assert_non_null(new);
	assert_true(nunread(t) > 0);
	while (nunread(t) > 0) {
		assert_false(active_is_next(&t->active, new));
		active_load(&t->active, count);
		unload_others(t, new);
	}
	assert_true(active_is_next(&t->active, new));
}

/* It is not taken for new mail: all of it is known before a mailbox is used. */
static void
test_a_backlog_of_the_future(void **state)
{
	struct t_active *t = *state;
	char id[QUEUE_ID_MAX + 1];

	commit_backlog(t, "f0000000");
	spool_new_id(id);
	commit(t, id);
	active_scan(&t->active);
	active_load(&t->active, count);
	assert_waits_for_unread(t, entry(t, id)->message);
}

/* More recent mail than is looked at in a turn is known at first, too. */
static void
test_much_recent_mail(void **state)
{
	struct t_active *t = *state;
	char id[QUEUE_ID_MAX + 1];
	int i;

	for (i = 0; i < 300; i++) {
		spool_new_id(id);
		commit(t, id);
	}
	active_scan(&t->active);
	active_add(&t->active, id);
	active_load(&t->active, count);
	assert_waits_for_unread(t, t->active.messages);
}

static void
test_a_backlog_does_not_wait_for_new_mail(void **state)
{
	struct t_active *t = *state;
	char id[QUEUE_ID_MAX + 1];
	unsigned i, n, nadded = 0;

	commit_backlog(t, "");
	active_scan(&t->active);
	for (n = nunread(t); n > 0; n = nunread(t)) {
		/* More than are loaded in a turn. */
		for (i = 0; i < BACKLOG / 2; i++) {
			snprintf(id, sizeof(id), "x%04u", nadded++);
			commit(t, id);
			active_add(&t->active, id);
		}
		active_load(&t->active, count);
		assert_true(nunread(t) < n);
		unload_others(t, NULL);
	}
	assert_true(nloaded > BACKLOG && nloaded < BACKLOG + nadded);
}

static void
commit_long(struct t_active *t, const char *id, int nrcpts)
{
	struct message m;
	char address[16];
	int i;

	t_message(&m, "ann@example.org", time(NULL), NULL);
	m.submitter = 1001;
	for (i = 0; i < nrcpts; i++) {
		snprintf(address, sizeof(address), "u%d", i);
		assert_non_null(message_add(&m, address));
	}
	t_commit(&t->q.spool, id, &m, T_TEXT, sizeof(T_TEXT) - 1);
	message_fini(&m);
}

/* Its recipients take memory. */
static void
test_places(void **state)
{
	struct t_active *t = *state;

	commit_long(t, "a", 5000);
	assert_non_null(t_active_load(t, "a"));
	assert_int_equal(t->active.turns.nplaces, 11);
	t_active_unload(t, t->active.messages);
	assert_int_equal(t->active.turns.nplaces, 0);
}

/* Nor do long ones take the places of others. */
static void
test_places_of_long_ones(void **state)
{
	struct t_active *t = *state;
	char id[] = "a";

	for (; id[0] < 'e'; id[0]++)
		commit_long(t, id, 50000);
	active_scan(&t->active);
	load_all(t);
	assert_int_equal(nloaded, 3);
	assert_int_equal(t->active.turns.nplaces, MOST);
	commit_as(t, "x", 1002);
	active_add(&t->active, "x");
	load_all(t);
	assert_non_null(entry(t, "x")->message);
}

/* A share that is used up postpones; its message comes back with a place. */
static void
test_share(void **state)
{
	struct t_active *t = *state;
	struct active_message *a, *b;
	struct share *share;

	commit(t, "a");
	commit(t, "b");
	a = t_active_load(t, "a");
	b = t_active_load(t, "b");
	share = t_active_share(t, SHARE_USER, "bob");
	share->active = HALF - 1;
	assert_int_equal(active_admit(&t->active, a, 0, "bob"), 0);
	assert_int_equal(share->active, HALF);
	assert_ptr_equal(a->share, share);
	assert_int_equal(active_admit(&t->active, a, 0, "BOB"), 0);
	assert_int_equal(share->active, HALF);		/* once */
	assert_int_equal(active_admit(&t->active, b, 0, "Bob"), -1);
	assert_int_equal(b->open, 0);
	assert_int_equal(share->postponed.n, 1);
	b->entry->state = ENTRY_WAITING;
	active_end(&t->active, b);
	assert_int_equal(entry(t, "b")->state, ENTRY_POSTPONED);
	assert_null(t_active_load(t, "b"));
	t->active.is_stale = 0;
	active_release(&t->active, share);
	assert_int_equal(t->active.is_stale, 1);
	b = t_active_load(t, "b");
	assert_non_null(b);
	assert_int_equal(share->postponed.n, 0);
	assert_ptr_equal(b->share, share);
	assert_int_equal(share->active, HALF);
	share->active = 2;
	t_active_unload(t, b);
	t_active_unload(t, a);		/* and the share is gone */
}

/* Where there is room for one, the oldest has it. */
static void
test_oldest_first(void **state)
{
	static const char *const ids[] = { "a", "b", "c" };
	struct t_active *t = *state;
	struct share *share;
	struct active_message *a;
	size_t i;

	commit(t, "0");
	assert_non_null(t_active_load(t, "0"));
	share = t_active_share(t, SHARE_USER, "bob");
	share->active = HALF;
	for (i = N(ids); i-- > 0; ) {
		commit(t, ids[i]);
		a = t_active_load(t, ids[i]);
		assert_int_equal(active_admit(&t->active, a, 0, "bob"), -1);
		unload(t, ids[i], ENTRY_WAITING, 0);
	}
	for (i = 0; i < N(ids); i++) {
		share->active = HALF - 1;
		t->active.is_stale = 1;
		active_load(&t->active, count);
		assert_int_equal(nloaded, i + 1);
		assert_non_null(entry(t, ids[i])->message);
	}
	share->active = N(ids);
}

/* A message for many users waits for none of them alone. */
static void
test_many_recipients_are_not_postponed(void **state)
{
	struct t_active *t = *state;
	struct active_message *a;

	t_active_commit(t, "a", "bob", "carl", NULL);
	a = t_active_load(t, "a");
	t_active_share(t, SHARE_USER, "bob")->active = ACTIVE_MAX;
	assert_int_equal(active_admit(&t->active, a, 0, "bob"), 0);
	assert_null(a->share);
}

/* What only a flush can move keeps no runner. */
static void
test_done(void **state)
{
	struct t_active *t = *state;

	assert_true(active_is_done(&t->active));
	commit(t, "a");
	assert_non_null(t_active_load(t, "a"));
	unload(t, "a", ENTRY_WAITING, time(NULL) + 300);
	assert_false(active_is_done(&t->active));
	t->q.conf.retry.is_defer = 1;
	assert_false(active_is_done(&t->active));
	flush(t, "a", 0);
	active_load(&t->active, count);
	unload(t, "a", ENTRY_UNTIL_FLUSH, 0);
	flush(t, "a", 0);
	active_load(&t->active, count);
	entry(t, "a")->is_forced = 0;
	unload(t, "a", ENTRY_UNTIL_FLUSH, 0);
	assert_true(active_is_done(&t->active));
	t->q.conf.retry.is_defer = 0;
	assert_false(active_is_done(&t->active));
}

static void
test_flush(void **state)
{
	struct t_active *t = *state;

	commit(t, "a");
	commit(t, "b");
	assert_int_equal(flush(t, "", 0), 2);
	assert_true(entry(t, "a")->is_forced && entry(t, "b")->is_forced);
	assert_int_equal(flush(t, "b", 0), 1);
	assert_int_equal(flush(t, "../a", 0), 0);
	assert_int_equal(flush(t, "c", 0), 0);
}

/* Users have their own tried, and nothing of others. */
static void
test_flush_of_a_user(void **state)
{
	struct t_active *t = *state;

	commit_as(t, "a", 1000);
	commit_as(t, "b", 1000);
	assert_int_equal(flush(t, "", 7), 0);
	assert_int_equal(entry(t, "a")->is_forced, 0);
	assert_int_equal(flush(t, "a", 7), 0);
	assert_int_equal(flush(t, "", 1000), 2);
	assert_int_equal(entry(t, "a")->is_forced, 1);
	assert_int_equal(flush(t, "b", 1000), 1);
	assert_int_equal(flush(t, "", 0), 2);
}

/* One that came during an attempt of a part is not the end of it. */
static void
test_flush_during_an_attempt(void **state)
{
	static const struct {
		int	 was_forced, is_partial, ndecided, is_forced_after;
	} cases[] = {
		{ 1, 0, 0, 0 }, { 1, 1, 0, 0 }, { 0, 0, 0, 0 },
		{ 0, 1, 0, 1 }, { 0, 0, 1, 1 },
	};
	struct t_active *t = *state;
	struct active_message *a;
	size_t i;

	commit(t, "a");
	for (i = 0; i < N(cases); i++) {
		a = t_active_load(t, "a");
		a->is_forced = cases[i].was_forced;
		a->is_partial = cases[i].is_partial;
		a->open -= (uint32_t)cases[i].ndecided;
		flush(t, "", 0);
		t_active_unload(t, a);
		assert_int_equal(entry(t, "a")->is_forced,
		    cases[i].is_forced_after);
	}
}

/* A byte of its text is another one on the disk. */
static void
damage_text(struct t_active *t, const char *id)
{
	struct result res;
	struct message m;
	int fd;

	result_init(&res);
	assert_int_equal(spool_load(&t->q.spool, id, 0, &m, &res), SPOOL_GOT);
	fd = openat(t->q.spool.queue, id, O_WRONLY);
	assert_int_equal(pwrite(fd, "s", 1, m.text.offset), 1);
	close(fd);
	message_fini(&m);
	result_fini(&res);
}

/* Its recipient was deferred, or has failed and is to be reported. */
static void
note_attempt(struct t_active *t, const char *id, enum rcpt_state state,
    time_t due)
{
	struct recipient *r;
	struct result res;
	struct message m;
	struct buf b;

	buf_init(&b, 0);
	result_init(&res);
	assert_int_equal(spool_load(&t->q.spool, id, 1, &m, &res), SPOOL_GOT);
	r = &m.rcpts[0];
	r->state = state;
	r->attempts = 1;
	r->due = due;
	r->action = state == RCPT_FAILED ? ACTION_FAILED : ACTION_NONE;
	result_set(&r->last, state == RCPT_FAILED ? STATUS_FAILED :
	    STATUS_DEFERRED, "4.2.1", "later");
	journal_state(&b, &m, 0, 0);
	assert_int_equal(spool_append(&m, &b, 0, &res), 0);
	message_fini(&m);
	result_fini(&res);
	buf_fini(&b);
}

/* The text of a message is read when it is used: until then, it stays. */
static void
test_damaged_text(void **state)
{
	const time_t later = time(NULL) + 3600;
	const struct {
		enum rcpt_state	 state;
		time_t		 due;
		unsigned	 warn_after_s;
		int		 is_flushed;
		enum removal	 removal;
		int		 is_found;
	} cases[] = {
		{ RCPT_OPEN, 0, 0, 0, REMOVAL_NONE, 1 },
		{ RCPT_OPEN, later, 0, 0, REMOVAL_NONE, 0 },
		{ RCPT_OPEN, later, 0, 1, REMOVAL_NONE, 1 },
		/* A notice of delay, of a message that is an hour old. */
		{ RCPT_OPEN, later, 7200, 0, REMOVAL_NONE, 0 },
		{ RCPT_OPEN, later, 3599, 0, REMOVAL_NONE, 1 },
		{ RCPT_FAILED, 0, 0, 0, REMOVAL_NONE, 1 },
		{ RCPT_SENT, 0, 0, 0, REMOVAL_NONE, 0 },
		{ RCPT_OPEN, later, 0, 0, REMOVAL_BOUNCE, 1 },
		{ RCPT_OPEN, 0, 0, 0, REMOVAL_DELETE, 0 },
	};
	struct active_message *a;
	struct t_active *t;
	void *fixture;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setup(&fixture);
		t = fixture;
		spool_mark(&t->q.spool);
		t->q.conf.retry.warn_after_s = cases[i].warn_after_s;
		commit(t, "a");
		note_attempt(t, "a", cases[i].state, cases[i].due);
		damage_text(t, "a");
		if (cases[i].is_flushed)
			flush(t, "a", 0);
		if (cases[i].removal != REMOVAL_NONE) {
			active_add(&t->active, "a");
			a = active_take(&t->active, entry(t, "a"),
			    cases[i].removal);
			active_load(&t->active, count);
		} else {
			a = t_active_load(t, "a");
		}
		if ((a == NULL) != cases[i].is_found ||
		    t_count(t->top, "corrupt") != cases[i].is_found)
			fail_msg("case %zu", i);
		teardown(&fixture);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_listed_once_and_sorted),
		CASE(test_a_long_queue_is_listed_in_n_log_n),
		CASE(test_removed_by_the_administrator),
		CASE(test_due),
		CASE(test_clock_that_is_set_back),
		CASE(test_due_ms),
		CASE(test_which_recipients),
		CASE(test_unreadable),
		CASE(test_no_more_than_that),
		CASE(test_submitters_take_turns),
		CASE(test_new_mail_does_not_wait_for_a_backlog),
		CASE(test_a_backlog_of_the_future),
		CASE(test_much_recent_mail),
		CASE(test_a_backlog_does_not_wait_for_new_mail),
		CASE(test_places),
		CASE(test_places_of_long_ones),
		CASE(test_share),
		CASE(test_oldest_first),
		CASE(test_many_recipients_are_not_postponed),
		CASE(test_done),
		CASE(test_flush),
		CASE(test_flush_of_a_user),
		CASE(test_flush_during_an_attempt),
		cmocka_unit_test(test_damaged_text),
	};

	return cmocka_run_group_tests_name("active", tests, NULL, NULL);
}
