/*
 * queue.h - what the modules of the runner share.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "aliases.h"
#include "conf.h"
#include "conf/sender_relay.h"
#include "lib/log.h"
#include "spool.h"

/* The runner's; lent to its modules, which do not change it. */
struct queue {
	struct conf	 conf;
	struct log	 log;
	struct spool	 spool;
	struct aliases	 aliases;
	struct sender_relays senders;
	int		 has_aliases;	/* 0: they cannot be read */
	int		 has_senders;	/* 0: they cannot be read */
};

#define LINGER_MS	500	/* an idle child of a local helper stays */

#endif
