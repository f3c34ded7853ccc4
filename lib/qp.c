/*
 * qp.c - text as quoted-printable (RFC 2045 6.7).
 * Runs as: anyone.  Uses: nothing.
 * Promise: what comes out is ASCII in short lines, none of which can be taken
 * for a boundary; decoding it gives every byte that went in.
 */
#include "lib/qp.h"

#define QP_COLUMNS	(QP_LINE_MAX - 1)	/* and the "=" of a soft end */
#define AGAIN_COLUMNS	980	/* of 998, with room for "=XX" and "=" */

void
qp_begin(struct qp *q, enum qp_how how)
{
	*q = (struct qp){ .how = how };
}

static void
soft_end(struct qp *q, struct buf *out)
{
	buf_puts(out, "=\n");
	q->column = 0;
}

static void
put_plain(struct qp *q, char c, struct buf *out)
{
	if (q->column + 1 > QP_COLUMNS)
		soft_end(q, out);
	buf_putc(out, c);
	q->column++;
}

static void
put_escaped(struct qp *q, char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char text[3] = { '=', hex[(unsigned char)c >> 4],
	    hex[(unsigned char)c & 15] };

	if (q->how == QP_TEXT && q->column + 3 > QP_COLUMNS)
		soft_end(q, out);
	buf_add(out, text, 3);
	q->column += 3;
}

static void
put_blank(struct qp *q, struct buf *out)
{
	if (q->blank != 0)
		put_plain(q, q->blank, out);
	q->blank = 0;
}

static int
must_escape(const struct qp *q, unsigned char c)
{
	if (c == '-')	/* no line may look like a boundary */
		return q->column == 0 || q->column == QP_COLUMNS;
	return c < 0x20 || c >= 0x7f || c == '=';
}

static void
put_text(struct qp *q, const char *p, size_t n, struct buf *out)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < n; i++) {
		c = (unsigned char)p[i];
		put_blank(q, out);
		if (c == ' ' || c == '\t')
			q->blank = p[i];
		else if (must_escape(q, c))
			put_escaped(q, p[i], out);
		else
			put_plain(q, p[i], out);
	}
}

static void
put_again(struct qp *q, const char *p, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (q->column >= AGAIN_COLUMNS && q->escape == 0)
			soft_end(q, out);
		if ((unsigned char)p[i] >= 0x80) {
			put_escaped(q, p[i], out);
			q->escape = 0;
			continue;
		}
		buf_putc(out, p[i]);
		q->column++;
		if (p[i] == '=')
			q->escape = 1;
		else if (q->escape == 1 && text_hex_digit(p[i]) != -1)
			q->escape = 2;
		else if (q->escape != 1 || (p[i] != ' ' && p[i] != '\t'))
			q->escape = 0;
	}
}

void
qp_text(struct qp *q, const char *p, size_t n, struct buf *out)
{
	if (q->how == QP_TEXT)
		put_text(q, p, n, out);
	else
		put_again(q, p, n, out);
}

void
qp_line_end(struct qp *q, struct buf *out)
{
	/* A blank at the end would be lost on the way. */
	if (q->blank != 0)
		put_escaped(q, q->blank, out);
	buf_putc(out, '\n');
	q->blank = 0;
	q->escape = 0;
	q->column = 0;
}

void
qp_end(struct qp *q, struct buf *out)
{
	if (q->column > 0 || q->blank != 0)
		qp_line_end(q, out);
}
