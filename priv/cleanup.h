/*
 * cleanup.h - nothing of the caller reaches what we do.
 */
#ifndef PRIV_CLEANUP_H
#define PRIV_CLEANUP_H

#include <stdint.h>

#include "lib/addr.h"
#include "message.h"

/* What is known of the caller, taken by value before anything is cleaned. */
struct caller {
	uint32_t	 uid;			/* real uid */
	int		 has_stdin;		/* 0: closed or not readable */
	char		 email[ADDRESS_MAX + 1];	/* EMAIL, or "" */
	char		 logname[LOGIN_MAX + 1];	/* LOGNAME, unchecked */
	char		 name[256];		/* NAME, or "" */
};

/*
 * Cleans signals, limits, descriptors and environment.  0, or an exit status
 * after the reason was written to standard error.
 */
int	cleanup_caller(struct caller *);
/*
 * Leaves session, terminal, standard descriptors and scheduling of the caller;
 * -1 with errno.
 */
int	cleanup_detach(void);
/*
 * The limits of a process that init starts: a command has neither those of
 * the caller that started the runner nor the runner's own.
 */
int	cleanup_fresh_limits(void);
/* Writes what and why to standard error; returns the status. */
int	cleanup_refuse(int status, const char *what, const char *reason);

#endif
