/*
 * submit_instance_test.c - the strings of a call that was handed over.
 * What clients and connections do is in tests/system.
 */
#include <stdlib.h>

#include "priv/records.h"
#include "priv/submit_instance.h"
#include "tests/unit/t.h"

/* len counts the NUL at the end of a literal. */
#define STRINGS(s)	(s), sizeof(s)

struct strings {
	const char	*text;
	size_t		 len;
	uint32_t	 argc;
	int		 n;		/* variables after argv; -1: refused */
};

static void
test_strings_are_taken_apart(void **state)
{
	static const struct strings cases[] = {
		{ STRINGS("sendmail\0bob"), 2, 0 },
		{ STRINGS("sendmail\0bob\0TZ=UTC\0NAME=Ann"), 2, 2 },
		{ STRINGS("EMAIL=a@b"), 0, 1 },
		{ STRINGS(""), 1, 0 },
		{ STRINGS("\0\0"), 1, 2 },
		{ "", 0, 0, 0 },
		/* Refused. */
		{ "", 0, 1, -1 },
		{ "sendmail", 8, 1, -1 },
		{ "sendmail\0bob", 12, 2, -1 },
		{ STRINGS("sendmail\0bob"), 3, -1 },
		{ STRINGS("sendmail\0bob"), UINT32_MAX, -1 },
	};
	struct submit_call c;
	char text[64];
	int i, n;

	(void)state;
	for (i = 0; i < (int)N(cases); i++) {
		memset(&c, 0, sizeof(c));
		memcpy(text, cases[i].text, cases[i].len);
		if (submit_call_split(&c, text, cases[i].len,
		    cases[i].argc) == -1) {
			assert_int_equal(cases[i].n, -1);
			assert_null(c.vector);
			continue;
		}
		assert_int_equal(c.argc, cases[i].argc);
		for (n = 0; n < c.argc; n++)
			assert_non_null(c.vector[n]);
		assert_null(c.vector[c.argc]);
		for (n = 0; c.vector[c.argc + 1 + n] != NULL; n++)
			;
		assert_int_equal(n, cases[i].n);
		c.text = NULL;
		submit_call_fini(&c);
	}
}

static void
test_no_more_strings_than_an_exec_has(void **state)
{
	const size_t len = SUBMIT_STRINGS_MAX;
	struct submit_call c = { 0 };
	char *text;

	(void)state;
	text = calloc(len, 1);
	assert_non_null(text);
	assert_int_equal(submit_call_split(&c, text, len, 1), -1);
	free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings_are_taken_apart),
		cmocka_unit_test(test_no_more_strings_than_an_exec_has),
	};

	return cmocka_run_group_tests_name("submit_instance", tests, NULL,
	    NULL);
}
