/*
 * reload.h - root's files: dma.conf, the aliases, the file of SENDER_RELAY.
 */
#ifndef QUEUE_RELOAD_H
#define QUEUE_RELOAD_H

#include <sys/stat.h>

#include "queue/queue.h"

struct reloader {
	struct queue	*q;		/* lent; this alone changes it */
	struct stat	 conf, aliases, senders;	/* as they were read */
	int		 has_tried_aliases, has_tried_senders;
};

/* The first time: opens the log.  -1: dma.conf cannot be read. */
int	reload_first(struct reloader *, struct queue *);
/*
 * Reads again what has changed.  1 when what is known of hosts is stale.  The
 * spool stays what it was: the runner's lock is there.
 */
int	reload_changed(struct reloader *);
/* Aliases that could not be read are tried again. */
void	reload_retry(struct reloader *);

#endif
