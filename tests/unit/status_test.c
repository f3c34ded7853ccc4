/*
 * status_test.c - what became of a recipient is in the journal in the end.
 * In a private directory; no root needed.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/bounce.h"
#include "queue/bounce_facts.h"
#include "queue/own_mail.h"
#include "queue/status.h"
#include "spool/journal.h"
#include "tests/unit/t_active.h"

#define ID	"0123456789abc"

struct world {
	struct t_active	 t;
	struct active_message *a;
};

/* How many syncs of data there were, and which of them does not work. */
static int	 syncs, bad_sync;
static int	 unwritten = -1;	/* its size is to be known then */
static off_t	 size_at_sync;		/* the first of them */

int
fdatasync(int fd)
{
	struct stat st;

	(void)fd;
	if (syncs == 0 && fstat(unwritten, &st) == 0)
		size_at_sync = st.st_size;
	if (++syncs == bad_sync) {
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

/* The same for those of files and directories as a whole. */
static int	 removals_synced, bad_removal;

int
fsync(int fd)
{
	(void)fd;
	if (++removals_synced == bad_removal) {
		errno = EIO;
		return -1;
	}
	return 0;
}

static void
load(struct world *w)
{
	w->a = t_active_load(&w->t, ID);
	assert_non_null(w->a);
}

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_active_init(&w->t, "");
	t_active_commit(&w->t, ID, "bob@example.org", "carl@example.org",
	    NULL);
	load(w);
	syncs = bad_sync = removals_synced = bad_removal = 0;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	t_active_fini(&w->t);
	free(w);
	return 0;
}

/* The back-off of the tenth try; with a checkpoint, seconds. */
static void
test_due_soon_with_checkpoint(void **state)
{
	static const struct { int64_t checkpoint; int least, most; } cases[] = {
		{ -1, 3600, 30000 }, { 0, 1, 60 }, { 77, 1, 60 },
	};
	struct world *w = *state;
	struct recipient *r;
	time_t wait;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		r = &w->a->m.rcpts[0];
		r->attempts = 9;
		r->checkpoint.length = cases[i].checkpoint;
		t_active_stage(w->a, 0, STAGE_BUSY);
		decide_as(w->a, 0, STATUS_DEFERRED, "4.3.0", "ended early");
		status_record(&w->t.active);
		wait = r->due - time(NULL);
		assert_true(wait >= cases[i].least && wait <= cases[i].most);
	}
}

/* What it is when it is read back. */
static void
read_again(struct world *w)
{
	t_active_unload(&w->t, w->a);
	load(w);
}

/*
 * One sync of a report does not work: bob's failure, the plan, that it is
 * told.  The next try is as durable, though carl only waits.
 */
static void
test_report_is_synced(void **state)
{
	struct world *w = *state;

	decide_as(w->a, 0, STATUS_FAILED, "5.1.1", "no such user");
	decide_as(w->a, 1, STATUS_DEFERRED, "4.4.1", "timed out");
	status_record(&w->t.active);
	bad_sync = 2;
	assert_int_equal(status_finish(&w->t.active, w->a), -1);
	assert_int_equal(syncs, 2);
	assert_true(w->a->m.rcpts[0].is_reported);
	assert_int_equal(status_finish(&w->t.active, w->a), 0);
	assert_int_equal(syncs, 3);
	read_again(w);
	assert_true(w->a->m.rcpts[0].is_reported);
	assert_string_equal(w->a->m.reports.bounce_id, "");
	assert_int_equal(w->a->m.reports.owed, 0);
}

static void
fail_open(struct active_message *a)
{
	uint32_t i;

	for (i = 0; i < a->m.nrcpts; i++)
		if (a->m.rcpts[i].state == RCPT_OPEN)
			decide_as(a, i, STATUS_FAILED, "5.1.1", "no such user");
}

/*
 * Two senders: each sync in turn does not work, and the message is read again
 * after that.  Each of them has one report in the end.
 */
