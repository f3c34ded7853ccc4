/*
 * confine.c - what a child may still do.
 * Runs as: the user of dma-smtpd.
 * Uses: Landlock and seccomp filters on Linux, pledge and unveil on OpenBSD.
 * Promise: nothing here gives a right; a system without the mechanism loses the
 * extra wall, not the mail.  It is put up before a module's child_init(), so
 * that threads started there are behind it, too.
 */
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "compat/landlock.h"
#include "smtpd/confine.h"

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/seccomp.h>) && __has_include(<linux/filter.h>)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sched.h>
#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCH	AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__AARCH64EB__) && !defined(__ILP32__)
#define ARCH	AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH	AUDIT_ARCH_RISCV64
#endif
#endif
#endif

int
confine_process(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		return -1;
#if defined(__linux__)
	/* Nor may another process of the user look into it. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#else
	return 0;
#endif
}

/* ---- files and connections ---- */

#if defined(__OpenBSD__)

static int
confine_files(const struct smtpd_host *host)
{
	const struct host_path *p = host->paths;

	if (unveil(host->conf->root, "rwc") == -1 && errno != ENOENT)
		return -1;
	for (; p < host->paths + host->npaths; p++)
		if (unveil(p->path, p->is_writable ? "rwc" : "r") == -1 &&
		    errno != ENOENT)
			return -1;
	if (unveil(NULL, NULL) == -1)
		return -1;
	return pledge("stdio rpath wpath cpath fattr inet unix dns", NULL);
}

#else

/* No programs, and no devices. */
#define TREE_FS		(ALL_FS & ~(FS_EXECUTE | FS_IOCTL_DEV))

static int
allow_all(int fd, const struct smtpd_host *host, const struct ruleset *set)
{
	const struct host_path *p = host->paths;
	size_t i;
	int ret;

	ret = landlock_allow_path(fd, host->conf->root, TREE_FS & set->fs);
	for (; ret == 0 && p < host->paths + host->npaths; p++)
		ret = landlock_allow_path(fd, p->path,
		    (p->is_writable ? TREE_FS : READ_FS) & set->fs);
	for (i = 0; ret == 0 && set->net != 0 && i < host->nports; i++)
		ret = landlock_allow_port(fd, host->ports[i]);
	return ret;
}

static int
confine_files(const struct smtpd_host *host)
{
	struct ruleset set;
	int fd = landlock_begin(NET_BIND_TCP | NET_CONNECT_TCP, &set);

	return fd == -1 ? 0 : landlock_end(fd, allow_all(fd, host, &set));
}

#endif

/* ---- system calls ---- */

#ifdef ARCH

/*
 * Denied with EPERM, as for lack of permission.  What libraries and modules of
 * whatever kind use is not among them: a list of what is allowed would be out
 * of date with each of their releases.  The numbers from 424 on are common to
 * all processors.
 */
static const int denied[] = {
	/* Programs, whose files Landlock may not know of (memfd). */
	SYS_execve, SYS_execveat,
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
	/* Other processes of the user: signals, their memory, descriptors. */
	SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
	424 /* pidfd_send_signal */,
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp,
	438 /* pidfd_getfd */, 440 /* process_madvise */,
	SYS_migrate_pages, SYS_move_pages,
	/* Namespaces and other views of the file system. */
	SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root,
	SYS_chroot, SYS_open_by_handle_at,
	428 /* open_tree */, 429 /* move_mount */, 430 /* fsopen */,
	431 /* fsconfig */, 432 /* fsmount */, 433 /* fspick */,
	442 /* mount_setattr */,
	/* Large parts of the kernel that mail does not need. */
	425 /* io_uring_setup */, 426 /* io_uring_enter */,
	427 /* io_uring_register */,
	SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_personality,
	SYS_add_key, SYS_request_key, SYS_keyctl,
	/* The machine as a whole. */
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
	SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
	443 /* quotactl_fd */, SYS_syslog
};

#define DENIED		(sizeof(denied) / sizeof(denied[0]))

/* Denied by the lower 32 bits of an argument, which are all that counts. */
enum argument_test {
	UNLESS,		/* it is the value */
	UNLESS_BIT,	/* it has it */
	IF,		/* it is */
	IF_BIT		/* it has one of these */
};

struct argument_rule {
	int		 nr, arg;
	enum argument_test	 test;
	uint32_t	 value;
};

#define OWN		0xfffffffe	/* for the value: the own process id */
#define SET_ID		06000
#define NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
			CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
			CLONE_NEWNET)

