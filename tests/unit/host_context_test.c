/*
 * host_context_test.c - what is reset, in a process of its own.
 * The namespaces and cgroups of init are in tests/system/test_context.py.
 */
#if defined(__linux__)
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <limits.h>
#include <sched.h>
#endif

#include "priv/host_context.h"
#include "tests/unit/t.h"

#if defined(__linux__)
/* Without any right; some settings are then refused, which is no error. */
static int
is_reset(const void *arg)
{
	struct sched_param param = { 0 };

	(void)arg;
	if (prctl(PR_SET_TIMERSLACK, ULONG_MAX / 4, 0, 0, 0) == -1 ||
	    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1 ||
	    personality(0x4020000) == -1 ||
	    sched_setscheduler(0, SCHED_BATCH, &param) == -1)
		return 1;
	host_context_reset();
	if (prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) != 50000)
		return 2;
	if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 0)
		return 3;
	if (personality(0xffffffff) != PER_LINUX)
		return 4;
	return sched_getscheduler(0) == SCHED_OTHER ? 0 : 5;
}
#endif

static void
test_nothing_of_the_caller_stays(void **state)
{
	(void)state;
	t_needs_the_kernel();
#if defined(__linux__)
	assert_int_equal(t_in_child(is_reset, NULL), 0);
#endif
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_of_the_caller_stays),
	};

	return cmocka_run_group_tests_name("host_context", tests, NULL, NULL);
}
