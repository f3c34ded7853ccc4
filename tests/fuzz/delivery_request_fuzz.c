/*
 * delivery_request_fuzz.c - any record as what a delivery is told of its
 * message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "priv/delivery_request.h"
#include "lib/buf.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const char *text, size_t size)
{
	if (strlen(text) >= size || !text_is_clean(text, strlen(text)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delivery d;
	struct ipc m;

	if (size > IPC_LIMIT)
		return 0;
	ipc_init(&m);
	buf_add(&m.fields, data, size);
	memset(&d, 0xff, sizeof(d));
	if (delivery_next_get(&m, &d) == 0 && (m.pos != size || d.offset < 0 ||
	    d.length < 0 || d.checkpoint.length < -1))
		abort();
	check(d.queue_id, sizeof(d.queue_id));
	check(d.sender, sizeof(d.sender));
	check(d.recipient, sizeof(d.recipient));
	check(d.original, sizeof(d.original));
	ipc_fini(&m);
	return 0;
}
