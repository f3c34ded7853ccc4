/*
 * sender_relay.c - whose mail goes by which relay: the file of SENDER_RELAY.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line harms its own senders only, and they wait: their mail
 * takes no other way.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf.h"
#include "lib/array.h"
#include "lib/buf.h"
#include "conf/sender_relay.h"

#define SENDERS_MAX	100000	/* lines */

static const char no_memory[] = "out of memory";

/* ---- one line ---- */

static void
sender_fini(struct sender *s)
{
	free(s->pattern);
	free(s->relays);
	free(s->user);
	free(s->login);
	free(s->trouble);
	memset(s, 0, sizeof(*s));
}

/* Without it there is nobody whose mail could wait. */
static int
is_pattern(const char *s)
{
	const char *at = strrchr(s, '@');

	if (strlen(s) > ADDRESS_MAX || !text_is_clean(s, strlen(s)) ||
	    strpbrk(s, "<>,;\"()") != NULL)
		return 0;
	if (at != NULL)
		return at[1] != '\0';
	return strcmp(s, "*") == 0 ||
	    (strlen(s) <= LOGIN_MAX && strpbrk(s, "*/:!") == NULL);
}

static int
is_bare_login(const char *s)
{
	return is_pattern(s) && strpbrk(s, "@*") == NULL;
}

/* The value behind "user" or "login". */
static const char *
take_value(char **member, char **rest)
{
	char *value = conf_next_word(rest);

	if (value == NULL)
		return "a word stands without its value; mail waits";
	if (*member != NULL)
		return "says the same twice; mail waits";
	*member = strdup(value);
	return *member == NULL ? no_memory : NULL;
}

static const char *
take_relay(struct buf *relays, const char *word)
{
	if (relays->len > 0)
		buf_putc(relays, ' ');
	buf_puts(relays, word);
	return buf_failed(relays) ? "too many relays; mail waits" : NULL;
}

static const char *
check_relays(const char *relays)
{
	struct conf scratch;
	const char *reason;
	char *text;

	memset(&scratch, 0, sizeof(scratch));
	text = strdup(relays);
	if (text == NULL)
		return no_memory;
	reason = conf_set_relays(&scratch, text);
	conf_fini(&scratch);
	free(text);
	return reason;
}

static const char *
check(const struct sender *s)
{
	if (s->relays == NULL)
		return no_memory;
	if (s->relays[0] == '\0')
		return "wants a relay behind the sender; mail waits";
	if (s->user != NULL && strlen(s->user) > SENDER_USER_MAX)
		return "the name behind user is too long; mail waits";
	if (s->login != NULL && !is_bare_login(s->login))
		return "wants the name of a user behind login; mail waits";
	return check_relays(s->relays);
}

/* relay... [user NAME] [login NAME] */
static const char *
read_rest(struct sender *s, char *rest)
{
	const char *reason = NULL;
	struct buf relays;
	char *word;

	buf_init(&relays, SENDER_RELAYS_MAX);
	while (reason == NULL && (word = conf_next_word(&rest)) != NULL) {
		if (strcmp(word, "user") == 0)
			reason = take_value(&s->user, &rest);
		else if (strcmp(word, "login") == 0)
			reason = take_value(&s->login, &rest);
		else if (s->user != NULL || s->login != NULL)
			reason = "wants user or login behind the relays; mail "
			    "waits";
		else
			reason = take_relay(&relays, word);
	}
	s->relays = strdup(buf_str(&relays));
	buf_fini(&relays);
	return reason != NULL ? reason : check(s);
}

/* ---- the file ---- */

static struct sender *
grow(struct senders *all)
{
	if (all->n == SENDERS_MAX || array_grow(&all->list, &all->cap, all->n,
	    sizeof(*all->list)) == -1)
		return NULL;
	memset(&all->list[all->n], 0, sizeof(*all->list));
	return &all->list[all->n];
}

/*
 * 0 or -1; what is wrong with the line, in why.  A login that could not be
 * read is no condition: rather too many wait than one takes another way.
 */
