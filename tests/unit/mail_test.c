/*
 * mail_test.c - the text of a message, tables of cases.  Each stream is fed
 * whole and cut at every place, since chunks may end anywhere.
 */
#include "lib/mail.h"
#include "tests/unit/t.h"

static void
assert_text(const struct buf *got, const char *want, size_t len)
{
	assert_false(buf_failed(got));
	if (got->len != len || memcmp(buf_str(got), want, len) != 0)
		fail_msg("got \"%s\" (%zu), want \"%s\" (%zu)", buf_str(got),
		    got->len, want, len);
}

static const struct {
	const char *in; size_t inlen; const char *out; size_t outlen;
	int dot_ends, is_over;
} inputs[] = {
	{ T(""),		T(""),			0, 0 },
	{ T("a"),		T("a\n"),		0, 0 },
	{ T("a\n"),		T("a\n"),		0, 0 },
	{ T("a\r\nb\n\r\nc\r\n"), T("a\nb\n\nc\n"),	0, 0 },
	{ T("a\r"),		T("a\n"),		0, 0 },
	{ T("a\rb\r\r\n\r"),	T("a\rb\r\n\n"),	0, 0 },
	{ T("a\0b\r\n"),	T("a\0b\n"),		0, 0 },
	{ T("a\n.\nb\n"),	T("a\n.\nb\n"),		0, 0 },
	{ T("a\n.\nb\n"),	T("a\n"),		1, 1 },
	{ T("a\r\n.\r\nb\r\n"),	T("a\n"),		1, 1 },
	{ T(".\n"),		T(""),			1, 1 },
	{ T("a\n."),		T("a\n"),		1, 1 },
	{ T("a\n.\r"),		T("a\n"),		1, 1 },
	{ T("a\n..\n.b\n. \n"),	T("a\n..\n.b\n. \n"),	1, 0 },
	{ T("a\n.\r\r\nb\n"),	T("a\n.\r\nb\n"),	1, 0 },
	{ T("a\n.\rb\n"),	T("a\n.\rb\n"),		1, 0 },
	{ T("a.\nb"),		T("a.\nb\n"),		1, 0 },
	{ T("\r.\n"),		T("\r.\n"),		1, 0 },
};

static void
test_input(void **state)
{
	struct mail_input in;
	struct buf out;
	size_t i, cut;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(inputs); i++) {
		for (cut = 0; cut <= inputs[i].inlen; cut++) {
			buf_reset(&out);
			mail_input_init(&in, inputs[i].dot_ends);
			mail_input(&in, inputs[i].in, cut, &out);
			mail_input(&in, inputs[i].in + cut,
			    inputs[i].inlen - cut, &out);
			mail_input_end(&in, &out);
			assert_text(&out, inputs[i].out, inputs[i].outlen);
			assert_int_equal(in.is_over, inputs[i].is_over);
		}
	}
	buf_fini(&out);
}

static void
test_count(void **state)
{
	static const struct {
		const char *in; size_t len; int lines, wide, nul;
	} cases[] = {
		{ T(""),			0, 0, 0 },
		{ T("a\n\nb\n"),		3, 0, 0 },
		{ T("0123456701234567\xc3\n"),	1, 1, 0 },
		{ T("012\xc3" "567\n"),		1, 1, 0 },
		{ T("a\0\n"),			1, 0, 1 },
	};
	struct mail_facts f;
	size_t i, cut;
	int in_header;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		for (cut = 0; cut <= cases[i].len; cut++) {
			in_header = (int)(cut % 2);
			memset(&f, 0, sizeof(f));
			f.in_header = in_header;
			mail_count(&f, cases[i].in, cut);
			mail_count(&f, cases[i].in + cut, cases[i].len - cut);
			assert_int_equal(f.lines, cases[i].lines);
			assert_int_equal(in_header ? f.has_8bit_header :
			    f.has_8bit_body, cases[i].wide);
			assert_int_equal(in_header ? f.has_8bit_body :
			    f.has_8bit_header, 0);
			assert_int_equal(f.has_nul, cases[i].nul);
			assert_int_equal(f.has_long_line, 0);
		}
	}
}

