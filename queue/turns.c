/*
 * turns.c - the next message to load, by submitter and share.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: submitters take turns in the active queue; a postponed message
 * precedes newer ones.
 */
#include <stdlib.h>
#include <string.h>

#include "priv/user.h"
#include "queue/turns.h"

/* Free places that no range of uids takes: a uid has three of four left. */
#define RANGE_LEAVES	4

void
turns_init(struct turns *t)
{
	memset(t, 0, sizeof(*t));
	hash_key_make(&t->key);
}

static void
free_share(struct share *s)
{
	entry_heap_fini(&s->postponed);
	free(s);
}

void
turns_fini(struct turns *t)
{
	struct uid_range *range;
	struct submitter *s;
	struct share *share;
	size_t i;

	for (i = 0; i < SLOTS; i++)
		while ((share = t->shares[i]) != NULL) {
			t->shares[i] = share->next;
			free_share(share);
		}
	while ((s = t->submitters) != NULL) {
		t->submitters = s->next;
		entry_heap_fini(&s->ready);
		free(s);
	}
	while ((range = t->ranges) != NULL) {
		t->ranges = range->next;
		free(range);
	}
}

static struct uid_range *
range_of(struct turns *t, uint32_t uid)
{
	uint32_t first = user_range(uid);
	struct uid_range *range;

	for (range = t->ranges; range != NULL; range = range->next)
		if (range->first == first)
			return range;
	range = calloc(1, sizeof(*range));
	if (range == NULL)
		return NULL;
	range->first = first;
	range->is_wide = user_may_be(first, first + 1);
	range->turn = ++t->turn;
	range->next = t->ranges;
	t->ranges = range;
	return range;
}

struct submitter *
turns_submitter(struct turns *t, uint32_t uid)
{
	struct submitter **slot = &t->by_uid[uid % SLOTS], *s;
	struct uid_range *range;

	for (s = *slot; s != NULL; s = s->next_in_slot)
		if (s->uid == uid)
			return s;
	range = range_of(t, uid);
	s = range == NULL ? NULL : calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->range = range;
	s->uid = uid;
	s->turn = ++t->turn;
	s->ready.before = entry_is_older;
	s->next = t->submitters;
	t->submitters = s;
	s->next_in_slot = *slot;
	*slot = s;
	return s;
}

void
turns_enter(struct turns *t, struct submitter *s, unsigned places)
{
	s->places += places;
	s->range->places += places;
	t->nplaces += places;
}

void
turns_leave(struct turns *t, struct submitter *s, unsigned places)
{
	s->places -= places;
	s->range->places -= places;
	t->nplaces -= places;
}

/*
 * Of the part that all uids of a range may have, one has a part.  A user may
 * have several ranges, and its own uid: after all of these, some are free.
 */
static struct part
part_of(const struct held *h)
{
	unsigned nfree = h->nfree > RANGE_LEAVES ? h->nfree - RANGE_LEAVES : 0;
	struct part range;

	if (!h->by->range->is_wide)
		return limits_part(h->of_range, h->nfree);
	range = limits_part(h->of_range, nfree);
	return limits_part(h->of_submitter, range.most - range.held);
}

void
turns_count(struct held *h, const struct submitter *holder)
{
	h->of_submitter += holder == h->by;
	h->of_range += holder->range == h->by->range;
}

int
turns_may_take(const struct held *h)
{
	struct part part = part_of(h);

	return limits_may_take(&part, h->own);
}

struct part
turns_part(const struct turns *t, const struct submitter *s)
{
	const struct held h = { .by = s, .of_submitter = s->places,
	    .of_range = s->range->places, .nfree = t->nplaces < ACTIVE_MAX ?
	    ACTIVE_MAX - t->nplaces : 0 };

	return part_of(&h);
}

/* ---- shares ---- */

/* The key consists of uid, kind, length of the name, name and login. */
#define KEY_MAX	(sizeof(uint32_t) * 3 + 2048)

