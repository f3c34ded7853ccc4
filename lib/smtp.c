/*
 * smtp.c - the client's side of an SMTP conversation.
 * Runs as: anyone.  Uses: nothing.
 * Promise: every reply is counted against one command that was sent; only
 * replies to MAIL, RCPT, DATA and the end of data decide about mail; text is
 * sent only after a 354 of its own transaction.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtp.h"
#include "lib/smtp_auth.h"
#include "lib/smtp_verdict.h"

#define COMMANDS_MAX	4096	/* that await a reply */
#define COMMANDS_SPARE	8	/* of them, for RSET and QUIT */
#define LOGIN_ROOM	8192	/* bytes of a login besides the password */
#define BLOCK_WAIT_S	180	/* for a block of text to be taken */

/* What is awaited; the driver's turn where its name says so. */
enum phase {
	PHASE_SETUP,		/* a reply on the way to the first MAIL */
	PHASE_STARTTLS,		/* the reply to STARTTLS */
	PHASE_HANDSHAKE,	/* the driver: TLS */
	PHASE_LOGIN,		/* the driver: a mechanism */
	PHASE_ANSWER,		/* the driver: an answer to the challenge */
	PHASE_READY,		/* mail */
	PHASE_LAST,		/* the end of the first mail, then that's it */
	PHASE_QUIT,
	PHASE_OVER
};

/* A command that awaits its reply. */
struct command {
	enum smtp_stage	 stage;
	struct smtp_mail *mail;		/* or NULL */
	uint32_t	 rcpt;		/* in that mail */
	uint64_t	 end;		/* bytes sent once it is sent */
};

struct output {
	struct buf	 buf;
	size_t		 pos;		/* bytes of it that were sent */
	uint64_t	 sent;		/* bytes sent in all */
	int		 has_secret;	/* in buf: wipe it when sent */
};

struct smtp {
	struct smtp_setup setup;
	enum phase	 phase;
	struct smtp_capabilities caps;
	struct smtp_auth auth;
	/* in */
	struct buf	 line;
	struct smtp_reply reply;
	struct command	 replied;	/* the one that it is to */
	/* out */
	struct output	 out;
	unsigned	 turn;
	struct command	*commands;	/* ring of COMMANDS_MAX */
	size_t		 first, n;
	/* transactions */
	struct smtp_mail *current;	/* commands or text are being written */
	struct smtp_mail *live, *finished;
	unsigned	 nmails;	/* begun on this connection */
	unsigned	 nreplied;	/* of these, MAIL was replied to */
	/* the end */
	enum smtp_cause	 cause;
	int		 is_throttled;	/* smtp_is_throttled() */
	struct result	 trouble;
};

/* 1. Transactions that end. */

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
	return s->caps.mail_max != 0 && s->nmails >= s->caps.mail_max;
}

static void
finish(struct smtp *s, struct smtp_mail *m)
{
	struct smtp_mail **p;

	if (s->current == m)
		s->current = NULL;
	for (p = &s->live; *p != NULL && *p != m; p = &(*p)->next)
		;
	if (*p != NULL)
		*p = m->next;
	push(&s->finished, m);
	if (s->phase == PHASE_READY && s->live == NULL && is_full(s))
		smtp_quit(s);
}

/* What happens to a transaction comes through here. */
static void
mail_event(struct smtp *s, struct smtp_mail *m, enum smtp_mail_event event)
{
	if (m->state == SMTP_MAIL_DONE)
		return;
	m->state = smtp_mail_next(m->state, event);
	if (m->state == SMTP_MAIL_DONE)
		finish(s, m);
}

static void
mail_end(struct smtp *s, struct smtp_mail *m, enum smtp_mail_end how)
{
	m->end = how;
	mail_event(s, m, SMTP_EVENT_END);
}

static const struct command *
command_at(const struct smtp *s, size_t i)
{
	return &s->commands[(s->first + i) % COMMANDS_MAX];
}

/* By the reply to the end of data: 0, or -1 when it decides nothing. */
static int
decide_text(struct smtp *s, struct smtp_mail *m)
{
	enum smtp_verdict verdict = smtp_judge(SMTP_AT_DOT, &s->reply, 0);

	if (verdict != SMTP_GO && verdict != SMTP_DEFER && verdict != SMTP_FAIL)
		return -1;
	smtp_reply_result(&s->reply, verdict == SMTP_GO ? STATUS_SENT :
	    verdict == SMTP_DEFER ? STATUS_DEFERRED : STATUS_FAILED, &m->res);
	smtp_mail_decide_accepted(m, &m->res);
	return 0;
}

/* The transaction that the conversation ends in, or NULL. */
static struct smtp_mail *
mail_at_end(const struct smtp *s, int *is_all_sent)
{
	struct smtp_mail *m;
	size_t i;

	*is_all_sent = 0;
	for (m = s->live; m != NULL; m = m->next)
		if (m->end == SMTP_MAIL_IN_DOUBT)
			return m;
	for (i = 0; i < s->n; i++)
		if (command_at(s, i)->mail != NULL)
			break;
	if (i == s->n)
		return s->current;
	m = command_at(s, i)->mail;
	*is_all_sent = m->state == SMTP_MAIL_SENT &&
	    command_at(s, i)->end <= s->out.sent;
	return m;
}

