/*
 * monitor.h - the trunk: split, drop for good, request table, fork.
 * The only code that runs as root.  It reads no mail: a caller's descriptors,
 * records of fixed shape, and root's own configuration.
 */
#ifndef PRIV_H
#define PRIV_H

#include "message.h"
#include "lib/log.h"
#include "priv/delivery_request.h"
#include "priv/user.h"

/* What is known of the caller, taken by value before anything is cleaned. */
struct caller {
	uint32_t	 uid;			/* real uid */
	int		 has_stdin;		/* 0: closed or not readable */
	char		 email[ADDRESS_MAX + 1];	/* EMAIL, or "" */
	char		 logname[LOGIN_MAX + 1];	/* LOGNAME, unchecked */
	char		 name[256];		/* NAME, or "" */
};

/* The runner's ends of its branches. */
struct branches {
	int		 forward, deliver;	/* sockets */
	int		 lock;			/* the spool's lock, held */
	int		 done;			/* flush waiter's pipe, or -1 */
	unsigned	 flags;			/* RUN_* */
	uint32_t	 caller;		/* uid of who asked for it */
	char		 id[QUEUE_ID_MAX + 1];	/* for RUN_FLUSH; "": all */
};

/* What the house puts into each process.  Every member is set. */
struct bodies {
	/* As the spool user: the whole of a call; gives the exit status.
	 * trunk: for priv_seal() and priv_run(). */
	int	(*hall)(const struct caller *, int trunk, int argc,
		    char **argv);
	/* As the spool user: the runner. */
	int	(*runner)(struct branches *);
	/* As the user, a process for each request. */
	int	(*forward)(const struct user *, int channel);
	int	(*lists)(const struct user *, const char *alias, int aliases,
		    int channel);
	int	(*deliver)(struct delivery *);
};

/* Cleans, splits, and gives the exit status of the call. */
int	priv_main(int argc, char **argv, const struct bodies *);

/*
 * For the hall.  priv_seal: from here on the caller can stop nothing of ours
 * any more, neither this process nor the trunk; may_end: but SIGINT, SIGTERM
 * and SIGHUP of a terminal or of root still end them.  -1 when the trunk is
 * gone (the caller killed it): then nothing may be committed.
 */
int	priv_seal(int trunk, int may_end);
/* Asks for a runner; lends lock and done (-1: nobody waits). */
int	priv_run(int trunk, int lock, int done, unsigned flags,
	    const char *id);

/* For the runner: a channel for one request, both ends close-on-exec. */
int	priv_channel(int pair[2]);
/*
 * For the runner: starts dma-remote in an address space of its own and gives
 * the socket to it (non-blocking); -1 with errno.
 */
int	priv_spawn_remote(void);

#endif
