/*
 * limits.c - who may have how much of the active queue.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: no user, message or destination keeps the active queue for itself
 * while others wait.
 */
#include "queue/limits.h"

#define SHARE_MAX	(ACTIVE_MAX / 2)	/* of one user, destination */
#define SHARE_FEW	16	/* the same when the active queue is crowded */
#define PENDING_FEW	4	/* recipients of a slow lookup, when crowded */

/* More than half of the active queue is in use, so that others may wait. */
static int
is_crowded(unsigned nactive)
{
	return nactive > ACTIVE_MAX / 2;
}

static unsigned
most(unsigned nactive)
{
	return is_crowded(nactive) ? SHARE_FEW : SHARE_MAX;
}

int
limits_has_room(const struct share *s, unsigned nactive)
{
	return s->postponed == 0 && s->active < most(nactive);
}

int
limits_is_ready(const struct share *s, unsigned nactive)
{
	return s->active < most(nactive);
}

/*
 * A quarter at a time, since a look walks the whole queue; three quarters are
 * more than a dma-remote has at once.
 */
int
limits_is_low(const struct share *s, unsigned nactive)
{
	return s->active < most(nactive) / 4 * 3;
}

int
limits_must_yield(unsigned nactive, int64_t silent_ms)
{
	return is_crowded(nactive) && silent_ms > SLOW_MS;
}

size_t
limits_pending(unsigned nactive, size_t pending)
{
	return is_crowded(nactive) && pending > PENDING_FEW ?
	    PENDING_FEW : pending;
}

int64_t
limits_lookup_left_ms(unsigned nactive, size_t pending, int64_t age_ms)
{
	int64_t limit_ms = LOOKUP_LIMIT_MS;

	/* In the first second it is not known yet whether it is slow. */
	if (age_ms < SLOW_MS ||
	    limits_pending(nactive, pending) < pending)
		limit_ms = SLOW_MS;
	return age_ms < limit_ms ? limit_ms - age_ms : 0;
}

int
limits_may_queue(unsigned nactive, unsigned busy, unsigned most_busy)
{
	return busy < most_busy || !is_crowded(nactive);
}

int
limits_is_due(time_t due, time_t now, unsigned longest_s)
{
	return due <= now || due > now + 60 + 2 * (time_t)longest_s;
}
