/*
 * backoff.h - destinations that could not be reached, and the queue entries
 * that wait for them.  One message is the probe; the others wait until it has
 * reached the destination.  Pure: the time is given.
 */
#ifndef QUEUE_BACKOFF_H
#define QUEUE_BACKOFF_H

#include "lib/hash.h"
#include "lib/result.h"
#include "priv/records.h"
#include "queue/entry.h"

#define BACKOFF_SLOTS	1024	/* of the table */

enum backoff_state {
	BACKOFF_RESTING,	/* until a probe is due */
	BACKOFF_DUE,		/* the next message for it is the probe */
	BACKOFF_PROBING,	/* the probe is under way */
	BACKOFF_OVER,		/* it was reached: entries are released */
	BACKOFF__MAX
};

enum backoff_event {
	BACKOFF_TIME,		/* a probe is due, or it is to be tried now */
	BACKOFF_GIVEN,		/* dma-remote has a message for it */
	BACKOFF_FAILED,		/* it could not be reached */
	BACKOFF_REACHED,
	BACKOFF_ENDED,		/* the probe ended without any of these */
	BACKOFF_EVENT__MAX
};

/* The time of day may be set, and the other clock stops in a suspend. */
struct clocks {
	time_t		 s;		/* of day */
	int64_t		 ms;		/* io_clock_ms() */
};

/* A next hop, lent: see struct destination. */
struct backoff_name {
	enum destination_kind kind;
	const char	*name, *user;
};

struct backoff {
	struct backoff	*next;		/* in its slot */
	struct backoff	*next_all;
	uint64_t	 key;		/* of its name; not 0 */
	enum destination_kind kind;
	char		*name;		/* owned */
	enum backoff_state state;
	unsigned	 failures;	/* in a row: the interval */
	unsigned	 tries;		/* the same, and those of flushes */
	int		 is_flushed;	/* the next failure does not count */
	struct result	 reason;	/* of the last failure */
	time_t		 failed_s;	/* when that was */
	struct clocks	 probe;		/* the next: when either has come */
	struct entry_heap waiting;	/* first due first */
	struct entry_heap expired;	/* until one more attempt has failed */
};

/* All zero but key at the beginning. */
struct backoffs {
	struct backoff	*slots[BACKOFF_SLOTS];	/* owned */
	struct backoff	*list;		/* lent: all */
	size_t		 n;
	struct hash_key	 key;
};

struct conf_retry;

void	clocks_get(struct clocks *);

void	backoffs_init(struct backoffs *);
void	backoffs_fini(struct backoffs *);
enum backoff_state backoff_next(enum backoff_state, enum backoff_event);

uint64_t backoffs_key(const struct backoffs *, const struct backoff_name *);
/* Lent until backoffs_tick() or backoffs_failed(); NULL: reached, or never
 * tried. */
struct backoff *backoffs_find(const struct backoffs *, uint64_t key);
/* 1 when a message may be given to it now. */
int	backoff_admits(struct backoff *, const struct clocks *, int is_forced);
/* When a message that it does not admit is to be tried. */
time_t	backoff_until(const struct backoff *, const struct clocks *);
/*
 * No host of a destination could be reached, for this reason.  NULL without
 * memory, or when there are too many: then each of its messages is retried by
 * itself.
 */
struct backoff *backoffs_failed(struct backoffs *,
	    const struct backoff_name *, const struct result *,
	    const struct conf_retry *, const struct clocks *);
/* All other events; the destination may have no backoff. */
void	backoffs_event(struct backoffs *, uint64_t key, enum backoff_event);
/*
 * A flush, or another configuration: those that did not fail in the last rest_s
 * seconds are to be tried now.
 */
void	backoffs_renew(struct backoffs *, const struct clocks *, time_t rest_s);
/*
 * The entry, whose message has recipients for that destination alone, waits
 * for it: until due, or (is_expired) until one more attempt has failed.  0, or
 * -1 without memory or when it is not backed off any more.
 */
int	backoffs_wait(struct backoffs *, uint64_t key, struct entry *,
	    int is_expired);
/*
 * Passes on entries that are to be loaded now, a limited number in each call:
 * ready() takes the entry out of its heap.
 */
void	backoffs_tick(struct backoffs *, const struct clocks *,
	    void (*ready)(void *, struct entry *), void *);
/* Milliseconds until an entry is to be passed on; -1: none is. */
int64_t	backoffs_due_ms(const struct backoffs *, const struct clocks *);

#endif
