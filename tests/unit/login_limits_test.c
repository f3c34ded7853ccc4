/*
 * login_limits_test.c - the limits of a command, in a process of its own.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include <unistd.h>

#include "priv/cleanup.h"
#include "priv/login_limits.h"
#include "tests/unit/t.h"

static int
has_login_limits(void)
{
	static const struct { int which; rlim_t soft; } wanted[] = {
		{ RLIMIT_NOFILE, 1024 }, { RLIMIT_CORE, 0 },
		{ RLIMIT_NICE, 0 }, { RLIMIT_RTPRIO, 0 },
		{ RLIMIT_STACK, 8 << 20 },
	};
	struct rlimit rl;
	size_t i;

	if (cleanup_limits(1) == -1 || login_limits_set() == -1)
		return 1;
	for (i = 0; i < N(wanted); i++)
		if (getrlimit(wanted[i].which, &rl) == -1 ||
		    rl.rlim_cur != wanted[i].soft)
			return 2;
	/* Privileges are given up for good. */
	return getrlimit(RLIMIT_NICE, &rl) == -1 || rl.rlim_max != 0 ||
	    getrlimit(RLIMIT_RTPRIO, &rl) == -1 || rl.rlim_max != 0 ? 3 : 0;
}

static void
test_the_limits_of_a_command(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(has_login_limits());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limits_of_a_command),
	};

	return cmocka_run_group_tests_name("login_limits", tests, NULL, NULL);
}
