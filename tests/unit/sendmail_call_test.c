/*
 * sendmail_call_test.c - the arguments for sendmail.
 */
#include <sysexits.h>

#include "lib/sendmail_call.h"
#include "tests/unit/t.h"

struct recipient {
	const char	*path, *parameters;
};

/* Arguments, with a bar after each. */
static void
check(const char *path, const char *parameters, const struct recipient *r,
    const char *expected)
{
	struct sendmail_call c;
	struct buf out;
	size_t i, n, bars = 0;

	print_message("<%s> %s\n", path, parameters);
	buf_init(&out, 0);
	sendmail_call_init(&c, path, parameters);
	for (; r->path != NULL; r++)
		sendmail_call_add(&c, r->path, r->parameters);
	n = sendmail_call_put(&c, &out);
	for (i = 0; i < out.len; i++)
		if (out.data[i] == '\0') {
			out.data[i] = '|';
			bars++;
		}
	assert_string_equal(buf_str(&out), expected);
	assert_int_equal(n, bars);
	sendmail_call_fini(&c);
	buf_fini(&out);
}

static void
test_what_is_known_of_the_envelope_becomes_arguments(void **state)
{
	static const struct recipient one[] = { { "x@y.example", "" },
	    { NULL, NULL } };
	static const struct recipient option[] = { { "-bs@y.example", "" },
	    { "--", "" }, { NULL, NULL } };

	(void)state;
	check("a@b.example", "", one,
	    "sendmail|-oi|-f|a@b.example|--|x@y.example|");
	check("", "BODY=8BITMIME", one,
	    "sendmail|-oi|-f|<>|-B|8BITMIME|--|x@y.example|");
	check("-C@b.example", "SMTPUTF8", option,
	    "sendmail|-oi|-f|-C@b.example|--|-bs@y.example|--|");
	check("a@b", "RET=HDRS ENVID=a+2Bb BODY=7BIT", one,
	    "sendmail|-oi|-f|a@b|-R|hdrs|-V|a+b|--|x@y.example|");
	check("a@b", "BODY=7BIT envid=+20 ret=full", one,
	    "sendmail|-oi|-f|a@b|-R|full|-V| |--|x@y.example|");
	/* What is not right is left out, not passed on. */
	check("a@b", "RET= ENVID=+00 XRET=FULL RET", one,
	    "sendmail|-oi|-f|a@b|--|x@y.example|");
}

static void
test_one_notify_of_all_recipients_is_passed_on(void **state)
{
	static const struct recipient same[] = {
	    { "x@y", "NOTIFY=NEVER ORCPT=rfc822;x@y" },
	    { "z@y", "ORCPT=rfc822;z@y notify=never" }, { NULL, NULL } };
	static const struct recipient others[] = { { "x@y", "NOTIFY=NEVER" },
	    { "z@y", "" }, { NULL, NULL } };
	static const struct recipient more[] = { { "x@y", "" },
	    { "z@y", "NOTIFY=SUCCESS,DELAY" }, { NULL, NULL } };
	static const struct recipient list[] = {
	    { "x@y", "NOTIFY=SUCCESS,DELAY" }, { NULL, NULL } };
	static const struct recipient other_order[] = {
	    { "x@y", "NOTIFY=DELAY,SUCCESS" }, { "z@y", "NOTIFY=success,delay" },
	    { NULL, NULL } };
	static const struct recipient bad[] = { { "x@y", "NOTIFY=ALWAYS" },
	    { NULL, NULL } };

	(void)state;
	check("a@b", "", same, "sendmail|-oi|-f|a@b|-N|NEVER|--|x@y|z@y|");
	check("a@b", "", others, "sendmail|-oi|-f|a@b|--|x@y|z@y|");
	check("a@b", "", more, "sendmail|-oi|-f|a@b|--|x@y|z@y|");
	check("a@b", "", list, "sendmail|-oi|-f|a@b|-N|SUCCESS,DELAY|--|x@y|");
	check("a@b", "", other_order,
	    "sendmail|-oi|-f|a@b|-N|SUCCESS,DELAY|--|x@y|z@y|");
	check("a@b", "", bad, "sendmail|-oi|-f|a@b|--|x@y|");
}

static void
test_a_full_disk_is_not_for_ever(void **state)
{
	static const struct {
		int status, is_permanent;
	} cases[] = { { EX_OK, 0 }, { EX_TEMPFAIL, 0 }, { EX_CANTCREAT, 0 },
	    { EX_IOERR, 0 }, { EX_NOPERM, 0 }, { EX_CONFIG, 0 }, { 127, 0 },
	    { EX_SOFTWARE, 0 }, { EX_DATAERR, 1 }, { EX_NOUSER, 1 },
	    { EX_USAGE, 1 } };
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(sendmail_call_is_permanent(cases[i].status),
		    cases[i].is_permanent);
}

static void
test_the_envelope_before_a_text_is_skipped(void **state)
{
	static const struct {
		const char *text, *rest;
	} cases[] = {
		{ "", "" },
		{ "Received: x\n", "Received: x\n" },
		{ "Forward-Path: <a>\r\nForward-Path: <b>\r\n"
		    "Return-Path: <>\r\nReceived: x\r\n", "Received: x\r\n" },
		{ "Return-Path: <>\nSubject: x\nReturn-Path: <y>\n",
		    "Subject: x\nReturn-Path: <y>\n" },
		{ "Forward-Path: <a>\nReturn-Path: <", "Return-Path: <" },
		{ "Forward-Path:<a>\n", "Forward-Path:<a>\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_string_equal(cases[i].text + sendmail_call_skip(
		    cases[i].text, strlen(cases[i].text)), cases[i].rest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_is_known_of_the_envelope_becomes_arguments),
		cmocka_unit_test(test_one_notify_of_all_recipients_is_passed_on),
		cmocka_unit_test(test_the_envelope_before_a_text_is_skipped),
		cmocka_unit_test(test_a_full_disk_is_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
