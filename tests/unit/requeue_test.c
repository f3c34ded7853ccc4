/*
 * requeue_test.c - messages of dead/ and corrupt/ that go back into the queue,
 * with which recipients; and what has been put aside is found and removed.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "spool/journal.h"
#include "submit/put_aside.h"
#include "submit/requeue.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000
#define ID	"one"
#define HEADER	"Subject: x\n\n"
#define OFFSET	1024		/* of the text in a file */

static const struct caller root = { .uid = 0 };

struct fixture {
	struct t_wake	 q;
	struct log	 log;
	struct buf	 out, err;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	t_wake_init(&f->q);
	spool_mark(&f->q.sp);
	log_init(&f->log, "dma");
	f->log.where = LOG_TO_STDERR;
	f->log.level = LOG_LEVEL_ERROR;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->out);
	buf_fini(&f->err);
	t_wake_fini(&f->q);
	free(f);
	return 0;
}

/* The exit status of a call; what it says is in out and err. */
static int
run(struct fixture *f, const struct caller *caller, const char *id,
    char *const *recipients)
{
	struct t_printed out, err;
	int n, status;

	for (n = 0; recipients != NULL && recipients[n] != NULL; n++)
		;
	t_printed_begin(&out, STDOUT_FILENO);
	t_printed_begin(&err, STDERR_FILENO);
	status = requeue(caller, &f->q.sp, &f->log, id, recipients, n);
	t_printed_end(&err, &f->err);
	t_printed_end(&out, &f->out);
	return status;
}

/* A message with one recipient, and the size of its text. */
static void
commit(struct fixture *f, const char *id, const char *sender, size_t len)
{
	struct message m;
	char *text = malloc(len + 1);
	size_t i;

	assert_non_null(text);
	for (i = 0; i < len; i++)
		text[i] = (char)(i % 61 == 60 ? '\n' : 'a' + (char)(i % 23));
	if (len >= sizeof(HEADER))
		memcpy(text, HEADER, sizeof(HEADER) - 1);
	t_message(&m, sender, NOW, "bob@to.test", NULL);
	m.submitter = 1234;
	m.text.flags = 1;
	m.text.hops = 2;
	t_commit(&f->q.sp, id, &m, text, len);
	message_fini(&m);
	free(text);
}

static void
assert_folders(struct fixture *f, int queue, int dead, int corrupt)
{
	assert_int_equal(t_count(f->q.dir, "queue"), queue);
	assert_int_equal(t_count(f->q.dir, "dead"), dead);
	assert_int_equal(t_count(f->q.dir, "corrupt"), corrupt);
	assert_int_equal(t_count(f->q.dir, "tmp"), 0);
}

static void
load(struct fixture *f, struct message *m)
{
	struct result res;

	result_init(&res);
	assert_int_equal(spool_load(&f->q.sp, ID, 0, m, &res), SPOOL_GOT);
	assert_int_equal(spool_check_text(m, &res), SPOOL_GOT);
	result_fini(&res);
}

/* What a recipient was, and what it is to be. */
struct rcpt_case {
	enum rcpt_state state;
	enum route_kind kind;
	enum action	action;
	int		is_reported;
	uint32_t	parent;
	const char	*owner;
	int64_t		checkpoint;
	struct {
		enum rcpt_state state;
		enum route_kind kind;
		enum action	action;
		const char	*owner;
		int64_t		checkpoint;
	} then;
};

