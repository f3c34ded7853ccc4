/*
 * queue_summary.h - the queue in a few numbers.
 */
#ifndef SUBMIT_QUEUE_SUMMARY_H
#define SUBMIT_QUEUE_SUMMARY_H

#include "submit/queue_walk.h"
#include "submit/tally.h"

/* The next step of a message, by its recipients. */
enum queue_class {
	QUEUE_CLASS_DUE,	/* one is to be tried */
	QUEUE_CLASS_DEFERRED,	/* none before a later time */
	QUEUE_CLASS_HELD,
	QUEUE_CLASS_REPORT,	/* only a report is to be queued */
	QUEUE_CLASS__MAX
};

struct queue_summary {
	size_t		 messages[QUEUE_CLASS__MAX];
	int64_t		 bytes;		/* of all of them */
	time_t		 oldest;	/* arrival; 0: none */
	time_t		 due_since;	/* of the first that is due; or 0 */
	size_t		 unreadable;
	int		 sees_all;	/* not only messages of the caller */
	/* Recipients that were tried and are open: */
	struct tally	 domains;	/* text: the last reply */
	struct tally	 reasons;	/* text: the same, without names */
	struct tally	 codes;
};

const char *queue_class_name(enum queue_class);
/* Pure: adds a message.  sees_all: with details that are root's. */
void	queue_summary_add(struct queue_summary *, const struct message *,
	    time_t now);
size_t	queue_summary_messages(const struct queue_summary *);
/*
 * Fills one from the queue, as that caller sees it.  0, or -1 with errno.
 */
int	queue_summary_read(struct queue_summary *, const struct spool *,
	    const struct caller *, const char *group);

#endif
