/*
 * conf.c - dma.conf as a structure.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line harms itself only, and never opens what was to be
 * closed: a relay, a fingerprint or a key for one of them that is not
 * understood defers mail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf/suspect.h"
#include "conf/values.h"
#include "lib/addr.h"
#include "lib/array.h"
#include "lib/buf.h"
#include "lib/header.h"
#include "lib/text.h"
#include "message.h"

#define BLANKS		" \t"
#define DOMAINS_MAX	256
#define PINS_MAX	16
#define KEY_SHOWN_MAX	40	/* bytes of a key in a report */

/* One word of several, and how the rest of the line is read, if any may be. */
struct choice {
	const char	*word;		/* "x:": no blank need follow */
	int		 value;
	const char	*(*read)(struct conf *, char *rest);
};

struct choices {
	const struct choice *list;	/* ends with a NULL word */
	int		 otherwise;	/* for a bad value; or AS_BEFORE */
	const char	*wants;
};

#define AS_BEFORE	(-1)

/* A setter returns NULL, or the reason; value_no_memory ends the parse. */
struct key {
	const char	*name;
	const char	*(*set)(struct conf *, const struct key *, char *value);
	size_t		 at;		/* the member that it sets */
	unsigned	 low, high;	/* of a number or a time; of a choice:
				 * low 1 turns yes and no around */
	const char	*wants;		/* of a number or time */
	const struct choices *choices;
	int		 is_for_root;	/* root acts by it, or logs by it */
	enum suspect	 waits;		/* for a bad value that is ignored */
};

/* ---- one word of several ---- */

static void *
member(struct conf *c, const struct key *k)
{
	return (char *)c + k->at;
}

/* maildir [path]: below the home, or in a directory by the user's name. */
static const char *
mailbox_maildir(struct conf *c, char *value)
{
	if (*value == '\0')
		return value_copy(&c->local.where, "~/Maildir/");
	if ((*value != '/' && (value[0] != '~' || value[1] != '/' ||
	    value[2] == '\0')) || strlen(value) > VALUE_PATH_MAX)
		return "maildir needs a path that begins with ~/ or /; mail is "
		    "deferred";
	return value_copy(&c->local.where, value);
}

static const char *
mailbox_command(struct conf *c, char *value)
{
	if (*value != '/' || strlen(value) > TARGET_MAX)
		return "command needs a path and optional arguments; mail is "
		    "deferred";
	return value_copy(&c->local.where, value);
}

/* lmtp:/path, lmtp:host:port */
static const char *
mailbox_lmtp(struct conf *c, char *value)
{
	unsigned port = 0;
	char *host = value;

	if (*value != '/' && (*value == '\0' ||
	    relays_split(value, &host, &port) == -1 || port == 0))
		return "lmtp: needs the path of a socket, host:port or "
		    "[v6]:port; mail is deferred";
	if (strlen(host) > VALUE_PATH_MAX)
		return "path is too long";
	c->local.port = (uint16_t)port;
	return value_copy(&c->local.where, host);
}

static const char *
mailbox_mbox(struct conf *c, char *value)
{
	if (*value != '\0')
		return "mbox takes no value (see MAILSPOOL); mail is deferred";
	return value_copy(&c->local.where, NULL);
}

static const char *
log_file(struct conf *c, char *path)
{
	if (*path != '/' || strlen(path) > VALUE_PATH_MAX)
		return "must be syslog, journal, stderr or file PATH";
	return value_copy(&c->log.path, path);
}

/* No value says yes: that is how upstream writes them. */
#define YES	{ "", 1, NULL }, { "yes", 1, NULL }, { "on", 1, NULL }, \
		{ "true", 1, NULL }
#define NO	{ "no", 0, NULL }, { "off", 0, NULL }, { "false", 0, NULL }
#define END	{ NULL, 0, NULL }

static const struct choice yes_or_no[] = { YES, NO, END };
static const struct choices flag = {
	yes_or_no, AS_BEFORE, "must be yes, no or empty"
};
/* Whoever wrote it wanted more safety, whatever the word was. */
static const struct choices dane = {
	yes_or_no, 1, "must be on, off or empty; on is assumed"
};

