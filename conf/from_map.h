/*
 * from_map.h - which address senders show: the file of FROM_MAP.
 * Parsing is pure; files.c reads the file.  Its lines: dma.conf(5).
 */
#ifndef CONF_FROM_MAP_H
#define CONF_FROM_MAP_H

#include <stddef.h>

#include "lib/log.h"

struct from_mapping {		/* one line; strings are owned */
	char		*pattern;	/* user@host, @host, login, or * */
	char		*address;	/* canonical, with a domain */
	char		*name;		/* for a From without a name; or NULL */
};

struct from_map {
	struct from_mapping	*list;
	size_t		 n, cap;
};

/*
 * Adds the lines to a list that starts as {0}; a bad one is reported and
 * skipped.  The number of bad lines, or -1: no memory, or too many lines.
 */
int	from_map_parse(struct from_map *, const char *text, size_t len,
	    const char *file, const struct report *);
/*
 * Lends the first line that is for this address, which has a domain; local is
 * its local part where the domain is that of this host, or NULL.  NULL when
 * there is none.
 */
const struct from_mapping *from_map_find(const struct from_map *,
	    const char *address, const char *local);
void	from_map_fini(struct from_map *);

#endif
