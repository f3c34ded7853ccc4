/*
 * runner.c - the queue runner: the loop.
 * Runs as: the spool user, sandboxed.  Uses: the queue, the wake socket.
 * Promise: exactly one by the lock; whatever is committed is tried without
 * anybody asking again; it ends when nothing is queued.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>

#include "lib/io.h"
#include "priv/records.h"
#include "priv/sandbox.h"
#include "queue/deliver_local.h"
#include "queue/deliver_remote.h"
#include "queue/expand.h"
#include "queue/reload.h"
#include "queue/runner.h"
#include "queue/status.h"

#define SLEEP_MAX_MS	60000	/* so that a stepped clock is noticed */
#define ACTIVE_SLEEP_MS	15000	/* so that a failed write is tried again */
#define STAY_MS		50	/* with nothing to do: more may come soon */
#define FULL_MS		100	/* until a helper that reads nothing is tried */
#define FLUSH_WAIT_MS	1000	/* for the one that it was started for */
#define WAKES_FEW	8	/* more at once: some may have been lost */
#define POLLS_MAX	(3 + LOOKUPS_MAX + 2 * CHILDREN_MAX + PROCESSES_MAX \
			    + WATCHERS_MAX + 8)

struct runner {
	struct queue	 q;
	struct reloader	 reloader;
	struct active	 active;
	struct lookups	 lookups;
	struct local_helper local;
	struct destinations destinations;
	struct watchers	 watchers;
	int		 lock;		/* owned: the spool's */
	int		 wake;		/* owned: datagram socket; or -1 */
	uint64_t	 wake_ino;	/* of its name */
	int64_t		 idle_ms;	/* since; 0: there is something to do */
};

/* ---- waking ---- */

static void
listen_for_wakes(struct runner *r)
{
	io_close(&r->wake);
	r->wake = spool_wake_open(&r->q.spool);
	r->wake_ino = spool_wake_ino(&r->q.spool);
	if (r->wake == -1)
		log_say(&r->q.log, LOG_LEVEL_WARNING, "cannot create the wake "
		    "socket: %s; scanning the queue once a minute",
		    strerror(errno));
}

/* w: who waits; of it fd, id and uid are set.  flags: FLUSH_*. */
static void
flush(struct runner *r, struct watcher *w, unsigned flags)
{
	destinations_renew(&r->destinations);
	w->left = active_flush(&r->active, w->id);
	w->is_coming = (flags & FLUSH_COMING) != 0;
	if (w->is_coming && w->left == 0)
		w->left = 1;
	w->run = r->active.run;
	w->state = flags & FLUSH_WATCH ? WATCHER_WATCHING : WATCHER_WAITING;
	watchers_add(&r->watchers, w);
}

static void
take_wake(struct runner *r, struct ipc *m)
{
	struct watcher w;
	uint32_t flags = 0;

	memset(&w, 0, sizeof(w));
	ipc_get_text(m, w.id, sizeof(w.id));
	w.fd = ipc_take_fd(m, 0);
	if (m->kind == IPC_FLUSH) {
		flags = ipc_get_u32(m);
		w.uid = ipc_get_u32(m);
	}
	if (ipc_done(m) == -1 || m->kind != IPC_FLUSH)
		io_close(&w.fd);
	if (ipc_done(m) == -1)
		return;
	if (m->kind == IPC_FLUSH)
		flush(r, &w, flags);
	/* The new one alone; the queue may be long. */
	else if (w.id[0] != '\0')
		active_add(&r->active, w.id);
	else
		active_scan_soon(&r->active);
}

static void
read_wakes(struct runner *r)
{
	struct ipc m;
	int n;

	ipc_init(&m);
	for (n = 0; ipc_recv(r->wake, &m, IPC_WAKE_LIMIT) == 1; n++)
		take_wake(r, &m);
	/* Senders do not wait: what the socket had no room for is lost. */
	if (n >= WAKES_FEW)
		active_scan_soon(&r->active);
	ipc_fini(&m);
}

