/*
 * smtpd_confine_test.c - what a child may still do, in all of its threads.
 * Where the kernel has no Landlock that knows ports, only what is allowed and
 * the system calls are looked at.
 */
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <asm/sockios.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "smtpd/confine.h"
#include "tests/unit/t.h"

#define ABI_WITH_PORTS	4

struct world {
	char		 root[64], readable[64], writable[64], other[64];
	struct smtpd_config conf;
	struct smtpd_host host;
	uint16_t	 port, other_port;	/* on which somebody listens */
	int		 has_landlock;
};

static int
can_read(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static int
can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static int
in_root(const struct world *w)
{
	return can_write(t_path(w->root, "file")) &&
	    can_read(t_path(w->root, "file"));
}

/* As a message comes into the tree. */
static int
link_in_root(const struct world *w)
{
	char proc[64];
	int fd, ret;

	fd = open(w->root, O_WRONLY | O_TMPFILE, 0600);
	if (fd == -1)
		return 0;
	if (mkdir(t_path(w->root, "a"), 0700) == -1 && errno != EEXIST)
		return 0;
	(void)unlink(t_path(w->root, "a/one"));
	(void)unlink(t_path(w->root, "two"));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ret = linkat(AT_FDCWD, proc, AT_FDCWD, t_path(w->root, "a/one"),
	    AT_SYMLINK_FOLLOW);
	/* Without /proc: by the descriptor, which needs a capability. */
	if (ret == -1)
		ret = can_write(t_path(w->root, "a/one")) ? 0 : -1;
	close(fd);
	return ret == 0 && link(t_path(w->root, "a/one"),
	    t_path(w->root, "two")) == 0;
}

static int
read_readable(const struct world *w)
{
	return can_read(t_path(w->readable, "file"));
}

static int
write_readable(const struct world *w)
{
	return can_write(t_path(w->readable, "file"));
}

static int
write_writable(const struct world *w)
{
	return can_write(t_path(w->writable, "new"));
}

static int
read_other(const struct world *w)
{
	return can_read(t_path(w->other, "file")) || can_read("/etc/passwd");
}

static int
write_other(const struct world *w)
{
	return can_write(t_path(w->other, "new"));
}

static int
connect_to_port(const struct world *w)
{
	return t_connects(w->port);
}

static int
connect_to_other(const struct world *w)
{
	return t_connects(w->other_port);
}

static int
bind_port(const struct world *w)
{
	(void)w;
	return t_may_bind();
}

static int
execute(const struct world *w)
{
	static char name[] = "true";
	char *argv[] = { name, NULL };

	(void)w;
	(void)execv("/bin/true", argv);
	return errno == ENOENT;		/* else it was refused */
}

/* 0 is no signal, but needs the same right. */
static int
signal_others(const struct world *w)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	(void)w;
	return kill(getppid(), 0) == 0 ||
	    syscall(SYS_tkill, getppid(), 0) == 0 ||
	    syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 ||
	    syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info) == 0 ||
	    syscall(SYS_rt_tgsigqueueinfo, getppid(), getppid(), 0, &info) ==
	    0;
}

/* As abort(3) and threads need it. */
static int
signal_itself(const struct world *w)
{
	(void)w;
	return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == 0;
}

/* The kernel sends them when there is input. */
static int
signal_others_by_input(const struct world *w)
{
	int fds[2], ret, pid = getppid();

	(void)w;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		return 1;
	ret = fcntl(fds[0], F_SETSIG, SIGKILL) == 0 ||
	    fcntl(fds[0], F_SETOWN, pid) == 0 ||
	    ioctl(fds[0], FIOSETOWN, &pid) == 0;
	close(fds[0]);
	close(fds[1]);
	return ret;
}

static int
limit_others(const struct world *w)
{
	struct sched_param low = { .sched_priority = 0 };
	struct rlimit r;
	cpu_set_t all;

	(void)w;
	memset(&all, 0xff, sizeof(all));
	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &r) == 0 ||
	    sched_setscheduler(getppid(), SCHED_OTHER, &low) == 0 ||
	    sched_setaffinity(getppid(), sizeof(all), &all) == 0 ||
	    setpriority(PRIO_PROCESS, (id_t)getppid(), 19) == 0;
}

static int
look_at_own_limits(const struct world *w)
{
	struct rlimit r;

	(void)w;
	return getrlimit(RLIMIT_NOFILE, &r) == 0;
}

/* One that the parent does not know of. */
static int
fork_another(const struct world *w)
{
	pid_t pid = fork();

	(void)w;
	if (pid == 0)
		_exit(0);
	return pid != -1;
}

static int
enter_a_namespace(const struct world *w)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL,
	    NULL, NULL);

	(void)w;
	if (pid == 0)
		_exit(0);
	return pid != -1;
}

static int
make_set_id(const struct world *w)
{
	const char *path = t_path(w->root, "set-id");
	int fd = open(path, O_WRONLY | O_CREAT, 0700), ret;

	if (fd == -1)
		return 1;
	ret = fchmod(fd, 04700) == 0 || chmod(path, 02700) == 0;
	close(fd);
	fd = open(t_path(w->root, "set-id-too"), O_WRONLY | O_CREAT, 04700);
	return ret || fd != -1;
}

