/*
 * smtp_test.c - the conversation, against scripted servers.
 *
 * A script has one line per event: "<" the server says, ">" the client must
 * have said, "!" something happens: eof, late, tls (the handshake is done),
 * quit, unread (the body cannot be read), release.  Every script is run with
 * lines whole, and again byte by byte in both directions.
 */
#include "lib/smtp.h"
#include "lib/result.h"
#include "tests/unit/t.h"

#define RCPTS		4
#define MAILS		2

/* What a case configures. */
#define TLS_MAY		0x01
#define TLS_MUST	0x02
#define LOGIN		0x04
#define LOGIN_CLEAR	0x08
#define HAS_TLS		0x10
#define TWO_MAILS	0x20
#define NO_MAIL		0x40
#define BIG		0x80	/* 1000 bytes, 8-bit body */
#define PROOF		0x100	/* the host is to prove itself */
#define EXTERNAL	0x200	/* the first login shows no password */
#define DOMAINS		0x400	/* four recipients at three domains */
#define REPORTS		0x800	/* asks for reports */

struct play {
	struct smtp	*s;
	struct smtp_mail mails[MAILS];
	struct smtp_rcpt rcpts[MAILS][RCPTS];
	unsigned	 nmails, next, nfinished, logins;
	int		 slow;		/* byte by byte */
	int		 unread;
	unsigned	 flags;
	struct buf	 said;		/* by the client, not yet expected */
};

static void
first_login(struct play *p)
{
	if (p->flags & EXTERNAL)
		smtp_login(p->s, "EXTERNAL", "");
	else
		smtp_login(p->s, "PLAIN", "c2VjcmV0");
	if (p->flags & PROOF)
		smtp_demand_proof(p->s, 1);
}

static void
grant(struct play *p)
{
	struct result reason;
	enum smtp_want want;

	while ((want = smtp_want(p->s)) != SMTP_WANT_NOTHING) {
		if (want == SMTP_WANT_LOGIN) {
			if (p->logins++ == 0)
				first_login(p);
			else if (p->logins == 2)
				smtp_login(p->s, "LOGIN", NULL);
			else
				smtp_no_login(p->s);
		} else if (want == SMTP_WANT_ANSWER) {
			if (strcmp(smtp_challenge(p->s), "%%%") == 0)
				smtp_cancel(p->s);
			else if (strcmp(smtp_challenge(p->s), "bad") == 0)
				smtp_distrust(p->s, "no proof");
			else if (strcmp(smtp_challenge(p->s), "good") == 0) {
				smtp_demand_proof(p->s, 0);
				smtp_answer(p->s, "");
			} else
				smtp_answer(p->s, "YW5zd2Vy");
		} else if (want == SMTP_WANT_TEXT && p->unread) {
			result_init(&reason);
			result_set(&reason, STATUS_DEFERRED, "4.3.0",
			    "unreadable");
			buf_puts(smtp_text(p->s), "half\r\n");
			smtp_text_fail(p->s, &reason);
			result_fini(&reason);
		} else if (want == SMTP_WANT_TEXT) {
			buf_puts(smtp_text(p->s), "body\r\n");
			smtp_text_end(p->s);
		} else if (want == SMTP_WANT_MAIL && p->next < p->nmails) {
			smtp_mail(p->s, &p->mails[p->next++]);
		} else {
			return;
		}
	}
}

/* Grants and takes output until neither goes on. */
static void
go_on(struct play *p)
{
	const char *out;
	size_t n;

	for (;;) {
		grant(p);
		while (smtp_finished(p->s) != NULL)
			p->nfinished++;
		out = smtp_output(p->s, &n);
		if (n == 0)
			return;
		if (p->slow)
			n = 1;
		buf_add(&p->said, out, n);
		smtp_sent(p->s, n);
	}
}

static void
feed(struct play *p, const char *text, size_t len)
{
	size_t i;

	for (i = 0; p->slow && i < len; i++) {
		smtp_input(p->s, text + i, 1);
		go_on(p);
	}
	if (!p->slow)
		smtp_input(p->s, text, len);
	go_on(p);
}

static void
expect_said(struct play *p, const char *text, size_t len, const char *name)
{
	if (p->said.len < len || memcmp(p->said.data, text, len) != 0)
		fail_msg("%s: said \"%s\", not \"%.*s\"", name,
		    buf_str(&p->said), (int)len, text);
	buf_drop(&p->said, len);
}

static void
happen(struct play *p, const char *what)
{
	if (strncmp(what, "eof", 3) == 0)
		smtp_lost(p->s, "closed");
	else if (strncmp(what, "late", 4) == 0)
		smtp_lost(p->s, "timed out");
	else if (strncmp(what, "release", 7) == 0)
		(void)smtp_release(p->s);
	else if (strncmp(what, "quit", 4) == 0)
		smtp_quit(p->s);
	else if (strncmp(what, "unread", 6) == 0)
		p->unread = 1;
	else if (strncmp(what, "tls", 3) == 0) {
		assert_int_equal(smtp_want(p->s), SMTP_WANT_TLS);
		smtp_tls_up(p->s);
	} else {
		fail_msg("no such event: %s", what);
	}
	go_on(p);
}

static void
perform(struct play *p, const char *script, const char *name)
{
	struct buf line;
	const char *lf;

	buf_init(&line, 0);
	for (; *script != '\0'; script = lf + 1) {
		lf = strchr(script, '\n');
		assert_non_null(lf);
		buf_reset(&line);
		buf_add(&line, script + 1, (size_t)(lf - script - 1));
		buf_puts(&line, "\r\n");
		if (*script == '<')
			feed(p, line.data, line.len);
		else if (*script == '>')
			expect_said(p, line.data, line.len, name);
		else
			happen(p, line.data);
	}
	buf_fini(&line);
}

static void
ask_for_reports(struct play *p)
{
	p->mails[0].ret = RET_HDRS;
	p->mails[0].envid = "id 1";
	p->rcpts[0][0].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
	p->rcpts[0][0].orcpt = "rfc822;\"l ist\"@y";
	p->rcpts[0][1].notify = NOTIFY_NEVER;
	p->rcpts[0][1].orcpt = "rfc822;list@y";
	p->rcpts[0][2].orcpt = "rfc822;list@y";
}

/* Every conversation here is watched: lines as they are, and no secret. */
static void
watch(void *arg, const struct smtp_mail *mail, int is_ours, const char *line,
    size_t len)
{
	(void)arg;
	(void)mail;
	assert_null(memchr(line, '\n', len));
	assert_null(memmem(line, len, "c2VjcmV0", 8));
	if (is_ours)
		assert_true(len > 0);
}

static void
play_init(struct play *p, unsigned flags, int slow)
{
	static const char *const addresses[MAILS][RCPTS] = {
		{ "a@x", "b@x", "c@x", "d@x" }, { "e@x", "f@x", NULL, NULL }
	};
	static const char *const domains[RCPTS] = {
		"a@x", "c@y", "d@X", "e@z"
	};
	struct smtp_setup setup;
	unsigned i, k;

	memset(p, 0, sizeof(*p));
	memset(&setup, 0, sizeof(setup));
	setup.helo = "me";
	setup.has_tls = (flags & HAS_TLS) != 0;
	setup.may_tls = (flags & (TLS_MAY | TLS_MUST)) != 0;
	setup.must_tls = (flags & TLS_MUST) != 0;
	setup.must_login = (flags & LOGIN) != 0;
	setup.may_login_clear = (flags & LOGIN_CLEAR) != 0;
	setup.password = flags & LOGIN ? "sesame" : NULL;
	p->slow = slow;
	p->flags = flags;
	p->nmails = flags & NO_MAIL ? 0 : flags & TWO_MAILS ? 2 : 1;
	setup.watch = watch;
	p->s = smtp_new(&setup);
	assert_non_null(p->s);
	for (i = 0; i < MAILS; i++) {
		p->mails[i].sender = "me@y";
		p->mails[i].rcpts = p->rcpts[i];
		p->mails[i].nrcpts = flags & DOMAINS ? 4 : i == 0 ? 3 : 2;
		p->mails[i].size_bytes = flags & BIG ? 1000 : 6;
		p->mails[i].flags = flags & BIG ? MESSAGE_8BIT_BODY : 0;
		for (k = 0; k < RCPTS; k++)
			p->rcpts[i][k].address = flags & DOMAINS ?
			    domains[k] : addresses[i][k];
	}
	if (flags & REPORTS)
		ask_for_reports(p);
}

