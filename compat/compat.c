/*
 * compat.c - what some systems lack.
 * Runs as: anyone.  Uses: the descriptors it is given.
 * Promise: no loop up to a limit that the caller chooses.
 */
#include <sys/socket.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"

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

void
compat_default_signal(int sig)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	if (sigaction(sig, &sa, NULL) == 0)
		return;
#if defined(__linux__)
	/* glibc's posix_spawn(3) leaves its own two ignored.  0: default. */
	(void)syscall(SYS_rt_sigaction, sig, &sa, NULL,
	    (size_t)(NSIG - 1) / 8);
#endif
}

int
compat_peer_is(int fd, uid_t uid)
{
#if defined(__linux__)
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    peer.uid == uid;
#else
	uid_t euid;
	gid_t egid;

	return getpeereid(fd, &euid, &egid) == 0 && euid == uid;
#endif
}
