/*
 * bounce.c - reports: the statuses of recipients -> a new message (RFC 3464).
 * Runs as: the spool user.  Uses: the queue by spool.c.
 * Promise: each status that is owed is reported once, and only if it was
 * requested; no byte of a reply or an address can end a line or a part.
 */
#include <errno.h>
#include <string.h>

#include "queue/bounce.h"
#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/dsn.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "queue/route.h"

#define HEADER_KEPT	65536		/* bytes of the original's header */
#define BODY_KEPT	(1024 * 1024)	/* bytes of an original as a whole */
#define PAGE_WIDTH	72		/* columns of text for people */
#define WORD_MAX	512		/* bytes until a word is broken */
#define ADDRESS_SHOWN	900		/* bytes of an address in a line */
#define INDENT		"    "

/* One report. */
struct bounce {
	const struct conf	*conf;
	const struct message	*m;
	const char		*id;	/* of the report */
	time_t			 now;
	int			 is_delay;
};

static const struct {
	const char	*name;		/* RFC 3464 2.3.3 */
	char		 class;		/* RFC 3463 2 */
	const char	*intro;
} actions[] = {
	[ACTION_FAILED] = { "failed", '5',
	    "Your message could not be delivered to the following addresses. "
	    "No further attempts will be made." },
	[ACTION_DELAYED] = { "delayed", '4',
	    "Your message could not yet be delivered to the following "
	    "addresses. Delivery will be retried; you do not need to resend "
	    "the message." },
	[ACTION_DELIVERED] = { "delivered", '2',
	    "Your message was delivered to the following addresses." },
	[ACTION_RELAYED] = { "relayed", '2',
	    "Your message was relayed to the mail server of the following "
	    "addresses. This server does not report successful deliveries, so "
	    "you will receive another report only if delivery fails." },
	[ACTION_EXPANDED] = { "expanded", '2',
	    "Your message was sent to the members of the following lists. You "
	    "will receive another report only if delivery fails." },
};

#define ORPHAN_INTRO	\
	"A message without a sender address, most likely a report, could " \
	"not be delivered to the following addresses. No further attempts " \
	"will be made."

#define NACTIONS	(sizeof(actions) / sizeof(actions[0]))

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
	{ "5.2.3", "The message is too large for the mailbox.", NULL },
	{ "5.3.4", "The message is too large for the server.", NULL },
	{ "5.4.4", "There is no route to that domain. Check the part of the "
	    "address after the @ for typing errors.", NULL },
	{ "5.4.6", "A mail loop was found, or an alias or a .forward file "
	    "leads to too many addresses. Please contact your "
	    "administrator.", NULL },
	{ "5.6.7", "An address or a header field contains characters that the "
	    "receiving server does not support. Replace them by ASCII "
	    "characters, or ask the recipient for another address.", NULL },
	{ "5.7.", "The message was rejected for policy reasons; see the reply "
	    "above.", NULL },
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

/* ---- what is reported ---- */

static int
is_delayed(const struct recipient *r)
{
	return r->state == RCPT_OPEN && r->attempts > 0 &&
	    r->last.status == STATUS_DEFERRED && recipient_wants(r,
	    NOTIFY_DELAY);
}

/* Without a sender, the report goes to the postmaster. */
static int
is_orphan(const struct message *m)
{
	return m->sender[0] == '\0';
}

int
bounce_has_delay(const struct message *m)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts && !is_orphan(m); i++)
		if (is_delayed(&m->rcpts[i]))
			return 1;
	return 0;
}

static enum action
action_of(const struct bounce *t, uint32_t i)
{
	const struct recipient *r = &t->m->rcpts[i];

	if (t->is_delay)
		return is_delayed(r) ? ACTION_DELAYED : ACTION_NONE;
	return recipient_is_owed(r) ? r->action : ACTION_NONE;
}

/* There is no reason to give. */
static int
has_arrived(enum action action)
{
	return action == ACTION_DELIVERED || action == ACTION_EXPANDED;
}

static time_t
give_up_at(const struct bounce *t)
{
	return t->m->arrived + (time_t)t->conf->retry.lifetime_s;
}

static uint32_t
count(const struct bounce *t, enum action action)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->m->nrcpts; i++)
		n += action_of(t, i) == action;
	return n;
}

static void
put_date(struct buf *b, const char *before, time_t when, const char *after)
{
	char date[64];

	header_date(date, sizeof(date), when);
	buf_printf(b, "%s%s%s", before, date, after);
}

/* ---- for people ---- */

