/*
 * content.c - the text of a message as one host can take it.
 * Runs as: the spool user, in the remote branch.  Uses: the message file.
 * Promise: what is announced is what is sent; a host that offers no 8BITMIME
 * gets no octet above 127; what fits goes out as it is, without a look at it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/content.h"
#include "lib/io.h"
#include "lib/smtp.h"
#include "lib/result.h"

#define CHUNK		32768	/* octets of a message read at once */
#define TURN_CHUNKS	16	/* looked at before the others' turn */

void
content_init(struct body *b)
{
	memset(b, 0, sizeof(*b));
	buf_init(&b->text, 0);
	mail_wire_init(&b->wire, 1);
}

void
content_fini(struct body *b)
{
	mime_fini(&b->mime);
	mail_wire_fini(&b->wire);
	buf_fini(&b->text);
	b->request = NULL;
}

static void
start(struct body *b, struct request *r, int stuff)
{
	content_fini(b);
	mail_wire_init(&b->wire, stuff);
	b->request = r;
	b->at = 0;
	b->is_scan = 0;
	b->is_encoded = 0;
	b->mime.trouble = NULL;
}

static void
begin(struct body *b, struct request *r, int stuff)
{
	start(b, r, stuff);
	b->is_encoded = r->fit.is_encoded;
	if (b->is_encoded)
		mime_write(&b->mime, r->fit.plan, r->fit.lacks);
}

void
content_begin(struct body *b, struct request *r)
{
	begin(b, r, 1);
}

/* A chunk through the parts to the wire; in a scan not to the wire. */
static void
put_chunk(struct body *b, const char *p, size_t n, struct buf *out)
{
	int is_last = b->at == b->request->text.length;

	if (b->is_encoded || b->is_scan) {
		buf_reset(&b->text);
		mime_text(&b->mime, p, n, &b->text);
		if (is_last)
			mime_end(&b->mime, &b->text);
		p = buf_str(&b->text);
		n = b->text.len;
	}
	if (b->is_scan)
		return;
	mail_wire(&b->wire, p, n, out);
	if (is_last)
		mail_wire_end(&b->wire, out);
}

int
content_next(struct body *b, struct buf *out)
{
	const struct request *r = b->request;
	char chunk[CHUNK];
	size_t n;

	n = r->text.length - b->at < CHUNK ? (size_t)(r->text.length - b->at) :
	    CHUNK;
	if (io_pread_all(r->text.fd, chunk, n,
	    (off_t)(r->text.offset + b->at)) ==
	    -1)
		return -1;
	b->at += n;
	put_chunk(b, chunk, n, out);
	if (buf_failed(out) || buf_failed(&b->text) ||
	    buf_failed(&b->wire.line)) {
		errno = ENOMEM;
		return -1;
	}
	return b->at < r->text.length;
}

/* What of this message such a host can not take: MIME_NO_*. */
static unsigned
lacks_of(const struct request *r, unsigned offers)
{
	int has_8bit = (offers & SMTP_OFFERS_8BITMIME) != 0;
	int has_utf8 = has_8bit && (offers & SMTP_OFFERS_SMTPUTF8) != 0;
	unsigned lacks = 0;

	if ((r->flags & (MESSAGE_8BIT_BODY | MESSAGE_8BIT_HEADER)) != 0 &&
	    !has_8bit)
		lacks |= MIME_NO_8BIT;
	if ((r->flags & MESSAGE_8BIT_HEADER) != 0 &&
	    (!has_utf8 || (r->flags & MESSAGE_UTF8_HEADER) == 0))
		lacks |= MIME_NO_8BIT_HEADER;
	/* Nobody would be told of a report that can not be sent. */
	if (lacks != 0 && r->sender[0] == '\0')
		lacks |= MIME_AT_ANY_COST;
	return lacks;
}

static void
announce(struct request *r, uint64_t size_bytes)
{
	unsigned flags = r->flags;

	if (r->fit.is_encoded)
		flags &= ~(unsigned)(MESSAGE_8BIT_BODY | MESSAGE_SAID_8BIT);
	if (r->fit.is_encoded && r->fit.has_8bit)
		flags |= MESSAGE_8BIT_BODY;
	if ((r->fit.lacks & MIME_NO_8BIT_HEADER) != 0)
		flags &= ~(unsigned)MESSAGE_8BIT_HEADER;
	r->mail.flags = flags;
	r->mail.size_bytes = size_bytes;
	r->fit.stage = FIT_DONE;
}

