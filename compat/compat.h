/*
 * compat.h - what some systems lack.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <sys/types.h>

/* Closes every descriptor from lowest up; -1 when that cannot be done. */
int	compat_close_from(int lowest);
/* The default action, also for signals that the C library keeps for itself. */
void	compat_default_signal(int sig);
/* 1 when that user is at the other end of a Unix socket. */
int	compat_peer_is(int fd, uid_t);

#endif
