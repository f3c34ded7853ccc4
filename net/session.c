/*
 * session.c - one SMTP session: a connection, TLS, a login, and the turns of
 * the conversation.
 * Runs as: the spool user, in dma-remote.  Uses: nothing.
 * Promise: trouble with a host only ever defers; a login goes over TLS unless
 * INSECURE is set, and a rejected one is not repeated.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/io.h"
#include "net/auth_command.h"
#include "net/session.h"

#define READ_SIZE	16384	/* bytes read at once */
#define TURNS_MAX	32	/* writes or reads before the others' turn */
#define STEPS_MAX	256	/* of the conversation before a write */
#define HANDSHAKE_WAIT_S 120
#define COMPUTE_WAIT_S	60	/* for an answer of ours that is costly */
#define QUIT_WAIT_S	2
#define CONNECT_WAIT_S	5	/* while another address is left: the quick
				 * fallback between IPv6 and IPv4 */
#define IDLE_MS		10000	/* a connection without mail is kept */
#define SHOWN_MAX	1000	/* bytes of a line that is shown */

/* 1. For those who watch. */

static void
show(void *arg, const struct smtp_mail *mail, int is_ours, const char *line,
    size_t len)
{
	struct session *s = arg;
	const struct request *r = mail == NULL ? NULL : mail->arg;
	struct buf b;

	if (s->net->requests.nwatched == 0)
		return;
	buf_init(&b, 0);
	buf_puts(&b, is_ours ? ">>> " : "<<< ");
	buf_put_clean(&b, line, len, SHOWN_MAX);
	requests_show(&s->net->requests, r, buf_str(&b));
	buf_fini(&b);
}

void
session_note(const struct session *s, const char *what, const char *more)
{
	struct buf b;

	if (s->net->requests.nwatched == 0)
		return;
	buf_init(&b, 0);
	buf_printf(&b, "=== %s: %s", s->where, what);
	buf_put_clean(&b, more, strlen(more), SHOWN_MAX);
	requests_show(&s->net->requests, NULL, buf_str(&b));
	buf_fini(&b);
}

/* 2. Its end. */

void
session_name_host(const struct session *s, struct result *res)
{
	struct buf b;

	if (res->server != NULL)
		return;
	buf_init(&b, 0);
	buf_puts(&b, s->where);
	if (res->source != SOURCE_SERVER)
		buf_printf(&b, " port %u", (unsigned)s->host.port);
	result_from_server(res, buf_str(&b));
	buf_fini(&b);
}

static void
over(struct session *s, enum smtp_cause cause, const struct result *reason)
{
	if (s->conn.state == CONN_CLOSED)
		return;
	s->ending.was_idle = s->conn.state == CONN_IDLE && !s->is_computing;
	s->ending.cause = cause;
	result_copy(&s->ending.reason, reason);
	session_name_host(s, &s->ending.reason);
	(void)conn_event(&s->conn, CONN_ENDS);
}

void
session_drop(struct session *s)
{
	(void)conn_event(&s->conn, CONN_ENDS);
}

void
session_loss(const struct session *s, struct loss *loss)
{
	loss->cause = s->ending.cause;
	loss->was_throttled = smtp_is_throttled(s->smtp);
	loss->begun_ms = s->begun_ms;
	loss->nsettled = s->mail.nsettled;
	loss->was_idle = s->ending.was_idle;
	loss->was_suspect = s->mail.was_suspect;
}

int
session_is_slow(const struct session *s)
{
	return s->mail.nlive > 0 &&
	    concurrency_is_slow(s->mail.since_ms, s->net->now_ms);
}

void
session_free(struct session *s)
{
	if (s->smtp != NULL) {
		smtp_lost(s->smtp, "delivery was abandoned");
		session_mail_fetch(s);
		smtp_free(s->smtp);
	}
	session_mail_fini(s);
	sasl_fini(&s->login.sasl);
	conn_fini(&s->conn);
	tlsas_free(s->host.tlsas);
	result_fini(&s->ending.reason);
	free(s);
}

/* 3. Its beginning. */

/*
 * Before the connection is made, so that no server waits meanwhile; once, for
 * all sessions of this process.
 */
static int
get_secret(struct session *s)
{
	struct net *net = s->net;
	const struct auth *a = s->policy.auth;
	int ret;

	if (a == NULL || a->command == NULL || a->password != NULL ||
	    a->trouble != NULL)
		return 0;
	ret = auth_command_fetch(net->secrets, net->auths, a);
	net->now_ms = io_clock_ms();
	return ret;
}

