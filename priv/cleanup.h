/*
 * cleanup.h - no limit, descriptor or variable of a caller reaches us.
 */
#ifndef PRIV_CLEANUP_H
#define PRIV_CLEANUP_H

/*
 * Raises what is too low for a call; for_commands: for the runner and what it
 * starts, so that login_limits_set() can lower each.  NULL, or the limit that
 * is too low and cannot be raised.
 */
const char *cleanup_limits(int for_commands);
/*
 * For the runner and what it starts: nothing stays of the descriptors,
 * environment, signals and directory of whoever started it, but that one
 * descriptor, if it is not -1, and with keeps_stderr standard error, if it is
 * something else than standard input; -1 with errno.
 */
int	cleanup_all(int *kept, int keeps_stderr);

#endif
