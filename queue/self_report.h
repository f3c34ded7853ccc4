/*
 * self_report.h - the report of the runner about itself: QUEUE_STATUS, whose
 * lines are in priv/records.h.
 */
#ifndef QUEUE_SELF_REPORT_H
#define QUEUE_SELF_REPORT_H

#include "queue/active.h"
#include "queue/deliver_remote.h"

/* Bytes at most: destinations beyond that are only counted. */
#define SELF_REPORT_MAX	(60 * 1024)

struct self {
	time_t		 since;
	int		 is_by_init;	/* init started it, not a call */
	const struct active *active;	/* lent */
	const struct destinations *destinations;	/* lent */
};

/* Adds the lines: all, or those that everybody may see. */
void	self_report_put(struct buf *, const struct self *, int sees_all);

#endif
