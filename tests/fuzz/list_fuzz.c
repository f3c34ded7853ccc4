/*
 * list_fuzz.c - any text as a list for :include:.
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

	(void)file;
	(void)line;
	if (text[0] == '\0')
		abort();
	++*told;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int told = 0, ret;
	const struct report report = { say, &told };
	const struct target *t;
	struct targets ts;
	size_t i;

	ret = list_parse(&ts, (const char *)data, size, "l", &report);
	/* Each bad line is told, and only such. */
	if (ret != told)
		abort();
	for (i = 0; i < ts.n; i++) {
		t = &ts.list[i];
		if (t->text[0] == '\0' || strlen(t->text) > TARGET_MAX ||
		    t->digest != text_digest(t->text, strlen(t->text)) ||
		    !text_is_clean(t->text, strlen(t->text)))
			abort();
	}
	targets_fini(&ts);
	return 0;
}
