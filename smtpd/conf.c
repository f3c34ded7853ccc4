/*
 * conf.c - dma-smtpd.conf.
 * Runs as: whoever started dma-smtpd, or its user at a reload.
 * Uses: open(2) and read(2) of the file, getcwd(3) for a relative -d.
 * Promise: what is not understood is an error with its line, and the
 * configuration is then none; no value is guessed or repaired.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/text.h"
#include "smtpd/conf.h"
#include "smtpd/conf_value.h"

#define FILE_MAX_BYTES	(1 << 20)
#define SHOWN_MAX	80	/* bytes of a value in a report */
#define COMMAND_LINE	"command line"	/* in place of the file, in reports */
#define DEFAULT_MODULE	"minute"
#define BLOCKLIST_MODULE "blocklist"

struct smtpd_key;

/*
 * A setter returns NULL, or what is wrong: "must be ...".  A getter gives the
 * text of conf_text(); keys that may be repeated have none.
 */
struct smtpd_key {
	const char	*name;
	const char	*(*set)(struct smtpd_config *, const struct smtpd_key *,
			    char *value);
	const char	*(*get)(const struct smtpd_config *,
			    const struct smtpd_key *, char *buffer,
			    size_t size);
	size_t		 at;		/* the member that it sets */
	/* Of a number, a time or a size: an unsigned, or an uint64_t. */
	int		(*read)(const char *, uint64_t low, uint64_t high,
			    uint64_t *);
	size_t		 bytes;
	uint64_t	 low, high;
	int		(*check)(const char *);	/* of a text */
	const char	*wants;
	const char	*const *words;	/* of a choice, by its enum */
	int		 is_repeatable;
	int		 names_modules;	/* must be known to understand other
					 * lines */
};

/* Recognised by its address: ends the parse. */
static const char no_memory[] = "out of memory";

static void *
member(struct smtpd_config *c, const struct smtpd_key *k)
{
	return (char *)c + k->at;
}

static const void *
const_member(const struct smtpd_config *c, const struct smtpd_key *k)
{
	return (const char *)c + k->at;
}

/* Replaces an owned text by a copy. */
static const char *
copy(char **dst, const char *text)
{
	char *s = strdup(text);

	if (s == NULL)
		return no_memory;
	free(*dst);
	*dst = s;
	return NULL;
}

/* ---- numbers, times and sizes ---- */

static const char *
set_number(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	void *to = member(c, k);
	uint64_t v;

	if (k->read(value, k->low, k->high, &v) == -1)
		return k->wants;
	if (k->bytes == sizeof(uint64_t))
		*(uint64_t *)to = v;
	else
		*(unsigned *)to = (unsigned)v;
	return NULL;
}

static const char *
get_number(const struct smtpd_config *c, const struct smtpd_key *k,
    char *buffer, size_t size)
{
	const void *from = const_member(c, k);
	uint64_t v = k->bytes == sizeof(uint64_t) ? *(const uint64_t *)from :
	    *(const unsigned *)from;

	snprintf(buffer, size, "%llu", (unsigned long long)v);
	return buffer;
}

/* ---- texts and words ---- */

static const char *
set_text(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	return k->check(value) == -1 ? k->wants : copy(member(c, k), value);
}

static const char *
set_status_socket(struct smtpd_config *c, const struct smtpd_key *k,
    char *value)
{
	if (strcmp(value, "none") != 0)
		return set_text(c, k, value);
	free(c->status_socket);
	c->status_socket = NULL;
	return NULL;
}

static const char *
get_text(const struct smtpd_config *c, const struct smtpd_key *k, char *buffer,
    size_t size)
{
	char *const *text = const_member(c, k);

	(void)buffer;
	(void)size;
	return *text;
}

static const char *const durable_words[] = {
	[CONF_DURABLE_NONE] = "none", [CONF_DURABLE_FILE] = "file",
	[CONF_DURABLE_FULL] = "full", NULL
};
static const char *const block_words[] = {
	[CONF_BLOCK_554] = "554", [CONF_BLOCK_DROP] = "drop", NULL
};
static const char *const log_words[] = {
	[LOG_TO_SYSLOG] = "syslog", [LOG_TO_STDERR] = "stderr", NULL
};

_Static_assert(sizeof(enum conf_durable) == sizeof(unsigned) &&
    sizeof(enum conf_block_reply) == sizeof(unsigned) &&
    sizeof(enum log_where) == sizeof(unsigned), "set_choice() stores these");

