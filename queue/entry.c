/*
 * entry.c - ordered sets of queue entries.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: adding or removing an entry takes logarithmic time.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "queue/entry.h"

int
entry_is_older(const struct entry *a, const struct entry *b)
{
	return strcmp(a->id, b->id) < 0;
}

int
entry_is_due_before(const struct entry *a, const struct entry *b)
{
	return a->due != b->due ? a->due < b->due : entry_is_older(a, b);
}

void
entry_heap_fini(struct entry_heap *h)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		h->list[i]->heap = NULL;
	free(h->list);
	h->list = NULL;
	h->n = h->cap = 0;
}

static void
put(struct entry_heap *h, size_t at, struct entry *e)
{
	h->list[at] = e;
	e->at = (uint32_t)at;
}

/* Moves e from that place towards the first, as far as the order requires. */
static void
rise(struct entry_heap *h, size_t at, struct entry *e)
{
	size_t up;

	for (; at > 0; at = up) {
		up = (at - 1) / 2;
		if (!h->before(e, h->list[up]))
			break;
		put(h, at, h->list[up]);
	}
	put(h, at, e);
}

static void
sink(struct entry_heap *h, size_t at, struct entry *e)
{
	size_t next;

	while ((next = 2 * at + 1) < h->n) {
		if (next + 1 < h->n &&
		    h->before(h->list[next + 1], h->list[next]))
			next++;
		if (!h->before(h->list[next], e))
			break;
		put(h, at, h->list[next]);
		at = next;
	}
	put(h, at, e);
}

int
entry_heap_add(struct entry_heap *h, struct entry *e)
{
	if (h->n >= UINT32_MAX || array_grow(&h->list, &h->cap, h->n,
	    sizeof(*h->list)) == -1)
		return -1;
	e->heap = h;
	rise(h, h->n++, e);
	return 0;
}

struct entry *
entry_heap_first(const struct entry_heap *h)
{
	return h->n == 0 ? NULL : h->list[0];
}

void
entry_leave(struct entry *e)
{
	struct entry_heap *h = e->heap;
	struct entry *last;
	size_t at = e->at;

	if (h == NULL)
		return;
	e->heap = NULL;
	last = h->list[--h->n];
	if (last == e)
		return;
	if (at > 0 && h->before(last, h->list[(at - 1) / 2]))
		rise(h, at, last);
	else
		sink(h, at, last);
}
