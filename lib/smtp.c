/*
 * smtp.c - the client's side of an SMTP conversation.
 * Runs as: anyone.  Uses: nothing.
 * Promise: every reply is counted against one command that was sent; only
 * replies to MAIL, RCPT, DATA and the end of data decide about mail; no octet
 * of an address can become a command; secrets are in no result.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/result.h"
#include "lib/addr.h"
#include "lib/dsn.h"
#include "lib/smtp.h"

#define EXPECT_MAX	4096	/* commands that await a reply */
#define KEPT_LINE_MAX	512	/* octets of a reply line that are kept */
#define AUTH_LINE_MAX	500	/* of AUTH with its initial response */
#define MECHS_MAX	1024	/* octets of the list of mechanisms */
#define SECRETS_MAX	16384	/* octets of base64 said in one session */
#define SECRET_LONG	32	/* octets; of it a part is masked, too */
#define SECRET_PART	16
#define OUT_FIRST	32768	/* so that a login is not copied by realloc */
#define BLOCK_WAIT_S	180	/* for a block of text to be taken */
#define LIMIT_MAX	1000000	/* of LIMITS; beyond, it is none */
#define DOMAINS_MAX	64	/* of one transaction, if limited at all */

enum phase { PHASE_SETUP, PHASE_READY, PHASE_QUIT, PHASE_OVER };

enum stage { STAGE_GREETING, STAGE_EHLO, STAGE_HELO, STAGE_STARTTLS,
    STAGE_AUTH, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_DOT, STAGE_RSET,
    STAGE_QUIT };

/* A command that awaits its reply. */
struct expect {
	enum stage	 stage;
	struct smtp_mail *mail;		/* or NULL */
	uint32_t	 rcpt;		/* in that mail */
	uint64_t	 end;		/* octets sent once it is sent */
};

struct capabilities {
	int		 pipelining, starttls, eightbit, utf8, dsn;
	int		 has_size;
	uint64_t	 size_max;	/* 0: no limit */
	uint32_t	 rcpt_max, mail_max, domain_max;	/* 0: none */
	struct buf	 mechs;
};

struct reply {
	int		 code;		/* 0: no line of it yet */
	unsigned	 lines;
	size_t		 octets;
	char		 enhanced[12];	/* "" when there was none */
	struct buf	 text;		/* cut to what is kept, masked */
};

struct smtp {
	struct smtp_setup setup;
	enum phase	 phase;
	enum smtp_want	 want;		/* of the set-up */
	int		 has_tls, is_logged_in;
	int		 is_starting_tls; /* STARTTLS said, TLS not up */
	int		 is_cancelled;	/* "*" was said to a challenge */
	int		 is_proof_due;	/* smtp_demand_proof() */
	int		 is_external;	/* the login shows no password */
	struct capabilities caps;
	/* in */
	struct buf	 line;
	struct reply	 reply;
	struct buf	 challenge;
	/* out */
	struct buf	 out;
	size_t		 out_pos;	/* octets of it that were sent */
	uint64_t	 sent;		/* octets sent in all */
	int		 has_secret;	/* in out: wipe it when sent */
	struct buf	 secrets;	/* said before, NUL after each */
	struct buf	 initial;	/* too long for the AUTH line */
	unsigned	 turn;
	/* commands under way */
	struct expect	*expects;	/* ring of EXPECT_MAX */
	size_t		 first, n;
	/* transactions */
	struct smtp_mail *envelope;	/* its commands are being written */
	struct smtp_mail *data;		/* DATA said, text not yet ended */
	struct smtp_mail *live, *settled;
	unsigned	 nmails;	/* begun on this connection */
	/* the end */
	int		 was_told;	/* by a reply: what is behind it was
					 * not looked at */
	int		 is_released;	/* ends once the first mail is over */
	enum smtp_cause	 cause;
	struct result	 trouble;
	struct result	 refusal;	/* of the last mechanism */
};

static void	pump(struct smtp *);
static void	greeted(struct smtp *, const struct expect *);
static void	ehlo_said(struct smtp *, const struct expect *);
static void	helo_said(struct smtp *, const struct expect *);
static void	starttls_said(struct smtp *, const struct expect *);
static void	auth_said(struct smtp *, const struct expect *);
static void	mail_said(struct smtp *, const struct expect *);
static void	rcpt_said(struct smtp *, const struct expect *);
static void	data_said(struct smtp *, const struct expect *);
static void	text_said(struct smtp *, const struct expect *);
static void	rset_said(struct smtp *, const struct expect *);
static void	quit_said(struct smtp *, const struct expect *);

static const struct {
	const char	*name;
	unsigned	 wait_s;	/* RFC 5321 4.5.3.2 */
	void		(*said)(struct smtp *, const struct expect *);
} stages[] = {
	[STAGE_GREETING] = { "the greeting",		300,	greeted },
	[STAGE_EHLO] =	{ "the reply to EHLO",		300,	ehlo_said },
	[STAGE_HELO] =	{ "the reply to HELO",		300,	helo_said },
	[STAGE_STARTTLS] = { "the reply to STARTTLS",	120,	starttls_said },
	[STAGE_AUTH] =	{ "the reply to AUTH",		180,	auth_said },
	[STAGE_MAIL] =	{ "the reply to MAIL",		300,	mail_said },
	[STAGE_RCPT] =	{ "the reply to RCPT",		300,	rcpt_said },
	[STAGE_DATA] =	{ "the reply to DATA",		120,	data_said },
	[STAGE_DOT] =	{ "the reply to the end of data", 600,	text_said },
	[STAGE_RSET] =	{ "the reply to RSET",		300,	rset_said },
	[STAGE_QUIT] =	{ "the reply to QUIT",		2,	quit_said },
};

/* 1. Verdicts. */

/*
 * What a reply does to mail.  Login trouble is never the message's fault:
 * 530, 534, 535 and 538 are about us.
 */
static enum status
fate_of(int code)
{
	if (code / 100 == 2)
		return STATUS_SENT;
	if (code / 100 != 5 || code == 530 || code == 534 || code == 535 ||
	    code == 538)
		return STATUS_DEFERRED;
	return STATUS_FAILED;
}