static const struct rcpt_case rcpt_cases[] = {
	/* 0: one that was tried is tried anew, wherever it goes now. */
	{ RCPT_OPEN, ROUTE_REMOTE, ACTION_NONE, 0, 0, NULL, -1,
	  { RCPT_OPEN, ROUTE_UNKNOWN, ACTION_NONE, NULL, -1 } },
	{ RCPT_OPEN, ROUTE_MAILBOX, ACTION_NONE, 0, 1, "bob", -1,
	  { RCPT_OPEN, ROUTE_UNKNOWN, ACTION_NONE, NULL, -1 } },
	/* 2: the append that was under way may have been done. */
	{ RCPT_OPEN, ROUTE_MAILBOX, ACTION_NONE, 0, 2, "bob", 77,
	  { RCPT_OPEN, ROUTE_MAILBOX, ACTION_NONE, "bob", 77 } },
	/* 3: one that failed is open. */
	{ RCPT_FAILED, ROUTE_REMOTE, ACTION_FAILED, 0, 3, NULL, -1,
	  { RCPT_OPEN, ROUTE_UNKNOWN, ACTION_NONE, NULL, -1 } },
	{ RCPT_FAILED, ROUTE_REMOTE, ACTION_FAILED, 1, 4, NULL, -1,
	  { RCPT_OPEN, ROUTE_UNKNOWN, ACTION_NONE, NULL, -1 } },
	{ RCPT_FAILED, ROUTE_MAILBOX, ACTION_FAILED, 0, 5, "bob", 77,
	  { RCPT_OPEN, ROUTE_UNKNOWN, ACTION_NONE, NULL, -1 } },
	/* 6: one that has it does not receive it twice. */
	{ RCPT_SENT, ROUTE_REMOTE, ACTION_NONE, 0, 6, NULL, -1,
	  { RCPT_SENT, ROUTE_REMOTE, ACTION_NONE, NULL, -1 } },
	{ RCPT_SENT, ROUTE_REMOTE, ACTION_RELAYED, 0, 7, NULL, -1,
	  { RCPT_SENT, ROUTE_REMOTE, ACTION_RELAYED, NULL, -1 } },
	{ RCPT_SENT, ROUTE_REMOTE, ACTION_RELAYED, 1, 8, NULL, -1,
	  { RCPT_SENT, ROUTE_REMOTE, ACTION_NONE, NULL, -1 } },
	/* 9: a list is not expanded again; its recipients are open. */
	{ RCPT_EXPANDED, ROUTE_UNKNOWN, ACTION_NONE, 0, 9, NULL, -1,
	  { RCPT_EXPANDED, ROUTE_UNKNOWN, ACTION_NONE, NULL, -1 } },
	{ RCPT_FAILED, ROUTE_REMOTE, ACTION_FAILED, 0, 9, "ann", -1,
	  { RCPT_OPEN, ROUTE_REMOTE, ACTION_NONE, "ann", -1 } },
	{ RCPT_FAILED, ROUTE_PIPE, ACTION_FAILED, 1, 9, "ann", -1,
	  { RCPT_OPEN, ROUTE_PIPE, ACTION_NONE, "ann", -1 } },
	{ RCPT_SENT, ROUTE_MAILBOX, ACTION_NONE, 0, 9, "ann", -1,
	  { RCPT_SENT, ROUTE_MAILBOX, ACTION_NONE, "ann", -1 } },
};

static void
set_recipient(struct message *m, uint32_t i, const struct rcpt_case *c)
{
	struct recipient *r = &m->rcpts[i];

	r->kind = c->kind;
	r->parent = c->parent;
	r->depth = c->parent == i ? 0 : 1;
	r->origin = c->parent == i ? ORIGIN_CALLER : ORIGIN_FORWARD;
	if (c->owner != NULL)
		r->owner = strdup(c->owner);
	r->checkpoint.length = c->checkpoint;
}

/* What became of it, as the runner writes it down. */
static void
note(struct fixture *f, const struct rcpt_case *cases)
{
	struct message m;
	struct result res;
	struct buf lines;
	uint32_t i;

	result_init(&res);
	buf_init(&lines, 0);
	assert_int_equal(spool_load(&f->q.sp, ID, 1, &m, &res), SPOOL_GOT);
	for (i = 0; i < m.nrcpts; i++) {
		m.rcpts[i].state = cases[i].state;
		m.rcpts[i].action = cases[i].action;
		m.rcpts[i].attempts = 5;
		m.rcpts[i].due = NOW + 9999;
		result_set(&m.rcpts[i].last, STATUS_FAILED, "5.0.0", "no");
		journal_state(&lines, &m, i, 0);
		if (cases[i].is_reported)
			journal_reported(&lines, i);
	}
	journal_bounce(&lines, "report1", 3);
	journal_warning(&lines, "report2");
	journal_warned(&lines);
	journal_held(&lines, 1);
	assert_int_equal(spool_append(&m, &lines, 1, &res), 0);
	buf_fini(&lines);
	result_fini(&res);
	message_fini(&m);
}

