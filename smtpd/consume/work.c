/*
 * work.c - a message of a queue on its way into sendmail.
 * Runs as: who started dma-smtpd-drain.
 * Uses: a file without a name; sendmail.
 * Promise: only addresses that SMTP allows become arguments, none an option.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/sendmail_call.h"
#include "lib/smtp_command.h"
#include "smtpd/consume/work.h"
#include "smtpd/drain/sendmail.h"
#include "smtpd/modules/temporary.h"

#define LINES_MAX	(1024 * 1024)	/* bytes of our lines before the text */
#define RECIPIENTS_MAX	65536

struct work *
work_new(uint64_t tag, const char *directory)
{
	struct work *w;
	int error;

	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	buf_init(&w->arguments, 0);
	init_amqp_pool(&w->pool, 4096);
	w->tag = tag;
	w->fd = temporary_open(directory);
	if (w->fd != -1)
		return w;
	error = errno;
	work_free(w);
	errno = error;
	return NULL;
}

void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	io_close(&w->fd);
	buf_fini(&w->arguments);
	empty_amqp_pool(&w->pool);
	free(w);
}

/* ---- headers ---- */

static const amqp_field_value_t *
find_header(const amqp_table_t *t, const char *key)
{
	int i;

	for (i = 0; i < t->num_entries; i++)
		if (t->entries[i].key.len == strlen(key) &&
		    memcmp(t->entries[i].key.bytes, key, strlen(key)) == 0)
			return &t->entries[i].value;
	return NULL;
}

static int
is_text(const amqp_field_value_t *v)
{
	return v != NULL && (v->kind == AMQP_FIELD_KIND_UTF8 ||
	    v->kind == AMQP_FIELD_KIND_BYTES);
}

static int
take_sender(struct sendmail_call *call, const amqp_table_t *t)
{
	const amqp_field_value_t *v = find_header(t, "Return-Path");
	struct smtp_mail_command mail;

	if (!is_text(v) || smtp_command_return_path(v->value.bytes.bytes,
	    v->value.bytes.len, &mail) == -1)
		return -1;
	sendmail_call_init(call, mail.path.text, mail.parameters);
	return 0;
}

static int
take_recipient(struct sendmail_call *call, const amqp_field_value_t *v)
{
	struct smtp_rcpt_command rcpt;

	if (!is_text(v) || smtp_command_forward_path(v->value.bytes.bytes,
	    v->value.bytes.len, &rcpt) == -1)
		return -1;
	sendmail_call_add(call, rcpt.path.text, rcpt.parameters);
	return 0;
}

static int
take_recipients(struct sendmail_call *call, const amqp_table_t *t)
{
	const amqp_field_value_t *v = find_header(t, "Forward-Path");
	int i;

	if (v == NULL || v->kind != AMQP_FIELD_KIND_ARRAY)
		return -1;
	if (v->value.array.num_entries < 1 ||
	    v->value.array.num_entries > RECIPIENTS_MAX)
		return -1;
	for (i = 0; i < v->value.array.num_entries; i++)
		if (take_recipient(call, &v->value.array.entries[i]) == -1)
			return -1;
	return 0;
}

/* 0, or -1 without memory. */
static int
take_envelope(struct work *w, const amqp_table_t *headers)
{
	struct sendmail_call call;

	if (take_sender(&call, headers) == -1) {
		w->problem = "no header Return-Path with an address";
		return 0;
	}
	if (take_recipients(&call, headers) == -1) {
		w->problem = "no header Forward-Path with addresses";
	} else {
		w->argc = sendmail_call_put(&call, &w->arguments);
	}
	sendmail_call_fini(&call);
	return w->problem == NULL && w->argc == 0 ? -1 : 0;
}

/*
 * For the queue of dead messages: 0, or -1 without memory.  librabbitmq cannot
 * copy an array without elements: such a header is left out.
 */
static int
copy_headers(struct work *w, const amqp_table_t *headers)
{
	amqp_table_t one = { 1, NULL }, copy;
	int i;

	if (headers->num_entries == 0)
		return 0;
	w->headers.entries = amqp_pool_alloc(&w->pool,
	    (size_t)headers->num_entries * sizeof(*w->headers.entries));
	if (w->headers.entries == NULL)
		return -1;
	for (i = 0; i < headers->num_entries; i++) {
		one.entries = &headers->entries[i];
		if (amqp_table_clone(&one, &copy, &w->pool) ==
		    AMQP_STATUS_OK)
			w->headers.entries[w->headers.num_entries++] =
			    copy.entries[0];
	}
	return 0;
}

int
work_take_properties(struct work *w, const amqp_basic_properties_t *p,
    amqp_bytes_t routing_key, uint64_t body_bytes)
{
	struct buf name;

	buf_init(&name, sizeof(w->name) - 1);
	if ((p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0)
		buf_put_clean(&name, p->message_id.bytes, p->message_id.len,
		    200);
	buf_puts(&name, " for ");
	buf_put_clean(&name, routing_key.bytes, routing_key.len, 256);
	(void)text_copy(w->name, sizeof(w->name), buf_str(&name));
	buf_fini(&name);
	w->left_bytes = body_bytes;
	if ((p->_flags & AMQP_BASIC_HEADERS_FLAG) == 0)
		return take_envelope(w, &amqp_empty_table);
	if (copy_headers(w, &p->headers) == -1)
		return -1;
	return take_envelope(w, &p->headers);
}

/* ---- the body ---- */

int
work_take_body(struct work *w, amqp_bytes_t part)
{
	if (part.len > w->left_bytes) {
		errno = EPROTO;
		return -1;
	}
	w->left_bytes -= part.len;
	w->bytes += (off_t)part.len;
	return io_write_all(w->fd, part.bytes, part.len);
}

int
work_complete(struct work *w)
{
	size_t len = w->bytes < LINES_MAX ? (size_t)w->bytes : LINES_MAX;
	char *text;
	int ret;

	w->state = WORK_WAITING;
	text = malloc(len + 1);
	if (text == NULL)
		return -1;
	ret = io_pread_all(w->fd, text, len, 0);
	if (ret == 0)
		w->text_at = (off_t)sendmail_call_skip(text, len);
	free(text);
	return ret;
}

/* ---- sendmail ---- */

int
work_start(struct work *w, const char *sendmail)
{
	w->pid = sendmail_start(sendmail, &w->arguments, w->argc, w->fd,
	    w->text_at);
	if (w->pid == -1)
		return -1;
	w->state = WORK_RUNNING;
	return 0;
}