/* ---- the active messages ---- */

static void
give_local(struct runner *r, struct active_message *a, uint32_t i)
{
	const char *owner = a->m.rcpts[i].owner;

	if (owner == NULL)
		decide_later(a, i, "out of memory");
	else if (active_admit(&r->active, a, i,
	    active_user(&r->active, owner)) == 0)
		local_give(&r->local, a, i);
}

/* Routes and gives away what can be given now. */
static void
dispatch(struct runner *r, struct active_message *a)
{
	uint32_t i, remote = 0, unknown = 0;
	enum attempt_stage stage;

	/* Expansion appends, so that one pass routes what it adds, too. */
	for (i = 0; i < a->nattempts; i++) {
		if (a->attempts[i].stage == STAGE_ROUTE)
			expand_route(&r->lookups, a, i);
		if (a->attempts[i].stage == STAGE_LOCAL)
			give_local(r, a, i);
		stage = a->attempts[i].stage;
		unknown += stage == STAGE_ROUTE || stage == STAGE_LOOKUP;
		remote += stage == STAGE_REMOTE;
	}
	/* All recipients for one destination go in one transaction: so only
	 * when all are known. */
	if (remote > 0 && unknown == 0)
		destinations_give(&r->destinations, a);
}

static void
dispatch_all(struct runner *r)
{
	int64_t now = io_clock_ms();
	struct active_message *a;

	helper_retry(&r->lookups.socket);
	helper_retry(&r->local.socket);
	for (a = r->active.messages; a != NULL; a = a->next) {
		if (a->again_ms > now || a->entry->state == ENTRY_GONE)
			continue;
		a->again_ms = 0;
		/* A bounce that a kill cut off comes first: its plan names
		 * these failures and must not take in others. */
		if (a->m.reports.owed > 0 && status_report(&r->active,
		    a) == -1)
			continue;
		if (a->open > 0 && a->entry->state != ENTRY_GONE)
			dispatch(r, a);
	}
	lookups_send(&r->lookups);
	destinations_send(&r->destinations);
}

/* A destination may still have a request for it. */
static int
is_over(const struct active_message *a)
{
	if (a->requests > 0 || a->decided != 0)
		return 0;
	return a->entry->state == ENTRY_GONE ||
	    (a->open == 0 && a->again_ms == 0);
}

static void
finish_all(struct runner *r)
{
	struct active_message *a, *next;

	for (a = r->active.messages; a != NULL; a = next) {
		next = a->next;
		if (is_over(a) && (a->entry->state == ENTRY_GONE ||
		    status_finish(&r->active, a) == 0))
			active_end(&r->active, a);
	}
	active_sweep(&r->active);
}

/* ---- events ---- */

enum poll_kind {
	POLL_WAKE,
	POLL_LOOKUP,
	POLL_CHANNEL,		/* of a local child */
	POLL_OUTPUT,		/* of its command */
	POLL_EXIT,		/* of a local child */
	POLL_DESTINATION,
	POLL_WATCHER
};

struct polls {
	struct pollfd	 fds[POLLS_MAX];
	enum poll_kind	 kinds[POLLS_MAX];
	void		*who[POLLS_MAX];
	nfds_t		 n;
};

static void
read_one(struct runner *r, enum poll_kind kind, void *who)
{
	switch (kind) {
	case POLL_WAKE:
		read_wakes(r);
		break;
	case POLL_LOOKUP:
		lookup_read(&r->lookups, who);
		break;
	case POLL_CHANNEL:
		local_read_channel(&r->local, who);
		break;
	case POLL_OUTPUT:
		local_read_output(who);
		break;
	case POLL_EXIT:
		local_read_exits(&r->local);
		break;
	case POLL_DESTINATION:
		destination_read(&r->destinations, who);
		break;
	case POLL_WATCHER:
		watcher_lost(who);
		break;
	}
}

