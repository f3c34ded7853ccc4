/*
 * limits.c - fair shares of all shared resources.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: regardless of the demand of others, a submitter, user, message or
 * host that has no place gets one.
 */
#include "queue/limits.h"

#define SHARE_FEW	16	/* of a submitter with many messages */
#define PENDING_FEW	4	/* recipients of a slow lookup, the same */
#define PATIENCE_MS	4000	/* the first time */
#define PATIENCE_STEPS	8	/* after these, it exceeds all time limits */
#define NAMES_PER_PLACE	500	/* recipients: half a MiB of memory */
#define PLACES_MAX	100	/* of one message */
#define DESTINATIONS_MAX 512	/* of a submitter, each is compared with all */
#define DESTINATIONS_OF_RANGE 1024 /* then each uid has one */

/*
 * A submitter may hold three times as many places as are free: the more
 * submitters there are, the fewer each has, and some are always free.
 */
struct part
limits_part(unsigned held, unsigned nfree)
{
	struct part p = { held, held };

	if (3 * nfree > held)
		p.most += (3 * nfree - held + 3) / 4;
	return p;
}

int
limits_may_take(const struct part *p, unsigned own)
{
	return p->held < p->most && 3 * own < 2 * p->most;
}

/* Most of a submitter's part is in use: its other mail may be waiting. */
static int
is_crowded(const struct part *p)
{
	return 3 * p->held > 2 * p->most;
}

static unsigned
most(const struct part *p)
{
	unsigned n = 2 * p->most / 3;

	if (is_crowded(p) && n > SHARE_FEW)
		n = SHARE_FEW;
	return n < 1 ? 1 : n;
}

int
limits_has_room(const struct part *p, unsigned share, unsigned postponed)
{
	return postponed == 0 && share < most(p);
}

int
limits_is_ready(const struct part *p, unsigned share)
{
	return share < most(p);
}

int
limits_must_yield(const struct part *p, int64_t silent_ms)
{
	return is_crowded(p) && silent_ms > SLOW_MS;
}

size_t
limits_pending(const struct part *p, size_t pending)
{
	return is_crowded(p) && pending > PENDING_FEW ? PENDING_FEW : pending;
}

int64_t
limits_lookup_left_ms(const struct part *p, size_t pending, int64_t age_ms)
{
	int64_t limit_ms = LOOKUP_LIMIT_MS;

	/* Whether a lookup is slow is not known in the first second. */
	if (age_ms < SLOW_MS || limits_pending(p, pending) < pending)
		limit_ms = SLOW_MS;
	return age_ms < limit_ms ? limit_ms - age_ms : 0;
}

int
limits_may_queue(const struct part *p, unsigned busy, unsigned of_range,
    unsigned most_busy)
{
	if (of_range >= DESTINATIONS_OF_RANGE)
		return busy == 0;
	return busy < most_busy || (busy < DESTINATIONS_MAX && !is_crowded(p));
}

int64_t
limits_patience_ms(unsigned attempts)
{
	return (int64_t)PATIENCE_MS << (attempts < PATIENCE_STEPS ? attempts :
	    PATIENCE_STEPS);
}

unsigned
limits_places(const struct part *p, uint32_t recipients)
{
	uint32_t n = 1 + recipients / NAMES_PER_PLACE;

	if (n > PLACES_MAX)
		n = PLACES_MAX;
	if (p->held + n > p->most)
		n = p->held < p->most ? p->most - p->held : 1;
	return n;
}

uint64_t
limits_turn(uint64_t last, uint64_t now)
{
	return (last > now ? last : now) + 1;
}

unsigned
limits_retry_s(unsigned attempts, unsigned first_s, unsigned longest_s,
    uint64_t digest)
{
	uint64_t spread, wait_s = first_s;
	unsigned i;

	for (i = 1; i < attempts && wait_s < longest_s; i++)
		wait_s *= 2;
	if (wait_s > longest_s)
		wait_s = longest_s;
	spread = wait_s / 8;
	if (spread > 0)
		wait_s += digest % spread - spread / 2;
	return (unsigned)wait_s;
}

int
limits_is_due(time_t due, time_t now, unsigned longest_s)
{
	return due <= now || due > now + 60 + 2 * (time_t)longest_s;
}
