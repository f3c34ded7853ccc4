/*
 * submit_instance.h - a call that was handed over by a client.
 */
#ifndef PRIV_SUBMIT_INSTANCE_H
#define PRIV_SUBMIT_INSTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "priv/caller.h"

/* argv and the environment of a client. */
struct submit_call {
	char	*text;		/* owned: the strings of the vector */
	char	**vector;	/* owned: argv, NULL, the environment, NULL */
	int	 argc;
};

/*
 * As root, the connection being standard input: moves it to
 * CALLER_CONNECTION, closes all others, and gives who is at the other end.
 * -1: that cannot be told.
 */
int	submit_instance_open(uint32_t *uid);
/*
 * From here on as the spool user.  Takes the call, its standard descriptors
 * and its environment in place of our own, and what struct caller holds.  -1:
 * there is nobody to answer to, the process is to end.
 */
int	submit_instance_take(struct caller *, struct submit_call *);
/* The last thing it does: the exit status, and what the client reports. */
void	submit_instance_answer(int status, const char *what,
	    const char *reason);

/*
 * Pure.  Takes text, len bytes, apart; -1 when it is not argc strings and
 * others.
 */
int	submit_call_split(struct submit_call *, char *text, size_t len,
	    uint32_t argc);
void	submit_call_fini(struct submit_call *);

#endif
