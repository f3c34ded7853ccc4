/*
 * ipc_test.c - records are whole or an error, and no descriptor stays open.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/ipc.h"
#include "tests/unit/t.h"

#define LIMIT		64	/* bytes of fields that the reader takes */
#define FDS_SENT	8	/* most descriptors sent raw */

struct world {
	int		 sock[2];
	int		 open_before;
	struct ipc	 in, out;
};

static int
count_open(void)
{
	DIR *dir;
	int n = 0;

	dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, w->sock), 0);
	ipc_init(&w->in);
	ipc_init(&w->out);
	w->open_before = count_open();
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	ipc_fini(&w->in);
	ipc_fini(&w->out);
	assert_int_equal(count_open(), w->open_before);
	close(w->sock[0]);
	close(w->sock[1]);
	free(w);
	return 0;
}

/* A packet as a hostile side makes it, with n descriptors. */
static void
send_raw(int sock, const void *p, size_t len, int n)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int) * FDS_SENT)];
	} control;
	struct cmsghdr *c;
	struct msghdr mh;
	struct iovec iov;
	int fds[FDS_SENT], i;
	char nothing = 0;

	iov.iov_base = &nothing;
	if (len > 0)
		memcpy(&iov.iov_base, &p, sizeof(p));
	iov.iov_len = len;
	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	assert_true(n <= FDS_SENT);
	if (n > 0) {
		for (i = 0; i < n; i++)
			fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	}
	assert_int_equal(sendmsg(sock, &mh, MSG_NOSIGNAL), len);
	for (i = 0; i < n; i++)
		close(fds[i]);
}

static void
test_round_trip(void **state)
{
	struct world *w = *state;
	const char *bytes;
	char text[32];
	size_t n;
	int fd, got;

	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ipc_begin(&w->out, 7, 0xfffffffe);
	ipc_put_u32(&w->out, 0);
	ipc_put_u64(&w->out, UINT64_MAX);
	ipc_put_str(&w->out, "ann@example.org");
	ipc_put_str(&w->out, NULL);
	ipc_put_bytes(&w->out, "a\0\n", 3);
	ipc_put_bytes(&w->out, NULL, 0);
	ipc_put_fd(&w->out, fd);
	assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
	assert_true(fcntl(fd, F_GETFD) != -1);	/* lent, not taken */
	close(fd);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
	assert_int_equal(w->in.kind, 7);
	assert_int_equal(w->in.id, 0xfffffffe);
	assert_int_equal(ipc_get_u32(&w->in), 0);
	assert_true(ipc_get_u64(&w->in) == UINT64_MAX);
	ipc_get_text(&w->in, text, sizeof(text));
	assert_string_equal(text, "ann@example.org");
	ipc_get_text(&w->in, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(ipc_done(&w->in), -1);
	assert_true(ipc_more(&w->in));
	bytes = ipc_get_bytes(&w->in, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(bytes, "a\0\n", 3);
	ipc_get_bytes(&w->in, &n);
	assert_int_equal(n, 0);
	assert_false(ipc_more(&w->in));
	assert_int_equal(ipc_done(&w->in), 0);
	assert_int_equal(ipc_take_fd(&w->in, -1), -1);
	assert_int_equal(ipc_take_fd(&w->in, 1), -1);
	got = ipc_take_fd(&w->in, 0);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ipc_take_fd(&w->in, 0), -1);
	close(got);
}

static void
test_raw_packets(void **state)
{
	static const struct { size_t len; int fds, ret; } cases[] = {
		{ 8, 0, 1 },
		{ 8, 1, 1 },
		{ 8, 2, 1 },
		{ 8 + LIMIT, 2, 1 },
		{ 8 + LIMIT + 1, 0, -1 },	/* too long */
		{ 8 + LIMIT + 1, 2, -1 },
		{ 4096, 1, -1 },
		{ 7, 0, -1 },			/* cut */
		{ 7, 2, -1 },
		{ 1, 1, -1 },
		{ 0, 1, -1 },			/* no record, one descriptor */
		{ 8, IPC_FDS, 1 },
		{ 8, IPC_FDS + 1, -1 },		/* too many */
		{ 8, FDS_SENT, -1 },
		{ 8 + LIMIT + 1, FDS_SENT, -1 },
	};
	struct world *w = *state;
	char packet[4096];
	size_t i;

	t_needs_the_kernel();	/* qemu hides that descriptors were left out */
	memset(packet, 1, sizeof(packet));
	for (i = 0; i < N(cases); i++) {
		send_raw(w->sock[0], packet, cases[i].len, cases[i].fds);
		errno = 0;
		assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT),
		    cases[i].ret);
		if (cases[i].ret == -1) {
			assert_int_equal(errno, EPROTO);
			/* Nothing of it is left to be used by mistake. */
			assert_int_equal(ipc_take_fd(&w->in, 0), -1);
			assert_int_equal(w->in.fields.len, 0);
			assert_int_equal(count_open(), w->open_before);
		} else {
			assert_int_equal(w->in.fields.len, cases[i].len - 8);
			assert_int_equal(w->in.nfds, cases[i].fds);
			assert_int_equal(count_open(),
			    w->open_before + cases[i].fds);
		}
	}
	/* An error is that record's alone. */
	ipc_begin(&w->out, 1, 2);
	assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
	assert_int_equal(ipc_done(&w->in), 0);
}