/* Why that login is not tried, or NULL. */
static const struct result *
refusal_of(const struct net *net, const struct auth *auth)
{
	size_t i;

	for (i = 0; i < net->nrefusals; i++)
		if (net->refusals[i].auth == auth)
			return &net->refusals[i].reason;
	return NULL;
}

void
session_refuse_login(struct session *s)
{
	struct net *net = s->net;
	struct result *reason = &s->ending.reason;
	struct login_refusal *r;

	if (refusal_of(net, s->policy.auth) != NULL)
		return;
	if (s->policy.auth->trouble == NULL)
		text_copy(reason->code, sizeof(reason->code), CODE_LOGIN);
	log_say(net->log, LOG_LEVEL_ERROR,
	    "relay=%s login refused, see auth.conf: %s", s->where,
	    reason->reason == NULL ? "" : reason->reason);
	if (array_grow(&net->refusals, &net->crefusals, net->nrefusals,
	    sizeof(*r)) == -1)
		return;
	r = &net->refusals[net->nrefusals++];
	r->auth = s->policy.auth;
	result_init(&r->reason);
	result_copy(&r->reason, reason);
}

/* 0, or -1 when the login is bound to fail: the host is left alone. */
static int
check_login(struct session *s)
{
	const struct auth *auth = s->policy.auth;
	const struct result *refusal;
	struct result res;

	refusal = auth == NULL ? NULL : refusal_of(s->net, auth);
	if (refusal != NULL)
		over(s, SMTP_CAUSE_LOGIN, refusal);
	if (refusal != NULL || auth == NULL || auth->trouble == NULL)
		return refusal == NULL ? 0 : -1;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.7.0", "this host has no usable "
	    "login for the server");
	result_detail(&res, "%s: %s",
	    auth->file == NULL ? s->net->conf->where.auth : auth->file,
	    auth->trouble);
	over(s, SMTP_CAUSE_LOGIN, &res);
	result_fini(&res);
	return -1;
}

static int
make_smtp(struct session *s)
{
	const struct policy *policy = &s->policy;
	struct smtp_setup setup;

	memset(&setup, 0, sizeof(setup));
	setup.helo = s->net->conf->names.mailname;
	setup.has_tls = policy->has_tls_first;
	setup.may_tls = policy->may_tls;
	setup.must_tls = policy->must_tls;
	setup.must_login = policy->auth != NULL;
	setup.may_login_clear = policy->may_login_clear;
	setup.is_plain = s->host.is_plain;
	if (policy->auth != NULL)
		setup.password = policy->auth->password;
	setup.watch = show;
	setup.watch_arg = s;
	s->smtp = smtp_new(&setup);
	return s->smtp == NULL ? -1 : 0;
}

static void
set_where(struct session *s)
{
	struct buf b;

	buf_init(&b, 0);
	buf_put_clean(&b, s->host.name, strlen(s->host.name), 255);
	if (strcmp(s->host.name, s->host.addr.text) != 0)
		buf_printf(&b, "[%s]", s->host.addr.text);
	text_copy(s->where, sizeof(s->where), buf_str(&b));
	buf_fini(&b);
}

static void
set_timeout(struct session *s, unsigned wait_s)
{
	s->conn.deadline_ms = s->net->now_ms + (int64_t)wait_s * 1000;
}

static void
start_connect(struct session *s)
{
	unsigned wait_s = s->net->conf->smtp.connect_timeout_s;
	struct result res;

	if (!s->host.is_last && wait_s > CONNECT_WAIT_S)
		wait_s = CONNECT_WAIT_S;
	session_note(s, "connecting", "");
	set_timeout(s, wait_s);
	result_init(&res);
	if (conn_connect(&s->conn, &s->host.addr, &res) == -1)
		over(s, SMTP_CAUSE_HOST, &res);
	result_fini(&res);
}

int
session_new(struct net *net, const struct host *host, size_t from)
{
	const char *user = net->requests.destination.user;
	struct session *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -1;
	s->net = net;
	conn_init(&s->conn);
	s->from = from;
	s->begun_ms = net->now_ms;
	s->host = *host;
	tlsas_hold(s->host.tlsas);
	content_init(&s->mail.body);
	set_where(s);
	tls_policy_set(&s->policy, net->conf, net->auths,
	    user[0] == '\0' ? NULL : user, &s->host);
	if (get_secret(s) == -1 || make_smtp(s) == -1) {
		session_free(s);
		return -1;
	}
	if (check_login(s) == 0)
		start_connect(s);
	s->next = net->sessions;
	net->sessions = s;
	net->nsessions++;
	return 0;
}