static void
test_a_report_for_each_sender(void **state)
{
	struct world *w = *state;
	int bad, n;

	buf_puts(&w->a->notes, "O\t1\towner@example.org\n");
	assert_int_equal(spool_append(&w->a->m, &w->a->notes, 1,
	    &w->a->unwritten), 0);
	buf_reset(&w->a->notes);
	read_again(w);
	for (bad = 1; w->a->entry->state != ENTRY_GONE; bad++) {
		assert_true(bad < 9);
		fail_open(w->a);
		syncs = 0;
		bad_sync = bad;
		status_record(&w->t.active);
		if (status_finish(&w->t.active, w->a) == 0)
			break;
		n = t_count(w->t.top, "queue");
		assert_true(n <= 3);
		read_again(w);
	}
	assert_true(bad > 3);
	assert_int_equal(w->a->entry->state, ENTRY_GONE);
	assert_int_equal(t_count(w->t.top, "queue"), 2);
}

/* The same for a notice of delay. */
static void
test_notice_is_synced(void **state)
{
	struct world *w = *state;

	w->t.q.conf.retry.warn_after_s = 60;
	decide_as(w->a, 0, STATUS_DEFERRED, "4.4.1", "timed out");
	decide_as(w->a, 1, STATUS_DEFERRED, "4.4.1", "timed out");
	status_record(&w->t.active);
	bad_sync = 2;
	status_finish(&w->t.active, w->a);
	assert_true(w->a->m.reports.is_warned);
	status_finish(&w->t.active, w->a);
	assert_int_equal(syncs, 3);
	read_again(w);
	assert_true(w->a->m.reports.is_warned);
}

/* Memory ran out for a note: what became of it is written all the same. */
static void
test_lost_notes(void **state)
{
	struct world *w = *state;

	w->a->notes.failed = 1;
	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(w->a, 1, STATUS_DEFERRED, "4.4.1", "timed out");
	status_record(&w->t.active);
	assert_int_equal(status_finish(&w->t.active, w->a), 0);
	assert_int_equal(syncs, 1);
	assert_false(buf_failed(&w->a->notes));
	read_again(w);
	assert_int_equal(w->a->m.rcpts[0].state, RCPT_SENT);
	assert_int_equal(w->a->m.rcpts[1].attempts, 1);
	assert_string_equal(w->a->m.rcpts[1].last.reason, "timed out");
}

/*
 * Deciding writes nothing; what is decided in one turn is recorded by one
 * sync, while others of the message are still open.
 */
static void
test_one_sync_a_turn(void **state)
{
	struct world *w = *state;
	int64_t journal = w->a->m.journal;

	w->a->requests = 1;
	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(w->a, 0, STATUS_FAILED, "5.0.0", "said twice");
	decide_as(w->a, 1, STATUS_FAILED, "5.1.1", "no such user");
	assert_int_equal(w->a->open, 0);
	assert_int_equal(w->a->m.rcpts[0].state, RCPT_OPEN);
	assert_int_equal(w->a->notes.len, 0);
	status_record(&w->t.active);
	assert_int_equal(syncs, 1);
	assert_true(w->a->m.journal > journal);
	assert_int_equal(w->a->m.rcpts[0].state, RCPT_SENT);
	assert_int_equal(w->a->m.rcpts[1].state, RCPT_FAILED);
	status_record(&w->t.active);
	assert_int_equal(syncs, 1);
}

/* A mailbox append is found by its checkpoint: that needs no sync. */
static void
test_found_by_checkpoint(void **state)
{
	struct world *w = *state;

	w->a->m.rcpts[0].checkpoint.length = 77;
	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "appended");
	status_record(&w->t.active);
	assert_int_equal(syncs, 0);
	assert_int_equal(w->a->notes.len, 0);
}

