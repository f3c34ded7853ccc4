/*
 * mailq.h - the queue, as people and monitors read it.
 */
#ifndef MAILQ_H
#define MAILQ_H

#include "conf.h"
#include "priv/caller.h"
#include "spool.h"

/*
 * Prints what the caller may see: all for root and for members of
 * MAILQ_GROUP, their own messages for others.  is_json: an object on a line
 * for each message.  Gives the exit status.
 */
int	mailq_print(const struct caller *, const char *group,
	    const struct spool *, int is_json);

#endif
