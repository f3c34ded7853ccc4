/*
 * flush_test.c - what a runner is told, and what a caller waits for.
 * A process of the test stands for the runner.
 */
#include <sys/wait.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "priv/request.h"
#include "submit/flush.h"
#include "tests/unit/t_queue.h"

#define WAIT_MS	30000

/* The next datagram; of a flush the request that its channel brings. */
static int
take(const struct t_wake *q, uint32_t *kind, char *id, uint32_t *flags)
{
	int channel, fd = -1;
	struct ipc m;
	uid_t uid;

	if (io_wait(q->wake, POLLIN, io_clock_ms() + WAIT_MS) != 1)
		_exit(90);
	ipc_init(&m);
	if (ipc_recv(q->wake, &m, IPC_WAKE_LIMIT) != 1)
		_exit(91);
	*kind = m.kind;
	*flags = 0;
	if (m.kind == IPC_FLUSH) {
		channel = ipc_take_fd(&m, 0);
		if (request_channel_of(channel, &uid) == -1 ||
		    uid != geteuid() || ipc_done(&m) == -1 ||
		    ipc_recv(channel, &m, IPC_WAKE_LIMIT) != 1 ||
		    m.kind != IPC_FLUSH_REQUEST)
			_exit(92);
		close(channel);
	}
	ipc_get_text(&m, id, QUEUE_ID_MAX + 1);
	if (*kind == IPC_FLUSH)
		*flags = ipc_get_u32(&m);
	fd = ipc_take_fd(&m, 0);
	if (ipc_done(&m) == -1)
		_exit(93);
	ipc_fini(&m);
	return fd;
}

/* Runners that were started; -1: fork(2) works. */
static int	 starts = -1;

pid_t
fork(void)
{
	pid_t (*real)(void);

	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	if (starts == -1)
		return real();
	starts++;
	errno = EAGAIN;
	return -1;
}

static void
submit(const struct t_wake *q)
{
	struct log log;

	log_init(&log, "dma");
	log.where = LOG_TO_FD;
	flush_wake(&q->sp, &log, "3f2a");
}

/* The announcement is that of -v, which waits as -q does. */
static void
flush_queue(const struct t_wake *q)
{
	static const struct options o = { .is_watched = 1 };
	static const struct caller c = { .uid = 1234 };
	struct flush f;

	assert_int_equal(flush_init(&f, &q->sp, &c, &o), 0);
	flush_announce(&f, "3f2a");
	flush_fini(&f);
}

/* Answers after a while, with the end of the reply. */
static pid_t
start_slowly(const struct t_wake *q)
{
	struct t_wake late = *q;
	uint32_t flags, kind;
	char id[QUEUE_ID_MAX + 1];
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return pid;
	poll(NULL, 0, 100);
	late.wake = spool_wake_open(&q->sp);
	(void)take(&late, &kind, id, &flags);
	_exit(0);
}

/*
 * Another call holds the lock of those that start a runner, which answers
 * after a while or never; or none does.
 */
static void
test_calls_at_once_start_one_runner(void **state)
{
	static const struct {
		void	(*call)(const struct t_wake *);
		int	 is_held, answers, starts;
	} cases[] = {
		{ submit, 0, 0, 1 }, { submit, 1, 0, 1 }, { submit, 1, 1, 0 },
		{ flush_queue, 0, 0, 1 }, { flush_queue, 1, 0, 1 },
		{ flush_queue, 1, 1, 0 },
	};
	struct t_wake q;
	int held, status;
	size_t i;
	pid_t pid;

	(void)state;
	t_wake_init(&q);
	for (i = 0; i < N(cases); i++) {
		(void)unlinkat(q.sp.dir, "wake", 0);
		held = cases[i].is_held ? spool_start_lock(&q.sp) : -1;
		assert_int_equal(held != -1, cases[i].is_held);
		pid = cases[i].answers ? start_slowly(&q) : -1;
		starts = 0;
		cases[i].call(&q);
		if (starts != cases[i].starts)
			fail_msg("case %zu: %d starts", i, starts);
		starts = -1;
		(void)signal(SIGCHLD, SIG_DFL);
		io_close(&held);
		if (pid == -1)
			continue;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	t_wake_fini(&q);
}

static void
test_a_wake_up_names_the_message(void **state)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags, kind;
	struct t_wake q;
	struct log log;

	(void)state;
	t_wake_init(&q);
	log_init(&log, "dma");
	flush_wake(&q.sp, &log, "3f2a");
	assert_int_equal(take(&q, &kind, id, &flags), -1);
	assert_int_equal(kind, IPC_WAKE);
	assert_string_equal(id, "3f2a");
	flush_wake(&q.sp, &log, "");
	take(&q, &kind, id, &flags);
	assert_string_equal(id, "");
	t_wake_fini(&q);
}

