/*
 * json_test.c - JSON as it is written.
 */
#include "lib/json.h"
#include "tests/unit/t.h"

static void
test_strings(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "", "\"\"" },
		{ "plain text", "\"plain text\"" },
		{ "a\"b\\", "\"a\\\"b\\\\\"" },
		{ "a\n\t\x1b\x7f/", "\"a\\u000a\\u0009\\u001b\\u007f/\"" },
		{ "m\xc3\xbc.\xf0\x9f\x98\x80",
		    "\"m\xc3\xbc.\xf0\x9f\x98\x80\"" },
		/* Controls beyond ASCII. */
		{ "\xc2\x9b" "2J", "\"\\u009b2J\"" },
		{ "\xc2\xa0", "\"\xc2\xa0\"" },
		/* No UTF-8: alone, cut, too long, a surrogate, too large. */
		{ "\xff", "\"\\ufffd\"" },
		{ "\xc3", "\"\\ufffd\"" },
		{ "\xe2\x82", "\"\\ufffd\\ufffd\"" },
		{ "\xc0\x80x", "\"\\ufffd\\ufffdx\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	};
	struct json j;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		json_init(&j);
		json_text(&j, NULL, cases[i].in);
		t_assert_text(&j.out, cases[i].out, strlen(cases[i].out));
		json_fini(&j);
	}
}

/* What was written may be emptied in between. */
static void
test_values_and_commas(void **state)
{
	static const char expected[] = "{\"a\":1,\"b\":[],\"c\":[\"x\",null,"
	    "{\"d\":true},{}],\"e\":false,\"f\":-9223372036854775807}\n{}\n";
	struct json j;

	(void)state;
	json_init(&j);
	json_open(&j, NULL, '{');
	json_number(&j, "a", 1);
	json_open(&j, "b", '[');
	json_close(&j, ']');
	json_open(&j, "c", '[');
	json_text(&j, NULL, "x");
	json_null(&j, NULL);
	json_open(&j, NULL, '{');
	json_bool(&j, "d", 2);
	json_close(&j, '}');
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_bool(&j, "e", 0);
	json_number(&j, "f", -INT64_MAX);
	json_close(&j, '}');
	json_line(&j);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_line(&j);
	t_assert_text(&j.out, T(expected));
	buf_reset(&j.out);
	json_open(&j, NULL, '[');
	json_number(&j, NULL, 1);
	buf_reset(&j.out);
	json_text(&j, NULL, NULL);
	json_close(&j, ']');
	t_assert_text(&j.out, T(",null]"));
	json_fini(&j);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_values_and_commas),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
