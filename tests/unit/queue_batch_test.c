/*
 * queue_batch_test.c - what the runner is asked about messages, and what the
 * caller is told.  A process of the test stands for the runner.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/request.h"
#include "submit/queue_batch.h"
#include "tests/unit/t_queue.h"

#define WAIT_MS	30000

/* What the runner is asked, and what it replies. */
struct turn {
	const char	*ids;
	const char	*reply;
	size_t		 len;
};

/* One request: its ids are to be these. */
static void
serve(const struct t_wake *q, uint32_t command, const struct turn *t)
{
	struct ipc m, asked;
	const char *ids;
	uint32_t got[2];
	int channel, fd;
	size_t n;

	ipc_init(&m);
	ipc_init(&asked);
	if (io_wait(q->wake, POLLIN, io_clock_ms() + WAIT_MS) != 1 ||
	    ipc_recv(q->wake, &m, IPC_WAKE_LIMIT) != 1)
		_exit(90);
	channel = ipc_take_fd(&m, 0);
	if (ipc_recv(channel, &asked, IPC_QUEUE_LIMIT) != 1)
		_exit(91);
	got[0] = ipc_get_u32(&asked);
	got[1] = ipc_get_u32(&asked);
	ids = ipc_get_bytes(&asked, &n);
	fd = ipc_take_fd(&asked, 0);
	if (asked.kind != IPC_QUEUE_REQUEST || ipc_done(&asked) == -1 ||
	    got[0] != command || got[1] != 0 || fd == -1)
		_exit(92);
	if (n != strlen(t->ids) || memcmp(ids, t->ids, n) != 0)
		_exit(93);
	(void)!write(fd, t->reply, t->len);
	close(fd);
	close(channel);
	ipc_fini(&asked);
	ipc_fini(&m);
}

static pid_t
run_runner(const struct t_wake *q, uint32_t command, const struct turn *turns,
    size_t n)
{
	pid_t pid;
	size_t i;

	fflush(stdout);
	pid = fork();
	assert_true(pid != -1);
	if (pid != 0)
		return pid;
	for (i = 0; i < n && turns[i].ids != NULL; i++)
		serve(q, command, &turns[i]);
	_exit(0);
}

static void
open_as(const char *path, int as)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || dup2(fd, as) == -1)
		_exit(99);
	close(fd);
}

