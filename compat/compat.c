/*
 * compat.c - what some systems lack.
 * Runs as: anyone.  Uses: the descriptors it is given.
 * Promise: no loop up to a limit that the caller chooses.
 */
#include <sys/socket.h>
#if defined(__linux__)
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#endif

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"

#define USUAL_SLACK_NS	50000UL		/* as that of init */

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
	unsigned long long fd;

	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return -1;
	while ((e = readdir(dir)) != NULL) {
		fd = strtoull(e->d_name, NULL, 10);
		if (fd >= (unsigned)lowest && (int)fd != dirfd(dir))
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
compat_start_writing(int fd, off_t from, off_t len)
{
#if defined(__linux__)
	(void)sync_file_range(fd, from, len, SYNC_FILE_RANGE_WRITE);
#else
	(void)fd;
	(void)from;
	(void)len;
#endif
}

void
compat_usual_timers(void)
{
#if defined(__linux__)
	(void)prctl(PR_SET_TIMERSLACK, USUAL_SLACK_NS, 0, 0, 0);
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
compat_signal_fd(int sig)
{
#if defined(__linux__)
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, sig);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd != -1)
		(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return fd;
#else
	(void)sig;
	return -1;
#endif
}

int
compat_clock_fd(void)
{
#if defined(__linux__)
	/* It never ends, so that the clock alone makes it readable. */
	const struct itimerspec never = { .it_value = { INT32_MAX, 0 } };
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd != -1 && timerfd_settime(fd, TFD_TIMER_ABSTIME |
	    TFD_TIMER_CANCEL_ON_SET, &never, NULL) == -1) {
		(void)close(fd);
		return -1;
	}
	return fd;
#else
	return -1;
#endif
}

int
compat_names_fd(void)
{
#if defined(__linux__)
	return inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
#else
	return -1;
#endif
}

int
compat_names_watch(int fd, const char *path)
{
#if defined(__linux__)
	return inotify_add_watch(fd, path, IN_ATTRIB | IN_DELETE |
	    IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVE_SELF) == -1 ? -1 : 0;
#else
	(void)fd;
	(void)path;
	return -1;
#endif
}

int
compat_peer(int fd, uid_t *uid)
{
#if defined(__linux__)
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return -1;
	*uid = peer.uid;
#else
	gid_t gid;

	if (getpeereid(fd, uid, &gid) == -1)
		return -1;
#endif
	/* Of a socket without a peer, or of another family. */
	return *uid == (uid_t)-1 ? -1 : 0;
}
