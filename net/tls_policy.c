/*
 * tls_policy.c - which TLS and which login a host gets.
 * Runs as: the spool user, in dma-remote.  Uses: nothing.
 * Promise: a password goes only to who shows a certificate for a name that
 * the administrator wrote, for a host below it, or for one that DNSSEC
 * vouches for, unless the administrator gave that up for a host by its name.
 */
#include <string.h>

#include "lib/buf.h"
#include "net/tls_policy.h"

/* An entry whose hosts are looked up: any of them could be anybody's. */
static int
is_looked_up(const struct host *host)
{
	return host->relay != NULL && host->relay->kind != RELAY_HOST;
}

/* The domain itself, or a name below it. */
static int
is_below(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	if (n == d)
		return text_casecmp(name, domain) == 0;
	return n > d && name[n - d - 1] == '.' &&
	    text_casecmp(name + n - d, domain) == 0;
}

static void
add_name(struct policy *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->nnames; i++)
		if (text_casecmp(p->names[i], name) == 0)
			return;
	p->names[p->nnames++] = name;
}

/*
 * Who asks for a domain is told a host by DNS, where anybody may answer: the
 * certificate has to be for what was asked (RFC 6186 6, RFC 9525 6.1), or for
 * a host whose name the answer cannot have made up.  A name server's word on
 * that counts where the administrator wants it to.
 */
static void
set_names(struct policy *p, const struct conf *conf, const struct host *host,
    int is_named)
{
	p->nnames = 0;
	if (!is_looked_up(host) || is_named ||
	    (host->is_secure && conf->tls.is_dane) ||
	    is_below(host->name, host->domain))
		add_name(p, host->name);
	if (is_looked_up(host) && !is_named)
		add_name(p, host->domain);
	p->sni = p->names[0];
}

/* RFC 7672 3.2.3 has the names for one that an authority of theirs signed. */
static void
set_dane(struct policy *p, const struct conf *conf, const struct host *host)
{
	p->tlsas = NULL;
	if (host->tlsas == NULL || conf->tls.npins > 0)
		return;
	p->may_tls = p->must_tls = 1;
	if (host->tlsas->n == 0)
		return;
	p->tlsas = host->tlsas;
	p->nnames = 0;
	add_name(p, host->tlsas->base);
	add_name(p, host->name);
	if (host->domain != NULL && host->domain[0] != '[')
		add_name(p, host->domain);
	p->sni = p->names[0];
}

/*
 * The entry of the host's own name, or that of what was looked up.  An entry
 * without a host says why there is none.
 */
static const struct auth *
find_auth(const struct auths *auths, const char *user,
    const struct host *host)
{
	const struct auth *a, *of_domain;

	a = auth_find(auths, host->name, user, host->relay != NULL);
	if (!is_looked_up(host) || (a != NULL && a->host != NULL))
		return a;
	of_domain = auth_find(auths, host->domain, user, 1);
	return of_domain != NULL ? of_domain : a;
}

void
tls_policy_set(struct policy *p, const struct conf *conf,
    const struct auths *auths, const char *user, const struct host *host)
{
	enum tls_policy tls = conf->tls.policy;
	int is_named;

	memset(p, 0, sizeof(*p));
	p->auth = find_auth(auths, user, host);
	is_named = p->auth != NULL && p->auth->host != NULL &&
	    text_casecmp(p->auth->host, host->name) == 0;
	/* Without the check a false answer would be enough to get it. */
	if (p->auth != NULL && is_looked_up(host))
		tls = TLS_VERIFY;
	else if (tls == TLS_UNSET && p->auth != NULL)
		tls = conf->smtp.is_insecure ? TLS_OPPORTUNISTIC : TLS_VERIFY;
	else if (tls == TLS_UNSET)
		tls = conf->tls.npins > 0 ? TLS_REQUIRED : TLS_OPPORTUNISTIC;
	if (host->is_tls_first)
		p->has_tls_first = 1;
	else if (host->relay == NULL || host->relay->kind != RELAY_SRV)
		p->has_tls_first = tls != TLS_OFF &&
		    (conf->tls.is_implicit || host->port == 465);
	p->must_tls = tls == TLS_REQUIRED || tls == TLS_VERIFY ||
	    p->has_tls_first;
	p->must_verify = tls == TLS_VERIFY;
	p->may_tls = p->must_tls || (tls != TLS_OFF && !host->is_clear);
	p->may_login_clear = conf->smtp.is_insecure && !host->is_clear &&
	    !is_looked_up(host);
	set_names(p, conf, host, is_named);
	set_dane(p, conf, host);
}
