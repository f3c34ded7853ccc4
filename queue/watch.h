/*
 * watch.h - callers that wait: of -q, -D and -v until all was tried, and of
 * dma queue until their command is obeyed.
 */
#ifndef QUEUE_WATCH_H
#define QUEUE_WATCH_H

#include "lib/buf.h"
#include "lib/result.h"
#include "message.h"
#include "priv/records.h"

#define WATCHERS_MAX	32	/* one bit each in a set */
#define WATCHERS_OF_USER 4	/* at most */
#define WATCHERS_OF_RANGE 8	/* of uids that one user may have: it may have
				 * those of two, and its own uid */
#define WATCHERS_OF_ROOT 4	/* places that are kept for root */
#define WATCHER_BYTES_MAX (64 * 1024)	/* of lines that wait for room */

enum watcher_state {
	WATCHER_FREE,
	WATCHER_COMING,		/* its message is not committed yet */
	WATCHER_WAITING,	/* until all was tried */
	WATCHER_ENDING		/* all was tried; its pipe is full */
};

/* A command about some messages, as it came. */
struct watcher_command {
	enum queue_command command;
	struct buf	 ids;		/* owned: each ends in a newline */
	size_t		 next;		/* bytes of them that are done */
	size_t		 line_max;	/* bytes of a line, by their number */
};

/* For callers that show the progress: messages that were tried. */
struct watcher_counts {
	size_t		 sent, deferred, failed;
};

struct watcher {
	enum watcher_state state;
	int		 fd;		/* owned: write end of a pipe */
	char		 id[QUEUE_ID_MAX + 1];	/* "": all messages */
	struct watcher_command *command;	/* owned; NULL: a flush */
	uint32_t	 uid;		/* the kernel names the caller */
	int		 sees_all;	/* others: what they submitted */
	int		 is_watching;	/* it gets the dialogue, too */
	int		 is_counting;	/* it gets the counts */
	struct watcher_counts counts;
	int		 is_cut;	/* the latest line had no room */
	size_t		 left;		/* entries that have its bit, and one
					 * until watchers_ready() */
	int64_t		 since_ms;	/* WATCHER_COMING, WATCHER_ENDING */
	struct buf	 lines;		/* owned: of a command, without room */
	char		 failure[256];	/* why one was not tried; or "" */
};

/* All zero: nobody waits. */
struct watchers {
	struct watcher	 list[WATCHERS_MAX];
	unsigned	 stale;		/* bits that entries may still have,
					 * of callers that are gone */
};

/* The result of an attempt for a queue entry. */
struct tried {
	const char	*id;		/* lent */
	const char	*failure;	/* lent: why it was not tried; or
					 * NULL */
	int		 is_by_command;	/* held or removed: no failure of a
					 * flush of all messages */
	/* Lent: the replies to the callers of each command, "verdict text". */
	const char	*replies[QUEUE__MAX];
};

/*
 * Takes the pipe and the command of a new one, whose state, id, caller,
 * is_watching and is_counting are set.  Gives its bit; 0 when there is no place
 * for it, which is replied.
 */
unsigned watchers_add(struct watchers *, const struct watcher *);
/* Frees a command; NULL is none. */
void	watcher_command_free(struct watcher_command *);
/* Gives the bits of callers that are gone: no entry is to keep them. */
unsigned watchers_take_stale(struct watchers *);
/* Replies to a caller that is not added why nothing is tried ("": its request
 * is done), and closes its pipe. */
void	watcher_refuse(int fd, const char *reason);
/* That many more entries have the bits of this set. */
void	watchers_wait_for(struct watchers *, unsigned set, size_t entries);
/* The requests of that set failed. */
void	watchers_fail(struct watchers *, unsigned set, const char *reason);
/*
 * All entries have the bits that they are to have: a caller without entries
 * gets its reply at once; one that announced a message may now commit it.
 */
void	watchers_ready(struct watchers *, unsigned set);
/* The message that these callers announced is queued: gives their bits. */
unsigned watchers_came(struct watchers *, const char *id, uint32_t uid);
/* 1 when that watcher may have that entry tried: their own, or they see all. */
int	watcher_wants(const struct watcher *, const char *id,
	    uint32_t submitter);
/* An entry with the bits of this set was tried, or was not. */
void	watchers_tried(struct watchers *, unsigned set, const struct tried *);
/* Sends lines of a reply to a command, or keeps them while there is no room. */
void	watcher_put(struct watcher *, const char *lines, size_t len);
/* The same, a line about one message. */
void	watcher_reply(struct watcher *, const char *id, const char *text);
/*
 * The set of callers that watch a message, whose entry has the bits of waiting;
 * and a line for such a set.
 */
unsigned watchers_of(const struct watchers *, const struct message *,
	    unsigned waiting);
void	watchers_show(struct watchers *, unsigned set, const char *line);
/* 1 when one waits, perhaps for a message that is still to come. */
int	watchers_wait(const struct watchers *);
/* Its caller is gone. */
void	watcher_lost(struct watchers *, struct watcher *);
/* 1 when it has lines, or an end, that its pipe had no room for. */
int	watcher_needs_room(const struct watcher *);
/* Ends watchers whose pipes were full; 1 when one is left. */
int	watchers_end(struct watchers *);

#endif
