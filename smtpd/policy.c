/*
 * policy.c - how many children there are, and when another may be forked.
 * Runs as: a generation.  Uses: nothing.
 * Promise: pure; between MIN_SPARE and MAX_SPARE nothing changes, so that one
 * more session or less starts and ends no process.
 */
#include "smtpd/policy.h"

#define STARTING_MAX	16	/* at once: a burst does not stop the machine */
#define RETIRE_PART	2	/* of those too many, in one go */
#define BACKOFF_FIRST_MS 100

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned
policy_to_fork(const struct conf_children *c, const struct policy_view *v)
{
	unsigned n;

	if (v->idle >= c->min_spare || v->all >= c->max_children ||
	    v->starting >= STARTING_MAX)
		return 0;
	n = least(c->min_spare - v->idle, c->max_children - v->all);
	return least(n, STARTING_MAX - v->starting);
}

/* Half of them, and the rest later, should there be another burst. */
unsigned
policy_to_retire(const struct conf_children *c, const struct policy_view *v)
{
	unsigned n = 0;

	if (v->idle > c->max_spare)
		n = (v->idle - c->max_spare + RETIRE_PART - 1) / RETIRE_PART;
	/* A reload lowered MAX_CHILDREN. */
	if (v->all > c->max_children && v->all - c->max_children > n)
		n = v->all - c->max_children;
	return least(n, v->idle);
}

/*
 * Those that have no session are in order, or a burst of connections would be
 * spread before one of them has any.
 */
int
policy_is_preferred(size_t sessions, int is_before, size_t own_sessions)
{
	if (sessions >= POLICY_TOGETHER_MAX)
		return 0;
	return sessions > own_sessions ||
	    (sessions == 0 && own_sessions == 0 && is_before);
}

/* The first one that dies is replaced at once. */
int64_t
policy_backoff_ms(unsigned failures)
{
	int64_t wait_ms = BACKOFF_FIRST_MS;
	unsigned i;

	if (failures < 2)
		return 0;
	for (i = 2; i < failures && wait_ms < POLICY_BACKOFF_MAX_MS; i++)
		wait_ms *= 2;
	return wait_ms < POLICY_BACKOFF_MAX_MS ? wait_ms :
	    POLICY_BACKOFF_MAX_MS;
}

#define NONE		POLICY_PHASE_NONE
#define STARTING	POLICY_PHASE_STARTING
#define SERVING		POLICY_PHASE_SERVING
#define RETIRING	POLICY_PHASE_RETIRING
#define DRAINING	POLICY_PHASE_DRAINING

enum policy_phase
policy_next(enum policy_phase phase, enum policy_event event)
{
	static const enum policy_phase next[POLICY_EVENTS][POLICY_PHASES] = {
		/* NONE, STARTING, SERVING, RETIRING, DRAINING */
		[POLICY_EVENT_FORKED] =
		    { STARTING, STARTING, SERVING, RETIRING, DRAINING },
		[POLICY_EVENT_READY] =
		    { NONE, SERVING, SERVING, RETIRING, DRAINING },
		[POLICY_EVENT_FOLLOWED] =
		    { NONE, STARTING, RETIRING, RETIRING, DRAINING },
		[POLICY_EVENT_TOO_OLD] =
		    { NONE, STARTING, SERVING, DRAINING, DRAINING },
		[POLICY_EVENT_ENDED] = { NONE, NONE, NONE, NONE, NONE },
	};

	return next[event][phase];
}
