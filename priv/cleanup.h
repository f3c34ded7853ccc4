/*
 * cleanup.h - no limit, descriptor or schedule of a caller reaches us.
 */
#ifndef PRIV_CLEANUP_H
#define PRIV_CLEANUP_H

/*
 * Raises what is too low for a call; for_commands: for the runner and what it
 * starts, so that login_limits_set() can lower each.  -1 after the reason was
 * written to standard error.
 */
int	cleanup_limits(int for_commands);
/*
 * For the runner and what it starts: nothing stays of the descriptors,
 * environment, signals, directory and scheduling of whoever started it; -1
 * with errno.
 */
int	cleanup_all(void);

#endif