static int
start_measure(struct body *b)
{
	b->request->fit.stage = FIT_MEASURE;
	b->request->fit.size_bytes = 0;
	b->request->fit.has_8bit = 0;
	begin(b, b->request, 0);	/* SIZE counts no dots */
	return 0;
}

/* 1, 0, -1 as content_prepare(). */
static int
first_look(struct body *b, struct request *r, unsigned offers,
    struct result *reason)
{
	struct fit *fit = &r->fit;

	start(b, r, 0);
	fit->offers = offers;
	fit->lacks = lacks_of(r, offers);
	fit->is_encoded = 0;
	if (fit->lacks == 0 && (r->flags & (MESSAGE_LONG_LINES |
	    MESSAGE_HAS_NUL | MESSAGE_HAS_CR)) == 0) {
		announce(r, r->text.length + r->text.lines);
		return 1;
	}
	if (fit->lacks == 0 && (r->flags & MESSAGE_LONG_LINES) == 0)
		return start_measure(b);
	if (fit->plan == NULL)
		fit->plan = malloc(sizeof(*fit->plan));
	if (fit->plan == NULL)
		return result_set(reason, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	if ((fit->lacks & MIME_NO_8BIT) == 0 &&
	    (r->flags & MESSAGE_LONG_LINES) == 0) {
		/* The header alone: a plan that does nothing to the parts. */
		memset(fit->plan, 0, sizeof(*fit->plan));
		fit->is_encoded = 1;
		return start_measure(b);
	}
	fit->stage = FIT_SCAN;
	b->is_scan = 1;
	mime_scan(&b->mime, fit->plan);
	return 0;
}

static int
judge_scan(struct body *b, struct result *reason)
{
	struct fit *fit = &b->request->fit;
	const char *trouble;
	int is_needless;

	trouble = mime_verdict(fit->plan, fit->lacks, &is_needless);
	if (trouble != NULL)
		return result_set(reason, STATUS_FAILED, "5.6.3",
		    "the server does not offer 8BITMIME, and there is %s",
		    trouble);
	fit->is_encoded = !is_needless;
	return start_measure(b);
}

static int
judge_measure(struct body *b, struct result *reason)
{
	if (b->is_encoded && b->mime.trouble != NULL)
		return result_set(reason, STATUS_FAILED, "5.6.7",
		    "the field %s contains %s and requires a server that "
		    "offers SMTPUTF8",
		    b->mime.trouble_at, b->mime.trouble);
	announce(b->request, b->request->fit.size_bytes);
	return 1;
}

/* One chunk of a look: as content_prepare(). */
static int
look(struct body *b, struct result *reason)
{
	struct fit *fit = &b->request->fit;
	struct buf out;
	int ret;

	buf_init(&out, 0);
	ret = content_next(b, &out);
	fit->size_bytes += out.len;
	fit->has_8bit |= !text_is_ascii(buf_str(&out), out.len);
	buf_fini(&out);
	if (ret == -1)
		return result_set(reason, STATUS_DEFERRED, "4.3.0",
		    "cannot read the message: %s", strerror(errno));
	/* Whatever the parts look like: this is sure. */
	if (fit->has_8bit && (fit->offers & SMTP_OFFERS_8BITMIME) == 0 &&
	    b->mime.trouble == NULL)
		return result_set(reason, STATUS_FAILED, "5.6.3",
		    "the server does not offer 8BITMIME, and the message "
		    "cannot be encoded");
	if (ret == 1)
		return 0;
	return fit->stage == FIT_SCAN ? judge_scan(b, reason) :
	    judge_measure(b, reason);
}

int
content_prepare(struct body *b, struct request *r, unsigned offers,
    struct result *reason)
{
	int i, ret = 0;

	if (r->fit.stage == FIT_DONE && r->fit.offers == offers)
		return 1;
	if (b->request != r || r->fit.stage == FIT_NEW ||
	    r->fit.stage == FIT_DONE)
		ret = first_look(b, r, offers, reason);
	for (i = 0; i < TURN_CHUNKS && ret == 0; i++)
		ret = look(b, reason);
	if (ret != 0)
		b->request = NULL;
	return ret;
}
