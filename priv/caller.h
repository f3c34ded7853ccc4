/*
 * caller.h - what is taken from the caller, and what is not.
 */
#ifndef PRIV_CALLER_H
#define PRIV_CALLER_H

#include <stdint.h>

#include "lib/addr.h"
#include "message.h"

/* What is known of the caller, taken by value. */
struct caller {
	uint32_t	 uid;			/* real uid */
	int		 has_stdin;		/* 0: closed or not readable */
	char		 email[ADDRESS_MAX + 1];	/* EMAIL, or "" */
	char		 logname[LOGIN_MAX + 1];	/* LOGNAME, unchecked */
	char		 name[256];		/* NAME, or "" */
};

/* Cleans the rest away and sets all but the uid; -1 when it cannot. */
int	caller_clean(struct caller *);
/*
 * Nothing that a terminal sends changes the exit status any more; for the time
 * from just before a commit on.
 */
void	caller_block_signals(void);
/* For the wait after it: SIGHUP, SIGINT and SIGTERM end it with status 0. */
void	caller_may_leave(void);

#endif
