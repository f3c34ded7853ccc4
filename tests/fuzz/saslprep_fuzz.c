/*
 * saslprep_fuzz.c - any text as a password for SCRAM.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/saslprep.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf again, out;
	char *text;
	size_t len;

	text = malloc(size + 1);
	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	len = strlen(text);
	buf_init(&out, 0);
	buf_init(&again, 0);
	if (saslprep_secret(&out, text) == 0) {
		if (out.len > PREP_GROWS * len ||
		    addr_is_utf8(text, len) != addr_is_utf8(buf_str(&out),
		    out.len))
			abort();
		/* Once is enough. */
		if (saslprep_secret(&again, buf_str(&out)) == -1 ||
		    strcmp(buf_str(&again), buf_str(&out)) != 0)
			abort();
	}
	buf_fini(&again);
	buf_fini(&out);
	free(text);
	return 0;
}
