/*
 * time_text.h - times as people read them.
 */
#ifndef SUBMIT_TIME_TEXT_H
#define SUBMIT_TIME_TEXT_H

#include <time.h>

#include "lib/buf.h"

/* Adds "Sun, 29 Nov 2026 10:00:00 +0000", in the caller's time zone. */
void	time_text_put(struct buf *, time_t);
/* Adds "40 s", "12 min", "3 h 5 min" or "2 d 4 h"; less than 0 counts as 0. */
void	time_text_put_span(struct buf *, int64_t seconds);
/* Adds "Sun, ... +0000 (in 12 min)". */
void	time_text_put_next(struct buf *, time_t when, time_t now);
/*
 * The same, for a deferred recipient.  While its host cannot be reached, the
 * time that is recorded is not renewed, and may have passed.
 */
void	time_text_put_attempt(struct buf *, time_t due, time_t now);

#endif
