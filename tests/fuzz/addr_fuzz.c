/*
 * addr_fuzz.c - any bytes as an address list and as one address.
 * Holds: canonical is clean, bounded, stable and equal to itself; nothing
 * found overlaps; the null address comes from nothing but "" and "<>".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

struct seen {
	const char	*text;
	size_t		 len, last;
};

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_canonical(const char *address)
{
	const char *domain = addr_domain(address);
	struct buf again;
	size_t len = strlen(address);

	HOLDS(len > 0 && len <= ADDR_MAX && text_is_clean(address, len));
	HOLDS(domain == NULL || addr_domain_ok(domain));
	buf_init(&again, 0);
	HOLDS(addr_canonical(address, len, &again) == 0);
	HOLDS(strcmp(buf_str(&again), address) == 0);
	buf_fini(&again);
}

static int
found(void *arg, const struct addr_found *f)
{
	struct seen *seen = arg;
	struct buf address;

	HOLDS(f->start >= seen->last && f->start <= f->end);
	HOLDS(f->end <= seen->len);
	seen->last = f->end;
	if (f->is_bad)
		return 0;
	HOLDS(f->start < f->end);
	buf_init(&address, 0);
	HOLDS(addr_canonical(seen->text + f->start, f->end - f->start,
	    &address) == 0);
	HOLDS((addr_domain(buf_str(&address)) == NULL) == f->is_bare);
	check_canonical(buf_str(&address));
	buf_fini(&address);
	return 0;
}

static void
check_one(const char *text)
{
	struct buf out, phrase;

	buf_init(&out, 0);
	buf_init(&phrase, 0);
	if (addr_one(text, &out) == -1)
		HOLDS(out.len == 0);
	else if (out.len == 0)
		HOLDS(text[0] == '\0' || strcmp(text, "<>") == 0);
	else
		check_canonical(buf_str(&out));
	/* A phrase is what may stand before an address, whatever it was. */
	addr_put_phrase(&phrase, text);
	HOLDS(text_is_clean(buf_str(&phrase), phrase.len));
	buf_puts(&phrase, " <a@b>");
	buf_reset(&out);
	HOLDS(addr_one(buf_str(&phrase), &out) == 0);
	HOLDS(strcmp(buf_str(&out), "a@b") == 0);
	buf_fini(&phrase);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { (const char *)data, size, 0 };
	char *text;

	addr_walk(seen.text, size, found, &seen);
	addr_is_utf8(seen.text, size);
	text = malloc(size + 1);
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_one(text);
	free(text);
	return 0;
}
