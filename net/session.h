/*
 * session.h - one SMTP session: a connection, the conversation over it, and
 * the messages that are under way.
 */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "crypto.h"
#include "lib/log.h"
#include "lib/sasl.h"
#include "lib/smtp.h"
#include "net/concurrency.h"
#include "net/conn.h"
#include "net/content.h"
#include "net/hosts.h"
#include "net/requests.h"
#include "net/tls_policy.h"

#define WHERE_MAX	320	/* bytes of "name[address]" */

struct session;

/* A login that was rejected, or that there is none: it is not tried again. */
struct login_refusal {
	const struct auth *auth;	/* lent */
	struct result	 reason;
};

/* What all sessions of a process share: they are to one destination. */
struct net {
	const struct conf *conf;
	struct auths	*auths;
	int		 secrets;	/* to the process that runs commands */
	const struct log *log;
	struct requests	 requests;
	struct hosts	 hosts;
	struct concurrency concurrency;
	struct tls_setup *tls;		/* made when first needed */
	struct session	*sessions;	/* owned: the list */
	unsigned	 nsessions;
	int64_t		 now_ms;
	struct login_refusal	*refusals;	/* owned */
	size_t		 nrefusals, crefusals;
	char		 trouble[WHERE_MAX];	/* the host of the latest */
};

/* The login of a session. */
struct login {
	struct sasl_env	 env;
	struct sasl	 sasl;
	uint8_t		 binding[TLS_BINDING_MAX];
	const char	*mechanism;	/* that is tried; or NULL */
};

/* The messages of a session: transaction.c. */
struct session_mail {
	struct request	*again;		/* its next transaction goes here */
	struct request	*coming;	/* next; it is being looked at */
	struct content	 body;		/* the text that is being sent */
	unsigned	 nsettled;	/* transactions that had a verdict */
	unsigned	 nlive;		/* transactions under way */
	int64_t		 since_ms;	/* the first of them waits */
	int		 is_alone;	/* the one is; nothing follows */
	int		 was_suspect;	/* what the session ended on */
};

/* Why a session is over. */
struct ending {
	enum smtp_cause	 cause;
	struct result	 reason;
	int		 is_late;	/* the host said nothing for too long */
	int		 was_idle;	/* there was no mail for it */
	int		 was_ready;	/* it had come as far as MAIL */
};

struct session {
	struct session	*next;
	struct net	*net;
	struct conn	 conn;
	size_t		 from;		/* for requests of places from here on
					 * to that of the host */
	struct host	 host;
	char		 where[WHERE_MAX];	/* "name[address]", clean */
	struct policy	 policy;
	struct smtp	*smtp;
	struct login	 login;
	struct session_mail	 mail;
	int64_t		 begun_ms;
	unsigned	 turn, wait_s;	/* of smtp, when the deadline was set */
	int		 is_computing;	/* an answer, or a look at a text */
	int		 has_more;	/* stopped for the others' sake */
	struct ending	 ending;
};

/*
 * Begins a session with a host (copied; its TLSA records are held) for the
 * requests of places from that one on: it is on the list of net.  -1 without
 * memory.
 */
int	session_new(struct net *, const struct host *, size_t from);
/* Requests that it has are given back. */
void	session_free(struct session *);
/* The connection is ready for that (poll(2)), or its deadline may be over. */
void	session_serve(struct session *, short revents);
/* Says and sends what can be said and sent now. */
void	session_go_on(struct session *);
/* It is over, as if nothing had happened. */
void	session_drop(struct session *);
void	session_quit(struct session *);
/* What to poll for; and milliseconds until it wants a turn in any case. */
short	session_poll_events(const struct session *);
int64_t	session_wait_ms(const struct session *);
/* It ended on its login: no further try is made with that one, anywhere. */
void	session_refuse_login(struct session *);
/* What its end says about the host. */
void	session_loss(const struct session *, struct loss *);
/* 1 when it takes mail, but not soon. */
int	session_is_slow(const struct session *);
/* A line of the dialogue that is none: the connection, TLS, the end. */
void	session_note(const struct session *, const char *what,
	    const char *more);
/* Names the host in a result about this connection, if none is named yet. */
void	session_name_host(const struct session *, struct result *);

/* 1 when there was mail for it. */
int	session_mail_next(struct session *);
/* Sends a piece of the text that is wanted. */
void	session_mail_send(struct session *);
/* Takes the transactions that are over. */
void	session_mail_fetch(struct session *);
/* What was looked at goes to another session, this one takes no more. */
void	session_mail_give_back(struct session *);
/*
 * A request is not wanted any more: 1 when this session had it.  Its mail ends,
 * unless the host has all of it.
 */
int	session_mail_cancel(struct session *, uint32_t id);
/* 1 when a transaction waits behind a slow one. */
int	session_mail_is_held_up(const struct session *);
void	session_mail_fini(struct session *);

#endif
