/*
 * bounce.c - failed recipients -> a new message from <> (RFC 3464).
 * Runs as: the spool user.  Door to: the queue by spool.c.
 * Promise: a failure is reported once, and never to nobody.
 */
#include <errno.h>
#include <string.h>

#include "bounce.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "route.h"

#define HEADER_KEPT	65536		/* octets of the original's header */
#define BODY_KEPT	(1024 * 1024)	/* octets with FULLBOUNCE */

static int
is_owed(const struct recipient *r)
{
	return r->state == RCPT_FAILED && !r->is_reported;
}

/* The original's header, or the whole of it; what can't be read is left out. */
static void
read_original(const struct message *m, size_t most, struct buf *b)
{
	size_t n;

	n = m->length < (int64_t)most ? (size_t)m->length : most;
	if (buf_space(b, n) == NULL ||
	    io_pread_all(m->fd, b->data + b->len, n, m->offset) == -1)
		return;
	buf_grown(b, n);
}

static const char *
advice(const char *code)
{
	if (strncmp(code, "5.1.", 4) == 0)
		return "Check the address for typing errors.";
	if (strcmp(code, "5.2.2") == 0)
		return "The mailbox is full; its owner has to make room.";
	if (strncmp(code, "5.3.4", 5) == 0)
		return "The message is too large for that host.";
	if (strncmp(code, "5.4.6", 5) == 0)
		return "Aliases or .forward files lead in a circle; the "
		    "administrator has to break it.";
	if (strncmp(code, "5.7.", 4) == 0)
		return "The message was refused by a rule; its reply above "
		    "says which.";
	if (strncmp(code, "4.", 2) == 0)
		return "It was tried until its time ran out. Send it again "
		    "once the trouble above is gone.";
	return "The reply above says why.";
}

static void
put_header(struct buf *b, const struct conf *conf, const struct message *m,
    const char *to, time_t now)
{
	char date[64];

	mail_date(date, sizeof(date), now);
	buf_printf(b, "Received: by %s (dma %s)\n\tid %s; %s\n",
	    conf->mailname, DMA_VERSION, m->bounce_id, date);
	buf_printf(b, "Date: %s\n"
	    "From: Mail Delivery System <MAILER-DAEMON@%s>\n"
	    "To: %s\n"
	    "Subject: %s\n"
	    "Message-ID: <%s@%s>\n"
	    "Auto-Submitted: auto-replied\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"=_%s\"\n\n",
	    date, conf->mailname, to, m->sender[0] == '\0' ?
	    "Undeliverable bounce" : "Mail could not be delivered",
	    m->bounce_id, conf->mailname, m->bounce_id);
}

static void
put_text(struct buf *b, const struct conf *conf, const struct message *m)
{
	const struct recipient *r;
	const char *address;
	uint32_t i;

	buf_printf(b, "--=_%s\nContent-Type: text/plain; charset=us-ascii\n\n"
	    "This is the mail system at %s.\n\n"
	    "Your message could not be delivered to the following addresses\n"
	    "and will not be tried again.\n", m->bounce_id, conf->mailname);
	for (i = 0; i < m->nrcpts; i++) {
		r = &m->rcpts[i];
		if (!is_owed(r))
			continue;
		buf_puts(b, "\n<");
		address = route_address(m, i);
		buf_put_clean(b, address, strlen(address), WHY_MAX);
		buf_puts(b, ">");
		if (strcmp(route_original(m, i), address) != 0) {
			buf_puts(b, " (from <");
			buf_put_clean(b, route_original(m, i),
			    strlen(route_original(m, i)), WHY_MAX);
			buf_puts(b, ">)");
		}
		buf_printf(b, ":\n    %s\n    %s\n", r->last.why == NULL ?
		    "unknown reason" : r->last.why, advice(r->last.code));
	}
	buf_puts(b, "\n");
}

/* "host[address] said: 550 no" is a server's word, all else is ours. */
static void
put_diagnostic(struct buf *b, const char *why)
{
	static const char said[] = " said: ";
	const char *p;
	size_t host;

	p = strstr(why, said);
	host = strcspn(why, " [");
	if (p == NULL || host == 0 || strcspn(why, " ") != (size_t)(p - why)) {
		buf_printf(b, "Diagnostic-Code: X-dma; %s\n", why);
		return;
	}
	buf_printf(b, "Remote-MTA: dns; %.*s\nDiagnostic-Code: smtp; %s\n",
	    (int)host, why, p + sizeof(said) - 1);
}

