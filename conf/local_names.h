/*
 * local_names.h - which names are this host's, and which mean the same.
 * The only place that knows; an address is canonical (see lib/addr.h).
 */
#ifndef CONF_LOCAL_NAMES_H
#define CONF_LOCAL_NAMES_H

#include "aliases.h"
#include "conf.h"
#include "lib/buf.h"
#include "lib/hash.h"
#include "message.h"

struct sockaddr;

/* 1 when an IP address is of an interface of this host, or means it. */
int	names_is_own_address(const struct sockaddr *);
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

/* 1 for localhost and MAILNAME. */
int	names_is_host(const struct conf_names *, const char *domain);

/*
 * 1 when two addresses mean the same recipient: "bob", "bob@localhost"; and
 * "BOB", where users are given and that is one user.
 */
int	names_same(const struct conf_names *, const struct names_users *,
	    const char *, const char *);
/*
 * A hash that is equal for addresses that are the same.  is_folded: by user,
 * so that "bob" and "BOB" are to be compared.
 */
uint64_t names_hash(const struct conf_names *, const struct hash_key *,
	    const char *address, int is_folded);

/*
 * Resolves a local part: the whole of it, then the part before the last
 * delimiter, and so on: each time an alias of that name (aliases is NULL: not
 * that), and then a user.  A name without a delimiter is taken for a user's.
 * postmaster and MAILER-DAEMON are root, if they are no aliases.
 * user has ADDRESS_MAX + 1 bytes; *alias is lent, or NULL.  0, or -1 when it
 * cannot be told now.
 */
int	names_resolve(const struct conf_names *, const struct names_users *,
	    const struct aliases *, const char *local, char *user,
	    const struct alias **alias);

/* Adds an address; a bare name, which only this host knows, with its host. */
void	names_put_qualified(struct buf *, const struct conf_names *,
	    const char *address);
/*
 * Adds the envelope sender of mail to the targets of an alias: the owner of
 * the list.  1, or 0 if it has none.
 */
int	names_put_owner(struct buf *, const struct conf_names *,
	    const struct aliases *, const char *list);

#endif
