/*
 * damaged.h - queue files that cannot be understood, until postmaster has a
 * notice of them and they are moved to corrupt/.
 */
#ifndef QUEUE_DAMAGED_H
#define QUEUE_DAMAGED_H

#include "conf.h"
#include "spool.h"

/* Files named in one notice; others are in the next one. */
#define DAMAGED_MAX	1000

struct damaged_file {
	char		 id[QUEUE_ID_MAX + 1];
	char		*reason;	/* owned */
	int		 is_known;	/* a notice names it */
};

/* All zero at the beginning. */
struct damaged {
	struct damaged_file *list;	/* owned */
	size_t		 n, cap;
};

/* Without memory, or with DAMAGED_MAX of them, it is found again later. */
void	damaged_add(struct damaged *, const char *id, const char *reason,
	    int is_known);
/*
 * Queues one notice about all files that are not known yet, and marks them as
 * known.  A damaged notice is not reported in turn.  id: of the notice, or ""
 * if none is to be sent.  0, or -1 with a reason: then none is marked.
 */
int	damaged_report(struct damaged *, const struct conf *,
	    const struct spool *, time_t now, char id[QUEUE_ID_MAX + 1],
	    struct result *);
void	damaged_fini(struct damaged *);

#endif
