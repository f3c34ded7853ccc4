/*
 * transfer.h - text as quoted-printable or base64 (RFC 2045 6), line by line.
 */
#ifndef LIB_TRANSFER_H
#define LIB_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define TRANSFER_COLUMNS	76	/* octets of a line that is made here */

enum transfer_how {
	TRANSFER_QP,		/* text */
	TRANSFER_QP_AGAIN,	/* what is quoted-printable but for 8-bit octets
				 * and lines that are too long */
	TRANSFER_BASE64		/* anything; lines end in CR LF in it */
};

struct transfer {
	enum transfer_how	 how;
	size_t		 column;	/* octets of the line that are out */
	char		 blank;		/* held back: it may end the line; 0 */
	unsigned	 escape;	/* octets of "=XX" that are out */
	int		 owes_line_end;	/* base64: it may be the boundary's */
	uint8_t		 held[TRANSFER_COLUMNS / 4 * 3];
	size_t		 nheld;
};

void	transfer_begin(struct transfer *, enum transfer_how);
/* Any part of a line, without its end. */
void	transfer_text(struct transfer *, const char *, size_t, struct buf *out);
void	transfer_line_end(struct transfer *, struct buf *out);
/* 1: the last line end is one of the text, and not of a boundary's line. */
void	transfer_end(struct transfer *, int has_line_end, struct buf *out);

#endif
