/*
 * submit_acceptor.c - shares RUNDIR/submit among its users.
 * Runs as: root.
 * Uses: init's socket; processes: starts dma for each connection.
 * Promise: reads nothing from a client; no user gets more than a part of the
 * processes, and one that connects in a loop delays neither init nor others.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "priv/submit_acceptor.h"
#include "priv/user.h"

#define CALLS_MAX	2048	/* at a time */
#define CALLS_OF_USER	64	/* of those */
#define CALLS_OF_RANGE	512	/* of uids that one user may have */
#define REAP_MS		1000	/* if there is no signalfd or the like */
#define EXHAUSTED_MS	100	/* without a descriptor for a connection */

struct calls {
	struct {
		pid_t	 pid;
		uid_t	 uid;
	}	 list[CALLS_MAX];
	int	 n;
};

static int
has_place(const struct calls *c, uid_t uid)
{
	int i, n = 0, of_range = 0;

	for (i = 0; i < c->n; i++) {
		n += c->list[i].uid == uid;
		of_range += c->list[i].uid != uid &&
		    user_may_be(c->list[i].uid, uid);
	}
	return n < CALLS_OF_USER && n + of_range < CALLS_OF_RANGE &&
	    c->n < CALLS_MAX;
}

static void
reap(struct calls *c)
{
	int i, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < c->n && c->list[i].pid != pid; i++)
			;
		if (i < c->n)
			c->list[i] = c->list[--c->n];
	}
}

/* Executes the program again, so that an update applies to the next call. */
static pid_t
start_call(int connection)
{
	static char name[] = "dma", mode[] = "--submit";
	char *argv[] = { name, mode, NULL };
	pid_t pid;

	pid = fork();
	if (pid != 0)
		return pid;
	io_default_signals();
	if (dup2(connection, STDIN_FILENO) != -1)
		execv(DMA_PROGRAM, argv);
	_exit(EX_OSERR);
}

/* No process is started for a client that has closed its end already. */
static int
has_left(int connection)
{
	struct pollfd pfd = { connection, POLLIN, 0 };

	return poll(&pfd, 1, 0) != 0;
}

static void
serve(struct calls *c, int listening)
{
	int connection;
	uid_t uid;
	pid_t pid;

	connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (connection == -1) {
		/* The client stays in the queue, and would wake us again. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			poll(NULL, 0, EXHAUSTED_MS);
		return;
	}
	/* A client whose connection is closed here tries again. */
	if (!has_left(connection) && compat_peer(connection, &uid) == 0 &&
	    has_place(c, uid)) {
		pid = start_call(connection);
		if (pid > 0) {
			c->list[c->n].pid = pid;
			c->list[c->n++].uid = uid;
		}
	}
	close(connection);
}

int
submit_acceptor(int listening)
{
	struct calls calls = { .n = 0 };
	struct pollfd pfd[2];
	char skipped[4096];

	/* A super-server may ignore SIGCHLD: then no place would be freed. */
	io_default_signals();
	pfd[0].fd = listening;
	pfd[1].fd = compat_signal_fd(SIGCHLD);
	pfd[0].events = pfd[1].events = POLLIN;
	if (io_nonblock(listening) == -1 ||
	    fcntl(listening, F_SETFD, FD_CLOEXEC) == -1)
		return EX_OSERR;
	while (poll(pfd, 2, pfd[1].fd == -1 ? REAP_MS : -1) != -1 ||
	    errno == EINTR) {
		if (pfd[1].fd != -1)
			(void)io_read(pfd[1].fd, skipped, sizeof(skipped));
		reap(&calls);
		if ((pfd[0].revents & ~POLLIN) != 0)
			break;
		if (pfd[0].revents != 0)
			serve(&calls, listening);
	}
	return EX_OSERR;
}
