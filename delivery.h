/*
 * delivery.h - what all kinds of local delivery share.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "dma.h"
#include "local.h"

/*
 * Tells the runner (REC_DELIVER_AT) where the message is about to appear; 0
 * when it has written that down (REC_DELIVER_GO), -1 when nobody is left to
 * be told: then nothing may appear.
 */
int	delivery_announce(const struct delivery *, uint64_t dev, uint64_t ino,
	    int64_t length);
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
