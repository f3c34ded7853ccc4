/*
 * mbox_test.c - the locks of an mbox file, held by others and by ourselves.
 * Started as root it becomes nobody first.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/msg.h"
#include "mbox.h"
#include "records.h"
#include "result.h"

#define NOBODY		65534
#define WAIT_S		1
#define WRITERS		8
#define EACH_WRITES	10
#define BODY		"Subject: x\n\nbody\n"
#define ENTRY		"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"	\
	"Return-Path: <>\nDelivered-To: bob\n" BODY "\n"

struct world {
	char		 top[64];
	int		 dir;
	struct user	 user;
	struct delivery	 d;
	struct result	 res;
};

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	snprintf(w->top, sizeof(w->top), "/tmp/mbox_test.XXXXXX");
	assert_non_null(mkdtemp(w->top));
	w->dir = open(w->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dir != -1);
	w->user.uid = getuid();
	w->user.gid = getgid();
	w->d.kind = ROUTE_MAILBOX;
	w->d.user = &w->user;
	text_copy(w->d.recipient, sizeof(w->d.recipient), "bob");
	w->d.mark.length = -1;
	w->d.message = openat(w->dir, "message", O_RDWR | O_CREAT | O_CLOEXEC,
	    0600);
	assert_int_equal(io_write_all(w->d.message, BODY, strlen(BODY)), 0);
	w->d.length = strlen(BODY);
	result_init(&w->res);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(fchmod(w->dir, 0700), 0);
	unlinkat(w->dir, "message", 0);
	unlinkat(w->dir, "bob", 0);
	unlinkat(w->dir, "bob.lock", 0);
	close(w->dir);
	close(w->d.message);
	/* Fails when something else was left behind. */
	assert_int_equal(rmdir(w->top), 0);
	result_fini(&w->res);
	free(w);
	return 0;
}

/* With a runner that agrees at once. */
static int
append(struct world *w, unsigned wait_s)
{
	struct msg m;
	int s[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	msg_init(&m);
	msg_begin(&m, REC_DELIVER_GO, 0);
	assert_int_equal(msg_send(s[1], &m), 0);
	msg_fini(&m);
	w->d.channel = s[0];
	ret = mbox_append(&w->d, w->dir, "bob", "mail/bob", wait_s, &w->res);
	close(s[0]);
	close(s[1]);
	return ret;
}

static off_t
size_of(struct world *w, const char *name)
{
	struct stat st;

	if (fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	return st.st_size;
}

static void
make_lock(struct world *w, time_t age_s)
{
	struct timespec times[2];
	int fd;

	fd = openat(w->dir, "bob.lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void
test_dotlock(void **state)
{
	static const struct { int age_s, is_held; } cases[] = {
		{ 0, 1 }, { 590, 1 }, { -3600, 1 }, { 610, 0 }, { 99999, 0 },
	};
	struct world *w = *state;
	off_t size = 0;
	size_t i;

	assert_int_equal(append(w, WAIT_S), 0);
	size = size_of(w, "bob");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_lock(w, cases[i].age_s);
		assert_int_equal(append(w, WAIT_S), 0);
		if (cases[i].is_held) {
			assert_int_equal(w->res.fate, FATE_RETRY);
			assert_string_equal(w->res.code, "4.2.0");
			assert_non_null(strstr(w->res.why, "locked"));
		} else {
			assert_int_equal(w->res.fate, FATE_SENT);
			size += (off_t)strlen(ENTRY);
		}
		assert_int_equal(size_of(w, "bob"), size);
		assert_int_equal(size_of(w, "bob.lock"),
		    cases[i].is_held ? 0 : -1);
	}
}

/* A directory without leave to write: the mailbox is there, no dotlock. */
static void
test_no_dotlock(void **state)
{
	struct world *w = *state;

	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.fate, FATE_SENT);
	assert_int_equal(size_of(w, "bob"), 2 * strlen(ENTRY));
	/* A fresh lock of somebody who may write there holds all the same. */
	assert_int_equal(fchmod(w->dir, 0700), 0);
	make_lock(w, 0);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.fate, FATE_RETRY);
	/* One that nobody can remove any more does not. */
	assert_int_equal(fchmod(w->dir, 0700), 0);
	make_lock(w, 700);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.fate, FATE_SENT);
	assert_int_equal(size_of(w, "bob"), 3 * strlen(ENTRY));
}

/* Another process that holds a lock on the file until it is killed. */
static pid_t
hold(struct world *w, int by_flock)
{
	struct flock fl;
	char c = 0;
	int p[2], fd;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		memset(&fl, 0, sizeof(fl));
		fl.l_type = F_RDLCK;
		fl.l_whence = SEEK_SET;
		fd = openat(w->dir, "bob", O_RDWR);
		if (by_flock ? flock(fd, LOCK_SH) == 0 :
		    fcntl(fd, F_SETLK, &fl) == 0)
			c = 1;
		if (write(p[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 1);
	close(p[0]);
	close(p[1]);
	return pid;
}

static void
test_held_file(void **state)
{
	struct world *w = *state;
	int by_flock;
	pid_t pid;

	assert_int_equal(append(w, WAIT_S), 0);
	for (by_flock = 0; by_flock < 2; by_flock++) {
		pid = hold(w, by_flock);
		assert_int_equal(append(w, WAIT_S), 0);
		assert_int_equal(w->res.fate, FATE_RETRY);
		assert_non_null(strstr(w->res.why, "locked"));
		assert_int_equal(size_of(w, "bob.lock"), -1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(append(w, WAIT_S), 0);
		assert_int_equal(w->res.fate, FATE_SENT);
		assert_int_equal(size_of(w, "bob"), (by_flock + 2) *
		    strlen(ENTRY));
	}
}

/* While we wait for its lock, a reader puts another file in place. */
static void
test_replaced_file(void **state)
{
	struct world *w = *state;
	int fd, status;
	pid_t pid, other;

	assert_int_equal(append(w, WAIT_S), 0);
	other = hold(w, 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		append(w, 10);
		_exit(w->res.fate == FATE_SENT ? 0 : 1);
	}
	usleep(300000);
	fd = openat(w->dir, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(renameat(w->dir, "new", w->dir, "bob"), 0);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(size_of(w, "bob"), strlen(ENTRY));
}

/* Many at once: all are in the file, one behind the other. */
static void
test_many_writers(void **state)
{
	struct world *w = *state;
	pid_t pids[WRITERS];
	struct buf all;
	int i, k, fd, status;

	for (i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] != -1);
		if (pids[i] != 0)
			continue;
		for (k = 0; k < EACH_WRITES; k++) {
			append(w, 60);
			if (w->res.fate != FATE_SENT)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	buf_init(&all, 0);
	fd = openat(w->dir, "bob", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_file(fd, &all, 1024 * 1024), 0);
	close(fd);
	assert_int_equal(all.len, WRITERS * EACH_WRITES * strlen(ENTRY));
	for (i = 0; i < WRITERS * EACH_WRITES; i++)
		assert_memory_equal(all.data + (size_t)i * strlen(ENTRY),
		    ENTRY, strlen(ENTRY));
	buf_fini(&all);
	assert_int_equal(size_of(w, "bob.lock"), -1);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_dotlock),
		EACH(test_no_dotlock),
		EACH(test_held_file),
		EACH(test_replaced_file),
		EACH(test_many_writers),
	};

	if (getuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) == -1 ||
	    setresuid(NOBODY, NOBODY, NOBODY) == -1))
		return 1;
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
