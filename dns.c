/*
 * dns.c - mail exchangers and addresses by the C library's resolver.
 * Runs as: the spool user, sandboxed.  Door to: the name servers that
 * resolv.conf names, and what nsswitch.conf has for hosts.
 * Promise: only an answer that says so makes a name unknown; whatever can
 * not be asked or read is "later".
 */
#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns.h"

#define PACKET_MAX	65535	/* octets; no answer can be longer */
#define NAME_OCTETS_MAX	253	/* of a name written out (RFC 1035 2.3.4) */
#define LABEL_MAX	63
#define HEADER_SIZE	12	/* of a packet */
#define QUESTION_SIZE	4	/* after its name: type, class */
#define RECORD_SIZE	10	/* after its name: type, class, ttl, length */
#define TYPE_A		1
#define TYPE_MX		15
#define TYPE_AAAA	28
#define CLASS_IN	1
#define FLAGS_RESPONSE	0x80	/* third octet of the header */
#define FLAGS_TRUNCATED	0x02

/* RFC 3463, RFC 7505. */
#define CODE_NO_HOST	"5.1.2"
#define CODE_NULL_MX	"5.1.10"
#define CODE_NO_ROUTE	"5.4.4"
#define CODE_LATER	"4.4.3"

/* What is known of a record type of a name. */
enum known { KNOWN_YES, KNOWN_NO_NAME, KNOWN_NO_DATA, KNOWN_LATER };

struct reader {
	const uint8_t	*start, *at, *end;
};

static unsigned
be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static size_t
left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

/* Steps over a name, compressed or not. */
static int
skip_name(struct reader *r)
{
	int n;

	n = dn_skipname(r->at, r->end);
	if (n < 0 || (size_t)n > left(r))
		return -1;
	r->at += n;
	return 0;
}

static int
skip_questions(struct reader *r, unsigned count)
{
	while (count-- > 0) {
		if (skip_name(r) == -1 || left(r) < QUESTION_SIZE)
			return -1;
		r->at += QUESTION_SIZE;
	}
	return 0;
}

/* An address, IPv6 perhaps with its scope ("fe80::1%eth0"). */
static int
is_literal(const char *host)
{
	uint8_t addr[sizeof(struct in6_addr)];
	char plain[INET6_ADDRSTRLEN];
	size_t n;

	n = strcspn(host, "%");
	if (n >= sizeof(plain))
		return 0;
	memcpy(plain, host, n);
	plain[n] = '\0';
	if (host[n] == '\0' && inet_pton(AF_INET, plain, addr) == 1)
		return 1;
	return inet_pton(AF_INET6, plain, addr) == 1;
}

/*
 * Letters, digits, hyphens and underscores in labels.  The last label is no
 * number, else the name would be taken for an address ("127.1", "0x7f.1").
 */
static int
is_name(const char *host)
{
	const char *label = host;
	size_t n;

	if (strlen(host) > NAME_OCTETS_MAX)
		return 0;
	for (;;) {
		n = strspn(label, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
		if (n == 0 || n > LABEL_MAX || label[0] == '-')
			return 0;
		if (label[n] == '\0')
			break;
		if (label[n] != '.')
			return 0;
		label += n + 1;
	}
	return label[strspn(label, "0123456789")] != '\0' &&
	    strncasecmp(label, "0x", 2) != 0;
}

/* Copies a name without its final dot. */
static int
copy_name(char *dst, size_t size, const char *name)
{
	size_t n;

	n = strlen(name);
	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n >= size)
		return -1;
	memcpy(dst, name, n);
	dst[n] = '\0';
	return 0;
}

/*
 * Puts a host in its place by preference; those that are as good stay in
 * the order of the packet.  When there is no room the worst one goes.
 */
