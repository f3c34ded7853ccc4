/*
 * conf.c - dma.conf and auth.conf as structures.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line harms itself only, and never opens what was to be
 * closed: a relay or a fingerprint that can not be read keeps mail waiting.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf.h"
#include "lib/buf.h"

#ifndef DMA_SPOOLDIR
#define DMA_SPOOLDIR	"/var/spool/dma"
#endif
#ifndef DMA_CONFDIR
#define DMA_CONFDIR	"/etc/dma"
#endif
#ifndef DMA_ALIASES
#define DMA_ALIASES	"/etc/aliases"
#endif
#ifndef DMA_MAILSPOOL
#define DMA_MAILSPOOL	"/var/mail"
#endif

#define HOST_OCTETS_MAX	255	/* RFC 1035 2.3.4 */
#define PATH_OCTETS_MAX	1023
#define RELAYS_MAX	32
#define DOMAINS_MAX	256
#define PINS_MAX	16
#define AUTHS_MAX	1000
#define PIN_OCTETS	32	/* SHA-256 */
#define YEAR_S		(365 * 86400U)

/* Upstream's TLS keys, which mean something only together. */
#define LEGACY_SECURETRANSFER	0x01
#define LEGACY_STARTTLS		0x02
#define LEGACY_OPPORTUNISTIC	0x04
#define LEGACY_VERIFYCERT	0x08

#define BLANKS	" \t"

/* A setter gives NULL, or what is wrong; no_memory ends the parse. */
struct key {
	const char	*name;
	const char	*(*set)(struct conf *, const struct key *, char *value);
	size_t		 at;		/* the member that it sets */
	unsigned	 low, high;	/* of a number or a time; or a bit */
};

static const char no_memory[] = "out of memory";

/* ---- words ---- */

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
is_name_octet(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	    c >= 0x80;
}

/* A host or domain name. */
static int
is_name(const char *s)
{
	size_t n;

	n = strlen(s);
	if (n == 0 || n > HOST_OCTETS_MAX || *s == '-' || *s == '.')
		return 0;
	for (; *s != '\0'; s++)
		if (!is_name_octet((unsigned char)*s) ||
		    (s[0] == '.' && s[1] == '.'))
			return 0;
	return 1;
}

/* A user or group (THREATS: no way out of a directory, not a number). */
static int
is_login(const char *s)
{
	size_t n;

	n = strlen(s);
	if (n == 0 || n > LOGIN_MAX || *s == '-' || *s == '.' ||
	    strspn(s, "0123456789") == n)
		return 0;
	for (; *s != '\0'; s++)
		if (!is_name_octet((unsigned char)*s))
			return 0;
	return 1;
}

static int
is_literal(const char *s)
{
	struct in6_addr in6;
	struct in_addr in;

	return inet_pton(AF_INET, s, &in) == 1 ||
	    inet_pton(AF_INET6, s, &in6) == 1;
}

/* Digits from the front of a text; lends what follows, NULL when none. */
static const char *
digits(const char *s, uint64_t *value)
{
	uint64_t v;

	if (!is_digit(*s))
		return NULL;
	for (v = 0; is_digit(*s); s++) {
		if (v > (UINT64_MAX - 9) / 10)
			return NULL;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*value = v;
	return s;
}

static int
number(const char *s, unsigned low, unsigned high, unsigned *value)
{
	const char *end;
	uint64_t v;

	end = digits(s, &v);
	if (end == NULL || *end != '\0' || v < low || v > high)
		return -1;
	*value = (unsigned)v;
	return 0;
}

int
conf_time(const char *s, unsigned *seconds)
{
	static const struct { const char *name; unsigned s; } units[] = {
		{ "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 },
		{ "d", 86400 },
	};
	const char *end;
	uint64_t v;
	size_t i;

	end = digits(s, &v);
	if (end == NULL)
		return -1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].name) == 0)
			break;
	if (i == sizeof(units) / sizeof(units[0]) || v > YEAR_S / units[i].s)
		return -1;
	*seconds = (unsigned)v * units[i].s;
	return 0;
}

/* Replaces an owned string; 0 or -1 without memory. */
static int
replace(char **dst, const char *s)
{
	char *copy;

	copy = NULL;
	if (s != NULL && (copy = strdup(s)) == NULL)
		return -1;
	free(*dst);
	*dst = copy;
	return 0;
}

char *
conf_next_word(char **list)
{
	char *word;

	*list += strspn(*list, BLANKS);
	if (**list == '\0')
		return NULL;
	word = *list;
	*list += strcspn(*list, BLANKS);
	if (**list != '\0')
		*(*list)++ = '\0';
	return word;
}

int
conf_take_line(const char *text, size_t len, size_t *pos, char *line)
{
	const char *start, *stop;
	size_t i, n;

	if (*pos >= len)
		return 0;
	start = text + *pos;
	stop = memchr(start, '\n', len - *pos);
	n = stop == NULL ? len - *pos : (size_t)(stop - start);
	*pos += n + 1;
	if (n > 0 && start[n - 1] == '\r')
		n--;
	if (n > CONF_LINE_MAX)
		return -1;
	for (i = 0; i < n; i++)
		if (((unsigned char)start[i] < ' ' && start[i] != '\t') ||
		    start[i] == 0x7f)
			return -1;
	memcpy(line, start, n);
	line[n] = '\0';
	return 1;
}

char *
conf_trim_line(char *line)
{
	size_t n;
	char *p;

	for (p = line; *p != '\0'; p++)
		if (*p == '#' && (p == line || is_blank(p[-1]))) {
			*p = '\0';
			break;
		}
	for (n = strlen(line); n > 0 && is_blank(line[n - 1]); n--)
		line[n - 1] = '\0';
	return line + strspn(line, BLANKS);
}

/* ---- setters ---- */

