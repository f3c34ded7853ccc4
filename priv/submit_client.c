/*
 * submit_client.c - hands a call over to a dma that init starts.
 * Runs as: the caller, with no other right.
 * Uses: RUNDIR/submit; standard input, if it is a terminal.
 * Promise: status 0 is returned only if the instance reported it.  If this
 * process ends before the commit, nothing is queued.  No other process reads a
 * terminal.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/caller.h"
#include "priv/records.h"
#include "priv/submit_client.h"
#include "priv/user.h"

#define SOCKET_FILE	DMA_RUNDIR "/submit"
#define PATIENCE_MS	15000	/* for the acceptor to have a free place */
#define ANSWER_MS	60000	/* for init to start a process */
#define FIRST_WAIT_MS	10	/* doubled up to the longest */
#define LONGEST_WAIT_MS	640

struct call {
	int		 conn;		/* to the instance */
	unsigned	 has;		/* SUBMIT_STDIN ... */
	int		 feed;		/* our end of standard input, or -1 */
	int		 wants_input;	/* the instance asked for a piece */
	int		 status;
	char		 reason[SUBMIT_REASON_MAX];
};

/* ---- the connection ---- */

static int
open_connection(void)
{
	static const struct sockaddr_un sun = { .sun_family = AF_UNIX,
	    .sun_path = SOCKET_FILE };
	int fd;

	_Static_assert(sizeof(SOCKET_FILE) <= sizeof(sun.sun_path), "RUNDIR");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (const struct sockaddr *)&sun,
	    sizeof(sun)) == -1)
		io_close(&fd);
	return fd;
}

/* 1 ready; 0 refused for good, with its status; -1 with errno. */
static int
is_ready(struct call *c)
{
	struct ipc m;
	int ret = -1;

	ipc_init(&m);
	if (io_wait(c->conn, POLLIN, io_clock_ms() + ANSWER_MS) != 1)
		errno = ETIMEDOUT;
	else if (ipc_recv(c->conn, &m, IPC_SUBMIT_LIMIT) != 1)
		errno = EAGAIN;		/* the limit on calls is reached */
	else
		ret = m.kind == IPC_SUBMIT_READY;
	if (ret == 0) {
		c->status = (int)ipc_get_u32(&m);
		ipc_get_text(&m, c->reason, sizeof(c->reason));
		if (m.kind != IPC_SUBMIT_STATUS || ipc_done(&m) == -1) {
			errno = EPROTO;
			ret = -1;
		}
	}
	ipc_fini(&m);
	return ret;
}

static int
is_busy(int error)
{
	return error == EAGAIN || error == ECONNREFUSED;
}

/* As is_ready().  Nothing has been handed over yet, so retries are safe. */
static int
reach(struct call *c)
{
	int64_t end = io_clock_ms() + PATIENCE_MS;
	int wait_ms, ret = -1;

	for (wait_ms = FIRST_WAIT_MS;; wait_ms *= 2) {
		c->conn = open_connection();
		if (c->conn != -1)
			ret = is_ready(c);
		if (ret != -1)
			return ret;
		io_close(&c->conn);
		if (!is_busy(errno) || io_clock_ms() > end)
			return -1;
		if (wait_ms > LONGEST_WAIT_MS)
			wait_ms = LONGEST_WAIT_MS;
		/* Spread the retries of clients that wait. */
		poll(NULL, 0, wait_ms / 2 + getpid() % wait_ms);
	}
}

/* ---- what is handed over ---- */

/* argv, then the variables that are taken from a caller, each with a NUL. */
static int
put_strings(struct buf *b, int argc, char **argv)
{
	static const char *const names[] = { CALLER_VARIABLES };
	const char *value;
	size_t i;
	int n;

	for (n = 0; n < argc; n++)
		buf_add(b, argv[n], strlen(argv[n]) + 1);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (value == NULL)
			continue;
		buf_printf(b, "%s=", names[i]);
		buf_add(b, value, strlen(value) + 1);
	}
	return buf_failed(b) ? -1 : 0;
}

