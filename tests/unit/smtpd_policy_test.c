/*
 * smtpd_policy_test.c - how many children are forked and retired.
 */
#include "smtpd/policy.h"
#include "tests/unit/t.h"

struct policy_case {
	const char	*name;
	struct conf_children limits;
	struct policy_view view;
	unsigned	 to_fork, to_retire;
};

#define LIMITS(min, max, all)	{ .min_spare = (min), .max_spare = (max), \
				.max_children = (all) }

static const struct policy_case cases[] = {
	{ "at the start", LIMITS(2, 4, 16), { 0, 0, 0 }, 2, 0 },
	{ "enough idle", LIMITS(2, 4, 16), { 2, 2, 0 }, 0, 0 },
	{ "those that start are idle", LIMITS(2, 4, 16), { 2, 2, 2 }, 0, 0 },
	{ "one became busy", LIMITS(2, 4, 16), { 2, 1, 0 }, 1, 0 },
	{ "between the limits", LIMITS(2, 4, 16), { 9, 3, 0 }, 0, 0 },
	{ "all busy", LIMITS(2, 4, 16), { 8, 0, 0 }, 2, 0 },
	{ "one below the maximum", LIMITS(2, 4, 16), { 15, 0, 0 }, 1, 0 },
	{ "at the maximum", LIMITS(2, 4, 16), { 16, 0, 0 }, 0, 0 },
	{ "above a maximum that was lowered", LIMITS(2, 4, 4), { 9, 3, 0 }, 0,
	    3 },
	{ "the same, all busy", LIMITS(2, 4, 4), { 9, 0, 0 }, 0, 0 },
	{ "at the maximum of idle ones", LIMITS(2, 4, 16), { 9, 4, 0 }, 0, 0 },
	{ "one idle too many", LIMITS(2, 4, 16), { 9, 5, 0 }, 0, 1 },
	{ "the last of many go slowly", LIMITS(2, 4, 16), { 16, 16, 0 }, 0,
	    6 },
	{ "one child", LIMITS(1, 1, 1), { 1, 0, 0 }, 0, 0 },
	{ "a single spare", LIMITS(1, 1, 3), { 2, 2, 0 }, 0, 1 },
	{ "a burst is forked in parts", LIMITS(100, 200, 1000), { 0, 0, 0 },
	    16, 0 },
	{ "the next part", LIMITS(100, 200, 1000), { 16, 16, 10 }, 6, 0 },
	{ "while these start", LIMITS(100, 200, 1000), { 16, 16, 16 }, 0, 0 },
};

static void
test_children_follow_demand(void **state)
{
	const struct policy_case *c;

	(void)state;
	for (c = cases; c < cases + N(cases); c++)
		if (policy_to_fork(&c->limits, &c->view) != c->to_fork ||
		    policy_to_retire(&c->limits, &c->view) != c->to_retire)
			fail_msg("%s: %u and %u", c->name,
			    policy_to_fork(&c->limits, &c->view),
			    policy_to_retire(&c->limits, &c->view));
}

static void
test_sessions_come_together_up_to_a_number(void **state)
{
	static const struct {
		size_t sessions, own;
		int is_before, is_preferred;
	} together[] = {
		/* Nobody has any: the first one. */
		{ 0, 0, 1, 1 }, { 0, 0, 0, 0 },
		{ 1, 0, 1, 1 }, { 1, 0, 0, 1 }, { 0, 1, 1, 0 },
		/* As many: neither waits for the other. */
		{ 1, 1, 1, 0 }, { 7, 7, 1, 0 }, { 8, 7, 0, 1 },
		{ POLICY_TOGETHER_MAX - 1, 0, 0, 1 },
		{ POLICY_TOGETHER_MAX, 0, 1, 0 },
		{ 1000, POLICY_TOGETHER_MAX, 1, 0 }
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(together); i++)
		if (policy_is_preferred(together[i].sessions, together[i].is_before,
		    together[i].own) != together[i].is_preferred)
			fail_msg("case %zu", i);
}

/* From any view, children that do as they are told end within the limits. */
static void
test_the_policy_comes_to_rest(void **state)
{
	const struct conf_children limits = LIMITS(2, 4, 16);
	struct policy_view v;
	unsigned all, idle, n, turns;

	(void)state;
	for (all = 0; all <= 40; all++) {
		for (idle = 0; idle <= all; idle++) {
			v = (struct policy_view){ all, idle, 0 };
			for (turns = 0; turns < 50; turns++) {
				n = policy_to_fork(&limits, &v);
				assert_true(n == 0 || v.all + n <= 16);
				v.all += n;
				v.idle += n;
				n = policy_to_retire(&limits, &v);
				assert_true(n <= v.idle);
				v.all -= n;
				v.idle -= n;
			}
			assert_true(v.all <= 16 || v.idle == 0);
			assert_true(v.idle <= 4);
			assert_true(v.idle >= 2 || v.all >= 16);
		}
	}
}

static void
test_back_off_grows_to_its_limit(void **state)
{
	static const struct {
		unsigned	 failures;
		int64_t		 wait_ms;
	} waits[] = { { 0, 0 }, { 1, 0 }, { 2, 100 }, { 3, 200 }, { 4, 400 },
	    { 7, 3200 }, { 8, POLICY_BACKOFF_MAX_MS },
	    { 9, POLICY_BACKOFF_MAX_MS }, { 4000000000U,
	    POLICY_BACKOFF_MAX_MS } };
	size_t i;

	(void)state;
	for (i = 0; i < N(waits); i++)
		assert_int_equal(policy_backoff_ms(waits[i].failures),
		    waits[i].wait_ms);
}

#define NONE		POLICY_PHASE_NONE
#define STARTING	POLICY_PHASE_STARTING
#define SERVING		POLICY_PHASE_SERVING
#define RETIRING	POLICY_PHASE_RETIRING
#define DRAINING	POLICY_PHASE_DRAINING

/* The cells of docs/states.md; all others change nothing. */
static const struct {
	enum policy_phase from;
	enum policy_event event;
	enum policy_phase to;
} changes[] = {
	{ NONE, POLICY_EVENT_FORKED, STARTING },
	{ STARTING, POLICY_EVENT_READY, SERVING },
	{ SERVING, POLICY_EVENT_FOLLOWED, RETIRING },
	{ RETIRING, POLICY_EVENT_TOO_OLD, DRAINING },
	{ STARTING, POLICY_EVENT_ENDED, NONE },
	{ SERVING, POLICY_EVENT_ENDED, NONE },
	{ RETIRING, POLICY_EVENT_ENDED, NONE },
	{ DRAINING, POLICY_EVENT_ENDED, NONE },
};

static void
test_a_generation_goes_through_its_phases(void **state)
{
	enum policy_phase from, to;
	enum policy_event event;
	size_t i;

	(void)state;
	for (from = NONE; from <= DRAINING; from++) {
		for (event = POLICY_EVENT_FORKED; event <= POLICY_EVENT_ENDED;
		    event++) {
			to = from;
			for (i = 0; i < N(changes); i++)
				if (changes[i].from == from &&
				    changes[i].event == event)
					to = changes[i].to;
			assert_int_equal(policy_next(from, event), to);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_follow_demand),
		cmocka_unit_test(test_sessions_come_together_up_to_a_number),
		cmocka_unit_test(test_the_policy_comes_to_rest),
		cmocka_unit_test(test_back_off_grows_to_its_limit),
		cmocka_unit_test(test_a_generation_goes_through_its_phases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
