/*
 * smtp_data_fuzz.c - any bytes as the text of a message.  The first byte is
 * the form and what is done about bare CR and LF, the second the size of the
 * pieces, 0 for one.
 * Holds: pieces make no difference, every CR and LF that comes out is part of a
 * CRLF, and a text is over only after CR LF . CR LF, unless bare ones are made
 * CRLF.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtp_data.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static size_t
take(struct smtp_data *d, unsigned how, const char *text, size_t size,
    size_t piece, struct buf *out)
{
	size_t at, k, n;

	smtp_data_init(d, how & 1 ? SMTP_DATA_CHUNKS : SMTP_DATA_DOTS,
	    (how & 2) != 0);
	for (at = 0; at < size; at += k) {
		n = size - at < piece ? size - at : piece;
		k = smtp_data_take(d, text + at, n, out);
		HOLDS(k <= n && (k == n || d->is_over));
		if (k < n)
			return at + k;
	}
	if (how & 1)
		smtp_data_end(d, out);
	return size;
}

static void
check_lines(const struct smtp_data *d, const struct buf *out)
{
	size_t i;

	HOLDS(d->size_bytes == out->len);
	for (i = 0; i < out->len; i++)
		if (out->data[i] == '\r')
			HOLDS(i + 1 < out->len && out->data[i + 1] == '\n');
		else if (out->data[i] == '\n')
			HOLDS(i > 0 && out->data[i - 1] == '\r');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_data one, two;
	struct buf whole, pieces;
	const char *text = (const char *)data + 2;
	size_t n, piece;

	if (size < 2)
		return 0;
	size -= 2;
	piece = data[1] == 0 ? 1 : data[1];
	buf_init(&whole, 0);
	buf_init(&pieces, 0);
	n = take(&one, data[0], text, size, size + 1, &whole);
	HOLDS(take(&two, data[0], text, size, piece, &pieces) == n);
	HOLDS(one.has_bare == two.has_bare && one.is_over == two.is_over);
	HOLDS(whole.len == pieces.len && (whole.len == 0 ||
	    memcmp(whole.data, pieces.data, whole.len) == 0));
	check_lines(&one, &whole);
	check_lines(&two, &pieces);
	HOLDS(!one.is_over || (data[0] & 1) == 0);
	if (one.is_over && (data[0] & 2) == 0)
		HOLDS(n >= 3 &&
		    memcmp(text + n - 3, ".\r\n", 3) == 0 && (n == 3 ||
		    (n >= 5 && memcmp(text + n - 5, "\r\n", 2) == 0)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
