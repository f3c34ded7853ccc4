/*
 * seccomp_test.c - which calls a filter denies, for each kind of rule and each
 * call that is denied to all.
 * No call is executed: a filter below ours answers those that ours allows.
 */
#include "compat/seccomp.h"
#include "tests/unit/t.h"

#ifndef SECCOMP_ARCH

int
main(void)
{
	puts("1..0");
	return 0;
}

#else

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define MARK	0x5eccc0deU	/* the sixth argument of an attempt */
#define ALLOWED	EXDEV		/* what the filter below ours answers */
#define NO_FILTERS 100		/* exit status */
#define HIGH	(1ULL << 32)
#define NEWEST	446		/* the last call that is known */
#define MANY	600		/* rules, of two instructions and more */

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define MARK_OFFSET	(offsetof(struct seccomp_data, args[5]) + 4)
#else
#define MARK_OFFSET	offsetof(struct seccomp_data, args[5])
#endif

/* 0 or -1; without filters in the kernel, the process ends. */
static int
catch_attempts(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, MARK_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ALLOWED),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { N(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == -1)
		_exit(NO_FILTERS);
	return 0;
}

struct attempt {
	int		 nr;
	uint64_t	 args[4];
	int		 expected;	/* errno */
};

/* The mark would stay in its register, for calls that take fewer arguments. */
static int
is_as_expected(const struct attempt *a)
{
	const long ret = syscall(a->nr, (long)a->args[0], (long)a->args[1],
	    (long)a->args[2], (long)a->args[3], 0L, (long)MARK);
	const int error = errno;

	(void)syscall(SYS_getpid, 0L, 0L, 0L, 0L, 0L, 0L);
	return ret == -1 && error == a->expected;
}

/* Rules, and what becomes of attempts. */
struct filter {
	const struct seccomp_rule *rules;
	size_t		 nrules;
	const struct attempt *attempts;
	size_t		 nattempts;
};

static int
is_filtered(const struct filter *f)
{
	size_t i;

	if (catch_attempts() == -1 || seccomp_deny(f->rules, f->nrules) == -1)
		return 101;
	for (i = 0; i < f->nattempts; i++)
		if (!is_as_expected(&f->attempts[i]))
			return (int)i + 1;
	return 0;
}

static int
run_filter(const void *arg)
{
	return is_filtered(arg);
}

static void
check(const struct filter *f)
{
	int ret = t_in_child(run_filter, f);

	if (ret == NO_FILTERS)
		t_skip("no filters of system calls");
	if (ret > 0 && ret <= (int)f->nattempts)
		fail_msg("attempt %d: call %d", ret - 1,
		    f->attempts[ret - 1].nr);
	assert_int_equal(ret, 0);
}

#define RULES(r, a)	{ r, N(r), a, N(a) }

/* ---- each kind of rule; fcntl and lseek are denied to nobody else ---- */

static void
test_a_call_is_denied_or_unknown(void **state)
{
	static const struct seccomp_rule rules[] = {
		DENY(fcntl), UNKNOWN(SYS_lseek)
	};
	static const struct attempt attempts[] = {
		{ SYS_fcntl, { 0, 1 }, EPERM },
		{ SYS_lseek, { 0, 1 }, ENOSYS },
		{ SYS_dup, { 0 }, ALLOWED },
	};
	const struct filter f = RULES(rules, attempts);

	(void)state;
	check(&f);
}

