/*
 * edit_test.c - unit tests of conf/edit.c.
 */
#include "conf.h"
#include "conf/auth.h"
#include "conf/edit.h"
#include "tests/unit/t.h"

static void
fill(struct edit *e, const char *relay, const char *masquerade,
    const char *user, const char *password)
{
	memset(e, 0, sizeof(*e));
	assert_int_equal(text_copy(e->relay, sizeof(e->relay), relay), 0);
	assert_int_equal(text_copy(e->masquerade, sizeof(e->masquerade),
	    masquerade), 0);
	assert_int_equal(text_copy(e->user, sizeof(e->user), user), 0);
	assert_int_equal(text_copy(e->password, sizeof(e->password),
	    password), 0);
}

static void
test_values_that_are_refused(void **state)
{
	static const struct {
		const char *relay, *masquerade, *user, *password;
	} cases[] = {
		{ "", "", "u", "p" }, { "a b", "", "u", "p" },
		{ "a\nMAILBOX x", "", "u", "p" }, { "a:0", "", "u", "p" },
		{ "a#", "", "u", "p" }, { "\"a\"", "", "u", "p" },
		{ "srv:", "", "u", "p" }, { "srv:a:25", "", "u", "p" },
		{ "a,b", "", "u", "p" }, { "\303\274.test", "", "u", "p" },
		{ "smarthost.invalid", "", "u", "p" },
		{ "a", "x", "u", "p" }, { "a", "x@y z", "u", "p" },
		{ "a", "x@y\n", "u", "p" }, { "a", "#x@y", "u", "p" },
		{ "a", "<x@y>", "u", "p" }, { "a", "x@\303\274", "u", "p" },
		{ "a", "", "", "p" }, { "a", "", "u|h:x\ny", "p" },
		{ "a", "", "u|v", "p" }, { "a", "", "#u", "p" },
		{ "a", "", "host x", "p" }, { "a", "", "u\r", "p" },
		{ "a", "", "u", "" }, { "a", "", "u", "p\nx|y:z" },
		{ "a", "", "u", "p\r" }, { "a", "", "u", "p\x01" },
		{ "a", "", "u", "p\x7f" },
	};
	struct edit e;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		fill(&e, cases[i].relay, cases[i].masquerade, cases[i].user,
		    cases[i].password);
		if (edit_trouble(&e) == NULL)
			fail_msg("case %zu", i);
	}
}

/* What is written is read as what was meant. */
static void
test_values_that_are_taken(void **state)
{
	static const struct {
		const char *relay, *host, *user, *password;
	} cases[] = {
		{ "a.test:587", "a.test", "me@a.test", "p" },
		{ "srv:a.test", "a.test", "me", " p: |#\"x' " },
		{ "MX:a.test:25", "a.test", "host", "host x user y" },
		{ "[::1]:465", "::1", "u:v", "p" },
		{ "192.0.2.1", "192.0.2.1", "token", "\303\274" },
	};
	struct auths auths;
	struct conf conf;
	struct edit e;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		fill(&e, cases[i].relay, "me@m.test", cases[i].user,
		    cases[i].password);
		assert_null(edit_trouble(&e));
		buf_init(&b, 0);
		edit_conf(&e, "", 0, &b);
		assert_int_equal(conf_init(&conf), 0);
		assert_int_equal(conf_parse(&conf, buf_str(&b), b.len, "f",
		    &report_quiet), 0);
		assert_int_equal(conf.relays.n, 1);
		assert_string_equal(conf.relays.list[0].host, cases[i].host);
		assert_string_equal(conf.names.masquerade_host, "m.test");
		conf_fini(&conf);
		buf_reset(&b);
		edit_auth(&e, "", 0, &b);
		memset(&auths, 0, sizeof(auths));
		assert_int_equal(auth_parse(&auths, buf_str(&b), b.len, "f",
		    &report_quiet), 0);
		assert_int_equal(auths.n, 1);
		assert_string_equal(auths.list[0].host, cases[i].host);
		assert_string_equal(auths.list[0].user, cases[i].user);
		assert_string_equal(auths.list[0].password,
		    cases[i].password);
		auth_fini(&auths);
		buf_fini(&b);
	}
}

