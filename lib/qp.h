/*
 * qp.h - text as quoted-printable (RFC 2045 6.7), line by line.
 */
#ifndef LIB_QP_H
#define LIB_QP_H

#include <stddef.h>

#include "lib/buf.h"

#define QP_LINE_MAX	76	/* bytes of a line that is made here */

enum qp_how {
	QP_TEXT,
	QP_AGAIN		/* what is quoted-printable but for 8-bit bytes
				 * and lines that are too long */
};

struct qp {
	enum qp_how	 how;
	size_t		 column;	/* bytes of the line that are out */
	char		 blank;		/* held back: it may end the line; 0 */
	unsigned	 escape;	/* bytes of "=XX" that are out */
};

void	qp_begin(struct qp *, enum qp_how);
/* Any part of a line, without its end. */
void	qp_text(struct qp *, const char *, size_t, struct buf *out);
void	qp_line_end(struct qp *, struct buf *out);
/* Ends a line that has no end. */
void	qp_end(struct qp *, struct buf *out);

#endif