/* The current reply as a result of that status. */
static void
judge_as(const struct smtp *s, struct result *res, enum status status)
{
	const struct reply *r = &s->reply;
	char code[12] = "x.0.0";

	if (r->enhanced[0] != '\0')
		text_copy(code, sizeof(code), r->enhanced);
	code[0] = status == STATUS_SENT ? '2' : status == STATUS_DEFERRED ?
	    '4' : '5';
	result_quote(res, SOURCE_SERVER, status, code, "%d%s%s%s%s", r->code,
	    r->enhanced[0] == '\0' ? "" : " ", r->enhanced,
	    r->text.len == 0 ? "" : " ", buf_str(&r->text));
}

static void
judge(const struct smtp *s, struct result *res)
{
	judge_as(s, res, fate_of(s->reply.code));
}

/* All of its recipients that the server took share this result. */
static void
decide_accepted(struct smtp_mail *m, const struct result *res)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].is_accepted &&
		    m->rcpts[i].res.status == STATUS_NONE)
			result_copy(&m->rcpts[i].res, res);
}

static void
decide_all(struct smtp_mail *m, const struct result *res)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].res.status == STATUS_NONE)
			result_copy(&m->rcpts[i].res, res);
}

static void
push(struct smtp_mail **list, struct smtp_mail *m)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = m;
	m->next = NULL;
}

/* The host takes no more mail on this connection. */
static int
is_full(const struct smtp *s)
{
	return (s->caps.mail_max != 0 && s->nmails >= s->caps.mail_max) ||
	    (s->setup.mail_max != 0 && s->nmails >= s->setup.mail_max);
}

static void
settle(struct smtp *s, struct smtp_mail *m)
{
	struct smtp_mail **p;

	if (m->is_refused)
		decide_all(m, &m->res);
	m->end = m->is_doubtful ? SMTP_MAIL_IN_DOUBT : !m->is_cut ?
	    SMTP_MAIL_ANSWERED : m->is_guilty ? SMTP_MAIL_LOST :
	    SMTP_MAIL_UNSENT;
	for (p = &s->live; *p != NULL && *p != m; p = &(*p)->next)
		;
	if (*p != NULL)
		*p = m->next;
	push(&s->settled, m);
	if (s->phase == PHASE_READY && s->live == NULL && is_full(s))
		smtp_quit(s);
}

static void
settle_if_done(struct smtp *s, struct smtp_mail *m)
{
	if (m != s->envelope && m != s->data && m->awaited == 0)
		settle(s, m);
}

/*
 * The transaction that the conversation ends in.  If all of its text was sent
 * it may or may not have been taken: deferred, since a copy too many is better
 * than one too few.
 */
static void
leave_in_doubt(struct smtp *s)
{
	struct smtp_mail *m = s->data != NULL ? s->data : s->envelope;
	const struct expect *e = NULL;
	size_t i;

	for (i = 0; i < s->n; i++) {
		e = &s->expects[(s->first + i) % EXPECT_MAX];
		if (e->mail != NULL)
			break;
	}
	if (i < s->n)
		m = e->mail;
	if (m == NULL)
		return;
	m->is_guilty = 1;
	if (s->was_told || i == s->n || e->stage != STAGE_DOT ||
	    e->end > s->sent)
		return;
	m->is_doubtful = 1;
	decide_accepted(m, &s->trouble);
}

/* Ends the conversation; what was not begun in earnest is only cut. */
static void
end(struct smtp *s, enum smtp_cause cause, const struct result *reason)
{
	struct smtp_mail *m;

	if (s->phase == PHASE_OVER)
		return;
	if (s->phase == PHASE_QUIT)
		cause = SMTP_CAUSE_NONE;
	else if (s->is_starting_tls && !s->setup.must_tls)
		cause = SMTP_CAUSE_TLS;
	else if (s->phase == PHASE_SETUP && cause == SMTP_CAUSE_LOST)
		cause = SMTP_CAUSE_HOST;
	s->phase = PHASE_OVER;
	s->cause = cause;
	result_copy(&s->trouble, reason);
	if (cause != SMTP_CAUSE_NONE)
		leave_in_doubt(s);
	s->n = 0;
	s->envelope = s->data = NULL;
	while ((m = s->live) != NULL) {
		m->is_cut = !m->is_doubtful;
		settle(s, m);
	}
	if (s->has_secret)
		explicit_bzero(s->out.data, s->out.cap);
	s->has_secret = 0;
	buf_reset(&s->out);
	s->out_pos = 0;
}

static void
fail(struct smtp *s, enum smtp_cause cause, const char *code,
    const char *reason)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, code, "%s", reason);
	end(s, cause, &res);
	result_fini(&res);
}

/* The current reply ends the conversation; whatever its code, a retry. */
static void
fail_by_reply(struct smtp *s, enum smtp_cause cause)
{
	struct result res;

	result_init(&res);
	judge_as(s, &res, STATUS_DEFERRED);
	s->was_told = 1;
	end(s, cause, &res);
	result_fini(&res);
}

static void
out_of_step(struct smtp *s, const char *reason)
{
	fail(s, SMTP_CAUSE_LOST, "4.5.0", reason);
}

/* 2. Commands. */

static size_t
unsent(const struct smtp *s)
{
	return s->out.len - s->out_pos;
}

/* The command that was just written; what AUTH shows is left out. */
static void
show_command(const struct smtp *s, enum stage stage, const struct smtp_mail *m)
{
	const char *last = s->out.data + s->out.len - 2, *line, *name;
	size_t n;

	if (s->setup.watch == NULL || stage == STAGE_GREETING)
		return;
	if (stage == STAGE_DOT) {
		s->setup.watch(s->setup.watch_arg, m, 1, ".", 1);
		return;
	}
	line = memrchr(s->out.data, '\n', s->out.len - 2);
	line = line == NULL ? s->out.data : line + 1;
	n = (size_t)(last - line);
	if (stage != STAGE_AUTH || (n == 1 && *line == '*')) {
		s->setup.watch(s->setup.watch_arg, m, 1, line, n);
		return;
	}
	if (n > 5 && memcmp(line, "AUTH ", 5) == 0) {
		name = memchr(line + 5, ' ', n - 5);
		s->setup.watch(s->setup.watch_arg, m, 1, line,
		    name == NULL ? n : (size_t)(name - line));
		return;
	}
	s->setup.watch(s->setup.watch_arg, m, 1, "(secret)", 8);
}

/* A challenge is a half of what a password could be guessed by. */
static void
show_reply(const struct smtp *s, enum stage stage, const char *line,
    size_t len)
{
	const struct smtp_mail *m = s->n > 0 ? s->expects[s->first].mail :
	    s->data;

	if (s->setup.watch == NULL)
		return;
	if (stage == STAGE_AUTH && s->reply.code == 334)
		len = 3;
	s->setup.watch(s->setup.watch_arg, m, 0, line, len);
}