static const char *
set_choice(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	unsigned *to = member(c, k), i;

	for (i = 0; k->words[i] != NULL; i++)
		if (strcmp(value, k->words[i]) == 0) {
			*to = i;
			return NULL;
		}
	return k->wants;
}

static const char *
get_choice(const struct smtpd_config *c, const struct smtpd_key *k,
    char *buffer, size_t size)
{
	const unsigned *v = const_member(c, k);

	(void)buffer;
	(void)size;
	return k->words[*v];
}

/* ---- lists ---- */

static const char *
set_listen(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	struct conf_listen *l = &c->listen[c->nlisten];
	size_t i;

	if (c->nlisten == CONF_LISTEN_MAX)
		return "is given too often: at most 64 sockets are possible";
	memset(l, 0, sizeof(*l));
	if (conf_value_listen(value, &l->addr, &l->len) == -1)
		return k->wants;
	for (i = 0; i < c->nlisten; i++)
		if (c->listen[i].len == l->len &&
		    memcmp(&c->listen[i].addr, &l->addr, l->len) == 0)
			return "must be another address than those above";
	l->text = strdup(value);
	if (l->text == NULL)
		return no_memory;
	c->nlisten++;
	return NULL;
}

/* One or more networks; those of several lines are joined. */
static const char *
set_networks(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	struct netset *set = member(c, k);
	const char *reason;
	char *word;

	if (*value == '\0')
		return k->wants;
	while ((word = text_word(&value)) != NULL)
		if (netset_add(set, word, &reason) == -1)
			return reason == NULL ? no_memory : k->wants;
	return NULL;
}

/* ---- modules ---- */

/* 1 when there is a module whose lines begin with this name. */
static int
has_module(const struct smtpd_config *c, const char *name)
{
	char known[CONF_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < c->nmodules; i++)
		if (conf_value_module(c->modules[i], known) == 0 &&
		    strcmp(known, name) == 0)
			return 1;
	return 0;
}

static const char *
insert_module(struct smtpd_config *c, size_t at, const char *module)
{
	char *name = strdup(module);

	if (name == NULL)
		return no_memory;
	memmove(&c->modules[at + 1], &c->modules[at],
	    (c->nmodules - at) * sizeof(c->modules[0]));
	c->modules[at] = name;
	c->nmodules++;
	return NULL;
}

static const struct smtpd_key *find_key(const char *);

static const char *
set_module(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	char name[CONF_NAME_MAX + 1];

	if (conf_value_module(value, name) == -1)
		return k->wants;
	if (find_key(name) != NULL)
		return "must not have the name of a key";
	if (has_module(c, name))
		return "must be another module than those above";
	/* Room is left for BLOCKLIST and FALLBACK. */
	if (c->nmodules == CONF_MODULES_MAX - 2)
		return "is given too often: at most 14 modules are possible";
	return insert_module(c, c->nmodules, value);
}

static const char *
set_fallback(struct smtpd_config *c, const struct smtpd_key *k, char *value)
{
	char name[CONF_NAME_MAX + 1];

	if (conf_value_module(value, name) == -1)
		return k->wants;
	if (find_key(name) != NULL)
		return "must not have the name of a key";
	return copy(&c->fallback, value);
}

/* ---- the keys ---- */

#define AT(m)		.at = offsetof(struct smtpd_config, m)
#define NUMBER(m, by, l, h) .set = set_number, .get = get_number, AT(m), \
			.bytes = sizeof(((struct smtpd_config *)0)->m), \
			.read = (by), .low = (l), .high = (h)
#define COUNT(m, l, h)	NUMBER(m, conf_value_number, l, h), \
			.wants = "must be a number from " #l " to " #h
#define TIME(m, h, s)	NUMBER(m, conf_value_time, 1, h), \
			.wants = "must be a time from 1s to " s
#define PATH(m)		.set = set_text, .get = get_text, AT(m), \
			.check = conf_value_path, .wants = ABSOLUTE_PATH
#define ABSOLUTE_PATH \
	"must be an absolute path without \"//\", \".\" and \"..\""
#define CHOICE(m, w, t)	.set = set_choice, .get = get_choice, AT(m), \
			.words = (w), .wants = "must be " t
