/*
 * net.c - the remote branch: one next hop, its connections in one loop.
 * Runs as: the spool user, sandboxed.  Uses: TCP, and the socket to the
 * runner by way of jobs.c.
 * Promise: what the server said about a recipient reaches the runner as soon
 * as the transaction is over; trouble with a host only ever defers; a login
 * goes over TLS unless INSECURE is set, and a refused one is not repeated.
 */
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/content.h"
#include "crypto.h"
#include "net/dns.h"
#include "net/hosts.h"
#include "net/requests.h"
#include "lib/io.h"
#include "lib/sasl.h"
#include "lib/smtp.h"
#include "net.h"
#include "net/tls_policy.h"
#include "priv/records.h"
#include "lib/result.h"
#include "net/auth_command.h"

#define CONNS_MAX	256	/* whatever CONCURRENCY says */
#define READ_CHUNK	16384
#define TURNS_MAX	32	/* writes or reads before the others' turn */
#define GRANTS_MAX	256	/* wants served before a write */
#define SHAKE_WAIT_S	120	/* for a TLS handshake */
#define COMPUTE_WAIT_S	60	/* for an answer of ours that is costly */
#define QUIT_WAIT_S	2
#define QUICK_WAIT_S	5	/* to connect, while another address is left */
#define IDLE_MS		10000	/* a connection without mail is kept */
#define QUIET_MS	1000
#define CAP_MS		10000	/* fewer connections after a refusal */
#define LOST_MAX	3	/* sessions in a row without any verdict */
#define DROPS_MAX	3	/* connections that may end on one message */
#define WHERE_MAX	320
#define SHOWN_MAX	1000	/* octets of a line for who watches */

enum conn_state { CONN_OPENING, CONN_SHAKING, CONN_TALKING };

struct conn {
	struct conn	*next;
	struct net	*net;
	enum conn_state	 state;
	int		 fd;
	/* where */
	size_t		 from;		/* for jobs of places from here on to
					 * that of the host */
	struct host	 host;
	struct dns_addr	 addr;
	char		 where[WHERE_MAX];	/* "name[address]", clean */
	/* how */
	struct policy	 policy;
	struct tls	*tls;		/* or NULL */
	int		 read_wants_out, write_wants_in;
	struct smtp	*smtp;
	struct sasl_env	 env;
	struct sasl	 sasl;
	uint8_t		 binding[TLS_BINDING_MAX];
	const char	*mechanism;	/* of the login under way; or NULL */
	int		 is_computing;	/* the answer takes more turns */
	/* what */
	struct job	*again;		/* its next transaction goes here */
	struct job	*coming;	/* next; it is being looked at */
	struct body	 body;		/* the text that is being sent */
	unsigned	 nsettled, ncut;	/* transactions */
	unsigned	 nflying;	/* transactions under way */
	int		 is_alone;	/* the one is; nothing follows */
	int		 is_ready;	/* reached the first MAIL */
	/* until when */
	unsigned	 turn;
	int64_t		 deadline_ms;
	int		 is_idle;
	int		 has_more;	/* stopped for the others' sake */
	/* the end */
	int		 is_over, is_late;
	enum smtp_cause	 cause;
	struct result	 reason;
};

struct net {
	const struct conf *conf;
	struct relays	 sender;	/* instead of conf's: a sender's own */
	struct auths	*auths;
	int		 secrets;	/* to the process that runs commands */
	const struct log *log;
	struct requests	 jobs;
	struct hosts	 hosts;
	int		 has_hosts;
	struct tls_setup *tls;		/* made when first needed */
	struct conn	*conns;
	unsigned	 nconns;
	unsigned	 cap;		/* connections at most, for now */
	unsigned	 mail_max;	/* mails to one, for now; 0: any */
	int64_t		 cap_until_ms, now_ms;
	unsigned	 nlost;
	int		 is_refused;	/* the login: no further try is made */
	struct result	 refusal;
	char		 trouble[WHERE_MAX];	/* the host of the latest */
	int		 is_last;	/* no more jobs will come */
	int		 is_gone;	/* nobody wants to know any more */
};

static const struct hosts_lookup lookup = { dns_mx, dns_srv, dns_addrs,
    dns_tlsa, dns_is_self, arc4random_uniform };

/* For who watches: a line of the dialogue. */
static void
show(void *arg, const struct smtp_mail *mail, int is_ours, const char *line,
    size_t len)
{
	struct conn *c = arg;
	const struct job *job = mail == NULL ? NULL : mail->arg;
	struct buf b;

	if (c->net->jobs.nwatched == 0)
		return;
	buf_init(&b, 0);
	buf_puts(&b, is_ours ? ">>> " : "<<< ");
	buf_put_clean(&b, line, len, SHOWN_MAX);
	requests_show(&c->net->jobs, job, buf_str(&b));
	buf_fini(&b);
}

/* What is no line of it: the connection, TLS, the end. */
static void
show_note(struct conn *c, const char *what, const char *more)
{
	struct buf b;

	if (c->net->jobs.nwatched == 0)
		return;
	buf_init(&b, 0);
	buf_printf(&b, "=== %s: %s", c->where, what);
	buf_put_clean(&b, more, strlen(more), SHOWN_MAX);
	requests_show(&c->net->jobs, NULL, buf_str(&b));
	buf_fini(&b);
}

/* 1. Ends. */

static void
over(struct conn *c, enum smtp_cause cause, const struct result *reason)
{
	if (c->is_over)
		return;
	c->is_over = 1;
	c->cause = cause;
	result_copy(&c->reason, reason);
}

