/*
 * trusted_open.h - opens a file that nobody else can put another in place of.
 */
#ifndef LIB_TRUSTED_OPEN_H
#define LIB_TRUSTED_OPEN_H

#include <sys/stat.h>

/*
 * open(2) of a full path.  A symbolic link is followed only if it is root's or
 * the owner's, in a directory that root or the owner alone can write, in the
 * middle of the path, too; elsewhere it is ELOOP, and so is a file of several
 * names.  -1 with errno.
 */
int	trusted_open(const char *path, uid_t owner, int flags);
/* 1 when that is root's or the owner's, and nobody else can write it. */
int	trusted_stat(const struct stat *, uid_t owner);

#endif
