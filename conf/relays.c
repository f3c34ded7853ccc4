/*
 * relays.c - lists of relays, as SMARTHOST and SENDER_RELAY have them.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a list of which nothing can be read is not an empty one: mail that
 * was meant for a relay does not go straight to its recipients' hosts.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/relays.h"
#include "conf/values.h"
#include "lib/array.h"
#include "lib/buf.h"
#include "lib/text.h"

#define RELAYS_MAX	32

void
relays_fini(struct relays *all)
{
	while (all->n > 0)
		free(all->list[--all->n].host);
	free(all->list);
	all->list = NULL;
	all->cap = 0;
}

static const char *
add(struct relays *all, enum relay_kind kind, const char *host, unsigned port)
{
	struct relay *r;

	if (array_grow(&all->list, &all->cap, all->n, sizeof(*r)) == -1)
		return value_no_memory;
	r = &all->list[all->n];
	r->host = NULL;
	if (value_copy_host(&r->host, host) != NULL)
		return value_no_memory;
	r->port = (uint16_t)port;
	r->kind = kind;
	all->n++;
	return NULL;
}

int
relays_set_none(struct relays *all)
{
	relays_fini(all);
	return add(all, RELAY_HOST, RELAY_NONE, 0) == NULL ? 0 : -1;
}

int
relays_is_none(const struct relays *all)
{
	return all->n == 1 && strcmp(all->list[0].host, RELAY_NONE) == 0;
}

int
relays_split(char *word, char **host, unsigned *port)
{
	char *colon;

	*host = word;
	*port = 0;
	if (*word == '[') {
		*host = word + 1;
		if ((colon = strchr(word, ']')) == NULL)
			return -1;
		*colon++ = '\0';
		if (text_ncasecmp(*host, "IPv6:", 5) == 0)
			*host += 5;
		/* Postfix's brackets: without a look at its MX, as always. */
		if ((!value_is_literal(*host) && !value_is_host(*host)) ||
		    (*colon != '\0' && *colon != ':'))
			return -1;
		if (*colon == '\0')
			return 0;
		return value_number(colon + 1, 1, 65535, port);
	}
	if (value_is_literal(word))
		return 0;
	if ((colon = strchr(word, ':')) != NULL) {
		*colon = '\0';
		if (value_number(colon + 1, 1, 65535, port) == -1)
			return -1;
	}
	return value_is_host(word) ? 0 : -1;
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
		if (text_ncasecmp(*word, names[i].text, n) != 0)
			continue;
		rest = *word + n;
		if (rest[strspn(rest, "0123456789")] == '\0')
			break;
		*word += n;
		return names[i].kind;
	}
	return RELAY_HOST;
}

/* NULL or the reason. */
static const char *
read_entry(struct relays *all, char *word)
{
	enum relay_kind kind;
	unsigned port;
	char *host;

	kind = take_kind(&word);
	if ((kind != RELAY_HOST && *word == '[') ||
	    relays_split(word, &host, &port) == -1 ||
	    (kind != RELAY_HOST && value_is_literal(host)) ||
	    (kind == RELAY_SRV && port != 0))
		return "must be host, host:port, [v6]:port, mx:domain or "
		    "srv:domain";
	if (all->n == RELAYS_MAX)
		return "too many hosts";
	return add(all, kind, host, port);
}

const char *
relays_parse(struct relays *all, const char *text)
{
	const char *bad = NULL, *reason = NULL;
	char *copy = strdup(text), *rest = copy, *word;

	relays_fini(all);
	if (copy == NULL)
		return value_no_memory;
	while (bad != value_no_memory && (word = text_word(&rest)) != NULL) {
		bad = read_entry(all, word);
		if (bad != NULL)
			reason = bad;
	}
	free(copy);
	if (all->n == 0 && relays_set_none(all) == -1)
		return value_no_memory;
	return reason;
}

void
relays_put(const struct relays *relays, struct buf *out)
{
	static const char *const kinds[] = { [RELAY_HOST] = "",
	    [RELAY_MX] = "mx:", [RELAY_SRV] = "srv:" };
	const struct relay *r;
	size_t i;

	for (i = 0; i < relays->n; i++) {
		r = &relays->list[i];
		buf_printf(out, "%s%s%s", i > 0 ? ", then " : "",
		    kinds[r->kind], r->host);
		/* DNS has those of a service. */
		if (r->kind != RELAY_SRV)
			buf_printf(out, " port %u", r->port != 0 ? r->port :
			    relays->port);
	}
}
