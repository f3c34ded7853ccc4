/*
 * entry.h - queue entries, one for each queued message in memory, and ordered
 * sets of them.
 */
#ifndef QUEUE_ENTRY_H
#define QUEUE_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "message.h"

struct active_message;
struct entry;
struct share;
struct submitter;

enum entry_state {
	ENTRY_NEW,		/* its submitter is not known yet */
	ENTRY_WAITING,		/* until due */
	ENTRY_READY,		/* until its submitter has a place */
	ENTRY_UNTIL_FLUSH,	/* DEFER: only remote recipients are left */
	ENTRY_HELD,		/* until it is released */
	ENTRY_ACTIVE,		/* loaded: message is set */
	ENTRY_POSTPONED,	/* until its share has room */
	ENTRY_GONE		/* to be taken off the list */
};

/* All zero but before at the beginning. */
struct entry_heap {
	struct entry	**list;		/* owned; the entries are lent */
	size_t		 n, cap;
	/* 1 when a comes before b. */
	int		(*before)(const struct entry *a,
			    const struct entry *b);
};

/* What the log or a notice has of it. */
struct entry_reported {
	unsigned char	 is_arrival;
	unsigned char	 is_unwritten;	/* that it is not tried */
	unsigned char	 is_damage;
};

/* Small, there may be many; in one heap at most. */
struct entry {
	char		 id[QUEUE_ID_MAX + 1];
	unsigned char	 state;		/* enum entry_state */
	unsigned char	 is_forced;	/* a flush wants it tried now */
	unsigned char	 is_reachable;	/* so is its destination */
	struct entry_reported reported;
	unsigned char	 flushes;	/* attempts that may not count */
	uint32_t	 at;		/* its place in that heap */
	uint32_t	 scan;		/* the latest that found it */
	uint32_t	 waiting;	/* bits of callers that wait for it */
	uint32_t	 trouble;	/* digest of what the log has of it */
	struct entry_heap *heap;	/* lent: that it is in; or NULL */
	time_t		 due;
	struct active_message *message;	/* owned; or NULL */
	struct submitter *submitter;	/* lent; NULL: not known yet */
	struct share	*share;		/* lent: that it waits for; or NULL */
};

/* The two orders. */
int	entry_is_older(const struct entry *, const struct entry *);
int	entry_is_due_before(const struct entry *, const struct entry *);

void	entry_heap_fini(struct entry_heap *);
/* 0, or -1 without memory: then it is in none. */
int	entry_heap_add(struct entry_heap *, struct entry *);
/* Lent; NULL when there is none. */
struct entry *entry_heap_first(const struct entry_heap *);
/* Takes an entry out of the heap that it is in, if any. */
void	entry_leave(struct entry *);

#endif