#define NETWORKS(m)	.set = set_networks, AT(m), .is_repeatable = 1, \
			.wants = "must be addresses and networks such as " \
			"192.0.2.1 192.0.2.0/24 2001:db8::/32"
#define A_MODULE	"must be the name of a module, or its path with .so"

static const struct smtpd_key keys[] = {
	{ "LISTEN", .set = set_listen, .is_repeatable = 1,
	    .wants = "must be an IP address with an optional port, such as "
	    "127.0.0.1:2525 or [::1]:2525" },
	{ "ROOT", PATH(root) },
	{ "USER", .set = set_text, .get = get_text, AT(user),
	    .check = conf_value_user, .wants = "must be the name of a user" },
	{ "MIN_SPARE", COUNT(children.min_spare, 1, 1000) },
	{ "MAX_SPARE", COUNT(children.max_spare, 1, 1000) },
	{ "MAX_CHILDREN", COUNT(children.max_children, 1, 1000) },
	{ "MAX_SESSIONS", COUNT(children.max_sessions, 0, 1000000000) },
	{ "SHUTDOWN_TIMEOUT", TIME(children.shutdown_timeout_s, 3600, "1h") },
	{ "DURABLE", CHOICE(durable, durable_words, "none, file or full") },
	{ "MAX_SIZE", NUMBER(limits.max_size_bytes, conf_value_size, 1 << 10,
	    1ULL << 40),
	    .wants = "must be a size from 1K to 1024G, such as 50M" },
	{ "MAX_RECIPIENTS", COUNT(limits.max_recipients, 1, 100000) },
	{ "MAX_ERRORS", COUNT(limits.max_errors, 1, 1000000) },
	{ "MAX_COMMANDS", COUNT(limits.max_commands, 10, 1000000000) },
	{ "MAX_LINE", COUNT(limits.max_line_bytes, 512, 16384) },
	{ "MAX_CONNECTIONS", COUNT(limits.max_connections, 1, 1000000) },
	{ "MAX_CONNECTIONS_PER_ADDRESS",
	    COUNT(limits.max_connections_per_address, 1, 1000000) },
	{ "COMMAND_TIMEOUT", TIME(limits.command_timeout_s, 86400, "1d") },
	{ "TRANSACTION_TIMEOUT",
	    TIME(limits.transaction_timeout_s, 86400, "1d") },
	{ "CERTIFICATE", PATH(certificate) },
	{ "PRIVATE_KEY", PATH(private_key) },
	{ "BLOCKLIST", PATH(blocklist), .names_modules = 1 },
	{ "BLOCK_REPLY", CHOICE(block_reply, block_words, "554 or drop") },
	{ "PROXY_FROM", NETWORKS(proxy_from) },
	{ "NORMALIZE_FROM", NETWORKS(normalize_from) },
	{ "STATUS_SOCKET", .set = set_status_socket, .get = get_text,
	    AT(status_socket), .check = conf_value_path,
	    .wants = ABSOLUTE_PATH ", or none" },
	{ "LOG", CHOICE(log, log_words, "stderr or syslog") },
	{ "MODULE", .set = set_module, .is_repeatable = 1,
	    .names_modules = 1, .wants = A_MODULE },
	{ "FALLBACK", .set = set_fallback, .get = get_text, AT(fallback),
	    .names_modules = 1, .wants = A_MODULE },
};

#define KEYS	(sizeof(keys) / sizeof(keys[0]))

static const struct smtpd_key *
find_key(const char *name)
{
	const struct smtpd_key *k;

	for (k = keys; k < keys + KEYS; k++)
		if (strcmp(name, k->name) == 0)
			return k;
	return NULL;
}

/* ---- the lines ---- */

struct reader {
	struct smtpd_config *conf;
	const struct report *report;
	const char	*file;
	unsigned	 line;
	unsigned	 given[KEYS];	/* the line that had the key; 0: none */
	size_t		 settings_cap;
	int		 has_failed, is_out_of_memory;
};

static void complain(struct reader *, unsigned line, const char *, ...)
    PRINTF_LIKE(3, 4);

/* What comes from the file comes cleaned, by shown(). */
static void
complain(struct reader *r, unsigned line, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 0);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	r->report->say(r->report->arg, r->file, line,
	    buf_failed(&b) ? no_memory : buf_str(&b));
	buf_fini(&b);
	r->has_failed = 1;
}

