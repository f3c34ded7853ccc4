/*
 * hosts.h - the hosts that one destination may be reached by, in order, and
 * which of them did not work lately.  Pure: look-ups are passed in, so is
 * the clock.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "net/dns.h"
#include "lib/result.h"

#define HOSTS_TRIES_MAX	10	/* addresses that are tried one by one */
#define HOSTS_DEAD_MS	60000	/* one that failed rests that long */
#define HOSTS_FRESH_MS	300000	/* addresses are believed that long */

#define HOSTS_MAX	64	/* names in all */

struct hosts_lookup {		/* as the dns_* of that name */
	int	(*mx)(const char *, struct dns_host *, size_t, size_t *,
		    struct result *);
	int	(*srv)(const char *, int, struct dns_host *, size_t, size_t *,
		    struct result *);
	int	(*addrs)(const char *, uint16_t, struct dns_addr *, size_t,
		    size_t *, struct result *);
	int	(*tlsa)(const char *, uint16_t, struct tlsas **,
		    struct result *);
	int	(*is_self)(const struct dns_addr *);
	uint32_t (*random)(uint32_t below);
};

struct address {			/* one address */
	struct dns_addr	 addr;
	int64_t		 dead_until_ms;
	int		 is_clear;	/* TLS does not work there */
	int		 is_plain;	/* nor do parameters of MAIL and RCPT */
	int		 is_skipped;	/* dead, as it was tried before */
};

struct mail_host {			/* one name */
	char		 name[256];
	uint16_t	 port;
	unsigned	 rank;		/* less is better; equals share */
	unsigned	 weight;	/* its share */
	const struct relay *relay;	/* lent: its entry; or NULL: by MX */
	int		 is_secure;	/* configuration or DNSSEC name it */
	int		 is_tls_first;
	int64_t		 dead_until_ms, stale_ms;
	char		 trouble[256];	/* why it has no addresses, or "" */
	struct address	*addresses;	/* owned; NULL: to be looked up */
	size_t		 naddresses;
	struct tlsas	*tlsas;		/* held; or NULL */
};

struct hosts {
	const struct hosts_lookup *lookup;
	const struct conf *conf;
	const struct relays *relays;
	char		 domain[256];	/* "" for the relays */
	struct mail_host	*list;	/* owned, by rank */
	size_t		 nhosts;
	int64_t		 stale_ms;	/* when names are looked up again */
	int		 must_mix;	/* see hosts_mix() */
	unsigned	 skip;		/* see hosts_skip() */
	struct result	 reason;		/* the latest trouble */
};

/* Where to connect to. */
struct host {
	char		 name[256];
	struct dns_addr	 addr;
	uint16_t	 port;
	const struct relay *relay;	/* the entry it comes from; or NULL */
	const char	*domain;	/* lent: what was looked up; or NULL */
	int		 is_secure;	/* configuration or DNSSEC name it */
	int		 is_tls_first;	/* no other way than TLS at once */
	struct tlsas	*tlsas;		/* lent until the next call; or NULL */
	int		 is_clear, is_plain;
	int		 is_last;	/* there is no other to go on to */
	size_t		 place;		/* in the order of the hosts */
};

/* domain "" means the relays.  -1 when it is too long. */
int	hosts_init(struct hosts *, const struct conf *, const struct relays *,
	    const char *domain, const struct hosts_lookup *);
void	hosts_fini(struct hosts *);
/* So many earlier attempts left addresses untried: these come first. */
void	hosts_skip(struct hosts *, uint32_t tries);
/*
 * The best host that is not known to be dead, of those from that place on (0:
 * all); among equals chance decides.  -1 when there is none now, with the
 * reason in the result; for relays it is never FAILED.
 */
int	hosts_next(struct hosts *, size_t from, int64_t now_ms, struct host *,
	    struct result *);
/*
 * Nothing refers to a place now: hosts_next() gives equals another order, and
 * the first of them, this time, so that all others come after it.
 */
void	hosts_mix(struct hosts *);
/* 1 when there is one from that place on that may be alive. */
int	hosts_left(const struct hosts *, size_t from, int64_t now_ms);
/* It did not work: passed over for a while. */
void	hosts_dead(struct hosts *, const struct host *, int64_t now_ms,
	    const struct result *);
/* TLS does not work there and need not: in the clear from now on. */
void	hosts_clear(struct hosts *, const struct host *);
/* It refuses optional parameters of MAIL and RCPT: without, from now on. */
void	hosts_plain(struct hosts *, const struct host *);

#endif
