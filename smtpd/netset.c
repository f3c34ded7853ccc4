/*
 * netset.c - sets of addresses and networks, IPv4 and IPv6.
 * Runs as: anyone.  Uses: memory.
 * Promise: a set that is ready is looked up in logarithmic time, however its
 * networks overlap.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/buf.h"
#include "lib/text.h"
#include "smtpd/netset.h"

#define TEXT_MAX	(NETADDR_TEXT + 4)	/* an address and "/128" */
#define MAPPED		12	/* bytes before an IPv4 address */
#define MAPPED_BITS	(8 * MAPPED)
#define ADDRESS_BITS	128
#define CLIENT_BYTES	8	/* of an IPv6 address: RFC 4291 2.5.1 */

static const uint8_t mapped[MAPPED] =
    { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* 1. Addresses. */

static void
map_ipv4(struct netaddr *addr, const void *ipv4)
{
	memcpy(addr->bytes, mapped, MAPPED);
	memcpy(addr->bytes + MAPPED, ipv4, sizeof(addr->bytes) - MAPPED);
}

int
netaddr_of(const struct sockaddr *from, struct netaddr *addr)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (from->sa_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		map_ipv4(addr, &in.sin_addr);
		return 0;
	}
	if (from->sa_family != AF_INET6)
		return -1;
	memcpy(&in6, from, sizeof(in6));
	memcpy(addr->bytes, &in6.sin6_addr, sizeof(addr->bytes));
	return 0;
}

int
netaddr_parse(const char *text, struct netaddr *addr)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) == 1) {
		map_ipv4(addr, &in);
		return 0;
	}
	return inet_pton(AF_INET6, text, addr->bytes) == 1 ? 0 : -1;
}

int
netaddr_is_ipv4(const struct netaddr *addr)
{
	return memcmp(addr->bytes, mapped, MAPPED) == 0;
}

/* A client chooses the rest of its address, for each connection. */
void
netaddr_client(const struct netaddr *addr, struct netaddr *client)
{
	*client = *addr;
	if (!netaddr_is_ipv4(addr))
		memset(client->bytes + CLIENT_BYTES, 0,
		    sizeof(client->bytes) - CLIENT_BYTES);
}

void
netaddr_text(const struct netaddr *addr, char out[NETADDR_TEXT])
{
	if (netaddr_is_ipv4(addr))
		inet_ntop(AF_INET, addr->bytes + MAPPED, out, NETADDR_TEXT);
	else
		inet_ntop(AF_INET6, addr->bytes, out, NETADDR_TEXT);
}

static int
compare(const struct netaddr *a, const struct netaddr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* The address that follows, or precedes with by -1; all ones and zero wrap. */
static struct netaddr
neighbour(const struct netaddr *addr, int by)
{
	struct netaddr next = *addr;
	size_t i = sizeof(next.bytes);
	uint8_t wrapped = by > 0 ? 0 : 0xff;

	while (i-- > 0) {
		next.bytes[i] = (uint8_t)(next.bytes[i] + by);
		if (next.bytes[i] != wrapped)
			break;
	}
	return next;
}

/* 2. Networks. */

/* The last address of a network; -1 when bits beyond the prefix are set. */
static int
last_of(const struct netaddr *first, unsigned bits, struct netaddr *last)
{
	unsigned i, host;

	*last = *first;
	for (i = bits / 8; i < sizeof(last->bytes); i++) {
		host = i == bits / 8 ? 0xffu >> bits % 8 : 0xff;
		if ((first->bytes[i] & host) != 0)
			return -1;
		last->bytes[i] = (uint8_t)(first->bytes[i] | host);
	}
	return 0;
}

/* NULL, or why the text is no network. */
static const char *
parse(const char *text, struct netrange *range, unsigned *bits)
{
	char address[TEXT_MAX], *slash;
	unsigned most;
	uint64_t n;

	if (text_copy(address, sizeof(address), text) == -1)
		return "not an address or network";
	slash = strchr(address, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (netaddr_parse(address, &range->first) == -1)
		return "not an address or network";
	/* "::ffff:192.0.2.0/120" counts the bits of IPv6. */
	most = strchr(address, ':') == NULL ? ADDRESS_BITS - MAPPED_BITS :
	    ADDRESS_BITS;
	n = most;
	if (slash != NULL && text_number(slash, most, &n) == -1)
		return most == ADDRESS_BITS ? "the prefix length is not 0 to "
		    "128" : "the prefix length is not 0 to 32";
	*bits = (unsigned)n + ADDRESS_BITS - most;
	if (last_of(&range->first, *bits, &range->last) == -1)
		return "the address has bits beyond the prefix";
	return NULL;
}

static int
add_range(struct netset *set, const struct netaddr *first,
    const struct netaddr *last)
{
	if (array_grow(&set->list, &set->cap, set->n,
	    sizeof(*set->list)) == -1)
		return -1;
	set->list[set->n].first = *first;
	set->list[set->n++].last = *last;
	return 0;
}

/* The IPv4 addresses, which lie in the middle of "::/0", are no part of it. */
static int
add_without_ipv4(struct netset *set, const struct netrange *range)
{
	struct netaddr first, last, edge;
	static const uint8_t none[4] = { 0, 0, 0, 0 };
	static const uint8_t all[4] = { 0xff, 0xff, 0xff, 0xff };

	map_ipv4(&first, none);
	map_ipv4(&last, all);
	edge = neighbour(&first, -1);
	if (add_range(set, &range->first, &edge) == -1)
		return -1;
	edge = neighbour(&last, 1);
	/* The block is the upper end of networks from /81 on. */
	if (compare(&range->last, &last) == 0)
		return 0;
	return add_range(set, &edge, &range->last);
}

void
netset_init(struct netset *set)
{
	*set = (struct netset){ NULL, 0, 0 };
}

void
netset_fini(struct netset *set)
{
	free(set->list);
	netset_init(set);
}

int
netset_add(struct netset *set, const char *text, const char **reason)
{
	struct netrange range;
	struct netaddr block;
	static const uint8_t none[4] = { 0, 0, 0, 0 };
	unsigned bits;

	*reason = parse(text, &range, &bits);
	if (*reason != NULL)
		return -1;
	map_ipv4(&block, none);
	if (bits < MAPPED_BITS && compare(&range.first, &block) <= 0 &&
	    compare(&block, &range.last) <= 0)
		return add_without_ipv4(set, &range);
	return add_range(set, &range.first, &range.last);
}

/* 3. Look-up. */

static int
compare_ranges(const void *a, const void *b)
{
	const struct netrange *one = a, *two = b;

	return compare(&one->first, &two->first);
}

void
netset_ready(struct netset *set)
{
	struct netrange *end;
	struct netaddr next;
	size_t i, kept = 0;

	if (set->n > 1)
		qsort(set->list, set->n, sizeof(*set->list), compare_ranges);
	for (i = 1; i < set->n; i++) {
		end = &set->list[kept];
		next = neighbour(&end->last, 1);
		if (compare(&set->list[i].first, &end->last) > 0 &&
		    compare(&set->list[i].first, &next) != 0)
			set->list[++kept] = set->list[i];
		else if (compare(&set->list[i].last, &end->last) > 0)
			end->last = set->list[i].last;
	}
	if (set->n > 0)
		set->n = kept + 1;
}

int
netset_has(const struct netset *set, const struct netaddr *addr)
{
	size_t low = 0, high = set->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare(addr, &set->list[middle].last) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n && compare(&set->list[low].first, addr) <= 0;
}
