/*
 * temporary.c - files without a name.
 * Runs as: anyone.
 * Uses: the directory.
 * Promise: the file is gone when its last descriptor is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtpd/modules/temporary.h"

int
temporary_open(const char *directory)
{
	char name[4096];
	int fd;

#if defined(O_TMPFILE)
	fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd != -1)
		return fd;
#endif
	if ((size_t)snprintf(name, sizeof(name), "%s/dma-smtpd.XXXXXXXXXX",
	    directory) >= sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd != -1)
		(void)unlink(name);
	return fd;
}
