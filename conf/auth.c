/*
 * auth.c - auth.conf: which login for which host.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line harms its own host only, and closes it: mail for it is
 * deferred, never sent without the login.  Passwords are wiped.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/auth.h"
#include "conf/values.h"
#include "lib/array.h"
#include "lib/domain.h"
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

/*
 * user|host:password or user|host|password; upstream ends the host at a
 * blank, too.  The password is what is left, with whatever is in it.
 */
static const char *
split_bars(char *line, struct auth *a)
{
	static const char usage[] = "must be user|host:password";
	char *end, *host;

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
	if (value_copy(&a->user, line) != NULL ||
	    value_copy_host(&a->host, host) != NULL)
		return value_no_memory;
	return value_copy(&a->password, end + 1);
}

/* It is cut at blanks; one that would need a shell is refused. */
static int
is_command(const char *text)
{
	return *text == '/' && strpbrk(text, "'\"\\`$|&;<>(){}*?[]!~") == NULL;
}

static int
has_secret(const struct auth *a)
{
	return a->password != NULL || a->file != NULL || a->command != NULL;
}

#define AUTH_AT(m)	offsetof(struct auth, m)

/* One keyword and its value; NULL, or the reason. */
static const char *
take_pair(struct auth *a, const char *word, char **rest)
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
		{ "password-command", AUTH_AT(command), 0, 1, text_quoted },
		{ "token", AUTH_AT(password), 1, 1, text_word },
		{ "token-file", AUTH_AT(file), 1, 1, text_word },
		{ "token-command", AUTH_AT(command), 1, 1, text_quoted },
	};
	char **member, *value;
	size_t i;

	if (strcmp(word, "external") == 0) {
		a->is_external = 1;
		return NULL;
	}
	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (strcmp(word, keywords[i].word) == 0)
			break;
	if (i == sizeof(keywords) / sizeof(keywords[0]))
		return "unknown keyword: use \"host HOST user USER "
		    "password-file PATH\" or similar";
	member = (char **)(void *)((char *)a + keywords[i].at);
	if (*member != NULL || (keywords[i].is_secret && has_secret(a)))
		return "duplicate keyword";
	if ((value = keywords[i].take(rest)) == NULL)
		return "keyword without a value";
	a->is_token |= keywords[i].is_token;
	return value_copy(member, value);
}

/* The host loses its brackets. */
static const char *
check_host(struct auth *a)
{
	char *end, *host = a->host;

	if (host != NULL && *host == '[' && (end = strchr(host, ']')) != NULL &&
	    end[1] == '\0') {
		*end = '\0';
		host++;
	}
	if (host != NULL && (value_is_host(host) || value_is_literal(host)))
		return value_copy_host(&a->host, host);
	value_copy(&a->host, NULL);
	return "host HOST is missing";
}

static const char *
check(const struct auth *a)
{
	if (!has_secret(a) && !a->is_external)
		return "a password, a token or external is missing";
	if (a->user == NULL && !a->is_external)
		return "user USER is missing";
	if (a->file != NULL && *a->file != '/')
		return "path must begin with a slash";
	if (a->command != NULL && !is_command(a->command))
		return "command must begin with a slash and cannot contain "
		    "quotes or other shell syntax: use a script";
	return NULL;
}

/* "host HOST user USER password-file PATH". */
static const char *
split_keywords(char *line, struct auth *a)
{
	const char *no_host, *reason = NULL;
	char *word;

	while (reason == NULL && (word = text_word(&line)) != NULL)
		reason = take_pair(a, word, &line);
	no_host = check_host(a);
	if (reason == NULL || no_host == value_no_memory)
		reason = no_host != NULL ? no_host : check(a);
	if (a->user == NULL && value_copy(&a->user, "") != NULL)
		return value_no_memory;
	return reason;
}

/* Such a line begins with this keyword: no login is called "host ...". */
static int
has_keywords(const char *line)
{
	line = text_skip_blanks(line);
	return strncmp(line, "host", 4) == 0 &&
	    strchr(BLANKS, line[4]) != NULL;
}

/* Mail for that host must not go there without a login. */
static const char *
close_entry(struct auth *a, const char *reason)
{
	wipe(a->password);
	a->password = NULL;
	value_copy(&a->file, NULL);
	value_copy(&a->command, NULL);
	return value_copy(&a->trouble, reason) != NULL ? value_no_memory :
	    reason;
}

static const char *
read_auth(struct auths *auths, char *line)
{
	const char *reason;
	struct auth *a;

	if (*line == '#' || *text_skip_blanks(line) == '\0')
		return NULL;
	if (auths->n == AUTHS_MAX)
		return "too many entries";
	if (array_grow(&auths->list, &auths->cap, auths->n, sizeof(*a)) == -1)
		return value_no_memory;
	a = &auths->list[auths->n];
	memset(a, 0, sizeof(*a));
	reason = has_keywords(line) ? split_keywords(line, a) :
	    split_bars(line, a);
	if (reason == value_no_memory || a->host == NULL) {
		auth_clear(a);
		return reason;
	}
	auths->n++;
	return reason == NULL ? NULL : close_entry(a, reason);
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
		if (!domain_same(a->host, host))
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
	return value_copy(&a->trouble, reason) == NULL ? 0 : -1;
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
		ret = value_copy(&a->password, t.line) == NULL ? 0 : -1;
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
