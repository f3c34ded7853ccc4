/*
 * helper_socket.c - the socket of a local helper.
 * Runs as: the spool user.  Uses: the sockets of the helpers.
 * Promise: a helper that reads nothing stops only what needs it.
 */
#include <errno.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/records.h"
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

/* Its pending requests end when their channels close. */
static void
lose(struct helper_socket *h, const struct log *log)
{
	log_say(log, LOG_LEVEL_ERROR, "a local delivery helper has exited: "
	    "another runner takes over");
	io_close(&h->fd);
}

int
helper_pass(struct helper_socket *h, struct ipc *m, int channel,
    const struct log *log)
{
	if (h->fd == -1 || m->bad)
		return -1;
	ipc_put_fd(m, channel);
	if (ipc_send(h->fd, m) == 0)
		return 0;
	if (errno == EAGAIN) {
		h->is_full = 1;
		return 1;
	}
	if (!helper_is_passing(errno))
		lose(h, log);
	return -1;
}

int
helper_ask(struct helper_socket *h, struct ipc *m, int *channel,
    const struct log *log)
{
	int pair[2], ret;

	if (h->fd == -1 || m->bad || request_channel(pair) == -1)
		return -1;
	ret = io_nonblock(pair[0]) == -1 ? -1 : helper_pass(h, m, pair[1],
	    log);
	close(pair[1]);
	if (ret == 0)
		*channel = pair[0];
	else
		close(pair[0]);
	return ret;
}

int
helper_is_there(struct helper_socket *h, const struct log *log)
{
	/* Nothing but its end is waited for. */
	if (h->fd != -1 && io_wait(h->fd, 0, 0) == 1)
		lose(h, log);
	return h->fd != -1;
}

int
helper_ask_successor(struct helper_socket *h)
{
	return h->fd == -1 ? -1 : ipc_send_empty(h->fd, IPC_HELPER_SUCCESSOR,
	    0);
}
