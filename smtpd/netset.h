/*
 * netset.h - sets of addresses and networks, IPv4 and IPv6.
 * Looked up in logarithmic time; an IPv4-mapped IPv6 address is IPv4.
 */
#ifndef SMTPD_NETSET_H
#define SMTPD_NETSET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address in network order, IPv4 as ::ffff:a.b.c.d. */
struct netaddr {
	uint8_t	bytes[16];
};

#define NETADDR_TEXT	46	/* bytes of an address as text, with its NUL */

/* 0, or -1 for another family. */
int	netaddr_of(const struct sockaddr *, struct netaddr *);
/* "192.0.2.1", "2001:db8::1": 0 or -1. */
int	netaddr_parse(const char *, struct netaddr *);
void	netaddr_text(const struct netaddr *, char out[NETADDR_TEXT]);
int	netaddr_is_ipv4(const struct netaddr *);
/* What a client can be counted by: of an IPv6 address, the network. */
void	netaddr_client(const struct netaddr *, struct netaddr *client);

struct netrange {
	struct netaddr	first, last;
};

struct netset {
	struct netrange	*list;		/* owned; sorted once it is ready */
	size_t		 n, cap;
};

void	netset_init(struct netset *);
void	netset_fini(struct netset *);
/*
 * "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; bits beyond the prefix must be
 * zero.  0, -1 for what is no network with *reason, -1 with *reason NULL
 * without memory.
 */
int	netset_add(struct netset *, const char *, const char **reason);
/* After the last was added: sorts and joins. */
void	netset_ready(struct netset *);
int	netset_has(const struct netset *, const struct netaddr *);

#endif
