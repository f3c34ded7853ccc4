/*
 * host_context.c - makes a runner independent of the caller that started it.
 * Runs as: root, before anything is parsed.
 * Uses: namespaces, cgroups and attributes of processes; a /proc of its own.
 * Promise: each inherited attribute has a fixed value or that of init, or the
 * first that has neither is named; docs/privileges.md lists all attributes.
 *
 * Init is the first process of our PID namespace.  If its spool is another one
 * (in a chroot, or a container with the PIDs of its host), we are on a host of
 * our own, and nothing is compared with init.
 */
#include "priv/host_context.h"

#if defined(__linux__)
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <linux/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"

#define INIT		"1"	/* in /proc */
#define SELF		"self"
#define TEXT_MAX	16384	/* bytes of a file in /proc */
#define PROC_MAGIC	0x9fa0
#define USUAL_SLACK_NS	50000UL	/* of timers: as init's */
#define OF_THE_BOOT	0xf0000000UL	/* numbers of namespaces below it */
/* Newer than the headers of some systems. */
#define L1D_FLUSH	2
#define SET_IO_FLUSHER	57
#define GET_MDWE	66
#define SET_MEMORY_MERGE 67
#ifndef SYS_openat2
#define SYS_fsopen	430
#define SYS_fsconfig	431
#define SYS_fsmount	432
#define SYS_openat2	437
#endif

/* ---- attributes that can be reset ---- */

static const struct { int option; unsigned long value, more; } resets[] = {
	{ PR_SET_TIMERSLACK,	USUAL_SLACK_NS,		0 },
	{ PR_SET_SECUREBITS,	0,			0 },
	{ PR_SET_THP_DISABLE,	0,			0 },
	{ PR_SET_TSC,		PR_TSC_ENABLE,		0 },
	{ PR_SET_CHILD_SUBREAPER, 0,			0 },
	{ PR_MCE_KILL,		PR_MCE_KILL_CLEAR,	0 },
	{ SET_IO_FLUSHER,	0,			0 },
	{ SET_MEMORY_MERGE,	0,			0 },
	{ PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_ENABLE },
	{ PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_ENABLE },
	{ PR_SET_SPECULATION_CTRL, L1D_FLUSH,		PR_SPEC_DISABLE },
};

static void
reset_schedule(void)
{
	struct sched_param param = { 0 };
	cpu_set_t cpus;

	/* The function of this name in musl does nothing. */
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	if (sched_getaffinity(1, sizeof(cpus), &cpus) == 0)
		(void)sched_setaffinity(0, sizeof(cpus), &cpus);
	(void)syscall(SYS_ioprio_set, 1 /* a process */, 0, 0 /* by nice */);
	(void)syscall(SYS_set_mempolicy, 0 /* the default */, NULL, 0UL);
}

/* The inheritable capabilities, and with them the ambient ones. */
static void
reset_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
	    0 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, caps) == -1)
		return;
	caps[0].inheritable = caps[1].inheritable = 0;
	(void)syscall(SYS_capset, &head, caps);
}

void
host_context_reset(void)
{
	size_t i;

	/* First: a real-time process has no slack. */
	reset_schedule();
	for (i = 0; i < sizeof(resets) / sizeof(resets[0]); i++)
		(void)prctl(resets[i].option, resets[i].value, resets[i].more,
		    0, 0);
	(void)personality(PER_LINUX);
	(void)syscall(SYS_keyctl, 14 /* where new keys go */, 0 /* usual */);
	reset_capabilities();
}

/* ---- attributes that are compared with init, and made equal ---- */

/*
 * The root of a new instance of a file system, on which no caller has mounted
 * anything.  options: names or name=value, separated by commas.
 */
static int
open_own(const char *type, char *options)
{
	char *name, *value;
	int fd = -1, fs;

	fs = (int)syscall(SYS_fsopen, type, 1 /* close on exec */);
	if (fs == -1)
		return -1;
	while ((name = strsep(&options, ",")) != NULL && name[0] != '\0') {
		value = strchr(name, '=');
		if (value != NULL)
			*value++ = '\0';
		(void)syscall(SYS_fsconfig, fs, value != NULL /* text */, name,
		    value, 0);
	}
	if (syscall(SYS_fsconfig, fs, 6 /* make it */, NULL, NULL, 0) == 0)
		fd = (int)syscall(SYS_fsmount, fs, 1 /* close on exec */, 0);
	close(fs);
	return fd;
}

/*
 * The one there is: if it is of a PID namespace above ours, that shows.
 * Without it, in a chroot, or where that of a container hides it, one of our
 * own.
 */
