/*
 * leaving.c - when and why a runner exits.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: pure: functions over values and a given time; the table is in
 * docs/states.md.
 */
#include "queue/leaving.h"

void
leaving_next(struct leaving *l, enum leaving_event event, int64_t now_ms)
{
	enum leaving_state next = l->state;

	if (event == LEAVING_SIGNAL)
		next = LEAVING_STOPPED;
	else if (event == LEAVING_UPDATE && l->state == LEAVING_LAST)
		next = LEAVING_REPLACED;
	else if (event == LEAVING_STAY && l->state == LEAVING_REPLACED)
		next = LEAVING_LAST;
	if (next != l->state)
		l->since_ms = now_ms;
	l->state = next;
}

int
leaving_is_closed(const struct leaving *l, int64_t now_ms)
{
	return l->state == LEAVING_STOPPED || (l->state == LEAVING_REPLACED &&
	    now_ms - l->since_ms >= REPLACED_MS);
}

int
leaving_is_late(const struct leaving *l, int64_t now_ms)
{
	return l->state == LEAVING_STOPPED && now_ms - l->since_ms >= STOP_MS;
}