/* 4. TLS. */

/*
 * TLS does not work here.  Where that is allowed the host is asked again,
 * over a new connection, without it.
 */
static void
tls_failed(struct session *s, const struct result *reason)
{
	struct buf text;

	buf_init(&text, 0);
	result_put_full(&text, reason);
	log_say(s->net->log, LOG_LEVEL_WARNING, "relay=%s tls=failed: %s",
	    s->where, buf_str(&text));
	buf_fini(&text);
	over(s, s->policy.must_tls ? SMTP_CAUSE_HOST : SMTP_CAUSE_TLS, reason);
}

static void
shake_hands(struct session *s)
{
	struct result res;
	int ret;

	result_init(&res);
	ret = conn_handshake(&s->conn, &res);
	if (ret == -1)
		tls_failed(s, &res);
	result_fini(&res);
	if (ret != 1)
		return;
	session_note(s, "TLS: ", tls_describe(s->conn.tls));
	if (!s->policy.has_tls_first)
		smtp_tls_up(s->smtp);
}

static struct tls *
make_tls(const struct session *s)
{
	const struct conf *conf = s->net->conf;
	struct tls_demand demand;

	memset(&demand, 0, sizeof(demand));
	demand.sni = s->policy.sni;
	demand.names = s->policy.names;
	demand.nnames = s->policy.nnames;
	demand.verify = s->policy.must_verify;
	demand.tlsas = s->policy.tlsas;
	/* A pin that may be passed over in the clear would pin nothing. */
	demand.pins = (const uint8_t (*)[32])conf->tls.pins;
	demand.npins = s->policy.must_tls ? conf->tls.npins : 0;
	return tls_new(s->net->tls, s->conn.fd, &demand);
}

static void
start_tls(struct session *s)
{
	struct net *net = s->net;
	unsigned wait_s = net->conf->smtp.timeout_s;
	struct result res;

	result_init(&res);
	if (net->tls == NULL)
		net->tls = tls_setup_new(&net->conf->tls, &res);
	if (net->tls == NULL) {
		tls_failed(s, &res);
	} else if (conn_start_tls(&s->conn, make_tls(s), &res) == -1) {
		over(s, SMTP_CAUSE_HOST, &res);
	} else {
		set_timeout(s, wait_s != 0 ? wait_s : HANDSHAKE_WAIT_S);
		shake_hands(s);
	}
	result_fini(&res);
}

/* 5. Bytes. */

static int
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* Stops where TLS begins: what follows is not for the conversation. */
static void
take_input(struct session *s)
{
	enum smtp_want want;
	char data[READ_SIZE];
	ssize_t n;
	int i;

	for (i = 0; i < TURNS_MAX; i++) {
		n = conn_read(&s->conn, data, sizeof(data));
		if (n == -1 && would_block())
			return;
		if (n == 0)
			smtp_lost(s->smtp, "the server closed the connection");
		else if (n == -1)
			smtp_lost(s->smtp, conn_error(errno));
		else
			smtp_input(s->smtp, data, (size_t)n);
		want = smtp_want(s->smtp);
		if (want == SMTP_WANT_CLOSE || want == SMTP_WANT_TLS)
			return;
	}
}

/* 1 when something was written. */
static int
give_output(struct session *s)
{
	const char *p, *reason;
	ssize_t put;
	size_t n;

	p = smtp_output(s->smtp, &n);
	if (n == 0)
		return 0;
	put = conn_write(&s->conn, p, n);
	if (put > 0) {
		smtp_sent(s->smtp, (size_t)put);
		return 1;
	}
	if (put == -1 && would_block())
		return 0;
	/* What the host said before it hung up is worth more. */
	reason = conn_error(errno);
	take_input(s);
	smtp_lost(s->smtp, reason);
	return 0;
}

/* 6. The login. */

