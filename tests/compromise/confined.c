/*
 * confined.c - dma-remote, or another confined process, in an attacker's hands.
 * It enters the real sandbox, and then tries what it must not be able to do.
 * Each attempt is one line of the output: its name, whether it must be denied,
 * and "done", or the error.
 *
 * As dma-remote (in its place, started by the runner): the victim is the
 * runner, which also logs the lines; at last, it lies to who watches it.  Else: confined KIND VICTIM [CONVENTION
 * [LACKING]], where KIND is remote, runner, lmtp or nothing; the lines are in a
 * file.  LACKING: "landlock" or "seccomp", as on a kernel without.
 */
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

#include "conf/files.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/sandbox.h"

#define OUTPUT		"/tmp/confined"	/* .KIND */
#define SPOOL		DMA_SPOOLDIR
#define OTHER_PORT	4999	/* somebody listens; not configured */
#define OPEN_PORT	4998	/* the same; configured */
#define FILE_OF_OURS	"/tmp/confined.file"	/* the spool user's */

enum kind { REMOTE = 1, RUNNER = 2, LMTP = 4, NOTHING = 8 };

static pid_t victim;
static struct sockaddr_in other = { .sin_family = AF_INET };

/* ---- signals, and control of another process ---- */

static long
set_owner(int command, long what)
{
	int pair[2];

	/* Input at a descriptor of ours is announced to its owner. */
	if (pipe(pair) == -1)
		return -1;
	return fcntl(pair[0], command, what);
}

static long
own_by_ioctl(unsigned long command)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), owner = (int)victim;

	return ioctl(fd == -1 ? 0 : fd, command, &owner);
}

static long
queue_signal(void)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_code = SI_QUEUE;
	return syscall(SYS_rt_sigqueueinfo, victim, SIGCONT, &info);
}

static long
limit(void)
{
	struct rlimit none = { 3, 3 };

	return prlimit(victim, RLIMIT_NOFILE, &none, NULL);
}

static long
read_memory(void)
{
	char c;
	struct iovec here = { &c, 1 }, there = { (void *)&victim, 1 };

	return process_vm_readv(victim, &here, 1, &there, 1, 0);
}

static long
bind_to_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(victim, sizeof(set), &set);
}

static long
schedule(int policy)
{
	struct sched_param param = { 0 };

	return sched_setscheduler(victim, policy, &param);
}

static long
schedule_by_attr(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = 48, .policy = SCHED_BATCH, .nice = 19 };

	return syscall(SYS_sched_setattr, victim, &attr, 0);
}

/* ---- programs, processes, namespaces ---- */

static long
fork_one(long (*how)(void))
{
	long pid = how();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
	return pid == -1 ? -1 : 0;
}

static long
fork_plain(void)
{
	return fork();
}


static long
clone_user(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL,
	    NULL);
}

static long
clone_3(void)
{
	uint64_t args[8] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0 };

	return syscall(435, args, sizeof(args));
}

/* Comes back only with an error. */
static long
exec_now(int is_at)
{
	static char name[] = "true";
	char *argv[] = { name, NULL };

	return is_at ? syscall(SYS_execveat, open("/usr/bin/true", O_PATH),
	    "", argv, NULL, 0x1000) : execv("/usr/bin/true", argv);
}

/* In a child where there can be one: else all ends here. */
static long
start(int is_at)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == -1)
		return exec_now(is_at);
	if (pid == 0) {
		(void)exec_now(is_at);
		_exit(1);
	}
	(void)waitpid(pid, &status, 0);
	return status == 0 ? 0 : -1;
}

static long
enter_namespace(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY);

	return fd == -1 ? -1 : setns(fd, CLONE_NEWUSER);
}

/* ---- sockets ---- */

static long
connect_unix(int type, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	return fd == -1 ? -1 : connect(fd, (void *)&sun, sizeof(sun));
}

/* The test listens there, outside of every wall. */
static long
connect_abstract(void)
{
	static const char name[] = "\0confined";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sun.sun_path, name, sizeof(name));
	return fd == -1 ? -1 : connect(fd, (void *)&sun, (socklen_t)(
	    sizeof(sa_family_t) + sizeof(name) - 1));
}

/* By the socket that it was given. */
static long
reconnect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	return connect(0, (void *)&sun, sizeof(sun));
}

