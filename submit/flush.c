/*
 * flush.c - wakes the runner, and waits until it has tried what is queued.
 * Runs as: the spool user.  Uses: the monitor; the wake socket by spool.c.
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

#define START_TRIES	600	/* 10 ms apart, while a runner comes or goes */
#define FLUSH_TRIES	3	/* runners that may die under a flush */

/*
 * After a commit: whoever gets the lock starts the runner; who does not
 * wakes the one that has it.  One that is just starting reads the queue
 * afterwards, one that is just leaving looks at it again after it let the
 * lock go: so no message is left lying.
 */
void
flush_wake(const struct spool *sp, int monitor, const char *id)
{
	struct ipc m;
	int lock;

	lock = spool_lock(sp);
	if (lock != -1) {
		request_runner(monitor, lock, -1, 0, "");
		close(lock);
		return;
	}
	ipc_init(&m);
	ipc_begin(&m, IPC_WAKE, 0);
	ipc_put_str(&m, id);
	spool_poke(sp, &m);
	ipc_fini(&m);
}

/* Gives the flush to the runner there is, or to a new one. */
static int
ask_flush(const struct spool *sp, int monitor, const char *id, int done,
    const struct caller *watcher)
{
	unsigned watch = watcher == NULL ? 0 : RUN_WATCH;
	struct ipc m;
	int i, lock, ret;

	for (i = 0; i < START_TRIES; i++) {
		lock = spool_lock(sp);
		if (lock != -1) {
			ret = request_runner(monitor, lock, done,
			    RUN_FLUSH | watch, id);
			close(lock);
			return ret;
		}
		ipc_init(&m);
		ipc_begin(&m, IPC_FLUSH, 0);
		ipc_put_str(&m, id);
		ipc_put_u32(&m, watch);
		ipc_put_u32(&m, watcher == NULL ? 0 : watcher->uid);
		ipc_put_fd(&m, done);
		ret = spool_poke(sp, &m);
		ipc_fini(&m);
		if (ret == 0)
			return 0;
		poll(NULL, 0, 10);
	}
	errno = ETIMEDOUT;
	return -1;
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
flush_once(const struct spool *sp, int monitor, const char *id,
    const struct caller *watcher)
{
	int fds[2], ret;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	if (ask_flush(sp, monitor, id, fds[1], watcher) == -1) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	close(fds[1]);
	ret = await_tried(fds[0]);
	close(fds[0]);
	return ret;
}

/*
 * Tries what is queued (id "": all) and returns when each was tried.  watcher:
 * who sees meanwhile what is said; or NULL.
 */
int
flush(const struct spool *sp, int monitor, const char *id,
    const struct caller *watcher)
{
	int i, ret;

	/* A runner that was just dying took the wish with it. */
	for (i = 0; i < FLUSH_TRIES; i++) {
		ret = flush_once(sp, monitor, id, watcher);
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
flush_mode(const struct caller *caller, const struct options *o,
    const struct spool *sp, int monitor)
{
	int status;

	/*
	 * The lock is going to be in our hands: nobody may stop us there.
	 * To end us is no harm, and must be possible for -q30m.
	 */
	if (request_seal(monitor, 1) == -1)
		return EX_TEMPFAIL;
	if (o->is_wake) {
		flush_wake(sp, monitor, "");
		return 0;
	}
	for (;;) {
		status = flush(sp, monitor, "", o->is_watched ? caller : NULL);
		if (o->interval_s == 0)
			return status;
		sleep(o->interval_s);
	}
}
