/*
 * active.h - the queue in memory: an entry for each message in it, and the
 * active messages, which are loaded and being delivered.
 */
#ifndef QUEUE_ACTIVE_H
#define QUEUE_ACTIVE_H

#include "queue/backoff.h"
#include "queue/damaged.h"
#include "queue/decide.h"
#include "queue/entry.h"
#include "queue/queue.h"
#include "queue/turns.h"
#include "queue/watch.h"

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
	uint32_t	 scans;
	int64_t		 scanned_ms;	/* the last one that worked */
	int64_t		 scan_took_ms;
	struct entry_heap fresh;	/* ENTRY_NEW, oldest first */
	struct entry_heap backlog;	/* the same, queued for longer */
	struct entry_heap waiting;	/* ENTRY_WAITING, first due first */
	struct backoffs	 backoffs;	/* ENTRY_WAITING, for destinations */
	int		 is_stale;	/* something may have a place */
	int64_t		 full_ms;	/* since when the log has that, or 0 */
	struct active_message *messages;	/* owned, sorted by id */
	struct turns	 turns;
	struct damaged	 damaged;	/* found, and not reported yet */
};

void	active_init(struct active *, const struct queue *, struct watchers *);
/* No message may be active. */
void	active_fini(struct active *);
/* Adds what is new in the queue, and marks what was removed. */
void	active_scan(struct active *);
/* A scan is wanted soon: something was committed. */
void	active_scan_soon(struct active *);
/* Milliseconds until a scan is due; -1: none is wanted. */
int64_t	active_scan_ms(const struct active *);
/* The time of day was set. */
void	active_clock_set(struct active *);
/* 1 when the last one is older than that: then all is looked at again. */
int	active_refresh(struct active *, int64_t limit_ms);
/* Adds that message. */
void	active_add(struct active *, const char *id);
/*
 * A caller that is to wait for entries: its bit, or 0 when it is refused.
 * watchers_ready() is to follow when the entries have it.
 */
unsigned active_watch(struct active *, const struct watcher *);
/*
 * Forces the entries that a watcher requests and may flush: the callers of
 * that set, which may be empty, wait for them.  -1 with errno: the queue
 * cannot be read.
 */
int	active_flush(struct active *, const struct watcher *, unsigned set);
/* The entry of that message; NULL: it is not queued. */
struct entry *active_find(struct active *, const char *id);
/* The uid of its submitter; UID_NOBODY if that cannot be read. */
uint32_t active_submitter(struct active *, struct entry *);
/* The entry is tried now, and the callers of that set wait for it. */
void	active_try(struct active *, struct entry *, unsigned set);
/* The callers of that set wait for the entry. */
void	active_wait_for(struct active *, struct entry *, unsigned set);
/* The entry, which is not active, is on hold by its journal. */
void	active_hold(struct active *, struct entry *);
/* The entry is released, and tried now. */
void	active_unhold(struct active *, struct entry *);

/*
 * Loads due messages by turn, while there are places.  loaded: is called for
 * each before anything else happens to it.
 */
void	active_load(struct active *, void (*loaded)(struct active *,
	    struct active_message *));
/*
 * The message of an entry, which is loaded now in any state, even if no place
 * is free; to be deleted, its text is not read.  NULL: it cannot be read, and
 * the callers that wait have the reason.
 */
struct active_message *active_take(struct active *, struct entry *,
	    enum removal);
/* Milliseconds until something is due; -1: nothing before an event. */
int64_t	active_due_ms(const struct active *);
/* 1 when nothing is active, and nothing may be due. */
int	active_is_idle(const struct active *);
/* 1 when nothing is active, whatever may be due. */
int	active_is_empty(const struct active *);
/* 1 when all that is queued is on hold, or not tried before a flush. */
int	active_is_done(const struct active *);

/*
 * 1 when a message may be delivered to a local user: all that precede it in the
 * queue are loaded, if there are places for them.  A runner that starts does
 * not append to a mailbox before it knows what a killed one left in it.
 */
int	active_is_next(const struct active *, const struct active_message *);
/* The part of the active queue that the submitter of a message has. */
struct part active_part(const struct active *, const struct active_message *);
/*
 * Recipient i is for that user or alias.  0, or -1 when the message is
 * postponed until its submitter has room for that user.
 */
int	active_admit(struct active *, struct active_message *, uint32_t i,
	    const char *name);
/* Postpones a message until the share has room: its entry waits. */
void	active_postpone(struct active_message *, struct share *);
/* Something of a share is over. */
void	active_release(struct active *, struct share *);

/*
 * Something of its spool file failed: 1 when the log should have it, once for
 * each message and reason; once an hour when the whole spool is full.
 */
int	active_is_news(struct active *, struct entry *, const struct result *);
/* Reports to the callers that wait for it why a message is not tried. */
void	active_failed(struct active *, struct active_message *,
	    const char *reason);

/*
 * The attempt is over and the state of its entry is set: frees the message.
 */
void	active_end(struct active *, struct active_message *);
/* Removes the entries that are gone. */
void	active_sweep(struct active *);

#endif
