/*
 * sender_pattern_test.c - patterns of senders, and the senders they are for.
 */
#include "conf/sender_pattern.h"
#include "message.h"
#include "tests/unit/t.h"

static void
test_what_is_a_pattern(void **state)
{
	static const struct {
		const char *text;
		int is_pattern, is_login;
	} cases[] = {
		{ "ann@x.example", 1, 0 }, { "@x.example", 1, 0 },
		{ "ann", 1, 1 }, { "*", 1, 0 }, { "a@b@c", 1, 0 },
		{ "", 0, 0 }, { "ann@", 0, 0 }, { "@", 0, 0 }, { "an*", 0, 0 },
		{ "**", 0, 0 }, { "a/b", 0, 0 }, { "a:b", 0, 0 },
		{ "!a", 0, 0 }, { "a,b", 0, 0 }, { "<a@b>", 0, 0 },
		{ "a\tb", 0, 0 }, { "\"a b\"@c", 0, 0 },
	};
	char login[LOGIN_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(sender_pattern_ok(cases[i].text),
		    cases[i].is_pattern);
		assert_int_equal(sender_pattern_is_login(cases[i].text),
		    cases[i].is_login);
	}
	memset(login, 'x', sizeof(login));
	login[LOGIN_MAX + 1] = '\0';
	assert_false(sender_pattern_ok(login));
	login[LOGIN_MAX] = '\0';
	assert_true(sender_pattern_ok(login));
}

static void
test_whom_a_pattern_fits(void **state)
{
	static const struct {
		const char *pattern, *sender, *login;
		int fits;
	} cases[] = {
		{ "*", "", NULL, 1 },
		{ "*", "a@b", NULL, 1 },
		{ "ann", "ann@h", "ann", 1 },
		{ "ann", "ann@h", NULL, 0 },
		{ "ann", "ann@h", "Ann", 0 },
		{ "ann", "bob@h", "ann", 1 },
		{ "@x.example", "a@X.example", NULL, 1 },
		{ "@x.example", "a@x.example.", NULL, 1 },
		{ "@x.example", "a@y.x.example", NULL, 0 },
		{ "@x.example", "a", "a", 0 },
		{ "Ann@x.example", "ann@X.EXAMPLE", NULL, 1 },
		{ "ann@x.example", "anna@x.example", NULL, 0 },
		{ "anna@x.example", "ann@x.example", NULL, 0 },
		{ "ann@x.example", "ann@y.example", "ann", 0 },
		{ "@xn--mller-kva.example", "c@m\xc3\xbcller.example", NULL, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s %s\n", cases[i].pattern, cases[i].sender);
		assert_int_equal(sender_pattern_fits(cases[i].pattern,
		    cases[i].sender, cases[i].login), cases[i].fits);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_pattern),
		cmocka_unit_test(test_whom_a_pattern_fits),
	};

	return cmocka_run_group_tests_name("sender_pattern", tests, NULL, NULL);
}
