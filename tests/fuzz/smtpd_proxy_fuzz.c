/*
 * smtpd_proxy_fuzz.c - any bytes as what a proxy sends.
 * Holds: less than a header asks for more; what follows it changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/proxy.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A copy of just these bytes shows a read beyond them. */
static enum proxy_result
parse(const uint8_t *data, size_t size, size_t *used)
{
	char *copy = malloc(size + 1);
	struct netaddr client;
	enum proxy_result result;
	unsigned port = 0;

	HOLDS(copy != NULL);
	memcpy(copy + 1, data, size);
	*used = 0;
	result = proxy_parse(copy + 1, size, used, &client, &port);
	HOLDS(port <= 65535);
	free(copy);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxy_result result;
	size_t used, again;

	result = parse(data, size, &used);
	if (result == PROXY_MORE || result == PROXY_BAD) {
		HOLDS(used == 0);
		return 0;
	}
	HOLDS(used > 0 && used <= size && used <= PROXY_MAX);
	HOLDS(parse(data, used, &again) == result && again == used);
	HOLDS(parse(data, used - 1, &again) == PROXY_MORE);
	HOLDS(parse(data, used / 2, &again) == PROXY_MORE);
	return 0;
}
