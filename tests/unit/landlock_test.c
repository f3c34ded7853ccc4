/*
 * landlock_test.c - what a wall of Landlock denies, and its holes, by version.
 * What the kernel cannot deny is not expected to be.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "compat/landlock.h"
#include "tests/unit/t.h"

#define NET_ALL	(NET_BIND_TCP | NET_CONNECT_TCP)
#define NO_WALL	100		/* exit status */
#define FAILED	101

/* "free" and "read" have holes, the files "one" and "link" to it, too. */
struct world {
	char		 dir[64];
	uint16_t	 port, other_port;
	struct sockaddr_un abstract;
	socklen_t	 abstract_len;
	int		 abi;
};

/* ---- versions ---- */

static void
test_each_version_denies_what_it_knows(void **state)
{
	static const struct {
		int abi, ret;
		uint64_t net, fs_bits, net_set, scoped;
	} cases[] = {
		{ -1, -1, NET_ALL, 0, 0, 0 },
		{ 0, -1, NET_ALL, 0, 0, 0 },
		{ 1, -1, NET_ALL, 0, 0, 0 },
		{ 2, 0, NET_ALL, 14, 0, 0 },
		{ 3, 0, NET_ALL, 15, 0, 0 },
		{ 4, 0, NET_ALL, 15, NET_ALL, 0 },
		{ 5, 0, NET_ALL, 16, NET_ALL, 0 },
		{ 6, 0, NET_BIND_TCP, 16, NET_BIND_TCP, 3 },
		{ 1000, 0, 0, 16, 0, 3 },
	};
	struct ruleset set;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&set, 0xff, sizeof(set));
		assert_int_equal(landlock_choose(cases[i].abi, cases[i].net,
		    &set), cases[i].ret);
		assert_true(set.fs == (1ULL << cases[i].fs_bits) - 1);
		assert_true(set.net == cases[i].net_set);
		assert_true(set.scoped == cases[i].scoped);
	}
}

/* ---- attempts ---- */

static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static int
read_in_free(const struct world *w)
{
	return opens(t_path(w->dir, "free/file"), O_RDONLY);
}

static int
make_in_free(const struct world *w)
{
	return opens(t_path(w->dir, "free/new"), O_WRONLY | O_CREAT);
}

/* From one directory to another. */
static int
move_in_free(const struct world *w)
{
	return rename(t_path(w->dir, "free/file"),
	    t_path(w->dir, "free/below/file")) == 0 &&
	    rename(t_path(w->dir, "free/below/file"),
	    t_path(w->dir, "free/file")) == 0;
}

static int
read_in_read(const struct world *w)
{
	DIR *d = opendir(t_path(w->dir, "read"));

	if (d != NULL)
		closedir(d);
	return d != NULL && opens(t_path(w->dir, "read/file"), O_RDONLY);
}

static int
write_in_read(const struct world *w)
{
	return opens(t_path(w->dir, "read/file"), O_WRONLY);
}

static int
make_in_read(const struct world *w)
{
	return opens(t_path(w->dir, "read/new"), O_WRONLY | O_CREAT) ||
	    mkdir(t_path(w->dir, "read/new"), 0700) == 0 ||
	    symlink("x", t_path(w->dir, "read/new")) == 0;
}

static int
remove_in_read(const struct world *w)
{
	return unlink(t_path(w->dir, "read/file")) == 0;
}

static int
move_out_of_free(const struct world *w)
{
	return rename(t_path(w->dir, "free/file"),
	    t_path(w->dir, "read/moved")) == 0;
}

static int
truncate_in_read(const struct world *w)
{
	return truncate(t_path(w->dir, "read/file"), 0) == 0;
}

static int
execute_in_read(const struct world *w)
{
	static char name[] = "program";
	char *argv[] = { name, NULL };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)execv(t_path(w->dir, "read/program"), argv);
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static int
read_one(const struct world *w)
{
	return opens(t_path(w->dir, "one"), O_RDONLY);
}

static int
write_one(const struct world *w)
{
	return opens(t_path(w->dir, "one"), O_WRONLY);
}

static int
read_elsewhere(const struct world *w)
{
	return opens(t_path(w->dir, "other"), O_RDONLY) ||
	    opens("/etc/passwd", O_RDONLY) || opens("/", O_RDONLY) ||
	    opens(t_path(w->dir, "free/../other"), O_RDONLY) ||
	    opens(t_path(w->dir, "free/link"), O_RDONLY);
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
connect_to_abstract(const struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), ret;

	ret = connect(fd, (const struct sockaddr *)&w->abstract,
	    w->abstract_len);
	close(fd);
	return ret == 0;
}