/* Before the conversation could begin: trouble with the host. */
static void
broke(struct conn *c, const char *code, const char *what, const char *reason)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, code, "%s: %s", what, reason);
	over(c, SMTP_CAUSE_HOST, &res);
	result_fini(&res);
}

static int
is_open(const struct conn *c)
{
	return !c->is_over && !smtp_is_closing(c->smtp);
}

/* The host may take no more mail on it, but is still busy with some. */
static int
is_in_use(const struct conn *c)
{
	return is_open(c) || (!c->is_over && smtp_is_busy(c->smtp));
}

/* Connections to the first hosts that take mail, or may come to do so. */
static unsigned
count_open(const struct net *net)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = net->conns; c != NULL; c = c->next)
		n += is_open(c) && c->from == 0;
	return n;
}

/* What CONCURRENCY is about. */
static unsigned
count_in_use(const struct net *net)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = net->conns; c != NULL; c = c->next)
		n += is_in_use(c) != 0;
	return n;
}

/* Those that have come to take mail, with the host at that place. */
static unsigned
count_ready(const struct net *net, size_t place)
{
	const struct conn *c;
	unsigned n = 0;

	for (c = net->conns; c != NULL; c = c->next)
		n += is_in_use(c) && c->is_ready && c->host.place == place;
	return n;
}

static void
lower_cap(struct net *net, const struct conn *c)
{
	unsigned nready = count_ready(net, c->host.place);

	net->cap = nready > 0 ? nready : 1;
	net->cap_until_ms = net->now_ms + CAP_MS;
}

/* Mail that was under way was cut off. */
static void
judge_cut(struct net *net, const struct conn *c)
{
	if (smtp_last_code(c->smtp) != 421)
		return;
	lower_cap(net, c);
	net->mail_max = c->nsettled;
}

/* It lay idle for a while, which hosts may end. */
static int
was_quiet(const struct conn *c)
{
	return c->ncut == 0 && c->is_idle &&
	    c->net->now_ms > c->deadline_ms - IDLE_MS + QUIET_MS;
}

/*
 * What the end of a connection means for the others and for the host.  With
 * others up and running the host is not dead, it only takes no more of them.
 */
static void
judge_end(struct net *net, struct conn *c)
{
	if (c->cause == SMTP_CAUSE_NONE)
		return;
	text_copy(net->trouble, sizeof(net->trouble), c->where);
	switch (c->cause) {
	case SMTP_CAUSE_TLS:
		if (c->policy.auth == NULL) {
			hosts_clear(&net->hosts, &c->host);
			return;
		}
		break;
	case SMTP_CAUSE_LOGIN:
		net->is_refused = 1;
		result_copy(&net->refusal, &c->reason);
		log_say(net->log, LOG_LEVEL_ERROR,
		    "relay=%s login refused, see auth.conf: %s", c->where,
		    c->reason.reason == NULL ? "" : c->reason.reason);
		return;
	case SMTP_CAUSE_LOST:
		if (c->ncut > 0)
			judge_cut(net, c);
		if (c->nsettled > 0 || was_quiet(c) ||
		    (++net->nlost < LOST_MAX && !c->is_late))
			return;
		break;
	default:
		break;
	}
	if (count_ready(net, c->host.place) > 0)
		lower_cap(net, c);
	else
		hosts_dead(&net->hosts, &c->host, net->now_ms, &c->reason);
}

/*
 * Who was deferred here may have more luck with the next host, in the same
 * attempt.  Not who may have been sent already.
 */
static int
may_pass(const struct conn *c, const struct smtp_mail *m)
{
	const struct job *job = m->arg;

	return m->end != SMTP_MAIL_IN_DOUBT &&
	    job->nhosts + 1 < HOSTS_TRIES_MAX &&
	    hosts_left(&c->net->hosts, c->host.place + 1, c->net->now_ms);
}

/* This host gets it no more. */
static void
give_up(struct conn *c, const struct smtp_mail *m)
{
	struct requests *jobs = &c->net->jobs;
	struct job *job = m->arg;

	if (!may_pass(c, m)) {
		requests_refuse(jobs, job, c->where, smtp_trouble(c->smtp));
		return;
	}
	requests_defer(job, smtp_trouble(c->smtp));
	if (requests_hold(jobs, job, c->where) == 0)
		return;
	requests_pass(job, c->where, c->host.place + 1);
	job->drops = DROPS_MAX - 1;
	requests_put_last(jobs, job);
}

/*
 * A transaction was cut off.  It goes to another connection, but not for
 * ever: the message that connections end on goes last and alone at length,
 * and then waits for another day.  A host that has had enough of a connection
 * means none of its messages; one that says nothing for as long as may be is
 * not asked again.
 */
static void
mail_cut(struct conn *c, const struct smtp_mail *m)
{
	struct requests *jobs = &c->net->jobs;
	struct job *job = m->arg;

	c->ncut++;
	if (m->end == SMTP_MAIL_LOST &&
	    (c->nsettled == 0 || smtp_last_code(c->smtp) != 421))
		job->drops += c->is_late ? DROPS_MAX : 1;
	if (job->drops >= DROPS_MAX)
		give_up(c, m);
	else if (requests_hold(jobs, job, c->where) > 0)
		requests_put_last(jobs, job);
}

