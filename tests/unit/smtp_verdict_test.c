/*
 * smtp_verdict_test.c - what each reply decides at each stage.
 */
#include "lib/smtp_verdict.h"
#include "tests/unit/t.h"

#define PARAMS		SMTP_IF_PARAMETERS
#define ACCEPTED	SMTP_IF_ACCEPTED
#define LATER		SMTP_IF_LATER
#define HELO		SMTP_IF_HELO

static void
read_reply(struct smtp_reply *r, const char *said)
{
	char line[256], *text;
	size_t len;

	text_copy(line, sizeof(line), said);
	assert_int_equal(smtp_reply_line(r, line, strlen(line), &text, &len),
	    SMTP_LINE_LAST);
	smtp_reply_keep(r, text, len);
}

static enum smtp_verdict
judge(enum smtp_stage stage, const char *said, unsigned circumstances)
{
	enum smtp_verdict verdict;
	struct smtp_reply r;

	memset(&r, 0, sizeof(r));
	read_reply(&r, said);
	verdict = smtp_judge(stage, &r, circumstances);
	buf_fini(&r.text);
	return verdict;
}

static void
test_before_mail(void **state)
{
	static const struct {
		enum smtp_stage stage;
		const char *said;
		unsigned is;
		enum smtp_verdict verdict;
	} cases[] = {
		{ SMTP_AT_GREETING, "220 hi", 0, SMTP_GO },
		{ SMTP_AT_GREETING, "354 eh", 0, SMTP_NO_HOST },
		{ SMTP_AT_GREETING, "421 busy", 0, SMTP_NO_HOST },
		{ SMTP_AT_GREETING, "554 no", 0, SMTP_NO_HOST },
		{ SMTP_AT_EHLO, "250 x", 0, SMTP_GO },
		{ SMTP_AT_EHLO, "421 x", HELO, SMTP_NO_HOST },
		{ SMTP_AT_EHLO, "451 x", HELO, SMTP_NO_HOST },
		{ SMTP_AT_EHLO, "500 x", HELO, SMTP_SAY_HELO },
		{ SMTP_AT_EHLO, "501 x", HELO, SMTP_SAY_HELO },
		{ SMTP_AT_EHLO, "503 x", HELO, SMTP_SAY_HELO },
		{ SMTP_AT_EHLO, "550 x", HELO, SMTP_SAY_HELO },
		{ SMTP_AT_EHLO, "554 x", HELO, SMTP_SAY_HELO },
		{ SMTP_AT_EHLO, "554 too many connections", HELO,
		  SMTP_NO_HOST },
		{ SMTP_AT_EHLO, "502 x", 0, SMTP_NO_HOST },
		{ SMTP_AT_HELO, "250 x", 0, SMTP_GO },
		{ SMTP_AT_HELO, "501 x", HELO, SMTP_NO_HOST },
		{ SMTP_AT_STARTTLS, "220 go", 0, SMTP_GO },
		{ SMTP_AT_STARTTLS, "502 x", 0, SMTP_NO_HOST },
		{ SMTP_AT_RSET, "250 x", 0, SMTP_GO },
		{ SMTP_AT_RSET, "451 x", 0, SMTP_FRESH },
		{ SMTP_AT_RSET, "502 x", 0, SMTP_FRESH },
		{ SMTP_AT_QUIT, "221 x", 0, SMTP_LEAVE },
		{ SMTP_AT_QUIT, "500 x", 0, SMTP_LEAVE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (judge(cases[i].stage, cases[i].said, cases[i].is) !=
		    cases[i].verdict)
			fail_msg("%d: %s", (int)cases[i].stage, cases[i].said);
}

/* Letters of verdicts; columns: MAIL, RCPT, DATA, end of data. */
static const struct { char letter; enum smtp_verdict verdict; } letters[] = {
	{ 'g', SMTP_GO },	{ 'd', SMTP_DEFER },	{ 'f', SMTP_FAIL },
	{ 's', SMTP_SPLIT },	{ 'p', SMTP_PLAIN },
	{ 't', SMTP_THROTTLED }, { 'l', SMTP_LEAVE },	{ 'n', SMTP_FRESH },
	{ '-', SMTP_ASTRAY },
};

static void
test_about_mail(void **state)
{
	static const enum smtp_stage stages[] = { SMTP_AT_MAIL, SMTP_AT_RCPT,
	    SMTP_AT_DATA, SMTP_AT_DOT };
	static const struct {
		const char *said, *verdicts;
		unsigned is;
	} cases[] = {
		{ "250 ok",			"gg-g", 0 },
		{ "251 forwarded",		"gg-g", 0 },
		{ "354 go",			"--g-", 0 },
		{ "399 eh",			"--g-", 0 },
		{ "421 4.3.2 bye",		"llll", 0 },
		/* The message, or the recipient. */
		{ "450 4.2.1 slow mailbox",	"dddd", 0 },
		{ "451 4.7.1 greylisted",	"dddd", 0 },
		{ "452 4.3.1 disk full",	"dddd", ACCEPTED },
		{ "454 4.7.0 login later",	"dddd", 0 },
		{ "550 5.1.1 nobody",		"ffff", 0 },
		{ "552 5.3.4 too big",		"ffff", 0 },
		{ "553 no such name",		"ffff", PARAMS },
		{ "554 5.7.1 spam",		"ffff", LATER },
		{ "599 eh",			"ffff", 0 },
		/* The login. */
		{ "530 5.7.0 log in",		"dddd", PARAMS },
		{ "534 5.7.9 weak",		"dddd", 0 },
		{ "535 5.7.8 who",		"dddd", 0 },
		{ "538 5.7.11 clear",		"dddd", 0 },
		/* The protocol. */
		{ "500 5.5.1 eh",		"dddd", 0 },
		{ "501 5.5.4 eh",		"dddd", 0 },
		{ "502 eh",			"dddd", 0 },
		{ "503 5.5.1 eh",		"dddd", 0 },
		{ "504 eh",			"dddd", 0 },
		{ "555 5.5.4 eh",		"dddd", 0 },
		{ "500 5.5.2 eh",		"pp", PARAMS },
		{ "501 5.5.4 eh",		"pp", PARAMS },
		{ "504 eh",			"pp", PARAMS },
		{ "555 eh",			"pp", PARAMS },
		{ "503 5.5.1 nested MAIL",	"np", PARAMS | LATER },
		{ "503 5.5.1 nested MAIL",	"nddd", LATER },
		/* With such a code it is about the address or the text. */
		{ "501 5.1.3 no address",	"ffff", PARAMS },
		{ "504 5.1.2 no domain",	"ffff", 0 },
		{ "501 5.6.0 no text",		"ffff", 0 },
		{ "503 5.7.0 log in",		"dddd", 0 },
		/* Too many recipients, once one is accepted. */
		{ "452 4.5.3 too many",		"dsdd", ACCEPTED },
		{ "452 too many",		"dsdd", ACCEPTED },
		{ "552 too many",		"fsff", ACCEPTED },
		{ "552 5.2.2 full",		"ffff", ACCEPTED },
		{ "452 4.5.3 too many",		"dddd", 0 },
		/* Too many connections or messages, in their spellings. */
		{ "432 4.7.0 slow down",	"tttt", 0 },
		{ "450 4.3.2 later",		"tttt", 0 },
		{ "451 4.4.5 congested",	"tttt", 0 },
		{ "452 4.3.2 too many concurrent connections", "tttt", 0 },
		{ "450 4.7.1 Error: too much mail from [192.0.2.1]", "tttt",
		  0 },
		{ "451 4.7.500 Server busy",	"tttt", 0 },
		{ "454 4.7.0 Too many connections", "tttt", 0 },
		{ "451 Rate limit exceeded",	"tttt", 0 },
		{ "554 5.7.0 Too many messages", "tttt", 0 },
		{ "550 5.4.5 daily quota exceeded", "tttt", 0 },
		{ "550 5.3.2 not now",		"tttt", 0 },
		/* But a mailbox may be, alone. */
		{ "450 4.2.1 receives too many messages", "tdtt", 0 },
		{ "550 5.2.1 too many messages", "tftt", 0 },
	};
	enum smtp_verdict verdict;
	size_t i, k, n;

	(void)state;
	for (i = 0; i < N(cases); i++)
		for (k = 0; cases[i].verdicts[k] != '\0'; k++) {
			verdict = judge(stages[k], cases[i].said, cases[i].is);
			for (n = 0; letters[n].verdict != verdict; n++)
				;
			if (letters[n].letter != cases[i].verdicts[k])
				fail_msg("%s, stage %zu: %c", cases[i].said, k,
				    letters[n].letter);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_mail),
		cmocka_unit_test(test_about_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
