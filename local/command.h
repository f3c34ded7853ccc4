/*
 * command.h - a command of a user gets a message on its standard input.
 */
#ifndef LOCAL_COMMAND_H
#define LOCAL_COMMAND_H

#include "lib/result.h"
#include "priv/delivery_request.h"

/*
 * Runs text in place of this process, which is the user for good.  Returns
 * only when that failed: 0 when res is set, and the command has not got the
 * message; else the exit status that this process must end with, since our
 * descriptors are closed: 127 when there is no such command and 126 when it
 * cannot be started, as a shell has it, or 1 when the runner is gone.
 */
int	command_run(const struct delivery *, const char *text,
	    struct result *res);

/* 1 when text needs no shell: it is split at blanks and is an argv. */
int	command_is_plain(const char *text);

#endif
