/*
 * put_aside.h - finds and removes what the runner has put into dead/ and
 * corrupt/.
 */
#ifndef SUBMIT_PUT_ASIDE_H
#define SUBMIT_PUT_ASIDE_H

#include "spool.h"

/*
 * Opens the folder that a message is in, for the caller to close: its name, or
 * NULL with errno, ENOENT if it is in none.
 */
const char *put_aside_open(const struct spool *, const char *id,
	    struct spool *folder);
/* The name of the folder that a message is in, or NULL. */
const char *put_aside_find(const struct spool *, const char *id);
/* The name of the folder that it was removed from, or NULL with errno. */
const char *put_aside_remove(const struct spool *, const char *id);

#endif
