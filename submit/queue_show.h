/*
 * queue_show.h - a queued message, and what lies in dead/ and corrupt/.
 */
#ifndef SUBMIT_QUEUE_SHOW_H
#define SUBMIT_QUEUE_SHOW_H

#include "priv/caller.h"
#include "spool.h"

enum show_part {
	SHOW_HEADER,
	SHOW_BODY,
	SHOW_MESSAGE
};

struct show {
	enum show_part	 part;
	int		 is_raw;	/* for a terminal, too */
};

/* A message of the caller's, or any for root; the exit status. */
int	queue_show(const struct caller *, const struct spool *,
	    const struct show *, const char *id);
/* Lists a folder, without the texts; the exit status. */
int	queue_list(const struct caller *, const struct spool *,
	    const char *folder);

#endif
