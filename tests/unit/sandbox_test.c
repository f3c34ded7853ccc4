/*
 * sandbox_test.c - what is left after each confinement.
 * Where the kernel has no Landlock of version 2, only no_new_privs is seen.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "priv/sandbox.h"
#include "tests/unit/t.h"

struct wall {
	char		 dir[64];	/* stands for the spool */
	char		 other[64];
	struct conf	 conf;
	int		 is_confined;	/* the kernel can */
};

static int
reads(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static int
makes(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

/* Could it still write one? */
static int
has_core(void)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_CORE, &rl) == -1 || rl.rlim_max != 0;
}

/* Each returns 0, or the number of what it found wrong. */
static int
as_runner(const struct wall *w)
{
	if (sandbox_runner(&w->conf) == -1)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (has_core())
		return 7;
	if (!makes(t_path(w->dir, "new")) || !reads("/etc/passwd"))
		return 3;
	if (mkdir(t_path(w->dir, "corrupt"), 0700) == -1 ||
	    rename(t_path(w->dir, "new"), t_path(w->dir, "corrupt/new")) == -1)
		return 4;
	if (!makes("/dev/null") || !makes(t_path(w->other, "log")))
		return 5;
	return w->is_confined && makes(t_path(w->other, "new")) ? 6 : 0;
}

static int
as_remote(const struct wall *w)
{
	static const struct sandbox_ports ports;

	if (sandbox_remote(&w->conf, &ports) == -1)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (!reads("/etc/passwd"))
		return 3;
	if (!w->is_confined)
		return 0;
	if (reads(t_path(w->dir, "seen")) || makes(t_path(w->dir, "new")))
		return 4;
	if (makes("/dev/null") || reads("/proc/self/status"))
		return 5;
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES || errno == EPERM ? 0 : 6;
}

static int
as_lmtp(const struct wall *w)
{
	if (sandbox_lmtp() == -1 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	return w->is_confined && (reads("/etc/passwd") ||
	    reads(t_path(w->dir, "seen"))) ? 2 : 0;
}

static void
check(int (*wall)(const struct wall *))
{
	struct wall w;
	int status;
	pid_t pid;

	memset(&w, 0, sizeof(w));
	t_dir(w.dir, sizeof(w.dir));
	t_dir(w.other, sizeof(w.other));
	t_put(t_path(w.dir, "seen"), T("x"), 0600);
	t_put(t_path(w.other, "log"), T("x"), 0600);
	assert_int_equal(conf_init(&w.conf), 0);
	free(w.conf.where.spool);
	w.conf.where.spool = strdup(w.dir);
	w.conf.log.path = strdup(t_path(w.other, "log"));
	w.is_confined = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    1U) >= 2;
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(wall(&w));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	conf_fini(&w.conf);
	t_dir_remove(w.dir);
	t_dir_remove(w.other);
}

static void
test_the_runner_writes_to_the_spool_and_the_log(void **state)
{
	(void)state;
	check(as_runner);
}

static void
test_dma_remote_sees_no_spool_and_runs_nothing(void **state)
{
	(void)state;
	check(as_remote);
}

static void
test_an_lmtp_delivery_opens_nothing(void **state)
{
	(void)state;
	check(as_lmtp);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_runner_writes_to_the_spool_and_the_log),
		cmocka_unit_test(
		    test_dma_remote_sees_no_spool_and_runs_nothing),
		cmocka_unit_test(test_an_lmtp_delivery_opens_nothing),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