static void
expect(struct smtp *s, enum stage stage, struct smtp_mail *m, uint32_t rcpt)
{
	struct expect *e;

	if (s->phase == PHASE_OVER)
		return;
	if (s->n == EXPECT_MAX || buf_failed(&s->out)) {
		fail(s, SMTP_CAUSE_LOST, "4.3.0", "out of memory");
		return;
	}
	if (s->n == 0 && (s->line.len > 0 || s->reply.lines > 0)) {
		out_of_step(s, "the server sent an unexpected reply");
		return;
	}
	e = &s->expects[(s->first + s->n) % EXPECT_MAX];
	e->stage = stage;
	e->mail = m;
	e->rcpt = rcpt;
	e->end = s->sent + unsent(s);
	if (s->n++ == 0)
		s->turn++;
	if (m != NULL)
		m->awaited++;
	show_command(s, stage, m);
}

static void	command(struct smtp *, enum stage, const char *, ...)
		    PRINTF_LIKE(3, 4);

static void
command(struct smtp *s, enum stage stage, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&s->out, fmt, ap);
	va_end(ap);
	buf_puts(&s->out, "\r\n");
	expect(s, stage, NULL, 0);
}

static void
forget_capabilities(struct smtp *s)
{
	buf_fini(&s->caps.mechs);
	memset(&s->caps, 0, sizeof(s->caps));
	buf_init(&s->caps.mechs, MECHS_MAX);
}

static void
say_ehlo(struct smtp *s)
{
	forget_capabilities(s);
	command(s, STAGE_EHLO, "EHLO %s", s->setup.helo);
}

/* What comes next on the way to the first MAIL. */
static void
advance(struct smtp *s)
{
	const struct smtp_setup *want = &s->setup;

	if (!s->has_tls && want->may_tls && s->caps.starttls) {
		s->is_starting_tls = 1;
		command(s, STAGE_STARTTLS, "STARTTLS");
		return;
	}
	if (!s->has_tls && want->must_tls) {
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "TLS is required, but the server does not offer STARTTLS");
		return;
	}
	if (!want->must_login || s->is_logged_in) {
		s->phase = PHASE_READY;
		return;
	}
	if (!s->has_tls && !want->may_login_clear) {
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "credentials for this server are not sent without TLS");
		return;
	}
	if (s->caps.mechs.len == 0) {
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "there are credentials for this server, but it does not "
		    "offer AUTH");
		return;
	}
	s->want = SMTP_WANT_LOGIN;
}

/* 3. Replies. */

static int
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* Length of an enhanced status code of that class at text, or 0. */
static size_t
enhanced_length(const char *text, size_t len, int class)
{
	size_t i, part, digits;

	if (len < 5 || text[0] != '0' + class || text[1] != '.')
		return 0;
	i = 2;
	for (part = 0; part < 2; part++) {
		for (digits = 0; i < len && is_digit(text[i]); digits++)
			i++;
		if (digits < 1 || digits > 3)
			return 0;
		if (part == 0 && (i == len || text[i++] != '.'))
			return 0;
	}
	if (i < len && text[i] != ' ' && text[i] != '\t')
		return 0;
	return i;
}

/*
 * Overwrites each place where a secret stands in text.  Of a long one, such as
 * a token, hosts may show the beginning alone.
 */
static void
mask_one(char *text, size_t len, const char *secret, size_t n)
{
	size_t hit, least = n < SECRET_LONG ? n : SECRET_PART;
	char *p;

	while (n > 0 && len >= least &&
	    (p = memmem(text, len, secret, least)) != NULL) {
		len -= (size_t)(p - text);
		for (hit = least; hit < n && hit < len; hit++)
			if (p[hit] != secret[hit])
				break;
		memset(p, '*', hit);
		text = p + hit;
		len -= hit;
	}
}

static void
mask(struct smtp *s, char *text, size_t len)
{
	const char *p, *last;
	size_t n;

	last = buf_str(&s->secrets) + s->secrets.len;
	for (p = buf_str(&s->secrets); p < last; p += n + 1) {
		n = strlen(p);
		mask_one(text, len, p, n);
	}
	/* A very short one would only blacken innocent words. */
	n = s->setup.password == NULL ? 0 : strlen(s->setup.password);
	if (n >= 4)
		mask_one(text, len, s->setup.password, n);
}

/* Adds a line without its code to what is kept of the reply. */
static void
keep_line(struct smtp *s, char *text, size_t len)
{
	struct reply *r = &s->reply;
	size_t n;

	mask(s, text, len);
	n = enhanced_length(text, len, r->code / 100);
	if (n > 0 && n < sizeof(r->enhanced) &&
	    (r->lines == 1 || (strlen(r->enhanced) == n &&
	    memcmp(r->enhanced, text, n) == 0))) {
		memcpy(r->enhanced, text, n);
		r->enhanced[n] = '\0';
		text += n;
		len -= n;
		while (len > 0 && *text == ' ') {
			text++;
			len--;
		}
	}
	if (len > KEPT_LINE_MAX)
		len = KEPT_LINE_MAX;
	if (len == 0 || r->text.len + len + 1 > REASON_MAX)
		return;
	if (r->text.len > 0)
		buf_putc(&r->text, ' ');
	buf_add(&r->text, text, len);
}