static const struct choice nullclient_words[] = {
	YES, NO, { "aliases", NULLCLIENT_ALIASES, NULL }, END
};
static const struct choices nullclient = {
	nullclient_words, AS_BEFORE, "must be yes, no, aliases or empty"
};

static const struct choice from_words[] = {
	{ "off", HEADER_FROM_OFF, NULL },
	{ "qualify", HEADER_FROM_QUALIFY, NULL },
	{ "force", HEADER_FROM_FORCE, NULL },
	END
};
static const struct choices from = {
	from_words, AS_BEFORE, "must be off, qualify or force"
};

static const struct choice tls_words[] = {
	{ "off", TLS_OFF, NULL },
	{ "opportunistic", TLS_OPPORTUNISTIC, NULL },
	{ "required", TLS_REQUIRED, NULL },
	{ "verify", TLS_VERIFY, NULL },
	END
};
static const struct choices tls = {
	tls_words, TLS_VERIFY,
	"must be off, opportunistic, required or verify; verify is assumed"
};

static const struct choice mailbox_words[] = {
	{ "mbox", MAILBOX_MBOX, mailbox_mbox },
	{ "maildir", MAILBOX_MAILDIR, mailbox_maildir },
	{ "command", MAILBOX_COMMAND, mailbox_command },
	{ "lmtp:", MAILBOX_LMTP, mailbox_lmtp },
	END
};
static const struct choices mailbox = {
	mailbox_words, MAILBOX_UNREADABLE,
	"must be mbox, maildir [PATH], command PATH or lmtp:SOCKET; mail is "
	    "deferred"
};

static const struct choice log_words[] = {
	{ "syslog", LOG_TO_SYSLOG, NULL },
	/* journald owns the socket of syslog. */
	{ "journal", LOG_TO_SYSLOG, NULL },
	{ "stderr", LOG_TO_STDERR, NULL },
	{ "file", LOG_TO_FD, log_file },
	END
};
static const struct choices log_where = {
	log_words, AS_BEFORE,
	"must be syslog, journal, stderr or file PATH"
};

static const struct choice level_words[] = {
	{ "error", LOG_LEVEL_ERROR, NULL },
	{ "warning", LOG_LEVEL_WARNING, NULL },
	{ "info", LOG_LEVEL_INFO, NULL },
	{ "debug", LOG_LEVEL_DEBUG, NULL },
	END
};
static const struct choices log_level = {
	level_words, AS_BEFORE, "must be error, warning, info or debug"
};

/* The choice that a value begins with, and steps over it; or NULL. */
static const struct choice *
choose(const struct choices *all, char **value)
{
	const struct choice *o;
	size_t n;

	for (o = all->list; o->word != NULL; o++) {
		n = strlen(o->word);
		if (text_ncasecmp(*value, o->word, n) != 0)
			continue;
		if ((n == 0 || o->word[n - 1] != ':') &&
		    strchr(BLANKS, (*value)[n]) == NULL)
			continue;
		*value = text_skip_blanks(*value + n);
		return o;
	}
	return NULL;
}

_Static_assert(sizeof(enum tls_policy) == sizeof(int),
    "set_choice() stores an int");

static const char *
set_choice(struct conf *c, const struct key *k, char *value)
{
	const struct choices *all = k->choices;
	const char *reason = all->wants;
	const struct choice *o;
	int *to = member(c, k);

	o = choose(all, &value);
	if (o != NULL && o->read != NULL)
		reason = o->read(c, value);
	else if (o != NULL && *value == '\0')
		reason = NULL;
	if (o != NULL && reason == NULL)
		*to = o->value ^ (int)k->low;
	else if (all->otherwise != AS_BEFORE)
		*to = all->otherwise;
	return reason;
}

/* ---- other values ---- */

static const char *
set_path(struct conf *c, const struct key *k, char *value)
{
	if (*value != '/')
		return "must be a path that begins with /";
	if (strlen(value) > VALUE_PATH_MAX)
		return "path is too long";
	return value_copy(member(c, k), value);
}