/* The text for a report; out has SHOWN_MAX + 1 bytes. */
static const char *
shown(const char *text, char *out)
{
	struct buf b;

	buf_init(&b, 0);
	buf_put_value(&b, text, strlen(text), SHOWN_MAX, "\"");
	snprintf(out, SHOWN_MAX + 1, "%s", buf_str(&b));
	buf_fini(&b);
	return out;
}

static void
set_key(struct reader *r, const struct smtpd_key *k, char *value)
{
	unsigned *given = &r->given[k - keys];
	char copied[SHOWN_MAX + 1];
	const char *reason;

	if (*given != 0 && !k->is_repeatable) {
		complain(r, r->line, "%s must be given once, but is also in "
		    "line %u", k->name, *given);
		return;
	}
	*given = r->line;
	/* A setter may cut the value. */
	shown(value, copied);
	reason = k->set(r->conf, k, value);
	r->is_out_of_memory |= reason == no_memory;
	if (reason != NULL && reason != no_memory)
		complain(r, r->line, "%s %s, but is \"%s\"", k->name, reason,
		    copied);
}

/* A line of a module: its name is cut off. */
static void
add_setting(struct reader *r, const char *module, char *rest)
{
	struct smtpd_config *c = r->conf;
	struct conf_setting *s;
	char *key;

	key = text_word(&rest);
	if (key == NULL) {
		complain(r, r->line, "%s must be followed by a key of this "
		    "module", module);
		return;
	}
	if (c->nsettings == CONF_SETTINGS_MAX) {
		complain(r, r->line, "there are too many settings of modules: "
		    "at most %d are possible", CONF_SETTINGS_MAX);
		return;
	}
	if (array_grow(&c->settings, &r->settings_cap, c->nsettings,
	    sizeof(*s)) == -1) {
		r->is_out_of_memory = 1;
		return;
	}
	s = &c->settings[c->nsettings++];
	s->line = r->line;
	s->module = strdup(module);
	s->key = strdup(key);
	s->value = strdup(rest + strspn(rest, " \t"));
	if (s->module == NULL || s->key == NULL || s->value == NULL)
		r->is_out_of_memory = 1;
}

/* 1 when the word is a key but for the case of its letters. */
static int
is_key_in_small(const char *word)
{
	char upper[SHOWN_MAX + 1];
	size_t i;

	for (i = 0; i < SHOWN_MAX && word[i] != '\0'; i++)
		upper[i] = word[i] >= 'a' && word[i] <= 'z' ?
		    (char)(word[i] - 'a' + 'A') : word[i];
	upper[i] = '\0';
	return find_key(upper) != NULL;
}

static void
read_line(struct reader *r, char *line, int is_first_pass)
{
	char *rest = text_trim(line), *word, out[SHOWN_MAX + 1];
	const struct smtpd_key *k;

	word = text_word(&rest);
	if (word == NULL)
		return;
	k = find_key(word);
	if (k != NULL && k->names_modules == is_first_pass)
		set_key(r, k, rest + strspn(rest, " \t"));
	if (k != NULL || is_first_pass)
		return;
	if (has_module(r->conf, word))
		add_setting(r, word, rest);
	else if (is_key_in_small(word))
		complain(r, r->line, "keys are written in capital letters, "
		    "not \"%s\"", shown(word, out));
	else
		complain(r, r->line, "\"%s\" is neither a key nor a module "
		    "that a line MODULE names", shown(word, out));
}

/* Modules may be named after their lines; so those keys are read first. */
static void
read_lines(struct reader *r, const char *text, size_t len, int is_first_pass)
{
	struct text_lines t;

	text_init(&t, text, len);
	while (!r->is_out_of_memory && text_next(&t)) {
		r->line = t.lineno;
		if (t.trouble == NULL)
			read_line(r, t.line, is_first_pass);
		else if (!is_first_pass)
			complain(r, r->line, "%s", t.trouble);
	}
}

/* ---- what follows from several keys ---- */

static unsigned
line_of(const struct reader *r, const char *name)
{
	return r->given[find_key(name) - keys];
}