/* The one that the latest reply was to, or NULL when that is over. */
static struct smtp_mail *
mail_replied(const struct smtp *s)
{
	struct smtp_mail *m;

	for (m = s->live; m != NULL && m != s->replied.mail; m = m->next)
		;
	return m;
}

/*
 * A reply to the end of data that is malformed still says what it begins with.
 * What was accepted once is never sent again.
 */
static int
decide_by_claim(struct smtp *s, struct smtp_mail *m)
{
	struct smtp_reply *r = &s->reply;

	if (s->n == 0 || command_at(s, 0)->mail != m ||
	    r->last != SMTP_LINE_MALFORMED || r->claim == 0)
		return -1;
	r->code = r->claim;
	if (decide_text(s, m) == -1)
		return -1;
	mail_event(s, m, SMTP_EVENT_ANSWER);
	return 0;
}

/*
 * If all of its text was sent it may or may not have been taken: deferred,
 * since a copy too many is better than one too few.  Not if a reply says that
 * it was not looked at.
 */
static void
end_mails(struct smtp *s, int is_told)
{
	struct smtp_mail *m, *last = NULL;
	int is_all_sent = 0;

	if (s->cause != SMTP_CAUSE_NONE && is_told)
		last = mail_replied(s);
	if (s->cause != SMTP_CAUSE_NONE && last == NULL)
		last = mail_at_end(s, &is_all_sent);
	if (is_all_sent && !is_told && decide_by_claim(s, last) == -1) {
		last->end = SMTP_MAIL_IN_DOUBT;
		smtp_mail_decide_accepted(last, &s->trouble);
	}
	while ((m = s->live) != NULL)
		mail_end(s, m, m->end == SMTP_MAIL_IN_DOUBT ?
		    SMTP_MAIL_IN_DOUBT : m == last ? SMTP_MAIL_LOST :
		    SMTP_MAIL_UNSENT);
}

static void
wipe_output(struct smtp *s)
{
	if (s->out.has_secret)
		explicit_bzero(s->out.buf.data, s->out.buf.cap);
	s->out.has_secret = 0;
	buf_reset(&s->out.buf);
	s->out.pos = 0;
}

/* is_told: by a reply of the host. */
static void
end(struct smtp *s, enum smtp_cause cause, const struct result *reason,
    int is_told)
{
	int is_starting_tls = s->phase == PHASE_STARTTLS ||
	    s->phase == PHASE_HANDSHAKE;

	if (s->phase == PHASE_OVER)
		return;
	if (s->phase == PHASE_QUIT)
		cause = SMTP_CAUSE_NONE;
	else if (is_starting_tls && !s->setup.must_tls)
		cause = SMTP_CAUSE_TLS;
	else if (s->phase < PHASE_READY && cause == SMTP_CAUSE_LOST)
		cause = SMTP_CAUSE_HOST;
	s->phase = PHASE_OVER;
	s->cause = cause;
	result_copy(&s->trouble, reason);
	end_mails(s, is_told);
	s->n = 0;
	wipe_output(s);
}

static void
fail(struct smtp *s, enum smtp_cause cause, const char *code,
    const char *reason)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, code, "%s", reason);
	end(s, cause, &res, 0);
	result_fini(&res);
}

/* The current reply ends the conversation; whatever its code, a retry. */
static void
fail_by_reply(struct smtp *s, enum smtp_cause cause)
{
	struct result res;

	result_init(&res);
	smtp_reply_result(&s->reply, STATUS_DEFERRED, &res);
	s->is_throttled = smtp_reply_is_throttle(&s->reply);
	end(s, cause, &res, 1);
	result_fini(&res);
}

static void
out_of_step(struct smtp *s, const char *reason)
{
	fail(s, SMTP_CAUSE_LOST, "4.5.0", reason);
}

/* Too many connections, or messages over one; that is no message's fault. */
static void
fail_by_throttle(struct smtp *s, const struct result *reason)
{
	s->is_throttled = 1;
	end(s, SMTP_CAUSE_LOST, reason, 1);
}

/* 2. Commands. */

static size_t
unsent(const struct smtp *s)
{
	return s->out.buf.len - s->out.pos;
}

static void
show(const struct smtp *s, const struct smtp_mail *m, int is_ours,
    const char *line, size_t len)
{
	if (s->setup.watch != NULL)
		s->setup.watch(s->setup.watch_arg, m, is_ours, line, len);
}

/* The command that was just written; what AUTH shows is left out. */
static void
show_command(const struct smtp *s, enum smtp_stage stage,
    const struct smtp_mail *m)
{
	const char *text = s->out.buf.data, *line, *name;
	size_t n, len = s->out.buf.len;

	if (stage == SMTP_AT_GREETING)
		return;
	line = memrchr(text, '\n', len - 2);
	line = line == NULL ? text : line + 1;
	n = (size_t)(text + len - 2 - line);
	if (stage != SMTP_AT_AUTH || (n == 1 && *line == '*')) {
		show(s, m, 1, line, n);
	} else if (n > 5 && memcmp(line, "AUTH ", 5) == 0) {
		name = memchr(line + 5, ' ', n - 5);
		show(s, m, 1, line, name == NULL ? n : (size_t)(name - line));
	} else {
		show(s, m, 1, "(secret)", 8);
	}
}

