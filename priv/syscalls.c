/*
 * syscalls.c - denies system calls that a process does not need.
 * Runs as: the spool user, after no_new_privs.  Uses: seccomp filters.
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
#include "priv/syscalls.h"

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/seccomp.h>) && __has_include(<linux/filter.h>)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
/* Only processors whose calls from 424 on have the common numbers. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCH	AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCH	AUDIT_ARCH_I386
#elif defined(__aarch64__) && !defined(__AARCH64EB__) && !defined(__ILP32__)
#define ARCH	AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARM_EABI__) && !defined(__ARMEB__)
#define ARCH	AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH	AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCH	AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH	AUDIT_ARCH_S390X
#endif
#endif
#endif

#ifndef ARCH

int
syscalls_confine(enum syscalls_of which)
{
	(void)which;
	return 0;
}

#else

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM_MAX	1024	/* instructions; the kernel's limit is 4096 */
#define VALUES_MAX	6	/* of one rule */
#define NEWEST_CALL	446	/* landlock_restrict_self, Linux 5.13 */

#ifdef __s390x__
#define CLONE_FLAGS	1	/* which argument they are */
#else
#define CLONE_FLAGS	0
#endif
#define NEW_NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
			CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
			CLONE_NEWNET)
#define SET_ID		06000
#define WRITES		(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define QUERY		0xffffffff	/* personality(2): read only */
#define IOPRIO_PROCESS	1
#define TYPES_ODD	0xc	/* bits of no SOCK_STREAM, _DGRAM or _RAW */
#define NETLINK_ADDRESS	12	/* bytes of a struct sockaddr_nl */
#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN	0x20000000
#endif

enum test {
	IS_DENIED,
	IS_UNKNOWN,		/* ENOSYS: a library then uses another one */
	IS_DENIED_IF,		/* the argument is one of the values */
	IS_DENIED_UNLESS,	/* the same */
	IS_DENIED_BITS		/* if it has a bit of the value */
};

/* Arguments of which the kernel takes 32 bits. */
struct rule {
	int		 nr;
	enum test	 test;
	int		 arg;
	uint8_t		 n;
	uint32_t	 values[VALUES_MAX];
};

#define COUNT(...)	(sizeof((const uint32_t []){ __VA_ARGS__ }) / \
			sizeof(uint32_t))
#define NUMBER(nr)	{ nr, IS_DENIED, 0, 0, { 0 } }
#define UNKNOWN(nr)	{ nr, IS_UNKNOWN, 0, 0, { 0 } }
#define DENY(call)	NUMBER(SYS_ ## call)
#define DENY_IF(call, arg, ...)	{ SYS_ ## call, IS_DENIED_IF, arg, \
				COUNT(__VA_ARGS__), { __VA_ARGS__ } }
#define DENY_UNLESS(call, arg, ...) { SYS_ ## call, IS_DENIED_UNLESS, arg, \
				COUNT(__VA_ARGS__), { __VA_ARGS__ } }
#define DENY_BITS(call, arg, bits)  { SYS_ ## call, IS_DENIED_BITS, arg, 1, \
				{ bits } }

/*
 * For all, also for commands of auth.conf, which may be any program: they can
 * still start programs, signal, and connect to what they like.
 */
