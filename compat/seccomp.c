/*
 * seccomp.c - denies system calls that a process does not need.
 * Runs as: anyone, after no_new_privs.  Uses: seccomp filters.
 * Promise: a denied call fails with EPERM, as for lack of permission: the C
 * library, OpenSSL and commands of auth.conf have a fallback or report it, and
 * an update of them that tries a new call does not stop mail.  A call newer
 * than this file fails with ENOSYS, as on an older kernel.  Only a call by the
 * convention of another processor kills the process, since its number has
 * another meaning, and none of our programs makes one.
 *
 * All other calls are allowed: a list of the calls that libraries make would be
 * out of date with each of their releases.  From Linux 5.11 on, calls that are
 * allowed regardless of their arguments cost nothing.
 */
#include "compat/seccomp.h"

#ifdef SECCOMP_ARCH

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <errno.h>
#include <sched.h>

#define PROGRAM_MAX	1024	/* instructions; the kernel's limit is 4096 */
#define NEWEST_CALL	446	/* landlock_restrict_self, Linux 5.13 */
#define NEW_NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
			CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
			CLONE_NEWNET)
#define SET_ID		06000
#define QUERY		0xffffffff	/* personality(2): read only */
#define IOPRIO_PROCESS	1

/*
 * For all, also for commands of auth.conf, which may be any program: they can
 * still start programs, signal, and connect to what they like.
 */
static const struct seccomp_rule for_all[] = {
	/* Access to other processes of the spool user: reading, writing,
	 * taking their descriptors, slowing them down. */
	DENY(ptrace),
	DENY(process_vm_readv),
	DENY(process_vm_writev),
	DENY(kcmp),
	NUMBER(438),			/* pidfd_getfd */
	NUMBER(440),			/* process_madvise */
	DENY(migrate_pages),
	DENY(move_pages),
	/* 0: the process itself. */
	DENY_UNLESS(prlimit64, 0, 0),
	DENY_UNLESS(sched_setaffinity, 0, 0),
	DENY_UNLESS(sched_setscheduler, 0, 0),
	DENY_UNLESS(sched_setparam, 0, 0),
	DENY_UNLESS(sched_setattr, 0, 0),
	DENY_UNLESS(setpriority, 0, PRIO_PROCESS),
	DENY_UNLESS(setpriority, 1, 0),
	DENY_UNLESS(ioprio_set, 0, IOPRIO_PROCESS),
	DENY_UNLESS(ioprio_set, 1, 0),

	/* Namespaces, in which a process gains rights, and other views of the
	 * file system. */
	DENY(unshare),
	DENY(setns),
	DENY_BITS(clone, CLONE_FLAGS, NEW_NAMESPACES),
	UNKNOWN(435),			/* clone3: flags in memory */
	DENY(mount),
	DENY(umount2),
	DENY(pivot_root),
	DENY(chroot),
	NUMBER(428),			/* open_tree */
	NUMBER(429),			/* move_mount */
	NUMBER(430),			/* fsopen */
	NUMBER(431),			/* fsconfig */
	NUMBER(432),			/* fsmount */
	NUMBER(433),			/* fspick */
	NUMBER(442),			/* mount_setattr */
	DENY(open_by_handle_at),	/* past directories and Landlock */

	/* Large parts of the kernel that mail does not need, and that run
	 * other calls, or code, in the kernel. */
	NUMBER(425),			/* io_uring_setup */
	NUMBER(426),			/* io_uring_enter */
	NUMBER(427),			/* io_uring_register */
	DENY(bpf),
	DENY(perf_event_open),
	DENY(userfaultfd),
#ifdef SYS_modify_ldt
	DENY(modify_ldt),
#endif
	DENY_UNLESS(personality, 0, QUERY),

	/* The machine as a whole, in case a capability was ever kept. */
	DENY(init_module),
	DENY(finit_module),
	DENY(delete_module),
	DENY(kexec_load),
	DENY(reboot),
	DENY(swapon),
	DENY(swapoff),
	DENY(acct),
	DENY(quotactl),
	NUMBER(443),			/* quotactl_fd */
	DENY(syslog),			/* the kernel's messages */

	/* A set-id file would let anybody become the spool user. */
	DENY_BITS(fchmodat, 2, SET_ID),
	DENY_BITS(fchmod, 1, SET_ID),
	DENY_BITS(mknodat, 2, SET_ID),
	DENY_BITS(openat, 3, SET_ID),
	UNKNOWN(437),			/* openat2: flags in memory */
#ifdef SYS_open
	DENY_BITS(chmod, 1, SET_ID),
	DENY_BITS(mknod, 1, SET_ID),
	DENY_BITS(creat, 1, SET_ID),
	DENY_BITS(open, 2, SET_ID),
#endif

	/* Input into somebody's terminal. */
	DENY_IF(ioctl, 1, TIOCSTI, TIOCLINUX),
};

