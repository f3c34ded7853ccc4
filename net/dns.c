/*
 * dns.c - mail exchangers, services, addresses, TLSA records by the C library's
 * resolver.
 * Runs as: the spool user, sandboxed.  Uses: the name servers that
 * resolv.conf names, and what nsswitch.conf has for hosts.
 * Promise: only an answer that says so makes a name unknown; whatever can
 * not be asked or read is "later"; DNSSEC is believed from this host's own
 * name server alone, or where resolv.conf says so.
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

#include "conf/local_names.h"
#include "lib/buf.h"
#include "net/dns.h"
#include "net/idn.h"

#define PACKET_MAX	65535	/* bytes; no answer can be longer */
#define NAME_OCTETS_MAX	253	/* of a name written out (RFC 1035 2.3.4) */
#define LABEL_MAX	63
#define HEADER_SIZE	12	/* of a packet */
/* None in time, or SERVFAIL. */
#define NO_ANSWER	"name servers gave no usable answer"
#define FLAGS_SECURE	0x20	/* fourth byte: AD (RFC 4035 3.2.3) */
#define TYPE_TLSA	52
#define TLSA_HEAD	3	/* bytes: usage, selector, matching */
#define SHA256_SIZE	32
#define SHA512_SIZE	64

/* RFC 3463, RFC 7505. */
#define CODE_NO_HOST	"5.1.2"
#define CODE_NULL_MX	"5.1.10"
#define CODE_NO_ROUTE	"5.4.4"
#define CODE_LATER	"4.4.3"
#define CODE_TRUST	"4.7.5"

/* What is known of a record type of a name. */
enum known { KNOWN_YES, KNOWN_NO_NAME, KNOWN_NO_DATA, KNOWN_NULL,
    KNOWN_LATER };

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
	    text_ncasecmp(label, "0x", 2) != 0;
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

static int
is_before(const struct dns_host *a, const struct dns_host *b)
{
	if (a->preference != b->preference)
		return a->preference < b->preference;
	return text_casecmp(a->name, b->name) < 0;
}

/*
 * Puts a host in its place by preference; those that are as good by name, as
 * name servers have them in another order each time.  When there is no room
 * the last one goes.
 */
static size_t
insert(struct dns_host *hosts, size_t n, size_t max, const struct dns_host *h)
{
	size_t at;

	if (n == max) {
		if (max == 0 || !is_before(h, &hosts[n - 1]))
			return n;
		n--;
	}
	for (at = n; at > 0 && is_before(h, &hosts[at - 1]); at--)
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
		if (text_casecmp(hosts[i].name, h->name) == 0 &&
		    hosts[i].port == h->port)
			break;
	if (i == *n)
		return 1;
	if (hosts[i].preference <= h->preference)
		return 0;
	memmove(&hosts[i], &hosts[i + 1], (*n - i - 1) * sizeof(*hosts));
	--*n;
	return 1;
}

/* Opens a packet: the number of its answers, -1 malformed. */
static int
open_answers(ns_msg *m, const uint8_t *packet, size_t len)
{
	if (len > PACKET_MAX || ns_initparse(packet, (int)len, m) == -1 ||
	    !ns_msg_getflag(*m, ns_f_qr) || ns_msg_getflag(*m, ns_f_tc))
		return -1;
	return ns_msg_count(*m, ns_s_an);
}

/* The name at an offset of a record's data, and nothing after it. */
static int
read_name(const ns_msg *m, const ns_rr *rr, size_t at, char name[NS_MAXDNAME])
{
	int n;

	if (ns_rr_rdlen(*rr) <= at)
		return -1;
	n = dn_expand(ns_msg_base(*m), ns_msg_end(*m), ns_rr_rdata(*rr) + at,
	    name, NS_MAXDNAME);
	return n < 0 || (size_t)n != ns_rr_rdlen(*rr) - at ? -1 : 0;
}

static int
is_record(const ns_rr *rr, unsigned type)
{
	return ns_rr_type(*rr) == type && ns_rr_class(*rr) == ns_c_in;
}

/* The data of an MX or SRV record: 1 a host, 0 the root, -1 malformed. */
static int
read_host(const ns_msg *m, const ns_rr *rr, struct dns_host *h)
{
	int is_srv = ns_rr_type(*rr) == ns_t_srv;
	char name[NS_MAXDNAME];

	memset(h, 0, sizeof(*h));
	if (read_name(m, rr, is_srv ? 6 : 2, name) == -1)
		return -1;
	h->preference = ns_get16(ns_rr_rdata(*rr));
	if (is_srv) {
		h->weight = ns_get16(ns_rr_rdata(*rr) + 2);
		h->port = (uint16_t)ns_get16(ns_rr_rdata(*rr) + 4);
	}
	if (name[0] == '\0' || strcmp(name, ".") == 0)
		return 0;
	/* A name that no host can have is like a host that is down. */
	if (copy_name(h->name, sizeof(h->name), name) == -1 ||
	    (!is_name(h->name) && !is_literal(h->name)) ||
	    (is_srv && h->port == 0))
		h->name[0] = '\0';
	return 1;
}

