/*
 * bounce_text.c - the part of a report that people read.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: pure; plain words, no path of this host, what to do next; no byte of
 * a reply or an address can end a line.
 */
#include <inttypes.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "queue/bounce_text.h"

#define INDENT		"    "
#define REASON_SHOWN	600	/* bytes of a reason; the fields for programs
				 * have all of it */

static const char *const intros[] = {
	[ACTION_FAILED] =
	    "Your message could not be delivered to the following addresses. "
	    "No further attempts will be made.",
	[ACTION_DELAYED] =
	    "Your message could not yet be delivered to the following "
	    "addresses. Delivery will be retried; you do not need to resend "
	    "the message.",
	[ACTION_DELIVERED] =
	    "Your message was delivered to the following addresses.",
	[ACTION_RELAYED] =
	    "Your message was relayed to the mail server of the following "
	    "addresses. That server does not report successful deliveries, so "
	    "you will receive another report only if delivery fails.",
	[ACTION_EXPANDED] =
	    "Your message was sent to the members of the following lists. You "
	    "will receive another report only if delivery fails.",
};

#define ORPHAN_INTRO	\
	"A message without a sender address, most likely a report, could " \
	"not be delivered to the following addresses. No further attempts " \
	"will be made."

#define OWNER_INTRO	\
	"A message to a mailing list of which you are the owner could not " \
	"be delivered to the following members. Remove addresses that no " \
	"longer exist from the list."

#define NACTIONS	(sizeof(intros) / sizeof(intros[0]))

#define UNVERIFIED	\
	"The server could not verify that the message was sent with the " \
	"permission of your domain. Please contact your administrator."

/*
 * What to do about it.  A code that ends in a dot stands for all that begin
 * so; the first that fits counts.
 */
static const struct {
	const char	*code;
	const char	*text;
	const char	*by_relay;	/* where a relay takes all; or NULL */
} advices[] = {
	{ "5.1.2", "The domain does not exist. Check the part of the address "
	    "after the @ for typing errors.", NULL },
	{ "5.1.7", "The server does not accept mail from your address. Please "
	    "contact your administrator.", NULL },
	{ "5.1.8", "The server does not accept mail from your address. Please "
	    "contact your administrator.", NULL },
	{ "5.1.10", "The domain accepts no mail. Check the part of the address "
	    "after the @ for typing errors.", NULL },
	{ "5.1.", "Check the address for typing errors.", NULL },
	{ "5.2.2", "The mailbox is full. Please contact the recipient by other "
	    "means.", NULL },
	{ "5.2.3", "The message is too large for the mailbox. Send a smaller "
	    "one, for example without attachments.", NULL },
	{ "5.3.4", "The message is too large for the server. Send a smaller "
	    "one, for example without attachments.", NULL },
	{ "5.4.4", "There is no route to that domain. Check the part of the "
	    "address after the @ for typing errors.", NULL },
	{ "5.4.6", "A mail loop was found, or an alias or a .forward file "
	    "leads to too many addresses. Please contact your "
	    "administrator.", NULL },
	{ "5.6.7", "An address or a header field contains characters that the "
	    "receiving server does not support. Replace them by ASCII "
	    "characters, or ask the recipient for another address.", NULL },
	{ "5.7.23", UNVERIFIED, NULL },
	{ "5.7.25", UNVERIFIED, NULL },
	{ "5.7.26", UNVERIFIED, NULL },
	{ "5.7.", "The message was rejected for policy reasons; see the reply "
	    "above. If you cannot solve the problem, please contact your "
	    "administrator, or the recipient by other means.", NULL },
	{ "4.2.2", "The mailbox remained full. Ask the recipient to free some "
	    "space, and then send the message again.", NULL },
	{ "4.4.3", "The mail servers of the domain could not be looked up. "
	    "Check the part of the address after the @ for typing errors, and "
	    "send the message again later.",
	    "The outgoing mail server could not be looked up. Please contact "
	    "your administrator, and send the message again when the problem "
	    "is solved." },
	{ "4.4.", "The mail server of that address could not be reached, or "
	    "the connection was lost. The server may be out of service. Check "
	    "the part of the address after the @ for typing errors, contact "
	    "the recipient by other means, or send the message again later.",
	    "The outgoing mail server could not be reached, or the connection "
	    "was lost. Please contact your administrator, and send the message "
	    "again when the problem is solved." },
	{ "4.7.", "A secure connection could not be established, or "
	    "authentication failed. Please contact your administrator, and "
	    "send the message again when the problem is solved.", NULL },
	{ "4.", "Delivery was attempted until the message expired. Send the "
	    "message again when the problem above is solved.", NULL },
};

/* If the code has no advice of its own: by the source of the reason. */
static const char *
general_advice(enum source source)
{
	if (source == SOURCE_SERVER)
		return "If the reply of the server does not help, contact the "
		    "recipient by other means, or your administrator.";
	if (source == SOURCE_COMMAND)
		return "Mail for this address is given to a program, which "
		    "rejected the message. If the reason above does not help, "
		    "contact the owner of the address by other means.";
	return "If the reason above does not help, please contact your "
	    "administrator.";
}

static const char *
advice(const struct conf *conf, const struct result *res)
{
	size_t i, n;

	for (i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		n = strlen(advices[i].code);
		/* All of it, unless it ends in a dot. */
		if (strncmp(res->code, advices[i].code,
		    n + (advices[i].code[n - 1] != '.')) != 0)
			continue;
		return conf->relays.n > 0 && advices[i].by_relay != NULL ?
		    advices[i].by_relay : advices[i].text;
	}
	return general_advice(res->source);
}