static void
test_values_of_an_argument(void **state)
{
	static const struct seccomp_rule rules[] = {
		DENY_IF(fcntl, 1, 1, 3, 5, 7, 9, 0xffffffff),
		DENY_UNLESS(lseek, 2, 2, 4, 6, 8, 10, 12),
		DENY_UNLESS(dup3, 0, 0),
	};
	static const struct attempt attempts[] = {
		{ SYS_fcntl, { 9, 1 }, EPERM },
		{ SYS_fcntl, { 0, 5 }, EPERM },
		{ SYS_fcntl, { 0, 9 }, EPERM },
		{ SYS_fcntl, { 0, 0xffffffff }, EPERM },
		{ SYS_fcntl, { 1, 2, 1 }, ALLOWED },
		{ SYS_fcntl, { 1, 0, 1 }, ALLOWED },
		{ SYS_lseek, { 0, 0, 2 }, ALLOWED },
		{ SYS_lseek, { 0, 0, 8 }, ALLOWED },
		{ SYS_lseek, { 0, 0, 12 }, ALLOWED },
		{ SYS_lseek, { 2, 2, 3, 2 }, EPERM },
		{ SYS_lseek, { 2, 2, 0, 2 }, EPERM },
		{ SYS_dup3, { 0, 1 }, ALLOWED },
		{ SYS_dup3, { 1, 0 }, EPERM },
		{ SYS_dup, { 1 }, ALLOWED },
	};
	const struct filter f = RULES(rules, attempts);

	(void)state;
	check(&f);
}

static void
test_bits_of_an_argument(void **state)
{
	static const struct seccomp_rule rules[] = {
		DENY_BITS(fcntl, 3, 06000),
		DENY_UNLESS_BITS(lseek, 0, 0x80010000),
	};
	static const struct attempt attempts[] = {
		{ SYS_fcntl, { 0, 0, 0, 04755 }, EPERM },
		{ SYS_fcntl, { 0, 0, 0, 02000 }, EPERM },
		{ SYS_fcntl, { 06000, 0, 06000, 01777 }, ALLOWED },
		{ SYS_lseek, { 0x10001 }, ALLOWED },
		{ SYS_lseek, { 0x80000000 }, ALLOWED },
		{ SYS_lseek, { 0x7ffeffff, 0x10000 }, EPERM },
	};
	const struct filter f = RULES(rules, attempts);

	(void)state;
	check(&f);
}

/* The kernel takes 32 bits of them, and so does the filter. */
static void
test_the_upper_half_of_an_argument_hides_nothing(void **state)
{
	static const struct seccomp_rule rules[] = {
		DENY_IF(fcntl, 1, 8), DENY_UNLESS(lseek, 2, 1),
		DENY_BITS(dup3, 2, 4),
	};
	static const struct attempt attempts[] = {
		{ SYS_fcntl, { 0, HIGH | 8 }, EPERM },
		{ SYS_lseek, { 0, 0, HIGH | 1 }, ALLOWED },
		{ SYS_lseek, { 0, 0, HIGH }, EPERM },
		{ SYS_dup3, { 0, 0, HIGH | 4 }, EPERM },
		{ SYS_dup3, { 0, 0, 4 * HIGH }, ALLOWED },
	};
	const struct filter f = RULES(rules, attempts);

	(void)state;
	if (sizeof(long) == 4)
		t_skip("arguments have 32 bits");
	check(&f);
}

static void
test_several_rules_of_one_call(void **state)
{
	static const struct seccomp_rule rules[] = {
		DENY_UNLESS(fcntl, 0, 1, 2), DENY_BITS(fcntl, 1, 0xc),
		DENY_IF(fcntl, 2, 0), DENY_UNLESS_BITS(fcntl, 3, 1),
	};
	static const struct attempt attempts[] = {
		{ SYS_fcntl, { 2, 3, 1, 1 }, ALLOWED },
		{ SYS_fcntl, { 3, 3, 1, 1 }, EPERM },
		{ SYS_fcntl, { 2, 4, 1, 1 }, EPERM },
		{ SYS_fcntl, { 2, 3, 0, 1 }, EPERM },
		{ SYS_fcntl, { 2, 3, 1, 2 }, EPERM },
	};
	const struct filter f = RULES(rules, attempts);

	(void)state;
	check(&f);
}

/* ---- what is denied to all ---- */

#define NEW_NAMESPACE(flag)	{ SYS_clone, { [CLONE_FLAGS] = flag }, EPERM }

