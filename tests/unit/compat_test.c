/*
 * compat_test.c - descriptors that are closed, and whose the other end is.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "tests/unit/t.h"

#define LOWEST	200

static int
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
test_close_from(void **state)
{
	static const int fds[] = { LOWEST, LOWEST + 1, LOWEST + 50 };
	size_t i;

	(void)state;
	assert_int_equal(dup2(0, LOWEST - 1), LOWEST - 1);
	for (i = 0; i < N(fds); i++)
		assert_int_equal(dup2(0, fds[i]), fds[i]);
	assert_int_equal(compat_close_from(LOWEST), 0);
	for (i = 0; i < N(fds); i++)
		assert_false(is_open(fds[i]));
	assert_true(is_open(LOWEST - 1));
	close(LOWEST - 1);
}

/* A kernel before 5.9: 0 when the same are closed. */
static int
closes_without_close_range(const void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { N(code), code };

	(void)arg;
	if (dup2(0, LOWEST - 1) == -1 || dup2(0, LOWEST) == -1 ||
	    dup2(0, LOWEST + 50) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1)
		return 1;
	if (syscall(SYS_close_range, 1000U, 1000U, 0U) != -1)
		return 2;
	if (compat_close_from(LOWEST) == -1)
		return 3;
	return is_open(LOWEST) || is_open(LOWEST + 50) ||
	    !is_open(LOWEST - 1) ? 4 : 0;
}

static void
test_close_from_without_close_range(void **state)
{
	(void)state;
	t_needs_the_kernel();
	assert_int_equal(t_in_child(closes_without_close_range, NULL), 0);
}

static void
test_peer(void **state)
{
	int pair[2], pipes[2];
	uid_t uid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(compat_peer(pair[0], &uid), 0);
	assert_int_equal(uid, geteuid());
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(compat_peer(pipes[0], &uid), -1);
	close(pipes[0]);
	close(pipes[1]);
}

/* Signals of the C library, too, which sigaction() does not touch. */
static void
test_default_signal(void **state)
{
	static const int signals[] = { SIGHUP, 64, 32, 33 };
	struct sigaction sa;
	char line[256];
	unsigned long long ignored = ~0ULL;
	size_t i;
	FILE *f;

	(void)state;
	t_needs_the_kernel();
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	for (i = 0; i < N(signals); i++)
		(void)syscall(SYS_rt_sigaction, signals[i], &sa, NULL,
		    (size_t)(NSIG - 1) / 8);
	for (i = 0; i < N(signals); i++)
		compat_default_signal(signals[i]);
	f = fopen("/proc/self/status", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "SigIgn:", 7) == 0)
			ignored = strtoull(line + 7, NULL, 16);
	fclose(f);
	for (i = 0; i < N(signals); i++)
		assert_int_equal(ignored >> (signals[i] - 1) & 1, 0);
}

static void
test_signal_fd(void **state)
{
	struct pollfd p;
	sigset_t old;

	(void)state;
	sigprocmask(SIG_BLOCK, NULL, &old);
	p.fd = compat_signal_fd(SIGUSR1);
	if (p.fd == -1)
		t_skip("signals cannot be read here");
	p.events = POLLIN;
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(poll(&p, 1, 0), 1);
	/* Read, so that it does not come when it is unblocked. */
	assert_true(read(p.fd, &(char[1024]){ 0 }, 1024) > 0);
	close(p.fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_from),
		cmocka_unit_test(test_close_from_without_close_range),
		cmocka_unit_test(test_signal_fd),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_default_signal),
	};

	return cmocka_run_group_tests_name("compat", tests, NULL, NULL);
}
