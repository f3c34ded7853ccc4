/*
 * turns.h - the next message to load, by submitter and share.
 */
#ifndef QUEUE_TURNS_H
#define QUEUE_TURNS_H

#include "lib/hash.h"
#include "queue/entry.h"
#include "queue/limits.h"

#define SHARES	1024	/* slots of the table of shares */

/* A user who has queued messages, by uid; never freed, as there are few. */
struct submitter {
	struct submitter *next;
	uint32_t	 uid;
	unsigned	 places;	/* of the active queue */
	struct entry_heap ready;	/* oldest first */
};

/*
 * What a submitter has of the active queue for one user or destination; it
 * exists as long as something is active or postponed.
 */
struct share {
	struct share	*next;		/* in its slot */
	struct share	*next_pressed;	/* with postponed messages */
	struct submitter *submitter;	/* lent */
	uint64_t	 key;		/* of submitter and name */
	unsigned	 active;	/* messages, or requests */
	int		 is_pressed;	/* it is in that list */
	struct entry_heap postponed;	/* oldest first */
	uint64_t	 turn;		/* of its last request */
};

enum share_kind {
	SHARE_USER,		/* a user or an alias, however spelled */
	SHARE_DESTINATION	/* and its kind is added */
};

struct turns {
	struct submitter *submitters;	/* owned; the last turn is last */
	struct share	*slots[SHARES];	/* owned */
	struct share	*pressed;	/* lent */
	struct hash_key	 key;
	unsigned	 nplaces;	/* of the active queue, in use */
};

void	turns_init(struct turns *);
void	turns_fini(struct turns *);
/* Lent; NULL without memory. */
struct submitter *turns_submitter(struct turns *, uint32_t uid);
/* What a submitter has of the active queue. */
struct part turns_part(const struct turns *, const struct submitter *);
/*
 * The share of a submitter for that user or, with the login at it, that
 * destination.  Lent until turns_drop().  NULL without memory.
 */
struct share *turns_share(struct turns *, struct submitter *, unsigned kind,
	    const char *name, const char *user);
/* Frees it if nothing is active or postponed. */
void	turns_drop(struct turns *, struct share *);
/* 1 when a share has room for another message. */
int	turns_has_room(const struct turns *, const struct share *);
/* The entry waits until the share has room.  0, or -1 without memory. */
int	turns_postpone(struct turns *, struct share *, struct entry *);
/*
 * The entry whose message is to be loaded next: the oldest that may be active,
 * of the submitter with the fewest places, whose turn it is then.  NULL if
 * there is none.
 */
struct entry *turns_next(struct turns *);

#endif
