/*
 * base64.h - text as quoted-printable or base64 (RFC 2045 6), line by line.
 */
#ifndef LIB_ENCODE_H
#define LIB_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define ENCODE_COLUMNS	76	/* octets of a line that is made here */

enum encode_how {
	ENCODE_QP,		/* text */
	ENCODE_QP_AGAIN,	/* what is quoted-printable but for 8-bit octets
				 * and lines that are too long */
	ENCODE_BASE64		/* anything; lines end in CR LF in it */
};

struct encode {
	enum encode_how	 how;
	size_t		 column;	/* octets of the line that are out */
	char		 blank;		/* held back: it may end the line; 0 */
	unsigned	 escape;	/* octets of "=XX" that are out */
	int		 owes_line_end;	/* base64: it may be the boundary's */
	uint8_t		 held[ENCODE_COLUMNS / 4 * 3];
	size_t		 nheld;
};

void	encode_begin(struct encode *, enum encode_how);
/* Any part of a line, without its end. */
void	encode_text(struct encode *, const char *, size_t, struct buf *out);
void	encode_line_end(struct encode *, struct buf *out);
/* 1: the last line end is one of the text, and not of a boundary's line. */
void	encode_end(struct encode *, int has_line_end, struct buf *out);

#endif
