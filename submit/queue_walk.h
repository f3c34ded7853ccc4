/*
 * queue_walk.h - the messages of the queue that a caller may see.
 */
#ifndef SUBMIT_QUEUE_WALK_H
#define SUBMIT_QUEUE_WALK_H

#include "priv/caller.h"
#include "spool.h"

/* Ids that are kept and sorted at a time: a queue may have any number. */
#define QUEUE_WALK_GROUP	10000

struct queue_walk {
	const struct spool *sp;
	const struct caller *caller;
	const char	*group;		/* whose members see all; or NULL */
	/* A message, which is lent; other than 0 ends the walk. */
	int		(*each)(struct queue_walk *, const struct message *);
	/* Of a file that cannot be read, if not NULL: what could be, and why
	 * not. */
	int		(*damaged)(struct queue_walk *, const struct message *,
			    const struct result *);
	void		*arg;
	int		 sees_all;	/* set before the first message */
	size_t		 unreadable;	/* files that could not be read */
};

/* 1 for root and members of the group: MAILQ_GROUP, or NULL. */
int	queue_sees_all(const struct caller *, const char *group);
/*
 * In the order of arrival within each group.  0 when all were seen or each()
 * ended it; -1 with errno.
 */
int	queue_walk(struct queue_walk *);

/* The next step of a recipient. */
enum queue_state {
	QUEUE_STATE_NEW,	/* the first attempt is made, or soon will be */
	QUEUE_STATE_DEFERRED,
	QUEUE_STATE_HELD,
	QUEUE_STATE_FAILED,	/* the sender is about to get a report */
	QUEUE_STATE_DELIVERED,	/* the same, of success */
	QUEUE_STATE_DONE	/* nothing */
};

enum queue_state queue_state(const struct message *, uint32_t i);
const char *queue_state_name(enum queue_state);
/*
 * Lines for people.  A name has what follows it; a text becomes clean, and a
 * full reply has what only root and the owner may see.
 */
void	queue_put_line(struct buf *, const char *name, const char *text);
void	queue_put_number(struct buf *, const char *name, int64_t);
void	queue_put_reply(struct buf *, const struct recipient *, int is_full);
void	queue_put_attempts(struct buf *, const struct recipient *, int is_full);
/* When the next step is, or what it is; nothing for new ones. */
void	queue_put_next(struct buf *, const struct message *, uint32_t i,
	    time_t now);

#endif
