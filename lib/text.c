/*
 * text.c - the lines of a text file, and the words of a line.
 * Runs as: anyone.  Uses: nothing; bytes in, lines out.
 * Promise: no line is silently cut or changed; a bad one is reported as such
 * and the next one is read as if it had not been there.
 */
#include <string.h>

#include "lib/buf.h"
#include "lib/text.h"

#define BLANKS	" \t"

size_t
text_bom(const char *p, size_t len)
{
	return len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void
text_init(struct text_lines *t, const char *p, size_t len)
{
	t->bytes = p;
	t->len = len;
	t->pos = text_bom(p, len);
	t->lineno = 0;
	t->trouble = NULL;
	t->line[0] = '\0';
}

void
text_fini(struct text_lines *t)
{
	explicit_bzero(t->line, sizeof(t->line));
}

/*
 * 1 when each of the 8 bytes is from a blank to a tilde.  Each call reads
 * dma.conf, most of which is comments.
 */
static int
is_plain(const char *p)
{
	const uint64_t ones = 0x0101010101010101ULL, high = ones << 7;
	uint64_t w, above;

	memcpy(&w, p, sizeof(w));
	/* The high bit of a byte: the byte is 0x7f, or above, or below 0x20. */
	above = w | (w + ones);
	return ((above | (w - ones * ' ')) & high) == 0;
}

/* Bytes before the first control character, which a tab is not. */
static size_t
clean_len(const char *p, size_t n)
{
	size_t i = 0;

	while (n - i >= 8 && is_plain(p + i))
		i += 8;
	for (; i < n; i++)
		if (((unsigned char)p[i] < ' ' && p[i] != '\t') ||
		    p[i] == 0x7f)
			break;
	return i;
}

int
text_next(struct text_lines *t)
{
	const char *start = t->bytes + t->pos, *stop;
	size_t clean, n;

	if (t->pos >= t->len)
		return 0;
	stop = memchr(start, '\n', t->len - t->pos);
	n = stop == NULL ? t->len - t->pos : (size_t)(stop - start);
	t->pos += n + (stop != NULL);
	t->lineno++;
	if (n > 0 && start[n - 1] == '\r')
		n--;
	t->trouble = n > TEXT_LINE_MAX ? "line too long" : NULL;
	if (n > TEXT_LINE_MAX)
		n = TEXT_LINE_MAX;
	clean = clean_len(start, n);
	if (clean < n)
		t->trouble = "control character in the line";
	memcpy(t->line, start, clean);
	t->line[clean] = '\0';
	return 1;
}

char *
text_trim(char *line)
{
	size_t n;
	char *p;

	for (p = line; *p != '\0'; p++)
		if (*p == '#' && (p == line || text_is_blank(p[-1]))) {
			*p = '\0';
			break;
		}
	for (n = strlen(line); n > 0 && text_is_blank(line[n - 1]); n--)
		line[n - 1] = '\0';
	return text_skip_blanks(line);
}

char *
text_word(char **rest)
{
	char *word;

	*rest = text_skip_blanks(*rest);
	if (**rest == '\0')
		return NULL;
	word = *rest;
	*rest += text_word_len(*rest);
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return word;
}

char *
text_quoted(char **rest)
{
	char *end, *text;

	*rest = text_skip_blanks(*rest);
	if (**rest != '"')
		return text_word(rest);
	text = *rest + 1;
	end = strchr(text, '"');
	if (end == NULL || strchr(BLANKS, end[1]) == NULL)
		return NULL;
	*rest = end[1] == '\0' ? end + 1 : end + 2;
	*end = '\0';
	return text;
}

int
text_number(const char *s, uint64_t max, uint64_t *v)
{
	uint64_t digit, n = 0;

	if (*s == '\0')
		return -1;
	for (; *s != '\0'; s++) {
		digit = (uint64_t)(*s - '0');
		if (*s < '0' || *s > '9' || n > max / 10 ||
		    digit > max - n * 10)
			return -1;
		n = n * 10 + digit;
	}
	*v = n;
	return 0;
}

int
text_hex(const char *s, size_t digits, uint64_t *v)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < digits; i++)
		if (s[i] >= '0' && s[i] <= '9')
			n = n << 4 | (uint64_t)(s[i] - '0');
		else if (s[i] >= 'a' && s[i] <= 'f')
			n = n << 4 | (uint64_t)(s[i] - 'a' + 10);
		else
			return -1;
	if (s[i] != '\0')
		return -1;
	*v = n;
	return 0;
}
