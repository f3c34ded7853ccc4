/*
 * runner_link_test.c - what a runner replies, in any pieces; a reply that is
 * not whole is none.
 */
#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ipc.h"
#include "priv/records.h"
#include "submit/runner_link.h"
#include "tests/unit/t_queue.h"

#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X500	X100 X100 X100 X100 X100
#define X4000	X500 X500 X500 X500 X500 X500 X500 X500

struct asker {
	struct buf	 lines;		/* "|" after each */
	unsigned	 nputs;
};

static void
put_flush(void *arg, struct ipc *m)
{
	struct asker *a = arg;

	a->nputs++;
	ipc_begin(m, IPC_FLUSH_REQUEST, 0);
	ipc_put_u32(m, a->nputs);
}

static void
take_line(void *arg, const char *line)
{
	struct asker *a = arg;

	buf_puts(&a->lines, line);
	buf_putc(&a->lines, '|');
}

/* Each piece is read by a read of its own. */
static enum runner_reply
await(struct runner_link *l, struct asker *a, const char *text, size_t len,
    size_t piece)
{
	const struct runner_request r = { put_flush, take_line, a };
	enum runner_reply reply;
	int pair[2];
	size_t at, n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    pair), 0);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		assert_int_equal(write(pair[1], text + at, n), n);
	}
	close(pair[1]);
	reply = runner_link_await(l, pair[0], &r);
	close(pair[0]);
	return reply;
}

static void
test_replies(void **state)
{
	static const struct {
		const char *text;
		size_t	 len;
		enum runner_reply reply;
		const char *lines, *reason;
	} cases[] = {
		{ T("\0"), RUNNER_DONE, "", "" },
		{ T("a\n\0"), RUNNER_DONE, "a|", "" },
		{ T("a\n\nbc\n\0"), RUNNER_DONE, "a||bc|", "" },
		/* What follows the end is of no interest. */
		{ T("a\n\0b\n"), RUNNER_DONE, "a|", "" },
		{ T("\0\001why"), RUNNER_DONE, "", "" },
		{ T("\001why"), RUNNER_REFUSED, "", "why" },
		{ T("\001"), RUNNER_REFUSED, "", "" },
		{ T("a\n\001why not"), RUNNER_REFUSED, "a|", "why not" },
		{ T("\001why\0not"), RUNNER_REFUSED, "", "why" },
		{ T("\001" X500 X10), RUNNER_REFUSED, "", X500 X10 },
		{ T("\001" X500 X10 "yz"), RUNNER_REFUSED, "", X500 X10 "y" },
		{ T("\001" X4000 X500), RUNNER_REFUSED, "", X500 X10 "x" },
		/* It died before it had said all. */
		{ "", 0, RUNNER_LOST, "", "" },
		{ T("a"), RUNNER_LOST, "", "" },
		{ T("a\nb"), RUNNER_LOST, "a|", "" },
		{ T("a\nb\n"), RUNNER_LOST, "a|b|", "" },
		/* Within a line, these bytes end nothing. */
		{ T("a\0"), RUNNER_LOST, "", "" },
		{ T("a\0b\n\0"), RUNNER_DONE, "a|", "" },
		{ T("a\001b\n\0"), RUNNER_DONE, "a\001b|", "" },
		{ T(X4000 "\n" X4000 "\n\0"), RUNNER_DONE,
		  X4000 "|" X4000 "|", "" },
		/* No runner has such a line. */
		{ T("a\n" X4000 X4000 X500 "\n\0"), RUNNER_LOST, "a|", "" },
		{ T(X4000 X4000 X4000 X4000), RUNNER_LOST, "", "" },
	};
	static const size_t pieces[] = { 4096, 1000, 100, 3, 1 };
	struct runner_link l;
	struct asker a;
	enum runner_reply reply;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) for (k = 0; k < N(pieces); k++) {
		/* So many fit into a socket. */
		if (cases[i].len / pieces[k] > 50)
			break;
		memset(&a, 0, sizeof(a));
		runner_link_clear(&l);
		reply = await(&l, &a, cases[i].text, cases[i].len, pieces[k]);
		if (reply != cases[i].reply ||
		    strcmp(buf_str(&a.lines), cases[i].lines) != 0 ||
		    strcmp(l.reason, cases[i].reason) != 0)
			fail_msg("case %zu, pieces of %zu: %d, %s, %s", i,
			    pieces[k], (int)reply, buf_str(&a.lines),
			    l.reason);
		buf_fini(&a.lines);
	}
}

/* ---- a runner of ours, in the same process ---- */

