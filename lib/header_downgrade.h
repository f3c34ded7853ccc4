/*
 * header_downgrade.h - header fields for servers without SMTPUTF8.
 */
#ifndef LIB_HEADER_DOWNGRADE_H
#define LIB_HEADER_DOWNGRADE_H

#include <stddef.h>

#include "lib/buf.h"

/*
 * Adds the field (name, value, folded lines, LF) with its 8-bit text as
 * encoded words (RFC 2047): words of unstructured text, and in lists of
 * addresses those of names and comments.  Text that is not UTF-8 is labelled
 * unknown-8bit (RFC 1428).  All else stays as it is, and so do fields with a
 * grammar of their own.  -1 when there is 8-bit text in an address; out then
 * has a part of the field.
 */
int	header_downgrade_field(struct buf *out, const char *field, size_t len);

#endif
