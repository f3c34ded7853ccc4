/*
 * domain.h - comparison of host and domain names.
 */
#ifndef LIB_DOMAIN_H
#define LIB_DOMAIN_H

#include <stddef.h>

/*
 * 1 when two names are the same: in any case of letters, with or without a
 * final dot, as U-labels or as A-labels (RFC 5890 2.3.2.1).
 */
int	domain_same(const char *, const char *);

#define DOMAIN_KEY(len)	(4 * (len) + 1)	/* bytes of the key of a name */

/*
 * Writes the name in the form that is the same for all names that are the same,
 * for tables; out: DOMAIN_KEY(len) bytes.
 */
void	domain_key(const char *, size_t len, char *out);

#endif
