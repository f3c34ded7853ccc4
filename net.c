/*
 * net.c - dma-remote: one destination, its sessions in one loop.
 * Runs as: the spool user, sandboxed.  Uses: nothing.
 * Promise: connections as the backlog asks for them, never more than
 * CONCURRENCY; trouble with a host only ever defers; a rejected login is not
 * repeated.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/io.h"
#include "net.h"
#include "net/idn.h"
#include "net/probe.h"
#include "net/session.h"
#include "priv/records.h"

#define CODE_NO_ANSWER	"4.4.1"	/* RFC 3463: no answer from the host */

/* What the runner may still do. */
enum runner_state {
	RUNNER_SENDS,
	RUNNER_LISTENS,		/* no more requests will come */
	RUNNER_GONE		/* it has closed the socket */
};

struct net_loop {
	struct net	 net;
	struct relays	 sender;	/* instead of conf's: a sender's own */
	int		 has_hosts;
	enum runner_state runner;
};

static const struct hosts_lookup lookup = { dns_mx, dns_srv, dns_addrs,
    dns_tlsa, dns_is_self, arc4random_uniform };

/* 1. Ends of sessions. */

/* Those that have come to take mail, with the host at that place. */
static unsigned
count_ready(const struct net *net, size_t place)
{
	const struct session *s;
	unsigned n = 0;

	for (s = net->sessions; s != NULL; s = s->next)
		n += conn_is_ready(&s->conn) && s->host.place == place;
	return n;
}

/* What the end of a session means for the others and for the host. */
static void
judge_end(struct net *net, struct session *s)
{
	unsigned nready = count_ready(net, s->host.place);
	struct loss loss;

	session_loss(s, &loss);
	if (loss.cause == SMTP_CAUSE_NONE)
		return;
	text_copy(net->trouble, sizeof(net->trouble), s->where);
	if (loss.cause == SMTP_CAUSE_TLS && s->policy.auth == NULL) {
		hosts_clear(&net->hosts, &s->host);
		return;
	}
	/* With others that are logged in it is one too many. */
	if (loss.cause == SMTP_CAUSE_LOGIN && nready == 0)
		session_refuse_login(s);
	if (concurrency_lost(&net->concurrency, &loss, nready,
	    net->now_ms) != HOST_DEAD)
		return;
	/* For the mail that waits it is no matter what became of another. */
	if (result_is_lost(&s->ending.reason))
		text_copy(s->ending.reason.code,
		    sizeof(s->ending.reason.code), CODE_NO_ANSWER);
	hosts_dead(&net->hosts, &s->host, net->now_ms, &s->ending.reason);
}

static void
bury(struct net *net, struct session *s)
{
	const char *reason = s->ending.reason.reason;

	if (reason == NULL)
		reason = "";
	if (s->ending.cause != SMTP_CAUSE_NONE) {
		/* Later on, the text may be about others' mail. */
		session_note(s, "ended ", s->ending.was_ready ? "" : reason);
		log_say(net->log, s->mail.nsettled > 0 ?
		    LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		    "relay=%s port=%u connection failed: %s", s->where,
		    (unsigned)s->host.port, reason);
	}
	judge_end(net, s);
	session_free(s);
}

static void
reap(struct net *net)
{
	struct session **p, *s;

	for (p = &net->sessions; (s = *p) != NULL; ) {
		if (s->conn.state != CONN_CLOSED) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		net->nsessions--;
		bury(net, s);
	}
}

/* 2. Sessions as the backlog asks for them. */

/* Of the sessions with the first hosts, and of all, what policy goes by. */
static void
measure(const struct net *net, struct load *load)
{
	const struct session *s;
	int is_open;

	memset(load, 0, sizeof(*load));
	load->total = net->nsessions;
	load->waiting = net->requests.nwaiting - net->requests.nlater;
	for (s = net->sessions; s != NULL; s = s->next) {
		load->in_use += conn_is_in_use(&s->conn) != 0;
		is_open = conn_is_open(&s->conn) && s->from == 0;
		load->ready += is_open && conn_is_ready(&s->conn);
		load->quick += is_open && !session_is_slow(s);
	}
}

/*
 * 0, -1 when there is no host to connect to: why, in the result; or 1 when
 * there are too many connections for one more now.
 */
