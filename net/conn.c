/*
 * conn.c - one connection: TCP, TLS, bytes, and where it is in its life.
 * Runs as: the spool user, in dma-remote.  Uses: TCP.
 * Promise: nothing blocks; what is read after TLS is up came through TLS; a
 * connection that is closed stays so.
 */
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/io.h"
#include "net/conn.h"

#define OUT_OF_TURN	CONN_STATES
#define __		OUT_OF_TURN

/* Columns: the events, in their order.  The same table: docs/states.md. */
static const enum conn_state after[CONN_STATES][CONN_EVENTS] = {
	[CONN_CONNECTING] = { CONN_SETUP, __, __, __, __, __, __, __,
	    CONN_CLOSED },
	[CONN_SETUP] = { __, CONN_TLS, __, CONN_IDLE, __, __, __, __,
	    CONN_CLOSED },
	[CONN_TLS] = { __, __, CONN_SETUP, __, __, __, __, __, CONN_CLOSED },
	[CONN_IDLE] = { __, __, __, CONN_IDLE, CONN_BUSY, CONN_IDLE,
	    CONN_ENDING, CONN_QUITTING, CONN_CLOSED },
	[CONN_BUSY] = { __, __, __, CONN_BUSY, CONN_BUSY, CONN_IDLE,
	    CONN_ENDING, CONN_QUITTING, CONN_CLOSED },
	[CONN_ENDING] = { __, __, __, __, __, __, CONN_ENDING, CONN_QUITTING,
	    CONN_CLOSED },
	[CONN_QUITTING] = { __, __, __, __, __, __, __, CONN_QUITTING,
	    CONN_CLOSED },
	[CONN_CLOSED] = { __, __, __, __, __, __, __, __, CONN_CLOSED },
};

#undef __

void
conn_init(struct conn *c)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

void
conn_fini(struct conn *c)
{
	if (c->tls != NULL) {
		tls_shutdown(c->tls);
		tls_free(c->tls);
	}
	c->tls = NULL;
	io_close(&c->fd);
	c->state = CONN_CLOSED;
}

/* 1. Its life. */

int
conn_event(struct conn *c, enum conn_event event)
{
	enum conn_state next = after[c->state][event];

	if (next == OUT_OF_TURN)
		return -1;
	c->state = next;
	return 0;
}

int
conn_is_open(const struct conn *c)
{
	return c->state < CONN_ENDING;
}

int
conn_is_in_use(const struct conn *c)
{
	return c->state <= CONN_ENDING;
}

int
conn_is_ready(const struct conn *c)
{
	return c->state >= CONN_IDLE && c->state <= CONN_ENDING;
}

/* 2. Connecting. */

int
conn_connect(struct conn *c, const struct dns_addr *addr, struct result *res)
{
	const struct sockaddr *sa = (const struct sockaddr *)&addr->ss;
	int on = 1;

	c->state = CONN_CONNECTING;
	c->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.0", "socket: %s",
		    strerror(errno));
	/* Commands are written whole: waiting for more gains nothing. */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, sa, addr->len) == -1 && errno != EINPROGRESS &&
	    errno != EINTR)
		return result_set(res, STATUS_DEFERRED, "4.4.1",
		    "connect: %s", strerror(errno));
	return 0;
}

int
conn_connected(struct conn *c, struct result *res)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		return result_set(res, STATUS_DEFERRED, "4.4.1",
		    "connect: %s", strerror(error));
	return conn_event(c, CONN_IS_UP);
}

/* 3. TLS. */

int
conn_start_tls(struct conn *c, struct tls *tls, struct result *res)
{
	if (tls == NULL)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "TLS: out of memory");
	c->tls = tls;
	return conn_event(c, CONN_STARTS_TLS);
}

int
conn_handshake(struct conn *c, struct result *res)
{
	enum tls_want want;

	want = tls_handshake(c->tls, res);
	c->write_wants_in = want == TLS_WANT_READ;
	if (want == TLS_BROKEN)
		return -1;
	if (want != TLS_DONE)
		return 0;
	return conn_event(c, CONN_HAS_TLS) == 0;
}

/* 4. Bytes. */

ssize_t
conn_read(struct conn *c, char *p, size_t n)
{
	enum tls_want want = TLS_DONE;
	ssize_t got;

	c->read_wants_out = 0;
	if (c->tls != NULL) {
		got = tls_read(c->tls, p, n, &want);
		c->read_wants_out = got == -1 && want == TLS_WANT_WRITE;
		errno = got == -1 && want != TLS_BROKEN ? EAGAIN : EPROTO;
		return got;
	}
	do {
		got = recv(c->fd, p, n, 0);
	} while (got == -1 && errno == EINTR);
	return got;
}

ssize_t
conn_write(struct conn *c, const char *p, size_t n)
{
	enum tls_want want = TLS_DONE;
	ssize_t put;

	c->write_wants_in = 0;
	if (c->tls != NULL) {
		put = tls_write(c->tls, p, n, &want);
		c->write_wants_in = put == -1 && want == TLS_WANT_READ;
		errno = put == -1 && want != TLS_BROKEN ? EAGAIN : EPROTO;
		return put;
	}
	do {
		put = send(c->fd, p, n, MSG_NOSIGNAL);
	} while (put == -1 && errno == EINTR);
	return put;
}

const char *
conn_error(int error)
{
	if (error == EPROTO)
		return "the TLS connection was truncated";
	return error == ETIMEDOUT ? "timed out" : strerror(error);
}

short
conn_poll_events(const struct conn *c, int has_output)
{
	if (c->state == CONN_CONNECTING)
		return POLLOUT;
	if (c->state == CONN_TLS)
		return c->write_wants_in ? POLLIN : POLLOUT;
	if (c->read_wants_out || (has_output && !c->write_wants_in))
		return POLLIN | POLLOUT;
	return POLLIN;
}

int
conn_has_input(const struct conn *c)
{
	return c->tls != NULL && c->state != CONN_TLS &&
	    c->state != CONN_CLOSED && tls_pending(c->tls) > 0;
}