static long
connect_to(int port, int protocol)
{
	int fd = socket(AF_INET, SOCK_STREAM, protocol);

	other.sin_port = htons((uint16_t)port);
	return fd == -1 ? -1 : connect(fd, (void *)&other, sizeof(other));
}

static long
send_fast(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	other.sin_port = htons(OTHER_PORT);
	return sendto(fd, "x", 1, MSG_FASTOPEN, (void *)&other, sizeof(other));
}

static long
bind_to(int type)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type, 0);

	return fd == -1 ? -1 : bind(fd, (void *)&any, sizeof(any));
}

static long
listen_on(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd == -1 ? -1 : listen(fd, 1);
}

static long
accept_one(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return accept4(fd, NULL, NULL, SOCK_NONBLOCK);
}

static long
pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
}

/* ---- files ---- */

static long
open_of(const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)victim, what);
	return open(path, flags);
}

static long
open_set_id(void)
{
	(void)unlink(FILE_OF_OURS ".set-id");
	return open(FILE_OF_OURS ".set-id", O_WRONLY | O_CREAT, 04755);
}

static long
make_handle(void)
{
	struct {
		struct file_handle head;
		char room[128];
	} handle;
	int id;

	handle.head.handle_bytes = 128;
	return name_to_handle_at(AT_FDCWD, "/etc", &handle.head, &id, 0);
}

static long
lease(void)
{
	return fcntl(open("/etc/passwd", O_RDONLY), F_SETLEASE, F_RDLCK);
}

static long
set_times(void)
{
	return utimensat(AT_FDCWD, FILE_OF_OURS, NULL, 0);
}

static long
push_input(unsigned long how)
{
	return ioctl(1, how, "x");
}

/* ---- all of them ---- */

#define CALL(name, denied, call) static long try_ ## name(void) { return call; }
#define ATTEMPTS \
TRY(kill, REMOTE | LMTP, kill(victim, SIGCONT)) \
TRY(kill_probe, REMOTE | LMTP, kill(victim, 0)) \
TRY(kill_group, REMOTE | LMTP, kill(0, SIGCONT)) \
TRY(tkill, REMOTE | LMTP, syscall(SYS_tkill, victim, SIGCONT)) \
TRY(tgkill, REMOTE | LMTP, syscall(SYS_tgkill, victim, victim, SIGCONT)) \
TRY(sigqueue, REMOTE | LMTP, queue_signal()) \
TRY(pidfd_open, REMOTE | LMTP, syscall(434, victim, 0)) \
TRY(pidfd_send_signal, REMOTE | LMTP, \
    syscall(424, open_of("", O_DIRECTORY), SIGCONT, NULL, 0)) \
TRY(pidfd_getfd, REMOTE | RUNNER | LMTP, \
    syscall(438, syscall(434, victim, 0), 0, 0)) \
TRY(setown, REMOTE | LMTP, set_owner(F_SETOWN, victim)) \
TRY(setsig, REMOTE | LMTP, set_owner(F_SETSIG, SIGSTOP)) \
TRY(fiosetown, REMOTE | LMTP, own_by_ioctl(0x8901)) \
TRY(siocspgrp, REMOTE | LMTP, own_by_ioctl(0x8902)) \
TRY(ptrace, REMOTE | RUNNER | LMTP, ptrace(PTRACE_SEIZE, victim, 0, 0)) \
TRY(process_vm_readv, REMOTE | RUNNER | LMTP, read_memory()) \
TRY(kcmp, REMOTE | RUNNER | LMTP, \
    syscall(SYS_kcmp, getpid(), victim, 2, 0, 0)) \
TRY(prlimit, REMOTE | RUNNER | LMTP, limit()) \
TRY(setpriority, REMOTE | RUNNER | LMTP, \
    setpriority(PRIO_PROCESS, (id_t)victim, 19)) \
TRY(setpriority_group, REMOTE | RUNNER | LMTP, setpriority(PRIO_PGRP, 0, 19)) \
TRY(setpriority_user, REMOTE | RUNNER | LMTP, setpriority(PRIO_USER, 0, 19)) \
TRY(sched_setaffinity, REMOTE | RUNNER | LMTP, bind_to_cpu()) \
TRY(sched_setscheduler, REMOTE | RUNNER | LMTP, schedule(SCHED_BATCH)) \
TRY(sched_setattr, REMOTE | RUNNER | LMTP, schedule_by_attr()) \
TRY(ioprio_set, REMOTE | RUNNER | LMTP, \
    syscall(SYS_ioprio_set, 1, victim, 3 << 13)) \