static void *
member(struct conf *c, const struct key *k)
{
	return (char *)c + k->at;
}

/* No value says yes: that is how upstream writes them. */
static int
flag_value(const char *value, int *is_set)
{
	static const struct { const char *word; int is_set; } words[] = {
		{ "", 1 }, { "yes", 1 }, { "on", 1 }, { "true", 1 },
		{ "no", 0 }, { "off", 0 }, { "false", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(value, words[i].word) == 0) {
			*is_set = words[i].is_set;
			return 0;
		}
	return -1;
}

static const char *
set_flag(struct conf *c, const struct key *k, char *value)
{
	if (flag_value(value, member(c, k)) == -1)
		return "takes no value, or yes or no";
	return NULL;
}

/* Who wrote it wanted more safety, whatever the word was. */
static const char *
set_dane(struct conf *c, const struct key *k, char *value)
{
	(void)k;
	c->tls.is_dane = 1;
	if (flag_value(value, &c->tls.is_dane) == -1)
		return "takes no value, or on or off; is on";
	return NULL;
}

static const char *
set_nullclient(struct conf *c, const struct key *k, char *value)
{
	(void)k;
	c->names.has_nullclient_aliases = strcasecmp(value, "aliases") == 0;
	if (c->names.has_nullclient_aliases)
		c->names.is_nullclient = 1;
	else if (flag_value(value, &c->names.is_nullclient) == -1)
		return "takes no value, or yes, no or aliases";
	return NULL;
}

static const char *
set_secure(struct conf *c, const struct key *k, char *value)
{
	int is_secure;

	(void)k;
	if (flag_value(value, &is_secure) == -1)
		return "takes no value, or yes or no";
	c->smtp.is_insecure = !is_secure;
	return NULL;
}

static const char *
set_legacy(struct conf *c, const struct key *k, char *value)
{
	int is_set;

	if (flag_value(value, &is_set) == -1)
		return "takes no value, or yes or no";
	if (is_set)
		c->tls.legacy |= k->low;
	else
		c->tls.legacy &= ~k->low;
	return NULL;
}

static const char *
set_path(struct conf *c, const struct key *k, char *value)
{
	if (*value != '/')
		return "wants a path that begins with /";
	if (strlen(value) > PATH_OCTETS_MAX)
		return "path too long";
	return replace(member(c, k), value) == -1 ? no_memory : NULL;
}

static const char *
set_login(struct conf *c, const struct key *k, char *value)
{
	if (!is_login(value))
		return "wants the name of a user or group";
	return replace(member(c, k), value) == -1 ? no_memory : NULL;
}

static const char *
set_number(struct conf *c, const struct key *k, char *value)
{
	if (number(value, k->low, k->high, member(c, k)) == -1)
		return "wants a number within its limits";
	return NULL;
}

static const char *
set_time(struct conf *c, const struct key *k, char *value)
{
	unsigned *seconds, s;

	seconds = member(c, k);
	if (conf_time(value, &s) == -1 || s < k->low || s > k->high)
		return "wants a time such as 30s, 5m, 3h, 5d";
	*seconds = s;
	return NULL;
}

static const char *
set_port(struct conf *c, const struct key *k, char *value)
{
	unsigned port;

	(void)k;
	if (number(value, 1, 65535, &port) == -1)
		return "wants a port, 1 to 65535";
	c->relays.port = (uint16_t)port;
	return NULL;
}

static const char *
set_size(struct conf *c, const struct key *k, char *value)
{
	static const char units[] = "KMG";
	const char *end, *unit;
	unsigned shift;
	uint64_t v;

	(void)k;
	end = digits(value, &v);
	shift = 0;
	if (end != NULL && *end != '\0' &&
	    (unit = strchr(units, *end & ~0x20)) != NULL && *unit != '\0') {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (end == NULL || *end != '\0' || v > (uint64_t)INT64_MAX >> shift)
		return "wants a size such as 500K, 10M, 1G";
	c->limits.max_size_bytes = v << shift;
	return NULL;
}

static void
drop_relays(struct conf *c)
{
	while (c->relays.n > 0)
		free(c->relays.list[--c->relays.n].host);
	free(c->relays.list);
	c->relays.list = NULL;
}

/*
 * The one way that a host is written, so that a relay and its line of
 * auth.conf are found to be the same: no final dot, addresses as
 * inet_ntop(3) has them.  Owned; NULL without memory.
 */
static char *
plain_host(const char *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	size_t n = strlen(host);

	if (inet_pton(AF_INET6, host, &in6) == 1 &&
	    inet_ntop(AF_INET6, &in6, text, sizeof(text)) != NULL)
		return strdup(text);
	if (n > 1 && host[n - 1] == '.')
		n--;
	return strndup(host, n);
}

static int
add_relay(struct conf *c, enum relay_kind kind, const char *host,
    unsigned port)
{
	struct relay *list, *r;

	list = realloc(c->relays.list, (c->relays.n + 1) * sizeof(*list));
	if (list == NULL)
		return -1;
	c->relays.list = list;
	r = &list[c->relays.n];
	if ((r->host = plain_host(host)) == NULL)
		return -1;
	r->port = (uint16_t)port;
	r->is_literal = is_literal(host);
	r->kind = kind;
	c->relays.n++;
	return 0;
}

/* "host", "host:port", "[v6]", "[v6]:port", a bare v6; cut in place. */
static int
split_relay(char *word, char **host, unsigned *port)
{
	char *colon;

	*host = word;
	*port = 0;
	if (*word == '[') {
		*host = word + 1;
		if ((colon = strchr(word, ']')) == NULL)
			return -1;
		*colon++ = '\0';
		if (strncasecmp(*host, "IPv6:", 5) == 0)
			*host += 5;
		if (!is_literal(*host) || (*colon != '\0' && *colon != ':'))
			return -1;
		if (*colon == '\0')
			return 0;
		return number(colon + 1, 1, 65535, port);
	}
	if (is_literal(word))
		return 0;
	if ((colon = strchr(word, ':')) != NULL) {
		*colon = '\0';
		if (number(colon + 1, 1, 65535, port) == -1)
			return -1;
	}
	return is_name(word) ? 0 : -1;
}

/*
 * "mx:domain", "srv:domain"; steps over the prefix.  A host may be called mx,
 * too: "mx:25" is that one and its port.
 */
static enum relay_kind
take_kind(char **word)
{
	static const struct { const char *text; enum relay_kind kind; }
	    names[] = { { "mx:", RELAY_MX }, { "srv:", RELAY_SRV } };
	const char *rest;
	size_t i, n;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		n = strlen(names[i].text);
		if (strncasecmp(*word, names[i].text, n) != 0)
			continue;
		rest = *word + n;
		if (rest[strspn(rest, "0123456789")] == '\0')
			break;
		*word += n;
		return names[i].kind;
	}
	return RELAY_HOST;
}

/* Takes an entry in; NULL or what is wrong. */
static const char *
read_relay(struct conf *c, char *word)
{
	static const char usage[] =
	    "wants host, host:port, [v6]:port, mx:domain or srv:domain";
	enum relay_kind kind;
	unsigned port;
	char *host;

	kind = take_kind(&word);
	if (split_relay(word, &host, &port) == -1 ||
	    (kind != RELAY_HOST && is_literal(host)) ||
	    (kind == RELAY_SRV && port != 0))
		return usage;
	if (c->relays.n == RELAYS_MAX)
		return "too many hosts";
	return add_relay(c, kind, host, port) == -1 ? no_memory : NULL;
}

const char *
conf_set_relays(struct conf *c, char *value)
{
	const char *bad, *reason;
	char *word;

	drop_relays(c);
	reason = NULL;
	while ((word = conf_next_word(&value)) != NULL) {
		bad = read_relay(c, word);
		if (bad == no_memory)
			return bad;
		if (bad != NULL)
			reason = bad;
	}
	/* Mail that was meant for a relay must not go straight out. */
	if (c->relays.n == 0 &&
	    add_relay(c, RELAY_HOST, CONF_NO_RELAY, 0) == -1)
		return no_memory;
	return reason;
}

static const char *
set_smarthost(struct conf *c, const struct key *k, char *value)
{
	(void)k;
	if (*value != '\0')
		return conf_set_relays(c, value);
	drop_relays(c);		/* upstream: "leave blank" for none */
	return NULL;
}

/* Without the file nobody's relay is known: mail waits, as for an empty one. */
static const char *
set_sender_relay(struct conf *c, const struct key *k, char *value)
{
	const char *reason;

	reason = set_path(c, k, value);
	if (reason != NULL && replace(&c->where.sender_relay, "") == -1)
		return no_memory;
	return reason;
}

static const char *
set_tls(struct conf *c, const struct key *k, char *value)
{
	static const char *const names[] = {
		[TLS_OFF] = "off", [TLS_OPPORTUNISTIC] = "opportunistic",
		[TLS_REQUIRED] = "required", [TLS_VERIFY] = "verify",
	};
	int i;

	(void)k;
	c->tls.is_given = 1;
	c->tls.policy = TLS_VERIFY;
	for (i = TLS_OFF; i <= TLS_VERIFY; i++)
		if (strcasecmp(value, names[i]) == 0) {
			c->tls.policy = (enum tls_policy)i;
			return NULL;
		}
	return "wants off, opportunistic, required or verify; verify is used";
}

/* What lib/sasl.c has; any other name is never chosen. */
static int
is_mechanism(const char *s)
{
	static const char *const names[] = { "EXTERNAL", "SCRAM-SHA-256-PLUS",
		"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN",
		"OAUTHBEARER", "XOAUTH2" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(s, names[i]) == 0)
			return 1;
	return 0;
}

/* Names that are not known do not open what the others were to close. */
static const char *
set_auth_mechs(struct conf *c, const struct key *k, char *value)
{
	const char *reason = NULL;
	char *word;
	struct buf b;

	(void)k;
	if (*value == '\0')
		return "wants names of mechanisms";
	buf_init(&b, 0);
	while ((word = conf_next_word(&value)) != NULL) {
		if (is_mechanism(word))
			buf_printf(&b, "%s%s", b.len > 0 ? " " : "", word);
		else
			reason = "a name of a mechanism is not known";
	}
	if (buf_failed(&b) || replace(&c->smtp.auth_mechs, buf_str(&b)) == -1)
		reason = no_memory;
	buf_fini(&b);
	return reason;
}

static int
hex_digit(char c)
{
	static const char hex[] = "0123456789abcdef";
	const char *p;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	p = c == '\0' ? NULL : strchr(hex, c);
	return p == NULL ? -1 : (int)(p - hex);
}

/* 64 hexadecimal digits, with or without a colon between octets. */
static int
read_pin(const char *s, uint8_t pin[PIN_OCTETS])
{
	int high, i, low;

	for (i = 0; i < PIN_OCTETS; i++) {
		if (i > 0 && *s == ':')
			s++;
		if ((high = hex_digit(s[0])) == -1 ||
		    (low = hex_digit(s[1])) == -1)
			return -1;
		pin[i] = (uint8_t)(high << 4 | low);
		s += 2;
	}
	return *s == '\0' ? 0 : -1;
}

static int
add_pin(struct conf *c, const uint8_t pin[PIN_OCTETS])
{
	uint8_t (*pins)[PIN_OCTETS];

	pins = realloc(c->tls.pins, (c->tls.npins + 1) * sizeof(*pins));
	if (pins == NULL)
		return -1;
	c->tls.pins = pins;
	memcpy(c->tls.pins[c->tls.npins++], pin, PIN_OCTETS);
	return 0;
}

static const char *
set_pin(struct conf *c, const struct key *k, char *value)
{
	uint8_t pin[PIN_OCTETS];
	const char *reason;
	char *word;

	(void)k;
	reason = *value == '\0' ? "wants a SHA-256 fingerprint" : NULL;
	while ((word = conf_next_word(&value)) != NULL) {
		if (c->tls.npins == PINS_MAX)
			return "too many fingerprints";
		if (read_pin(word, pin) == -1) {
			memset(pin, 0, sizeof(pin));	/* matches nothing */
			reason = "wants a SHA-256 fingerprint, 64 hex digits";
		}
		if (add_pin(c, pin) == -1)
			return no_memory;
	}
	return reason;
}

static const char *
set_masquerade(struct conf *c, const struct key *k, char *value)
{
	char *at, *host, *user;

	(void)k;
	host = value;
	user = NULL;
	if ((at = strrchr(value, '@')) != NULL) {
		*at = '\0';
		host = at + 1;
		user = value;
	}
	if (user != NULL && (strlen(user) > ADDRESS_MAX ||
	    strpbrk(user, " \t<>@,;") != NULL))
		return "wants user@host, host or user@";
	if (*host != '\0' && !is_name(host))
		return "wants user@host, host or user@";
	if (user != NULL && *user == '\0')
		user = NULL;
	if (replace(&c->names.masquerade_user, user) == -1 ||
	    replace(&c->names.masquerade_host,
	    *host == '\0' ? NULL : host) == -1)
		return no_memory;
	return NULL;
}

static const char *
set_mailname(struct conf *c, const struct key *k, char *value)
{
	if (*value == '\0')	/* upstream: empty is the host's name */
		return replace(&c->names.mailname, NULL) == -1 ? no_memory :
		    NULL;
	if (*value == '/')
		return set_path(c, k, value);
	if (!is_name(value))
		return "wants a host name or the path of a file";
	return replace(&c->names.mailname, value) == -1 ? no_memory : NULL;
}

static void
drop_domains(struct conf *c)
{
	while (c->names.ndomains > 0)
		free(c->names.domains[--c->names.ndomains]);
	free(c->names.domains);
	c->names.domains = NULL;
}

static const char *
set_domains(struct conf *c, const struct key *k, char *value)
{
	const char *reason;
	char **list, *word;

	(void)k;
	drop_domains(c);
	reason = NULL;
	while ((word = conf_next_word(&value)) != NULL) {
		if (!is_name(word) || c->names.ndomains == DOMAINS_MAX) {
			reason = "wants domain names";
			continue;
		}
		list = realloc(c->names.domains,
		    (c->names.ndomains + 1) * sizeof(*list));
		if (list == NULL)
			return no_memory;
		c->names.domains = list;
		if ((list[c->names.ndomains] = strdup(word)) == NULL)
			return no_memory;
		c->names.ndomains++;
	}
	return reason;
}

/* maildir [path]: below the home, or in a directory by the user's name. */
static const char *
mailbox_maildir(struct conf *c, char *value)
{
	if (*value == '\0')
		return replace(&c->local.where, "~/Maildir/") == -1 ?
		    no_memory : NULL;
	if ((*value != '/' && (value[0] != '~' || value[1] != '/' ||
	    value[2] == '\0')) || strlen(value) > PATH_OCTETS_MAX)
		return "maildir wants a path that begins with ~/ or /; mail "
		    "waits";
	return replace(&c->local.where, value) == -1 ? no_memory : NULL;
}

static const char *
mailbox_command(struct conf *c, char *value)
{
	if (*value != '/' || strlen(value) > TARGET_MAX)
		return "command wants a path and its arguments; mail waits";
	return replace(&c->local.where, value) == -1 ? no_memory : NULL;
}

/* lmtp:/path, lmtp:host:port */
static const char *
mailbox_lmtp(struct conf *c, char *value)
{
	unsigned port = 0;
	char *host = value;

	if (*value != '/' && (*value == '\0' ||
	    split_relay(value, &host, &port) == -1 || port == 0))
		return "lmtp: wants the path of a socket, host:port or "
		    "[v6]:port; mail waits";
	if (strlen(host) > PATH_OCTETS_MAX)
		return "path too long";
	c->local.port = (uint16_t)port;
	return replace(&c->local.where, host) == -1 ? no_memory : NULL;
}

static const char *
mailbox_mbox(struct conf *c, char *value)
{
	if (*value != '\0')
		return "mbox takes no value (see MAILSPOOL); mail waits";
	return replace(&c->local.where, NULL) == -1 ? no_memory : NULL;
}

/* What a kind is called, and how the rest of the line is read. */
static const struct mailbox_name {
	const char	*name;
	enum mailbox_kind kind;
	const char	*(*read)(struct conf *, char *value);
} mailbox_names[] = {
	{ "mbox",	MAILBOX_MBOX,		mailbox_mbox },
	{ "maildir",	MAILBOX_MAILDIR,	mailbox_maildir },
	{ "command",	MAILBOX_COMMAND,	mailbox_command },
	{ "lmtp:",	MAILBOX_LMTP,		mailbox_lmtp },
};

static const char *
set_mailbox(struct conf *c, const struct key *k, char *value)
{
	const struct mailbox_name *m;
	const char *reason;
	size_t i, n;

	(void)k;
	c->local.mailbox = MAILBOX_UNREADABLE;
	for (i = 0; i < sizeof(mailbox_names) / sizeof(*mailbox_names); i++) {
		m = &mailbox_names[i];
		n = strlen(m->name);
		if (strncasecmp(value, m->name, n) != 0 ||
		    (m->name[n - 1] != ':' && value[n] != '\0' &&
		    !is_blank(value[n])))
			continue;
		value += n;
		value += strspn(value, BLANKS);
		reason = m->read(c, value);
		if (reason == NULL)
			c->local.mailbox = m->kind;
		return reason;
	}
	return "wants mbox, maildir, command or lmtp:; mail waits";
}

const char *
conf_mail_dir(const struct conf *c)
{
	if (c->local.mailbox == MAILBOX_MBOX)
		return c->local.mailspool;
	if (c->local.mailbox == MAILBOX_MAILDIR && c->local.where[0] == '/')
		return c->local.where;
	return NULL;
}

static const char *
set_delimiter(struct conf *c, const struct key *k, char *value)
{
	(void)k;
	if (*value == '\0' || strcasecmp(value, "none") == 0) {
		c->names.delimiter = '\0';
		return NULL;
	}
	if (value[1] != '\0' || strchr("+-_=.~!%^*", *value) == NULL)
		return "wants none or one of + - _ = . ~ ! % ^ *";
	c->names.delimiter = *value;
	return NULL;
}

static const char *
set_retry(struct conf *c, const struct key *k, char *value)
{
	unsigned v[3];
	char *word;
	size_t n;

	(void)k;
	v[0] = c->retry.first_s;
	v[1] = c->retry.max_s;
	v[2] = c->retry.lifetime_s;
	for (n = 0; (word = conf_next_word(&value)) != NULL; n++)
		if (n == 3 || conf_time(word, &v[n]) == -1)
			return "wants first max lifetime, such as 5m 3h 5d";
	if (n == 0 || v[0] == 0 || v[1] < v[0] || v[2] < v[0])
		return "wants first max lifetime, such as 5m 3h 5d";
	c->retry.first_s = v[0];
	c->retry.max_s = v[1];
	c->retry.lifetime_s = v[2];
	return NULL;
}

static const char *
set_log(struct conf *c, const struct key *k, char *value)
{
	char *path, *word;

	(void)k;
	path = value;
	if ((word = conf_next_word(&path)) == NULL)
		return "wants syslog, stderr or file PATH";
	path += strspn(path, BLANKS);
	if (strcasecmp(word, "file") == 0 && *path == '/' &&
	    strlen(path) <= PATH_OCTETS_MAX) {
		c->log.where = LOG_TO_FD;
		return replace(&c->log.path, path) == -1 ? no_memory : NULL;
	}
	if (*path != '\0')
		return "wants syslog, stderr or file PATH";
	if (strcasecmp(word, "syslog") == 0)
		c->log.where = LOG_TO_SYSLOG;
	else if (strcasecmp(word, "stderr") == 0)
		c->log.where = LOG_TO_STDERR;
	else
		return "wants syslog, stderr or file PATH";
	return NULL;
}

static const char *
set_log_level(struct conf *c, const struct key *k, char *value)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug",
	};
	int i;

	(void)k;
	for (i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		if (strcasecmp(value, names[i]) == 0) {
			c->log.level = (enum log_level)i;
			return NULL;
		}
	return "wants error, warning, info or debug";
}

