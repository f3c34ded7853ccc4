/*
 * transfer.c - text as quoted-printable or base64 (RFC 2045 6).
 * Runs as: anyone.  Uses: nothing.
 * Promise: what comes out is ASCII in short lines, none of which can be taken
 * for a boundary; decoding it gives every octet that went in.
 */
#include <string.h>

#include "lib/base64.h"
#include "lib/transfer.h"

#define QP_COLUMNS	(TRANSFER_COLUMNS - 1)	/* and the "=" of a soft end */
#define AGAIN_COLUMNS	980	/* of 998, with room for "=XX" and "=" */

void
transfer_begin(struct transfer *e, enum transfer_how how)
{
	memset(e, 0, sizeof(*e));
	e->how = how;
}

static void
soft_end(struct transfer *e, struct buf *out)
{
	buf_puts(out, "=\n");
	e->column = 0;
}

static void
put_plain(struct transfer *e, char c, struct buf *out)
{
	if (e->column + 1 > QP_COLUMNS)
		soft_end(e, out);
	buf_putc(out, c);
	e->column++;
}

static void
put_escaped(struct transfer *e, char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char text[3] = { '=', hex[(unsigned char)c >> 4],
	    hex[(unsigned char)c & 15] };

	if (e->how == TRANSFER_QP && e->column + 3 > QP_COLUMNS)
		soft_end(e, out);
	buf_add(out, text, 3);
	e->column += 3;
}

static void
put_blank(struct transfer *e, struct buf *out)
{
	if (e->blank != 0)
		put_plain(e, e->blank, out);
	e->blank = 0;
}

static int
must_escape(const struct transfer *e, unsigned char c)
{
	if (c == '-')	/* no line may look like a boundary */
		return e->column == 0 || e->column == QP_COLUMNS;
	return c < 0x20 || c >= 0x7f || c == '=';
}

static void
qp_text(struct transfer *e, const char *p, size_t n, struct buf *out)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < n; i++) {
		c = (unsigned char)p[i];
		put_blank(e, out);
		if (c == ' ' || c == '\t')
			e->blank = p[i];
		else if (must_escape(e, c))
			put_escaped(e, p[i], out);
		else
			put_plain(e, p[i], out);
	}
}

static int
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') ||
	    (c >= 'a' && c <= 'f');
}

static void
again_text(struct transfer *e, const char *p, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (e->column >= AGAIN_COLUMNS && e->escape == 0)
			soft_end(e, out);
		if ((unsigned char)p[i] >= 0x80) {
			put_escaped(e, p[i], out);
			e->escape = 0;
			continue;
		}
		buf_putc(out, p[i]);
		e->column++;
		if (p[i] == '=')
			e->escape = 1;
		else if (e->escape == 1 && is_hex(p[i]))
			e->escape = 2;
		else if (e->escape != 1 || (p[i] != ' ' && p[i] != '\t'))
			e->escape = 0;
	}
}

static void
put_held(struct transfer *e, struct buf *out)
{
	base64_put(out, e->held, e->nheld);
	buf_putc(out, '\n');
	e->nheld = 0;
}

static void
base64_add(struct transfer *e, const char *p, size_t n, struct buf *out)
{
	size_t take;

	while (n > 0) {
		take = sizeof(e->held) - e->nheld;
		if (take > n)
			take = n;
		memcpy(e->held + e->nheld, p, take);
		e->nheld += take;
		if (e->nheld == sizeof(e->held))
			put_held(e, out);
		p += take;
		n -= take;
	}
}

void
transfer_text(struct transfer *e, const char *p, size_t n, struct buf *out)
{
	if (n == 0)
		return;
	if (e->how == TRANSFER_QP) {
		qp_text(e, p, n, out);
	} else if (e->how == TRANSFER_QP_AGAIN) {
		again_text(e, p, n, out);
	} else {
		if (e->owes_line_end)
			base64_add(e, "\r\n", 2, out);
		e->owes_line_end = 0;
		base64_add(e, p, n, out);
	}
}

void
transfer_line_end(struct transfer *e, struct buf *out)
{
	if (e->how == TRANSFER_BASE64) {
		if (e->owes_line_end)
			base64_add(e, "\r\n", 2, out);
		e->owes_line_end = 1;
		return;
	}
	/* A blank at the end would be lost on the way. */
	if (e->blank != 0)
		put_escaped(e, e->blank, out);
	buf_putc(out, '\n');
	e->blank = 0;
	e->escape = 0;
	e->column = 0;
}

void
transfer_end(struct transfer *e, int has_line_end, struct buf *out)
{
	if (e->how == TRANSFER_BASE64) {
		if (e->owes_line_end && has_line_end)
			base64_add(e, "\r\n", 2, out);
		if (e->nheld > 0)
			put_held(e, out);
	} else if (e->column > 0 || e->blank != 0) {
		transfer_line_end(e, out);
	}
}
