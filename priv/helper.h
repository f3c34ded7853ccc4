/*
 * helper.h - a root helper: requests of the runner, a child for each.
 */
#ifndef PRIV_HELPER_H
#define PRIV_HELPER_H

#include "lib/buf.h"
#include "priv/delivery_request.h"
#include "priv/user.h"

enum helper_kind {
	HELPER_FORWARD,		/* answers IPC_FORWARD_REQUEST */
	HELPER_DELIVER		/* answers IPC_DELIVER_REQUEST */
};

/*
 * What is done in a child, which has become the user for good: kind
 * ROUTE_UNKNOWN asks for the .forward or the lists, others for a delivery.
 * text: of dma.conf.  Returns the exit status; EX_PROTOCOL: the channel
 * brought a message out of turn.
 */
typedef int	helper_body(const struct delivery *, const struct buf *text);

/* Serves the socket to its end and returns the exit status. */
int	helper_main(enum helper_kind, int sock, const struct spool_user *,
	    helper_body *);

#endif