static void
test_other_processes_are_out_of_reach(void **state)
{
	static const struct attempt attempts[] = {
		{ SYS_ptrace, { 16, 2 }, EPERM },
		{ SYS_process_vm_readv, { 1 }, EPERM },
		{ SYS_process_vm_writev, { 1 }, EPERM },
		{ SYS_kcmp, { 1, 2 }, EPERM },
		{ 438, { 3 }, EPERM },		/* pidfd_getfd */
		{ 440, { 3 }, EPERM },		/* process_madvise */
		{ SYS_migrate_pages, { 1 }, EPERM },
		{ SYS_move_pages, { 1 }, EPERM },
		{ SYS_prlimit64, { 1, RLIMIT_CPU }, EPERM },
		{ SYS_prlimit64, { 0, RLIMIT_CPU }, ALLOWED },
		{ SYS_sched_setaffinity, { 1 }, EPERM },
		{ SYS_sched_setaffinity, { 0 }, ALLOWED },
		{ SYS_sched_setscheduler, { 1 }, EPERM },
		{ SYS_sched_setscheduler, { 0 }, ALLOWED },
		{ SYS_sched_setparam, { 1 }, EPERM },
		{ SYS_sched_setparam, { 0 }, ALLOWED },
		{ SYS_sched_setattr, { 1 }, EPERM },
		{ SYS_sched_setattr, { 0 }, ALLOWED },
		{ SYS_setpriority, { PRIO_PROCESS, 1, 19 }, EPERM },
		{ SYS_setpriority, { PRIO_USER, 0, 19 }, EPERM },
		{ SYS_setpriority, { PRIO_PROCESS, 0, 19 }, ALLOWED },
		{ SYS_ioprio_set, { 1, 1 }, EPERM },
		{ SYS_ioprio_set, { 3, 0 }, EPERM },
		{ SYS_ioprio_set, { 1, 0 }, ALLOWED },
	};
	const struct filter f = { NULL, 0, attempts, N(attempts) };

	(void)state;
	check(&f);
}

static void
test_there_is_one_view_of_the_system(void **state)
{
	static const struct attempt attempts[] = {
		{ SYS_unshare, { 0 }, EPERM },
		{ SYS_setns, { 3 }, EPERM },
		NEW_NAMESPACE(CLONE_NEWNS), NEW_NAMESPACE(CLONE_NEWCGROUP),
		NEW_NAMESPACE(CLONE_NEWUTS), NEW_NAMESPACE(CLONE_NEWIPC),
		NEW_NAMESPACE(CLONE_NEWUSER | SIGCHLD),
		NEW_NAMESPACE(CLONE_NEWPID), NEW_NAMESPACE(CLONE_NEWNET),
		{ SYS_clone, { [CLONE_FLAGS] = CLONE_VM | CLONE_THREAD |
		    CLONE_SIGHAND }, ALLOWED },
		{ 435, { 0 }, ENOSYS },		/* clone3 */
		{ SYS_mount, { 0 }, EPERM },
		{ SYS_umount2, { 0 }, EPERM },
		{ SYS_pivot_root, { 0 }, EPERM },
		{ SYS_chroot, { 0 }, EPERM },
		{ 428, { 0 }, EPERM },		/* open_tree */
		{ 429, { 0 }, EPERM },		/* move_mount */
		{ 430, { 0 }, EPERM },		/* fsopen */
		{ 431, { 0 }, EPERM },		/* fsconfig */
		{ 432, { 0 }, EPERM },		/* fsmount */
		{ 433, { 0 }, EPERM },		/* fspick */
		{ 442, { 0 }, EPERM },		/* mount_setattr */
		{ SYS_open_by_handle_at, { 0 }, EPERM },
	};
	const struct filter f = { NULL, 0, attempts, N(attempts) };

	(void)state;
	check(&f);
}