static const char *
set_login(struct conf *c, const struct key *k, char *value)
{
	if (*value == '\0' || strlen(value) > LOGIN_MAX)
		return "must be the name of a user or group";
	return value_copy(member(c, k), value);
}

/* One address, kept in its canonical form. */
static const char *
set_address(struct conf *c, const struct key *k, char *value)
{
	const char *reason = "must be one address";
	struct buf address;

	buf_init(&address, 0);
	if (addr_one(value, &address) == 0 && address.len > 0)
		reason = value_copy(member(c, k), buf_str(&address));
	buf_fini(&address);
	return reason;
}

static const char *
set_number(struct conf *c, const struct key *k, char *value)
{
	if (value_number(value, k->low, k->high, member(c, k)) == -1)
		return k->wants;
	return NULL;
}

static const char *
set_time(struct conf *c, const struct key *k, char *value)
{
	unsigned *seconds = member(c, k), s;

	if (value_time(value, &s) == -1 || s < k->low || s > k->high)
		return k->wants;
	*seconds = s;
	return NULL;
}

static const char *
set_size(struct conf *c, const struct key *k, char *value)
{
	if (value_size(value, member(c, k)) == -1)
		return "must be a size such as 500K, 10M or 1G";
	return NULL;
}

static const char *
set_smarthost(struct conf *c, const struct key *k, char *value)
{
	(void)k;
	if (*value != '\0')
		return relays_parse(&c->relays, value);
	relays_fini(&c->relays);	/* upstream: "leave blank" for none */
	return NULL;
}

/* Without the file nobody's relay is known: as for an empty one. */
static const char *
set_sender_relay(struct conf *c, const struct key *k, char *value)
{
	const char *reason;

	reason = set_path(c, k, value);
	if (reason == NULL)
		return NULL;
	return value_copy(&c->where.sender_relay, "") != NULL ?
	    value_no_memory : reason;
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
		if (text_casecmp(s, names[i]) == 0)
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
		return "must be a list of mechanisms";
	buf_init(&b, 0);
	while ((word = text_word(&value)) != NULL) {
		if (is_mechanism(word))
			buf_printf(&b, "%s%s", b.len > 0 ? " " : "", word);
		else
			reason = "unknown mechanism";
	}
	if (buf_failed(&b) ||
	    value_copy(&c->smtp.auth_mechs, buf_str(&b)) != NULL)
		reason = value_no_memory;
	buf_fini(&b);
	return reason;
}

static const char *
set_pins(struct conf *c, const struct key *k, char *value)
{
	const char *reason;
	char *word;

	(void)k;
	reason = *value == '\0' ? "must be a SHA-256 fingerprint" : NULL;
	while ((word = text_word(&value)) != NULL) {
		if (c->tls.npins == PINS_MAX)
			return "too many fingerprints";
		if (array_grow(&c->tls.pins, &c->tls.cpins, c->tls.npins,
		    sizeof(*c->tls.pins)) == -1)
			return value_no_memory;
		if (value_sha256(word, c->tls.pins[c->tls.npins]) == -1) {
			/* Matches nothing. */
			memset(c->tls.pins[c->tls.npins], 0, VALUE_SHA256);
			reason = "must be a SHA-256 fingerprint of 64 "
			    "hexadecimal digits";
		}
		c->tls.npins++;
	}
	return reason;
}

static const char *
set_masquerade(struct conf *c, const struct key *k, char *value)
{
	static const char wants[] = "must be user@host, host or user@";
	char *at, *host = value, *user = NULL;

	(void)k;
	if ((at = strrchr(value, '@')) != NULL) {
		*at = '\0';
		host = at + 1;
		user = value;
	}
	if (user != NULL && (strlen(user) > ADDRESS_MAX ||
	    strpbrk(user, " \t<>@,;") != NULL))
		return wants;
	if (*host != '\0' && !value_is_host(host))
		return wants;
	if (user != NULL && *user == '\0')
		user = NULL;
	if (value_copy(&c->names.masquerade_user, user) != NULL)
		return value_no_memory;
	if (*host == '\0')
		return value_copy(&c->names.masquerade_host, NULL);
	return value_copy_host(&c->names.masquerade_host, host);
}

