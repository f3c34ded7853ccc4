/*
 * progress_test.c - how far a retry has come, in words.
 */
#include "submit/progress.h"
#include "tests/unit/t.h"

static void
test_what_is_none_is_left_out(void **state)
{
	static const struct {
		size_t total;
		const char *statuses[5];
		const char *want;
	} cases[] = {
		{ 0, { NULL }, "0 tried" },
		{ 340, { "sent", "deferred", "sent" },
		    "3 of 340 tried, 2 sent, 1 deferred" },
		{ 0, { "failed", "sent" }, "2 tried, 1 sent, 1 failed" },
		{ 2, { "", "held" }, "2 of 2 tried" },
	};
	struct progress p;
	struct buf b;
	size_t i, j;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		progress_init(&p);
		p.is_shown = 0;
		p.total = cases[i].total;
		for (j = 0; j < N(cases[i].statuses) &&
		    cases[i].statuses[j] != NULL; j++)
			progress_count(&p, cases[i].statuses[j]);
		buf_init(&b, 0);
		progress_put(&b, &p);
		assert_string_equal(buf_str(&b), cases[i].want);
		buf_fini(&b);
	}
}

static void
test_counts_of_the_runner_replace_ours(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "+340 0 0 0", "0 of 340 tried" },
		{ "+328 10 2 0", "12 of 340 tried, 10 sent, 2 deferred" },
		{ "+0 10 2 1", "13 of 13 tried, 10 sent, 2 deferred, "
		    "1 failed" },
		/* What is no such line changes nothing. */
		{ "+", "0 tried" }, { "+1 2 3", "0 tried" },
		{ "+1 2 x 4", "0 tried" }, { "+1 2 3 -4", "0 tried" },
		{ "+99999999999999999999 1 1 1", "0 tried" },
	};
	struct progress p;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		progress_init(&p);
		p.is_shown = 0;
		progress_line(&p, cases[i].line);
		buf_init(&b, 0);
		progress_put(&b, &p);
		assert_string_equal(buf_str(&b), cases[i].want);
		buf_fini(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_none_is_left_out),
		cmocka_unit_test(test_counts_of_the_runner_replace_ours),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
