/*
 * aliases_fuzz.c - an alias file of any bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aliases.h"
#include "lib/buf.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
say(void *arg, const char *file, unsigned line, const char *text)
{
	int *told = arg;

	if (file[0] != 'f' || line > 1u << 24 || text[0] == '\0')
		abort();
	++*told;
}

static void
ignore(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	(void)file;
	(void)line;
	(void)text;
}

/* The lines of a good alias alone say of it what the whole file says. */
static void
cut(const char *text, size_t len, const struct alias *a)
{
	const struct report quiet = { ignore, NULL };
	const struct alias *b;
	struct aliases few;
	struct buf lines;
	size_t i;

	buf_init(&lines, 0);
	aliases_cut(text, len, a->name, &lines);
	if (aliases_parse(&few, buf_str(&lines), lines.len, "f", &quiet) == -1)
		abort();
	b = aliases_find(&few, a->name);
	if (b == NULL || b->is_bad || b->targets.n != a->targets.n)
		abort();
	for (i = 0; i < a->targets.n; i++)
		if (strcmp(a->targets.list[i].text,
		    b->targets.list[i].text) != 0)
			abort();
	aliases_fini(&few);
	buf_fini(&lines);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int bad = 0, told = 0;
	const struct report report = { say, &told };
	const struct target *t;
	struct aliases as;
	size_t i, k, n;

	if (aliases_parse(&as, (const char *)data, size, "f", &report) != told)
		abort();
	for (i = 0; i < as.n; i++) {
		n = strlen(as.list[i].name);
		if (aliases_find(&as, as.list[i].name) != &as.list[i] ||
		    (as.list[i].targets.n == 0) != as.list[i].is_bad ||
		    as.list[i].line == 0 || n == 0 || n > ADDRESS_MAX ||
		    !text_is_clean(as.list[i].name, n))
			abort();
		bad |= as.list[i].is_bad;
		if (!as.list[i].is_bad && i < 8)
			cut((const char *)data, size, &as.list[i]);
		for (k = 0; k < as.list[i].targets.n; k++) {
			t = &as.list[i].targets.list[k];
			n = strlen(t->text);
			if (n == 0 || n > TARGET_MAX ||
			    !text_is_clean(t->text, n))
				abort();
		}
	}
	/* A bad alias comes of a line that was told. */
	if (bad && told == 0)
		abort();
	aliases_fini(&as);
	return 0;
}