static const struct rule for_all[] = {
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

/* dma-remote only sends, receives and reads files. */
static const struct rule for_remote[] = {
	/* Signals, also by way of descriptors that announce input. */
	DENY(kill),
	DENY(tkill),
	DENY(tgkill),			/* abort(3) still ends the process */
	DENY(rt_sigqueueinfo),
	DENY(rt_tgsigqueueinfo),
	NUMBER(424),			/* pidfd_send_signal */
	NUMBER(434),			/* pidfd_open */
	/* F_SETLEASE would delay others that open the message. */
	DENY_IF(fcntl, 1, F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE,
	    F_NOTIFY),
#ifdef SYS_fcntl64
	DENY_IF(fcntl64, 1, F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE,
	    F_NOTIFY),
#endif

	/* Programs and processes. */
	DENY(execve),
	DENY(execveat),
	DENY(clone),
#ifdef SYS_fork
	DENY(fork),
	DENY(vfork),
#endif

	/*
	 * Sockets: TCP and UDP, and netlink for the addresses of this host, to
	 * which the C library binds.  No Unix sockets: SPOOLDIR/wake, the
	 * services of this host.  Nothing that Landlock's rules for ports do
	 * not see: SCTP, MPTCP, SMC, data in the SYN.
	 */
	DENY_UNLESS(socket, 0, AF_INET, AF_INET6, AF_NETLINK),
	DENY_BITS(socket, 1, TYPES_ODD),
	DENY_UNLESS(socket, 2, 0, IPPROTO_TCP, IPPROTO_UDP),
	DENY(socketpair),
	DENY_UNLESS(bind, 2, NETLINK_ADDRESS),
	DENY(listen),
#ifdef SYS_accept
	DENY(accept),
#endif
	DENY(accept4),
	DENY_BITS(sendto, 3, MSG_FASTOPEN),
	DENY_BITS(sendmsg, 2, MSG_FASTOPEN),
	DENY_BITS(sendmmsg, 3, MSG_FASTOPEN),

	/* What processes of a user share. */
	DENY(add_key),
	DENY(request_key),
	DENY(keyctl),
	DENY(mq_open),
	DENY(mq_unlink),
#ifdef SYS_shmget
	DENY(shmget),
	DENY(shmat),
	DENY(shmctl),
	DENY(semget),
	DENY(semctl),
	DENY(msgget),
	DENY(msgsnd),
	DENY(msgrcv),
	DENY(msgctl),
#endif
#ifdef SYS_ipc
	DENY(ipc),			/* all of them by one call */
#endif

	/* Changes to files, also to those that Landlock does not see: modes,
	 * times, attributes. */
	DENY_BITS(openat, 2, WRITES),
	DENY(truncate),
	DENY(unlinkat),
#ifdef SYS_renameat
	DENY(renameat),
#endif
	DENY(renameat2),
	DENY(linkat),
	DENY(symlinkat),
	DENY(mkdirat),
	DENY(mknodat),
	DENY(fchmodat),
	DENY(fchmod),
	DENY(fchownat),
	DENY(fchown),
	DENY(utimensat),
	DENY(setxattr),
	DENY(lsetxattr),
	DENY(fsetxattr),
	DENY(removexattr),
	DENY(lremovexattr),
	DENY(fremovexattr),
#ifdef SYS_open
	DENY_BITS(open, 1, WRITES),
	DENY(creat),
	DENY(unlink),
	DENY(rmdir),
	DENY(rename),
	DENY(link),
	DENY(symlink),
	DENY(mkdir),
	DENY(mknod),
	DENY(chmod),
	DENY(chown),
	DENY(lchown),
	DENY(utimes),
#endif
#ifdef SYS_utime
	DENY(utime),
#endif
#ifdef SYS_futimesat
	DENY(futimesat),
#endif
#ifdef SYS_chown32
	DENY(chown32),
	DENY(lchown32),
	DENY(fchown32),
	DENY(truncate64),
	NUMBER(412),			/* utimensat_time64 */
#endif
	/* Notifications of changes to files. */
	DENY(name_to_handle_at),
	DENY(fanotify_init),
	DENY(inotify_init1),
#ifdef SYS_inotify_init
	DENY(inotify_init),
#endif

	/* Only: the size of pending input, non-blocking mode, "is it a
	 * terminal?", the number of an interface. */
	DENY_UNLESS(ioctl, 1, FIONREAD, FIONBIO, TCGETS, SIOCGIFINDEX),
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
add_rule(struct program *p, const struct rule *r)
{
	const unsigned short test = r->test == IS_DENIED_BITS ? BPF_JSET :
	    BPF_JEQ;
	size_t i, n = r->n;
	int is_if = r->test != IS_DENIED_UNLESS;

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
add_rules(struct program *p, const struct rule *rules, size_t n)
{
	const struct rule *r;

	for (r = rules; r < rules + n; r++)
		add_rule(p, r);
}

/* Ensures that numbers have the meaning assumed here, and are known. */
static void
begin(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
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
syscalls_confine(enum syscalls_of which)
{
	struct program p = { .n = 0 };
	struct sock_fprog filter;

	if (!has_filters())
		return 0;
	begin(&p);
	if (which == SYSCALLS_REMOTE)
		add_rules(&p, for_remote,
		    sizeof(for_remote) / sizeof(for_remote[0]));
	add_rules(&p, for_all, sizeof(for_all) / sizeof(for_all[0]));
	answer(&p, SECCOMP_RET_ALLOW);
	filter.len = p.n;
	filter.filter = p.code;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

#endif
