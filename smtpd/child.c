/*
 * child.c - a process that serves connections.
 *
 * Runs as: the user of dma-smtpd, confined.
 * Uses: its sockets, its slot of the scoreboard, signals.
 * Promise: never blocks but in the loop.  When the processes above it are gone,
 * it ends in good order.
 *
 * Of the children that wait for connections, the kernel wakes one, which may
 * then be stopped, killed or full before it accepts.  Therefore a child that
 * takes no more connections reports that, and the generation has the others
 * look.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "smtpd/child.h"
#include "smtpd/confine.h"
#include "smtpd/modules.h"
#include "smtpd/policy.h"
#include "smtpd/session.h"

#define ACCEPT_MAX	8	/* in one go */
#define BALANCE_MIN	POLICY_TOGETHER_MAX /* more than another has */
#define YIELD_MS	2	/* how long a connection is left to another */
#define LEAVE_MAX	1024	/* the same when it is the last one */
#define EXHAUSTED_MS	100	/* without a descriptor for a connection */
#define RESERVED_FDS	64	/* for all that is not a session */
#define FDS_EACH	2	/* a session, and the file that it writes */
#define SIGNALS		5

struct smtpd_child;

struct listener {
	struct loop_watch watch;
	struct smtpd_child *child;
};

struct smtpd_child {
	struct smtpd_host *host;
	struct listener	 listeners[CONF_LISTEN_MAX];
	size_t		 nlisteners;
	struct loop_watch generation;
	struct loop_watch signals[SIGNALS];
	struct loop_timer retry;	/* after EMFILE */
	struct loop_timer yield;	/* until then another one may accept */
	size_t		 sessions_max;	/* at once */
	size_t		 published;	/* sessions in the scoreboard */
	int		 is_accepting;
	int		 is_exhausted;	/* no descriptor, until retry */
	int		 is_ended;	/* whatever sessions there are */
};

static void
report(const struct smtpd_child *c, enum child_report what)
{
	const char byte = (char)what;

	/* When the pipe is full, there is a report of the kind in it. */
	if (write(c->generation.fd, &byte, 1) == -1)
		return;
}

/* ---- connections ---- */

static int
has_room(const struct smtpd_child *c)
{
	return c->host->nsessions < c->sessions_max && !c->is_exhausted;
}

/* A full one waits for more than one place, rather than to change its mind with
 * each session that ends. */
static int
may_accept(const struct smtpd_child *c)
{
	return has_room(c) && (c->is_accepting ||
	    c->host->nsessions <= c->sessions_max - c->sessions_max / 16);
}

static int
has_served_enough(const struct smtpd_child *c)
{
	const uint64_t max = c->host->conf->children.max_sessions;

	return max != 0 && c->host->nserved >= max;
}

/* The next attempt would fail, too; errors of the network are not among them:
 * those are of one connection. */
static int
is_exhaustion(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM || error == EBADF || error == EINVAL ||
	    error == ENOTSOCK;
}

/* 1 when there may be another. */
static int
accept_one(struct smtpd_child *c, int listener)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd;

	memset(&addr, 0, sizeof(addr));
	fd = accept4(listener, (struct sockaddr *)&addr, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1) {
		session_accept(c->host, fd, (struct sockaddr *)&addr);
		return 1;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	if (!is_exhaustion(errno))
		return 1;
	c->is_exhausted = 1;
	(void)loop_timer_set(&c->host->loop, &c->retry,
	    loop_now(&c->host->loop) + EXHAUSTED_MS);
	return 0;
}

static void
accept_some(struct smtpd_child *c, int listener, int max)
{
	while (max-- > 0 && has_room(c) && !has_served_enough(c) &&
	    accept_one(c, listener))
		;
}

static void
accept_from_all(struct smtpd_child *c, int max)
{
	size_t i;

	for (i = 0; i < c->nlisteners; i++)
		accept_some(c, c->listeners[i].watch.fd, max);
}

/* ---- states ---- */

static void
watch_listeners(struct smtpd_child *c, int accepts)
{
	size_t i;

	if (c->is_accepting == accepts)
		return;
	c->is_accepting = accepts;
	for (i = 0; i < c->nlisteners; i++)
		if (loop_watch(&c->host->loop, &c->listeners[i].watch,
		    accepts ? LOOP_READ | LOOP_EXCLUSIVE : 0) == -1)
			c->is_accepting = 0;
	if (!accepts)
		report(c, CHILD_REPORT_LEAVES);
}

/* The sockets are closed, lest they stay open when the parent closes them. */
static void
leave_listeners(struct smtpd_child *c, enum host_phase phase)
{
	c->host->state = phase;
	scoreboard_set_state(c->host->scoreboard, c->host->slot,
	    SCOREBOARD_DRAINING);
	watch_listeners(c, 0);
	while (c->nlisteners > 0)
		io_close(&c->listeners[--c->nlisteners].watch.fd);
}

