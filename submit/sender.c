/*
 * sender.c - who sends: -f, the environment, the caller, MASQUERADE.
 * Runs as: the spool user.  Uses: the user database, the host's name.
 * Promise: what the environment says is a wish: of no use, it is passed over.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "priv/user.h"
#include "submit/sender.h"

#define HOSTNAME_SIZE	257

/* ---- the caller ---- */

static void
take_gecos(struct sender *s, const struct passwd *pw)
{
	const char *p, *end;
	struct buf b;

	buf_init(&b, sizeof(s->fullname) - 1);
	end = pw->pw_gecos + strcspn(pw->pw_gecos, ",");
	for (p = pw->pw_gecos; p < end; p++) {
		if (*p != '&') {
			buf_putc(&b, *p);
			continue;
		}
		/* BSD: the login name with a capital. */
		buf_puts(&b, pw->pw_name);
		if (b.len >= strlen(pw->pw_name) && pw->pw_name[0] >= 'a' &&
		    pw->pw_name[0] <= 'z')
			b.data[b.len - strlen(pw->pw_name)] -= 'a' - 'A';
	}
	if (!buf_failed(&b) && text_is_clean(buf_str(&b), b.len))
		text_copy(s->fullname, sizeof(s->fullname), buf_str(&b));
	buf_fini(&b);
}

/* LOGNAME counts only where it belongs to the real uid. */
static const struct passwd *
look_up(struct sender *s, const struct caller *c)
{
	const struct passwd *pw;

	if (c->logname[0] == '\0')
		return getpwuid(c->uid);
	pw = getpwnam(c->logname);
	if (pw != NULL && pw->pw_uid == c->uid)
		return pw;
	caller_ignore(s->ignored, sizeof(s->ignored), "LOGNAME");
	return getpwuid(c->uid);
}

/* -F, then NAME, then FROM_MAP, then the user database. */
static void
choose_name(struct sender *s, const struct caller *c, const struct options *o)
{
	const char *name = s->mapped_name;

	if (c->name[0] != '\0')
		name = c->name;
	if (o->fullname != NULL)
		name = o->fullname;
	if (name[0] != '\0' || o->fullname != NULL)
		text_copy(s->fullname, sizeof(s->fullname), name);
}

void
sender_find_login(struct sender *s, const struct caller *c,
    const struct options *o)
{
	const struct passwd *pw;

	if (s->login[0] != '\0')
		return;
	pw = look_up(s, c);
	if (pw != NULL && user_name_ok(pw->pw_name)) {
		text_copy(s->login, sizeof(s->login), pw->pw_name);
		take_gecos(s, pw);
	} else {
		snprintf(s->login, sizeof(s->login), "uid-%u", c->uid);
	}
	choose_name(s, c, o);
}

/* ---- what it is given as ---- */

/* 0, or -1: neither an address nor the name of a user. */
static int
read_address(const char *text, struct buf *address)
{
	if (addr_one(text, address) == -1 && (strchr(text, '@') != NULL ||
	    user_names.exists(text) != 1))
		return -1;
	if (address->len == 0 && text[0] != '\0' && strcmp(text, "<>") != 0)
		addr_put_local(address, text);
	return buf_failed(address) ? -1 : 0;
}

/* ---- MASQUERADE ---- */

/* Programs qualify the user's name by themselves, with either of these. */
static int
is_this_host(const struct conf_names *names, const char *domain)
{
	char host[HOSTNAME_SIZE];
	size_t n;

	if (names_is_host(names, domain))
		return 1;
	if (gethostname(host, sizeof(host)) == -1)
		return 0;
	host[sizeof(host) - 1] = '\0';
	n = strlen(host);
	return text_ncasecmp(domain, host, n) == 0 && (domain[n] == '\0' ||
	    (domain[n] == '.' && text_casecmp(domain + n + 1,
	    names->mailname) == 0));
}

/* Does user@ of MASQUERADE replace this name of this host? */
static int
is_callers(struct sender *s, const char *address, const struct caller *c,
    const struct options *o)
{
	char local[ADDRESS_MAX + 1];

	sender_find_login(s, c, o);
	return addr_local(address, local, sizeof(local)) == 0 &&
	    strcmp(local, s->login) == 0;
}

