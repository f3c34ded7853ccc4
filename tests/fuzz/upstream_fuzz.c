/*
 * upstream_fuzz.c - any bytes as a name and a Q file of upstream dma.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spool/upstream_file.h"

#define NAME	"215bd9.55729b85e570"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
try_name(const uint8_t *data, size_t size)
{
	char name[UPSTREAM_NAME_MAX + 3], id[QUEUE_ID_MAX + 1];

	if (size >= sizeof(name))
		size = sizeof(name) - 1;
	memcpy(name, data, size);
	name[size] = '\0';
	if (upstream_id(name, id) == 0 && (!message_id_ok(id) ||
	    strlen(name) > UPSTREAM_NAME_MAX))
		abort();
}

static int
is_text(const char *s)
{
	return strlen(s) <= ADDRESS_MAX && text_is_clean(s, strlen(s));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct upstream_envelope e;

	try_name(data, size);
	if (upstream_parse((const char *)data, size, NAME, &e) == NULL &&
	    (!is_text(e.sender) || !is_text(e.recipient) ||
	    e.recipient[0] == '\0'))
		abort();
	return 0;
}
