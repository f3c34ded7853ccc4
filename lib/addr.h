/*
 * addr.h - addresses: parse, quote, compare (RFC 5321 4.1.2, 5322 3.4).
 */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define ADDR_MAX	512	/* bytes of a canonical address */
#define ADDRESS_MAX	512	/* the same; every buffer for one has + 1 */
#define ADDR_DEPTH_MAX	32	/* nested comments */

/* One address found in a list; offsets into the text that was parsed. */
struct addr_found {
	size_t	start, end;	/* the addr-spec, without <> and comments */
	int	is_bad;		/* none: start and end are as written */
	int	is_bare;	/* a local part alone, without a domain */
	int	in_angle;	/* stood in <> (a name may stand before it) */
	int	in_group;	/* stood in "Group: ...;" */
	size_t	name, name_end;	/* of a bad one: what stands for the addr-spec,
				 * which may still be the name of a user */
};

/*
 * Walks an address list as header fields and sendmail's argv have it:
 * commas (and, as some write them, semicolons), folding, nested comments,
 * quoted strings, groups, "Name <a@b>", source routes (dropped), encoded
 * words, empty members (skipped).  Outside of quotes a backslash stands for
 * itself (EXAMPLE\dave), and so does a colon that begins an address with a
 * domain.  found() is called for each address that
 * addr_canonical() takes, and with is_bad for each member that is none (the
 * rest goes on; after an open quote or comment all is one bad member); a
 * non-zero answer ends the walk and is returned.
 */
int	addr_walk(const char *text, size_t len,
	    int (*found)(void *, const struct addr_found *), void *arg);

/*
 * Adds the addr-spec of exactly one address ("a@b", "<a@b>", "Name <a@b>",
 * "user", "" and "<>" as the null address) in canonical form: no comments, no
 * blanks outside quotes, no needless quotes, domain in lower case without a
 * final dot.  0, or -1 and nothing added when it is none, is longer than
 * ADDR_MAX, or holds a control character.
 */
int	addr_one(const char *text, struct buf *out);

/* Canonical addr-spec of text[start..end) as addr_walk() found it. */
int	addr_canonical(const char *text, size_t len, struct buf *out);

/*
 * Adds a user's name as a local part, in quotes if it needs them; fails if it
 * has a control character or is too long.
 */
void	addr_put_local(struct buf *, const char *name);
/* The local part of a canonical address, without quotes; -1: too long. */
int	addr_local(const char *canonical, char *dst, size_t size);
/* 0 for programs, files and lists, which are not for callers to name. */
int	addr_is_address(const char *canonical);

/* Lends the domain of a canonical address, or NULL when it is bare. */
const char *addr_domain(const char *canonical);
/*
 * Domain of letters, digits, hyphens, underscores (containers are named so),
 * dots and 8-bit, or a [literal].
 */
int	addr_domain_ok(const char *);
/*
 * Adds name as a display name (RFC 5322 phrase): as it is, as a quoted
 * string, or with 8-bit in it as encoded words (RFC 2047).  Controls become
 * blanks; what is longer than 256 bytes is cut.
 */
void	addr_put_phrase(struct buf *, const char *name);
/*
 * Adds one encoded word (RFC 2047) of at most limit bytes, 0 for as many as it
 * may have, that begins a text; bytes of the text that are in it.
 */
size_t	addr_put_encoded(struct buf *, const char *text, size_t len,
	    int is_utf8, size_t limit);
/* Bytes of the UTF-8 character at the start, or 0 when it is none. */
size_t	addr_utf8_len(const char *, size_t);
/* The code point that these n bytes are, which addr_utf8_len() gave. */
uint32_t addr_utf8_point(const char *, size_t n);
/* 1 when the text is well-formed UTF-8 (RFC 3629); ASCII is. */
int	addr_is_utf8(const char *, size_t);

#endif
