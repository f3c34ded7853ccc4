/*
 * helper_socket.h - the socket of a local helper: asks it for a child.
 */
#ifndef QUEUE_HELPER_SOCKET_H
#define QUEUE_HELPER_SOCKET_H

#include "lib/ipc.h"
#include "lib/log.h"

struct helper_socket {
	int		 fd;		/* owned; -1 when it is gone */
	int		 is_full;	/* it has not read what it was sent */
};

/*
 * Sends a request with the child's end of a new channel; ours (non-blocking)
 * is in *channel.  1: no room, to be tried again.  -1: it cannot be asked.
 */
int	helper_ask(struct helper_socket *, struct ipc *, int *channel,
	    const struct log *);
/* The same with a channel of another process, whose end is lent. */
int	helper_pass(struct helper_socket *, struct ipc *, int channel,
	    const struct log *);
/* Asks for the runner that comes after this one; -1 when it cannot be asked. */
int	helper_ask_successor(struct helper_socket *);
/* 0 when it is gone, which may show only now. */
int	helper_is_there(struct helper_socket *, const struct log *);
/* Another turn: one that was full is tried again. */
void	helper_retry(struct helper_socket *);
/* 1 for errors of sending that pass: no memory, no room. */
int	helper_is_passing(int error);

#endif