/* Fills a paragraph; no line can get too long for SMTP. */
static void
put_words(struct buf *b, const char *text, const char *first,
    const char *next)
{
	size_t column = 0, n;

	buf_puts(b, first);
	while (*text != '\0') {
		n = strcspn(text, " ");
		if (n > WORD_MAX)
			n = WORD_MAX;
		if (column > 0 && column + 1 + n > PAGE_WIDTH) {
			buf_printf(b, "\n%s", next);
			column = 0;
		} else if (column > 0) {
			buf_putc(b, ' ');
			column++;
		}
		buf_add(b, text, n);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	buf_putc(b, '\n');
}

static const char *
advice(const struct conf *conf, const char *code)
{
	size_t i, n;

	for (i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		n = strlen(advices[i].code);
		/* All of it, unless it ends in a dot. */
		if (strncmp(code, advices[i].code,
		    n + (advices[i].code[n - 1] != '.')) != 0)
			continue;
		return conf->relays.n > 0 && advices[i].by_relay != NULL ?
		    advices[i].by_relay : advices[i].text;
	}
	return "If the reason above does not help, please contact your "
	    "administrator.";
}

static int
has_reason(const struct result *res)
{
	return res->reason != NULL && res->reason[0] != '\0';
}

static void
add_reason(struct buf *b, const struct recipient *r)
{
	if (has_reason(&r->last))
		result_put_reason(b, &r->last);
	else
		buf_puts(b, "no reason is known");
}

static void
put_name(struct buf *b, const char *address)
{
	size_t n = strnlen(address, ADDRESS_SHOWN);

	buf_putc(b, '<');
	if (addr_is_utf8(address, n))
		buf_add(b, address, n);
	else
		buf_put_clean(b, address, n, ADDRESS_SHOWN);
	buf_putc(b, '>');
}

static void
put_reason(struct buf *b, const struct bounce *t, uint32_t i)
{
	const struct recipient *r = &t->m->rcpts[i];
	enum action action = action_of(t, i);
	struct buf reason;

	buf_init(&reason, 0);
	/* A temporary failure: it was retried until it expired. */
	if (action == ACTION_FAILED && r->last.code[0] == '4')
		buf_printf(&reason, "expired after %u %s; %s", r->attempts,
		    r->attempts == 1 ? "attempt" : "attempts",
		    has_reason(&r->last) ? "last reply: " : "");
	add_reason(&reason, r);
	put_words(b, buf_str(&reason), INDENT, INDENT);
	if (action == ACTION_FAILED)
		put_words(b, advice(t->conf, r->last.code), INDENT, INDENT);
	buf_fini(&reason);
}

static void
put_person(struct buf *b, const struct bounce *t, uint32_t i)
{
	const char *address = message_address(t->m, i);
	const char *original = message_first(t->m, i)->address;

	buf_putc(b, '\n');
	put_name(b, address);
	if (strcmp(original, address) != 0) {
		buf_puts(b, " (from ");
		put_name(b, original);
		buf_putc(b, ')');
	}
	buf_puts(b, has_arrived(action_of(t, i)) ? "\n" : ":\n");
	if (!has_arrived(action_of(t, i)))
		put_reason(b, t, i);
}

static void
put_text(struct buf *b, const struct bounce *t)
{
	enum action action;
	uint32_t i;

	buf_printf(b, "This is the mail system at %s. This report is about %s "
	    "of\n", t->conf->names.mailname, is_orphan(t->m) ? "a message" :
	    "your message");
	put_date(b, "", t->m->arrived, ".\n");
	for (action = ACTION_FAILED; action < NACTIONS; action++) {
		if (count(t, action) == 0)
			continue;
		buf_putc(b, '\n');
		put_words(b, is_orphan(t->m) ? ORPHAN_INTRO :
		    actions[action].intro, "", "");
		if (action == ACTION_DELAYED)
			put_date(b, "The message will be returned to you if "
			    "it has not been delivered by\n", give_up_at(t),
			    ".\n");
		for (i = 0; i < t->m->nrcpts; i++)
			if (action_of(t, i) == action)
				put_person(b, t, i);
	}
}

/* ---- for programs ---- */

static void
put_field(struct buf *b, const char *name, const char *type, const char *text)
{
	struct buf line;

	buf_init(&line, 0);
	buf_printf(&line, "%s: %s; %s", name, type, text);
	put_words(b, buf_str(&line), "", "\t");
	buf_fini(&line);
}

static void
put_diagnostic(struct buf *b, const struct result *res)
{
	const char *reason = has_reason(res) ? res->reason :
	    "no reason is known";

	if (res->source != SOURCE_SERVER) {
		put_field(b, "Diagnostic-Code", "X-dma", reason);
		return;
	}
	if (res->server != NULL)
		buf_printf(b, "Remote-MTA: dns; %.*s\n",
		    (int)strcspn(res->server, " ["), res->server);
	put_field(b, "Diagnostic-Code", "smtp", reason);
}

/* "type;address", in ASCII. */
static void
put_typed(struct buf *b, const char *name, const char *typed)
{
	buf_printf(b, "%s: ", name);
	if (strlen(typed) > ADDRESS_SHOWN || dsn_put_orcpt(b, typed, 0) == -1)
		buf_put_clean(b, typed, strlen(typed), ADDRESS_SHOWN);
	buf_putc(b, '\n');
}

static void
put_addresses(struct buf *b, const struct bounce *t, uint32_t i)
{
	struct buf typed;

	buf_init(&typed, 0);
	route_put_orcpt(&typed, &t->conf->names, t->m, i);
	put_typed(b, "Original-Recipient", buf_str(&typed));
	buf_reset(&typed);
	buf_puts(&typed, "rfc822;");
	names_put_qualified(&typed, &t->conf->names, message_address(t->m, i));
	put_typed(b, "Final-Recipient", buf_str(&typed));
	buf_fini(&typed);
}

/* The class of the code fits the action; an expired deferral keeps 4. */
static void
put_code(struct buf *b, const char *code, enum action action)
{
	size_t n = strspn(code, "0123456789.");
	char class = actions[action].class;

	if (n < 5 || code[n] != '\0' || code[1] != '.' ||
	    (code[0] != class && (action != ACTION_FAILED || code[0] != '4')))
		buf_printf(b, "Status: %c.0.0\n", class);
	else
		buf_printf(b, "Status: %s\n", code);
}

static void
put_program(struct buf *b, const struct bounce *t, uint32_t i)
{
	const struct recipient *r = &t->m->rcpts[i];
	enum action action = action_of(t, i);

	buf_putc(b, '\n');
	put_addresses(b, t, i);
	buf_printf(b, "Action: %s\n", actions[action].name);
	put_code(b, r->last.code, action);
	if (!has_arrived(action))
		put_diagnostic(b, &r->last);
	if (r->tried != 0)
		put_date(b, "Last-Attempt-Date: ", r->tried, "\n");
	if (action == ACTION_DELAYED)
		put_date(b, "Will-Retry-Until: ", give_up_at(t), "\n");
}

static void
put_status(struct buf *b, const struct bounce *t)
{
	uint32_t i;

	if (t->m->envid[0] != '\0')
		buf_printf(b, "Original-Envelope-Id: %s\n", t->m->envid);
	buf_printf(b, "Reporting-MTA: dns; %s\n", t->conf->names.mailname);
	put_date(b, "Arrival-Date: ", t->m->arrived, "\n");
	for (i = 0; i < t->m->nrcpts; i++)
		if (action_of(t, i) != ACTION_NONE)
			put_program(b, t, i);
}

/* ---- the original ---- */

/* RET is for reports of failure alone (RFC 3461 4.3). */
static int
is_full(const struct bounce *t)
{
	if (count(t, ACTION_FAILED) == 0 || t->m->text.length > BODY_KEPT)
		return 0;
	/* The postmaster needs all of a bounce: the original is inside. */
	if (is_orphan(t->m) || t->m->ret == RET_FULL)
		return 1;
	return t->conf->retry.is_fullbounce && t->m->ret == RET_UNSAID;
}

/* The original's header, or the whole of it; an unreadable one is omitted. */
static void
read_original(struct buf *b, const struct message *m, int full)
{
	size_t n, most = full ? BODY_KEPT : HEADER_KEPT;
	char *end;

	n = m->text.length < (int64_t)most ? (size_t)m->text.length : most;
	if (buf_space(b, n) == NULL ||
	    io_pread_all(m->fd, b->data + b->len, n, m->text.offset) == -1)
		return;
	buf_grown(b, n);
	if (full || n == 0)
		return;
	end = memmem(b->data, b->len, "\n\n", 2);
	if (end != NULL)
		b->len = (size_t)(end - b->data) + 1;
}

static int
is_8bit(const struct buf *b)
{
	return !text_is_ascii(buf_str(b), b->len);
}

/* An 8-bit header is UTF-8 (RFC 6532), or of an unknown charset. */
static const char *
original_type(const struct buf *b, int full)
{
	const char *end;
	size_t n = b->len;

	end = n == 0 ? NULL : memmem(b->data, n, "\n\n", 2);
	if (end != NULL)
		n = (size_t)(end - b->data);
	while (n > 0 && (unsigned char)b->data[n - 1] < 0x80)
		n--;
	if (n == 0 || !addr_is_utf8(b->data, n))
		return full ? "message/rfc822" : "text/rfc822-headers";
	return full ? "message/global" : "message/global-headers";
}

/* ---- the message ---- */

static const char *
subject(const struct bounce *t)
{
	if (t->is_delay)
		return "Mail delivery is delayed";
	if (count(t, ACTION_FAILED) == 0)
		return "Mail was delivered or relayed";
	return is_orphan(t->m) ? "Undeliverable report" :
	    "Mail could not be delivered";
}

static void
put_header(struct buf *b, const struct bounce *t, const char *to,
    int has_8bit)
{
	const char *host = t->conf->names.mailname;

	buf_printf(b, "Received: by %s (dma %s)\n\tid %s; ", host, DMA_VERSION,
	    t->id);
	put_date(b, "", t->now, "\n");
	put_date(b, "Date: ", t->now, "\n");
	buf_printf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\nTo: ",
	    host);
	names_put_qualified(b, &t->conf->names, to);
	buf_printf(b, "\nSubject: %s\n"
	    "Message-ID: <%s@%s>\n"
	    "Auto-Submitted: auto-replied\n"
	    "MIME-Version: 1.0\n", subject(t), t->id, host);
	if (has_8bit)
		buf_puts(b, "Content-Transfer-Encoding: 8bit\n");
	buf_printf(b, "Content-Type: multipart/report; "
	    "report-type=delivery-status;\n\tboundary=\"=_%s\"\n\n", t->id);
}