#define AT(m)	offsetof(struct conf, m)

static const struct key keys[] = {
	/* upstream's */
	{ "SMARTHOST",		set_smarthost,	0, 0, 0 },
	{ "PORT",		set_port,	0, 0, 0 },
	{ "ALIASES",		set_path,	AT(where.aliases), 0, 0 },
	{ "SPOOLDIR",		set_path,	AT(where.spool), 0, 0 },
	{ "AUTHPATH",		set_path,	AT(where.auth), 0, 0 },
	{ "SECURETRANSFER",	set_legacy,	0, LEGACY_SECURETRANSFER, 0 },
	{ "STARTTLS",		set_legacy,	0, LEGACY_STARTTLS, 0 },
	{ "OPPORTUNISTIC_TLS",	set_legacy,	0, LEGACY_OPPORTUNISTIC, 0 },
	{ "VERIFYCERT",		set_legacy,	0, LEGACY_VERIFYCERT, 0 },
	{ "FINGERPRINT",	set_pin,	0, 0, 0 },
	{ "CERTFILE",		set_path,	AT(tls.certfile), 0, 0 },
	{ "SECURE",		set_secure,	0, 0, 0 },
	{ "INSECURE",		set_flag,	AT(smtp.is_insecure), 0, 0 },
	{ "DEFER",		set_flag,	AT(retry.is_defer), 0, 0 },
	{ "FULLBOUNCE",		set_flag,	AT(retry.is_fullbounce), 0, 0 },
	{ "MAILNAME",		set_mailname,	AT(names.mailname), 0, 0 },
	{ "MASQUERADE",		set_masquerade,	0, 0, 0 },
	{ "NULLCLIENT",		set_nullclient,	0, 0, 0 },
	/* ours */
	{ "TLS",		set_tls,	0, 0, 0 },
	{ "AUTH_MECHS",		set_auth_mechs,	0, 0, 0 },
	{ "DANE",		set_dane,	0, 0, 0 },
	{ "CAFILE",		set_path,	AT(tls.cafile), 0, 0 },
	{ "KEYFILE",		set_path,	AT(tls.keyfile), 0, 0 },
	{ "CONCURRENCY",	set_number,	AT(smtp.concurrency), 1, 1000 },
	{ "RETRY",		set_retry,	0, 0, 0 },
	{ "WARN_AFTER",		set_time, AT(retry.warn_after_s),
	    0, 365 * 86400 },
	{ "TIMEOUT",		set_time,	AT(smtp.timeout_s), 0, 86400 },
	{ "TIMEOUT_CONNECT",	set_time, AT(smtp.connect_timeout_s),
	    1, 3600 },
	{ "ALIAS_USER",		set_login,	AT(local.alias_user), 0, 0 },
	{ "COMMAND_TIMEOUT",	set_time, AT(local.command_timeout_s),
	    1, 86400 },
	{ "RECIPIENT_DELIMITER", set_delimiter,	0, 0, 0 },
	{ "REQUIRE_SHELL",	set_flag,
	    AT(local.is_shell_required), 0, 0 },
	{ "MAILBOX",		set_mailbox,	0, 0, 0 },
	{ "MAILSPOOL",		set_path,	AT(local.mailspool), 0, 0 },
	{ "LOCALDOMAINS",	set_domains,	0, 0, 0 },
	{ "NOREMOTE",		set_flag,	AT(limits.is_noremote), 0, 0 },
	{ "SENDER_RELAY",	set_sender_relay,
	    AT(where.sender_relay), 0, 0 },
	{ "MAX_SIZE",		set_size,	0, 0, 0 },
	{ "MAX_RECIPIENTS",	set_number,
	    AT(limits.max_recipients), 0, 1000000 },
	{ "LOG",		set_log,	0, 0, 0 },
	{ "LOG_LEVEL",		set_log_level,	0, 0, 0 },
	{ "MAILQ_GROUP",	set_login,	AT(limits.mailq_group), 0, 0 },
};

