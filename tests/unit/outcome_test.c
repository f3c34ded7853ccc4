/*
 * outcome_test.c - what the caller of a command is told of each message.
 */
#include "queue/outcome.h"
#include "tests/unit/t_active.h"

/* A recipient at the end of an attempt. */
struct rcpt {
	enum rcpt_state	 state;
	enum attempt_stage stage;
	int		 was_busy;
	const char	*code;		/* of its last result */
};

#define OPEN	{ RCPT_OPEN, STAGE_NONE, 0, "4.0.0" }
#define DEFERRED { RCPT_OPEN, STAGE_DONE, 0, "4.0.0" }
#define BEFORE	{ RCPT_SENT, STAGE_NONE, 0, "2.0.0" }
#define SENT	{ RCPT_SENT, STAGE_DONE, 0, "2.0.0" }
#define LATE	{ RCPT_SENT, STAGE_DONE, 1, "2.0.0" }
#define LOST	{ RCPT_OPEN, STAGE_DONE, 1, "4.4.2" }
#define FAILED	{ RCPT_FAILED, STAGE_DONE, 0, "5.0.0" }
#define OLD	{ RCPT_FAILED, STAGE_NONE, 0, "5.0.0" }

static void
fill(struct active_message *a, const struct rcpt *rcpts)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		a->m.rcpts[i].state = rcpts[i].state;
		a->attempts[i].stage = rcpts[i].stage;
		a->attempts[i].was_busy = rcpts[i].was_busy;
		result_set(&a->m.rcpts[i].last, rcpts[i].code[0] == '2' ?
		    STATUS_SENT : STATUS_DEFERRED, rcpts[i].code, "why");
	}
}

static void
test_outcomes(void **state)
{
	static const struct {
		struct rcpt	 rcpts[2];
		const char	*retry, *removal;
	} cases[] = {
		{ { SENT, SENT }, "ok sent", NULL },
		{ { SENT, DEFERRED }, "ok deferred", NULL },
		{ { FAILED, DEFERRED }, "ok failed", NULL },
		{ { OLD, SENT }, "ok sent", NULL },
		{ { OPEN, SENT }, "ok deferred", NULL },
		{ { OPEN, OPEN }, NULL, "ok deleted" },
		{ { BEFORE, OPEN }, NULL,
		    "ok deleted; delivered before to bob" },
		{ { BEFORE, BEFORE }, NULL,
		    "late delivered before to bob, carl" },
		{ { BEFORE, OLD }, NULL, "late delivered before to bob" },
		{ { OLD, OLD }, NULL, "late no recipient was left" },
		{ { FAILED, BEFORE }, NULL,
		    "ok deleted; delivered before to carl" },
		{ { LATE, LATE }, NULL,
		    "late delivered to bob (why), carl (why)" },
		{ { LATE, OPEN }, NULL,
		    "late delivered to bob (why); the rest was deleted" },
		{ { BEFORE, LATE }, NULL, "late delivered to carl (why); "
		    "delivered before to bob" },
		{ { LOST, LATE }, NULL, "late delivered to carl (why); perhaps "
		    "delivered to bob (why); the rest was deleted" },
	};
	struct t_active t;
	struct active_message *a;
	struct buf b;
	size_t i;

	(void)state;
	t_active_init(&t, "");
	t_active_commit(&t, "a", "bob", "carl", NULL);
	a = t_active_load(&t, "a");
	assert_non_null(a);
	for (i = 0; i < N(cases); i++) {
		fill(a, cases[i].rcpts);
		a->removal = cases[i].removal == NULL ? REMOVAL_NONE :
		    REMOVAL_DELETE;
		buf_init(&b, 0);
		if (cases[i].removal == NULL)
			outcome_of_retry(a, &b);
		else
			outcome_of_removal(a, &b);
		assert_string_equal(buf_str(&b), cases[i].removal == NULL ?
		    cases[i].retry : cases[i].removal);
		buf_fini(&b);
	}
	a->removal = REMOVAL_NONE;
	t_active_fini(&t);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