/* What a login over this connection has to go by. */
static void
set_env(struct session *s)
{
	const struct auth *auth = s->policy.auth;
	struct sasl_env *env = &s->login.env;
	const struct tls *tls = s->conn.tls;

	memset(env, 0, sizeof(*env));
	env->user = auth->user;
	env->password = auth->password;
	env->is_token = auth->is_token;
	env->host = s->host.name;
	env->port = s->host.port;
	env->allowed = s->net->conf->smtp.auth_mechs;
	env->crypto = crypto_sasl();
	env->is_private = tls != NULL || s->policy.may_login_clear;
	if (tls == NULL)
		return;
	/* The certificate is this host's; a sender's own login is another. */
	env->has_cert = tls_has_shown_cert(tls) &&
	    (s->net->requests.destination.user[0] == '\0' || auth->is_external);
	env->binding = tls_binding(tls, s->login.binding, &env->binding_len);
	env->binding_data = s->login.binding;
}

static void
log_in(struct session *s)
{
	struct login *login = &s->login;
	struct buf initial;

	if (login->mechanism == NULL) {
		set_env(s);
		sasl_fini(&login->sasl);
		sasl_init(&login->sasl, &login->env);
	} else {
		sasl_give_up(&login->sasl);
	}
	/* Between the pick and now another session may have been told. */
	login->mechanism = refusal_of(s->net, s->policy.auth) != NULL ?
	    NULL : sasl_pick(&login->sasl,
	    buf_str(&smtp_capabilities(s->smtp)->mechanisms));
	if (login->mechanism == NULL) {
		smtp_no_login(s->smtp);
		return;
	}
	buf_init(&initial, 0);
	buf_space(&initial, SASL_CHALLENGE_MAX);
	smtp_login(s->smtp, login->mechanism, sasl_initial(&login->sasl,
	    &initial) ? buf_str(&initial) : NULL);
	if (sasl_needs_proof(&login->sasl))
		smtp_demand_proof(s->smtp, 1);
	buf_wipe(&initial);
}

static void
give_answer(struct session *s, enum sasl_did did, const char *response)
{
	if (did == SASL_STOP) {
		smtp_distrust(s->smtp, sasl_why(&s->login.sasl));
	} else if (did == SASL_OUT) {
		smtp_cancel(s->smtp);
	} else {
		if (sasl_is_proven(&s->login.sasl))
			smtp_demand_proof(s->smtp, 0);
		smtp_answer(s->smtp, response);
	}
}

/* 0 when the answer needs more computing: the others have their turn. */
static int
answer(struct session *s)
{
	struct buf response;
	enum sasl_did did;

	buf_init(&response, 0);
	buf_space(&response, SASL_CHALLENGE_MAX);
	did = sasl_step(&s->login.sasl, smtp_challenge(s->smtp), &response);
	if (did == SASL_ANSWER && buf_failed(&response))
		did = SASL_OUT;
	s->is_computing = did == SASL_BUSY;
	if (!s->is_computing)
		give_answer(s, did, buf_str(&response));
	buf_wipe(&response);
	return !s->is_computing;
}

/* 7. The conversation. */

static void
announce(struct session *s)
{
	if (s->ending.was_ready)
		return;
	s->ending.was_ready = 1;
	(void)conn_event(&s->conn, CONN_IS_READY);
	log_say(s->net->log, LOG_LEVEL_INFO,
	    "relay=%s port=%u tls=\"%s\" login=%s", s->where,
	    (unsigned)s->host.port,
	    s->conn.tls == NULL ? "none" : tls_describe(s->conn.tls),
	    s->login.mechanism == NULL ? "none" : s->login.mechanism);
}

static int
can_talk(const struct session *s)
{
	return s->conn.state != CONN_CONNECTING && s->conn.state != CONN_TLS &&
	    s->conn.state != CONN_CLOSED;
}

/* One step that the conversation wants; 0 when none can be taken now. */
static int
step(struct session *s)
{
	session_mail_fetch(s);
	switch (smtp_want(s->smtp)) {
	case SMTP_WANT_LOGIN:
		log_in(s);
		return 1;
	case SMTP_WANT_ANSWER:
		return answer(s);
	case SMTP_WANT_TEXT:
		session_mail_send(s);
		return 1;
	case SMTP_WANT_MAIL:
		announce(s);
		return session_mail_next(s);
	case SMTP_WANT_TLS:
		start_tls(s);
		return can_talk(s);
	default:
		return 0;
	}
}

