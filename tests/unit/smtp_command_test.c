/*
 * smtp_command_test.c - the commands that an SMTP server reads, as tables.
 */
#include "lib/smtp_command.h"
#include "tests/unit/t.h"

#define X10	"xxxxxxxxxx"
#define X60	X10 X10 X10 X10 X10 X10
#define X240	X60 X60 X60 X60
#define U	"\xc3\xbc"

static void
test_verbs(void **state)
{
	static const struct {
		const char *line;
		enum smtp_verb verb;
		const char *args;
	} cases[] = {
		{ "HELO a", SMTP_VERB_HELO, "a" },
		{ "EHLO a", SMTP_VERB_EHLO, "a" },
		{ "MAIL FROM:<>", SMTP_VERB_MAIL, "FROM:<>" },
		{ "RCPT TO:<a@b>", SMTP_VERB_RCPT, "TO:<a@b>" },
		{ "DATA", SMTP_VERB_DATA, "" },
		{ "BDAT 1 LAST", SMTP_VERB_BDAT, "1 LAST" },
		{ "RSET", SMTP_VERB_RSET, "" },
		{ "NOOP", SMTP_VERB_NOOP, "" },
		{ "VRFY a b", SMTP_VERB_VRFY, "a b" },
		{ "EXPN list", SMTP_VERB_EXPN, "list" },
		{ "HELP", SMTP_VERB_HELP, "" },
		{ "QUIT", SMTP_VERB_QUIT, "" },
		{ "STARTTLS", SMTP_VERB_STARTTLS, "" },
		{ "mail from:<>", SMTP_VERB_MAIL, "from:<>" },
		{ "qUIT \t ", SMTP_VERB_QUIT, "" },
		{ "EHLO \t a \t", SMTP_VERB_EHLO, "a" },
		{ "", SMTP_VERB_UNKNOWN, "" },
		{ " ", SMTP_VERB_UNKNOWN, "" },
		{ " QUIT", SMTP_VERB_UNKNOWN, "QUIT" },
		{ "QUI", SMTP_VERB_UNKNOWN, "" },
		{ "QUITS", SMTP_VERB_UNKNOWN, "" },
		{ "DATA\r", SMTP_VERB_UNKNOWN, "" },
		{ "MAILFROM:<>", SMTP_VERB_UNKNOWN, "" },
		{ "XCLIENT NAME=a", SMTP_VERB_UNKNOWN, "NAME=a" },
	};
	char line[64];
	const char *args;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		snprintf(line, sizeof(line), "%s", cases[i].line);
		if (smtp_command_verb(line, &args) != cases[i].verb ||
		    strcmp(args, cases[i].args) != 0)
			fail_msg("\"%s\": \"%s\"", cases[i].line, args);
	}
}

