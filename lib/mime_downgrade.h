/*
 * mime_downgrade.h - the text of a message made fit for a host that takes less.
 * Two passes: the first one fills a plan (what the parts are, and what is in
 * them), the second one writes the message by it.  Text with LF line ends, in
 * chunks of any size; memory does not grow with it.
 */
#ifndef LIB_MIME_H
#define LIB_MIME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/transfer.h"

#define MIME_LINE_MAX		998	/* octets of a line (RFC 5322 2.1.1) */
#define MIME_HEADER_MAX		(2 * 1024 * 1024)	/* octets of one */
#define MIME_PARTS_MAX		1000	/* those beyond are not looked into */
#define MIME_DEPTH_MAX		10	/* the same */
#define MIME_BOUNDARY_MAX	200	/* RFC 2046 says 70; not all obey */
#define MIME_WORD_MAX		32	/* octets of a type or an encoding */

/* What the host does not take; long lines nobody does. */
#define MIME_NO_8BIT		0x01	/* anywhere */
#define MIME_NO_8BIT_HEADER	0x02	/* in the header of the message */
/*
 * Nobody would hear that it can not be sent: 8-bit octets that can not be
 * encoded become '?'.
 */
#define MIME_AT_ANY_COST	0x04

enum mime_kind {
	MIME_TEXT,		/* a leaf that may be quoted-printable */
	MIME_DATA,		/* a leaf that may be base64 */
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

/* A multipart or a message that is open. */
struct mime_level {
	uint32_t part;
	int	 is_digest;
	size_t	 len;		/* of its boundary; 0: a message */
	char	 boundary[MIME_BOUNDARY_MAX];
};

struct mime {
	struct mime_plan *plan;
	unsigned	 lacks;		/* MIME_NO_* */
	int		 is_scan;	/* the first pass */
	/* Why it can not be made fit, or NULL; seen by the second pass. */
	const char	*trouble;
	char		 trouble_at[MIME_WORD_MAX];	/* a field */
	/* The rest is private. */
	int		 place;
	uint32_t	 part, nparts;
	struct mime_level levels[MIME_DEPTH_MAX];
	unsigned	 nlevels;
	/* the line under way */
	int		 after_cr;
	int		 is_flowing;	/* its beginning is decided about */
	size_t		 column;
	char		 head[MIME_BOUNDARY_MAX + 64];
	size_t		 nhead;
	/* the header under way */
	struct buf	 field;		/* whole lines of the field */
	struct buf	 line;		/* and the line that comes */
	size_t		 header_len;
	unsigned	 seen;
	char		 type[MIME_WORD_MAX], subtype[MIME_WORD_MAX];
	enum mime_coding coding;
	int		 is_opaque;
	char		 boundary[MIME_BOUNDARY_MAX];
	size_t		 nboundary;
	int		 is_root, is_digest;
	/* the leaf under way */
	int		 utf8_left;	/* octets of a character that follow */
	unsigned char	 utf8_low, utf8_high;
	struct transfer	 transfer;
};

/* The first pass, which writes nothing. */
void	mime_scan(struct mime *, struct mime_plan *);
/* The second one, for a host that lacks this (MIME_NO_*). */
void	mime_write(struct mime *, struct mime_plan *, unsigned lacks);
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
