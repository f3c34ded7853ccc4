/*
 * smtp_mail_test.c - one SMTP transaction: every cell of its table of states,
 * and its commands.
 */
#include "lib/smtp_mail.h"
#include "tests/unit/t.h"

/* Rows and columns as in docs/states.md; a letter is a state, '.' the same. */
static const struct { enum smtp_mail_event event; const char *next; }
    table[] = {
	/*				  N E D T S M R X */
	{ SMTP_EVENT_BEGIN,		"E......." },
	{ SMTP_EVENT_REFUSE,		".RR....." },
	{ SMTP_EVENT_NO_RECIPIENTS,	".X......" },
	{ SMTP_EVENT_DATA,		".D......" },
	{ SMTP_EVENT_GO,		"..T...M." },
	{ SMTP_EVENT_GO_EMPTY,		"..M...M." },
	{ SMTP_EVENT_NO_GO,		"..X....." },
	{ SMTP_EVENT_TEXT_END,		"...S...." },
	{ SMTP_EVENT_ANSWER,		"....XX.." },
	{ SMTP_EVENT_LAST_REPLY,	"......X." },
	{ SMTP_EVENT_END,		"XXXXXXX." },
};

static const struct { char letter; enum smtp_mail_state state; } states[] = {
	{ 'N', SMTP_MAIL_NEW },		{ 'E', SMTP_MAIL_ENVELOPE },
	{ 'D', SMTP_MAIL_DATA },	{ 'T', SMTP_MAIL_TEXT },
	{ 'S', SMTP_MAIL_SENT },	{ 'M', SMTP_MAIL_EMPTY },
	{ 'R', SMTP_MAIL_REFUSED },	{ 'X', SMTP_MAIL_DONE },
};

static char
letter_of(enum smtp_mail_state state)
{
	size_t i;

	for (i = 0; i < N(states); i++)
		if (states[i].state == state)
			return states[i].letter;
	return '?';
}

static void
test_every_state_and_event(void **state)
{
	size_t i, k;
	char want, got;

	(void)state;
	assert_int_equal(N(table), SMTP_MAIL__EVENTS);
	assert_int_equal(N(states), SMTP_MAIL__STATES);
	for (i = 0; i < N(table); i++)
		for (k = 0; k < N(states); k++) {
			want = table[i].next[k] == '.' ? states[k].letter :
			    table[i].next[k];
			got = letter_of(smtp_mail_next(states[k].state,
			    table[i].event));
			if (got != want)
				fail_msg("event %zu in %c: %c, not %c", i,
				    states[k].letter, got, want);
		}
}

#define UTF8	SMTP_OFFERS_SMTPUTF8
#define NONE	SMTP_UTF8_NONE
#define SOME	SMTP_UTF8_SOME
#define ALL	SMTP_UTF8_ALL

