/*
 * relays.h - lists of relays, as SMARTHOST and SENDER_RELAY have them.
 */
#ifndef CONF_RELAYS_H
#define CONF_RELAYS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

/* How an entry names its hosts. */
enum relay_kind {
	RELAY_HOST,
	RELAY_MX,		/* "mx:domain": by its mail exchangers */
	RELAY_SRV		/* "srv:domain": by its submission service */
};

struct relay {
	char		*host;		/* owned: name or address, without
				 * brackets; or the domain looked up */
	uint16_t	 port;		/* 0: that of the list */
	enum relay_kind	 kind;
};

struct relays {
	struct relay	*list;
	size_t		 n, cap;
	unsigned	 port;		/* PORT: where an entry has none */
};

/* A host that is never found (RFC 6761 6.4): mail for it is deferred. */
#define RELAY_NONE	"smarthost.invalid"

/*
 * Replaces the list by that of a text.  NULL, or the reason why one of the
 * entries is bad; with no good one RELAY_NONE is the list.
 */
const char *relays_parse(struct relays *, const char *text);
/* Makes RELAY_NONE the list; 0, or -1 without memory. */
int	relays_set_none(struct relays *);
/* Adds the list for people: "host port 25, then mx:domain port 25". */
void	relays_put(const struct relays *, struct buf *);
/* 1 when that is the list. */
int	relays_is_none(const struct relays *);
void	relays_fini(struct relays *);

/* "host", "host:port", "[v6]", "[v6]:port", a bare v6; cut in place. */
int	relays_split(char *word, char **host, unsigned *port);

#endif