/* The list in the order of conf.h. */
static void
finish_modules(struct reader *r)
{
	char name[CONF_NAME_MAX + 1];
	struct smtpd_config *c = r->conf;
	const char *failed = NULL;

	if (c->nmodules == 0)
		failed = insert_module(c, 0, DEFAULT_MODULE);
	if (failed == NULL && c->blocklist != NULL &&
	    !has_module(c, BLOCKLIST_MODULE))
		failed = insert_module(c, 0, BLOCKLIST_MODULE);
	if (failed == NULL && c->fallback != NULL &&
	    conf_value_module(c->fallback, name) == 0) {
		if (has_module(c, name))
			complain(r, line_of(r, "FALLBACK"), "FALLBACK must be "
			    "another module than those of MODULE%s",
			    strcmp(name, DEFAULT_MODULE) == 0 ?
			    ", which is " DEFAULT_MODULE " by default" : "");
		else
			failed = insert_module(c, c->nmodules, c->fallback);
	}
	r->is_out_of_memory |= failed == no_memory;
}

/* A default gives way to what is given; two that are given must agree. */
static void
order(struct reader *r, const char *low_name, unsigned *low,
    const char *high_name, unsigned *high)
{
	unsigned low_line = line_of(r, low_name);

	if (*low <= *high)
		return;
	if (line_of(r, high_name) == 0)
		*high = *low;
	else if (low_line == 0)
		*low = *high;
	else
		complain(r, low_line, "%s must be at most %s, but %u is more "
		    "than %u", low_name, high_name, *low, *high);
}

static void
finish_children(struct reader *r)
{
	struct conf_children *n = &r->conf->children;

	order(r, "MIN_SPARE", &n->min_spare, "MAX_SPARE", &n->max_spare);
	order(r, "MAX_SPARE", &n->max_spare, "MAX_CHILDREN",
	    &n->max_children);
	/* MAX_SPARE may have given way to MAX_CHILDREN. */
	order(r, "MIN_SPARE", &n->min_spare, "MAX_CHILDREN",
	    &n->max_children);
}

static void
finish(struct reader *r)
{
	struct smtpd_config *c = r->conf;

	finish_children(r);
	if (c->private_key != NULL && c->certificate == NULL)
		complain(r, line_of(r, "PRIVATE_KEY"), "PRIVATE_KEY requires "
		    "CERTIFICATE");
	if (c->certificate != NULL && c->private_key == NULL)
		r->is_out_of_memory |=
		    copy(&c->private_key, c->certificate) != NULL;
	netset_ready(&c->proxy_from);
	netset_ready(&c->normalize_from);
}

/* ---- the command line ---- */

/* Calls a setter for an option; the file's value is replaced. */
static void
set_option(struct reader *r, const char *option, const char *key,
    const char *text)
{
	const struct smtpd_key *k = find_key(key);
	char *value = strdup(text), out[SHOWN_MAX + 1];
	const char *reason;

	reason = value == NULL ? no_memory : k->set(r->conf, k, value);
	free(value);
	r->is_out_of_memory |= reason == no_memory;
	if (reason != NULL && reason != no_memory)
		complain(r, 0, "%s %s, but is \"%s\"", option, reason,
		    shown(text, out));
}

static void
drop_listen(struct smtpd_config *c)
{
	while (c->nlisten > 0)
		free(c->listen[--c->nlisten].text);
}

static void
override_listen(struct reader *r, const struct conf_override *o)
{
	size_t i;

	if (o->nlisten > 0)
		drop_listen(r->conf);
	for (i = 0; i < o->nlisten; i++)
		set_option(r, "-l", "LISTEN", o->listen[i]);
}

/* "." and "./dir" mean what they mean to the shell. */
static int
is_relative(const char *root)
{
	return *root != '/' && *root != '\0';
}

static void
override_root(struct reader *r, const char *root)
{
	char full[PATH_MAX];

	if (!is_relative(root)) {
		set_option(r, "-d", "ROOT", root);
		return;
	}
	if (realpath(root, full) == NULL)
		complain(r, 0, "-d %.80s: %s", root, strerror(errno));
	else
		set_option(r, "-d", "ROOT", full);
}

static void
override(struct reader *r, const struct conf_override *o)
{
	r->file = COMMAND_LINE;
	if (o != NULL)
		override_listen(r, o);
	if (o != NULL && o->root != NULL)
		override_root(r, o->root);
	r->conf->is_listen_default = r->conf->nlisten == 0;
	if (r->conf->is_listen_default) {
		set_option(r, "LISTEN", "LISTEN", "127.0.0.1");
		set_option(r, "LISTEN", "LISTEN", "[::1]");
	}
}

