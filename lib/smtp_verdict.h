/*
 * smtp_verdict.h - the consequence of a reply for a message or recipient.
 */
#ifndef LIB_SMTP_VERDICT_H
#define LIB_SMTP_VERDICT_H

#include "lib/smtp_reply.h"

/* What a reply is to. */
enum smtp_stage {
	SMTP_AT_GREETING, SMTP_AT_EHLO, SMTP_AT_HELO, SMTP_AT_STARTTLS,
	SMTP_AT_AUTH, SMTP_AT_MAIL, SMTP_AT_RCPT, SMTP_AT_DATA, SMTP_AT_DOT,
	SMTP_AT_RSET, SMTP_AT_QUIT
};

enum smtp_verdict {
	SMTP_GO,		/* success */
	SMTP_SAY_HELO,		/* EHLO is not understood */
	SMTP_DEFER,		/* the message, at RCPT the recipient */
	SMTP_FAIL,		/* the same, for good */
	SMTP_SPLIT,		/* the recipient is for another transaction */
	SMTP_PLAIN,		/* again, without optional parameters */
	SMTP_THROTTLED,		/* again, over fewer connections */
	SMTP_LEAVE,		/* the connection ends; 421 */
	SMTP_FRESH,		/* again, over another connection */
	SMTP_NO_HOST,		/* this host does not work: the next one */
	SMTP_ASTRAY		/* no reply to that command: out of step */
};

/* What the verdict depends on besides the reply. */
#define SMTP_IF_PARAMETERS	0x01	/* the command has optional ones */
#define SMTP_IF_ACCEPTED	0x02	/* a recipient was accepted before */
#define SMTP_IF_LATER		0x04	/* not the first on the connection */
#define SMTP_IF_HELO		0x08	/* HELO would do: no TLS, no login */

/* The reply to AUTH is for smtp_auth_reply(). */
enum smtp_verdict smtp_judge(enum smtp_stage, const struct smtp_reply *,
	    unsigned circumstances);

#endif