static void
test_ends(void **state)
{
	struct world *w = *state;

	errno = 0;
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), -1);
	assert_int_equal(errno, EAGAIN);
	ipc_begin(&w->out, 1, 1);
	assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
	shutdown(w->sock[0], SHUT_RDWR);
	/* What was sent before the end is still had. */
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 0);
	errno = 0;
	assert_int_equal(ipc_send(w->sock[1], &w->out), -1);
	assert_int_equal(errno, EPIPE);
	errno = 0;
	assert_int_equal(ipc_recv(w->sock[1], &w->in, IPC_LIMIT + 1), -1);
	assert_int_equal(errno, ENOMEM);
}

#define IN_BOTH_HALVES	(900ULL << 32 | 900)

/* u32 8, u64, "text" of 4: each get but the right one is an error. */
static void
put_three(struct world *w)
{
	ipc_begin(&w->out, 1, 1);
	ipc_put_u32(&w->out, 8);
	ipc_put_u64(&w->out, IN_BOTH_HALVES);
	ipc_put_str(&w->out, "text");
	assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
}

static void
test_errors_stick(void **state)
{
	struct world *w = *state;
	char text[8];
	size_t n;

	put_three(w);
	ipc_get_u32(&w->in);
	ipc_get_u64(&w->in);
	ipc_get_text(&w->in, text, 5);
	assert_string_equal(text, "text");
	assert_int_equal(ipc_done(&w->in), 0);
	/* One more get than there are fields. */
	assert_int_equal(ipc_get_u32(&w->in), 0);
	assert_int_equal(ipc_done(&w->in), -1);

	put_three(w);
	assert_int_equal(ipc_get_u32(&w->in), 8);
	assert_int_equal(ipc_done(&w->in), -1);	/* something is left */
	assert_true(ipc_get_u64(&w->in) == IN_BOTH_HALVES);
	ipc_get_text(&w->in, text, 4);		/* no room for the NUL */
	assert_string_equal(text, "");
	assert_int_equal(ipc_done(&w->in), -1);
	assert_false(ipc_more(&w->in));

	put_three(w);
	ipc_get_u32(&w->in);
	assert_null(ipc_get_bytes(&w->in, &n));	/* 900 bytes? */
	assert_int_equal(n, 0);
	assert_int_equal(ipc_get_u32(&w->in), 0);
	assert_int_equal(ipc_get_u64(&w->in), 0);
	ipc_get_text(&w->in, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(ipc_done(&w->in), -1);
}

static void
test_lengths_that_lie(void **state)
{
	static const uint32_t lengths[] = { 1, 5, 0x7fffffff, 0x80000000,
	    0xfffffffc, 0xffffffff };
	struct world *w = *state;
	struct { uint32_t kind, id, len; char text[4]; } packet;
	char text[LIMIT];
	size_t i, n;

	memset(&packet, 0, sizeof(packet));
	for (i = 0; i < N(lengths); i++) {
		packet.len = lengths[i];
		send_raw(w->sock[0], &packet, sizeof(packet), 0);
		assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
		ipc_get_bytes(&w->in, &n);
		assert_int_equal(ipc_done(&w->in), -1);
		send_raw(w->sock[0], &packet, sizeof(packet), 0);
		assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
		ipc_get_text(&w->in, text, sizeof(text));
		assert_int_equal(ipc_done(&w->in), -1);
	}
}

static void
test_text_without_controls(void **state)
{
	struct world *w = *state;
	char c[3] = "a?", text[8];
	int i;

	for (i = 0; i < 256; i++) {
		c[1] = (char)i;
		ipc_begin(&w->out, 1, 1);
		ipc_put_bytes(&w->out, c, 2);
		assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
		assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
		ipc_get_text(&w->in, text, sizeof(text));
		if (i >= 0x20 && i != 0x7f) {
			assert_int_equal(ipc_done(&w->in), 0);
			assert_string_equal(text, c);
		} else {
			assert_int_equal(ipc_done(&w->in), -1);
			assert_string_equal(text, "");
		}
	}
}

static void
test_puts_that_fail(void **state)
{
	struct world *w = *state;
	static char big[IPC_LIMIT + 1];
	int i;

	/* Sticky, and nothing is sent. */
	ipc_begin(&w->out, 1, 1);
	ipc_put_bytes(&w->out, big, sizeof(big));
	ipc_put_u32(&w->out, 1);
	errno = 0;
	assert_int_equal(ipc_send(w->sock[0], &w->out), -1);
	assert_int_equal(errno, EMSGSIZE);
	ipc_begin(&w->out, 1, 1);
	ipc_put_bytes(&w->out, big, IPC_LIMIT - 4);
	ipc_put_u32(&w->out, 1);		/* together too long */
	assert_int_equal(ipc_send(w->sock[0], &w->out), -1);
	ipc_begin(&w->out, 1, 1);
	ipc_put_fd(&w->out, -1);
	assert_int_equal(ipc_send(w->sock[0], &w->out), -1);
	ipc_begin(&w->out, 1, 1);
	for (i = 0; i <= IPC_FDS; i++)
		ipc_put_fd(&w->out, w->sock[0]);
	assert_int_equal(ipc_send(w->sock[0], &w->out), -1);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), -1);
	assert_int_equal(errno, EAGAIN);
	/* The next record is not touched by it. */
	ipc_begin(&w->out, 2, 2);
	assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, LIMIT), 1);
	assert_int_equal(w->in.nfds, 0);
}

static void
test_full_socket(void **state)
{
	struct world *w = *state;
	static const char text[1024];
	int fd, i, sent = 0;

	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < 100000; i++) {
		ipc_begin(&w->out, 1, (uint32_t)i);
		ipc_put_bytes(&w->out, text, sizeof(text));
		ipc_put_fd(&w->out, fd);
		if (ipc_send(w->sock[0], &w->out) == -1)
			break;
		sent++;
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 0);
	/* The record that did not fit is sent later, descriptor and all. */
	for (i = 0; i < sent; i++)
		assert_int_equal(ipc_recv(w->sock[1], &w->in, 4096), 1);
	assert_int_equal(ipc_send(w->sock[0], &w->out), 0);
	assert_int_equal(ipc_recv(w->sock[1], &w->in, 4096), 1);
	assert_int_equal(w->in.id, sent);
	assert_int_equal(w->in.nfds, 1);
	close(fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_raw_packets, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_stick, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_lengths_that_lie, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_text_without_controls,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_puts_that_fail, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_full_socket, setup,
		    teardown),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