/* Asks about the ids, each ended by a newline; gives the exit status. */
static int
run_batch(const struct t_wake *q, enum queue_command command, const char *ids,
    uint32_t uid, int is_quiet)
{
	const struct caller c = { .uid = uid };
	char id[QUEUE_ID_MAX + 1];
	struct queue_batch b;
	int status;
	pid_t pid;
	size_t n;

	fflush(stdout);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		open_as(t_path(q->dir, "out"), STDOUT_FILENO);
		open_as(t_path(q->dir, "err"), STDERR_FILENO);
		if (queue_batch_init(&b, &q->sp, &c, command) == -1)
			_exit(98);
		b.is_quiet = is_quiet;
		for (; *ids != '\0'; ids += n + 1) {
			n = strcspn(ids, "\n");
			snprintf(id, sizeof(id), "%.*s", (int)n, ids);
			if (queue_batch_add(&b, id) == -1)
				break;
		}
		status = queue_batch_end(&b);
		queue_batch_fini(&b);
		fflush(stdout);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
expect(const struct t_wake *q, const char *name, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	t_get(t_path(q->dir, name), &b);
	if (want[0] == '\0' ? b.len > 0 : strstr(buf_str(&b), want) == NULL)
		fail_msg("%s: \"%s\" and not \"%s\"", name, buf_str(&b), want);
	buf_fini(&b);
}

static void
test_each_verdict_is_reported_and_the_worst_counts(void **state)
{
	static const struct {
		enum queue_command command;
		const char *ids;
		int is_quiet;
		struct turn turns[4];
		int status;
		const char *out, *err;
	} cases[] = {
		{ QUEUE_HOLD, "a1\na2\n", 0, { { "a1\na2\n",
		    T("a1 ok\na2 ok \n\0") } }, 0, "a1: held\na2: held\n", "" },
		{ QUEUE_HOLD, "a1\na2\n", 0, { { "a1\na2\n",
		    T("a1 ok on hold\na2 ok \033[2J\n\0") } }, 0,
		    "a1: on hold\na2: held\n", "" },
		{ QUEUE_RETRY, "a1\na2\n", 0, { { "a1\na2\n",
		    T("a2 ok deferred\na1 ok sent\n\0") } }, 0,
		    "a2: deferred\na1: sent\n", "" },
		{ QUEUE_DELETE, "a1\na2\n", 0, { { "a1\na2\n",
		    T("a1 unknown\na2 ok\n\0") } }, EX_NOINPUT,
		    "a2: deleted\n", "dma: a1: not in the queue, or not yours: "
		    "see mailq\n" },
		{ QUEUE_BOUNCE, "a1\na2\n", 0, { { "a1\na2\n",
		    T("a1 unknown\na2 late sent to x@y\n\0") } },
		    EX_UNAVAILABLE, "", "dma: a2: not bounced: sent to x@y\n" },
		{ QUEUE_RELEASE, "a1\n", 0, { { "a1\n",
		    T("a1 failed the spool is full\n\0") } }, EX_TEMPFAIL, "",
		    "dma: a1: not released: the spool is full\n" },
		/* As a whole. */
		{ QUEUE_HOLD, "a1\n", 0, { { "a1\n",
		    T("\001too many calls") } }, EX_TEMPFAIL, "",
		    "dma: too many calls\n" },
		/* A runner that forgets one, and one that invents some. */
		{ QUEUE_HOLD, "a1\na2\n", 0, { { "a1\na2\n",
		    T("a1 ok\n\0") } }, EX_TEMPFAIL, "a1: held\n",
		    "dma: a2: not held: the runner did not reply" },
		{ QUEUE_HOLD, "a1\n", 0, { { "a1\n", T("b1 ok\na1 okay\n"
		    "a1\n\n x\na1 ok\na1 unknown\n\0") } }, 0, "a1: held\n",
		    "" },
		/* The rest is asked of the next one. */
		{ QUEUE_DELETE, "a1\na2\na3\n", 0, { { "a1\na2\na3\n",
		    T("a2 ok\n") }, { "a1\na3\n", T("a1 unknown\na3 ok\n\0") }
		    }, EX_UNAVAILABLE, "a2: deleted\na3: deleted\n",
		    "dma: a1: no longer queued" },
		{ QUEUE_HOLD, "a1\n", 0, { { "a1\n", T("") }, { "a1\n", T("") },
		    { "a1\n", T("a1 o") } }, EX_TEMPFAIL, "",
		    "dma: the runner ended during this command" },
		/* Once, however often it is named. */
		{ QUEUE_HOLD, "a1\na1\n", 0, { { "a1\n", T("a1 ok\n\0") } }, 0,
		    "a1: held\n", "" },
		/* -q is silent about what went well, or away. */
		{ QUEUE_RETRY, "a1\na2\na3\n", 1, { { "a1\na2\na3\n",
		    T("a1 ok deferred\na2 unknown\na3 late held\n\0") } }, 0,
		    "", "" },
		{ QUEUE_RETRY, "a1\n", 1, { { "a1\n",
		    T("=== connected\na1 failed no memory\n\0") } },
		    EX_TEMPFAIL, "", "=== connected\ndma: a1: not tried: no "
		    "memory\n" },
		/* Nothing harms the terminal. */
		{ QUEUE_HOLD, "a1\n", 0, { { "a1\n",
		    T("a1 failed \033[2J\n\0") } }, EX_TEMPFAIL, "",
		    "dma: a1: not held: \\033[2J\n" },
	};
	struct t_wake q;
	int status;
	pid_t pid;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		t_wake_init(&q);
		pid = run_runner(&q, cases[i].command, cases[i].turns,
		    N(cases[i].turns));
		status = run_batch(&q, cases[i].command, cases[i].ids, 1234,
		    cases[i].is_quiet);
		if (status != cases[i].status)
			fail_msg("case %zu: status %d", i, status);
		expect(&q, "out", cases[i].out);
		expect(&q, "err", cases[i].err);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("case %zu: runner %d", i, status >> 8);
		t_wake_fini(&q);
	}
}

/* A full batch goes out at once, the rest in the end. */
static void
test_many_ids_go_in_batches(void **state)
{
	struct buf ids[2], replies[2], all;
	struct turn turns[2];
	struct t_wake q;
	int i, status;
	pid_t pid;

	(void)state;
	t_wake_init(&q);
	buf_init(&all, 0);
	for (i = 0; i < 2; i++) {
		buf_init(&ids[i], 0);
		buf_init(&replies[i], 0);
	}
	for (i = 0; i < QUEUE_IDS_MAX + 3; i++) {
		buf_printf(&all, "%024d\n", i);
		buf_printf(&ids[i >= QUEUE_IDS_MAX], "%024d\n", i);
		buf_printf(&replies[i >= QUEUE_IDS_MAX], "%024d ok\n", i);
	}
	for (i = 0; i < 2; i++) {
		buf_putc(&replies[i], '\0');
		turns[i].ids = buf_str(&ids[i]);
		turns[i].reply = buf_str(&replies[i]);
		turns[i].len = replies[i].len;
	}
	pid = run_runner(&q, QUEUE_HOLD, turns, 2);
	assert_int_equal(run_batch(&q, QUEUE_HOLD, buf_str(&all), 0, 0), 0);
	expect(&q, "out", "000000258: held\n");
	expect(&q, "err", "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (i = 0; i < 2; i++) {
		buf_fini(&ids[i]);
		buf_fini(&replies[i]);
	}
	buf_fini(&all);
	t_wake_fini(&q);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_verdict_is_reported_and_the_worst_counts),
		cmocka_unit_test(test_many_ids_go_in_batches),
	};

	return cmocka_run_group_tests_name("queue_batch", tests, NULL, NULL);
}