static void
put_part(struct buf *b, const struct bounce *t, const char *type,
    const struct buf *part)
{
	buf_printf(b, "--=_%s\nContent-Type: %s\n%s\n", t->id, type,
	    is_8bit(part) ? "Content-Transfer-Encoding: 8bit\n" : "");
	if (part->len > 0)
		buf_add(b, part->data, part->len);
	if (part->len == 0 || part->data[part->len - 1] != '\n')
		buf_putc(b, '\n');
	buf_putc(b, '\n');
	if (buf_failed(part))
		b->failed = 1;
}

/* Adds the whole message; gives the length of its header. */
static size_t
build(struct buf *b, const struct bounce *t, const char *to)
{
	struct buf original, status, text;
	int full = is_full(t);
	size_t header;

	buf_init(&text, 0);
	buf_init(&status, 0);
	buf_init(&original, 0);
	put_text(&text, t);
	put_status(&status, t);
	read_original(&original, t->m, full);
	put_header(b, t, to, is_8bit(&text) || is_8bit(&original));
	header = b->len;
	put_part(b, t, is_8bit(&text) ? "text/plain; charset=utf-8" :
	    "text/plain; charset=us-ascii", &text);
	put_part(b, t, "message/delivery-status", &status);
	put_part(b, t, original_type(&original, full), &original);
	buf_printf(b, "--=_%s--\n", t->id);
	buf_fini(&text);
	buf_fini(&status);
	buf_fini(&original);
	return header;
}

