/*
 * content.c - the text of a message as one server accepts it.
 * Runs as: the spool user, in dma-remote.  Uses: the message file.
 * Promise: what is announced is what is sent; a host that offers no 8BITMIME
 * gets no byte above 127; what fits goes out as it is, without a look at it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/result.h"
#include "lib/smtp_reply.h"
#include "net/content.h"
#include "net/idn.h"

#define CHUNK		32768	/* bytes of a message read at once */
#define TURN_CHUNKS	16	/* looked at before the others' turn */

void
content_init(struct content *c)
{
	memset(c, 0, sizeof(*c));
	buf_init(&c->text, 0);
	mail_wire_init(&c->wire, 1);
}

void
content_fini(struct content *c)
{
	mime_fini(&c->mime);
	mail_wire_fini(&c->wire);
	buf_fini(&c->text);
	c->request = NULL;
}

static void
start(struct content *c, struct request *r, int stuff)
{
	content_fini(c);
	mail_wire_init(&c->wire, stuff);
	c->request = r;
	c->at = 0;
	c->use = CONTENT_AS_IT_IS;
	c->mime.trouble = NULL;
}

void
content_begin(struct content *c, struct request *r, int stuff)
{
	start(c, r, stuff);
	if (!r->fit.is_encoded)
		return;
	c->use = CONTENT_ENCODE;
	mime_write(&c->mime, r->fit.plan, r->fit.lacks, idn_domain);
}

/* A chunk through the parts to the wire; in a scan nowhere. */
static void
put_chunk(struct content *c, const char *p, size_t n, struct buf *out)
{
	int is_last = c->at == c->request->text.length;

	if (c->use != CONTENT_AS_IT_IS) {
		buf_reset(&c->text);
		mime_text(&c->mime, p, n, &c->text);
		if (is_last)
			mime_end(&c->mime, &c->text);
		p = buf_str(&c->text);
		n = c->text.len;
	}
	if (c->use == CONTENT_SCAN)
		return;
	mail_wire(&c->wire, p, n, out);
	if (is_last)
		mail_wire_end(&c->wire, out);
}

int
content_next(struct content *c, struct buf *out)
{
	const struct request *r = c->request;
	char chunk[CHUNK];
	size_t n;

	n = r->text.length - c->at < CHUNK ? (size_t)(r->text.length - c->at) :
	    CHUNK;
	if (io_pread_all(r->text.fd, chunk, n,
	    (off_t)(r->text.offset + c->at)) == -1)
		return -1;
	c->at += n;
	put_chunk(c, chunk, n, out);
	if (buf_failed(out) || buf_failed(&c->text) ||
	    buf_failed(&c->wire.line)) {
		errno = ENOMEM;
		return -1;
	}
	return c->at < r->text.length;
}

/* 1 when the header may go as it is: with SMTPUTF8, which is for UTF-8. */
static int
has_utf8(const struct request *r, unsigned offers)
{
	return (~offers & (SMTP_OFFERS_8BITMIME | SMTP_OFFERS_SMTPUTF8)) == 0 &&
	    (r->flags & MESSAGE_UTF8_HEADER) != 0;
}

/*
 * What of this message such a server does not accept: MIME_NO_*.  SMTPUTF8 is
 * not asked for because it is there: the next host may lack it.
 */
static unsigned
lacks_of(const struct request *r, unsigned offers)
{
	unsigned lacks = 0;

	if ((r->flags & (MESSAGE_8BIT_BODY | MESSAGE_8BIT_HEADER)) != 0 &&
	    (offers & SMTP_OFFERS_8BITMIME) == 0)
		lacks |= MIME_NO_8BIT;
	if ((r->flags & MESSAGE_8BIT_HEADER) != 0 &&
	    (r->fit.utf8 == FIT_UTF8_NONE || !has_utf8(r, offers)))
		lacks |= MIME_NO_8BIT_HEADER;
	/* Nobody would learn that a report cannot be sent. */
	if (lacks != 0 && r->sender[0] == '\0' && !has_utf8(r, offers))
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
	/* If it is not as it was, nothing in it asks for SMTPUTF8. */
	if ((r->fit.lacks & MIME_NO_8BIT_HEADER) != 0 &&
	    r->fit.utf8 == FIT_UTF8_NEEDED)
		r->fit.utf8 = FIT_UTF8_ASKED;
	r->mail.flags = flags;
	r->mail.size_bytes = size_bytes;
	r->fit.stage = FIT_DONE;
}