static size_t
insert(struct dns_host *hosts, size_t n, size_t max, const struct dns_host *h)
{
	size_t at;

	if (n == max) {
		if (max == 0 || h->preference >= hosts[n - 1].preference)
			return n;
		n--;
	}
	for (at = n; at > 0 && hosts[at - 1].preference > h->preference; at--)
		hosts[at] = hosts[at - 1];
	hosts[at] = *h;
	return n + 1;
}

/* Takes an earlier record of the same host away if it is the worse one. */
static int
is_better(struct dns_host *hosts, size_t *n, const struct dns_host *h)
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (strcasecmp(hosts[i].name, h->name) == 0)
			break;
	if (i == *n)
		return 1;
	if (hosts[i].preference <= h->preference)
		return 0;
	memmove(&hosts[i], &hosts[i + 1], (*n - i - 1) * sizeof(*hosts));
	--*n;
	return 1;
}

/* The data of an MX record: 1 a host, 0 the root, -1 malformed. */
static int
read_host(const struct reader *r, size_t len, struct dns_host *h)
{
	char name[NS_MAXDNAME];
	int n;

	if (len < 3)
		return -1;
	h->preference = be16(r->at);
	n = dn_expand(r->start, r->end, r->at + 2, name, sizeof(name));
	if (n < 0 || (size_t)n != len - 2)
		return -1;
	if (name[0] == '\0' || strcmp(name, ".") == 0)
		return 0;
	/* A name that no host can have is like a host that is down. */
	if (copy_name(h->name, sizeof(h->name), name) == -1 ||
	    (!is_name(h->name) && !is_literal(h->name)))
		h->name[0] = '\0';
	return 1;
}

int
dns_read_mx(const uint8_t *packet, size_t len, struct dns_host *hosts,
    size_t max, int *is_null)
{
	struct reader r;
	unsigned count, type, class, size, records = 0, roots = 0;
	struct dns_host h;
	size_t n = 0;
	int ret;

	*is_null = 0;
	if (len < HEADER_SIZE || len > PACKET_MAX ||
	    !(packet[2] & FLAGS_RESPONSE) || packet[2] & FLAGS_TRUNCATED)
		return -1;
	r.start = packet;
	r.at = packet + HEADER_SIZE;
	r.end = packet + len;
	if (skip_questions(&r, be16(packet + 4)) == -1)
		return -1;
	/* Aliases come first in the same section; the resolver follows them. */
	for (count = be16(packet + 6); count > 0; count--) {
		if (skip_name(&r) == -1 || left(&r) < RECORD_SIZE)
			return -1;
		type = be16(r.at);
		class = be16(r.at + 2);
		size = be16(r.at + 8);
		r.at += RECORD_SIZE;
		if (size > left(&r))
			return -1;
		if (type == TYPE_MX && class == CLASS_IN) {
			memset(&h, 0, sizeof(h));
			ret = read_host(&r, size, &h);
			if (ret == -1)
				return -1;
			records++;
			roots += ret == 0;
			if (h.name[0] != '\0' && is_better(hosts, &n, &h))
				n = insert(hosts, n, max, &h);
		}
		r.at += size;
	}
	*is_null = records == 1 && roots == 1;
	/* Exchangers that can't be used are no leave to go without them. */
	return n == 0 && records > roots ? -1 : (int)n;
}

/* Those of one preference share the load (RFC 5321 5.1). */
static void
shuffle(struct dns_host *hosts, size_t n)
{
	struct dns_host swap;
	size_t first, end, i, j;

	for (first = 0; first < n; first = end) {
		for (end = first + 1; end < n; end++)
			if (hosts[end].preference != hosts[first].preference)
				break;
		for (i = end - 1; i > first; i--) {
			j = first + arc4random_uniform(
			    (uint32_t)(i - first + 1));
			swap = hosts[i];
			hosts[i] = hosts[j];
			hosts[j] = swap;
		}
	}
}