/* Of the header it is also known whether its 8-bit text is UTF-8. */
static void
test_count_header(void **state)
{
	static const struct { const char *in; int wide, utf8; } cases[] = {
		{ "a: b\n\n", 0, 0 },
		{ "a: \xc3\xbc\n\n", 1, 1 },
		{ "a: \xc3\xbc\nb: \xfc\n\n", 1, 0 },
	};
	struct mail_facts f;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&f, 0, sizeof(f));
		f.in_header = 1;
		mail_count(&f, cases[i].in, strlen(cases[i].in));
		f.in_header = 0;
		mail_count(&f, T("x\xc3\ry\n"));
		assert_int_equal(f.has_8bit_header, cases[i].wide);
		assert_int_equal(f.has_utf8_header, cases[i].utf8);
		assert_int_equal(f.has_8bit_body, 1);
		assert_int_equal(f.has_cr, 1);
	}
}

static void
test_count_long(void **state)
{
	char line[MAIL_WIRE_LINE + 2];
	struct mail_facts f;
	size_t n, cut;

	(void)state;
	for (n = MAIL_WIRE_LINE; n <= MAIL_WIRE_LINE + 1; n++) {
		memset(line, 'x', n);
		line[n] = '\n';
		for (cut = 0; cut <= n; cut++) {
			memset(&f, 0, sizeof(f));
			mail_count(&f, line, cut);
			mail_count(&f, line + cut, n + 1 - cut);
			mail_count(&f, line, n - 10);
			assert_int_equal(f.has_long_line, n > MAIL_WIRE_LINE);
		}
	}
}

