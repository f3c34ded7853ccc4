/*
 * local.h - delivers a message as a user.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "lib/buf.h"
#include "priv/delivery_request.h"

/*
 * The body of a delivery process, which has become the user for good.
 * Returns its exit status: 0 when every result was reported over the channel,
 * 1 when the runner is gone (the checkpoint tells what was written),
 * EX_PROTOCOL for a message of the runner's that is out of turn.  A command
 * takes the process over; if it cannot be started after IPC_DELIVER_OUTPUT,
 * the status is 126 or 127 as a shell has it.
 */
int	local_deliver(struct delivery *);
/*
 * The same for any request of a root helper: a delivery, by the text of
 * dma.conf, or with ROUTE_UNKNOWN the .forward of the user or the lists of an
 * alias.
 */
int	local_answer(const struct delivery *, const struct buf *conf_text);

#endif
