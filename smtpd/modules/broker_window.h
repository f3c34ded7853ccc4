/*
 * broker_window.h - what was published and is not confirmed, by delivery tag.
 * Tags are numbered from 1 in each channel, so a ring finds them at once; an
 * acknowledgement names one, or all up to one.
 */
#ifndef BROKER_WINDOW_H
#define BROKER_WINDOW_H

#include <stddef.h>
#include <stdint.h>

struct broker_window {
	void	**slots;	/* owned; what they point to is lent */
	size_t	  size;		/* a power of two */
	size_t	  limit;	/* in use at most */
	uint64_t  first;	/* the lowest tag that may be in use */
	uint64_t  next;		/* the tag of what is put next */
};

int	broker_window_init(struct broker_window *, size_t limit);
void	broker_window_fini(struct broker_window *);
/* For a new channel: tags begin anew; it must be empty. */
void	broker_window_restart(struct broker_window *);
/* Tags from the first in use to the last: 0 when all is confirmed. */
size_t	broker_window_span(const struct broker_window *);
int	broker_window_is_full(const struct broker_window *);
/* Gives the tag. */
uint64_t broker_window_put(struct broker_window *, void *);
/* What has this tag; NULL if it is not in there (any more). */
void	*broker_window_at(const struct broker_window *, uint64_t tag);
/* The same, and removes it. */
void	*broker_window_take(struct broker_window *, uint64_t tag);
/* Removes the oldest of those with this tag or a lower one; NULL if none. */
void	*broker_window_take_oldest(struct broker_window *, uint64_t tag);

#endif
