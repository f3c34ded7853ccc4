/*
 * limits_test.c - parts of what is shared, while others wait and while not.
 */
#include <limits.h>

#include "queue/limits.h"
#include "tests/unit/t.h"

#define HALF	(ACTIVE_MAX / 2)

/* Of a submitter that alone has something of the active queue. */
static struct part
alone(unsigned nactive)
{
	return limits_part(nactive, ACTIVE_MAX - nactive);
}

static void
test_part(void **state)
{
	static const struct {
		unsigned held, nfree, most;
	} cases[] = {
		{ 0, 0, 0 }, { 7, 0, 7 },
		/* The last place is for somebody who has none. */
		{ 0, 1, 1 }, { 2, 1, 3 }, { 3, 1, 3 }, { 300, 1, 300 },
		/* Three quarters are the most. */
		{ 0, 24, 18 }, { 17, 7, 18 }, { 18, 6, 18 },
		{ 0, 300, 225 }, { 150, 150, 225 }, { 225, 75, 225 },
		/* With another one less. */
		{ 0, 75, 57 }, { 128, 44, 129 },
	};
	struct part p;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		p = limits_part(cases[i].held, cases[i].nfree);
		assert_int_equal(p.held, cases[i].held);
		assert_int_equal(p.most, cases[i].most);
	}
}

/* However many come, each has a place while there is one at all. */
static void
test_newcomer_has_a_place(void **state)
{
	unsigned n, most, nfree = 64, held;
	struct part p;

	(void)state;
	for (n = 0; nfree > 0; n++) {
		for (held = 0; ; held++, nfree--) {
			p = limits_part(held, nfree);
			if (!limits_may_take(&p, 0))
				break;
		}
		assert_true(held > 0);
		most = held;
	}
	assert_true(n > 2 && most == 1);
}

/* One message leaves a third of its submitter's part to the others. */
static void
test_message_has_its_part(void **state)
{
	unsigned own = 0;
	struct part p;

	(void)state;
	for (; p = limits_part(own, 48 - own), limits_may_take(&p, own); own++)
		;
	assert_int_equal(own, 24);
	assert_true(limits_may_take(&p, 0));
}

static void
test_share(void **state)
{
	static const struct {
		unsigned	 active, postponed, nactive;
		int		 has_room, is_ready;
	} cases[] = {
		{ 0, 0, 0, 1, 1 },
		{ HALF - 1, 0, HALF, 1, 1 },
		{ HALF, 0, HALF, 0, 0 },
		/* None overtakes those that are postponed. */
		{ 0, 1, 0, 0, 1 },
		{ HALF - 1, 7, HALF, 0, 1 },
		/* Others of this submitter may wait: sixteen. */
		{ 0, 0, HALF + 1, 1, 1 },
		{ 15, 0, ACTIVE_MAX, 1, 1 },
		{ 16, 0, HALF + 1, 0, 0 },
		{ 99, 0, HALF + 1, 0, 0 },
	};
	struct part p;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		p = alone(cases[i].nactive);
		assert_int_equal(limits_has_room(&p, cases[i].active,
		    cases[i].postponed), cases[i].has_room);
		assert_int_equal(limits_is_ready(&p, cases[i].active),
		    cases[i].is_ready);
	}
}

/* A share that has nothing under way is ready, or it would never be again. */
static void
test_empty_share_is_ready(void **state)
{
	struct part p;
	unsigned n, held;

	(void)state;
	for (n = 0; n <= ACTIVE_MAX; n++)
		for (held = 0; held <= n; held++) {
			p = limits_part(held, ACTIVE_MAX - n);
			assert_true(limits_is_ready(&p, 0));
		}
}

static void
test_yield(void **state)
{
	static const struct {
		unsigned	 nactive;
		int64_t		 silent_ms;
		int		 ret;
	} cases[] = {
		{ 0, 999999, 0 }, { HALF, 999999, 0 }, { HALF + 1, 0, 0 },
		{ HALF + 1, SLOW_MS, 0 }, { HALF + 1, SLOW_MS + 1, 1 },
		{ ACTIVE_MAX, 999999, 1 },
	};
	struct part p;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		p = alone(cases[i].nactive);
		assert_int_equal(limits_must_yield(&p, cases[i].silent_ms),
		    cases[i].ret);
	}
}

static void
test_lookup(void **state)
{
	static const struct {
		unsigned	 nactive;
		size_t		 pending;
		int64_t		 age_ms;
		size_t		 stay;
		int64_t		 left_ms;
	} cases[] = {
		{ 1, 1, 0, 1, SLOW_MS },
		{ 1, 1, SLOW_MS - 1, 1, 1 },
		{ 1, 1, SLOW_MS, 1, LOOKUP_LIMIT_MS - SLOW_MS },
		{ 1, 1, LOOKUP_LIMIT_MS - 1, 1, 1 },
		{ 1, 1, LOOKUP_LIMIT_MS, 1, 0 },
		{ 1, 1, LOOKUP_LIMIT_MS + 1, 1, 0 },
		{ HALF, 90, SLOW_MS, 90, LOOKUP_LIMIT_MS - SLOW_MS },
		{ HALF + 1, 4, SLOW_MS, 4, LOOKUP_LIMIT_MS - SLOW_MS },
		{ HALF + 1, 5, SLOW_MS - 1, 4, 1 },
		{ HALF + 1, 5, SLOW_MS, 4, 0 },
		{ HALF + 1, 0, SLOW_MS, 0, LOOKUP_LIMIT_MS - SLOW_MS },
	};
	struct part p;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		p = alone(cases[i].nactive);
		assert_int_equal(limits_pending(&p, cases[i].pending),
		    cases[i].stay);
		assert_int_equal(limits_lookup_left_ms(&p, cases[i].pending, cases[i].age_ms), cases[i].left_ms);
	}
}

