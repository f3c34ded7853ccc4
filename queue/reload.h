/*
 * reload.h - root's files: dma.conf, the aliases, the file of SENDER_RELAY.
 */
#ifndef QUEUE_RELOAD_H
#define QUEUE_RELOAD_H

#include <sys/stat.h>

#include "queue/queue.h"

enum reload_file {
	RELOAD_CONF = 1, RELOAD_ALIASES = 2, RELOAD_SENDERS = 4
};

struct reloader {
	struct queue	*q;		/* lent; this alone changes it */
	struct stat	 conf, aliases, senders;	/* as they were read */
	struct stat	 auth;		/* read by dma-remote */
	struct stat	 program;	/* as it was started */
	int		 has_tried_aliases, has_tried_senders;
	unsigned	 unread;	/* enum reload_file: unreadable */
	unsigned	 again;		/* of these: to be tried anew */
};

/* The first time: opens the log.  -1: dma.conf cannot be read. */
int	reload_first(struct reloader *, struct queue *);
/*
 * Reads again what has changed.  1 when what is known of hosts is stale.  The
 * spool stays what it was: the runner's lock is there.
 */
int	reload_changed(struct reloader *);
/* A log file that was moved away is not written any more. */
void	reload_log(struct reloader *);
/* 1 when dma itself was replaced since the last look. */
int	reload_replaced(struct reloader *);
/* What could not be read is tried again: the disk may work now. */
void	reload_retry(struct reloader *);

#endif
