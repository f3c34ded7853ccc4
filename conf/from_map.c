/*
 * from_map.c - which address senders show: the file of FROM_MAP.
 * Runs as: anyone.  Uses: nothing; text in, structures out.
 * Promise: a bad line changes no sender.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/from_map.h"
#include "conf/sender_pattern.h"
#include "conf/values.h"
#include "lib/addr.h"
#include "lib/array.h"
#include "lib/text.h"

#define LINES_MAX	100000
#define NAME_MAX_BYTES	256	/* of a full name */

/* The address, and the name that follows it with or without quotes. */
static const char *
read_rest(struct from_mapping *m, char *rest)
{
	char *word = text_word(&rest), *name;
	const char *reason;
	struct buf address;

	buf_init(&address, ADDRESS_MAX);
	if (word == NULL || addr_one(word, &address) == -1 ||
	    addr_domain(buf_str(&address)) == NULL)
		reason = "no address (user@domain) after the sender; line is "
		    "ignored";
	else
		reason = value_copy(&m->address, buf_str(&address));
	buf_fini(&address);
	if (reason != NULL)
		return reason;
	name = rest == NULL ? NULL : text_skip_blanks(rest);
	if (name == NULL || *name == '\0')
		return NULL;
	if (*name == '"')
		name = text_quoted(&rest);
	if (name == NULL || strlen(name) > NAME_MAX_BYTES ||
	    !text_is_clean(name, strlen(name)))
		return "bad full name after the address; line is ignored";
	return value_copy(&m->name, name);
}

static void
mapping_fini(struct from_mapping *m)
{
	free(m->pattern);
	free(m->address);
	free(m->name);
}

/* NULL, or the reason why it is no good. */
static const char *
read_line(struct from_map *map, char *line)
{
	struct from_mapping m = { 0 };
	char *pattern, *rest = text_trim(line);
	const char *reason;

	if (*rest == '\0')
		return NULL;
	pattern = text_quoted(&rest);
	if (pattern == NULL || !sender_pattern_ok(pattern))
		return "must begin with user@host, @host, a login or *; line "
		    "is ignored";
	reason = value_copy(&m.pattern, pattern);
	if (reason == NULL)
		reason = read_rest(&m, rest);
	if (reason == NULL && (map->n == LINES_MAX || array_grow(&map->list,
	    &map->cap, map->n, sizeof(*map->list)) == -1))
		reason = value_no_memory;
	if (reason != NULL) {
		mapping_fini(&m);
		return reason;
	}
	map->list[map->n++] = m;
	return NULL;
}

int
from_map_parse(struct from_map *map, const char *text, size_t len,
    const char *file, const struct report *report)
{
	struct text_lines t;
	const char *reason;
	int bad = 0;

	text_init(&t, text, len);
	while (text_next(&t)) {
		reason = t.trouble != NULL ? t.trouble :
		    read_line(map, t.line);
		if (reason == value_no_memory)
			return -1;
		if (reason == NULL)
			continue;
		report->say(report->arg, file, t.lineno, reason);
		bad++;
	}
	return bad;
}

void
from_map_fini(struct from_map *map)
{
	while (map->n > 0)
		mapping_fini(&map->list[--map->n]);
	free(map->list);
	memset(map, 0, sizeof(*map));
}

const struct from_mapping *
from_map_find(const struct from_map *map, const char *address,
    const char *local)
{
	size_t i;

	for (i = 0; i < map->n; i++)
		if (sender_pattern_fits(map->list[i].pattern, address, local))
			return &map->list[i];
	return NULL;
}
