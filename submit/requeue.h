/*
 * requeue.h - puts a message of dead/ or corrupt/ back into the queue.
 */
#ifndef SUBMIT_REQUEUE_H
#define SUBMIT_REQUEUE_H

#include "lib/log.h"
#include "priv/caller.h"
#include "spool.h"

/*
 * For root: with the recipients that have not received it, or with n others.
 * The exit status; what is wrong is reported.
 */
int	requeue(const struct caller *, const struct spool *,
	    const struct log *, const char *id, char *const *recipients, int n);

#endif