static void
test_what_needs_no_server(void **state)
{
	static const struct {
		const char *sender, *rcpt;
		enum smtp_utf8 utf8;
		unsigned offers;
		uint64_t size_max;
		int ret;
		const char *code;		/* of the recipient */
	} cases[] = {
		{ "a@x", "b@x", NONE, 0, 0,	0, "" },
		{ "", "b@x", NONE, 0, 0,	0, "" },
		{ "a@x", "", NONE, 0, 0,	-1, "5.1.3" },
		{ "a@x", "b@x> X=1", NONE, 0, 0, -1, "5.1.3" },
		{ "a@x>", "b@x", NONE, 0, 0,	-1, "5.1.7" },
		{ "a@x", "\xc3\xbc@x", NONE, 0, 0,	-1, "5.6.7" },
		{ "a@x", "\xc3\xbc@x", SOME, 0, 0,	-1, "5.6.7" },
		{ "a@x", "\xc3\xbc@x", SOME, UTF8, 0,	0, "" },
		{ "a@x", "b@x", ALL, UTF8, 0,		0, "" },
		{ "\xc3\xbc@x", "b@x", ALL, 0, 0,	-1, "5.6.7" },
		{ "\xc3\xbc@x", "b@x", ALL, UTF8, 0,	0, "" },
		{ "a@x", "b@x", NONE, 0, 999,	-1, "5.3.4" },
		{ "a@x", "b@x", NONE, 0, 1000,	0, "" },
	};
	struct smtp_capabilities caps;
	struct smtp_rcpt rcpt;
	struct smtp_mail m;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		smtp_capabilities_init(&caps);
		caps.offers = cases[i].offers;
		caps.size_max = cases[i].size_max;
		memset(&m, 0, sizeof(m));
		memset(&rcpt, 0, sizeof(rcpt));
		m.sender = cases[i].sender;
		m.utf8 = cases[i].utf8;
		m.size_bytes = 1000;
		m.rcpts = &rcpt;
		m.nrcpts = 1;
		rcpt.address = cases[i].rcpt;
		smtp_mail_reset(&m);
		if (smtp_mail_check(&m, &caps) != cases[i].ret ||
		    strcmp(rcpt.res.code, cases[i].code) != 0)
			fail_msg("case %zu: %s", i, rcpt.res.code);
		result_fini(&m.res);
		result_fini(&rcpt.res);
		smtp_capabilities_fini(&caps);
	}
}

/* Those who can do without SMTPUTF8 do not depend on it. */
static void
test_for_whom_a_transaction_is(void **state)
{
	static const struct {
		enum smtp_utf8 utf8;
		const char *said;
	} cases[] = {
		{ NONE, "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n"
		    "RCPT TO:<d@x>\r\n" },
		{ SOME, "MAIL FROM:<a@x> SMTPUTF8\r\n"
		    "RCPT TO:<\xc3\xbc@x>\r\n" },
		{ ALL, "MAIL FROM:<a@x> SMTPUTF8\r\nRCPT TO:<b@x>\r\n"
		    "RCPT TO:<\xc3\xbc@x>\r\nRCPT TO:<d@x>\r\n" },
	};
	struct smtp_rcpt rcpts[] = { { .address = "b@x" },
	    { .address = "\xc3\xbc@x" }, { .address = "d@x" } };
	struct smtp_mail m = { .sender = "a@x", .rcpts = rcpts, .nrcpts = 3 };
	struct smtp_capabilities caps;
	struct buf said;
	uint32_t k;
	size_t i;

	(void)state;
	smtp_capabilities_init(&caps);
	caps.offers = UTF8;
	buf_init(&said, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&said);
		smtp_mail_reset(&m);
		m.utf8 = cases[i].utf8;
		assert_int_equal(smtp_mail_check(&m, &caps), 0);
		smtp_mail_put(&m, &caps, &said);
		while (smtp_mail_ask(&m, &caps, &k))
			smtp_mail_put_rcpt(&rcpts[k], &caps, &said);
		assert_string_equal(buf_str(&said), cases[i].said);
	}
	buf_fini(&said);
	smtp_capabilities_fini(&caps);
}

/* RCPTDOMAINMAX=2: the third domain waits for another transaction. */
static void
test_domains_of_one_transaction(void **state)
{
	static const char *const addresses[] = {
		"a@x", "b@y", "c@z", "d@X", "e@y", "f", "g@x"
	};
	struct smtp_rcpt rcpts[N(addresses)];
	struct smtp_capabilities caps;
	struct smtp_mail m;
	struct buf asked;
	uint32_t i;

	(void)state;
	smtp_capabilities_init(&caps);
	caps.domain_max = 2;
	memset(&m, 0, sizeof(m));
	memset(rcpts, 0, sizeof(rcpts));
	for (i = 0; i < N(addresses); i++)
		rcpts[i].address = addresses[i];
	rcpts[6].res.status = STATUS_FAILED;
	m.rcpts = rcpts;
	m.nrcpts = N(addresses);
	smtp_mail_reset(&m);
	buf_init(&asked, 0);
	while (smtp_mail_ask(&m, &caps, &i))
		smtp_mail_put_rcpt(&rcpts[i], &caps, &asked);
	assert_string_equal(buf_str(&asked), "RCPT TO:<a@x>\r\n"
	    "RCPT TO:<b@y>\r\nRCPT TO:<d@X>\r\nRCPT TO:<e@y>\r\n");
	buf_fini(&asked);
	smtp_capabilities_fini(&caps);
}

