/*
 * caller.h - what is taken from the caller, and what is not.
 */
#ifndef PRIV_CALLER_H
#define PRIV_CALLER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "message.h"

/* What is taken of the environment. */
#define CALLER_VARIABLES	"EMAIL", "LOGNAME", "NAME", "TZ"

/* The descriptor of the connection to a client that handed its call over. */
#define CALLER_CONNECTION	3

/* What is known of the caller, taken by value. */
struct caller {
	uint32_t	 uid;			/* real uid */
	int		 has_stdin;		/* 0: closed or not readable */
	int		 is_handed_over;	/* has a client */
	int		 is_fed;		/* input is from the client */
	char		 email[ADDRESS_MAX + 1];	/* EMAIL, or "" */
	char		 logname[LOGIN_MAX + 1];	/* LOGNAME, unchecked */
	char		 name[256];		/* NAME, or "" */
	char		 ignored[32];		/* variables of no use, "A B" */
	int		 channel[2];	/* of root: see request_call(); or 0 */
	int		 writer;	/* of setup_writer_start(); or 0 */
};

/*
 * No descriptor of the caller is left but 0 to 2, which are open: before
 * anything else is opened.  -1 when it cannot.
 */
int	caller_clean_descriptors(struct caller *);
/* The same where no others are known to be open. */
int	caller_fill_descriptors(struct caller *);
/*
 * Cleans the rest away and sets the others; uid, is_handed_over, is_fed are
 * there before.  -1 when it cannot.
 */
int	caller_clean(struct caller *);
/* Adds a variable to those that are of no use. */
void	caller_ignore(char *names, size_t size, const char *name);
/* Before each read of standard input: a client may be the one to write it. */
void	caller_ask_input(const struct caller *);
/* 1: it was the client of a connection, and has ended. */
int	caller_is_gone(const struct caller *);
/*
 * Nothing that a terminal sends changes the exit status any more; for the time
 * from just before a commit on.
 */
void	caller_block_signals(void);
/* For the wait after it: SIGHUP, SIGINT and SIGTERM end it with status 0. */
void	caller_may_leave(const struct caller *);

#endif
