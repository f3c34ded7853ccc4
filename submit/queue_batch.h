/*
 * queue_batch.h - a command about queued messages: asks the runner in batches,
 * and reports the result for each message.
 */
#ifndef SUBMIT_QUEUE_BATCH_H
#define SUBMIT_QUEUE_BATCH_H

#include "lib/log.h"
#include "priv/caller.h"
#include "priv/records.h"
#include "spool.h"
#include "submit/progress.h"
#include "submit/runner_link.h"

struct queue_batch_id {
	char		 id[QUEUE_ID_MAX + 1];
	int		 is_answered;
};

struct queue_batch {
	struct runner_link link;
	enum queue_command command;
	unsigned	 flags;		/* FLUSH_WATCH or none */
	const struct log *log;		/* of removals outside of the queue */
	int		 is_root;	/* the caller */
	int		 is_quiet;	/* as -q: only failures to try a message
					 * are reported */
	struct queue_batch_id ids[QUEUE_IDS_MAX];
	size_t		 n;
	unsigned	 asked;		/* runners, about these ids */
	size_t		 given;		/* ids in all */
	int		 status;	/* the worst so far */
	struct progress	 progress;
};

/* 0, or -1 with errno. */
int	queue_batch_init(struct queue_batch *, const struct spool *,
	    const struct caller *, enum queue_command);
void	queue_batch_fini(struct queue_batch *);
/*
 * Adds a message; the runner is asked as soon as a batch is full.  0, or -1
 * after a failure that ends the command, which is reported.
 */
int	queue_batch_add(struct queue_batch *, const char *id);
/* The same, as selection_each() calls it. */
int	queue_batch_each(void *batch, const char *id);
/* Asks about the rest, and gives the exit status. */
int	queue_batch_end(struct queue_batch *);

#endif
