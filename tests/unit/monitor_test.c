/*
 * monitor_test.c - who gets no further than the start.
 * What comes after it is in tests/system and tests/compromise.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "priv/monitor.h"
#include "tests/unit/t.h"

#define REACHED	99

static int
front_end(const struct caller *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	return REACHED;
}

static int
runner(struct helpers *h)
{
	(void)h;
	return REACHED;
}

static int
as_user(const struct delivery *d, const struct buf *text)
{
	(void)d;
	(void)text;
	return REACHED;
}

/* As nobody: not set-uid root, whatever is asked for. */
static void
test_without_root_nothing_starts(void **state)
{
	static const struct modes modes = { front_end, runner, as_user };
	char *calls[][4] = {
		{ "sendmail", "bob", NULL },
		{ "dma", "--runner", NULL },
		{ "dma", "--runner=flush", NULL },
		{ NULL },
	};
	int argc, fd, status;
	struct buf err;
	char dir[64];
	size_t i;
	pid_t pid;

	(void)state;
	t_dir(dir, sizeof(dir));
	buf_init(&err, 0);
	for (i = 0; i < N(calls); i++) {
		for (argc = 0; calls[i][argc] != NULL; argc++)
			;
		fd = open(t_path(dir, "err"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		assert_true(fd != -1);
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			dup2(fd, STDERR_FILENO);
			t_become_nobody();
			_exit(monitor_main(argc, calls[i], &modes));
		}
		close(fd);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EX_NOPERM);
		buf_reset(&err);
		t_get(t_path(dir, "err"), &err);
		assert_non_null(strstr(buf_str(&err), "set-uid root"));
	}
	buf_fini(&err);
	t_dir_remove(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_root_nothing_starts),
	};

	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