static void
test_line_kind(void **state)
{
	static const struct { const char *in; enum mail_line kind; } cases[] = {
		{ "",			MAIL_LINE_BLANK },
		{ "\n",			MAIL_LINE_BLANK },
		{ "\r\n",		MAIL_LINE_BLANK },
		{ "\r",			MAIL_LINE_OTHER },
		{ " x\n",		MAIL_LINE_FOLDED },
		{ "\t\n",		MAIL_LINE_FOLDED },
		{ "To: x\n",		MAIL_LINE_FIELD },
		{ "To:x",		MAIL_LINE_FIELD },
		{ "To \t: x\n",		MAIL_LINE_FIELD },
		{ "From : x\n",		MAIL_LINE_FIELD },
		{ "X-a_b!:\n",		MAIL_LINE_FIELD },
		{ "From a@b Thu Jan  1 00:00:00 1970\n", MAIL_LINE_FROM_ },
		{ ">From a@b\n",	MAIL_LINE_FROM_ },
		{ ">>From a@b\n",	MAIL_LINE_OTHER },
		{ "From\n",		MAIL_LINE_OTHER },
		{ "Hello world: x\n",	MAIL_LINE_OTHER },
		{ "Hello\nTo: x\n",	MAIL_LINE_OTHER },
		{ ": x\n",		MAIL_LINE_OTHER },
		{ "T\xc3\xb6: x\n",	MAIL_LINE_OTHER },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(mail_line_kind(cases[i].in,
		    strlen(cases[i].in)), cases[i].kind);
	assert_int_equal(mail_line_kind(T("B\0cc: x\n")), MAIL_LINE_OTHER);
}

static void
hear_recipient(void *arg, const char *address)
{
	buf_printf(arg, "%s;", address);
}

static void
hear_bad(void *arg, const char *field, const char *text, size_t len)
{
	buf_printf(arg, "!%s=", field);
	buf_add(arg, text, len);
	buf_putc(arg, ';');
}

#define TOP	"Received: by box.example (dma 1.0)\n" \
		"\tid q1; Fri, 13 Feb 2009 23:31:30 +0000\n"
#define DATE	"Date: Fri, 13 Feb 2009 23:31:30 +0000\n"
#define ID	"Message-ID: <q1.1234567890@box.example>\n"
#define FROM	"From: ann@box.example\n"
#define HAVE	"From: a@b\nDate: x\nMessage-ID: <x>\n"

static struct mail_env
make_env(struct buf *heard)
{
	struct mail_env env = { "box.example", "ann@box.example", NULL, "q1",
	    "1.0", 1234567890, 1, hear_recipient, hear_bad, heard };

	setenv("TZ", "UTC", 1);
	tzset();
	return env;
}

static const struct { const char *in, *out; } repairs[] = {
	/* what is missing */
	{ "",			TOP DATE ID FROM "\n" },
	{ "Subject: x\n",	TOP "Subject: x\n" DATE ID FROM "\n" },
	{ "Subject: x",		TOP "Subject: x\n" DATE ID FROM "\n" },
	{ HAVE,			TOP HAVE "\n" },
	{ "date: x\nMESSAGE-id : <x>\nfRoM: a@b\n",
	    TOP "date: x\nMESSAGE-id : <x>\nfRoM: a@b\n\n" },
	{ "From:\nDate: \n\t\nMessage-ID:\nTo:\n",
	    TOP "To:\n" DATE ID FROM "\n" },
	/* bare names */
	{ HAVE "To: root\n",	TOP HAVE "To: root@box.example\n\n" },
	{ "From: root (Cron Daemon)\n",
	    TOP "From: root@box.example (Cron Daemon)\n" DATE ID "\n" },
	{ HAVE "To: root, Bob <bob>,\n\t\"x, y\" <c@d>, (z) e (f)\n",
	    TOP HAVE "To: root@box.example, Bob <bob@box.example>,\n"
	    "\t\"x, y\" <c@d>, (z) e@box.example (f)\n\n" },
	{ HAVE "Cc: Us: ann, b@c;, dan\n",
	    TOP HAVE "Cc: Us: ann@box.example, b@c;, dan@box.example\n\n" },
	{ HAVE "Cc: undisclosed-recipients:;\n",
	    TOP HAVE "Cc: undisclosed-recipients:;\n\n" },
	{ HAVE "Sender: a\nReply-To: b\nErrors-To: c\n",
	    TOP HAVE "Sender: a@box.example\nReply-To: b@box.example\n"
	    "Errors-To: c\n\n" },
	{ HAVE "To: =?utf-8?Q?J=C3=BC?= <ju>\n",
	    TOP HAVE "To: =?utf-8?Q?J=C3=BC?= <ju@box.example>\n\n" },
	{ HAVE "To: J\xc3\xbc <ju>\n",
	    TOP HAVE "To: J\xc3\xbc <ju@box.example>\n\n" },
	/* passed as they are */
	{ HAVE "To: J\xfc <ju>\n",	TOP HAVE "To: J\xfc <ju>\n\n" },
	{ HAVE "To: J\xc3\xbc, ann\n",	TOP HAVE "To: J\xc3\xbc, ann\n\n" },
	{ HAVE "To: ann, \"bob\n",	TOP HAVE "To: ann, \"bob\n\n" },
	{ HAVE "To: Ann Doe, bob\n",	TOP HAVE "To: Ann Doe, bob\n\n" },
	{ HAVE "To: =?utf-8?B?SsO8?=\n", TOP HAVE "To: =?utf-8?B?SsO8?=\n\n" },
	{ HAVE "To: \033$B(ann\n",	TOP HAVE "To: \033$B(ann\n\n" },
	/* what never leaves */
	{ "Bcc: x@y\n" HAVE "bcc : z,\n\t w@y\nBCC:\nReturn-Path: <q@r>\n",
	    TOP HAVE "\n" },
	{ HAVE "Bccx: y\n",	TOP HAVE "Bccx: y\n\n" },
	{ HAVE "X: a\rBcc: s@t\n", TOP HAVE "X: a Bcc: s@t\n\n" },
	/* Resent- */
	{ HAVE "Resent-To: ann\n",
	    TOP "Resent-" DATE "Resent-" ID "Resent-" FROM HAVE
	    "Resent-To: ann@box.example\n\n" },
	{ "Resent-From: u\nResent-Date: x\nResent-Message-ID: <y>\n"
	    "Resent-Bcc: s@t\nResent-Sender: v\n" HAVE,
	    TOP "Resent-From: u@box.example\nResent-Date: x\n"
	    "Resent-Message-ID: <y>\nResent-Sender: v@box.example\n"
	    HAVE "\n" },
	/* From_ lines, line ends, what is no header */
	{ "From x Thu\n>From y Thu\n" HAVE,	TOP HAVE "\n" },
	{ "X: y\r\nTo: a@b\r\r\n" HAVE,	TOP "X: y\nTo: a@b\n" HAVE "\n" },
	{ HAVE "no header\nBcc: x\n",	TOP HAVE "\nno header\nBcc: x\n" },
	{ HAVE "From x Thu\n",		TOP HAVE "\nFrom x Thu\n" },
	{ " folded\n" HAVE,		TOP DATE ID FROM "\n folded\n" HAVE },
	{ HAVE "\nbody\n",		TOP HAVE "\n\nbody\n" },
};

static void
test_repair(void **state)
{
	struct buf out, heard;
	struct mail_env env;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	buf_init(&heard, 0);
	env = make_env(&heard);
	env.take_recipients = 0;
	for (i = 0; i < N(repairs); i++) {
		buf_reset(&out);
		assert_int_equal(mail_repair(repairs[i].in,
		    strlen(repairs[i].in), &env, &out, NULL), 0);
		assert_text(&out, repairs[i].out, strlen(repairs[i].out));
		assert_int_equal(heard.len, 0);
	}
	buf_fini(&heard);
	buf_fini(&out);
}

static void
test_recipients(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "",					"" },
		{ "From: a@b\nSender: c\nX-To: d\n",	"" },
		{ "To: a@B\n",				"a@b;" },
		{ "to : root\nCC: B <c@d>\nBCC: e\n",	"root;c@d;e;" },
		{ "To: a@b,\n\tc@d,\r\n e@f\n",		"a@b;c@d;e@f;" },
		{ "To: a@b\nTo: c@d\n",			"a@b;c@d;" },
		{ "To: a@b\nResent-To: c@d\n",		"c@d;" },
		{ "To: a@b\nResent-Bcc: c@d\nBcc: e\n",	"c@d;" },
		{ "To: a@b\nResent-Date: x\n",		"a@b;" },
		{ "To: All: a@b, c@d;\n",		"a@b;c@d;" },
		{ "To: a@b, x y, c@d\n",		"a@b;!To=x y;c@d;" },
		{ "Bcc: <>, a@b\n",			"!Bcc=<>;a@b;" },
		{ "To: \"a@b\n",			"!To=\"a@b;" },
		{ "To: J\xfc <a@b>\n",			"a@b;" },
		{ "Subject: x\n\nTo: a@b\n",		"" },
	};
	struct buf out, heard;
	struct mail_env env;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	buf_init(&heard, 0);
	env = make_env(&heard);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		buf_reset(&heard);
		assert_int_equal(mail_repair(cases[i].in, strlen(cases[i].in),
		    &env, &out, NULL), 0);
		assert_string_equal(buf_str(&heard), cases[i].out);
	}
	env.bad = NULL;
	buf_reset(&heard);
	assert_int_equal(mail_repair(T("To: <>, a@b\n"), &env, &out, NULL), 0);
	assert_string_equal(buf_str(&heard), "a@b;");
	buf_fini(&heard);
	buf_fini(&out);
}

