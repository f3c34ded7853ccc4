/*
 * header.h - the header block of a message: lines, repair, recipients.
 */
#ifndef LIB_HEADER_H
#define LIB_HEADER_H

#include <stddef.h>
#include <time.h>

#include "lib/buf.h"

#define HEADER_MAX	(1024 * 1024)	/* bytes of a header block */

/*
 * What a line is, given the text from its first byte; the line ends before
 * len or at its LF.  Only blanks make a folded line, not a blank one.
 */
enum header_line { HEADER_LINE_FIELD, HEADER_LINE_FOLDED, HEADER_LINE_BLANK,
    HEADER_LINE_FROM_ /* "From " or ">From " */, HEADER_LINE_OTHER };
enum header_line header_line_kind(const char *, size_t len);

/* What becomes of the addresses in From. */
enum header_from {
	HEADER_FROM_QUALIFY,	/* bare names get a domain */
	HEADER_FROM_OFF,	/* as they are */
	HEADER_FROM_FORCE	/* the sender, with the name that is there */
};

/* What an address is shown as; both are lent. */
struct header_identity {
	const char	*address;	/* canonical, with a domain */
	const char	*name;		/* for one without; or NULL */
};

struct header_env {
	const char	*mailname;	/* qualifies bare names */
	const char	*sender;	/* canonical address for an added From:,
					 * "" is MAILER-DAEMON@mailname */
	const char	*fullname;	/* for an added From:; or NULL */
	const char	*queue_id;
	const char	*protocol;	/* of Received (RFC 3848); or NULL */
	const char	*version;	/* for Received: */
	time_t		 now;
	int		 take_recipients;	/* -t */
	/* -t: each recipient of To, Cc, Bcc, or of their Resent- forms where
	 * one of those is present; canonical, qualified only if it was. */
	void		(*recipient)(void *, const char *address);
	/* A member of a header list that is no address, as written. */
	void		(*bad)(void *, const char *field, const char *text,
			    size_t len);
	/* 1 when a text that is no address is a user's name; or NULL. */
	int		(*is_user)(void *, const char *name);
	/*
	 * 1 when this address, canonical and qualified, is to be replaced in
	 * From, Sender, Reply-To and their Resent- forms; or NULL.
	 */
	int		(*identity)(void *, const char *address,
			    struct header_identity *);
	enum header_from from;
	void		*arg;
};

/*
 * Repairs a header block: lines of fields and folded lines with LF ends and
 * no empty line after it (len 0 is allowed).  Leading From_ lines are
 * dropped, a CR before LF too, other CRs become blanks (on the wire they
 * would begin a line).  A line that cannot be in a header ends it: it and
 * what follows come out after the empty line, as text.
 * out gets, in order: Received: ("Received: by MAILNAME (dma VERSION)\n\tid
 * QUEUE_ID; DATE"), where any Resent- field is there and these are absent
 * Resent-Date, Resent-Message-ID and Resent-From, the caller's fields in their
 * order without Bcc, Resent-Bcc and Return-Path, bare names in From, Sender,
 * Reply-To, To, Cc and Resent-* qualified in place (comments, names, groups
 * and folding kept), then Date, Message-ID and From where absent, and the
 * empty line.  With HEADER_FROM_FORCE, a From that is not the sender (unless
 * that is null) becomes the sender, and what it was Reply-To or, where there is
 * one, X-Original-From.
 * One of these that is there but blank counts as absent.  A
 * field with controls passes as it is, and so does each member of a list that
 * is neither an address nor a user's name.
 * hops (may be NULL) gets the number of Received and Delivered-To fields.
 * Returns 0, or -1 when out failed or memory ran out.
 */
int	header_repair(const char *header, size_t len, const struct header_env *,
	    struct buf *out, unsigned *hops);

/* RFC 5322 3.3 date with the local zone, into dst (at least 40 bytes). */
void	header_date(char *dst, size_t size, time_t);
/* The same in UTC, for which no file of a zone is read. */
void	header_date_utc(char *dst, size_t size, time_t);

#endif
