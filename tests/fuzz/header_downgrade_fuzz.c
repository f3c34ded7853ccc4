/*
 * header_downgrade_fuzz.c - any bytes as the value of a header field.
 * The first byte says which field.
 * Holds: what comes out is ASCII and still one field; an ASCII value says what
 * it said.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/header_downgrade.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const names[] = { "Subject:", "To:", "X-Any:", "cC :",
    "References:", "Content-Type:", "Content-disposition:", "received:" };

/* Without blanks, of which some are put in and some moved. */
static void
dense(struct buf *out, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\n')
			buf_putc(out, p[i]);
}

static void
check_one_field(const struct buf *out)
{
	size_t i;

	HOLDS(out->len > 0 && out->data[out->len - 1] == '\n');
	HOLDS(text_is_ascii(out->data, out->len));
	for (i = 0; i + 1 < out->len; i++)
		HOLDS(out->data[i] != '\n' || out->data[i + 1] == ' ' ||
		    out->data[i + 1] == '\t');
}

static void
check_same(const struct buf *out, const struct buf *in)
{
	struct buf a, b;

	buf_init(&a, 0);
	buf_init(&b, 0);
	dense(&a, in->data, in->len);
	dense(&b, out->data, out->len);
	HOLDS(a.len == b.len && memcmp(buf_str(&a), buf_str(&b), a.len) == 0);
	buf_fini(&a);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in, out;
	size_t i;
	int ret;

	if (size == 0)
		return 0;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_puts(&in, names[data[0] & 7]);
	for (i = 1; i < size; i++) {
		if (data[i] == '\n')
			buf_puts(&in, "\n ");
		else if (data[i] != '\0')
			buf_putc(&in, (char)data[i]);
	}
	buf_putc(&in, '\n');
	ret = header_downgrade_field(&out, in.data, in.len, NULL);
	HOLDS(!buf_failed(&out));
	if (ret == 0)
		check_one_field(&out);
	if (text_is_ascii(in.data, in.len)) {
		HOLDS(ret == 0);
		check_same(&out, &in);
	}
	buf_fini(&in);
	buf_fini(&out);
	return 0;
}