/* ---- dma.conf ---- */

int
conf_init(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	c->relays.port = 25;
	c->local.is_shell_required = 1;
	c->names.delimiter = '+';
	c->smtp.concurrency = 20;
	c->retry.first_s = 5 * 60;
	c->retry.max_s = 3 * 3600;
	c->retry.lifetime_s = 5 * 86400;
	c->retry.warn_after_s = 4 * 3600;
	c->local.command_timeout_s = 5 * 60;
	c->smtp.connect_timeout_s = 30;
	c->log.where = LOG_TO_SYSLOG;
	c->log.level = LOG_LEVEL_INFO;
	if (replace(&c->where.spool, DMA_SPOOLDIR) == -1 ||
	    replace(&c->where.aliases, DMA_ALIASES) == -1 ||
	    replace(&c->where.auth, DMA_CONFDIR "/auth.conf") == -1 ||
	    replace(&c->local.mailspool, DMA_MAILSPOOL) == -1 ||
	    replace(&c->local.alias_user, "nobody") == -1) {
		conf_fini(c);
		return -1;
	}
	return 0;
}

void
conf_fini(struct conf *c)
{
	drop_relays(c);
	drop_domains(c);
	free(c->tls.pins);
	free(c->where.spool);
	free(c->where.aliases);
	free(c->where.auth);
	free(c->local.mailspool);
	free(c->local.where);
	free(c->names.mailname);
	free(c->names.masquerade_user);
	free(c->names.masquerade_host);
	free(c->tls.certfile);
	free(c->tls.keyfile);
	free(c->tls.cafile);
	free(c->smtp.auth_mechs);
	free(c->where.sender_relay);
	free(c->local.alias_user);
	free(c->limits.mailq_group);
	free(c->log.path);
	memset(c, 0, sizeof(*c));
}