/* 0 is no signal, but needs the same right. */
static int
signal_parent(const struct world *w)
{
	(void)w;
	return kill(getppid(), 0) == 0;
}

static int
signal_child(const struct world *w)
{
	pid_t pid = fork();
	int ret;

	(void)w;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	ret = kill(pid, SIGKILL);
	return ret == 0 && waitpid(pid, NULL, 0) == pid;
}

static const struct attempt {
	const char	*name;
	int		(*can)(const struct world *);
	int		 denied_from;	/* version; 0: never */
} attempts[] = {
	{ "reading where all is allowed", read_in_free, 0 },
	{ "making a file there", make_in_free, 0 },
	{ "moving a file there", move_in_free, 0 },
	{ "reading where that is allowed", read_in_read, 0 },
	{ "writing there", write_in_read, 2 },
	{ "making there", make_in_read, 2 },
	{ "moving to there", move_out_of_free, 2 },
	{ "truncating there", truncate_in_read, 3 },
	{ "removing there", remove_in_read, 2 },
	{ "executing there", execute_in_read, 2 },
	{ "reading one file", read_one, 0 },
	{ "writing to it", write_one, 2 },
	{ "reading elsewhere", read_elsewhere, 2 },
	{ "connecting to the port", connect_to_port, 0 },
	{ "connecting to another", connect_to_other, 4 },
	{ "binding", bind_port, 4 },
	{ "an abstract socket outside", connect_to_abstract, 6 },
	{ "a signal to outside", signal_parent, 6 },
	{ "a signal to a child", signal_child, 0 },
};

static int
allow(int fd, const struct world *w, const struct ruleset *set)
{
	if (landlock_allow_path(fd, t_path(w->dir, "free"), set->fs) == -1 ||
	    landlock_allow_path(fd, t_path(w->dir, "read"), READ_FS) == -1 ||
	    landlock_allow_path(fd, t_path(w->dir, "one"), READ_FS) == -1)
		return -1;
	/* None of these is there. */
	if (landlock_allow_path(fd, t_path(w->dir, "none"), READ_FS) == -1 ||
	    landlock_allow_path(fd, t_path(w->dir, "one/x"), READ_FS) == -1)
		return -1;
	return set->net == 0 ? 0 : landlock_allow_port(fd, w->port);
}

static int
attempt_all(const struct world *w)
{
	size_t i;
	int is_denied;

	for (i = 0; i < N(attempts); i++) {
		is_denied = attempts[i].denied_from != 0 &&
		    w->abi >= attempts[i].denied_from;
		if (attempts[i].denied_from != 0 && !is_denied)
			continue;
		if (attempts[i].can(w) == is_denied)
			return (int)i + 1;
	}
	return 0;
}

static int
behind_the_wall(const void *arg)
{
	const struct world *w = arg;
	struct ruleset set;
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return FAILED;
	fd = landlock_begin(NET_ALL, &set);
	if (fd == -1)
		return NO_WALL;
	/* No descriptor stays, neither its own nor those of paths. */
	if (landlock_end(fd, allow(fd, w, &set)) == -1 ||
	    dup(STDERR_FILENO) != fd || dup(STDERR_FILENO) != fd + 1)
		return FAILED;
	return attempt_all(w);
}

/* As if the kernel could deny nothing. */
static int
without_a_wall(const void *arg)
{
	const struct world *w = arg;
	size_t i;

	for (i = 0; i < N(attempts); i++)
		if (!attempts[i].can(w))
			return (int)i + 1;
	return 0;
}

/* ---- the world outside ---- */

/* The kernel chooses its name. */
static int
listening_abstract(struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	w->abstract.sun_family = AF_UNIX;
	w->abstract_len = sizeof(w->abstract);
	assert_int_equal(bind(fd, (struct sockaddr *)&w->abstract,
	    sizeof(w->abstract.sun_family)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&w->abstract,
	    &w->abstract_len), 0);
	return fd;
}

