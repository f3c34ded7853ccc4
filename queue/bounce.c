/*
 * bounce.c - reports: the statuses of recipients -> a new message (RFC 3464).
 * Runs as: the spool user.  Uses: the queue by spool.c.
 * Promise: each report is committed once.
 */
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "queue/bounce.h"
#include "queue/bounce_fields.h"
#include "queue/bounce_text.h"
#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "queue/own_mail.h"

#define HEADER_KEPT	65536		/* bytes of the original's header */
#define BODY_KEPT	(1024 * 1024)	/* bytes of an original as a whole */
#define MESSAGE_ID_MAX	250	/* bytes of one that is referred to */

/* ---- the original ---- */

/* RET is for reports of failure alone (RFC 3461 4.3). */
static int
is_full(const struct bounce *t)
{
	if (bounce_count(t, ACTION_FAILED) == 0 ||
	    t->m->text.length > BODY_KEPT)
		return 0;
	if (bounce_is_for_owner(t))
		return t->conf->retry.is_fullbounce;
	/* The postmaster needs all of a bounce: the original is inside. */
	if (bounce_is_orphan(t) || t->m->ret == RET_FULL)
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

/* The value of a field that may be folded: bytes of <...>, or 0. */
static size_t
id_len(const char *p)
{
	size_t n = 1;

	if (*p != '<')
		return 0;
	while (p[n] > 0x20 && p[n] < 0x7f && p[n] != '<' && p[n] != '>')
		n++;
	return p[n] == '>' && n > 1 && n < MESSAGE_ID_MAX ? n + 1 : 0;
}

/* Lends the Message-ID of the original, or NULL with 0. */
static const char *
find_message_id(const struct buf *original, size_t *len)
{
	static const char name[] = "message-id:";
	const char *p = buf_str(original);

	*len = 0;
	while (p != NULL && *p != '\0' && *p != '\n') {
		if (text_ncasecmp(p, name, sizeof(name) - 1) == 0) {
			p = text_skip_blanks(p + sizeof(name) - 1);
			if (p[0] == '\n' && (p[1] == ' ' || p[1] == '\t'))
				p = text_skip_blanks(p + 1);
			*len = id_len(p);
			return *len == 0 ? NULL : p;
		}
		p = strchr(p, '\n');
		if (p != NULL)
			p++;
	}
	return NULL;
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
	if (bounce_count(t, ACTION_FAILED) == 0)
		return "Mail was delivered or relayed";
	return bounce_is_orphan(t) ? "Undeliverable report" :
	    "Mail could not be delivered";
}

/* So that it is shown with the original (RFC 3834 3.1.6). */
static void
put_references(struct buf *b, const struct buf *original)
{
	size_t n;
	const char *id = find_message_id(original, &n);

	if (id != NULL)
		buf_printf(b, "In-Reply-To: %.*s\nReferences: %.*s\n", (int)n,
		    id, (int)n, id);
}

static void
put_header(struct buf *b, const struct bounce *t, const char *to,
    const struct buf *original, int has_8bit)
{
	const struct own_mail own = { t->conf, t->id, to, subject(t),
	    "auto-replied", t->now };

	own_mail_put_header(b, &own);
	put_references(b, original);
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
	bounce_text_put(&text, t);
	bounce_fields_put(&status, t);
	read_original(&original, t->m, full);
	put_header(b, t, to, &original, is_8bit(&text) || is_8bit(&original));
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

/*
 * To whom it goes.  A copy for BOUNCE_TO is a recipient of the same message:
 * one commit for both.  Only the failure of the first is reported in turn.
 */
static int
add_recipients(struct message *report, const struct bounce *t, const char *to)
{
	const char *copy = t->conf->retry.bounce_to;
	struct recipient *r = message_add(report, to);

	if (r == NULL)
		return -1;
	/* Reports of success and of delay are no loss. */
	if (bounce_count(t, ACTION_FAILED) == 0) {
		r->notify = NOTIFY_NEVER;
		return 0;
	}
	if (copy == NULL || bounce_is_orphan(t) ||
	    names_same(&t->conf->names, NULL, to, copy))
		return 0;
	r = message_add(report, copy);
	if (r == NULL)
		return -1;
	r->notify = NOTIFY_NEVER;
	return 0;
}

enum bounced
bounce_commit(const struct conf *conf, const struct spool *sp,
    const struct message *m, int is_delay, time_t now, struct result *res)
{
	const struct bounce t = { conf, m, is_delay ? m->sender :
	    message_sender(m, m->reports.bounce_of), is_delay ?
	    m->reports.warn_id : m->reports.bounce_id, now, is_delay };
	const char *to = bounce_is_orphan(&t) ? "postmaster" : t.sender;
	enum bounced ret = BOUNCE_LATER;
	struct message report;
	size_t header;
	struct buf b;

	if (m->text.flags & MESSAGE_DOUBLE_BOUNCE)
		return BOUNCE_IMPOSSIBLE;
	message_init(&report);
	report.arrived = now;
	/* Whose turn it counts for, and who sees and commands it: the owner of
	 * a list must not lose it to the sender. */
	report.submitter = bounce_is_for_owner(&t) ? geteuid() : m->submitter;
	buf_init(&b, 0);
	header = build(&b, &t, to);
	if (add_recipients(&report, &t, to) == -1)
		b.failed = 1;
	if (bounce_is_orphan(&t))
		report.text.flags |= MESSAGE_DOUBLE_BOUNCE;
	if (own_mail_commit(sp, t.id, &report, &b, header, res) == 0)
		ret = BOUNCED;
	message_fini(&report);
	buf_fini(&b);
	return ret;
}
