/*
 * start_socket_test.c - the socket of init, from both sides.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/start_socket.h"
#include "tests/unit/t.h"

static struct sockaddr_un
address(const char *dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/start", dir);
	return sun;
}

static int
listen_in(const char *dir)
{
	struct sockaddr_un sun = address(dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

/* As a front end that leaves at once. */
static void
ask_in(const char *dir, const char *text)
{
	struct sockaddr_un sun = address(dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)),
	    0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void
test_what_the_runner_takes(void **state)
{
	char dir[64];
	int i, fd, none[2];

	(void)state;
	t_dir(dir, sizeof(dir));
	fd = listen_in(dir);
	assert_int_equal(io_nonblock(fd), 0);
	assert_int_equal(start_socket_take(fd), START_NOTHING);
	ask_in(dir, "");
	assert_int_equal(start_socket_take(fd), START_WAKE);
	assert_int_equal(start_socket_take(fd), START_NOTHING);
	ask_in(dir, "");
	ask_in(dir, "f");
	ask_in(dir, "?f");
	assert_int_equal(start_socket_take(fd), START_FLUSH);
	/* As many as there may be: it goes on with its work between them. */
	for (i = 0; i < 70; i++)
		ask_in(dir, "");
	assert_int_equal(start_socket_take(fd), START_WAKE);
	assert_int_equal(start_socket_take(fd), START_WAKE);
	assert_int_equal(start_socket_take(fd), START_NOTHING);
	close(fd);
	assert_int_equal(pipe(none), 0);
	assert_int_equal(start_socket_take(none[0]), START_BROKEN);
	close(none[0]);
	close(none[1]);
	t_dir_remove(dir);
}

struct given {
	int	 fd;		/* that the listening socket becomes */
	const char *count, *pid;	/* LISTEN_*; pid "" is the right one */
	int	 expected;
};

static int
given(const void *arg)
{
	const struct given *g = arg;
	char dir[64], pid[32];
	int fd, null, got;

	t_dir(dir, sizeof(dir));
	null = open("/dev/null", O_RDWR);
	fd = listen_in(dir);
	t_dir_remove(dir);
	if (dup2(null, 0) == -1 || dup2(null, 3) == -1 ||
	    dup2(fd, g->fd) == -1)
		return 100;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (g->count != NULL)
		setenv("LISTEN_FDS", g->count, 1);
	if (g->pid != NULL)
		setenv("LISTEN_PID", g->pid[0] == '\0' ? pid : g->pid, 1);
	got = start_socket_given();
	return got == g->expected ? 0 : 10 + got;
}

static void
test_what_the_monitor_is_given(void **state)
{
	static const struct given cases[] = {
		{ 3, "1", "", 3 },
		{ 3, "2", "", 3 },
		{ 3, "0", "", -1 },
		{ 3, "1", NULL, -1 },
		{ 3, "1", "1", -1 },		/* another's */
		{ 3, NULL, "", -1 },
		{ 0, NULL, NULL, 0 },		/* inetd */
		{ 9, "1", "", -1 },		/* no socket there */
		{ 9, NULL, NULL, -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(t_in_child(given, &cases[i]), 0);
}

static void
test_a_connection_does_not_listen(void **state)
{
	int pair[2], was = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dup2(pair[0], STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(start_socket_given(), -1);
	if (was != -1)
		(void)dup2(was, STDIN_FILENO);
	close(was);
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_runner_takes),
		cmocka_unit_test(test_what_the_monitor_is_given),
		cmocka_unit_test(test_a_connection_does_not_listen),
	};

	return cmocka_run_group_tests_name("start_socket", tests, NULL, NULL);
}
