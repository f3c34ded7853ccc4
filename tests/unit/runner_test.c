/*
 * runner_test.c - whole lives of a runner, in a spool of its own.
 * The test is both local helpers and their children; there is no dma-remote.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "conf/files.h"
#include "lib/io.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/sandbox.h"
#include "queue/runner.h"
#include "tests/unit/t_queue.h"

#define LIMIT_MS	60000	/* a runner that takes longer hangs */

struct world {
	char		 top[64];
	struct spool	 spool;
	pid_t		 runner;
	int		 forward, deliver;	/* the helpers' ends */
	int		 done;		/* of the caller that waits */
	unsigned	 asked, delivered, successors;
	uint32_t	 verdict;	/* of every lookup */
};

/* ---- what the runner is not given here ---- */

static const char *spooldir;

int
files_conf_log(struct conf *conf, struct log *log, const char *tag)
{
	(void)tag;
	log->where = LOG_TO_FD;
	log->fd = -1;
	if (conf_init(conf) == -1)
		return -1;
	free(conf->where.spool);
	conf->where.spool = strdup(spooldir);
	return conf_finish(conf, NULL, "host.example.org");
}

int
files_conf(struct conf *conf, const struct report *report)
{
	(void)conf;
	(void)report;
	return -1;
}

int
files_changed(const char *path, struct stat *last)
{
	(void)path;
	(void)last;
	return 0;
}

void
files_log(const struct conf_log *conf, struct log *log, const char *tag)
{
	(void)conf;
	(void)log;
	(void)tag;
}

void
files_log_renew(const struct conf_log *conf, struct log *log)
{
	(void)conf;
	(void)log;
}

void
files_log_close(struct log *log)
{
	(void)log;
}

int
files_sender_relays(const char *path, struct sender_relays *relays,
    const struct report *report)
{
	(void)path;
	(void)report;
	memset(relays, 0, sizeof(*relays));
	return 0;
}

int
files_aliases(const char *path, struct aliases *aliases,
    const struct report *report, unsigned *bad)
{
	(void)path;
	(void)report;
	memset(aliases, 0, sizeof(*aliases));
	*bad = 0;
	return 0;
}

int
sandbox_runner(const struct conf *conf)
{
	(void)conf;
	return 0;
}

int
request_channel(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

int
request_channel_of(int fd, uid_t *uid)
{
	(void)fd;
	*uid = 0;
	return 0;
}

int
request_is_channel(int fd, uid_t uid)
{
	(void)fd;
	(void)uid;
	return 1;
}

int
request_remote(void)
{
	errno = ENOENT;
	return -1;
}

/* ---- the world ---- */

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct result res;

	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	spooldir = w->top;
	result_init(&res);
	assert_int_equal(spool_open(&w->spool, w->top, &res), 0);
	result_fini(&res);
	w->forward = w->deliver = w->done = -1;
	w->verdict = FORWARD_NONE;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	if (w->runner > 0) {
		kill(w->runner, SIGKILL);
		waitpid(w->runner, NULL, 0);
	}
	io_close(&w->forward);
	io_close(&w->deliver);
	io_close(&w->done);
	spool_close(&w->spool);
	t_dir_remove(w->top);
	free(w);
	return 0;
}

static void
commit(struct world *w, const char *id, const char *recipient)
{
	struct message m;

	t_message(&m, "ann@other.example", time(NULL), recipient, NULL);
	t_commit(&w->spool, id, &m, T("Subject: x\n\nbody\n"));
	message_fini(&m);
}

static int
poke_for(struct world *w, uint32_t kind, const char *id, int fd,
    uint32_t flags)
{
	int ret, channel[2] = { -1, -1 };
	struct ipc m;

	ipc_init(&m);
	if (kind == IPC_FLUSH && request_channel(channel) == 0) {
		ipc_begin(&m, IPC_FLUSH_REQUEST, 0);
		ipc_put_str(&m, id);
		ipc_put_u32(&m, flags);
		ipc_put_fd(&m, fd);
		assert_int_equal(ipc_send(channel[0], &m), 0);
	}
	ipc_begin(&m, kind, 0);
	if (kind == IPC_FLUSH)
		ipc_put_fd(&m, channel[1]);
	else
		ipc_put_str(&m, id);
	ret = spool_poke(&w->spool, &m);
	io_close(&channel[0]);
	io_close(&channel[1]);
	ipc_fini(&m);
	return ret;
}

