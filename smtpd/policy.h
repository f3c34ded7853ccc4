/*
 * policy.h - how many children there are, and when another may be forked.
 * Pure.
 */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "smtpd/conf.h"

/* Of the children of a generation; those that drain do not count. */
struct policy_view {
	unsigned all;
	unsigned idle;		/* without a session; those that start, too */
	unsigned starting;
};

/* Children to fork now. */
unsigned policy_to_fork(const struct conf_children *,
	    const struct policy_view *);
/* Idle children to retire now. */
unsigned policy_to_retire(const struct conf_children *,
	    const struct policy_view *);

#define POLICY_TOGETHER_MAX	64	/* sessions that share syncs */

/* Whether a child leaves a connection to another one with so many sessions. */
int	policy_is_preferred(size_t sessions, int is_before,
	    size_t own_sessions);

#define POLICY_STABLE_MS	10000	/* of a life: the child was good */
/* A client that knows how to crash a module must not stop mail for long. */
#define POLICY_BACKOFF_MAX_MS	5000

/* A generation, as the parent sees it. */
enum policy_phase {
	POLICY_PHASE_NONE,
	POLICY_PHASE_STARTING,	/* no child of it serves yet */
	POLICY_PHASE_SERVING,	/* it has the new connections */
	POLICY_PHASE_RETIRING,	/* its sessions go on */
	POLICY_PHASE_DRAINING	/* they have a deadline */
};

enum policy_event {
	POLICY_EVENT_FORKED,
	POLICY_EVENT_READY,	/* its children serve */
	POLICY_EVENT_FOLLOWED,	/* those of a younger one do */
	POLICY_EVENT_TOO_OLD,	/* too many younger ones retire */
	POLICY_EVENT_ENDED
};

#define POLICY_PHASES	5
#define POLICY_EVENTS	5

/* See docs/states.md. */
enum policy_phase policy_next(enum policy_phase, enum policy_event);

/*
 * Failures of children in a row, of which each lived for a short time: how long
 * no other is forked.
 */
int64_t	policy_backoff_ms(unsigned failures);

#endif
