/*
 * smtp.h - the client's side of an SMTP conversation (RFC 5321).
 * Pure: bytes in, bytes and wants out; no socket, no clock.
 *
 * The driver hands over what was received, sends what there is to send, and
 * does what is wanted until there is nothing that it can do.  Commands that
 * await their reply stand in a queue, so what may be sent before an earlier
 * reply is there (PIPELINING) is only a question of when it is put there.
 */
#ifndef LIB_SMTP_H
#define LIB_SMTP_H

#include <stddef.h>

#include "lib/buf.h"
#include "lib/result.h"
#include "lib/smtp_mail.h"
#include "lib/smtp_reply.h"

#define SMTP_OUT_HIGH	65536		/* unsent bytes: no more is made */

enum smtp_want {
	SMTP_WANT_NOTHING,	/* a reply, or room to send */
	SMTP_WANT_TLS,		/* all is sent: handshake, smtp_tls_up() */
	SMTP_WANT_LOGIN,	/* smtp_login() or smtp_no_login(); when it
				 * comes again the last mechanism is out */
	SMTP_WANT_ANSWER,	/* smtp_answer() or smtp_cancel() */
	SMTP_WANT_MAIL,		/* smtp_mail() or smtp_quit(), if you like */
	SMTP_WANT_TEXT,		/* smtp_text(), at last smtp_text_end() */
	SMTP_WANT_CLOSE		/* it is over: smtp_cause(), smtp_trouble() */
};

/* Why it ended. */
enum smtp_cause {
	SMTP_CAUSE_NONE,	/* QUIT */
	SMTP_CAUSE_HOST,	/* before MAIL: the next host may do better */
	SMTP_CAUSE_TLS,		/* STARTTLS refused; not required: again in
				 * the clear, without a login */
	SMTP_CAUSE_LOGIN,	/* the password was refused: ask no more */
	SMTP_CAUSE_LOST		/* cut, too late or out of step, later on */
};

struct smtp_setup {
	const char	*helo;		/* lent: our name */
	const char	*password;	/* lent; masked in replies; or NULL */
	int		 has_tls;	/* TLS is up */
	int		 may_tls;	/* STARTTLS when it is offered */
	int		 must_tls;	/* nothing in the clear */
	int		 must_login;	/* no MAIL before a login */
	int		 may_login_clear; /* a login without TLS is fine */
	int		 is_plain;	/* no optional parameters: it refused
					 * them before */
	/*
	 * Is given every line of the dialogue, without its end, secrets masked
	 * and texts left out; or NULL.  mail: whose line it is, or NULL.
	 */
	void		(*watch)(void *arg, const struct smtp_mail *mail,
			    int is_ours, const char *line, size_t len);
	void		*watch_arg;
};

struct smtp;

/* Gives a conversation that waits for the greeting, or NULL. */
struct smtp *smtp_new(const struct smtp_setup *);
void	smtp_free(struct smtp *);	/* wipes what was secret */

/* Bytes came.  Input after the end of the conversation is ignored. */
void	smtp_input(struct smtp *, const char *, size_t);
/* The connection ended, or its deadline passed: why, in words. */
void	smtp_lost(struct smtp *, const char *reason);
/* Lends what is to be sent; smtp_sent() says how much of it was. */
const char *smtp_output(const struct smtp *, size_t *n);
void	smtp_sent(struct smtp *, size_t n);

enum smtp_want smtp_want(const struct smtp *);
/*
 * Seconds that what is awaited now may take (RFC 5321 4.5.3.2); 0 when
 * nothing is.  The deadline starts anew whenever smtp_turn() changes.
 */
unsigned smtp_wait_s(const struct smtp *);
unsigned smtp_turn(const struct smtp *);

void	smtp_tls_up(struct smtp *);
/* initial: base64 that fits in the command (sasl_initial()), or NULL. */
void	smtp_login(struct smtp *, const char *mechanism, const char *initial);
void	smtp_no_login(struct smtp *);
/* While that is due no reply of the host counts as a login. */
void	smtp_demand_proof(struct smtp *, int is_due);
/* The login ends here, and the conversation: why, in words. */
void	smtp_distrust(struct smtp *, const char *reason);
/* The challenge as it came, base64. */
const char *smtp_challenge(const struct smtp *);
void	smtp_answer(struct smtp *, const char *base64);
void	smtp_cancel(struct smtp *);

/* Lends what the host offers; EHLO makes it anew. */
const struct smtp_capabilities *smtp_capabilities(const struct smtp *);
/* Begins a transaction.  It may be finished before anything was sent. */
void	smtp_mail(struct smtp *, struct smtp_mail *);
/* The transaction whose text is wanted, or NULL. */
struct smtp_mail *smtp_text_mail(const struct smtp *);
/* Lends the buf that text is added to: CRLF, last line ended. */
struct buf *smtp_text(struct smtp *);
void	smtp_text_end(struct smtp *);
/* The text cannot be had: nothing of it may count as a message. */
void	smtp_text_fail(struct smtp *, const struct result *);
/* Gives back a transaction that is finished, or NULL. */
struct smtp_mail *smtp_finished(struct smtp *);
/* 1 while a transaction is not finished, or was not fetched. */
int	smtp_is_busy(const struct smtp *);
/*
 * The first transaction waits for long: those after it, which have sent no
 * text, are cut and given back for another connection.  This one takes no more
 * and ends once the first is over.  Returns how many were given back.
 */
unsigned smtp_release(struct smtp *);
/* Lends the transactions that are not finished: the first, by next all. */
struct smtp_mail *smtp_live(const struct smtp *);
/*
 * Ends a transaction without its message: 1 when it is finished.  The
 * conversation ends with it, or, where an earlier message awaits its verdict,
 * after that; other transactions are given back for another connection.  0:
 * the host has all of the message, and its verdict counts.
 */
int	smtp_abandon(struct smtp *, struct smtp_mail *);
/* 1 when the text of a message is on the way, or its verdict. */
int	smtp_has_text(const struct smtp *);
void	smtp_quit(struct smtp *);

enum smtp_cause smtp_cause(const struct smtp *);
const struct result *smtp_trouble(const struct smtp *);
/* It takes no more mail, and says QUIT, or has said it, by itself. */
int	smtp_is_closing(const struct smtp *);
/* It has refused optional parameters. */
int	smtp_is_plain(const struct smtp *);
/* A reply ended it that is about too many connections, not about a message. */
int	smtp_is_throttled(const struct smtp *);

#endif
