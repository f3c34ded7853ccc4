/*
 * content.h - the text of a message as one host can take it.
 */
#ifndef BODY_H
#define BODY_H

#include <stdint.h>

#include "message.h"
#include "net/requests.h"
#include "lib/mail.h"
#include "lib/mime_downgrade.h"

/* The text of a r, on its way to a host or through a look at it. */
struct body {
	struct request	*request;		/* lent; NULL: none */
	uint64_t	 at;		/* octets of it that were read */
	int		 is_scan, is_encoded;
	struct mime	 mime;
	struct buf	 text;		/* encoded, with LF */
	struct mail_wire wire;
};

void	 content_init(struct body *);
void	 content_fini(struct body *);

/*
 * Finds out how this host gets the text of the r, and fills in flags and
 * size of r->mail.  offers: SMTP_OFFERS_*.  1, 0 when it takes more calls,
 * -1 when it can not be sent there: why, in the result.  A text that fits any
 * host is not looked at.
 */
int	 content_prepare(struct body *, struct request *, unsigned offers,
	    struct result *);
/* Begins the text, as it goes over the wire: dots are doubled. */
void	 content_begin(struct body *, struct request *);
/* Adds a piece of it: CRLF.  1, 0 when it was the last, -1 with errno. */
int	 content_next(struct body *, struct buf *out);

#endif
