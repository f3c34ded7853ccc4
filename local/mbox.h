/*
 * mbox.h - messages into one mbox file: locks, marks, append.
 */
#ifndef LOCAL_MBOX_H
#define LOCAL_MBOX_H

#include "lib/result.h"
#include "priv/delivery_request.h"

#define MBOX_LOCK_WAIT_S	60	/* for all locks of one file */

/*
 * Appends the message of d to dir/name, as the user that this process is;
 * path is its full name, for words.  Tells the runner where and
 * writes only when that is recorded.
 * Returns 0 when res holds the outcome, or -1 when the runner did not answer:
 * then nothing was written and nobody is left to be told.
 */
int	mbox_append(const struct delivery *d, int dir, const char *name,
	    const char *path, unsigned lock_wait_s, struct result *res);
/*
 * The same for d and whatever the runner sends after it (IPC_DELIVER_NEXT),
 * many under one lock with one sync, until the runner closes the channel.  By
 * itself it tells what became of each, so res has an outcome only
 * when it could not begin.  What it was told and did not say was not put
 * in, if this is 0.  Else the exit status: 1 when nobody is left to be told,
 * EX_PROTOCOL for a record out of shape or turn.
 */
int	mbox_serve(const struct delivery *d, int dir, const char *name,
	    const char *path, unsigned lock_wait_s, struct result *res);

#endif
