/*
 * request.h - what the unprivileged processes ask of those beside them.
 */
#ifndef PRIV_REQUEST_H
#define PRIV_REQUEST_H

#include <sys/types.h>

#include "priv/caller.h"
#include "spool.h"

/*
 * For the front end, where init starts none: starts a runner; one too many
 * leaves again at once.  It is of another session and no child to wait for.
 * sp: a process beside it holds the locks of the caller until the runner
 * answers or ends, for a second at most; or NULL.  -1 with errno.
 */
int	request_runner(const struct spool *sp);
/*
 * The same, and the runner waits a moment for the flush that is to come, so
 * that the caller misses nothing of it.  Gives a descriptor (non-blocking) that
 * says why it cannot be a runner, or nothing; -1 when there is none.
 */
int	request_flush_runner(const struct spool *sp);

/* A channel for one request, both ends close-on-exec. */
int	request_channel(int pair[2]);
/*
 * fork(2) with a channel between both processes, of which each gets one end;
 * -1, and so is sock, with errno.
 */
pid_t	request_fork(int *sock);
/*
 * A channel whose ends say, by the kernel, that the caller of this front end
 * made them.  Root as a caller made it before it became the spool user.
 */
int	request_call(const struct caller *, int pair[2]);
/* Who made the other end of a channel; -1 for what is none. */
int	request_channel_of(int fd, uid_t *);
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
/*
 * For the front end: the same for a probe, away from the caller's terminal
 * (blocking).  is_given: by IPC_REMOTE_LOGIN, instead of by auth.conf.
 */
int	request_probe(int is_given);

#endif
