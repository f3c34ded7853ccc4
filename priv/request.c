/*
 * request.c - what the unprivileged processes ask of those beside them.
 * Runs as: the spool user.  Uses: processes: starts the runner and dma-remote.
 * Promise: asks only, and holds no right.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "priv/user.h"

#define REMOTE_FILE	DMA_LIBEXECDIR "/dma-remote"
#define BESIDE_MAX_MS	1000	/* that others wait for a runner to answer */
#define BESIDE_LOOK_MS	2

/* Whoever reads the caller's output to its end does not wait for us. */
static void
leave_caller(int report)
{
	int fd, i;

	(void)setsid();
	fd = io_open_null();
	for (i = STDIN_FILENO; fd != -1 && i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	io_close(&fd);
	if (report != -1)
		(void)dup2(report, STDERR_FILENO);
}

/* In a new process; report: gets its error messages; or -1. */
static void
become_runner(int for_flush, int report)
{
	static char name[] = "dma", mode[] = "--runner",
	    flush_mode[] = "--runner=flush";
	char *argv[] = { name, for_flush ? flush_mode : mode, NULL };
	struct log log;

	log_init(&log, "dma");
	leave_caller(report);
	/* Else it would be the caller's to end, and no runner. */
	if (user_leave_caller() == 0)
		execv(DMA_PROGRAM, argv);
	log_say(&log, LOG_LEVEL_ERROR, "cannot start the runner: " DMA_PROGRAM
	    ": %s", strerror(errno));
	dprintf(STDERR_FILENO, "dma: " DMA_PROGRAM ": %s\n", strerror(errno));
	_exit(EX_OSERR);
}

/*
 * In a process beside the new runner, its parent: until that answers or ends.
 * With the timers of the caller, it might sleep for ever.
 */
static void
stay_beside(pid_t runner, const struct spool *sp)
{
	int64_t end_ms = io_clock_ms() + BESIDE_MAX_MS;

	leave_caller(-1);
	/* Nor is this the caller's to stop. */
	if (user_leave_caller() == -1)
		return;
	compat_usual_timers();
	do
		poll(NULL, 0, BESIDE_LOOK_MS);
	while (!spool_is_woken(sp) && getppid() == runner &&
	    io_clock_ms() < end_ms);
}

/* report: gets its error messages; or -1.  -1 with errno. */
static int
start_runner(const struct spool *sp, int for_flush, int report)
{
	pid_t pid, runner;

	/* Nobody waits for it; a call may start several in its time. */
	(void)signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid != 0)
		return pid == -1 ? -1 : 0;
	runner = getpid();
	if (sp == NULL || fork() != 0)
		become_runner(for_flush, report);
	io_close(&report);
	stay_beside(runner, sp);
	_exit(EX_OK);
}

int
request_runner(const struct spool *sp)
{
	return start_runner(sp, 0, -1);
}

int
request_flush_runner(const struct spool *sp)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) == -1)
		return -1;
	if (start_runner(sp, 1, pair[1]) == -1)
		dprintf(pair[1], "dma: fork: %s\n", strerror(errno));
	io_close(&pair[1]);
	if (io_nonblock(pair[0]) == -1)
		io_close(&pair[0]);
	return pair[0];
}

int
request_channel(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

pid_t
request_fork(int *sock)
{
	int pair[2];
	pid_t pid;

	*sock = -1;
	if (request_channel(pair) == -1)
		return -1;
	pid = fork();
	io_close(&pair[pid == 0 ? 0 : 1]);
	if (pid == -1)
		io_close(&pair[0]);
	*sock = pair[pid == 0 ? 1 : 0];
	return pid;
}

int
request_channel_of(int fd, uid_t *uid)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET ? compat_peer(fd, uid) : -1;
}

int
request_is_channel(int fd, uid_t uid)
{
	uid_t peer;

	return request_channel_of(fd, &peer) == 0 && peer == uid;
}

int
request_call(const struct caller *c, int pair[2])
{
	uid_t self = geteuid();
	int ret;

	pair[0] = c->channel[0];
	pair[1] = c->channel[1];
	if (pair[0] > STDERR_FILENO)
		return 0;
	if (user_as_caller() == -1)
		return -1;
	ret = request_channel(pair);
	if (user_as_before(self) == -1)
		return -1;
	return ret;
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

static int
leave_stderr(void)
{
	int fd = io_open_null(), ret;

	ret = fd == -1 || dup2(fd, STDERR_FILENO) == -1 ? -1 : 0;
	if (fd > STDERR_FILENO)
		close(fd);
	return ret;
}

/* In a new process; sock: its socket. */
static void
become_remote(int sock, int is_given)
{
	static char name[] = "dma-remote", version[] = REMOTE_VERSION,
	    given[] = REMOTE_GIVEN;
	char *argv[] = { name, version, is_given ? given : NULL, NULL };

	io_default_signals();
	/* What talks to strangers has no log: see docs/privileges.md. */
	if (leave_stderr() == 0 && dup2(sock, STDIN_FILENO) == STDIN_FILENO)
		execv(REMOTE_FILE, argv);
	report_trouble(REMOTE_FILE " cannot be run", strerror(errno));
	_exit(EX_UNAVAILABLE);
}

int
request_probe(int is_given)
{
	int sock;

	(void)signal(SIGCHLD, SIG_IGN);	/* nobody waits for it */
	if (request_fork(&sock) == 0) {
		/* It talks to strangers: the caller's terminal is not its. */
		leave_caller(-1);
		if (user_leave_caller() == -1)
			_exit(EX_OSERR);
		become_remote(sock, is_given);
	}
	return sock;
}

int
request_remote(void)
{
	int sock;

	if (request_fork(&sock) == 0)
		become_remote(sock, 0);
	if (sock != -1 && io_nonblock(sock) == -1)
		io_close(&sock);
	return sock;
}
