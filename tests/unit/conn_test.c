/*
 * conn_test.c - every state and event of a connection, and its bytes over a
 * real socket of this host.
 */
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "t.h"

#include "net/conn.h"

#define OUT	"-"	/* out of turn: nothing changes */

static const char *const names[CONN_STATES] = { "connecting", "setup", "tls",
    "idle", "busy", "ending", "quitting", "closed" };

/* The table of docs/states.md, word by word. */
static const char *const cells[CONN_STATES][CONN_EVENTS] = {
	/* up, starts tls, has tls, ready, gets mail, has no mail, takes no
	 * more, quits, ends */
	[CONN_CONNECTING] = { "setup", OUT, OUT, OUT, OUT, OUT, OUT, OUT,
	    "closed" },
	[CONN_SETUP] = { OUT, "tls", OUT, "idle", OUT, OUT, OUT, OUT,
	    "closed" },
	[CONN_TLS] = { OUT, OUT, "setup", OUT, OUT, OUT, OUT, OUT, "closed" },
	[CONN_IDLE] = { OUT, OUT, OUT, "idle", "busy", "idle", "ending",
	    "quitting", "closed" },
	[CONN_BUSY] = { OUT, OUT, OUT, "busy", "busy", "idle", "ending",
	    "quitting", "closed" },
	[CONN_ENDING] = { OUT, OUT, OUT, OUT, OUT, OUT, "ending", "quitting",
	    "closed" },
	[CONN_QUITTING] = { OUT, OUT, OUT, OUT, OUT, OUT, OUT, "quitting",
	    "closed" },
	[CONN_CLOSED] = { OUT, OUT, OUT, OUT, OUT, OUT, OUT, OUT, "closed" },
};

static void
check_cell(enum conn_state state, enum conn_event event)
{
	const char *cell = cells[state][event];
	struct conn c;
	int ret;

	conn_init(&c);
	c.state = state;
	ret = conn_event(&c, event);
	if (strcmp(cell, OUT) == 0) {
		assert_int_equal(ret, -1);
		assert_int_equal(c.state, state);
	} else {
		assert_int_equal(ret, 0);
		assert_string_equal(names[c.state], cell);
	}
}

static void
test_every_state_and_event(void **state)
{
	int s, e;

	(void)state;
	for (s = 0; s < CONN_STATES; s++)
		for (e = 0; e < CONN_EVENTS; e++)
			check_cell((enum conn_state)s, (enum conn_event)e);
}

static void
test_what_a_state_means(void **state)
{
	static const struct {
		enum conn_state state;
		int is_open, is_in_use, is_ready;
	} means[] = {
		{ CONN_CONNECTING,	1, 1, 0 },
		{ CONN_SETUP,		1, 1, 0 },
		{ CONN_TLS,		1, 1, 0 },
		{ CONN_IDLE,		1, 1, 1 },
		{ CONN_BUSY,		1, 1, 1 },
		{ CONN_ENDING,		0, 1, 1 },
		{ CONN_QUITTING,	0, 0, 0 },
		{ CONN_CLOSED,		0, 0, 0 },
	};
	struct conn c;
	size_t i;

	(void)state;
	conn_init(&c);
	for (i = 0; i < N(means); i++) {
		c.state = means[i].state;
		assert_int_equal(conn_is_open(&c), means[i].is_open);
		assert_int_equal(conn_is_in_use(&c), means[i].is_in_use);
		assert_int_equal(conn_is_ready(&c), means[i].is_ready);
	}
}

static void
test_what_to_poll_for(void **state)
{
	struct conn c;

	(void)state;
	conn_init(&c);
	assert_int_equal(conn_poll_events(&c, 0), POLLOUT);
	c.state = CONN_TLS;
	assert_int_equal(conn_poll_events(&c, 0), POLLOUT);
	c.write_wants_in = 1;
	assert_int_equal(conn_poll_events(&c, 1), POLLIN);
	c.state = CONN_IDLE;
	assert_int_equal(conn_poll_events(&c, 1), POLLIN);
	c.write_wants_in = 0;
	assert_int_equal(conn_poll_events(&c, 0), POLLIN);
	assert_int_equal(conn_poll_events(&c, 1), POLLIN | POLLOUT);
	c.read_wants_out = 1;
	assert_int_equal(conn_poll_events(&c, 0), POLLIN | POLLOUT);
}

/* A port of this host, open or just closed. */
static int
make_peer(struct dns_addr *addr, int is_open)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	if (is_open)
		assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	memset(addr, 0, sizeof(*addr));
	memcpy(&addr->ss, &sin, len);
	addr->len = len;
	return fd;
}

static void
wait_for(const struct conn *c, short events)
{
	struct pollfd pfd = { .fd = c->fd, .events = events };

	assert_int_equal(poll(&pfd, 1, 20000), 1);
}

static void
test_bytes_both_ways(void **state)
{
	struct dns_addr addr;
	struct result res;
	struct conn c;
	char data[8];
	int listener, peer;

	(void)state;
	result_init(&res);
	listener = make_peer(&addr, 1);
	conn_init(&c);
	assert_int_equal(conn_connect(&c, &addr, &res), 0);
	wait_for(&c, conn_poll_events(&c, 0));
	assert_int_equal(conn_connected(&c, &res), 0);
	assert_int_equal(c.state, CONN_SETUP);
	peer = accept(listener, NULL, NULL);
	assert_int_equal(conn_read(&c, data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(conn_write(&c, "EHLO", 4), 4);
	assert_int_equal(read(peer, data, sizeof(data)), 4);
	assert_int_equal(write(peer, "250 x", 5), 5);
	wait_for(&c, POLLIN);
	assert_int_equal(conn_read(&c, data, sizeof(data)), 5);
	assert_memory_equal(data, "250 x", 5);
	assert_false(conn_has_input(&c));
	close(peer);
	wait_for(&c, POLLIN);
	assert_int_equal(conn_read(&c, data, sizeof(data)), 0);
	conn_fini(&c);
	assert_int_equal(c.fd, -1);
	assert_int_equal(c.state, CONN_CLOSED);
	close(listener);
}

static void
test_nobody_listens(void **state)
{
	struct dns_addr addr;
	struct result res;
	struct conn c;
	int fd;

	(void)state;
	result_init(&res);
	fd = make_peer(&addr, 0);
	conn_init(&c);
	if (conn_connect(&c, &addr, &res) == 0) {
		wait_for(&c, POLLOUT);
		assert_int_equal(conn_connected(&c, &res), -1);
	}
	assert_string_equal(res.code, "4.4.1");
	assert_non_null(strstr(res.reason, "refused"));
	conn_fini(&c);
	result_fini(&res);
	close(fd);
}

static void
test_no_stream_for_tls(void **state)
{
	struct result res;
	struct conn c;

	(void)state;
	result_init(&res);
	conn_init(&c);
	c.state = CONN_SETUP;
	assert_int_equal(conn_start_tls(&c, NULL, &res), -1);
	assert_string_equal(res.code, "4.3.0");
	assert_int_equal(c.state, CONN_SETUP);
	assert_string_equal(conn_error(EPROTO),
	    "the TLS connection was truncated");
	assert_string_equal(conn_error(ETIMEDOUT), "timed out");
	result_fini(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_event),
		cmocka_unit_test(test_what_a_state_means),
		cmocka_unit_test(test_what_to_poll_for),
		cmocka_unit_test(test_bytes_both_ways),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_no_stream_for_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
