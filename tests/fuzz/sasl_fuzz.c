/*
 * sasl_fuzz.c - AUTH exchanges: the mechanisms offered, then a challenge a
 * line; each line is also read as base64, which has one spelling only.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sasl.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
plain_digest(const void *key, size_t keylen, const void *text, size_t len,
    uint8_t out[16])
{
	size_t i;

	memset(out, 0, 16);
	for (i = 0; i < len; i++)
		out[i % 16] ^= ((const uint8_t *)text)[i];
	for (i = 0; i < keylen; i++)
		out[i % 16] ^= ((const uint8_t *)key)[i];
	return 0;
}

static void
check_base64(const char *text)
{
	struct buf plain, again;

	buf_init(&plain, 0);
	buf_init(&again, 0);
	if (base64_get(&plain, text, strlen(text)) == 0) {
		base64_put(&again, buf_str(&plain), plain.len);
		if (strcmp(buf_str(&again), text) != 0)
			abort();
	} else if (plain.len != 0) {
		abort();
	}
	buf_fini(&plain);
	buf_fini(&again);
}

/* All of one connection; is_private decides what may be said. */
static void
converse(char *text, int is_private)
{
	struct sasl_env env = { "tim", "tanstaaf", is_private, plain_digest };
	struct sasl s;
	struct buf out;
	char *line, *rest, *offered;

	buf_init(&out, 0);
	sasl_init(&s, &env);
	rest = text;
	offered = strsep(&rest, "\n");
	while (sasl_pick(&s, offered) != NULL) {
		sasl_initial(&s, &out);
		while ((line = strsep(&rest, "\n")) != NULL)
			if (sasl_step(&s, line, &out) == -1)
				break;
		sasl_give_up(&s);
	}
	/* "tanstaaf" as PLAIN and as LOGIN would write it */
	if (!is_private && (strstr(buf_str(&out), "dGFuc3RhYWY=") != NULL ||
	    strstr(buf_str(&out), "AHRpbQB0YW5zdGFhZg==") != NULL))
		abort();
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text, *line, *rest;
	int i;

	for (i = 0; i < 3; i++) {
		text = malloc(len + 1);
		if (text == NULL)
			return 0;
		memcpy(text, data, len);
		text[len] = '\0';
		rest = text;
		if (i < 2)
			converse(text, i);
		else
			while ((line = strsep(&rest, "\n")) != NULL)
				check_base64(line);
		free(text);
	}
	return 0;
}