struct program {
	struct sock_filter	 code[PROGRAM_MAX];
	unsigned short		 n;
};

static void
add(struct program *p, unsigned short code, uint32_t k, size_t if_true,
    size_t if_false)
{
	const struct sock_filter step = { code, (uint8_t)if_true,
	    (uint8_t)if_false, k };

	/* A program that is cut off here has no return, and is rejected. */
	if (p->n < PROGRAM_MAX)
		p->code[p->n++] = step;
}

static void
load(struct program *p, size_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void
load_arg(struct program *p, int arg)
{
	size_t low = 0;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	low = sizeof(uint32_t);
#endif
	load(p, offsetof(struct seccomp_data, args) +
	    (size_t)arg * sizeof(uint64_t) + low);
}

static void
answer(struct program *p, uint32_t action)
{
	add(p, BPF_RET | BPF_K, action, 0, 0);
}

static void
deny(struct program *p, int error)
{
	answer(p, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* The call's number is loaded; it is loaded again after an argument was. */
static void
add_rule(struct program *p, const struct seccomp_rule *r)
{
	const int is_if = r->test == IS_DENIED_IF || r->test == IS_DENIED_BITS;
	const unsigned short test = r->test == IS_DENIED_BITS ||
	    r->test == IS_DENIED_UNLESS_BITS ? BPF_JSET : BPF_JEQ;
	size_t i, n = r->n;

	if (r->test == IS_DENIED || r->test == IS_UNKNOWN) {
		add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, 1);
		deny(p, r->test == IS_DENIED ? EPERM : ENOSYS);
		return;
	}
	add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0,
	    n + 3 + (is_if ? 1 : 0));
	load_arg(p, r->arg);
	/* The first match skips the other comparisons and one instruction. */
	for (i = 0; i < n; i++)
		add(p, BPF_JMP | test | BPF_K, r->values[i], n - i, 0);
	if (is_if)
		add(p, BPF_JMP | BPF_JA, 1, 0, 0);
	deny(p, EPERM);
	load(p, offsetof(struct seccomp_data, nr));
}

static void
add_rules(struct program *p, const struct seccomp_rule *rules, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		add_rule(p, &rules[i]);
}

/* Ensures that numbers have the meaning assumed here, and are known. */
static void
begin(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_ARCH, 1, 0);
	answer(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	/* x32: the same processor by another convention. */
	add(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
	answer(p, SECCOMP_RET_KILL_PROCESS);
#endif
#ifndef __arm__		/* which has some calls of its own far above */
	add(p, BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1);
	deny(p, ENOSYS);
#endif
}

/* A kernel with filters reads the program (EFAULT); others: EINVAL. */
static int
has_filters(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 &&
	    errno == EFAULT;
}

int
seccomp_deny(const struct seccomp_rule *rules, size_t n)
{
	struct program p = { .n = 0 };
	struct sock_fprog filter;

	if (!has_filters())
		return 0;
	begin(&p);
	add_rules(&p, rules, n);
	add_rules(&p, for_all, sizeof(for_all) / sizeof(for_all[0]));
	answer(&p, SECCOMP_RET_ALLOW);
	filter.len = p.n;
	filter.filter = p.code;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

#endif
