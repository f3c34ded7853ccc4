/*
 * dns.h - mail exchangers, services, addresses and what DNS says of
 * certificates, by the C library's resolver.
 * Blocking, with the resolver's own bounded time-outs: it is called in a
 * process that serves one destination.  Names are ASCII (xn-- for others); a
 * final dot is dropped.
 */
#ifndef DNS_H
#define DNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "crypto.h"
#include "lib/result.h"

#define DNS_HOSTS_MAX	32	/* mail exchangers that are looked at */
#define DNS_ADDRS_MAX	64	/* addresses of one host */

struct dns_host {
	char	 name[256];	/* no final dot */
	unsigned preference;	/* less is better */
	unsigned weight;	/* of a service: its share among equals */
	uint16_t port;		/* of a service; else 0 */
	int	 is_secure;	/* DNSSEC: nobody else can have said so */
};

struct dns_addr {
	struct sockaddr_storage ss;
	socklen_t len;
	char	 text[64];	/* "192.0.2.1", "2001:db8::1" for logs */
};

/*
 * Where mail for a domain goes (RFC 5321 5.1), best first, equals by name; the
 * domain itself when it has no MX.  "[192.0.2.1]" and "[IPv6:…]" name
 * themselves.  0 with *n > 0; else -1 and the result says: NXDOMAIN FAILED
 * 5.1.2, null MX (RFC 7505) FAILED 5.1.10 ("5.1.10"), no data at all is told
 * by dns_addrs(); SERVFAIL, time-out, malformed RETRY 4.4.3.
 */
int	dns_mx(const char *domain, struct dns_host *hosts, size_t max,
	    size_t *n, struct result *);
/*
 * Where a domain takes submissions (RFC 6186, RFC 8314), best first; is_tls:
 * those with TLS before the greeting.  Else as dns_mx(): no such service is
 * FAILED 5.4.4.
 */
int	dns_srv(const char *domain, int is_tls, struct dns_host *hosts,
	    size_t max, size_t *n, struct result *);
/*
 * Addresses of a host (name or literal without brackets), IPv6 and IPv4
 * interleaved in the system's order.  0 with *n > 0; else -1: name or data
 * does not exist FAILED 5.4.4, else RETRY 4.4.3.
 */
int	dns_addrs(const char *host, uint16_t port, struct dns_addr *addrs,
	    size_t max, size_t *n, struct result *);
/* 1 when an address is one of this host's own, for now. */
int	dns_is_self(const struct dns_addr *);
/*
 * The TLSA records of a host (RFC 7672 2.2): 0 with a new *tlsas, or NULL when
 * there are none that DNSSEC vouches for; -1 RETRY 4.7.5 when that cannot be
 * known.  Believed are name servers on this host, or if resolv.conf has
 * "options trust-ad" those it names.
 */
int	dns_tlsa(const char *host, uint16_t port, struct tlsas **tlsas,
	    struct result *);
struct tlsas *tlsas_hold(struct tlsas *);	/* NULL is fine, for both */
void	tlsas_free(struct tlsas *);

/*
 * Reads an MX or SRV answer packet: the number of hosts, best first, each once,
 * the worst left out past max; 0 when there is none; -1 when it is malformed or
 * names only what no host can be called.  *is_null: the answer is a null MX, or
 * a service of the root alone (RFC 2782).  For dns_mx(), dns_srv(), the fuzzer
 * and unit tests.
 */
int	dns_read_hosts(unsigned type, const uint8_t *packet, size_t len,
	    struct dns_host *hosts, size_t max, int *is_null);
/*
 * The records of a TLSA answer that can be used with SMTP (RFC 7672 3.1): the
 * number of all in it, -1 when it is malformed or has more than TLSA_MAX.
 * Gives t->data.
 */
int	dns_read_tlsa(const uint8_t *packet, size_t len, struct tlsas *t);
/* The name that aliases in an answer lead to from a name; -1 malformed. */
int	dns_read_alias(const uint8_t *packet, size_t len, char name[256]);

#endif
