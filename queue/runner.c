/*
 * runner.c - the queue runner: the loop.
 * Runs as: the spool user, sandboxed.  Uses: the queue, the wake socket.
 * Promise: exactly one by the lock; whatever is committed is tried without
 * anybody asking again; it ends when nothing is queued.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/sandbox.h"
#include "priv/start_socket.h"
#include "priv/user.h"
#include "queue/commands.h"
#include "queue/deliver_local.h"
#include "queue/deliver_remote.h"
#include "queue/expand.h"
#include "queue/leaving.h"
#include "queue/notice.h"
#include "queue/reload.h"
#include "queue/runner.h"
#include "queue/status.h"
#include "spool/upstream.h"

#define SLEEP_MAX_MS	60000	/* where it has to look for what happened */
#define SLEEP_MS	(24 * 3600 * 1000)	/* where it has not */
#define STAY_MS		50	/* with nothing to do: more may come soon */
#define SERVICE_STAY_MS	5000	/* the same, where init starts and logs it */
#define STANDBY_MS	2000	/* until the lock file is looked at again */
#define LOCK_LIMIT_MS	5000	/* for a runner that was killed to end */
#define LOCK_AGAIN_MS	20	/* until the lock is tried again */
#define FULL_MS		100	/* until a helper that reads nothing is tried */
#define FLUSH_WAIT_MS	1000	/* for the one that it was started for */
#define LOOKS_MAX	256	/* recipients of a message in a turn */
#define RENEW_MS	10000	/* between those of a user */
#define RENEW_REST_S	60	/* of a host before a user has it tried again */
#define REQUESTS_MAX	8	/* of one channel */
#define WAKES_FEW	8	/* more at once: some may have been lost */
#define GATHER_MS	30	/* wakes within this time are read together */
#define GATHER_QUEUE	1000	/* messages: more take too long to scan */
#define POLLS_MAX	(8 + LOOKUPS_MAX + 2 * CHILDREN_MAX + PROCESSES_MAX \
			    + WATCHERS_MAX + 8)

/* The datagram socket by which front ends wake the runner. */
struct wake {
	int		 fd;		/* owned; or -1 */
	uint64_t	 ino;		/* of its name */
	int		 error;		/* why there is none: logged */
	int64_t		 gather_ms;	/* it is not read before that time */
};

struct runner {
	struct queue	 q;
	struct reloader	 reloader;
	struct active	 active;
	struct lookups	 lookups;
	struct local_helper local;
	struct destinations destinations;
	struct watchers	 watchers;
	struct upstream_left upstream;	/* of its queue, after a look */
	int		 lock;		/* owned: the spool's */
	int		 start;		/* owned: init's socket; or -1 */
	int		 stop;		/* owned: of SIGTERM; or -1 */
	struct wake	 wake;
	int64_t		 renewed_ms;	/* what is known of hosts */
	int64_t		 idle_ms;	/* since; 0: there is something to do */
	char		 unfit[256];	/* why the spool cannot be locked */
	struct leaving	 leaving;
	struct self	 self;
	struct notices	 notices;
	int		 has_more;	/* to do in the next turn: no sleep */
};

/* ---- waking ---- */

static void
listen_for_wakes(struct runner *r)
{
	io_close(&r->wake.fd);
	r->wake.fd = spool_wake_open(&r->q.spool);
	if (r->wake.fd == -1 && errno != r->wake.error)
		log_say(&r->q.log, LOG_LEVEL_WARNING, "cannot create the wake "
		    "socket %s/wake: %s; scanning the queue once a minute",
		    r->q.spool.path, strerror(errno));
	r->wake.error = r->wake.fd == -1 ? errno : 0;
	r->wake.ino = spool_wake_ino(&r->q.spool);
}

/* An update of dma, or of its queue, is for a runner that lives, too. */
static void
look_at_program(struct runner *r)
{
	if (reload_replaced(&r->reloader) || spool_is_replaced(&r->q.spool))
		leaving_next(&r->leaving, LEAVING_UPDATE, io_clock_ms());
}

/* Creates the wake socket again if its name was removed. */
static void
look_at_files(struct runner *r)
{
	look_at_program(r);
	if (r->wake.fd != -1 && spool_wake_ino(&r->q.spool) == r->wake.ino)
		return;
	listen_for_wakes(r);
	/* Callers in between could not wake this runner. */
	active_scan_soon(&r->active);
}