static const char *
set_line(struct conf *c, char *line)
{
	char *value, *word;
	size_t i;

	value = conf_trim_line(line);
	if ((word = conf_next_word(&value)) == NULL)
		return NULL;
	value += strspn(value, BLANKS);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(word, keys[i].name) == 0)
			return keys[i].set(c, &keys[i], value);
	return "unknown key";
}

int
conf_parse_root(struct conf *c, const char *text, size_t len)
{
	static const char *const names[] = { "ALIASES", "ALIAS_USER",
	    "COMMAND_TIMEOUT", "LOG", "LOG_LEVEL", "MAILBOX", "MAILSPOOL" };
	char line[CONF_LINE_MAX + 1], *p, *word;
	size_t i, pos = 0;
	int got;

	while ((got = conf_take_line(text, len, &pos, line)) != 0) {
		p = line + strspn(line, BLANKS);
		word = p + strcspn(p, BLANKS);
		for (i = 0; got == 1 && i < sizeof(names) / sizeof(*names); i++)
			if (strlen(names[i]) == (size_t)(word - p) &&
			    strncmp(names[i], p, (size_t)(word - p)) == 0 &&
			    set_line(c, p) == no_memory)
				return -1;
	}
	return 0;
}

/* What upstream's TLS keys mean together; TLS itself stands above them. */
static void
settle_tls(struct conf *c)
{
	unsigned l;

	l = c->tls.legacy;
	c->tls.is_implicit = !(l & LEGACY_STARTTLS) &&
	    ((l & LEGACY_SECURETRANSFER) || c->relays.port == 465);
	if (c->tls.is_given && c->tls.policy == TLS_OFF)
		c->tls.is_implicit = 0;
	if (c->tls.is_given)
		return;
	if (l & LEGACY_VERIFYCERT)
		c->tls.policy = TLS_VERIFY;
	else if (!(l & LEGACY_SECURETRANSFER))
		c->tls.policy = TLS_UNSET;
	else if ((l & LEGACY_STARTTLS) && (l & LEGACY_OPPORTUNISTIC))
		c->tls.policy = TLS_OPPORTUNISTIC;
	else
		c->tls.policy = TLS_REQUIRED;
}