/* Paths that both commands take, and what is left of them. */
static void
test_paths(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a@b", "a@b" },
		{ "A.b-c+d@Example.COM", "A.b-c+d@Example.COM" },
		{ "!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~@x" },
		{ "\"\"@x", "\"\"@x" },
		{ "\"a b\"@x", "\"a b\"@x" },
		{ "\"a\\\"b>@\\\\\"@x", "\"a\\\"b>@\\\\\"@x" },
		{ "\"..\"@x", "\"..\"@x" },
		{ "a@1", "a@1" },
		{ "a@1.2.3.4", "a@1.2.3.4" },
		{ "a@x-y.z", "a@x-y.z" },
		{ "a@[192.0.2.1]", "a@[192.0.2.1]" },
		{ "a@[001.0.2.255]", "a@[001.0.2.255]" },
		{ "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]" },
		{ "a@[ipv6:::ffff:192.0.2.1]", "a@[ipv6:::ffff:192.0.2.1]" },
		{ "a@[tag-1:x@y.z]", "a@[tag-1:x@y.z]" },
		{ "a@[-x:y]", "a@[-x:y]" },
		/* Source routes are dropped. */
		{ "@c:a@b", "a@b" },
		{ "@c,@[192.0.2.1],@d.e:a@b", "a@b" },
		{ "postmaster@b", "postmaster@b" },
		/* As long as may be. */
		{ X60 "xxxx@b", X60 "xxxx@b" },
		{ "a@" X240 X10 "x.yyy", "a@" X240 X10 "x.yyy" },
		{ "\"" X60 "xx\"@b", "\"" X60 "xx\"@b" },
	};
	struct smtp_mail_command mail;
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;
	char line[1024];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		snprintf(line, sizeof(line), "FROM:<%s>", cases[i].in);
		if (smtp_command_mail(line, &mail, &wrong) == -1)
			fail_msg("%s: %s", line, wrong.reason);
		assert_string_equal(mail.path.text, cases[i].out);
		assert_false(mail.path.is_utf8);
		snprintf(line, sizeof(line), "to:<%s>", cases[i].in);
		if (smtp_command_rcpt(line, 0, &rcpt, &wrong) == -1)
			fail_msg("%s: %s", line, wrong.reason);
		assert_string_equal(rcpt.path.text, cases[i].out);
		assert_int_equal(smtp_path_check(cases[i].out, 0), 0);
		assert_int_equal(smtp_path_check(cases[i].out, 1), 0);
	}
}

static void
test_bad_paths(void **state)
{
	static const char *const cases[] = {
		"<", ">", "<>>", "a@b", "a@b>", "<a@b", "<a@b>x", "<a@b>>",
		" <a@b>", "< a@b>", "<a@b >", "<a>", "<a@>", "<@b>", "<a@b@c>",
		"<.a@b>", "<a.@b>", "<a..b@c>", "<a b@c>", "<a(b)@c>",
		"<a\\b@c>", "<a,b@c>", "<a:b@c>", "<a;b@c>", "<a[b]@c>",
		"<a\x01@b>", "<a@b\x7f>", "<\"a\x01\"@b>", "<\"a\\\x01\"@b>",
		"<\"a@b>", "<\"a\"b@c>", "<\"a\".b@c>", "<\"a\\\"@b>",
		"<\"a\"@>", "<a@.b>", "<a@b.>", "<a@b..c>", "<a@-b>", "<a@b->",
		"<a@b.-c>", "<a@b_c>", "<a@b/c>", "<a@../b>", "<a@b,c@d>",
		"<a@b\\>", "<a@[]>", "<a@[192.0.2]>", "<a@[192.0.2.256]>",
		"<a@[192.0.2.0001]>", "<a@[192.0.2.1.1]>", "<a@[192.0.2.1>",
		"<a@[192.0.2.1]x>", "<a@[2001:db8::1]>x", "<a@[IPv6:]>",
		"<a@[IPv6:1::2::3]>", "<a@[IPv6:fe80::1%1]>",
		"<a@[x-:y]>", "<a@[x_y:z]>", "<a@[:y]>", "<a@[x:]>",
		"<a@[x:a b]>",
		"<a@[x:[]>", "<a@[x:\\]>", "<a@[" X240 X10 ":xxxxx]>",
		"<@:a@b>", "<@c a@b>", "<@c,:a@b>", "<@c,a@b>", "<@c,@:a@b>",
		"<@c:>", "<@c:postmaster>", "<c:a@b>", "<@c::a@b>",
		"<postmaster@>", "<postmasters>",
		"<" X60 "xxxxx@b>", "<\"" X60 "xxx\"@b>",
		"<a@" X240 X10 "xx.yyy>", "<" X240 "@" X240 ">",
		"<\xff@b>", "<a@\xc3>", "<a@\xe0\x80\xaf.b>", "<a\xc3\x28@b>",
		"<\"\\" U "\"@b>", "<a@[x:" U "]>",
	};
	struct smtp_mail_command mail;
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;
	char line[1024];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		snprintf(line, sizeof(line), "FROM:%s SMTPUTF8", cases[i]);
		if (smtp_command_mail(line, &mail, &wrong) == 0)
			fail_msg("%s", line);
		assert_int_equal(wrong.code, 501);
		assert_string_equal(wrong.status, "5.1.7");
		snprintf(line, sizeof(line), "TO:%s", cases[i]);
		if (smtp_command_rcpt(line, 1, &rcpt, &wrong) == 0)
			fail_msg("%s", line);
		assert_int_equal(wrong.code, 501);
		assert_string_equal(wrong.status, "5.1.3");
	}
}