/* Asks for one type of a name as it is, without search list. */
static enum known
ask(const char *name, int type, uint8_t *packet, size_t size, size_t *len)
{
	struct __res_state state;
	enum known known = KNOWN_LATER;
	int n;

	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) == -1)
		return KNOWN_LATER;
	n = res_nquery(&state, name, CLASS_IN, type, packet, (int)size);
	if (n >= 0 && (size_t)n <= size) {
		*len = (size_t)n;
		known = KNOWN_YES;
	} else if (n < 0 && state.res_h_errno == HOST_NOT_FOUND) {
		known = KNOWN_NO_NAME;
	} else if (n < 0 && state.res_h_errno == NO_DATA) {
		known = KNOWN_NO_DATA;
	}
	res_nclose(&state);
	return known;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static int
read_literal(const char *domain, struct dns_host *host)
{
	size_t n;

	n = strlen(domain);
	if (n < 3 || n >= sizeof(host->name) || domain[n - 1] != ']')
		return -1;
	domain++;
	n -= 2;
	if (strncasecmp(domain, "IPv6:", 5) == 0) {
		domain += 5;
		n -= 5;
	}
	memset(host, 0, sizeof(*host));
	memcpy(host->name, domain, n);
	return is_literal(host->name) ? 0 : -1;
}

static int
read_answer(const char *domain, const uint8_t *packet, size_t len,
    struct dns_host *hosts, size_t max, size_t *n, struct result *res)
{
	int found, is_null;

	found = dns_read_mx(packet, len, hosts, max, &is_null);
	if (found == -1)
		return result_set(res, FATE_RETRY, CODE_LATER,
		    "MX of %s: the answer is malformed", domain);
	if (is_null)
		return result_set(res, FATE_FAILED, CODE_NULL_MX,
		    "%s accepts no mail (null MX)", domain);
	*n = (size_t)found;
	shuffle(hosts, *n);
	return 0;
}

int
dns_mx(const char *domain, struct dns_host *hosts, size_t max, size_t *n,
    struct result *res)
{
	char name[NAME_OCTETS_MAX + 1];
	enum known known;
	uint8_t *packet;
	size_t len = 0;

	*n = 0;
	if (max == 0)
		return result_set(res, FATE_RETRY, CODE_LATER, "no room");
	if (domain[0] == '[' && read_literal(domain, &hosts[0]) == 0) {
		*n = 1;
		return 0;
	}
	if (copy_name(name, sizeof(name), domain) == -1 || !is_name(name))
		return result_set(res, FATE_FAILED, CODE_NO_HOST,
		    "%s is not the name of a domain", domain);
	packet = malloc(PACKET_MAX);
	if (packet == NULL)
		return result_set(res, FATE_RETRY, CODE_LATER,
		    "out of memory");
	known = ask(name, TYPE_MX, packet, PACKET_MAX, &len);
	if (known == KNOWN_YES && read_answer(name, packet, len, hosts, max, n,
	    res) == -1) {
		free(packet);
		return -1;
	}
	free(packet);
	if (known == KNOWN_NO_NAME)
		return result_set(res, FATE_FAILED, CODE_NO_HOST,
		    "domain %s does not exist", name);
	if (known == KNOWN_LATER)
		return result_set(res, FATE_RETRY, CODE_LATER,
		    "MX of %s: no name server could tell", name);
	if (*n == 0) {		/* then the domain is its own exchanger */
		memset(&hosts[0], 0, sizeof(hosts[0]));
		memcpy(hosts[0].name, name, strlen(name) + 1);
		*n = 1;
	}
	return 0;
}

/*
 * 1 when the name servers themselves say that a name has no address.  The
 * system's answer blurs that with a server that failed for one of two types.
 */
static int
is_surely_unknown(const char *host)
{
	static const int types[] = { TYPE_A, TYPE_AAAA };
	enum known known;
	uint8_t *packet;
	size_t i, len;

	packet = malloc(PACKET_MAX);
	if (packet == NULL)
		return 0;
	for (i = 0; i < 2; i++) {
		known = ask(host, types[i], packet, PACKET_MAX, &len);
		if (known == KNOWN_YES || known == KNOWN_LATER)
			break;
	}
	free(packet);
	return i == 2;
}