/* Twice as long each time, up to the longest, spread by an eighth. */
static void
test_back_off(void **state)
{
	static const struct {
		unsigned attempts;
		int	 is_forced, wait_s;
		unsigned counted;
	} cases[] = {
		{ 0, 0, 300, 1 }, { 1, 0, 600, 2 }, { 2, 0, 1200, 3 },
		{ 5, 0, 9600, 6 }, { 6, 0, 10800, 7 }, { 400, 0, 10800, 401 },
		/* A flush by hand does not lengthen it, unless it is first. */
		{ 0, 1, 300, 1 }, { 3, 1, 1200, 3 },
	};
	struct world *w = *state;
	struct recipient *r;
	time_t wait;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		r = &w->a->m.rcpts[0];
		r->attempts = cases[i].attempts;
		w->a->is_forced = cases[i].is_forced;
		t_active_stage(w->a, 0, STAGE_BUSY);
		decide_as(w->a, 0, STATUS_DEFERRED, "4.4.1", "timed out");
		status_record(&w->t.active);
		assert_int_equal(r->attempts, cases[i].counted);
		wait = r->due - time(NULL);
		assert_in_range(wait, cases[i].wait_s * 15 / 16 - 2,
		    cases[i].wait_s * 17 / 16 + 1);
	}
}

/* What is too old fails with the words of its last reply. */
static void
test_expired(void **state)
{
	static const struct {
		int		 age_s;
		unsigned	 notify;
		enum rcpt_state	 state;
		enum action	 action;
	} cases[] = {
		{ 3600, 0, RCPT_OPEN, ACTION_NONE },
		{ 5 * 86400 - 60, 0, RCPT_OPEN, ACTION_NONE },
		{ 5 * 86400 + 60, 0, RCPT_FAILED, ACTION_FAILED },
		{ 5 * 86400 + 60, NOTIFY_NEVER, RCPT_FAILED, ACTION_NONE },
		/* A clock that was set back lets nothing expire. */
		{ -9 * 86400, 0, RCPT_OPEN, ACTION_NONE },
	};
	struct world *w = *state;
	struct recipient *r;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		r = &w->a->m.rcpts[0];
		w->a->m.arrived = time(NULL) - cases[i].age_s;
		r->state = RCPT_OPEN;
		r->action = ACTION_NONE;
		r->notify = cases[i].notify;
		t_active_stage(w->a, 0, STAGE_BUSY);
		decide_as(w->a, 0, STATUS_DEFERRED, "4.4.1", "timed out");
		status_record(&w->t.active);
		assert_int_equal(r->state, cases[i].state);
		assert_int_equal(r->action, cases[i].action);
		assert_string_equal(r->last.code, "4.4.1");
		assert_string_equal(r->last.reason, "timed out");
	}
}

/* When the entry is due: with its first open recipient, or with the notice;
 * what DEFER holds is not. */
static void
test_when_it_is_due(void **state)
{
	static const struct {
		enum attempt_stage stages[2];
		int		 due[2], warn_after_s;
		enum entry_state state;
		int		 wait_s;
	} cases[] = {
		{ { STAGE_NONE, STAGE_NONE }, { 500, 900 }, 0,
		    ENTRY_WAITING, 500 },
		{ { STAGE_NONE, STAGE_NONE }, { 900, 500 }, 0,
		    ENTRY_WAITING, 500 },
		{ { STAGE_UNTIL_FLUSH, STAGE_NONE }, { 100, 500 }, 0,
		    ENTRY_WAITING, 500 },
		{ { STAGE_UNTIL_FLUSH, STAGE_UNTIL_FLUSH }, { 100, 500 }, 0,
		    ENTRY_UNTIL_FLUSH, 0 },
		/* An hour old: the notice comes in 200 seconds. */
		{ { STAGE_NONE, STAGE_NONE }, { 500, 900 }, 3800,
		    ENTRY_WAITING, 200 },
		{ { STAGE_NONE, STAGE_NONE }, { 500, 900 }, 9999,
		    ENTRY_WAITING, 500 },
		{ { STAGE_UNTIL_FLUSH, STAGE_UNTIL_FLUSH }, { 500, 900 }, 3800,
		    ENTRY_UNTIL_FLUSH, 0 },
	};
	struct world *w = *state;
	time_t wait, now;
	size_t i, k;

	for (i = 0; i < N(cases); i++) {
		now = time(NULL);
		for (k = 0; k < 2; k++) {
			t_active_stage(w->a, (uint32_t)k, cases[i].stages[k]);
			w->a->m.rcpts[k].due = now + cases[i].due[k];
			w->a->m.rcpts[k].attempts = 1;
			result_set(&w->a->m.rcpts[k].last, STATUS_DEFERRED,
			    "4.4.1", "timed out");
		}
		w->t.q.conf.retry.warn_after_s =
		    (unsigned)cases[i].warn_after_s;
		assert_int_equal(status_finish(&w->t.active, w->a), 0);
		assert_int_equal(w->a->entry->state, cases[i].state);
		wait = w->a->entry->due - now;
		if (cases[i].state == ENTRY_WAITING)
			assert_in_range(wait, cases[i].wait_s - 3,
			    cases[i].wait_s + 3);
	}
}

