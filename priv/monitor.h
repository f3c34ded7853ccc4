/*
 * monitor.h - splits off the front end; starts the helpers and the runner.
 */
#ifndef PRIV_MONITOR_H
#define PRIV_MONITOR_H

#include "priv/cleanup.h"
#include "priv/helper.h"

/* What a runner begins with. */
struct helpers {
	int		 forward, deliver;	/* sockets */
	int		 lock;			/* the spool's lock, held */
	int		 done;			/* flush waiter's pipe, or -1 */
	unsigned	 flags;			/* RUN_* */
	uint32_t	 caller;		/* uid of who asked for it */
	char		 id[QUEUE_ID_MAX + 1];	/* for RUN_FLUSH; "": all */
};

/* What each process does when it is who it should be. */
struct modes {
	/* As the spool user: the whole of a call; gives the exit status.
	 * monitor: for request_seal() and request_runner(). */
	int	(*front_end)(const struct caller *, int monitor, int argc,
		    char **argv);
	/* As the spool user: the runner. */
	int	(*runner)(struct helpers *);
	/* As a user, a process for each request. */
	helper_body *as_user;
};

/* Cleans, splits, and gives the exit status of the call. */
int	monitor_main(int argc, char **argv, const struct modes *);

#endif
