/*
 * to_broker.c - publishes messages of the tree.
 * Runs as: the user of dma-smtpd-drain; each of its processes has a connection.
 * Uses: the brokers.
 * Promise: 0 only after the broker confirmed the message and did not return it.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "smtpd/consume/to_broker.h"
#include "smtpd/modules/broker_link.h"

#define DOWN_MS		5000	/* messages stay where they are so long */

#define LINE_BEGIN(name)	(sizeof(name) - 1)	/* bytes of a name */

static int
complain(const struct to_broker *t, const char *what, const char *reason)
{
	log_say(t->log, LOG_LEVEL_ERROR, "%s: %s", what, reason);
	return -1;
}

/* ---- the connection ---- */

static int
prepare(struct to_broker *t, char *reason, size_t size)
{
	amqp_confirm_select(t->link, BROKER_CHANNEL);
	return broker_link_check(amqp_get_rpc_reply(t->link), "confirms",
	    reason, size);
}

static int
open_link(struct to_broker *t, const struct broker_address *a)
{
	char reason[BROKER_REASON_MAX] = "", name[64];

	snprintf(name, sizeof(name), "dma-smtpd-drain[%ld]", (long)getpid());
	t->pid = getpid();
	t->link = broker_link_open(t->settings, a, name, reason,
	    sizeof(reason));
	if (t->link != NULL && prepare(t, reason, sizeof(reason)) == 0)
		return 0;
	to_broker_close(t);
	return complain(t, a->host, reason);
}

/* One of this process: a parent's is not to be touched, not even closed. */
static int
need_link(struct to_broker *t)
{
	size_t i;

	if (t->link != NULL && t->pid == getpid())
		return 0;
	t->link = NULL;
	if (io_clock_ms() < t->down_until_ms)
		return -1;
	for (i = 0; i < t->settings->nbrokers; i++)
		if (open_link(t, &t->settings->brokers[i]) == 0)
			return 0;
	t->down_until_ms = io_clock_ms() + DOWN_MS;
	return -1;
}

void
to_broker_close(struct to_broker *t)
{
	if (t->link != NULL && t->pid == getpid())
		broker_link_close(t->link, 0);
	t->link = NULL;
}

/* ---- headers ---- */

/* What follows the name in a line of the head. */
static amqp_bytes_t
value_of(const struct message_run *run, size_t at, size_t name)
{
	const char *begin = run->head + at + name;

	return (amqp_bytes_t){ strcspn(begin, "\r\n"), (void *)begin };
}

static void
set_text(amqp_field_value_t *v, amqp_bytes_t bytes)
{
	v->kind = AMQP_FIELD_KIND_UTF8;
	v->value.bytes = bytes;
}

static void
set_headers(const struct message_run *run, amqp_table_entry_t entries[2],
    amqp_field_value_t *paths)
{
	size_t i;

	entries[0].key = amqp_cstring_bytes("Return-Path");
	set_text(&entries[0].value, value_of(run, run->lines->return_path_at,
	    LINE_BEGIN("Return-Path: ")));
	for (i = 0; i < run->n; i++)
		set_text(&paths[i], value_of(run, run->recipients[i]->at,
		    LINE_BEGIN("Forward-Path: ")));
	entries[1].key = amqp_cstring_bytes("Forward-Path");
	entries[1].value.kind = AMQP_FIELD_KIND_ARRAY;
	entries[1].value.value.array.num_entries = (int)run->n;
	entries[1].value.value.array.entries = paths;
}

/* ---- publishing ---- */

static const char returned[] = "the exchange routes it to no queue";

/* Until the broker has confirmed: NULL, or why it has not. */
static const char *
await_confirm(struct to_broker *t, char *reason, size_t size)
{
	struct timeval timeout;
	int status, is_returned = 0;
	amqp_frame_t f;

	for (;;) {
		timeout.tv_sec = (time_t)t->settings->timeout_s;
		timeout.tv_usec = 0;
		amqp_maybe_release_buffers(t->link);
		status = amqp_simple_wait_frame_noblock(t->link, &f, &timeout);
		if (status != AMQP_STATUS_OK)
			return amqp_error_string2(status);
		if (f.frame_type != AMQP_FRAME_METHOD)
			continue;
		switch (f.payload.method.id) {
		case AMQP_BASIC_ACK_METHOD:
			return is_returned ? returned : NULL;
		case AMQP_BASIC_NACK_METHOD:
			return "the queue refuses it";
		case AMQP_BASIC_RETURN_METHOD:
			is_returned = 1;
			break;
		default:
			broker_link_describe(&f.payload.method, reason, size);
			return reason;
		}
	}
}

static int
publish(struct to_broker *t, const struct message_run *run, amqp_bytes_t body,
    amqp_field_value_t *paths)
{
	char reason[BROKER_REASON_MAX];
	const char *problem;
	amqp_table_entry_t entries[2];
	amqp_basic_properties_t properties = {
		._flags = AMQP_BASIC_DELIVERY_MODE_FLAG |
		    AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG,
		.content_type = amqp_cstring_bytes("message/rfc822"),
		.delivery_mode = AMQP_DELIVERY_PERSISTENT,
		.headers = { .num_entries = 2, .entries = entries }
	};
	int status;

	set_headers(run, entries, paths);
	status = amqp_basic_publish(t->link, BROKER_CHANNEL,
	    amqp_cstring_bytes(t->settings->exchange),
	    amqp_cstring_bytes(run->domain), 1 /* mandatory */, 0, &properties,
	    body);
	problem = status != AMQP_STATUS_OK ? amqp_error_string2(status) :
	    await_confirm(t, reason, sizeof(reason));
	if (problem == NULL)
		return 0;
	/* A late confirm must not be taken for that of the next message. */
	if (problem != returned) {
		to_broker_close(t);
		t->down_until_ms = io_clock_ms() + DOWN_MS;
	}
	return complain(t, run->domain, problem);
}

int
to_broker_take(void *arg, const struct message_run *run)
{
	struct to_broker *t = arg;
	amqp_bytes_t body = { (size_t)run->size, NULL };
	amqp_field_value_t *paths;
	int ret = -1;

	if (need_link(t) == -1)
		return -1;
	paths = calloc(run->n, sizeof(*paths));
	body.bytes = mmap(NULL, body.len, PROT_READ, MAP_PRIVATE, run->file, 0);
	if (paths == NULL || body.bytes == MAP_FAILED)
		complain(t, run->domain, strerror(errno));
	else
		ret = publish(t, run, body, paths);
	if (body.bytes != MAP_FAILED)
		munmap(body.bytes, body.len);
	free(paths);
	return ret;
}
