/*
 * own_mail.h - messages that this host itself sends: reports and notices.
 */
#ifndef QUEUE_OWN_MAIL_H
#define QUEUE_OWN_MAIL_H

#include "conf.h"
#include "spool.h"

/* A message for postmaster: if that fails, it is kept in dead/. */
#define MESSAGE_DOUBLE_BOUNCE	0x40

/* The values of its header; all lent. */
struct own_mail {
	const struct conf	*conf;
	const char		*id;		/* of the queue file */
	const char		*to;
	const char		*subject;
	const char		*origin;	/* Auto-Submitted (RFC 3834) */
	time_t			 now;
};

/* Adds the header up to MIME-Version; more fields and a blank line follow. */
void	own_mail_put_header(struct buf *, const struct own_mail *);
/*
 * Queues m with a text whose header has that length, from the null sender.
 * That the id is in the queue already is success, with the caller's plan.  0,
 * or -1 with a reason.
 */
int	own_mail_commit(const struct spool *, const char *id,
	    struct message *m, const struct buf *text, size_t header,
	    struct result *);

#endif
