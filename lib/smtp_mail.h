/*
 * smtp_mail.h - one SMTP transaction: its states, its commands.
 */
#ifndef LIB_SMTP_MAIL_H
#define LIB_SMTP_MAIL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/dsn.h"
#include "lib/mail.h"
#include "lib/result.h"
#include "lib/smtp_reply.h"
#include "lib/smtp_verdict.h"

/* Written: handed over to be sent.  The table is in docs/states.md. */
enum smtp_mail_state {
	SMTP_MAIL_NEW,
	SMTP_MAIL_ENVELOPE,	/* MAIL is written, RCPTs are being written */
	SMTP_MAIL_DATA,		/* DATA is written and awaits its reply */
	SMTP_MAIL_TEXT,		/* 354: the text is being written */
	SMTP_MAIL_SENT,		/* its end is written and awaits its reply */
	SMTP_MAIL_EMPTY,	/* the same, but there were no recipients */
	SMTP_MAIL_REFUSED,	/* MAIL was; other replies are awaited */
	SMTP_MAIL_DONE,
	SMTP_MAIL__STATES
};

enum smtp_mail_event {
	SMTP_EVENT_BEGIN,	/* MAIL was written */
	SMTP_EVENT_REFUSE,	/* a reply refused MAIL */
	SMTP_EVENT_NO_RECIPIENTS, /* each RCPT was refused; no DATA */
	SMTP_EVENT_DATA,	/* all RCPTs and DATA were written */
	SMTP_EVENT_GO,		/* 354, and there are recipients */
	SMTP_EVENT_GO_EMPTY,	/* 354, and there are none */
	SMTP_EVENT_NO_GO,	/* a reply refused DATA */
	SMTP_EVENT_TEXT_END,	/* the end of data was written */
	SMTP_EVENT_ANSWER,	/* it was replied to */
	SMTP_EVENT_LAST_REPLY,	/* no reply is awaited any more */
	SMTP_EVENT_END,		/* given back, whatever it was at */
	SMTP_MAIL__EVENTS
};

/* How a transaction ended. */
enum smtp_mail_end {
	/* By replies; undecided recipients go into another one at once. */
	SMTP_MAIL_ANSWERED,
	/* It had no text, and the connection did not end in it. */
	SMTP_MAIL_UNSENT,
	/* The connection ended in it, before the end of its text. */
	SMTP_MAIL_LOST,
	/* The same, but deferred recipients may have been sent. */
	SMTP_MAIL_IN_DOUBT
};

/* Who answers for the reports of a recipient. */
enum smtp_rcpt_reports {
	SMTP_REPORTS_OURS,	/* the host has no DSN */
	SMTP_REPORTS_PASSED_ON,	/* it reports what comes of it */
	SMTP_REPORTS_ASKED	/* the same, as parameters of RCPT ask */
};

struct smtp_rcpt {
	const char	*address;	/* lent */
	uint32_t	 index;		/* the driver's */
	unsigned	 notify;	/* NOTIFY_* */
	const char	*orcpt;		/* lent: "type;address"; or NULL */
	struct result	 res;		/* owned; STATUS_NONE: not decided */
	enum smtp_rcpt_reports reports;
	struct result	 before;	/* the driver's: another host's */
	int		 is_accepted, is_first;	/* private */
};

/* For whom a transaction is, and whether it asks for SMTPUTF8. */
enum smtp_utf8 {
	SMTP_UTF8_NONE,		/* without: those with addresses in ASCII */
	SMTP_UTF8_SOME,		/* with: the others */
	SMTP_UTF8_ALL		/* with, for sender or header: all */
};

/* One transaction: the driver's storage, left alone until it is finished. */
struct smtp_mail {
	const char	*sender;	/* lent; "" is <> */
	unsigned	 flags;		/* MESSAGE_*, as it is sent */
	enum smtp_utf8	 utf8;
	uint64_t	 size_bytes;	/* on the wire, for SIZE= */
	enum ret	 ret;
	const char	*envid;		/* lent; or NULL */
	struct smtp_rcpt *rcpts;	/* lent */
	uint32_t	 nrcpts;
	void		*arg;		/* the driver's */
	enum smtp_mail_end end;		/* once it is finished */
	/* The rest is private. */
	enum smtp_mail_state state;
	struct result	 res;		/* of the whole */
	uint32_t	 asked, accepted, awaited;
	uint32_t	 recent;	/* whose domain was asked for last */
	int		 has_parameters;	/* optional ones, in MAIL */
	int		 is_throttled;	/* a RCPT was: the reply is in res */
	struct smtp_mail *next;
};

/* What comes of an event; the same state if it cannot happen there. */
enum smtp_mail_state smtp_mail_next(enum smtp_mail_state,
	    enum smtp_mail_event);

/*
 * 0 when a server with these SMTP_OFFERS_* can be given that address; -1 with
 * the reason why the message, or the recipient, fails.
 */
int	smtp_mail_check_sender(const char *, unsigned offers, struct result *);
int	smtp_mail_check_rcpt(const char *, unsigned offers, struct result *);
/* As it is before it is begun. */
void	smtp_mail_reset(struct smtp_mail *);
/* Decides what needs no server to be refused: 0, -1 when nobody is left. */
int	smtp_mail_check(struct smtp_mail *, const struct smtp_capabilities *);
/* The recipient to be asked for next is *i: 1, or 0 after the last. */
int	smtp_mail_ask(struct smtp_mail *, const struct smtp_capabilities *,
	    uint32_t *i);
/* Add the commands, with their ends. */
void	smtp_mail_put(struct smtp_mail *,
	    const struct smtp_capabilities *, struct buf *out);
void	smtp_mail_put_rcpt(struct smtp_rcpt *,
	    const struct smtp_capabilities *, struct buf *out);
/* All undecided recipients share this result, or those that were accepted. */
void	smtp_mail_decide(struct smtp_mail *, const struct result *);
void	smtp_mail_decide_accepted(struct smtp_mail *, const struct result *);
/* The reply to a RCPT, and what it decides. */
void	smtp_mail_rcpt_reply(struct smtp_mail *, uint32_t i,
	    const struct smtp_reply *, enum smtp_verdict);

#endif
