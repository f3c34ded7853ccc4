/*
 * notify.c - tells a service manager what it waits for.
 * Runs as: the parent.
 * Uses: the socket of NOTIFY_SOCKET.
 * Promise: never waits; without a service manager it does nothing.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/notify.h"

/* 0, or -1 for what is no address of a socket. */
static int
set_address(struct notify *n, const char *path)
{
	size_t len = strlen(path);

	if (len < 2 || len >= sizeof(n->to.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return -1;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (path[0] == '@')
		n->to.sun_path[0] = '\0';
	return 0;
}

void
notify_init(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");

	memset(n, 0, sizeof(*n));
	n->fd = -1;
	if (path != NULL && set_address(n, path) == 0)
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
	(void)unsetenv("NOTIFY_SOCKET");
}

void
notify_fini(struct notify *n)
{
	io_close(&n->fd);
}

static void
notify(const struct notify *n, const char *text)
{
	if (n->fd != -1)
		(void)sendto(n->fd, text, strlen(text), MSG_NOSIGNAL,
		    (const struct sockaddr *)&n->to, n->len);
}

void
notify_ready(struct notify *n)
{
	notify(n, "READY=1\n");
}

void
notify_stopping(struct notify *n)
{
	notify(n, "STOPPING=1\n");
}
