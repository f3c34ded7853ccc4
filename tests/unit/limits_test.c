/*
 * limits_test.c - shares of the active queue, while others wait and while not.
 */
#include "queue/limits.h"
#include "tests/unit/t.h"

#define HALF	(ACTIVE_MAX / 2)
#define LOW	(HALF / 4 * 3)

static void
test_share(void **state)
{
	static const struct {
		struct share	 share;
		unsigned	 nactive;
		int		 has_room, is_ready, is_low;
	} cases[] = {
		{ { 0, 0 }, 0, 1, 1, 1 },
		{ { LOW - 1, 0 }, HALF, 1, 1, 1 },
		{ { LOW, 0 }, HALF, 1, 1, 0 },
		{ { HALF - 1, 0 }, HALF, 1, 1, 0 },
		{ { HALF, 0 }, HALF, 0, 0, 0 },
		/* None overtakes those that are postponed. */
		{ { 0, 1 }, 0, 0, 1, 1 },
		{ { LOW - 1, 7 }, HALF, 0, 1, 1 },
		/* Others may wait: sixteen. */
		{ { 0, 0 }, HALF + 1, 1, 1, 1 },
		{ { 11, 0 }, HALF + 1, 1, 1, 1 },
		{ { 12, 0 }, HALF + 1, 1, 1, 0 },
		{ { 15, 0 }, ACTIVE_MAX, 1, 1, 0 },
		{ { 16, 0 }, HALF + 1, 0, 0, 0 },
		{ { 99, 0 }, HALF + 1, 0, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(limits_has_room(&cases[i].share,
		    cases[i].nactive), cases[i].has_room);
		assert_int_equal(limits_is_ready(&cases[i].share,
		    cases[i].nactive), cases[i].is_ready);
		assert_int_equal(limits_is_low(&cases[i].share,
		    cases[i].nactive), cases[i].is_low);
	}
}

/* No share is more than half, so that others are always taken. */
static void
test_others_get_in(void **state)
{
	struct share greedy = { 0, 0 }, other = { 0, 0 };
	unsigned n = 0;

	(void)state;
	for (; limits_has_room(&greedy, n); n++)
		greedy.active++;
	assert_true(n <= HALF);
	assert_true(limits_has_room(&other, n));
}

/* A share that has nothing under way is ready, or it would never be again. */
static void
test_empty_share_is_ready(void **state)
{
	struct share s = { 0, 1000 };
	unsigned n;

	(void)state;
	for (n = 0; n <= ACTIVE_MAX; n++)
		assert_true(limits_is_ready(&s, n) && limits_is_low(&s, n));
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
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(limits_must_yield(cases[i].nactive,
		    cases[i].silent_ms), cases[i].ret);
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
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(limits_pending(cases[i].nactive,
		    cases[i].pending), cases[i].stay);
		assert_int_equal(limits_lookup_left_ms(cases[i].nactive,
		    cases[i].pending, cases[i].age_ms), cases[i].left_ms);
	}
}

static void
test_processes(void **state)
{
	static const struct {
		unsigned	 nactive, busy, most;
		int		 ret;
	} cases[] = {
		{ 1, 0, 24, 1 }, { 1, 24, 24, 1 }, { HALF, 500, 24, 1 },
		{ HALF + 1, 23, 24, 1 }, { HALF + 1, 24, 24, 0 },
		{ ACTIVE_MAX, 500, 24, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(limits_may_queue(cases[i].nactive,
		    cases[i].busy, cases[i].most), cases[i].ret);
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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_others_get_in),
		cmocka_unit_test(test_empty_share_is_ready),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_due),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