/* The command that was just written awaits its reply. */
static void
expect(struct smtp *s, enum smtp_stage stage, struct smtp_mail *m,
    uint32_t rcpt)
{
	if (s->phase == PHASE_OVER)
		return;
	if (s->n == COMMANDS_MAX || buf_failed(&s->out.buf)) {
		fail(s, SMTP_CAUSE_LOST, "4.3.0", "out of memory");
		return;
	}
	if (s->n == 0 && (s->line.len > 0 || s->reply.last == SMTP_LINE_MORE)) {
		out_of_step(s, "the server sent an unexpected reply");
		return;
	}
	s->commands[(s->first + s->n) % COMMANDS_MAX] = (struct command){
		.stage = stage, .mail = m, .rcpt = rcpt,
		.end = s->out.sent + unsent(s)
	};
	if (s->n++ == 0)
		s->turn++;
	if (m != NULL)
		m->awaited++;
	show_command(s, stage, m);
}

static void	say(struct smtp *, enum smtp_stage, const char *, ...)
		    PRINTF_LIKE(3, 4);

static void
say(struct smtp *s, enum smtp_stage stage, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&s->out.buf, fmt, ap);
	va_end(ap);
	buf_puts(&s->out.buf, "\r\n");
	expect(s, stage, NULL, 0);
}

static void
say_ehlo(struct smtp *s)
{
	smtp_capabilities_fini(&s->caps);
	say(s, SMTP_AT_EHLO, "EHLO %s", s->setup.helo);
}

/* What comes next on the way to the first MAIL. */
static void
advance(struct smtp *s)
{
	const struct smtp_setup *setup = &s->setup;

	s->phase = PHASE_SETUP;
	if (!setup->has_tls && setup->may_tls &&
	    (s->caps.offers & SMTP_OFFERS_STARTTLS) != 0) {
		s->phase = PHASE_STARTTLS;
		say(s, SMTP_AT_STARTTLS, "STARTTLS");
	} else if (!setup->has_tls && setup->must_tls) {
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "TLS is required, but the server does not offer STARTTLS");
	} else if (!setup->must_login) {
		s->phase = PHASE_READY;
	} else if (!setup->has_tls && !setup->may_login_clear) {
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "credentials for this server are not sent without TLS");
	} else if (s->caps.mechanisms.len == 0) {
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "there are credentials for this server, but it does not "
		    "offer AUTH");
	} else {
		s->phase = PHASE_LOGIN;
	}
}

/* 3. The set-up of a session. */

/* It understands nothing of ours but the commands, or says so. */
static void
go_plain(struct smtp *s)
{
	s->setup.is_plain = 1;
	s->caps.offers &= ~(unsigned)SMTP_OFFERS_OPTIONS;
}

static void
on_ehlo(struct smtp *s)
{
	const struct smtp_setup *setup = &s->setup;
	int may_helo = (setup->has_tls || !setup->must_tls) &&
	    !setup->must_login;

	switch (smtp_judge(SMTP_AT_EHLO, &s->reply,
	    may_helo ? SMTP_IF_HELO : 0)) {
	case SMTP_GO:
		if (setup->is_plain)
			go_plain(s);
		advance(s);
		break;
	case SMTP_SAY_HELO:
		smtp_capabilities_fini(&s->caps);
		say(s, SMTP_AT_HELO, "HELO %s", s->setup.helo);
		break;
	default:
		fail_by_reply(s, SMTP_CAUSE_HOST);
	}
}

static void
on_starttls(struct smtp *s)
{
	s->phase = PHASE_HANDSHAKE;
}

void
smtp_tls_up(struct smtp *s)
{
	if (s->phase != PHASE_HANDSHAKE)
		return;
	s->phase = PHASE_SETUP;
	s->setup.has_tls = 1;
	say_ehlo(s);
}

/* A line of the login was written, secrets and all. */
static void
expect_auth(struct smtp *s)
{
	s->phase = PHASE_SETUP;
	s->out.has_secret = 1;
	say(s, SMTP_AT_AUTH, "%s", "");
}

static void
on_auth(struct smtp *s)
{
	switch (smtp_auth_reply(&s->auth, &s->reply)) {
	case SMTP_AUTH_DONE:
		s->phase = PHASE_READY;
		break;
	case SMTP_AUTH_CHALLENGE:
		s->phase = PHASE_ANSWER;
		break;
	case SMTP_AUTH_REFUSED:
		s->phase = PHASE_LOGIN;
		break;
	case SMTP_AUTH_DENIED:
		fail_by_reply(s, SMTP_CAUSE_LOGIN);
		break;
	case SMTP_AUTH_LATER:
		fail_by_reply(s, SMTP_CAUSE_HOST);
		break;
	case SMTP_AUTH_NO_PROOF:
		smtp_distrust(s, "the server accepted the login without proof "
		    "that it knows the password");
		break;
	case SMTP_AUTH_INVALID:
		out_of_step(s, "the server sent an invalid reply to AUTH");
		break;
	}
}