/* SIGTERM came. */
static void
stop(struct runner *r)
{
	leaving_next(&r->leaving, LEAVING_SIGNAL, io_clock_ms());
	io_close(&r->stop);
}

/*
 * A flush by root or MAILQ_GROUP forgets the state of hosts; other users must
 * not have unreachable hosts tried at will, with their mail or others'.
 */
static void
renew(struct runner *r, const struct watcher *w)
{
	int64_t now = io_clock_ms();

	if (!w->sees_all && r->renewed_ms != 0 &&
	    now - r->renewed_ms < RENEW_MS)
		return;
	r->renewed_ms = now;
	destinations_renew(&r->destinations, w->sees_all ? 0 : RENEW_REST_S);
}

/* Takes upstream's queue over, before any of it is delivered. */
static void
take_over(struct runner *r)
{
	upstream_take(&r->q.spool, &r->q.conf.names, &r->q.log, &r->upstream);
}

/* Forces the entries that a watcher requests; set: it, or none. */
static void
flush(struct runner *r, const struct watcher *w, unsigned set)
{
	struct buf reason;

	if (active_flush(&r->active, w, set) == -1) {
		buf_init(&reason, 0);
		buf_printf(&reason, "the queue cannot be read: %s",
		    strerror(errno));
		watchers_fail(&r->watchers, set, buf_str(&reason));
		buf_fini(&reason);
	}
	/* A message may be coming all the same. */
	if (set == 0)
		active_scan_soon(&r->active);
	watchers_ready(&r->watchers, set);
}

/* -1: an invalid one.  All that it says is in w. */
static int
get_flush(struct watcher *w, struct ipc *m)
{
	uint32_t flags;

	ipc_get_text(m, w->id, sizeof(w->id));
	flags = ipc_get_u32(m);
	w->is_watching = (flags & FLUSH_WATCH) != 0;
	w->is_counting = (flags & FLUSH_COUNT) != 0;
	w->state = flags & FLUSH_COMING ? WATCHER_COMING : WATCHER_WAITING;
	return ipc_done(m);
}

static int
get_command(struct watcher *w, struct ipc *m)
{
	uint32_t command, flags;
	const char *ids;
	size_t len;

	command = ipc_get_u32(m);
	flags = ipc_get_u32(m);
	ids = ipc_get_bytes(m, &len);
	if (ipc_done(m) == -1 || m->nfds == 0)
		return -1;
	w->state = WATCHER_WAITING;
	w->is_watching = command == QUEUE_RETRY && (flags & FLUSH_WATCH) != 0;
	w->command = command_new(command, ids, len);
	return w->command == NULL ? -1 : 0;
}

static void
take_command(struct runner *r, const struct watcher *w)
{
	if (w->command->command == QUEUE_RETRY)
		renew(r, w);
	/* Obeyed in turn: there may be many messages. */
	(void)active_watch(&r->active, w);
}

static void
take_flush(struct runner *r, const struct watcher *w)
{
	if (w->id[0] == '\0')
		take_over(r);
	renew(r, w);
	flush(r, w, w->fd == -1 ? watchers_came(&r->watchers, w->id, w->uid) :
	    active_watch(&r->active, w));
}

/* A caller that asks for something. */
static void
take_request(struct runner *r, struct watcher *w)
{
	look_at_program(r);
	if (reload_changed(&r->reloader))
		destinations_renew(&r->destinations, 0);
	w->sees_all = w->uid == 0 || user_in_group(w->uid,
	    r->q.conf.limits.mailq_group);
	w->since_ms = io_clock_ms();
	(w->command == NULL ? take_flush : take_command)(r, w);
}

/* 0, or -1 when the channel is not worth reading on.  Takes what w owns. */
static int
read_request(struct runner *r, struct watcher *w, struct ipc *m)
{
	int ret = -1;

	w->command = NULL;
	if (m->kind == IPC_FLUSH_REQUEST)
		ret = get_flush(w, m);
	else if (m->kind == IPC_QUEUE_REQUEST)
		ret = get_command(w, m);
	w->fd = ipc_take_fd(m, 0);
	if (ret == 0 && r->unfit[0] == '\0') {
		take_request(r, w);
		return 0;
	}
	watcher_refuse(w->fd, ret == -1 ? "invalid request" : r->unfit);
	watcher_command_free(w->command);
	return ret;
}