/* MAIL without parameters in the table has none afterwards. */
static void
test_mail(void **state)
{
	static const struct {
		const char *args, *path, *parameters;
		uint64_t size_bytes;	/* 0: none */
		enum smtp_body body;
		int is_smtputf8, is_utf8;
	} cases[] = {
		{ "FROM:<>", "", "", 0, SMTP_BODY_NONE, 0, 0 },
		{ "from:<> ", "", "", 0, SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> SIZE=1", "a@b", "", 1, SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> size=18446744073709551614", "a@b", "",
		  UINT64_MAX - 1, SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> SIZE=99999999999999999999", "a@b", "",
		  UINT64_MAX, SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> SIZE=18446744073709551616", "a@b", "",
		  UINT64_MAX, SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> SIZE=00000000000000000007", "a@b", "", 7,
		  SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> BODY=7bit", "a@b", "BODY=7bit", 0,
		  SMTP_BODY_7BIT, 0, 0 },
		{ "FROM:<a@b>  Body=8BITMIME \t SIZE=9  RET=HDRS", "a@b",
		  "Body=8BITMIME RET=HDRS", 9, SMTP_BODY_8BITMIME, 0, 0 },
		{ "FROM:<a@b> RET=full ENVID=a+2Bb+3D", "a@b",
		  "RET=full ENVID=a+2Bb+3D", 0, SMTP_BODY_NONE, 0, 0 },
		{ "FROM:<a@b> SMTPUTF8", "a@b", "SMTPUTF8", 0,
		  SMTP_BODY_NONE, 1, 0 },
		{ "FROM:<" U "@" U ".x> smtputf8", U "@" U ".x", "smtputf8", 0,
		  SMTP_BODY_NONE, 1, 1 },
		{ "FROM:<\"" U " \"@b> BODY=8BITMIME SMTPUTF8",
		  "\"" U " \"@b", "BODY=8BITMIME SMTPUTF8", 0,
		  SMTP_BODY_8BITMIME, 1, 1 },
	};
	struct smtp_mail_command mail;
	struct smtp_syntax wrong;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&mail, 0xff, sizeof(mail));
		if (smtp_command_mail(cases[i].args, &mail, &wrong) == -1)
			fail_msg("%s: %s", cases[i].args, wrong.reason);
		assert_string_equal(mail.path.text, cases[i].path);
		assert_string_equal(mail.parameters, cases[i].parameters);
		assert_int_equal(mail.has_size, cases[i].size_bytes > 0);
		assert_int_equal(mail.size_bytes, cases[i].size_bytes);
		assert_int_equal(mail.body, cases[i].body);
		assert_int_equal(mail.is_smtputf8, cases[i].is_smtputf8);
		assert_int_equal(mail.path.is_utf8, cases[i].is_utf8);
	}
}

