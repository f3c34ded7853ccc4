/*
 * limits.h - fair shares of all shared resources: places of the active queue,
 * lookups, children that deliver, dma-remote processes, connections.
 * A submitter has at most three quarters of what others leave free, and a
 * message, user or destination two thirds of that; so there is always a place
 * for a submitter without one.  Functions over values and a given time; nothing
 * is stored here.
 */
#ifndef QUEUE_LIMITS_H
#define QUEUE_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Places of the active queue.  Half of them are the share of a destination,
 * which keeps 20 connections busy: a flush of 2000 takes 2160 round trips, the
 * least there can be.  With 200 it takes 2511.
 */
#define ACTIVE_MAX	300
#define POSTPONE_S	30	/* until a postponed message is tried again */
#define SLOW_MS		1000	/* without progress: makes room for others */
#define LOOKUP_LIMIT_MS	90000	/* for the answer to one lookup */

/* The places that a submitter holds, and the most it may hold now. */
struct part {
	unsigned	 held, most;
};

/* Of a submitter that holds so many places while so many are free. */
struct part limits_part(unsigned held, unsigned nfree);
/*
 * 1 when a submitter may have one more place for a message, a user or a
 * destination that holds so many.
 */
int	limits_may_take(const struct part *, unsigned own);

/*
 * A share is what a submitter has of the active queue for one user or
 * destination; postponed: messages in the queue that wait until it has room.
 * 1 when another message may be active; none overtakes a postponed one.
 */
int	limits_has_room(const struct part *, unsigned share,
	    unsigned postponed);
/* 1 when a postponed message may be active again. */
int	limits_is_ready(const struct part *, unsigned share);
/* 1 when messages for a user without progress are to be postponed. */
int	limits_must_yield(const struct part *, int64_t silent_ms);
/* How many of its recipients may wait on for a lookup. */
size_t	limits_pending(const struct part *, size_t pending);
/* How long a lookup of this age may go on; 0: it is late. */
int64_t	limits_lookup_left_ms(const struct part *, size_t pending,
	    int64_t age_ms);
/*
 * 1 when one more destination may wait for a process; busy: those of the
 * submitter that wait or have one; of_range: those of all uids that may be it.
 */
int	limits_may_queue(const struct part *, unsigned busy, unsigned of_range,
	    unsigned most);
/*
 * How long a destination may be silent before it gives its process up to
 * another one; attempts: of its mail before.  Longer each time, so that a host
 * that is only slow is reached.
 */
int64_t	limits_patience_ms(unsigned attempts);
/*
 * Places that a message of so many recipients takes: not more than are left of
 * the part, so that a place stays free for others.
 */
unsigned limits_places(const struct part *, uint32_t recipients);
/*
 * The turn of a submitter's next message, whose last one had that turn, for
 * somebody who is at this turn now.
 */
uint64_t limits_turn(uint64_t last, uint64_t now);
/*
 * The wait after so many attempts, at least one: doubled each time, and spread
 * by the digest of what waits, so that not everything is due in one second.
 */
unsigned limits_retry_s(unsigned attempts, unsigned first_s,
	    unsigned longest_s, uint64_t digest);
/*
 * 1 when a time has come.  One further away than twice the longest back-off was
 * set by a clock that jumped: it has come, too.
 */
int	limits_is_due(time_t due, time_t now, unsigned longest_s);

#endif