static uint64_t
read_number(const char *p, const char *last)
{
	uint64_t v = 0;

	for (; p < last && is_digit(*p); p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return UINT64_MAX;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	return v;
}

static void
note_auth(struct smtp *s, const char *p, size_t len)
{
	if (len == 0 || s->caps.mechs.len + len + 1 > MECHS_MAX)
		return;
	if (s->caps.mechs.len > 0)
		buf_putc(&s->caps.mechs, ' ');
	buf_add(&s->caps.mechs, p, len);
}

static uint32_t
read_limit(const char *p, const char *last)
{
	uint64_t n = read_number(p, last);

	return n > LIMIT_MAX ? 0 : (uint32_t)n;
}

/* RFC 9422: "RCPTMAX=100 MAILMAX=20". */
static void
note_limits(struct smtp *s, const char *p, size_t len)
{
	const char *last = p + len, *end;

	for (; p < last; p = end + (end < last)) {
		end = memchr(p, ' ', (size_t)(last - p));
		if (end == NULL)
			end = last;
		if (end - p > 8 && strncasecmp(p, "RCPTMAX=", 8) == 0)
			s->caps.rcpt_max = read_limit(p + 8, end);
		else if (end - p > 8 && strncasecmp(p, "MAILMAX=", 8) == 0)
			s->caps.mail_max = read_limit(p + 8, end);
		else if (end - p > 14 &&
		    strncasecmp(p, "RCPTDOMAINMAX=", 14) == 0)
			s->caps.domain_max = read_limit(p + 14, end);
	}
}

static void
note_size(struct smtp *s, const char *p, size_t len)
{
	s->caps.has_size = 1;
	s->caps.size_max = read_number(p, p + len);
}

static const struct {
	const char	*word;
	size_t		 flag;		/* an int in struct capabilities, or */
	void		(*note)(struct smtp *, const char *, size_t);
} capabilities[] = {
	{ "PIPELINING",	offsetof(struct capabilities, pipelining), NULL },
	{ "STARTTLS",	offsetof(struct capabilities, starttls), NULL },
	{ "8BITMIME",	offsetof(struct capabilities, eightbit), NULL },
	{ "SMTPUTF8",	offsetof(struct capabilities, utf8), NULL },
	{ "DSN",	offsetof(struct capabilities, dsn), NULL },
	{ "SIZE",	0, note_size },
	{ "AUTH",	0, note_auth },
	{ "LIMITS",	0, note_limits },
};

/* One line of the reply to EHLO; "AUTH=LOGIN" is an old way to say it. */
static void
note_capability(struct smtp *s, const char *text, size_t len)
{
	size_t i, n;

	for (n = 0; n < len && text[n] != ' ' && text[n] != '='; n++)
		;
	for (i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (strlen(capabilities[i].word) != n ||
		    strncasecmp(text, capabilities[i].word, n) != 0)
			continue;
		while (n < len && (text[n] == ' ' || text[n] == '='))
			n++;
		if (capabilities[i].note != NULL)
			capabilities[i].note(s, text + n, len - n);
		else
			*(int *)(void *)((char *)&s->caps +
			    capabilities[i].flag) = 1;
		return;
	}
}

/*
 * A reply during the text or before its dot was sent.  A refusal is final
 * for the mail, and the connection is of no further use.
 */
static void
early_reply(struct smtp *s, struct smtp_mail *m)
{
	if (s->reply.code / 100 < 4) {
		out_of_step(s, "the server replied before the end of data");
		return;
	}
	judge(s, &m->res);
	decide_accepted(m, &m->res);
	fail_by_reply(s, SMTP_CAUSE_LOST);
}

static void
reply_done(struct smtp *s)
{
	struct expect e;

	s->turn++;
	if (s->phase == PHASE_QUIT && s->n == 0)
		return;
	if (s->n == 0 && s->data != NULL) {
		early_reply(s, s->data);
		return;
	}
	if (s->n == 0 && s->reply.code == 421) {
		fail_by_reply(s, SMTP_CAUSE_LOST);
		return;
	}
	if (s->n == 0) {
		out_of_step(s, "the server sent an unexpected reply");
		return;
	}
	e = s->expects[s->first];
	if (e.end > s->sent && e.stage == STAGE_DOT && !e.mail->is_void) {
		early_reply(s, e.mail);
		return;
	}
	if (e.end > s->sent) {
		out_of_step(s, "the server replied before the command was "
		    "sent");
		return;
	}
	s->first = (s->first + 1) % EXPECT_MAX;
	s->n--;
	if (e.mail != NULL)
		e.mail->awaited--;
	stages[e.stage].said(s, &e);
	if (s->phase != PHASE_OVER && s->reply.code == 421)
		fail_by_reply(s, SMTP_CAUSE_LOST);
	if (s->phase == PHASE_OVER)
		return;
	if (e.mail != NULL)
		settle_if_done(s, e.mail);
	if (s->is_released && s->live == NULL)
		fail_by_reply(s, SMTP_CAUSE_NONE);
	pump(s);
}

static int
read_code(const char *p, size_t len)
{
	if (len < 3 || p[0] < '2' || p[0] > '5' || !is_digit(p[1]) ||
	    !is_digit(p[2]))
		return -1;
	if (len > 3 && p[3] != ' ' && p[3] != '-')
		return -1;
	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

static void
line_done(struct smtp *s)
{
	struct reply *r = &s->reply;
	char *p = s->line.data;
	size_t len = s->line.len;
	enum stage stage;
	int code, is_last;

	if (len > 0 && p[len - 1] == '\r')
		len--;
	code = read_code(p, len);
	if (r->lines == 0) {
		r->code = code;
		r->octets = 0;
		r->enhanced[0] = '\0';
		buf_reset(&r->text);
	}
	r->octets += s->line.len;
	if (code == -1 || code != r->code || ++r->lines > SMTP_LINES_MAX ||
	    r->octets > SMTP_REPLY_MAX || memchr(p, '\0', len) != NULL) {
		r->code = 0;
		out_of_step(s, "the server sent a malformed reply");
		return;
	}
	is_last = len == 3 || p[3] == ' ';
	p += len == 3 ? 3 : 4;
	len -= len == 3 ? 3 : 4;
	stage = s->n > 0 ? s->expects[s->first].stage : STAGE_QUIT;
	if (stage == STAGE_EHLO && code == 250 && r->lines > 1)
		note_capability(s, p, len);
	if (stage == STAGE_AUTH && code == 334) {
		buf_reset(&s->challenge);
		buf_add(&s->challenge, p, len);
	}
	keep_line(s, p, len);
	show_reply(s, stage, s->line.data, (size_t)(p - s->line.data) + len);
	buf_reset(&s->line);
	if (!is_last)
		return;
	r->lines = 0;
	reply_done(s);
}

void
smtp_input(struct smtp *s, const char *data, size_t len)
{
	const char *lf;
	size_t n;

	while (len > 0 && s->phase != PHASE_OVER) {
		if (s->want == SMTP_WANT_TLS) {
			/* Put there by someone who can not do TLS. */
			fail(s, SMTP_CAUSE_HOST, "4.7.0",
			    "the server sent data between STARTTLS and TLS");
			return;
		}
		lf = memchr(data, '\n', len);
		n = lf == NULL ? len : (size_t)(lf - data);
		if (s->line.len + n > SMTP_LINE_MAX) {
			out_of_step(s, "the server sent a line that is too "
			    "long");
			return;
		}
		buf_add(&s->line, data, n);
		if (buf_failed(&s->line)) {
			fail(s, SMTP_CAUSE_LOST, "4.3.0", "out of memory");
			return;
		}
		if (lf != NULL) {
			line_done(s);
			n++;
		}
		data += n;
		len -= n;
	}
	if (s->n > 0 && s->line.len > 0 &&
	    s->expects[s->first].end > s->sent &&
	    s->expects[s->first].stage != STAGE_DOT)
		out_of_step(s, "the server replied before the command was "
		    "sent");
}

/* 4. The set-up of a session. */

static void
greeted(struct smtp *s, const struct expect *e)
{
	(void)e;
	if (s->reply.code / 100 != 2)
		fail_by_reply(s, SMTP_CAUSE_HOST);
	else
		say_ehlo(s);
}

static void
ehlo_said(struct smtp *s, const struct expect *e)
{
	int code = s->reply.code;

	(void)e;
	if (code / 100 == 2) {
		advance(s);
		return;
	}
	if ((code == 500 || code == 502 || code == 504) &&
	    !s->setup.must_tls && !s->setup.must_login) {
		forget_capabilities(s);
		command(s, STAGE_HELO, "HELO %s", s->setup.helo);
		return;
	}
	fail_by_reply(s, SMTP_CAUSE_HOST);
}

static void
helo_said(struct smtp *s, const struct expect *e)
{
	(void)e;
	if (s->reply.code / 100 != 2)
		fail_by_reply(s, SMTP_CAUSE_HOST);
	else
		advance(s);
}

static void
starttls_said(struct smtp *s, const struct expect *e)
{
	(void)e;
	if (s->reply.code / 100 == 2)
		s->want = SMTP_WANT_TLS;
	else
		fail_by_reply(s, SMTP_CAUSE_HOST);
}

void
smtp_tls_up(struct smtp *s)
{
	if (s->phase == PHASE_OVER)
		return;
	s->want = SMTP_WANT_NOTHING;
	s->is_starting_tls = 0;
	s->has_tls = 1;
	say_ehlo(s);
}

static void
auth_said(struct smtp *s, const struct expect *e)
{
	int code = s->reply.code;

	(void)e;
	if (code / 100 == 2 && !s->is_cancelled && s->is_proof_due) {
		smtp_distrust(s, "the server accepted the login without proof "
		    "that it knows the password");
		return;
	}
	if (code / 100 == 2 && !s->is_cancelled) {
		s->is_logged_in = 1;
		advance(s);
		return;
	}
	if (code == 334 && !s->is_cancelled) {
		s->want = SMTP_WANT_ANSWER;
		if (s->initial.len > 0) {
			smtp_answer(s, buf_str(&s->initial));
			explicit_bzero(s->initial.data, s->initial.cap);
			buf_reset(&s->initial);
		}
		return;
	}
	if (code / 100 < 4) {
		out_of_step(s, "the server sent an invalid reply to AUTH");
		return;
	}
	/* Without a password on it, this says only that another way is due. */
	if (!s->is_cancelled && code == 535 && !s->is_external) {
		fail_by_reply(s, SMTP_CAUSE_LOGIN);
		return;
	}
	if (code == 421 || (!s->is_cancelled && code / 100 == 4)) {
		fail_by_reply(s, SMTP_CAUSE_HOST);
		return;
	}
	judge_as(s, &s->refusal, STATUS_DEFERRED);
	s->want = SMTP_WANT_LOGIN;
}

/* From here on it is masked in whatever the host says. */
static int
remember_secret(struct smtp *s, const char *secret)
{
	/* The first use takes all the room there will be: no copies. */
	if (buf_space(&s->secrets, SECRETS_MAX - s->secrets.len) != NULL)
		buf_add(&s->secrets, secret, strlen(secret) + 1);
	if (!buf_failed(&s->secrets))
		return 0;
	fail(s, SMTP_CAUSE_HOST, "4.7.0", "the credentials are too long");
	return -1;
}

void
smtp_login(struct smtp *s, const char *mechanism, const char *initial)
{
	size_t n;

	if (s->phase == PHASE_OVER)
		return;
	s->want = SMTP_WANT_NOTHING;
	s->is_cancelled = s->is_proof_due = 0;
	s->is_external = strcasecmp(mechanism, "EXTERNAL") == 0;
	if (!text_is_clean(mechanism, strlen(mechanism)) ||
	    (initial != NULL && !text_is_clean(initial, strlen(initial)))) {
		fail(s, SMTP_CAUSE_HOST, "4.7.0", "mechanism not available");
		return;
	}
	n = initial == NULL ? 0 : strlen(initial);
	if (n > 0 && remember_secret(s, initial) == -1)
		return;
	if (strlen(mechanism) + n > AUTH_LINE_MAX) {
		buf_reset(&s->initial);
		buf_space(&s->initial, SECRETS_MAX);
		buf_add(&s->initial, initial, n);
		n = 0;
		initial = NULL;
	}
	s->has_secret |= n > 0;
	if (initial == NULL)
		command(s, STAGE_AUTH, "AUTH %s", mechanism);
	else	/* RFC 4954 4: an empty initial response is "=". */
		command(s, STAGE_AUTH, "AUTH %s %s", mechanism,
		    n == 0 ? "=" : initial);
}

void
smtp_no_login(struct smtp *s)
{
	if (s->phase == PHASE_OVER)
		return;
	if (s->refusal.status != STATUS_NONE)
		end(s, SMTP_CAUSE_HOST, &s->refusal);
	else
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "the server offers no AUTH mechanism that may be used");
}

void
smtp_demand_proof(struct smtp *s)
{
	s->is_proof_due = 1;
}

void
smtp_proven(struct smtp *s)
{
	s->is_proof_due = 0;
}

void
smtp_distrust(struct smtp *s, const char *reason)
{
	if (s->phase != PHASE_OVER)
		fail(s, SMTP_CAUSE_LOGIN, "4.7.0", reason);
}

const char *
smtp_challenge(const struct smtp *s)
{
	return buf_str(&s->challenge);
}

void
smtp_answer(struct smtp *s, const char *base64)
{
	if (s->phase == PHASE_OVER)
		return;
	s->want = SMTP_WANT_NOTHING;
	if (!text_is_clean(base64, strlen(base64))) {
		smtp_cancel(s);
		return;
	}
	if (base64[0] != '\0' && remember_secret(s, base64) == -1)
		return;
	s->has_secret = 1;
	command(s, STAGE_AUTH, "%s", base64);
}

void
smtp_cancel(struct smtp *s)
{
	if (s->phase == PHASE_OVER)
		return;
	s->want = SMTP_WANT_NOTHING;
	s->is_cancelled = 1;
	command(s, STAGE_AUTH, "*");
}

/* 5. Transactions. */

/*
 * The last door before the wire: whoever made the address, it must stay one
 * argument of one command.
 */
static int
address_ok(const char *address)
{
	const char *p;
	unsigned char c;
	int is_quoted = 0;

	for (p = address; (c = (unsigned char)*p) != '\0'; p++) {
		if (c < 0x20 || c == 0x7f)
			return 0;
		if (c == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && c == '\\' && p[1] != '\0')
			c = (unsigned char)*++p;
		else if (!is_quoted && (c == ' ' || c == '<' || c == '>'))
			return 0;
		if (c < 0x20 || c == 0x7f)
			return 0;
	}
	return !is_quoted && (size_t)(p - address) <= ADDRESS_MAX &&
	    addr_is_utf8(address, (size_t)(p - address));
}

static int
is_8bit(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return 1;
	return 0;
}

/* What needs no server to be refused.  *utf8: an address needs SMTPUTF8. */
static void
check_mail(struct smtp *s, struct smtp_mail *m, int *utf8)
{
	struct smtp_rcpt *r;

	*utf8 = is_8bit(m->sender);
	if (!address_ok(m->sender))
		result_set(&m->res, STATUS_FAILED, "5.1.7",
		    "the sender's address cannot be used in SMTP");
	else if (*utf8 && !s->caps.utf8)
		result_set(&m->res, STATUS_FAILED, "5.6.7",
		    "the sender's address requires SMTPUTF8, which the server "
		    "does not offer");
	else if (s->caps.size_max != 0 && m->size_bytes > s->caps.size_max)
		result_set(&m->res, STATUS_FAILED, "5.3.4",
		    "the message has %llu bytes, but the server accepts only "
		    "%llu",
		    (unsigned long long)m->size_bytes,
		    (unsigned long long)s->caps.size_max);
	/* An 8-bit header is only sent to who may take it (RFC 6531 3.2). */
	*utf8 |= s->caps.utf8 && (m->flags & MESSAGE_8BIT_HEADER) != 0;
	m->is_refused = m->res.status != STATUS_NONE;
	for (r = m->rcpts; r < m->rcpts + m->nrcpts; r++) {
		if (r->res.status != STATUS_NONE)
			continue;
		if (r->address[0] == '\0' || !address_ok(r->address))
			result_set(&r->res, STATUS_FAILED, "5.1.3",
			    "the address cannot be used in SMTP");
		else if (is_8bit(r->address) && !s->caps.utf8)
			result_set(&r->res, STATUS_FAILED, "5.6.7",
			    "the address requires SMTPUTF8, which the server "
			    "does not offer");
		else
			*utf8 |= is_8bit(r->address);
	}
}

static int
has_open(const struct smtp_mail *m)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].res.status == STATUS_NONE)
			return 1;
	return 0;
}

