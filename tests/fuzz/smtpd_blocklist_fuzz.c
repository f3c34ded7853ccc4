/*
 * smtpd_blocklist_fuzz.c - a line that is looked up, then a block list.
 * Holds: what is found in a list is found in one of its halves, and nothing
 * else is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/modules/block_set.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)
#define FOUND_ALL	16

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
read_set(struct block_set *set, const char *text, size_t len)
{
	block_set_init(set);
	HOLDS(block_set_read(set, text, len, "list", &report_quiet) == 0);
}

/* A bit for each kind that has it. */
static unsigned
found(const struct block_set *set, const char *what)
{
	return (unsigned)block_set_has_client(set, what) |
	    (unsigned)block_set_has_helo(set, what) << 1 |
	    (unsigned)block_set_has_path(set, BLOCK_SENDER, what) << 2 |
	    (unsigned)block_set_has_path(set, BLOCK_RECIPIENT, what) << 3;
}

/* The lines that precede and follow the middle, each as a list. */
static unsigned
found_in_halves(const char *text, size_t len, const char *what)
{
	const char *middle = len == 0 ? NULL :
	    memchr(text + len / 2, '\n', len - len / 2);
	size_t first = middle == NULL ? len : (size_t)(middle - text) + 1;
	struct block_set set;
	unsigned result;

	read_set(&set, text, first);
	result = found(&set, what);
	block_set_fini(&set);
	/* A mark of the byte order belongs to the start alone. */
	if (len - first >= 3 && memcmp(text + first, "\xef\xbb\xbf", 3) == 0)
		return FOUND_ALL;
	read_set(&set, text + first, len - first);
	result |= found(&set, what);
	block_set_fini(&set);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *lf;
	struct block_set set;
	unsigned whole, halves;
	size_t len;
	char *what;

	lf = size == 0 ? NULL : memchr(data, '\n', size);
	len = lf == NULL ? size : (size_t)(lf - text);
	what = malloc(len + 1);
	HOLDS(what != NULL);
	memcpy(what, data, len);
	what[len] = '\0';
	text += lf == NULL ? size : len + 1;
	size -= lf == NULL ? size : len + 1;
	read_set(&set, text, size);
	whole = found(&set, what);
	block_set_fini(&set);
	halves = found_in_halves(text, size, what);
	HOLDS(halves >= FOUND_ALL || halves == whole);
	free(what);
	return 0;
}