static void
test_processes(void **state)
{
	static const struct {
		unsigned	 nactive, busy, of_range, most;
		int		 ret;
	} cases[] = {
		{ 1, 0, 0, 24, 1 }, { 1, 24, 24, 24, 1 },
		{ HALF, 500, 500, 24, 1 }, { HALF + 1, 23, 23, 24, 1 },
		{ HALF + 1, 24, 24, 24, 0 }, { 1, 511, 511, 24, 1 },
		{ 1, 512, 512, 24, 0 }, { ACTIVE_MAX, 500, 500, 24, 0 },
		{ 1, 511, 1023, 24, 1 }, { 1, 1, 1024, 24, 0 },
		{ 1, 0, 1024, 24, 1 }, { 1, 0, 5000, 24, 1 },
	};
	struct part p;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		p = alone(cases[i].nactive);
		assert_int_equal(limits_may_queue(&p, cases[i].busy,
		    cases[i].of_range, cases[i].most), cases[i].ret);
	}
}

/* Longer than any time limit at length: no host is only ever given up. */
static void
test_patience(void **state)
{
	unsigned n;

	(void)state;
	assert_int_equal(limits_patience_ms(0), 4000);
	for (n = 1; n < 100; n++)
		assert_true(limits_patience_ms(n) >= limits_patience_ms(n - 1));
	assert_true(limits_patience_ms(8) > 600000);
	assert_int_equal(limits_patience_ms(9), limits_patience_ms(UINT_MAX));
}

static void
test_places(void **state)
{
	struct part p = { 0, ACTIVE_MAX };

	(void)state;
	assert_int_equal(limits_places(&p, 1), 1);
	assert_int_equal(limits_places(&p, 499), 1);
	assert_int_equal(limits_places(&p, 20000), 41);
	assert_true(limits_places(&p, UINT32_MAX) <= ACTIVE_MAX / 3);
	/* What is left of the part. */
	p.held = ACTIVE_MAX - 7;
	assert_int_equal(limits_places(&p, 20000), 7);
	p.held = ACTIVE_MAX;
	assert_int_equal(limits_places(&p, 20000), 1);
}

/* Ten of one, then one of another: that one is the second. */
static void
test_turn(void **state)
{
	uint64_t one = 0, now = 0;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		one = limits_turn(one, now);
	assert_int_equal(one, 10);
	now = 1;
	assert_int_equal(limits_turn(0, now), 2);
	assert_int_equal(limits_turn(one, now), 11);
	assert_int_equal(limits_turn(0, 50), 51);
}

static void
test_due(void **state)
{
	static const struct {
		time_t	 due, now;
		int	 ret;
	} cases[] = {
		{ 0, 1000, 1 }, { 1000, 1000, 1 }, { 1001, 1000, 0 },
		{ 1000 + 260, 1000, 0 },
		/* Twice the longest back-off and a minute: a clock jumped. */
		{ 1000 + 261, 1000, 1 }, { 99999999, 1000, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(limits_is_due(cases[i].due, cases[i].now,
		    100), cases[i].ret);
}

static void
test_retry_doubles_up_to_the_longest(void **state)
{
	static const struct {
		unsigned attempts, first_s, longest_s, least_s, most_s;
	} cases[] = {
		/* One sixteenth earlier or later. */
		{ 0, 300, 10800, 282, 318 }, { 1, 300, 10800, 282, 318 },
		{ 2, 300, 10800, 563, 637 }, { 3, 300, 10800, 1125, 1275 },
		{ 6, 300, 10800, 9000, 10200 }, { 7, 300, 10800, 10125, 11475 },
		{ 1000, 300, 10800, 10125, 11475 },
		{ UINT_MAX, UINT_MAX / 2, UINT_MAX / 2, UINT_MAX / 32 * 15 - 16,
		    UINT_MAX / 32 * 17 + 16 },
		/* Too short to be spread. */
		{ 1, 1, 100, 1, 1 }, { 4, 1, 100, 8, 8 }, { 9, 0, 0, 0, 0 },
		/* The longest is less than the first. */
		{ 1, 100, 7, 7, 7 },
	};
	unsigned k, wait_s;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		for (k = 0; k < 1000; k++) {
			wait_s = limits_retry_s(cases[i].attempts,
			    cases[i].first_s, cases[i].longest_s,
			    k * 0x9e3779b97f4a7c15);
			assert_in_range(wait_s, cases[i].least_s,
			    cases[i].most_s);
		}
	/* What waits together does not come due together. */
	assert_int_not_equal(limits_retry_s(1, 300, 10800, 1),
	    limits_retry_s(1, 300, 10800, 2));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_retry_doubles_up_to_the_longest),
		cmocka_unit_test(test_newcomer_has_a_place),
		cmocka_unit_test(test_message_has_its_part),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_empty_share_is_ready),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_due),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
