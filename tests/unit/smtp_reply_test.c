/*
 * smtp_reply_test.c - replies, capabilities, the masking of secrets.
 */
#include "lib/smtp_reply.h"
#include "tests/unit/t.h"

/* Hands over lines that are separated by "|"; the verdict on the last. */
static enum smtp_line
read_reply(struct smtp_reply *r, const char *lines)
{
	enum smtp_line last = SMTP_LINE_NONE;
	char line[256], *text;
	size_t n, len;

	for (;; lines += n + 1) {
		n = strcspn(lines, "|");
		memcpy(line, lines, n);
		last = smtp_reply_line(r, line, n, &text, &len);
		if (last != SMTP_LINE_MALFORMED)
			smtp_reply_keep(r, text, len);
		if (lines[n] == '\0' || last == SMTP_LINE_MALFORMED)
			return last;
	}
}

static void
test_replies(void **state)
{
	static const struct {
		const char *lines;
		enum smtp_line last;
		int code;
		const char *enhanced, *text;
	} cases[] = {
		{ "250 ok", SMTP_LINE_LAST, 250, "", "ok" },
		{ "250 ok\r", SMTP_LINE_LAST, 250, "", "ok" },
		{ "250", SMTP_LINE_LAST, 250, "", "" },
		{ "250\r", SMTP_LINE_LAST, 250, "", "" },
		{ "250-a", SMTP_LINE_MORE, 250, "", "a" },
		{ "250-a|250 b", SMTP_LINE_LAST, 250, "", "a b" },
		{ "250-|250-b|250 ", SMTP_LINE_LAST, 250, "", "b" },
		{ "550 5.1.1 no", SMTP_LINE_LAST, 550, "5.1.1", "no" },
		{ "550-5.1.1 no|550 5.1.1 user", SMTP_LINE_LAST, 550, "5.1.1",
		  "no user" },
		{ "550-5.1.1 no|550 5.7.1 user", SMTP_LINE_LAST, 550, "5.1.1",
		  "no 5.7.1 user" },
		{ "550-no|550 5.7.1 user", SMTP_LINE_LAST, 550, "",
		  "no 5.7.1 user" },
		/* of another class, cut, or no code at all */
		{ "550 4.1.1 no", SMTP_LINE_LAST, 550, "", "4.1.1 no" },
		{ "550 5.1 no", SMTP_LINE_LAST, 550, "", "5.1 no" },
		{ "550 5.1.1no", SMTP_LINE_LAST, 550, "", "5.1.1no" },
		{ "550 5.1234.1 no", SMTP_LINE_LAST, 550, "", "5.1234.1 no" },
		{ "550 5.1.1", SMTP_LINE_LAST, 550, "5.1.1", "" },
		{ "", SMTP_LINE_MALFORMED, 0, "", "" },
		{ "25", SMTP_LINE_MALFORMED, 0, "", "" },
		{ "150 eh", SMTP_LINE_MALFORMED, 0, "", "" },
		{ "650 eh", SMTP_LINE_MALFORMED, 0, "", "" },
		{ "2x0 eh", SMTP_LINE_MALFORMED, 0, "", "" },
		{ "2500 eh", SMTP_LINE_MALFORMED, 0, "", "" },
		{ "250-a|251 b", SMTP_LINE_MALFORMED, 0, "", "a" },
		{ "250-a|b", SMTP_LINE_MALFORMED, 0, "", "a" },
	};
	struct smtp_reply r;
	size_t i;

	(void)state;
	memset(&r, 0, sizeof(r));
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(read_reply(&r, cases[i].lines),
		    cases[i].last);
		assert_int_equal(r.last, cases[i].last);
		assert_int_equal(r.code, cases[i].code);
		assert_string_equal(r.enhanced, cases[i].enhanced);
		assert_string_equal(buf_str(&r.text), cases[i].text);
		/* What was begun is ended, so that the next one starts anew. */
		if (r.last == SMTP_LINE_MORE)
			read_reply(&r, "250 end");
	}
	buf_fini(&r.text);
}

static void
test_results(void **state)
{
	static const struct {
		const char *lines;
		enum status status;
		const char *code, *reason;
	} cases[] = {
		{ "250 2.0.0 ok", STATUS_SENT, "2.0.0", "250 2.0.0 ok" },
		{ "250", STATUS_SENT, "2.0.0", "250" },
		{ "354 go", STATUS_DEFERRED, "4.0.0", "354 go" },
		{ "451 4.7.1 grey", STATUS_DEFERRED, "4.7.1",
		  "451 4.7.1 grey" },
		{ "554 5.7.1 no", STATUS_FAILED, "5.7.1", "554 5.7.1 no" },
		{ "530 5.7.0 login", STATUS_DEFERRED, "4.7.0",
		  "530 5.7.0 login" },
	};
	struct smtp_reply r;
	struct result res;
	size_t i;

	(void)state;
	memset(&r, 0, sizeof(r));
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		read_reply(&r, cases[i].lines);
		smtp_reply_result(&r, cases[i].status, &res);
		assert_int_equal(res.source, SOURCE_SERVER);
		assert_string_equal(res.code, cases[i].code);
		assert_string_equal(res.reason, cases[i].reason);
	}
	result_fini(&res);
	buf_fini(&r.text);
}