static void
put_mail(struct smtp *s, struct smtp_mail *m, int utf8)
{
	buf_printf(&s->out, "MAIL FROM:<%s>", m->sender);
	if (s->caps.has_size && m->size_bytes > 0)
		buf_printf(&s->out, " SIZE=%llu",
		    (unsigned long long)m->size_bytes);
	if (s->caps.eightbit && (m->flags & (MESSAGE_8BIT_BODY |
	    MESSAGE_8BIT_HEADER | MESSAGE_SAID_8BIT)) != 0)
		buf_puts(&s->out, " BODY=8BITMIME");
	if (utf8)
		buf_puts(&s->out, " SMTPUTF8");
	if (s->caps.dsn && m->ret != RET_UNSAID)
		buf_printf(&s->out, " RET=%s", m->ret == RET_FULL ? "FULL" :
		    "HDRS");
	if (s->caps.dsn && m->envid != NULL && dsn_envid_ok(m->envid)) {
		buf_puts(&s->out, " ENVID=");
		dsn_put_xtext(&s->out, m->envid);
	}
	buf_puts(&s->out, "\r\n");
	expect(s, STAGE_MAIL, m, 0);
}

static void
say_rset(struct smtp *s)
{
	command(s, STAGE_RSET, "RSET");
}

void
smtp_mail(struct smtp *s, struct smtp_mail *m)
{
	uint32_t i;
	int utf8, may;

	result_fini(&m->res);
	m->asked = m->accepted = m->awaited = 0;
	m->recent = UINT32_MAX;
	m->is_cut = m->is_guilty = m->is_doubtful = 0;
	m->is_refused = m->is_void = 0;
	for (i = 0; i < m->nrcpts; i++)
		m->rcpts[i].is_accepted = m->rcpts[i].is_first = 0;
	may = smtp_want(s) == SMTP_WANT_MAIL;
	push(&s->live, m);
	s->nmails++;
	if (!may) {
		m->is_cut = 1;
		settle(s, m);
		return;
	}
	check_mail(s, m, &utf8);
	if (m->is_refused || !has_open(m)) {
		settle(s, m);
		return;
	}
	s->envelope = m;
	put_mail(s, m, utf8);
	pump(s);
}

