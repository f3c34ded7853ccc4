/*
 * domain.c - comparison of host and domain names.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a malformed name equals only itself.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/domain.h"

#define POINTS_MAX	63	/* characters of a label */

/* Punycode (RFC 3492 5). */
#define BASE		36
#define TMIN		1
#define TMAX		26
#define SKEW		38
#define DAMP		700
#define INITIAL_BIAS	72
#define INITIAL_N	128

/* The name without its final dot. */
static size_t
length_of(const char *name, size_t n)
{
	return n > 1 && name[n - 1] == '.' ? n - 1 : n;
}

/* 1. Labels. */

/* Lower case, for Latin, Greek and Cyrillic letters. */
static uint32_t
fold(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	return c;
}

static unsigned
adapt(unsigned delta, unsigned npoints, int is_first)
{
	unsigned k = 0;

	delta /= is_first ? DAMP : 2;
	for (delta += delta / npoints; delta > (BASE - TMIN) * TMAX / 2;
	    k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static unsigned
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 26;
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') : BASE;
}

/* One number of variable length, added to *i; bytes of it, or 0. */
static size_t
read_delta(const char *p, size_t n, unsigned bias, unsigned *i)
{
	unsigned digit, k = BASE, t, weight = 1;
	size_t used;

	for (used = 0; used < n; k += BASE) {
		digit = digit_of(p[used++]);
		if (digit == BASE || digit > (0x7fffffff - *i) / weight)
			return 0;
		*i += digit * weight;
		t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
		if (digit < t)
			return used;
		if (weight > 0x7fffffff / (BASE - t))
			return 0;
		weight *= BASE - t;
	}
	return 0;
}

/*
 * Only what an A-label may stand for: with anything but ASCII, in lower case.
 * Of two names with the same characters, one would be no A-label.
 */
static int
is_u_label(const uint32_t *points, size_t n)
{
	int has_more = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (points[i] == '.' || points[i] == 0 ||
		    (points[i] >= 0xd800 && points[i] <= 0xdfff) ||
		    (points[i] >= 0x80 && fold(points[i]) != points[i]))
			return 0;
		has_more |= points[i] >= 0x80;
	}
	return has_more;
}

/* What follows "xn--"; the number of characters, or 0 malformed. */
static size_t
read_punycode(const char *p, size_t n, uint32_t out[POINTS_MAX])
{
	unsigned bias = INITIAL_BIAS, c = INITIAL_N, i = 0, old;
	const char *dash = memrchr(p, '-', n);
	size_t at = 0, len = 0, used;

	if (dash == p)
		return 0;
	for (; dash != NULL && p + at < dash; at++)
		if (len == POINTS_MAX || (p[at] & 0x80) != 0)
			return 0;
		else
			out[len++] = (unsigned char)p[at];
	for (at += dash != NULL; at < n; at += used) {
		old = i;
		used = read_delta(p + at, n - at, bias, &i);
		if (used == 0 || len == POINTS_MAX)
			return 0;
		bias = adapt(i - old, (unsigned)++len, old == 0);
		c += i / (unsigned)len;
		i %= (unsigned)len;
		if (c > 0x10ffff)
			return 0;
		memmove(&out[i + 1], &out[i], (len - 1 - i) * sizeof(*out));
		out[i++] = c;
	}
	return is_u_label(out, len) ? len : 0;
}

static size_t
read_utf8(const char *p, size_t n, uint32_t out[POINTS_MAX])
{
	size_t i, k, len = 0;

	for (i = 0; i < n; i += k) {
		k = addr_utf8_len(p + i, n - i);
		if (k == 0 || len == POINTS_MAX)
			return 0;
		out[len++] = addr_utf8_point(p + i, k);
	}
	return len;
}

/* 2. Names. */

static size_t
read_label(const char *p, size_t n, uint32_t out[POINTS_MAX])
{
	if (n > 4 && text_ncasecmp(p, "xn--", 4) == 0)
		return read_punycode(p + 4, n - 4, out);
	return read_utf8(p, n, out);
}

static int
is_same_label(const char *a, size_t na, const char *b, size_t nb)
{
	uint32_t one[POINTS_MAX], two[POINTS_MAX];
	size_t i, n;

	if (na == nb && text_ncasecmp(a, b, na) == 0)
		return 1;
	n = read_label(a, na, one);
	if (n == 0 || n != read_label(b, nb, two))
		return 0;
	for (i = 0; i < n; i++)
		if (fold(one[i]) != fold(two[i]))
			return 0;
	return 1;
}

static size_t
label_len(const char *p, size_t n)
{
	const char *dot = memchr(p, '.', n);

	return dot == NULL ? n : (size_t)(dot - p);
}

int
domain_same(const char *a, const char *b)
{
	size_t la, lb, na = length_of(a, strlen(a));
	size_t nb = length_of(b, strlen(b));

	if (na == nb && text_ncasecmp(a, b, na) == 0)
		return 1;
	/* ASCII has one way to write a name. */
	if (text_is_ascii(a, na) && text_is_ascii(b, nb))
		return 0;
	for (;; a += la + 1, na -= la + 1, b += lb + 1, nb -= lb + 1) {
		la = label_len(a, na);
		lb = label_len(b, nb);
		if (!is_same_label(a, la, b, lb) || (la == na) != (lb == nb))
			return 0;
		if (la == na)
			return 1;
	}
}

/* 3. Keys. */

static char *
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

/* A label as its characters in lower case; what is none is as it is. */
static char *
put_label(char *out, const char *p, size_t n)
{
	uint32_t points[POINTS_MAX];
	size_t i, len = 0;

	if (!text_is_ascii(p, n) || (n > 4 && text_ncasecmp(p, "xn--", 4) == 0))
		len = read_label(p, n, points);
	if (len == 0) {
		text_lower(out, p, n);
		return out + n;
	}
	for (i = 0; i < len; i++)
		out = put_utf8(out, fold(points[i]));
	return out;
}

void
domain_key(const char *name, size_t len, char *out)
{
	size_t n;

	for (len = length_of(name, len);; name += n + 1, len -= n + 1) {
		n = label_len(name, len);
		out = put_label(out, name, n);
		if (n == len)
			break;
		*out++ = '.';
	}
	*out = '\0';
}
