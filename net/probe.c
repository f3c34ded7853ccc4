/*
 * probe.c - the hosts of a destination, tried without a message.
 * Runs as: the spool user, in dma-remote.  Uses: nothing.
 * Promise: no MAIL is sent; each address is tried once, under the policy that
 * mail has; a rejected login is not repeated.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#include "lib/io.h"
#include "net/probe.h"

struct probe {
	struct net	*net;
	int64_t		 begun_ms;	/* for the hosts no time passes: who
					 * was tried is not tried again */
	unsigned	 ntried, nready, nerrors;
	int		 is_gone;	/* whoever wanted to know */
	char		 is_told[HOSTS_MAX];
};

/* How far a session has come. */
enum probe_stage {
	PROBE_AT_CONNECT,
	PROBE_AT_GREETING,
	PROBE_AT_EHLO,
	PROBE_AT_STARTTLS,
	PROBE_AT_TLS,
	PROBE_AT_LOGIN
};

/* What a session is about, and what is known of it. */
struct trial {
	struct session	*s;
	char		 about[PROBE_ABOUT_MAX];
	unsigned	 turn;		/* of the greeting */
	enum probe_stage stage;
	int		 was_ready;
};

static void	finding(struct probe *, enum probe_level, const char *about,
		    const char *, ...) PRINTF_LIKE(4, 5);

static void
finding(struct probe *p, enum probe_level level, const char *about,
    const char *format, ...)
{
	struct buf text, clean;
	va_list ap;

	buf_init(&text, 0);
	buf_init(&clean, 0);
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	buf_put_clean(&clean, about, strlen(about), PROBE_ABOUT_MAX - 1);
	requests_finding(&p->net->requests, level, buf_str(&clean),
	    buf_str(&text));
	p->nerrors += level == PROBE_ERROR;
	buf_fini(&text);
	buf_fini(&clean);
}

/* 1. DNS. */

static void
tell_hosts(struct probe *p, const struct relay *relay, const char *name)
{
	const struct hosts *hosts = &p->net->hosts;
	struct buf text;
	size_t i;

	buf_init(&text, 0);
	for (i = 0; i < hosts->nhosts; i++)
		if (hosts->list[i].relay == relay)
			buf_printf(&text, "%s%s port %u",
			    text.len > 0 ? ", " : "", hosts->list[i].name,
			    (unsigned)hosts->list[i].port);
	if (text.len > 0)
		finding(p, PROBE_OK, name, "%s", buf_str(&text));
	else if (hosts->nhosts > 0)
		finding(p, PROBE_WARNING, name, "has no hosts: %s",
		    hosts->reason.reason == NULL ? "" : hosts->reason.reason);
	buf_fini(&text);
}

/* The names that were looked up. */
static void
tell_names(struct probe *p)
{
	const struct hosts *hosts = &p->net->hosts;
	const struct relays *relays = hosts->relays;
	size_t i;

	if (hosts->domain[0] != '\0')
		tell_hosts(p, NULL, hosts->domain);
	else for (i = 0; i < relays->n; i++)
		if (relays->list[i].kind != RELAY_HOST)
			tell_hosts(p, &relays->list[i], relays->list[i].host);
}

static void
tell_addresses(struct probe *p, const struct mail_host *host)
{
	struct buf text;
	size_t i;

	buf_init(&text, 0);
	for (i = 0; i < host->naddresses; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "",
		    host->addresses[i].addr.text);
	if (strcmp(host->name, buf_str(&text)) != 0)
		finding(p, PROBE_OK, host->name, "address %s",
		    buf_str(&text));
	buf_fini(&text);
}

/* Of names that were looked up since the last call. */
static void
tell_places(struct probe *p)
{
	const struct hosts *hosts = &p->net->hosts;
	const struct mail_host *host;
	size_t i;

	for (i = 0; i < hosts->nhosts; i++) {
		host = &hosts->list[i];
		if (p->is_told[i] ||
		    (host->addresses == NULL && host->trouble[0] == '\0'))
			continue;
		p->is_told[i] = 1;
		if (host->addresses != NULL)
			tell_addresses(p, host);
		else
			finding(p, hosts->nhosts == 1 ? PROBE_ERROR :
			    PROBE_WARNING, host->name, "%s", host->trouble);
	}
}

/* 2. A session. */

