/*
 * tls_policy.h - which TLS and which login a host gets.  Pure: by dma.conf,
 * auth.conf, and how the host was found.
 */
#ifndef POLICY_H
#define POLICY_H

#include "conf.h"
#include "conf/auth.h"
#include "net/hosts.h"

#define POLICY_NAMES_MAX	3

struct policy {
	const struct auth *auth;	/* lent; or NULL */
	int		 may_tls, must_tls;
	int		 has_tls_first;	/* before the greeting */
	int		 must_verify;
	int		 may_login_clear;
	/* Lent.  The certificate is to be for one of these names. */
	const char	*names[POLICY_NAMES_MAX];
	size_t		 nnames;
	const char	*sni;		/* lent: which one is asked for */
	const struct tlsas *tlsas;	/* lent: what decides; or NULL */
};

/* Lends from all of its arguments.  user: of SENDER_RELAY, or NULL. */
void	tls_policy_set(struct policy *, const struct conf *,
    const struct auths *,
	    const char *user, const struct host *);

#endif
