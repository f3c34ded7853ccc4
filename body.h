/*
 * body.h - the text of a message as one host can take it.
 */
#ifndef BODY_H
#define BODY_H

#include <stdint.h>

#include "dma.h"
#include "jobs.h"
#include "lib/mail.h"
#include "lib/mime.h"

/* The text of a job, on its way to a host or through a look at it. */
struct body {
	struct job	*job;		/* lent; NULL: none */
	uint64_t	 at;		/* octets of it that were read */
	int		 is_scan, is_encoded;
	struct mime	 mime;
	struct buf	 text;		/* encoded, with LF */
	struct mail_wire wire;
};

void	 body_init(struct body *);
void	 body_fini(struct body *);

/*
 * Finds out how this host gets the text of the job, and fills in flags and
 * size of job->mail.  offers: SMTP_OFFERS_*.  1, 0 when it takes more calls,
 * -1 when it can not be sent there: why, in the result.  A text that fits any
 * host is not looked at.
 */
int	 body_prepare(struct body *, struct job *, unsigned offers,
	    struct result *);
/* Begins the text; stuff: with dots doubled. */
void	 body_begin(struct body *, struct job *, int stuff);
/* Adds a piece of it: CRLF.  1, 0 when it was the last, -1 with errno. */
int	 body_next(struct body *, struct buf *out);

#endif
