/*
 * amqp_peer.c - what the tests ask of a RabbitMQ broker, other than the program
 * under test does.
 *
 * usage: amqp_peer PORT declare EXCHANGE QUEUE [KEY]	a quorum queue, bound
 *	  amqp_peer PORT limit QUEUE N		one that refuses more than N
 *	  amqp_peer PORT delete QUEUE
 *	  amqp_peer PORT publish EXCHANGE KEY COUNT BYTES IN-FLIGHT
 *		prints how many a second were confirmed
 *	  amqp_peer PORT send EXCHANGE KEY	standard input, as it is
 *	  amqp_peer PORT get QUEUE		takes all: length, routing key
 *		and header fields as "NAME: value" lines, then the body
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#define CHANNEL	1
#define BYTES(s)	amqp_cstring_bytes(s)

static amqp_connection_state_t conn;

static void
die(const char *what)
{
	fprintf(stderr, "amqp_peer: %s\n", what);
	exit(1);
}

static void
check(const char *what)
{
	amqp_rpc_reply_t r = amqp_get_rpc_reply(conn);
	const amqp_channel_close_t *c = r.reply.decoded;

	if (r.reply_type == AMQP_RESPONSE_NORMAL)
		return;
	if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
	    r.reply.id == AMQP_CHANNEL_CLOSE_METHOD)
		fprintf(stderr, "%.*s\n", (int)c->reply_text.len,
		    (char *)c->reply_text.bytes);
	if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
		fprintf(stderr, "%s\n", amqp_error_string2(r.library_error));
	die(what);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
open_connection(int port)
{
	amqp_socket_t *s;
	amqp_rpc_reply_t r;

	conn = amqp_new_connection();
	s = amqp_tcp_socket_new(conn);
	if (s == NULL || amqp_socket_open(s, "127.0.0.1", port) != 0)
		die("cannot connect");
	r = amqp_login(conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN,
	    "guest", "guest");
	if (r.reply_type != AMQP_RESPONSE_NORMAL)
		die("login");
	amqp_channel_open(conn, CHANNEL);
	check("channel");
}

static void
set_text(amqp_table_entry_t *e, const char *key, const char *value)
{
	e->key = BYTES(key);
	e->value.kind = AMQP_FIELD_KIND_UTF8;
	e->value.value.bytes = BYTES(value);
}

static void
declare(const char *exchange, const char *queue, const char *key)
{
	amqp_table_entry_t entry[3];
	amqp_table_t arguments = { 3, entry };
	char dead[256];

	/* As the program itself declares it. */
	snprintf(dead, sizeof(dead), "%s.dead", queue);
	set_text(&entry[0], "x-queue-type", "quorum");
	set_text(&entry[1], "x-dead-letter-exchange", "");
	set_text(&entry[2], "x-dead-letter-routing-key", dead);
	amqp_exchange_declare(conn, CHANNEL, BYTES(exchange), BYTES("topic"),
	    0, 1, 0, 0, amqp_empty_table);
	check("exchange");
	amqp_queue_declare(conn, CHANNEL, BYTES(queue), 0, 1, 0, 0, arguments);
	check("queue");
	amqp_queue_bind(conn, CHANNEL, BYTES(queue), BYTES(exchange),
	    BYTES(key), amqp_empty_table);
	check("binding");
}

static void
limit(const char *queue, int n)
{
	amqp_table_entry_t entry[3];
	amqp_table_t arguments = { 3, entry };

	set_text(&entry[0], "x-queue-type", "quorum");
	set_text(&entry[1], "x-overflow", "reject-publish");
	entry[2].key = BYTES("x-max-length");
	entry[2].value.kind = AMQP_FIELD_KIND_I32;
	entry[2].value.value.i32 = n;
	amqp_queue_declare(conn, CHANNEL, BYTES(queue), 0, 1, 0, 0, arguments);
	check("queue");
}

/* ---- publishing ---- */

/* Which are confirmed, by tag. */
struct confirms {
	char	*is_done;	/* owned */
	uint64_t first;		/* the oldest that is not */
	long	 n;
};

static void
confirm(struct confirms *c, uint64_t tag)
{
	c->n += c->is_done[tag] == 0;
	c->is_done[tag] = 1;
}

static void
take_confirm(struct confirms *c)
{
	const amqp_basic_ack_t *ack;
	amqp_frame_t f;

	amqp_maybe_release_buffers(conn);
	if (amqp_simple_wait_frame(conn, &f) != AMQP_STATUS_OK)
		die("the connection ended");
	if (f.frame_type != AMQP_FRAME_METHOD ||
	    f.payload.method.id != AMQP_BASIC_ACK_METHOD)
		die("no confirm");
	ack = f.payload.method.decoded;
	while (ack->multiple && c->first <= ack->delivery_tag)
		confirm(c, c->first++);
	confirm(c, ack->delivery_tag);
}