static void
mail_over(struct conn *c, struct smtp_mail *m)
{
	struct requests *jobs = &c->net->jobs;
	struct job *job = m->arg;
	int passes;

	if (c->body.job == job)
		c->body.job = NULL;
	c->nflying--;
	if (m->end == SMTP_MAIL_LOST || m->end == SMTP_MAIL_UNSENT) {
		mail_cut(c, m);
		return;
	}
	if (m->end == SMTP_MAIL_IN_DOUBT) {
		c->ncut++;	/* in doubt is no verdict */
	} else {
		c->nsettled++;
		c->net->nlost = 0;
	}
	passes = may_pass(c, m);
	if ((passes ? requests_hold(jobs, job, c->where) :
	    requests_settle(jobs, job, c->where)) == 0)
		return;
	passes = passes && requests_pass(job, c->where, c->host.place + 1);
	if (passes || smtp_is_closing(c->smtp) || c->again != NULL)
		requests_put_first(jobs, job);
	else
		c->again = job;
}

static void
fetch_settled(struct conn *c)
{
	struct smtp_mail *m;

	while ((m = smtp_finished(c->smtp)) != NULL)
		mail_over(c, m);
}

static void
conn_free(struct conn *c)
{
	if (c->smtp != NULL) {
		smtp_lost(c->smtp, "delivery was abandoned");
		fetch_settled(c);
		smtp_free(c->smtp);
	}
	if (c->again != NULL)
		requests_put_first(&c->net->jobs, c->again);
	if (c->coming != NULL)
		requests_put_first(&c->net->jobs, c->coming);
	content_fini(&c->body);
	sasl_fini(&c->sasl);
	if (c->tls != NULL) {
		tls_shutdown(c->tls);
		tls_free(c->tls);
	}
	io_close(&c->fd);
	tlsas_free(c->host.tlsas);
	result_fini(&c->reason);
	free(c);
}

static void
reap(struct net *net)
{
	struct conn **p, *c;

	for (p = &net->conns; (c = *p) != NULL; ) {
		if (!c->is_over) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		net->nconns--;
		if (c->cause != SMTP_CAUSE_NONE)
			/* Later on, the words may be about others' mail. */
			show_note(c, "ended ", c->is_ready ||
			    c->reason.reason == NULL ? "" : c->reason.reason);
		if (c->cause != SMTP_CAUSE_NONE)
			log_say(net->log, c->nsettled > 0 ?
			    LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
			    "relay=%s connection lost: %s", c->where,
			    c->reason.reason == NULL ? "" : c->reason.reason);
		judge_end(net, c);
		conn_free(c);
	}
}

/* 2. A new connection. */

/*
 * Before the connection is made, so that no server waits meanwhile; once, for
 * all connections of this process.
 */
static int
get_secret(struct conn *c)
{
	struct net *net = c->net;
	const struct auth *a = c->policy.auth;
	int ret;

	if (a == NULL || a->command == NULL || a->password != NULL ||
	    a->trouble != NULL)
		return 0;
	ret = auth_command_fetch(net->secrets, net->auths, a);
	net->now_ms = io_clock_ms();
	return ret;
}

/* 0, or -1 when the login is bound to fail: the host is left alone. */
static int
check_login(struct conn *c)
{
	const struct auth *auth = c->policy.auth;
	struct result res;

	if (auth == NULL || auth->trouble == NULL)
		return 0;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.7.0", "%s: %s",
	    auth->file == NULL ? c->net->conf->where.auth : auth->file,
	    auth->trouble);
	over(c, SMTP_CAUSE_LOGIN, &res);
	result_fini(&res);
	return -1;
}

static int
make_smtp(struct conn *c)
{
	const struct conf *conf = c->net->conf;
	struct smtp_setup setup;

	memset(&setup, 0, sizeof(setup));
	setup.helo = conf->names.mailname;
	setup.has_tls = c->policy.has_tls_first;
	setup.may_tls = c->policy.may_tls;
	setup.must_tls = c->policy.must_tls;
	setup.must_login = c->policy.auth != NULL;
	setup.may_login_clear = c->policy.may_login_clear;
	if (c->policy.auth != NULL)
		setup.password = c->policy.auth->password;
	setup.mail_max = c->net->mail_max;
	setup.watch = show;
	setup.watch_arg = c;
	c->smtp = smtp_new(&setup);
	return c->smtp == NULL ? -1 : 0;
}

static void
set_where(struct conn *c)
{
	struct buf b;

	buf_init(&b, 0);
	buf_put_clean(&b, c->host.name, strlen(c->host.name), 255);
	if (strcmp(c->host.name, c->addr.text) != 0)
		buf_printf(&b, "[%s]", c->addr.text);
	text_copy(c->where, sizeof(c->where), buf_str(&b));
	buf_fini(&b);
}

static void
start_connect(struct conn *c)
{
	const struct sockaddr *sa = (const struct sockaddr *)&c->addr.ss;
	unsigned wait_s;
	int on = 1;

	wait_s = c->net->conf->smtp.connect_timeout_s;
	if (!c->host.is_last && wait_s > QUICK_WAIT_S)
		wait_s = QUICK_WAIT_S;
	c->state = CONN_OPENING;
	show_note(c, "connecting", "");
	c->deadline_ms = c->net->now_ms + (int64_t)wait_s * 1000;
	c->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (c->fd == -1) {
		broke(c, "4.3.0", "socket", strerror(errno));
		return;
	}
	/* Commands are written whole: waiting for more gains nothing. */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, sa, c->addr.len) == -1 && errno != EINPROGRESS &&
	    errno != EINTR)
		broke(c, "4.4.1", "connect", strerror(errno));
}

/*
 * 0, -1 when there is no host to connect to: why, in the result; or 1 when
 * there are too many connections for one more now.
 */
