/*
 * aliases_include.h - :include: in aliases and .forward.
 * The runner and the child that runs a command of a list must count its
 * entries alike, so both take lists apart here.
 */
#ifndef ALIASES_INCLUDE_H
#define ALIASES_INCLUDE_H

#include <sys/stat.h>

#include "aliases.h"
#include "lib/buf.h"
#include "lib/result.h"

#define LISTS_MAX	50	/* lists that one alias or .forward leads to */
#define LIST_MAX	(256 * 1024)	/* bytes of a list */
#define LISTS_BYTES_MAX (1024 * 1024)	/* of all lists of one alias */

/*
 * Adds the text of the list to a buf and says whether others can write it; 0,
 * or -1 with the reason.
 */
struct include_source {
	int	(*read)(void *arg, const char *path, struct buf *,
		    int *is_loose, struct result *);
	void	*arg;
};

/* Defers, since a list cannot be used now: path and cause are the detail.
 * Returns -1. */
int	include_defer(struct result *, const char *code, const char *path,
	    const char *cause);
/* 1 when there is an :include: among them. */
int	include_any(const struct targets *);
/*
 * Gives the targets with each :include: replaced by what its list holds, in
 * place.  -1 with the reason (never FAILED): then flat is empty.
 */
int	include_flatten(const struct targets *, struct targets *flat,
	    const struct include_source *, const struct report *,
	    struct result *);
/* 0 when a list of the aliases is for everybody, or -1 with the reason. */
int	include_public(const struct stat *, const char *path, struct result *);
/* Reads a regular file of at most LIST_MAX bytes; 0, or -1 with the reason. */
int	include_read_file(const char *path, struct buf *, struct stat *,
	    struct result *);

#endif