/*
 * user@host replaces every address, as in upstream's 0.13, which manual pages
 * promise; host and user@ replace the part of it that an address of this host
 * has, as in later versions.  given: not the null address.
 */
static int
masquerade(struct sender *s, const char *given, int is_default,
    const struct caller *c, const struct options *o,
    const struct conf_names *names)
{
	const char *user = names->masquerade_user;
	const char *host = names->masquerade_host;
	const char *domain = addr_domain(given);
	size_t size = sizeof(s->address), n = strlen(given);
	int is_ours, len;

	is_ours = domain == NULL || ((user != NULL || host != NULL) &&
	    is_this_host(names, domain));
	if (domain != NULL)
		n = (size_t)(domain - given) - 1;
	if (user != NULL && (host != NULL || is_default || (is_ours &&
	    is_callers(s, given, c, o))))
		len = snprintf(s->address, size, "%s@%s", user, host != NULL ?
		    host : names->mailname);
	else if (is_ours && (domain == NULL || host != NULL))
		len = snprintf(s->address, size, "%.*s@%s", (int)n, given,
		    host != NULL ? host : names->mailname);
	else
		len = snprintf(s->address, size, "%s", given);
	return len < 0 || (size_t)len >= size ? -1 : 0;
}

/* ---- FROM_MAP ---- */

const struct from_mapping *
sender_map(const struct from_map *map, const struct conf_names *names,
    const char *address)
{
	const char *domain = addr_domain(address);
	char local[ADDRESS_MAX + 1], full[ADDRESS_MAX + 1];
	int is_ours, len;

	if (map->n == 0)
		return NULL;
	is_ours = (domain == NULL || is_this_host(names, domain)) &&
	    addr_local(address, local, sizeof(local)) == 0;
	len = snprintf(full, sizeof(full), "%s%s%s", address,
	    domain == NULL ? "@" : "", domain == NULL ? names->mailname : "");
	if (len < 0 || (size_t)len >= sizeof(full))
		return NULL;
	return from_map_find(map, full, is_ours ? local : NULL);
}

/* 1 when a line of FROM_MAP has decided the address and, perhaps, the name. */
static int
take_mapped(struct sender *s, const struct from_mapping *m)
{
	if (m == NULL)
		return 0;
	text_copy(s->address, sizeof(s->address), m->address);
	if (m->name != NULL)
		text_copy(s->mapped_name, sizeof(s->mapped_name), m->name);
	return 1;
}

/* 0, 1 when there is none, -1 with the reason. */
static int
from_option(const struct options *o, struct buf *address, const char **reason)
{
	if (o->sender == NULL)
		return 1;
	*reason = "not an address (must be user or user@host)";
	if (!text_is_clean(o->sender, strlen(o->sender)))
		*reason = "control character in the sender";
	else if (read_address(o->sender, address) == 0)
		return 0;
	return -1;
}

static int
from_environment(struct sender *s, const struct caller *c, struct buf *address)
{
	if (c->email[0] == '\0')
		return 1;
	if (read_address(c->email, address) == 0 && address->len > 0)
		return 0;
	caller_ignore(s->ignored, sizeof(s->ignored), "EMAIL");
	buf_reset(address);
	return 1;
}

int
sender_find(struct sender *s, const struct caller *c, const struct options *o,
    const struct conf_names *names, const struct from_map *map,
    const char **reason)
{
	struct buf address;
	int ret;

	memset(s, 0, sizeof(*s));
	text_copy(s->ignored, sizeof(s->ignored), c->ignored);
	buf_init(&address, ADDRESS_MAX);
	ret = from_option(o, &address, reason);
	if (ret == 1)
		ret = from_environment(s, c, &address);
	if (ret == 1) {
		sender_find_login(s, c, o);
		addr_put_local(&address, s->login);
	}
	if (ret != -1 && address.len > 0 &&
	    !take_mapped(s, sender_map(map, names, buf_str(&address)))) {
		*reason = "address is too long";
		ret = masquerade(s, buf_str(&address), ret == 1, c, o, names);
	}
	choose_name(s, c, o);
	buf_fini(&address);
	return ret == -1 ? -1 : 0;
}
