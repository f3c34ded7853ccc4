/*
 * active_test.c - what is in the queue is listed, loaded when it is due, and
 * postponed when its share is used up.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "spool/journal.h"
#include "tests/unit/t_active.h"

#define HALF	(ACTIVE_MAX / 2)
#define LOW	(HALF / 4 * 3)

/* How many were loaded. */
static unsigned	 nloaded;

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
	assert_int_equal(entry(t, "b")->state, ENTRY_WAITING);
	active_sweep(&t->active);
	assert_int_equal(t->active.n, 1);
	/* One that is being delivered stays until that is over. */
	assert_non_null(t_active_load(t, "b"));
	take_away(t, "b");
	active_scan(&t->active);
	assert_int_equal(entry(t, "b")->state, ENTRY_ACTIVE);
}

static void
test_due(void **state)
{
	struct t_active *t = *state;
	time_t now = time(NULL);
	const struct {
		enum entry_state state;
		int		 is_forced, is_defer;
		time_t		 due;
		int		 is_loaded;
	} cases[] = {
		{ ENTRY_WAITING, 0, 0, 0, 1 },
		{ ENTRY_WAITING, 0, 0, now + 3600, 0 },
		{ ENTRY_WAITING, 1, 0, now + 3600, 1 },
		{ ENTRY_WAITING, 0, 0, now + 1000000, 1 },	/* a clock */
		{ ENTRY_HELD, 0, 1, 0, 0 },
		{ ENTRY_HELD, 1, 1, 0, 1 },
		{ ENTRY_HELD, 0, 0, 0, 1 },
		{ ENTRY_POSTPONED, 0, 0, now + 3600, 1 },
		{ ENTRY_GONE, 1, 0, 0, 0 },
	};
	struct entry *e;
	size_t i;

	commit(t, "a");
	active_scan(&t->active);
	e = entry(t, "a");
	for (i = 0; i < N(cases); i++) {
		e->state = cases[i].state;
		e->is_forced = cases[i].is_forced;
		e->due = cases[i].due;
		t->q.conf.retry.is_defer = cases[i].is_defer;
		t->active.is_stale = 1;
		active_load(&t->active, count);
		if ((e->message != NULL) != cases[i].is_loaded)
			fail_msg("case %zu", i);
		if (e->message != NULL)
			t_active_unload(t, e->message);
	}
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
	entry(t, "a")->due = time(NULL) + 100;
	active_load(&t->active, count);
	assert_int_equal(nloaded, 0);
	assert_true(active_due_ms(&t->active) > 0);
	assert_true(active_due_ms(&t->active) <= 100 * 1000);
	assert_true(active_is_idle(&t->active));
	assert_false(active_is_done(&t->active));
	entry(t, "a")->due = 0;
	active_load(&t->active, count);
	assert_int_equal(nloaded, 0);		/* not looked at */
	assert_true(active_refresh(&t->active, 0));
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
		entry(t, "a")->is_forced = forced;
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
	/* One that was listed and is not there any more. */
	active_add(&t->active, "c");
	assert_null(t_active_load(t, "c"));
	assert_int_equal(entry(t, "c")->state, ENTRY_GONE);
}

static void
test_no_more_than_that(void **state)
{
	struct t_active *t = *state;
	char id[8];
	int i;

	for (i = 0; i < ACTIVE_MAX + 3; i++) {
		snprintf(id, sizeof(id), "%04d", i);
		commit(t, id);
	}
	active_scan(&t->active);
	active_load(&t->active, count);
	assert_int_equal(nloaded, ACTIVE_MAX);
	assert_int_equal(active_due_ms(&t->active), -1);
	assert_string_equal(t->active.messages->m.id, "0000");
	/* The oldest that is not tried yet. */
	t_active_unload(t, t->active.messages);
	entry(t, "0000")->due = time(NULL) + 300;
	active_load(&t->active, count);
	assert_int_equal(nloaded, ACTIVE_MAX + 1);
	assert_non_null(entry(t, "0200")->message);
}

/* A share that is used up postpones; its message comes back with a place. */
static void
test_share(void **state)
{
	struct t_active *t = *state;
	struct share *share = active_user(&t->active, "bob");
	struct active_message *a, *b;

	commit(t, "a");
	commit(t, "b");
	a = t_active_load(t, "a");
	b = t_active_load(t, "b");
	share->active = HALF - 1;
	assert_int_equal(active_admit(&t->active, a, 0, share), 0);
	assert_int_equal(share->active, HALF);
	assert_ptr_equal(a->share, share);
	assert_int_equal(active_admit(&t->active, a, 0, share), 0);
	assert_int_equal(share->active, HALF);		/* once */
	assert_int_equal(active_admit(&t->active, b, 0, share), -1);
	assert_int_equal(b->open, 0);
	assert_int_equal(share->postponed, 1);
	b->entry->state = ENTRY_WAITING;
	active_end(&t->active, b);
	assert_int_equal(entry(t, "b")->state, ENTRY_POSTPONED);
	assert_null(t_active_load(t, "b"));
	/* A quarter of it is free again: it is time to look. */
	share->active = LOW + 1;
	t->active.is_stale = 0;
	active_release(&t->active, share);
	assert_int_equal(t->active.is_stale, 0);
	active_release(&t->active, share);
	assert_int_equal(t->active.is_stale, 1);
	b = t_active_load(t, "b");
	assert_non_null(b);
	assert_int_equal(share->postponed, 0);
	assert_ptr_equal(b->share, share);
	assert_int_equal(share->active, LOW);
	t_active_unload(t, b);
	t_active_unload(t, a);
	assert_int_equal(share->active, LOW - 2);
}

