/*
 * forward_fuzz.c - a .forward of any bytes.
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

	if (file[0] != 'f' || line == 0 || text[0] == '\0')
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

	ret = forward_parse(&ts, (const char *)data, size, "f", &report);
	/* Refused as a whole, with a reason; or nothing to complain of. */
	if (ret != (told == 0 ? 0 : -1) || (ret == -1 && ts.n != 0))
		abort();
	for (i = 0; i < ts.n; i++) {
		t = &ts.list[i];
		if (t->text[0] == '\0' || strlen(t->text) > TARGET_MAX ||
		    t->digest != text_digest(t->text, strlen(t->text)) ||
		    !text_is_clean(t->text, strlen(t->text)))
			abort();
		if ((t->kind == TARGET_FILE || t->kind == TARGET_INCLUDE) !=
		    (t->text[0] == '/' || strncmp(t->text, "~/", 2) == 0) &&
		    t->kind != TARGET_PIPE)
			abort();
	}
	targets_fini(&ts);
	return 0;
}
