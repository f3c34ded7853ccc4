/*
 * session_mail.c - the messages of one SMTP session: which is next, its text,
 * and what becomes of it.
 * Runs as: the spool user, in dma-remote.  Uses: nothing.
 * Promise: what the server said about a recipient reaches the runner as soon
 * as the transaction is over; a message on which connections end is sent last
 * and alone.
 */
#include <errno.h>
#include <string.h>

#include "net/session.h"

/* 1. Ends of transactions. */

/*
 * A recipient that was deferred here may have more luck with the next host, in
 * the same attempt.  Not one who may have been sent the message already.
 */
static int
may_pass(const struct session *s, const struct smtp_mail *m)
{
	const struct request *r = m->arg;

	return m->end != SMTP_MAIL_IN_DOUBT &&
	    r->past.nhosts + 1 < HOSTS_TRIES_MAX &&
	    hosts_left(&s->net->hosts, s->host.place + 1, s->net->now_ms);
}

/* This host gets it no more. */
static void
give_up(struct session *s, const struct smtp_mail *m)
{
	struct requests *requests = &s->net->requests;
	struct request *r = m->arg;
	struct result reason;
	int passes = may_pass(s, m);

	result_init(&reason);
	result_copy(&reason, smtp_trouble(s->smtp));
	session_name_host(s, &reason);
	if (passes)
		requests_defer(r, &reason);
	else
		requests_refuse(requests, r, s->where, &reason);
	result_fini(&reason);
	if (!passes || requests_settle(requests, r, s->where, 1) == 0)
		return;
	requests_pass(r, s->where, s->host.place + 1);
	r->is_suspect = 1;
	r->drops = DROPS_MAX - 1;
	requests_put_last(requests, r);
}

static void
mail_cut(struct session *s, const struct smtp_mail *m)
{
	struct session_mail *t = &s->mail;
	struct requests *requests = &s->net->requests;
	struct request *r = m->arg;
	struct cut cut = { m->end == SMTP_MAIL_LOST, s->ending.is_late,
	    smtp_is_throttled(s->smtp), t->nsettled };
	enum retry retry;

	if (r->is_cancelled) {
		requests_cancel(requests, r, s->where);
		return;
	}
	if (cut.is_guilty)
		t->was_suspect = r->is_suspect;
	retry = concurrency_cut(&r->drops, &cut);
	r->is_suspect |= retry == RETRY_ALONE;
	if (retry == RETRY_NEVER)
		give_up(s, m);
	else if (requests_settle(requests, r, s->where, 1) == 0)
		return;
	else if (retry == RETRY_FIRST)
		requests_put_first(requests, r);
	else
		requests_put_last(requests, r);
}

/* The connection ended on them. */
static void
name_host(const struct session *s, struct request *r)
{
	uint32_t i;

	for (i = 0; i < r->nrcpts; i++)
		if (result_is_lost(&r->rcpts[i].res))
			session_name_host(s, &r->rcpts[i].res);
}

static void
mail_over(struct session *s, struct smtp_mail *m)
{
	struct session_mail *t = &s->mail;
	struct net *net = s->net;
	struct request *r = m->arg;
	int passes;

	if (t->body.request != NULL && t->body.request == r)
		t->body.request = NULL;
	t->nlive--;
	name_host(s, r);
	if (m->end == SMTP_MAIL_LOST || m->end == SMTP_MAIL_UNSENT) {
		mail_cut(s, m);
		return;
	}
	if (m->end == SMTP_MAIL_IN_DOUBT) {
		t->was_suspect = r->is_suspect;	/* and no verdict */
	} else {
		t->nsettled++;
		concurrency_verdict(&net->concurrency, t->since_ms,
		    net->now_ms);
		t->since_ms = net->now_ms;
	}
	if (r->is_cancelled) {
		requests_cancel(&net->requests, r, s->where);
		return;
	}
	passes = may_pass(s, m);
	if (requests_settle(&net->requests, r, s->where, passes) == 0)
		return;
	passes = passes && requests_pass(r, s->where, s->host.place + 1);
	if (passes || smtp_is_closing(s->smtp) || t->again != NULL)
		requests_put_first(&net->requests, r);
	else
		t->again = r;
}

