/*
 * smtp_data.h - the text of a message as an SMTP server reads it: after DATA
 * (RFC 5321 4.5.2) or in BDAT chunks (RFC 3030).
 * Pure.  Only CR LF . CR LF ends a text.  A CR or LF that is not part of a CRLF
 * is either noticed, for the text to be refused, or made a CRLF before the test
 * for a dot, so that no two readers of what comes out see different messages.
 */
#ifndef LIB_SMTP_DATA_H
#define LIB_SMTP_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum smtp_data_form {
	SMTP_DATA_DOTS,		/* after DATA: dot-stuffed, ends by itself */
	SMTP_DATA_CHUNKS	/* BDAT: counted by the driver */
};

struct smtp_data {
	enum smtp_data_form form;
	int		 does_normalise; /* bare CR and LF: CRLF */
	int		 has_bare;	/* a bare CR or LF was seen */
	int		 is_over;	/* the final dot was seen */
	uint64_t	 size_bytes;	/* octets added to out so far */
	int		 state;		/* private */
};

void	smtp_data_init(struct smtp_data *, enum smtp_data_form,
	    int does_normalise);
/*
 * Takes bytes from the client and adds the text that they are to out; gives how
 * many were taken: all of them, or up to and with the end of the final dot's
 * line.  A text that has_bare without does_normalise is still followed to its
 * end, but no longer added to out.
 */
size_t	smtp_data_take(struct smtp_data *, const char *, size_t,
	    struct buf *out);
/* The last chunk of BDAT was taken. */
void	smtp_data_end(struct smtp_data *, struct buf *out);

#endif
