/*
 * queue_command_fuzz.c - any bytes as a command about queued messages: its
 * number, then the ids.
 * Holds: all ids of a command that is accepted are queue ids, there are no
 * more than allowed, and lines of its reply fit into a pipe.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/commands.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(struct watcher_command *c)
{
	char *ids = strndup(c->ids.len == 0 ? "" : c->ids.data, c->ids.len);
	char *rest = ids, *id;
	size_t n = 0;

	HOLDS(ids != NULL && strlen(ids) == c->ids.len);
	while ((id = strsep(&rest, "\n")) != NULL && rest != NULL) {
		HOLDS(message_id_ok(id));
		n++;
	}
	HOLDS(n <= QUEUE_IDS_MAX && n * c->line_max < 65536);
	HOLDS((n == 0) == (c->command == QUEUE_STATUS));
	free(ids);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watcher_command *c;

	if (size == 0)
		return 0;
	c = command_new(data[0], (const char *)data + 1, size - 1);
	if (c != NULL)
		check(c);
	watcher_command_free(c);
	return 0;
}