/* What the runner writes to each caller in turn, and how often it is asked. */
struct script {
	const char *says;
	size_t len;
	int times;
};

static pid_t
run_script(const struct t_wake *q, const struct script *s)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags, kind;
	pid_t pid;
	int fd, i;

	pid = fork();
	assert_true(pid != -1);
	if (pid != 0)
		return pid;
	for (i = 0; i < s->times; i++) {
		fd = take(q, &kind, id, &flags);
		if (kind != IPC_FLUSH || fd == -1 || id[0] != '\0' ||
		    flags != FLUSH_WATCH)
			_exit(1);
		(void)!write(fd, s->says, s->len);
		close(fd);
	}
	_exit(0);
}

/* Runs flush() with standard error in a file. */
static int
run_flush(const struct t_wake *q)
{
	static const struct options o = { .is_watched = 1 };
	static const struct caller c = { .uid = 1234 };
	struct flush f;
	int fd, status;
	pid_t pid;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		fd = open(t_path(q->dir, "err"), O_WRONLY | O_CREAT | O_TRUNC,
		    0600);
		dup2(fd, STDERR_FILENO);
		_exit(flush_init(&f, &q->sp, &c, &o) == -1 ? 99 :
		    flush(&f, ""));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_a_flush_ends_with_its_last_byte(void **state)
{
	static const struct {
		struct script script;
		int status;
		const char *shown;
	} cases[] = {
		{ { T("\0"), 1 }, 0, "" },
		{ { T("=== sent\n\0"), 1 }, 0, "=== sent\n" },
		{ { T("one\n\0two\n"), 1 }, 0, "one\n" },
		/* Counts are for a terminal. */
		{ { T("+1 0 0 0\n+0 1 0 0\n\0"), 1 }, 0, "" },
		/* Not tried, and why. */
		{ { T("\001the spool is full"), 1 }, EX_TEMPFAIL,
		    "dma: the spool is full\n" },
		{ { T("=== one\n\001why"), 1 }, EX_TEMPFAIL,
		    "=== one\ndma: why\n" },
		/* It died: the next one is asked, but not for ever. */
		{ { T("=== half"), 3 }, EX_TEMPFAIL, "runner ended" },
		{ { "", 0, 3 }, EX_TEMPFAIL, "runner ended" },
	};
	struct t_wake q;
	struct buf err;
	int status;
	pid_t pid;
	size_t i;

	(void)state;
	buf_init(&err, 0);
	for (i = 0; i < N(cases); i++) {
		t_wake_init(&q);
		pid = run_script(&q, &cases[i].script);
		if (run_flush(&q) != cases[i].status)
			fail_msg("case %zu", i);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		buf_reset(&err);
		t_get(t_path(q.dir, "err"), &err);
		if (strstr(buf_str(&err), cases[i].shown) == NULL ||
		    (cases[i].shown[0] == '\0' && err.len > 0))
			fail_msg("case %zu: %s", i, buf_str(&err));
		t_wake_fini(&q);
	}
	buf_fini(&err);
}

/* The runner knows of it before the message can be there. */
static void
follow(const struct t_wake *q, const char *dir)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags, kind;
	int again, fd;

	fd = take(q, &kind, id, &flags);
	if (kind != IPC_FLUSH || fd == -1 || strcmp(id, "3f2a") != 0 ||
	    flags != (FLUSH_COMING | FLUSH_WATCH))
		_exit(1);
	if (t_exists(t_path(dir, "committed")))
		_exit(2);
	(void)!write(fd, "\n", 1);
	again = take(q, &kind, id, &flags);
	if (kind != IPC_FLUSH || again != -1 || flags != FLUSH_WATCH ||
	    strcmp(id, "3f2a") != 0 || !t_exists(t_path(dir, "committed")))
		_exit(3);
	(void)!write(fd, "", 1);
	_exit(0);
}

static void
test_a_watched_message_is_announced(void **state)
{
	static const struct options o = { .is_watched = 1 };
	static const struct caller c = { .uid = 1234 };
	struct t_wake q;
	struct flush f;
	int status;
	pid_t pid;

	(void)state;
	t_wake_init(&q);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		follow(&q, q.dir);
	assert_int_equal(flush_init(&f, &q.sp, &c, &o), 0);
	flush_announce(&f, "3f2a");
	assert_true(f.done != -1);
	t_put(t_path(q.dir, "committed"), T("x"), 0600);
	flush_follow(&f, "3f2a");
	flush_fini(&f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	t_wake_fini(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wake_up_names_the_message),
		cmocka_unit_test(test_calls_at_once_start_one_runner),
		cmocka_unit_test(test_a_flush_ends_with_its_last_byte),
		cmocka_unit_test(test_a_watched_message_is_announced),
	};

	return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