static void
test_bad_mail(void **state)
{
	static const struct {
		const char *args;
		unsigned code;
		const char *status;
	} cases[] = {
		{ "", 501, "5.5.4" },
		{ "FROM", 501, "5.5.4" },
		{ "FROM <a@b>", 501, "5.5.4" },
		{ "TO:<a@b>", 501, "5.5.4" },
		{ "<a@b>", 501, "5.5.4" },
		{ "FROM:", 501, "5.1.7" },
		{ "FROM: <a@b>", 501, "5.1.7" },
		{ "FROM:<postmaster>", 501, "5.1.7" },
		{ "FROM:<a@b>SIZE=1", 501, "5.1.7" },
		{ "FROM:<" U "@b>", 550, "5.6.7" },
		{ "FROM:<a@" U "> BODY=8BITMIME", 550, "5.6.7" },
		{ "FROM:<a@b> FOO", 555, "5.5.4" },
		{ "FROM:<a@b> =", 555, "5.5.4" },
		{ "FROM:<a@b> AUTH=<>", 555, "5.5.4" },
		{ "FROM:<a@b> NOTIFY=NEVER", 555, "5.5.4" },
		{ "FROM:<a@b> SIZES=1", 555, "5.5.4" },
		{ "FROM:<a@b> SIZE", 501, "5.5.4" },
		{ "FROM:<a@b> SIZE=", 501, "5.5.4" },
		{ "FROM:<a@b> SIZE=-1", 501, "5.5.4" },
		{ "FROM:<a@b> SIZE=1k", 501, "5.5.4" },
		{ "FROM:<a@b> SIZE=000000000000000000001", 501, "5.5.4" },
		{ "FROM:<a@b> SIZE=1 SIZE=1", 501, "5.5.4" },
		{ "FROM:<a@b> BODY", 501, "5.5.4" },
		{ "FROM:<a@b> BODY=", 501, "5.5.4" },
		{ "FROM:<a@b> BODY=BINARYMIME", 501, "5.5.4" },
		{ "FROM:<a@b> BODY=7BIT body=7BIT", 501, "5.5.4" },
		{ "FROM:<a@b> SMTPUTF8=", 501, "5.5.4" },
		{ "FROM:<a@b> SMTPUTF8 SMTPUTF8", 501, "5.5.4" },
		{ "FROM:<a@b> RET", 501, "5.5.4" },
		{ "FROM:<a@b> RET=ALL", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=a=b", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=a+", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=a+4", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=+0A", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=+00", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=+E4", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=a\x01", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=" U " SMTPUTF8", 501, "5.5.4" },
		{ "FROM:<a@b> ENVID=" X60 X10 X10 X10 X10 "x", 501, "5.5.4" },
		{ "FROM:<a@b> X=" X240 X240 X240 X240 X60 "xx", 501, "5.5.4" },
	};
	struct smtp_mail_command mail;
	struct smtp_syntax wrong;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&wrong, 0, sizeof(wrong));
		if (smtp_command_mail(cases[i].args, &mail, &wrong) == 0 ||
		    wrong.code != cases[i].code ||
		    strcmp(wrong.status, cases[i].status) != 0)
			fail_msg("%s: %u", cases[i].args, wrong.code);
		assert_true(wrong.reason != NULL && wrong.reason[0] != '\0');
	}
}

/* The words name what a person is to change. */
static void
test_a_blank_before_the_address(void **state)
{
	static const char want[] = "a blank between the colon and the address";
	struct smtp_mail_command mail;
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;

	(void)state;
	assert_int_equal(smtp_command_mail("FROM: <a@b>", &mail, &wrong), -1);
	assert_string_equal(wrong.reason, want);
	assert_int_equal(smtp_command_rcpt("TO:\t<a@b>", 0, &rcpt, &wrong),
	    -1);
	assert_string_equal(wrong.reason, want);
}

