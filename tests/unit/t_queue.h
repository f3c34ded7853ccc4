/*
 * t_queue.h - messages in a spool, for the unit tests of what reads them.
 */
#ifndef TESTS_UNIT_T_QUEUE_H
#define TESTS_UNIT_T_QUEUE_H

#include "spool.h"
#include "tests/unit/t.h"

/* From sender, an hour before now_s, to the recipients up to NULL. */
void	t_message(struct message *, const char *sender, int64_t now_s, ...);
/* Puts it into the queue under id. */
void	t_commit(struct spool *, const char *id, const struct message *,
	    const void *text, size_t len);
/* Names in a folder of the spool below top; 0 when there is no folder. */
int	t_count(const char *top, const char *folder);

#endif