/* The last recipient: the file goes, unless somebody is owed a report. */
static void
test_removed(void **state)
{
	struct world *w = *state;

	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(w->a, 1, STATUS_SENT, "2.0.0", "taken");
	status_record(&w->t.active);
	assert_int_equal(removals_synced, 0);	/* when all are finished */
	assert_int_equal(status_finish(&w->t.active, w->a), 0);
	assert_int_equal(t_count(w->t.top, "queue"), 0);
	assert_int_equal(w->a->entry->state, ENTRY_ACTIVE);
	status_sync_removed(&w->t.active);
	assert_int_equal(removals_synced, 1);
	assert_int_equal(syncs, 0);
	assert_int_equal(w->a->entry->state, ENTRY_GONE);
}

/* What is sent in a turn of the loop: the messages of the active queue. */
static void
send_all(struct world *w)
{
	struct active_message *a;
	uint32_t i;

	for (a = w->t.active.messages; a != NULL; a = a->next)
		for (i = 0; i < a->m.nrcpts; i++)
			decide_as(a, i, STATUS_SENT, "2.0.0", "taken");
	status_record(&w->t.active);
	for (a = w->t.active.messages; a != NULL; a = a->next)
		assert_int_equal(status_finish(&w->t.active, a), 0);
}

/* One sync for all; when that fails, each is kept until one does not. */
static void
test_removals_share_a_sync(void **state)
{
	struct world *w = *state;
	struct active_message *a;

	t_active_commit(&w->t, "1123456789abc", "bob@example.org", NULL);
	t_active_commit(&w->t, "2123456789abc", "bob@example.org", NULL);
	assert_non_null(t_active_load(&w->t, "2123456789abc"));
	send_all(w);
	removals_synced = 0;
	bad_removal = 1;
	status_sync_removed(&w->t.active);
	assert_int_equal(t_count(w->t.top, "queue"), 0);
	for (a = w->t.active.messages; a != NULL; a = a->next) {
		assert_int_equal(a->entry->state, ENTRY_ACTIVE);
		assert_false(decide_is_over(a));
		a->again_ms = 0;
	}
	for (a = w->t.active.messages; a != NULL; a = a->next)
		assert_int_equal(status_finish(&w->t.active, a), 0);
	status_sync_removed(&w->t.active);
	assert_int_equal(removals_synced, 2);
	assert_int_equal(syncs, 0);
	for (a = w->t.active.messages; a != NULL; a = a->next)
		assert_int_equal(a->entry->state, ENTRY_GONE);
	status_sync_removed(&w->t.active);
	assert_int_equal(removals_synced, 2);
}

/* A mailbox has it, and its checkpoint is durable: no sync. */
static void
test_removal_without_a_sync(void **state)
{
	struct world *w = *state;

	w->a->m.rcpts[0].checkpoint.length = 77;
	w->a->m.rcpts[1].checkpoint.length = 77;
	send_all(w);
	assert_int_equal(w->a->entry->state, ENTRY_GONE);
	status_sync_removed(&w->t.active);
	assert_int_equal(removals_synced + syncs, 0);
}

static void
test_bounced(void **state)
{
	struct world *w = *state;

	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(w->a, 1, STATUS_FAILED, "5.1.1", "no such user");
	status_record(&w->t.active);
	assert_int_equal(status_finish(&w->t.active, w->a), 0);
	assert_int_equal(w->a->entry->state, ENTRY_GONE);
	assert_int_equal(t_count(w->t.top, "queue"), 1);
	assert_int_equal(active_scan_ms(&w->t.active), 0);
}

