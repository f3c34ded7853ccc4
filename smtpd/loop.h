/*
 * loop.h - the event loop of a process: descriptors and timers.
 * epoll where there is one, else poll.  A watch or timer is its owner's
 * storage, zeroed before its first use; either may be ended in any callback.
 */
#ifndef SMTPD_LOOP_H
#define SMTPD_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define LOOP_READ	0x1
#define LOOP_WRITE	0x2
#define LOOP_EXCLUSIVE	0x4	/* of several processes that watch a listening
				 * socket, one is woken */

struct loop_watch {
	int	 fd;
	void	(*ready)(void *arg, unsigned events);
	void	*arg;
	unsigned events;	/* private, as is the rest */
	size_t	 index;		/* + 1 in the table of poll; 0: not watched */
};

struct loop_timer {
	void	(*expired)(void *arg);
	void	*arg;
	int64_t	 due_ms;	/* private, as is the rest */
	size_t	 index;		/* + 1 in the heap; 0: not set */
};

struct loop {
	int	 epoll_fd;	/* -1: poll */
	int64_t	 now_ms;	/* monotonic, as of this turn */
	struct loop_watch **watches;	/* owned; those of poll */
	size_t	 nwatches, watches_cap;
	struct loop_timer **heap;	/* owned */
	size_t	 ntimers, heap_cap;
	struct loop_watch *batch[128];	/* events of this turn */
	unsigned batch_events[128];
	size_t	 nbatch, batch_at;
};

int	loop_init(struct loop *);	/* 0, or -1 with errno */
void	loop_fini(struct loop *);
/* Watches for these events; 0 ends it, which must precede close(2). */
int	loop_watch(struct loop *, struct loop_watch *, unsigned events);
/* Due at a time of loop_now(); set again, it is moved. 0, or -1: no memory. */
int	loop_timer_set(struct loop *, struct loop_timer *, int64_t due_ms);
void	loop_timer_cancel(struct loop *, struct loop_timer *);
int64_t	loop_now(const struct loop *);
/* One turn: waits at most until the first timer or limit_ms (-1: for ever). */
int	loop_turn(struct loop *, int limit_ms);

#endif