void
smtp_login(struct smtp *s, const char *mechanism, const char *initial)
{
	const char *trouble;

	if (s->phase != PHASE_LOGIN)
		return;
	trouble = smtp_auth_begin(&s->auth, mechanism, initial, &s->out.buf);
	if (trouble != NULL)
		fail(s, SMTP_CAUSE_HOST, "4.7.0", trouble);
	else
		expect_auth(s);
}

void
smtp_no_login(struct smtp *s)
{
	if (s->auth.refusal.status != STATUS_NONE)
		end(s, SMTP_CAUSE_HOST, &s->auth.refusal, 0);
	else
		fail(s, SMTP_CAUSE_HOST, "4.7.4",
		    "the server offers no AUTH mechanism that may be used");
}

void
smtp_demand_proof(struct smtp *s, int is_due)
{
	s->auth.state = is_due ? SMTP_AUTH_UNPROVEN : SMTP_AUTH_OPEN;
}

void
smtp_distrust(struct smtp *s, const char *reason)
{
	fail(s, SMTP_CAUSE_LOGIN, "4.7.0", reason);
}

const char *
smtp_challenge(const struct smtp *s)
{
	return buf_str(&s->auth.challenge);
}

void
smtp_answer(struct smtp *s, const char *base64)
{
	if (s->phase != PHASE_ANSWER)
		return;
	if (!text_is_clean(base64, strlen(base64))) {
		smtp_cancel(s);
		return;
	}
	if (base64[0] != '\0' &&
	    smtp_secrets_add(&s->auth.secrets, base64) == -1) {
		fail(s, SMTP_CAUSE_HOST, "4.7.0",
		    "the credentials are too long");
		return;
	}
	buf_puts(&s->out.buf, base64);
	expect_auth(s);
}

void
smtp_cancel(struct smtp *s)
{
	if (s->phase != PHASE_ANSWER)
		return;
	s->auth.state = SMTP_AUTH_CANCELLED;
	buf_putc(&s->out.buf, '*');
	expect_auth(s);
}

/* 4. Transactions. */

/* One more command of the envelope under way; it may be its last. */
static void
put_next(struct smtp *s, struct smtp_mail *m)
{
	uint32_t i;

	if (smtp_mail_ask(m, &s->caps, &i)) {
		smtp_mail_put_rcpt(&m->rcpts[i], &s->caps, &s->out.buf);
		expect(s, SMTP_AT_RCPT, m, i);
	} else if (m->awaited == 0 && m->accepted == 0 && m->is_throttled) {
		fail_by_throttle(s, &m->res);
	} else if (m->awaited == 0 && m->accepted == 0) {
		say(s, SMTP_AT_RSET, "RSET");
		mail_event(s, m, SMTP_EVENT_NO_RECIPIENTS);
	} else {
		mail_event(s, m, SMTP_EVENT_DATA);
		buf_puts(&s->out.buf, "DATA\r\n");
		expect(s, SMTP_AT_DATA, m, 0);
	}
}

/*
 * Writes as much of the envelope as may be sent now: with PIPELINING until
 * the buffer is full, so that one write takes all of a usual one; without it
 * one command at a time.
 */
static void
pump(struct smtp *s)
{
	while (s->phase == PHASE_READY && s->current != NULL &&
	    s->current->state == SMTP_MAIL_ENVELOPE &&
	    unsent(s) < SMTP_OUT_HIGH &&
	    s->n < COMMANDS_MAX - COMMANDS_SPARE && (s->n == 0 ||
	    (s->caps.offers & SMTP_OFFERS_PIPELINING) != 0))
		put_next(s, s->current);
}

void
smtp_mail(struct smtp *s, struct smtp_mail *m)
{
	int may = smtp_want(s) == SMTP_WANT_MAIL;

	smtp_mail_reset(m);
	push(&s->live, m);
	s->nmails++;
	if (!may) {
		mail_end(s, m, SMTP_MAIL_UNSENT);
		return;
	}
	if (smtp_mail_check(m, &s->caps) == -1) {
		mail_end(s, m, SMTP_MAIL_ANSWERED);
		return;
	}
	s->current = m;
	mail_event(s, m, SMTP_EVENT_BEGIN);
	smtp_mail_put(m, &s->caps, &s->out.buf);
	expect(s, SMTP_AT_MAIL, m, 0);
	pump(s);
}

/* No byte of the message was sent: it is not lost with this connection. */
static void
refuse_mail(struct smtp *s, struct smtp_mail *m, enum status status)
{
	if (status != STATUS_NONE) {
		smtp_reply_result(&s->reply, status, &m->res);
		smtp_mail_decide(m, &m->res);
	}
	if (m->state == SMTP_MAIL_ENVELOPE)
		s->current = NULL;
	mail_event(s, m, SMTP_EVENT_REFUSE);
}