static void
test_large_parts_of_the_kernel_are_closed(void **state)
{
	static const struct attempt attempts[] = {
		{ 425, { 1 }, EPERM },		/* io_uring_setup */
		{ 426, { 1 }, EPERM },		/* io_uring_enter */
		{ 427, { 1 }, EPERM },		/* io_uring_register */
		{ SYS_bpf, { 0 }, EPERM },
		{ SYS_perf_event_open, { 0 }, EPERM },
		{ SYS_userfaultfd, { 0 }, EPERM },
#ifdef SYS_modify_ldt
		{ SYS_modify_ldt, { 0 }, EPERM },
#endif
		{ SYS_personality, { 0x0040000 }, EPERM },
		{ SYS_personality, { 0 }, EPERM },
		{ SYS_personality, { 0xffffffff }, ALLOWED },
		{ SYS_init_module, { 0 }, EPERM },
		{ SYS_finit_module, { 0 }, EPERM },
		{ SYS_delete_module, { 0 }, EPERM },
		{ SYS_kexec_load, { 0 }, EPERM },
		{ SYS_reboot, { 0 }, EPERM },
		{ SYS_swapon, { 0 }, EPERM },
		{ SYS_swapoff, { 0 }, EPERM },
		{ SYS_acct, { 0 }, EPERM },
		{ SYS_quotactl, { 0 }, EPERM },
		{ 443, { 0 }, EPERM },		/* quotactl_fd */
		{ SYS_syslog, { 3 }, EPERM },
		{ SYS_ioctl, { 0, TIOCSTI }, EPERM },
		{ SYS_ioctl, { 0, TIOCLINUX }, EPERM },
		{ SYS_ioctl, { TIOCSTI, TCGETS, TIOCSTI }, ALLOWED },
	};
	const struct filter f = { NULL, 0, attempts, N(attempts) };

	(void)state;
	check(&f);
}

static void
test_no_file_becomes_set_id(void **state)
{
	static const struct attempt attempts[] = {
		{ SYS_fchmodat, { 0, 0, 04755 }, EPERM },
		{ SYS_fchmodat, { 06000, 0, 01755 }, ALLOWED },
		{ SYS_fchmod, { 0, 02755 }, EPERM },
		{ SYS_fchmod, { 06000, 0755 }, ALLOWED },
		{ SYS_mknodat, { 0, 0, 0104755 }, EPERM },
		{ SYS_mknodat, { 0, 0, 0100755, 06000 }, ALLOWED },
		{ SYS_openat, { 0, 0, O_CREAT, 02755 }, EPERM },
		{ SYS_openat, { 0, 0, O_CREAT | 06000, 0644 }, ALLOWED },
		{ 437, { 0 }, ENOSYS },		/* openat2 */
#ifdef SYS_open
		{ SYS_chmod, { 0, 04755 }, EPERM },
		{ SYS_chmod, { 0, 0755 }, ALLOWED },
		{ SYS_mknod, { 0, 0104755 }, EPERM },
		{ SYS_mknod, { 0, 0100755 }, ALLOWED },
		{ SYS_creat, { 0, 02755 }, EPERM },
		{ SYS_creat, { 0, 0755 }, ALLOWED },
		{ SYS_open, { 0, O_CREAT, 04755 }, EPERM },
		{ SYS_open, { 0, 06000, 0755 }, ALLOWED },
#endif
	};
	const struct filter f = { NULL, 0, attempts, N(attempts) };

	(void)state;
	check(&f);
}

static void
test_later_calls_are_unknown(void **state)
{
	static const struct attempt attempts[] = {
		{ NEWEST, { 0 }, ALLOWED },
#ifndef __arm__
		{ NEWEST + 1, { 0 }, ENOSYS },
		{ 452, { 0, 0, 04755 }, ENOSYS },	/* fchmodat2 */
		{ 100000, { 0 }, ENOSYS },
#endif
	};
	const struct filter f = { NULL, 0, attempts, N(attempts) };

	(void)state;
	check(&f);
}

/* ---- the program as a whole ---- */

