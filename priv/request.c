/*
 * request.c - what the unprivileged processes ask of those beside them.
 * Runs as: the spool user.  Uses: the socket to the monitor; starts dma-remote.
 * Promise: asks only, and holds no right.
 */
#include <sys/socket.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"

#define REMOTE_FILE	DMA_LIBEXECDIR "/dma-remote"

/* Blocked, not ignored: one system call, and nothing to put back. */
void
request_block_signals(int may_end)
{
	sigset_t mask;

	sigfillset(&mask);
	if (may_end) {
		sigdelset(&mask, SIGINT);
		sigdelset(&mask, SIGTERM);
		sigdelset(&mask, SIGHUP);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

int
request_seal(int monitor, int may_end)
{
	struct ipc m;
	int ok;

	request_block_signals(may_end);
	ipc_init(&m);
	ipc_begin(&m, IPC_SEAL, 0);
	ipc_put_u32(&m, may_end != 0);
	ok = ipc_send(monitor, &m) == 0 &&
	    ipc_recv(monitor, &m, IPC_MONITOR_LIMIT) == 1 &&
	    m.kind == IPC_SEALED;
	ipc_fini(&m);
	return ok ? 0 : -1;
}

int
request_runner(int monitor, int lock, int done, unsigned flags, const char *id)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, IPC_RUN, 0);
	ipc_put_u32(&m, flags);
	ipc_put_str(&m, id);
	ipc_put_fd(&m, lock);
	if (done != -1)
		ipc_put_fd(&m, done);
	ret = ipc_send(monitor, &m);
	ipc_fini(&m);
	return ret;
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
	int error, pair[2];
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
	error = errno;
	close(pair[1]);
	if (pid == -1 || io_nonblock(pair[0]) == -1)
		io_close(&pair[0]);
	errno = error;
	return pair[0];
}