static void
retire(struct smtpd_child *c)
{
	if (c->host->state != HOST_SERVING)
		return;
	/* What it was woken for, perhaps. */
	accept_from_all(c, LEAVE_MAX);
	leave_listeners(c, HOST_RETIRING);
}

static void
drain(struct smtpd_child *c)
{
	if (c->host->state == HOST_DRAINING)
		return;
	leave_listeners(c, HOST_DRAINING);
	session_drain_all(c->host);
}

static void
end_now(struct smtpd_child *c)
{
	drain(c);
	session_end_all(c->host);
	c->is_ended = 1;
}

/* ---- events ---- */

/* Sessions of the child that has the fewest. */
static unsigned
least_sessions(const struct smtpd_child *c)
{
	struct scoreboard_view own, v;
	unsigned least = UINT_MAX;
	size_t i;

	scoreboard_look(c->host->scoreboard, (size_t)c->host->slot, &own);
	for (i = 0; i < scoreboard_slots(c->host->scoreboard); i++) {
		scoreboard_look(c->host->scoreboard, i, &v);
		if (v.generation == own.generation &&
		    v.state == SCOREBOARD_SERVING && v.sessions < least)
			least = v.sessions;
	}
	return least;
}

/* Whether a connection is rather for another one. */
static int
does_yield(const struct smtpd_child *c)
{
	const size_t slot = (size_t)c->host->slot;
	struct scoreboard_view own, v;
	size_t i;

	scoreboard_look(c->host->scoreboard, slot, &own);
	for (i = 0; i < scoreboard_slots(c->host->scoreboard); i++) {
		scoreboard_look(c->host->scoreboard, i, &v);
		if (i != slot && v.generation == own.generation &&
		    v.state == SCOREBOARD_SERVING &&
		    policy_is_preferred(v.sessions, i < slot,
		    c->host->nsessions))
			return 1;
	}
	return 0;
}

/* Is not woken for a while.  The other one was busy, or it would have been
 * woken first, and sees the connection when it waits for more. */
static void
yield(struct smtpd_child *c)
{
	size_t i;

	if (loop_timer_set(&c->host->loop, &c->yield,
	    loop_now(&c->host->loop) + YIELD_MS) == -1)
		return;
	for (i = 0; i < c->nlisteners; i++)
		(void)loop_watch(&c->host->loop, &c->listeners[i].watch, 0);
}

static void
on_yield(void *arg)
{
	struct smtpd_child *c = arg;
	size_t i;

	if (!c->is_accepting)
		return;
	accept_from_all(c, ACCEPT_MAX);
	for (i = 0; i < c->nlisteners; i++)
		if (loop_watch(&c->host->loop, &c->listeners[i].watch,
		    LOOP_READ | LOOP_EXCLUSIVE) == -1) {
			watch_listeners(c, 0);
			return;
		}
}

/*
 * The kernel wakes the first of those that wait, which would get all sessions
 * while these are idle.  Some in one child are welcome: they share commits, so
 * that a child that has fewer yields to one that is busy for a moment; a child
 * that has many more than another goes to the end of the line.
 */
static void
on_connection(void *arg, unsigned events)
{
	struct listener *l = arg;
	struct smtpd_child *c = l->child;

	(void)events;
	if (does_yield(c)) {
		yield(c);
		return;
	}
	accept_some(c, l->watch.fd, ACCEPT_MAX);
	if (!c->is_accepting || c->host->nsessions < BALANCE_MIN ||
	    c->host->nsessions - BALANCE_MIN < least_sessions(c))
		return;
	if (loop_watch(&c->host->loop, &l->watch, 0) == -1 ||
	    loop_watch(&c->host->loop, &l->watch,
	    LOOP_READ | LOOP_EXCLUSIVE) == -1)
		watch_listeners(c, 0);
}

static void
on_retry(void *arg)
{
	struct smtpd_child *c = arg;

	c->is_exhausted = 0;
}

/* The generation sends nothing: it is gone. */
static void
on_generation(void *arg, unsigned events)
{
	struct smtpd_child *c = arg;
	char byte;
	ssize_t n;

	(void)events;
	n = io_read(c->generation.fd, &byte, 1);
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)))
		return;
	(void)loop_watch(&c->host->loop, &c->generation, 0);
	drain(c);
}

struct reaction {
	int	 sig;
	void	(*react)(struct smtpd_child *);
};

static void
look(struct smtpd_child *c)
{
	accept_from_all(c, ACCEPT_MAX);
}

static const struct reaction reactions[SIGNALS] = {
	{ SIGTERM, drain },
	{ SIGINT, drain },
	{ SIGUSR1, retire },
	{ CHILD_SIGNAL_ACCEPT, look },
	{ CHILD_SIGNAL_END, end_now },
};