static int
open_conn(struct net *net, size_t from, struct result *res)
{
	struct host host;
	struct conn *c;

	if (net->nconns >= CONNS_MAX)
		return 1;
	if (net->nconns == 0 && net->jobs.nlater == 0)
		hosts_mix(&net->hosts);
	if (hosts_next(&net->hosts, from, net->now_ms, &host, res) == -1)
		return -1;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	c->net = net;
	c->fd = -1;
	c->from = from;
	c->host = host;
	c->addr = *host.addr;
	c->host.addr = &c->addr;
	tlsas_hold(c->host.tlsas);
	content_init(&c->body);
	set_where(c);
	tls_policy_set(&c->policy, net->conf, net->auths,
	    net->jobs.hop_user[0] == '\0' ? NULL : net->jobs.hop_user,
	    &c->host);
	if (get_secret(c) == -1 || make_smtp(c) == -1) {
		conn_free(c);
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	}
	if (check_login(c) == 0)
		start_connect(c);
	c->next = net->conns;
	net->conns = c;
	net->nconns++;
	return 0;
}

/* 3. TLS. */

/*
 * TLS does not work here.  Where that is allowed the host is asked again,
 * over a new connection, without it.
 */
static void
tls_failed(struct conn *c, const struct result *reason)
{
	log_say(c->net->log, LOG_LEVEL_WARNING, "relay=%s tls=failed: %s",
	    c->where, reason->reason == NULL ? "" : reason->reason);
	over(c, c->policy.must_tls ? SMTP_CAUSE_HOST : SMTP_CAUSE_TLS, reason);
}

static void
shake(struct conn *c)
{
	struct result res;
	enum tls_want want;

	result_init(&res);
	want = tls_handshake(c->tls, &res);
	c->write_wants_in = want == TLS_WANT_READ;
	if (want == TLS_BROKEN)
		tls_failed(c, &res);
	result_fini(&res);
	if (want != TLS_DONE)
		return;
	c->state = CONN_TALKING;
	c->write_wants_in = 0;
	show_note(c, "TLS: ", tls_describe(c->tls));
	if (!c->policy.has_tls_first)
		smtp_tls_up(c->smtp);
}

static void
start_tls(struct conn *c)
{
	struct net *net = c->net;
	const struct conf *conf = net->conf;
	struct tls_demand demand;
	struct result res;
	unsigned wait_s;

	result_init(&res);
	if (net->tls == NULL)
		net->tls = tls_setup_new(&conf->tls, &res);
	if (net->tls == NULL) {
		tls_failed(c, &res);
		result_fini(&res);
		return;
	}
	result_fini(&res);
	memset(&demand, 0, sizeof(demand));
	demand.host = c->host.name;
	demand.sni = c->policy.sni;
	demand.names = c->policy.names;
	demand.nnames = c->policy.nnames;
	demand.verify = c->policy.must_verify;
	demand.tlsas = c->policy.tlsas;
	/* A pin that may be passed over in the clear would pin nothing. */
	demand.pins = (const uint8_t (*)[32])conf->tls.pins;
	demand.npins = c->policy.must_tls ? conf->tls.npins : 0;
	c->tls = tls_new(net->tls, c->fd, &demand);
	if (c->tls == NULL) {
		broke(c, "4.3.0", "TLS", "out of memory");
		return;
	}
	wait_s = conf->smtp.timeout_s != 0 ? conf->smtp.timeout_s :
	    SHAKE_WAIT_S;
	c->deadline_ms = net->now_ms + (int64_t)wait_s * 1000;
	c->state = CONN_SHAKING;
	shake(c);
}

/* 4. Octets. */

static ssize_t
conn_read(struct conn *c, char *p, size_t n)
{
	enum tls_want want = TLS_DONE;
	ssize_t got;

	c->read_wants_out = 0;
	if (c->tls != NULL) {
		got = tls_read(c->tls, p, n, &want);
		c->read_wants_out = got == -1 && want == TLS_WANT_WRITE;
		errno = got == -1 && want != TLS_BROKEN ? EAGAIN : EPROTO;
		return got;
	}
	do {
		got = recv(c->fd, p, n, 0);
	} while (got == -1 && errno == EINTR);
	return got;
}

static ssize_t
conn_write(struct conn *c, const char *p, size_t n)
{
	enum tls_want want = TLS_DONE;
	ssize_t put;

	c->write_wants_in = 0;
	if (c->tls != NULL) {
		put = tls_write(c->tls, p, n, &want);
		c->write_wants_in = put == -1 && want == TLS_WANT_READ;
		errno = put == -1 && want != TLS_BROKEN ? EAGAIN : EPROTO;
		return put;
	}
	do {
		put = send(c->fd, p, n, MSG_NOSIGNAL);
	} while (put == -1 && errno == EINTR);
	return put;
}

static int
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

static const char *
words(void)
{
	if (errno == EPROTO)
		return "the TLS connection was truncated";
	return errno == ETIMEDOUT ? "timed out" : strerror(errno);
}

/* Stops where TLS begins: what follows is not for the conversation. */
static void
take_input(struct conn *c)
{
	char chunk[READ_CHUNK];
	ssize_t n;
	int i;

	for (i = 0; i < TURNS_MAX; i++) {
		n = conn_read(c, chunk, sizeof(chunk));
		if (n == -1 && would_block())
			return;
		if (n == 0)
			smtp_lost(c->smtp, "the server closed the connection");
		else if (n == -1)
			smtp_lost(c->smtp, words());
		else
			smtp_input(c->smtp, chunk, (size_t)n);
		if (smtp_want(c->smtp) == SMTP_WANT_CLOSE ||
		    smtp_want(c->smtp) == SMTP_WANT_TLS)
			return;
	}
}

