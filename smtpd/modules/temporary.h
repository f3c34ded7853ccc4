/*
 * temporary.h - files without a name.
 */
#ifndef SMTPD_MODULES_TEMPORARY_H
#define SMTPD_MODULES_TEMPORARY_H

#define TEMPORARY_DIRECTORY	"/var/tmp"

/* A file of the directory's file system, to write and read; -1 with errno. */
int	temporary_open(const char *directory);

#endif
