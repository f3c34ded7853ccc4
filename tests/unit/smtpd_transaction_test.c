/*
 * smtpd_transaction_test.c - an envelope, and the lines before a text.
 */
#include "smtpd/transaction.h"
#include "tests/unit/t.h"

static const struct received plain = { .helo = "c.test",
    .client = "192.0.2.1", .host = "mx.test", .protocol = "ESMTP", .tls = "",
    .when = 1000000000 };
static const struct received secure = { .helo = "[IPv6:2001:db8::1]",
    .client = "2001:db8::1", .host = "mx.test", .protocol = "ESMTPS",
    .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384", .when = 0 };

static void
assert_lines(struct transaction *t, const struct received *r,
    const char *expected)
{
	size_t len;
	const char *lines = transaction_lines(t, r, &len);

	assert_non_null(lines);
	assert_string_equal(lines, expected);
	assert_int_equal(len, strlen(expected));
}

static void
test_lines(void **state)
{
	struct transaction t;

	(void)state;
	assert_int_equal(transaction_begin(&t, "1a", "\"A b\"@c.test",
	    "RET=HDRS ENVID=x BODY=8BITMIME SMTPUTF8"), 0);
	assert_int_equal(transaction_add(&t, "D@E.test", "NOTIFY=NEVER"), 0);
	assert_int_equal(transaction_add(&t, "Postmaster", ""), 0);
	assert_lines(&t, &plain, "Forward-Path: <D@E.test> NOTIFY=NEVER\r\n"
	    "Forward-Path: <Postmaster>\r\n"
	    "Return-Path: <\"A b\"@c.test> RET=HDRS ENVID=x BODY=8BITMIME "
	    "SMTPUTF8\r\n"
	    "Received: from c.test ([192.0.2.1])\r\n"
	    "\tby mx.test with ESMTP id 1a;\r\n"
	    "\tSun, 09 Sep 2001 01:46:40 +0000\r\n");
	assert_string_equal(t.recipients[0].domain, "e.test");
	assert_string_equal(t.recipients[1].domain, "_invalid");
	transaction_reset(&t);
	assert_string_equal(t.id, "");
}

static void
test_lines_follow_the_envelope(void **state)
{
	struct transaction t;

	(void)state;
	assert_int_equal(transaction_begin(&t, "2b", "", ""), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(transaction_add(&t, "a@b.test", ""), 0);
	while (t.nrecipients > 2)
		transaction_remove(&t, 1);
	assert_int_equal(transaction_set_recipient(&t, 1, "z@Z.test"), 0);
	assert_int_equal(transaction_set_sender(&t, "s@t.test"), 0);
	assert_lines(&t, &secure, "Forward-Path: <a@b.test>\r\n"
	    "Forward-Path: <z@Z.test>\r\nReturn-Path: <s@t.test>\r\n"
	    "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"
	    "\tby mx.test with ESMTPS id 2b\r\n"
	    "\t(TLSv1.3 TLS_AES_256_GCM_SHA384);\r\n"
	    "\tThu, 01 Jan 1970 00:00:00 +0000\r\n");
	assert_string_equal(t.recipients[1].domain, "z.test");
	transaction_remove(&t, 0);
	assert_lines(&t, &plain, "Forward-Path: <z@Z.test>\r\n"
	    "Return-Path: <s@t.test>\r\n"
	    "Received: from c.test ([192.0.2.1])\r\n"
	    "\tby mx.test with ESMTP id 2b;\r\n"
	    "\tSun, 09 Sep 2001 01:46:40 +0000\r\n");
	transaction_reset(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_follow_the_envelope)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