int
dns_read_hosts(unsigned type, const uint8_t *packet, size_t len,
    struct dns_host *hosts, size_t max, int *is_null)
{
	unsigned records = 0, roots = 0;
	struct dns_host h;
	int count, i, ret;
	size_t n = 0;
	ns_msg m;
	ns_rr rr;

	*is_null = 0;
	/* Aliases come first in the same section; the resolver follows them. */
	count = open_answers(&m, packet, len);
	for (i = 0; i < count; i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) == -1)
			return -1;
		if (!is_record(&rr, type))
			continue;
		ret = read_host(&m, &rr, &h);
		if (ret == -1)
			return -1;
		records++;
		roots += ret == 0;
		if (h.name[0] != '\0' && is_better(hosts, &n, &h))
			n = insert(hosts, n, max, &h);
	}
	if (count == -1)
		return -1;
	*is_null = records == 1 && roots == 1;
	/* Hosts that can't be used are no leave to go without them. */
	return n == 0 && records > roots ? -1 : (int)n;
}

/*
 * RFC 7672 3.1: usages of public authorities are not for SMTP.  What stands
 * for a digest must be as long as one.
 */
static int
is_usable(const uint8_t *data, unsigned size)
{
	static const unsigned sizes[] = { 0, SHA256_SIZE, SHA512_SIZE };

	return size > TLSA_HEAD && (data[0] == 2 || data[0] == 3) &&
	    data[1] <= 1 && data[2] <= 2 && (data[2] == 0 ||
	    size - TLSA_HEAD == sizes[data[2]]);
}

int
dns_read_tlsa(const uint8_t *packet, size_t len, struct tlsas *t)
{
	const uint8_t *data;
	struct tlsa *a;
	size_t used = 0;
	int count, i, records = 0;
	ns_msg m;
	ns_rr rr;

	t->n = 0;
	t->data = malloc(len == 0 ? 1 : len);
	count = t->data == NULL ? -1 : open_answers(&m, packet, len);
	for (i = 0; i < count; i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) == -1)
			return -1;
		if (!is_record(&rr, TYPE_TLSA))
			continue;
		if (++records > TLSA_MAX || ns_rr_rdlen(rr) < TLSA_HEAD)
			return -1;
		data = ns_rr_rdata(rr);
		if (!is_usable(data, ns_rr_rdlen(rr)))
			continue;
		a = &t->list[t->n++];
		a->usage = data[0];
		a->selector = data[1];
		a->matching = data[2];
		a->at = (uint16_t)used;
		a->len = (uint16_t)(ns_rr_rdlen(rr) - TLSA_HEAD);
		memcpy(t->data + used, data + TLSA_HEAD, a->len);
		used += a->len;
	}
	return count == -1 ? -1 : records;
}

int
dns_read_alias(const uint8_t *packet, size_t len, char name[256])
{
	char target[NS_MAXDNAME];
	int count, i;
	ns_msg m;
	ns_rr rr;

	count = open_answers(&m, packet, len);
	for (i = 0; i < count; i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) == -1)
			return -1;
		if (is_record(&rr, ns_t_cname) &&
		    text_casecmp(ns_rr_name(rr), name) == 0 &&
		    (read_name(&m, &rr, 0, target) == -1 ||
		    !is_name(target) || copy_name(name, 256, target) == -1))
			return -1;
	}
	return count == -1 ? -1 : 0;
}

/*
 * 1 when nobody between a name server and us can say that an answer is secure
 * which is not: all of them are on this host, or resolv.conf says so.
 */
static int
is_trusted(const struct __res_state *state)
{
#ifdef RES_TRUSTAD
	const struct sockaddr_in6 *six;
	int i;

	if (state->options & RES_TRUSTAD)
		return 1;
	for (i = 0; i < state->nscount; i++) {
		six = state->_u._ext.nsaddrs[i];
		if (state->nsaddr_list[i].sin_family == AF_INET ?
		    ntohl(state->nsaddr_list[i].sin_addr.s_addr) >> 24 != 127 :
		    six == NULL || !IN6_IS_ADDR_LOOPBACK(&six->sin6_addr))
			return 0;
	}
	return state->nscount > 0;
#else
	(void)state;
	return 0;
#endif
}

/* An answer, with the room for it. */
struct answer {
	uint8_t		 data[PACKET_MAX];
	size_t		 len;
	enum known	 known;
	int		 is_secure;
};