/* 1 when something was written. */
static int
give_output(struct conn *c)
{
	const char *p, *reason;
	ssize_t put;
	size_t n;

	p = smtp_output(c->smtp, &n);
	if (n == 0)
		return 0;
	put = conn_write(c, p, n);
	if (put > 0) {
		smtp_sent(c->smtp, (size_t)put);
		return 1;
	}
	if (put == -1 && would_block())
		return 0;
	/* What the host said before it hung up is worth more. */
	reason = words();
	take_input(c);
	smtp_lost(c->smtp, reason);
	return 0;
}

/* 5. Wishes. */

/* What a login on this connection has to go by. */
static void
set_env(struct conn *c)
{
	const struct conf *conf = c->net->conf;
	struct sasl_env *env = &c->env;

	memset(env, 0, sizeof(*env));
	env->user = c->policy.auth->user;
	env->password = c->policy.auth->password;
	env->is_token = c->policy.auth->is_token;
	env->host = c->host.name;
	env->port = c->host.port;
	env->allowed = conf->smtp.auth_mechs;
	env->crypto = crypto_sasl();
	env->is_private = c->tls != NULL || c->policy.may_login_clear;
	if (c->tls == NULL)
		return;
	/* The certificate is this host's; a sender's own login is another. */
	env->has_cert = tls_has_shown_cert(c->tls) &&
	    (c->net->jobs.hop_user[0] == '\0' ||
	    c->policy.auth->is_external);
	env->binding = tls_binding(c->tls, c->binding, &env->binding_len);
	env->binding_data = c->binding;
}

static void
login(struct conn *c)
{
	struct buf initial;

	if (c->mechanism == NULL) {
		set_env(c);
		sasl_fini(&c->sasl);
		sasl_init(&c->sasl, &c->env);
	} else {
		sasl_give_up(&c->sasl);
	}
	/* Between the pick and now another connection may have been told. */
	c->mechanism = c->net->is_refused ? NULL :
	    sasl_pick(&c->sasl, smtp_mechanisms(c->smtp));
	if (c->mechanism == NULL) {
		smtp_no_login(c->smtp);
		return;
	}
	buf_init(&initial, 0);
	buf_space(&initial, SASL_CHALLENGE_MAX);
	if (sasl_initial(&c->sasl, &initial))
		smtp_login(c->smtp, c->mechanism, buf_str(&initial));
	else
		smtp_login(c->smtp, c->mechanism, NULL);
	if (sasl_needs_proof(&c->sasl))
		smtp_demand_proof(c->smtp);
	if (initial.data != NULL)
		crypto_wipe(initial.data, initial.cap);
	buf_fini(&initial);
}

static void
give_answer(struct conn *c, enum sasl_did did, const char *response)
{
	if (did == SASL_STOP) {
		smtp_distrust(c->smtp, sasl_why(&c->sasl));
	} else if (did == SASL_OUT) {
		smtp_cancel(c->smtp);
	} else {
		if (sasl_is_proven(&c->sasl))
			smtp_proven(c->smtp);
		smtp_answer(c->smtp, response);
	}
}

/* 0 when the answer needs more computing: the others have their turn. */
static int
answer(struct conn *c)
{
	struct buf response;
	enum sasl_did did;

	buf_init(&response, 0);
	buf_space(&response, SASL_CHALLENGE_MAX);
	did = sasl_step(&c->sasl, smtp_challenge(c->smtp), &response);
	if (did == SASL_ANSWER && buf_failed(&response))
		did = SASL_OUT;
	c->is_computing = did == SASL_BUSY;
	if (!c->is_computing)
		give_answer(c, did, buf_str(&response));
	if (response.data != NULL)
		crypto_wipe(response.data, response.cap);
	buf_fini(&response);
	return !c->is_computing;
}

static void
announce(struct conn *c)
{
	if (c->is_ready)
		return;
	c->is_ready = 1;
	log_say(c->net->log, LOG_LEVEL_INFO,
	    "relay=%s port=%u tls=\"%s\" login=%s", c->where,
	    (unsigned)c->host.port,
	    c->tls == NULL ? "none" : tls_describe(c->tls),
	    c->mechanism == NULL ? "none" : c->mechanism);
}

static int
has_idle(const struct net *net, size_t from)
{
	const struct conn *c;

	for (c = net->conns; c != NULL; c = c->next)
		if (c->is_idle && is_open(c) && c->from == from)
			return 1;
	return 0;
}

/* A job for this connection, or NULL; it is off the list. */
static struct job *
next_job(struct conn *c)
{
	struct job *job = c->coming;

	c->coming = NULL;
	if (job != NULL)
		return job;
	if (c->nflying == 0)
		c->is_alone = 0;
	if (c->is_alone)
		return NULL;
	job = c->again;
	c->again = NULL;
	if (job != NULL)
		return job;
	if (smtp_is_busy(c->smtp) && has_idle(c->net, c->from))
		return NULL;
	return requests_take(&c->net->jobs, c->from, c->host.place,
	    c->nflying == 0);
}

