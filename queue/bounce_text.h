/*
 * bounce_text.h - the part of a report that people read.
 */
#ifndef QUEUE_BOUNCE_TEXT_H
#define QUEUE_BOUNCE_TEXT_H

#include "queue/bounce_facts.h"

void	bounce_text_put(struct buf *, const struct bounce *);

#endif
