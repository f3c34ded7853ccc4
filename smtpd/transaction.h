/*
 * transaction.h - the envelope of a message, and the lines before its text.
 */
#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H

#include <stddef.h>
#include <time.h>

#include "lib/buf.h"

struct transaction_recipient {
	char	*path;		/* owned, with the other two in one piece */
	char	*parameters;	/* as given; "" */
	char	*domain;	/* smtp_path_domain() */
	int	 is_asked;	/* modules are asked of it now */
};

struct transaction {
	char		 id[32];	/* "" when there is none */
	char		*sender;	/* owned */
	char		*parameters;	/* owned: as given with MAIL; "" */
	int		 is_smtputf8;
	struct transaction_recipient *recipients;	/* owned */
	size_t		 nrecipients, cap;
	struct buf	 lines;		/* empty until they are asked for */
};

/* What the Received field says of the connection; all are lent. */
struct received {
	const char	*helo, *client, *host, *protocol;
	const char	*tls;		/* "" without */
	time_t		 when;
};

/* Begins one; it is to be reset before. 0, or -1 without memory. */
int	transaction_begin(struct transaction *, const char *id,
	    const char *sender, const char *parameters);
void	transaction_reset(struct transaction *);
/* Of paths that were checked: 0, or -1 without memory. */
int	transaction_set_sender(struct transaction *, const char *path);
int	transaction_add(struct transaction *, const char *path,
	    const char *parameters);
int	transaction_set_recipient(struct transaction *, size_t i,
	    const char *path);
void	transaction_remove(struct transaction *, size_t i);
/* The one that modules are asked of; NULL if one of them has removed it. */
struct transaction_recipient *transaction_asked(struct transaction *);
/*
 * Lends the lines before the text: one Forward-Path for each recipient,
 * Return-Path, Received; with CRLF.  NULL without memory.
 */
const char *transaction_lines(struct transaction *, const struct received *,
	    size_t *len);

#endif