static void
make_world(struct world *w)
{
	static const char *const dirs[] = { "free", "free/below", "read" };
	static const char *const files[] = { "free/file", "read/file", "one",
	    "other" };
	size_t i;

	memset(w, 0, sizeof(*w));
	t_dir(w->dir, sizeof(w->dir));
	for (i = 0; i < N(dirs); i++)
		assert_int_equal(mkdir(t_path(w->dir, dirs[i]), 0700), 0);
	for (i = 0; i < N(files); i++)
		t_put(t_path(w->dir, files[i]), T("x"), 0600);
	t_put(t_path(w->dir, "read/program"), T("#!/bin/sh\n"), 0700);
	assert_int_equal(symlink("../other", t_path(w->dir, "free/link")), 0);
	w->abi = (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    LANDLOCK_VERSION);
}

static int
run_in_world(int (*run)(const void *))
{
	struct world w;
	int fds[3], ret;

	make_world(&w);
	fds[0] = t_listen(&w.port);
	fds[1] = t_listen(&w.other_port);
	fds[2] = listening_abstract(&w);
	ret = t_in_child(run, &w);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	t_dir_remove(w.dir);
	return ret;
}

static void
check_attempts(int (*run)(const void *))
{
	int ret = run_in_world(run);

	if (ret == NO_WALL)
		t_skip("no Landlock of version 2");
	if (ret > 0 && ret <= (int)N(attempts))
		fail_msg("%s", attempts[ret - 1].name);
	assert_int_equal(ret, 0);
}

static void
test_only_the_holes_are_open(void **state)
{
	(void)state;
	check_attempts(behind_the_wall);
}

static void
test_each_attempt_is_possible_without_a_wall(void **state)
{
	(void)state;
	check_attempts(without_a_wall);
}

/* ---- errors ---- */

/* Whoever cannot allow a hole has no wall, which the caller does not accept. */
static int
fail_to_allow(const void *arg)
{
	const struct world *w = arg;
	struct ruleset set;
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return FAILED;
	fd = landlock_begin(0, &set);
	if (fd == -1)
		return NO_WALL;
	errno = 0;
	if (landlock_allow_path(fd, t_path(w->dir, "loop"), READ_FS) != -1 ||
	    errno != ELOOP)
		return 1;
	if (landlock_end(fd, -1) != -1 || errno != ELOOP ||
	    fcntl(fd, F_GETFD) != -1)
		return 2;
	return read_elsewhere(w) ? 0 : 3;
}

/* As after no_new_privs was forgotten. */
static int
fail_to_restrict(const void *arg)
{
	struct ruleset set;
	int fd;

	(void)arg;
	t_become_nobody();
	fd = landlock_begin(0, &set);
	if (fd == -1)
		return NO_WALL;
	return landlock_end(fd, 0) == -1 && errno == EPERM &&
	    fcntl(fd, F_GETFD) == -1 ? 0 : 1;
}

static int
begin_without_landlock(const void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    SYS_landlock_create_ruleset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { N(code), code };
	struct ruleset set;

	(void)arg;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == -1)
		return NO_WALL;
	memset(&set, 0xff, sizeof(set));
	return landlock_begin(NET_ALL, &set) == -1 && set.fs == 0 &&
	    set.net == 0 && set.scoped == 0 ? 0 : 1;
}

static void
check(int (*attempt)(const void *))
{
	struct world w;
	int ret;

	make_world(&w);
	assert_int_equal(symlink("loop", t_path(w.dir, "loop")), 0);
	ret = t_in_child(attempt, &w);
	t_dir_remove(w.dir);
	if (ret == NO_WALL)
		t_skip("no Landlock of version 2, or no filters");
	assert_int_equal(ret, 0);
}

static void
test_without_a_hole_there_is_no_wall(void **state)
{
	(void)state;
	check(fail_to_allow);
}

static void
test_a_wall_needs_no_new_privs(void **state)
{
	(void)state;
	check(fail_to_restrict);
}

static void
test_an_older_kernel_has_no_wall(void **state)
{
	(void)state;
	t_needs_the_kernel();
	check(begin_without_landlock);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_version_denies_what_it_knows),
		cmocka_unit_test(test_each_attempt_is_possible_without_a_wall),
		cmocka_unit_test(test_only_the_holes_are_open),
		cmocka_unit_test(test_without_a_hole_there_is_no_wall),
		cmocka_unit_test(test_a_wall_needs_no_new_privs),
		cmocka_unit_test(test_an_older_kernel_has_no_wall),
	};

	return cmocka_run_group_tests_name("landlock", tests, NULL, NULL);
}