TRY(ioprio_set_user, REMOTE | RUNNER | LMTP, \
    syscall(SYS_ioprio_set, 3, getuid(), 3 << 13)) \
TRY(migrate_pages, REMOTE | RUNNER | LMTP, \
    syscall(SYS_migrate_pages, victim, 0, NULL, NULL)) \
TRY(io_uring, REMOTE | RUNNER | LMTP, syscall(425, 1, (char [120]){ 0 })) \
TRY(bpf, REMOTE | RUNNER | LMTP, syscall(SYS_bpf, 0, NULL, 0)) \
TRY(perf_event_open, REMOTE | RUNNER | LMTP, \
    syscall(SYS_perf_event_open, (char [128]){ 0 }, 0, -1, -1, 0)) \
TRY(userfaultfd, REMOTE | RUNNER | LMTP, syscall(SYS_userfaultfd, 1)) \
TRY(personality, REMOTE | RUNNER | LMTP, personality(ADDR_NO_RANDOMIZE)) \
TRY(fork, REMOTE | LMTP, fork_one(fork_plain)) \
TRY(execveat, REMOTE | LMTP, start(1)) \
TRY(syslog, REMOTE | RUNNER | LMTP, syscall(SYS_syslog, 10, NULL, 0)) \
TRY(newer, REMOTE | RUNNER | LMTP, syscall(469, -100, ".", "", 0, 0)) \
TRY(unix_stream, REMOTE | LMTP, socket(AF_UNIX, SOCK_STREAM, 0)) \
TRY(unix_datagram, REMOTE | LMTP, socket(AF_UNIX, SOCK_DGRAM, 0)) \
TRY(wake, REMOTE | LMTP, connect_unix(SOCK_DGRAM, SPOOL "/wake")) \
TRY(wake_by_given, REMOTE | LMTP, reconnect(SPOOL "/wake")) \
TRY(dbus, REMOTE | LMTP, \
    connect_unix(SOCK_STREAM, "/run/confined.socket")) \
TRY(abstract, REMOTE | RUNNER | LMTP, connect_abstract()) \
TRY(socketpair, REMOTE | LMTP, pair()) \
TRY(packet, REMOTE | LMTP, socket(AF_PACKET, SOCK_DGRAM, 0)) \
TRY(alg, REMOTE | LMTP, socket(38, SOCK_SEQPACKET, 0)) \
TRY(vsock, REMOTE | LMTP, socket(40, SOCK_STREAM, 0)) \
TRY(mptcp, REMOTE | LMTP, connect_to(OTHER_PORT, 262)) \
TRY(sctp, REMOTE | LMTP, socket(AF_INET, SOCK_SEQPACKET, 0)) \
TRY(other_port, REMOTE | LMTP, connect_to(OTHER_PORT, 0)) \
TRY(fast_open, REMOTE | LMTP, send_fast()) \
TRY(bind_tcp, REMOTE | LMTP, bind_to(SOCK_STREAM)) \
TRY(bind_udp, REMOTE | LMTP, bind_to(SOCK_DGRAM)) \
TRY(listen, REMOTE | LMTP, listen_on()) \
TRY(accept, REMOTE | LMTP, accept_one()) \
TRY(keyctl, REMOTE | LMTP, syscall(SYS_keyctl, 1, NULL)) \
TRY(add_key, REMOTE | LMTP, \
    syscall(SYS_add_key, "user", "confined", "x", 1, -3)) \
TRY(shmget, REMOTE | LMTP, shmget(IPC_PRIVATE, 4096, 0600)) \
TRY(semget, REMOTE | LMTP, semget(IPC_PRIVATE, 1, 0600)) \
TRY(msgget, REMOTE | LMTP, msgget(IPC_PRIVATE, 0600)) \
TRY(mq_open, REMOTE | LMTP, syscall(SYS_mq_open, "confined", O_RDWR | O_CREAT,\
    0600, NULL)) \