/* Asks for one type of a name as it is, without search list. */
static enum known
ask(const char *name, int type, struct answer *a)
{
	struct __res_state state;
	int n;

	a->known = KNOWN_LATER;
	a->len = 0;
	a->is_secure = 0;
	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) == -1)
		return KNOWN_LATER;
#ifdef RES_TRUSTAD
	/* Otherwise the C library takes the word of nobody. */
	if (is_trusted(&state))
		state.options |= RES_TRUSTAD;
#endif
	memset(a->data, 0, HEADER_SIZE);
	n = res_nquery(&state, name, ns_c_in, type, a->data, PACKET_MAX);
	if (n >= 0 && n <= PACKET_MAX) {
		a->len = (size_t)n;
		a->known = KNOWN_YES;
	} else if (n < 0 && state.res_h_errno == HOST_NOT_FOUND) {
		a->known = KNOWN_NO_NAME;
	} else if (n < 0 && state.res_h_errno == NO_DATA) {
		a->known = KNOWN_NO_DATA;
	}
	/* Of an answer that has nothing the head is there, too. */
	a->is_secure = a->known != KNOWN_LATER && is_trusted(&state) &&
	    a->data[3] & FLAGS_SECURE;
	res_nclose(&state);
	return a->known;
}

/* One that could be written in ASCII was (idn_name()). */
static int
no_name(struct result *res, const char *code, const char *name)
{
	const char *reason;
	struct buf ascii;

	buf_init(&ascii, 0);
	reason = idn_name(name, &ascii);
	buf_fini(&ascii);
	return result_set(res, STATUS_FAILED, code, "%s is not a domain name"
	    "%s%s", name, reason == NULL ? "" : ": ",
	    reason == NULL ? "" : reason);
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
	if (text_ncasecmp(domain, "IPv6:", 5) == 0) {
		domain += 5;
		n -= 5;
	}
	memset(host, 0, sizeof(*host));
	memcpy(host->name, domain, n);
	return is_literal(host->name) ? 0 : -1;
}

/*
 * Looks up the hosts in the records of one type: 0 with those found, if any; -1
 * when the answer cannot be obtained now.
 */
static int
find_hosts(const char *name, int type, struct answer *a,
    struct dns_host *hosts, size_t max, size_t *n, struct result *res)
{
	int found = 0, is_null = 0;

	if (ask(name, type, a) == KNOWN_YES)
		found = dns_read_hosts((unsigned)type, a->data, a->len,
		    hosts, max, &is_null);
	if (a->known == KNOWN_LATER || found == -1)
		return result_set(res, STATUS_DEFERRED, CODE_LATER, "%s%s: %s",
		    type == ns_t_mx ? "MX of " : "", name, found == -1 ?
		    "the answer is malformed" : NO_ANSWER);
	if (is_null)
		a->known = KNOWN_NULL;
	for (*n = 0; *n < (size_t)found; ++*n)
		hosts[*n].is_secure = a->is_secure;
	return 0;
}

int
dns_mx(const char *domain, struct dns_host *hosts, size_t max, size_t *n,
    struct result *res)
{
	char name[NAME_OCTETS_MAX + 1];
	struct answer a;

	*n = 0;
	if (domain[0] == '[' && read_literal(domain, &hosts[0]) == 0) {
		*n = 1;
		return 0;
	}
	if (copy_name(name, sizeof(name), domain) == -1 || !is_name(name))
		return no_name(res, CODE_NO_HOST, domain);
	if (find_hosts(name, ns_t_mx, &a, hosts, max, n, res) == -1)
		return -1;
	if (a.known == KNOWN_NO_NAME)
		return result_set(res, STATUS_FAILED, CODE_NO_HOST,
		    "domain %s does not exist", name);
	if (a.known == KNOWN_NULL)
		return result_set(res, STATUS_FAILED, CODE_NULL_MX,
		    "%s accepts no mail (null MX)", name);
	if (*n == 0) {		/* then the domain is its own exchanger */
		memset(&hosts[0], 0, sizeof(hosts[0]));
		memcpy(hosts[0].name, name, strlen(name) + 1);
		hosts[0].is_secure = a.is_secure;
		*n = 1;
	}
	return 0;
}

int
dns_srv(const char *domain, int is_tls, struct dns_host *hosts, size_t max,
    size_t *n, struct result *res)
{
	char name[NAME_OCTETS_MAX + 1];
	struct answer a;
	int len;

	*n = 0;
	len = snprintf(name, sizeof(name), "%s._tcp.%s",
	    is_tls ? "_submissions" : "_submission", domain);
	if (len < 0 || (size_t)len >= sizeof(name) || !is_name(domain))
		return no_name(res, CODE_NO_HOST, domain);
	if (find_hosts(name, ns_t_srv, &a, hosts, max, n, res) == -1)
		return -1;
	if (*n == 0)
		return result_set(res, STATUS_FAILED, CODE_NO_ROUTE,
		    a.known == KNOWN_NULL ? "%s: service is not available" :
		    "%s has no SRV records", name);
	return 0;
}