void
session_mail_fetch(struct session *s)
{
	struct smtp_mail *m;

	while ((m = smtp_finished(s->smtp)) != NULL)
		mail_over(s, m);
	if (smtp_is_plain(s->smtp) && !s->host.is_plain) {
		s->host.is_plain = 1;
		hosts_plain(&s->net->hosts, &s->host);
	}
}

void
session_mail_fini(struct session *s)
{
	struct session_mail *t = &s->mail;

	if (t->again != NULL)
		requests_put_first(&s->net->requests, t->again);
	if (t->coming != NULL)
		requests_put_first(&s->net->requests, t->coming);
	content_fini(&t->body);
}

void
session_mail_give_back(struct session *s)
{
	struct session_mail *t = &s->mail;

	if (t->coming == NULL || !smtp_is_closing(s->smtp))
		return;
	requests_put_first(&s->net->requests, t->coming);
	t->coming = NULL;
	t->body.request = NULL;
	s->is_computing = 0;
	s->conn.deadline_ms = 0;
}

/* Not started on this connection: it is sent in a later transaction. */
static struct request *
take_unbegun(struct session *s, uint32_t id)
{
	struct session_mail *t = &s->mail;
	struct request *r = NULL;

	if (t->again != NULL && t->again->id == id) {
		r = t->again;
		t->again = NULL;
	} else if (t->coming != NULL && t->coming->id == id) {
		r = t->coming;
		t->coming = NULL;
		t->body.request = NULL;
		s->is_computing = 0;
		s->conn.deadline_ms = 0;
	}
	return r;
}

int
session_mail_cancel(struct session *s, uint32_t id)
{
	struct request *r = take_unbegun(s, id);
	struct smtp_mail *m;

	if (r != NULL) {
		requests_cancel(&s->net->requests, r, "");
		return 1;
	}
	for (m = s->smtp == NULL ? NULL : smtp_live(s->smtp); m != NULL;
	    m = m->next) {
		r = m->arg;
		if (r->id != id)
			continue;
		r->is_cancelled = 1;
		if (smtp_abandon(s->smtp, m))
			session_go_on(s);
		return 1;
	}
	return 0;
}

int
session_mail_is_held_up(const struct session *s)
{
	return s->mail.nlive > 1 && session_is_slow(s);
}

/* 2. The next one. */

static int
has_idle(const struct net *net, size_t from)
{
	const struct session *s;

	for (s = net->sessions; s != NULL; s = s->next)
		if (s->conn.state == CONN_IDLE && s->from == from)
			return 1;
	return 0;
}

/* A request for this session, or NULL; it is off the list. */
static struct request *
next_request(struct session *s)
{
	struct session_mail *t = &s->mail;
	struct request *r = t->coming;

	t->coming = NULL;
	if (r != NULL)
		return r;
	if (t->nlive == 0)
		t->is_alone = 0;
	if (t->is_alone)
		return NULL;
	r = t->again;
	t->again = NULL;
	if (r != NULL)
		return r;
	if (t->nlive > 0 && (has_idle(s->net, s->from) ||
	    !concurrency_may_follow(&s->net->concurrency)))
		return NULL;
	return requests_take(&s->net->requests, s->from, s->host.place,
	    t->nlive == 0);
}

/*
 * Selects the recipients of the next transaction: those whose addresses need
 * SMTPUTF8 get a separate one, so that the others do not depend on it.
 */
static enum smtp_utf8
utf8_of(const struct request *r)
{
	uint32_t i;

	if (r->fit.utf8 == FIT_UTF8_NEEDED ||
	    !text_is_ascii(r->sender, strlen(r->sender)))
		return SMTP_UTF8_ALL;
	for (i = 0; i < r->nrcpts; i++)
		if (r->rcpts[i].res.status == STATUS_NONE &&
		    text_is_ascii(r->rcpts[i].address,
		    strlen(r->rcpts[i].address)))
			return SMTP_UTF8_NONE;
	return SMTP_UTF8_SOME;
}

