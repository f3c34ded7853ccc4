/*
 * request_test.c - channels, and what may stand for one.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/user.h"
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

/* As a front end: the channel says who called, whoever uses it. */
static int
makes_call(const void *arg)
{
	static const struct spool_user spool = { 65534, 65534 };
	struct caller c = { .uid = *(const uint32_t *)arg };
	int pair[2];
	uid_t uid;

	if (c.uid == 0 && request_channel(c.channel) == -1)
		return 1;
	if (user_become_front_end(&spool, c.uid) == -1 ||
	    request_call(&c, pair) == -1)
		return 2;
	if (geteuid() != 65534 || prctl(PR_GET_DUMPABLE) != 0)
		return 3;
	return request_channel_of(pair[1], &uid) == -1 || uid != c.uid;
}

static void
test_a_call_names_its_caller(void **state)
{
	static const uid_t callers[] = { 0, 1000, 65534 };

	(void)state;
	t_needs_root();
	t_for_callers(makes_call, callers, N(callers));
}

/* What should have become dma-remote says why it did not. */
static void
expect_trouble(int fd)
{
	struct ipc m;

	ipc_init(&m);
	assert_int_equal(ipc_recv(fd, &m, IPC_REMOTE_LIMIT), 1);
	assert_int_equal(m.kind, IPC_REMOTE_TROUBLE);
	assert_int_equal(ipc_recv(fd, &m, IPC_REMOTE_LIMIT), 0);
	ipc_fini(&m);
	close(fd);
}

static void
test_a_program_that_is_missing(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	if (stat(DMA_LIBEXECDIR "/dma-remote", &st) == 0)
		t_skip("dma-remote is installed");
	fd = request_remote();
	assert_true(fd != -1);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	expect_trouble(fd);
	fd = request_probe(0);
	assert_true(fd != -1);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	expect_trouble(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_channel_is_one),
		cmocka_unit_test(test_a_call_names_its_caller),
		cmocka_unit_test(test_others_are_none),
		cmocka_unit_test(test_a_program_that_is_missing),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
