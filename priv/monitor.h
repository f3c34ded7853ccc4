/*
 * monitor.h - the start of each process: who it becomes.
 */
#ifndef PRIV_MONITOR_H
#define PRIV_MONITOR_H

#include "priv/caller.h"
#include "priv/helper.h"

/* The runner's ends of the sockets of its helpers, and what it is for. */
struct helpers {
	int	 forward, deliver;
	int	 start;		/* start_socket_given() */
	int	 for_flush;	/* of request_flush_runner() */
};

/* What each process does when it is who it should be, for good. */
struct modes {
	/* As the spool user: the whole of a call; gives the exit status. */
	int	(*front_end)(const struct caller *, int argc, char **argv);
	/* As the spool user: the runner; gives the exit status. */
	int	(*runner)(struct helpers *);
	/* As a user, a process for each request. */
	helper_body *as_user;
};

/*
 * The front end; or, called as "dma --runner" or "--runner=flush" by root or
 * the spool user, the helpers and the runner.  Gives the exit status.
 */
int	monitor_main(int argc, char **argv, const struct modes *);

#endif
