/*
 * login_limits_test.c - the limits of a command, in a process of its own.
 */
#include <sys/resource.h>

#include "priv/cleanup.h"
#include "priv/login_limits.h"
#include "tests/unit/t.h"

static int
has_login_limits(const void *arg)
{
	static const struct { int which; rlim_t soft; } wanted[] = {
		{ RLIMIT_NOFILE, 1024 }, { RLIMIT_CORE, 0 },
		{ RLIMIT_NICE, 0 }, { RLIMIT_RTPRIO, 0 },
		{ RLIMIT_STACK, 8 << 20 },
	};
	struct rlimit rl;
	size_t i;

	(void)arg;
	if (cleanup_limits(1) != NULL || login_limits_set() == -1)
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
	(void)state;
	assert_int_equal(t_in_child(has_login_limits, NULL), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limits_of_a_command),
	};

	return cmocka_run_group_tests_name("login_limits", tests, NULL, NULL);
}