/* What a reply begins with, however malformed it is. */
static void
test_claims(void **state)
{
	static const struct {
		const char *lines;
		int claim;
	} cases[] = {
		{ "250 ok", 250 },		{ "250", 250 },
		{ "250-a|251 b", 250 },		{ "250-a|250x", 250 },
		{ "250-a|550 b", 0 },		{ "250-a|b", 0 },
		{ " 250 ok", 250 },		{ "2500", 250 },
		{ "250ok", 250 },		{ "25", 0 },
		{ "000 ok", 0 },		{ "999 ok", 0 },
		{ "150 ok", 0 },		{ "550-a|554 b", 550 },
		{ "", 0 },
	};
	struct smtp_reply r;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&r, 0, sizeof(r));
		read_reply(&r, cases[i].lines);
		if (r.claim != cases[i].claim)
			fail_msg("%s: %d", cases[i].lines, r.claim);
		buf_fini(&r.text);
	}
}

static void
test_secrets_are_masked(void **state)
{
	static const struct { const char *text, *want; } cases[] = {
		{ "no such thing", "no such thing" },
		{ "sesame", "******" },
		{ "a sesame sesame", "a ****** ******" },
		{ "c2VjcmV0 is wrong", "******** is wrong" },
		{ "sesam", "sesam" },
		/* of a long one, a half is enough */
		{ "0123456789abcdef!", "****************!" },
		{ "0123456789abcdefghij", "********************" },
		{ "0123456789abcde", "0123456789abcde" },
	};
	struct smtp_secrets s;
	char text[64];
	size_t i;

	(void)state;
	smtp_secrets_init(&s, "sesame");
	assert_int_equal(smtp_secrets_add(&s, "c2VjcmV0"), 0);
	assert_int_equal(smtp_secrets_add(&s,
	    "0123456789abcdefghijklmnopqrstuvwxyz"), 0);
	for (i = 0; i < N(cases); i++) {
		text_copy(text, sizeof(text), cases[i].text);
		smtp_secrets_mask(&s, text, strlen(text));
		assert_string_equal(text, cases[i].want);
	}
	smtp_secrets_fini(&s);
	/* A short password would hide innocent words. */
	smtp_secrets_init(&s, "ok");
	text_copy(text, sizeof(text), "250 ok");
	smtp_secrets_mask(&s, text, strlen(text));
	assert_string_equal(text, "250 ok");
	smtp_secrets_fini(&s);
}

static void
test_too_many_secrets(void **state)
{
	struct smtp_secrets s;
	char secret[SMTP_SECRETS_MAX / 2];

	(void)state;
	memset(secret, 'x', sizeof(secret) - 1);
	secret[sizeof(secret) - 1] = '\0';
	smtp_secrets_init(&s, NULL);
	assert_int_equal(smtp_secrets_add(&s, secret), 0);
	assert_int_equal(smtp_secrets_add(&s, secret), 0);
	assert_int_equal(smtp_secrets_add(&s, ""), -1);
	smtp_secrets_fini(&s);
}

static void
test_capabilities(void **state)
{
	static const struct {
		const char *line;
		unsigned offers;
		uint64_t size_max;
		uint32_t rcpt_max, mail_max, domain_max;
		const char *mechanisms;
	} cases[] = {
		{ "PIPELINING", SMTP_OFFERS_PIPELINING, 0, 0, 0, 0, "" },
		{ "pipelining", SMTP_OFFERS_PIPELINING, 0, 0, 0, 0, "" },
		{ "PIPELININGS", 0, 0, 0, 0, 0, "" },
		{ "CHUNKING", 0, 0, 0, 0, 0, "" },
		{ "", 0, 0, 0, 0, 0, "" },
		{ "DSN ", SMTP_OFFERS_DSN, 0, 0, 0, 0, "" },
		{ "SIZE", SMTP_OFFERS_SIZE, 0, 0, 0, 0, "" },
		{ "SIZE 1000", SMTP_OFFERS_SIZE, 1000, 0, 0, 0, "" },
		{ "SIZE 99999999999999999999", SMTP_OFFERS_SIZE, UINT64_MAX,
		  0, 0, 0, "" },
		{ "SIZE many", SMTP_OFFERS_SIZE, 0, 0, 0, 0, "" },
		{ "AUTH PLAIN LOGIN", 0, 0, 0, 0, 0, "PLAIN LOGIN" },
		{ "AUTH=LOGIN", 0, 0, 0, 0, 0, "LOGIN" },
		{ "AUTH", 0, 0, 0, 0, 0, "" },
		{ "LIMITS RCPTMAX=10 MAILMAX=20 rcptdomainmax=1", 0, 0, 10, 20,
		  1, "" },
		{ "LIMITS RCPTMAX= MAILMAX=x RCPTDOMAINMAX=1000001", 0, 0, 0,
		  0, 0, "" },
		{ "LIMITS  RCPTMAX=5", 0, 0, 5, 0, 0, "" },
	};
	struct smtp_capabilities c;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		smtp_capabilities_init(&c);
		smtp_capabilities_add(&c, cases[i].line,
		    strlen(cases[i].line));
		assert_int_equal(c.offers, cases[i].offers);
		assert_int_equal(c.size_max, cases[i].size_max);
		assert_int_equal(c.rcpt_max, cases[i].rcpt_max);
		assert_int_equal(c.mail_max, cases[i].mail_max);
		assert_int_equal(c.domain_max, cases[i].domain_max);
		assert_string_equal(buf_str(&c.mechanisms),
		    cases[i].mechanisms);
		smtp_capabilities_fini(&c);
	}
	/* Several lines are one list, and it has an end. */
	smtp_capabilities_init(&c);
	for (i = 0; i < 1000; i++)
		smtp_capabilities_add(&c, "AUTH PLAIN", 10);
	assert_memory_equal(c.mechanisms.data, "PLAIN PLAIN ", 12);
	assert_true(c.mechanisms.len <= 1024);
	assert_false(buf_failed(&c.mechanisms));
	smtp_capabilities_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_secrets_are_masked),
		cmocka_unit_test(test_too_many_secrets),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
