/*
 * status_test.c - what became of a recipient is in the journal in the end.
 * In a private directory; no root needed.
 */
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "conf.h"
#include "queue/queue.h"
#include "tests/unit/t_queue.h"

#define TEXT	"Subject: x\n\nbody\n"
#define ID	"0123456789abc"

struct world {
	char		 top[64];
	struct desk	 d;
	struct item	 item;
	struct work	 w;
	struct result	 res;
};

/* How many syncs of data there were, and which of them does not work. */
static int	 syncs, bad_sync;

int
fdatasync(int fd)
{
	(void)fd;
	if (++syncs == bad_sync) {
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

/* A message of ann, an hour old, on the desk: to bob and carl. */
static void
queue_message(struct world *w)
{
	struct message m;

	t_message(&m, "ann@example.org", time(NULL), "bob@example.org",
	    "carl@example.org", NULL);
	t_commit(&w->d.spool, ID, &m, TEXT, sizeof(TEXT) - 1);
	message_fini(&m);
}

static void
take_in_hand(struct world *w)
{
	uint32_t i;

	assert_int_equal(spool_load(&w->d.spool, ID, 1, &w->w.m, &w->res),
	    SPOOL_GOT);
	w->w.nattempts = w->w.m.nrcpts;
	w->w.attempts = calloc(w->w.nattempts, sizeof(*w->w.attempts));
	assert_non_null(w->w.attempts);
	for (i = 0; i < w->w.nattempts; i++)
		w->w.attempts[i].stage = STAGE_BUSY;
	w->w.open = w->w.nattempts;
	w->d.works = &w->w;
	w->w.item = &w->item;
	text_copy(w->item.id, sizeof(w->item.id), ID);
	w->item.state = ITEM_ACTIVE;
	buf_init(&w->w.notes, 0);
}

static void
put_down(struct world *w)
{
	uint32_t i;

	message_fini(&w->w.m);
	buf_fini(&w->w.notes);
	for (i = 0; i < w->w.nattempts; i++)
		free(w->w.attempts[i].where);
	free(w->w.attempts);
	memset(&w->w, 0, sizeof(w->w));
	message_init(&w->w.m);
}

static int
setup(void **state)
{
	struct world *w;
	int i;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	result_init(&w->res);
	log_init(&w->d.log, "settle_test");
	assert_int_equal(conf_init(&w->d.conf), 0);
	assert_int_equal(conf_finish(&w->d.conf, NULL, "host.example.org"), 0);
	assert_int_equal(spool_open(&w->d.spool, w->top, &w->res), 0);
	for (i = 0; i < WAITERS_MAX; i++)
		w->d.waiters[i].fd = -1;
	queue_message(w);
	take_in_hand(w);
	syncs = bad_sync = 0;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	put_down(w);
	spool_close(&w->d.spool);
	conf_fini(&w->d.conf);
	result_fini(&w->res);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

/* The back-off of the tenth try; where there is a mark, seconds. */
static void
test_marked_soon(void **state)
{
	static const struct { int64_t checkpoint; int least, most; } cases[] = {
		{ -1, 3600, 30000 }, { 0, 1, 60 }, { 77, 1, 60 },
	};
	struct world *w = *state;
	struct recipient *r;
	time_t wait;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		r = &w->w.m.rcpts[0];
		r->attempts = 9;
		r->checkpoint.length = cases[i].checkpoint;
		w->w.attempts[0].stage = STAGE_BUSY;
		decide_as(&w->w, 0, STATUS_DEFERRED, "4.3.0", "exited unexpectedly");
		status_record(&w->d);
		wait = r->due - time(NULL);
		assert_true(wait >= cases[i].least && wait <= cases[i].most);
	}
}

/* What it is when it is read back. */
static void
read_again(struct world *w)
{
	put_down(w);
	take_in_hand(w);
}

/*
 * One sync of a report does not work: bob's failure, the plan, that it is
 * told.  The next try is as durable, though carl only waits.
 */
static void
test_report_is_synced(void **state)
{
	struct world *w = *state;

	decide_as(&w->w, 0, STATUS_FAILED, "5.1.1", "no such user");
	decide_as(&w->w, 1, STATUS_DEFERRED, "4.4.1", "timed out");
	status_record(&w->d);
	bad_sync = 2;
	assert_int_equal(status_finish(&w->d, &w->w), -1);
	assert_int_equal(syncs, 2);
	assert_true(w->w.m.rcpts[0].is_reported);
	assert_int_equal(status_finish(&w->d, &w->w), 0);
	assert_int_equal(syncs, 3);
	read_again(w);
	assert_true(w->w.m.rcpts[0].is_reported);
	assert_string_equal(w->w.m.bounce_id, "");
	assert_int_equal(w->w.m.owed, 0);
}

/* The same for a notice of delay. */
static void
test_notice_is_synced(void **state)
{
	struct world *w = *state;

	w->d.conf.retry.warn_after_s = 60;
	decide_as(&w->w, 0, STATUS_DEFERRED, "4.4.1", "timed out");
	decide_as(&w->w, 1, STATUS_DEFERRED, "4.4.1", "timed out");
	status_record(&w->d);
	bad_sync = 2;
	status_finish(&w->d, &w->w);
	assert_true(w->w.m.is_warned);
	status_finish(&w->d, &w->w);
	assert_int_equal(syncs, 3);
	read_again(w);
	assert_true(w->w.m.is_warned);
}

/* Memory ran out for a note: what became of it is written all the same. */
static void
test_lost_notes(void **state)
{
	struct world *w = *state;

	w->w.notes.failed = 1;
	decide_as(&w->w, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(&w->w, 1, STATUS_DEFERRED, "4.4.1", "timed out");
	status_record(&w->d);
	assert_int_equal(status_finish(&w->d, &w->w), 0);
	assert_int_equal(syncs, 1);
	assert_false(buf_failed(&w->w.notes));
	read_again(w);
	assert_int_equal(w->w.m.rcpts[0].state, RCPT_SENT);
	assert_int_equal(w->w.m.rcpts[1].attempts, 1);
	assert_string_equal(w->w.m.rcpts[1].last.reason, "timed out");
}

/*
 * Deciding writes nothing; what is decided in one turn is recorded by one
 * sync, while others of the message are still open.
 */
static void
test_one_sync_a_turn(void **state)
{
	struct world *w = *state;
	int64_t journal = w->w.m.journal;

	w->w.jobs = 1;
	decide_as(&w->w, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(&w->w, 0, STATUS_FAILED, "5.0.0", "said twice");
	decide_as(&w->w, 1, STATUS_FAILED, "5.1.1", "no such user");
	assert_int_equal(w->w.open, 0);
	assert_int_equal(w->w.m.rcpts[0].state, RCPT_OPEN);
	assert_int_equal(w->w.notes.len, 0);
	status_record(&w->d);
	assert_int_equal(syncs, 1);
	assert_true(w->w.m.journal > journal);
	assert_int_equal(w->w.m.rcpts[0].state, RCPT_SENT);
	assert_int_equal(w->w.m.rcpts[1].state, RCPT_FAILED);
	status_record(&w->d);
	assert_int_equal(syncs, 1);
}

/* A mailbox append is found by its checkpoint: that needs no sync. */
static void
test_found_by_checkpoint(void **state)
{
	struct world *w = *state;

	w->w.m.rcpts[0].checkpoint.length = 77;
	decide_as(&w->w, 0, STATUS_SENT, "2.0.0", "appended");
	status_record(&w->d);
	assert_int_equal(syncs, 0);
	assert_int_equal(w->w.notes.len, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_marked_soon),
		CASE(test_report_is_synced),
		CASE(test_lost_notes),
		CASE(test_one_sync_a_turn),
		CASE(test_found_by_checkpoint),
		CASE(test_notice_is_synced),
	};

	return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