static int
trace(const struct world *w)
{
	(void)w;
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static int
gain(const struct world *w)
{
	struct rlimit core;

	(void)w;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    getrlimit(RLIMIT_CORE, &core) == -1 || core.rlim_max != 0;
}

static const struct attempt {
	const char	*name;
	int		(*can)(const struct world *);
	int		 expected;
	int		 needs_landlock;	/* to be denied */
} attempts[] = {
	{ "files in ROOT", in_root, 1, 0 },
	{ "links in ROOT", link_in_root, 1, 0 },
	{ "reading a path of a module", read_readable, 1, 0 },
	{ "writing to it", write_readable, 0, 1 },
	{ "writing to a path of a module", write_writable, 1, 0 },
	{ "reading elsewhere", read_other, 0, 1 },
	{ "writing elsewhere", write_other, 0, 1 },
	{ "a port of a module", connect_to_port, 1, 0 },
	{ "another port", connect_to_other, 0, 1 },
	{ "binding", bind_port, 0, 1 },
	{ "executing", execute, 0, 0 },
	{ "signals", signal_others, 0, 0 },
	{ "signals by input", signal_others_by_input, 0, 0 },
	{ "signals to itself", signal_itself, 1, 0 },
	{ "limits of others", limit_others, 0, 0 },
	{ "its own limits", look_at_own_limits, 1, 0 },
	{ "forking", fork_another, 0, 0 },
	{ "namespaces", enter_a_namespace, 0, 0 },
	{ "set-id files", make_set_id, 0, 0 },
	{ "tracing", trace, 0, 0 },
	{ "gaining rights", gain, 0, 0 },
};

/* 0, or 1 + the index of what was not as expected. */
static int
attempt_all(const struct world *w)
{
	size_t i;

	for (i = 0; i < N(attempts); i++)
		if ((attempts[i].expected || !attempts[i].needs_landlock ||
		    w->has_landlock) &&
		    attempts[i].can(w) != attempts[i].expected)
			return (int)i + 1;
	return 0;
}

static void *
in_thread(void *arg)
{
	return (void *)(intptr_t)attempt_all(arg);
}

/* As a child: a module starts a thread once it is confined. */
static int
be_child(const void *arg)
{
	const struct world *w = arg;
	pthread_t thread;
	void *result;
	int ret;

	if (confine_process() == -1 || confine_child(&w->host) == -1)
		return 100;
	ret = attempt_all(w);
	if (ret != 0)
		return ret;
	if (pthread_create(&thread, NULL, in_thread,
	    (void *)(uintptr_t)w) != 0 ||
	    pthread_join(thread, &result) != 0)
		return 101;
	return (int)(intptr_t)result;
}

static void
test_a_child_has_its_tree_and_what_modules_need(void **state)
{
	struct world w = { .host = { .npaths = 3, .nports = 1 } };
	int fds[2], ret;

	(void)state;
#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(__riscv)
	t_skip("no filter of system calls for this processor");
#endif
	t_dir(w.root, sizeof(w.root));
	t_dir(w.readable, sizeof(w.readable));
	t_dir(w.writable, sizeof(w.writable));
	t_dir(w.other, sizeof(w.other));
	t_put(t_path(w.readable, "file"), "x", 1, 0644);
	t_put(t_path(w.other, "file"), "x", 1, 0644);
	fds[0] = t_listen(&w.port);
	fds[1] = t_listen(&w.other_port);
	w.has_landlock = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    1U) >= ABI_WITH_PORTS;
	w.conf.root = w.root;
	w.host.conf = &w.conf;
	w.host.paths[0].path = w.readable;
	w.host.paths[1] = (struct host_path){ w.writable, 1 };
	/* One that does not exist is no error. */
	w.host.paths[2].path = (char *)(uintptr_t)"/nonexistent/path";
	w.host.ports[0] = w.port;
	ret = t_in_child(be_child, &w);
	if (ret >= 1 && ret <= (int)N(attempts))
		fail_msg("%s", attempts[ret - 1].name);
	assert_int_equal(ret, 0);
	close(fds[0]);
	close(fds[1]);
	t_dir_remove(w.root);
	t_dir_remove(w.readable);
	t_dir_remove(w.writable);
	t_dir_remove(w.other);
}

/* The same without a wall: each attempt can succeed. */
static void
test_each_attempt_is_possible_without_it(void **state)
{
	(void)state;
	assert_true(can_read("/etc/passwd"));
	assert_true(bind_port(NULL));
	assert_true(signal_others(NULL));
	assert_true(signal_others_by_input(NULL));
	assert_true(limit_others(NULL));
	assert_true(fork_another(NULL));
	assert_true(gain(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_attempt_is_possible_without_it),
		cmocka_unit_test(
		    test_a_child_has_its_tree_and_what_modules_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