static unsigned
standard_descriptors(void)
{
	unsigned has = 0;
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			has |= SUBMIT_STDIN << fd;
	return has;
}

/*
 * A terminal belongs to a session: another process could read input meant for
 * the shell.  Gives the descriptor for the instance instead, or -1 with errno.
 */
static int
open_feed(struct call *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	c->feed = pair[0];
	c->has |= SUBMIT_FED;
	return pair[1];
}

static int
send_call(struct call *c, int argc, size_t len, int strings)
{
	int fd, feed = -1, ret;
	struct ipc m;

	if ((c->has & SUBMIT_STDIN) != 0 && isatty(STDIN_FILENO) == 1) {
		feed = open_feed(c);
		if (feed == -1)
			return -1;
	}
	ipc_init(&m);
	ipc_begin(&m, IPC_SUBMIT_CALL, 0);
	ipc_put_u32(&m, c->has);
	ipc_put_u32(&m, (uint32_t)argc);
	ipc_put_u32(&m, (uint32_t)len);
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if ((c->has & SUBMIT_STDIN << fd) != 0)
			ipc_put_fd(&m, fd == STDIN_FILENO && feed != -1 ?
			    feed : fd);
	ipc_put_fd(&m, strings);
	ret = ipc_send(c->conn, &m);
	ipc_fini(&m);
	io_close(&feed);
	return ret;
}

static int
hand_over(struct call *c, int argc, char **argv)
{
	struct buf strings;
	int ret = -1, pair[2];

	buf_init(&strings, SUBMIT_STRINGS_MAX);
	if (put_strings(&strings, argc, argv) == -1) {
		errno = E2BIG;
	} else if (pipe2(pair, O_CLOEXEC) == 0) {
		ret = send_call(c, argc, strings.len, pair[0]);
		close(pair[0]);
		/* If the instance ended early, its status says so. */
		if (ret == 0)
			(void)io_write_all(pair[1], buf_str(&strings),
			    strings.len);
		io_close(&pair[1]);
	}
	buf_fini(&strings);
	return ret;
}

/* ---- until its end ---- */

static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
#define ENDS	(sizeof(ends) / sizeof(ends[0]))

/* Raised again while blocked: poll() has ended, and the signal is kept. */
static void
keep(int sig)
{
	(void)raise(sig);
}

static void
hold_signals(sigset_t *others)
{
	sigset_t mask;
	size_t i;

	sigemptyset(&mask);
	for (i = 0; i < ENDS; i++)
		sigaddset(&mask, ends[i]);
	sigprocmask(SIG_BLOCK, &mask, others);
	for (i = 0; i < ENDS; i++) {
		sigdelset(others, ends[i]);
		if (signal(ends[i], keep) == SIG_IGN)
			(void)signal(ends[i], SIG_IGN);
	}
}

