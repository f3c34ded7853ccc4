/*
 * start_socket.c - RUNDIR/start, the socket on which init listens to start a
 * runner.
 * Runs as: the spool user; the monitor, as root, examines its given socket.
 * Uses: that socket.
 * Promise: each connection is noticed by the active runner or by the next one;
 * no caller waits for it.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/start_socket.h"

#define GIVEN_FIRST	3	/* descriptor, by sd_listen_fds(3) */
#define TAKEN_MAX	64	/* connections accepted at once */

static const char flush_follows = 'f';

int
start_socket_ask(int for_flush)
{
	static const struct sockaddr_un sun = { .sun_family = AF_UNIX,
	    .sun_path = DMA_RUNDIR "/start" };
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	ret = connect(fd, (const struct sockaddr *)&sun, sizeof(sun));
	/* The backlog is full: a start is due anyway. */
	if (ret == -1 && errno == EAGAIN)
		ret = 0;
	else if (ret == 0 && for_flush)
		(void)send(fd, &flush_follows, 1, MSG_NOSIGNAL);
	io_close(&fd);
	return ret;
}

static int
is_listening(int fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(sun), size = sizeof(int);
	int listens = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ==
	    0 && listens != 0 &&
	    getsockname(fd, (struct sockaddr *)&sun, &len) == 0 &&
	    sun.sun_family == AF_UNIX;
}

/* Children of the service inherit the variables, so the pid is compared. */
static int
is_for_us(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	return pid != NULL && count != NULL && atol(pid) == (long)getpid() &&
	    atol(count) > 0;
}

int
start_socket_given(void)
{
	if (is_for_us() && is_listening(GIVEN_FIRST))
		return GIVEN_FIRST;
	return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

enum start_asked
start_socket_take(int fd)
{
	enum start_asked asked = START_NOTHING;
	char c = '\0';
	int i, one;

	for (i = 0; i < TAKEN_MAX; i++) {
		one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (one == -1 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (one == -1)
			return errno == EAGAIN ? asked : START_BROKEN;
		if (io_read(one, &c, 1) == 1 && c == flush_follows)
			asked = START_FLUSH;
		else if (asked == START_NOTHING)
			asked = START_WAKE;
		close(one);
	}
	return asked;
}