/* The deadline begins anew when the host gets on, or owes nothing now. */
static void
set_deadline(struct session *s)
{
	const struct conf *conf = s->net->conf;
	unsigned wait_s;

	wait_s = s->is_computing ? COMPUTE_WAIT_S : smtp_wait_s(s->smtp);
	if (smtp_turn(s->smtp) == s->turn &&
	    (wait_s == 0) == (s->wait_s == 0) && s->conn.deadline_ms != 0)
		return;
	s->turn = smtp_turn(s->smtp);
	s->wait_s = wait_s;
	if (conf->smtp.timeout_s != 0 && wait_s > QUIT_WAIT_S)
		wait_s = conf->smtp.timeout_s;
	set_timeout(s, wait_s == 0 ? IDLE_MS / 1000 : wait_s);
}

/* The connection follows the conversation. */
static void
follow(struct session *s)
{
	int is_busy = smtp_is_busy(s->smtp);

	if (smtp_want(s->smtp) == SMTP_WANT_CLOSE)
		over(s, smtp_cause(s->smtp), smtp_trouble(s->smtp));
	else if (smtp_is_closing(s->smtp))
		(void)conn_event(&s->conn, is_busy ? CONN_TAKES_NO_MORE :
		    CONN_QUITS);
	else if (!is_busy && conn_is_ready(&s->conn))
		(void)conn_event(&s->conn, CONN_HAS_NO_MAIL);
	if (s->conn.state != CONN_CLOSED)
		set_deadline(s);
}

/* Steps and writes in turn, until the other side has to do something. */
void
session_go_on(struct session *s)
{
	int i, n;

	s->has_more = 0;
	for (i = 0; i < TURNS_MAX && can_talk(s); i++) {
		for (n = 0; n < STEPS_MAX && can_talk(s) && step(s); n++)
			;
		if (!can_talk(s) || (!give_output(s) && n < STEPS_MAX))
			break;
	}
	if (!can_talk(s))
		return;
	session_mail_fetch(s);
	session_mail_give_back(s);
	s->has_more = i == TURNS_MAX;
	follow(s);
}

void
session_quit(struct session *s)
{
	smtp_quit(s->smtp);
	session_go_on(s);
}

static void
connected(struct session *s)
{
	struct result res;

	result_init(&res);
	if (conn_connected(&s->conn, &res) == -1)
		over(s, SMTP_CAUSE_HOST, &res);
	result_fini(&res);
	s->conn.deadline_ms = 0;
	if (s->conn.state == CONN_SETUP && s->policy.has_tls_first)
		start_tls(s);
}

static void
late(struct session *s)
{
	struct result res;

	result_init(&res);
	if (s->conn.state == CONN_CONNECTING) {
		result_set(&res, STATUS_DEFERRED, "4.4.1",
		    "connect: timed out");
		over(s, SMTP_CAUSE_HOST, &res);
	} else if (s->conn.state == CONN_TLS) {
		result_set(&res, STATUS_DEFERRED, "4.4.2",
		    "TLS handshake: timed out");
		tls_failed(s, &res);
	} else if (s->wait_s == 0) {
		session_quit(s);
	} else {
		s->ending.is_late = 1;
		smtp_lost(s->smtp, "timed out");
		session_go_on(s);
	}
	result_fini(&res);
}

void
session_serve(struct session *s, short revents)
{
	if (conn_has_input(&s->conn))
		revents |= POLLIN;
	if (revents != 0 && s->conn.state == CONN_CONNECTING)
		connected(s);
	else if (revents != 0 && s->conn.state == CONN_TLS)
		shake_hands(s);
	else if (revents != 0 && s->conn.state != CONN_CLOSED)
		take_input(s);
	if (revents != 0)
		session_go_on(s);
	if (s->conn.state != CONN_CLOSED &&
	    s->net->now_ms >= s->conn.deadline_ms)
		late(s);
}

short
session_poll_events(const struct session *s)
{
	short events;
	size_t n;

	(void)smtp_output(s->smtp, &n);
	events = conn_poll_events(&s->conn, n > 0);
	if (can_talk(s) && (s->has_more || s->is_computing))
		events |= POLLOUT;
	return events;
}

int64_t
session_wait_ms(const struct session *s)
{
	const struct session_mail *t = &s->mail;
	int64_t left = s->conn.deadline_ms - s->net->now_ms;

	if (conn_has_input(&s->conn))
		return 0;
	/* When it becomes slow, others are looked for. */
	if (t->nlive > 0 && !session_is_slow(s) &&
	    t->since_ms + SLOW_MS - s->net->now_ms < left)
		left = t->since_ms + SLOW_MS - s->net->now_ms;
	return left;
}
