/*
 * flush.c - wakes the runner, and waits until it has tried what is queued.
 * Runs as: the spool user.  Uses: the wake socket by spool.c; starts runners.
 * Promise: no message is left lying between a commit and a runner that
 * leaves; a wait ends when all was tried, or says why not.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "submit/flush.h"

#define START_AGAIN	31	/* tries, 1 ms apart, that a start may take */
#define START_TRIES	600	/* the rest of them 10 ms apart */
#define ANNOUNCE_WAIT_MS	5000	/* for a runner that is busy */
#define FLUSH_TRIES	3	/* runners that may die under a flush */

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
	    request_runner(0) == -1)
		log_say(log, LOG_LEVEL_ERROR, "cannot start the runner: %s; "
		    "queued mail is deferred until the next start",
		    strerror(errno));
	ipc_fini(&m);
}

/* Gives the flush to the runner there is; -1 with errno. */
static int
send_flush(const struct spool *sp, const char *id, int done, unsigned flags,
    const struct caller *watcher)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_FLUSH, 0);
	ipc_put_str(&m, id);
	ipc_put_u32(&m, flags | (watcher == NULL ? 0 : FLUSH_WATCH));
	ipc_put_u32(&m, watcher == NULL ? 0 : watcher->uid);
	if (done != -1)
		ipc_put_fd(&m, done);
	ret = spool_poke(sp, &m);
	ipc_fini(&m);
	return ret;
}

/*
 * The same, or to a new runner.  The one that was started may have met one
 * that was just leaving: so another is started, ever more seldom.
 */
static int
ask_flush(const struct spool *sp, const char *id, int done, unsigned flags,
    const struct caller *watcher)
{
	int i;

	for (i = 0; i < START_TRIES; i++) {
		if (send_flush(sp, id, done, flags, watcher) == 0)
			return 0;
		if (errno != EAGAIN && (i == 0 || (i >= START_AGAIN &&
		    (i & (i + 1)) == 0)) && request_runner(1) == -1)
			return -1;
		poll(NULL, 0, i < START_AGAIN ? 1 : 10);
	}
	errno = ETIMEDOUT;
	return -1;
}

/* Gives what await_tried() reads; -1 with errno. */
static int
open_flush(const struct spool *sp, const char *id, unsigned flags,
    const struct caller *watcher)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	if (ask_flush(sp, id, fds[1], flags, watcher) == -1) {
		io_close(&fds[0]);
	}
	close(fds[1]);
	return fds[0];
}

/* Shows what the runner writes, up to its last octet; 1 when that came. */
static int
await_tried(int fd)
{
	char text[4096];
	const char *end;
	size_t len;
	ssize_t n;

	for (;;) {
		n = io_read(fd, text, sizeof(text));
		if (n <= 0)
			return 0;
		end = memchr(text, '\0', (size_t)n);
		len = end == NULL ? (size_t)n : (size_t)(end - text);
		/* There may be nobody to read it. */
		(void)io_write_all(STDERR_FILENO, text, len);
		if (end != NULL)
			return 1;
	}
}

/* 1 when all was tried, 0 when the runner died before, -1 with errno. */
static int
flush_once(const struct spool *sp, const char *id,
    const struct caller *watcher)
{
	int fd, ret;

	fd = open_flush(sp, id, 0, watcher);
	if (fd == -1)
		return -1;
	ret = await_tried(fd);
	close(fd);
	return ret;
}

int
flush(const struct spool *sp, const char *id,
    const struct caller *watcher)
{
	int i, ret;

	/* A runner that was just dying took the wish with it. */
	for (i = 0; i < FLUSH_TRIES; i++) {
		ret = flush_once(sp, id, watcher);
		if (ret == 1)
			return 0;
		if (ret == -1) {
			fprintf(stderr, "dma: cannot start delivery: %s\n",
			    strerror(errno));
			return EX_TEMPFAIL;
		}
	}
	fprintf(stderr, "dma: queue run was interrupted; see the log\n");
	return EX_TEMPFAIL;
}

int
flush_announce(const struct spool *sp, const char *id,
    const struct caller *watcher)
{
	char c;
	int fd;

	fd = open_flush(sp, id, FLUSH_COMING, watcher);
	/* It says that it knows; else it could have the message before. */
	if (fd != -1 && (io_wait(fd, POLLIN, io_clock_ms() +
	    ANNOUNCE_WAIT_MS) != 1 || io_read(fd, &c, 1) != 1))
		io_close(&fd);
	return fd;
}

void
flush_follow(const struct spool *sp, int fd, const char *id,
    const struct caller *watcher)
{
	caller_may_leave();
	/* With DEFER only a flush has it tried.  Here as there: if nobody
	 * listens any more, the pipe ends at once. */
	if (fd == -1 || send_flush(sp, id, -1, 0, NULL) == -1 ||
	    await_tried(fd) != 1)
		flush(sp, id, watcher);
}

int
flush_mode(const struct caller *caller, const struct options *o,
    const struct spool *sp, const struct log *log)
{
	int status;

	if (o->is_wake) {
		flush_wake(sp, log, "");
		return 0;
	}
	for (;;) {
		status = flush(sp, "", o->is_watched ? caller : NULL);
		if (o->interval_s == 0)
			return status;
		sleep(o->interval_s);
	}
}