static int
open_session(struct net *net, size_t from, struct result *res)
{
	struct host host;

	if (net->nsessions >= CONNECTIONS_MAX)
		return 1;
	if (net->nsessions == 0 && net->requests.nlater == 0)
		hosts_mix(&net->hosts);
	if (hosts_next(&net->hosts, from, net->now_ms, &host, res) == -1)
		return -1;
	if (session_new(net, &host, from) == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	return 0;
}

/* Mail to those that are free. */
static void
hand_out(struct net *net)
{
	struct session *s;

	for (s = net->sessions; s != NULL; s = s->next)
		if (s->conn.state == CONN_IDLE && net->requests.nwaiting > 0)
			session_go_on(s);
}

/* 1 when what waits behind a slow transaction could go there at once. */
static int
is_elsewhere(const struct net *net, const struct session *slow)
{
	const struct session *s;
	struct load load;

	measure(net, &load);
	if (concurrency_has_room(&net->concurrency, &load))
		return 1;
	for (s = net->sessions; s != NULL; s = s->next)
		if (s != slow && conn_is_open(&s->conn) &&
		    s->from == slow->from && !session_is_slow(s))
			return 1;
	return 0;
}

/* A transaction that waits holds nothing up. */
static void
release(struct net *net)
{
	struct session *s;

	for (s = net->sessions; s != NULL; s = s->next) {
		if (s->conn.state != CONN_BUSY || !session_mail_is_held_up(s) ||
		    !is_elsewhere(net, s))
			continue;
		(void)smtp_release(s->smtp);
		session_go_on(s);
	}
}

static void
refuse_waiting(struct net *net, const struct result *reason)
{
	struct request *r;

	/* What fails is each message's own; and what is under way may yet be
	 * taken. */
	if (reason->status == STATUS_DEFERRED && net->nsessions == 0 &&
	    net->requests.nwaiting > 0)
		requests_no_host(&net->requests, net->trouble, reason);
	while ((r = requests_take(&net->requests, 0, SIZE_MAX, 1)) != NULL)
		requests_refuse(&net->requests, r, net->trouble, reason);
}

static int
is_covered(const struct net *net, const struct request *r)
{
	const struct session *s;

	for (s = net->sessions; s != NULL; s = s->next)
		if (conn_is_open(&s->conn) && r->past.place >= s->from &&
		    r->past.place <= s->host.place)
			return 1;
	return 0;
}

/* The first request that waits for a session which is not there, or NULL. */
static struct request *
first_uncovered(const struct net *net)
{
	struct request *r = net->requests.waiting;

	/* Mostly all are for the same hosts. */
	if (net->requests.nlater == 0)
		return r == NULL || is_covered(net, r) ? NULL : r;
	for (; r != NULL; r = r->next)
		if (!is_covered(net, r))
			break;
	return r;
}

/* One that has nothing to do makes place; 0 when none is to be had. */
static int
make_place(struct net *net)
{
	struct session *s;
	struct load load;

	measure(net, &load);
	if (concurrency_has_room(&net->concurrency, &load))
		return 1;
	if (load.total >= CONNECTIONS_MAX)
		return 0;
	for (s = net->sessions; s != NULL; s = s->next)
		if (s->conn.state == CONN_IDLE)
			break;
	if (s == NULL)
		return 0;
	session_quit(s);
	return 1;
}

/* At least one session for each request. */
static void
cover(struct net *net)
{
	struct request *r;
	struct result res;
	int ret;

	result_init(&res);
	while ((r = first_uncovered(net)) != NULL &&
	    make_place(net)) {
		ret = open_session(net, r->past.place, &res);
		if (ret == 1)
			break;
		if (ret == 0) {
			reap(net);
		} else if (r->past.place == 0) {
			refuse_waiting(net, &res);
		} else {
			r = requests_take(&net->requests, r->past.place,
			    r->past.place, 1);
			requests_refuse(&net->requests, r, net->trouble, &res);
		}
	}
	result_fini(&res);
}

static void
grow(struct net *net)
{
	struct result res;
	struct load load;

	result_init(&res);
	for (measure(net, &load);
	    concurrency_may_grow(&net->concurrency, &load) &&
	    open_session(net, 0, &res) == 0; measure(net, &load))
		reap(net);
	result_fini(&res);
}

static void
quit_idle(struct net *net)
{
	struct session *s;

	for (s = net->sessions; s != NULL; s = s->next)
		if (s->conn.state == CONN_IDLE)
			session_quit(s);
	reap(net);
}

/* Others wait for this process: messages without text sent are deferred. */
static void
yield(struct net *net)
{
	struct session *s;
	struct result res;

	net->requests.must_yield = 0;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, CODE_NO_ANSWER,
	    "no reply in time, and mail for other hosts was waiting");
	for (s = net->sessions; s != NULL; s = s->next) {
		if (s->smtp != NULL && smtp_has_text(s->smtp))
			continue;
		session_name_host(s, &res);
		session_drop(s);
	}
	reap(net);
	refuse_waiting(net, &res);
	result_fini(&res);
}

