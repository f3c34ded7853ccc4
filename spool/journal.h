/*
 * journal.h - what became of a message, as lines at the end of its file.
 * The lines: docs/spool.md.
 */
#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H

#include "lib/buf.h"
#include "message.h"

#define JOURNAL_MAX	(256 * 1024 * 1024)	/* bytes of one that is read */

/* Each adds a line, for spool_append(). */
void	journal_recipient(struct buf *, const struct message *, uint32_t i);
/*
 * What became of it, by its state; is_same: it was deferred with the code and
 * text that the journal has of it already.
 */
void	journal_state(struct buf *, const struct message *, uint32_t i,
	    int is_same);
void	journal_append(struct buf *, const struct message *, uint32_t i);
void	journal_withdrawn(struct buf *, uint32_t i);	/* nothing was left */
/* The report with that id, for the sender of recipient of. */
void	journal_bounce(struct buf *, const char *bounce_id, uint32_t of);
void	journal_reported(struct buf *, uint32_t i);
void	journal_warning(struct buf *, const char *notice_id);	/* of delay */
void	journal_warned(struct buf *);	/* that notice is committed */
void	journal_held(struct buf *, int is_held);	/* or released */
/*
 * All that became of the message, for when notes of it are lost: the journal
 * with this after it folds to what is in memory, whatever it has of it.
 */
void	journal_all(struct buf *, const struct message *);

/*
 * Adds those lines as a file of version 2 has them, each with its checksum;
 * for one of version 1, as they are.  Returns how many there are.
 */
uint32_t journal_put(struct buf *, const struct message *,
	    const struct buf *lines);
/*
 * Folds the whole lines of a journal, which is cut in place, into a message
 * without recipients; *used is where the last whole line ends.  0, or -1 when
 * it is not understood.
 */
int	journal_fold(struct message *, char *, size_t, size_t *used);

#endif