static void
test_rcpt(void **state)
{
	static const struct {
		const char *args;
		int is_smtputf8;
		const char *path, *parameters;
	} cases[] = {
		{ "TO:<Postmaster>", 0, "Postmaster", "" },
		{ "TO:<POSTMASTER> ", 0, "POSTMASTER", "" },
		{ "TO:<a@b> NOTIFY=never", 0, "a@b", "NOTIFY=never" },
		{ "TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY  "
		  "ORCPT=rfc822;a+2Bc@b ", 0, "a@b",
		  "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bc@b" },
		{ "TO:<a@b> ORCPT=rfc822;+22a+20b+22@c", 0, "a@b",
		  "ORCPT=rfc822;+22a+20b+22@c" },
		{ "TO:<a@b> ORCPT=utf-8;\\x{FC}@b", 0, "a@b",
		  "ORCPT=utf-8;\\x{FC}@b" },
		{ "TO:<" U "@b> ORCPT=UTF-8;" U "@b", 1, U "@b",
		  "ORCPT=UTF-8;" U "@b" },
		{ "TO:<a@" U ".x>", 1, "a@" U ".x", "" },
	};
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&rcpt, 0xff, sizeof(rcpt));
		if (smtp_command_rcpt(cases[i].args, cases[i].is_smtputf8,
		    &rcpt, &wrong) == -1)
			fail_msg("%s: %s", cases[i].args, wrong.reason);
		assert_string_equal(rcpt.path.text, cases[i].path);
		assert_string_equal(rcpt.parameters, cases[i].parameters);
	}
}

static void
test_bad_rcpt(void **state)
{
	static const struct {
		const char *args;
		unsigned code;
		const char *status;
	} cases[] = {
		{ "", 501, "5.5.4" },
		{ "FROM:<a@b>", 501, "5.5.4" },
		{ "TO:<>", 501, "5.1.3" },
		{ "TO: <a@b>", 501, "5.1.3" },
		{ "TO:Postmaster", 501, "5.1.3" },
		{ "TO:<" U "@b>", 553, "5.6.7" },
		{ "TO:<a@" U ">", 553, "5.6.7" },
		{ "TO:<a@b> SIZE=1", 555, "5.5.4" },
		{ "TO:<a@b> SMTPUTF8", 555, "5.5.4" },
		{ "TO:<a@b> NOTIFY", 501, "5.5.4" },
		{ "TO:<a@b> NOTIFY=", 501, "5.5.4" },
		{ "TO:<a@b> NOTIFY=NEVER,DELAY", 501, "5.5.4" },
		{ "TO:<a@b> NOTIFY=DELAY,", 501, "5.5.4" },
		{ "TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=a@b", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=;a@b", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rfc822;", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rfc 822;a", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rf+63;a", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rfc822;a+0Ab", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rfc822;a+00b", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rfc822;a=b", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=utf-8;" U "@b", 501, "5.5.4" },
		{ "TO:<a@b> ORCPT=rfc822;" X240 X240 X10 X10, 501, "5.5.4" },
	};
	static const char *const with_smtputf8[] = {
		"TO:<a@b> ORCPT=rfc822;" U "@b",
		"TO:<a@b> ORCPT=utf-8;\xff@b",
		"TO:<a@b> ORCPT=utf-8;" U "=b",
		"TO:<a@b> ORCPT=utf-8;" U "\x01",
		"TO:<a@b> ORCPT=" U ";a",
	};
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&wrong, 0, sizeof(wrong));
		if (smtp_command_rcpt(cases[i].args, 0, &rcpt, &wrong) == 0 ||
		    wrong.code != cases[i].code ||
		    strcmp(wrong.status, cases[i].status) != 0)
			fail_msg("%s: %u", cases[i].args, wrong.code);
		assert_true(wrong.reason != NULL && wrong.reason[0] != '\0');
	}
	for (i = 0; i < N(with_smtputf8); i++)
		if (smtp_command_rcpt(with_smtputf8[i], 1, &rcpt, &wrong) == 0)
			fail_msg("%s", with_smtputf8[i]);
}