static void
add_poll(struct polls *p, int fd, short events, enum poll_kind kind, void *who)
{
	if (fd == -1 || p->n == POLLS_MAX)
		return;
	p->fds[p->n].fd = fd;
	p->fds[p->n].events = events;
	p->fds[p->n].revents = 0;
	p->kinds[p->n] = kind;
	p->who[p->n] = who;
	p->n++;
}

static void
collect(struct runner *r, struct polls *p)
{
	struct watcher *w;
	struct destination *d;
	struct local_child *c;
	int i;

	p->n = 0;
	add_poll(p, r->wake, POLLIN, POLL_WAKE, NULL);
	/* Channels before exits: an answer is read before its end. */
	for (i = 0; i < LOOKUPS_MAX; i++)
		add_poll(p, r->lookups.list[i].channel, POLLIN, POLL_LOOKUP,
		    &r->lookups.list[i]);
	for (i = 0; i < CHILDREN_MAX; i++) {
		c = &r->local.children[i];
		add_poll(p, c->channel, POLLIN, POLL_CHANNEL, c);
		add_poll(p, c->output, POLLIN, POLL_OUTPUT, c);
	}
	add_poll(p, r->local.socket.fd, POLLIN, POLL_EXIT, NULL);
	for (d = r->destinations.list; d != NULL; d = d->next)
		add_poll(p, d->sock, d->is_full ? POLLIN | POLLOUT : POLLIN,
		    POLL_DESTINATION, d);
	/* POLLOUT: only to wake up; the next turn goes on with that. */
	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &r->watchers.list[i];
		if (w->state != WATCHER_FREE)
			add_poll(p, w->fd, w->state == WATCHER_ENDING ?
			    POLLOUT : 0, POLL_WATCHER, w);
	}
}

/* ms: how long it may sleep already; wait: -1 for no bound. */
static int64_t
least(int64_t ms, int64_t wait)
{
	return wait != -1 && wait < ms ? wait : ms;
}

static int64_t
sleep_ms(struct runner *r)
{
	int64_t ms = r->active.messages == NULL ? SLEEP_MAX_MS :
	    ACTIVE_SLEEP_MS;

	ms = least(ms, destinations_linger(&r->destinations));
	ms = least(ms, local_linger(&r->local));
	ms = least(ms, lookups_late(&r->lookups));
	ms = least(ms, active_due_ms(&r->active));
	ms = least(ms, active_scan_ms(&r->active));
	if (r->lookups.socket.is_full || r->local.socket.is_full)
		ms = least(ms, FULL_MS);
	return r->idle_ms != 0 ? least(ms, STAY_MS) : ms;
}

static void
wait_and_read(struct runner *r)
{
	struct polls p;
	int64_t ms;
	nfds_t i;

	/* First what may close sockets, then what looks at them. */
	ms = sleep_ms(r);
	collect(r, &p);
	if (poll(p.fds, p.n, (int)ms) <= 0)
		return;
	for (i = 0; i < p.n; i++)
		if ((p.fds[i].revents & ~POLLOUT) != 0)
			read_one(r, p.kinds[i], p.who[i]);
}

/* ---- the end ---- */

static int
is_degraded(const struct runner *r)
{
	return r->lookups.socket.fd == -1 || r->local.socket.fd == -1;
}

/* Nothing left that time or an answer could bring. */
static int
is_idle(struct runner *r)
{
	if (watchers_end(&r->watchers) || r->destinations.list != NULL)
		return 0;
	/* What is due is for the next runner: callers that flush the queue
	 * again and again must not keep this one. */
	if (is_degraded(r))
		return active_is_empty(&r->active);
	return active_is_idle(&r->active) && active_is_done(&r->active) &&
	    !watchers_wait(&r->watchers);
}

/* Nothing to do, and nothing came for a moment. */
static int
is_done(struct runner *r)
{
	int64_t now = io_clock_ms();

	if (!is_idle(r)) {
		r->idle_ms = 0;
		return 0;
	}
	if (r->idle_ms == 0)
		r->idle_ms = now;
	return is_degraded(r) || now - r->idle_ms >= STAY_MS;
}