static void
test_each_recipient_has_what_it_is_to_have(void **state)
{
	struct fixture *f = *state;
	const struct rcpt_case *c;
	const struct recipient *r;
	struct message m;
	uint32_t i;

	t_message(&m, "ann@from.test", NOW, NULL);
	for (i = 0; i < N(rcpt_cases); i++) {
		assert_non_null(message_add(&m, "bob@to.test"));
		set_recipient(&m, i, &rcpt_cases[i]);
	}
	t_commit(&f->q.sp, ID, &m, T(HEADER "text\n"));
	message_fini(&m);
	note(f, rcpt_cases);
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
	assert_int_equal(run(f, &root, ID, NULL), 0);
	assert_string_equal(buf_str(&f->out), ID ": queued\n");
	assert_string_equal(buf_str(&f->err), "");
	assert_folders(f, 1, 0, 0);
	load(f, &m);
	assert_int_equal(m.nrcpts, N(rcpt_cases));
	for (i = 0; i < m.nrcpts; i++) {
		c = &rcpt_cases[i];
		r = &m.rcpts[i];
		if (r->state != c->then.state || r->kind != c->then.kind ||
		    r->action != c->then.action ||
		    r->checkpoint.length != c->then.checkpoint ||
		    r->parent != c->parent)
			fail_msg("%u: state %d, kind %d, action %d, parent %u",
			    (unsigned)i, (int)r->state, (int)r->kind,
			    (int)r->action, (unsigned)r->parent);
		assert_string_equal(r->owner == NULL ? "" : r->owner,
		    c->then.owner == NULL ? "" : c->then.owner);
		assert_false(r->is_reported);
		if (r->state != RCPT_OPEN)
			continue;
		assert_int_equal(r->attempts, 0);
		assert_int_equal(r->due, 0);
	}
	/* It is a new message. */
	assert_false(m.is_held);
	assert_false(m.reports.is_warned);
	assert_string_equal(m.reports.bounce_id, "");
	assert_string_equal(m.reports.warn_id, "");
	assert_true(m.arrived > NOW);
	message_fini(&m);
}

/* The file is read and written in chunks. */
static void
test_the_text_is_the_same(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 65535, 65536, 65537,
	    131072, 200000 };
	struct fixture *f = *state;
	struct buf before, after;
	struct message m;
	size_t i;

	buf_init(&before, 0);
	buf_init(&after, 0);
	for (i = 0; i < N(sizes); i++) {
		commit(f, ID, "ann@from.test", sizes[i]);
		t_get(t_path(f->q.dir, "queue/" ID), &before);
		assert_int_equal(spool_put_aside(&f->q.sp, ID, "corrupt"), 0);
		assert_int_equal(run(f, &root, ID, NULL), 0);
		assert_folders(f, 1, 0, 0);
		load(f, &m);
		assert_int_equal(m.text.length, sizes[i]);
		assert_int_equal(m.text.flags, 1);
		assert_int_equal(m.text.hops, 2);
		assert_int_equal(m.submitter, 1234);
		assert_string_equal(m.sender, "ann@from.test");
		message_fini(&m);
		t_get(t_path(f->q.dir, "queue/" ID), &after);
		assert_true(after.len >= OFFSET + sizes[i]);
		assert_memory_equal(after.data + OFFSET, before.data + OFFSET,
		    sizes[i]);
		assert_int_equal(spool_remove(&f->q.sp, ID, 0), 0);
	}
	buf_fini(&before);
	buf_fini(&after);
}

static void
test_other_recipients(void **state)
{
	static const struct {
		const char *args[4], *recipients[3];
		int	 status;
	} cases[] = {
		{ { "c@d.test" }, { "c@d.test" }, 0 },
		{ { "C@D.test", "root" }, { "C@d.test", "root" }, 0 },
		{ { "Carl <c@d.test>" }, { "c@d.test" }, 0 },
		{ { "\"a b\"@d.test" }, { "\"a b\"@d.test" }, 0 },
		{ { "" }, { NULL }, EX_DATAERR },
		{ { "<>" }, { NULL }, EX_DATAERR },
		{ { "c@d.test", "" }, { NULL }, EX_DATAERR },
		{ { "c@d.test, e@f.test" }, { NULL }, EX_DATAERR },
		{ { "c@" }, { NULL }, EX_DATAERR },
		{ { "a\nb@d.test" }, { NULL }, EX_DATAERR },
		{ { "|/bin/sh" }, { NULL }, EX_DATAERR },
		{ { "group: a@b, c@d;" }, { NULL }, EX_DATAERR },
	};
	struct fixture *f = *state;
	struct buf before, after;
	struct message m;
	uint32_t k;
	size_t i;

	buf_init(&before, 0);
	buf_init(&after, 0);
	for (i = 0; i < N(cases); i++) {
		commit(f, ID, "ann@from.test", 100);
		assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
		t_get(t_path(f->q.dir, "dead/" ID), &before);
		if (run(f, &root, ID, (char *const *)cases[i].args) !=
		    cases[i].status)
			fail_msg("%s: %s", cases[i].args[0],
			    buf_str(&f->err));
		if (cases[i].status != 0) {
			assert_non_null(strstr(buf_str(&f->err),
			    ": not an address\n"));
			assert_folders(f, 0, 1, 0);
			t_get(t_path(f->q.dir, "dead/" ID), &after);
			t_assert_text(&after, before.data, before.len);
			assert_non_null(put_aside_remove(&f->q.sp, ID));
			continue;
		}
		load(f, &m);
		for (k = 0; k < 3 && cases[i].recipients[k] != NULL; k++)
			assert_string_equal(m.rcpts[k].address,
			    cases[i].recipients[k]);
		assert_int_equal(m.nrcpts, k);
		for (k = 0; k < m.nrcpts; k++)
			assert_true(m.rcpts[k].state == RCPT_OPEN &&
			    m.rcpts[k].kind == ROUTE_UNKNOWN);
		message_fini(&m);
		assert_int_equal(spool_remove(&f->q.sp, ID, 0), 0);
	}
	buf_fini(&before);
	buf_fini(&after);
}

