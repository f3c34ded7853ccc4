/*
 * broker_window.c - what was published and is not confirmed, by delivery tag.
 * Runs as: anyone.
 * Uses: memory.
 * Promise: each thing that was put is taken once; a tag that a broker made up
 * finds nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "smtpd/modules/broker_window.h"

int
broker_window_init(struct broker_window *w, size_t limit)
{
	memset(w, 0, sizeof(*w));
	for (w->size = 1; w->size < limit; w->size *= 2)
		;
	w->limit = limit;
	w->first = w->next = 1;
	w->slots = calloc(w->size, sizeof(*w->slots));
	return w->slots == NULL ? -1 : 0;
}

void
broker_window_fini(struct broker_window *w)
{
	free(w->slots);
	memset(w, 0, sizeof(*w));
}

void
broker_window_restart(struct broker_window *w)
{
	w->first = w->next = 1;
}

size_t
broker_window_span(const struct broker_window *w)
{
	return (size_t)(w->next - w->first);
}

int
broker_window_is_full(const struct broker_window *w)
{
	return broker_window_span(w) >= w->limit;
}

static void **
slot(const struct broker_window *w, uint64_t tag)
{
	return &w->slots[tag & (w->size - 1)];
}

uint64_t
broker_window_put(struct broker_window *w, void *thing)
{
	*slot(w, w->next) = thing;
	return w->next++;
}

void *
broker_window_at(const struct broker_window *w, uint64_t tag)
{
	return tag < w->first || tag >= w->next ? NULL : *slot(w, tag);
}

void *
broker_window_take(struct broker_window *w, uint64_t tag)
{
	void *thing = broker_window_at(w, tag);

	if (thing == NULL)
		return NULL;
	*slot(w, tag) = NULL;
	while (w->first < w->next && *slot(w, w->first) == NULL)
		w->first++;
	return thing;
}

void *
broker_window_take_oldest(struct broker_window *w, uint64_t tag)
{
	return tag < w->first ? NULL : broker_window_take(w, w->first);
}
