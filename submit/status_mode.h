/*
 * status_mode.h - dma status: how is the mail of this host doing?
 */
#ifndef SUBMIT_STATUS_MODE_H
#define SUBMIT_STATUS_MODE_H

#include "conf.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/options.h"

/*
 * Prints it.  The status of the process: 0, EX_UNAVAILABLE when mail is due
 * and nobody sends it, EX_OSERR when the queue cannot be read, EX_USAGE.
 */
int	status_mode(const struct caller *, const struct options *,
	    const struct conf *, const struct spool *);

#endif
