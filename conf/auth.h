/*
 * auth.h - auth.conf: which login for which host.
 * Parsing is pure; files.c reads the file and those that it names.
 */
#ifndef CONF_AUTH_H
#define CONF_AUTH_H

#include <stddef.h>

#include "lib/log.h"

struct auth {			/* strings are owned */
	char		*user;
	char		*host;		/* as value_copy_host() spells it */
	char		*password;	/* or token; NULL: a certificate does,
				 * or it could not be had */
	char		*file;		/* where it stands; or NULL */
	char		*command;	/* that prints it; or NULL */
	int		 is_token;
	int		 is_external;	/* a certificate is this login */
	int		 is_kept;	/* for senders of SENDER_RELAY alone */
	char		*trouble;	/* why it could not be had; or NULL */
};

struct auths {
	struct auth	*list;
	size_t		 n, cap;
};

/*
 * Reads lines user|host:password, user|host|password, or of keywords: "host
 * HOST user USER password-file PATH" and so on.  An error in a line is
 * reported, and harms only that line.  Adds to the list, which starts as {0};
 * the number of bad lines, or -1 without memory.  Files are read, and commands
 * run, by the caller: auth_take_secret().
 */
int	auth_parse(struct auths *, const char *text, size_t len,
	    const char *file, const struct report *);
/*
 * Lends the last entry for a host (names without case), or NULL.  user: with
 * this name alone, else one that is not kept for others.  Where a login is due
 * and there is none, an entry of trouble: at a relay that has entries for
 * others, and wherever a user is named.
 */
const struct auth *auth_find(const struct auths *, const char *host,
	    const char *user, int is_relay);
/*
 * The text of its file or command, of which the first line counts.  0, -1
 * without memory; what is wrong with it becomes the entry's trouble.
 */
int	auth_take_secret(struct auth *, const char *text, size_t len);
int	auth_set_trouble(struct auth *, const char *reason);
void	auth_fini(struct auths *);	/* wipes the passwords */

#endif
