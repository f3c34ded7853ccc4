/*
 * smtp_mail.c - one SMTP transaction: its states, its commands.
 * Runs as: anyone.  Uses: nothing.
 * Promise: no byte of an address can become a command or a parameter; a
 * recipient is decided once.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/smtp_mail.h"

#define DOMAINS_MAX	64	/* of one transaction, if limited at all */

/*
 * 0 is SMTP_MAIL_NEW, to which nothing leads: the event changes nothing.
 * SMTP_EVENT_END ends all of them.
 */
static const unsigned char next[SMTP_MAIL__STATES][SMTP_MAIL__EVENTS] = {
	[SMTP_MAIL_NEW] = {
		[SMTP_EVENT_BEGIN] =		SMTP_MAIL_ENVELOPE,
	},
	[SMTP_MAIL_ENVELOPE] = {
		[SMTP_EVENT_REFUSE] =		SMTP_MAIL_REFUSED,
		[SMTP_EVENT_NO_RECIPIENTS] =	SMTP_MAIL_DONE,
		[SMTP_EVENT_DATA] =		SMTP_MAIL_DATA,
	},
	[SMTP_MAIL_DATA] = {
		[SMTP_EVENT_REFUSE] =		SMTP_MAIL_REFUSED,
		[SMTP_EVENT_GO] =		SMTP_MAIL_TEXT,
		[SMTP_EVENT_GO_EMPTY] =		SMTP_MAIL_EMPTY,
		[SMTP_EVENT_NO_GO] =		SMTP_MAIL_DONE,
	},
	[SMTP_MAIL_TEXT] = {
		[SMTP_EVENT_TEXT_END] =		SMTP_MAIL_SENT,
	},
	[SMTP_MAIL_SENT] = {
		[SMTP_EVENT_ANSWER] =		SMTP_MAIL_DONE,
	},
	[SMTP_MAIL_EMPTY] = {
		[SMTP_EVENT_ANSWER] =		SMTP_MAIL_DONE,
	},
	[SMTP_MAIL_REFUSED] = {
		[SMTP_EVENT_GO] =		SMTP_MAIL_EMPTY,
		[SMTP_EVENT_GO_EMPTY] =		SMTP_MAIL_EMPTY,
		[SMTP_EVENT_LAST_REPLY] =	SMTP_MAIL_DONE,
	},
};

enum smtp_mail_state
smtp_mail_next(enum smtp_mail_state state, enum smtp_mail_event event)
{
	unsigned char to = next[state][event];

	if (event == SMTP_EVENT_END)
		return SMTP_MAIL_DONE;
	return to == 0 ? state : (enum smtp_mail_state)to;
}

void
smtp_mail_reset(struct smtp_mail *m)
{
	uint32_t i;

	result_fini(&m->res);
	m->state = SMTP_MAIL_NEW;
	m->end = SMTP_MAIL_ANSWERED;
	m->asked = m->accepted = m->awaited = 0;
	m->has_parameters = m->is_throttled = 0;
	m->recent = UINT32_MAX;
	for (i = 0; i < m->nrcpts; i++)
		m->rcpts[i].is_accepted = m->rcpts[i].is_first = 0;
}

/* ---- decisions ---- */

void
smtp_mail_decide(struct smtp_mail *m, const struct result *res)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].res.status == STATUS_NONE)
			result_copy(&m->rcpts[i].res, res);
}

void
smtp_mail_decide_accepted(struct smtp_mail *m, const struct result *res)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].is_accepted &&
		    m->rcpts[i].res.status == STATUS_NONE)
			result_copy(&m->rcpts[i].res, res);
}

