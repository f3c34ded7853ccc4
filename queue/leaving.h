/*
 * leaving.h - when and why a runner exits.
 */
#ifndef QUEUE_LEAVING_H
#define QUEUE_LEAVING_H

#include <stdint.h>

#define REPLACED_MS	600000	/* for a quiet moment, after an update */
#define STOP_MS		10000	/* for deliveries under way, after SIGTERM */

enum leaving_state {
	LEAVING_LAST,		/* when nothing is queued */
	LEAVING_REPLACED,	/* for a successor, when nothing is active */
	LEAVING_STOPPED		/* when deliveries in progress are over */
};

enum leaving_event {
	LEAVING_UPDATE,		/* another dma was installed */
	LEAVING_SIGNAL,		/* SIGTERM */
	LEAVING_STAY		/* mail is queued, and no successor starts */
};

struct leaving {
	enum leaving_state state;
	int64_t		 since_ms;
};

void	leaving_next(struct leaving *, enum leaving_event, int64_t now_ms);
/* 1 when no further delivery may start. */
int	leaving_is_closed(const struct leaving *, int64_t now_ms);
/* 1 when the runner exits even if deliveries are in progress. */
int	leaving_is_late(const struct leaving *, int64_t now_ms);

#endif
