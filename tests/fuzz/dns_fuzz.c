/*
 * dns_fuzz.c - MX answers.  The first octet is the room there is for hosts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const struct dns_host *hosts, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (memchr(hosts[i].name, '\0', sizeof(hosts[i].name)) == NULL)
			abort();
		if (hosts[i].name[0] == '\0' || hosts[i].preference > 65535)
			abort();
		if (strspn(hosts[i].name, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%") !=
		    strlen(hosts[i].name))
			abort();
		if (i > 0 && hosts[i].preference < hosts[i - 1].preference)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dns_host *hosts;
	size_t max;
	uint8_t *packet;
	int n, is_null;

	if (len == 0)
		return 0;
	/* Both of their own, so that a step past either end is noticed. */
	max = data[0] % DNS_HOSTS_MAX + 1;
	hosts = calloc(max, sizeof(*hosts));
	packet = malloc(len - 1 > 0 ? len - 1 : 1);
	if (hosts != NULL && packet != NULL) {
		memcpy(packet, data + 1, len - 1);
		n = dns_read_mx(packet, len - 1, hosts, max, &is_null);
		if (n < -1 || (n > 0 && ((size_t)n > max || is_null)))
			abort();
		check(hosts, n);
	}
	free(packet);
	free(hosts);
	return 0;
}