void
smtp_mail_rcpt_reply(struct smtp_mail *m, uint32_t i,
    const struct smtp_reply *r, enum smtp_verdict verdict)
{
	switch (verdict) {
	case SMTP_GO:
		m->rcpts[i].is_accepted = 1;
		m->accepted++;
		break;
	case SMTP_DEFER:
		smtp_reply_result(r, STATUS_DEFERRED, &m->rcpts[i].res);
		break;
	case SMTP_FAIL:
		smtp_reply_result(r, STATUS_FAILED, &m->rcpts[i].res);
		break;
	case SMTP_THROTTLED:
		m->is_throttled = 1;
		smtp_reply_result(r, STATUS_DEFERRED, &m->res);
		break;
	default:
		break;
	}
}

/*
 * The last check before the wire: whoever made the address, it must stay one
 * argument of one command.
 */
static int
address_ok(const char *address)
{
	size_t len = strlen(address);
	const char *p;
	int is_quoted = 0;

	for (p = address; *p != '\0'; p++) {
		if (*p == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (!is_quoted && strchr(" <>", *p) != NULL)
			return 0;
	}
	return !is_quoted && len <= ADDRESS_MAX &&
	    text_is_clean(address, len) && addr_is_utf8(address, len);
}

static int
is_8bit(const char *text)
{
	return !text_is_ascii(text, strlen(text));
}

int
smtp_mail_check_sender(const char *sender, unsigned offers, struct result *res)
{
	if (!address_ok(sender))
		return result_set(res, STATUS_FAILED, "5.1.7",
		    "the sender's address cannot be used in SMTP");
	if (is_8bit(sender) && (offers & SMTP_OFFERS_SMTPUTF8) == 0)
		return result_set(res, STATUS_FAILED, "5.6.7",
		    "the sender's address requires SMTPUTF8, which the server "
		    "does not offer");
	return 0;
}

int
smtp_mail_check_rcpt(const char *address, unsigned offers, struct result *res)
{
	if (address[0] == '\0' || !address_ok(address))
		return result_set(res, STATUS_FAILED, "5.1.3",
		    "the address cannot be used in SMTP");
	if (is_8bit(address) && (offers & SMTP_OFFERS_SMTPUTF8) == 0)
		return result_set(res, STATUS_FAILED, "5.6.7",
		    "the address requires SMTPUTF8, which the server does "
		    "not offer");
	return 0;
}

static void
check_message(struct smtp_mail *m, const struct smtp_capabilities *caps)
{
	if (smtp_mail_check_sender(m->sender, caps->offers, &m->res) == 0 &&
	    caps->size_max != 0 && m->size_bytes > caps->size_max)
		result_set(&m->res, STATUS_FAILED, "5.3.4",
		    "the message has %llu bytes, but the server accepts only "
		    "%llu",
		    (unsigned long long)m->size_bytes,
		    (unsigned long long)caps->size_max);
	if (m->res.status != STATUS_NONE)
		smtp_mail_decide(m, &m->res);
}

/* This transaction is for that recipient, too. */
static int
is_for(const struct smtp_mail *m, const struct smtp_rcpt *r)
{
	return m->utf8 == SMTP_UTF8_ALL ||
	    (m->utf8 == SMTP_UTF8_SOME) == is_8bit(r->address);
}

int
smtp_mail_check(struct smtp_mail *m, const struct smtp_capabilities *caps)
{
	struct smtp_rcpt *r;
	int nopen = 0;

	for (r = m->rcpts; r < m->rcpts + m->nrcpts; r++) {
		if (r->res.status != STATUS_NONE)
			continue;
		(void)smtp_mail_check_rcpt(r->address, caps->offers, &r->res);
		nopen += r->res.status == STATUS_NONE && is_for(m, r);
	}
	check_message(m, caps);
	return nopen == 0 || m->res.status != STATUS_NONE ? -1 : 0;
}

/* ---- commands ---- */

/* Those that the host may refuse without refusing the message. */
static void
put_optional(const struct smtp_mail *m, unsigned offers, struct buf *out)
{
	if ((offers & SMTP_OFFERS_SIZE) != 0 && m->size_bytes > 0)
		buf_printf(out, " SIZE=%llu",
		    (unsigned long long)m->size_bytes);
	if ((offers & SMTP_OFFERS_8BITMIME) != 0 &&
	    (m->flags & (MESSAGE_8BIT_BODY | MESSAGE_8BIT_HEADER |
	    MESSAGE_SAID_8BIT)) != 0)
		buf_puts(out, " BODY=8BITMIME");
	if ((offers & SMTP_OFFERS_DSN) != 0 && m->ret != RET_UNSAID)
		buf_printf(out, " RET=%s", m->ret == RET_FULL ? "FULL" :
		    "HDRS");
	if ((offers & SMTP_OFFERS_DSN) != 0 && m->envid != NULL &&
	    dsn_envid_ok(m->envid)) {
		buf_puts(out, " ENVID=");
		dsn_put_xtext(out, m->envid);
	}
}

void
smtp_mail_put(struct smtp_mail *m, const struct smtp_capabilities *caps,
    struct buf *out)
{
	size_t before;

	buf_printf(out, "MAIL FROM:<%s>", m->sender);
	before = out->len;
	put_optional(m, caps->offers, out);
	m->has_parameters = out->len > before;
	if (m->utf8 != SMTP_UTF8_NONE)
		buf_puts(out, " SMTPUTF8");
	buf_puts(out, "\r\n");
}

/*
 * RFC 3461 5.2: with NOTIFY on it the host answers for the reports.  Where
 * nothing is to be reported nobody needs to know the original name either.
 */
void
smtp_mail_put_rcpt(struct smtp_rcpt *r, const struct smtp_capabilities *caps,
    struct buf *out)
{
	struct buf orcpt;
	size_t before;
	int is_passed_on;

	buf_printf(out, "RCPT TO:<%s>", r->address);
	before = out->len;
	is_passed_on = (caps->offers & SMTP_OFFERS_DSN) != 0;
	if (is_passed_on && r->notify != 0) {
		buf_puts(out, " NOTIFY=");
		dsn_put_notify(out, r->notify);
	}
	if (is_passed_on && r->orcpt != NULL && r->notify != NOTIFY_NEVER) {
		buf_init(&orcpt, 0);
		if (dsn_put_orcpt(&orcpt, r->orcpt, 1) == 0)
			buf_printf(out, " ORCPT=%s", buf_str(&orcpt));
		buf_fini(&orcpt);
	}
	r->reports = !is_passed_on ? SMTP_REPORTS_OURS :
	    out->len > before ? SMTP_REPORTS_ASKED : SMTP_REPORTS_PASSED_ON;
	buf_puts(out, "\r\n");
}

static const char *
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? "" : at + 1;
}