/* As content_prepare(); the job comes again, or is refused. */
static int
prepare(struct conn *c, struct job *job)
{
	int was_computing = c->is_computing;
	struct result reason;
	int ret;

	result_init(&reason);
	ret = content_prepare(&c->body, job, smtp_offers(c->smtp), &reason);
	c->is_computing = ret == 0;
	if (ret == 0)
		c->coming = job;
	/* As long as it gets on; then anew for replies that are awaited. */
	if (c->is_computing || was_computing)
		c->deadline_ms = 0;
	if (ret == -1)
		requests_refuse(&c->net->jobs, job, c->where, &reason);
	result_fini(&reason);
	return ret;
}

/*
 * So many recipients of a job, from the first on, hold those whom the host
 * takes at once.  Deferred ones that wait for the next host are not sent.
 */
static uint32_t
count_rcpts(const struct job *job, uint32_t max)
{
	uint32_t i, n = 0;

	for (i = 0; i < job->nrcpts && (max == 0 || n < max); i++)
		n += job->rcpts[i].res.status == STATUS_NONE;
	return i;
}

/*
 * 1 when there was mail for it.  A connection that still awaits the verdict
 * on its last message takes more only if no other is free.
 */
static int
next_mail(struct conn *c)
{
	struct job *job = next_job(c);
	int ret;

	if (job == NULL)
		return 0;
	c->is_idle = 0;
	ret = prepare(c, job);
	if (ret != 1)
		return ret == -1;
	c->is_alone = requests_is_poison(job);
	c->nflying++;
	job->mail.sender = job->sender;
	job->mail.ret = job->ret;
	job->mail.envid = job->envid;
	job->mail.rcpts = job->rcpts;
	job->mail.nrcpts = count_rcpts(job, smtp_rcpt_max(c->smtp));
	job->mail.arg = job;
	smtp_mail(c->smtp, &job->mail);
	return 1;
}

/* A file that can not be read to its end must not become a shorter mail. */
static void
content_failed(struct conn *c, int error)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0", "cannot read the message: "
	    "%s",
	    strerror(error));
	smtp_text_fail(c->smtp, &res);
	result_fini(&res);
}

static void
send_body(struct conn *c)
{
	struct job *job = smtp_text_mail(c->smtp)->arg;
	int ret;

	if (c->body.job != job) {
		content_begin(&c->body, job);
		if (job->fit.is_encoded)
			log_say(c->net->log, LOG_LEVEL_INFO, "id=%s relay=%s "
			    "message was encoded for this server",
			    job->queue_id, c->where);
		if ((job->flags & MESSAGE_HAS_NUL) != 0)
			log_say(c->net->log, LOG_LEVEL_INFO, "id=%s relay=%s "
			    "NUL bytes were removed", job->queue_id, c->where);
	}
	ret = content_next(&c->body, smtp_text(c->smtp));
	if (ret == -1) {
		content_failed(c, errno);
	} else if (ret == 0) {
		c->body.job = NULL;
		smtp_text_end(c->smtp);
	}
}

/* Grants what can be granted; 0 when nothing more can. */
static int
grant(struct conn *c)
{
	fetch_settled(c);
	switch (smtp_want(c->smtp)) {
	case SMTP_WANT_LOGIN:
		login(c);
		return 1;
	case SMTP_WANT_ANSWER:
		return answer(c);
	case SMTP_WANT_TEXT:
		send_body(c);
		return 1;
	case SMTP_WANT_MAIL:
		announce(c);
		return next_mail(c);
	case SMTP_WANT_TLS:
		start_tls(c);
		return c->state == CONN_TALKING && !c->is_over;
	default:
		return 0;
	}
}

static void
set_deadline(struct conn *c)
{
	const struct conf *conf = c->net->conf;
	unsigned wait_s;
	int is_idle;

	wait_s = c->is_computing ? COMPUTE_WAIT_S : smtp_wait_s(c->smtp);
	is_idle = wait_s == 0;
	if (smtp_turn(c->smtp) == c->turn && is_idle == c->is_idle &&
	    c->deadline_ms != 0)
		return;
	if (conf->smtp.timeout_s != 0 && wait_s > QUIT_WAIT_S)
		wait_s = conf->smtp.timeout_s;
	c->turn = smtp_turn(c->smtp);
	c->is_idle = is_idle;
	c->deadline_ms = c->net->now_ms +
	    (is_idle ? (int64_t)IDLE_MS : (int64_t)wait_s * 1000);
}

/* A host that takes no more mail: what was looked at goes to another. */
static void
give_back(struct conn *c)
{
	if (c->coming == NULL || !smtp_is_closing(c->smtp))
		return;
	requests_put_first(&c->net->jobs, c->coming);
	c->coming = NULL;
	c->body.job = NULL;
	c->is_computing = 0;
	c->deadline_ms = 0;
}

/* Wishes and writes in turn, until the other side has to do something. */
static void
converse(struct conn *c)
{
	int i, n;

	c->has_more = 0;
	for (i = 0; i < TURNS_MAX && c->state == CONN_TALKING; i++) {
		for (n = 0; n < GRANTS_MAX && !c->is_over && grant(c); n++)
			;
		if (c->is_over || c->state != CONN_TALKING ||
		    (!give_output(c) && n < GRANTS_MAX))
			break;
	}
	if (c->is_over || c->state != CONN_TALKING)
		return;
	fetch_settled(c);
	give_back(c);
	c->has_more = i == TURNS_MAX;
	if (smtp_want(c->smtp) == SMTP_WANT_CLOSE)
		over(c, smtp_cause(c->smtp), smtp_trouble(c->smtp));
	else
		set_deadline(c);
}

/* 6. The loop. */

