/*
 * edit.h - a relay and its login, put into dma.conf and auth.conf.
 * Pure; priv/setup_writer.c writes the files, submit/setup.c shows the lines.
 */
#ifndef CONF_EDIT_H
#define CONF_EDIT_H

#include <stddef.h>

#include "lib/addr.h"

#define EDIT_RELAY_MAX	300	/* bytes of "srv:domain" or "host:port" */
#define EDIT_SECRET_MAX	1024

struct edit {
	char	relay[EDIT_RELAY_MAX + 1];
	char	masquerade[ADDRESS_MAX + 1];	/* or "" */
	char	user[ADDRESS_MAX + 1];
	char	password[EDIT_SECRET_MAX + 1];
};

/*
 * NULL, or why such lines cannot be written: each value must be read as just
 * what it is, and no value can end its line or become another key.
 */
const char *edit_trouble(const struct edit *);
const char *edit_trouble_but_password(const struct edit *);
/* The lines to be added.  The login must be wiped by the caller. */
void	edit_put_conf(const struct edit *, struct buf *);
void	edit_put_auth(const struct edit *, const char *password, struct buf *);
/*
 * Adds to the new text the old one, in which the lines that are replaced have
 * become comments, and then the lines.
 */
void	edit_conf(const struct edit *, const char *old, size_t len,
	    struct buf *);
void	edit_auth(const struct edit *, const char *old, size_t len,
	    struct buf *);
/* Only the lines of dma.conf that become comments, as such. */
void	edit_replaced(const struct edit *, const char *old, size_t len,
	    struct buf *);

#endif