struct fixture {
	struct t_wake	 q;
	struct caller	 caller;
	struct runner_link link;
	struct asker	 asker;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	t_wake_init(&f->q);
	f->caller.uid = 1234;
	assert_int_equal(runner_link_init(&f->link, &f->q.sp, &f->caller), 0);
	f->link.starts_none = 1;
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	runner_link_fini(&f->link);
	runner_link_fini(&f->link);
	buf_fini(&f->asker.lines);
	if (f->q.wake != -1) {
		t_wake_fini(&f->q);
	} else {
		spool_close(&f->q.sp);
		t_dir_remove(f->q.dir);
	}
	free(f);
	return 0;
}

/* The channel of a request that has come, or -1. */
static int
take_channel(struct fixture *f)
{
	struct ipc m;
	int channel = -1;

	ipc_init(&m);
	if (ipc_recv(f->q.wake, &m, IPC_WAKE_LIMIT) == 1) {
		assert_int_equal(m.kind, IPC_FLUSH);
		channel = ipc_take_fd(&m, 0);
		assert_int_equal(ipc_done(&m), 0);
	}
	ipc_fini(&m);
	return channel;
}

/* Takes the next request of a channel; its number, and its pipe or -1. */
static uint32_t
take_request(int channel, int *pipe)
{
	uint32_t number = 0;
	struct ipc m;

	*pipe = -1;
	ipc_init(&m);
	if (ipc_recv(channel, &m, IPC_WAKE_LIMIT) == 1) {
		assert_int_equal(m.kind, IPC_FLUSH_REQUEST);
		number = ipc_get_u32(&m);
		*pipe = ipc_take_fd(&m, 0);
	}
	ipc_fini(&m);
	return number;
}

static void
test_a_request_waits_in_its_channel(void **state)
{
	struct fixture *f = *state;
	const struct runner_request r = { put_flush, take_line, &f->asker };
	int channel, fd, pipe;

	fd = runner_link_ask(&f->link, &r);
	assert_true(fd != -1);
	channel = take_channel(f);
	assert_true(channel != -1);
	assert_int_equal(take_request(channel, &pipe), 1);
	assert_true(pipe != -1);
	assert_int_equal(runner_link_is_read(&f->link, fd), 1);
	assert_int_equal(write(pipe, "a\n", 3), 3);
	close(pipe);
	assert_int_equal(runner_link_await(&f->link, fd, &r), RUNNER_DONE);
	assert_string_equal(buf_str(&f->asker.lines), "a|");
	close(fd);
	/* An addition has no reply of its own. */
	assert_int_equal(runner_link_more(&f->link, &r), 0);
	close(channel);
	channel = take_channel(f);
	assert_int_equal(take_request(channel, &pipe), 2);
	assert_int_equal(pipe, -1);
	close(channel);
}

/* A second request takes the place of one that nobody has read. */
static void
test_an_unread_request_is_withdrawn(void **state)
{
	struct fixture *f = *state;
	const struct runner_request r = { put_flush, take_line, &f->asker };
	int channel, first, pipe, second;

	first = runner_link_ask(&f->link, &r);
	second = runner_link_ask(&f->link, &r);
	assert_true(first != -1 && second != -1);
	/* Its pipe has no writer any more. */
	assert_int_equal(io_read(first, &channel, 1), 0);
	channel = take_channel(f);
	assert_int_equal(take_request(channel, &pipe), 2);
	close(pipe);
	assert_int_equal(take_request(channel, &pipe), 0);
	close(channel);
	channel = take_channel(f);
	assert_int_equal(take_request(channel, &pipe), 0);
	close(channel);
	close(first);
	close(second);
}

static void
test_without_a_runner(void **state)
{
	struct fixture *f = *state;
	const struct runner_request r = { put_flush, take_line, &f->asker };
	char want[128];
	int fd;

	/* It leaves with the request unread. */
	fd = runner_link_ask(&f->link, &r);
	assert_true(fd != -1);
	close(f->q.wake);
	f->q.wake = -1;
	assert_int_equal(runner_link_is_read(&f->link, fd), 0);
	assert_int_equal(runner_link_await(&f->link, fd, &r), RUNNER_LOST);
	close(fd);
	assert_int_equal(runner_link_ask(&f->link, &r), -1);
	snprintf(want, sizeof(want), "no runner answers (%s/wake: %s): see "
	    "the log", f->q.dir, strerror(ECONNREFUSED));
	assert_string_equal(f->link.reason, want);
	assert_int_equal(runner_link_more(&f->link, &r), -1);
	assert_int_equal(runner_link_call(&f->link, &r), RUNNER_NONE);
	assert_string_equal(buf_str(&f->asker.lines), "");
}

#define CASE(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		CASE(test_a_request_waits_in_its_channel),
		CASE(test_an_unread_request_is_withdrawn),
		CASE(test_without_a_runner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
