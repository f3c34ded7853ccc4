/*
 * smtpd_tree_lines_fuzz.c - any bytes as the lines before a message.
 * Holds: what is complete lies within the bytes; paths are addresses without
 * controls; a prefix is never bad when all is good; more bytes change nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/drain/tree_lines.c"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct tree_lines *t, const char *p, size_t len)
{
	size_t i;

	HOLDS(t->nrecipients > 0 && t->sender != NULL);
	HOLDS(t->return_path_at < t->received_at && t->received_at < len);
	HOLDS(memcmp(p + t->received_at, RECEIVED, strlen(RECEIVED)) == 0);
	for (i = 0; i < t->nrecipients; i++) {
		const struct tree_recipient *r = &t->recipients[i];

		HOLDS(r->path[0] != '\0' && r->path[0] != '<');
		HOLDS(strpbrk(r->path, "\r\n") == NULL);
		HOLDS(r->at + r->len <= t->return_path_at);
		HOLDS(p[r->at + r->len - 1] == '\n');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct tree_lines t, part;
	enum tree_lines_result result;

	result = tree_lines_parse(&t, p, size);
	if (result == TREE_LINES_COMPLETE) {
		check(&t, p, size);
		HOLDS(tree_lines_parse(&part, p, t.received_at) ==
		    TREE_LINES_MORE);
		tree_lines_fini(&part);
	}
	HOLDS((result == TREE_LINES_BAD) == (t.problem != NULL));
	tree_lines_fini(&t);
	return 0;
}