static void
cancel(struct net *net, uint32_t id)
{
	struct request *r = requests_take_id(&net->requests, id);
	struct session *s;

	if (r != NULL) {
		requests_cancel(&net->requests, r, "");
		return;
	}
	for (s = net->sessions; s != NULL; s = s->next)
		if (session_mail_cancel(s, id))
			return;
}

/* Requests that were cancelled. */
static void
cancel_all(struct net *net)
{
	struct requests *q = &net->requests;

	while (q->ncancels > 0)
		cancel(net, q->cancels[--q->ncancels]);
	reap(net);
}

static void
plan(struct net_loop *l)
{
	struct net *net = &l->net;

	if (net->requests.probe == PROBE_WANTED)
		probe(net);
	if (net->requests.must_yield)
		yield(net);
	if (net->requests.ncancels > 0)
		cancel_all(net);
	concurrency_tick(&net->concurrency, net->now_ms);
	release(net);
	hand_out(net);
	reap(net);
	cover(net);
	grow(net);
	if (l->runner != RUNNER_SENDS && net->requests.nopen == 0)
		quit_idle(net);
}

/* 3. The runner. */

/* A domain that cannot be converted fails when it is looked up. */
static int
start_domain(struct net *net, const char *domain)
{
	struct buf ascii;
	int ret;

	buf_init(&ascii, 0);
	if (idn_name(domain, &ascii) == NULL)
		domain = buf_str(&ascii);
	ret = hosts_init(&net->hosts, net->conf, &net->conf->relays, domain,
	    &lookup);
	buf_fini(&ascii);
	return ret;
}

static int
init_hosts(struct net_loop *l)
{
	struct net *net = &l->net;
	const char *name = net->requests.destination.name;
	const struct relays *relays = &net->conf->relays;

	if (net->requests.destination.kind == DESTINATION_DOMAIN)
		return start_domain(net, name);
	if (net->requests.destination.kind == DESTINATION_SENDER) {
		l->sender.port = relays->port;
		relays = &l->sender;
		if (relays_parse(&l->sender, name) != NULL ||
		    idn_relays(&l->sender) == -1)
			return -1;
	}
	return hosts_init(&net->hosts, net->conf, relays, "", &lookup);
}

static int
start_hosts(struct net_loop *l)
{
	int ret;

	if (!l->net.requests.destination.is_known || l->has_hosts)
		return 0;
	l->has_hosts = 1;
	ret = init_hosts(l);
	hosts_skip(&l->net.hosts, l->net.requests.destination.tries);
	return ret;
}

