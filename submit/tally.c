/*
 * tally.c - how often each of a few things occurs, in bounded memory.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: neither many names nor long ones take more than a struct tally.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "submit/tally.h"

/* Punctuation before and after a word of a reason. */
#define PUNCTUATION	"<>()[]{},;:\"'.!?="

void
tally_copy(char *dst, size_t size, const char *text)
{
	size_t i = 0, n, len = strlen(text);

	while (i < len) {
		n = addr_utf8_len(text + i, len - i);
		n = n == 0 ? 1 : n;
		if (i + n >= size)
			break;
		i += n;
	}
	memcpy(dst, text, i);
	dst[i] = '\0';
}

struct tally_entry *
tally_add(struct tally *t, const char *key)
{
	char cut[TALLY_KEY_MAX + 1];
	struct tally_entry *e;
	size_t i;

	tally_copy(cut, sizeof(cut), key);
	for (i = 0; i < t->n; i++) {
		e = &t->list[i];
		if (strcmp(e->key, cut) != 0)
			continue;
		e->n++;
		return e;
	}
	if (t->n == TALLY_MAX) {
		t->others++;
		return NULL;
	}
	e = &t->list[t->n++];
	memset(e, 0, sizeof(*e));
	memcpy(e->key, cut, sizeof(cut));
	e->n = 1;
	return e;
}

static int
compare(const void *a, const void *b)
{
	const struct tally_entry *one = a, *two = b;

	if (one->n != two->n)
		return one->n < two->n ? 1 : -1;
	return strcmp(one->key, two->key);
}

void
tally_sort(struct tally *t)
{
	if (t->n > 1)
		qsort(t->list, t->n, sizeof(t->list[0]), compare);
}

/* An address, a name with a dot in it, a number. */
static int
is_variable(const char *word, size_t n)
{
	size_t i, digits = 0;
	int is_dotted = 0;

	for (i = 0; i < n; i++) {
		if (word[i] == '@')
			return 1;
		digits += word[i] >= '0' && word[i] <= '9';
		is_dotted |= i > 0 && i + 1 < n && word[i] == '.';
	}
	return is_dotted || (n > 0 && digits == n);
}

void
tally_normalise(char *dst, size_t size, const char *reason)
{
	size_t before, n, end;
	struct buf b;

	buf_init(&b, 0);
	while (*reason != '\0') {
		before = strspn(reason, PUNCTUATION " ");
		buf_add(&b, reason, before);
		reason += before;
		n = strcspn(reason, " <>()[]{},;\"'=");
		for (end = n; end > 0 && strchr(PUNCTUATION,
		    reason[end - 1]) != NULL; end--)
			;
		if (is_variable(reason, end))
			buf_putc(&b, '*');
		else
			buf_add(&b, reason, end);
		reason += end;
	}
	tally_copy(dst, size, buf_str(&b));
	buf_fini(&b);
}