static void
connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0) {
		broke(c, "4.4.1", "connect", strerror(error));
		return;
	}
	c->state = CONN_TALKING;
	c->deadline_ms = 0;
	if (c->policy.has_tls_first)
		start_tls(c);
}

static void
serve(struct conn *c, short revents)
{
	if (revents == 0 || c->is_over)
		return;
	if (c->state == CONN_OPENING)
		connected(c);
	else if (c->state == CONN_SHAKING)
		shake(c);
	else
		take_input(c);
	if (!c->is_over && c->state == CONN_TALKING)
		converse(c);
}

static void
shake_late(struct conn *c)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.4.2", "TLS handshake: timed out");
	tls_failed(c, &res);
	result_fini(&res);
}

static void
check_deadline(struct conn *c)
{
	if (c->is_over || c->net->now_ms < c->deadline_ms)
		return;
	if (c->state == CONN_OPENING) {
		broke(c, "4.4.1", "connect", "timed out");
	} else if (c->state == CONN_SHAKING) {
		shake_late(c);
	} else if (c->is_idle) {
		smtp_quit(c->smtp);
		converse(c);
	} else {
		c->is_late = 1;
		smtp_lost(c->smtp, "timed out");
		converse(c);
	}
}

/* Mail to those that are free. */
static void
hand_out(struct net *net)
{
	struct conn *c;

	for (c = net->conns; c != NULL; c = c->next)
		if (!c->is_over && c->is_idle && net->jobs.nwaiting > 0)
			converse(c);
}

/* More of them for the first hosts. */
static int
wants_more(struct net *net)
{
	unsigned nconns, waiting = net->jobs.nwaiting - net->jobs.nlater;
	const struct conn *c;

	nconns = count_open(net);
	if (waiting == 0 || net->is_refused || nconns == 0 ||
	    count_in_use(net) >= net->cap || net->nconns >= CONNS_MAX)
		return 0;
	/* The first one shows whether the host and the login work at all. */
	for (c = net->conns; c != NULL; c = c->next)
		if (is_open(c) && c->from == 0 && c->is_ready)
			break;
	if (c == NULL)
		return 0;
	return nconns < 1 + waiting / 2;
}

static void
refuse_waiting(struct net *net, const struct result *reason)
{
	struct job *job;

	while ((job = requests_take(&net->jobs, 0, SIZE_MAX, 1)) != NULL)
		requests_refuse(&net->jobs, job, net->trouble, reason);
}

static int
is_covered(const struct net *net, const struct job *job)
{
	const struct conn *c;

	for (c = net->conns; c != NULL; c = c->next)
		if (is_open(c) && job->place >= c->from &&
		    job->place <= c->host.place)
			return 1;
	return 0;
}

/* The first job that waits for a connection which is not there, or NULL. */
static struct job *
first_uncovered(const struct net *net)
{
	struct job *job = net->jobs.waiting;

	/* Mostly all are for the same hosts. */
	if (net->jobs.nlater == 0)
		return job == NULL || is_covered(net, job) ? NULL : job;
	for (; job != NULL; job = job->next)
		if (!is_covered(net, job))
			break;
	return job;
}

/* One that has nothing to do makes place; 0 when none is to be had. */
static int
make_place(struct net *net)
{
	struct conn *c;

	if (net->nconns >= CONNS_MAX)
		return 0;
	if (count_in_use(net) < net->cap)
		return 1;
	for (c = net->conns; c != NULL; c = c->next)
		if (c->is_idle && is_open(c))
			break;
	if (c == NULL)
		return 0;
	smtp_quit(c->smtp);
	converse(c);
	return 1;
}

/* At least one connection for each job. */
static void
cover(struct net *net)
{
	struct result res;
	struct job *job;
	int ret;

	result_init(&res);
	while (!net->is_refused && (job = first_uncovered(net)) != NULL &&
	    make_place(net)) {
		ret = open_conn(net, job->place, &res);
		if (ret == 1)
			break;
		if (ret == 0) {
			reap(net);
		} else if (job->place == 0) {
			refuse_waiting(net, &res);
		} else {
			requests_pick(&net->jobs, job);
			requests_refuse(&net->jobs, job, net->trouble, &res);
		}
	}
	result_fini(&res);
}

static void
grow(struct net *net)
{
	struct result res;

	result_init(&res);
	while (wants_more(net) && open_conn(net, 0, &res) == 0)
		reap(net);
	result_fini(&res);
}

/* Connections as the backlog asks for them; mail to those that are free. */
static void
plan(struct net *net)
{
	struct conn *c;

	if (net->now_ms >= net->cap_until_ms) {
		net->cap = net->conf->smtp.concurrency;
		net->mail_max = 0;
	}
	if (net->cap < 1 || net->cap > CONNS_MAX)
		net->cap = net->cap < 1 ? 1 : CONNS_MAX;
	hand_out(net);
	reap(net);
	cover(net);
	grow(net);
	if (net->is_refused && net->nconns == 0)
		refuse_waiting(net, &net->refusal);
	if (!net->is_last)
		return;
	for (c = net->conns; c != NULL; c = c->next) {
		if (net->jobs.nopen > 0 || !c->is_idle || c->is_over)
			continue;
		smtp_quit(c->smtp);
		converse(c);
	}
	reap(net);
}

