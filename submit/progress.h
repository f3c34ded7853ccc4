/*
 * progress.h - how far a retry of the queue has come, on one line of a
 * terminal.
 */
#ifndef SUBMIT_PROGRESS_H
#define SUBMIT_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

struct progress {
	int		 is_shown;	/* standard error is a terminal */
	size_t		 total;		/* messages to be tried; 0: not known */
	size_t		 tried, sent, deferred, failed;
	int		 width;		/* of the line that is there; 0: none */
	int64_t		 drawn_ms;	/* when it was drawn */
};

void	progress_init(struct progress *);
/* One more was tried; status: "sent", "deferred", "failed" or another. */
void	progress_count(struct progress *, const char *status);
/*
 * Takes a line "+left sent deferred failed" of the runner (FLUSH_COUNT), of
 * what is counted there.
 */
void	progress_line(struct progress *, const char *line);
/* Takes the line away: before anything else is written, and in the end. */
void	progress_clear(struct progress *);
/* Pure: "12 of 340 tried, 10 sent, 2 deferred". */
void	progress_put(struct buf *, const struct progress *);

#endif
