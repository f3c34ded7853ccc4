/*
 * sender_relay.h - whose mail goes by which relay: the file of SENDER_RELAY.
 * Parsing is pure; files.c reads the file.  Its lines: dma.conf(5).
 */
#ifndef CONF_SENDER_RELAY_H
#define CONF_SENDER_RELAY_H

#include <stddef.h>

#include "lib/log.h"

#define SENDER_RELAYS_MAX	1023	/* bytes of the relays of a line */
#define SENDER_USER_MAX		512	/* bytes of a name in auth.conf */

struct sender_relay {		/* one line; strings are owned */
	char		*pattern;	/* user@host, @host, login, or * */
	char		*relays;	/* as SMARTHOST has them */
	char		*user;		/* of auth.conf; or NULL */
	char		*login;		/* of the submitter; or NULL: any */
	char		*trouble;	/* why its mail is deferred; or NULL */
};

struct sender_relays {
	struct sender_relay	*list;
	size_t		 n, cap;
	int		 has_logins;	/* a line depends on the login */
};

/*
 * Adds the lines to a list that starts as {0}.  An error in one is reported,
 * and is the trouble of its senders alone.  The number of bad
 * lines, or -1: no memory, or too many lines.
 */
int	sender_relay_parse(struct sender_relays *, const char *text, size_t len,
	    const char *file, const struct report *);
/*
 * Lends the first line that is for this sender ("": null), submitted by login
 * (NULL: by nobody who has one); NULL when there is none.
 */
const struct sender_relay *sender_relay_find(const struct sender_relays *,
	    const char *sender, const char *login);
/* 1 when a line says that this name at this host is for its senders alone. */
int	sender_relay_owns(const struct sender_relays *, const char *host,
	    const char *user);
void	sender_relay_fini(struct sender_relays *);

#endif