static void
test_who_may_and_what_is_there(void **state)
{
	static const struct caller user = { .uid = 1234 };
	struct fixture *f = *state;

	assert_int_equal(run(f, &root, ID, NULL), EX_NOINPUT);
	assert_string_equal(buf_str(&f->err), "dma: " ID ": neither in dead "
	    "nor in corrupt: see \"dma queue list dead\"\n");
	commit(f, ID, "", 10);
	assert_int_equal(run(f, &root, ID, NULL), EX_NOINPUT);
	assert_string_equal(buf_str(&f->err), "dma: " ID ": neither in dead "
	    "nor in corrupt: see \"dma queue list dead\"; it is in the "
	    "queue\n");
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
	assert_int_equal(run(f, &user, ID, NULL), EX_NOPERM);
	assert_folders(f, 0, 1, 0);
	assert_int_equal(run(f, &root, "../dead/" ID, NULL), EX_NOINPUT);
	assert_int_equal(run(f, &root, "", NULL), EX_NOINPUT);
	assert_folders(f, 0, 1, 0);
	assert_int_equal(run(f, &root, ID, NULL), 0);
	assert_folders(f, 1, 0, 0);
	assert_int_equal(run(f, &root, ID, NULL), EX_NOINPUT);
	assert_folders(f, 1, 0, 0);
}

static void
test_all_have_received_it(void **state)
{
	static const struct rcpt_case sent = { .state = RCPT_SENT,
	    .checkpoint = -1 };
	static char *const other[] = { (char *)(uintptr_t)"c@d.test", NULL };
	struct fixture *f = *state;

	commit(f, ID, "", 10);
	note(f, &sent);
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
	assert_int_equal(run(f, &root, ID, NULL), EX_UNAVAILABLE);
	assert_folders(f, 0, 1, 0);
	assert_int_equal(run(f, &root, ID, other), 0);
	assert_folders(f, 1, 0, 0);
}

/* Nothing takes the place of a message of the queue. */
static void
test_the_queue_has_that_id(void **state)
{
	struct fixture *f = *state;
	struct buf before, after;
	struct message m;

	buf_init(&before, 0);
	buf_init(&after, 0);
	commit(f, ID, "ann@from.test", 10);
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
	commit(f, ID, "carl@from.test", 5000);
	t_get(t_path(f->q.dir, "queue/" ID), &before);
	assert_int_equal(run(f, &root, ID, NULL), EX_TEMPFAIL);
	assert_non_null(strstr(buf_str(&f->err), "is in the queue"));
	assert_folders(f, 1, 1, 0);
	t_get(t_path(f->q.dir, "queue/" ID), &after);
	t_assert_text(&after, before.data, before.len);
	/* What is in dead/ can still go there. */
	assert_int_equal(spool_remove(&f->q.sp, ID, 0), 0);
	assert_int_equal(run(f, &root, ID, NULL), 0);
	load(f, &m);
	assert_string_equal(m.sender, "ann@from.test");
	assert_int_equal(m.text.length, 10);
	message_fini(&m);
	buf_fini(&before);
	buf_fini(&after);
}

static void
test_another_call_has_it(void **state)
{
	struct fixture *f = *state;
	struct spool folder;
	struct message m;
	struct result res;

	result_init(&res);
	commit(f, ID, "", 10);
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
	assert_int_equal(spool_open_folder(&f->q.sp, "dead", &folder), 0);
	assert_int_equal(spool_load(&folder, ID, 0, &m, &res), SPOOL_GOT);
	assert_int_equal(spool_claim(&m), 0);
	assert_int_equal(run(f, &root, ID, NULL), EX_TEMPFAIL);
	assert_string_equal(buf_str(&f->err), "dma: " ID ": another call puts "
	    "it back\n");
	assert_folders(f, 0, 1, 0);
	message_fini(&m);
	spool_close(&folder);
	assert_int_equal(run(f, &root, ID, NULL), 0);
	result_fini(&res);
}

