/*
 * bounce_fields.h - the part of a report that programs read (RFC 3464).
 */
#ifndef QUEUE_BOUNCE_FIELDS_H
#define QUEUE_BOUNCE_FIELDS_H

#include "queue/bounce_facts.h"

void	bounce_fields_put(struct buf *, const struct bounce *);

#endif
