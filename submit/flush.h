/*
 * flush.h - wakes the runner, and waits until it has tried what is queued.
 */
#ifndef SUBMIT_FLUSH_H
#define SUBMIT_FLUSH_H

#include "lib/log.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/options.h"

/* After a commit: has that message tried; "": whatever is due. */
void	flush_wake(const struct spool *, const struct log *, const char *id);
/*
 * Has what is queued tried (id "": all of it) and returns the exit status
 * when that was done.  watcher: is shown the dialogue meanwhile; or NULL.
 */
int	flush(const struct spool *, const char *id,
	    const struct caller *watcher);
/*
 * The same for one message, in two steps so that nothing of its first attempt
 * is missed.  Announce: before its commit; gives a descriptor, or -1.  Follow:
 * after it; lends that.
 */
int	flush_announce(const struct spool *, const char *id,
	    const struct caller *watcher);
void	flush_follow(const struct spool *, int fd, const char *id,
	    const struct caller *watcher);
/* -q, -qTIME and -qd; the exit status. */
int	flush_mode(const struct caller *, const struct options *,
	    const struct spool *, const struct log *);

#endif
