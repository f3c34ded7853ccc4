/*
 * setup.h - dma setup: a relay and its login for an address.
 */
#ifndef SUBMIT_SETUP_H
#define SUBMIT_SETUP_H

#include "priv/caller.h"
#include "submit/options.h"

/*
 * Finds the relay, asks for the password, tries both, and has the lines written
 * if the caller agrees.  The status of the process: 0, EX_UNAVAILABLE when no
 * relay took the login, EX_NOPERM, EX_USAGE, EX_CONFIG, EX_NOINPUT,
 * EX_CANTCREAT.
 */
int	setup_mode(const struct caller *, const struct options *);

#endif
