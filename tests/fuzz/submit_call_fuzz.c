/*
 * submit_call_fuzz.c - any bytes as the strings of a call that a client hands
 * over; the first four are the number of arguments.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "priv/submit_instance.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Each string is in the text, ends there, and none is left out. */
static void
check(const struct submit_call *c, const char *text, size_t size)
{
	size_t seen = 0;
	int i;

	for (i = 0; i <= c->argc || c->vector[i] != NULL; i++) {
		if (i == c->argc ? c->vector[i] != NULL :
		    c->vector[i] != text + seen)
			abort();
		if (i != c->argc)
			seen += strlen(c->vector[i]) + 1;
	}
	if (seen != size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct submit_call c = { 0 };
	uint32_t argc;
	char *text;

	if (size < sizeof(argc))
		return 0;
	memcpy(&argc, data, sizeof(argc));
	size -= sizeof(argc);
	text = malloc(size + 1);
	if (text == NULL)
		return 0;
	memcpy(text, data + sizeof(argc), size);
	if (submit_call_split(&c, text, size, argc) == 0) {
		check(&c, text, size);
		submit_call_fini(&c);
	} else {
		free(text);
	}
	return 0;
}
