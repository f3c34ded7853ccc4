/*
 * upstream.h - takes over the queue of upstream dma.
 * Its files are in the spool directory itself; see upstream_file.h.
 */
#ifndef SPOOL_UPSTREAM_H
#define SPOOL_UPSTREAM_H

#include "conf.h"
#include "spool.h"
#include "spool/upstream_file.h"

/* Recipients that are left, and why: each of them has a Q file. */
struct upstream_left {
	unsigned nready;		/* that can be taken over; of a look */
	unsigned n;			/* that cannot */
	char	 name[UPSTREAM_NAME_MAX + 1];	/* of the first */
	char	 reason[128];
};

/*
 * For the runner, before it delivers: queues the messages that can be taken
 * over, and removes upstream's files of them, both on stable storage; damaged
 * files are moved to corrupt/.  Files that are left are for a later call; they
 * are logged unless left has them already.  left: all zero at first.
 */
void	upstream_take(const struct spool *, const struct conf_names *,
	    const struct log *, struct upstream_left *left);
/* Counts what it would take, leave or set aside; changes nothing. */
void	upstream_look(const struct spool *, struct upstream_left *left);

#endif
