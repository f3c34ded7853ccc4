/*
 * flush.c - wakes the runner, and waits until delivery was attempted.
 * Runs as: the spool user.  Uses: the runner by runner_link.c; starts runners.
 * Promise: a message that is committed while a runner exits is not forgotten; a
 * wait ends when all was attempted, or gives the reason.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/start_socket.h"
#include "priv/user.h"
#include "submit/flush.h"
#include "submit/progress.h"
#include "submit/queue_batch.h"

#define ANNOUNCE_WAIT_MS	5000	/* for a runner that is busy */
#define START_WAIT_MS		200	/* for one that another call starts */
#define START_LOOK_MS		2

/* 1 when the runner that another call starts has taken the message. */
static int
is_started(const struct spool *sp, struct ipc *m)
{
	int64_t end_ms = io_clock_ms() + START_WAIT_MS;

	/* With that of the caller, it might sleep for ever. */
	compat_usual_timers();
	do {
		poll(NULL, 0, START_LOOK_MS);
		if (spool_poke(sp, m) == 0 || errno == EAGAIN)
			return 1;
	} while (io_clock_ms() < end_ms);
	return 0;
}

/*
 * Calls that come at once do not start a runner each: of 50 callers, 40 to 60
 * did, and held up the one that they waited for.  The holder of the lock, if it
 * is stopped, delays other calls by no more than START_WAIT_MS.
 */
static int
start_runner(const struct spool *sp, struct ipc *m)
{
	int lock, ret = 0;

	if (start_socket_ask(0) == 0)
		return 0;
	lock = spool_start_lock(sp);
	if (lock == -1 && errno == EWOULDBLOCK && is_started(sp, m))
		return 0;
	/* The last holder let it go because that runner answers. */
	if (lock == -1 || (spool_poke(sp, m) == -1 && errno != EAGAIN))
		ret = request_runner(lock == -1 ? NULL : sp);
	io_close(&lock);
	return ret;
}

/*
 * After a commit.  A runner that is just starting reads the queue after it
 * opened its wake socket; one that is just leaving looks at the queue once
 * more after it closed that: so no message is left lying.  EAGAIN: it has more
 * wake-ups than it needs.
 */
void
flush_wake(const struct spool *sp, const struct log *log, const char *id)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_WAKE, 0);
	ipc_put_str(&m, id);
	if (spool_poke(sp, &m) == -1 && errno != EAGAIN &&
	    start_runner(sp, &m) == -1)
		log_say(log, LOG_LEVEL_ERROR, "cannot start the runner: %s; "
		    "queued mail is deferred until the next start",
		    strerror(errno));
	ipc_fini(&m);
}

/* ---- one that waits ---- */

void
flush_clear(struct flush *f)
{
	memset(f, 0, sizeof(*f));
	runner_link_clear(&f->link);
	f->done = -1;
}

int
flush_init(struct flush *f, const struct spool *sp, const struct caller *c,
    const struct options *o)
{
	flush_clear(f);
	f->flags = o->is_watched ? FLUSH_WATCH : 0;
	return runner_link_init(&f->link, sp, c);
}

void
flush_fini(struct flush *f)
{
	runner_link_fini(&f->link);
	io_close(&f->done);
}

/* A request for a message, or for all ("") that the caller may flush. */
struct wanted {
	const char	*id;
	unsigned	 flags;
	struct progress	 progress;
};

static void
put_wanted(void *arg, struct ipc *m)
{
	const struct wanted *w = arg;

	ipc_begin(m, IPC_FLUSH_REQUEST, 0);
	ipc_put_str(m, w->id);
	ipc_put_u32(m, w->flags);
}

/* The reader may have gone. */
static void
show_line(void *arg, const char *line)
{
	struct wanted *w = arg;

	if (line[0] == '+') {
		progress_line(&w->progress, line);
		return;
	}
	progress_clear(&w->progress);
	fprintf(stderr, "%s\n", line);
}

int
flush(struct flush *f, const char *id)
{
	struct wanted w = { id, f->flags, { 0 } };
	const struct runner_request r = { put_wanted, show_line, &w };
	enum runner_reply reply;

	progress_init(&w.progress);
	if (w.progress.is_shown && id[0] == '\0')
		w.flags |= FLUSH_COUNT;
	reply = runner_link_call(&f->link, &r);
	progress_clear(&w.progress);
	switch (reply) {
	case RUNNER_DONE:
		return 0;
	case RUNNER_REFUSED:
		fprintf(stderr, "dma: %s\n", f->link.reason);
		break;
	case RUNNER_LOST:
		fprintf(stderr, "dma: the runner ended during this queue run: "
		    "see the log, and try again\n");
		break;
	case RUNNER_NONE:
		fprintf(stderr, "dma: cannot start delivery: %s\n",
		    f->link.reason);
		break;
	}
	return EX_TEMPFAIL;
}