/*
 * 1 when the name servers themselves say that a name has no address.  The
 * system's answer blurs that with a server that failed for one of two types.
 */
static int
is_surely_unknown(const char *host)
{
	static const int types[] = { ns_t_a, ns_t_aaaa };
	enum known known;
	struct answer a;
	size_t i;

	for (i = 0; i < 2; i++) {
		known = ask(host, types[i], &a);
		if (known == KNOWN_YES || known == KNOWN_LATER)
			break;
	}
	return i == 2;
}

struct tlsas *
tlsas_hold(struct tlsas *t)
{
	if (t != NULL)
		t->users++;
	return t;
}

void
tlsas_free(struct tlsas *t)
{
	if (t == NULL || --t->users > 0)
		return;
	free(t->data);
	free(t);
}

static int
no_trust(struct result *res, const char *host, const char *reason)
{
	return result_set(res, STATUS_DEFERRED, CODE_TRUST, "TLSA of %s: %s",
	    host, reason);
}

/* The records below one name: 1 some, 0 none that count, -1 unknown. */
static int
find_tlsa(const char *base, uint16_t port, struct answer *a, struct tlsas *t,
    struct result *res)
{
	char name[NAME_OCTETS_MAX + 1];
	int n;

	n = snprintf(name, sizeof(name), "_%u._tcp.%s", (unsigned)port, base);
	if (n < 0 || (size_t)n >= sizeof(name))
		return 0;
	if (ask(name, TYPE_TLSA, a) == KNOWN_LATER)
		return no_trust(res, base, NO_ANSWER);
	if (a->known != KNOWN_YES || !a->is_secure)
		return 0;
	free(t->data);
	n = dns_read_tlsa(a->data, a->len, t);
	if (n == -1)
		return no_trust(res, base, "the answer is malformed");
	memcpy(t->base, base, strlen(base) + 1);
	return n > 0;
}

/*
 * Names to ask for TLSA records (RFC 7672 2.2.2, 2.2.3): where signed aliases
 * of the host lead, then the host's own.  The number of them, or -1 unknown.
 * Nobody is asked where the addresses are not signed: name servers are known
 * that fail then, and nothing could come of it.
 */
static int
find_bases(const char *host, struct answer *a, char bases[2][256],
    struct result *res)
{
	char alias[256];

	if (ask(host, ns_t_a, a) == KNOWN_NO_DATA && a->is_secure)
		ask(host, ns_t_aaaa, a);
	if (a->known == KNOWN_LATER)
		return no_trust(res, host, NO_ANSWER);
	memcpy(alias, host, strlen(host) + 1);
	if (a->known == KNOWN_YES &&
	    dns_read_alias(a->data, a->len, alias) == -1)
		return no_trust(res, host, "the answer is malformed");
	memcpy(bases[0], host, strlen(host) + 1);
	if (text_casecmp(alias, host) == 0)
		return a->is_secure;
	if (a->is_secure) {
		memcpy(bases[1], host, strlen(host) + 1);
		memcpy(bases[0], alias, sizeof(alias));
		return 2;
	}
	/* The alias may be signed while what it leads to is not. */
	if (ask(host, ns_t_cname, a) == KNOWN_LATER)
		return no_trust(res, host, NO_ANSWER);
	return a->known == KNOWN_YES && a->is_secure;
}

int
dns_tlsa(const char *host, uint16_t port, struct tlsas **tlsas,
    struct result *res)
{
	char name[NAME_OCTETS_MAX + 1], bases[2][256];
	struct tlsas *t;
	struct answer a;
	int i, n, ret = 0;

	*tlsas = NULL;
	if (is_literal(host) || copy_name(name, sizeof(name), host) == -1 ||
	    !is_name(name))
		return 0;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return no_trust(res, name, "out of memory");
	t->users = 1;
	n = find_bases(name, &a, bases, res);
	for (i = 0; i < n && ret == 0; i++)
		ret = find_tlsa(bases[i], port, &a, t, res);
	if (ret == 1)
		*tlsas = t;
	else
		tlsas_free(t);
	return n == -1 || ret == -1 ? -1 : 0;
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
		return result_set(res, STATUS_FAILED, CODE_NO_ROUTE,
		    "host %s has no address", host);
	return result_set(res, STATUS_DEFERRED, CODE_LATER, "address of %s: %s",
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
		return no_name(res, CODE_NO_ROUTE, host);
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
		return result_set(res, STATUS_DEFERRED, CODE_LATER,
		    "%s: no usable address", name);
	return 0;
}

int
dns_is_self(const struct dns_addr *addr)
{
	return names_is_own_address((const void *)&addr->ss);
}
