/*
 * content.h - the text of a message as one server accepts it.
 */
#ifndef NET_CONTENT_H
#define NET_CONTENT_H

#include <stdint.h>

#include "message.h"
#include "net/requests.h"
#include "lib/mail.h"
#include "lib/mime_downgrade.h"

enum content_use { CONTENT_AS_IT_IS, CONTENT_SCAN, CONTENT_ENCODE };

/* The text of a request, on its way to a server or through a look at it. */
struct content {
	struct request	*request;	/* lent; NULL: none */
	uint64_t	 at;		/* bytes of it that were read */
	enum content_use use;
	struct mime	 mime;
	struct buf	 text;		/* encoded, with LF */
	struct mail_wire wire;
};

void	 content_init(struct content *);
void	 content_fini(struct content *);

/*
 * Finds out how this server gets the text, and fills in flags and size of the
 * request's mail.  offers: SMTP_OFFERS_*; is_utf8: SMTPUTF8 will be asked for
 * anyway, because of an address.  1; 0 if it takes more calls; -1 if
 * it cannot be sent there, with the reason.  A text that fits any server is not
 * looked at.
 */
int	 content_prepare(struct content *, struct request *, unsigned offers,
	    int is_utf8, struct result *);
/* Begins the text, as it goes over the wire; stuff: dots are doubled. */
void	 content_begin(struct content *, struct request *, int stuff);
/* Adds a piece of it: CRLF.  1, 0 when it was the last, -1 with errno. */
int	 content_next(struct content *, struct buf *out);

#endif
