/*
 * mime_downgrade_fuzz.c - any bytes as the text of a message, made fit.
 * The first byte says how: bit 0 no 8-bit text, bit 1 no 8-bit header, bit 2
 * at any cost, the rest the size of the chunks.
 * Holds: the first pass writes nothing; chunks do not change what comes out;
 * where nothing is encoded the text stays; where no 8-bit text is wanted there
 * is none, and lines of encoded parts are short; a second look at what came out
 * finds nothing to do, unless text was masked.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/header_downgrade.h"
#include "lib/mime_downgrade.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)
#define BOTH		(MIME_NO_8BIT | MIME_NO_8BIT_HEADER)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
feed(struct mime *m, const char *p, size_t n, size_t chunk, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i += chunk)
		mime_text(m, p + i, n - i < chunk ? n - i : chunk, out);
	mime_end(m, out);
	HOLDS(!buf_failed(out));
	mime_fini(m);
}

/* 1 when there is an out. */
static int
pass(const char *p, size_t n, unsigned lacks, size_t chunk, struct buf *out,
    int *is_needless)
{
	static struct mime_plan plan;
	static struct mime m;

	mime_scan(&m, &plan);
	feed(&m, p, n, chunk, out);
	HOLDS(out->len == 0 && plan.nparts >= 1);
	if (mime_verdict(&plan, lacks, is_needless) != NULL)
		return 0;
	mime_write(&m, &plan, lacks, NULL);
	feed(&m, p, n, chunk, out);
	return m.trouble == NULL;
}

/* As the wire has it: CR ends a line, NUL is dropped. */
static void
plain(const char *p, size_t n, struct buf *out)
{
	int after_cr = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\0')
			continue;
		if (p[i] == '\r' || (p[i] == '\n' && !after_cr))
			buf_putc(out, '\n');
		else if (p[i] != '\n')
			buf_putc(out, p[i]);
		after_cr = p[i] == '\r';
	}
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_putc(out, '\n');
}

static void
check(const struct buf *in, unsigned lacks, const struct buf *out,
    int is_needless)
{
	struct buf again;
	int is_idle;

	if (is_needless) {
		HOLDS(out->len == in->len &&
		    memcmp(buf_str(out), buf_str(in), in->len) == 0);
		return;
	}
	if ((lacks & BOTH) == BOTH)
		HOLDS(text_is_ascii(buf_str(out), out->len));
	buf_init(&again, 0);
	HOLDS(pass(buf_str(out), out->len, 0, 4096, &again, &is_idle));
	/* At any cost a line is masked that only then looks like a field. */
	HOLDS(is_idle || (lacks & MIME_AT_ANY_COST) != 0);
	buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in, whole, parts;
	int has_whole, has_parts, is_needless, is_same;
	unsigned lacks;
	const char *p = (const char *)data + 1;

	if (size == 0)
		return 0;
	lacks = data[0] & 7;
	buf_init(&in, 0);
	buf_init(&whole, 0);
	buf_init(&parts, 0);
	has_whole = pass(p, size - 1, lacks, size, &whole, &is_needless);
	has_parts = pass(p, size - 1, lacks, (size_t)(data[0] >> 3) + 1,
	    &parts, &is_same);
	HOLDS(has_whole == has_parts && is_needless == is_same);
	HOLDS(whole.len == parts.len &&
	    memcmp(buf_str(&whole), buf_str(&parts), whole.len) == 0);
	plain(p, size - 1, &in);
	HOLDS(has_whole || (lacks & MIME_AT_ANY_COST) == 0);
	if (has_whole)
		check(&in, lacks, &whole, is_needless);
	buf_fini(&in);
	buf_fini(&whole);
	buf_fini(&parts);
	return 0;
}
