/*
 * verify.h - sendmail -bv: how addresses would be delivered.
 */
#ifndef SUBMIT_VERIFY_H
#define SUBMIT_VERIFY_H

#include "conf.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/options.h"

/* Prints it; the exit status. */
int	verify_mode(const struct caller *, const struct options *,
	    const struct conf *, const struct spool *);

#endif