/* What fills the parameters is kept whole. */
static void
test_longest_parameters(void **state)
{
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;
	char line[SMTP_PARAMETERS_MAX + 64];
	int at;

	(void)state;
	at = snprintf(line, sizeof(line), "TO:<a@b> NOTIFY=NEVER "
	    "ORCPT=rfc822;%0493d", 0);
	assert_int_equal(smtp_command_rcpt(line, 0, &rcpt, &wrong), 0);
	assert_string_equal(rcpt.parameters, line + strlen("TO:<a@b> "));
	memset(line + at, ' ', sizeof(line) - (size_t)at);
	line[strlen("TO:<a@b>") + SMTP_PARAMETERS_MAX] = '\0';
	assert_int_equal(smtp_command_rcpt(line, 0, &rcpt, &wrong), 0);
	line[strlen("TO:<a@b>") + SMTP_PARAMETERS_MAX] = ' ';
	line[strlen("TO:<a@b>") + SMTP_PARAMETERS_MAX + 1] = '\0';
	assert_int_equal(smtp_command_rcpt(line, 0, &rcpt, &wrong), -1);
}

static void
test_local_commands(void **state)
{
	static const struct {
		const char *args, *path;	/* NULL: refused */
	} cases[] = {
		{ ":<a@b>", "a@b" },
		{ ": \t<a@b>", "a@b" },
		{ ":<root>", "root" },
		{ ":<\"a b\">", "\"a b\"" },
		{ ":<a@my_host>", "a@my_host" },
		{ ":<" X60 "xxxx>", X60 "xxxx" },
		{ ":<" X240 X10 "xxxxx>", X240 X10 "xxxxx" },
		{ ":<" X240 X10 "xxxxxx>", NULL },
		{ ":<" X240 X10 "@" X60 "xxxxxxxxx>", X240 X10 "@" X60
		  "xxxxxxxxx" },
		{ ":<" X240 X10 "@" X60 "xxxxxxxxxx>", NULL },
		{ ":a@b", NULL },
		{ ":<a@>", NULL },
		{ ":<@c:a>", NULL },
		{ ":<a b>", NULL },
		{ ":<a..b>", NULL },
	};
	struct smtp_mail_command mail;
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;
	char line[1024];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		ret = cases[i].path == NULL ? -1 : 0;
		snprintf(line, sizeof(line), "FROM%s", cases[i].args);
		if (smtp_command_local_mail(line, &mail, &wrong) != ret ||
		    (ret == 0 && strcmp(mail.path.text, cases[i].path) != 0))
			fail_msg("%s", line);
		snprintf(line, sizeof(line), "TO%s", cases[i].args);
		if (smtp_command_local_rcpt(line, 0, &rcpt, &wrong) != ret ||
		    (ret == 0 && strcmp(rcpt.path.text, cases[i].path) != 0))
			fail_msg("%s", line);
	}
	assert_int_equal(smtp_command_local_rcpt("TO:<>", 0, &rcpt, &wrong),
	    -1);
}

/* What DSN parameters mean. */
static void
test_dsn_values(void **state)
{
	struct smtp_mail_command mail;
	struct smtp_rcpt_command rcpt;
	struct smtp_syntax wrong;

	(void)state;
	assert_int_equal(smtp_command_mail("FROM:<> RET=hdrs ENVID=a+2Bb",
	    &mail, &wrong), 0);
	assert_int_equal(mail.ret, RET_HDRS);
	assert_string_equal(mail.envid, "a+b");
	assert_int_equal(smtp_command_mail("FROM:<>", &mail, &wrong), 0);
	assert_int_equal(mail.ret, RET_UNSAID);
	assert_string_equal(mail.envid, "");
	assert_int_equal(smtp_command_rcpt("TO:<a@b> NOTIFY=DELAY,FAILURE "
	    "ORCPT=rfc822;a+20b@c", 0, &rcpt, &wrong), 0);
	assert_int_equal(rcpt.notify, NOTIFY_DELAY | NOTIFY_FAILURE);
	assert_string_equal(rcpt.orcpt, "rfc822;a b@c");
	assert_int_equal(smtp_command_rcpt("TO:<a@b> ORCPT=utf-8;" U, 1,
	    &rcpt, &wrong), 0);
	assert_int_equal(rcpt.notify, 0);
	assert_string_equal(rcpt.orcpt, "utf-8;" U);
}

