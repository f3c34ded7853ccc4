/*
 * json.h - writes JSON (RFC 8259).
 * Every member and element is one call; commas come by themselves.  Whoever
 * writes out.data elsewhere may empty it at any point with buf_reset().
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include "lib/buf.h"

struct json {
	struct buf	 out;
	int		 follows;	/* a value: a comma is due */
};

void	json_init(struct json *);
void	json_fini(struct json *);
/*
 * key: of the member of an object, which is a name of ours; NULL for an
 * element of an array, and for a value that is in neither.
 */
void	json_open(struct json *, const char *key, char bracket);
void	json_close(struct json *, char bracket);
/*
 * Any bytes: controls are escaped, and a byte that is part of no UTF-8 becomes
 * U+FFFD.  Text NULL: null.
 */
void	json_text(struct json *, const char *key, const char *text);
void	json_number(struct json *, const char *key, int64_t);
void	json_bool(struct json *, const char *key, int);
void	json_null(struct json *, const char *key);
/* The end of a value that is a line. */
void	json_line(struct json *);

#endif
