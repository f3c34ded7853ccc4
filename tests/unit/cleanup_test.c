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
	int fd, sig;

	(void)arg;
	setenv("TZ", "/tmp/evil", 1);
	for (sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_IGN);
	sigfillset(&mask);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	if (chdir("/tmp") == -1 || dup2(STDERR_FILENO, 40) == -1 ||
	    cleanup_all() == -1)
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

/* Raised, or refused with the name of the limit. */
static int
is_enough_or_said(int which, const char *name, const char *dir,
    rlim_t least)
{
	struct rlimit rl = { least / 2, least / 2 };
	struct buf text;
	int fd, ret;

	fd = open(t_path(dir, "err"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || dup2(fd, STDERR_FILENO) == -1)
		return 1;
	if (setrlimit(which, &rl) == -1)
		return 2;
	ret = cleanup_limits(0);
	if (getrlimit(which, &rl) == -1)
		return 3;
	if (ret == 0)
		return rl.rlim_cur >= least ? 0 : 4;
	/* Without room for a file there is none to read. */
	if (which == RLIMIT_FSIZE)
		return 0;
	buf_init(&text, 0);
	t_get(t_path(dir, "err"), &text);
	return strstr(buf_str(&text), name) != NULL &&
	    strstr(buf_str(&text), "cannot be raised") != NULL ? 0 : 5;
}

static int
files(const void *dir)
{
	return is_enough_or_said(RLIMIT_NOFILE, "limit on open files", dir,
	    512);
}

static int
file_size(const void *dir)
{
	return is_enough_or_said(RLIMIT_FSIZE, "limit on file size", dir,
	    (rlim_t)1 << 30);
}

static int
processor(const void *dir)
{
	return is_enough_or_said(RLIMIT_CPU, "limit on CPU time", dir, 3600);
}

/* What is enough for a call is left alone. */
static int
is_left_alone(const void *dir)
{
	struct rlimit rl = { 600, 600 };

	(void)dir;
	return setrlimit(RLIMIT_NOFILE, &rl) == -1 || cleanup_limits(0) == -1 ||
	    getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur != 600;
}

static void
test_limits_that_are_too_low(void **state)
{
	char dir[64];

	(void)state;
	t_dir(dir, sizeof(dir));
	assert_int_equal(t_in_child(files, dir), 0);
	assert_int_equal(t_in_child(file_size, dir), 0);
	assert_int_equal(t_in_child(processor, dir), 0);
	assert_int_equal(t_in_child(is_left_alone, dir), 0);
	t_dir_remove(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_runner_keeps_nothing),
		cmocka_unit_test(test_limits_that_are_too_low),
	};

	return cmocka_run_group_tests_name("cleanup", tests, NULL, NULL);
}
