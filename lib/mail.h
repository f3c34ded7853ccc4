/*
 * mail.h - the text of a message: input, header, From_ lines, the wire.
 * Everything streams: no function needs more than a header block (which is
 * bounded) or a chunk at once.
 */
#ifndef LIB_MAIL_H
#define LIB_MAIL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/header.h"

/* Facts about the text of a message, found once at submission. */
#define MESSAGE_8BIT_BODY	0x01
#define MESSAGE_8BIT_HEADER	0x02
#define MESSAGE_HAS_NUL		0x04
#define MESSAGE_LONG_LINES	0x08	/* a line of more than 998 bytes */
#define MESSAGE_HAS_CR		0x10	/* one that ends no line */
#define MESSAGE_UTF8_HEADER	0x20	/* its 8-bit text is UTF-8 */
#define MESSAGE_SAID_8BIT	0x80	/* the caller called it 8BITMIME */

#define MAIL_WIRE_LINE	998		/* bytes of a line without CRLF */

/*
 * 1. Input as callers write it -> text with LF line ends.
 * One CR before LF is dropped; other CRs stay.  With dot_ends a line that is
 * a lone dot ends the text (what follows is ignored); dots are not unstuffed.
 * A missing final newline is added by mail_input_end().
 */
struct mail_input {
	int	dot_ends;	/* set by the caller */
	int	is_over;	/* the lone dot was seen */
	int	state;		/* private */
};
void	mail_input_init(struct mail_input *, int dot_ends);
void	mail_input(struct mail_input *, const char *, size_t, struct buf *out);
void	mail_input_end(struct mail_input *, struct buf *out);
/*
 * 1: the bytes are the text as they stand, so mail_input() need not copy them;
 * they are taken.  0: it has to look at them.
 */
int	mail_input_is_text(struct mail_input *, const char *, size_t);

/*
 * 2. Counting what SMTP wants to know, over text with LF line ends; may be
 * fed in chunks.  in_header is set by the caller while it feeds the header,
 * which is one chunk.
 */
struct mail_facts {
	int64_t	lines;
	size_t	column;		/* bytes of the line so far */
	int	in_header;
	unsigned flags;			/* MESSAGE_*, but SAID_8BIT */
};
void	mail_count(struct mail_facts *, const char *, size_t);

/* 3. The header: header.h. */

/*
 * 4. mbox.  The lines on top: From_ (asctime in UTC of when, sender or
 * MAILER-DAEMON for ""), Return-Path, Delivered-To (not for a recipient that
 * is NULL).  from_line 0 leaves the From_ line out.  Blanks in the From_ line's
 * sender and controls anywhere become '-'.
 */
void	mail_put_envelope(struct buf *out, int from_line, const char *sender,
	    const char *recipient, time_t when);
/*
 * Body for an mbox: ">*From " at a line's start gets one more '>'
 * (reversible).  Chunks in any size; state starts as {0}.
 */
struct mail_mbox { int state; size_t quotes; };
void	mail_mbox(struct mail_mbox *, const char *, size_t, struct buf *out);
void	mail_mbox_end(struct mail_mbox *, struct buf *out); /* + empty line */

/*
 * 5. The wire (RFC 5321 4.5.2): LF, CR LF and lone CR become CRLF, a line's
 * leading dot is doubled unless !stuff (BDAT), NUL is dropped, a line of more
 * than MAIL_WIRE_LINE bytes is broken there (a header line: at a blank, with
 * the blank leading the next line; where there is none, a blank is put in, so
 * that no part of a field can become a field).  The text begins with the
 * header; the first empty line ends it.  mail_wire_end() ends an unfinished
 * line; it does not add the final dot.
 */
struct mail_wire {
	int	 stuff;		/* set by mail_wire_init */
	int	 in_header;	/* private, as are the rest */
	int	 after_cr;
	size_t	 column;	/* bytes of the body line that are out */
	struct buf line;	/* a header line under way */
};
/* Bytes of the first part of a header line that is longer than limit. */
size_t	mail_fold_at(const char *line, size_t limit);
void	mail_wire_init(struct mail_wire *, int stuff);
void	mail_wire_fini(struct mail_wire *);
void	mail_wire(struct mail_wire *, const char *, size_t, struct buf *out);
void	mail_wire_end(struct mail_wire *, struct buf *out);

#endif
