/*
 * saslprep.c - SASLprep (RFC 4013) without the tables of Unicode.
 * Runs as: anyone.  Uses: nothing.
 * Promise: printable ASCII and composed letters stay as they are; what is
 * prohibited is refused.
 */
#include <stdint.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/saslprep.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

struct range {
	uint32_t	 low, high;
};

/* RFC 3454, C.1.2: blanks. */
static const struct range blanks[] = {
	{ 0xa0, 0xa0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200b },
	{ 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 },
};

/* B.1: nothing. */
static const struct range nothing[] = {
	{ 0xad, 0xad }, { 0x34f, 0x34f }, { 0x1806, 0x1806 },
	{ 0x180b, 0x180d }, { 0x200c, 0x200d }, { 0x2060, 0x2060 },
	{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff },
};

/* C.2 to C.9. */
static const struct range prohibited[] = {
	{ 0x0, 0x1f }, { 0x7f, 0x9f }, { 0x340, 0x341 }, { 0x6dd, 0x6dd },
	{ 0x70f, 0x70f }, { 0x180e, 0x180e }, { 0x200e, 0x200f },
	{ 0x2028, 0x202e }, { 0x2061, 0x2063 }, { 0x206a, 0x206f },
	{ 0x2ff0, 0x2ffb }, { 0xd800, 0xf8ff }, { 0xfdd0, 0xfdef },
	{ 0xfff9, 0xffff }, { 0x1d173, 0x1d17a }, { 0x1fffe, 0x1ffff },
	{ 0x2fffe, 0x2ffff }, { 0x3fffe, 0x3ffff }, { 0x4fffe, 0x4ffff },
	{ 0x5fffe, 0x5ffff }, { 0x6fffe, 0x6ffff }, { 0x7fffe, 0x7ffff },
	{ 0x8fffe, 0x8ffff }, { 0x9fffe, 0x9ffff }, { 0xafffe, 0xaffff },
	{ 0xbfffe, 0xbffff }, { 0xcfffe, 0xcffff }, { 0xdfffe, 0xdffff },
	{ 0xe0001, 0xe0001 }, { 0xe0020, 0xe007f }, { 0xefffe, 0x10ffff },
};

/* What keyboards and word processors make, and NFKC takes apart. */
static const struct { uint32_t c; const char *text; } same[] = {
	{ 0xa8, " \xcc\x88" }, { 0xaa, "a" }, { 0xaf, " \xcc\x84" },
	{ 0xb2, "2" }, { 0xb3, "3" }, { 0xb4, " \xcc\x81" },
	{ 0xb5, "\xce\xbc" }, { 0xb8, " \xcc\xa7" }, { 0xb9, "1" },
	{ 0xba, "o" }, { 0xbc, "1\xe2\x81\x84" "4" },
	{ 0xbd, "1\xe2\x81\x84" "2" }, { 0xbe, "3\xe2\x81\x84" "4" },
	{ 0x2026, "..." }, { 0x2122, "TM" }, { 0xfb00, "ff" },
	{ 0xfb01, "fi" }, { 0xfb02, "fl" }, { 0xfb03, "ffi" },
	{ 0xfb04, "ffl" }, { 0xfb05, "st" }, { 0xfb06, "st" },
};

static int
is_in(const struct range *list, size_t n, uint32_t c)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (c >= list[i].low && c <= list[i].high)
			return 1;
	return 0;
}

/* What a character becomes: a text, or NULL for itself. */
static const char *
mapped(uint32_t c, char *one)
{
	size_t i;

	if (is_in(blanks, N(blanks), c))
		return " ";
	if (is_in(nothing, N(nothing), c))
		return "";
	for (i = 0; i < N(same); i++)
		if (same[i].c == c)
			return same[i].text;
	/* Full-width forms of ASCII. */
	if (c < 0xff01 || c > 0xff5e)
		return NULL;
	one[0] = (char)(c - 0xff01 + '!');
	one[1] = '\0';
	return one;
}

int
saslprep_secret(struct buf *out, const char *text)
{
	size_t len = strlen(text), n;
	const char *to;
	char one[2];
	uint32_t c;

	if (!addr_is_utf8(text, len)) {
		buf_puts(out, text);
		return 0;
	}
	for (; len > 0; text += n, len -= n) {
		n = addr_utf8_len(text, len);
		c = addr_utf8_point(text, n);
		to = mapped(c, one);
		if (to != NULL)
			buf_puts(out, to);
		else if (is_in(prohibited, N(prohibited), c))
			return -1;
		else
			buf_add(out, text, n);
	}
	return 0;
}