/* Says "KEY: what is wrong"; the key alone, since a value may be secret. */
static void
say_bad(const struct report *report, const char *file, unsigned lineno,
    const char *key, const char *reason)
{
	char text[160];
	size_t n;

	n = strcspn(key, BLANKS);
	if (n > 40)
		n = 40;
	memcpy(text, key, n);
	text[n] = '\0';
	if (n > 0 && n + 2 + strlen(reason) < sizeof(text)) {
		memcpy(text + n, ": ", 2);
		memcpy(text + n + 2, reason, strlen(reason) + 1);
		reason = text;
	}
	report->say(report->arg, file, lineno, reason);
}

int
conf_parse(struct conf *c, const char *text, size_t len, const char *file,
    const struct report *report)
{
	char line[CONF_LINE_MAX + 1];
	const char *reason;
	unsigned lineno;
	size_t pos;
	int bad, got;

	bad = 0;
	pos = 0;
	for (lineno = 1; (got = conf_take_line(text, len, &pos, line)) != 0;
	    lineno++) {
		if (got == -1)
			line[0] = '\0';
		reason = got == -1 ?
		    "line too long, or with control characters" :
		    set_line(c, line);
		if (reason == no_memory)
			return -1;
		if (reason == NULL)
			continue;
		say_bad(report, file, lineno, line + strspn(line, BLANKS),
		    reason);
		bad++;
	}
	settle_tls(c);
	if (c->names.is_nullclient && c->relays.n == 0) {
		report->say(report->arg, file, 0,
		    "NULLCLIENT without SMARTHOST: mail will wait");
		bad++;
		if (add_relay(c, RELAY_HOST, CONF_NO_RELAY, 0) == -1)
			return -1;
	}
	return bad;
}