/* SMTP_LEAVE is left to after_reply(). */
static void
on_mail(struct smtp *s)
{
	struct smtp_mail *m = s->replied.mail;
	unsigned is = (m->has_parameters ? SMTP_IF_PARAMETERS : 0) |
	    (s->nreplied++ > 0 ? SMTP_IF_LATER : 0);

	switch (smtp_judge(SMTP_AT_MAIL, &s->reply, is)) {
	case SMTP_DEFER:
		refuse_mail(s, m, STATUS_DEFERRED);
		break;
	case SMTP_FAIL:
		refuse_mail(s, m, STATUS_FAILED);
		break;
	case SMTP_PLAIN:
		go_plain(s);
		refuse_mail(s, m, STATUS_NONE);
		break;
	case SMTP_FRESH:
		fail_by_reply(s, SMTP_CAUSE_NONE);
		break;
	case SMTP_THROTTLED:
		fail_by_reply(s, SMTP_CAUSE_LOST);
		break;
	case SMTP_ASTRAY:
		out_of_step(s, "the server sent an invalid reply to MAIL");
		break;
	default:
		break;
	}
}

static void
on_rcpt(struct smtp *s)
{
	struct smtp_mail *m = s->replied.mail;
	const struct smtp_rcpt *to = &m->rcpts[s->replied.rcpt];
	enum smtp_verdict verdict;

	if (m->state == SMTP_MAIL_REFUSED)
		return;
	verdict = smtp_judge(SMTP_AT_RCPT, &s->reply,
	    (to->reports == SMTP_REPORTS_ASKED ? SMTP_IF_PARAMETERS : 0) |
	    (m->accepted > 0 ? SMTP_IF_ACCEPTED : 0));
	if (verdict == SMTP_ASTRAY)
		out_of_step(s, "the server sent an invalid reply to RCPT");
	else if (verdict == SMTP_PLAIN)
		go_plain(s);
	else
		smtp_mail_rcpt_reply(m, s->replied.rcpt, &s->reply, verdict);
}

static void
end_text(struct smtp *s, struct smtp_mail *m, enum smtp_mail_event event)
{
	s->current = NULL;
	mail_event(s, m, event);
	buf_puts(&s->out.buf, ".\r\n");
	expect(s, SMTP_AT_DOT, m, 0);
}

/* Nobody is left: an empty text ends the transaction. */
static void
go_empty(struct smtp *s, struct smtp_mail *m)
{
	if (m->state != SMTP_MAIL_REFUSED && m->is_throttled)
		fail_by_throttle(s, &m->res);
	else
		end_text(s, m, SMTP_EVENT_GO_EMPTY);
}

static void
refuse_data(struct smtp *s, struct smtp_mail *m, enum status status)
{
	if (m->accepted == 0 && m->is_throttled) {
		fail_by_throttle(s, &m->res);
		return;
	}
	smtp_reply_result(&s->reply, status, &m->res);
	smtp_mail_decide_accepted(m, &m->res);
	say(s, SMTP_AT_RSET, "RSET");
	mail_event(s, m, SMTP_EVENT_NO_GO);
}

static void
on_data(struct smtp *s)
{
	struct smtp_mail *m = s->replied.mail;
	enum smtp_verdict verdict = smtp_judge(SMTP_AT_DATA, &s->reply, 0);

	if (verdict == SMTP_LEAVE)
		return;
	if (verdict == SMTP_ASTRAY)
		out_of_step(s, "the server sent an invalid reply to DATA");
	else if (verdict == SMTP_GO && (m->accepted == 0 ||
	    m->state == SMTP_MAIL_REFUSED))
		go_empty(s, m);
	else if (verdict == SMTP_GO)
		mail_event(s, m, SMTP_EVENT_GO);
	else if (m->state == SMTP_MAIL_REFUSED)
		s->current = NULL;	/* and the last reply has come */
	else if (verdict == SMTP_THROTTLED && m->accepted > 0)
		fail_by_reply(s, SMTP_CAUSE_LOST);
	else
		refuse_data(s, m, verdict == SMTP_FAIL ? STATUS_FAILED :
		    STATUS_DEFERRED);
}

/* 5. The text. */

/*
 * Text goes only after this transaction's own 354: whatever the server does,
 * no byte of a message is ever read as a command.
 */
struct smtp_mail *
smtp_text_mail(const struct smtp *s)
{
	return s->current != NULL && s->current->state == SMTP_MAIL_TEXT ?
	    s->current : NULL;
}

/* Room after what is not sent yet. */
struct buf *
smtp_text(struct smtp *s)
{
	buf_drop(&s->out.buf, s->out.pos);
	s->out.pos = 0;
	return &s->out.buf;
}

void
smtp_text_end(struct smtp *s)
{
	struct smtp_mail *m = smtp_text_mail(s);

	if (m != NULL)
		end_text(s, m, SMTP_EVENT_TEXT_END);
}

