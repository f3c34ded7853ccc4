/*
 * auth_command.h - passwords and tokens that a command of auth.conf prints.
 */
#ifndef SECRET_H
#define SECRET_H

#include "conf.h"
#include "conf/auth.h"

#define SECRET_WAIT_S	30	/* for a command */

/*
 * Starts the process that runs the commands, for as long as the other end of
 * *sock is open; *sock is -1 when no entry has one.  Before the sandbox: what
 * is in there can run no program.  0, or -1 with errno.
 */
int	auth_command_open(const struct auths *, int *sock);
/*
 * Has the command of an entry of the list run, and waits for it.  The first
 * line becomes its password; what went wrong becomes its trouble, and never
 * has a word of the output in it.  0, or -1 without memory.
 */
int	auth_command_fetch(int sock, struct auths *, const struct auth *);

#endif
