/*
 * maildir.h - one message into one Maildir.
 */
#ifndef LOCAL_MAILDIR_H
#define LOCAL_MAILDIR_H

#include "lib/result.h"
#include "priv/delivery_request.h"

/*
 * Puts the message of d into the Maildir dir/name, as the user that this
 * process is; it is made where it is missing.  path is its full name, for
 * words.  is_shared: others may make names in dir, so links are not followed.
 * Tells the runner (IPC_DELIVER_CHECKPOINT) before the message gets its name.
 * Returns 0 when res holds the outcome, or -1 when the runner is gone or must
 * not forget the mark: then nothing is to be said.
 */
int	maildir_put(const struct delivery *d, int dir, const char *name,
	    const char *path, int is_shared, struct result *res);

#endif