static const char *
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? "" : at + 1;
}

/*
 * RCPTDOMAINMAX: whether this recipient's domain is one of those that the
 * transaction has, or may still get.  The others wait for another.
 */
static int
may_ask(const struct smtp *s, struct smtp_mail *m, uint32_t i)
{
	const char *domain = domain_of(m->rcpts[i].address);
	uint32_t k, seen = 0, max = s->caps.domain_max;

	if (max == 0 || (m->recent < i && strcasecmp(domain,
	    domain_of(m->rcpts[m->recent].address)) == 0))
		return 1;
	if (max > DOMAINS_MAX)
		max = DOMAINS_MAX;
	for (k = 0; k < i && seen < max; k++) {
		if (!m->rcpts[k].is_first)
			continue;
		if (strcasecmp(domain_of(m->rcpts[k].address), domain) == 0)
			break;
		seen++;
	}
	if (seen == max)
		return 0;
	m->rcpts[k].is_first = 1;
	m->recent = k;
	return 1;
}

/*
 * RFC 3461 5.2: with NOTIFY on it the host answers for the reports.  Where
 * nothing shall be told there is nobody to know the original name either.
 */
static void
put_rcpt(struct smtp *s, struct smtp_rcpt *r)
{
	struct buf orcpt;

	buf_printf(&s->out, "RCPT TO:<%s>", r->address);
	r->is_passed_on = s->caps.dsn;
	if (s->caps.dsn && r->notify != 0) {
		buf_puts(&s->out, " NOTIFY=");
		dsn_put_notify(&s->out, r->notify);
	}
	if (s->caps.dsn && r->orcpt != NULL && r->notify != NOTIFY_NEVER) {
		buf_init(&orcpt, 0);
		if (dsn_put_orcpt(&orcpt, r->orcpt, 1) == 0)
			buf_printf(&s->out, " ORCPT=%s", buf_str(&orcpt));
		buf_fini(&orcpt);
	}
	buf_puts(&s->out, "\r\n");
}

