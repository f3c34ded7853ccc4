/*
 * notice.h - events outside of the runner, for which it would otherwise have to
 * poll: the time of day is set, the host was suspended, a name in the spool
 * directory is removed, dma is replaced.
 */
#ifndef QUEUE_NOTICE_H
#define QUEUE_NOTICE_H

struct notices {
	int	 clock;		/* owned: can be read when the time is set */
	int	 files;		/* owned: the same, for names */
};

/* -1 where there is no such thing. */
void	notices_open(struct notices *, const char *spool, const char *program);
/* 0: the runner has to look again from time to time. */
int	notices_are_complete(const struct notices *);
/* Reads, and drops, the notices of one of them. */
void	notices_take(int fd);

#endif