static uint64_t
key_of(const struct turns *t, uint32_t uid, unsigned kind, const char *name,
    const char *user)
{
	uint32_t head[3] = { uid, kind, (uint32_t)strnlen(name, 1536) };
	size_t nuser = strnlen(user, 256), n = sizeof(head);
	char key[KEY_MAX];

	memcpy(key, head, sizeof(head));
	text_lower(key + n, name, head[2]);
	n += head[2];
	memcpy(key + n, user, nuser);
	return hash_bytes(&t->key, key, n + nuser);
}

struct share *
turns_share(struct turns *t, struct submitter *by, unsigned kind,
    const char *name, const char *user)
{
	uint64_t key = key_of(t, by->uid, kind, name, user);
	struct share **slot = &t->shares[key % SLOTS], *s;

	for (s = *slot; s != NULL; s = s->next)
		if (s->key == key)
			return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->submitter = by;
	s->key = key;
	s->postponed.before = entry_is_older;
	s->next = *slot;
	*slot = s;
	return s;
}

static void
unpress(struct share *s)
{
	struct share **p;

	for (p = &s->submitter->pressed; *p != s; p = &(*p)->next_pressed)
		;
	*p = s->next_pressed;
	s->is_pressed = 0;
}

void
turns_drop(struct turns *t, struct share *s)
{
	struct share **p;

	if (s->postponed.n > 0)
		return;
	if (s->is_pressed)
		unpress(s);
	if (s->active > 0)
		return;
	for (p = &t->shares[s->key % SLOTS]; *p != s; p = &(*p)->next)
		;
	*p = s->next;
	free_share(s);
}

int
turns_has_room(const struct turns *t, const struct share *s)
{
	struct part p = turns_part(t, s->submitter);

	return limits_has_room(&p, s->active, (unsigned)s->postponed.n);
}

int
turns_postpone(struct share *s, struct entry *e)
{
	if (entry_heap_add(&s->postponed, e) == -1)
		return -1;
	e->share = s;
	if (!s->is_pressed) {
		s->is_pressed = 1;
		s->next_pressed = s->submitter->pressed;
		s->submitter->pressed = s;
	}
	return 0;
}

/* ---- the next ---- */

static struct entry *
older(struct entry *a, struct entry *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	return entry_is_older(a, b) ? a : b;
}

/*
 * It may be loaded: its share has room, and its own attempt is over.  One that
 * is still at another host, which may be silent for long, stops no other.
 */
static struct entry *
first_postponed(const struct share *s, const struct part *p)
{
	const struct entry_heap *h = &s->postponed;
	struct entry *e = entry_heap_first(h), *first = NULL;
	size_t i;

	if (!limits_is_ready(p, s->active))
		return NULL;
	if (e == NULL || e->state == ENTRY_POSTPONED)
		return e;
	for (i = 0; i < h->n; i++)
		if (h->list[i]->state == ENTRY_POSTPONED)
			first = older(first, h->list[i]);
	return first;
}

static struct entry *
next_of(const struct turns *t, const struct submitter *by)
{
	struct entry *e = entry_heap_first(&by->ready);
	struct share *s;
	struct part p;

	if (e == NULL && by->pressed == NULL)
		return NULL;
	p = turns_part(t, by);
	if (!limits_may_take(&p, 0))
		return NULL;
	for (s = by->pressed; s != NULL; s = s->next_pressed)
		e = older(e, first_postponed(s, &p));
	return e;
}

/* There may be more submitters with as many places than there are places. */
static int
precedes(const struct submitter *a, const struct submitter *b)
{
	if (a->range != b->range)
		return a->range->places != b->range->places ?
		    a->range->places < b->range->places :
		    a->range->turn < b->range->turn;
	return a->places != b->places ? a->places < b->places :
	    a->turn < b->turn;
}

struct entry *
turns_next(const struct turns *t)
{
	const struct submitter *s, *chosen = NULL;
	struct entry *e, *best = NULL;

	for (s = t->submitters; s != NULL; s = s->next) {
		if (best != NULL && !precedes(s, chosen))
			continue;
		e = next_of(t, s);
		if (e == NULL)
			continue;
		best = e;
		chosen = s;
	}
	return best;
}

void
turns_took(struct turns *t, struct submitter *s)
{
	s->turn = s->range->turn = ++t->turn;
}
