/*
 * declare.c - makes the exchange and the queues that messages go through.
 * Runs as: who started dma-smtpd-drain.
 * Uses: the broker.
 * Promise: what is there and differs is an error, and stays as it is.
 */
#include "smtpd/consume/declare.h"
#include "smtpd/modules/broker_link.h"

static void
set_text(amqp_table_entry_t *e, const char *key, const char *value)
{
	e->key = amqp_cstring_bytes(key);
	e->value.kind = AMQP_FIELD_KIND_UTF8;
	e->value.value.bytes = amqp_cstring_bytes(value);
}

/*
 * dead: where the broker itself puts what it takes away, such as a message that
 * it has given out too often; NULL: it drops it.
 */
static int
declare_queue(amqp_connection_state_t link, const char *queue,
    const char *dead, char *reason, size_t size)
{
	amqp_table_entry_t entries[3];
	amqp_table_t arguments = { .num_entries = dead == NULL ? 1 : 3,
	    .entries = entries };

	set_text(&entries[0], "x-queue-type", "quorum");
	set_text(&entries[1], "x-dead-letter-exchange", "");
	set_text(&entries[2], "x-dead-letter-routing-key",
	    dead == NULL ? "" : dead);
	amqp_queue_declare(link, BROKER_CHANNEL, amqp_cstring_bytes(queue), 0,
	    1 /* durable */, 0, 0, arguments);
	return broker_link_check(amqp_get_rpc_reply(link), queue, reason,
	    size);
}

int
declare_all(amqp_connection_state_t link, const struct consumer_setup *s,
    char *reason, size_t size)
{
	const char *exchange = s->settings->exchange;

	if (declare_queue(link, s->dead, NULL, reason, size) == -1 ||
	    declare_queue(link, s->queue, s->dead, reason, size) == -1)
		return -1;
	if (*exchange == '\0')
		return 0;
	amqp_exchange_declare(link, BROKER_CHANNEL,
	    amqp_cstring_bytes(exchange), amqp_cstring_bytes("topic"), 0, 1,
	    0, 0, amqp_empty_table);
	if (broker_link_check(amqp_get_rpc_reply(link), exchange, reason,
	    size) == -1)
		return -1;
	amqp_queue_bind(link, BROKER_CHANNEL, amqp_cstring_bytes(s->queue),
	    amqp_cstring_bytes(exchange), amqp_cstring_bytes("#"),
	    amqp_empty_table);
	return broker_link_check(amqp_get_rpc_reply(link), "binding", reason,
	    size);
}
