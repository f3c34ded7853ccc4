/*
 * compat.h - what some systems lack.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <sys/types.h>

/* Closes every descriptor from lowest up; -1 when that cannot be done. */
int	compat_close_from(int lowest);
/*
 * Has the system write these bytes of a file to disk from now on, without a
 * wait and without a promise: less is left to a later fsync().
 */
void	compat_start_writing(int fd, off_t from, off_t len);
/* Timers end when they are due, whatever slack the caller had. */
void	compat_usual_timers(void);
/* The default action, also for signals that the C library keeps for itself. */
void	compat_default_signal(int sig);
/*
 * Blocks a signal and gives a descriptor that can be read when it came; -1
 * where there is no such thing, and the signal does what it did.
 */
int	compat_signal_fd(int sig);
/*
 * A descriptor that can be read after the time of day was set, or the host was
 * suspended; -1 where there is no such thing.
 */
int	compat_clock_fd(void);
/*
 * The same, after a name in a watched directory was removed, or a watched file
 * was replaced.
 */
int	compat_names_fd(void);
int	compat_names_watch(int fd, const char *path);
/* The user who made the other end of a Unix socket: 0 or -1. */
int	compat_peer(int fd, uid_t *);

#endif
