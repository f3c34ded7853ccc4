/*
 * local_names.c - which names are this host's, and which mean the same.
 * Runs as: anyone.  Uses: what the kernel says of addresses.
 * Promise: two spellings of one local recipient are never taken for two.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/domain.h"
#include "lib/io.h"

#define OWNER		"owner-"	/* of an alias, as its name begins */
#define DISCARD_PORT	9	/* any will do: nothing is sent */
#define ASKED_MAX	3	/* names with an extension that may be users */

/* ---- the host ---- */

/* An IPv4 address written as one of IPv6 is that address. */
static int
plain_address(const struct sockaddr *sa, struct in6_addr *out)
{
	const struct sockaddr_in *four = (const void *)sa;
	const struct sockaddr_in6 *six = (const void *)sa;

	if (sa == NULL || (sa->sa_family != AF_INET &&
	    sa->sa_family != AF_INET6))
		return -1;
	memset(out, 0, sizeof(*out));
	if (sa->sa_family == AF_INET6) {
		*out = six->sin6_addr;
		return 0;
	}
	out->s6_addr[10] = out->s6_addr[11] = 0xff;
	memcpy(&out->s6_addr[12], &four->sin_addr, 4);
	return 0;
}

/* Those that every host has, whatever its network is like. */
static int
is_loopback(const struct in6_addr *address)
{
	static const struct in6_addr always[] = {
		IN6ADDR_LOOPBACK_INIT,
		/* A connection to the unspecified address reaches this host. */
		IN6ADDR_ANY_INIT,
		{ .s6_addr = { [10] = 0xff, 0xff } },
		{ .s6_addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 } },
	};
	size_t i;

	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (memcmp(address, &always[i], sizeof(always[i])) == 0)
			return 1;
	return 0;
}

/*
 * The kernel sends from the address that it sends to if, and only if, that is
 * one of its own.  Connecting a datagram socket sends nothing, and takes less
 * than a list of the interfaces: a message may have 100,000 such recipients.
 */
static int
is_from(const struct in6_addr *that, const struct sockaddr *to, socklen_t len)
{
	struct sockaddr_storage from;
	struct in6_addr mine;
	int fd, is_own;

	memset(&from, 0, sizeof(from));
	fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return 0;
	is_own = connect(fd, to, len) == 0;
	len = sizeof(from);
	is_own = is_own && getsockname(fd, (void *)&from, &len) == 0 &&
	    plain_address((void *)&from, &mine) == 0 &&
	    memcmp(&mine, that, sizeof(mine)) == 0;
	io_close(&fd);
	return is_own;
}

int
names_is_own_address(const struct sockaddr *address)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;
	struct in6_addr that;

	if (plain_address(address, &that) == -1)
		return 0;
	if (is_loopback(&that))
		return 1;
	if (address->sa_family == AF_INET) {
		memcpy(&four, address, sizeof(four));
		four.sin_port = htons(DISCARD_PORT);
		return is_from(&that, (void *)&four, sizeof(four));
	}
	memcpy(&six, address, sizeof(six));
	six.sin6_port = htons(DISCARD_PORT);
	return is_from(&that, (void *)&six, sizeof(six));
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3), of this host. */
static int
is_own_literal(const char *domain)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	char text[INET6_ADDRSTRLEN];
	size_t n = strlen(domain);

	if (n < 3 || domain[n - 1] != ']')
		return 0;
	domain++;
	n -= 2;
	if (n > 5 && text_ncasecmp(domain, "IPv6:", 5) == 0) {
		domain += 5;
		n -= 5;
	}
	if (n >= sizeof(text))
		return 0;
	memcpy(text, domain, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		return names_is_own_address((const void *)&four);
	return inet_pton(AF_INET6, text, &six.sin6_addr) == 1 &&
	    names_is_own_address((const void *)&six);
}

int
names_is_host(const struct conf_names *names, const char *host)
{
	return domain_same(host, "localhost") ||
	    domain_same(host, "localhost.localdomain") ||
	    domain_same(host, names->mailname);
}

static int
is_own_domain(const struct conf_names *names, const char *domain)
{
	size_t i;

	if (domain[0] == '[')
		return is_own_literal(domain);
	if (names_is_host(names, domain))
		return 1;
	for (i = 0; i < names->ndomains; i++)
		if (domain_same(domain, names->domains[i]))
			return 1;
	return 0;
}

/* ---- addresses ---- */

