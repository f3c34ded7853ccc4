/*
 * compat.c - what some systems lack.
 * Runs as: anyone.  Uses: the descriptors it is given.
 * Promise: a file whose sync failed is never reported as synced.
 */
#include <sys/socket.h>
#if defined(__linux__)
#include <sys/syscall.h>

#include <linux/aio_abi.h>
#endif

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
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

#if defined(__linux__)
/* Waits for all that was begun; what is not known to be synced is EIO. */
static void
take_syncs(struct compat_syncs *s, int *errors, long begun)
{
	struct io_event events[COMPAT_SYNCS];
	long done = 0, i, n;

	while (done < begun) {
		n = syscall(SYS_io_getevents, s->context, begun - done,
		    begun - done, events, NULL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (i = 0; i < n; i++)
			errors[events[i].data] = (int)-events[i].res;
		done += n;
	}
	s->is_missing = done < begun;
}

/* How many of the first were begun and are over. */
static size_t
sync_together(struct compat_syncs *s, const int *fds, int *errors, size_t n)
{
	struct iocb blocks[COMPAT_SYNCS], *list[COMPAT_SYNCS];
	long begun;
	size_t i;

	if (s->context == 0 && !s->is_missing)
		s->is_missing = syscall(SYS_io_setup, COMPAT_SYNCS,
		    &s->context) == -1;
	if (s->is_missing)
		return 0;
	memset(blocks, 0, sizeof(blocks));
	for (i = 0; i < n; i++) {
		blocks[i].aio_lio_opcode = IOCB_CMD_FDSYNC;
		blocks[i].aio_fildes = (uint32_t)fds[i];
		blocks[i].aio_data = i;
		list[i] = &blocks[i];
		errors[i] = EIO;
	}
	begun = syscall(SYS_io_submit, s->context, (long)n, list);
	if (begun <= 0) {
		s->is_missing = 1;
		return 0;
	}
	take_syncs(s, errors, begun);
	return (size_t)begun;
}
#endif

void
compat_sync_all(struct compat_syncs *s, const int *fds, int *errors, size_t n)
{
	size_t i = 0;

#if defined(__linux__)
	if (n > 1)
		i = sync_together(s, fds, errors, n);
#else
	(void)s;
#endif
	for (; i < n; i++)
		errors[i] = fdatasync(fds[i]) == -1 ? errno : 0;
}
