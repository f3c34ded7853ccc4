/*
 * delivery.h - what all kinds of local delivery share.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "priv/delivery_request.h"

#define DELIVERY_GO_MS	60000	/* for the runner, while we hold a lock */

/*
 * What came from the runner is checked once more where it is used; -1 with
 * the reason.
 */
int	delivery_check(const struct delivery *, struct result *);
/* Tells the runner where the message is about to appear
 * (IPC_DELIVER_CHECKPOINT). */
int	delivery_at(const struct delivery *, uint64_t dev, uint64_t ino,
	    int64_t length);
/*
 * The same; 0 when the runner has written it down (IPC_DELIVER_ACKNOWLEDGE),
 * -1 when nobody is left to be told: then nothing may appear.
 */
int	delivery_announce(const struct delivery *, uint64_t dev, uint64_t ino,
	    int64_t length);
/* Tells the runner what became of it (IPC_DELIVER_RESULT); 0 or -1. */
int	delivery_say(const struct delivery *, const struct result *);
/*
 * The message's octets from done on into chunk, which has size octets: how
 * many, 0 at its end, -1 with errno.
 */
long	delivery_read(const struct delivery *, int64_t done, void *chunk,
	    size_t size);
/* 4.2.2 for a full disk or quota, else 4.2.0. */
const char *delivery_code(int error);
/*
 * Makes the names in an open directory durable; 0 also where directories can
 * not be synced.  -1 with errno.
 */
int	delivery_sync_names(int dir);

#endif