static void
test_sender(void **state)
{
	static const struct { const char *sender, *name, *from; } cases[] = {
		{ "a@b",  NULL,		"\nFrom: a@b\n\n" },
		{ "a@b",  "",		"\nFrom: a@b\n\n" },
		{ "a@b",  "CronDaemon",	"\nFrom: CronDaemon <a@b>\n\n" },
		{ "a@b",  "Doe, Ann",	"\nFrom: \"Doe, Ann\" <a@b>\n\n" },
		{ "root", "x",		"\nFrom: x <root@box.example>\n\n" },
		{ "",	  NULL, "\nFrom: MAILER-DAEMON@box.example\n\n" },
	};
	struct mail_env env = make_env(NULL);
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		env.sender = cases[i].sender;
		env.fullname = cases[i].name;
		assert_int_equal(mail_repair(NULL, 0, &env, &out, NULL), 0);
		assert_non_null(strstr(buf_str(&out), cases[i].from));
	}
	buf_fini(&out);
}

static void
test_hops(void **state)
{
	static const char in[] = "Received: a\n b\nreceived : c\n"
	    "Delivered-To: d\nX-Received: e\nTo: f\n";
	struct mail_env env = make_env(NULL);
	struct buf out;
	unsigned hops = 99;

	(void)state;
	env.take_recipients = 0;
	buf_init(&out, 0);
	assert_int_equal(mail_repair(T(in), &env, &out, &hops), 0);
	assert_int_equal(hops, 3);
	assert_int_equal(mail_repair(NULL, 0, &env, &out, &hops), 0);
	assert_int_equal(hops, 0);
	buf_fini(&out);
	/* No room: told, not cut. */
	buf_init(&out, 100);
	assert_int_equal(mail_repair(T(in), &env, &out, &hops), -1);
	buf_fini(&out);
}