/* It was loaded for something else, and nobody has read it. */
static void
test_no_bounce_with_a_damaged_text(void **state)
{
	struct world *w = *state;

	assert_true(w->a->is_checked);
	w->a->is_checked = 0;
	w->a->m.text.sum = 1;
	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "taken");
	decide_as(w->a, 1, STATUS_FAILED, "5.1.1", "no such user");
	status_record(&w->t.active);
	assert_int_equal(status_finish(&w->t.active, w->a), -1);
	assert_int_not_equal(w->a->entry->state, ENTRY_GONE);
	assert_int_equal(t_count(w->t.top, "queue"), 1);
	w->a->m.text.sum = 0;
	assert_int_equal(status_finish(&w->t.active, w->a), 0);
	assert_int_equal(w->a->entry->state, ENTRY_GONE);
}

/* A bounce of a bounce has nobody to go to: the message is kept. */
static void
test_dead(void **state)
{
	struct world *w = *state;

	w->a->m.text.flags |= MESSAGE_DOUBLE_BOUNCE;
	decide_as(w->a, 0, STATUS_FAILED, "5.1.1", "no such user");
	decide_as(w->a, 1, STATUS_FAILED, "5.1.1", "no such user");
	status_record(&w->t.active);
	assert_int_equal(status_finish(&w->t.active, w->a), 0);
	assert_int_equal(w->a->entry->state, ENTRY_GONE);
	assert_int_equal(t_count(w->t.top, "queue"), 0);
	assert_int_equal(t_count(w->t.top, "dead"), 1);
}

/* A write that fails is repeated, and nothing is forgotten meanwhile. */
static void
test_failed_write(void **state)
{
	struct world *w = *state;

	w->a->requests = 1;
	decide_as(w->a, 0, STATUS_SENT, "2.0.0", "taken");
	bad_sync = 1;
	status_record(&w->t.active);
	assert_int_equal(w->a->unsynced, UNSYNCED_FACT);
	assert_int_not_equal(w->a->again_ms, 0);
	status_record(&w->t.active);		/* not yet */
	assert_int_equal(syncs, 1);
	w->a->again_ms = 0;
	status_record(&w->t.active);
	assert_int_equal(syncs, 2);
	assert_int_equal(w->a->unsynced, UNSYNCED_NONE);
	read_again(w);
	assert_int_equal(w->a->m.rcpts[0].state, RCPT_SENT);
	assert_int_equal(w->a->m.rcpts[1].state, RCPT_OPEN);
}

