/*
 * turns.h - the next message to load, by submitter and share.
 */
#ifndef QUEUE_TURNS_H
#define QUEUE_TURNS_H

#include "lib/hash.h"
#include "queue/entry.h"
#include "queue/limits.h"

#define SLOTS	1024	/* of the tables of submitters and shares */

/* The uids that may be one user: a range of user_range(), or one uid. */
struct uid_range {
	struct uid_range *next;
	uint32_t	 first;
	int		 is_wide;	/* other uids may be the same user */
	unsigned	 places;	/* of all its submitters */
	uint64_t	 turn;		/* when it was chosen last, or began */
};

/*
 * A user who has queued messages, by uid; never freed.  There may be many, of
 * one user (subuid(5)).
 */
struct submitter {
	struct submitter *next, *next_in_slot;
	struct uid_range *range;	/* lent */
	uint32_t	 uid;
	unsigned	 places;	/* of the active queue */
	uint64_t	 turn;		/* when it was chosen last, or began */
	struct entry_heap ready;	/* oldest first */
	struct share	*pressed;	/* lent */
};

/*
 * What a submitter has of the active queue for one user or destination; it
 * exists as long as something is active or postponed.
 */
struct share {
	struct share	*next;		/* in its slot */
	struct share	*next_pressed;	/* of it, with postponed messages */
	struct submitter *submitter;	/* lent */
	uint64_t	 key;		/* of submitter and name */
	unsigned	 active;	/* messages, or requests */
	int		 is_pressed;	/* it is in that list */
	struct entry_heap postponed;	/* oldest first */
	uint64_t	 turn;		/* of its last request */
};

/* What is held of a resource that is shared by turn. */
struct held {
	const struct submitter *by;	/* who asks for one more */
	unsigned	 nfree;
	unsigned	 own;		/* for the same message */
	unsigned	 of_submitter, of_range;
};

enum share_kind {
	SHARE_USER,		/* a user or an alias, however spelled */
	SHARE_DESTINATION	/* and its kind is added */
};

struct turns {
	struct submitter *submitters;	/* owned */
	struct submitter *by_uid[SLOTS];	/* lent: the same */
	struct uid_range *ranges;	/* owned */
	struct share	*shares[SLOTS];	/* owned */
	struct hash_key	 key;
	unsigned	 nplaces;	/* of the active queue, in use */
	uint64_t	 turn;		/* the last one */
};

void	turns_init(struct turns *);
void	turns_fini(struct turns *);
/* Lent; NULL without memory. */
struct submitter *turns_submitter(struct turns *, uint32_t uid);
/* A message of it takes places of the active queue, and leaves them. */
void	turns_enter(struct turns *, struct submitter *, unsigned places);
void	turns_leave(struct turns *, struct submitter *, unsigned places);
/* Another one is held. */
void	turns_count(struct held *, const struct submitter *holder);
/* 1 when the one who asks may have one more. */
int	turns_may_take(const struct held *);
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
int	turns_postpone(struct share *, struct entry *);
/*
 * The entry whose message is to be loaded next: the oldest that may be active,
 * of the submitter with the fewest places in the range of uids with the fewest.
 * Among equals it is the turn of the one that has waited longest.  NULL if
 * there is none.
 */
struct entry *turns_next(const struct turns *);
/* A message of it is loaded: that was its turn. */
void	turns_took(struct turns *, struct submitter *);

#endif