const char *
conf_mailname_file(const struct conf *c)
{
	if (c->names.mailname == NULL || c->names.mailname[0] != '/')
		return NULL;
	return c->names.mailname;
}

int
conf_finish(struct conf *c, const char *mailname_text, const char *hostname)
{
	char line[CONF_LINE_MAX + 1];
	const char *name;
	size_t pos;

	if (c->names.mailname != NULL && c->names.mailname[0] != '/')
		return 0;
	name = NULL;
	pos = 0;
	if (c->names.mailname != NULL && mailname_text != NULL &&
	    conf_take_line(mailname_text, strlen(mailname_text), &pos,
	    line) == 1)
		name = conf_trim_line(line);
	if (name == NULL || !is_name(name))
		name = hostname;
	if (name == NULL || !is_name(name))
		name = "localhost";
	return replace(&c->names.mailname, name);
}

/* ---- auth.conf ---- */

static void
wipe(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void
auth_clear(struct auth *a)
{
	free(a->user);
	free(a->host);
	free(a->file);
	free(a->command);
	free(a->trouble);
	wipe(a->password);
}

/* What one line says; lent from it. */
struct auth_line {
	char	*user, *host, *password, *file, *command;
	int	 is_token, is_external;
	const char *trouble;
};

/* A copy, of nothing too; -1 without memory. */
static int
copy_text(char **dst, const char *s)
{
	*dst = s == NULL ? NULL : strdup(s);
	return s != NULL && *dst == NULL ? -1 : 0;
}

static const char *
add_auth(struct auths *auths, const struct auth_line *l)
{
	struct auth *a, *list;

	if (auths->n == AUTHS_MAX)
		return "too many entries";
	list = realloc(auths->list, (auths->n + 1) * sizeof(*list));
	if (list == NULL)
		return no_memory;
	auths->list = list;
	a = &list[auths->n];
	memset(a, 0, sizeof(*a));
	a->is_token = l->is_token;
	a->is_external = l->is_external;
	if (copy_text(&a->user, l->user) == -1 ||
	    (l->host != NULL && (a->host = plain_host(l->host)) == NULL) ||
	    copy_text(&a->password, l->password) == -1 ||
	    copy_text(&a->file, l->file) == -1 ||
	    copy_text(&a->command, l->command) == -1 ||
	    copy_text(&a->trouble, l->trouble) == -1) {
		auth_clear(a);
		return no_memory;
	}
	auths->n++;
	return NULL;
}

/*
 * user|host:password or user|host|password; upstream ends the host at a
 * blank, too.  The password is what is left, with whatever is in it.
 */
static const char *
split_bars(char *line, struct auth_line *l)
{
	static const char usage[] = "wants user|host:password";
	char *end, *host;

	l->user = line;
	if ((host = strchr(line, '|')) == line || host == NULL)
		return usage;
	*host++ = '\0';
	if (*host == '[') {
		host++;
		if ((end = strchr(host, ']')) == NULL)
			return usage;
		*end++ = '\0';
	} else
		end = host + strcspn(host, ":| \t");
	if (*end == '\0' || strchr(":| \t", *end) == NULL)
		return usage;
	*end = '\0';
	if (!is_name(host) && !is_literal(host))
		return usage;
	l->host = host;
	l->password = end + 1;
	return NULL;
}

/* A text in double quotes, or else a word; NULL when there is none. */
static char *
next_quoted(char **rest)
{
	char *end, *text;

	*rest += strspn(*rest, BLANKS);
	if (**rest != '"')
		return conf_next_word(rest);
	text = *rest + 1;
	end = strchr(text, '"');
	if (end == NULL || (end[1] != '\0' && !is_blank(end[1])))
		return NULL;
	*rest = end[1] == '\0' ? end + 1 : end + 2;
	*end = '\0';
	return text;
}

/* It is cut at blanks; what hopes for a shell is told so. */
static int
is_command(const char *text)
{
	return *text == '/' && strpbrk(text, "'\"\\`$|&;<>(){}*?[]!~") == NULL;
}

#define AUTH_AT(m)	offsetof(struct auth_line, m)

/* One word and what follows it; NULL, or what is wrong. */
static const char *
take_pair(struct auth_line *l, const char *word, char **rest)
{
	static const struct {
		const char *word;
		size_t at;
		int is_token, is_secret;
		char *(*take)(char **);
	} words[] = {
		{ "host", AUTH_AT(host), 0, 0, conf_next_word },
		{ "user", AUTH_AT(user), 0, 0, conf_next_word },
		{ "password", AUTH_AT(password), 0, 1, conf_next_word },
		{ "password-file", AUTH_AT(file), 0, 1, conf_next_word },
		{ "password-command", AUTH_AT(command), 0, 1, next_quoted },
		{ "token", AUTH_AT(password), 1, 1, conf_next_word },
		{ "token-file", AUTH_AT(file), 1, 1, conf_next_word },
		{ "token-command", AUTH_AT(command), 1, 1, next_quoted },
	};
	char **member;
	size_t i;

	if (strcmp(word, "external") == 0) {
		l->is_external = 1;
		return NULL;
	}
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i].word) == 0)
			break;
	if (i == sizeof(words) / sizeof(words[0]))
		return "wants words such as "
		    "\"host HOST user USER password-file PATH\"";
	member = (char **)(void *)((char *)l + words[i].at);
	if (*member != NULL ||
	    (words[i].is_secret && (l->password != NULL || l->file != NULL ||
	    l->command != NULL)))
		return "says the same twice";
	if ((*member = words[i].take(rest)) == NULL)
		return "a word stands without its value";
	l->is_token |= words[i].is_token;
	return NULL;
}