/* One line for each recipient; its keys are promised. */
static void
test_log(void **state)
{
	static const struct {
		enum status	 status;
		const char	*code, *where;
		int		 age_s;
		unsigned	 notify;
		const char	*line, *server;
	} cases[] = {
		/* The host is named once. */
		{ STATUS_DEFERRED, "4.4.1", "mx[192.0.2.1]", 60, 0,
		    " status=deferred reply=\"so (there)\"",
		    "mx[192.0.2.1] port 25" },
		{ STATUS_DEFERRED, "4.4.1", "mx", 60, 0,
		    " reply=\"mx[192.0.2.1] port 25: so (there)\"",
		    "mx[192.0.2.1] port 25" },
		{ STATUS_SENT, "2.0.0", "mx.example.org[192.0.2.1]", 60, 0,
		    "id=0123456789abc from=<ann@example.org> "
		    "to=<bob@example.org> relay=mx.example.org[192.0.2.1] "
		    "delay=", NULL },
		{ STATUS_SENT, "2.0.0", NULL, 60, 0,
		    " dsn=2.0.0 status=sent reply=\"so (there)\"", NULL },
		{ STATUS_DEFERRED, "4.2.0", NULL, 60, 0, " relay=local ", NULL },
		{ STATUS_DEFERRED, "4.2.0", NULL, 60, 0,
		    " dsn=4.2.0 status=deferred reply=\"so (there)\"", NULL },
		{ STATUS_FAILED, "5.1.1", NULL, 60, 0,
		    " dsn=5.1.1 status=failed reply=\"so (there)\"", NULL },
		{ STATUS_FAILED, "5.1.1", NULL, 60, NOTIFY_NEVER,
		    " status=failed report=none reply=\"so (there)\"", NULL },
		{ STATUS_DEFERRED, "4.2.0", NULL, 6 * 86400, 0,
		    " dsn=4.2.0 status=failed reply=\"expired; last reply: "
		    "so (there)\"", NULL },
	};
	struct world *w = *state;
	struct result res;
	struct buf text;
	const char *path;
	size_t i;

	result_init(&res);
	buf_init(&text, 0);
	for (i = 0; i < N(cases); i++) {
		path = t_path(w->t.top, "log");
		t_put(path, "", 0, 0600);
		w->t.q.log.fd = open(path, O_WRONLY | O_TRUNC);
		assert_true(w->t.q.log.fd != -1);
		w->a->m.arrived = time(NULL) - cases[i].age_s;
		w->a->m.rcpts[0].action = ACTION_NONE;
		w->a->m.rcpts[0].notify = cases[i].notify;
		t_active_stage(w->a, 0, STAGE_BUSY);
		result_set(&res, cases[i].status, cases[i].code, "so");
		result_detail(&res, "there");
		if (cases[i].server != NULL)
			result_from_server(&res, cases[i].server);
		decide(w->a, 0, &res, cases[i].where);
		status_record(&w->t.active);
		close(w->t.q.log.fd);
		buf_reset(&text);
		t_get(path, &text);
		if (strstr(buf_str(&text), cases[i].line) == NULL)
			fail_msg("%zu: %s", i, buf_str(&text));
	}
	w->t.q.log.fd = -1;
	buf_fini(&text);
	result_fini(&res);
}

static off_t
size(const struct active_message *a)
{
	struct stat st;

	assert_int_equal(fstat(a->m.fd, &st), 0);
	return st.st_size;
}

static void
plan_append(struct active_message *a, int64_t at)
{
	a->m.rcpts[0].checkpoint = (struct checkpoint){ 1, 1, at };
	journal_append(&a->notes, &a->m, 0);
	decide_unsynced(a, UNSYNCED_PLAN);
}

/*
 * Both appends are in the files when the first is synced.  The sync of the
 * second does not work: only that is taken back, and it is written again.
 */
static void
test_written_before_the_first_sync(void **state)
{
	struct active_message *one, *two;
	struct world *w = *state;
	off_t before;

	t_active_commit(&w->t, "1123456789abc", "bob@example.org", NULL);
	assert_non_null(t_active_load(&w->t, "1123456789abc"));
	one = w->t.active.messages;
	two = one->next;
	plan_append(one, 0);
	plan_append(two, 100);
	before = size(two);
	unwritten = two->m.fd;
	syncs = 0;
	bad_sync = 2;
	status_record(&w->t.active);
	unwritten = -1;
	assert_int_equal(syncs, 2);
	assert_true(size_at_sync > before);
	assert_int_equal(one->unsynced, UNSYNCED_NONE);
	assert_int_equal(two->unsynced, UNSYNCED_PLAN);
	assert_int_equal(size(two), before);
	assert_true(two->notes.len > 0);
	status_record(&w->t.active);
	assert_int_equal(syncs, 3);
	assert_int_equal(two->unsynced, UNSYNCED_NONE);
	assert_int_equal(size(two), size_at_sync);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_due_soon_with_checkpoint),
		CASE(test_report_is_synced),
		CASE(test_a_report_for_each_sender),
		CASE(test_lost_notes),
		CASE(test_one_sync_a_turn),
		CASE(test_written_before_the_first_sync),
		CASE(test_found_by_checkpoint),
		CASE(test_notice_is_synced),
		CASE(test_back_off),
		CASE(test_expired),
		CASE(test_when_it_is_due),
		CASE(test_removed),
		CASE(test_removals_share_a_sync),
		CASE(test_removal_without_a_sync),
		CASE(test_bounced),
		CASE(test_no_bounce_with_a_damaged_text),
		CASE(test_dead),
		CASE(test_failed_write),
		CASE(test_log),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
