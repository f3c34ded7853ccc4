/*
 * dns_fuzz.c - answers: each is read as one of every kind.  The first byte is
 * the room there is for hosts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/nameser.h>

#include "net/dns.h"

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

static void
check_tlsa(const uint8_t *packet, size_t len)
{
	struct tlsas t;
	unsigned i;
	int n;

	memset(&t, 0, sizeof(t));
	n = dns_read_tlsa(packet, len, &t);
	if (n < -1 || n > TLSA_MAX || (n >= 0 && t.n > (unsigned)n))
		abort();
	for (i = 0; n >= 0 && i < t.n; i++)
		if (t.list[i].len == 0 ||
		    (size_t)t.list[i].at + t.list[i].len > len)
			abort();
	free(t.data);
}

static void
check_alias(const uint8_t *packet, size_t len)
{
	char name[256] = "mx.example.org";

	if (dns_read_alias(packet, len, name) == 0 &&
	    (memchr(name, '\0', sizeof(name)) == NULL || name[0] == '\0'))
		abort();
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
		n = dns_read_hosts(ns_t_mx, packet, len - 1, hosts, max,
		    &is_null);
		if (n < -1 || (n > 0 && ((size_t)n > max || is_null)))
			abort();
		check(hosts, n);
		n = dns_read_hosts(ns_t_srv, packet, len - 1, hosts, max,
		    &is_null);
		if (n < -1 || (n > 0 && ((size_t)n > max || is_null)))
			abort();
		check(hosts, n);
		check_tlsa(packet, len - 1);
		check_alias(packet, len - 1);
	}
	free(packet);
	free(hosts);
	return 0;
}