static const char *
set_mailname(struct conf *c, const struct key *k, char *value)
{
	if (*value == '\0')	/* upstream: empty is the host's name */
		return value_copy(&c->names.mailname, NULL);
	if (*value == '/')
		return set_path(c, k, value);
	if (!value_is_host(value))
		return "must be a host name or the path of a file";
	return value_copy_host(&c->names.mailname, value);
}

static void
drop_domains(struct conf_names *names)
{
	while (names->ndomains > 0)
		free(names->domains[--names->ndomains]);
}

static const char *
add_domain(struct conf_names *names, const char *domain)
{
	const char *reason;

	if (!value_is_host(domain) || names->ndomains == DOMAINS_MAX)
		return "must be a list of domain names";
	if (array_grow(&names->domains, &names->cdomains, names->ndomains,
	    sizeof(*names->domains)) == -1)
		return value_no_memory;
	names->domains[names->ndomains] = NULL;
	reason = value_copy_host(&names->domains[names->ndomains], domain);
	names->ndomains += reason == NULL;
	return reason;
}

static const char *
set_domains(struct conf *c, const struct key *k, char *value)
{
	const char *bad = NULL, *reason = NULL;
	char *word;

	(void)k;
	drop_domains(&c->names);
	while (bad != value_no_memory && (word = text_word(&value)) != NULL) {
		bad = add_domain(&c->names, word);
		reason = bad != NULL ? bad : reason;
	}
	return reason;
}

static const char *
set_delimiter(struct conf *c, const struct key *k, char *value)
{
	(void)k;
	if (*value == '\0' || text_casecmp(value, "none") == 0) {
		c->names.delimiter = '\0';
		return NULL;
	}
	if (value[1] != '\0' || strchr("+-_=.~!%^*", *value) == NULL)
		return "must be none or one of + - _ = . ~ ! % ^ *";
	c->names.delimiter = *value;
	return NULL;
}

static const char *
set_retry(struct conf *c, const struct key *k, char *value)
{
	unsigned v[] = { c->retry.first_s, c->retry.max_s,
	    c->retry.lifetime_s };
	size_t n = 0;
	char *word;

	(void)k;
	while ((word = text_word(&value)) != NULL && n < 3 &&
	    value_time(word, &v[n]) == 0)
		n++;
	if (word != NULL || n == 0 || v[0] == 0 || v[1] < v[0] || v[2] < v[0])
		return "must be first, max and lifetime, such as 5m 3h 5d";
	c->retry.first_s = v[0];
	c->retry.max_s = v[1];
	c->retry.lifetime_s = v[2];
	return NULL;
}

/* ---- the keys ---- */

#define AT(m)		.at = offsetof(struct conf, m)
#define CHOICE(m, all)	.set = set_choice, AT(m), .choices = &(all)
#define FLAG(m)		CHOICE(m, flag)
#define PATH(m)		.set = set_path, AT(m)
#define LOGIN(m)	.set = set_login, AT(m)
#define NUMBER(m, l, h)	.set = set_number, AT(m), .low = (l), .high = (h), \
			.wants = "must be a number from " #l " to " #h
#define ROOT		.is_for_root = 1
#define WAITS		.waits = SUSPECT_REMOTE
#define ALL_WAITS	.waits = SUSPECT_ALL
#define TIME(m, l, h, range)	.set = set_time, AT(m), .low = (l), \
			.high = (h), .wants = "must be a time from " range

