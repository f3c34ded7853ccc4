/*
 * backoff.c - destinations that could not be reached.
 * Runs as: the spool user.  Uses: the clocks.
 * Promise: however many messages wait for such a destination, one attempt is
 * made when a probe is due; each message is looked at when it is due itself,
 * and all of them once the destination was reached.
 */
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "lib/io.h"
#include "queue/backoff.h"
#include "queue/limits.h"

#define BACKOFFS_MAX	8192	/* half a KiB each */
#define PASSES_MAX	256	/* entries of a destination in one call */
#define PROBE_AGAIN_S	60	/* until another message is the probe, as the
				 * first did not get there */
#define KEY_MAX		(sizeof(uint32_t) * 2 + 2048)

void
clocks_get(struct clocks *c)
{
	c->s = time(NULL);
	c->ms = io_clock_ms();
}

void
backoffs_init(struct backoffs *bs)
{
	memset(bs, 0, sizeof(*bs));
	hash_key_make(&bs->key);
}

static void
free_backoff(struct backoff *b)
{
	entry_heap_fini(&b->waiting);
	entry_heap_fini(&b->expired);
	result_fini(&b->reason);
	free(b->name);
	free(b);
}

void
backoffs_fini(struct backoffs *bs)
{
	struct backoff *b;

	while ((b = bs->list) != NULL) {
		bs->list = b->next_all;
		free_backoff(b);
	}
	memset(bs->slots, 0, sizeof(bs->slots));
	bs->n = 0;
}

enum backoff_state
backoff_next(enum backoff_state state, enum backoff_event event)
{
	static const enum backoff_state table[][BACKOFF_EVENT__MAX] = {
		[BACKOFF_RESTING] = { BACKOFF_DUE, BACKOFF_RESTING,
		    BACKOFF_RESTING, BACKOFF_OVER, BACKOFF_RESTING },
		[BACKOFF_DUE] = { BACKOFF_DUE, BACKOFF_PROBING,
		    BACKOFF_RESTING, BACKOFF_OVER, BACKOFF_DUE },
		[BACKOFF_PROBING] = { BACKOFF_PROBING, BACKOFF_PROBING,
		    BACKOFF_RESTING, BACKOFF_OVER, BACKOFF_RESTING },
		[BACKOFF_OVER] = { BACKOFF_OVER, BACKOFF_OVER,
		    BACKOFF_RESTING, BACKOFF_OVER, BACKOFF_OVER },
	};

	return table[state][event];
}

/* ---- the table ---- */

uint64_t
backoffs_key(const struct backoffs *bs, const struct backoff_name *name)
{
	uint32_t head[2] = { (uint32_t)name->kind,
	    (uint32_t)strnlen(name->name, 1536) };
	size_t n = sizeof(head), nuser = strnlen(name->user, 256);
	char key[KEY_MAX];
	uint64_t digest;

	memcpy(key, head, n);
	text_lower(key + n, name->name, head[1]);
	n += head[1];
	memcpy(key + n, name->user, nuser);
	digest = hash_bytes(&bs->key, key, n + nuser);
	return digest == 0 ? 1 : digest;
}

struct backoff *
backoffs_find(const struct backoffs *bs, uint64_t key)
{
	struct backoff *b;

	for (b = bs->slots[key % BACKOFF_SLOTS]; b != NULL; b = b->next)
		if (b->key == key)
			return b;
	return NULL;
}

static int
is_empty(const struct backoff *b)
{
	return b->waiting.n == 0 && b->expired.n == 0;
}

/* Removes a destination that no message waits for; p: its place. */
static void
drop(struct backoffs *bs, struct backoff **p)
{
	struct backoff *b = *p, **slot = &bs->slots[b->key % BACKOFF_SLOTS];

	*p = b->next_all;
	while (*slot != b)
		slot = &(*slot)->next;
	*slot = b->next;
	bs->n--;
	free_backoff(b);
}

