/*
 * sender_relay.c - whose mail goes by which relay: the file of SENDER_RELAY.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line harms its own senders only, and they wait: their mail
 * takes no other way.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/buf.h"
#include "lib/domain.h"
#include "conf/relays.h"
#include "conf/sender_pattern.h"
#include "conf/sender_relay.h"
#include "conf/values.h"
#include "lib/text.h"
#include "message.h"

#define SENDERS_MAX	100000	/* lines */

/* ---- one line ---- */

/* The value after "user" or "login". */
static const char *
take_value(char **member, char **rest)
{
	char *value = text_quoted(rest);

	if (value == NULL)
		return "keyword without a value; mail is deferred";
	if (*member != NULL)
		return "duplicate keyword; mail is deferred";
	return value_copy(member, value);
}

static const char *
take_relay(struct buf *relays, const char *word)
{
	if (relays->len > 0)
		buf_putc(relays, ' ');
	buf_puts(relays, word);
	return buf_failed(relays) ? "too many relays; mail is deferred" : NULL;
}

static const char *
check_relays(const char *text)
{
	struct relays all = { NULL, 0, 0, 0 };
	const char *reason = relays_parse(&all, text);

	relays_fini(&all);
	return reason;
}

static const char *
check(const struct sender_relay *s)
{
	if (s->relays == NULL)
		return value_no_memory;
	if (s->relays[0] == '\0')
		return "no relay after the sender; mail is deferred";
	if (s->user != NULL && strlen(s->user) > SENDER_USER_MAX)
		return "the name after user is too long; mail is deferred";
	if (s->login != NULL && !sender_pattern_is_login(s->login))
		return "no user name after login; mail is deferred";
	return check_relays(s->relays);
}

/* relay... [user NAME] [login NAME] */
static const char *
read_rest(struct sender_relay *s, char *rest)
{
	const char *reason = NULL;
	struct buf relays;
	char *word;

	buf_init(&relays, SENDER_RELAYS_MAX);
	while (reason == NULL && (word = text_word(&rest)) != NULL) {
		if (strcmp(word, "user") == 0)
			reason = take_value(&s->user, &rest);
		else if (strcmp(word, "login") == 0)
			reason = take_value(&s->login, &rest);
		else if (s->user != NULL || s->login != NULL)
			reason = "only user or login may follow the relays; "
			    "mail is deferred";
		else
			reason = take_relay(&relays, word);
	}
	s->relays = strdup(buf_str(&relays));
	buf_fini(&relays);
	return reason != NULL ? reason : check(s);
}

/* ---- the file ---- */

static struct sender_relay *
grow(struct sender_relays *all)
{
	if (all->n == SENDERS_MAX || array_grow(&all->list, &all->cap, all->n,
	    sizeof(*all->list)) == -1)
		return NULL;
	memset(&all->list[all->n], 0, sizeof(*all->list));
	return &all->list[all->n++];
}

/*
 * NULL, or the reason.  A login that could not be read is no condition: rather
 * too many wait than one takes another way.
 */
static const char *
read_line(struct sender_relays *all, char *line)
{
	char *pattern, *rest = text_trim(line);
	const char *reason;
	struct sender_relay *s;

	if (*rest == '\0')
		return NULL;
	/* Without it there is nobody whose mail could wait. */
	pattern = text_quoted(&rest);
	if (pattern == NULL || !sender_pattern_ok(pattern))
		return "must begin with user@host, @host, a login or *";
	s = grow(all);
	if (s == NULL || (s->pattern = strdup(pattern)) == NULL)
		return value_no_memory;
	reason = read_rest(s, rest);
	if (reason != NULL && (s->trouble = strdup(reason)) == NULL)
		return value_no_memory;
	if (s->login != NULL && !sender_pattern_is_login(s->login))
		value_copy(&s->login, NULL);
	all->has_logins |= s->login != NULL || sender_pattern_is_login(pattern);
	return reason;
}

/* A pattern that has its end stays, and nothing after it. */
static void
cut_pattern(char *line)
{
	char *quote = line[0] == '"' ? strchr(line + 1, '"') : NULL;

	if (quote == NULL)
		quote = line;
	quote[text_word_len(quote)] = '\0';
}

int
sender_relay_parse(struct sender_relays *all, const char *text, size_t len,
    const char *file, const struct report *report)
{
	struct text_lines t;
	const char *reason;
	char *line;
	int bad = 0;

	text_init(&t, text, len);
	while (text_next(&t)) {
		line = text_skip_blanks(t.line);
		/* Of a bad line the pattern may be readable all the same. */
		if (t.trouble != NULL)
			cut_pattern(line);
		reason = read_line(all, line);
		if (reason == value_no_memory)
			return -1;
		if (t.trouble != NULL)
			reason = t.trouble;
		if (reason == NULL)
			continue;
		report->say(report->arg, file, t.lineno, reason);
		bad++;
	}
	return bad;
}

void
sender_relay_fini(struct sender_relays *all)
{
	struct sender_relay *s;

	while (all->n > 0) {
		s = &all->list[--all->n];
		free(s->pattern);
		free(s->relays);
		free(s->user);
		free(s->login);
		free(s->trouble);
	}
	free(all->list);
	memset(all, 0, sizeof(*all));
}

/* ---- questions ---- */

static int
fits(const struct sender_relay *s, const char *sender, const char *login)
{
	/* A report is nobody's, and no account of a sender may send it. */
	if (sender[0] == '\0')
		return strcmp(s->pattern, "*") == 0 && s->login == NULL;
	if (s->login != NULL && (login == NULL ||
	    strcmp(s->login, login) != 0))
		return 0;
	return sender_pattern_fits(s->pattern, sender, login);
}

const struct sender_relay *
sender_relay_find(const struct sender_relays *all, const char *sender,
    const char *login)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (fits(&all->list[i], sender, login))
			return &all->list[i];
	return NULL;
}

/*
 * 1 when the relays of a line may lead to this host: where they are looked up,
 * or cannot be read, it may be any.
 */
static int
has_host(const char *relays, const char *host)
{
	struct relays all = { NULL, 0, 0, 0 };
	int found = relays_parse(&all, relays) != NULL;
	size_t i;

	for (i = 0; !found && i < all.n; i++)
		found = all.list[i].kind != RELAY_HOST ||
		    domain_same(all.list[i].host, host);
	relays_fini(&all);
	return found;
}

int
sender_relay_owns(const struct sender_relays *all, const char *host,
    const char *user)
{
	const struct sender_relay *s;
	size_t i;

	for (i = 0; i < all->n; i++) {
		s = &all->list[i];
		if (s->user != NULL && s->relays != NULL &&
		    strcmp(s->user, user) == 0 && has_host(s->relays, host))
			return 1;
	}
	return 0;
}
