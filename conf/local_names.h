/*
 * local_names.h - which names are this host's, and which mean the same.
 * The only place that knows; an address is canonical (see lib/addr.h).
 */
#ifndef CONF_LOCAL_NAMES_H
#define CONF_LOCAL_NAMES_H

#include "aliases.h"
#include "conf.h"
#include "lib/buf.h"
#include "message.h"

/*
 * 1 when an address is of this host, with its unquoted local part in local.
 * With NULLCLIENT its mail may be delivered elsewhere all the same.
 */
int	names_is_own(const struct conf_names *, const char *address,
	    char *local, size_t size);
/* 1 when its mail is delivered here; local as above. */
int	names_is_local(const struct conf_names *, const char *address,
	    char *local, size_t size);
/* 1 when mail for one of the message's recipients is delivered here. */
int	names_any_local(const struct conf_names *, const struct message *);

/* 1 when two addresses mean the same recipient: "bob", "bob@localhost". */
int	names_same(const struct conf_names *, const char *, const char *);
/* A digest that is equal for addresses that are the same. */
uint64_t names_digest(const struct conf_names *, const char *address);

/* The user whom a local part names: no extension; postmaster is root. */
void	names_user(const struct conf_names *, const char *local, char *user,
	    size_t size);
/*
 * Lends the alias for a local part: with its extension, then without, then
 * that of the user; or NULL.
 */
const struct alias *names_alias(const struct conf_names *,
	    const struct aliases *, const char *local);

/* Adds an address; a bare name, which only this host knows, with its host. */
void	names_put_qualified(struct buf *, const struct conf_names *,
	    const char *address);

#endif
