/*
 * request.h - what the unprivileged processes ask of those beside them.
 */
#ifndef PRIV_REQUEST_H
#define PRIV_REQUEST_H

#include <sys/types.h>

/*
 * For the front end: starts a runner, which leaves again at once if there is
 * one.  It is of another session and no child to wait for; -1 with errno.
 * for_flush: it waits a moment for the flush that is to come, so that the
 * caller misses nothing of it.
 */
int	request_runner(int for_flush);

/* A channel for one request, both ends close-on-exec. */
int	request_channel(int pair[2]);
/*
 * 1 when that is such a channel, with this user at its other end: anybody
 * else could take what is said over it for a wish of the one who says it.
 */
int	request_is_channel(int fd, uid_t);
/*
 * For the runner: starts dma-remote in an address space of its own and gives
 * the socket to it (non-blocking); -1 with errno.
 */
int	request_remote(void);

#endif
