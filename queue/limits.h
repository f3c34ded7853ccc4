/*
 * limits.h - who may have how much of the active queue.
 * One idea: as long as others wait, each user, message and destination has its
 * share.  Functions over values and a given time; nothing is stored here.
 */
#ifndef QUEUE_LIMITS_H
#define QUEUE_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Active messages.  Half of them are the share of a destination, which keeps
 * 20 connections busy: a flush of 2000 takes 2160 round trips, the least there
 * can be.  With 200 it takes 2511.
 */
#define ACTIVE_MAX	300
#define POSTPONE_S	30	/* until a postponed message is tried again */
#define SLOW_MS		1000	/* without progress: makes room for others */
#define LOOKUP_LIMIT_MS	90000	/* for the answer to one lookup */

/*
 * What a user or a destination has of the active queue.  postponed: messages
 * in the queue that wait until it has room.
 */
struct share {
	unsigned	 active, postponed;
};

/* 1 when another message may be active; none overtakes a postponed one. */
int	limits_has_room(const struct share *, unsigned nactive);
/* 1 when a postponed message may be active again. */
int	limits_is_ready(const struct share *, unsigned nactive);
/* 1 when so much is free that it is time to look for postponed messages. */
int	limits_is_low(const struct share *, unsigned nactive);
/* 1 when what waits for somebody without progress is to be postponed. */
int	limits_must_yield(unsigned nactive, int64_t silent_ms);
/* How many of its recipients may wait on for a lookup. */
size_t	limits_pending(unsigned nactive, size_t pending);
/* How long a lookup of this age may go on; 0: it is late. */
int64_t	limits_lookup_left_ms(unsigned nactive, size_t pending,
	    int64_t age_ms);
/* 1 when one more destination may wait for a process; busy: those that do. */
int	limits_may_queue(unsigned nactive, unsigned busy, unsigned most);
/*
 * 1 when a time has come.  One further away than twice the longest back-off was
 * set by a clock that jumped: it has come, too.
 */
int	limits_is_due(time_t due, time_t now, unsigned longest_s);

#endif