/* Only the end of the connection tells the host that the text is not whole. */
void
smtp_text_fail(struct smtp *s, const struct result *reason)
{
	struct smtp_mail *m = smtp_text_mail(s);

	if (m == NULL)
		return;
	m->end = SMTP_MAIL_IN_DOUBT;
	smtp_mail_decide_accepted(m, reason);
	end(s, SMTP_CAUSE_LOST, reason, 0);
}

/* Without recipients the reply says nothing to anybody. */
static void
on_dot(struct smtp *s)
{
	static const char invalid[] =
	    "the server sent an invalid reply to the end of data";
	struct smtp_mail *m = s->replied.mail;
	enum smtp_verdict verdict = smtp_judge(SMTP_AT_DOT, &s->reply, 0);

	if (verdict == SMTP_LEAVE)
		return;
	if (m->state == SMTP_MAIL_SENT && verdict == SMTP_ASTRAY) {
		result_set(&m->res, STATUS_DEFERRED, "4.5.0", "%s", invalid);
		smtp_mail_decide_accepted(m, &m->res);
		m->end = SMTP_MAIL_IN_DOUBT;
		out_of_step(s, invalid);
	} else if (m->state == SMTP_MAIL_SENT && decide_text(s, m) == -1) {
		fail_by_reply(s, SMTP_CAUSE_LOST);
	} else {
		mail_event(s, m, SMTP_EVENT_ANSWER);
	}
}

/*
 * The host may have kept the transaction, and would refuse the next one for
 * it.  That is about this connection alone.
 */
static void
on_rset(struct smtp *s)
{
	if (smtp_judge(SMTP_AT_RSET, &s->reply, 0) != SMTP_GO)
		fail_by_reply(s, SMTP_CAUSE_NONE);
}

static void
on_quit(struct smtp *s)
{
	fail_by_reply(s, SMTP_CAUSE_NONE);
}

struct smtp_mail *
smtp_finished(struct smtp *s)
{
	struct smtp_mail *m = s->finished;

	if (m == NULL)
		return NULL;
	s->finished = m->next;
	m->next = NULL;
	result_fini(&m->res);
	return m;
}

int
smtp_is_busy(const struct smtp *s)
{
	return s->live != NULL || s->finished != NULL;
}

void
smtp_quit(struct smtp *s)
{
	if (s->phase == PHASE_OVER || s->phase == PHASE_QUIT)
		return;
	s->phase = PHASE_QUIT;
	say(s, SMTP_AT_QUIT, "QUIT");
}

/* The first transaction keeps its commands, and what of them is unsent. */
static void
keep_first(struct smtp *s, const struct smtp_mail *first)
{
	uint64_t last = s->out.sent;
	size_t i, n = 0;

	for (i = 0; i < s->n; i++) {
		if (command_at(s, i)->mail != first)
			continue;
		n = i + 1;
		last = command_at(s, i)->end;
	}
	s->n = n;
	if (last < s->out.sent)
		last = s->out.sent;
	s->out.buf.len = s->out.pos + (size_t)(last - s->out.sent);
}

int
smtp_has_text(const struct smtp *s)
{
	const struct smtp_mail *m;

	for (m = s->live; m != NULL; m = m->next)
		if (m->state == SMTP_MAIL_TEXT || m->state == SMTP_MAIL_SENT)
			return 1;
	return 0;
}

unsigned
smtp_release(struct smtp *s)
{
	struct smtp_mail *m, *first = s->live;
	unsigned n = 0;

	if (s->phase != PHASE_READY || first == NULL || first->next == NULL ||
	    first == s->current)
		return 0;
	keep_first(s, first);
	s->phase = PHASE_LAST;
	while ((m = first->next) != NULL) {
		mail_end(s, m, SMTP_MAIL_UNSENT);
		n++;
	}
	return n;
}

struct smtp_mail *
smtp_live(const struct smtp *s)
{
	return s->live;
}

/* The end of its data is not only written, but sent. */
static int
is_text_sent(const struct smtp *s, const struct smtp_mail *m)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (command_at(s, i)->mail == m &&
		    command_at(s, i)->stage == SMTP_AT_DOT)
			return command_at(s, i)->end <= s->out.sent;
	return 0;
}

int
smtp_abandon(struct smtp *s, struct smtp_mail *m)
{
	if (is_text_sent(s, m))
		return 0;
	if (m != s->live && smtp_release(s) > 0)
		return 1;
	fail(s, SMTP_CAUSE_NONE, "4.4.2", "delivery was abandoned");
	return 1;
}

/* 6. Replies. */

static const struct {
	const char	*name;
	unsigned	 wait_s;	/* RFC 5321 4.5.3.2 */
	int		 is_must;	/* a refusal ends it; the next host */
	void		(*reply)(struct smtp *);
} stages[] = {
	[SMTP_AT_GREETING] = { "the greeting", 300, 1, say_ehlo },
	[SMTP_AT_EHLO] = { "the reply to EHLO", 300, 0, on_ehlo },
	[SMTP_AT_HELO] = { "the reply to HELO", 300, 1, advance },
	[SMTP_AT_STARTTLS] = { "the reply to STARTTLS", 120, 1, on_starttls },
	[SMTP_AT_AUTH] = { "the reply to AUTH", 180, 0, on_auth },
	[SMTP_AT_MAIL] = { "the reply to MAIL", 300, 0, on_mail },
	[SMTP_AT_RCPT] = { "the reply to RCPT", 300, 0, on_rcpt },
	[SMTP_AT_DATA] = { "the reply to DATA", 120, 0, on_data },
	[SMTP_AT_DOT] = { "the reply to the end of data", 600, 0, on_dot },
	[SMTP_AT_RSET] = { "the reply to RSET", 2, 0, on_rset },
	[SMTP_AT_QUIT] = { "the reply to QUIT", 2, 0, on_quit },
};

