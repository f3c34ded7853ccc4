/*
 * syscalls.h - denies system calls that a process does not need.
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

enum syscalls_of {
	SYSCALLS_RUNNER,	/* and the commands of auth.conf */
	SYSCALLS_REMOTE		/* dma-remote: far fewer are allowed */
};

/* Denies them permanently; -1 with errno.  Not an error if Linux has no such
 * filter, or if there is none for this processor. */
int	syscalls_confine(enum syscalls_of);

#endif
