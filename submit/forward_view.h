/*
 * forward_view.h - what is in a ~/.forward, as its owner's mail finds it.
 */
#ifndef SUBMIT_FORWARD_VIEW_H
#define SUBMIT_FORWARD_VIEW_H

#include "aliases.h"
#include "priv/caller.h"
#include "priv/records.h"
#include "priv/user.h"
#include "submit/runner_link.h"

struct forward_view {
	const struct spool *sp;		/* lent */
	const struct caller *caller;	/* the same */
	struct runner_link link;	/* to the runner that is asked */
	int		 has_link;
};

struct forward_seen {
	enum forward_verdict verdict;
	struct targets	 targets;	/* owned: of FORWARD_TEXT, lists in
					 * their places */
	char		 reason[512];	/* of FORWARD_REFUSED, FORWARD_LATER */
};

void	forward_view_init(struct forward_view *, const struct spool *,
	    const struct caller *);
void	forward_view_fini(struct forward_view *);
/* 1 when this caller may see the file of that user: theirs; root sees all. */
int	forward_view_may(const struct forward_view *, const struct user *);
/*
 * Asks; 0, or -1 with the reason why nobody could be asked.  targets_fini() is
 * the caller's to call.
 */
int	forward_view(struct forward_view *, const char *name,
	    struct forward_seen *);

#endif
