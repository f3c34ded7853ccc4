/*
 * preamble.h - the envelope at the start of a queue file.
 * The lines: docs/spool.md.
 */
#ifndef SPOOL_PREAMBLE_H
#define SPOOL_PREAMBLE_H

#include "lib/buf.h"
#include "message.h"

#define PREAMBLE_SIZE	1024	/* bytes before the text, padded with blanks */

/* The state of a file, to notice a change. */
struct preamble_sums {
	uint64_t	 text;		/* 0: version 1, which has none */
	uint32_t	 records;	/* of the journal, at the commit */
};

/* Adds the lines, with the length of the text; -1 with errno. */
int	preamble_put(struct buf *, const struct message *, int64_t length,
	    const struct preamble_sums *);
/* Fills a message from PREAMBLE_SIZE bytes and a NUL, which are cut; or -1. */
int	preamble_get(struct message *, char *text);

#endif
