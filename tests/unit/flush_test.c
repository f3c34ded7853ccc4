/*
 * flush_test.c - what a runner is told, and what a caller waits for.
 * A process of the test stands for the runner.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "submit/flush.h"
#include "tests/unit/t.h"

#define WAIT_MS	30000

struct queue {
	char		 dir[64];
	struct spool	 sp;
	int		 wake;
};

static void
setup(struct queue *q)
{
	struct result res;

	t_dir(q->dir, sizeof(q->dir));
	result_init(&res);
	assert_int_equal(spool_open(&q->sp, q->dir, &res), 0);
	q->wake = spool_wake_open(&q->sp);
	assert_true(q->wake != -1);
	result_fini(&res);
}

static void
teardown(struct queue *q)
{
	close(q->wake);
	spool_close(&q->sp);
	t_dir_remove(q->dir);
}

/* The next datagram: its kind, id and flags, and the pipe that came with it. */
static int
take(const struct queue *q, uint32_t *kind, char *id, uint32_t *flags,
    uint32_t *uid)
{
	struct ipc m;
	int fd;

	if (io_wait(q->wake, POLLIN, io_clock_ms() + WAIT_MS) != 1)
		_exit(90);
	ipc_init(&m);
	if (ipc_recv(q->wake, &m, IPC_WAKE_LIMIT) != 1)
		_exit(91);
	*kind = m.kind;
	ipc_get_text(&m, id, QUEUE_ID_MAX + 1);
	*flags = *uid = 0;
	if (m.kind == IPC_FLUSH) {
		*flags = ipc_get_u32(&m);
		*uid = ipc_get_u32(&m);
	}
	fd = ipc_take_fd(&m, 0);
	if (ipc_done(&m) == -1)
		_exit(92);
	ipc_fini(&m);
	return fd;
}

static void
test_a_wake_up_names_the_message(void **state)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags, kind, uid;
	struct queue q;
	struct log log;

	(void)state;
	setup(&q);
	log_init(&log, "dma");
	flush_wake(&q.sp, &log, "3f2a");
	assert_int_equal(take(&q, &kind, id, &flags, &uid), -1);
	assert_int_equal(kind, IPC_WAKE);
	assert_string_equal(id, "3f2a");
	flush_wake(&q.sp, &log, "");
	take(&q, &kind, id, &flags, &uid);
	assert_string_equal(id, "");
	teardown(&q);
}

/* What the runner writes to each caller in turn, and how often it is asked. */
struct script {
	const char *says;
	size_t len;
	int times;
};

static pid_t
run_script(const struct queue *q, const struct script *s)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags, kind, uid;
	pid_t pid;
	int fd, i;

	pid = fork();
	assert_true(pid != -1);
	if (pid != 0)
		return pid;
	for (i = 0; i < s->times; i++) {
		fd = take(q, &kind, id, &flags, &uid);
		if (kind != IPC_FLUSH || fd == -1 || id[0] != '\0' ||
		    flags != FLUSH_WATCH || uid != 1234)
			_exit(1);
		(void)!write(fd, s->says, s->len);
		close(fd);
	}
	_exit(0);
}

/* Runs flush() with standard error in a file. */
static int
run_flush(const struct queue *q)
{
	struct caller c = { .uid = 1234 };
	int fd, status;
	pid_t pid;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		fd = open(t_path(q->dir, "err"), O_WRONLY | O_CREAT | O_TRUNC,
		    0600);
		dup2(fd, STDERR_FILENO);
		_exit(flush(&q->sp, "", &c));
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
		/* It died: the next one is asked, but not for ever. */
		{ { T("=== half"), 3 }, EX_TEMPFAIL, "interrupted" },
		{ { "", 0, 3 }, EX_TEMPFAIL, "interrupted" },
	};
	struct queue q;
	struct buf err;
	int status;
	pid_t pid;
	size_t i;

	(void)state;
	buf_init(&err, 0);
	for (i = 0; i < N(cases); i++) {
		setup(&q);
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
		teardown(&q);
	}
	buf_fini(&err);
}

/* The runner knows of it before the message can be there. */
static void
follow(const struct queue *q, const char *dir)
{
	char id[QUEUE_ID_MAX + 1];
	uint32_t flags, kind, uid;
	int again, fd;

	fd = take(q, &kind, id, &flags, &uid);
	if (kind != IPC_FLUSH || fd == -1 || strcmp(id, "3f2a") != 0 ||
	    flags != (FLUSH_COMING | FLUSH_WATCH))
		_exit(1);
	if (t_exists(t_path(dir, "committed")))
		_exit(2);
	(void)!write(fd, "\n", 1);
	again = take(q, &kind, id, &flags, &uid);
	if (kind != IPC_FLUSH || again != -1 || flags != 0 ||
	    strcmp(id, "3f2a") != 0 || !t_exists(t_path(dir, "committed")))
		_exit(3);
	(void)!write(fd, "", 1);
	_exit(0);
}

static void
test_a_watched_message_is_announced(void **state)
{
	struct caller c = { .uid = 1234 };
	struct queue q;
	int fd, status;
	pid_t pid;

	(void)state;
	setup(&q);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		follow(&q, q.dir);
	fd = flush_announce(&q.sp, "3f2a", &c);
	assert_true(fd != -1);
	t_put(t_path(q.dir, "committed"), T("x"), 0600);
	flush_follow(&q.sp, fd, "3f2a", &c);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	teardown(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wake_up_names_the_message),
		cmocka_unit_test(test_a_flush_ends_with_its_last_byte),
		cmocka_unit_test(test_a_watched_message_is_announced),
	};

	return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
