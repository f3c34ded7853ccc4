/*
 * forward.h - reads .forward files and lists, and finds an entry in them again.
 */
#ifndef LOCAL_FORWARD_H
#define LOCAL_FORWARD_H

#include "lib/buf.h"
#include "lib/result.h"
#include "priv/delivery_request.h"

/*
 * Both answer over the channel, as that user, and return the exit status of
 * the process: 0, 1 when the runner is gone, EX_PROTOCOL for a message of its
 * that is out of turn.
 */
int	forward_answer(const struct user *, int channel);
/* Sends the lists of that alias; lends the alias file, open, or -1. */
int	forward_answer_lists(const struct user *, const char *alias,
	    int aliases, int channel);
/*
 * Adds the text of the entry that d names to the buf when it is in the user's
 * .forward or in the alias file now; 0, or -1 with the reason.
 */
int	forward_find_entry(const struct delivery *, struct buf *,
	    struct result *);

#endif