/* A challenge is a half of what a password could be guessed by. */
static void
show_reply(const struct smtp *s, enum smtp_stage stage, const char *line,
    size_t len)
{
	const struct smtp_mail *m = s->n > 0 ? command_at(s, 0)->mail :
	    s->current;

	show(s, m, 0, line, stage == SMTP_AT_AUTH && s->reply.code == 334 ? 3 :
	    len);
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
	(void)decide_text(s, m);
	fail_by_reply(s, SMTP_CAUSE_LOST);
}

/* A reply although none is awaited. */
static void
stray_reply(struct smtp *s)
{
	if (s->phase == PHASE_QUIT)
		return;
	if (smtp_text_mail(s) != NULL)
		early_reply(s, s->current);
	else if (s->reply.code == 421)
		fail_by_reply(s, SMTP_CAUSE_LOST);
	else
		out_of_step(s, "the server sent an unexpected reply");
}

/* What its reply leaves to be done. */
static void
after_reply(struct smtp *s, struct smtp_mail *m)
{
	if (s->phase != PHASE_OVER && s->reply.code == 421)
		fail_by_reply(s, SMTP_CAUSE_LOST);
	if (s->phase == PHASE_OVER)
		return;
	if (m != NULL && m != s->current && m->awaited == 0)
		mail_event(s, m, SMTP_EVENT_LAST_REPLY);
	if (s->phase == PHASE_LAST && s->live == NULL)
		fail_by_reply(s, SMTP_CAUSE_NONE);
	pump(s);
}

static void
reply_done(struct smtp *s)
{
	struct command *c = &s->replied;

	s->turn++;
	if (s->n == 0) {
		stray_reply(s);
		return;
	}
	*c = *command_at(s, 0);
	if (c->end > s->out.sent && c->mail != NULL &&
	    c->mail->state == SMTP_MAIL_SENT) {
		early_reply(s, c->mail);
		return;
	}
	if (c->end > s->out.sent) {
		out_of_step(s, "the server replied before the command was "
		    "sent");
		return;
	}
	s->first = (s->first + 1) % COMMANDS_MAX;
	s->n--;
	if (c->mail != NULL)
		c->mail->awaited--;
	if (stages[c->stage].is_must &&
	    smtp_judge(c->stage, &s->reply, 0) != SMTP_GO)
		fail_by_reply(s, SMTP_CAUSE_HOST);
	else
		stages[c->stage].reply(s);
	after_reply(s, c->mail);
}

static void
line_done(struct smtp *s)
{
	enum smtp_stage stage = s->n > 0 ? command_at(s, 0)->stage :
	    SMTP_AT_QUIT;
	char *line = s->line.data, *text;
	enum smtp_line last;
	size_t len;

	last = smtp_reply_line(&s->reply, line, s->line.len, &text, &len);
	if (last == SMTP_LINE_MALFORMED) {
		out_of_step(s, "the server sent a malformed reply");
		return;
	}
	if (stage == SMTP_AT_EHLO && s->reply.code == 250 && s->reply.lines > 1)
		smtp_capabilities_add(&s->caps, text, len);
	if (stage == SMTP_AT_AUTH && s->reply.code == 334) {
		buf_reset(&s->auth.challenge);
		buf_add(&s->auth.challenge, text, len);
	}
	smtp_secrets_mask(&s->auth.secrets, text, len);
	smtp_reply_keep(&s->reply, text, len);
	show_reply(s, stage, line, (size_t)(text - line) + len);
	buf_reset(&s->line);
	if (last == SMTP_LINE_LAST)
		reply_done(s);
}

/* How it begins may say enough. */
static void
line_too_long(struct smtp *s, const char *rest)
{
	buf_add(&s->line, rest, SMTP_LINE_MAX - s->line.len);
	(void)smtp_reply_claim(&s->reply, s->line.data, s->line.len);
	s->reply.last = SMTP_LINE_MALFORMED;
	out_of_step(s, "the server sent a line that is too long");
}

/* Bytes for a command that is not sent yet, which only text may expect. */
static int
is_ahead(const struct smtp *s)
{
	return s->n > 0 && s->line.len > 0 &&
	    command_at(s, 0)->end > s->out.sent &&
	    command_at(s, 0)->stage != SMTP_AT_DOT;
}

