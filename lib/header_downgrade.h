/*
 * header_downgrade.h - header fields in ASCII, for SMTP without SMTPUTF8.
 */
#ifndef LIB_HEADER_DOWNGRADE_H
#define LIB_HEADER_DOWNGRADE_H

#include <stddef.h>

#include "lib/buf.h"

/*
 * A domain with 8-bit characters in ASCII (RFC 5891): adds it, or -1 and
 * nothing.
 */
typedef int header_domain(const char *, size_t, struct buf *out);

/*
 * Adds the field (name, value, folded lines, LF) with its 8-bit text in ASCII:
 * words of unstructured text, and of names and comments beside addresses, as
 * encoded words (RFC 2047); values of MIME parameters as RFC 2231 has them;
 * domains by to_ascii, unless that is NULL; bytes of message ids as =XX.  Text
 * that is not UTF-8 is labelled unknown-8bit (RFC 1428).  -1 when there is
 * 8-bit text in the local part of an address, in a boundary, or in a domain
 * that cannot be converted; out then has a part of the field.
 */
int	header_downgrade_field(struct buf *out, const char *field, size_t len,
	    header_domain *to_ascii);

#endif
