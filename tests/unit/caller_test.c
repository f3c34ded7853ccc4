/*
 * caller_test.c - what is left of a caller's descriptors, variables and
 * signals.  Each case runs in a process of its own.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "priv/caller.h"
#include "tests/unit/t.h"

extern char **environ;

struct zone {
	const char *tz;
	int is_kept, is_useless;
};

static int
keeps_zone(const void *arg)
{
	const struct zone *z = arg;
	const char *now;
	struct caller c = { 0 };

	setenv("TZ", z->tz, 1);
	setenv("LD_PRELOAD", "/tmp/evil.so", 1);
	setenv("EMAIL", "ann@x.test", 1);
	setenv("LOGNAME", "ann\nroot", 1);
	setenv("NAME", "Ann", 1);
	if (caller_clean(&c) == -1)
		return 1;
	now = getenv("TZ");
	if ((now != NULL) != z->is_kept || (now != NULL &&
	    strcmp(now, z->tz + (z->tz[0] == ':')) != 0))
		return 2;
	if (strcmp(c.ignored, z->is_useless ? "LOGNAME TZ" : "LOGNAME") != 0)
		return 5;
	if (getenv("LD_PRELOAD") != NULL || getenv("EMAIL") != NULL ||
	    getenv("PATH") == NULL || environ[1 + z->is_kept] != NULL)
		return 3;
	return strcmp(c.email, "ann@x.test") != 0 || c.logname[0] != '\0' ||
	    strcmp(c.name, "Ann") != 0 ? 4 : 0;
}

static void
test_variables(void **state)
{
	static const struct zone cases[] = {
		{ "Europe/Berlin", 1, 0 }, { "UTC", 1, 0 }, { "CET-1CEST", 1, 0 },
		{ "<-03>3", 1, 0 }, { "EST5EDT,M3.2.0,M11.1.0", 1, 0 },
		{ ":Europe/Berlin", 1, 0 },
		{ "", 0, 0 }, { "/etc/localtime", 0, 0 }, { ":/etc/localtime", 0, 0 },
		{ "/etc/passwd", 0, 1 }, { ":/etc/passwd", 0, 1 },
		{ "../../tmp/evil", 0, 1 }, { "Europe/../x", 0, 1 },
		{ "a b", 0, 1 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaa", 0, 1 },
	};
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		ret = t_in_child(keeps_zone, &cases[i]);
		if (ret != 0)
			fail_msg("%s: %d", cases[i].tz, ret);
	}
}

struct standard {
	int flags;		/* of standard input; -1: closed */
	int has_stdin;
};

static int
has_three_descriptors(const void *arg)
{
	const struct standard *s = arg;
	struct dirent *e;
	struct caller c = { 0 };
	int fd, n = 0;
	DIR *dir;

	close(STDIN_FILENO);
	if (s->flags != -1 && open("/dev/null", s->flags) != STDIN_FILENO)
		return 1;
	close(STDOUT_FILENO);
	if (dup2(STDERR_FILENO, 40) == -1)
		return 2;
	if (caller_clean_descriptors(&c) == -1 || c.has_stdin != s->has_stdin)
		return 3;
	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) == -1)
			return 4;
	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 5;
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n != 4;		/* with the directory */
}

static void
test_descriptors(void **state)
{
	static const struct standard cases[] = {
		{ O_RDONLY, 1 }, { O_RDWR, 1 }, { O_WRONLY, 0 }, { -1, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (t_in_child(has_three_descriptors, &cases[i]) != 0)
			fail_msg("case %zu", i);
}

static int
has_plain_signals(const void *arg)
{
	struct caller c = { 0 };
	sigset_t all;
	char here[64];
	int sig;

	(void)arg;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	if (chdir("/tmp") == -1 || caller_clean(&c) == -1 ||
	    getcwd(here, sizeof(here)) == NULL || strcmp(here, "/") != 0)
		return 1;
	sigprocmask(SIG_BLOCK, NULL, &all);
	for (sig = 1; sig < SIGSYS; sig++)
		if (sigismember(&all, sig) != (sig == SIGTTOU))
			return 2;
	/* A terminal can end it, unless the caller is under nohup. */
	if (signal(SIGHUP, SIG_DFL) != SIG_IGN ||
	    signal(SIGINT, SIG_DFL) != SIG_DFL ||
	    signal(SIGTERM, SIG_DFL) != SIG_DFL)
		return 3;
	/* A closed pipe and a full file system are errors, not the end. */
	raise(SIGPIPE);
	raise(SIGXFSZ);
	return 0;
}

/* A terminal that hangs up does not change the status any more. */
static int
outlives_its_terminal(const void *arg)
{
	(void)arg;
	caller_block_signals();
	raise(SIGHUP);
	raise(SIGINT);
	raise(SIGTERM);
	raise(SIGTSTP);
	return 0;
}

/* Nor does an interrupt while it waits: the message is in the queue. */
static int
leaves_with_0(const void *arg)
{
	const struct caller c = { 0 };

	(void)arg;
	caller_block_signals();
	raise(SIGINT);
	caller_may_leave(&c);
	return 1;
}

static int
stays_under_nohup(const void *arg)
{
	const struct caller c = { 0 };

	(void)arg;
	(void)signal(SIGHUP, SIG_IGN);
	caller_block_signals();
	raise(SIGHUP);
	caller_may_leave(&c);
	raise(SIGHUP);
	return 7;
}

static void
test_signals(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(has_plain_signals, NULL), 0);
	assert_int_equal(t_in_child(outlives_its_terminal, NULL), 0);
	assert_int_equal(t_in_child(leaves_with_0, NULL), 0);
	assert_int_equal(t_in_child(stays_under_nohup, NULL), 7);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests_name("caller", tests, NULL, NULL);
}