static void
tell_tls(struct probe *p, const struct trial *t)
{
	const struct tls *tls = t->s->conn.tls;
	const char *text = tls == NULL ? "" : tls_describe(tls);

	if (text[0] != '\0' && tls_is_verified(tls))
		finding(p, PROBE_OK, t->about, "%s", text);
	else if (text[0] != '\0')
		finding(p, PROBE_WARNING, t->about, "%s; mail is sent all the "
		    "same: set \"TLS verify\" to prevent that", text);
	else if (!t->was_ready)
		return;
	else if (t->s->host.is_clear)
		finding(p, PROBE_WARNING, t->about, "mail is sent without TLS, "
		    "which failed: set \"TLS required\" to prevent that");
	else if (!t->s->policy.may_tls)
		finding(p, PROBE_WARNING, t->about, "mail is sent without TLS "
		    "(TLS off)");
	else
		finding(p, PROBE_WARNING, t->about, "mail is sent without TLS: "
		    "the server does not offer STARTTLS");
}

static void
tell_login(struct probe *p, const struct trial *t)
{
	const struct session *s = t->s;
	const char *user;

	if (s->policy.auth == NULL) {
		finding(p, PROBE_OK, t->about, "ready for mail, without a "
		    "login");
		return;
	}
	user = s->policy.auth->user == NULL ? "" : s->policy.auth->user;
	if (s->conn.tls == NULL)
		finding(p, PROBE_WARNING, t->about, "login %s accepted (%s), "
		    "without TLS (INSECURE)", user, s->login.mechanism);
	else
		finding(p, PROBE_OK, t->about, "login %s accepted (%s)", user,
		    s->login.mechanism);
}

/* 1 when mail is sent there without TLS, since that does not work. */
static int
goes_on_clear(const struct session *s)
{
	return s->ending.cause == SMTP_CAUSE_TLS && s->policy.auth == NULL;
}

static void
tell_failure(struct probe *p, const struct trial *t)
{
	static const char *const stages[] = {
		[PROBE_AT_CONNECT] = "", [PROBE_AT_GREETING] = "greeting: ",
		[PROBE_AT_EHLO] = "EHLO: ", [PROBE_AT_STARTTLS] = "STARTTLS: ",
		[PROBE_AT_TLS] = "", [PROBE_AT_LOGIN] = "login: "
	};
	const struct session *s = t->s;
	struct buf text;

	buf_init(&text, 0);
	buf_puts(&text, stages[t->stage]);
	if (s->ending.reason.source == SOURCE_SERVER)
		buf_puts(&text, "the server said: ");
	result_put_bare(&text, &s->ending.reason);
	if (s->ending.cause == SMTP_CAUSE_LOGIN &&
	    s->policy.auth->trouble == NULL && !p->net->requests.takes_login)
		buf_printf(&text, "; correct %s", p->net->conf->where.auth);
	finding(p, goes_on_clear(s) || p->nready > 0 || !s->host.is_last ?
	    PROBE_WARNING : PROBE_ERROR, t->about, "%s", buf_str(&text));
	buf_fini(&text);
}

/* The conversation is up, in the clear or over TLS. */
static enum probe_stage
stage_of_setup(const struct trial *t)
{
	const struct session *s = t->s;

	if (smtp_turn(s->smtp) == t->turn)
		return PROBE_AT_GREETING;
	return s->conn.tls == NULL && s->policy.may_tls &&
	    (smtp_capabilities(s->smtp)->offers & SMTP_OFFERS_STARTTLS) != 0 ?
	    PROBE_AT_STARTTLS : PROBE_AT_EHLO;
}

static enum probe_stage
stage_of(const struct trial *t)
{
	const struct session *s = t->s;

	if (s->ending.cause == SMTP_CAUSE_LOGIN || s->login.mechanism != NULL)
		return PROBE_AT_LOGIN;
	if (s->conn.tls != NULL && tls_describe(s->conn.tls)[0] == '\0')
		return PROBE_AT_TLS;	/* the handshake is not over */
	switch (s->conn.state) {
	case CONN_CONNECTING:
		return PROBE_AT_CONNECT;
	case CONN_CLOSED:
		return t->stage;
	default:
		return stage_of_setup(t);
	}
}

