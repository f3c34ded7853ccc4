/*
 * letter.c - what a delivery is told of its message, in a record.
 * Runs as: root in a branch, the user in its child.  Door to: nothing.
 * Promise: what it takes has the shape that records.h says, or is refused.
 */
#include "letter.h"

int
letter_get(struct msg *m, struct delivery *d)
{
	d->id = m->id;
	d->message = msg_take_fd(m, 0);
	msg_get_text(m, d->queue_id, sizeof(d->queue_id));
	d->rcpt = msg_get_u32(m);
	msg_get_text(m, d->sender, sizeof(d->sender));
	msg_get_text(m, d->recipient, sizeof(d->recipient));
	msg_get_text(m, d->original, sizeof(d->original));
	d->arrived = (time_t)msg_get_u64(m);
	d->offset = (int64_t)msg_get_u64(m);
	d->length = (int64_t)msg_get_u64(m);
	d->mark.dev = msg_get_u64(m);
	d->mark.ino = msg_get_u64(m);
	d->mark.length = (int64_t)msg_get_u64(m);
	return msg_done(m) == -1 || d->offset < 0 || d->length < 0 ||
	    d->mark.length < -1 ? -1 : 0;
}