/* Where there is room for one, the oldest has it, wherever a walk ended. */
static void
test_oldest_first(void **state)
{
	static const char *const ids[] = { "a", "b", "c" };
	struct t_active *t = *state;
	struct share *share = active_user(&t->active, "bob");
	size_t i;

	for (i = 0; i < N(ids); i++)
		commit(t, ids[i]);
	active_scan(&t->active);
	for (i = 0; i < N(ids); i++) {
		entry(t, ids[i])->state = ENTRY_POSTPONED;
		entry(t, ids[i])->share = share;
	}
	share->postponed = N(ids);
	for (i = 0; i < N(ids); i++) {
		share->active = HALF - 1;
		t->active.is_stale = 1;
		active_load(&t->active, count);
		assert_int_equal(t->active.nmessages, i + 1);
		assert_non_null(entry(t, ids[i])->message);
	}
	share->active = N(ids);
}

/* A message for many users waits for none of them alone. */
static void
test_many_recipients_are_not_postponed(void **state)
{
	struct t_active *t = *state;
	struct share full = { ACTIVE_MAX, 5 };
	struct active_message *a;

	t_active_commit(t, "a", "bob", "carl", NULL);
	a = t_active_load(t, "a");
	assert_int_equal(active_admit(&t->active, a, 0, &full), 0);
	assert_null(a->share);
}

static void
test_share_that_goes(void **state)
{
	struct t_active *t = *state;
	struct share share = { ACTIVE_MAX, 0 };
	struct active_message *a;

	commit(t, "a");
	a = t_active_load(t, "a");
	assert_int_equal(active_admit(&t->active, a, 0, &share), -1);
	a->entry->state = ENTRY_WAITING;
	active_end(&t->active, a);
	active_forget(&t->active, &share);
	assert_int_equal(share.postponed, 0);
	assert_non_null(t_active_load(t, "a"));
}

/* However a name is spelled; and it is not the same share for all. */
static void
test_users(void **state)
{
	struct t_active *t = *state;
	char name[16];
	int i, same = 0;

	assert_ptr_equal(active_user(&t->active, "bob"),
	    active_user(&t->active, "BOB"));
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		same += active_user(&t->active, name) ==
		    active_user(&t->active, "bob");
	}
	assert_true(same < 20);
}

/* What only a flush can move keeps no runner. */
static void
test_done(void **state)
{
	static const struct {
		int	 is_defer;
		time_t	 look_at;
		int	 ret;
	} cases[] = { { 0, 0, 0 }, { 0, 5, 0 }, { 1, 0, 1 }, { 1, 5, 0 } };
	struct t_active *t = *state;
	size_t i;

	assert_true(active_is_done(&t->active));
	commit(t, "a");
	active_scan(&t->active);
	for (i = 0; i < N(cases); i++) {
		t->q.conf.retry.is_defer = cases[i].is_defer;
		t->active.look_at = cases[i].look_at;
		assert_int_equal(active_is_done(&t->active), cases[i].ret);
	}
}

static void
test_flush(void **state)
{
	struct t_active *t = *state;

	commit(t, "a");
	commit(t, "b");
	assert_int_equal(active_flush(&t->active, ""), 2);
	assert_true(entry(t, "a")->is_forced && entry(t, "b")->is_forced);
	assert_int_equal(active_flush(&t->active, "b"), 1);
	assert_int_equal(active_flush(&t->active, "c"), 0);
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
		active_flush(&t->active, "");
		t_active_unload(t, a);
		assert_int_equal(entry(t, "a")->is_forced,
		    cases[i].is_forced_after);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_listed_once_and_sorted),
		CASE(test_removed_by_the_administrator),
		CASE(test_due),
		CASE(test_due_ms),
		CASE(test_which_recipients),
		CASE(test_unreadable),
		CASE(test_no_more_than_that),
		CASE(test_share),
		CASE(test_oldest_first),
		CASE(test_many_recipients_are_not_postponed),
		CASE(test_share_that_goes),
		CASE(test_users),
		CASE(test_done),
		CASE(test_flush),
		CASE(test_flush_during_an_attempt),
	};

	return cmocka_run_group_tests_name("active", tests, NULL, NULL);
}