/* The file is cut, or bytes of it are changed. */
static void
test_damaged_files(void **state)
{
	static const struct {
		off_t	 size;		/* -1: as it is */
		off_t	 at;		/* of an "X"; -1: none */
		int	 status, with_other;	/* with recipients named */
	} cases[] = {
		{ 0, -1, EX_DATAERR, EX_DATAERR },
		{ 100, -1, EX_DATAERR, EX_DATAERR },
		{ OFFSET, -1, EX_DATAERR, EX_DATAERR },
		{ OFFSET + 20, -1, EX_DATAERR, 0 },
		{ -1, 0, EX_DATAERR, 0 },	/* the preamble */
		{ -1, OFFSET + 50, 0, 0 },	/* the text */
		{ -1, OFFSET + 102, EX_DATAERR, 0 },	/* the first record */
	};
	static char *const other[] = { (char *)(uintptr_t)"c@d.test", NULL };
	struct fixture *f = *state;
	const char *path;
	struct message m;
	size_t i;
	int fd, k, status;

	for (i = 0; i < 2 * N(cases); i++) {
		k = (int)(i / 2);
		commit(f, ID, "ann@from.test", 100);
		assert_int_equal(spool_put_aside(&f->q.sp, ID, "corrupt"), 0);
		path = t_path(f->q.dir, "corrupt/" ID);
		if (cases[k].size != -1)
			assert_int_equal(truncate(path, cases[k].size), 0);
		if (cases[k].at != -1) {
			fd = open(path, O_WRONLY | O_CLOEXEC);
			assert_int_equal(pwrite(fd, "X", 1, cases[k].at), 1);
			close(fd);
		}
		status = run(f, &root, ID, i % 2 == 0 ? NULL : other);
		if (status != (i % 2 == 0 ? cases[k].status :
		    cases[k].with_other))
			fail_msg("case %d: %d: %s", k, status,
			    buf_str(&f->err));
		assert_folders(f, status == 0, 0, status != 0);
		if (status != 0) {
			assert_string_equal(put_aside_remove(&f->q.sp, ID),
			    "corrupt");
			continue;
		}
		load(f, &m);
		assert_int_equal(m.nrcpts, 1);
		assert_string_equal(m.rcpts[0].address, i % 2 == 0 ?
		    "bob@to.test" : "c@d.test");
		assert_true(m.text.length > 0);
		message_fini(&m);
		assert_int_equal(spool_remove(&f->q.sp, ID, 0), 0);
	}
}

/* dead/ is looked at first. */
static void
test_what_is_put_aside_is_found_and_removed(void **state)
{
	struct fixture *f = *state;

	assert_null(put_aside_find(&f->q.sp, ID));
	errno = 0;
	assert_null(put_aside_remove(&f->q.sp, ID));
	assert_int_equal(errno, ENOENT);
	commit(f, ID, "", 10);
	assert_null(put_aside_find(&f->q.sp, ID));
	assert_null(put_aside_remove(&f->q.sp, ID));
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "corrupt"), 0);
	assert_string_equal(put_aside_find(&f->q.sp, ID), "corrupt");
	assert_null(put_aside_find(&f->q.sp, "another"));
	assert_null(put_aside_remove(&f->q.sp, "another"));
	assert_int_equal(errno, ENOENT);
	commit(f, ID, "", 10);
	assert_int_equal(spool_put_aside(&f->q.sp, ID, "dead"), 0);
	assert_string_equal(put_aside_find(&f->q.sp, ID), "dead");
	assert_string_equal(put_aside_remove(&f->q.sp, ID), "dead");
	assert_folders(f, 0, 0, 1);
	assert_string_equal(put_aside_remove(&f->q.sp, ID), "corrupt");
	assert_folders(f, 0, 0, 0);
	assert_null(put_aside_remove(&f->q.sp, ID));
	assert_int_equal(errno, ENOENT);
}

#define CASE(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_each_recipient_has_what_it_is_to_have),
		CASE(test_the_text_is_the_same),
		CASE(test_other_recipients),
		CASE(test_who_may_and_what_is_there),
		CASE(test_all_have_received_it),
		CASE(test_the_queue_has_that_id),
		CASE(test_another_call_has_it),
		CASE(test_damaged_files),
		CASE(test_what_is_put_aside_is_found_and_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