/* A request of dma check or -bv to see a .forward. */
static void
show_forward(struct runner *r, uint32_t uid, struct ipc *m)
{
	char name[LOGIN_MAX + 1];
	int channel, reply;

	ipc_get_text(m, name, sizeof(name));
	channel = ipc_take_fd(m, 0);
	reply = ipc_take_fd(m, 1);
	if (ipc_done(m) == 0 && reply != -1)
		watcher_refuse(reply, lookups_show(&r->lookups, uid, name,
		    channel));
	else
		io_close(&reply);
	io_close(&channel);
}

/* Takes the requests in the channel of a caller. */
static void
take_requests(struct runner *r, int channel)
{
	struct watcher w;
	struct ipc m;
	int n;

	memset(&w, 0, sizeof(w));
	if (request_channel_of(channel, &w.uid) == -1 ||
	    io_nonblock(channel) == -1)
		return;
	ipc_init(&m);
	for (n = 0; n < REQUESTS_MAX &&
	    ipc_recv(channel, &m, IPC_QUEUE_LIMIT) == 1; n++)
		if (m.kind == IPC_FORWARD_SHOW)
			show_forward(r, w.uid, &m);
		else if (read_request(r, &w, &m) == -1)
			break;
	ipc_fini(&m);
}

/* 1 when it is about a new message alone: nobody waits for a reply. */
static int
take_wake(struct runner *r, struct ipc *m)
{
	char id[QUEUE_ID_MAX + 1];
	int channel;

	if (m->kind == IPC_FLUSH) {
		channel = ipc_take_fd(m, 0);
		if (ipc_done(m) == 0)
			take_requests(r, channel);
		io_close(&channel);
		return 0;
	}
	ipc_get_text(m, id, sizeof(id));
	if (ipc_done(m) == -1 || m->kind != IPC_WAKE)
		return 0;
	/* The new one alone; the queue may be long. */
	if (id[0] != '\0')
		active_add(&r->active, id);
	else
		active_scan_soon(&r->active);
	return id[0] != '\0';
}

/*
 * Senders do not wait: what the socket had no room for is lost.  Where that is
 * found by a short scan, messages that follow each other are taken together:
 * one lookup, one lock and one sync of a mailbox are for all of them then.
 */
static void
read_wakes(struct runner *r)
{
	int n, nnew = 0;
	struct ipc m;

	ipc_init(&m);
	for (n = 0; ipc_recv(r->wake.fd, &m, IPC_WAKE_LIMIT) == 1; n++)
		nnew += take_wake(r, &m);
	ipc_fini(&m);
	if (n >= WAKES_FEW)
		active_scan_soon(&r->active);
	else if (nnew > 0 && r->active.n <= GATHER_QUEUE)
		r->wake.gather_ms = io_clock_ms() + GATHER_MS;
}

/* Until the wake socket is read again; 0: now. */
static int64_t
gather_ms(const struct runner *r)
{
	int64_t left = r->wake.gather_ms - io_clock_ms();

	return left > 0 ? left : 0;
}

/* Front ends that found no wake socket yet, or none any more. */
static enum start_asked
take_starts(struct runner *r)
{
	enum start_asked asked;

	if (r->start == -1)
		return START_NOTHING;
	asked = start_socket_take(r->start);
	/* Later connections start the next runner. */
	if (asked == START_BROKEN)
		io_close(&r->start);
	active_scan_soon(&r->active);
	return asked;
}

/* ---- the active messages ---- */

/* Nothing more is loaded. */
static int
is_degraded(const struct runner *r)
{
	return r->lookups.socket.fd == -1 || r->local.socket.fd == -1;
}

static void
give_local(struct runner *r, struct active_message *a, uint32_t i)
{
	const char *owner = a->m.rcpts[i].owner;

	if (!active_is_next(&r->active, a)) {
		/* Then what precedes it is for the next runner, and it too. */
		if (is_degraded(r))
			decide_without_helper(a, i);
		return;
	}
	if (owner == NULL)
		decide_later(a, i, "out of memory");
	else if (active_admit(&r->active, a, i, owner) == 0)
		local_give(&r->local, a, i);
}

