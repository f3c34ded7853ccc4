/*
 * mbox.h - appends messages to an mbox file.
 */
#ifndef LOCAL_MBOX_H
#define LOCAL_MBOX_H

#include "lib/result.h"
#include "priv/delivery_request.h"

#define MBOX_LOCK_WAIT_S	60	/* for all locks of one file */

/* A message on its way into the file: the table is in docs/states.md. */
enum mbox_state {
	MBOX_NEW,
	MBOX_PLACED,		/* its text is in the group */
	MBOX_ANNOUNCED,		/* the runner was told where it will be */
	MBOX_RECORDED,		/* and has recorded that */
	MBOX_WRITTEN,		/* it is in the file, not synced */
	MBOX_DONE,		/* its result is to be reported */
	MBOX__STATES
};

enum mbox_event {
	MBOX_EVENT_FOUND,	/* an earlier attempt wrote it */
	MBOX_EVENT_PLACE,
	MBOX_EVENT_ANNOUNCE,
	MBOX_EVENT_ACKNOWLEDGE,
	MBOX_EVENT_WRITE,
	MBOX_EVENT_WITHDRAW,	/* nothing of it is in the file */
	MBOX_EVENT_SYNC,
	MBOX_EVENT_FAIL,
	MBOX__EVENTS
};

/* The state that follows; the same when the event cannot happen there. */
enum mbox_state mbox_next(enum mbox_state, enum mbox_event);

/*
 * Appends the message of d to dir/name, as the user that this process is;
 * path is the full name.  Tells the runner where, and writes only when that is
 * recorded.  With is_batch it goes on with what the runner sends after it
 * (IPC_DELIVER_NEXT), many under one lock with one sync, until the runner
 * closes the channel.
 * Reports each result itself; res is set only when it could not begin.
 * Returns the exit status: 0 when nothing was written of what was not
 * reported, 1 when the runner is gone, EX_PROTOCOL for a message out of turn.
 */
int	mbox_deliver(const struct delivery *d, int dir, const char *name,
	    const char *path, int is_batch, unsigned lock_wait_s,
	    struct result *res);

#endif