/* One turn of the loop that it is: 0, or -1 when nobody wants to know. */
static int
turn(struct net *net, struct session *s)
{
	int64_t wait_ms = session_wait_ms(s);
	struct pollfd pfds[2];

	if (requests_write(&net->requests) == -1)
		return -1;
	pfds[0].fd = net->requests.sock;
	pfds[0].events = net->requests.out != NULL ? POLLOUT : 0;
	pfds[1].fd = s->conn.fd;
	pfds[1].events = session_poll_events(s);
	pfds[0].revents = pfds[1].revents = 0;
	if (poll(pfds, 2, wait_ms < 0 ? 0 : (int)wait_ms) == -1 &&
	    errno != EINTR)
		return -1;
	net->now_ms = io_clock_ms();
	session_serve(s, pfds[1].revents);
	return (pfds[0].revents & (POLLHUP | POLLERR)) != 0 ? -1 : 0;
}

static void
converse(struct probe *p, struct trial *t)
{
	struct session *s = t->s;

	t->turn = smtp_turn(s->smtp);
	while (s->conn.state != CONN_CLOSED) {
		t->stage = stage_of(t);
		if (turn(p->net, s) == -1) {
			p->is_gone = 1;
			return;
		}
		if (s->conn.state != CONN_IDLE || t->was_ready)
			continue;
		t->was_ready = 1;
		tell_tls(p, t);
		tell_login(p, t);
		session_quit(s);
	}
	t->stage = stage_of(t);
}

/* What became of it; its host is tried no more, or once more without TLS. */
static void
judge(struct probe *p, struct trial *t)
{
	struct net *net = p->net;
	struct session *s = t->s;

	if (!t->was_ready) {
		tell_tls(p, t);
		tell_failure(p, t);
	}
	p->nready += t->was_ready != 0;
	if (s->ending.cause == SMTP_CAUSE_LOGIN && !t->was_ready)
		session_refuse_login(s);
	if (goes_on_clear(s))
		hosts_clear(&net->hosts, &s->host);
	else
		hosts_dead(&net->hosts, &s->host, p->begun_ms,
		    &s->ending.reason);
}

static void
try_host(struct probe *p, const struct host *host)
{
	struct net *net = p->net;
	struct trial t;
	struct buf about;

	memset(&t, 0, sizeof(t));
	p->ntried++;
	if (session_new(net, host, 0) == -1) {
		finding(p, PROBE_ERROR, host->name, "out of memory");
		p->is_gone = 1;
		return;
	}
	t.s = net->sessions;
	buf_init(&about, 0);
	buf_printf(&about, "%s port %u", t.s->where, (unsigned)host->port);
	(void)text_copy(t.about, sizeof(t.about), buf_str(&about));
	buf_fini(&about);
	converse(p, &t);
	if (!p->is_gone)
		judge(p, &t);
	net->sessions = t.s->next;
	net->nsessions--;
	session_free(t.s);
}

/* 3. All of them. */

static void
tell_end(struct probe *p, const struct result *reason)
{
	const struct hosts *hosts = &p->net->hosts;
	const char *about = hosts->domain[0] != '\0' ? hosts->domain : "relay";
	struct buf text;

	buf_init(&text, 0);
	result_put_full(&text, reason);
	if (p->ntried == 0 && p->nerrors == 0)
		finding(p, PROBE_ERROR, about, "%s", buf_str(&text));
	else if (p->nready == 0 && p->nerrors == 0)
		finding(p, PROBE_ERROR, about, "no host takes mail");
	if (p->ntried > 0 && result_has_more_hosts(reason))
		finding(p, PROBE_OK, about, "other addresses were not tried");
	buf_fini(&text);
}

void
probe(struct net *net)
{
	struct probe p;
	struct result reason;
	struct host host;

	memset(&p, 0, sizeof(p));
	p.net = net;
	p.begun_ms = net->now_ms;
	net->requests.probe = PROBE_DONE;
	result_init(&reason);
	while (!p.is_gone && hosts_next(&net->hosts, 0, p.begun_ms, &host,
	    &reason) == 0) {
		if (p.ntried == 0)
			tell_names(&p);
		tell_places(&p);
		try_host(&p, &host);
	}
	tell_places(&p);
	tell_end(&p, &reason);
	requests_probed(&net->requests, p.nready);
	result_fini(&reason);
}
