/*
 * lmtp.h - one message to a mail store by LMTP (RFC 2033).
 */
#ifndef LOCAL_LMTP_H
#define LOCAL_LMTP_H

#include "lib/result.h"
#include "priv/delivery_request.h"

/*
 * Gives the message of d to the mail store that d->conf names, for d->user,
 * and sets res.
 */
void	lmtp_deliver(const struct delivery *d, struct result *res);

#endif