/* One more command of the envelope under way; it may be its last. */
static void
put_next(struct smtp *s, struct smtp_mail *m)
{
	uint32_t i;

	while (m->asked < m->nrcpts &&
	    (m->rcpts[m->asked].res.status != STATUS_NONE ||
	    !may_ask(s, m, m->asked)))
		m->asked++;
	if (m->is_refused) {
		s->envelope = NULL;
		settle_if_done(s, m);
		return;
	}
	if (m->asked < m->nrcpts) {
		i = m->asked++;
		put_rcpt(s, &m->rcpts[i]);
		expect(s, STAGE_RCPT, m, i);
		return;
	}
	s->envelope = NULL;
	if (m->awaited == 0 && m->accepted == 0) {
		say_rset(s);
		settle(s, m);
		return;
	}
	s->data = m;
	buf_puts(&s->out, "DATA\r\n");
	expect(s, STAGE_DATA, m, 0);
}

/*
 * Writes as much of the envelope as may be sent now: with PIPELINING until
 * the buffer is full, so that one write takes all of a usual one; without it
 * one command at a time.
 */
static void
pump(struct smtp *s)
{
	while (s->phase == PHASE_READY && s->envelope != NULL &&
	    unsent(s) < SMTP_OUT_HIGH && s->n < EXPECT_MAX - 8 &&
	    (s->caps.pipelining || s->n == 0))
		put_next(s, s->envelope);
}

static void
mail_said(struct smtp *s, const struct expect *e)
{
	int class = s->reply.code / 100;

	if (class == 2 || s->reply.code == 421)
		return;
	if (class == 3) {
		out_of_step(s, "the server sent an invalid reply to MAIL");
		return;
	}
	judge(s, &e->mail->res);
	e->mail->is_refused = 1;
}

/*
 * "Too many" is not about this recipient.  It counts as that only once one
 * was taken, so that every transaction decides about someone; and not when
 * the enhanced code says that a mailbox or the disk is full.
 */
static int
is_too_many(const struct reply *r, const struct smtp_mail *m)
{
	if ((r->code != 452 && r->code != 552) || m->accepted == 0)
		return 0;
	return r->enhanced[0] == '\0' || strcmp(r->enhanced + 1, ".5.3") == 0;
}

static void
rcpt_said(struct smtp *s, const struct expect *e)
{
	struct smtp_rcpt *r = &e->mail->rcpts[e->rcpt];
	int class = s->reply.code / 100;

	if (e->mail->is_refused || s->reply.code == 421)
		return;
	if (class == 3) {
		out_of_step(s, "the server sent an invalid reply to RCPT");
		return;
	}
	if (class == 2) {
		r->is_accepted = 1;
		e->mail->accepted++;
		return;
	}
	if (!is_too_many(&s->reply, e->mail))
		judge(s, &r->res);
}

static void
data_said(struct smtp *s, const struct expect *e)
{
	struct smtp_mail *m = e->mail;
	int class = s->reply.code / 100;

	if (s->reply.code == 421)
		return;
	if (class == 2) {
		out_of_step(s, "the server sent an invalid reply to DATA");
		return;
	}
	if (class == 3 && m->accepted > 0 && !m->is_refused)
		return;		/* s->data: the text is wanted */
	s->data = NULL;
	if (class == 3) {
		/* There is nobody to send it to: an empty text ends it. */
		m->is_void = 1;
		buf_puts(&s->out, ".\r\n");
		expect(s, STAGE_DOT, m, 0);
		return;
	}
	if (!m->is_refused) {
		judge(s, &m->res);
		decide_accepted(m, &m->res);
		say_rset(s);
	}
}

/* 6. The text. */

/*
 * Text goes only after this transaction's own 354: whatever the server does,
 * no octet of a message is ever read as a command.
 */
struct smtp_mail *
smtp_text_mail(const struct smtp *s)
{
	return s->data != NULL && s->data->awaited == 0 ? s->data : NULL;
}

/* Room after what is not sent yet. */
struct buf *
smtp_text(struct smtp *s)
{
	buf_drop(&s->out, s->out_pos);
	s->out_pos = 0;
	return &s->out;
}

void
smtp_text_end(struct smtp *s)
{
	struct smtp_mail *m = smtp_text_mail(s);

	if (s->phase == PHASE_OVER || m == NULL)
		return;
	s->data = NULL;
	buf_puts(&s->out, ".\r\n");
	expect(s, STAGE_DOT, m, 0);
}

/* Only the end of the connection tells the host that the text is not whole. */
void
smtp_text_fail(struct smtp *s, const struct result *reason)
{
	struct smtp_mail *m = smtp_text_mail(s);

	if (m == NULL)
		return;
	m->is_doubtful = 1;
	decide_accepted(m, reason);
	end(s, SMTP_CAUSE_LOST, reason);
}

/* Of a transaction without recipients the reply says nothing to anybody. */
static void
text_said(struct smtp *s, const struct expect *e)
{
	static const char strange[] =
	    "the server sent an invalid reply to the end of data";
	struct smtp_mail *m = e->mail;
	int class = s->reply.code / 100;

	if (class == 3 && !m->is_void) {
		result_set(&m->res, STATUS_DEFERRED, "4.5.0", "%s", strange);
		decide_accepted(m, &m->res);
		m->is_doubtful = 1;
		out_of_step(s, strange);
		return;
	}
	if (m->is_void || m->is_refused)
		return;
	judge(s, &m->res);
	decide_accepted(m, &m->res);
}

/*
 * The host may have kept the transaction, and would refuse the next one for
 * it.  That is about this connection alone.
 */
static void
rset_said(struct smtp *s, const struct expect *e)
{
	(void)e;
	if (s->reply.code / 100 != 2)
		fail_by_reply(s, SMTP_CAUSE_NONE);
}