/* Destinations that no message waits for, and that are not being probed. */
static void
drop_idle(struct backoffs *bs)
{
	struct backoff **p = &bs->list;

	while (*p != NULL) {
		if (is_empty(*p) && (*p)->state != BACKOFF_PROBING)
			drop(bs, p);
		else
			p = &(*p)->next_all;
	}
}

static struct backoff *
add(struct backoffs *bs, const struct backoff_name *name, uint64_t key)
{
	struct backoff *b, **slot = &bs->slots[key % BACKOFF_SLOTS];

	if (bs->n == BACKOFFS_MAX)
		drop_idle(bs);
	b = bs->n == BACKOFFS_MAX ? NULL : calloc(1, sizeof(*b));
	if (b == NULL || (b->name = strdup(name->name)) == NULL) {
		free(b);
		return NULL;
	}
	b->key = key;
	b->kind = name->kind;
	b->state = BACKOFF_PROBING;
	b->waiting.before = b->expired.before = entry_is_due_before;
	result_init(&b->reason);
	b->next = *slot;
	*slot = b;
	b->next_all = bs->list;
	bs->list = b;
	bs->n++;
	return b;
}

/* ---- events ---- */

static int
has_rested(const struct backoff *b, const struct clocks *now)
{
	return now->s >= b->probe.s || now->ms >= b->probe.ms;
}

int
backoff_admits(struct backoff *b, const struct clocks *now, int is_forced)
{
	/* Of messages for other destinations, too, the first is the probe. */
	if (has_rested(b, now))
		b->state = backoff_next(b->state, BACKOFF_TIME);
	return b->state == BACKOFF_DUE || b->state == BACKOFF_OVER ||
	    (b->state == BACKOFF_PROBING && is_forced);
}

time_t
backoff_until(const struct backoff *b, const struct clocks *now)
{
	return has_rested(b, now) ? now->s + PROBE_AGAIN_S : b->probe.s;
}

static void
rest(struct backoff *b, unsigned wait_s, const struct clocks *now)
{
	/* A second more: the time of day is cut to seconds. */
	b->probe.s = now->s + (time_t)wait_s + 1;
	b->probe.ms = now->ms + (int64_t)wait_s * 1000;
}

struct backoff *
backoffs_failed(struct backoffs *bs, const struct backoff_name *name,
    const struct result *reason, const struct conf_retry *retry,
    const struct clocks *now)
{
	uint64_t key = backoffs_key(bs, name);
	struct backoff *b = backoffs_find(bs, key);

	if (b == NULL && (b = add(bs, name, key)) == NULL)
		return NULL;
	/* Attempts beside the probe fail later, and do not count. */
	if (b->state != BACKOFF_RESTING) {
		b->tries++;
		if (!b->is_flushed || b->failures == 0)
			b->failures++;
		b->is_flushed = 0;
		rest(b, limits_retry_s(b->failures, retry->first_s,
		    retry->max_s, key), now);
	}
	b->state = backoff_next(b->state, BACKOFF_FAILED);
	b->failed_s = now->s;
	result_copy(&b->reason, reason);
	return b;
}

void
backoffs_event(struct backoffs *bs, uint64_t key, enum backoff_event event)
{
	struct backoff *b = backoffs_find(bs, key);

	if (b == NULL)
		return;
	b->state = backoff_next(b->state, event);
	if (event == BACKOFF_REACHED)
		b->failures = b->tries = 0;
}

void
backoffs_renew(struct backoffs *bs, const struct clocks *now, time_t rest_s)
{
	struct backoff *b;

	for (b = bs->list; b != NULL; b = b->next_all) {
		if (now->s >= b->failed_s && now->s - b->failed_s < rest_s)
			continue;
		b->state = backoff_next(b->state, BACKOFF_TIME);
		b->is_flushed = 1;
		b->probe.s = 0;
		b->probe.ms = 0;
	}
}

/* ---- entries ---- */