int
names_is_own(const struct conf_names *names, const char *address, char *local,
    size_t size)
{
	const char *domain;

	local[0] = '\0';
	domain = addr_domain(address);
	if (domain != NULL && !is_own_domain(names, domain))
		return 0;
	(void)addr_local(address, local, size);
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

/* The extension of a local part, with the delimiter; its end: there is none. */
static char *
find_extension(const struct conf_names *names, char *local)
{
	char *p = names->delimiter == '\0' || local[0] == '\0' ? NULL :
	    strchr(local + 1, names->delimiter);

	return p == NULL ? local + strlen(local) : p;
}

/*
 * A command of the user may tell extensions by their case.  One user may have
 * a hundred thousand of them in a message: so they are looked at first.
 */
static int
same_local(const struct conf_names *names, const struct names_users *users,
    char *a, char *b)
{
	char *one = find_extension(names, a), *two = find_extension(names, b);

	if (strcmp(a, b) == 0)
		return 1;
	if (users == NULL || strcmp(one, two) != 0 ||
	    users->is_same(a, b) != 1)
		return 0;
	if (*one == '\0')
		return 1;
	*one = *two = '\0';
	return users->is_same(a, b) == 1;
}

int
names_same(const struct conf_names *names, const struct names_users *users,
    const char *a, const char *b)
{
	char one[ADDRESS_MAX + 1], two[ADDRESS_MAX + 1];

	if (strcmp(a, b) == 0)
		return 1;
	if (names->nullclient == NULLCLIENT_ON)
		return 0;
	return names_is_own(names, a, one, sizeof(one)) &&
	    names_is_own(names, b, two, sizeof(two)) &&
	    same_local(names, users, one, two);
}

uint64_t
names_hash(const struct conf_names *names, const struct hash_key *key,
    const char *address, int is_folded)
{
	char local[ADDRESS_MAX + 1];

	if (names_is_own(names, address, local, sizeof(local))) {
		address = local;
		if (is_folded)
			text_lower(local, local, (size_t)(find_extension(names,
			    local) - local));
	}
	return hash_bytes(key, address, strlen(address));
}

/* Names that every host must answer to (RFC 5321 4.5.1). */
static int
is_duty(const char *local)
{
	return text_casecmp(local, "postmaster") == 0 ||
	    text_casecmp(local, "mailer-daemon") == 0;
}

/* Removes the last delimiter and all after it; 0 if there is none. */
static int
cut_extension(const struct conf_names *names, char *name)
{
	char *p = names->delimiter == '\0' ? NULL :
	    strrchr(name, names->delimiter);

	if (p == NULL || p == name)
		return 0;
	*p = '\0';
	return 1;
}

/* Lends the alias of that name.  "*" is the catch-all, and nobody's name. */
static const struct alias *
find_alias(const struct aliases *aliases, const char *name)
{
	return aliases == NULL || strcmp(name, "*") == 0 ? NULL :
	    aliases_find(aliases, name);
}

static int
has_extension(const struct conf_names *names, const char *name)
{
	return names->delimiter != '\0' && name[0] != '\0' &&
	    strchr(name + 1, names->delimiter) != NULL;
}

int
names_resolve(const struct conf_names *names, const struct names_users *users,
    const struct aliases *aliases, const char *local, char *user,
    const struct alias **alias)
{
	unsigned asked = 0;
	int known = 0;

	*alias = NULL;
	if (text_copy(user, ADDRESS_MAX + 1, local) == -1)
		return 0;
	do {
		*alias = find_alias(aliases, user);
		if (*alias != NULL)
			return 0;
		if (is_duty(user))
			break;
		if (has_extension(names, user) && asked++ < ASKED_MAX)
			known = users->exists(user);
		if (known != 0)
			return known == 1 ? 0 : -1;
	} while (cut_extension(names, user));
	if (is_duty(user)) {
		text_copy(user, ADDRESS_MAX + 1, "root");
		*alias = find_alias(aliases, user);
	}
	return 0;
}

void
names_put_qualified(struct buf *b, const struct conf_names *names,
    const char *address)
{
	buf_puts(b, address);
	if (addr_domain(address) == NULL)
		buf_printf(b, "@%s", names->mailname);
}

/* ---- the owners of lists ---- */

/* The alias of whoever is responsible for an alias; or NULL. */
static const struct alias *
find_owner(const struct aliases *aliases, const char *name)
{
	const struct alias *owner = NULL;
	struct buf b;

	buf_init(&b, ADDRESS_MAX);
	if (text_ncasecmp(name, OWNER, strlen(OWNER)) == 0)
		name = "owner";
	buf_printf(&b, OWNER "%s", name);
	if (!buf_failed(&b))
		owner = aliases_find(aliases, buf_str(&b));
	buf_fini(&b);
	return owner;
}

/* As of sendmail: the address that it stands for if that is one, or itself. */
static void
put_owner(struct buf *b, const struct conf_names *names,
    const struct alias *owner)
{
	const struct targets *to = &owner->targets;
	struct buf address;

	buf_init(&address, ADDRESS_MAX);
	if (to->n != 1 || to->list[0].kind != TARGET_ADDRESS ||
	    addr_one(to->list[0].text, &address) == -1 || address.len == 0)
		addr_put_local(&address, owner->name);
	names_put_qualified(b, names, buf_str(&address));
	if (buf_failed(&address))
		b->failed = 1;
	buf_fini(&address);
}

int
names_put_owner(struct buf *b, const struct conf_names *names,
    const struct aliases *aliases, const char *list)
{
	const struct alias *owner = find_owner(aliases, list);

	if (owner == NULL)
		return 0;
	put_owner(b, names, owner);
	/* An address that is too long is none. */
	return !buf_failed(b);
}