static int
start_measure(struct content *c)
{
	c->request->fit.stage = FIT_MEASURE;
	c->request->fit.size_bytes = 0;
	c->request->fit.has_8bit = 0;
	content_begin(c, c->request, 0);	/* SIZE counts no dots */
	return 0;
}

/* 1, 0, -1 as content_prepare(). */
static int
first_look(struct content *c, struct request *r, unsigned offers,
    struct result *reason)
{
	struct fit *fit = &r->fit;

	start(c, r, 0);
	fit->offers = offers;
	fit->lacks = lacks_of(r, offers);
	fit->is_encoded = 0;
	if (fit->lacks == 0 && (r->flags & (MESSAGE_LONG_LINES |
	    MESSAGE_HAS_NUL | MESSAGE_HAS_CR)) == 0) {
		announce(r, r->text.length + r->text.lines);
		return 1;
	}
	if (fit->lacks == 0 && (r->flags & MESSAGE_LONG_LINES) == 0)
		return start_measure(c);
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
		return start_measure(c);
	}
	fit->stage = FIT_SCAN;
	c->use = CONTENT_SCAN;
	mime_scan(&c->mime, fit->plan);
	return 0;
}

static int
judge_scan(struct content *c, struct result *reason)
{
	struct fit *fit = &c->request->fit;
	const char *trouble;
	int is_needless;

	trouble = mime_verdict(fit->plan, fit->lacks, &is_needless);
	if (trouble != NULL)
		return result_set(reason, STATUS_FAILED, "5.6.3",
		    "the server does not offer 8BITMIME, and there is %s",
		    trouble);
	fit->is_encoded = !is_needless;
	return start_measure(c);
}

static int
judge_measure(struct content *c, struct result *reason)
{
	struct request *r = c->request;

	if (c->use == CONTENT_ENCODE && c->mime.trouble != NULL &&
	    r->fit.utf8 == FIT_UTF8_NONE && has_utf8(r, r->fit.offers)) {
		/* An address: the header cannot do without. */
		r->fit.utf8 = FIT_UTF8_NEEDED;
		return first_look(c, r, r->fit.offers, reason);
	}
	if (c->use == CONTENT_ENCODE && c->mime.trouble != NULL)
		return result_set(reason, STATUS_FAILED, "5.6.7",
		    "the field %s contains %s and requires a server that "
		    "offers SMTPUTF8",
		    c->mime.trouble_at, c->mime.trouble);
	announce(c->request, c->request->fit.size_bytes);
	return 1;
}

/* One chunk of a look: as content_prepare(). */
static int
look(struct content *c, struct result *reason)
{
	struct fit *fit = &c->request->fit;
	struct buf out;
	int ret;

	buf_init(&out, 0);
	ret = content_next(c, &out);
	fit->size_bytes += out.len;
	fit->has_8bit |= !text_is_ascii(buf_str(&out), out.len);
	buf_fini(&out);
	if (ret == -1)
		return result_set(reason, STATUS_DEFERRED, "4.3.0",
		    "cannot read the message: %s", strerror(errno));
	/* Whatever the parts look like: this is sure. */
	if (fit->has_8bit && (fit->offers & SMTP_OFFERS_8BITMIME) == 0 &&
	    c->mime.trouble == NULL)
		return result_set(reason, STATUS_FAILED, "5.6.3",
		    "the server does not offer 8BITMIME, and the message "
		    "cannot be encoded");
	if (ret == 1)
		return 0;
	return fit->stage == FIT_SCAN ? judge_scan(c, reason) :
	    judge_measure(c, reason);
}

int
content_prepare(struct content *c, struct request *r, unsigned offers,
    int is_utf8, struct result *reason)
{
	enum fit_utf8 utf8 = is_utf8 ? FIT_UTF8_ASKED : FIT_UTF8_NONE;
	int i, ret = 0;

	offers &= SMTP_OFFERS_8BITMIME | SMTP_OFFERS_SMTPUTF8;
	if (r->fit.utf8 == FIT_UTF8_NEEDED)
		utf8 = FIT_UTF8_NEEDED;
	/* The host may have taken back what it offered. */
	if (r->fit.offers != offers || r->fit.utf8 != utf8)
		r->fit.stage = FIT_NEW;
	r->fit.utf8 = utf8;
	if (r->fit.stage == FIT_DONE)
		return 1;
	if (c->request != r || r->fit.stage == FIT_NEW)
		ret = first_look(c, r, offers, reason);
	for (i = 0; i < TURN_CHUNKS && ret == 0; i++)
		ret = look(c, reason);
	if (ret != 0)
		c->request = NULL;
	return ret;
}
