/*
 * compat.h - what some systems lack.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <sys/types.h>

#include <stddef.h>

#define COMPAT_SYNCS	64	/* files that are synced side by side */

/* Kept by who uses compat_sync_all(); all zero at first. */
struct compat_syncs {
	unsigned long	 context;	/* the kernel's name of it; 0: none */
	int		 is_missing;	/* the system has no such thing */
};

/*
 * fdatasync(2) of n files, at most COMPAT_SYNCS, side by side where the system
 * can: one write of its journal then is for many.  errors[i] is 0 or errno.
 */
void	compat_sync_all(struct compat_syncs *, const int *fds, int *errors,
	    size_t n);
/* Closes every descriptor from lowest up; -1 when that can't be done. */
int	compat_close_from(int lowest);
/* 1 when that user is at the other end of a Unix socket. */
int	compat_peer_is(int fd, uid_t);

#endif
