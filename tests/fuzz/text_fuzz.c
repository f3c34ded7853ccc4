/*
 * text_fuzz.c - any bytes as a text file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	char *rest, *word;
	size_t total = 0;
	struct text_lines t;

	text_init(&t, bytes, size);
	while (text_next(&t)) {
		total += strlen(t.line);
		if (strlen(t.line) > TEXT_LINE_MAX ||
		    strpbrk(t.line, "\r\n\x7f") != NULL)
			abort();
		rest = text_trim(t.line);
		while ((word = text_word(&rest)) != NULL)
			if (*word == '\0' || strpbrk(word, " \t") != NULL)
				abort();
	}
	if (t.pos != size || total > size)
		abort();
	text_fini(&t);
	return 0;
}
