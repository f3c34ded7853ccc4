/*
 * compat.c - what some systems lack.
 * Runs as: anyone.  Door to: its own descriptors.
 */
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "compat.h"

/*
 * Kernels before 5.9 have no close_range; the list of open descriptors is
 * walked there.  Never a loop up to the limit: the caller chooses the limit.
 */
#if defined(__linux__)
static int
close_listed(int lowest)
{
	struct dirent *e;
	DIR *dir;
	long fd;

	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return -1;
	while ((e = readdir(dir)) != NULL) {
		fd = strtol(e->d_name, NULL, 10);
		if (fd >= lowest && fd != dirfd(dir))
			close((int)fd);
	}
	closedir(dir);
	return 0;
}
#endif

int
compat_close_from(int lowest)
{
#if defined(__linux__)
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)lowest, ~0U, 0U) == 0)
		return 0;
#endif
	return close_listed(lowest);
#else
	closefrom(lowest);
	return 0;
#endif
}