/* A block of bare names grows by a bounded number of domains. */
static void
test_many_bare(void **state)
{
	struct mail_env env = make_env(NULL);
	struct buf in, out;
	int i;

	(void)state;
	env.take_recipients = 0;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (i = 0; i < 100000; i++)
		buf_puts(&in, "To: a\n");
	assert_int_equal(mail_repair(in.data, in.len, &env, &out, NULL), 0);
	assert_in_range(out.len, in.len + 20000 * 12,
	    in.len + 20000 * 12 + 1000);
	buf_reset(&in);
	buf_reset(&out);
	buf_puts(&in, "To: a");
	for (i = 0; i < 100000; i++)
		buf_puts(&in, ",a");
	assert_int_equal(mail_repair(in.data, in.len, &env, &out, NULL), 0);
	assert_in_range(out.len, in.len, in.len + 1000);
	buf_fini(&in);
	buf_fini(&out);
}

static void
test_date(void **state)
{
	static const struct { const char *tz; time_t t; const char *out; }
	    cases[] = {
		{ "UTC",	0, "Thu, 1 Jan 1970 00:00:00 +0000" },
		{ "LMT-5:30",	0, "Thu, 1 Jan 1970 05:30:00 +0530" },
		{ "LMT+3:30",	0, "Wed, 31 Dec 1969 20:30:00 -0330" },
		{ "UTC", 1709164800, "Thu, 29 Feb 2024 00:00:00 +0000" },
	};
	char date[40];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		setenv("TZ", cases[i].tz, 1);
		tzset();
		mail_date(date, sizeof(date), cases[i].t);
		assert_string_equal(date, cases[i].out);
	}
	mail_date(date, sizeof(date), INT64_MAX);
	assert_true(strlen(date) < sizeof(date));
	setenv("TZ", "UTC", 1);
	tzset();
}

static void
test_envelope(void **state)
{
	static const struct {
		int from_line; const char *sender, *recipient, *out;
	} cases[] = {
		{ 1, "a@b", "c@d", "From a@b Thu Jan  1 00:00:00 1970\n"
		    "Return-Path: <a@b>\nDelivered-To: c@d\n" },
		{ 1, "", "c", "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
		    "Return-Path: <>\nDelivered-To: c\n" },
		{ 0, "a@b", NULL, "Return-Path: <a@b>\n" },
		{ 1, "\"a b\"@c", "d\ne", "From \"a-b\"@c Thu Jan  1 00:00:00 "
		    "1970\nReturn-Path: <\"a b\"@c>\nDelivered-To: d-e\n" },
	};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	setenv("TZ", "LMT-5:30", 1);
	tzset();
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		mail_put_envelope(&out, cases[i].from_line, cases[i].sender,
		    cases[i].recipient, 0);
		assert_string_equal(buf_str(&out), cases[i].out);
	}
	buf_fini(&out);
}

