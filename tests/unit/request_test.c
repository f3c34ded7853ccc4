/*
 * request_test.c - channels, and what may stand for one.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "tests/unit/t.h"

static void
test_a_channel_is_one(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(request_channel(pair), 0);
	assert_true(fcntl(pair[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(pair[1], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(request_is_channel(pair[0], geteuid()), 1);
	assert_int_equal(request_is_channel(pair[1], geteuid()), 1);
	/* Of somebody else. */
	assert_int_equal(request_is_channel(pair[1], geteuid() + 1), 0);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(request_is_channel(pair[0], geteuid()), 0);
}

static void
test_others_are_none(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	int pair[2], fd;
	size_t i;

	(void)state;
	for (i = 0; i < N(types); i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i], 0, pair), 0);
		assert_int_equal(request_is_channel(pair[0], geteuid()), 0);
		close(pair[0]);
		close(pair[1]);
	}
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(request_is_channel(pair[0], geteuid()), 0);
	close(pair[0]);
	close(pair[1]);
	fd = open("/dev/null", O_RDWR);
	assert_int_equal(request_is_channel(fd, geteuid()), 0);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(request_is_channel(fd, geteuid()), 0);
	close(fd);
}

/* What should have become dma-remote says why it did not. */
static void
test_a_program_that_is_missing(void **state)
{
	struct stat st;
	struct ipc m;
	int fd;

	(void)state;
	if (stat(DMA_LIBEXECDIR "/dma-remote", &st) == 0)
		skip();
	fd = request_remote();
	assert_true(fd != -1);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	ipc_init(&m);
	assert_int_equal(ipc_recv(fd, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_TROUBLE);
	assert_int_equal(ipc_recv(fd, &m, IPC_REMOTE_LIMIT), 0);
	ipc_fini(&m);
	close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_channel_is_one),
		cmocka_unit_test(test_others_are_none),
		cmocka_unit_test(test_a_program_that_is_missing),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
