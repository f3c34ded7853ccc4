/*
 * smtpd_tree_lines_test.c - the lines before a message in the tree.
 */
#include "lib/dsn.h"
#include "smtpd/drain/tree_lines.h"
#include "tests/unit/t.h"

#define F(path)	"Forward-Path: <" path ">\r\n"
#define R(path)	"Return-Path: <" path ">\r\n"
#define END	"Received: from there\r\n"

static void
test_lines_that_are_good(void **state)
{
	static const struct {
		const char *text;
		const char *sender, *parameters;
		const char *recipients[3], *wishes[3];
		unsigned notify;	/* of the first */
	} cases[] = {
		{ F("a@b.test") R("s@t.test") END, "s@t.test", "",
		    { "a@b.test" }, { "" }, 0 },
		{ F("a@b.test") R("") END, "", "", { "a@b.test" },
		    { "" }, 0 },
		{ "Forward-Path: <a@b.test>\nReturn-Path: <>\nReceived: x\n",
		    "", "", { "a@b.test" }, { "" }, 0 },
		{ "Forward-Path: <a@b.test> NOTIFY=SUCCESS,DELAY "
		    "ORCPT=rfc822;x@y.test\r\n" F("c@d.test")
		    "Return-Path: <> RET=HDRS ENVID=a+2Bb BODY=8BITMIME "
		    "SMTPUTF8\r\n" END, "",
		    "RET=HDRS ENVID=a+2Bb BODY=8BITMIME SMTPUTF8",
		    { "a@b.test", "c@d.test" },
		    { "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.test", "" },
		    NOTIFY_SUCCESS | NOTIFY_DELAY },
		/* A module may have put UTF-8 there without SMTPUTF8. */
		{ F("\303\244@b.test") R("\303\266@t.test") END,
		    "\303\266@t.test", "", { "\303\244@b.test" }, { "" }, 0 },
		{ F("\"a>b\\\"> c\"@b.test") R("") END, "", "",
		    { "\"a>b\\\"> c\"@b.test" }, { "" }, 0 },
		{ F("Postmaster") R("") END, "", "",
		    { "Postmaster" }, { "" }, 0 },
		{ F("-x@b.test") R("-y@b.test") END, "-y@b.test", "",
		    { "-x@b.test" }, { "" }, 0 },
		{ F("a@[192.0.2.1]") R("") END, "", "",
		    { "a@[192.0.2.1]" }, { "" }, 0 }
	};
	struct tree_lines t;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (tree_lines_parse(&t, cases[i].text,
		    strlen(cases[i].text)) != TREE_LINES_COMPLETE)
			fail_msg("%s: %s", cases[i].text, t.problem);
		assert_string_equal(t.sender, cases[i].sender);
		assert_string_equal(t.parameters, cases[i].parameters);
		assert_int_equal(t.recipients[0].notify, cases[i].notify);
		for (k = 0; cases[i].recipients[k] != NULL; k++) {
			assert_string_equal(t.recipients[k].path,
			    cases[i].recipients[k]);
			assert_string_equal(t.recipients[k].parameters,
			    cases[i].wishes[k]);
		}
		assert_int_equal(t.nrecipients, k);
		assert_memory_equal(cases[i].text + t.received_at,
		    "Received: ", 10);
		assert_memory_equal(cases[i].text + t.return_path_at,
		    "Return-Path: ", 13);
		tree_lines_fini(&t);
	}
}

static void
test_lines_that_are_bad(void **state)
{
	static const char *const cases[] = {
		"\r\n",
		END,
		R("") END,
		F("a@b.test") END,
		F("a@b.test") R("") R("") END,
		F("a@b.test") R("") "Subject: x\r\n",
		F("a@b.test") R("") F("c@d.test") END,
		F("a@b.test") R("") " continued\r\n" END,
		F("") R("") END,
		F("a") R("") END,
		F("a@b.test") R("s") END,
		"Forward-Path: a@b.test\r\n" R("") END,
		"Forward-Path: <a@b.test\r\n" R("") END,
		"Forward-Path: <a@b.test>x\r\n" R("") END,
		"Forward-Path: <a@b.test>  NOTIFY=NEVER\r\n" R("") END,
		"Forward-Path: <a@b.test> \r\n" R("") END,
		"Forward-Path: <a@b.test> NOTIFY=\r\n" R("") END,
		"Forward-Path: <a@b.test> NOTIFY=NEVER NOTIFY=NEVER\r\n" R("")
		    END,
		"Forward-Path: <a@b.test> NOTIFY=0123456789012345678901234567"
		    "8901\r\n" R("") END,
		"Forward-Path: <a@b.test> RET=HDRS\r\n" R("") END,
		"forward-path: <a@b.test>\r\n" R("") END,
		F("@c.test:a@b.test") R("") END,
		F("a@b.test") "Return-Path: <> SIZE=1\r\n" END,
		F("a@b.test") "Return-Path: <> RET=ALL\r\n" END,
		F("a@b.test") "Return-Path: <> ENVID=+zz\r\n" END,
		F("a@b.test") "Return-Path: <> BODY=BINARYMIME\r\n" END,
		F("a@b.test") "Return-Path: <> NOTIFY=NEVER\r\n" END,
		F("a@b.test") "Return-Path: <> SMTPUTF8=1\r\n" END,
	};
	struct tree_lines t;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (tree_lines_parse(&t, cases[i], strlen(cases[i])) !=
		    TREE_LINES_BAD)
			fail_msg("%s", cases[i]);
		assert_non_null(t.problem);
		tree_lines_fini(&t);
	}
}

static void
test_lines_that_are_cut_need_more(void **state)
{
	static const char text[] = F("a@b.test") F("c@d.test") R("s@t.test")
	    END;
	struct tree_lines t;
	size_t n;

	(void)state;
	for (n = 0; n < strlen(text); n++) {
		assert_int_equal(tree_lines_parse(&t, text, n),
		    TREE_LINES_MORE);
		tree_lines_fini(&t);
	}
}

static void
test_bounds(void **state)
{
	struct tree_lines t;
	struct buf text;
	size_t i;

	(void)state;
	buf_init(&text, 0);
	for (i = 0; i < TREE_RECIPIENTS_MAX; i++)
		buf_puts(&text, F("a@b.test"));
	i = text.len;
	buf_puts(&text, R("") END);
	assert_int_equal(tree_lines_parse(&t, text.data, text.len),
	    TREE_LINES_COMPLETE);
	assert_int_equal(t.nrecipients, TREE_RECIPIENTS_MAX);
	tree_lines_fini(&t);
	text.len = i;
	buf_puts(&text, F("a@b.test") R("") END);
	assert_int_equal(tree_lines_parse(&t, text.data, text.len),
	    TREE_LINES_BAD);
	tree_lines_fini(&t);
	buf_reset(&text);
	buf_add(&text, T(F("a@b.test\0x") R("") END));
	assert_int_equal(tree_lines_parse(&t, text.data, text.len),
	    TREE_LINES_BAD);
	tree_lines_fini(&t);
	buf_reset(&text);
	for (i = 0; i <= TREE_LINE_MAX; i++)
		buf_putc(&text, 'x');
	assert_int_equal(tree_lines_parse(&t, text.data, text.len),
	    TREE_LINES_BAD);
	tree_lines_fini(&t);
	buf_fini(&text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_that_are_good),
		cmocka_unit_test(test_lines_that_are_bad),
		cmocka_unit_test(test_lines_that_are_cut_need_more),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("smtpd_tree_lines", tests, NULL,
	    NULL);
}
