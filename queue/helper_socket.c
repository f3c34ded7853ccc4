/*
 * helper_socket.c - the socket of a local helper.
 * Runs as: the spool user.  Uses: the sockets of the helpers.
 * Promise: a helper that reads nothing stops only what needs it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/request.h"
#include "queue/helper_socket.h"

/* The last one: too many descriptors are on their way. */
int
helper_is_passing(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM ||
	    error == ETOOMANYREFS;
}

void
helper_retry(struct helper_socket *h)
{
	h->is_full = 0;
}

int
helper_ask(struct helper_socket *h, struct ipc *m, int *channel,
    const struct log *log)
{
	int error, ok, pair[2];

	if (h->fd == -1 || m->bad || request_channel(pair) == -1)
		return -1;
	ipc_put_fd(m, pair[1]);
	ok = io_nonblock(pair[0]) == 0 && ipc_send(h->fd, m) == 0;
	error = errno;
	close(pair[1]);
	if (ok) {
		*channel = pair[0];
		return 0;
	}
	close(pair[0]);
	if (error == EAGAIN) {
		h->is_full = 1;
		return 1;
	}
	if (helper_is_passing(error))
		return -1;
	log_say(log, LOG_LEVEL_ERROR, "a local delivery helper has "
	    "exited: %s", strerror(error));
	io_close(&h->fd);
	return -1;
}