static const struct key keys[] = {
	/* upstream's */
	{ "SMARTHOST",		.set = set_smarthost, WAITS },
	{ "PORT",		NUMBER(relays.port, 1, 65535), WAITS },
	{ "ALIASES",		PATH(where.aliases), ROOT, ALL_WAITS },
	{ "SPOOLDIR",		PATH(where.spool) },
	{ "AUTHPATH",		PATH(where.auth), WAITS },
	{ "SECURETRANSFER",	FLAG(legacy.is_securetransfer), WAITS },
	{ "STARTTLS",		FLAG(legacy.is_starttls), WAITS },
	{ "OPPORTUNISTIC_TLS",	FLAG(legacy.is_opportunistic) },
	{ "VERIFYCERT",		FLAG(legacy.is_verifycert), WAITS },
	{ "FINGERPRINT",	.set = set_pins },
	{ "CERTFILE",		PATH(tls.certfile), WAITS },
	{ "SECURE",		FLAG(smtp.is_insecure), .low = 1 },
	{ "INSECURE",		FLAG(smtp.is_insecure) },
	{ "DEFER",		FLAG(retry.is_defer), WAITS },
	{ "FULLBOUNCE",		FLAG(retry.is_fullbounce) },
	{ "MAILNAME",		.set = set_mailname, AT(names.mailname),
				ALL_WAITS },
	{ "MASQUERADE",		.set = set_masquerade },
	{ "NULLCLIENT",		CHOICE(names.nullclient, nullclient),
				ALL_WAITS },
	/* ours */
	{ "TLS",		CHOICE(tls.policy, tls) },
	{ "AUTH_MECHS",		.set = set_auth_mechs },
	{ "DANE",		CHOICE(tls.is_dane, dane) },
	{ "CAFILE",		PATH(tls.cafile), WAITS },
	{ "KEYFILE",		PATH(tls.keyfile), WAITS },
	{ "CONCURRENCY",	NUMBER(smtp.concurrency, 1, 1000) },
	{ "RETRY",		.set = set_retry },
	{ "WARN_AFTER",		TIME(retry.warn_after_s, 0, 365 * 86400,
	    "0 to 365d") },
	{ "TIMEOUT",		TIME(smtp.timeout_s, 0, 86400, "0 to 1d") },
	{ "TIMEOUT_CONNECT",	TIME(smtp.connect_timeout_s, 1, 3600,
	    "1s to 1h") },
	{ "ALIAS_USER",		LOGIN(local.alias_user), ROOT },
	{ "COMMAND_TIMEOUT",	TIME(local.command_timeout_s, 1, 86400,
	    "1s to 1d"), ROOT },
	{ "FROM_MAP",		PATH(where.from_map) },
	{ "FROM_HEADER",	CHOICE(names.from, from) },
	{ "RECIPIENT_DELIMITER", .set = set_delimiter },
	{ "REQUIRE_SHELL",	FLAG(local.is_shell_required) },
	{ "MAILBOX",		CHOICE(local.mailbox, mailbox), ROOT },
	{ "MAILSPOOL",		PATH(local.mailspool), ROOT, ALL_WAITS },
	{ "LOCALDOMAINS",	.set = set_domains, ALL_WAITS },
	{ "NOREMOTE",		FLAG(limits.is_noremote), WAITS },
	{ "SENDER_RELAY",	.set = set_sender_relay,
				AT(where.sender_relay) },
	{ "MAX_SIZE",		.set = set_size, AT(limits.max_size_bytes) },
	{ "MAX_RECIPIENTS",	NUMBER(limits.max_recipients, 0, 1000000) },
	{ "LOG",		CHOICE(log.where, log_where), ROOT },
	{ "LOG_LEVEL",		CHOICE(log.level, log_level), ROOT },
	{ "MAILQ_GROUP",	LOGIN(limits.mailq_group) },
	{ "BOUNCE_TO",		.set = set_address, AT(retry.bounce_to) },
};

/* ---- dma.conf ---- */

int
conf_init(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	c->relays.port = 25;
	c->names.delimiter = '+';
	c->smtp.concurrency = 20;
	c->limits.max_recipients = 100000;
	c->smtp.connect_timeout_s = 30;
	c->retry.first_s = 5 * 60;
	c->retry.max_s = 3 * 3600;
	c->retry.lifetime_s = 5 * 86400;
	c->retry.warn_after_s = 4 * 3600;
	c->local.is_shell_required = 1;
	c->local.command_timeout_s = 5 * 60;
	c->log.where = LOG_TO_SYSLOG;
	c->log.level = LOG_LEVEL_INFO;
	if (value_copy(&c->where.spool, DMA_SPOOLDIR) != NULL ||
	    value_copy(&c->where.aliases, DMA_ALIASES) != NULL ||
	    value_copy(&c->where.auth, DMA_CONFDIR "/auth.conf") != NULL ||
	    value_copy(&c->local.mailspool, DMA_MAILSPOOL) != NULL ||
	    value_copy(&c->local.alias_user, "nobody") != NULL) {
		conf_fini(c);
		return -1;
	}
	return 0;
}