/* 1 when something came of it. */
static int
dispatch_one(struct runner *r, struct active_message *a, uint32_t i)
{
	enum attempt_stage before = a->attempts[i].stage;

	if (before == STAGE_ROUTE)
		expand_route(&r->lookups, a, i);
	if (a->attempts[i].stage == STAGE_LOCAL)
		give_local(r, a, i);
	return a->attempts[i].stage != before;
}

static int
is_to_be_dispatched(const struct active_message *a, uint32_t i)
{
	enum attempt_stage stage = a->attempts[i].stage;

	return (stage == STAGE_ROUTE && !(a->pass.full & PASS_NO_LOOKUP)) ||
	    (stage == STAGE_LOCAL && !(a->pass.full & PASS_NO_CHILD));
}

/*
 * Looks at some of its recipients: in the next turn it goes on with others, so
 * that nobody waits for the names of one message.
 */
static void
dispatch_some(struct runner *r, struct active_message *a)
{
	struct pass *p = &a->pass;
	uint32_t i, k, n = 0;

	p->full = 0;
	/* Expansion appends, so that one pass routes what it adds, too. */
	for (i = p->next, k = 0; k < a->nattempts; i++, k++) {
		i = i < a->nattempts ? i : 0;
		if (!is_to_be_dispatched(a, i))
			continue;
		if (n++ == LOOKS_MAX)
			break;
		p->barren = dispatch_one(r, a, i) ? 0 : p->barren + 1;
	}
	p->next = i;
	if (n > LOOKS_MAX && p->barren < a->nattempts)
		r->has_more = 1;
}

/* Routes and gives away what can be given now. */
static void
dispatch(struct runner *r, struct active_message *a)
{
	uint32_t i, remote = 0, unknown = 0;
	enum attempt_stage stage;

	dispatch_some(r, a);
	for (i = 0; i < a->nattempts; i++) {
		stage = a->attempts[i].stage;
		unknown += stage == STAGE_ROUTE || stage == STAGE_LOOKUP;
		remote += stage == STAGE_REMOTE;
	}
	/* All recipients for one destination go in one transaction: so only
	 * when all are known. */
	if (remote > 0 && unknown == 0)
		destinations_give(&r->destinations, a);
}

/*
 * It is on hold: what has begun goes on.  Or it is to be removed: that ends, as
 * far as it can be ended.
 */
static void
stop_rest(struct runner *r, struct active_message *a)
{
	lookups_forget(&r->lookups, a);
	destinations_withdraw(&r->destinations, a);
	if (a->removal != REMOVAL_NONE)
		local_cancel(&r->local, a);
	decide_stop(a);
	if (a->removal == REMOVAL_BOUNCE)
		decide_returned(a);
}

static int
is_stopped(const struct active_message *a)
{
	return a->m.is_held || a->removal != REMOVAL_NONE;
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
		if (a->m.reports.owed > 0 && a->removal != REMOVAL_DELETE &&
		    status_report(&r->active, a) == -1)
			continue;
		if (is_stopped(a))
			stop_rest(r, a);
		else if (a->open > 0 && a->entry->state != ENTRY_GONE)
			dispatch(r, a);
	}
	lookups_send(&r->lookups);
	destinations_send(&r->destinations);
}

static void
finish_all(struct runner *r)
{
	struct active_message *a, *next;

	status_delete(&r->active);
	for (a = r->active.messages; a != NULL; a = a->next)
		if (decide_is_over(a) && a->entry->state == ENTRY_ACTIVE)
			(void)status_finish(&r->active, a);
	status_sync_removed(&r->active);
	for (a = r->active.messages; a != NULL; a = next) {
		next = a->next;
		if (decide_is_over(a) && a->entry->state != ENTRY_ACTIVE)
			active_end(&r->active, a);
	}
	active_sweep(&r->active);
}

/* 1 when an open recipient is to fail in the next turn. */
static int
has_returns(const struct runner *r)
{
	const struct active_message *a;

	for (a = r->active.messages; a != NULL; a = a->next)
		if (a->removal == REMOVAL_BOUNCE && a->again_ms == 0 &&
		    a->open == 0 && a->requests == 0)
			return 1;
	return 0;
}

/* ---- events ---- */

