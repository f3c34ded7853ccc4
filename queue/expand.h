/*
 * expand.h - routes recipients, and expands aliases and .forward files.
 */
#ifndef QUEUE_EXPAND_H
#define QUEUE_EXPAND_H

#include "queue/lookup.h"

/*
 * Routes recipient i, which is in STAGE_ROUTE: its next stage is known, or it
 * is decided, expanded or pending; or it stays, to be routed again.
 */
void	expand_route(struct lookups *, struct active_message *, uint32_t i);
/* The answer of a lookup for a pending recipient. */
void	expand_answered(struct lookups *, const struct lookup *,
	    const struct pending *, const struct lookup_answer *);

#endif