void
conf_fini(struct conf *c)
{
	relays_fini(&c->relays);
	drop_domains(&c->names);
	free(c->names.domains);
	free(c->names.mailname);
	free(c->names.masquerade_user);
	free(c->names.masquerade_host);
	free(c->where.spool);
	free(c->where.aliases);
	free(c->where.auth);
	free(c->where.sender_relay);
	free(c->where.from_map);
	free(c->limits.mailq_group);
	free(c->retry.bounce_to);
	free(c->tls.pins);
	free(c->tls.certfile);
	free(c->tls.keyfile);
	free(c->tls.cafile);
	free(c->smtp.auth_mechs);
	free(c->local.where);
	free(c->local.mailspool);
	free(c->local.alias_user);
	free(c->log.path);
	free(c->trouble.reason);
	memset(c, 0, sizeof(*c));
}

static const struct key *
find_key(const char *word)
{
	const struct key *k;

	for (k = keys; k < keys + sizeof(keys) / sizeof(*keys); k++)
		if (text_casecmp(word, k->name) == 0)
			return k;
	return NULL;
}

static size_t
key_len(const char *line)
{
	size_t n = 0;

	while (line[n] != '\0' && strchr(BLANKS "=:", line[n]) == NULL)
		n++;
	return n;
}

/* Cuts the key off: KEY value, KEY=value, KEY: value; NULL when it is none. */
static const struct key *
take_key(char **line)
{
	size_t n = key_len(*line);
	char *rest = *line + n, *value, word[KEY_SHOWN_MAX + 1];
	int is_joined = *rest == '=' || *rest == ':';

	if (n > KEY_SHOWN_MAX)
		return NULL;
	memcpy(word, *line, n);
	word[n] = '\0';
	rest = text_skip_blanks(rest);
	value = rest;
	if (*rest == '=' || *rest == ':')
		value = text_skip_blanks(rest + 1);
	/* Apart and alone, it is the value: RECIPIENT_DELIMITER =. */
	*line = *value == '\0' && !is_joined ? rest : value;
	return find_key(word);
}

/* Of a value that is in quotes as a whole. */
static char *
drop_quotes(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || (*value != '"' && *value != '\'') ||
	    strchr(value + 1, *value) != value + n - 1)
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

/* NULL, or the reason; *waits is then the mail that is deferred. */
static const char *
set_line(struct conf *c, char *line, int is_root, enum suspect *waits)
{
	char *text = text_trim(line), *value = text;
	const struct key *k;
	const char *reason;

	*waits = SUSPECT_NONE;
	/* Most lines are comments, and each call reads this file. */
	if (*text == '\0')
		return NULL;
	k = take_key(&value);
	if (k == NULL) {
		*waits = suspect_line(text);
		return *waits == SUSPECT_NONE ? "unknown keyword" :
		    "unknown keyword; mail is deferred";
	}
	if (is_root && !k->is_for_root)
		return NULL;
	reason = k->set(c, k, drop_quotes(value));
	/* One good relay will do. */
	if (reason != NULL && (k->set != set_smarthost ||
	    relays_is_none(&c->relays)))
		*waits = k->waits;
	return reason;
}

int
conf_parse_root(struct conf *c, const char *text, size_t len)
{
	struct text_lines t;
	enum suspect waits;

	text_init(&t, text, len);
	while (text_next(&t))
		if (t.trouble == NULL &&
		    set_line(c, t.line, 1, &waits) == value_no_memory)
			return -1;
	return 0;
}