static void
play_fini(struct play *p)
{
	unsigned i, k;

	smtp_free(p->s);
	buf_fini(&p->said);
	for (i = 0; i < MAILS; i++) {
		result_fini(&p->mails[i].res);
		for (k = 0; k < RCPTS; k++)
			result_fini(&p->rcpts[i][k].res);
	}
}

/* "sent 2.0.0, failed 5.1.1, open": all recipients of all mails begun. */
static void
put_fates(struct play *p, struct buf *b)
{
	struct smtp_rcpt *r;
	unsigned i, k;

	for (i = 0; i < p->next; i++)
		for (k = 0; k < p->mails[i].nrcpts; k++) {
			r = &p->rcpts[i][k];
			buf_printf(b, "%s%s", b->len > 0 ? ", " : "",
			    status_name(r->res.status));
			if (r->res.status != STATUS_NONE)
				buf_printf(b, " %s", r->res.code);
		}
}

#define HELLO	"<220 hi\n>EHLO me\n<250-x\n<250 PIPELINING\n"
#define PLAIN	"<220 hi\n>EHLO me\n<250 x\n"
#define ENVELOPE ">MAIL FROM:<me@y>\n>RCPT TO:<a@x>\n>RCPT TO:<b@x>\n" \
		">RCPT TO:<c@x>\n>DATA\n"
#define ACCEPT	"<250 ok\n<250 ok\n<250 ok\n<250 ok\n<354 go\n"
#define BODY	">body\n>.\n"
#define CHUNKING "<220 hi\n>EHLO me\n<250-x\n<250-PIPELINING\n<250 CHUNKING\n"
#define UP	HELLO ENVELOPE
#define ALL(r)	r ", " r ", " r

