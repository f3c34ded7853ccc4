/*
 * watch.h - callers of -q and -v that wait until all was tried.
 */
#ifndef QUEUE_WATCH_H
#define QUEUE_WATCH_H

#include "message.h"

#define WATCHERS_MAX	16

enum watcher_state {
	WATCHER_FREE,
	WATCHER_WAITING,	/* is told when all was tried */
	WATCHER_WATCHING,	/* sees the dialogue, too */
	WATCHER_ENDING		/* all was tried; its pipe is full */
};

struct watcher {
	enum watcher_state state;
	int		 fd;		/* owned: write end of a pipe */
	char		 id[QUEUE_ID_MAX + 1];	/* "": all messages */
	uint64_t	 run;		/* number of its flush */
	size_t		 left;		/* entries that are still to be tried */
	int		 is_coming;	/* its message is not committed yet:
					 * a byte tells the caller to go on */
	int		 is_cut;	/* the latest line had no room */
	uint32_t	 uid;		/* 0 sees all, others their own */
	int64_t		 ending_ms;	/* since; for WATCHER_ENDING */
};

/* All zero: nobody waits. */
struct watchers {
	struct watcher	 list[WATCHERS_MAX];
};

/*
 * Takes the pipe of a new one (-1: nobody waits), whose other members are set
 * but is_cut.  With no entries left, or no free place, it is told at once that
 * all was tried.
 */
void	watchers_add(struct watchers *, const struct watcher *);
/* An entry was tried: seen and tried are the numbers of earlier runs. */
void	watchers_tried(struct watchers *, const char *id, uint64_t seen,
	    uint64_t tried);
/* Who watches a message, as a set of bits; and a line for such a set. */
unsigned watchers_of(const struct watchers *, const struct message *);
void	watchers_show(struct watchers *, unsigned set, const char *line);
/* 1 when one waits, perhaps for a message that is still to come. */
int	watchers_wait(const struct watchers *);
/* Its caller is gone. */
void	watcher_lost(struct watcher *);
/* Ends what could not be ended before; 1 when there is still one. */
int	watchers_end(struct watchers *);

#endif