static void
test_path_check(void **state)
{
	static const struct {
		const char *path;
		int may_be_null, ret;
	} cases[] = {
		{ "", 1, 0 },
		{ "", 0, -1 },
		{ ">", 1, -1 },
		{ "Postmaster", 0, 0 },
		{ "postmaster", 1, -1 },
		{ "postmaster>", 0, -1 },
		{ "a@b", 0, 0 },
		{ U "@" U, 0, 0 },
		{ "<a@b>", 0, -1 },
		{ "@c:a@b", 0, -1 },
		{ "a@b ", 0, -1 },
		{ "a@b\r\n", 0, -1 },
		{ "a@b>", 0, -1 },
		{ "\xff@b", 0, -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (smtp_path_check(cases[i].path, cases[i].may_be_null) !=
		    cases[i].ret)
			fail_msg("\"%s\"", cases[i].path);
}

static void
test_bdat(void **state)
{
	static const struct {
		const char *args;
		int ret;
		uint64_t size_bytes;
		int is_last;
	} cases[] = {
		{ "0", 0, 0, 0 },
		{ "123", 0, 123, 0 },
		{ "123 LAST", 0, 123, 1 },
		{ "0 last", 0, 0, 1 },
		{ "1  Last", 0, 1, 1 },
		{ "18446744073709551614", 0, UINT64_MAX - 1, 0 },
		{ "18446744073709551615", -1, 0, 0 },
		{ "99999999999999999999", -1, 0, 0 },
		{ "000000000000000000001", -1, 0, 0 },
		{ "", -1, 0, 0 },
		{ "LAST", -1, 0, 0 },
		{ "-1", -1, 0, 0 },
		{ "+1", -1, 0, 0 },
		{ "1LAST", -1, 0, 0 },
		{ "1 LASTS", -1, 0, 0 },
		{ "1 LAST LAST", -1, 0, 0 },
		{ "1 2", -1, 0, 0 },
		{ "1x", -1, 0, 0 },
	};
	uint64_t size_bytes;
	int is_last;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (smtp_command_bdat(cases[i].args, &size_bytes, &is_last) !=
		    cases[i].ret)
			fail_msg("\"%s\"", cases[i].args);
		if (cases[i].ret == -1)
			continue;
		assert_int_equal(size_bytes, cases[i].size_bytes);
		assert_int_equal(is_last, cases[i].is_last);
	}
}

static void
test_helo(void **state)
{
	static const struct {
		const char *args;
		int ret;
	} cases[] = {
		{ "localhost", 0 },
		{ "mail.example.test", 0 },
		{ "my_host", 0 },
		{ "_x.y_", 0 },
		{ U ".example", 0 },
		{ "[127.0.0.1]", 0 },
		{ "[IPv6:::1]", 0 },
		{ "1.2.3.4", 0 },
		{ X240 X10 "xxxxx", 0 },
		{ X240 X10 "xxxxxx", -1 },
		{ "", -1 },
		{ "a b", -1 },
		{ "a.", -1 },
		{ ".", -1 },
		{ "-a", -1 },
		{ "a@b", -1 },
		{ "<a>", -1 },
		{ "[127.0.0.1", -1 },
		{ "[127.0.0.1]x", -1 },
		{ "[::1]", -1 },
		{ "a\x01", -1 },
		{ "a\xff", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (smtp_command_helo(cases[i].args) != cases[i].ret)
			fail_msg("\"%s\"", cases[i].args);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_bad_mail),
		cmocka_unit_test(test_a_blank_before_the_address),
		cmocka_unit_test(test_rcpt),
		cmocka_unit_test(test_bad_rcpt),
		cmocka_unit_test(test_longest_parameters),
		cmocka_unit_test(test_local_commands),
		cmocka_unit_test(test_dsn_values),
		cmocka_unit_test(test_path_check),
		cmocka_unit_test(test_bdat),
		cmocka_unit_test(test_helo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
