/*
 * submit.h - argv and standard input -> a committed queue file.
 */
#ifndef SUBMIT_H
#define SUBMIT_H

#include "conf.h"
#include "submit/options.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/flush.h"

struct submitted {
	char	 id[QUEUE_ID_MAX + 1];
	int	 awaits_flush;	/* DEFER: nothing of it is tried now */
	struct flush flush;	/* -D, -v: owned, for flush_follow() */
};

/*
 * Takes the message in and commits it.  Gives the exit status; the last
 * argument is set when it is 0.  What is wrong is told on standard error, and
 * a refusal also in the log.
 */
int	submit_message(const struct caller *, const struct options *,
	    const struct conf *, const struct spool *, const struct log *,
	    struct submitted *);

#endif
