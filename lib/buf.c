/*
 * buf.c - growable bytes and small text helpers.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a failed allocation or a met limit is remembered, never skipped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define BUF_FIRST	256	/* bytes of the first allocation */

void
buf_init(struct buf *b, size_t limit_bytes)
{
	*b = (struct buf){ .limit = limit_bytes };
}

void
buf_fini(struct buf *b)
{
	int error = errno;

	free(b->data);
	buf_init(b, b->limit);
	errno = error;
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *
buf_space(struct buf *b, size_t n)
{
	size_t cap;
	char *p;

	if (b->failed)
		return NULL;
	if (n >= SIZE_MAX / 2 - b->len ||
	    (b->limit != 0 && n > b->limit - b->len)) {
		b->failed = 1;
		return NULL;
	}
	if (b->len + n < b->cap)
		return b->data + b->len;
	/* Twice as much, or what is needed: what is never used costs, too. */
	cap = b->cap == 0 ? BUF_FIRST : 2 * b->cap;
	if (cap <= b->len + n)
		cap = (b->len + n) / BUF_FIRST * BUF_FIRST + BUF_FIRST;
	p = realloc(b->data, cap);
	if (p == NULL) {
		b->failed = 1;
		return NULL;
	}
	b->data = p;
	b->cap = cap;
	b->data[b->len] = '\0';
	return b->data + b->len;
}

void
buf_grown(struct buf *b, size_t n)
{
	b->len += n;
	b->data[b->len] = '\0';
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *room;

	room = buf_space(b, n);
	if (room == NULL)
		return;
	if (n > 0)
		memcpy(room, p, n);
	buf_grown(b, n);
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_put_number(struct buf *b, int64_t v)
{
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char digits[20], *end = digits + sizeof(digits), *p = end;

	do
		*--p = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (v < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(end - p));
}

/* Formats again only if there was too little room. */
void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t had;
	char *room;
	int n;

	/* To count first takes as long as to format. */
	if (b->data == NULL)
		(void)buf_space(b, 0);
	had = b->data == NULL ? 0 : b->cap - b->len;
	va_copy(again, ap);
	/* NOLINTNEXTLINE(clang-analyzer-valist.*): va_copy is not seen */
	n = vsnprintf(had == 0 ? NULL : b->data + b->len, had, fmt, again);
	va_end(again);
	room = n < 0 ? NULL : buf_space(b, (size_t)n);
	if (room != NULL) {
		if ((size_t)n >= had)
			vsnprintf(room, (size_t)n + 1, fmt, ap);
		buf_grown(b, (size_t)n);
		return;
	}
	b->failed = 1;
	if (had > 0)
		b->data[b->len] = '\0';
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
	} else {
		memmove(b->data, b->data + n, b->len - n);
		b->len -= n;
	}
	if (b->data != NULL)
		b->data[b->len] = '\0';
}

