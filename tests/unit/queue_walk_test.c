/*
 * queue_walk_test.c - which messages a caller is given, and what becomes of
 * their recipients.
 */
#include "submit/queue_walk.h"
#include "tests/unit/t_queue.h"

#define TEXT	"Subject: x\n\nbody\n"

static void
test_states(void **state)
{
	static const struct {
		enum rcpt_state state;
		enum action	action;
		int		is_reported, is_held;
		unsigned	attempts;
		const char	*want;
	} cases[] = {
		{ RCPT_OPEN, ACTION_NONE, 0, 0, 0, "new" },
		{ RCPT_OPEN, ACTION_NONE, 0, 0, 1, "deferred" },
		{ RCPT_OPEN, ACTION_NONE, 0, 1, 0, "held" },
		{ RCPT_OPEN, ACTION_NONE, 0, 1, 3, "held" },
		{ RCPT_FAILED, ACTION_FAILED, 0, 0, 3, "failed" },
		{ RCPT_FAILED, ACTION_FAILED, 0, 1, 3, "failed" },
		{ RCPT_FAILED, ACTION_FAILED, 1, 0, 3, "done" },
		{ RCPT_FAILED, ACTION_NONE, 0, 0, 3, "done" },
		{ RCPT_SENT, ACTION_NONE, 0, 0, 1, "done" },
		{ RCPT_SENT, ACTION_DELIVERED, 0, 0, 1, "delivered" },
		{ RCPT_EXPANDED, ACTION_EXPANDED, 0, 0, 0, "delivered" },
		{ RCPT_EXPANDED, ACTION_NONE, 0, 0, 0, "done" },
	};
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		message_init(&m);
		assert_non_null(message_add(&m, "ann@x.test"));
		m.is_held = cases[i].is_held;
		m.rcpts[0].state = cases[i].state;
		m.rcpts[0].action = cases[i].action;
		m.rcpts[0].is_reported = cases[i].is_reported;
		m.rcpts[0].attempts = cases[i].attempts;
		if (cases[i].attempts > 0)
			m.rcpts[0].last.status = STATUS_DEFERRED;
		assert_string_equal(queue_state_name(queue_state(&m, 0)),
		    cases[i].want);
		message_fini(&m);
	}
}

struct seen {
	struct buf	 ids;
	int		 max;		/* at which the walk ends */
};

static int
see(struct queue_walk *w, const struct message *m)
{
	struct seen *seen = w->arg;

	buf_printf(&seen->ids, "%s ", m->id);
	return --seen->max == 0 ? -1 : 0;
}

static void
test_own_in_order_up_to_the_end(void **state)
{
	static const struct { uint32_t uid; int max; const char *want; }
	    cases[] = {
		{ 0, 9, "0a 0b 0c 0d " }, { 0, 2, "0a 0b " },
		{ 7, 9, "0a 0c " }, { 8, 9, "0b 0d " }, { 8, 1, "0b " },
		{ 9, 9, "" },
	};
	static const char *const ids[] = { "0c", "0b", "0d", "0a" };
	struct caller c = { .uid = 0 };
	struct seen seen;
	struct t_spool q;
	struct message m;
	size_t i;
	struct queue_walk w = { .sp = &q.sp, .caller = &c, .each = see,
	    .arg = &seen };

	(void)state;
	t_spool_init(&q, "");
	for (i = 0; i < N(ids); i++) {
		t_message(&m, "s@x.test", 1700000000, "ann@x.test", NULL);
		m.submitter = ids[i][1] % 2 == 0 ? 8 : 7;
		t_commit(&q.sp, ids[i], &m, TEXT, strlen(TEXT));
		message_fini(&m);
	}
	buf_init(&seen.ids, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&seen.ids);
		seen.max = cases[i].max;
		c.uid = cases[i].uid;
		assert_int_equal(queue_walk(&w), 0);
		assert_string_equal(buf_str(&seen.ids), cases[i].want);
		assert_int_equal(w.sees_all, c.uid == 0);
	}
	buf_fini(&seen.ids);
	t_spool_fini(&q);
}

static void
test_groups_leave_no_file_out(void **state)
{
	const size_t n = 2 * QUEUE_WALK_GROUP + 3;
	struct caller c = { .uid = 0 };
	struct t_spool q;
	char name[64];
	size_t i;
	struct queue_walk w = { .sp = &q.sp, .caller = &c, .each = see };

	(void)state;
	t_spool_init(&q, "");
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "queue/%zu", i);
		t_put(t_path(q.dir, name), T("no message"), 0600);
	}
	assert_int_equal(queue_walk(&w), 0);
	assert_int_equal(w.unreadable, n);
	t_spool_fini(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_own_in_order_up_to_the_end),
		cmocka_unit_test(test_groups_leave_no_file_out),
	};

	return cmocka_run_group_tests_name("queue_walk", tests, NULL, NULL);
}