static void
put_status(struct buf *b, const struct conf *conf, const struct message *m)
{
	char date[64];
	const struct recipient *r;
	const char *address;
	uint32_t i;

	mail_date(date, sizeof(date), m->arrived);
	buf_printf(b, "--=_%s\nContent-Type: message/delivery-status\n\n"
	    "Reporting-MTA: dns; %s\nArrival-Date: %s\n", m->bounce_id,
	    conf->mailname, date);
	for (i = 0; i < m->nrcpts; i++) {
		r = &m->rcpts[i];
		if (!is_owed(r))
			continue;
		buf_puts(b, "\nOriginal-Recipient: rfc822; ");
		buf_put_clean(b, route_original(m, i),
		    strlen(route_original(m, i)), WHY_MAX);
		buf_puts(b, "\nFinal-Recipient: rfc822; ");
		address = route_address(m, i);
		buf_put_clean(b, address, strlen(address), WHY_MAX);
		/* A report of failure has class 5, whatever the last reply. */
		buf_printf(b, "\nAction: failed\nStatus: %s\n",
		    r->last.code[0] == '5' ? r->last.code : "5.4.7");
		put_diagnostic(b, r->last.why == NULL ? "unknown" :
		    r->last.why);
	}
	buf_puts(b, "\n");
}

static void
put_original(struct buf *b, const struct conf *conf, const struct message *m)
{
	struct buf text;
	char *end;
	int full;

	/* Of a bounce the postmaster needs all: what it was about is inside. */
	full = (conf->is_fullbounce || m->sender[0] == '\0') &&
	    m->length <= BODY_KEPT;
	buf_init(&text, 0);
	read_original(m, full ? BODY_KEPT : HEADER_KEPT, &text);
	if (!full && text.len > 0) {
		end = memmem(text.data, text.len, "\n\n", 2);
		if (end != NULL)
			text.len = (size_t)(end - text.data) + 1;
	}
	buf_printf(b, "--=_%s\nContent-Type: %s\n\n", m->bounce_id, full ?
	    "message/rfc822" : "text/rfc822-headers");
	if (text.len > 0)
		buf_add(b, text.data, text.len);
	if (b->len > 0 && b->data != NULL && b->data[b->len - 1] != '\n')
		buf_putc(b, '\n');
	buf_printf(b, "\n--=_%s--\n", m->bounce_id);
	buf_fini(&text);
}

static void
build(struct buf *b, const struct conf *conf, const struct message *m,
    const char *to, time_t now, struct message *report)
{
	struct mail_facts facts;
	size_t header;

	memset(&facts, 0, sizeof(facts));
	put_header(b, conf, m, to, now);
	header = b->len;
	put_text(b, conf, m);
	put_status(b, conf, m);
	put_original(b, conf, m);
	if (buf_failed(b))
		return;
	facts.in_header = 1;
	mail_count(&facts, b->data, header);
	facts.in_header = 0;
	mail_count(&facts, b->data + header, b->len - header);
	report->lines = facts.lines;
	report->flags = facts.has_8bit_body ? MESSAGE_8BIT_BODY : 0;
	if (facts.has_8bit_header)
		report->flags |= MESSAGE_8BIT_HEADER;
	if (facts.has_nul)
		report->flags |= MESSAGE_HAS_NUL;
	if (facts.has_long_line)
		report->flags |= MESSAGE_LONG_LINES;
}

static enum bounced
write_report(const struct spool *sp, const struct message *m,
    const struct message *report, const struct buf *b, struct result *res)
{
	struct draft draft;
	enum bounced ret = BOUNCE_LATER;

	if (draft_begin(sp, &draft, m->bounce_id, res) == 0 &&
	    draft_write(&draft, buf_str(b), b->len, res) == 0 &&
	    draft_seal(&draft, report, res) == 0) {
		/* There already: a kill came between it and our note. */
		if (draft_publish(&draft, res) == 0 || errno == EEXIST)
			ret = BOUNCED;
	}
	draft_drop(&draft);
	return ret;
}

enum bounced
bounce_commit(const struct conf *conf, const struct spool *sp,
    const struct message *m, time_t now, struct result *res)
{
	struct message report;
	enum bounced ret = BOUNCE_LATER;
	const char *to = m->sender;
	struct buf b;

	if (m->flags & MESSAGE_DOUBLE_BOUNCE)
		return BOUNCE_IMPOSSIBLE;
	message_init(&report);
	report.arrived = now;
	if (to[0] == '\0')
		to = "postmaster";
	buf_init(&b, 0);
	if (message_add(&report, to) != NULL) {
		build(&b, conf, m, to, now, &report);
		if (m->sender[0] == '\0')
			report.flags |= MESSAGE_DOUBLE_BOUNCE;
	}
	if (report.nrcpts == 0 || buf_failed(&b))
		result_set(res, FATE_RETRY, "4.3.0", "out of memory");
	else
		ret = write_report(sp, m, &report, &b, res);
	message_fini(&report);
	buf_fini(&b);
	return ret;
}
