/*
 * submit_acceptor_test.c - who has a part of the calls, with a program of our
 * own: its source is compiled in for that.
 */
#undef DMA_PROGRAM
#define DMA_PROGRAM "./dma"
#include "priv/submit_acceptor.c"

#include <sys/un.h>

#include "tests/unit/t.h"

static void
test_no_user_has_all(void **state)
{
	static struct calls c;
	int i;

	(void)state;
	c.n = 0;
	for (i = 0; has_place(&c, 7); i++)
		c.list[c.n++].uid = 7;
	assert_int_equal(i, CALLS_OF_USER);
	assert_true(has_place(&c, 8));
	for (i = 0; has_place(&c, 1000 + (uid_t)i); i++)
		c.list[c.n++].uid = 1000 + (uid_t)i;
	assert_int_equal(c.n, CALLS_MAX);
	assert_false(has_place(&c, 8));
}

/* As root of a user namespace, a user has subordinate uids. */
static void
test_no_user_has_all_by_subordinate_uids(void **state)
{
	static struct calls c;
	uid_t uid;

	(void)state;
	c.n = 0;
	for (uid = 100000; uid < 100000 + 65536; uid += 16)
		while (has_place(&c, uid))
			c.list[c.n++].uid = uid;
	assert_int_equal(c.n, 2 * CALLS_OF_RANGE);
	assert_true(has_place(&c, 1000));
	assert_true(has_place(&c, 524288));
}

/* A call that has ended makes room, whichever it is. */
static void
test_ended_ones_are_forgotten(void **state)
{
	static struct calls c;
	struct pollfd pfd = { .events = POLLIN };
	int i, pair[3][2];

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(pipe(pair[i]), 0);
		c.list[i].uid = 7 + (uid_t)i;
		c.list[i].pid = fork();
		assert_true(c.list[i].pid != -1);
		if (c.list[i].pid == 0) {
			close(pair[i][1]);
			_exit(read(pair[i][0], &i, 1) == 0 ? 0 : 1);
		}
		close(pair[i][0]);
	}
	c.n = 3;
	reap(&c);
	assert_int_equal(c.n, 3);
	/* The first: those after it hold only the ends made before them. */
	assert_int_equal(kill(c.list[0].pid, SIGKILL), 0);
	for (i = 0; i < 1000 && c.n == 3; i++) {
		(void)poll(&pfd, 0, 10);
		reap(&c);
	}
	assert_int_equal(c.n, 2);
	assert_int_equal(c.list[0].uid, 9);
	assert_int_equal(c.list[1].uid, 8);
	for (i = 0; i < 3; i++)
		close(pair[i][1]);
	for (i = 0; i < 1000 && c.n > 0; i++) {
		(void)poll(&pfd, 0, 10);
		reap(&c);
	}
	assert_int_equal(c.n, 0);
}

/* ---- over a socket ---- */

static const char program[] = "#!/bin/sh\n"
    "echo \"$# $1\" >&0\n";

static int
open_listening(struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, "submit", sizeof("submit"));
	if (fd == -1 || bind(fd, (struct sockaddr *)sun, sizeof(*sun)) == -1 ||
	    listen(fd, 8) == -1)
		return -1;
	return fd;
}

/* 0 when the program answers over the connection. */
static int
ask(const struct sockaddr_un *sun)
{
	char text[64];
	size_t n = 0;
	ssize_t got;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == -1)
		return 3;
	while (n < sizeof(text) && (got = read(fd, text + n,
	    sizeof(text) - n)) > 0)
		n += (size_t)got;
	close(fd);
	return n == 11 && memcmp(text, "1 --submit\n", 11) == 0 ? 0 : 4;
}

static int
serve_some(const void *dir)
{
	struct sockaddr_un sun;
	int i, fd, ret = 0;
	pid_t pid;

	if (chdir(dir) == -1)
		return 1;
	fd = open_listening(&sun);
	if (fd == -1)
		return 2;
	pid = fork();
	if (pid == 0) {
		/* As some super-servers leave it. */
		(void)signal(SIGCHLD, SIG_IGN);
		_exit(submit_acceptor(fd));
	}
	for (i = 0; i < 2 * CALLS_OF_USER && ret == 0; i++)
		ret = ask(&sun);
	kill(pid, SIGKILL);
	return ret;
}

/* One after the other as many as there are, each by a new process. */
static void
test_each_call_has_a_process(void **state)
{
	char dir[64];

	(void)state;
	t_dir(dir, sizeof(dir));
	t_put(t_path(dir, "dma"), program, sizeof(program) - 1, 0755);
	assert_int_equal(t_in_child(serve_some, dir), 0);
	t_dir_remove(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_user_has_all),
		cmocka_unit_test(test_no_user_has_all_by_subordinate_uids),
		cmocka_unit_test(test_ended_ones_are_forgotten),
		cmocka_unit_test(test_each_call_has_a_process),
	};

	return cmocka_run_group_tests_name("submit_acceptor", tests, NULL,
	    NULL);
}
