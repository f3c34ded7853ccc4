/*
 * tally_test.c - what is counted as the same, and how much is told apart.
 */
#include "submit/tally.h"
#include "tests/unit/t.h"

static void
test_reasons_that_are_the_same(void **state)
{
	static const struct { const char *in, *want; } cases[] = {
		{ "", "" },
		{ "connection timed out", "connection timed out" },
		{ "450 4.2.0 <ann@far.test>: Greylisted, try in 299 seconds.",
		    "* * <*>: Greylisted, try in * seconds." },
		{ "no mail exchanger of far7.test could be reached",
		    "no mail exchanger of * could be reached" },
		{ "host [192.0.2.1]: refused", "host [*]: refused" },
		{ "from=ann@x.test, id 4AF, (code=451)",
		    "from=*, id 4AF, (code=*)" },
		{ "end. Next", "end. Next" },
		{ "...", "..." },
		{ "a  b", "a  b" },
	};
	char got[TALLY_KEY_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		tally_normalise(got, sizeof(got), cases[i].in);
		assert_string_equal(got, cases[i].want);
	}
}

static void
test_cuts_whole_characters(void **state)
{
	static const struct { const char *in; size_t size; const char *want; }
	    cases[] = {
		{ "abc", 4, "abc" }, { "abc", 3, "ab" }, { "abc", 1, "" },
		{ "a\xc3\xbc", 4, "a\xc3\xbc" }, { "a\xc3\xbc", 3, "a" },
		{ "\xff\xff", 2, "\xff" },
	};
	char got[8];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		tally_copy(got, cases[i].size, cases[i].in);
		assert_string_equal(got, cases[i].want);
	}
}

static void
test_the_rest_are_others(void **state)
{
	struct tally *t = calloc(1, sizeof(*t));
	struct tally_entry *e;
	char key[32];
	size_t i;

	(void)state;
	assert_non_null(t);
	for (i = 0; i < TALLY_MAX + 5; i++) {
		snprintf(key, sizeof(key), "%zu", i);
		e = tally_add(t, key);
		assert_true((e == NULL) == (i >= TALLY_MAX));
	}
	assert_int_equal(t->n, TALLY_MAX);
	assert_int_equal(t->others, 5);
	assert_int_equal(tally_add(t, "7")->n, 2);
	assert_int_equal(tally_add(t, "9")->n, 2);
	assert_int_equal(tally_add(t, "9")->n, 3);
	tally_sort(t);
	assert_string_equal(t->list[0].key, "9");
	assert_string_equal(t->list[1].key, "7");
	assert_string_equal(t->list[2].key, "0");
	free(t);
}

static void
test_long_names_are_cut(void **state)
{
	struct tally *t = calloc(1, sizeof(*t));
	char key[TALLY_KEY_MAX + 9];

	(void)state;
	assert_non_null(t);
	memset(key, 'k', sizeof(key));
	key[sizeof(key) - 1] = '\0';
	tally_add(t, key);
	key[sizeof(key) - 2] = 'x';
	assert_int_equal(tally_add(t, key)->n, 2);
	assert_int_equal(strlen(t->list[0].key), TALLY_KEY_MAX);
	free(t);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons_that_are_the_same),
		cmocka_unit_test(test_cuts_whole_characters),
		cmocka_unit_test(test_the_rest_are_others),
		cmocka_unit_test(test_long_names_are_cut),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
