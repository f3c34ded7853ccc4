/*
 * header_downgrade.h - header fields for hosts that take no 8-bit text.
 */
#ifndef LIB_ASCII_H
#define LIB_ASCII_H

#include <stddef.h>

#include "lib/buf.h"

/*
 * Adds the field (name, value, folded lines, LF) with its 8-bit text as
 * encoded words (RFC 2047): words of text, of comments and of names before an
 * address; parameters of Content-Type and the like as RFC 2231 has them.
 * In ids 8-bit octets become =XX.  Blanks and all else stay as they are.  -1
 * when 8-bit text stands where no form of it is allowed: in an address, a
 * boundary; out then has a part of it.  What is no UTF-8 is labelled
 * unknown-8bit (RFC 1428).
 */
int	header_downgrade_field(struct buf *out, const char *field, size_t len);

/* 1 when there is an octet above 127. */
int	ascii_is_not(const char *, size_t);

#endif