static int
poke(struct world *w, uint32_t kind, const char *id, int fd)
{
	return poke_for(w, kind, id, fd, 0);
}

static void
start_runner(struct world *w)
{
	int forward[2], deliver[2];
	struct helpers h;

	assert_int_equal(request_channel(forward), 0);
	assert_int_equal(request_channel(deliver), 0);
	h.forward = forward[0];
	h.deliver = deliver[0];
	h.start = -1;
	h.for_flush = 1;
	w->runner = fork();
	assert_true(w->runner != -1);
	if (w->runner == 0) {
		close(forward[1]);
		close(deliver[1]);
		_exit(runner_main(&h));
	}
	close(forward[0]);
	close(deliver[0]);
	w->forward = forward[1];
	w->deliver = deliver[1];
}

/* A caller that waits for all of the queue. */
static void
flush(struct world *w)
{
	int64_t end_ms = io_clock_ms() + LIMIT_MS;
	int done[2];

	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	while (poke(w, IPC_FLUSH, "", done[1]) == -1) {
		assert_true(io_clock_ms() < end_ms);
		poll(NULL, 0, 1);
	}
	close(done[1]);
	w->done = done[0];
}

static void
start(struct world *w)
{
	start_runner(w);
	flush(w);
}

/* The channel of a child that is asked; -1: there was no request. */
static int
take_lookup(struct world *w)
{
	struct delivery d;
	struct ipc m;

	ipc_init(&m);
	memset(&d, 0, sizeof(d));
	if (ipc_recv(w->forward, &m, IPC_FORWARD_LIMIT) == 1 &&
	    forward_request_get(&m, &d) == 0) {
		w->asked++;
	} else {
		io_close(&w->forward);
		d.channel = -1;
	}
	ipc_fini(&m);
	return d.channel;
}

static void
reply_to_lookup(const struct world *w, int channel)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_FORWARD_REPLY, 1);
	ipc_put_u32(&m, w->verdict);
	ipc_put_bytes(&m, "", 0);
	ipc_send(channel, &m);
	close(channel);
	ipc_fini(&m);
}

static void
answer_lookup(struct world *w)
{
	int channel = take_lookup(w);

	if (channel != -1)
		reply_to_lookup(w, channel);
}

/* As a child for one message: checkpoint, acknowledgement, result, exit. */
static void
deliver(struct world *w)
{
	struct result res;
	struct delivery d;
	struct ipc m;

	ipc_init(&m);
	result_init(&res);
	memset(&d, 0, sizeof(d));
	if (ipc_recv(w->deliver, &m, IPC_DELIVER_LIMIT) != 1)
		io_close(&w->deliver);
	else if (m.kind == IPC_HELPER_SUCCESSOR)
		w->successors++;
	else if (delivery_request_get(&m, &d) == 0) {
		ipc_begin(&m, IPC_DELIVER_CHECKPOINT, d.id);
		ipc_put_u64(&m, 1);
		ipc_put_u64(&m, 1);
		ipc_put_u64(&m, 0);
		assert_int_equal(ipc_send(d.channel, &m), 0);
		assert_int_equal(ipc_recv(d.channel, &m, IPC_DELIVER_LIMIT),
		    1);
		assert_int_equal(m.kind, IPC_DELIVER_ACKNOWLEDGE);
		w->delivered++;
		ipc_begin(&m, IPC_DELIVER_RESULT, d.id);
		result_set(&res, STATUS_SENT, "2.0.0", "in");
		result_put(&m, &res);
		assert_int_equal(ipc_send(d.channel, &m), 0);
		close(d.channel);
		close(d.message);
		ipc_begin(&m, IPC_DELIVER_EXIT, d.id);
		ipc_put_u32(&m, 0);
		ipc_put_u32(&m, 0);
		/* One that leaves has not waited for it. */
		(void)ipc_send(w->deliver, &m);
	} else
		io_close(&w->deliver);
	result_fini(&res);
	ipc_fini(&m);
}