/*
 * Leaving: first the wake socket and the lock go, then the queue is looked at
 * once more.  A submission that reached the socket, or whose runner found the
 * lock held, committed before that look.  1: stay.
 */
static int
is_needed(struct runner *r)
{
	io_close(&r->wake);
	spool_unlock(&r->lock);
	if (is_degraded(r))
		return 0;
	active_scan(&r->active);
	if (active_is_idle(&r->active))
		return 0;
	r->lock = spool_lock(&r->q.spool);
	if (r->lock == -1)
		return 0;
	listen_for_wakes(r);
	active_scan_soon(&r->active);
	return 1;
}

/* ---- the loop ---- */

/*
 * Once a minute the queue is scanned in any case, and the wake socket is made
 * anew where somebody removed its name.
 */
static void
refresh(struct runner *r)
{
	if (!active_refresh(&r->active, SLEEP_MAX_MS))
		return;
	reload_retry(&r->reloader);
	if (r->wake == -1 || spool_wake_ino(&r->q.spool) != r->wake_ino)
		listen_for_wakes(r);
}

static void
run(struct runner *r)
{
	for (;;) {
		if ((active_scan_ms(&r->active) != -1 ||
		    active_due_ms(&r->active) == 0) &&
		    reload_changed(&r->reloader))
			destinations_renew(&r->destinations);
		refresh(r);
		if (active_scan_ms(&r->active) != -1)
			active_scan(&r->active);
		active_load(&r->active, status_warned);
		dispatch_all(r);
		status_record(&r->active);
		local_acknowledge(&r->local);
		finish_all(r);
		destinations_linger(&r->destinations);
		if (is_done(r) && !is_needed(r))
			return;
		wait_and_read(r);
	}
}

/* ---- the beginning ---- */

static void
init_modules(struct runner *r, struct helpers *helpers)
{
	active_init(&r->active, &r->q, &r->watchers);
	lookups_init(&r->lookups, &r->active, helpers->forward);
	local_init(&r->local, &r->active, helpers->deliver);
	r->destinations.active = &r->active;
	r->lookups.answered = expand_answered;
}

static int
os_error(const struct queue *q, const char *what)
{
	log_say(&q->log, LOG_LEVEL_ERROR, "%s: %s", what, strerror(errno));
	return EX_OSERR;
}

/* The exit status; 0 without the lock: another runner has it. */
static int
open_runner(struct runner *r, struct helpers *helpers)
{
	struct queue *q = &r->q;
	struct result res;
	int ret;

	r->wake = -1;
	if (reload_first(&r->reloader, q) == -1)
		return EX_CONFIG;
	result_init(&res);
	ret = spool_open(&q->spool, q->conf.where.spool, &res);
	if (ret == -1)
		log_say(&q->log, LOG_LEVEL_ERROR, "%s", res.reason == NULL ?
		    "" : res.reason);
	result_fini(&res);
	if (ret == -1)
		return EX_CANTCREAT;
	r->lock = spool_lock(&q->spool);
	/* One that is not the only one leaves, and nobody needs to hear. */
	if (r->lock == -1)
		return errno == EWOULDBLOCK ? 0 :
		    os_error(q, "cannot lock the spool");
	/* A helper that is full must not stop what does not need it. */
	if (io_nonblock(helpers->forward) == -1 ||
	    io_nonblock(helpers->deliver) == -1)
		return os_error(q, "helpers");
	if (sandbox_runner(&q->conf) == -1)
		return os_error(q, "sandbox");
	init_modules(r, helpers);
	listen_for_wakes(r);
	return 0;
}

int
runner_main(struct helpers *helpers)
{
	static struct runner r;
	int status;

	status = open_runner(&r, helpers);
	if (status != 0 || r.lock == -1)
		return status;
	spool_sweep(&r.q.spool);
	if (helpers->for_flush &&
	    io_wait(r.wake, POLLIN, io_clock_ms() + FLUSH_WAIT_MS) == 1)
		read_wakes(&r);
	run(&r);
	return 0;
}
