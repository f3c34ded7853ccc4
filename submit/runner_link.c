/*
 * runner_link.c - asks the runner for something, and reads what it replies.
 * Runs as: the spool user.  Uses: the wake socket by spool.c; starts runners.
 * Promise: a request is read by a runner, or the reason why not is known; the
 * end of a reply is never taken for its last word.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/start_socket.h"
#include "submit/runner_link.h"

#define START_AGAIN	31	/* tries, 1 ms apart, that a start may take */
#define START_LATE	127	/* by then, a second has passed */
#define START_TRIES	600	/* the rest of them 10 ms apart */
#define UNREAD_MAX_MS	1000	/* between looks at an unread request */
#define CALL_TRIES	3	/* runners that may die under a call */
#define LINE_MAX_BYTES	8192	/* of a reply */

void
runner_link_clear(struct runner_link *l)
{
	memset(l, 0, sizeof(*l));
	l->channel[0] = l->channel[1] = -1;
}

int
runner_link_init(struct runner_link *l, const struct spool *sp,
    const struct caller *c)
{
	runner_link_clear(l);
	l->sp = sp;
	if (request_call(c, l->channel) == -1)
		return -1;
	return io_nonblock(l->channel[0]) == -1 ||
	    io_nonblock(l->channel[1]) == -1 ? -1 : 0;
}

void
runner_link_fini(struct runner_link *l)
{
	io_close(&l->channel[0]);
	io_close(&l->channel[1]);
}

/* ---- to the runner ---- */

/* Requests that no runner has read are withdrawn. */
static void
withdraw(struct runner_link *l)
{
	struct ipc m;

	ipc_init(&m);
	while (ipc_recv(l->channel[1], &m, IPC_QUEUE_LIMIT) == 1)
		;
	ipc_fini(&m);
}

/* reply: the pipe of a caller that waits, or -1.  Read when it is poked. */
static int
put_request(struct runner_link *l, const struct runner_request *r, int reply)
{
	struct ipc m;
	int ret;

	withdraw(l);
	ipc_init(&m);
	r->put(r->arg, &m);
	if (reply != -1)
		ipc_put_fd(&m, reply);
	ret = ipc_send(l->channel[0], &m);
	ipc_fini(&m);
	return ret;
}

/* Points the runner there is to the request; -1 with errno. */
static int
poke(struct runner_link *l)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_FLUSH, 0);
	ipc_put_fd(&m, l->channel[1]);
	ret = spool_poke(l->sp, &m);
	ipc_fini(&m);
	return ret;
}

/* Why nobody could be asked; error: of the last attempt. */
static int
no_runner(struct runner_link *l, int error)
{
	if (l->reason[0] == '\0' && spool_lock_reason(l->sp, l->reason,
	    sizeof(l->reason)) == -1)
		snprintf(l->reason, sizeof(l->reason), "no runner answers "
		    "(%s/wake: %s): see the log", l->sp->path,
		    strerror(error));
	return -1;
}

/* 1 when the runner that was started has said why it is none. */
static int
has_refused(struct runner_link *l, int report)
{
	static const char prefix[] = "dma: ";
	char text[sizeof(l->reason) / 2];
	const char *p = text;
	ssize_t n;

	n = report == -1 ? -1 : io_read(report, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(p, prefix, sizeof(prefix) - 1) == 0)
		p += sizeof(prefix) - 1;
	snprintf(l->reason, sizeof(l->reason), "no runner is active, and none "
	    "can be started here: %s", p);
	return 1;
}

/*
 * 1 when a runner is started by this call or by init; report: why it is none.
 * One that another call starts is waited for; but the holder of the lock may
 * have been stopped, and is not waited for if it is_late.
 */
static int
start(struct runner_link *l, int *report, int is_late)
{
	int lock, is_started = start_socket_ask(1) == 0;

	if (is_started) {
		io_close(report);
		return 1;
	}
	lock = spool_start_lock(l->sp);
	if (lock == -1 && errno == EWOULDBLOCK && !is_late)
		return 0;
	/* The last holder let it go because that runner answers. */
	if (lock == -1 || !spool_is_woken(l->sp)) {
		io_close(report);
		*report = request_flush_runner(lock == -1 ? NULL : l->sp);
		is_started = 1;
	}
	io_close(&lock);
	return is_started;
}

/*
 * The same, or a new runner.  The one that was started may have met one that
 * was just leaving: so another is started, ever more seldom.
 */
