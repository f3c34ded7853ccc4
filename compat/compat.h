/*
 * compat.h - what some systems lack.
 */
#ifndef COMPAT_H
#define COMPAT_H

/* Closes every descriptor from lowest up; -1 when that can't be done. */
int	compat_close_from(int lowest);

#endif
