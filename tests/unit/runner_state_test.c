/*
 * runner_state_test.c - the lines that a runner tells of itself.
 */
#include "submit/runner_state.h"
#include "tests/unit/t_queue.h"

static void
test_lines(void **state)
{
	struct runner_state *s = calloc(1, sizeof(*s));
	char line[64];
	size_t i;

	(void)state;
	assert_non_null(s);
	runner_state_take(s, "runner\t12\t0.2\t1700000000\tinit");
	runner_state_take(s, "active\t7");
	runner_state_take(s, "destination\tdomain\tfar.test\tconnected\t3\t");
	runner_state_take(s, "destination\trelay\t\twaiting\t1\tno route");
	assert_int_equal(s->pid, 12);
	assert_string_equal(s->version, "0.2");
	assert_int_equal(s->since, 1700000000);
	assert_string_equal(s->starter, "init");
	assert_true(s->knows_active && s->active == 7);
	runner_state_take(s, "backoff\tdomain\ty.test\t4\t1700000300\t8\taway");
	assert_int_equal(s->ndestinations, 3);
	assert_string_equal(s->destinations[2].state, "unreachable");
	assert_int_equal(s->destinations[2].failures, 4);
	assert_int_equal(s->destinations[2].next, 1700000300);
	assert_int_equal(s->destinations[2].messages, 8);
	assert_string_equal(s->destinations[2].reason, "away");
	assert_string_equal(s->destinations[0].name, "far.test");
	assert_string_equal(s->destinations[0].state, "connected");
	assert_int_equal(s->destinations[0].messages, 3);
	assert_string_equal(s->destinations[0].reason, "");
	assert_string_equal(s->destinations[1].reason, "no route");
	for (i = 3; i < RUNNER_DESTINATIONS_MAX + 3; i++) {
		snprintf(line, sizeof(line),
		    "destination\tdomain\td%zu\tidle\t0\t", i);
		runner_state_take(s, line);
	}
	assert_int_equal(s->ndestinations, RUNNER_DESTINATIONS_MAX);
	runner_state_take(s, "omitted\t100");
	assert_int_equal(s->nothers, 103);
	free(s);
}

static void
test_lines_that_are_skipped(void **state)
{
	static const char *const lines[] = {
		"", "\t", "runner", "runner\t1\t0.2\t5", "active\t-1", "active",
		"runner\t1\t0.2\t5\tinit\tmore", "runner\tx\t0.2\t5\tinit",
		"destination\tdomain\tx\tidle\tmany\t", "other\t1",
		"destination\tdomain\tx\tidle\t1\tr\tmore\tand\tmore",
	};
	struct runner_state *s = calloc(1, sizeof(*s));
	char longest[4096];
	size_t i;

	(void)state;
	assert_non_null(s);
	for (i = 0; i < N(lines); i++)
		runner_state_take(s, lines[i]);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "active\t", 7);
	runner_state_take(s, longest);
	assert_true(s->pid == 0 && !s->knows_active && s->ndestinations == 0);
	free(s);
}

static void
test_no_runner_is_started(void **state)
{
	struct runner_state *s = calloc(1, sizeof(*s));
	struct caller c = { .uid = 0 };
	struct t_spool q;

	(void)state;
	assert_non_null(s);
	t_spool_init(&q, "");
	runner_state_ask(s, &q.sp, &c);
	assert_int_equal(s->presence, RUNNER_ABSENT);
	t_spool_fini(&q);
	free(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_that_are_skipped),
		cmocka_unit_test(test_no_runner_is_started),
	};

	return cmocka_run_group_tests_name("runner_state", tests, NULL, NULL);
}
