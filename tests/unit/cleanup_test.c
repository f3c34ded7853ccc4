/*
 * cleanup_test.c - what a runner has of whoever started it, and its limits.
 * Each case runs in a process of its own.  Whether limits can be raised
 * depends on the rights of the one who runs this: both ways are right.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "priv/cleanup.h"
#include "tests/unit/t.h"

extern char **environ;

static int
keeps_nothing(const void *arg)
{
	struct stat null, st;
	char here[64];
	sigset_t mask;
	int fd, kept = -1, sig;

	(void)arg;
	setenv("TZ", "/tmp/evil", 1);
	for (sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_IGN);
	sigfillset(&mask);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	if (chdir("/tmp") == -1 || dup2(STDERR_FILENO, 40) == -1 ||
	    cleanup_all(&kept, 0) == -1)
		return 1;
	if (environ[0] == NULL || strncmp(environ[0], "PATH=", 5) != 0 ||
	    environ[1] != NULL || getcwd(here, sizeof(here)) == NULL ||
	    strcmp(here, "/") != 0)
		return 2;
	if (stat("/dev/null", &null) == -1 || fcntl(3, F_GETFD) != -1 ||
	    fcntl(40, F_GETFD) != -1)
		return 3;
	for (fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == -1 || st.st_rdev != null.st_rdev)
			return 4;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (sig = 1; sig < SIGSYS; sig++)
		if (sigismember(&mask, sig) ||
		    (sig != SIGKILL && sig != SIGSTOP &&
		    (signal(sig, SIG_DFL) == SIG_IGN) !=
		    (sig == SIGPIPE || sig == SIGXFSZ)))
			return 5;
	return 0;
}

static void
test_a_runner_keeps_nothing(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(keeps_nothing, NULL), 0);
}

/* arg: the descriptor that standard input is a copy of. */
static int
keeps_log(const void *arg)
{
	int kept = -1, log = open("/", O_TMPFILE | O_WRONLY, 0600);
	struct stat here, st;

	if (log == -1)
		log = open("/tmp", O_TMPFILE | O_WRONLY, 0600);
	if (log == -1 || dup2(log, STDERR_FILENO) == -1 ||
	    fstat(log, &here) == -1)
		return 2;
	if (*(const int *)arg == STDERR_FILENO &&
	    dup2(STDERR_FILENO, STDIN_FILENO) == -1)
		return 3;
	if (cleanup_all(&kept, 1) == -1 || fstat(STDERR_FILENO, &st) == -1)
		return 4;
	return here.st_ino == st.st_ino && here.st_dev == st.st_dev ? 0 : 1;
}

static void
test_standard_error_of_init_is_a_log(void **state)
{
	static const int own = STDIN_FILENO, copy = STDERR_FILENO;

	(void)state;
	assert_int_equal(t_in_child(keeps_log, &own), 0);
	/* As inetd gives a socket. */
	assert_int_equal(t_in_child(keeps_log, &copy), 1);
}

/* Raised, or refused with the name of the limit. */
static int
is_enough_or_named(int which, const char *name, rlim_t least)
{
	struct rlimit rl = { least / 2, least / 2 };
	const char *named;

	if (setrlimit(which, &rl) == -1)
		return 2;
	named = cleanup_limits(0);
	if (named != NULL)
		return strcmp(named, name) == 0 ? 0 : 5;
	return getrlimit(which, &rl) == 0 && rl.rlim_cur >= least ? 0 : 4;
}

static int
files(const void *arg)
{
	(void)arg;
	return is_enough_or_named(RLIMIT_NOFILE, "limit on open files", 512);
}

static int
file_size(const void *arg)
{
	(void)arg;
	return is_enough_or_named(RLIMIT_FSIZE, "limit on file size",
	    (rlim_t)1 << 30);
}

static int
processor(const void *arg)
{
	(void)arg;
	return is_enough_or_named(RLIMIT_CPU, "limit on CPU time", 3600);
}

/* What is enough for a call is left alone. */
static int
is_left_alone(const void *arg)
{
	struct rlimit rl = { 600, 600 };

	(void)arg;
	return setrlimit(RLIMIT_NOFILE, &rl) == -1 || cleanup_limits(0) != NULL ||
	    getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur != 600;
}

static void
test_limits_that_are_too_low(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(files, NULL), 0);
	assert_int_equal(t_in_child(file_size, NULL), 0);
	assert_int_equal(t_in_child(processor, NULL), 0);
	assert_int_equal(t_in_child(is_left_alone, NULL), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_runner_keeps_nothing),
		cmocka_unit_test(test_standard_error_of_init_is_a_log),
		cmocka_unit_test(test_limits_that_are_too_low),
	};

	return cmocka_run_group_tests_name("cleanup", tests, NULL, NULL);
}
