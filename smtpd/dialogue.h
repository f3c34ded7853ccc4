/*
 * dialogue.h - SMTP as a server (RFC 5321): bytes in, replies out.
 * No socket and no clock: session.c has both.
 */
#ifndef SMTPD_DIALOGUE_H
#define SMTPD_DIALOGUE_H

#include <stddef.h>

#include "smtpd/smtpd_session.h"

/* With so many bytes of replies unsent, no command is taken. */
#define DIALOGUE_OUT_HIGH	16384
/* In one call; then s->is_behind, and others have their turn. */
#define DIALOGUE_COMMANDS_MAX	16

enum dialogue_want {
	DIALOGUE_WANTS_INPUT,
	DIALOGUE_WANTS_VERDICT,	/* a module's; no input meanwhile */
	DIALOGUE_WANTS_TLS,	/* all is sent: handshake, dialogue_tls_up() */
	DIALOGUE_WANTS_CLOSE	/* once all is sent */
};

/* The caller set host, client.addr, out, resumed and arg; the rest is zero. */
void	dialogue_begin(struct smtpd_session *);
/*
 * Takes bytes of the client; gives how many were taken.  What is left is a part
 * of a command, or is to come again after a verdict, when replies were sent, or
 * in the next turn.
 */
size_t	dialogue_input(struct smtpd_session *, const char *, size_t);
enum dialogue_want dialogue_want(const struct smtpd_session *);
/* The handshake is complete: description as tls_stream_describe(), lent. */
void	dialogue_tls_up(struct smtpd_session *, const char *description);
/* The last reply, if one is due, when the session ends by our decision. */
void	dialogue_end(struct smtpd_session *, const char *reply);
/*
 * In a transaction, from MAIL to the last reply, or within a chunk of BDAT,
 * which is skipped outside of one: what has a time to end.
 */
int	dialogue_has_transaction(const struct smtpd_session *);
/* Frees all; not while a verdict is wanted. */
void	dialogue_fini(struct smtpd_session *);
/*
 * What comes of smtpd_finish().  If resumed() is called within a hook,
 * dialogue_finish_later() is due after it: 1 when a verdict was kept for it and
 * resumed() was called again, else 0.
 */
void	dialogue_finish(struct smtpd_session *, enum smtpd_verdict);
int	dialogue_finish_later(struct smtpd_session *);

#endif