/* What upstream's TLS keys mean together; TLS itself stands above them. */
static void
settle_tls(struct conf *c)
{
	const struct conf_legacy *old = &c->legacy;
	struct conf_tls *to = &c->tls;

	to->is_implicit = to->policy != TLS_OFF && !old->is_starttls &&
	    (old->is_securetransfer || c->relays.port == 465);
	if (to->policy != TLS_UNSET)
		return;
	if (old->is_verifycert)
		to->policy = TLS_VERIFY;
	else if (old->is_securetransfer)
		to->policy = old->is_starttls && old->is_opportunistic ?
		    TLS_OPPORTUNISTIC : TLS_REQUIRED;
}

/* "KEY: reason": the key alone, since a value may be secret. */
static void
put_line(char *text, size_t size, const char *line, const char *reason)
{
	int n;

	line = text_skip_blanks(line);
	n = (int)key_len(line);
	snprintf(text, size, "%.*s%s%s", n > KEY_SHOWN_MAX ? KEY_SHOWN_MAX : n,
	    line, n > 0 ? ": " : "", reason);
}

/* The first one is told, but one that stops local mail comes first. */
static int
note_trouble(struct conf_trouble *t, enum suspect waits, unsigned lineno,
    const char *text)
{
	char *reason;
	struct buf b;

	if (waits == SUSPECT_NONE || (t->reason != NULL &&
	    (t->stops_local || waits != SUSPECT_ALL)))
		return 0;
	buf_init(&b, 0);
	buf_printf(&b, "line %u: %s", lineno, text);
	reason = buf_take(&b);
	if (reason == NULL)
		return -1;
	free(t->reason);
	t->reason = reason;
	t->stops_local = waits == SUSPECT_ALL;
	return 0;
}

/* 1 for a bad line, 0, -1 without memory. */
static int
parse_line(struct conf *c, struct text_lines *t, const char *file,
    const struct report *report)
{
	const char *reason = t->trouble;
	enum suspect waits = SUSPECT_ALL;
	char text[160];

	/* The purpose of the line is unknown, unless it is a comment. */
	if (reason == NULL)
		reason = set_line(c, t->line, 0, &waits);
	else if (*text_skip_blanks(t->line) == '#')
		waits = SUSPECT_NONE;
	if (reason == NULL)
		return 0;
	put_line(text, sizeof(text), t->line, reason);
	report->say(report->arg, file, t->lineno, text);
	return reason == value_no_memory || note_trouble(&c->trouble, waits,
	    t->lineno, text) == -1 ? -1 : 1;
}

int
conf_parse(struct conf *c, const char *text, size_t len, const char *file,
    const struct report *report)
{
	struct text_lines t;
	int bad = 0, got;

	text_init(&t, text, len);
	while (text_next(&t)) {
		got = parse_line(c, &t, file, report);
		if (got == -1)
			return -1;
		bad += got;
	}
	settle_tls(c);
	if (c->names.nullclient != NULLCLIENT_OFF && c->relays.n == 0) {
		report->say(report->arg, file, 0,
		    "NULLCLIENT without SMARTHOST: mail is deferred");
		bad++;
		if (relays_set_none(&c->relays) == -1)
			return -1;
	}
	return bad;
}

const char *
conf_mailname_file(const struct conf *c)
{
	const char *name = c->names.mailname;

	return name == NULL || name[0] != '/' ? NULL : name;
}

int
conf_finish(struct conf *c, const char *mailname_text, const char *hostname)
{
	struct text_lines t;
	const char *name = NULL;

	if (c->names.mailname != NULL && c->names.mailname[0] != '/')
		return 0;
	if (c->names.mailname != NULL && mailname_text != NULL) {
		text_init(&t, mailname_text, strlen(mailname_text));
		if (text_next(&t) && t.trouble == NULL)
			name = text_trim(t.line);
	}
	if (name == NULL || !value_is_host(name))
		name = hostname;
	if (name == NULL || !value_is_host(name))
		name = "localhost";
	return value_copy_host(&c->names.mailname, name) == NULL ? 0 : -1;
}

const char *
conf_mail_dir(const struct conf_local *c)
{
	if (c->mailbox == MAILBOX_MBOX)
		return c->mailspool;
	if (c->mailbox == MAILBOX_MAILDIR && c->where[0] == '/')
		return c->where;
	return NULL;
}