enum poll_kind {
	POLL_WAKE,
	POLL_START,
	POLL_STOP,
	POLL_CLOCK,
	POLL_FILES,
	POLL_HELPER,		/* the end of the forward helper */
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
	case POLL_START:
		take_starts(r);
		break;
	case POLL_STOP:
		stop(r);
		break;
	case POLL_CLOCK:
		notices_take(r->notices.clock);
		active_clock_set(&r->active);
		break;
	case POLL_FILES:
		notices_take(r->notices.files);
		look_at_files(r);
		break;
	case POLL_HELPER:
		(void)helper_is_there(&r->lookups.socket, &r->q.log);
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
		watcher_lost(&r->watchers, who);
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
	if (gather_ms(r) == 0)
		add_poll(p, r->wake.fd, POLLIN, POLL_WAKE, NULL);
	add_poll(p, r->start, POLLIN, POLL_START, NULL);
	add_poll(p, r->stop, POLLIN, POLL_STOP, NULL);
	add_poll(p, r->notices.clock, POLLIN, POLL_CLOCK, NULL);
	add_poll(p, r->notices.files, POLLIN, POLL_FILES, NULL);
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
	add_poll(p, r->lookups.socket.fd, 0, POLL_HELPER, NULL);
	for (d = r->destinations.list; d != NULL; d = d->next)
		add_poll(p, d->sock, d->is_full ? POLLIN | POLLOUT : POLLIN,
		    POLL_DESTINATION, d);
	/* POLLOUT: only to wake up; the next turn goes on with that. */
	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &r->watchers.list[i];
		if (w->state != WATCHER_FREE)
			add_poll(p, w->fd, watcher_needs_room(w) ?
			    POLLOUT : 0, POLL_WATCHER, w);
	}
}

/* ms: how long it may sleep already; wait: -1 for no bound. */
static int64_t
least(int64_t ms, int64_t wait)
{
	return wait != -1 && wait < ms ? wait : ms;
}

/* Begins nothing new: told to stop, or never quiet since dma was updated. */
static int
is_stopping(const struct runner *r)
{
	return leaving_is_closed(&r->leaving, io_clock_ms());
}

/* Deliveries in progress are over, or take longer than a shutdown should. */
static int
has_stopped(const struct runner *r)
{
	return leaving_is_late(&r->leaving, io_clock_ms()) ||
	    (!local_is_busy(&r->local) &&
	    !destinations_are_busy(&r->destinations));
}

static int64_t
stay_ms(const struct runner *r)
{
	return r->start == -1 ? STAY_MS : SERVICE_STAY_MS;
}

/* Some events come without a notice: then it looks once a minute. */
static int
must_look(const struct runner *r)
{
	const struct watcher *w;
	int i;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &r->watchers.list[i];
		if (w->state == WATCHER_COMING || w->state == WATCHER_ENDING)
			return 1;
	}
	return !notices_are_complete(&r->notices) || r->wake.fd == -1 ||
	    r->reloader.unread != 0 || r->upstream.n > 0 ||
	    r->leaving.state != LEAVING_LAST;
}

/* Until a write that failed is tried again; or -1. */
static int64_t
repeat_ms(const struct runner *r)
{
	const struct active_message *a;
	int64_t first_ms = -1, now = io_clock_ms();

	for (a = r->active.messages; a != NULL; a = a->next)
		if (a->again_ms != 0 && (first_ms == -1 ||
		    a->again_ms < first_ms))
			first_ms = a->again_ms;
	if (first_ms == -1)
		return -1;
	return first_ms > now ? first_ms - now : 0;
}

static int64_t
sleep_ms(struct runner *r)
{
	int64_t ms = must_look(r) ? SLEEP_MAX_MS : SLEEP_MS;

	ms = least(ms, repeat_ms(r));
	ms = least(ms, destinations_linger(&r->destinations));
	ms = least(ms, destinations_yield(&r->destinations));
	ms = least(ms, local_linger(&r->local));
	ms = least(ms, lookups_late(&r->lookups));
	if (gather_ms(r) > 0)
		ms = least(ms, gather_ms(r));
	if (is_stopping(r))
		return least(ms, STAY_MS);
	/* Without a helper, what is due is for the next runner. */
	if (!is_degraded(r))
		ms = least(ms, active_due_ms(&r->active));
	ms = least(ms, active_scan_ms(&r->active));
	if (r->has_more || has_returns(r))
		return 0;
	if (r->lookups.socket.is_full || r->local.socket.is_full)
		ms = least(ms, FULL_MS);
	return r->idle_ms != 0 ? least(ms, stay_ms(r)) : ms;
}

