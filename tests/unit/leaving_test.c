/*
 * leaving_test.c - every cell of the table, and the times.
 */
#include "queue/leaving.h"
#include "tests/unit/t.h"

static void
test_every_cell(void **state)
{
	static const enum leaving_state cells[3][3] = {
		[LEAVING_LAST] = { LEAVING_REPLACED, LEAVING_STOPPED,
		    LEAVING_LAST },
		[LEAVING_REPLACED] = { LEAVING_REPLACED, LEAVING_STOPPED,
		    LEAVING_LAST },
		[LEAVING_STOPPED] = { LEAVING_STOPPED, LEAVING_STOPPED,
		    LEAVING_STOPPED },
	};
	struct leaving l;
	int from, event;

	(void)state;
	for (from = 0; from < 3; from++)
		for (event = 0; event < 3; event++) {
			l.state = (enum leaving_state)from;
			l.since_ms = 1;
			leaving_next(&l, (enum leaving_event)event, 5);
			assert_int_equal(l.state, cells[from][event]);
			/* A second update or signal starts no new wait. */
			assert_int_equal(l.since_ms, (int)l.state == from ? 1 :
			    5);
		}
}

static void
test_times(void **state)
{
	static const struct {
		enum leaving_state state;
		int64_t	 after_ms;
		int	 is_closed, is_late;
	} cases[] = {
		{ LEAVING_LAST,		INT64_C(1) << 40,	0, 0 },
		{ LEAVING_REPLACED,	REPLACED_MS - 1,	0, 0 },
		{ LEAVING_REPLACED,	REPLACED_MS,		1, 0 },
		{ LEAVING_STOPPED,	0,			1, 0 },
		{ LEAVING_STOPPED,	STOP_MS - 1,		1, 0 },
		{ LEAVING_STOPPED,	STOP_MS,		1, 1 },
	};
	struct leaving l;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		l.state = cases[i].state;
		l.since_ms = 100;
		assert_int_equal(leaving_is_closed(&l, 100 +
		    cases[i].after_ms), cases[i].is_closed);
		assert_int_equal(leaving_is_late(&l, 100 + cases[i].after_ms),
		    cases[i].is_late);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests_name("leaving", tests, NULL, NULL);
}
