/*
 * session.h - one connection of a client: bytes in and out, TLS, deadlines.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <sys/socket.h>

#include "smtpd/host.h"

/* Begins one on a connected socket, which it takes, also on failure. */
void	session_accept(struct smtpd_host *, int fd, const struct sockaddr *);
/*
 * After the state became HOST_DRAINING: ends all that are between transactions
 * with 421; the others end after theirs.
 */
void	session_drain_all(struct smtpd_host *);
/* Ends all now; what is not acknowledged is discarded. */
void	session_end_all(struct smtpd_host *);

#endif