static int
read_line(struct senders *all, char *line, const char **reason)
{
	char *pattern, *rest;
	struct sender *s;

	*reason = NULL;
	rest = conf_trim_line(line);
	pattern = conf_next_word(&rest);
	if (pattern == NULL)
		return 0;
	if (!is_pattern(pattern)) {
		*reason = "wants user@host, @host, a login or * first";
		return 0;
	}
	s = grow(all);
	if (s == NULL)
		return -1;
	all->n++;
	s->pattern = strdup(pattern);
	if (s->pattern == NULL)
		return -1;
	*reason = read_rest(s, rest);
	if (*reason == no_memory)
		return -1;
	if (*reason != NULL && (s->trouble = strdup(*reason)) == NULL)
		return -1;
	if (s->login != NULL && !is_bare_login(s->login)) {
		free(s->login);
		s->login = NULL;
	}
	all->has_logins |= s->login != NULL || is_bare_login(pattern);
	return 0;
}

/* The pattern of a line that is too long may be readable all the same. */
static int
read_long(struct senders *all, const char *text, size_t len,
    const char **reason)
{
	char line[ADDRESS_MAX + 2];
	size_t i, n = 0;
	int ret;

	for (i = 0; i < len && n < sizeof(line) - 1 && text[i] != '\n' &&
	    (unsigned char)text[i] >= ' '; i++)
		line[n++] = text[i];
	line[n] = '\0';
	n = strspn(line, " ");
	n += strcspn(line + n, " ");
	line[n] = '\0';
	ret = read_line(all, line, reason);
	*reason = "line too long, or with control characters; mail waits";
	return ret;
}

int
senders_parse(struct senders *all, const char *text, size_t len,
    const char *file, const struct report *report)
{
	char line[CONF_LINE_MAX + 1];
	const char *reason;
	size_t at, pos = 0;
	unsigned lineno;
	int bad = 0, got, ret;

	for (lineno = 1; ; lineno++) {
		at = pos;
		got = conf_take_line(text, len, &pos, line);
		if (got == 0)
			return bad;
		ret = got == -1 ? read_long(all, text + at, len - at, &reason) :
		    read_line(all, line, &reason);
		if (ret == -1)
			return -1;
		if (reason == NULL)
			continue;
		report->say(report->arg, file, lineno, reason);
		bad++;
	}
}

void
senders_fini(struct senders *all)
{
	while (all->n > 0)
		sender_fini(&all->list[--all->n]);
	free(all->list);
	memset(all, 0, sizeof(*all));
}

/* ---- questions ---- */

static int
fits(const struct sender *s, const char *sender, const char *login)
{
	const char *at;

	/* A report is nobody's, and no account of a sender may send it. */
	if (sender[0] == '\0')
		return strcmp(s->pattern, "*") == 0 && s->login == NULL;
	if (s->login != NULL && (login == NULL ||
	    strcmp(s->login, login) != 0))
		return 0;
	if (strcmp(s->pattern, "*") == 0)
		return 1;
	if (s->pattern[0] == '@') {
		at = strrchr(sender, '@');
		return at != NULL && strcasecmp(at, s->pattern) == 0;
	}
	if (strchr(s->pattern, '@') != NULL)
		return strcasecmp(sender, s->pattern) == 0;
	return login != NULL && strcmp(s->pattern, login) == 0;
}

const struct sender *
senders_find(const struct senders *all, const char *sender, const char *login)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (fits(&all->list[i], sender, login))
			return &all->list[i];
	return NULL;
}

/*
 * 1 when the relays of a line may lead to this host: where they are looked up,
 * or can not be read, it may be any.
 */
static int
has_host(const char *relays, const char *host)
{
	struct conf scratch;
	int found = 0;
	size_t i;
	char *text;

	memset(&scratch, 0, sizeof(scratch));
	text = strdup(relays);
	if (text == NULL || conf_set_relays(&scratch, text) != NULL)
		found = 1;
	for (i = 0; !found && i < scratch.relays.n; i++)
		found = scratch.relays.list[i].kind != RELAY_HOST ||
		    strcasecmp(scratch.relays.list[i].host, host) == 0;
	conf_fini(&scratch);
	free(text);
	return found;
}

int
senders_own(const struct senders *all, const char *host, const char *user)
{
	const struct sender *s;
	size_t i;

	for (i = 0; i < all->n; i++) {
		s = &all->list[i];
		if (s->user != NULL && s->relays != NULL &&
		    strcmp(s->user, user) == 0 && has_host(s->relays, host))
			return 1;
	}
	return 0;
}