static size_t
add_addr(struct dns_addr *addrs, size_t n, const struct addrinfo *ai)
{
	struct dns_addr *a = &addrs[n];
	size_t i;

	if (ai->ai_addrlen > sizeof(a->ss))
		return n;
	for (i = 0; i < n; i++)
		if (addrs[i].len == ai->ai_addrlen &&
		    memcmp(&addrs[i].ss, ai->ai_addr, ai->ai_addrlen) == 0)
			return n;
	memset(a, 0, sizeof(*a));
	memcpy(&a->ss, ai->ai_addr, ai->ai_addrlen);
	a->len = ai->ai_addrlen;
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, a->text, sizeof(a->text),
	    NULL, 0, NI_NUMERICHOST) != 0)
		return n;
	return n + 1;
}

/* The next of the list, from at on, that is or is not of a family. */
static const struct addrinfo *
next_of(const struct addrinfo *at, int family, int same)
{
	while (at != NULL && (at->ai_family == family) != same)
		at = at->ai_next;
	return at;
}

/* Takes turns, so that one family that is dead costs one attempt. */
static size_t
interleave(const struct addrinfo *list, struct dns_addr *addrs, size_t max)
{
	const struct addrinfo *turn, *other, *swap;
	int family = list->ai_family, same = 1;
	size_t n = 0;

	turn = list;
	other = next_of(list, family, 0);
	while (n < max && (turn != NULL || other != NULL)) {
		if (turn != NULL) {
			n = add_addr(addrs, n, turn);
			turn = next_of(turn->ai_next, family, same);
		}
		swap = turn;
		turn = other;
		other = swap;
		same = !same;
	}
	return n;
}

/*
 * A full name must not be tried below the domains of the search list, where a
 * wildcard would take the mail.  The C library's getaddrinfo() has only this
 * switch, and keeps it with the thread.  The switch is set back before
 * resolv.conf is read again: glibc drops a change that it finds in both.
 */
static void
set_search(int on)
{
	const unsigned long search = RES_DNSRCH | RES_DEFNAMES;

	_res.options |= search;
	if (res_init() == 0 && !on)
		_res.options &= ~search;
}

static int
explain(const char *host, int error, struct result *res)
{
	int is_none = error == EAI_NONAME;

#ifdef EAI_NODATA
	is_none |= error == EAI_NODATA;
#endif
	if (is_none && !is_literal(host) && is_surely_unknown(host))
		return result_set(res, FATE_FAILED, CODE_NO_ROUTE,
		    "host %s has no address", host);
	return result_set(res, FATE_RETRY, CODE_LATER, "address of %s: %s",
	    host, gai_strerror(error));
}

int
dns_addrs(const char *host, uint16_t port, struct dns_addr *addrs, size_t max,
    size_t *n, struct result *res)
{
	struct addrinfo hints, *list = NULL;
	char name[NAME_OCTETS_MAX + 1], service[8];
	int error;

	*n = 0;
	if (copy_name(name, sizeof(name), host) == -1 ||
	    (!is_name(name) && !is_literal(name)))
		return result_set(res, FATE_FAILED, CODE_NO_ROUTE,
		    "%s is not the name of a host", host);
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICSERV;
	if (is_literal(name))
		hints.ai_flags |= AI_NUMERICHOST;
	snprintf(service, sizeof(service), "%u", (unsigned)port);
	set_search(strchr(name, '.') == NULL);
	error = getaddrinfo(name, service, &hints, &list);
	if (error != 0)
		return explain(name, error, res);
	*n = interleave(list, addrs, max);
	freeaddrinfo(list);
	if (*n == 0)
		return result_set(res, FATE_RETRY, CODE_LATER,
		    "address of %s: none that is known here", name);
	return 0;
}