static const struct argument_rule rules[] = {
	/* abort(3) and threads; others are slowed down, or ended, by these. */
	{ SYS_tgkill, 0, UNLESS, OWN },
	{ SYS_prlimit64, 0, UNLESS, 0 },
	{ SYS_sched_setaffinity, 0, UNLESS, 0 },
	{ SYS_sched_setscheduler, 0, UNLESS, 0 },
	{ SYS_sched_setparam, 0, UNLESS, 0 },
	{ SYS_sched_setattr, 0, UNLESS, 0 },
	{ SYS_setpriority, 0, UNLESS, PRIO_PROCESS },
	{ SYS_setpriority, 1, UNLESS, 0 },
	{ SYS_ioprio_set, 0, UNLESS, 1 /* a process */ },
	{ SYS_ioprio_set, 1, UNLESS, 0 },
	/* Signals, by descriptors that announce input. */
	{ SYS_fcntl, 1, IF, F_SETOWN },
	{ SYS_fcntl, 1, IF, F_SETOWN_EX },
	{ SYS_fcntl, 1, IF, F_SETSIG },
	{ SYS_ioctl, 1, IF, FIOSETOWN },
	{ SYS_ioctl, 1, IF, SIOCSPGRP },
	/* Input into a terminal. */
	{ SYS_ioctl, 1, IF, TIOCSTI },
	{ SYS_ioctl, 1, IF, TIOCLINUX },
	/* Namespaces give rights; a process would outlive all others. */
	{ SYS_clone, 0, IF_BIT, NAMESPACES },
	{ SYS_clone, 0, UNLESS_BIT, CLONE_THREAD },
	/* A set-id file would let anybody become the user. */
	{ SYS_fchmod, 1, IF_BIT, SET_ID },
	{ SYS_fchmodat, 2, IF_BIT, SET_ID },
	{ 452 /* fchmodat2 */, 2, IF_BIT, SET_ID },
	{ SYS_mknodat, 2, IF_BIT, SET_ID },
	{ SYS_openat, 3, IF_BIT, SET_ID },
#ifdef SYS_open
	{ SYS_chmod, 1, IF_BIT, SET_ID },
	{ SYS_mknod, 1, IF_BIT, SET_ID },
	{ SYS_creat, 1, IF_BIT, SET_ID },
	{ SYS_open, 2, IF_BIT, SET_ID },
#endif
};

#define RULES		(sizeof(rules) / sizeof(rules[0]))
#define RULE_STEPS	5

/* Their flags are in memory; libraries then use clone and openat. */
static const int unknown[] = { 435 /* clone3 */, 437 /* openat2 */ };

#define UNKNOWN		(sizeof(unknown) / sizeof(unknown[0]))
#define CALLS_X32	0x40000000	/* by another convention */

#define STEP(code, k, yes, no)	(struct sock_filter){ code, yes, no, k }
#define LOAD(member)	STEP(BPF_LD | BPF_W | BPF_ABS, \
			offsetof(struct seccomp_data, member), 0, 0)
#define RETURN(what)	STEP(BPF_RET | BPF_K, what, 0, 0)
#define DENY		RETURN(SECCOMP_RET_ERRNO | EPERM)

static struct sock_filter *
put_number(struct sock_filter *at, int nr, int error)
{
	*at++ = STEP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
	*at++ = RETURN(SECCOMP_RET_ERRNO | (uint32_t)error);
	return at;
}

static struct sock_filter *
put_rule(struct sock_filter *at, const struct argument_rule *r)
{
	const uint32_t value = r->value == OWN ? (uint32_t)getpid() : r->value;
	const int is_bit = r->test == UNLESS_BIT || r->test == IF_BIT;
	const int is_unless = r->test == UNLESS || r->test == UNLESS_BIT;

	*at++ = STEP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0,
	    RULE_STEPS - 1);
	/* The lower half: all ARCH are little-endian. */
	*at++ = LOAD(args[r->arg]);
	*at++ = STEP(BPF_JMP | (is_bit ? BPF_JSET : BPF_JEQ) | BPF_K, value,
	    is_unless, !is_unless);
	*at++ = DENY;
	*at++ = LOAD(nr);
	return at;
}

static int
confine_calls(void)
{
	struct sock_filter code[2 * (DENIED + UNKNOWN) + RULE_STEPS * RULES +
	    16], *at = code;
	struct sock_fprog program = { 0, code };
	size_t i;

	*at++ = LOAD(arch);
	*at++ = STEP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	*at++ = RETURN(SECCOMP_RET_KILL_PROCESS);
	*at++ = LOAD(nr);
	*at++ = STEP(BPF_JMP | BPF_JGE | BPF_K, CALLS_X32, 0, 1);
	*at++ = DENY;
	for (i = 0; i < DENIED; i++)
		at = put_number(at, denied[i], EPERM);
	for (i = 0; i < UNKNOWN; i++)
		at = put_number(at, unknown[i], ENOSYS);
	for (i = 0; i < RULES; i++)
		at = put_rule(at, &rules[i]);
	*at++ = RETURN(SECCOMP_RET_ALLOW);
	program.len = (unsigned short)(at - code);
	/* A kernel without filters says EINVAL. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ==
	    -1 && errno != EINVAL ? -1 : 0;
}

#else

static int
confine_calls(void)
{
	return 0;
}

#endif

int
confine_child(const struct smtpd_host *host)
{
	return confine_files(host) == -1 ? -1 : confine_calls();
}