/* 0, or -1 to end with EX_PROTOCOL. */
static int
serve_runner(struct net_loop *l, short revents)
{
	int ret;

	if (l->runner == RUNNER_SENDS &&
	    (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		ret = requests_read(&l->net.requests);
		if (ret == -1 || start_hosts(l) == -1)
			return -1;
		if (ret == 0)
			l->runner = RUNNER_LISTENS;
	}
	/* It may have closed its writing side alone, and still listen. */
	if (l->runner == RUNNER_LISTENS &&
	    (revents & (POLLHUP | POLLERR)) != 0)
		l->runner = RUNNER_GONE;
	return 0;
}

/* Nobody wants to know any more. */
static void
drop_all(struct net *net)
{
	struct session *s;

	for (s = net->sessions; s != NULL; s = s->next) {
		if (s->conn.state == CONN_IDLE &&
		    smtp_want(s->smtp) == SMTP_WANT_MAIL)
			session_quit(s);
		else
			session_drop(s);
	}
}

/* 4. The loop. */

static int
poll_timeout(const struct net *net)
{
	const struct session *s;
	int64_t wait_ms, left = 3600 * 1000;

	for (s = net->sessions; s != NULL; s = s->next) {
		wait_ms = session_wait_ms(s);
		if (wait_ms < left)
			left = wait_ms;
	}
	return left < 0 ? 0 : (int)left;
}

/* One turn: 0, or -1 when poll failed or the runner broke the rules. */
static int
turn(struct net_loop *l, struct pollfd *pfds)
{
	struct net *net = &l->net;
	struct session *s;
	nfds_t n = 1;

	pfds[0].fd = l->runner == RUNNER_GONE ? -1 : net->requests.sock;
	pfds[0].events = (short)((l->runner == RUNNER_SENDS ? POLLIN : 0) |
	    (net->requests.out != NULL ? POLLOUT : 0));
	pfds[0].revents = 0;
	for (s = net->sessions; s != NULL; s = s->next, n++) {
		pfds[n].fd = s->conn.fd;
		pfds[n].events = session_poll_events(s);
		pfds[n].revents = 0;
	}
	if (poll(pfds, n, poll_timeout(net)) == -1 && errno != EINTR)
		return -1;
	net->now_ms = io_clock_ms();
	/* New sessions stand first in the list, and only plan() adds. */
	for (s = net->sessions, n = 1; s != NULL; s = s->next, n++)
		session_serve(s, pfds[n].revents);
	return l->runner == RUNNER_GONE ? 0 :
	    serve_runner(l, pfds[0].revents);
}

static int
is_finished(const struct net_loop *l)
{
	if (l->runner == RUNNER_SENDS || l->net.nsessions > 0)
		return 0;
	return l->runner == RUNNER_GONE || (l->net.requests.nopen == 0 &&
	    l->net.requests.out == NULL);
}

static int
run(struct net_loop *l)
{
	struct net *net = &l->net;
	struct pollfd *pfds;
	enum runner_state before;
	int ret = EX_OK;

	pfds = calloc(CONNECTIONS_MAX + 1, sizeof(*pfds));
	if (pfds == NULL)
		return EX_OSERR;
	for (;;) {
		before = l->runner;
		net->now_ms = io_clock_ms();
		if (l->has_hosts && l->runner != RUNNER_GONE)
			plan(l);
		reap(net);
		if (l->runner != RUNNER_GONE &&
		    requests_write(&net->requests) == -1)
			l->runner = RUNNER_GONE;
		if (is_finished(l))
			break;
		if (turn(l, pfds) == -1) {
			ret = EX_PROTOCOL;
			break;
		}
		if (l->runner == RUNNER_GONE && before != RUNNER_GONE)
			drop_all(net);
	}
	free(pfds);
	return ret;
}

static void
fini(struct net_loop *l)
{
	struct net *net = &l->net;
	struct session *s;

	while ((s = net->sessions) != NULL) {
		net->sessions = s->next;
		session_free(s);
	}
	if (l->has_hosts)
		hosts_fini(&net->hosts);
	requests_fini(&net->requests);
	tls_setup_free(net->tls);
	while (net->nrefusals > 0)
		result_fini(&net->refusals[--net->nrefusals].reason);
	free(net->refusals);
	relays_fini(&l->sender);
}

int
net_main(int sock, int secrets, const struct conf *conf, struct auths *auths,
    const struct log *log)
{
	struct log queued = *log;
	struct net_loop l;
	int ret;

	memset(&l, 0, sizeof(l));
	l.net.conf = conf;
	l.net.auths = auths != NULL ? auths : &l.net.requests.login;
	l.net.secrets = secrets;
	/* Log lines are queued between the statuses. */
	queued.take = requests_log;
	queued.arg = &l.net.requests;
	l.net.log = &queued;
	concurrency_init(&l.net.concurrency, conf->smtp.concurrency);
	if (io_nonblock(sock) == -1)
		return EX_OSERR;
	requests_init(&l.net.requests, sock);
	l.net.requests.takes_login = auths == NULL;
	ret = run(&l);
	if (ret == EX_PROTOCOL)
		log_say(log, LOG_LEVEL_WARNING,
		    "the runner sent an invalid request");
	fini(&l);
	return ret;
}
