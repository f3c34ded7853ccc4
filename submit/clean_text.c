/*
 * clean_text.c - a text of a stranger, made safe for a terminal.
 * Runs as: anyone.  Uses: nothing.
 * Promise: no sequence that a terminal obeys comes out.
 */
#include "lib/addr.h"
#include "submit/clean_text.h"

#define UTF8_MAX	4	/* bytes of a character */

static int
is_plain(char c)
{
	return c == '\n' || c == '\t' || (c >= ' ' && c < '\177');
}

/* C1 controls, and what changes the direction of the text after it. */
static int
is_harmful(uint32_t point)
{
	return point < 0xa0 || (point >= 0x202a && point <= 0x202e) ||
	    (point >= 0x2066 && point <= 0x2069);
}

static void
put_octal(struct buf *out, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf_printf(out, "\\%03o", (unsigned char)p[i]);
}

size_t
clean_text(struct buf *out, const char *text, size_t len, int is_end)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = 1;
		if (is_plain(text[i])) {
			buf_putc(out, text[i]);
			continue;
		}
		if ((unsigned char)text[i] >= 0x80)
			n = addr_utf8_len(text + i, len - i);
		if (n == 0 && len - i < UTF8_MAX && !is_end)
			break;
		if (n > 1 && !is_harmful(addr_utf8_point(text + i, n))) {
			buf_add(out, text + i, n);
			continue;
		}
		n += n == 0;
		put_octal(out, text + i, n);
	}
	return i;
}