static void
on_signal(void *arg, unsigned events)
{
	struct smtpd_child *c = arg;
	char skipped[1024];
	size_t i;

	(void)events;
	for (i = 0; i < SIGNALS; i++)
		if (c->signals[i].fd != -1 && io_read(c->signals[i].fd,
		    skipped, sizeof(skipped)) > 0)
			reactions[i].react(c);
}

/* ---- the process ---- */

static int
watch_all(struct smtpd_child *c, const int *listeners, size_t n, int generation)
{
	struct loop *l = &c->host->loop;
	size_t i;

	for (i = 0; i < SIGNALS; i++) {
		c->signals[i] = (struct loop_watch){ .ready = on_signal,
		    .arg = c, .fd = compat_signal_fd(reactions[i].sig) };
		if (c->signals[i].fd != -1 &&
		    loop_watch(l, &c->signals[i], LOOP_READ) == -1)
			return -1;
	}
	c->retry.expired = on_retry;
	c->retry.arg = c;
	c->yield.expired = on_yield;
	c->yield.arg = c;
	c->generation = (struct loop_watch){ .fd = generation,
	    .ready = on_generation, .arg = c };
	for (i = 0; i < n; i++) {
		c->listeners[i].child = c;
		c->listeners[i].watch = (struct loop_watch){ .fd = listeners[i],
		    .ready = on_connection, .arg = &c->listeners[i] };
	}
	c->nlisteners = n;
	return loop_watch(l, &c->generation, LOOP_READ);
}

static size_t
sessions_max(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 ||
	    r.rlim_cur > RESERVED_FDS + FDS_EACH * HOST_SESSIONS_MAX)
		return HOST_SESSIONS_MAX;
	return r.rlim_cur <= RESERVED_FDS + FDS_EACH ? 1 :
	    (r.rlim_cur - RESERVED_FDS) / FDS_EACH;
}

/* Is this generation to fork another child? */
static int
is_one_wanted(const struct smtpd_child *c)
{
	const struct conf_children *limits = &c->host->conf->children;
	struct scoreboard_view own, v;
	unsigned all = 0, idle = 0;
	size_t i;

	scoreboard_look(c->host->scoreboard, (size_t)c->host->slot, &own);
	for (i = 0; i < scoreboard_slots(c->host->scoreboard); i++) {
		scoreboard_look(c->host->scoreboard, i, &v);
		if (v.generation != own.generation ||
		    (v.state != SCOREBOARD_STARTING &&
		    v.state != SCOREBOARD_SERVING))
			continue;
		all++;
		idle += v.sessions == 0;
	}
	return idle < limits->min_spare && all < limits->max_children;
}

/* After each turn. */
static void
publish(struct smtpd_child *c)
{
	const size_t before = c->published, now = c->host->nsessions;

	if (before == now)
		return;
	c->published = now;
	scoreboard_set_sessions(c->host->scoreboard, c->host->slot, now);
	if (before == 0 && is_one_wanted(c))
		report(c, CHILD_REPORT_BUSY);
	/* A descriptor was closed. */
	if (now < before)
		c->is_exhausted = 0;
}

static int
serve(struct smtpd_child *c)
{
	struct smtpd_host *host = c->host;

	scoreboard_set_state(host->scoreboard, host->slot,
	    SCOREBOARD_SERVING);
	report(c, CHILD_REPORT_SERVES);
	while (!c->is_ended) {
		if (host->state == HOST_SERVING)
			watch_listeners(c, may_accept(c));
		if (loop_turn(&host->loop, -1) == -1)
			return EX_OSERR;
		publish(c);
		if (has_served_enough(c))
			retire(c);
		if (host->state != HOST_SERVING && host->nsessions == 0)
			break;
	}
	return EX_OK;
}

int
child_run(struct smtpd_host *host, const int *listeners, size_t nlisteners,
    int generation)
{
	struct smtpd_child c = { .host = host, .sessions_max = sessions_max() };
	int status;

	host->state = HOST_SERVING;
	if (loop_init(&host->loop) == -1 ||
	    watch_all(&c, listeners, nlisteners, generation) == -1 ||
	    confine_child(host) == -1) {
		log_say(&host->log, LOG_LEVEL_ERROR, "a child cannot start: "
		    "%s", strerror(errno));
		return EX_OSERR;
	}
	/* The modules have reported the reason. */
	if (modules_child_init(host) == -1)
		return EX_CONFIG;
	status = serve(&c);
	if (status != EX_OK)
		log_say(&host->log, LOG_LEVEL_ERROR, "a child cannot wait "
		    "for connections: %s", strerror(errno));
	modules_child_exit(host);
	loop_fini(&host->loop);
	return status;
}