int
buf_failed(const struct buf *b)
{
	return b->failed;
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

char *
buf_take(struct buf *b)
{
	char *p;

	buf_add(b, "", 0);
	if (b->failed) {
		buf_fini(b);
		return NULL;
	}
	p = b->data;
	b->data = NULL;
	buf_fini(b);
	return p;
}

static int
is_plain(char c, const char *also)
{
	while (*also != '\0' && *also != c)
		also++;
	return c > ' ' && c < 0x7f && *also == '\0';
}

/* 1 when these 8 bytes, and a blank beside them, need no change. */
static int
is_plain_word(const char *p)
{
	const uint64_t ones = 0x0101010101010101ULL, high = ones << 7;
	uint64_t w, blanks;

	memcpy(&w, p, sizeof(w));
	/* The high bit of a byte: it is 0x7f, or above, or below a blank. */
	if (((w | (w + ones) | (w - ones * ' ')) & high) != 0)
		return 0;
	/* Now: it is a blank. */
	blanks = ~((w ^ ones * ' ') + (high - ones)) & high;
	return p[0] != ' ' && p[7] != ' ' && (blanks & blanks << 8) == 0;
}

/* How many bytes need no change: words with a blank between; at most max. */
static size_t
plain_run(const char *text, size_t len, size_t max, const char *also)
{
	size_t n = 0;

	if (len > max)
		len = max;
	while (n < len)
		if (also[0] == '\0' && len - n >= 8 && is_plain_word(text + n))
			n += 8;
		else if (is_plain(text[n], also) || (text[n] == ' ' &&
		    n > 0 && n + 1 < len && also[0] == '\0' &&
		    is_plain(text[n + 1], also)))
			n++;
		else
			break;
	return n;
}

void
buf_put_value(struct buf *b, const char *text, size_t len, size_t max,
    const char *also)
{
	const char *blank = strchr(also, ' ') != NULL ? "\\040" : " ";
	size_t i, n, start = b->len;
	int is_apart = 0;	/* a blank is due; none at start and end */
	unsigned char c;

	for (i = 0; i < len; i += n > 0 ? n : 1) {
		n = 0;
		c = (unsigned char)text[i];
		if (c == '\r' || c == '\n' || c == ' ' || c == '\t') {
			is_apart = b->len > start;
			continue;
		}
		if (b->failed || b->len - start + 4 +
		    (is_apart ? strlen(blank) : 0) > max)
			break;
		if (is_apart)
			buf_puts(b, blank);
		is_apart = 0;
		/* Up to where the next one could be longer than the rest. */
		n = plain_run(text + i, len - i, max - (b->len - start) - 3,
		    also);
		if (n > 0)
			buf_add(b, text + i, n);
		else
			buf_printf(b, "\\%03o", c);
	}
}

void
buf_put_clean(struct buf *b, const char *text, size_t len, size_t max)
{
	buf_put_value(b, text, len, max, "");
}

void
buf_put_folded(struct buf *b, const char *text, const char *first,
    const char *next)
{
	size_t column = 0, n;

	buf_puts(b, first);
	while (*text != '\0') {
		n = strcspn(text, " ");
		if (n > FOLD_WORD_MAX)
			n = FOLD_WORD_MAX;
		if (column > 0 && column + 1 + n > FOLD_WIDTH) {
			buf_printf(b, "\n%s", next);
			column = 0;
		} else if (column > 0) {
			buf_putc(b, ' ');
			column++;
		}
		buf_add(b, text, n);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	buf_putc(b, '\n');
}

uint64_t
text_digest(const char *text, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return h;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void
text_lower(char *dst, const char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		dst[i] = lower(text[i]);
}

int
text_casecmp(const char *a, const char *b)
{
	return text_ncasecmp(a, b, SIZE_MAX);
}

int
text_ncasecmp(const char *a, const char *b, size_t n)
{
	size_t i;
	int d;

	for (i = 0; i < n; i++) {
		d = (unsigned char)lower(a[i]) - (unsigned char)lower(b[i]);
		if (d != 0 || a[i] == '\0')
			return d;
	}
	return 0;
}

int
text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* strspn(3) and its table cost each call two pages of the C library. */
char *
text_skip_blanks(const char *p)
{
	while (text_is_blank(*p))
		p++;
	return (char *)(uintptr_t)p;
}

size_t
text_word_len(const char *p)
{
	size_t n = 0;

	while (p[n] != '\0' && !text_is_blank(p[n]))
		n++;
	return n;
}

int
text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int
text_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    text_is_digit(c);
}

int
text_hex_digit(char c)
{
	if (text_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
text_is_clean(const char *text, size_t len)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < len; i++) {
		c = (unsigned char)text[i];
		if (c < 0x20 || c == 0x7f)
			return 0;
	}
	return 1;
}

/* Eight bytes at a time: this runs over every message. */
int
text_is_ascii(const char *text, size_t len)
{
	const uint64_t high = 0x8080808080808080ULL;
	uint64_t word, all = 0;
	unsigned char rest = 0;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		all |= word;
	}
	for (; len > 0; text++, len--)
		rest |= (unsigned char)*text;
	return (all & high) == 0 && (rest & 0x80) == 0;
}

int
text_copy(char *dst, size_t size, const char *src)
{
	size_t n;

	n = strlen(src);
	if (n >= size) {
		if (size > 0)
			dst[0] = '\0';
		return -1;
	}
	memcpy(dst, src, n + 1);
	return 0;
}
