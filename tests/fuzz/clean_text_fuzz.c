/*
 * clean_text_fuzz.c - any text for a terminal, at once and in two parts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "submit/clean_text.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* UTF-8, and no control but LF and TAB. */
static void
check(const struct buf *out)
{
	const char *p = buf_str(out);
	size_t i;

	if (!addr_is_utf8(p, out->len))
		abort();
	for (i = 0; i < out->len; i++)
		if (((unsigned char)p[i] < ' ' && p[i] != '\n' &&
		    p[i] != '\t') || p[i] == '\177' || (p[i] == '\xc2' &&
		    (unsigned char)p[i + 1] < 0xa0))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf whole, parts;
	size_t used, half = size / 2;

	buf_init(&whole, 0);
	buf_init(&parts, 0);
	if (clean_text(&whole, text, size, 1) != size)
		abort();
	check(&whole);
	used = clean_text(&parts, text, half, 0);
	if (half - used > 3)
		abort();
	clean_text(&parts, text + used, size - used, 1);
	if (parts.len != whole.len || memcmp(buf_str(&parts),
	    buf_str(&whole), whole.len) != 0)
		abort();
	buf_fini(&whole);
	buf_fini(&parts);
	return 0;
}
