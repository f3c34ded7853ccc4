/*
 * refusal.h - why a root helper does nothing, in words.
 */
#ifndef PRIV_REFUSAL_H
#define PRIV_REFUSAL_H

#include "lib/log.h"
#include "priv/delivery_request.h"

enum refusal {
	REFUSAL_NONE,
	REFUSAL_LOOKUP,		/* the user database cannot be asked now */
	REFUSAL_NO_USER,
	REFUSAL_NO_ALIAS_USER,	/* ALIAS_USER is none */
	REFUSAL_NOT_HERE	/* lists for root; commands and files for root
				 * and the spool user */
};

/* Reports it over the channel and returns the exit status. */
int	refusal_report(const struct delivery *, enum refusal,
	    const struct log *);

#endif