static int
open_proc(void)
{
	struct statfs fs;
	struct stat st;
	int fd;

	fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1 && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_MAGIC &&
	    fstatat(fd, SELF, &st, 0) == 0)
		return fd;
	io_close(&fd);
	return open_own("proc", NULL);
}

static int
open_of(int proc, const char *who, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", who, what);
	return openat(proc, path, flags | O_CLOEXEC);
}

/* As its user: one without CAP_SYS_PTRACE sees no other's namespaces. */
static int
open_of_init(int proc, const char *what, int flags)
{
	struct stat st;
	int error, fd;

	if (fstatat(proc, INIT, &st, 0) == -1)
		return -1;
	setfsgid(st.st_gid);
	setfsuid(st.st_uid);
	fd = open_of(proc, INIT, what, flags);
	error = errno;
	setfsuid(geteuid());
	setfsgid(getegid());
	errno = error;
	return fd;
}

/* "" where there is no such file. */
static void
get(int proc, const char *who, const char *what, char text[TEXT_MAX])
{
	int fd = open_of(proc, who, what, O_RDONLY);
	size_t len = 0;
	ssize_t n = 1;

	while (fd != -1 && n > 0 && len < TEXT_MAX - 1) {
		n = io_read(fd, text + len, TEXT_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	io_close(&fd);
}

static int
is_same(int proc, const char *what)
{
	char init[TEXT_MAX], self[TEXT_MAX];

	get(proc, INIT, what, init);
	get(proc, SELF, what, self);
	return strcmp(init, self) == 0;
}

static const struct namespace { const char *file, *name; int type; }
namespaces[] = {
	{ "ns/user",	"user namespace",	CLONE_NEWUSER },
	{ "ns/pid_for_children", "PID namespace", CLONE_NEWPID },
	{ "ns/cgroup",	"cgroup namespace",	0x02000000 },
	{ "ns/ipc",	"IPC namespace",	CLONE_NEWIPC },
	{ "ns/net",	"network namespace",	CLONE_NEWNET },
	{ "ns/time",	"time namespace",	0x00000080 },
	{ "ns/uts",	"UTS namespace",	CLONE_NEWUTS },
	{ "ns/mnt",	"mount namespace",	CLONE_NEWNS },
};

/*
 * Never enters a user or PID namespace: the kernel refuses one above ours, and
 * open_proc() shows none below.  An init with more rights than anybody else has
 * cannot be looked at; it is taken to be where the boot was.
 */
static int
enter_namespace(int proc, const struct namespace *n)
{
	struct stat init, self;
	int fd, ret;

	fd = open_of(proc, SELF, n->file, O_RDONLY);
	if (fd == -1 && errno == ENOENT && n->type != CLONE_NEWPID)
		return 0;	/* no such kind */
	ret = fd == -1 ? -1 : fstat(fd, &self);
	io_close(&fd);
	fd = open_of_init(proc, n->file, O_RDONLY);
	if (fd == -1)
		return ret == 0 && self.st_ino < OF_THE_BOOT ? 0 : -1;
	if (ret == -1 || fstat(fd, &init) == -1 || init.st_ino != self.st_ino)
		ret = setns(fd, n->type);
	io_close(&fd);
	return ret;
}

/* root: init's, or -1. */
static int
has_own_spool(int root, const char *spooldir)
{
	const uint64_t how[3] = { O_PATH | O_CLOEXEC, 0, 0x10 /* in root */ };
	struct stat init, self;
	int fd, ret;

	if (root == -1)
		return 0;
	fd = (int)syscall(SYS_openat2, root, spooldir, how, sizeof(how));
	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR;
	ret = fstat(fd, &init) == 0 && stat(spooldir, &self) == 0 &&
	    (init.st_dev != self.st_dev || init.st_ino != self.st_ino);
	close(fd);
	return ret;
}

/* A line about init: number, controllers, path; with colons between. */
static void
enter_cgroup(char *line)
{
	char *controllers;
	int fd, procs, dir = -1;

	strsep(&line, ":");
	controllers = strsep(&line, ":");
	if (line == NULL)
		return;
	fd = open_own(controllers[0] == '\0' ? "cgroup2" : "cgroup",
	    controllers);
	if (fd != -1)
		dir = openat(fd, line[1] == '\0' ? "." : line + 1,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	procs = dir == -1 ? -1 : openat(dir, "cgroup.procs",
	    O_WRONLY | O_CLOEXEC);
	if (procs != -1)
		(void)io_write_all(procs, "0", 1);
	io_close(&procs);
	io_close(&dir);
	io_close(&fd);
}

/* The cgroups of init belong to no user and no service. */
static void
enter_cgroups(int proc)
{
	char init[TEXT_MAX], *next = init, *line;

	get(proc, INIT, "cgroup", init);
	while ((line = strsep(&next, "\n")) != NULL)
		enter_cgroup(line);
}

static void
copy(int proc, const char *what, const char *prefix)
{
	int fd = open_of(proc, SELF, what, O_WRONLY);
	char init[TEXT_MAX];

	get(proc, INIT, what, init);
	if (fd != -1)
		dprintf(fd, "%s%s", prefix, init);
	io_close(&fd);
}

/* NULL, or the first attribute that cannot be made equal. */
static const char *
enter_files(int proc)
{
	static const struct { const char *file, *prefix, *name; } files[] = {
		{ "cgroup", "", "cgroup" },
		{ "coredump_filter", "0x", "core dump filter" },
		{ "loginuid", "", "audit login id" },
		{ "oom_score_adj", "", "OOM score" },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (is_same(proc, files[i].file))
			continue;
		if (i == 0)
			enter_cgroups(proc);
		else
			copy(proc, files[i].file, files[i].prefix);
		if (!is_same(proc, files[i].file))
			return files[i].name;
	}
	return NULL;
}

static int
is_same_line(const char *a, const char *b, const char *key)
{
	a = strstr(a, key);
	b = strstr(b, key);
	if (a == NULL || b == NULL)
		return a == b;
	return strncmp(a, b, strcspn(a + 1, "\n") + 2) == 0;
}

static const struct status_field { const char *key, *name; } status[] = {
	{ "\nSeccomp:", "seccomp filter" },
	{ "\nSeccomp_filters:", "seccomp filter" },
	{ "\nCapBnd:", "capability bounding set" },
	{ "\nNoNewPrivs:", "no_new_privs" },
	{ "\nSpeculation_Store_Bypass:", "speculation control" },
	{ "\nSpeculationIndirectBranch:", "speculation control" },
};
#define OF_SECCOMP	2
#define OF_ALL		(sizeof(status) / sizeof(status[0]))

static const char *
compare_status(int proc, size_t n)
{
	char init[TEXT_MAX], self[TEXT_MAX];
	size_t i;

	get(proc, INIT, "status", init);
	get(proc, SELF, "status", self);
	for (i = 0; i < n; i++)
		if (!is_same_line(init, self, status[i].key))
			return status[i].name;
	return NULL;
}

/* Attributes that cannot be changed: NULL, or the first that differs. */
static const char *
find_fixed(int proc)
{
	const char *name = compare_status(proc, OF_ALL);
	char self[TEXT_MAX];

	if (name != NULL)
		return name;
	get(proc, SELF, "attr/current", self);
	if (!is_same(proc, "attr/current") && strstr(self, "unconfined") ==
	    NULL)
		return "security profile";
	if (prctl(GET_MDWE, 0, 0, 0, 0) > 0)
		return "memory-deny-write-execute";
	return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) > 0 ? "securebits" : NULL;
}

static const char *
enter(int proc, int root)
{
	const char *name;
	size_t i;

	for (i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		if (enter_namespace(proc, &namespaces[i]) == -1)
			return namespaces[i].name;
	if (root != -1 && (fchdir(root) == -1 || chroot(".") == -1))
		return "root directory";
	name = enter_files(proc);
	return name == NULL ? find_fixed(proc) : name;
}

/* First, since a filter can kill us for the calls that follow. */
static const char *
find_filter(void)
{
	const char *name;
	int proc;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) <= 0)
		return NULL;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	name = compare_status(proc, OF_SECCOMP);
	io_close(&proc);
	return name;
}

const char *
host_context_enter(const char *spooldir)
{
	const char *name;
	int proc, root;

	name = find_filter();
	if (name != NULL)
		return name;
	host_context_reset();
	proc = open_proc();
	/* When the first process of a PID namespace ends, all others do. */
	if (proc == -1 || getpid() == 1)
		return "PID namespace";
	root = open_of_init(proc, "root", O_PATH | O_DIRECTORY);
	if (!has_own_spool(root, spooldir))
		name = enter(proc, root);
	io_close(&root);
	io_close(&proc);
	return name;
}

#else

void
host_context_reset(void)
{
}

const char *
host_context_enter(const char *spooldir)
{
	(void)spooldir;
	return NULL;
}

#endif