/*
 * RCPTDOMAINMAX: whether this recipient's domain is one of those that the
 * transaction has, or may still get.  The others wait for another.
 */
static int
may_ask(struct smtp_mail *m, uint32_t max, uint32_t i)
{
	const char *domain = domain_of(m->rcpts[i].address);
	uint32_t k, seen = 0;

	if (max == 0 || (m->recent < i && text_casecmp(domain,
	    domain_of(m->rcpts[m->recent].address)) == 0))
		return 1;
	if (max > DOMAINS_MAX)
		max = DOMAINS_MAX;
	for (k = 0; k < i && seen < max; k++) {
		if (!m->rcpts[k].is_first)
			continue;
		if (text_casecmp(domain_of(m->rcpts[k].address), domain) == 0)
			break;
		seen++;
	}
	if (seen == max)
		return 0;
	m->rcpts[k].is_first = 1;
	m->recent = k;
	return 1;
}

int
smtp_mail_ask(struct smtp_mail *m, const struct smtp_capabilities *caps,
    uint32_t *i)
{
	while (m->asked < m->nrcpts) {
		*i = m->asked++;
		if (m->rcpts[*i].res.status == STATUS_NONE &&
		    is_for(m, &m->rcpts[*i]) &&
		    may_ask(m, caps->domain_max, *i))
			return 1;
	}
	return 0;
}