static void
wait_and_read(struct runner *r)
{
	struct active_message *a;
	struct polls p;
	int64_t ms;
	nfds_t i;

	/* First what may close sockets, then what looks at them. */
	ms = sleep_ms(r);
	collect(r, &p);
	if (poll(p.fds, p.n, (int)ms) <= 0)
		return;
	for (a = r->active.messages; a != NULL; a = a->next)
		a->pass.barren = 0;
	for (i = 0; i < p.n; i++)
		if ((p.fds[i].revents & ~POLLOUT) != 0)
			read_one(r, p.kinds[i], p.who[i]);
}

/* ---- the end ---- */

/* Nothing left that time or an answer could bring. */
static int
is_idle(struct runner *r)
{
	if (is_stopping(r))
		return has_stopped(r);
	if (watchers_end(&r->watchers) || r->destinations.list != NULL)
		return 0;
	/* What is due is for the next runner: callers that flush the queue
	 * again and again must not keep this one. */
	if (is_degraded(r))
		return active_is_empty(&r->active);
	if (r->leaving.state == LEAVING_REPLACED)
		return active_is_empty(&r->active) &&
		    !watchers_wait(&r->watchers);
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
	return is_degraded(r) || r->leaving.state != LEAVING_LAST ||
	    now - r->idle_ms >= stay_ms(r);
}

/* Either helper can start one. */
static int
ask_successor(struct runner *r)
{
	return helper_ask_successor(&r->lookups.socket) == 0 ? 0 :
	    helper_ask_successor(&r->local.socket);
}

/*
 * Leaving: first the wake socket and the lock go, then the queue is looked at
 * once more.  A submission that reached the socket, or whose runner found the
 * lock held, committed before that look.  1: stay.
 */
static int
is_needed(struct runner *r)
{
	io_close(&r->wake.fd);
	spool_unlock(&r->lock);
	if (r->leaving.state == LEAVING_STOPPED)
		return 0;
	active_scan(&r->active);
	if ((r->leaving.state == LEAVING_REPLACED || is_degraded(r)) &&
	    (active_is_done(&r->active) || ask_successor(r) == 0))
		return 0;
	/* No helper is left: init or the next caller starts the next runner. */
	if (is_degraded(r))
		return 0;
	leaving_next(&r->leaving, LEAVING_STAY, io_clock_ms());
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
 * Once a minute, while it is awake, all is looked at in any case: a notice may
 * have been lost.
 */
static void
refresh(struct runner *r)
{
	if (!active_refresh(&r->active, SLEEP_MAX_MS))
		return;
	reload_retry(&r->reloader);
	if (r->upstream.n > 0)
		take_over(r);
	look_at_files(r);
}

static void
run(struct runner *r)
{
	for (;;) {
		reload_log(&r->reloader);
		refresh(r);
		if ((active_scan_ms(&r->active) != -1 ||
		    active_due_ms(&r->active) == 0) &&
		    reload_changed(&r->reloader))
			destinations_renew(&r->destinations, 0);
		if (active_scan_ms(&r->active) != -1)
			active_scan(&r->active);
		r->has_more = commands_obey(&r->active, &r->self);
		/* Without a helper, deliveries in progress are completed. */
		if (!is_stopping(r) && !is_degraded(r))
			active_load(&r->active, status_warned);
		if (!is_stopping(r))
			dispatch_all(r);
		status_record(&r->active);
		if (local_acknowledge(&r->local) > 0)
			status_record(&r->active);
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
	r->self.since = time(NULL);
	r->self.is_by_init = helpers->start != -1;
	r->self.active = &r->active;
	r->self.destinations = &r->destinations;
	r->lookups.answered = expand_answered;
}

static int
os_error(const struct queue *q, const char *what)
{
	log_say(&q->log, LOG_LEVEL_ERROR, "%s: %s", what, strerror(errno));
	return EX_OSERR;
}

/* 1 when the runner that has the lock has a wake-up to look at, now. */
static int
is_answered(const struct spool *sp)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_WAKE, 0);
	ipc_put_str(&m, "");
	ret = spool_poke(sp, &m);
	ipc_fini(&m);
	return ret == 0 || errno == EAGAIN;
}