int
backoffs_wait(struct backoffs *bs, uint64_t key, struct entry *e,
    int is_expired)
{
	struct backoff *b = backoffs_find(bs, key);

	if (b == NULL || b->state == BACKOFF_OVER)
		return -1;
	return entry_heap_add(is_expired ? &b->expired : &b->waiting, e);
}

static int
is_probe_due(const struct backoff *b, const struct clocks *now)
{
	return b->state != BACKOFF_PROBING && !is_empty(b) &&
	    has_rested(b, now);
}

/* Any message, so that one bad message cannot fail every probe. */
static struct entry *
choose_probe(const struct backoffs *bs, const struct backoff *b)
{
	const struct entry_heap *h = b->expired.n > 0 ? &b->expired :
	    &b->waiting;
	const uint64_t attempt[2] = { b->key, b->tries };

	return h->list[hash_bytes(&bs->key, attempt, sizeof(attempt)) % h->n];
}

/* It expired, and another attempt has failed since. */
static struct entry *
first_failed(const struct backoff *b)
{
	struct entry *e = entry_heap_first(&b->expired);

	return e != NULL && b->state != BACKOFF_PROBING &&
	    e->due <= b->failed_s ? e : NULL;
}

/* The next entry to be loaded, other than as a probe; or NULL. */
static struct entry *
first_due(const struct backoff *b, const struct clocks *now)
{
	struct entry *e = entry_heap_first(&b->waiting);

	if (e != NULL && (b->state == BACKOFF_OVER || e->due <= now->s))
		return e;
	if (b->state == BACKOFF_OVER)
		return entry_heap_first(&b->expired);
	return first_failed(b);
}

static void
tick(const struct backoffs *bs, struct backoff *b, const struct clocks *now,
    void (*ready)(void *, struct entry *), void *arg)
{
	struct entry *e;
	int n;

	for (n = 0; n < PASSES_MAX && (e = first_due(b, now)) != NULL; n++)
		ready(arg, e);
	if (b->state == BACKOFF_OVER || !is_probe_due(b, now))
		return;
	b->state = backoff_next(b->state, BACKOFF_TIME);
	rest(b, PROBE_AGAIN_S, now);
	ready(arg, choose_probe(bs, b));
}

void
backoffs_tick(struct backoffs *bs, const struct clocks *now,
    void (*ready)(void *, struct entry *), void *arg)
{
	struct backoff **p = &bs->list;

	while (*p != NULL) {
		tick(bs, *p, now, ready, arg);
		if ((*p)->state == BACKOFF_OVER && is_empty(*p))
			drop(bs, p);
		else
			p = &(*p)->next_all;
	}
}

static int64_t
until_probe_ms(const struct backoff *b, const struct clocks *now)
{
	int64_t left_ms = b->probe.ms - now->ms;
	int64_t left_s = (int64_t)(b->probe.s - now->s);

	if (b->state == BACKOFF_PROBING || is_empty(b))
		return -1;
	if (left_ms <= 0 || left_s <= 0)
		return 0;
	return left_s * 1000 < left_ms ? left_s * 1000 : left_ms;
}

static int64_t
until_ms(const struct backoff *b, const struct clocks *now)
{
	int64_t left = until_probe_ms(b, now), due;
	const struct entry *e = entry_heap_first(&b->waiting);

	if (first_due(b, now) != NULL)
		return 0;
	if (e == NULL)
		return left;
	due = (int64_t)(e->due - now->s) * 1000;
	return left == -1 || due < left ? due : left;
}

int64_t
backoffs_due_ms(const struct backoffs *bs, const struct clocks *now)
{
	int64_t least = -1, left;
	const struct backoff *b;

	for (b = bs->list; b != NULL && least != 0; b = b->next_all) {
		left = b->state == BACKOFF_OVER ? 0 : until_ms(b, now);
		if (left != -1 && (least == -1 || left < least))
			least = left;
	}
	return least;
}