static int
start_hosts(struct net *net)
{
	const struct relays *relays = &net->conf->relays;
	const char *domain = "";

	if (!net->jobs.has_hop || net->has_hosts)
		return 0;
	if (net->jobs.hop_kind == DESTINATION_SENDER) {
		net->sender.port = relays->port;
		if (relays_parse(&net->sender, net->jobs.hop_name) != NULL)
			return -1;
		relays = &net->sender;
	} else if (net->jobs.hop_kind == DESTINATION_DOMAIN) {
		domain = net->jobs.hop_name;
	}
	if (hosts_init(&net->hosts, net->conf, relays, domain, &lookup) == -1)
		return -1;
	net->has_hosts = 1;
	return 0;
}

/* 0, or -1 to end with EX_PROTOCOL. */
static int
serve_runner(struct net *net, short revents)
{
	int ret;

	if (!net->is_last && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		ret = requests_read(&net->jobs);
		if (ret == -1 || start_hosts(net) == -1)
			return -1;
		net->is_last = ret == 0;
	}
	/* It may have closed its writing side alone, and still listen. */
	if (net->is_last && (revents & (POLLHUP | POLLERR)) != 0)
		net->is_gone = 1;
	return 0;
}

static void
drop_all(struct net *net)
{
	struct conn *c;
	struct result res;

	result_init(&res);
	for (c = net->conns; c != NULL; c = c->next) {
		if (c->is_over)
			continue;
		if (c->state != CONN_TALKING || smtp_is_busy(c->smtp) ||
		    smtp_want(c->smtp) != SMTP_WANT_MAIL) {
			over(c, SMTP_CAUSE_NONE, &res);
			continue;
		}
		smtp_quit(c->smtp);
		converse(c);
	}
}

static int
poll_timeout(const struct net *net)
{
	const struct conn *c;
	int64_t left = 3600 * 1000;

	for (c = net->conns; c != NULL; c = c->next) {
		if (c->tls != NULL && c->state == CONN_TALKING &&
		    tls_pending(c->tls) > 0)
			return 0;
		if (c->deadline_ms - net->now_ms < left)
			left = c->deadline_ms - net->now_ms;
	}
	return left < 0 ? 0 : (int)left;
}

static short
events_of(const struct conn *c)
{
	size_t n;

	if (c->state == CONN_OPENING)
		return POLLOUT;
	if (c->state == CONN_SHAKING)
		return c->write_wants_in ? POLLIN : POLLOUT;
	(void)smtp_output(c->smtp, &n);
	if (c->read_wants_out || c->has_more || c->is_computing ||
	    (n > 0 && !c->write_wants_in))
		return POLLIN | POLLOUT;
	return POLLIN;
}

/* One turn: 0, or -1 when poll failed or the runner broke the rules. */
static int
turn(struct net *net, struct pollfd *pfds)
{
	struct conn *c;
	nfds_t n = 1;
	short revents;

	pfds[0].fd = net->is_gone ? -1 : net->jobs.sock;
	pfds[0].events = (short)((net->is_last ? 0 : POLLIN) |
	    (requests_has_output(&net->jobs) ? POLLOUT : 0));
	for (c = net->conns; c != NULL; c = c->next, n++) {
		pfds[n].fd = c->fd;
		pfds[n].events = events_of(c);
		pfds[n].revents = 0;
	}
	pfds[0].revents = 0;
	if (poll(pfds, n, poll_timeout(net)) == -1 && errno != EINTR)
		return -1;
	net->now_ms = io_clock_ms();
	/* New connections stand first in the list, and only plan() adds. */
	for (c = net->conns, n = 1; c != NULL; c = c->next, n++) {
		revents = pfds[n].revents;
		if (c->tls != NULL && c->state == CONN_TALKING &&
		    tls_pending(c->tls) > 0)
			revents |= POLLIN;
		serve(c, revents);
		check_deadline(c);
	}
	return net->is_gone ? 0 : serve_runner(net, pfds[0].revents);
}

static int
loop(struct net *net)
{
	struct pollfd *pfds;
	int was_gone, ret = EX_OK;

	pfds = calloc(CONNS_MAX + 1, sizeof(*pfds));
	if (pfds == NULL)
		return EX_OSERR;
	for (;;) {
		net->now_ms = io_clock_ms();
		if (net->has_hosts && !net->is_gone)
			plan(net);
		reap(net);
		if (!net->is_gone && requests_write(&net->jobs) == -1)
			net->is_last = net->is_gone = 1;
		if (net->is_last && net->nconns == 0 && (net->is_gone ||
		    (net->jobs.nopen == 0 && !requests_has_output(&net->jobs))))
			break;
		was_gone = net->is_gone;
		if (turn(net, pfds) == -1) {
			ret = EX_PROTOCOL;
			break;
		}
		if (net->is_gone && !was_gone)
			drop_all(net);
	}
	free(pfds);
	return ret;
}

int
net_main(int sock, int secrets, const struct conf *conf, struct auths *auths,
    const struct log *log)
{
	struct net net;
	struct conn *c;
	int ret;

	memset(&net, 0, sizeof(net));
	net.conf = conf;
	net.auths = auths;
	net.secrets = secrets;
	net.log = log;
	if (io_nonblock(sock) == -1)
		return EX_OSERR;
	requests_init(&net.jobs, sock);
	ret = loop(&net);
	if (ret == EX_PROTOCOL)
		log_say(log, LOG_LEVEL_WARNING,
		    "the runner sent an invalid request");
	while ((c = net.conns) != NULL) {
		net.conns = c->next;
		conn_free(c);
	}
	if (net.has_hosts)
		hosts_fini(&net.hosts);
	requests_fini(&net.jobs);
	tls_setup_free(net.tls);
	result_fini(&net.refusal);
	relays_fini(&net.sender);
	return ret;
}
