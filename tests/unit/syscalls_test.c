/*
 * syscalls_test.c - system calls that are denied, in a process of its own.
 * Where the kernel has no filters, or we have none for the processor, only
 * that this is no error is seen.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "priv/syscalls.h"
#include "tests/unit/t.h"

static int
is_denied(long ret, int error)
{
	return ret == -1 && errno == error;
}

/* 1, 0, or -1: nothing is confined here. */
static int
confine(enum syscalls_of which)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    syscalls_confine(which) == -1)
		return 0;
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 ? 1 : -1;
}

/* Of the same kind for all; 0, or the number of what is not as it should be. */
static int
as_all(const char *file)
{
	if (!is_denied(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM))
		return 2;
	if (!is_denied(syscall(SYS_unshare, 0x10000000), EPERM))
		return 3;
	if (!is_denied(syscall(437, AT_FDCWD, file, NULL, 0), ENOSYS))
		return 4;
	if (!is_denied(syscall(100000), ENOSYS))
		return 5;
	if (!is_denied(syscall(SYS_fchmodat, AT_FDCWD, file, 04755), EPERM))
		return 6;
	if (getpid() <= 0 || open("/dev/null", O_RDONLY) == -1)
		return 7;
	return 0;
}

static int
as_runner(const void *file)
{
	int ret = confine(SYSCALLS_RUNNER);

	if (ret != 1)
		return ret == -1 ? 0 : 1;
	if (chmod(file, 0640) == -1 || kill(getpid(), 0) == -1)
		return 20;
	if (socket(AF_UNIX, SOCK_DGRAM, 0) == -1)
		return 21;
	if (open(file, O_WRONLY | O_APPEND) == -1)
		return 22;
	return as_all(file);
}

static int
as_remote(const void *file)
{
	int ret = confine(SYSCALLS_REMOTE);

	if (ret != 1)
		return ret == -1 ? 0 : 1;
	if (!is_denied(kill(getpid(), 0), EPERM))
		return 30;
#ifndef SYS_socketcall	/* whose arguments no filter can read */
	if (!is_denied(socket(AF_UNIX, SOCK_DGRAM, 0), EPERM))
		return 31;
#endif
	if (!is_denied(open(file, O_WRONLY), EPERM))
		return 32;
	if (!is_denied(execl("/bin/true", "true", (char *)NULL), EPERM))
		return 33;
	if (!is_denied(unlink(file), EPERM))
		return 34;
	if (is_denied(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), EPERM))
		return 35;
	return as_all(file);
}

static void
check(int (*confined)(const void *))
{
	char dir[64];

	t_dir(dir, sizeof(dir));
	t_put(t_path(dir, "file"), T("x"), 0600);
	assert_int_equal(t_in_child(confined, t_path(dir, "file")), 0);
	assert_true(t_exists(t_path(dir, "file")));
	t_dir_remove(dir);
}

static void
test_the_runner_keeps_to_itself(void **state)
{
	(void)state;
	check(as_runner);
}

static void
test_dma_remote_reads_and_talks(void **state)
{
	(void)state;
	check(as_remote);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_runner_keeps_to_itself),
		cmocka_unit_test(test_dma_remote_reads_and_talks),
	};

	return cmocka_run_group_tests_name("syscalls", tests, NULL, NULL);
}
