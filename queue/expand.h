/*
 * expand.h - routes recipients, and expands aliases and .forward files.
 */
#ifndef QUEUE_EXPAND_H
#define QUEUE_EXPAND_H

#include "queue/lookup.h"

struct expander {			/* all lent */
	const struct queue *q;
	struct active	*active;
	struct lookups	*lookups;
};

/*
 * Routes recipient i, which is in STAGE_ROUTE: its next stage is known, or it
 * is decided, expanded or pending; or it stays, to be routed again.
 */
void	expand_route(struct expander *, struct active_message *, uint32_t i);
/* The answer of a lookup for a pending recipient; arg is the expander. */
void	expand_answered(void *arg, const struct lookup *,
	    const struct pending *, const struct lookup_answer *);

#endif