/* The host without its brackets; -1 when it is none. */
static int
check_host(struct auth_line *l)
{
	char *end;

	if (l->host == NULL)
		return -1;
	if (*l->host == '[' && (end = strchr(l->host, ']')) != NULL &&
	    end[1] == '\0') {
		*end = '\0';
		l->host++;
	}
	return is_name(l->host) || is_literal(l->host) ? 0 : -1;
}

/* "host HOST user USER password-file PATH". */
static const char *
split_words(char *line, struct auth_line *l)
{
	const char *reason = NULL;
	char *word;

	while (reason == NULL && (word = conf_next_word(&line)) != NULL)
		reason = take_pair(l, word, &line);
	if (check_host(l) == -1) {
		l->host = NULL;
		return reason == NULL ? "wants host HOST" : reason;
	}
	if (reason != NULL)
		return reason;
	if (l->password == NULL && l->file == NULL && l->command == NULL &&
	    !l->is_external)
		return "wants a password, a token or external";
	if (l->user == NULL && !l->is_external)
		return "wants user USER";
	if (l->file != NULL && *l->file != '/')
		return "wants a path that begins with a slash";
	if (l->command != NULL && !is_command(l->command))
		return "wants a command that begins with a slash, of words "
		    "that mean nothing to a shell: none reads it";
	return NULL;
}

/* A line in words begins with this one: no login is called "host ...". */
static int
is_in_words(const char *line)
{
	line += strspn(line, BLANKS);
	return strncmp(line, "host", 4) == 0 &&
	    (is_blank(line[4]) || line[4] == '\0');
}

static const char *
read_auth(struct auths *auths, char *line)
{
	struct auth_line l;
	const char *added, *reason;

	if (*line == '#' || strspn(line, BLANKS) == strlen(line))
		return NULL;
	memset(&l, 0, sizeof(l));
	if (!is_in_words(line)) {
		reason = split_bars(line, &l);
		return reason != NULL ? reason : add_auth(auths, &l);
	}
	reason = split_words(line, &l);
	if (reason != NULL && l.host == NULL)
		return reason;
	/* Mail for that host must not go there without a login. */
	l.trouble = reason;
	l.user = l.user == NULL ? line + strlen(line) : l.user;
	if (reason != NULL)
		l.password = l.file = l.command = NULL;
	added = add_auth(auths, &l);
	return added != NULL ? added : reason;
}

int
auth_parse(struct auths *auths, const char *text, size_t len,
    const char *file, const struct report *report)
{
	char line[CONF_LINE_MAX + 1];
	const char *reason;
	unsigned lineno;
	size_t pos;
	int bad, got;

	bad = 0;
	pos = 0;
	for (lineno = 1; (got = conf_take_line(text, len, &pos, line)) != 0;
	    lineno++) {
		reason = got == -1 ?
		    "line too long, or with control characters" :
		    read_auth(auths, line);
		if (reason == no_memory)
			break;
		if (reason == NULL)
			continue;
		report->say(report->arg, file, lineno, reason);
		bad++;
	}
	explicit_bzero(line, sizeof(line));
	return got != 0 ? -1 : bad;
}

const struct auth *
auth_find(const struct auths *auths, const char *host, const char *user,
    int is_relay)
{
	static const struct auth no_line = {
		.trouble = "has no line for this host with the user of "
		    "SENDER_RELAY" };
	static const struct auth all_kept = {
		.trouble = "its lines for this host are for senders of "
		    "SENDER_RELAY alone" };
	const struct auth *a;
	int is_kept = 0;
	size_t i;

	for (i = auths->n; i > 0; i--) {	/* upstream: the last one */
		a = &auths->list[i - 1];
		if (strcasecmp(a->host, host) != 0)
			continue;
		if (user == NULL ? !a->is_kept : strcmp(a->user, user) == 0)
			return a;
		is_kept = 1;
	}
	if (user != NULL)
		return &no_line;
	return is_kept && is_relay ? &all_kept : NULL;
}

int
auth_set_trouble(struct auth *a, const char *reason)
{
	free(a->trouble);
	a->trouble = strdup(reason);
	return a->trouble == NULL ? -1 : 0;
}

int
auth_take_secret(struct auth *a, const char *text, size_t len)
{
	char line[CONF_LINE_MAX + 1];
	size_t pos = 0;
	int got, ret;

	got = conf_take_line(text, len, &pos, line);
	if (got == -1)
		return auth_set_trouble(a,
		    "line too long, or with control characters");
	if (got == 0 || line[0] == '\0')
		return auth_set_trouble(a, "its first line is empty");
	wipe(a->password);
	ret = copy_text(&a->password, line);
	explicit_bzero(line, sizeof(line));
	return ret;
}

void
auth_fini(struct auths *auths)
{
	while (auths->n > 0)
		auth_clear(&auths->list[--auths->n]);
	free(auths->list);
	auths->list = NULL;
}
