/*
 * check.h - dma check: is this host set up to deliver mail?
 */
#ifndef SUBMIT_CHECK_H
#define SUBMIT_CHECK_H

#include "priv/caller.h"
#include "submit/options.h"

/*
 * Reads every file as the running program does, and prints what is right and
 * what is wrong, in the order in which it is best mended.  The status of the
 * process: 0 when mail can be delivered, EX_CONFIG after an error, EX_USAGE.
 */
int	check_mode(const struct caller *, const struct options *);

#endif
