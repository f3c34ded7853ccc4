/*
 * mime_downgrade.h - the text of a message made fit for a host that takes less.
 * Two passes: the first one fills a plan (what the parts are, and what is in
 * them), the second one writes the message by it.  Text with LF line ends, in
 * chunks of any size; memory does not grow with it.
 */
#ifndef LIB_MIME_DOWNGRADE_H
#define LIB_MIME_DOWNGRADE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/header_downgrade.h"
#include "lib/qp.h"

#define MIME_HEADER_MAX		(2 * 1024 * 1024)	/* bytes of one */
#define MIME_PARTS_MAX		1000	/* those beyond are not looked into */
#define MIME_DEPTH_MAX		10	/* the same */
#define MIME_BOUNDARY_MAX	200	/* RFC 2046 says 70; not all obey */
#define MIME_WORD_MAX		32	/* bytes of a type or an encoding */

/* What the host does not take; long lines nobody does. */
#define MIME_NO_8BIT		0x01	/* anywhere */
#define MIME_NO_8BIT_HEADER	0x02	/* in the header of the message */
/*
 * Nobody would learn that it cannot be sent: 8-bit bytes that cannot be
 * encoded become '?'.
 */
#define MIME_AT_ANY_COST	0x04

enum mime_kind {
	MIME_LEAF,		/* may be made quoted-printable */
	MIME_SEALED,		/* signed, encrypted, or not understood */
	MIME_MULTIPART,
	MIME_MESSAGE		/* a message within the message */
};

enum mime_coding { MIME_NONE, MIME_8BIT, MIME_QP, MIME_BASE64 };

#define MIME_HAS_8BIT	0x01	/* in its text, or in a part of it */
#define MIME_HAS_LONG	0x02	/* a line that is too long */
#define MIME_NOT_UTF8	0x04	/* 8-bit, but not UTF-8 */

struct mime_part {
	uint8_t	kind;		/* enum mime_kind */
	uint8_t	coding;		/* enum mime_coding, as it is declared */
	uint8_t	facts;		/* MIME_HAS_* */
};

struct mime_plan {
	int		 has_long_field;	/* in the header of a part */
	uint32_t	 nparts;
	struct mime_part parts[MIME_PARTS_MAX];
};

/* Whose header it is. */
enum mime_owner { MIME_A_PART, MIME_A_MESSAGE, MIME_A_DIGEST_PART };

/* A multipart or a message that is open. */
struct mime_level {
	uint32_t part;
	enum mime_owner parts;	/* what its parts' headers are */
	size_t	 len;		/* of its boundary; 0: a message */
	char	 boundary[MIME_BOUNDARY_MAX];
};

enum mime_pass { MIME_SCAN, MIME_WRITE };

enum mime_place {
	MIME_IN_HEADER,
	MIME_IN_LEAF,		/* text of a part that has no parts */
	MIME_BETWEEN		/* before, between and after parts */
};

struct mime_header {
	enum mime_owner	 owner;
	struct buf	 field;		/* complete lines of the field */
	struct buf	 line;		/* and the line that comes */
	size_t		 len;
	unsigned	 seen;
	char		 type[MIME_WORD_MAX], subtype[MIME_WORD_MAX];
	enum mime_coding coding;
	int		 is_opaque;	/* not understood */
	char		 boundary[MIME_BOUNDARY_MAX];
	size_t		 nboundary;
};

/* The line under way. */
struct mime_line {
	int		 is_flowing;	/* its beginning is decided about */
	size_t		 column;
	char		 head[MIME_BOUNDARY_MAX + 64];
	size_t		 nhead;
};

struct mime {
	struct mime_plan *plan;
	enum mime_pass	 pass;
	unsigned	 lacks;		/* MIME_NO_* */
	header_domain	*to_ascii;	/* for domains; or NULL */
	/* Why it cannot be made fit, or NULL; seen by the second pass. */
	const char	*trouble;
	char		 trouble_at[MIME_WORD_MAX];	/* a field */
	/* The rest is private. */
	enum mime_place	 place;
	int		 after_cr;
	uint32_t	 part, nparts;
	struct mime_level levels[MIME_DEPTH_MAX];
	unsigned	 nlevels;
	struct mime_header header;
	struct mime_line line;
	/* the leaf under way */
	char		 utf8[4];	/* the beginning of a character */
	size_t		 nutf8;
	struct qp	 qp;
};

/* The first pass, which writes nothing. */
void	mime_scan(struct mime *, struct mime_plan *);
/*
 * The second one, for a host that lacks this (MIME_NO_*); domains in ASCII by
 * to_ascii, unless that is NULL.
 */
void	mime_write(struct mime *, struct mime_plan *, unsigned lacks,
	    header_domain *to_ascii);
void	mime_text(struct mime *, const char *, size_t, struct buf *out);
void	mime_end(struct mime *, struct buf *out);
void	mime_fini(struct mime *);

/*
 * What the plan says of a host that lacks this: NULL when the second pass can
 * be made, or why not.  *is_needless: it would change nothing.
 */
const char *mime_verdict(const struct mime_plan *, unsigned lacks,
	    int *is_needless);

#endif
