/*
 * local_names.c - which names are this host's, and which mean the same.
 * Runs as: anyone.  Uses: nothing.
 * Promise: two spellings of one local recipient are never taken for two.
 */
#include <string.h>
#include <strings.h>

#include "conf/local_names.h"
#include "lib/addr.h"

static int
is_own_domain(const struct conf_names *names, const char *domain)
{
	size_t i;

	if (strcasecmp(domain, "localhost") == 0 ||
	    strcasecmp(domain, "localhost.localdomain") == 0 ||
	    strcasecmp(domain, names->mailname) == 0)
		return 1;
	for (i = 0; i < names->ndomains; i++)
		if (strcasecmp(domain, names->domains[i]) == 0)
			return 1;
	return 0;
}

/* "a b" -> a b; quoted pairs resolved. */
static int
unquote(const char *s, size_t n, char *dst, size_t size)
{
	size_t i, out = 0;
	int quoted;

	quoted = n >= 2 && s[0] == '"' && s[n - 1] == '"';
	for (i = quoted ? 1 : 0; i < n - (quoted ? 1 : 0); i++) {
		if (quoted && s[i] == '\\' && i + 2 < n)
			i++;
		if (out + 1 >= size)
			return -1;
		dst[out++] = s[i];
	}
	dst[out] = '\0';
	return 0;
}

int
names_is_own(const struct conf_names *names, const char *address, char *local,
    size_t size)
{
	const char *domain;
	size_t n;

	local[0] = '\0';
	domain = addr_domain(address);
	if (domain != NULL && !is_own_domain(names, domain))
		return 0;
	n = domain == NULL ? strlen(address) : (size_t)(domain - address) - 1;
	if (unquote(address, n, local, size) == -1)
		local[0] = '\0';
	return 1;
}

int
names_is_local(const struct conf_names *names, const char *address, char *local,
    size_t size)
{
	local[0] = '\0';
	return names->nullclient == NULLCLIENT_OFF &&
	    names_is_own(names, address, local, size);
}

int
names_any_local(const struct conf_names *names, const struct message *m)
{
	char local[ADDRESS_MAX + 1];
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (names_is_local(names, m->rcpts[i].address, local,
		    sizeof(local)))
			return 1;
	return 0;
}

int
names_same(const struct conf_names *names, const char *a, const char *b)
{
	char one[ADDRESS_MAX + 1], two[ADDRESS_MAX + 1];

	if (strcmp(a, b) == 0)
		return 1;
	if (names->nullclient == NULLCLIENT_ON)
		return 0;
	return names_is_own(names, a, one, sizeof(one)) &&
	    names_is_own(names, b, two, sizeof(two)) && strcmp(one, two) == 0;
}

uint64_t
names_digest(const struct conf_names *names, const char *address)
{
	char local[ADDRESS_MAX + 1];

	if (names_is_own(names, address, local, sizeof(local)))
		address = local;
	return text_digest(address, strlen(address));
}

static void
strip_extension(const struct conf_names *names, const char *local, char *base,
    size_t size)
{
	char *p;

	if (text_copy(base, size, local) == -1 || names->delimiter == '\0')
		return;
	p = strchr(base, names->delimiter);
	if (p != NULL && p != base)
		*p = '\0';
}

/* Names that every host must answer to (RFC 5321 4.5.1). */
static int
is_duty(const char *local)
{
	return strcasecmp(local, "postmaster") == 0 ||
	    strcasecmp(local, "mailer-daemon") == 0;
}

void
names_user(const struct conf_names *names, const char *local, char *user,
    size_t size)
{
	strip_extension(names, local, user, size);
	if (is_duty(local) || is_duty(user))
		text_copy(user, size, "root");
}

const struct alias *
names_alias(const struct conf_names *names, const struct aliases *aliases,
    const char *local)
{
	char base[ADDRESS_MAX + 1], user[ADDRESS_MAX + 1];
	const struct alias *alias;

	strip_extension(names, local, base, sizeof(base));
	/* "*" is the catch-all, not the alias of a user called so. */
	if (strcmp(base, "*") == 0)
		return NULL;
	alias = aliases_find(aliases, local);
	if (alias == NULL && strcmp(base, local) != 0)
		alias = aliases_find(aliases, base);
	if (alias != NULL)
		return alias;
	names_user(names, local, user, sizeof(user));
	return strcmp(user, base) == 0 ? NULL : aliases_find(aliases, user);
}

void
names_put_qualified(struct buf *b, const struct conf_names *names,
    const char *address)
{
	buf_puts(b, address);
	if (addr_domain(address) == NULL)
		buf_printf(b, "@%s", names->mailname);
}
