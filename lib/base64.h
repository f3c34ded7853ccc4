/*
 * base64.h - base64 (RFC 4648 4).
 */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <stddef.h>

#include "lib/buf.h"

void	base64_put(struct buf *, const void *, size_t);
/* Adds the decoded text; -1 for a wrong byte, padding or length. */
int	base64_get(struct buf *, const char *, size_t);

#endif