static int
poke_or_start(struct runner_link *l)
{
	int error = 0, has_started = 0, i, report = -1;

	l->reason[0] = '\0';
	for (i = 0; i < START_TRIES; i++) {
		if (poke(l) == 0)
			break;
		error = errno;
		if (has_refused(l, report))
			break;
		if (l->starts_none && error != EAGAIN)
			return no_runner(l, error);
		if (error != EAGAIN && (!has_started || (i >= START_AGAIN &&
		    (i & (i + 1)) == 0)) && start(l, &report, i >= START_LATE))
			has_started = 1;
		poll(NULL, 0, i < START_AGAIN ? 1 : 10);
	}
	io_close(&report);
	return i < START_TRIES && l->reason[0] == '\0' ? 0 :
	    no_runner(l, error);
}

/* A runner does not wait for a slow reader. */
static void
enlarge(int fd, int bytes)
{
#ifdef F_SETPIPE_SZ
	if (bytes > 0)
		(void)fcntl(fd, F_SETPIPE_SZ, bytes);
#else
	(void)fd;
	(void)bytes;
#endif
}

int
runner_link_ask(struct runner_link *l, const struct runner_request *r)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1) {
		snprintf(l->reason, sizeof(l->reason), "pipe: %s",
		    strerror(errno));
		return -1;
	}
	enlarge(fds[1], l->reply_bytes);
	if (put_request(l, r, fds[1]) == -1) {
		snprintf(l->reason, sizeof(l->reason), "request: %s",
		    strerror(errno));
		io_close(&fds[0]);
	} else if (poke_or_start(l) == -1) {
		io_close(&fds[0]);
	}
	close(fds[1]);
	return fds[0];
}

int
runner_link_more(struct runner_link *l, const struct runner_request *r)
{
	return put_request(l, r, -1) == -1 ? -1 : poke(l);
}

/* ---- from the runner ---- */

/*
 * A runner that leaves takes the datagram with it, but not the request, which
 * is in our channel.
 */
int
runner_link_is_read(struct runner_link *l, int fd)
{
	int wait_ms = 20;
	char c;

	while (recv(l->channel[1], &c, 1, MSG_PEEK) > 0) {
		if (io_wait(fd, POLLIN, io_clock_ms() + wait_ms) == 1)
			return 1;
		if (poke(l) == -1 && errno != EAGAIN)
			return 0;
		if (wait_ms < UNREAD_MAX_MS)
			wait_ms *= 2;
	}
	return 1;
}

/* The reason that the runner wrote to the pipe after its last line. */
static enum runner_reply
take_reason(struct runner_link *l, int fd, const struct buf *b)
{
	struct buf reason;
	char rest[512];
	ssize_t n;

	buf_init(&reason, REASON_MAX);
	buf_add(&reason, b->data + 1, b->len - 1);
	while ((n = io_read(fd, rest, sizeof(rest))) > 0)
		buf_add(&reason, rest, (size_t)n);
	snprintf(l->reason, sizeof(l->reason), "%s", buf_str(&reason));
	buf_fini(&reason);
	return RUNNER_REFUSED;
}

/*
 * Hands the whole lines of b over and removes them; 1 when the byte that ends
 * them has come, which is the first of what remains.
 */
static int
take_lines(struct buf *b, const struct runner_request *r)
{
	size_t start = 0, i;
	int is_over = 0;

	for (i = 0; i < b->len && !is_over; i++) {
		is_over = i == start && (b->data[i] == '\0' ||
		    b->data[i] == '\001');
		if (b->data[i] != '\n')
			continue;
		b->data[i] = '\0';
		r->line(r->arg, b->data + start);
		start = i + 1;
	}
	buf_drop(b, start);
	return is_over;
}

enum runner_reply
runner_link_await(struct runner_link *l, int fd,
    const struct runner_request *r)
{
	enum runner_reply reply = RUNNER_LOST;
	char text[4096];
	struct buf b;
	ssize_t n;

	if (!runner_link_is_read(l, fd))
		return RUNNER_LOST;
	buf_init(&b, LINE_MAX_BYTES);
	while (!buf_failed(&b) && (n = io_read(fd, text, sizeof(text))) > 0) {
		buf_add(&b, text, (size_t)n);
		if (!take_lines(&b, r))
			continue;
		reply = b.data[0] == '\0' ? RUNNER_DONE :
		    take_reason(l, fd, &b);
		break;
	}
	buf_fini(&b);
	return reply;
}

enum runner_reply
runner_link_call(struct runner_link *l, const struct runner_request *r)
{
	enum runner_reply reply = RUNNER_LOST;
	int fd, i;

	/* A runner that was just dying took the request with it. */
	for (i = 0; i < CALL_TRIES && reply == RUNNER_LOST; i++) {
		fd = runner_link_ask(l, r);
		if (fd == -1)
			return RUNNER_NONE;
		reply = runner_link_await(l, fd, r);
		close(fd);
	}
	return reply;
}
