/*
 * smtp_verdict.c - the consequence of a reply for a message or recipient.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a message never fails by an error of the host, the login or the
 * protocol.  The table is in docs/states.md.
 */
#include <string.h>

#include "lib/smtp_verdict.h"

/* The subject of the enhanced code (RFC 3463 3), or 0. */
static int
subject_of(const struct smtp_reply *r)
{
	const char *p = r->enhanced;

	return p[0] != '\0' && p[1] == '.' && p[3] == '.' ? p[2] - '0' : 0;
}

/* An error of our login: RFC 4954 6. */
static int
is_login(int code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

/*
 * RFC 5321 4.2.4: the command, its syntax, sequence or parameters, unless an
 * enhanced code refers to an address, a mailbox or the text.
 */
static int
is_protocol(const struct smtp_reply *r)
{
	int subject = subject_of(r);

	return ((r->code >= 500 && r->code <= 504) || r->code == 555) &&
	    subject != 1 && subject != 2 && subject != 6;
}

static enum smtp_verdict
judge_setup(enum smtp_stage stage, const struct smtp_reply *r, unsigned is)
{
	if (r->code / 100 == 2)
		return SMTP_GO;
	if (stage == SMTP_AT_EHLO && r->code / 100 == 5 &&
	    (is & SMTP_IF_HELO) != 0 && !smtp_reply_is_throttle(r))
		return SMTP_SAY_HELO;
	return SMTP_NO_HOST;
}

/*
 * "Too many recipients" is not about this recipient.  It is read so only after
 * one was accepted, so that each transaction makes progress; and not if the
 * enhanced code says that a mailbox or the disk is full.
 */
static int
is_too_many(const struct smtp_reply *r, unsigned is)
{
	if ((r->code != 452 && r->code != 552) || (is & SMTP_IF_ACCEPTED) == 0)
		return 0;
	return r->enhanced[0] == '\0' || strcmp(r->enhanced + 1, ".5.3") == 0;
}

/* The reply is about a recipient or a mailbox, not about the whole host. */
static int
is_personal(enum smtp_stage stage, const struct smtp_reply *r)
{
	int subject = subject_of(r);

	return stage == SMTP_AT_RCPT && r->code != 432 &&
	    (subject == 1 || subject == 2);
}

static enum smtp_verdict
judge_refusal(enum smtp_stage stage, const struct smtp_reply *r, unsigned is)
{
	if (stage == SMTP_AT_RCPT && is_too_many(r, is))
		return SMTP_SPLIT;
	if (smtp_reply_is_throttle(r) && !is_personal(stage, r))
		return SMTP_THROTTLED;
	if (r->code / 100 == 4 || is_login(r->code))
		return SMTP_DEFER;
	if (!is_protocol(r))
		return SMTP_FAIL;
	/* The server believes that a transaction is still open. */
	if (stage == SMTP_AT_MAIL && r->code == 503)
		return (is & SMTP_IF_LATER) != 0 ? SMTP_FRESH : SMTP_DEFER;
	return (is & SMTP_IF_PARAMETERS) != 0 ? SMTP_PLAIN : SMTP_DEFER;
}

static enum smtp_verdict
judge_mail(enum smtp_stage stage, const struct smtp_reply *r, unsigned is)
{
	int class = r->code / 100;

	if (r->code == 421)
		return SMTP_LEAVE;
	if (class >= 4)
		return judge_refusal(stage, r, is);
	return (class == 3) == (stage == SMTP_AT_DATA) ? SMTP_GO : SMTP_ASTRAY;
}

enum smtp_verdict
smtp_judge(enum smtp_stage stage, const struct smtp_reply *r,
    unsigned circumstances)
{
	switch (stage) {
	case SMTP_AT_MAIL:
	case SMTP_AT_RCPT:
	case SMTP_AT_DATA:
	case SMTP_AT_DOT:
		return judge_mail(stage, r, circumstances);
	case SMTP_AT_RSET:
		return r->code / 100 == 2 ? SMTP_GO : SMTP_FRESH;
	case SMTP_AT_QUIT:
		return SMTP_LEAVE;
	default:
		return judge_setup(stage, r, circumstances);
	}
}