static void
add_reason(struct buf *b, const struct recipient *r)
{
	if (bounce_has_reason(&r->last))
		result_put_reason(b, &r->last);
	else
		buf_puts(b, "no reason is known");
}

/* An address as other hosts use it: with its domain. */
static void
put_name(struct buf *b, const struct bounce *t, const char *address)
{
	struct buf full;
	size_t n;

	buf_init(&full, 0);
	names_put_qualified(&full, &t->conf->names, address);
	n = full.len < ADDRESS_SHOWN ? full.len : ADDRESS_SHOWN;
	buf_putc(b, '<');
	if (addr_is_utf8(buf_str(&full), n))
		buf_add(b, full.data, n);
	else
		buf_put_clean(b, full.data, n, ADDRESS_SHOWN);
	buf_putc(b, '>');
	buf_fini(&full);
}

/* "2 days": in the largest unit of which it has one. */
static void
put_duration(struct buf *b, int64_t seconds)
{
	static const struct { const char *name; int64_t seconds; } units[] = {
		{ "day", 86400 }, { "hour", 3600 }, { "minute", 60 }
	};
	size_t i = 0;
	int64_t n;

	while (i < 2 && seconds < units[i].seconds)
		i++;
	n = seconds < 0 ? 0 : seconds / units[i].seconds;
	buf_printf(b, "%" PRId64 " %s%s", n, units[i].name, n == 1 ? "" : "s");
}

static void
put_expired(struct buf *b, const struct bounce *t, const struct recipient *r)
{
	buf_puts(b, "expired after ");
	put_duration(b, t->now - t->m->arrived);
	buf_printf(b, " and %u %s; %s", r->attempts, r->attempts == 1 ?
	    "attempt" : "attempts", bounce_has_reason(&r->last) ?
	    "last reply: " : "");
}

/* No more of a reply than can be read at a glance. */
static void
cut_reason(struct buf *reason)
{
	if (reason->len <= REASON_SHOWN)
		return;
	reason->len = REASON_SHOWN;
	while (reason->len > 0 && reason->data[reason->len - 1] != ' ' &&
	    REASON_SHOWN - reason->len < FOLD_WIDTH)
		reason->len--;
	/* Not in the middle of a character. */
	while (reason->len > 0 &&
	    (unsigned char)reason->data[reason->len - 1] >= 0x80)
		reason->len--;
	buf_puts(reason, "[...]");
}

static void
put_reason(struct buf *b, const struct bounce *t, uint32_t i)
{
	const struct recipient *r = &t->m->rcpts[i];
	enum action action = bounce_action(t, i);
	struct buf reason;

	buf_init(&reason, 0);
	/* A temporary failure: it was retried until it expired. */
	if (action == ACTION_FAILED && r->last.code[0] == '4')
		put_expired(&reason, t, r);
	add_reason(&reason, r);
	cut_reason(&reason);
	buf_put_folded(b, buf_str(&reason), INDENT, INDENT);
	if (action == ACTION_FAILED) {
		buf_putc(b, '\n');
		buf_put_folded(b, advice(t->conf, &r->last), INDENT, INDENT);
	}
	buf_fini(&reason);
}

static void
put_person(struct buf *b, const struct bounce *t, uint32_t i)
{
	const char *address = message_address(t->m, i);
	const char *original = message_first(t->m, i)->address;

	buf_putc(b, '\n');
	put_name(b, t, address);
	if (strcmp(original, address) != 0) {
		buf_puts(b, " (from ");
		put_name(b, t, original);
		buf_putc(b, ')');
	}
	buf_puts(b, bounce_has_arrived(bounce_action(t, i)) ? "\n" : ":\n");
	if (!bounce_has_arrived(bounce_action(t, i)))
		put_reason(b, t, i);
}

static void
put_intro(struct buf *b, const struct bounce *t)
{
	struct buf words;

	buf_init(&words, 0);
	buf_printf(&words, "This is the mail system at %s. This report is "
	    "about %s of ", t->conf->names.mailname,
	    bounce_is_orphan(t) ? "a message" :
	    bounce_is_for_owner(t) ? "a message to your mailing list" :
	    "your message");
	bounce_put_date(&words, "", t->m->arrived, " (queue id ");
	buf_printf(&words, "%s).", t->m->id);
	buf_put_folded(b, buf_str(&words), "", "");
	buf_fini(&words);
}

void
bounce_text_put(struct buf *b, const struct bounce *t)
{
	enum action action;
	uint32_t i;

	put_intro(b, t);
	for (action = ACTION_FAILED; action < NACTIONS; action++) {
		if (bounce_count(t, action) == 0)
			continue;
		buf_putc(b, '\n');
		buf_put_folded(b, bounce_is_orphan(t) ? ORPHAN_INTRO :
		    bounce_is_for_owner(t) ? OWNER_INTRO : intros[action], "",
		    "");
		if (action == ACTION_DELAYED)
			bounce_put_date(b, "The message will be returned to "
			    "you if it has not been delivered by\n",
			    bounce_expires(t), ".\n");
		for (i = 0; i < t->m->nrcpts; i++)
			if (bounce_action(t, i) == action)
				put_person(b, t, i);
	}
}
