/*
 * put_aside.h - finds and removes what the runner has put into dead/ and
 * corrupt/.
 */
#ifndef SUBMIT_PUT_ASIDE_H
#define SUBMIT_PUT_ASIDE_H

#include "spool.h"

/* The names of these folders, and NULL. */
extern const char *const put_aside_folders[];

/* The name of the folder that a message is in, or NULL. */
const char *put_aside_find(const struct spool *, const char *id);
/*
 * The name of the folder from which the message was removed, or NULL with
 * errno, ENOENT if it is in none.
 */
const char *put_aside_remove(const struct spool *, const char *id);

#endif