/* It says that it knows; else it could have the message before. */
static int
knows(struct flush *f)
{
	char c;

	return runner_link_is_read(&f->link, f->done) && io_wait(f->done,
	    POLLIN, io_clock_ms() + ANNOUNCE_WAIT_MS) == 1 &&
	    io_read(f->done, &c, 1) == 1 && c == '\n';
}

void
flush_announce(struct flush *f, const char *id)
{
	struct wanted w = { id, f->flags | FLUSH_COMING, { 0 } };
	const struct runner_request r = { put_wanted, show_line, &w };

	f->done = runner_link_ask(&f->link, &r);
	if (f->done != -1 && !knows(f))
		io_close(&f->done);
}

void
flush_follow(struct flush *f, const char *id)
{
	struct wanted w = { id, f->flags, { 0 } };
	const struct runner_request r = { put_wanted, show_line, &w };
	enum runner_reply reply = RUNNER_LOST;

	/* With DEFER only a flush has it tried.  Here as there: if nobody
	 * listens any more, the pipe ends at once. */
	if (f->done != -1 && runner_link_more(&f->link, &r) == 0)
		reply = runner_link_await(&f->link, f->done, &r);
	if (reply == RUNNER_REFUSED)
		fprintf(stderr, "dma: %s\n", f->link.reason);
	else if (reply == RUNNER_LOST)
		flush(f, id);
}

/* ---- the calls ---- */

/* A user can have a few calls that repeat; root has no limit. */
static int
hold_call(const struct spool *sp, const struct caller *c)
{
	if (c->uid == 0 || spool_hold_call(sp, c->uid) != -1)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		fprintf(stderr, "dma: -q with a time: this user already has "
		    "%d such calls: end one of them first\n", CALLS_OF_USER);
	else
		fprintf(stderr, "dma: %s/repeats: %s\n", sp->path,
		    strerror(errno));
	return -1;
}

/* A call of -q. */
struct flush_call {
	const struct caller *caller;
	const struct options *o;
	const struct spool *sp;
	const char	*group;		/* that may have all tried; or NULL */
};

static int
cannot_start(void)
{
	fprintf(stderr, "dma: cannot start delivery: %s\n", strerror(errno));
	return EX_TEMPFAIL;
}

static int
flush_all(const struct flush_call *call)
{
	struct flush f;
	int status;

	status = flush_init(&f, call->sp, call->caller, call->o) == -1 ?
	    cannot_start() : flush(&f, "");
	flush_fini(&f);
	return status;
}

/* -qI, -qR, -qS. */
static int
flush_selected(const struct flush_call *call)
{
	const struct selection_scope scope = { call->caller->uid,
	    call->caller->uid == 0 || user_in_group(call->caller->uid,
	    call->group) };
	struct queue_batch b;
	int status;

	if (queue_batch_init(&b, call->sp, call->caller, QUEUE_RETRY) == -1) {
		status = cannot_start();
	} else {
		b.is_quiet = 1;
		b.flags = call->o->is_watched ? FLUSH_WATCH : 0;
		if (selection_each(&call->o->selection, &scope, call->sp,
		    queue_batch_each, &b) == -1 && b.status == 0)
			b.status = cannot_start();
		status = queue_batch_end(&b);
	}
	queue_batch_fini(&b);
	return status;
}

static int
repeat(const struct flush_call *call)
{
	int status;

	for (;;) {
		status = selection_is_given(&call->o->selection) ?
		    flush_selected(call) : flush_all(call);
		if (call->o->interval_s == 0)
			return status;
		(void)io_wait(-1, 0, io_clock_ms() +
		    (int64_t)call->o->interval_s * 1000);
	}
}

int
flush_mode(const struct caller *caller, const struct options *o,
    const char *group, const struct spool *sp, const struct log *log)
{
	const struct flush_call call = { caller, o, sp, group };

	if (o->is_wake) {
		flush_wake(sp, log, "");
		return 0;
	}
	if (o->interval_s != 0 && hold_call(sp, caller) == -1)
		return EX_TEMPFAIL;
	return repeat(&call);
}
