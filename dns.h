/*
 * dns.h - mail exchangers and addresses by the C library's resolver.
 * Blocking, with the resolver's own bounded time-outs: it is called in a
 * process that serves one next hop.  Names are ASCII (xn-- for others); a
 * final dot is dropped.
 */
#ifndef DNS_H
#define DNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "result.h"

#define DNS_HOSTS_MAX	32	/* mail exchangers that are looked at */
#define DNS_ADDRS_MAX	16	/* addresses of one host */

struct dns_host {
	char	 name[256];	/* no final dot */
	unsigned preference;
};

struct dns_addr {
	struct sockaddr_storage ss;
	socklen_t len;
	char	 text[64];	/* "192.0.2.1", "2001:db8::1" for logs */
};

/*
 * Where mail for a domain goes (RFC 5321 5.1), best first, equals shuffled;
 * the domain itself when it has no MX.  "[192.0.2.1]" and "[IPv6:…]" name
 * themselves.  0 with *n > 0; else -1 and the result says: NXDOMAIN FAILED
 * 5.1.2, null MX (RFC 7505) FAILED 5.1.10 ("5.1.10"), no data at all is told
 * by dns_addrs(); SERVFAIL, time-out, malformed RETRY 4.4.3.
 */
int	dns_mx(const char *domain, struct dns_host *hosts, size_t max,
	    size_t *n, struct result *);
/*
 * Addresses of a host (name or literal without brackets), IPv6 and IPv4
 * interleaved in the system's order.  0 with *n > 0; else -1: name or data
 * does not exist FAILED 5.4.4, else RETRY 4.4.3.
 */
int	dns_addrs(const char *host, uint16_t port, struct dns_addr *addrs,
	    size_t max, size_t *n, struct result *);

/*
 * Reads an MX answer packet: the number of hosts, best first, each once, the
 * worst left out past max; 0 when there is no MX; -1 when it is malformed or
 * names only what no host can be called.  *is_null: the answer is a null MX.
 * For dns_mx(), the fuzzer and unit tests.
 */
int	dns_read_mx(const uint8_t *packet, size_t len, struct dns_host *hosts,
	    size_t max, int *is_null);

#endif