static void
set_facts(struct message *report, const struct buf *b, size_t header)
{
	struct mail_facts facts;

	memset(&facts, 0, sizeof(facts));
	facts.in_header = 1;
	mail_count(&facts, b->data, header);
	facts.in_header = 0;
	mail_count(&facts, b->data + header, b->len - header);
	report->text.lines = facts.lines;
	report->text.flags = facts.flags;
}

static enum bounced
write_report(const struct spool *sp, const char *id,
    const struct message *report, const struct buf *b, struct result *res)
{
	struct draft draft;
	enum bounced ret = BOUNCE_LATER;

	if (draft_begin(sp, &draft, id, res) == 0 &&
	    draft_write(&draft, buf_str(b), b->len, res) == 0 &&
	    draft_seal(&draft, report, res) == 0) {
		/* It exists: a kill came between it and our journal. */
		if (draft_publish(&draft, res) == 0 || errno == EEXIST)
			ret = BOUNCED;
	}
	draft_drop(&draft);
	return ret;
}

enum bounced
bounce_commit(const struct conf *conf, const struct spool *sp,
    const struct message *m, int is_delay, time_t now, struct result *res)
{
	const struct bounce t = { conf, m, is_delay ? m->reports.warn_id :
	    m->reports.bounce_id, now, is_delay };
	const char *to = is_orphan(m) ? "postmaster" : m->sender;
	enum bounced ret = BOUNCE_LATER;
	struct recipient *r;
	struct message report;
	size_t header;
	struct buf b;

	if (m->text.flags & MESSAGE_DOUBLE_BOUNCE)
		return BOUNCE_IMPOSSIBLE;
	message_init(&report);
	report.arrived = now;
	buf_init(&b, 0);
	r = message_add(&report, to);
	header = build(&b, &t, to);
	if (r == NULL || buf_failed(&b)) {
		result_set(res, STATUS_DEFERRED, "4.3.0", "out of memory");
	} else {
		set_facts(&report, &b, header);
		if (is_orphan(m))
			report.text.flags |= MESSAGE_DOUBLE_BOUNCE;
		/* Reports of success and of delay are no loss. */
		if (count(&t, ACTION_FAILED) == 0)
			r->notify = NOTIFY_NEVER;
		ret = write_report(sp, t.id, &report, &b, res);
	}
	message_fini(&report);
	buf_fini(&b);
	return ret;
}
