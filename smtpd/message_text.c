/*
 * message_text.c - the text of a message on its way to the modules.
 *
 * Runs as: a child.
 * Uses: nothing of the system.
 * Promise: no more of a text is kept than one header field, and that only if a
 * module wants to see fields.  Once a text is refused, no module sees more of
 * it.
 */
#include <stdlib.h>
#include <string.h>

#include "smtpd/message_text.h"

void
message_text_begin(struct smtpd_session *s, enum smtp_data_form form)
{
	struct incoming_text *x = &s->text;

	message_text_fini(s);
	smtp_data_init(&x->data, form, netset_has(
	    &s->host->conf->normalize_from, &s->client.addr));
	buf_init(&x->field, SMTPD_HEADER_MAX);
	for (size_t i = 0; i < s->host->nmodules; i++)
		if (s->host->modules[i].hooks->header != NULL)
			x->is_in_header = 1;
}

void
message_text_fini(struct smtpd_session *s)
{
	free(s->text.refusal);
	buf_fini(&s->text.field);
	memset(&s->text, 0, sizeof(s->text));
}

/* 1 while modules are to see the text. */
static int
is_wanted(const struct smtpd_session *s)
{
	return s->text.verdict == SMTPD_PASS && !s->text.is_oversize &&
	    s->mail == MAIL_WITH_MODULES && s->transaction.nrecipients > 0;
}

static void
take_verdict(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	switch (verdict) {
	case SMTPD_TEMPORARY:
	case SMTPD_PERMANENT:
		s->text.verdict = verdict;
		break;
	case SMTPD_DROP:
		s->mail = MAIL_DROPPED;
		break;
	default:
		break;
	}
}

void
message_text_pass(struct smtpd_session *s, size_t module, const char *bytes,
    size_t len)
{
	struct smtpd_host *h = s->host;

	for (; module < h->nmodules && is_wanted(s); module++) {
		const struct module *m = &h->modules[module];

		if (m->hooks->body == NULL)
			continue;
		host_enter(h, m);
		take_verdict(s, m->hooks->body(m->self, s, bytes, len));
		host_leave(h);
		/* It called smtpd_emit() with what the others are to see. */
		if (m->hooks->modifies_body)
			break;
	}
}

static void
show_field(struct smtpd_session *s)
{
	struct smtpd_host *h = s->host;
	struct buf *field = &s->text.field;
	size_t len = field->len;

	if (len >= 2 && field->data[len - 2] == '\r')
		len -= 2;
	for (size_t i = 0; i < h->nmodules && len > 0 && is_wanted(s); i++) {
		const struct module *m = &h->modules[i];

		if (m->hooks->header == NULL)
			continue;
		host_enter(h, m);
		take_verdict(s, m->hooks->header(m->self, s, field->data, len));
		host_leave(h);
	}
	buf_reset(field);
}

/* Gathers fields: one ends where a line begins that does not continue it. */
static void
collect_fields(struct smtpd_session *s, const char *p, size_t n)
{
	struct incoming_text *x = &s->text;

	while (n > 0 && x->is_in_header) {
		const char *lf = memchr(p, '\n', n);
		size_t len = lf != NULL ? (size_t)(lf - p) + 1 : n;
		int is_new_line = x->field.len == 0 ||
		    x->field.data[x->field.len - 1] == '\n';

		if (is_new_line && !text_is_blank(*p))
			show_field(s);
		buf_add(&x->field, p, len);
		x->header_bytes += len;
		if (x->header_bytes > SMTPD_HEADER_MAX ||
		    buf_failed(&x->field) ||
		    (x->field.len == 2 && x->field.data[0] == '\r')) {
			x->is_in_header = 0;
			buf_fini(&x->field);
		}
		p += len;
		n -= len;
	}
}

size_t
message_text_take(struct smtpd_session *s, const char *bytes, size_t n)
{
	struct incoming_text *x = &s->text;
	struct buf *decoded = &s->host->decoded;
	size_t taken;

	buf_reset(decoded);
	taken = smtp_data_take(&x->data, bytes, n, decoded);
	if (x->data.size_bytes > s->host->conf->limits.max_size_bytes)
		x->is_oversize = 1;
	if (buf_failed(decoded) && x->verdict == SMTPD_PASS)
		x->verdict = SMTPD_TEMPORARY;
	if (decoded->len == 0 || !is_wanted(s))
		return taken;
	if (x->is_in_header)
		collect_fields(s, decoded->data, decoded->len);
	message_text_pass(s, 0, decoded->data, decoded->len);
	return taken;
}

void
message_text_end(struct smtpd_session *s)
{
	struct incoming_text *x = &s->text;
	struct buf *decoded = &s->host->decoded;

	buf_reset(decoded);
	smtp_data_end(&x->data, decoded);
	if (decoded->len > 0 && is_wanted(s)) {
		if (x->is_in_header)
			collect_fields(s, decoded->data, decoded->len);
		message_text_pass(s, 0, decoded->data, decoded->len);
	}
	if (x->is_in_header)
		show_field(s);
}

const char *
message_text_fault(const struct smtpd_session *s)
{
	const struct incoming_text *x = &s->text;

	if (x->data.has_bare && !x->data.does_normalise)
		return "550 5.6.11 a line ends without CRLF: bare CR or LF";
	if (x->is_oversize)
		return "552 5.3.4 message is larger than the limit of this "
		    "server";
	return NULL;
}