void
smtp_input(struct smtp *s, const char *data, size_t len)
{
	const char *lf;
	size_t n;

	while (len > 0 && s->phase != PHASE_OVER) {
		if (s->phase == PHASE_HANDSHAKE) {
			/* Put there by someone who cannot do TLS. */
			fail(s, SMTP_CAUSE_HOST, "4.7.0",
			    "the server sent data between STARTTLS and TLS");
			return;
		}
		lf = memchr(data, '\n', len);
		n = lf == NULL ? len : (size_t)(lf - data);
		if (s->line.len + n > SMTP_LINE_MAX) {
			line_too_long(s, data);
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
	if (is_ahead(s))
		out_of_step(s, "the server replied before the command was "
		    "sent");
}

/* 7. The driver's side. */

/*
 * Room for a login, so that realloc() leaves no copy of it: a password is at
 * most doubled, by base64.
 */
static int
keep_room(struct smtp *s)
{
	const char *password = s->setup.password;
	size_t n = password == NULL ? 0 : LOGIN_ROOM + 2 * strlen(password);

	return buf_space(&s->out.buf, n) == NULL ? -1 : 0;
}

struct smtp *
smtp_new(const struct smtp_setup *setup)
{
	struct smtp *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->setup = *setup;
	smtp_capabilities_init(&s->caps);
	smtp_auth_init(&s->auth, setup->password);
	s->commands = calloc(COMMANDS_MAX, sizeof(*s->commands));
	if (s->commands == NULL || keep_room(s) == -1 ||
	    !text_is_clean(setup->helo, strlen(setup->helo))) {
		smtp_free(s);
		return NULL;
	}
	expect(s, SMTP_AT_GREETING, NULL, 0);
	return s;
}

void
smtp_free(struct smtp *s)
{
	if (s == NULL)
		return;
	smtp_capabilities_fini(&s->caps);
	smtp_auth_fini(&s->auth);
	buf_fini(&s->reply.text);
	buf_wipe(&s->line);
	wipe_output(s);
	buf_fini(&s->out.buf);
	result_fini(&s->trouble);
	free(s->commands);
	free(s);
}

void
smtp_lost(struct smtp *s, const char *reason)
{
	struct buf text;
	const char *what;

	what = s->n > 0 ? stages[command_at(s, 0)->stage].name :
	    smtp_text_mail(s) != NULL ? "the message to be accepted" :
	    "more mail";
	buf_init(&text, 0);
	buf_printf(&text, "%s, while waiting for %s", reason, what);
	/* Nobody's transaction is at RSET; what follows goes elsewhere. */
	fail(s, s->n > 0 && command_at(s, 0)->stage == SMTP_AT_RSET ?
	    SMTP_CAUSE_NONE : SMTP_CAUSE_LOST, "4.4.2", buf_str(&text));
	buf_fini(&text);
}

const char *
smtp_output(const struct smtp *s, size_t *n)
{
	*n = unsent(s);
	return *n == 0 ? "" : s->out.buf.data + s->out.pos;
}

void
smtp_sent(struct smtp *s, size_t n)
{
	if (n > unsent(s))
		n = unsent(s);
	/* While it takes what is to be answered next the host is alive. */
	if (s->n == 0 || command_at(s, 0)->end > s->out.sent)
		s->turn++;
	s->out.pos += n;
	s->out.sent += n;
	if (unsent(s) == 0)
		wipe_output(s);
	pump(s);
}

enum smtp_want
smtp_want(const struct smtp *s)
{
	static const enum smtp_want wants[] = {
		[PHASE_HANDSHAKE] = SMTP_WANT_TLS,
		[PHASE_LOGIN] = SMTP_WANT_LOGIN,
		[PHASE_ANSWER] = SMTP_WANT_ANSWER,
		[PHASE_OVER] = SMTP_WANT_CLOSE,
	};

	if (s->phase != PHASE_READY)
		return wants[s->phase];
	if (unsent(s) >= SMTP_OUT_HIGH ||
	    s->n >= COMMANDS_MAX - COMMANDS_SPARE)
		return SMTP_WANT_NOTHING;
	if (smtp_text_mail(s) != NULL)
		return SMTP_WANT_TEXT;
	return s->current == NULL && !is_full(s) && (s->n == 0 ||
	    (s->caps.offers & SMTP_OFFERS_PIPELINING) != 0) ?
	    SMTP_WANT_MAIL : SMTP_WANT_NOTHING;
}

unsigned
smtp_wait_s(const struct smtp *s)
{
	const struct command *c = command_at(s, 0);

	if (s->n == 0)
		return smtp_text_mail(s) != NULL ? BLOCK_WAIT_S : 0;
	return c->end > s->out.sent && c->stage == SMTP_AT_DOT ? BLOCK_WAIT_S :
	    stages[c->stage].wait_s;
}

unsigned
smtp_turn(const struct smtp *s)
{
	return s->turn;
}

const struct smtp_capabilities *
smtp_capabilities(const struct smtp *s)
{
	return &s->caps;
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
	return s->phase >= PHASE_LAST || is_full(s);
}

int
smtp_is_plain(const struct smtp *s)
{
	return s->setup.is_plain;
}

int
smtp_is_throttled(const struct smtp *s)
{
	return s->is_throttled;
}