TRY(open_queue, REMOTE | LMTP, open(SPOOL "/queue", O_RDONLY)) \
TRY(open_lock, REMOTE | LMTP, open(SPOOL "/lock", O_RDONLY)) \
TRY(open_own_file, REMOTE | LMTP, open(FILE_OF_OURS, O_RDONLY)) \
TRY(open_home, REMOTE | LMTP, open("/home/alice", O_RDONLY)) \
TRY(open_root, REMOTE | LMTP, open("/", O_RDONLY)) \
TRY(proc_status, REMOTE | LMTP, open_of("status", O_RDONLY)) \
TRY(proc_mem, REMOTE | RUNNER | LMTP, open_of("mem", O_RDWR)) \
TRY(proc_fd, REMOTE | LMTP, open_of("fd", O_RDONLY)) \
TRY(write_null, REMOTE | LMTP, open("/dev/null", O_WRONLY)) \
TRY(write_file, REMOTE | RUNNER | LMTP, open(FILE_OF_OURS, O_WRONLY)) \
TRY(make_file, REMOTE | RUNNER | LMTP, \
    open("/tmp/confined.new", O_WRONLY | O_CREAT, 0600)) \
TRY(truncate, REMOTE | RUNNER | LMTP, truncate(FILE_OF_OURS, 0)) \
TRY(chmod, REMOTE | LMTP, chmod(FILE_OF_OURS, 0644)) \
TRY(chmod_spool, REMOTE | LMTP, chmod(SPOOL, 0700)) \
TRY(chmod_set_id, REMOTE | RUNNER | LMTP, chmod(FILE_OF_OURS, 04755)) \
TRY(chmod_set_gid, REMOTE | RUNNER | LMTP, \
    fchmodat(AT_FDCWD, FILE_OF_OURS, 02755, 0)) \
TRY(open_set_id, REMOTE | RUNNER | LMTP, open_set_id()) \
TRY(chown, REMOTE | LMTP, chown(FILE_OF_OURS, getuid(), getgid())) \
TRY(utimensat, REMOTE | LMTP, set_times()) \
TRY(utime, REMOTE | LMTP, utime(FILE_OF_OURS, NULL)) \
TRY(setxattr, REMOTE | LMTP, setxattr(FILE_OF_OURS, "user.x", "x", 1, 0)) \
TRY(mkdir, REMOTE | RUNNER | LMTP, mkdir("/tmp/confined.dir", 0700)) \
TRY(symlink, REMOTE | RUNNER | LMTP, symlink("x", "/tmp/confined.link")) \
TRY(link, REMOTE | RUNNER | LMTP, link(FILE_OF_OURS, "/tmp/confined.hard")) \
TRY(rename, REMOTE | RUNNER | LMTP, \
    rename(FILE_OF_OURS, FILE_OF_OURS ".moved")) \
TRY(unlink, REMOTE | RUNNER | LMTP, unlink(FILE_OF_OURS)) \
TRY(unlink_wake, REMOTE | LMTP, unlink(SPOOL "/wake")) \
TRY(name_to_handle, REMOTE | LMTP, make_handle()) \
TRY(inotify, REMOTE | LMTP, inotify_init1(0)) \
TRY(fanotify, REMOTE | LMTP, fanotify_init(0x200, O_RDONLY)) \
TRY(lease, REMOTE | LMTP, lease()) \
TRY(tiocsti, REMOTE | RUNNER | LMTP, push_input(TIOCSTI)) \
TRY(tioclinux, REMOTE | RUNNER | LMTP, push_input(TIOCLINUX)) \
TRY(open_passwd, LMTP, open("/etc/passwd", O_RDONLY)) \
TRY(connect, LMTP, connect_to(OPEN_PORT, 0)) \
TRY(udp, 0, socket(AF_INET6, SOCK_DGRAM, 0)) \
TRY(execve, REMOTE | LMTP, start(0)) \
TRY(unshare, REMOTE | RUNNER | LMTP, unshare(CLONE_NEWUSER)) \
TRY(unshare_net, REMOTE | RUNNER | LMTP, unshare(CLONE_NEWNET)) \
TRY(clone_user, REMOTE | RUNNER | LMTP, fork_one(clone_user)) \
TRY(clone3, REMOTE | RUNNER | LMTP, fork_one(clone_3)) \
TRY(setns, REMOTE | RUNNER | LMTP, enter_namespace()) \
TRY(mount, REMOTE | RUNNER | LMTP, mount("x", "/mnt", "tmpfs", 0, NULL)) \
TRY(fsopen, REMOTE | RUNNER | LMTP, syscall(430, "tmpfs", 0)) \
TRY(open_tree, REMOTE | RUNNER | LMTP, syscall(428, -100, "/", 0)) \
TRY(chroot, REMOTE | RUNNER | LMTP, chroot("/"))

