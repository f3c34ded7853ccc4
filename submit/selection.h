/*
 * selection.h - which queued messages a call is about.
 */
#ifndef SUBMIT_SELECTION_H
#define SUBMIT_SELECTION_H

#include <stdint.h>

#include "message.h"
#include "spool.h"

#define SELECTION_MAX	16	/* conditions of a call */

enum selection_by {
	SELECTION_ID,
	SELECTION_SENDER,
	SELECTION_RECIPIENT
};

/* A part of the queue id or of an address; addresses without regard to case. */
struct selection_text {
	enum selection_by by;
	int		 is_not;	/* it must not be there */
	const char	*text;		/* lent */
};

/* All zero: nothing is selected.  All of its conditions must hold. */
struct selection {
	struct selection_text list[SELECTION_MAX];
	int		 n;
	int		 is_all;	/* without conditions, too */
};

/* Whose messages: of that user, or everybody's. */
struct selection_scope {
	uint32_t	 uid;
	int		 sees_all;
};

/* Adds a condition, with the text lent: NULL, or why it is none. */
const char *selection_add(struct selection *, enum selection_by, int is_not,
	    const char *text);
int	selection_is_given(const struct selection *);
/*
 * Pure: 1 if the conditions hold.  The null sender is "<>"; recipients are
 * those that are not finished, by the address that mailq shows and by the one
 * that the submitter named.
 */
int	selection_takes(const struct selection *, const struct message *);
/*
 * Calls each() for the id of every queued message that is selected, in no
 * order, until it gives something else than 0.  A message that cannot be read
 * is selected only if it need not be.  The result of each(); -1 with errno
 * when the queue cannot be read.
 */
int	selection_each(const struct selection *,
	    const struct selection_scope *, const struct spool *,
	    int (*each)(void *, const char *id), void *arg);

#endif
