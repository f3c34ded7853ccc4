/*
 * smtpd_netset_fuzz.c - lines: an address, then networks.
 * Holds: a set that is ready is sorted and joined, and has the address if one
 * of its networks had it before; what is written is read back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/netset.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)
#define NETWORKS_MAX	256	/* more are only slow */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
compare(const struct netaddr *a, const struct netaddr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Of a set that is not ready: one by one. */
static int
has(const struct netset *set, const struct netaddr *addr)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (compare(&set->list[i].first, addr) <= 0 &&
		    compare(addr, &set->list[i].last) <= 0)
			return 1;
	return 0;
}

static void
check_address(const char *text, struct netaddr *addr)
{
	char out[NETADDR_TEXT];
	struct netaddr again;

	if (netaddr_parse(text, addr) == -1)
		memset(addr, 0, sizeof(*addr));
	netaddr_text(addr, out);
	HOLDS(netaddr_parse(out, &again) == 0);
	HOLDS(compare(addr, &again) == 0);
}

static void
check_set(struct netset *set, const struct netaddr *addr)
{
	int expected = has(set, addr);
	size_t i;

	netset_ready(set);
	HOLDS(netset_has(set, addr) == expected);
	for (i = 0; i < set->n; i++) {
		HOLDS(compare(&set->list[i].first, &set->list[i].last) <= 0);
		HOLDS(i == 0 || compare(&set->list[i - 1].last,
		    &set->list[i].first) < 0);
		HOLDS(netset_has(set, &set->list[i].first));
		HOLDS(netset_has(set, &set->list[i].last));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *line;
	struct netset set;
	struct netaddr addr;
	const char *reason;
	size_t n;

	HOLDS(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	check_address(strsep(&rest, "\n"), &addr);
	netset_init(&set);
	for (n = 0; n < NETWORKS_MAX; n++) {
		line = strsep(&rest, "\n");
		if (line == NULL)
			break;
		HOLDS(netset_add(&set, line, &reason) == 0 || reason != NULL);
	}
	check_set(&set, &addr);
	netset_fini(&set);
	free(text);
	return 0;
}