/* 0 for the one that waits; another would be too many. */
static int
begin_standby(struct runner *r)
{
	if (is_answered(&r->q.spool) || spool_standby(&r->q.spool, 1) == -1)
		return -1;
	listen_for_wakes(r);
	return 0;
}

/* Until it is time to look again, answers callers; -1: it is to end. */
static int
answer_callers(struct runner *r)
{
	struct pollfd fds[2] = { { r->wake.fd, POLLIN, 0 },
	    { r->stop, POLLIN, 0 } };

	if (poll(fds, 2, STANDBY_MS) <= 0)
		return 0;
	if (fds[0].revents != 0)
		read_wakes(r);
	return fds[1].revents != 0 ? -1 : 0;
}

/*
 * The lock file cannot be opened.  Nobody else would deliver once that is
 * mended, nor say why nothing is delivered until then.
 */
static void
stand_by(struct runner *r)
{
	char reason[sizeof(r->unfit)];

	if (begin_standby(r) == -1)
		return;
	while (r->lock == -1 && spool_lock_reason(&r->q.spool, reason,
	    sizeof(reason)) == 0) {
		if (strcmp(reason, r->unfit) != 0)
			log_say(&r->q.log, LOG_LEVEL_ERROR, "%s; mail is "
			    "deferred until then", reason);
		text_copy(r->unfit, sizeof(r->unfit), reason);
		if (answer_callers(r) == -1)
			return;
	}
	r->lock = spool_lock(&r->q.spool);
	spool_standby(&r->q.spool, 0);
	if (r->lock != -1)
		log_say(&r->q.log, LOG_LEVEL_INFO, "the spool can be locked "
		    "again");
	r->unfit[0] = '\0';
}

/*
 * The lock; -1 with errno EWOULDBLOCK if another runner has it.  One that was
 * killed has it until all its memory is freed, and looks at nothing any more;
 * one that is starting or leaving has no socket for a moment.
 */
static int
take_lock(const struct spool *sp)
{
	int64_t end_ms = io_clock_ms() + LOCK_LIMIT_MS;
	int fd;

	for (;;) {
		fd = spool_lock(sp);
		if (fd != -1 || errno != EWOULDBLOCK)
			return fd;
		if (is_answered(sp) || io_clock_ms() >= end_ms)
			break;
		poll(NULL, 0, LOCK_AGAIN_MS);
	}
	errno = EWOULDBLOCK;
	return -1;
}

/* The exit status; 0 without the lock: another runner has it. */
static int
open_runner(struct runner *r, struct helpers *helpers)
{
	struct queue *q = &r->q;
	struct result res;
	int ret;

	r->wake.fd = -1;
	r->stop = compat_signal_fd(SIGTERM);
	r->start = helpers->start;
	if (r->start != -1 && io_nonblock(r->start) == -1)
		io_close(&r->start);
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
	/*
	 * Whoever asked has committed, and is answered for: by this runner,
	 * or by the one that has the lock, which looks at the queue after it
	 * let that go.
	 */
	if (take_starts(r) == START_FLUSH)
		helpers->for_flush = 1;
	r->lock = take_lock(&q->spool);
	/* One that is not the only one leaves, and nobody needs to hear. */
	if (r->lock == -1 && errno == EWOULDBLOCK)
		return 0;
	/* A helper that is full must not stop what does not need it. */
	if (io_nonblock(helpers->forward) == -1 ||
	    io_nonblock(helpers->deliver) == -1)
		return os_error(q, "helpers");
	notices_open(&r->notices, q->spool.path, DMA_PROGRAM);
	if (sandbox_runner(&q->conf) == -1)
		return os_error(q, "sandbox");
	init_modules(r, helpers);
	if (r->lock == -1)
		stand_by(r);
	if (r->lock != -1 && r->wake.fd == -1)
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
	spool_mark(&r.q.spool);
	spool_sweep(&r.q.spool);
	take_over(&r);
	if (helpers->for_flush &&
	    io_wait(r.wake.fd, POLLIN, io_clock_ms() + FLUSH_WAIT_MS) == 1)
		read_wakes(&r);
	run(&r);
	/* Another one is wanted, unless init was told to stop this one. */
	return (r.leaving.state == LEAVING_STOPPED || is_degraded(&r)) &&
	    !active_is_done(&r.active) ? EX_TEMPFAIL : 0;
}