#define TRY CALL
ATTEMPTS
#undef TRY

#define TRY(name, denied, call) { #name, denied, try_ ## name },
static const struct attempt {
	const char	*name;
	unsigned	 denied;	/* kinds for which it must fail */
	long		(*call)(void);
} attempts[] = {
	ATTEMPTS
};
#undef TRY

/* out: -1 for the runner's log. */
static void
report_line(int out, const char *name, const char *denied, const char *came)
{
	char line[128];
	struct ipc m;

	snprintf(line, sizeof(line), "%s %s %s", name, denied, came);
	if (out != -1) {
		dprintf(out, "%s\n", line);
		return;
	}
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_LOG, 0);
	ipc_put_u32(&m, LOG_LEVEL_INFO);
	ipc_put_str(&m, line);
	if (ipc_send(STDIN_FILENO, &m) == -1)
		_exit(2);
	ipc_fini(&m);
}

static void
attack(int out, unsigned kind)
{
	const struct attempt *a;
	long ret;

	for (a = attempts; a < attempts + sizeof(attempts) /
	    sizeof(*attempts); a++) {
		errno = 0;
		ret = a->call();
		report_line(out, a->name,
		    a->denied & kind ? "denied" : "allowed",
		    ret == -1 ? strerrorname_np(errno) : "done");
	}
	report_line(out, "end", "-", "-");
}

/* In the place of dma-remote: a line like the runner's own to a caller. */
static void
lie(void)
{
	char id[QUEUE_ID_MAX + 1], line[128];
	struct ipc m;

	ipc_init(&m);
	do {
		if (ipc_recv(STDIN_FILENO, &m, IPC_REMOTE_LIMIT) <= 0)
			_exit(2);
	} while (m.kind != IPC_REMOTE_MESSAGE);
	ipc_get_text(&m, id, sizeof(id));
	snprintf(line, sizeof(line), "%s failed a lie", id);
	ipc_begin(&m, IPC_REMOTE_DIALOGUE, 0);
	ipc_put_str(&m, line);
	(void)ipc_send(STDIN_FILENO, &m);
	ipc_fini(&m);
}

static int
confine(const struct conf *conf, unsigned kind)
{
	struct sandbox_ports ports;

	memset(&ports, 0, sizeof(ports));
	sandbox_ports_add(&ports, OPEN_PORT);
	switch (kind) {
	case REMOTE:
		return sandbox_remote(conf, &ports);
	case RUNNER:
		return sandbox_runner(conf);
	case LMTP:
		return sandbox_lmtp();
	default:
		return 0;
	}
}

/* As a kernel that lacks one of the two: the call fails as it would there. */
static int
take_away(const char *what)
{
	int is_landlock = strcmp(what, "landlock") == 0;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, is_landlock ? 444 :
		    SYS_prctl, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, is_landlock ? 0 :
		    PR_SET_SECCOMP, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO |
		    (is_landlock ? ENOSYS : EINVAL)),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1;
}

/* Numbers of another processor's, with which it must end. */
static void
call_as_others(const char *how)
{
#ifdef __x86_64__
	long ret = 20;	/* getpid() of i386 */

	if (strcmp(how, "i386") == 0)
		__asm__ volatile("int $0x80" : "+a" (ret) : : "memory");
	if (strcmp(how, "x32") == 0)
		(void)syscall(0x40000000 + SYS_getpid);
#else
	(void)how;
	raise(SIGSYS);
#endif
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "remote", "runner", "lmtp",
	    "nothing" };
	const char *mode = argc > 2 ? argv[1] : names[0];
	unsigned kind = 0;
	char path[64];
	struct conf conf;
	int out = -1;

	while (kind < 4 && strcmp(names[kind], mode) != 0)
		kind++;
	victim = argc > 2 ? (pid_t)atol(argv[2]) : getppid();
	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(path, sizeof(path), "%s.%s", OUTPUT, mode);
	if (argc > 4 && take_away(argv[4]))
		return 1;
	if (argc > 2)
		out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
	if (files_conf(&conf, &report_quiet) == -1 ||
	    confine(&conf, 1U << kind) == -1)
		return 1;
	if (argc > 3 && argv[3][0] != '\0')
		call_as_others(argv[3]);
	else
		attack(out, 1U << kind);
	if (out == -1)
		lie();
	return 0;
}
