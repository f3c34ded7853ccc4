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
#endif

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "compat/landlock.h"
#include "compat/seccomp.h"
#include "smtpd/confine.h"

#ifdef SECCOMP_ARCH
#include <linux/sockios.h>
#include <sched.h>
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

static int
confine_calls(void)
{
#ifdef SECCOMP_ARCH
	const struct seccomp_rule rules[] = {
		/* Programs, whose files Landlock may not know of (memfd), and
		 * processes, which would outlive all others. */
		DENY(execve),
		DENY(execveat),
#ifdef SYS_fork
		DENY(fork),
		DENY(vfork),
#endif
		DENY_UNLESS_BITS(clone, CLONE_FLAGS, CLONE_THREAD),
		/* Signals, also by descriptors that announce input; abort(3)
		 * and threads need their own. */
		DENY(kill),
		DENY(tkill),
		DENY(rt_sigqueueinfo),
		DENY(rt_tgsigqueueinfo),
		NUMBER(424),			/* pidfd_send_signal */
		DENY_UNLESS(tgkill, 0, (uint32_t)getpid()),
		DENY_IF(fcntl, 1, F_SETOWN, F_SETOWN_EX, F_SETSIG),
#ifdef SYS_fcntl64
		DENY_IF(fcntl64, 1, F_SETOWN, F_SETOWN_EX, F_SETSIG),
#endif
		DENY_IF(ioctl, 1, FIOSETOWN, SIOCSPGRP),
		/* What processes of a user share. */
		DENY(add_key),
		DENY(request_key),
		DENY(keyctl),
	};

	return seccomp_deny(rules, sizeof(rules) / sizeof(rules[0]));
#else
	return 0;
#endif
}

int
confine_child(const struct smtpd_host *host)
{
	return confine_files(host) == -1 ? -1 : confine_calls();
}
