/*
 * delivery_request.c - what a delivery is told of its message, in a record.
 * Runs as: root in a branch, the user in its child.  Uses: nothing.
 * Promise: what it takes has the shape that records.h says, or is refused.
 */
#include "priv/delivery_request.h"

int
delivery_request_get(struct ipc *m, struct delivery *d)
{
	d->id = m->id;
	d->message = ipc_take_fd(m, 0);
	ipc_get_text(m, d->queue_id, sizeof(d->queue_id));
	d->rcpt = ipc_get_u32(m);
	ipc_get_text(m, d->sender, sizeof(d->sender));
	ipc_get_text(m, d->recipient, sizeof(d->recipient));
	ipc_get_text(m, d->original, sizeof(d->original));
	d->arrived = (time_t)ipc_get_u64(m);
	d->offset = (int64_t)ipc_get_u64(m);
	d->length = (int64_t)ipc_get_u64(m);
	d->checkpoint.dev = ipc_get_u64(m);
	d->checkpoint.ino = ipc_get_u64(m);
	d->checkpoint.length = (int64_t)ipc_get_u64(m);
	return ipc_done(m) == -1 || d->offset < 0 || d->length < 0 ||
	    d->checkpoint.length < -1 ? -1 : 0;
}
