/*
 * maildir.h - one message into one Maildir.
 */
#ifndef LOCAL_MAILDIR_H
#define LOCAL_MAILDIR_H

#include "lib/result.h"
#include "priv/delivery_request.h"

/*
 * Puts the message of d into the Maildir dir/name, as the user that this
 * process is; it is created where it is missing.  path is the full name.
 * is_shared: others may create names in dir, so links are not followed.  Tells
 * the runner before the message gets its name.
 * Returns 0 when res is set, or -1 when the runner is gone or must not forget
 * the checkpoint: then nothing is to be reported.
 */
int	maildir_put(const struct delivery *d, int dir, const char *name,
	    const char *path, int is_shared, struct result *res);

#endif
