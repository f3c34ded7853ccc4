/*
 * apart_test.c - a task in a process of its own, and what it says.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/apart.h"
#include "tests/unit/t.h"

static void
say(void *arg, int report)
{
	(void)io_write_all(report, arg, strlen(arg));
	memset(arg, 'x', strlen(arg));
	close(report);
	/* Only what was said by then is waited for. */
	(void)io_write_all(report, "more", 4);
}

static void
die(void *arg, int report)
{
	(void)io_write_all(report, arg, 1);
	raise(SIGKILL);
}

static void
check(void (*task)(void *, int), char *arg, const char *expected)
{
	struct buf said;

	buf_init(&said, 4);
	assert_int_equal(apart(task, arg, &said), 0);
	assert_string_equal(buf_str(&said), expected);
	buf_fini(&said);
}

static void
test_what_it_says(void **state)
{
	char text[] = "abc";

	(void)state;
	check(say, text, "abc");
	/* It has memory of its own. */
	assert_string_equal(text, "abc");
	check(die, text, "a");
	/* No child is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	check(say, text, "abc");
	assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