/* ---- the whole ---- */

static int
defaults(struct smtpd_config *c)
{
	/* Few children, so that many messages share a commit: 2 or 4 are
	 * faster than 16 with 20 sessions, and as fast with 100. */
	c->children = (struct conf_children){ .min_spare = 1, .max_spare = 2,
	    .max_children = 4, .max_sessions = 10000,
	    .shutdown_timeout_s = 30 };
	c->limits = (struct smtpd_limits){ .max_size_bytes = 50 << 20,
	    .max_recipients = 1000, .max_errors = 20, .max_commands = 100000,
	    .max_line_bytes = 2048, .max_connections = 20000,
	    .max_connections_per_address = 1000, .command_timeout_s = 5 * 60,
	    .transaction_timeout_s = 30 * 60 };
	c->durable = CONF_DURABLE_FULL;
	c->block_reply = CONF_BLOCK_554;
	c->log = LOG_TO_STDERR;
	netset_init(&c->proxy_from);
	netset_init(&c->normalize_from);
	c->listen = calloc(CONF_LISTEN_MAX + 1, sizeof(*c->listen));
	return c->listen == NULL ||
	    copy(&c->root, SMTPD_ROOT) != NULL ||
	    copy(&c->status_socket, SMTPD_STATUS) != NULL ? -1 : 0;
}

int
conf_parse(struct smtpd_config *c, const char *text, size_t len,
    const char *file, const struct conf_override *o,
    const struct report *report)
{
	struct reader r = { .conf = c, .report = report, .file = file };

	memset(c, 0, sizeof(*c));
	c->file = file;
	if (defaults(c) == -1)
		r.is_out_of_memory = 1;
	read_lines(&r, text, len, 1);
	if (!r.is_out_of_memory)
		finish_modules(&r);
	read_lines(&r, text, len, 0);
	if (!r.is_out_of_memory)
		finish(&r);
	if (!r.is_out_of_memory)
		override(&r, o);
	if (r.is_out_of_memory)
		complain(&r, 0, "%s", no_memory);
	return r.has_failed ? -1 : 0;
}

int
conf_check_override(const struct conf_override *o, const struct report *report)
{
	struct smtpd_config c;
	struct reader r = { .conf = &c, .report = report,
	    .file = COMMAND_LINE };

	memset(&c, 0, sizeof(c));
	/* Without memory, conf_parse() reports that. */
	if (defaults(&c) == 0)
		override_listen(&r, o);
	if (o->root != NULL && !is_relative(o->root))
		set_option(&r, "-d", "ROOT", o->root);
	conf_fini(&c);
	return r.has_failed ? -1 : 0;
}

int
conf_read(struct smtpd_config *c, const char *file, int is_required,
    const struct conf_override *o, const struct report *report)
{
	char reason[256];
	struct buf text;
	int ret;

	buf_init(&text, 0);
	ret = io_read_path(file, &text, FILE_MAX_BYTES);
	if (ret == -1 && (errno != ENOENT || is_required)) {
		snprintf(reason, sizeof(reason), "cannot be read: %s",
		    strerror(errno));
		report->say(report->arg, file, 0, reason);
		memset(c, 0, sizeof(*c));
	} else
		ret = conf_parse(c, buf_str(&text), text.len, file, o, report);
	buf_fini(&text);
	return ret;
}

void
conf_fini(struct smtpd_config *c)
{
	drop_listen(c);
	free(c->listen);
	free(c->root);
	free(c->user);
	free(c->certificate);
	free(c->private_key);
	free(c->blocklist);
	free(c->status_socket);
	free(c->fallback);
	netset_fini(&c->proxy_from);
	netset_fini(&c->normalize_from);
	while (c->nmodules > 0)
		free(c->modules[--c->nmodules]);
	while (c->nsettings > 0) {
		c->nsettings--;
		free(c->settings[c->nsettings].module);
		free(c->settings[c->nsettings].key);
		free(c->settings[c->nsettings].value);
	}
	free(c->settings);
	memset(c, 0, sizeof(*c));
}

const char *
conf_text(const struct smtpd_config *c, const char *key, char *buffer,
    size_t size)
{
	const struct smtpd_key *k = find_key(key);

	return k == NULL || k->get == NULL ? NULL :
	    k->get(c, k, buffer, size);
}
