/*
 * dsn_test.c - NOTIFY, RET, ENVID and ORCPT as people and hosts write them.
 */
#include "lib/dsn.h"
#include "tests/unit/t.h"

static void
test_notify(void **state)
{
	static const struct {
		const char	*text;
		int		 ret;
		const char	*put;
	} cases[] = {
		{ "never", 0, "NEVER" },
		{ "NEVER", 0, "NEVER" },
		{ "success", 0, "SUCCESS" },
		{ "failure,delay", 0, "FAILURE,DELAY" },
		{ "delay,Failure,SUCCESS", 0, "SUCCESS,FAILURE,DELAY" },
		{ "delay,delay", 0, "DELAY" },
		{ "", -1, NULL },
		{ ",", -1, NULL },
		{ "success,", -1, NULL },
		{ ",success", -1, NULL },
		{ "never,failure", -1, NULL },
		{ "failure,never", -1, NULL },
		{ "fail", -1, NULL },
		{ "failures", -1, NULL },
		{ "failure, delay", -1, NULL },
		{ "failure\r\nRCPT", -1, NULL },
	};
	struct buf b;
	unsigned notify;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(dsn_notify(cases[i].text, &notify),
		    cases[i].ret);
		if (cases[i].ret == -1)
			continue;
		assert_true(dsn_notify_ok(notify));
		buf_init(&b, 0);
		dsn_put_notify(&b, notify);
		assert_string_equal(buf_str(&b), cases[i].put);
		buf_fini(&b);
	}
	assert_true(dsn_notify_ok(0));
	assert_false(dsn_notify_ok(NOTIFY_NEVER | NOTIFY_DELAY));
	assert_false(dsn_notify_ok(16));
	assert_false(dsn_notify_ok(UINT64_MAX - 1));
}

static void
test_ret(void **state)
{
	enum ret ret = RET_UNSAID;

	(void)state;
	assert_int_equal(dsn_ret("full", &ret), 0);
	assert_int_equal(ret, RET_FULL);
	assert_int_equal(dsn_ret("HDRS", &ret), 0);
	assert_int_equal(ret, RET_HDRS);
	assert_int_equal(dsn_ret("", &ret), -1);
	assert_int_equal(dsn_ret("headers", &ret), -1);
	assert_int_equal(ret, RET_HDRS);
}

/* An id has at most ENVID_MAX bytes where it needs them most: on the wire. */
static void
test_envid(void **state)
{
	static const struct {
		const char	*text;
		int		 ok;
		const char	*xtext;
	} cases[] = {
		{ "QQ314159", 1, "QQ314159" },
		{ "a b", 1, "a+20b" },
		{ "a+b=c", 1, "a+2Bb+3Dc" },
		{ "<x>;\"", 1, "<x>;\"" },
		{ "~!", 1, "~!" },
		{ "", 0, "" },
		{ "a\nb", 0, "a+0Ab" },
		{ "\xc3\xbc", 0, "+C3+BC" },
		{ "\177", 0, "+7F" },
	};
	char text[ENVID_MAX + 2];
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(dsn_envid_ok(cases[i].text), cases[i].ok);
		buf_init(&b, 0);
		dsn_put_xtext(&b, cases[i].text);
		assert_string_equal(buf_str(&b), cases[i].xtext);
		buf_fini(&b);
	}
	memset(text, 'x', sizeof(text));
	text[ENVID_MAX + 1] = '\0';
	assert_false(dsn_envid_ok(text));
	text[ENVID_MAX] = '\0';
	assert_true(dsn_envid_ok(text));
	text[0] = '+';
	assert_false(dsn_envid_ok(text));
}

static void
test_orcpt(void **state)
{
	static const struct {
		const char	*orcpt;
		int		 ok;
		const char	*smtp, *report;	/* NULL: not to be said */
	} cases[] = {
		{ "rfc822;ann@example.org", 1, "rfc822;ann@example.org",
		    "rfc822;ann@example.org" },
		{ "rfc822;\"a b\"+x=y@h", 1, "rfc822;\"a+20b\"+2Bx+3Dy@h",
		    "rfc822;\"a b\"+x=y@h" },
		{ "x-400;/c=de/", 1, "x-400;/c+3Dde/", "x-400;/c=de/" },
		{ "rfc822;j\xc3\xbcrgen@h", 1, "utf-8;j\\x{FC}rgen@h",
		    "utf-8;j\\x{FC}rgen@h" },
		{ "rfc822;\xe2\x82\xac\\\xf0\x9f\x98\x80@h", 1,
		    "utf-8;\\x{20AC}\\x{5C}\\x{1F600}@h",
		    "utf-8;\\x{20AC}\\x{5C}\\x{1F600}@h" },
		{ "rfc822;j\xfcrgen@h", 1, NULL, NULL },
		{ "ann@example.org", 0, NULL, NULL },
		{ ";ann", 0, NULL, NULL },
		{ "rfc822;", 0, NULL, NULL },
		{ "rfc 822;ann", 0, NULL, NULL },
		{ "rfc822;a\nb", 0, NULL, NULL },
	};
	char text[ORCPT_MAX + 2];
	struct buf b;
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(dsn_orcpt_ok(cases[i].orcpt), cases[i].ok);
		for (k = 0; k < 2 && cases[i].ok; k++) {
			const char *want = k ? cases[i].smtp : cases[i].report;

			buf_init(&b, 0);
			assert_int_equal(dsn_put_orcpt(&b, cases[i].orcpt, k),
			    want == NULL ? -1 : 0);
			assert_string_equal(buf_str(&b), want == NULL ? "" :
			    want);
			buf_fini(&b);
		}
	}
	memset(text, '+', sizeof(text));
	memcpy(text, "rfc822;", 7);
	text[ORCPT_MAX + 1] = '\0';
	assert_false(dsn_orcpt_ok(text));
	text[ORCPT_MAX] = '\0';
	assert_true(dsn_orcpt_ok(text));
	buf_init(&b, 0);
	assert_int_equal(dsn_put_orcpt(&b, text, 1), -1);
	assert_int_equal(b.len, 0);
	assert_int_equal(dsn_put_orcpt(&b, text, 0), 0);
	buf_fini(&b);
}

static void
test_xtext(void **state)
{
	static const struct {
		const char *xtext, *text;	/* NULL: none */
	} cases[] = {
		{ "", "" },
		{ "abc", "abc" },
		{ "a+2Bb+3D", "a+b=" },
		{ "+C3+bc", "\xc3\xbc" },
		{ "+20+7F", " \x7f" },
		{ "12345678", NULL },
		{ "+31+32+33+34+35+36+37", "1234567" },
		{ "+", NULL },
		{ "+4", NULL },
		{ "+4G", NULL },
		{ "+00", NULL },
		{ "a=b", NULL },
		{ "a b", NULL },
		{ "a\xc3\xbc", NULL },
		{ "a\x7f", NULL },
	};
	char text[8];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (dsn_get_xtext(cases[i].xtext, text, sizeof(text)) !=
		    (cases[i].text == NULL ? -1 : 0))
			fail_msg("%s", cases[i].xtext);
		if (cases[i].text != NULL)
			assert_string_equal(text, cases[i].text);
	}
	assert_int_equal(dsn_get_xtext("", text, 0), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_ret),
		cmocka_unit_test(test_envid),
		cmocka_unit_test(test_orcpt),
		cmocka_unit_test(test_xtext),
	};

	return cmocka_run_group_tests_name("dsn", tests, NULL, NULL);
}