static void
test_mbox(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "",				"\n" },
		{ "a\n",			"a\n\n" },
		{ "a",				"a\n\n" },
		{ "From x\n",			">From x\n\n" },
		{ ">From x\n",			">>From x\n\n" },
		{ ">>>From x\nFrom \n",		">>>>From x\n>From \n\n" },
		{ "a\nFrom b\nc\n",		"a\n>From b\nc\n\n" },
		{ "From\nFrom: x\n",		"From\nFrom: x\n\n" },
		{ "from x\n From y\n",		"from x\n From y\n\n" },
		{ "FFrom x\nF>From y\n",	"FFrom x\nF>From y\n\n" },
		{ "a From b\n",			"a From b\n\n" },
		{ ">\n>>\n\n>From x",		">\n>>\n\n>>From x\n\n" },
		{ "From",			"From\n\n" },
		{ "a\n>>Fro",			"a\n>>Fro\n\n" },
		{ "a\n>",			"a\n>\n\n" },
		{ ">F>From x\n",		">F>From x\n\n" },
	};
	struct mail_mbox m;
	struct buf out;
	size_t i, cut, len;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		len = strlen(cases[i].in);
		for (cut = 0; cut <= len; cut++) {
			memset(&m, 0, sizeof(m));
			buf_reset(&out);
			mail_mbox(&m, cases[i].in, cut, &out);
			mail_mbox(&m, cases[i].in + cut, len - cut, &out);
			mail_mbox_end(&m, &out);
			assert_text(&out, cases[i].out, strlen(cases[i].out));
		}
	}
	buf_fini(&out);
}

static const struct {
	int stuff; const char *in; size_t inlen; const char *out; size_t outlen;
} wires[] = {
	{ 1, T(""),			T("") },
	{ 1, T("\n"),			T("\r\n") },
	{ 1, T("A: b\n\nc\n"),		T("A: b\r\n\r\nc\r\n") },
	{ 1, T("A: b\n\nc"),		T("A: b\r\n\r\nc\r\n") },
	{ 1, T("A: b"),			T("A: b\r\n") },
	{ 1, T("A: b\r\n\r\nc\r\n"),	T("A: b\r\n\r\nc\r\n") },
	{ 1, T("A: b\n\nc\rd\r\re\r\r\n"),
	    T("A: b\r\n\r\nc\r\nd\r\n\r\ne\r\n\r\n") },
	{ 1, T("A: b\n\n\r"),		T("A: b\r\n\r\n\r\n") },
	{ 1, T("A: b\n\n.\n..\nc.\n.d"),
	    T("A: b\r\n\r\n..\r\n...\r\nc.\r\n..d\r\n") },
	{ 1, T("A: b\n\nc\r.\r\nd\n"),	T("A: b\r\n\r\nc\r\n..\r\nd\r\n") },
	{ 1, T(".x: y\n\n."),		T("..x: y\r\n\r\n..\r\n") },
	{ 0, T(".x: y\n\n.\n.a"),	T(".x: y\r\n\r\n.\r\n.a\r\n") },
	{ 1, T("A: b\n\n\0.\nc\0d\n"),	T("A: b\r\n\r\n..\r\ncd\r\n") },
	{ 1, T("A: b\n\nc\r\0\nd\n"),	T("A: b\r\n\r\nc\r\nd\r\n") },
	{ 1, T("A: b\n\n\0"),		T("A: b\r\n\r\n") },
};

static void
wire(struct buf *out, int stuff, const char *in, size_t len, size_t cut)
{
	struct mail_wire w;

	buf_reset(out);
	mail_wire_init(&w, stuff);
	mail_wire(&w, in, cut, out);
	mail_wire(&w, in + cut, len - cut, out);
	mail_wire_end(&w, out);
	mail_wire_fini(&w);
}

static void
test_wire(void **state)
{
	struct buf out;
	size_t i, cut;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(wires); i++) {
		for (cut = 0; cut <= wires[i].inlen; cut++) {
			wire(&out, wires[i].stuff, wires[i].in,
			    wires[i].inlen, cut);
			assert_text(&out, wires[i].out, wires[i].outlen);
		}
	}
	buf_fini(&out);
}

/* Adds c n times. */
static void
fill(struct buf *b, char c, int n)
{
	while (n-- > 0)
		buf_putc(b, c);
}

/*
 * Lines too long: {n, c} runs in, and how they come out, each part one line.
 * A blank that was put in is a run of its own in front.
 */
struct run { int n; char c; };

