/*
 * smtp_path.h - the grammar of paths, domains and address literals as SMTP
 * commands have them (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3).
 * Pure.  Every function gives the bytes at the start of a text that are what it
 * is named for, or 0.
 */
#ifndef LIB_SMTP_PATH_H
#define LIB_SMTP_PATH_H

#include <stddef.h>

#define SMTP_MAILBOX_MAX	320	/* bytes of a mailbox, 64 + 1 + 255 */

/*
 * Letters, digits and inner hyphens, in labels; characters of UTF-8; where
 * names of hosts without a rule are met, also "_".
 */
size_t	smtp_path_domain_len(const char *, int may_underscore);
/* "[192.0.2.1]", "[IPv6:::1]", "[tag:text]". */
size_t	smtp_path_literal_len(const char *);
/* "@a,@b:", each with a domain or a literal. */
size_t	smtp_path_route_len(const char *);
/*
 * "local@domain"; with is_lax also "local", "_" in the domain, and longer local
 * parts, which RFC 5321 4.5.3.1 lets a server take.  *is_long: it is none
 * because it, or a part of it, is too long.
 */
size_t	smtp_path_mailbox_len(const char *, int is_lax, int *is_long);

#endif