/* Helps for a moment; 1 when something happened. */
static int
help(struct world *w, int wait_ms)
{
	struct pollfd p[2] = { { w->forward, POLLIN, 0 },
	    { w->deliver, POLLIN, 0 } };

	if (poll(p, 2, wait_ms) <= 0)
		return 0;
	if (p[0].revents != 0)
		answer_lookup(w);
	if (p[1].revents != 0)
		deliver(w);
	return 1;
}

/* Helps until the runner has ended; its exit status. */
static int
ends(struct world *w)
{
	int64_t end_ms = io_clock_ms() + LIMIT_MS;
	int status;

	while (waitpid(w->runner, &status, WNOHANG) == 0) {
		assert_true(io_clock_ms() < end_ms);
		help(w, 20);
	}
	w->runner = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* '\0' when all was tried, 'E' for an end without it, '-' for nothing. */
static char
told(struct world *w)
{
	char c = 'E';
	ssize_t n;

	n = read(w->done, &c, 1);
	return n == -1 ? '-' : c;
}

/* ---- lives ---- */

static void
test_nothing_to_do(void **state)
{
	struct world *w = *state;
	int lock;

	start(w);
	assert_int_equal(ends(w), 0);
	assert_int_equal(told(w), '\0');
	lock = spool_lock(&w->spool);
	assert_true(lock != -1);
	close(lock);
}

static void
test_delivered(void **state)
{
	struct world *w = *state;

	commit(w, "a1", "bob");
	commit(w, "a2", "carl");
	start(w);
	assert_int_equal(ends(w), 0);
	assert_int_equal(w->asked, 2);
	assert_int_equal(w->delivered, 2);
	assert_int_equal(t_count(w->top, "queue"), 0);
	assert_int_equal(told(w), '\0');
}

/*
 * Three messages for one user, a few milliseconds apart, all of them deferred:
 * how many lookups they share.
 */
static unsigned
stream(struct world *w)
{
	static const char *const ids[] = { "a1", "a2", "a3" };
	int is_there = 1;
	size_t i;

	w->asked = 0;
	w->verdict = FORWARD_LATER;
	start(w);
	for (i = 0; i < N(ids); i++) {
		commit(w, ids[i], "bob");
		/* It may have left before the first one. */
		is_there &= poke(w, IPC_WAKE, ids[i], -1) == 0;
		while (help(w, 4))
			;
	}
	while (help(w, 100))
		;
	kill(w->runner, SIGKILL);
	waitpid(w->runner, NULL, 0);
	w->runner = 0;
	for (i = 0; i < N(ids); i++)
		assert_int_equal(spool_remove(&w->spool, ids[i], 0), 0);
	io_close(&w->forward);
	io_close(&w->deliver);
	io_close(&w->done);
	return is_there ? w->asked : N(ids);
}

/*
 * The first is taken at once, and the others together, unless this machine
 * makes a pause in between: then it is tried again.
 */
static void
test_messages_that_follow_are_taken_together(void **state)
{
	int tries = 0;

	while (stream(*state) > 2)
		assert_true(++tries < 50);
}

/* A helper is gone: the mail stays, and another runner tries it. */
static void
test_degraded(void **state)
{
	struct world *w = *state;

	commit(w, "a1", "bob");
	start_runner(w);
	/* Before it can ask: a lookup that was lost is no sign of the end. */
	io_close(&w->forward);
	flush(w);
	assert_int_equal(ends(w), EX_TEMPFAIL);
	help(w, 0);
	assert_int_equal(w->delivered, 0);
	assert_int_equal(t_count(w->top, "queue"), 1);
	assert_int_equal(w->successors, 1);
	/* Who waits asks that one. */
	assert_int_equal(told(w), 'E');
}

/* Mail that is for the next runner is not overtaken by another. */
static void
test_degraded_keeps_the_order(void **state)
{
	struct world *w = *state;
	int64_t end_ms = io_clock_ms() + LIMIT_MS;
	int channel, known[2];

	commit(w, "a2", "bob");
	start(w);
	assert_int_equal(io_wait(w->forward, POLLIN, end_ms), 1);
	channel = take_lookup(w);
	assert_int_not_equal(channel, -1);
	io_close(&w->forward);
	commit(w, "a1", "bob");
	assert_int_equal(poke(w, IPC_WAKE, "a1", -1), 0);
	/* The reply to what follows: that was read. */
	assert_int_equal(pipe2(known, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(poke(w, IPC_FLUSH, "none", known[1]), 0);
	close(known[1]);
	assert_int_equal(io_wait(known[0], POLLIN, end_ms), 1);
	close(known[0]);
	reply_to_lookup(w, channel);
	assert_int_equal(ends(w), EX_TEMPFAIL);
	help(w, 0);
	assert_int_equal(w->delivered, 0);
	assert_int_equal(t_count(w->top, "queue"), 2);
	assert_int_equal(w->successors, 1);
}

/* Milliseconds of work so far. */
static int64_t
worked_ms(const struct world *w)
{
	struct timespec t;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(w->runner, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* While a delivery ends, what is for the next runner gives it no work. */
static void
test_degraded_sleeps(void **state)
{
	struct world *w = *state;
	int64_t before_ms, end_ms = io_clock_ms() + LIMIT_MS;

	commit(w, "a1", "bob");
	start(w);
	while (w->asked == 0) {
		assert_int_equal(io_wait(w->forward, POLLIN, end_ms), 1);
		answer_lookup(w);
	}
	assert_int_equal(io_wait(w->deliver, POLLIN, end_ms), 1);
	io_close(&w->forward);
	commit(w, "a2", "carl");
	assert_int_equal(poke(w, IPC_WAKE, "a2", -1), 0);
	poll(NULL, 0, 50);
	before_ms = worked_ms(w);
	poll(NULL, 0, 500);
	assert_in_range(worked_ms(w) - before_ms, 0, 20);
	assert_int_equal(ends(w), EX_TEMPFAIL);
	help(w, 0);
	assert_int_equal(w->delivered, 1);
	assert_int_equal(w->successors, 1);
}

/* A message that comes while another is under way is delivered, too. */
static void
test_woken(void **state)
{
	struct world *w = *state;
	int64_t end_ms = io_clock_ms() + LIMIT_MS;

	commit(w, "a1", "bob");
	start(w);
	while (io_wait(w->forward, POLLIN, end_ms) != 1)
		assert_true(io_clock_ms() < end_ms);
	commit(w, "a2", "carl");
	assert_int_equal(poke(w, IPC_WAKE, "a2", -1), 0);
	assert_int_equal(ends(w), 0);
	assert_int_equal(w->delivered, 2);
	assert_int_equal(t_count(w->top, "queue"), 0);
}

/*
 * While the runner is about to leave, too: a submission that reaches its
 * socket after the commit starts no other.
 */
static void
test_last_look(void **state)
{
	struct world *w = *state;
	int64_t end_ms = io_clock_ms() + LIMIT_MS;
	int is_woken;

	start(w);
	assert_int_equal(io_wait(w->done, POLLIN, end_ms), 1);
	/* About as long as it stays with nothing to do. */
	poll(NULL, 0, 49);
	commit(w, "a1", "bob");
	is_woken = poke(w, IPC_WAKE, "a1", -1) == 0;
	assert_int_equal(ends(w), 0);
	if (is_woken)
		assert_int_equal(w->delivered, 1);
}

/* It leaves at once, and touches neither the socket nor the queue. */
static void
test_another_runner(void **state)
{
	struct world *w = *state;
	int lock, wake;

	lock = spool_lock(&w->spool);
	wake = spool_wake_open(&w->spool);
	assert_true(lock != -1 && wake != -1);
	commit(w, "a1", "bob");
	start_runner(w);
	assert_int_equal(ends(w), 0);
	assert_int_equal(w->asked, 0);
	assert_int_equal(t_count(w->top, "queue"), 1);
	assert_int_equal(poke(w, IPC_WAKE, "a1", -1), 0);
	close(wake);
	close(lock);
}

/*
 * A runner that was killed keeps the lock until its memory is freed, and its
 * socket is closed before: the next one waits, as nobody else looks.
 */
static void
test_killed_runner(void **state)
{
	struct world *w = *state;
	int lock, wake, status;

	lock = spool_lock(&w->spool);
	wake = spool_wake_open(&w->spool);
	assert_true(lock != -1 && wake != -1);
	close(wake);
	commit(w, "a1", "bob");
	start_runner(w);
	poll(NULL, 0, 200);
	assert_int_equal(waitpid(w->runner, &status, WNOHANG), 0);
	spool_unlock(&lock);
	assert_int_equal(ends(w), 0);
	assert_int_equal(w->delivered, 1);
}

/* -v: the caller hears that it may commit, and when that was tried. */
static void
test_announced(void **state)
{
	struct world *w = *state;
	int64_t end_ms = io_clock_ms() + LIMIT_MS;
	int done[2];

	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	start(w);
	close(w->done);
	w->done = done[0];
	assert_int_equal(poke_for(w, IPC_FLUSH, "a1", done[1],
	    FLUSH_COMING), 0);
	close(done[1]);
	assert_int_equal(io_wait(w->done, POLLIN, end_ms), 1);
	assert_int_equal(told(w), '\n');
	/* It stays as long as somebody wants to commit. */
	assert_int_equal(io_wait(w->done, POLLIN, io_clock_ms() + 200), 0);
	assert_int_equal(waitpid(w->runner, NULL, WNOHANG), 0);
	commit(w, "a1", "bob");
	assert_int_equal(poke(w, IPC_WAKE, "a1", -1), 0);
	assert_int_equal(ends(w), 0);
	assert_int_equal(w->delivered, 1);
	assert_int_equal(told(w), '\0');
}

/* The caller is gone before its commit. */
static void
test_announced_and_gone(void **state)
{
	struct world *w = *state;
	int64_t end_ms = io_clock_ms() + LIMIT_MS;
	int done[2];

	start(w);
	/* After the start: the runner has no copy of our end. */
	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(poke_for(w, IPC_FLUSH, "a1", done[1],
	    FLUSH_COMING), 0);
	close(done[1]);
	assert_int_equal(io_wait(done[0], POLLIN, end_ms), 1);
	close(done[0]);
	assert_int_equal(ends(w), 0);
}

/* A bounce is committed before the failure is forgotten. */
static void
test_bounced(void **state)
{
	struct world *w = *state;
	int64_t end_ms = io_clock_ms() + LIMIT_MS;

	w->verdict = FORWARD_NOUSER;
	commit(w, "a1", "bob");
	start(w);
	while (faccessat(w->spool.queue, "a1", F_OK, 0) == 0) {
		assert_true(io_clock_ms() < end_ms);
		help(w, 10);
	}
	assert_int_equal(w->delivered, 0);
	assert_int_equal(t_count(w->top, "queue"), 1);
	/* It waits for ann's host, and for nothing else. */
	assert_int_equal(waitpid(w->runner, NULL, WNOHANG), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_nothing_to_do),
		CASE(test_delivered),
		CASE(test_messages_that_follow_are_taken_together),
		CASE(test_degraded),
		CASE(test_degraded_keeps_the_order),
		CASE(test_degraded_sleeps),
		CASE(test_woken),
		CASE(test_last_look),
		CASE(test_another_runner),
		CASE(test_killed_runner),
		CASE(test_announced),
		CASE(test_announced_and_gone),
		CASE(test_bounced),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
