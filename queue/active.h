/*
 * active.h - the queue in memory: an entry for each message in it, and the
 * active messages, which are loaded and being delivered.
 */
#ifndef QUEUE_ACTIVE_H
#define QUEUE_ACTIVE_H

#include "queue/decide.h"
#include "queue/limits.h"
#include "queue/queue.h"
#include "queue/watch.h"

#define USERS	256	/* shares of users, by digest */

enum entry_state {
	ENTRY_WAITING,		/* until due */
	ENTRY_HELD,		/* DEFER: only remote recipients are left */
	ENTRY_ACTIVE,		/* loaded: message is set */
	ENTRY_POSTPONED,	/* until its share has room */
	ENTRY_GONE		/* to be taken off the list */
};

/* A queued message: small, there may be many. */
struct entry {
	char		 id[QUEUE_ID_MAX + 1];
	enum entry_state state;
	int		 is_forced;	/* a flush wants it tried now */
	int		 is_logged;	/* the log has its arrival */
	time_t		 due;
	uint64_t	 scan;		/* the latest that found it */
	uint64_t	 seen, tried;	/* run numbers: first, last try */
	struct active_message *message;	/* owned; or NULL */
	struct share	*share;		/* lent: that it waits for; or NULL */
};

enum scan_state {
	SCAN_DONE,
	SCAN_WANTED,
	SCAN_FAILED		/* to be repeated in a moment */
};

struct active {
	const struct queue *q;		/* lent */
	struct watchers	*watchers;	/* lent: they wait for entries */
	struct entry	**entries;	/* owned, sorted by id */
	size_t		 n, cap, ngone;
	enum scan_state	 scan;
	uint64_t	 scans;
	int64_t		 scanned_ms;	/* the last one that worked */
	int		 is_stale;	/* something may be due */
	time_t		 look_at;	/* else not before; 0: never */
	uint64_t	 run;		/* number of the latest event */
	struct active_message *messages;	/* owned, sorted by id */
	unsigned	 nmessages;
	uint64_t	 seed;		/* of the digests of users */
	struct share	 users[USERS];
};

void	active_init(struct active *, const struct queue *, struct watchers *);
/* Adds what is new in the queue, and marks what was removed. */
void	active_scan(struct active *);
/* A scan is wanted soon: something was committed. */
void	active_scan_soon(struct active *);
/* Milliseconds until a scan is due; -1: none is wanted. */
int64_t	active_scan_ms(const struct active *);
/* 1 when the last one is older than that: then all is looked at again. */
int	active_refresh(struct active *, int64_t limit_ms);
/* Adds that message. */
void	active_add(struct active *, const char *id);
/* Forces an entry, or all ("").  Gives their number. */
size_t	active_flush(struct active *, const char *id);

/*
 * Loads due messages, oldest first, while there is room.  loaded: is called
 * for each before anything else happens to it.
 */
void	active_load(struct active *, void (*loaded)(struct active *,
	    struct active_message *));
/* Milliseconds until something is due; -1: nothing before an event. */
int64_t	active_due_ms(const struct active *);
/* 1 when nothing is active, and nothing may be due. */
int	active_is_idle(const struct active *);
/* 1 when nothing is active, whatever may be due. */
int	active_is_empty(const struct active *);
/* 1 when nothing is queued but what is held until a flush. */
int	active_is_done(const struct active *);

/* The share of a user, or of an alias.  Lent. */
struct share *active_user(struct active *, const char *name);
/*
 * Recipient i is for somebody with this share.  0, or -1 when the message is
 * postponed until the share has room.
 */
int	active_admit(struct active *, struct active_message *, uint32_t i,
	    struct share *);
/* Postpones a message until the share has room: its entry waits. */
void	active_postpone(struct active_message *, struct share *);
/* Something of a share is over. */
void	active_release(struct active *, struct share *);
/* The postponed messages of a share that goes are ready. */
void	active_forget(struct active *, struct share *);

/*
 * The attempt is over and the state of its entry is set: frees the message.
 */
void	active_end(struct active *, struct active_message *);
/* Takes what is gone off the list. */
void	active_sweep(struct active *);

#endif
