/*
 * flush.h - wakes the runner, and waits until it has tried what is queued.
 */
#ifndef SUBMIT_FLUSH_H
#define SUBMIT_FLUSH_H

#include "priv/cleanup.h"
#include "spool.h"
#include "submit/options.h"

/* After a commit: has that message tried; "": whatever is due. */
void	flush_wake(const struct spool *, int monitor, const char *id);
/*
 * Has what is queued tried (id "": all of it) and returns the exit status
 * when that was done.  watcher: is shown the dialogue meanwhile; or NULL.
 */
int	flush(const struct spool *, int monitor, const char *id,
	    const struct caller *watcher);
/* -q, -qTIME and -qd; the exit status. */
int	flush_mode(const struct caller *, const struct options *,
	    const struct spool *, int monitor);

#endif