static const struct {
	const char	*name;
	unsigned	 flags;
	const char	*script;
	enum smtp_want	 want;
	enum smtp_cause	 cause;
	const char	*fates;
	const char	*reason;		/* of the first recipient or, without
					 * a status, of the end; NULL: any */
} cases[] = {
	/* The way it should be. */
	{ "one mail", 0, UP ACCEPT BODY "<250 2.0.0 queued as 1\n!quit\n"
	    ">QUIT\n<221 bye\n", SMTP_WANT_CLOSE, SMTP_CAUSE_NONE,
	    ALL("sent 2.0.0"), "250 2.0.0 queued as 1" },
	{ "without pipelining", 0, PLAIN ">MAIL FROM:<me@y>\n<250 ok\n"
	    ">RCPT TO:<a@x>\n<250 ok\n>RCPT TO:<b@x>\n<550 5.1.1 no\n"
	    ">RCPT TO:<c@x>\n<251 ok\n>DATA\n<354 go\n" BODY "<250 fine\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "sent 2.0.0, failed 5.1.1, sent 2.0.0", "250 fine" },
	{ "the next envelope behind the dot", TWO_MAILS, UP ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "<451 4.3.0 later\n<250 ok\n<250 ok\n<250 ok\n<354 go\n"
	    BODY "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("deferred 4.3.0") ", sent 2.0.0, sent 2.0.0", NULL },
	{ "no second envelope without pipelining", TWO_MAILS,
	    PLAIN ">MAIL FROM:<me@y>\n<451 later\n"
	    ">MAIL FROM:<me@y>\n<451 later\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("deferred 4.0.0")
	    ", deferred 4.0.0, deferred 4.0.0", NULL },
	{ "bare codes and bare line feeds", 0, "<220\n>EHLO me\n<250-\n"
	    "<250 pipelining\n" ENVELOPE "<250\n<250\n<250\n<250\n<354\n"
	    BODY "<250\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("sent 2.0.0"), "250" },
	{ "quit after the greeting", NO_MAIL, HELLO "!quit\n>QUIT\n!late\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_NONE, "", NULL },

	{ "reports asked for", REPORTS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-dsn\n<250 PIPELINING\n"
	    ">MAIL FROM:<me@y> RET=HDRS ENVID=id+201\n"
	    ">RCPT TO:<a@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;\"l+20ist\"@y\n"
	    ">RCPT TO:<b@x> NOTIFY=NEVER\n"
	    ">RCPT TO:<c@x> ORCPT=rfc822;list@y\n>DATA\n" ACCEPT BODY
	    "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("sent 2.0.0"), NULL },
	{ "reports asked for, not offered", REPORTS, UP ACCEPT BODY
	    "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("sent 2.0.0"), NULL },
	{ "reports offered before TLS only", REPORTS | TLS_MAY,
	    "<220 hi\n>EHLO me\n<250-x\n<250-DSN\n<250 STARTTLS\n"
	    ">STARTTLS\n<220 go\n!tls\n>EHLO me\n<250-x\n"
	    "<250 PIPELINING\n" ENVELOPE, SMTP_WANT_NOTHING, SMTP_CAUSE_NONE,
	    "open, open, open", NULL },

	/* Greeting and EHLO. */
	{ "greeting 554", 0, "<554 5.7.1 go away\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "554 5.7.1 go away" },
	{ "greeting 421", 0, "<421 busy\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "421 busy" },
	{ "greeting 3xx", 0, "<354 eh\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", NULL },
	{ "greeting eof", 0, "!eof\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "",
	    "closed, while waiting for the greeting" },
	{ "greeting late", 0, "!late\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", "timed out, while waiting for the greeting" },
	{ "EHLO 550, HELO 550", 0, "<220 hi\n>EHLO me\n<550 5.7.1 no\n"
	    ">HELO me\n<550 5.7.1 no\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", "550 5.7.1 no" },
	{ "EHLO 554 with TLS required and up", HAS_TLS | TLS_MUST,
	    "<220 hi\n>EHLO me\n<554 no\n>HELO me\n<250 x\n"
	    ">MAIL FROM:<me@y>\n", SMTP_WANT_NOTHING, SMTP_CAUSE_NONE,
	    "open, open, open", NULL },
	{ "EHLO 421", 0, "<220 hi\n>EHLO me\n<421 no\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "421 no" },
	{ "EHLO 502, HELO", 0, "<220 hi\n>EHLO me\n<502 eh\n>HELO me\n"
	    "<250 x\n>MAIL FROM:<me@y>\n<550 5.7.1 no\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("failed 5.7.1"), NULL },
	{ "EHLO 502, HELO 502", 0, "<220 hi\n>EHLO me\n<502 eh\n>HELO me\n"
	    "<502 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "", "502 eh" },
	{ "EHLO 500 with TLS required", TLS_MUST,
	    "<220 hi\n>EHLO me\n<500 eh\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "500 eh" },
	{ "EHLO 504 with a login", LOGIN | LOGIN_CLEAR,
	    "<220 hi\n>EHLO me\n<504 eh\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "504 eh" },

	/* STARTTLS. */
	{ "STARTTLS", TLS_MAY, "<220 hi\n>EHLO me\n<250-x\n<250-PIPELINING\n"
	    "<250 starttls\n>STARTTLS\n<220 go\n!tls\n>EHLO me\n<250 x\n"
	    ">MAIL FROM:<me@y>\n<421 bye\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, "open, open, open", NULL },
	{ "STARTTLS not offered, not needed", TLS_MAY, HELLO ENVELOPE,
	    SMTP_WANT_NOTHING, SMTP_CAUSE_NONE, "open, open, open", NULL },
	{ "STARTTLS not offered, needed", TLS_MUST, HELLO, SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "",
	    "TLS is required, but the server does not offer STARTTLS" },
	{ "STARTTLS refused", TLS_MAY, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 STARTTLS\n>STARTTLS\n<554 no\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_TLS, "", "554 no" },
	{ "STARTTLS refused, needed", TLS_MUST, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 STARTTLS\n>STARTTLS\n<454 no\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "454 no" },
	{ "STARTTLS eof", TLS_MAY, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 STARTTLS\n>STARTTLS\n!eof\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_TLS, "", NULL },
	{ "STARTTLS eof, needed", TLS_MUST, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 STARTTLS\n>STARTTLS\n!eof\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", NULL },
	{ "no second STARTTLS", HAS_TLS | TLS_MUST, "<220 hi\n>EHLO me\n"
	    "<250-STARTTLS\n<250 STARTTLS\n>MAIL FROM:<me@y>\n",
	    SMTP_WANT_NOTHING, SMTP_CAUSE_NONE, "open, open, open", NULL },

	/* AUTH. */
	{ "login", LOGIN | HAS_TLS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-PIPELINING\n<250 AUTH PLAIN\n>AUTH PLAIN c2VjcmV0\n"
	    "<235 ok\n" ENVELOPE ACCEPT BODY "<250 c2VjcmV0 sesame ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE, ALL("sent 2.0.0"),
	    "250 ******** ****** ok" },
	{ "mechanism refused, the next one", LOGIN | HAS_TLS,
	    "<220 hi\n>EHLO me\n<250-x\n<250-auth plain\n<250 AUTH=LOGIN\n"
	    ">AUTH PLAIN c2VjcmV0\n<504 no\n>AUTH LOGIN\n<334 VXNlcg==\n"
	    ">YW5zd2Vy\n<235 ok\n>MAIL FROM:<me@y>\n", SMTP_WANT_NOTHING,
	    SMTP_CAUSE_NONE, "open, open, open", NULL },
	{ "all mechanisms refused", LOGIN | HAS_TLS,
	    "<220 hi\n>EHLO me\n<250-x\n<250 AUTH PLAIN LOGIN\n"
	    ">AUTH PLAIN c2VjcmV0\n<538 no\n>AUTH LOGIN\n<534 5.7.9 weak\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "", "534 5.7.9 weak" },
	{ "cancelled", LOGIN | HAS_TLS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 AUTH PLAIN LOGIN\n>AUTH PLAIN c2VjcmV0\n<334 %%%\n>*\n"
	    "<535 cancelled\n>AUTH LOGIN\n", SMTP_WANT_NOTHING,
	    SMTP_CAUSE_NONE, "", NULL },
	{ "cancelled, but taken", LOGIN | HAS_TLS, "<220 hi\n>EHLO me\n"
	    "<250-x\n<250 AUTH PLAIN LOGIN\n>AUTH PLAIN c2VjcmV0\n"
	    "<334 %%%\n>*\n<235 fine\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", NULL },
	{ "password refused", LOGIN | HAS_TLS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 AUTH PLAIN\n>AUTH PLAIN c2VjcmV0\n"
	    "<535 5.7.8 c2VjcmV0 is wrong, and so is sesame\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOGIN, "",
	    "535 5.7.8 ******** is wrong, and so is ******" },
	{ "login later", LOGIN | HAS_TLS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 AUTH PLAIN\n>AUTH PLAIN c2VjcmV0\n<454 4.7.0 later\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "", "454 4.7.0 later" },
	{ "login eof", LOGIN | HAS_TLS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 AUTH PLAIN\n>AUTH PLAIN c2VjcmV0\n!eof\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "", NULL },
	{ "proven", LOGIN | HAS_TLS | PROOF, "<220 hi\n>EHLO me\n"
	    "<250-x\n<250 AUTH PLAIN\n>AUTH PLAIN c2VjcmV0\n<334 YQ==\n"
	    ">YW5zd2Vy\n<334 good\n>\n<235 ok\n>MAIL FROM:<me@y>\n",
	    SMTP_WANT_NOTHING, SMTP_CAUSE_NONE, "open, open, open", NULL },
	{ "not proven, but taken", LOGIN | HAS_TLS | PROOF, "<220 hi\n"
	    ">EHLO me\n<250-x\n<250 AUTH PLAIN\n>AUTH PLAIN c2VjcmV0\n"
	    "<334 YQ==\n>YW5zd2Vy\n<235 ok\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOGIN, "", "the server accepted the login without "
	    "proof that it knows the password" },
	{ "proven wrongly", LOGIN | HAS_TLS | PROOF, "<220 hi\n>EHLO me\n"
	    "<250-x\n<250 AUTH PLAIN LOGIN\n>AUTH PLAIN c2VjcmV0\n"
	    "<334 YQ==\n>YW5zd2Vy\n<334 bad\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOGIN, "", "no proof" },
	{ "refused, the next needs no proof", LOGIN | HAS_TLS | PROOF,
	    "<220 hi\n>EHLO me\n<250-x\n<250 AUTH PLAIN LOGIN\n"
	    ">AUTH PLAIN c2VjcmV0\n<504 no\n>AUTH LOGIN\n<235 ok\n"
	    ">MAIL FROM:<me@y>\n", SMTP_WANT_NOTHING, SMTP_CAUSE_NONE,
	    "open, open, open", NULL },
	{ "certificate refused, then a password", LOGIN | HAS_TLS | EXTERNAL,
	    "<220 hi\n>EHLO me\n<250-x\n<250 AUTH EXTERNAL LOGIN\n"
	    ">AUTH EXTERNAL =\n<535 5.7.8 who\n>AUTH LOGIN\n"
	    "<535 5.7.8 no\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOGIN, "",
	    "535 5.7.8 no" },
	{ "login not offered", LOGIN | HAS_TLS, HELLO, SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", "there are credentials for this server, "
	    "but it does not offer AUTH" },
	{ "no login in the clear", LOGIN | TLS_MAY, "<220 hi\n>EHLO me\n"
	    "<250-x\n<250 AUTH PLAIN\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", "credentials for this server are not sent without TLS" },
	{ "login in the clear where allowed", LOGIN | LOGIN_CLEAR,
	    "<220 hi\n>EHLO me\n<250-x\n<250 AUTH PLAIN\n"
	    ">AUTH PLAIN c2VjcmV0\n", SMTP_WANT_NOTHING, SMTP_CAUSE_NONE, "",
	    NULL },
	{ "AUTH from before TLS is forgotten", LOGIN | TLS_MAY,
	    "<220 hi\n>EHLO me\n<250-x\n<250-AUTH PLAIN\n<250 STARTTLS\n"
	    ">STARTTLS\n<220 go\n!tls\n>EHLO me\n<250 x\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "", NULL },

	/* MAIL. */
	{ "MAIL 4xx, lone dot", 0, UP "<451 4.3.1 full\n<503 eh\n<503 eh\n"
	    "<503 eh\n<354 go\n>.\n<550 empty\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("deferred 4.3.1"), "451 4.3.1 full" },
	{ "MAIL 5xx", 0, UP "<550 5.1.8 who\n<503 eh\n<503 eh\n<503 eh\n"
	    "<503 eh\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("failed 5.1.8"), "550 5.1.8 who" },
	{ "MAIL 530", 0, UP "<530 5.7.0 login\n<503 eh\n<503 eh\n<503 eh\n"
	    "<503 eh\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("deferred 4.7.0"), "530 5.7.0 login" },
	{ "MAIL 421", 0, UP "<421 4.3.2 bye\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, "open, open, open", "421 4.3.2 bye" },
	{ "MAIL 432: not about the message", 0, UP "<432 4.7.0 slow down\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, open, open",
	    "432 4.7.0 slow down" },
	{ "MAIL 451 4.3.2: not about the message", 0, UP
	    "<451 4.3.2 too many connections\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, "open, open, open", NULL },
	{ "MAIL eof", 0, UP "!eof\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    "open, open, open", "closed, while waiting for the reply to "
	    "MAIL" },

	/* RCPT. */
	{ "RCPT each its own", 0, UP "<250 ok\n<450 4.2.1 later\n"
	    "<250 ok\n<550-5.1.1 no such\n<550 5.1.1 user\n<354 go\n" BODY
	    "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "deferred 4.2.1, sent 2.0.0, failed 5.1.1", "450 4.2.1 later" },
	{ "RCPT 452, the next transaction", 0, UP "<250 ok\n<250 ok\n"
	    "<452 4.5.3 too many\n<452 too many\n<354 go\n" BODY
	    "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "sent 2.0.0, open, open", NULL },
	{ "RCPT 552, the next transaction", 0, UP "<250 ok\n<250 ok\n"
	    "<552 too many\n<552 5.2.2 full\n<354 go\n" BODY "<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "sent 2.0.0, open, failed 5.2.2", NULL },
	{ "RCPT 452 at the first", 0, UP "<250 ok\n<452 4.5.3 many\n"
	    "<250 ok\n<452 4.3.1 disk\n<354 go\n" BODY "<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "deferred 4.5.3, sent 2.0.0, deferred 4.3.1", NULL },
	{ "RCPT 552 at the first", 0, UP "<250 ok\n<552 big\n<250 ok\n"
	    "<250 ok\n<354 go\n" BODY "<250 ok\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, "failed 5.0.0, sent 2.0.0, sent 2.0.0", NULL },
	{ "RCPT 530", 0, UP "<250 ok\n<530 5.7.0 login\n<250 ok\n<250 ok\n"
	    "<354 go\n" BODY "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "deferred 4.7.0, sent 2.0.0, sent 2.0.0", NULL },
	{ "RCPT all refused, lone dot", TWO_MAILS, UP "<250 ok\n<550 no\n"
	    "<550 no\n<450 no\n<354 go\n>.\n>MAIL FROM:<me@y>\n"
	    ">RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n<250 took nothing\n"
	    "<250 ok\n<250 ok\n<250 ok\n<354 go\n" BODY "<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE, "failed 5.0.0, failed 5.0.0, "
	    "deferred 4.0.0, sent 2.0.0, sent 2.0.0", NULL },
	{ "RCPT all refused without pipelining", 0, PLAIN
	    ">MAIL FROM:<me@y>\n<250 ok\n>RCPT TO:<a@x>\n<550 no\n"
	    ">RCPT TO:<b@x>\n<550 no\n>RCPT TO:<c@x>\n<550 no\n>RSET\n"
	    "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("failed 5.0.0"), NULL },
	{ "RSET refused: what follows goes over another connection",
	    TWO_MAILS, UP "<250 ok\n<550 no\n<550 no\n<550 no\n<554 no\n"
	    ">RSET\n>MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n"
	    ">DATA\n<502 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_NONE,
	    ALL("failed 5.0.0") ", open, open", NULL },
	{ "RSET never replied to: the same", TWO_MAILS, UP
	    "<250 ok\n<550 no\n<550 no\n<550 no\n<554 no\n"
	    ">RSET\n>MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n"
	    ">DATA\n!late\n", SMTP_WANT_CLOSE, SMTP_CAUSE_NONE,
	    ALL("failed 5.0.0") ", open, open", NULL },
	{ "RCPT 421", 0, UP "<250 ok\n<550 5.1.1 no\n<421 4.3.2 bye\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "failed 5.1.1, open, open",
	    NULL },
	{ "RCPT eof", 0, UP "<250 ok\n<250 ok\n!eof\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, "open, open, open", NULL },

	/* DATA. */
	{ "DATA 4xx", 0, UP "<250 ok\n<250 ok\n<550 no\n<250 ok\n"
	    "<451 4.3.0 later\n>RSET\n<250 ok\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, "deferred 4.3.0, failed 5.0.0, deferred 4.3.0",
	    NULL },
	{ "DATA 5xx", 0, UP "<250 ok\n<250 ok\n<450 no\n<250 ok\n"
	    "<554 5.7.1 no\n>RSET\n<250 ok\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, "failed 5.7.1, deferred 4.0.0, failed 5.7.1",
	    NULL },
	{ "DATA 2xx", 0, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n<250 eh\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, open, open", NULL },
	{ "DATA 421", 0, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n<421 b\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, open, open", "421 b" },
	{ "DATA late", 0, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n!late\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, open, open", NULL },

	/* The text and its end. */
	{ "end 4xx", 0, UP ACCEPT BODY "<451 4.7.1 grey\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("deferred 4.7.1"), "451 4.7.1 grey" },
	{ "end 5xx", 0, UP ACCEPT BODY "<554 5.7.1 spam\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("failed 5.7.1"), "554 5.7.1 spam" },
	{ "end 538", 0, UP ACCEPT BODY "<538 eh\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("deferred 4.0.0"), "538 eh" },
	{ "end 421: not taken", 0, UP ACCEPT BODY "<421 4.3.2 bye\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, open, open",
	    "421 4.3.2 bye" },
	{ "end 450 4.3.2: not taken", TWO_MAILS, UP ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "<450 4.3.2 busy\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    "open, open, open, open, open", "450 4.3.2 busy" },
	{ "end 501", 0, UP ACCEPT BODY "<501 5.5.2 eh\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, ALL("deferred 4.5.2"), "501 5.5.2 eh" },

	/* What was accepted is sent, however the host writes it. */
	{ "end 250-one 251 two", TWO_MAILS, UP ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "<250-one\n<251 two\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    ALL("sent 2.0.0") ", open, open", NULL },
	{ "end 250 without a blank", 0, UP ACCEPT BODY "<250ok\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, ALL("sent 2.0.0"), NULL },
	{ "end 250 after a blank", 0, UP ACCEPT BODY "< 250 ok\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, ALL("sent 2.0.0"), NULL },
	{ "end 250, cut off", 0, UP ACCEPT BODY "<250-one\n!eof\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, ALL("deferred 4.4.2"), NULL },
	{ "end 550-one 554 two", 0, UP ACCEPT BODY "<550-one\n<554 two\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, ALL("failed 5.0.0"), NULL },
	{ "end 250-one 550 two", 0, UP ACCEPT BODY "<250-one\n<550 two\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, ALL("deferred 4.5.0"), NULL },
	{ "end 000", 0, UP ACCEPT BODY "<000 eh\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, ALL("deferred 4.5.0"), NULL },

	/* Protocol errors are not verdicts on mail. */
	{ "MAIL 555: again without parameters", BIG, "<220 hi\n>EHLO me\n"
	    "<250-x\n<250-8BITMIME\n<250 SIZE\n"
	    ">MAIL FROM:<me@y> SIZE=1000 BODY=8BITMIME\n<555 eh\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE, "open, open, open", NULL },
	{ "MAIL 501 without parameters", 0, PLAIN ">MAIL FROM:<me@y>\n"
	    "<501 eh\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("deferred 4.0.0"), "501 eh" },
	{ "RCPT 501: again without parameters", REPORTS, "<220 hi\n"
	    ">EHLO me\n<250-x\n<250 DSN\n"
	    ">MAIL FROM:<me@y> RET=HDRS ENVID=id+201\n<250 ok\n"
	    ">RCPT TO:<a@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;\"l+20ist\"@y\n"
	    "<501 eh\n>RCPT TO:<b@x>\n<250 ok\n>RCPT TO:<c@x>\n<250 ok\n"
	    ">DATA\n<354 go\n" BODY "<250 ok\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, "open, sent 2.0.0, sent 2.0.0", NULL },
	{ "MAIL 503 later on: over another connection", TWO_MAILS,
	    PLAIN ">MAIL FROM:<me@y>\n<550 no\n>MAIL FROM:<me@y>\n"
	    "<503 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_NONE,
	    ALL("failed 5.0.0") ", open, open", NULL },
	{ "RCPT 502", 0, UP "<250 ok\n<502 eh\n<250 ok\n<250 ok\n"
	    "<354 go\n" BODY "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "deferred 4.0.0, sent 2.0.0, sent 2.0.0", NULL },
	{ "DATA 503", 0, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n"
	    "<503 eh\n>RSET\n<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("deferred 4.0.0"), NULL },

	/* Throttled at RCPT: about the host, unless others are accepted. */
	{ "RCPT 451 4.3.2 all", 0, UP "<250 ok\n<451 4.3.2 busy\n"
	    "<451 4.3.2 busy\n<451 4.3.2 busy\n<503 eh\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, open, open",
	    "451 4.3.2 busy" },
	{ "RCPT 451 4.3.2 all, without pipelining", 0, PLAIN
	    ">MAIL FROM:<me@y>\n<250 ok\n>RCPT TO:<a@x>\n<432 no\n"
	    ">RCPT TO:<b@x>\n<550 no\n>RCPT TO:<c@x>\n<432 no\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "open, failed 5.0.0, open",
	    NULL },
	{ "RCPT 432 all, and 354", 0, UP "<250 ok\n<432 no\n<432 no\n"
	    "<432 no\n<354 go\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    "open, open, open", "432 no" },
	{ "RCPT 451 4.3.2 of one", 0, UP "<250 ok\n<250 ok\n"
	    "<451 4.3.2 busy\n<250 ok\n<354 go\n" BODY "<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE, "sent 2.0.0, open, sent 2.0.0",
	    NULL },
	{ "DATA 451 4.3.2", 0, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n"
	    "<451 4.3.2 busy\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    "open, open, open", "451 4.3.2 busy" },
	{ "end 354", 0, UP ACCEPT BODY "<354 more\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, ALL("deferred 4.5.0"), NULL },
	{ "end eof", 0, UP ACCEPT BODY "!eof\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, ALL("deferred 4.4.2"), "closed, while waiting "
	    "for the reply to the end of data" },
	{ "end late", 0, UP ACCEPT BODY "!late\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, ALL("deferred 4.4.2"), NULL },
	{ "end eof, the next is free", TWO_MAILS, UP ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "!eof\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    ALL("deferred 4.4.2") ", open, open", NULL },
	{ "the first waits, the second is released", TWO_MAILS, UP ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "!release\n<250 2.6.0 slow\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_NONE, ALL("sent 2.6.0") ", open, open",
	    "250 2.6.0 slow" },
	{ "released, then in doubt", TWO_MAILS, UP ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "!release\n!late\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    ALL("deferred 4.4.2") ", open, open", NULL },
	{ "nothing to release", 0, UP ACCEPT BODY "!release\n<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE, ALL("sent 2.0.0"), NULL },
	{ "a text under way releases nothing", TWO_MAILS, UP "<250 ok\n"
	    "!release\n<250 ok\n<250 ok\n<250 ok\n<354 go\n" BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n",
	    SMTP_WANT_NOTHING, SMTP_CAUSE_NONE,
	    "open, open, open, open, open", NULL },
	{ "text unreadable", 0, UP "!unread\n" ACCEPT, SMTP_WANT_CLOSE,
	    SMTP_CAUSE_LOST, ALL("deferred 4.3.0"), "unreadable" },

	/* Replies that are none. */
	{ "first digit 1", 0, "<120 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", "the server sent a malformed reply" },
	{ "first digit 6", 0, "<620 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", NULL },
	{ "two digits", 0, "<22 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "",
	    NULL },
	{ "four digits", 0, "<2200 eh\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST,
	    "", NULL },
	{ "no digit", 0, "<hello\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "",
	    NULL },
	{ "empty line", 0, "<\n", SMTP_WANT_CLOSE, SMTP_CAUSE_HOST, "",
	    NULL },
	{ "codes that disagree", 0, "<220-hi\n<250 ho\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_HOST, "", NULL },
	{ "a reply to nothing", 0, UP ACCEPT BODY "<250 ok\n<250 ok\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, ALL("sent 2.0.0"), NULL },
	{ "half a reply before the command", TWO_MAILS, PLAIN
	    ">MAIL FROM:<me@y>\n<451-a\n<451 b\n>MAIL FROM:<me@y>\n"
	    "<451 c\n<2\n", SMTP_WANT_CLOSE, SMTP_CAUSE_LOST,
	    ALL("deferred 4.0.0") ", deferred 4.0.0, deferred 4.0.0",
	    "451 a b" },
	{ "enhanced code of another class", 0, UP "<250 ok\n<550 4.2.1 a\n"
	    "<450 5.1.1 b\n<550 5.1 c\n<554 no\n>RSET\n<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "failed 5.0.0, deferred 4.0.0, failed 5.0.0", "550 4.2.1 a" },
	{ "controls in a reply", 0, UP "<250 ok\n<550 5.1.1 a\tb\x01\xff\n"
	    "<550 n\n<550 n\n<554 no\n>RSET\n<250 ok\n", SMTP_WANT_MAIL,
	    SMTP_CAUSE_NONE, "failed 5.1.1, failed 5.0.0, failed 5.0.0",
	    "550 5.1.1 a b\\001\\377" },
	{ "421 while idle", NO_MAIL, HELLO "<421 idle too long\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_LOST, "", "421 idle too long" },

	/* What is offered. */
	{ "SIZE and 8BITMIME", BIG, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-size 1000\n<250 8bitmime\n"
	    ">MAIL FROM:<me@y> SIZE=1000 BODY=8BITMIME\n", SMTP_WANT_NOTHING,
	    SMTP_CAUSE_NONE, "open, open, open", NULL },
	{ "SIZE without a limit", BIG, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 SIZE 0\n>MAIL FROM:<me@y> SIZE=1000\n", SMTP_WANT_NOTHING,
	    SMTP_CAUSE_NONE, "open, open, open", NULL },
	{ "SIZE exceeded", BIG, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 SIZE 999\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    ALL("failed 5.3.4"),
	    "the message has 1000 bytes, but the server accepts only 999" },
	{ "SIZE beyond numbers", BIG, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 SIZE 99999999999999999999999999\n"
	    ">MAIL FROM:<me@y> SIZE=1000\n", SMTP_WANT_NOTHING,
	    SMTP_CAUSE_NONE, "open, open, open", NULL },

	/* LIMITS (RFC 9422). */
	{ "the last mail, then QUIT", TWO_MAILS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-LIMITS FOO=2 mailmax=1 RCPTMAX=\n<250 PIPELINING\n" ENVELOPE
	    ACCEPT BODY "<250 ok\n>QUIT\n<221 bye\n", SMTP_WANT_CLOSE,
	    SMTP_CAUSE_NONE, ALL("sent 2.0.0"), NULL },
	{ "the last two, then QUIT", TWO_MAILS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-LIMITS MAILMAX=2\n<250 PIPELINING\n" ENVELOPE ACCEPT BODY
	    ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n>DATA\n"
	    "<250 ok\n<550 no\n<503 eh\n<503 eh\n<503 eh\n>QUIT\n!eof\n",
	    SMTP_WANT_CLOSE, SMTP_CAUSE_NONE,
	    ALL("sent 2.0.0") ", failed 5.0.0, failed 5.0.0", NULL },
	{ "two domains", DOMAINS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-PIPELINING\n<250 LIMITS RCPTDOMAINMAX=2\n"
	    ">MAIL FROM:<me@y>\n>RCPT TO:<a@x>\n>RCPT TO:<c@y>\n"
	    ">RCPT TO:<d@X>\n>DATA\n<250 ok\n<250 ok\n<250 ok\n<250 ok\n"
	    "<354 go\n" BODY "<250 ok\n", SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "sent 2.0.0, sent 2.0.0, sent 2.0.0, open", NULL },
	{ "one domain", DOMAINS, "<220 hi\n>EHLO me\n<250-x\n"
	    "<250-PIPELINING\n<250 LIMITS RCPTDOMAINMAX=1\n"
	    ">MAIL FROM:<me@y>\n>RCPT TO:<a@x>\n>RCPT TO:<d@X>\n>DATA\n"
	    "<250 ok\n<250 ok\n<250 ok\n<354 go\n" BODY "<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE,
	    "sent 2.0.0, open, sent 2.0.0, open", NULL },

	/* CHUNKING is not used: text goes after its own 354 alone. */
	{ "CHUNKING offered, not used", TWO_MAILS, CHUNKING ENVELOPE ACCEPT
	    BODY ">MAIL FROM:<me@y>\n>RCPT TO:<e@x>\n>RCPT TO:<f@x>\n"
	    ">DATA\n<250 ok\n<250 ok\n<250 ok\n<250 ok\n",
	    SMTP_WANT_NOTHING, SMTP_CAUSE_NONE,
	    ALL("sent 2.0.0") ", open, open", NULL },
	{ "DATA refused: no text", 0, UP "<250 ok\n<550 no\n<550 no\n"
	    "<550 no\n<554 no recipients\n>RSET\n<250 ok\n",
	    SMTP_WANT_MAIL, SMTP_CAUSE_NONE, ALL("failed 5.0.0"), NULL },
};

static void
run_case(size_t i, int slow)
{
	struct play p;
	struct buf fates;
	const struct result *res;

	play_init(&p, cases[i].flags, slow);
	go_on(&p);
	perform(&p, cases[i].script, cases[i].name);
	if (p.said.len > 0)
		fail_msg("%s: also said \"%s\"", cases[i].name,
		    buf_str(&p.said));
	if (smtp_want(p.s) != cases[i].want)
		fail_msg("%s: want %d", cases[i].name, (int)smtp_want(p.s));
	if (smtp_cause(p.s) != cases[i].cause)
		fail_msg("%s: cause %d", cases[i].name, (int)smtp_cause(p.s));
	buf_init(&fates, 0);
	put_fates(&p, &fates);
	if (strcmp(buf_str(&fates), cases[i].fates) != 0)
		fail_msg("%s: %s", cases[i].name, buf_str(&fates));
	buf_fini(&fates);
	res = p.next > 0 && p.rcpts[0][0].res.status != STATUS_NONE ?
	    &p.rcpts[0][0].res : smtp_trouble(p.s);
	if (cases[i].reason != NULL)
		assert_string_equal(res->reason, cases[i].reason);
	if (cases[i].want == SMTP_WANT_CLOSE ||
	    cases[i].want == SMTP_WANT_MAIL)
		assert_int_equal(p.nfinished, p.next);
	play_fini(&p);
}

static void
test_scripts(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		run_case(i, 0);
		run_case(i, 1);
	}
}

/* The conversation after this script and these bytes, in one piece. */
static void
ends(unsigned flags, const char *script, const char *bytes, size_t len,
    enum smtp_cause cause, const char *reason)
{
	struct play p;

	play_init(&p, flags, 0);
	go_on(&p);
	perform(&p, script, reason);
	feed(&p, bytes, len);
	assert_int_equal(smtp_want(p.s), SMTP_WANT_CLOSE);
	assert_int_equal(smtp_cause(p.s), cause);
	assert_string_equal(smtp_trouble(p.s)->reason, reason);
	play_fini(&p);
}

#define ENDS(flags, script, bytes, cause, reason) \
	ends(flags, script, bytes, sizeof(bytes) - 1, cause, reason)

static void
test_out_of_step(void **state)
{
	static const char tls[] = "<220 hi\n>EHLO me\n<250-x\n"
	    "<250 STARTTLS\n>STARTTLS\n";

	(void)state;
	ENDS(TLS_MUST, tls, "220 go\r\n250 injected\r\n", SMTP_CAUSE_HOST,
	    "the server sent data between STARTTLS and TLS");
	ENDS(TLS_MAY, tls, "220 go\r\n2", SMTP_CAUSE_TLS,
	    "the server sent data between STARTTLS and TLS");
	ENDS(0, "", "220 hi\r\n250 x\r\n", SMTP_CAUSE_HOST,
	    "the server replied before the command was sent");
	ENDS(0, "", "220 hi\r\n25", SMTP_CAUSE_HOST,
	    "the server replied before the command was sent");
	ENDS(0, "", "220 h\0i\r\n", SMTP_CAUSE_HOST,
	    "the server sent a malformed reply");
	ENDS(0, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n",
	    "354 go\r\n250 taken\r\n", SMTP_CAUSE_LOST,
	    "the server replied before the end of data");
}

/* While the text is on its way: a refusal counts, a success does not. */
static void
test_early_reply(void **state)
{
	static const struct {
		const char *reply;
		enum status status;
		const char *code;
	} early[] = {
		{ "552 5.3.4 big\r\n",	STATUS_FAILED,	"5.3.4" },
		{ "451 4.3.1 full\r\n",	STATUS_DEFERRED,	"4.3.1" },
		{ "421 bye\r\n",	STATUS_NONE,	"" },
		{ "432 bye\r\n",	STATUS_NONE,	"" },
		{ "530 login\r\n",	STATUS_DEFERRED,	"4.0.0" },
		{ "250 ok\r\n",		STATUS_NONE,	"" },
	};
	struct play p;
	size_t i;

	(void)state;
	for (i = 0; i < N(early); i++) {
		play_init(&p, 0, 0);
		go_on(&p);
		perform(&p, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n",
		    "early");
		smtp_input(p.s, "354 go\r\n", 8);
		assert_int_equal(smtp_want(p.s), SMTP_WANT_TEXT);
		buf_puts(smtp_text(p.s), "some\r\n");
		smtp_input(p.s, early[i].reply, strlen(early[i].reply));
		assert_int_equal(smtp_want(p.s), SMTP_WANT_CLOSE);
		assert_int_equal(p.rcpts[0][0].res.status, early[i].status);
		assert_string_equal(p.rcpts[0][0].res.code, early[i].code);
		assert_ptr_equal(smtp_finished(p.s), &p.mails[0]);
		assert_null(smtp_finished(p.s));
		play_fini(&p);
	}
}

static void
test_reply_limits(void **state)
{
	static const struct {
		size_t	line, lines;
		int	is_fine;
	} limits[] = {
		{ 8190, 1,	1 },
		{ 8193, 1,	0 },
		{ 10, 1000,	1 },
		{ 10, 1001,	0 },
		{ 600, 100,	1 },
		{ 600, 120,	0 },
	};
	struct buf reply;
	struct play p;
	size_t i, k, n;

	(void)state;
	for (i = 0; i < N(limits); i++) {
		buf_init(&reply, 0);
		for (k = 1; k <= limits[i].lines; k++) {
			buf_puts(&reply, k == limits[i].lines ? "220 " :
			    "220-");
			for (n = 4; n < limits[i].line; n++)
				buf_putc(&reply, 'x');
			buf_puts(&reply, "\r\n");
		}
		play_init(&p, 0, 0);
		feed(&p, reply.data, reply.len);
		assert_int_equal(smtp_want(p.s), limits[i].is_fine ?
		    SMTP_WANT_NOTHING : SMTP_WANT_CLOSE);
		play_fini(&p);
		buf_fini(&reply);
	}
}

/* The connection ends when all but so many bytes of the text are sent. */
static void
cut_short(struct play *p, size_t unsent)
{
	size_t n;

	play_init(p, 0, 0);
	go_on(p);
	perform(p, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n", "cut");
	smtp_input(p->s, "354 go\r\n", 8);
	grant(p);
	(void)smtp_output(p->s, &n);
	smtp_sent(p->s, n - unsent);
	smtp_lost(p->s, "closed");
	while (smtp_finished(p->s) != NULL)
		p->nfinished++;
	assert_int_equal(p->nfinished, 1);
	assert_int_not_equal(p->mails[0].end, SMTP_MAIL_ANSWERED);
}

/* What is left to be said of the one that is released is not said. */
static void
test_release_says_no_more(void **state)
{
	static const char rest[] = ".\r\n";
	struct play p;
	const char *out;
	size_t n;

	(void)state;
	play_init(&p, TWO_MAILS, 0);
	go_on(&p);
	perform(&p, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n", "release");
	smtp_input(p.s, "354 go\r\n", 8);
	grant(&p);
	smtp_sent(p.s, strlen("body\r\n"));
	assert_int_equal(smtp_release(p.s), 1);
	assert_int_equal(p.mails[1].end, SMTP_MAIL_UNSENT);
	assert_true(smtp_is_closing(p.s) && smtp_is_busy(p.s));
	out = smtp_output(p.s, &n);
	assert_int_equal(n, strlen(rest));
	assert_memory_equal(out, rest, n);
	assert_int_equal(smtp_release(p.s), 0);
	play_fini(&p);
}

/* As long as its dot is not sent, and harming no other. */
static void
test_abandon(void **state)
{
	struct play p;

	(void)state;
	play_init(&p, TWO_MAILS, 0);
	go_on(&p);
	perform(&p, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n", "abandon");
	smtp_input(p.s, "354 go\r\n", 8);
	grant(&p);
	/* The text is written, and a part of it is sent. */
	smtp_sent(p.s, strlen("body\r\n"));
	assert_int_equal(p.mails[0].state, SMTP_MAIL_SENT);
	assert_int_equal(smtp_abandon(p.s, &p.mails[1]), 1);
	assert_int_equal(p.mails[1].end, SMTP_MAIL_UNSENT);
	assert_int_equal(p.mails[0].state, SMTP_MAIL_SENT);
	assert_int_equal(smtp_abandon(p.s, &p.mails[0]), 1);
	assert_int_equal(p.mails[0].end, SMTP_MAIL_UNSENT);
	assert_int_equal(smtp_want(p.s), SMTP_WANT_CLOSE);
	assert_int_equal(smtp_cause(p.s), SMTP_CAUSE_NONE);
	play_fini(&p);

	play_init(&p, TWO_MAILS, 0);
	go_on(&p);
	perform(&p, UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n", "late");
	smtp_input(p.s, "354 go\r\n", 8);
	grant(&p);
	smtp_sent(p.s, strlen("body\r\n.\r\n"));
	assert_int_equal(smtp_abandon(p.s, &p.mails[0]), 0);
	assert_int_equal(p.mails[0].state, SMTP_MAIL_SENT);
	play_fini(&p);
}

/* What a host says before it is asked is no reply to what is said next. */
static void
test_what_comes_unasked_is_no_reply(void **state)
{
	static const char *const unasked[] = { "2", "250-o\r\n" };
	struct play p;
	size_t i, n;

	(void)state;
	for (i = 0; i < N(unasked); i++) {
		play_init(&p, NO_MAIL, 0);
		go_on(&p);
		perform(&p, HELLO, unasked[i]);
		smtp_input(p.s, unasked[i], strlen(unasked[i]));
		assert_int_equal(smtp_want(p.s), SMTP_WANT_MAIL);
		smtp_mail(p.s, &p.mails[0]);
		assert_int_equal(smtp_want(p.s), SMTP_WANT_CLOSE);
		(void)smtp_output(p.s, &n);
		assert_int_equal(n, 0);
		assert_non_null(strstr(smtp_trouble(p.s)->reason,
		    "unexpected reply"));
		play_fini(&p);
	}
}

static void
say(struct play *p, const char *text)
{
	size_t n;

	smtp_input(p->s, text, strlen(text));
	(void)smtp_output(p->s, &n);
	if (smtp_want(p->s) == SMTP_WANT_NOTHING)
		smtp_sent(p->s, n);
}

static void
to_login(struct play *p)
{
	play_init(p, LOGIN | LOGIN_CLEAR, 0);
	say(p, "220 hi\r\n");
	say(p, "250-x\r\n250 AUTH PLAIN\r\n");
	assert_int_equal(smtp_want(p->s), SMTP_WANT_LOGIN);
}

/* A CR or LF cannot reach a command line by way of a login. */
static void
test_a_login_is_one_line(void **state)
{
	static const struct {
		const char *mechanism, *initial;
	} bad[] = {
		{ "PLAIN", "x\r\nRSET" },
		{ "PLAIN\r\nRSET", NULL },
	};
	char token[SMTP_SECRETS_MAX + 2];
	struct play p;
	size_t i, n;

	(void)state;
	for (i = 0; i <= N(bad); i++) {
		to_login(&p);
		memset(token, 'x', sizeof(token) - 1);
		token[sizeof(token) - 1] = '\0';
		smtp_login(p.s, i < N(bad) ? bad[i].mechanism : "PLAIN",
		    i < N(bad) ? bad[i].initial : token);
		assert_int_equal(smtp_want(p.s), SMTP_WANT_CLOSE);
		(void)smtp_output(p.s, &n);
		assert_int_equal(n, 0);
		play_fini(&p);
	}
}

static void
test_an_answer_is_one_line(void **state)
{
	struct play p;
	const char *out;
	size_t n;

	(void)state;
	to_login(&p);
	/* What nobody has asked for is not said. */
	smtp_answer(p.s, "YQ==");
	smtp_cancel(p.s);
	assert_int_equal(smtp_want(p.s), SMTP_WANT_LOGIN);
	smtp_login(p.s, "PLAIN", NULL);
	smtp_login(p.s, "PLAIN", NULL);
	out = smtp_output(p.s, &n);
	assert_int_equal(n, strlen("AUTH PLAIN\r\n"));
	assert_memory_equal(out, "AUTH PLAIN\r\n", n);
	smtp_sent(p.s, n);
	smtp_input(p.s, "334 \r\n", 6);
	assert_int_equal(smtp_want(p.s), SMTP_WANT_ANSWER);
	smtp_answer(p.s, "YQ==\r\nRSET");
	out = smtp_output(p.s, &n);
	assert_int_equal(n, strlen("*\r\n"));
	assert_memory_equal(out, "*\r\n", n);
	play_fini(&p);
}

/* What is sent of a text without its dot is no message. */
static void
test_cut_text(void **state)
{
	struct play p;

	(void)state;
	cut_short(&p, 0);
	assert_int_equal(p.rcpts[0][0].res.status, STATUS_DEFERRED);
	assert_int_equal(p.mails[0].end, SMTP_MAIL_IN_DOUBT);
	play_fini(&p);

	cut_short(&p, 1);
	assert_int_equal(p.rcpts[0][0].res.status, STATUS_NONE);
	assert_int_equal(p.mails[0].end, SMTP_MAIL_LOST);
	play_fini(&p);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *rcpt, *code;
	} addresses[] = {
		{ "a@x",		"" },
		{ "\"a b\"@x",		"" },
		{ "\"a\\\"> b\"@x",	"" },
		{ "a@[IPv6:::1]",	"" },
		{ "a@x>\r\nRSET",	"5.1.3" },
		{ "a@x\nb",		"5.1.3" },
		{ "a@x\rb",		"5.1.3" },
		{ "a@x> NOTIFY=NEVER",	"5.1.3" },
		{ "a b@x",		"5.1.3" },
		{ "\"a@x",		"5.1.3" },
		{ "\"a\\\r\"@x",	"5.1.3" },
		{ "\"a\\",		"5.1.3" },
		{ "\x7f@x",		"5.1.3" },
		{ "\xfc@x",		"5.1.3" },
		{ "\xc3\xbc@x",		"5.6.7" },
		{ "",			"5.1.3" },
		{ "j\xc3\xb6@x",	"5.6.7" },
	};
	struct play p;
	size_t i;

	(void)state;
	for (i = 0; i < N(addresses); i++) {
		play_init(&p, 0, 0);
		p.mails[0].nrcpts = 1;
		p.rcpts[0][0].address = addresses[i].rcpt;
		go_on(&p);
		perform(&p, HELLO, "address");
		assert_string_equal(p.rcpts[0][0].res.code,
		    addresses[i].code);
		assert_int_equal(p.said.len > 0, addresses[i].code[0] == 0);
		play_fini(&p);

		play_init(&p, 0, 0);
		p.mails[0].sender = addresses[i].rcpt;
		go_on(&p);
		perform(&p, HELLO, "sender");
		assert_int_equal(p.rcpts[0][0].res.status,
		    addresses[i].code[0] == '\0' ||
		    addresses[i].rcpt[0] == '\0' ? STATUS_NONE : STATUS_FAILED);
		play_fini(&p);
	}
}

static void
test_utf8(void **state)
{
	struct play p;

	(void)state;
	play_init(&p, 0, 0);
	p.rcpts[0][1].address = "j\xc3\xb6@x";
	p.mails[0].utf8 = SMTP_UTF8_ALL;
	p.mails[0].flags = MESSAGE_8BIT_HEADER;
	go_on(&p);
	perform(&p, "<220 hi\n>EHLO me\n<250-x\n<250-8BITMIME\n"
	    "<250 SMTPUTF8\n>MAIL FROM:<me@y> BODY=8BITMIME SMTPUTF8\n",
	    "utf8");
	assert_int_equal(smtp_capabilities(p.s)->offers, SMTP_OFFERS_8BITMIME |
	    SMTP_OFFERS_SMTPUTF8);
	play_fini(&p);
	/* What does not need it does not ask for it. */
	play_init(&p, 0, 0);
	p.rcpts[0][1].address = "j\xc3\xb6@x";
	go_on(&p);
	perform(&p, "<220 hi\n>EHLO me\n<250-x\n<250 SMTPUTF8\n"
	    ">MAIL FROM:<me@y>\n<250 ok\n>RCPT TO:<a@x>\n<250 ok\n"
	    ">RCPT TO:<c@x>\n<250 ok\n>DATA\n", "not utf8");
	play_fini(&p);
	play_init(&p, 0, 0);
	go_on(&p);
	perform(&p, "<220 hi\n>EHLO me\n<250 x\n>MAIL FROM:<me@y>\n",
	    "no utf8");
	assert_int_equal(smtp_capabilities(p.s)->offers, 0);
	play_fini(&p);
}

/* Many recipients: no more unsent than the limit, and none forgotten. */
static void
test_thousands(void **state)
{
	enum { N = 20000 };
	static struct smtp_rcpt rcpts[N];
	struct smtp_mail m;
	struct play p;
	size_t n, asked = 0;
	int i;

	(void)state;
	play_init(&p, NO_MAIL, 0);
	go_on(&p);
	perform(&p, HELLO, "thousands");
	memset(&m, 0, sizeof(m));
	m.sender = "";
	m.rcpts = rcpts;
	m.nrcpts = N;
	for (i = 0; i < N; i++)
		rcpts[i].address = "someone.with.a.name@example.org";
	smtp_mail(p.s, &m);
	(void)smtp_output(p.s, &n);
	assert_in_range(n, SMTP_OUT_HIGH, SMTP_OUT_HIGH + 1024);
	go_on(&p);
	feed(&p, "250 ok\r\n", 8);
	while (smtp_want(p.s) == SMTP_WANT_NOTHING && asked < N) {
		feed(&p, "250 ok\r\n", 8);
		asked++;
	}
	assert_int_equal(asked, N);
	feed(&p, "354 go\r\n", 8);
	feed(&p, "250 fine\r\n", 10);
	assert_int_equal(rcpts[N - 1].res.status, STATUS_SENT);
	assert_int_equal(p.nfinished, 1);
	for (i = 0; i < N; i++)
		result_fini(&rcpts[i].res);
	play_fini(&p);
}

static void
test_waits(void **state)
{
	static const struct {
		const char *script;
		unsigned wait_s;
	} waits[] = {
		{ "",			300 },
		{ "<220 hi\n>EHLO me\n", 300 },
		{ UP,			300 },
		{ UP "<250 ok\n<250 ok\n<250 ok\n<250 ok\n",	120 },
		{ UP ACCEPT BODY,	600 },
		{ UP ACCEPT BODY "<250 ok\n",	0 },
		{ UP ACCEPT BODY "<250 ok\n!quit\n>QUIT\n", 2 },
	};
	struct play p;
	unsigned turn = 0;
	size_t i;

	(void)state;
	for (i = 0; i < N(waits); i++) {
		play_init(&p, 0, 0);
		go_on(&p);
		perform(&p, waits[i].script, "wait");
		assert_int_equal(smtp_wait_s(p.s), waits[i].wait_s);
		assert_true(smtp_turn(p.s) > turn);
		turn = smtp_turn(p.s);
		play_fini(&p);
	}
}

/* An empty one is "=". */
static void
test_empty_initial(void **state)
{
	struct play p;

	(void)state;
	play_init(&p, LOGIN | HAS_TLS, 0);
	smtp_input(p.s, "220 hi\r\n", 8);
	(void)smtp_output(p.s, &(size_t){ 0 });
	smtp_sent(p.s, 9);
	smtp_input(p.s, "250-x\r\n250 AUTH PLAIN\r\n", 23);
	smtp_login(p.s, "EXTERNAL", "");
	go_on(&p);
	expect_said(&p, "AUTH EXTERNAL =\r\n", 17, "empty");
	play_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_out_of_step),
		cmocka_unit_test(test_early_reply),
		cmocka_unit_test(test_reply_limits),
		cmocka_unit_test(test_cut_text),
		cmocka_unit_test(test_release_says_no_more),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_what_comes_unasked_is_no_reply),
		cmocka_unit_test(test_a_login_is_one_line),
		cmocka_unit_test(test_an_answer_is_one_line),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_empty_initial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