static void
let_signals(void)
{
	sigset_t none;
	size_t i;

	for (i = 0; i < ENDS; i++)
		if (signal(ends[i], SIG_DFL) == SIG_IGN)
			(void)signal(ends[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
is_to_end(void)
{
	sigset_t pending;
	size_t i;
	int n = 0;

	sigemptyset(&pending);
	sigpending(&pending);
	for (i = 0; i < ENDS; i++)
		n += sigismember(&pending, ends[i]) == 1;
	return n > 0;
}

/*
 * Sends the piece that the instance asked for, and no more: the rest may be for
 * the shell.  -1 with errno if the terminal cannot be read.
 */
static int
pass_input(struct call *c)
{
	char text[4096];
	ssize_t n;

	n = io_read(STDIN_FILENO, text, sizeof(text));
	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	c->wants_input = 0;
	/* If there is input, too, ppoll(2) leaves a signal pending. */
	if (is_to_end())
		shutdown(c->conn, SHUT_WR);
	else if (n > 0)
		(void)io_write_all(c->feed, text, (size_t)n);
	else	/* Not closed: it would look as if we had ended. */
		shutdown(c->feed, SHUT_WR);
	return 0;
}

/* 1 when the call is over; a missing status is reported. */
static int
take_answer(struct call *c)
{
	struct ipc m;
	int is_good;

	ipc_init(&m);
	is_good = ipc_recv(c->conn, &m, IPC_SUBMIT_LIMIT) == 1;
	c->wants_input = is_good && m.kind == IPC_SUBMIT_INPUT &&
	    c->feed != -1;
	if (c->wants_input) {
		ipc_fini(&m);
		return 0;
	}
	is_good = is_good && m.kind == IPC_SUBMIT_STATUS;
	c->status = (int)ipc_get_u32(&m);
	ipc_get_text(&m, c->reason, sizeof(c->reason));
	is_good = is_good && ipc_done(&m) == 0;
	ipc_fini(&m);
	if (is_good)
		return 1;
	let_signals();		/* one of them may be the reason */
	dprintf(STDERR_FILENO, "dma: %s: the process that served this "
	    "call ended without a status; see the log\n", SOCKET_FILE);
	c->status = EX_TEMPFAIL;
	return 1;
}

/* Waits, and gives the status; -1 with errno if input cannot be read. */
static int
await_status(struct call *c)
{
	struct pollfd pfd[2] = { { .fd = c->conn, .events = POLLIN },
	    { .events = POLLIN } };
	const sigset_t *mask;
	sigset_t others;

	hold_signals(&others);
	for (mask = &others;;) {
		pfd[1].fd = c->wants_input ? STDIN_FILENO : -1;
		if (ppoll(pfd, 2, NULL, mask) == -1) {
			if (!is_to_end())
				continue;
			/* The instance ends, unless it has committed. */
			shutdown(c->conn, SHUT_WR);
			c->wants_input = 0;
			mask = NULL;
		} else if (pfd[0].revents != 0) {
			if (take_answer(c))
				return c->status;
		} else if (pfd[1].revents != 0 && pass_input(c) == -1) {
			return -1;
		}
	}
}

/* 1 when there is no socket to connect to, and a retry would not help. */
static int
is_missing(int error)
{
	static const int missing[] = { ENOENT, ENOTDIR, EACCES, EPERM,
	    EPROTOTYPE, EAFNOSUPPORT };
	size_t i;

	for (i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		if (error == missing[i])
			return 1;
	return 0;
}

static int
no_connection(int error, const struct obstacle *o)
{
	if (is_missing(error)) {
		dprintf(STDERR_FILENO, "dma: %s: %s; or enable "
		    "dma-submit.socket (%s: %s)\n", o->what, o->reason,
		    SOCKET_FILE, strerror(error));
		return o->status;
	}
	dprintf(STDERR_FILENO, "dma: %s: %s: try again later\n", SOCKET_FILE,
	    error == EAGAIN ? "too many calls at once" : strerror(error));
	return EX_TEMPFAIL;
}

int
submit_client(int argc, char **argv, const struct obstacle *o)
{
	struct call c = { .conn = -1, .feed = -1 };
	int ret;

	c.has = standard_descriptors();
	if (io_fill_descriptors() == -1 || user_become_caller() == -1) {
		dprintf(STDERR_FILENO, "dma: cannot start: %s\n",
		    strerror(errno));
		return EX_OSERR;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	ret = reach(&c);
	if (ret == -1)
		return no_connection(errno, o);
	if (ret == 0) {
		dprintf(STDERR_FILENO, "dma: %s\n", c.reason);
		return c.status;
	}
	if (hand_over(&c, argc, argv) == -1) {
		dprintf(STDERR_FILENO, "dma: %s: cannot hand over the "
		    "call: %s\n", SOCKET_FILE, strerror(errno));
		return errno == E2BIG ? EX_USAGE : EX_TEMPFAIL;
	}
	ret = await_status(&c);
	if (ret != -1)
		return ret;
	ret = errno;
	/* Before the feed, whose end would look like the end of the text. */
	io_close(&c.conn);
	dprintf(STDERR_FILENO, "dma: cannot read the message: %s\n",
	    strerror(ret));
	return EX_NOINPUT;
}
