/*
 * helper_socket_test.c - a helper that is there, full, or gone.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "queue/helper_socket.h"
#include "tests/unit/t.h"

struct world {
	struct helper_socket h;
	struct log	 log;
	int		 other, channel;
};

static void
begin(struct world *w)
{
	int pair[2];

	memset(w, 0, sizeof(*w));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(io_nonblock(pair[0]), 0);
	assert_int_equal(io_nonblock(pair[1]), 0);
	w->h.fd = pair[0];
	w->other = pair[1];
	w->channel = -1;
	log_init(&w->log, "unit");
	w->log.where = LOG_TO_FD;
	w->log.fd = -1;
}

static void
end(struct world *w)
{
	io_close(&w->h.fd);
	io_close(&w->other);
	io_close(&w->channel);
}

static int
ask(struct world *w, int is_bad)
{
	struct ipc m;
	int ret;

	ipc_init(&m);
	ipc_begin(&m, 7, 8);
	m.bad = is_bad;
	ret = helper_ask(&w->h, &m, &w->channel, &w->log);
	ipc_fini(&m);
	return ret;
}

/* Both ends of the channel, and no copy of the other's end with us. */
static void
test_asked(void **state)
{
	struct world w;
	struct ipc m;
	int child;

	(void)state;
	begin(&w);
	assert_int_equal(ask(&w, 0), 0);
	ipc_init(&m);
	assert_int_equal(ipc_recv(w.other, &m, 100), 1);
	assert_int_equal(m.kind, 7);
	assert_int_equal(m.id, 8);
	child = ipc_take_fd(&m, 0);
	assert_true(child != -1);
	assert_int_equal(write(w.channel, "x", 1), 1);
	close(child);
	assert_int_equal(ipc_recv(w.channel, &m, 100), 0);
	ipc_fini(&m);
	end(&w);
}

static void
test_full(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	while (send(w.h.fd, "x", 1, MSG_NOSIGNAL) == 1)
		;
	assert_int_equal(ask(&w, 0), 1);
	assert_true(w.h.is_full);
	assert_int_equal(w.channel, -1);
	helper_retry(&w.h);
	assert_false(w.h.is_full);
	end(&w);
}

static void
test_gone(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	io_close(&w.other);
	assert_int_equal(ask(&w, 0), -1);
	assert_int_equal(w.h.fd, -1);
	assert_int_equal(w.h.fd, -1);
	/* And it stays so. */
	helper_retry(&w.h);
	assert_int_equal(w.h.fd, -1);
	assert_int_equal(ask(&w, 0), -1);
	end(&w);
}

/* A request that is out of shape is nobody's fault but ours. */
static void
test_bad_request(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	assert_int_equal(ask(&w, 1), -1);
	assert_false(w.h.is_full);
	end(&w);
}

static void
test_passing(void **state)
{
	static const struct {
		int	 error, ret;
	} cases[] = {
		{ EAGAIN, 1 }, { ENOBUFS, 1 }, { ENOMEM, 1 },
		{ ETOOMANYREFS, 1 }, { EPIPE, 0 }, { ECONNREFUSED, 0 },
		{ 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(helper_is_passing(cases[i].error),
		    cases[i].ret);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_bad_request),
		cmocka_unit_test(test_passing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("helper_socket", tests, NULL,
	    NULL);
}
