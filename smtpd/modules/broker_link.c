/*
 * broker_link.c - a connection to a broker, with one open channel.
 * Runs as: a thread of a child of dma-smtpd; the consumer.
 * Uses: librabbitmq, the resolver, the network, the CA file.
 * Promise: with a CA file no byte of a login or message is sent but by TLS to a
 * broker whose certificate has its name.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <stdio.h>

#include "smtpd/modules/broker_link.h"
#include "smtpd/modules/rabbitmq.h"

#define FRAME_BYTES	131072	/* RabbitMQ's own limit */
#define GOODBYE_S	1	/* for the broker to answer a close */

void
broker_link_describe(const amqp_method_t *m, char *reason, size_t size)
{
	const amqp_connection_close_t *connection = m->decoded;
	const amqp_channel_close_t *channel = m->decoded;

	if (m->id == AMQP_CONNECTION_CLOSE_METHOD)
		snprintf(reason, size, "%.*s",
		    (int)connection->reply_text.len,
		    (const char *)connection->reply_text.bytes);
	else if (m->id == AMQP_CHANNEL_CLOSE_METHOD)
		snprintf(reason, size, "%.*s", (int)channel->reply_text.len,
		    (const char *)channel->reply_text.bytes);
	else
		snprintf(reason, size, "unexpected method %s",
		    amqp_method_name(m->id));
}

int
broker_link_check(amqp_rpc_reply_t reply, const char *what, char *reason,
    size_t size)
{
	char text[BROKER_REASON_MAX / 2];

	switch (reply.reply_type) {
	case AMQP_RESPONSE_NORMAL:
		return 0;
	case AMQP_RESPONSE_SERVER_EXCEPTION:
		broker_link_describe(&reply.reply, text, sizeof(text));
		snprintf(reason, size, "%s: %s", what, text);
		return -1;
	case AMQP_RESPONSE_LIBRARY_EXCEPTION:
		snprintf(reason, size, "%s: %s", what,
		    amqp_error_string2(reply.library_error));
		return -1;
	case AMQP_RESPONSE_NONE:
		break;
	}
	snprintf(reason, size, "%s: connection closed", what);
	return -1;
}

/* A socket that is the connection's; NULL with the reason. */
static amqp_socket_t *
new_socket(const struct broker_settings *s, amqp_connection_state_t c,
    char *reason, size_t size)
{
	amqp_socket_t *sock;

	sock = s->ca_file == NULL ? amqp_tcp_socket_new(c) :
	    amqp_ssl_socket_new(c);
	if (sock == NULL) {
		snprintf(reason, size, "out of memory");
		return NULL;
	}
	if (s->ca_file == NULL)
		return sock;
	amqp_ssl_socket_set_verify_peer(sock, 1);
	amqp_ssl_socket_set_verify_hostname(sock, 1);
	if (amqp_ssl_socket_set_cacert(sock, s->ca_file) == AMQP_STATUS_OK &&
	    amqp_ssl_socket_set_ssl_versions(sock, AMQP_TLSv1_2,
	    AMQP_TLSvLATEST) == AMQP_STATUS_OK)
		return sock;
	snprintf(reason, size, "%s: cannot be used as a file of CA "
	    "certificates", s->ca_file);
	return NULL;
}

static int
open_socket(const struct broker_settings *s, const struct broker_address *a,
    amqp_connection_state_t c, char *reason, size_t size)
{
	struct timeval timeout = { .tv_sec = (time_t)s->connect_timeout_s };
	amqp_socket_t *sock;
	int status;

	sock = new_socket(s, c, reason, size);
	if (sock == NULL)
		return -1;
	status = amqp_socket_open_noblock(sock, a->host, (int)a->port,
	    &timeout);
	if (status == AMQP_STATUS_OK)
		return 0;
	snprintf(reason, size, "cannot connect: %s",
	    amqp_error_string2(status));
	return -1;
}

static int
log_in(const struct broker_settings *s, amqp_connection_state_t c,
    const char *name, char *reason, size_t size)
{
	amqp_table_entry_t entry = { .key = amqp_cstring_bytes(
	    "connection_name") };
	amqp_table_t properties = { .num_entries = 1, .entries = &entry };

	entry.value.kind = AMQP_FIELD_KIND_UTF8;
	entry.value.value.bytes = amqp_cstring_bytes(name);
	if (broker_link_check(amqp_login_with_properties(c, s->vhost, 0,
	    FRAME_BYTES, (int)s->heartbeat_s, &properties,
	    AMQP_SASL_METHOD_PLAIN, s->user, s->password), "login", reason,
	    size) == -1)
		return -1;
	amqp_channel_open(c, BROKER_CHANNEL);
	return broker_link_check(amqp_get_rpc_reply(c), "channel", reason,
	    size);
}

amqp_connection_state_t
broker_link_open(const struct broker_settings *s,
    const struct broker_address *a, const char *name, char *reason,
    size_t size)
{
	struct timeval timeout = { .tv_sec = (time_t)s->connect_timeout_s };
	amqp_connection_state_t c;

	c = amqp_new_connection();
	if (c == NULL) {
		snprintf(reason, size, "out of memory");
		return NULL;
	}
	if (amqp_set_handshake_timeout(c, &timeout) == AMQP_STATUS_OK &&
	    amqp_set_rpc_timeout(c, &timeout) == AMQP_STATUS_OK &&
	    open_socket(s, a, c, reason, size) == 0 &&
	    log_in(s, c, name, reason, size) == 0)
		return c;
	(void)amqp_destroy_connection(c);
	return NULL;
}

void
broker_link_close(amqp_connection_state_t c, int is_good)
{
	struct timeval timeout = { .tv_sec = GOODBYE_S };

	if (c == NULL)
		return;
	(void)amqp_set_rpc_timeout(c, &timeout);
	if (is_good)
		(void)amqp_connection_close(c, AMQP_REPLY_SUCCESS);
	(void)amqp_destroy_connection(c);
}

int
broker_link_take(amqp_connection_state_t link, amqp_frame_t *frame,
    char *reason, size_t size)
{
	struct timeval none = { 0, 0 };
	int status;

	amqp_maybe_release_buffers(link);
	status = amqp_simple_wait_frame_noblock(link, frame, &none);
	if (status == AMQP_STATUS_OK)
		return 1;
	if (status == AMQP_STATUS_TIMEOUT)
		return 0;
	snprintf(reason, size, "%s", amqp_error_string2(status));
	return -1;
}
