/*
 * request.c - what the unprivileged processes ask of those beside them.
 * Runs as: the spool user.  Uses: processes: starts the runner and dma-remote.
 * Promise: asks only, and holds no right.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "lib/log.h"
#include "priv/records.h"
#include "priv/request.h"

#define REMOTE_FILE	DMA_LIBEXECDIR "/dma-remote"

/* Whoever reads the caller's output to its end does not wait for us. */
static void
leave_caller(void)
{
	int fd, i;

	(void)setsid();
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (i = STDIN_FILENO; fd != -1 && i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
}

int
request_runner(int for_flush)
{
	static char name[] = "dma", mode[] = "--runner",
	    flush_mode[] = "--runner=flush";
	char *argv[] = { name, for_flush ? flush_mode : mode, NULL };
	struct log log;
	pid_t pid;

	/* Nobody waits for it; a call may start several in its time. */
	(void)signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid != 0)
		return pid == -1 ? -1 : 0;
	leave_caller();
	execv(DMA_PROGRAM, argv);
	log_init(&log, "dma");
	log_say(&log, LOG_LEVEL_ERROR, "cannot start the runner: " DMA_PROGRAM
	    ": %s", strerror(errno));
	_exit(EX_OSERR);
}

int
request_channel(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

int
request_is_channel(int fd, uid_t uid)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET && compat_peer_is(fd, uid);
}

static void
report_trouble(const char *what, const char *reason)
{
	struct ipc m;
	char text[512];

	snprintf(text, sizeof(text), "%s: %s", what, reason);
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_TROUBLE, 0);
	ipc_put_str(&m, text);
	ipc_send(STDIN_FILENO, &m);
	ipc_fini(&m);
}

int
request_remote(void)
{
	static char name[] = "dma-remote";
	char *argv[] = { name, NULL };
	int pair[2];
	pid_t pid;

	if (request_channel(pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		signal(SIGCHLD, SIG_DFL);
		if (dup2(pair[1], STDIN_FILENO) == STDIN_FILENO)
			execv(REMOTE_FILE, argv);
		report_trouble(REMOTE_FILE " cannot be run", strerror(errno));
		_exit(EX_UNAVAILABLE);
	}
	io_close(&pair[1]);
	if (pid == -1 || io_nonblock(pair[0]) == -1)
		io_close(&pair[0]);
	return pair[0];
}
