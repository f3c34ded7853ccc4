/*
 * concurrency_test.c - each rule as a table of cases.
 */
#include "t.h"

#include "net/concurrency.h"

#define NOW	100000

static void
test_one_connection_for_two_messages(void **state)
{
	static const struct {
		unsigned configured;
		struct load load;	/* total, in use, ready, quick,
					 * waiting */
		int may_grow, has_room;
	} cases[] = {
		/* Nothing waits. */
		{ 20, { 1, 1, 1, 1, 0 }, 0, 1 },
		/* The first shows whether host and login work at all. */
		{ 20, { 1, 1, 0, 1, 9 }, 0, 1 },
		{ 20, { 1, 1, 1, 1, 9 }, 1, 1 },
		/* One message can follow on the connection that is there. */
		{ 20, { 1, 1, 1, 1, 1 }, 0, 1 },
		{ 20, { 1, 1, 1, 1, 2 }, 1, 1 },
		{ 20, { 5, 5, 5, 5, 8 }, 0, 1 },
		{ 20, { 5, 5, 5, 5, 10 }, 1, 1 },
		/* A slow one takes nothing soon: a long upload, a slow
		 * verdict. */
		{ 20, { 1, 1, 1, 0, 1 }, 1, 1 },
		{ 20, { 2, 2, 2, 0, 1 }, 1, 1 },
		{ 20, { 2, 2, 1, 1, 1 }, 0, 1 },
		/* Never more than CONCURRENCY; those that end count. */
		{ 5, { 5, 5, 5, 5, 99 }, 0, 0 },
		{ 5, { 6, 5, 4, 4, 99 }, 0, 0 },
		{ 1, { 1, 1, 1, 0, 99 }, 0, 0 },
		{ 0, { 0, 0, 0, 0, 9 }, 0, 1 },
		{ 0, { 1, 1, 1, 1, 9 }, 0, 0 },
		/* Nor more than there is room for. */
		{ 9999, { 255, 255, 255, 0, 9 }, 1, 1 },
		{ 9999, { 256, 200, 200, 0, 9 }, 0, 0 },
	};
	struct concurrency c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		concurrency_init(&c, cases[i].configured);
		concurrency_tick(&c, NOW);
		if (concurrency_may_grow(&c, &cases[i].load) !=
		    cases[i].may_grow ||
		    concurrency_has_room(&c, &cases[i].load) !=
		    cases[i].has_room)
			fail_msg("case %zu", i);
	}
}

static void
test_slow_after_a_second(void **state)
{
	static const struct {
		int64_t took_ms;
		int is_slow, may_follow;
	} cases[] = {
		{ 0, 0, 1 }, { 20, 0, 1 }, { 999, 0, 1 }, { 1000, 1, 0 },
		{ 600000, 1, 0 },
	};
	struct concurrency c;
	size_t i;

	(void)state;
	concurrency_init(&c, 20);
	assert_true(concurrency_may_follow(&c));
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(concurrency_is_slow(NOW,
		    NOW + cases[i].took_ms), cases[i].is_slow);
		concurrency_verdict(&c, NOW, NOW + cases[i].took_ms);
		assert_int_equal(concurrency_may_follow(&c),
		    cases[i].may_follow);
	}
	/* The next quick one ends it. */
	concurrency_verdict(&c, NOW, NOW + 1);
	assert_true(concurrency_may_follow(&c));
}

#define LOST	SMTP_CAUSE_LOST
#define HOST	SMTP_CAUSE_HOST