static void
test_lines_that_are_replaced(void **state)
{
	static const struct {
		const char *masquerade, *old, *want, *replaced;
	} cases[] = {
		{ "", "", "", "" },
		{ "", "A b", "A b\n", "" },
		{ "", "\n\n# SMARTHOST\n", "\n\n# SMARTHOST\n", "" },
		{ "", "SMARTHOST", "#SMARTHOST\n", "#SMARTHOST\n" },
		{ "", "SMARTHOSTS a\nSMARTHOS a\nX SMARTHOST\n",
		    "SMARTHOSTS a\nSMARTHOS a\nX SMARTHOST\n", "" },
		{ "", " \tSmartHost: a\r\nB\r\nsmarthost=c\n",
		    "# \tSmartHost: a\r\nB\r\n#smarthost=c\n",
		    "# \tSmartHost: a\r\n#smarthost=c\n" },
		{ "", "MASQUERADE a\nFROM_HEADER off\n",
		    "MASQUERADE a\nFROM_HEADER off\n", "" },
		{ "m@a.test", "MASQUERADE a\nSMARTHOST b\nFROM_HEADER off\n",
		    "#MASQUERADE a\n#SMARTHOST b\n#FROM_HEADER off\n",
		    "#MASQUERADE a\n#SMARTHOST b\n#FROM_HEADER off\n" },
		{ "", "\xef\xbb\xbfSMARTHOST b\n", "\xef\xbb\xbf#SMARTHOST b\n",
		    "#SMARTHOST b\n" },
	};
	struct edit e;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		fill(&e, "a:25", cases[i].masquerade, "u", "p");
		buf_reset(&b);
		edit_conf(&e, cases[i].old, strlen(cases[i].old), &b);
		assert_memory_equal(buf_str(&b), cases[i].want,
		    strlen(cases[i].want));
		assert_string_equal(buf_str(&b) + strlen(cases[i].want),
		    cases[i].masquerade[0] == '\0' ? "SMARTHOST a:25\n" :
		    "SMARTHOST a:25\nMASQUERADE m@a.test\n"
		    "FROM_HEADER force\n");
		buf_reset(&b);
		edit_replaced(&e, cases[i].old, strlen(cases[i].old), &b);
		assert_string_equal(buf_str(&b), cases[i].replaced);
	}
	/* A byte that is no text stays what it was. */
	buf_reset(&b);
	edit_conf(&e, T("a\0SMARTHOST\n\0SMARTHOST\n"), &b);
	assert_memory_equal(buf_str(&b), "a\0SMARTHOST\n\0SMARTHOST\n", 23);
	buf_fini(&b);
}

static void
test_logins_that_are_replaced(void **state)
{
	static const struct { const char *old, *want; } cases[] = {
		{ "u|a:1\nU|A|2\nu|a 3\n", "#u|a:1\n#U|A|2\n#u|a 3\n" },
		{ "u|a\nu|ab:1\nv|a:1\n#u|a:1", "u|a\nu|ab:1\nv|a:1\n#u|a:1\n" },
		{ "host a user u password p\n", "host a user u password p\n" },
	};
	struct edit e;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	fill(&e, "a:25", "", "u", "p");
	for (i = 0; i < N(cases); i++) {
		buf_reset(&b);
		edit_auth(&e, cases[i].old, strlen(cases[i].old), &b);
		assert_memory_equal(buf_str(&b), cases[i].want,
		    strlen(cases[i].want));
		assert_string_equal(buf_str(&b) + strlen(cases[i].want),
		    "u|a:p\n");
	}
	buf_fini(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_that_are_refused),
		cmocka_unit_test(test_values_that_are_taken),
		cmocka_unit_test(test_lines_that_are_replaced),
		cmocka_unit_test(test_logins_that_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