/* As content_prepare(); the request comes again, or is refused. */
static int
prepare(struct session *s, struct request *r)
{
	int was_computing = s->is_computing;
	struct result reason;
	int ret;

	result_init(&reason);
	ret = content_prepare(&s->mail.body, r,
	    smtp_capabilities(s->smtp)->offers,
	    utf8_of(r) != SMTP_UTF8_NONE, &reason);
	s->is_computing = ret == 0;
	if (ret == 0)
		s->mail.coming = r;
	/* As long as it gets on; then anew for replies that are awaited. */
	if (s->is_computing || was_computing)
		s->conn.deadline_ms = 0;
	/* It offers more than it takes: no reason to give the message up. */
	if (ret == -1 && s->host.is_plain)
		result_defer(&reason);
	if (ret == -1)
		requests_refuse(&s->net->requests, r, s->where, &reason);
	result_fini(&reason);
	return ret;
}

/*
 * So many recipients of a request, from the first on, hold those whom the host
 * takes at once.  Deferred ones that wait for the next host are not sent.
 */
static uint32_t
count_rcpts(const struct request *r, uint32_t max)
{
	uint32_t i, n = 0;

	for (i = 0; i < r->nrcpts && (max == 0 || n < max); i++)
		n += r->rcpts[i].res.status == STATUS_NONE;
	return i;
}

static void
begin_mail(struct session *s, struct request *r)
{
	struct session_mail *t = &s->mail;

	t->is_alone = r->is_suspect;
	if (t->nlive++ == 0)
		t->since_ms = s->net->now_ms;
	(void)conn_event(&s->conn, CONN_GETS_MAIL);
	r->mail.sender = r->sender;
	r->mail.ret = r->ret;
	r->mail.envid = r->envid;
	r->mail.rcpts = r->rcpts;
	r->mail.nrcpts = count_rcpts(r,
	    smtp_capabilities(s->smtp)->rcpt_max);
	r->mail.utf8 = utf8_of(r);
	r->mail.arg = r;
	smtp_mail(s->smtp, &r->mail);
}

/*
 * A session that still awaits the verdict on its last message takes more only
 * if no other is free.
 */
int
session_mail_next(struct session *s)
{
	struct request *r = next_request(s);
	int ret;

	if (r == NULL)
		return 0;
	ret = prepare(s, r);
	if (ret == 1)
		begin_mail(s, r);
	return ret != 0;
}

/* 3. The text. */

/* A file that cannot be read to its end must not become a shorter mail. */
static void
content_failed(struct session *s, int error)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0",
	    "cannot read the message: %s", strerror(error));
	smtp_text_fail(s->smtp, &res);
	result_fini(&res);
}

static void
log_changes(const struct session *s, const struct request *r)
{
	if (r->fit.is_encoded)
		log_say(s->net->log, LOG_LEVEL_INFO, "id=%s relay=%s "
		    "message was encoded for this server", r->queue_id,
		    s->where);
	if ((r->flags & MESSAGE_HAS_NUL) != 0)
		log_say(s->net->log, LOG_LEVEL_INFO, "id=%s relay=%s "
		    "NUL bytes were removed", r->queue_id, s->where);
}

void
session_mail_send(struct session *s)
{
	struct session_mail *t = &s->mail;
	struct request *r = smtp_text_mail(s->smtp)->arg;
	int ret;

	if (t->body.request != r) {
		content_begin(&t->body, r, 1);
		log_changes(s, r);
	}
	ret = content_next(&t->body, smtp_text(s->smtp));
	if (ret == -1) {
		content_failed(s, errno);
	} else if (ret == 0) {
		t->body.request = NULL;
		smtp_text_end(s->smtp);
	}
}
