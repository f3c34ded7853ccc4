/*
 * auth.c - auth.conf: which login for which host.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line harms its own host only, and closes it: mail for it is
 * deferred, never sent without the login.  Passwords are wiped.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/auth.h"
#include "conf/values.h"
#include "lib/array.h"
#include "lib/text.h"

#define BLANKS		" \t"
#define AUTHS_MAX	1000

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

static const char *
add_auth(struct auths *auths, const struct auth_line *l)
{
	struct auth *a;

	if (auths->n == AUTHS_MAX)
		return "too many entries";
	if (array_grow(&auths->list, &auths->cap, auths->n, sizeof(*a)) == -1)
		return value_no_memory;
	a = &auths->list[auths->n];
	memset(a, 0, sizeof(*a));
	a->is_token = l->is_token;
	a->is_external = l->is_external;
	if (value_copy(&a->user, l->user) == -1 ||
	    value_copy_host(&a->host, l->host) == -1 ||
	    value_copy(&a->password, l->password) == -1 ||
	    value_copy(&a->file, l->file) == -1 ||
	    value_copy(&a->command, l->command) == -1 ||
	    value_copy(&a->trouble, l->trouble) == -1) {
		auth_clear(a);
		return value_no_memory;
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
	static const char usage[] = "must be user|host:password";
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
	if (!value_is_host(host) && !value_is_literal(host))
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
		return text_word(rest);
	text = *rest + 1;
	end = strchr(text, '"');
	if (end == NULL || strchr(BLANKS, end[1]) == NULL)
		return NULL;
	*rest = end[1] == '\0' ? end + 1 : end + 2;
	*end = '\0';
	return text;
}

/* It is cut at blanks; one that would need a shell is refused. */
static int
is_command(const char *text)
{
	return *text == '/' && strpbrk(text, "'\"\\`$|&;<>(){}*?[]!~") == NULL;
}

#define AUTH_AT(m)	offsetof(struct auth_line, m)

/* One keyword and its value; NULL, or the reason. */
static const char *
take_pair(struct auth_line *l, const char *word, char **rest)
{
	static const struct {
		const char *word;
		size_t at;
		int is_token, is_secret;
		char *(*take)(char **);
	} keywords[] = {
		{ "host", AUTH_AT(host), 0, 0, text_word },
		{ "user", AUTH_AT(user), 0, 0, text_word },
		{ "password", AUTH_AT(password), 0, 1, text_word },
		{ "password-file", AUTH_AT(file), 0, 1, text_word },
		{ "password-command", AUTH_AT(command), 0, 1, next_quoted },
		{ "token", AUTH_AT(password), 1, 1, text_word },
		{ "token-file", AUTH_AT(file), 1, 1, text_word },
		{ "token-command", AUTH_AT(command), 1, 1, next_quoted },
	};
	char **member;
	size_t i;

	if (strcmp(word, "external") == 0) {
		l->is_external = 1;
		return NULL;
	}
	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcmp(word, keywords[i].word) == 0)
			break;
	if (i == sizeof(keywords) / sizeof(keywords[0]))
		return "unknown keyword: use \"host HOST user USER "
		    "password-file PATH\" or similar";
	member = (char **)(void *)((char *)l + keywords[i].at);
	if (*member != NULL ||
	    (keywords[i].is_secret && (l->password != NULL || l->file != NULL ||
	    l->command != NULL)))
		return "duplicate keyword";
	if ((*member = keywords[i].take(rest)) == NULL)
		return "keyword without a value";
	l->is_token |= keywords[i].is_token;
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
	return value_is_host(l->host) || value_is_literal(l->host) ? 0 : -1;
}

/* "host HOST user USER password-file PATH". */
static const char *
split_keywords(char *line, struct auth_line *l)
{
	const char *reason = NULL;
	char *word;

	while (reason == NULL && (word = text_word(&line)) != NULL)
		reason = take_pair(l, word, &line);
	if (check_host(l) == -1) {
		l->host = NULL;
		return reason == NULL ? "host HOST is missing" : reason;
	}
	if (reason != NULL)
		return reason;
	if (l->password == NULL && l->file == NULL && l->command == NULL &&
	    !l->is_external)
		return "a password, a token or external is missing";
	if (l->user == NULL && !l->is_external)
		return "user USER is missing";
	if (l->file != NULL && *l->file != '/')
		return "path must begin with a slash";
	if (l->command != NULL && !is_command(l->command))
		return "command must begin with a slash and cannot contain "
		    "quotes or other shell syntax: use a script";
	return NULL;
}

/* Such a line begins with this keyword: no login is called "host ...". */
static int
has_keywords(const char *line)
{
	line += strspn(line, BLANKS);
	return strncmp(line, "host", 4) == 0 &&
	    strchr(BLANKS, line[4]) != NULL;
}

static const char *
read_auth(struct auths *auths, char *line)
{
	struct auth_line l;
	const char *added, *reason;

	if (*line == '#' || strspn(line, BLANKS) == strlen(line))
		return NULL;
	memset(&l, 0, sizeof(l));
	if (!has_keywords(line)) {
		reason = split_bars(line, &l);
		return reason != NULL ? reason : add_auth(auths, &l);
	}
	reason = split_keywords(line, &l);
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
	struct text_lines t;
	const char *reason = NULL;
	int bad = 0;

	text_init(&t, text, len);
	while (reason != value_no_memory && text_next(&t)) {
		reason = t.trouble != NULL ? t.trouble :
		    read_auth(auths, t.line);
		if (reason == NULL || reason == value_no_memory)
			continue;
		report->say(report->arg, file, t.lineno, reason);
		bad++;
	}
	text_fini(&t);
	return reason == value_no_memory ? -1 : bad;
}

const struct auth *
auth_find(const struct auths *auths, const char *host, const char *user,
    int is_relay)
{
	static const struct auth no_line = {
		.trouble = "has no entry for this host and the user of "
		    "SENDER_RELAY" };
	static const struct auth all_kept = {
		.trouble = "its entries for this host are reserved for senders "
		    "of SENDER_RELAY" };
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
	return value_copy(&a->trouble, reason);
}

int
auth_take_secret(struct auth *a, const char *text, size_t len)
{
	struct text_lines t;
	int ret;

	text_init(&t, text, len);
	if (text_next(&t) == 0 || (t.trouble == NULL && t.line[0] == '\0')) {
		ret = auth_set_trouble(a, "the first line is empty");
	} else if (t.trouble != NULL) {
		ret = auth_set_trouble(a, t.trouble);
	} else {
		wipe(a->password);
		a->password = NULL;
		ret = value_copy(&a->password, t.line);
	}
	text_fini(&t);
	return ret;
}

void
auth_fini(struct auths *auths)
{
	while (auths->n > 0)
		auth_clear(&auths->list[--auths->n]);
	free(auths->list);
	memset(auths, 0, sizeof(*auths));
}
