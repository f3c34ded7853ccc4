/*
 * sasl_fuzz.c - AUTH exchanges: the mechanisms offered, then a challenge a
 * line; each line is also read as base64, which has one spelling only.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/sasl.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* No digest, but each byte counts; and quick. */
static int
fake_digest(enum sasl_hash hash, const void *data, size_t len, uint8_t *out)
{
	size_t i, n = hash == SASL_MD5 ? 16 : hash == SASL_SHA1 ? 20 : 32;

	memset(out, 0, n);
	for (i = 0; i < len; i++)
		out[i % n] ^= ((const uint8_t *)data)[i];
	return 0;
}

static int
fake_hmac(enum sasl_hash hash, const void *key, size_t keylen,
    const void *text, size_t len, uint8_t *out)
{
	uint8_t both[2 * SASL_DIGEST_MAX];

	fake_digest(hash, key, keylen, both);
	fake_digest(hash, text, len, both + SASL_DIGEST_MAX);
	return fake_digest(hash, both, sizeof(both), out);
}

static int
fake_stretch(enum sasl_hash hash, const void *key, size_t keylen, uint8_t *u,
    uint8_t *sum, unsigned n)
{
	size_t i, size = hash == SASL_SHA1 ? 20 : 32;

	if (n == 0 || n > 1000000)
		abort();
	fake_hmac(hash, key, keylen, u, size, u);
	for (i = 0; i < size; i++)
		sum[i] ^= u[i];
	return 0;
}

/* "AAAA...", so that a corpus can hold the nonce. */
static int
no_random(void *out, size_t len)
{
	memset(out, 0, len);
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

/* One answer, however long it takes; 0 when the mechanism goes on. */
static int
step(struct sasl *s, const char *line, struct buf *out)
{
	enum sasl_did did;
	size_t before = out->len;
	unsigned n;

	for (n = 0; (did = sasl_step(s, line, out)) == SASL_BUSY; n++)
		if (n > 1000 || out->len != before)
			abort();
	if (did != SASL_ANSWER && out->len != before)
		abort();
	if (did == SASL_STOP && (sasl_why(s)[0] == '\0' || sasl_is_proven(s)))
		abort();
	return did == SASL_ANSWER ? 0 : -1;
}

/* All of one connection; the bits of how decide about what may be said. */
static void
converse(char *text, unsigned how)
{
	static const struct sasl_crypto crypto = { fake_digest, fake_hmac,
	    fake_stretch, no_random };
	struct sasl_env env = { .user = "t,im", .password = "tanstaaf",
	    .host = "mail.example.org", .port = 587, .crypto = &crypto };
	struct sasl s;
	struct buf out;
	char *line, *rest, *offered;

	env.is_private = how & 1;
	env.is_token = (how & 2) != 0;
	env.has_cert = (how & 4) != 0;
	env.binding = how & 4 ? "tls-exporter" : NULL;
	env.binding_data = (const uint8_t *)"0123456789";
	env.binding_len = 10;
	buf_init(&out, 0);
	sasl_init(&s, &env);
	rest = text;
	offered = strsep(&rest, "\n");
	while (sasl_pick(&s, offered) != NULL) {
		sasl_initial(&s, &out);
		while ((line = strsep(&rest, "\n")) != NULL)
			if (step(&s, line, &out) == -1)
				break;
		sasl_give_up(&s);
	}
	/* "tanstaaf" as PLAIN and as LOGIN would write it */
	if (!env.is_private && (strstr(buf_str(&out), "dGFuc3RhYWY=") ||
	    strstr(buf_str(&out), "AHQsaW0AdGFuc3RhYWY=")))
		abort();
	sasl_fini(&s);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text, *line, *rest;
	unsigned i;

	for (i = 0; i < 9; i++) {
		text = malloc(len + 1);
		if (text == NULL)
			return 0;
		memcpy(text, data, len);
		text[len] = '\0';
		rest = text;
		if (i < 8)
			converse(text, i);
		else
			while ((line = strsep(&rest, "\n")) != NULL)
				check_base64(line);
		free(text);
	}
	return 0;
}