static int
die_by_convention(const void *arg)
{
	(void)arg;
	if (catch_attempts() == -1 || seccomp_deny(NULL, 0) == -1)
		return 1;
#if defined(__x86_64__)
	(void)syscall(0x40000000 + SYS_getpid, 0, 0, 0, 0, 0, MARK);
#endif
	return 0;
}

static void
test_another_convention_kills(void **state)
{
	int status;
	pid_t pid;

	(void)state;
#if !defined(__x86_64__)
	t_skip("this processor has one convention");
#endif
	t_needs_the_kernel();
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(die_by_convention(NULL));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTERS)
		t_skip("no filters of system calls");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/*
 * Too many rules are an error, and never a filter without the last of them.
 * odd: a rule with a value, for all ways in which the last one can be cut.
 */
static int
fill(const void *odd)
{
	static const struct attempt last[] = {
		{ SYS_fcntl, { 0 }, EPERM },
		{ SYS_ioctl, { 0, TIOCLINUX }, EPERM },
		{ SYS_dup, { 0 }, ALLOWED },
	};
	const struct seccomp_rule usual = NUMBER(SYS_lseek),
	    longer = DENY_UNLESS(lseek, 0, 0), final = DENY(fcntl);
	struct seccomp_rule rules[MANY + 1];
	size_t i, n;

	if (catch_attempts() == -1)
		return 1;
	for (i = 0; i < MANY; i++)
		rules[i] = usual;
	if (odd != NULL)
		rules[0] = longer;
	for (n = MANY; n > 0; n--) {
		rules[n] = final;
		if (seccomp_deny(rules, n + 1) == 0)
			break;
		if (errno != EINVAL || !is_as_expected(&(struct attempt){
		    SYS_fcntl, { 0 }, ALLOWED }))
			return 2;
	}
	if (n == 0 || n == MANY)
		return 3;
	for (i = 0; i < N(last); i++)
		if (!is_as_expected(&last[i]))
			return 4;
	return 0;
}

static void
test_too_many_rules_are_an_error(void **state)
{
	int is_odd, ret;

	(void)state;
	t_needs_the_kernel();
	for (is_odd = 0; is_odd <= 1; is_odd++) {
		ret = t_in_child(fill, is_odd ? &is_odd : NULL);
		if (ret == NO_FILTERS)
			t_skip("no filters of system calls");
		assert_int_equal(ret, 0);
	}
}

/* Rules of an earlier filter stay. */
static int
confine_twice(const void *arg)
{
	const struct seccomp_rule one = DENY(fcntl), two = DENY(lseek);

	(void)arg;
	if (catch_attempts() == -1 || seccomp_deny(&one, 1) == -1 ||
	    seccomp_deny(&two, 1) == -1)
		return 1;
	return !is_as_expected(&(struct attempt){ SYS_fcntl, { 0 }, EPERM }) ||
	    !is_as_expected(&(struct attempt){ SYS_lseek, { 0 }, EPERM });
}

static void
test_a_filter_is_for_good(void **state)
{
	int ret = t_in_child(confine_twice, NULL);

	(void)state;
	if (ret == NO_FILTERS)
		t_skip("no filters of system calls");
	assert_int_equal(ret, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_is_denied_or_unknown),
		cmocka_unit_test(test_values_of_an_argument),
		cmocka_unit_test(test_bits_of_an_argument),
		cmocka_unit_test(
		    test_the_upper_half_of_an_argument_hides_nothing),
		cmocka_unit_test(test_several_rules_of_one_call),
		cmocka_unit_test(test_other_processes_are_out_of_reach),
		cmocka_unit_test(test_there_is_one_view_of_the_system),
		cmocka_unit_test(test_large_parts_of_the_kernel_are_closed),
		cmocka_unit_test(test_no_file_becomes_set_id),
		cmocka_unit_test(test_later_calls_are_unknown),
		cmocka_unit_test(test_another_convention_kills),
		cmocka_unit_test(test_too_many_rules_are_an_error),
		cmocka_unit_test(test_a_filter_is_for_good),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}

#endif
