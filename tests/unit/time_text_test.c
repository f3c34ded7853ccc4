/*
 * time_text_test.c - times as people read them.
 */
#include "submit/time_text.h"
#include "tests/unit/t.h"

static void
test_spans(void **state)
{
	static const struct { int64_t s; const char *want; } cases[] = {
		{ -5, "0 s" }, { 0, "0 s" }, { 59, "59 s" }, { 60, "1 min" },
		{ 3599, "59 min" }, { 3600, "1 h 0 min" },
		{ 3 * 3600 + 300, "3 h 5 min" }, { 86399, "23 h 59 min" },
		{ 86400, "1 d 0 h" }, { 5 * 86400 + 7199, "5 d 1 h" },
		{ INT64_MAX, "106751991167300 d 15 h" },
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&b);
		time_text_put_span(&b, cases[i].s);
		assert_string_equal(buf_str(&b), cases[i].want);
	}
	buf_fini(&b);
}

static void
test_dates(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(setenv("TZ", "EST5", 1), 0);
	tzset();
	buf_init(&b, 0);
	time_text_put_next(&b, 1700000000, 1700000000 - 725);
	assert_string_equal(buf_str(&b),
	    "Tue, 14 Nov 2023 17:13:20 -0500 (in 12 min)");
	if (sizeof(time_t) > 4) {
		buf_reset(&b);
		time_text_put(&b, T_TIME(INT64_MAX));
		assert_string_equal(buf_str(&b), "an unknown time");
	}
	buf_fini(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests_name("time_text", tests, NULL, NULL);
}