static void
quit_said(struct smtp *s, const struct expect *e)
{
	(void)e;
	fail_by_reply(s, SMTP_CAUSE_NONE);
}

struct smtp_mail *
smtp_finished(struct smtp *s)
{
	struct smtp_mail *m = s->settled;

	if (m == NULL)
		return NULL;
	s->settled = m->next;
	m->next = NULL;
	result_fini(&m->res);
	return m;
}

int
smtp_is_busy(const struct smtp *s)
{
	return s->live != NULL || s->settled != NULL;
}

void
smtp_quit(struct smtp *s)
{
	if (s->phase == PHASE_OVER || s->phase == PHASE_QUIT)
		return;
	s->phase = PHASE_QUIT;
	s->want = SMTP_WANT_NOTHING;
	command(s, STAGE_QUIT, "QUIT");
}

/* 7. The driver's side. */

struct smtp *
smtp_new(const struct smtp_setup *setup)
{
	struct smtp *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->setup = *setup;
	s->has_tls = setup->has_tls;
	buf_init(&s->caps.mechs, MECHS_MAX);
	buf_init(&s->secrets, SECRETS_MAX);
	s->expects = calloc(EXPECT_MAX, sizeof(*s->expects));
	if (s->expects == NULL || buf_space(&s->out, OUT_FIRST) == NULL ||
	    !text_is_clean(setup->helo, strlen(setup->helo))) {
		smtp_free(s);
		return NULL;
	}
	expect(s, STAGE_GREETING, NULL, 0);
	return s;
}

static void
wipe_buf(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

void
smtp_free(struct smtp *s)
{
	if (s == NULL)
		return;
	buf_fini(&s->caps.mechs);
	buf_fini(&s->reply.text);
	wipe_buf(&s->line);
	wipe_buf(&s->challenge);
	wipe_buf(&s->secrets);
	wipe_buf(&s->initial);
	if (s->has_secret)
		wipe_buf(&s->out);
	buf_fini(&s->out);
	result_fini(&s->trouble);
	result_fini(&s->refusal);
	free(s->expects);
	free(s);
}

void
smtp_lost(struct smtp *s, const char *reason)
{
	struct buf text;
	const char *what;

	what = s->n > 0 ? stages[s->expects[s->first].stage].name :
	    s->data != NULL ? "the message to be accepted" : "more mail";
	buf_init(&text, 0);
	buf_printf(&text, "%s, while waiting for %s", reason, what);
	fail(s, SMTP_CAUSE_LOST, "4.4.2", buf_str(&text));
	buf_fini(&text);
}

const char *
smtp_output(const struct smtp *s, size_t *n)
{
	*n = unsent(s);
	return *n == 0 ? "" : s->out.data + s->out_pos;
}

void
smtp_sent(struct smtp *s, size_t n)
{
	if (n > unsent(s))
		n = unsent(s);
	/* While it takes what is to be answered next the host is alive. */
	if (s->n == 0 || s->expects[s->first].end > s->sent)
		s->turn++;
	s->out_pos += n;
	s->sent += n;
	if (unsent(s) == 0) {
		if (s->has_secret)
			explicit_bzero(s->out.data, s->out.cap);
		s->has_secret = 0;
		buf_reset(&s->out);
		s->out_pos = 0;
	}
	pump(s);
}

static int
may_mail(const struct smtp *s)
{
	return !s->is_released && s->envelope == NULL && s->data == NULL &&
	    !is_full(s) && (s->caps.pipelining || s->n == 0);
}

/* The first transaction keeps its commands, and what of them is unsent. */
static void
keep_first(struct smtp *s, const struct smtp_mail *first)
{
	const struct expect *e;
	uint64_t end = s->sent;
	size_t i, n = 0;

	for (i = 0; i < s->n; i++) {
		e = &s->expects[(s->first + i) % EXPECT_MAX];
		if (e->mail != first)
			continue;
		n = i + 1;
		end = e->end > s->sent ? e->end : s->sent;
	}
	s->n = n;
	s->out.len = s->out_pos + (size_t)(end - s->sent);
}

unsigned
smtp_release(struct smtp *s)
{
	struct smtp_mail *m, *first = s->live;
	unsigned n = 0;

	if (s->phase != PHASE_READY || first == NULL || first->next == NULL ||
	    first == s->envelope || first == s->data)
		return 0;
	keep_first(s, first);
	s->is_released = 1;
	s->envelope = s->data = NULL;
	while ((m = first->next) != NULL) {
		m->is_cut = 1;
		settle(s, m);
		n++;
	}
	return n;
}

enum smtp_want
smtp_want(const struct smtp *s)
{
	if (s->phase == PHASE_OVER)
		return SMTP_WANT_CLOSE;
	if (s->phase == PHASE_SETUP)
		return s->want;
	if (s->phase != PHASE_READY || unsent(s) >= SMTP_OUT_HIGH ||
	    s->n >= EXPECT_MAX - 8)
		return SMTP_WANT_NOTHING;
	if (smtp_text_mail(s) != NULL)
		return SMTP_WANT_TEXT;
	return may_mail(s) ? SMTP_WANT_MAIL : SMTP_WANT_NOTHING;
}

unsigned
smtp_wait_s(const struct smtp *s)
{
	const struct expect *e = &s->expects[s->first];

	if (s->n == 0)
		return s->data != NULL ? BLOCK_WAIT_S : 0;
	return e->end > s->sent && e->stage == STAGE_DOT ? BLOCK_WAIT_S :
	    stages[e->stage].wait_s;
}

unsigned
smtp_turn(const struct smtp *s)
{
	return s->turn;
}

const char *
smtp_mechanisms(const struct smtp *s)
{
	return buf_str(&s->caps.mechs);
}

unsigned
smtp_offers(const struct smtp *s)
{
	return (s->caps.eightbit ? SMTP_OFFERS_8BITMIME : 0) |
	    (s->caps.utf8 ? SMTP_OFFERS_SMTPUTF8 : 0);
}

uint32_t
smtp_rcpt_max(const struct smtp *s)
{
	return s->caps.rcpt_max;
}

enum smtp_cause
smtp_cause(const struct smtp *s)
{
	return s->cause;
}

const struct result *
smtp_trouble(const struct smtp *s)
{
	return &s->trouble;
}

int
smtp_is_closing(const struct smtp *s)
{
	return s->phase >= PHASE_QUIT || s->is_released || is_full(s);
}

int
smtp_last_code(const struct smtp *s)
{
	return s->reply.code;
}