static const struct { struct run in[6], out[8]; } longs[] = {
	/* the header: at a blank, else with a blank put in */
	{ { { 998, 'h' } }, { { 998, 'h' } } },
	{ { { 999, 'h' } }, { { 998, 'h' }, { 1, '\n' }, { 1, ' ' },
	    { 1, 'h' } } },
	{ { { 2000, 'h' } }, { { 998, 'h' }, { 1, '\n' }, { 1, ' ' },
	    { 997, 'h' }, { 1, '\n' }, { 1, ' ' }, { 5, 'h' } } },
	{ { { 900, 'h' }, { 1, ' ' }, { 900, 'i' } },
	    { { 900, 'h' }, { 1, '\n' }, { 1, ' ' }, { 900, 'i' } } },
	{ { { 998, 'h' }, { 1, '\t' }, { 900, 'i' } },
	    { { 998, 'h' }, { 1, '\n' }, { 1, '\t' }, { 900, 'i' } } },
	{ { { 2, 'h' }, { 3, ' ' }, { 997, 'i' } },
	    { { 2, 'h' }, { 1, '\n' }, { 3, ' ' }, { 995, 'i' }, { 1, '\n' },
	    { 1, ' ' }, { 2, 'i' } } },
	/* a blank that leads the line is no place to fold */
	{ { { 1, ' ' }, { 998, 'i' } }, { { 1, ' ' }, { 997, 'i' },
	    { 1, '\n' }, { 1, ' ' }, { 1, 'i' } } },
	/* the body: there */
	{ { { 1, '\n' }, { 998, 'b' } }, { { 1, '\n' }, { 998, 'b' } } },
	{ { { 1, '\n' }, { 999, 'b' } }, { { 1, '\n' }, { 998, 'b' },
	    { 1, '\n' }, { 1, 'b' } } },
	{ { { 1, '\n' }, { 900, 'b' }, { 1, ' ' }, { 900, 'c' } },
	    { { 1, '\n' }, { 900, 'b' }, { 1, ' ' }, { 97, 'c' }, { 1, '\n' },
	    { 803, 'c' } } },
	/* where it is broken a dot may come to lead; doubled, not counted */
	{ { { 1, '\n' }, { 998, 'b' }, { 1, '.' }, { 1, 'c' } },
	    { { 1, '\n' }, { 998, 'b' }, { 1, '\n' }, { 2, '.' },
	    { 1, 'c' } } },
	{ { { 1, '\n' }, { 1, '.' }, { 997, 'b' } },
	    { { 1, '\n' }, { 2, '.' }, { 997, 'b' } } },
};

static void
put_runs(struct buf *b, const struct run *runs, size_t n, int is_wire)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_wire && runs[i].c == '\n')
			fill(b, '\r', 1);
		fill(b, runs[i].c, runs[i].n);
	}
	buf_puts(b, is_wire ? "\r\n" : "\n");
}

static void
test_wire_long(void **state)
{
	struct buf in, out, want;
	size_t i, cut;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_init(&want, 0);
	for (i = 0; i < N(longs); i++) {
		buf_reset(&in);
		buf_reset(&want);
		put_runs(&in, longs[i].in, N(longs[i].in), 0);
		put_runs(&want, longs[i].out, N(longs[i].out), 1);
		for (cut = 0; cut <= in.len; cut++) {
			wire(&out, 1, in.data, in.len, cut);
			assert_text(&out, want.data, want.len);
		}
	}
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&want);
}

/* No part of a field can become one, however long it is. */
static void
test_wire_no_new_field(void **state)
{
	struct buf in, out;
	int pad;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (pad = 980; pad < 1010; pad++) {
		buf_reset(&in);
		buf_puts(&in, "X:");
		fill(&in, 'y', pad);
		buf_puts(&in, "Bcc:secret@example.org\n\n");
		wire(&out, 1, in.data, in.len, 0);
		assert_null(strstr(buf_str(&out), "\nBcc"));
		assert_null(strstr(buf_str(&out), "\ncc"));
	}
	buf_fini(&in);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_count_header),
		cmocka_unit_test(test_count_long),
		cmocka_unit_test(test_line_kind),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_many_bare),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_mbox),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_wire_long),
		cmocka_unit_test(test_wire_no_new_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