static void
test_what_a_loss_means(void **state)
{
	static const struct {
		const char *name;
		struct loss loss;	/* cause, begun, settled, throttled,
					 * idle, suspect */
		unsigned nlost, nready;
		int64_t verdict_ms;
		enum host_state state;
		unsigned limit;		/* afterwards, of 20 */
	} cases[] = {
		{ "after QUIT", { SMTP_CAUSE_NONE, 1, 0, 0, 0, 0 },
		    9, 0, 0, HOST_GOOD, 20 },
		/* Before MAIL. */
		{ "refused", { HOST, 1, 0, 0, 0, 0 }, 0, 0, 0, HOST_DEAD,
		    20 },
		{ "refused, others at work", { HOST, 1, 0, 1, 0, 0 }, 0, 3,
		    0, HOST_CROWDED, 3 },
		{ "no TLS with a login", { SMTP_CAUSE_TLS, 1, 0, 0, 0, 0 },
		    0, 0, 0, HOST_DEAD, 20 },
		/* Enough for one connection. */
		{ "throttled after five", { LOST, 1, 5, 1, 0, 0 }, 0, 2, 0,
		    HOST_GOOD, 20 },
		{ "throttled while idle", { LOST, 1, 0, 1, 1, 0 }, 0, 0, 0,
		    HOST_GOOD, 20 },
		/* One connection too many. */
		{ "throttled at the first", { LOST, 1, 0, 1, 0, 0 }, 0, 4, 0,
		    HOST_CROWDED, 4 },
		{ "throttled at the first, alone", { LOST, 1, 0, 1, 0, 0 },
		    0, 0, 0, HOST_CROWDED, 1 },
		/* Without a verdict, three times in a row. */
		{ "cut, the first time", { LOST, 1, 0, 0, 0, 0 }, 0, 0, 0,
		    HOST_GOOD, 20 },
		{ "the second time", { LOST, 1, 0, 0, 0, 0 }, 1, 0, 0,
		    HOST_GOOD, 20 },
		{ "the third time", { LOST, 1, 0, 0, 0, 0 }, 2, 0, 0,
		    HOST_DEAD, 20 },
		{ "the third time, others at work", { LOST, 1, 0, 0, 0, 0 },
		    2, 7, 0, HOST_CROWDED, 7 },
		{ "after a verdict", { LOST, 1, 1, 0, 0, 0 }, 2, 0, 0,
		    HOST_GOOD, 20 },
		{ "while idle", { LOST, 1, 0, 0, 1, 0 }, 2, 0, 0, HOST_GOOD,
		    20 },
		/* One message is never the death of a host for the others. */
		{ "on a suspect", { LOST, 1, 0, 0, 0, 1 }, 2, 0, 0,
		    HOST_GOOD, 20 },
		{ "others had verdicts meanwhile", { LOST, NOW - 600000, 0,
		    0, 0, 0 }, 2, 0, NOW - 598000, HOST_GOOD, 20 },
		{ "others had theirs before", { LOST, NOW - 600000, 0, 0, 0,
		    0 }, 2, 0, NOW - 600001, HOST_DEAD, 20 },
	};
	struct concurrency c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		concurrency_init(&c, 20);
		c.nlost = cases[i].nlost;
		c.verdict_ms = cases[i].verdict_ms;
		if (concurrency_lost(&c, &cases[i].loss, cases[i].nready,
		    NOW) != cases[i].state || c.limit != cases[i].limit)
			fail_msg("%s: limit %u", cases[i].name, c.limit);
	}
}

static void
test_what_was_learned_expires(void **state)
{
	static const struct loss crowd = { LOST, 1, 0, 1, 0, 0 };
	static const struct loss cut = { LOST, NOW, 0, 0, 0, 0 };
	struct concurrency c;

	(void)state;
	concurrency_init(&c, 20);
	concurrency_lost(&c, &crowd, 2, NOW);
	concurrency_tick(&c, NOW + 9999);
	assert_int_equal(c.limit, 2);
	concurrency_tick(&c, NOW + 10000);
	assert_int_equal(c.limit, 20);
	/* A verdict begins the count anew. */
	concurrency_verdict(&c, 0, 0);
	concurrency_lost(&c, &cut, 0, NOW);
	concurrency_lost(&c, &cut, 0, NOW);
	concurrency_verdict(&c, NOW - 2, NOW - 1);
	assert_int_equal(concurrency_lost(&c, &cut, 0, NOW), HOST_GOOD);
	/* More are ready than are allowed: that was lowered meanwhile. */
	concurrency_init(&c, 3);
	concurrency_lost(&c, &crowd, 9, NOW);
	assert_int_equal(c.limit, 3);
}

static void
test_what_becomes_of_a_message(void **state)
{
	static const struct {
		const char *name;
		struct cut cut;		/* guilty, late, throttled, settled */
		unsigned before;
		enum retry retry;
		unsigned after;
	} cases[] = {
		{ "it only waited", { 0, 0, 0, 0 }, 0, RETRY_FIRST, 0 },
		{ "it only waited, late", { 0, 1, 0, 0 }, 2, RETRY_FIRST, 2 },
		{ "reset", { 1, 0, 0, 3 }, 0, RETRY_ALONE, 1 },
		{ "reset again", { 1, 0, 0, 0 }, 1, RETRY_ALONE, 2 },
		{ "reset for the third time", { 1, 0, 0, 0 }, 2, RETRY_NEVER,
		    3 },
		{ "known before", { 1, 0, 0, 5 }, DROPS_MAX - 1, RETRY_NEVER,
		    3 },
		{ "never answered", { 1, 1, 0, 3 }, 0, RETRY_NEVER, 3 },
		{ "throttled after some", { 1, 0, 1, 5 }, 2, RETRY_LAST, 2 },
		{ "throttled at the first", { 1, 0, 1, 0 }, 0, RETRY_LAST, 1 },
		{ "always throttled", { 1, 0, 1, 0 }, 2, RETRY_NEVER, 3 },
	};
	unsigned drops;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		drops = cases[i].before;
		if (concurrency_cut(&drops, &cases[i].cut) != cases[i].retry ||
		    drops != cases[i].after)
			fail_msg("%s: %u", cases[i].name, drops);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_connection_for_two_messages),
		cmocka_unit_test(test_slow_after_a_second),
		cmocka_unit_test(test_what_a_loss_means),
		cmocka_unit_test(test_what_was_learned_expires),
		cmocka_unit_test(test_what_becomes_of_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