/* A limit of many is one of 64: all of them are compared. */
static void
test_many_domains_of_one_transaction(void **state)
{
	static char addresses[100][8];
	struct smtp_rcpt rcpts[N(addresses)];
	struct smtp_capabilities caps;
	struct smtp_mail m;
	uint32_t i, n = 0;

	(void)state;
	smtp_capabilities_init(&caps);
	caps.domain_max = 90;
	memset(&m, 0, sizeof(m));
	memset(rcpts, 0, sizeof(rcpts));
	for (i = 0; i < N(addresses); i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "a@x%u", i % 80);
		rcpts[i].address = addresses[i];
	}
	m.rcpts = rcpts;
	m.nrcpts = N(addresses);
	smtp_mail_reset(&m);
	while (smtp_mail_ask(&m, &caps, &i)) {
		assert_true(i % 80 < 64);
		n++;
	}
	assert_int_equal(n, 64 + 20);
	smtp_capabilities_fini(&caps);
}

static void
test_replies_to_recipients(void **state)
{
	static const struct {
		const char *reply;
		uint32_t accepted;		/* before it */
		enum status status;
	} cases[] = {
		{ "250 ok", 0,			STATUS_NONE },
		{ "450 busy", 1,		STATUS_DEFERRED },
		{ "550 no", 1,			STATUS_FAILED },
		{ "452 too many", 1,		STATUS_NONE },
		{ "452 too many", 0,		STATUS_DEFERRED },
		{ "452 4.5.3 too many", 1,	STATUS_NONE },
		{ "452 4.2.2 full", 1,		STATUS_DEFERRED },
		{ "552 too many", 1,		STATUS_NONE },
		{ "552 5.2.2 full", 1,		STATUS_FAILED },
		{ "550 5.7.0 login", 1,		STATUS_FAILED },
		{ "432 slow down", 0,		STATUS_NONE },
	};
	struct smtp_reply reply;
	struct smtp_rcpt rcpt;
	struct smtp_mail m;
	char line[64], *text;
	size_t i, len;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&m, 0, sizeof(m));
		memset(&rcpt, 0, sizeof(rcpt));
		memset(&reply, 0, sizeof(reply));
		m.rcpts = &rcpt;
		m.nrcpts = 1;
		m.accepted = cases[i].accepted;
		text_copy(line, sizeof(line), cases[i].reply);
		assert_int_equal(smtp_reply_line(&reply, line, strlen(line),
		    &text, &len), SMTP_LINE_LAST);
		smtp_reply_keep(&reply, text, len);
		smtp_mail_rcpt_reply(&m, 0, &reply, smtp_judge(SMTP_AT_RCPT,
		    &reply, m.accepted > 0 ? SMTP_IF_ACCEPTED : 0));
		assert_int_equal(m.is_throttled, line[1] == '3');
		assert_int_equal(rcpt.res.status, cases[i].status);
		assert_int_equal(rcpt.is_accepted, line[0] == '2');
		assert_int_equal(m.accepted, cases[i].accepted +
		    (line[0] == '2'));
		result_fini(&rcpt.res);
		result_fini(&m.res);
		buf_fini(&reply.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_event),
		cmocka_unit_test(test_what_needs_no_server),
		cmocka_unit_test(test_for_whom_a_transaction_is),
		cmocka_unit_test(test_domains_of_one_transaction),
		cmocka_unit_test(test_many_domains_of_one_transaction),
		cmocka_unit_test(test_replies_to_recipients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