static void
publish_one(const char *exchange, const char *key, amqp_bytes_t body)
{
	amqp_basic_properties_t p = { ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
	    .delivery_mode = AMQP_DELIVERY_PERSISTENT };

	if (amqp_basic_publish(conn, CHANNEL, BYTES(exchange), BYTES(key), 1,
	    0, &p, body) != AMQP_STATUS_OK)
		die("cannot publish");
}

static void
publish(const char *exchange, const char *key, long count, size_t bytes,
    long in_flight)
{
	struct confirms c = { calloc((size_t)count + 1, 1), 1, 0 };
	amqp_bytes_t body = amqp_bytes_malloc(bytes);
	double begun;
	long sent = 0;

	if (body.bytes == NULL || c.is_done == NULL)
		die("out of memory");
	memset(body.bytes, 'x', bytes);
	amqp_confirm_select(conn, CHANNEL);
	check("confirms");
	begun = now();
	while (c.n < count) {
		for (; sent < count && sent - c.n < in_flight; sent++)
			publish_one(exchange, key, body);
		take_confirm(&c);
	}
	printf("%.0f\n", (double)count / (now() - begun));
	amqp_bytes_free(body);
	free(c.is_done);
}

static void
send_input(const char *exchange, const char *key)
{
	static char text[1 << 20];
	struct confirms c = { calloc(2, 1), 1, 0 };
	size_t n = fread(text, 1, sizeof(text), stdin);

	amqp_confirm_select(conn, CHANNEL);
	check("confirms");
	publish_one(exchange, key, (amqp_bytes_t){ n, text });
	take_confirm(&c);
	free(c.is_done);
}

/* ---- taking ---- */

static void
print_bytes(const char *name, amqp_bytes_t b)
{
	printf("%s: %.*s\n", name, (int)b.len, (char *)b.bytes);
}

static void
print_value(const char *name, const amqp_field_value_t *v)
{
	int i;

	if (v->kind == AMQP_FIELD_KIND_UTF8 || v->kind == AMQP_FIELD_KIND_BYTES)
		print_bytes(name, v->value.bytes);
	else if (v->kind == AMQP_FIELD_KIND_ARRAY)
		for (i = 0; i < v->value.array.num_entries; i++)
			print_value(name, &v->value.array.entries[i]);
	else
		printf("%s: (%c)\n", name, v->kind);
}

static void
print_message(const amqp_envelope_t *e)
{
	const amqp_basic_properties_t *p = &e->message.properties;
	char name[256];
	int i;

	printf("%zu\n", e->message.body.len);
	print_bytes("key", e->routing_key);
	printf("mode: %d\n", p->delivery_mode);
	for (i = 0; i < p->headers.num_entries; i++) {
		snprintf(name, sizeof(name), "%.*s",
		    (int)p->headers.entries[i].key.len,
		    (char *)p->headers.entries[i].key.bytes);
		print_value(name, &p->headers.entries[i].value);
	}
	printf("\n");
	(void)fwrite(e->message.body.bytes, 1, e->message.body.len, stdout);
}

static void
get(const char *queue)
{
	struct timeval patience = { 2, 0 };
	amqp_envelope_t e;
	amqp_rpc_reply_t r;

	amqp_basic_qos(conn, CHANNEL, 0, 500, 0);
	amqp_basic_consume(conn, CHANNEL, BYTES(queue), amqp_empty_bytes, 0, 0,
	    0, amqp_empty_table);
	check("consume");
	for (;;) {
		amqp_maybe_release_buffers(conn);
		r = amqp_consume_message(conn, &e, &patience, 0);
		if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
		    r.library_error == AMQP_STATUS_TIMEOUT)
			break;
		if (r.reply_type != AMQP_RESPONSE_NORMAL)
			die("the connection ended");
		print_message(&e);
		amqp_basic_ack(conn, CHANNEL, e.delivery_tag, 0);
		amqp_destroy_envelope(&e);
	}
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	if (argc < 4)
		die("usage");
	open_connection(atoi(argv[1]));
	if (strcmp(argv[2], "declare") == 0 && argc >= 5)
		declare(argv[3], argv[4], argc > 5 ? argv[5] : "#");
	else if (strcmp(argv[2], "limit") == 0 && argc == 5)
		limit(argv[3], atoi(argv[4]));
	else if (strcmp(argv[2], "delete") == 0)
		(void)amqp_queue_delete(conn, CHANNEL, BYTES(argv[3]), 0, 0);
	else if (strcmp(argv[2], "publish") == 0 && argc == 8)
		publish(argv[3], argv[4], atol(argv[5]), (size_t)atol(argv[6]),
		    atol(argv[7]));
	else if (strcmp(argv[2], "send") == 0 && argc == 5)
		send_input(argv[3], argv[4]);
	else if (strcmp(argv[2], "get") == 0)
		get(argv[3]);
	else
		die("usage");
	amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(conn);
	return 0;
}
