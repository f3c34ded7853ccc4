/*
 * idn.h - internationalized domain names in ASCII, as DNS and SMTP require.
 */
#ifndef NET_IDN_H
#define NET_IDN_H

#include <stddef.h>

#include "conf.h"
#include "conf/auth.h"
#include "lib/buf.h"

/* Adds a domain in ASCII (A-labels, RFC 5891): 0, or -1 and nothing. */
int	idn_domain(const char *, size_t, struct buf *out);
/* The same of one that ends; the reason, or NULL. */
const char *idn_name(const char *, struct buf *out);
/*
 * Adds a canonical address, its domain in ASCII unless the local part needs
 * SMTPUTF8 anyway.  NULL; or the reason, and the address is added as it is.
 */
const char *idn_address(const char *, struct buf *out);
/* 1 when built without libidn2: then errors are not due to names. */
int	idn_is_missing(void);
/* Converts names of relays, logins and this host; others are not changed. */
int	idn_relays(struct relays *);
int	idn_conf(struct conf *, struct auths *);

#endif
