/*
 * request.h - what the unprivileged processes ask of those beside them.
 */
#ifndef PRIV_REQUEST_H
#define PRIV_REQUEST_H

#include <sys/types.h>

/*
 * For the front end.  request_seal: from here on the caller can stop nothing
 * of ours any more, neither this process nor the monitor; may_end: but SIGINT,
 * SIGTERM and SIGHUP of a terminal or of root still end them.  -1 when the
 * monitor is gone (the caller killed it): then nothing may be committed.
 */
int	request_seal(int monitor, int may_end);
/* The signals that the two lines above tell of. */
void	request_block_signals(int may_end);
/* Asks for a runner; lends lock and done (-1: nobody waits). */
int	request_runner(int monitor, int lock, int done, unsigned flags,
	    const char *id);

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
