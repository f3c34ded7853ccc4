/*
 * mbox_test.c - messages into an mbox file, one or a batch under one lock.
 * Started as root it becomes nobody first.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/delivery.h"
#include "local/mbox.h"
#include "tests/unit/t_delivery.h"

#define WAIT_S		1
#define MESSAGES	50	/* of a batch */
#define BODY		"Subject: x\n\nbody\n"
#define STRANGE		"From stranger Thu Jan  1 00:00:00 1970\n\nstrange\n\n"
#define ENTRY		"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"	\
	"Return-Path: <>\nDelivered-To: bob\n" BODY "\n"

/* Of this process and its children: syncs of directories, and of files. */
static unsigned *dir_syncs, *file_syncs;
/* The longest wait until something can be written, which is cut short. */
static int *out_wait_ms;

/* In place of those of libc; the headers promise that poll() reads nothing. */
int	poll_or_tell(struct pollfd *, nfds_t, int) __asm__("poll");

int
poll_or_tell(struct pollfd *fds, nfds_t n, int wait_ms)
{
	struct timespec ts = { wait_ms / 1000, wait_ms % 1000 * 1000000L };
	const struct timespec half = { 0, 500000000 };
	int ret;

	if (n != 1 || fds[0].events != POLLOUT || wait_ms < 1000)
		return ppoll(fds, n, wait_ms < 0 ? NULL : &ts, NULL);
	ret = ppoll(fds, n, &half, NULL);
	if (ret != 0)
		return ret;
	*out_wait_ms = wait_ms;
	errno = EIO;
	return -1;
}

int
fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		__atomic_add_fetch(S_ISDIR(st.st_mode) ? dir_syncs :
		    file_syncs, 1, __ATOMIC_SEQ_CST);
	return (int)syscall(SYS_fsync, fd);
}

static off_t
size_of(struct t_delivery *w, const char *name)
{
	struct stat st;

	if (fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	return st.st_size;
}

/* ---- states ---- */

/* The table of docs/states.md; where it has no cell, nothing changes. */
static void
test_every_event_in_every_state(void **state)
{
	static const struct {
		enum mbox_state	 from;
		enum mbox_event	 event;
		enum mbox_state	 to;
	} cells[] = {
		{ MBOX_NEW, MBOX_EVENT_FOUND, MBOX_WRITTEN },
		{ MBOX_NEW, MBOX_EVENT_PLACE, MBOX_PLACED },
		{ MBOX_NEW, MBOX_EVENT_FAIL, MBOX_DONE },
		{ MBOX_PLACED, MBOX_EVENT_ANNOUNCE, MBOX_ANNOUNCED },
		{ MBOX_ANNOUNCED, MBOX_EVENT_ACKNOWLEDGE, MBOX_RECORDED },
		{ MBOX_RECORDED, MBOX_EVENT_WRITE, MBOX_WRITTEN },
		{ MBOX_RECORDED, MBOX_EVENT_WITHDRAW, MBOX_NEW },
		{ MBOX_RECORDED, MBOX_EVENT_FAIL, MBOX_DONE },
		{ MBOX_WRITTEN, MBOX_EVENT_SYNC, MBOX_DONE },
		{ MBOX_WRITTEN, MBOX_EVENT_FAIL, MBOX_DONE },
	};
	enum mbox_state expected;
	int from, event;
	size_t i;

	(void)state;
	for (from = 0; from < MBOX__STATES; from++)
		for (event = 0; event < MBOX__EVENTS; event++) {
			expected = (enum mbox_state)from;
			for (i = 0; i < N(cells); i++)
				if ((int)cells[i].from == from &&
				    (int)cells[i].event == event)
					expected = cells[i].to;
			assert_int_equal(mbox_next((enum mbox_state)from,
			    (enum mbox_event)event), expected);
		}
}

/* ---- one message ---- */

static int
append_and_report(struct t_delivery *w)
{
	struct result res;
	int ret;

	result_init(&res);
	ret = mbox_deliver(&w->d, w->dir, "bob", "mail/bob", 0, WAIT_S, &res);
	result_fini(&res);
	return ret;
}

/* In a process of its own; the runner agrees. */
static void
append(struct t_delivery *w)
{
	t_delivery_fork(w, append_and_report, -1);
	assert_int_equal(w->wait_status, 0);
	assert_int_equal(size_of(w, "bob.lock"), -1);
}

static const char *
mailbox(struct t_delivery *w)
{
	return t_delivery_path(w, "mail/bob");
}

static void
test_a_message_is_appended_where_it_was_announced(void **state)
{
	struct t_delivery *w = *state;
	struct stat st;

	append(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_string_equal(w->said, "appended to mailbox (mail/bob)");
	t_assert_file(mailbox(w), T_ENTRY);
	assert_int_equal(stat(mailbox(w), &st), 0);
	assert_int_equal(w->ncheckpoints, 1);
	assert_true(w->at.dev == st.st_dev && w->at.ino == st.st_ino);
	assert_int_equal(w->at.length, 0);
	append(w);
	assert_int_equal(w->at.length, strlen(T_ENTRY));
	t_assert_file(mailbox(w), T_ENTRY T_ENTRY);
}

static void
test_a_line_that_somebody_left_open_is_ended(void **state)
{
	struct t_delivery *w = *state;

	t_delivery_put(w, "mail/bob", "From x\nhalf a li");
	append(w);
	assert_int_equal(w->res.status, STATUS_SENT);
	t_assert_file(mailbox(w), "From x\nhalf a li\n" T_ENTRY);
}

static void
test_nothing_is_written_without_an_acknowledgement(void **state)
{
	static const uint32_t answers[] = { 0, IPC_DELIVER_CHECKPOINT,
	    IPC_DELIVER_RESULT };
	struct t_delivery *w = *state;
	struct result res;
	size_t i;

	result_init(&res);
	t_delivery_put(w, "mail/bob", "before\n");
	for (i = 0; i < N(answers); i++) {
		t_delivery_open(w);
		if (answers[i] != 0)
			t_delivery_send(w, answers[i]);
		shutdown(w->runner, SHUT_WR);
		assert_int_not_equal(mbox_deliver(&w->d, w->dir, "bob",
		    "mail/bob", 0, WAIT_S, &res), 0);
		assert_int_equal(res.status, STATUS_NONE);
		t_assert_file(mailbox(w), "before\n");
		assert_int_equal(size_of(w, "bob.lock"), -1);
	}
	result_fini(&res);
}

/* What is there, how the checkpoint is met, and what must be there then. */
static const struct {
	const char	*file;
	int64_t		 length;	/* of the checkpoint */
	const char	*after;
	unsigned	 ncheckpoints;
} recovered[] = {
	{ "a\n" T_ENTRY "From y\n\n", 2, "a\n" T_ENTRY "From y\n\n", 0 },
	{ "a\nFrom ann@ex", 2, "a\n" T_ENTRY, 1 },
	{ "a\nFrom y\n\n", 2, "a\nFrom y\n\n" T_ENTRY, 1 },
	{ "a\nFrom ann@exFrom y\n\n", 2,
	    "a\nFrom ann@exFrom y\n\n" T_ENTRY, 1 },
	{ "half a lineFrom", 11, "half a lineFrom\n" T_ENTRY, 1 },
	{ "half a line\nFrom", 11, "half a line\n" T_ENTRY, 1 },
	{ "", 2, T_ENTRY, 1 },
};

static void
test_an_interrupted_append_is_completed_once(void **state)
{
	struct t_delivery *w = *state;
	size_t i;
	int n;

	for (i = 0; i < N(recovered); i++) {
		t_delivery_put(w, "mail/bob", recovered[i].file);
		t_delivery_interrupted(w, recovered[i].length);
		append(w);
		assert_int_equal(w->res.status, STATUS_SENT);
		t_assert_file(mailbox(w), recovered[i].after);
		assert_int_equal(w->ncheckpoints, recovered[i].ncheckpoints);
		/* Again and again it is found. */
		for (n = 0; n < 2; n++) {
			if (w->ncheckpoints > 0)
				w->d.checkpoint = w->at;
			append(w);
			assert_string_equal(w->said,
			    "found complete in mailbox (mail/bob)");
			t_assert_file(mailbox(w), recovered[i].after);
		}
	}
}

/* Killed for good at some moment of the append, again and again. */
static void
test_a_kill_at_any_moment_neither_loses_nor_doubles(void **state)
{
	struct t_delivery *w = *state;
	struct buf whole, now;
	int i;

	t_delivery_long_message(w, 6 * 1024 * 1024 + 17);
	buf_init(&whole, 0);
	buf_init(&now, 0);
	t_delivery_put(w, "mail/bob", "before\n");
	append(w);
	t_get(mailbox(w), &whole);
	assert_true(whole.len > 6 * 1024 * 1024 + 17);
	for (i = 0; i < 20; i++) {
		t_delivery_put(w, "mail/bob", "before\n");
		w->d.checkpoint.length = -1;
		t_delivery_fork(w, append_and_report, i * 500);
		assert_int_equal(w->ncheckpoints, 1);
		w->d.checkpoint = w->at;
		append(w);
		assert_int_equal(w->res.status, STATUS_SENT);
		t_get(mailbox(w), &now);
		assert_int_equal(now.len, whole.len);
		assert_memory_equal(now.data, whole.data, whole.len);
	}
	buf_fini(&whole);
	buf_fini(&now);
}

/* A limit in the middle of the write: cut back to what it was. */
static void
test_a_write_that_fails_is_taken_back(void **state)
{
	struct t_delivery *w = *state;
	struct rlimit old, rl;

	t_delivery_put(w, "mail/bob", "before\n");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	rl = old;
	rl.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
	append(w);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.2.0");
	assert_string_equal(w->said, "mailbox cannot be used now (mail/bob: "
	    "write: File too large)");
	t_assert_file(mailbox(w), "before\n");
}

static void
cut_message(struct t_delivery *w)
{
	assert_int_equal(ftruncate(w->d.message, w->d.length - 3), 0);
}

static void
test_a_message_that_shrinks_meanwhile_is_taken_back(void **state)
{
	struct t_delivery *w = *state;

	t_delivery_long_message(w, 3 * 1024 * 1024);
	t_delivery_put(w, "mail/bob", "before\n");
	w->before_ack = cut_message;
	append(w);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.3.0");
	t_assert_file(mailbox(w), "before\n");
}

static void
put_stranger(struct t_delivery *w)
{
	int fd;

	fd = openat(w->dir, "bob", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(io_write_all(fd, STRANGE, strlen(STRANGE)), 0);
	close(fd);
}

/* Somebody writes without a lock each time. */
static void
test_a_mailbox_that_never_rests_defers(void **state)
{
	struct t_delivery *w = *state;

	w->before_ack = put_stranger;
	append(w);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->said, "changed without a lock"));
	assert_int_equal(w->ncheckpoints, 3);
	t_assert_file(mailbox(w), STRANGE STRANGE STRANGE);
}

/*
 * Whoever made the file may have been killed before its name was synced: what
 * is found in it counts only with its name.
 */
static void
test_the_name_is_synced_when_it_may_be_new(void **state)
{
	struct t_delivery *w = *state;

	*dir_syncs = 0;
	append(w);
	assert_int_equal(*dir_syncs, 1);
	append(w);
	assert_int_equal(*dir_syncs, 1);
	/* The second is found. */
	t_delivery_interrupted(w, (int64_t)strlen(T_ENTRY));
	append(w);
	assert_non_null(strstr(w->said, "found complete"));
	assert_int_equal(*dir_syncs, 2);
	/* After another one that was killed under its lock. */
	w->d.checkpoint.length = -1;
	t_delivery_put(w, "mail/bob.lock", "1\ndma\n");
	append(w);
	assert_int_equal(*dir_syncs, 3);
	append(w);
	assert_int_equal(*dir_syncs, 3);
	/* An earlier attempt was the first in the file. */
	t_delivery_put(w, "mail/bob", "something else");
	t_delivery_interrupted(w, 0);
	append(w);
	assert_int_equal(*dir_syncs, 4);
}

/* ---- batches: this process is the runner ---- */

/* One message of a batch, and what its runner knows of it. */
struct given {
	char		*text;
	int		 fd;
	struct checkpoint at;		/* the last; length -1: never */
	unsigned	 ncheckpoints;
	uint32_t	 status;
};

struct batch {
	struct t_delivery *w;
	pid_t		 pid;
	int		 sock;
	int		 is_silent;	/* never answers */
	int		 feeds;		/* before each answer comes another */
	int		 is_reported_before;	/* all of them */
	int		 disturbs;	/* before each, a write without lock */
	int		 is_narrow;	/* few messages can lie unread */
	int		 nreported;
	struct given	 given[MESSAGES];
	int		 n;
};

static void
give(struct batch *b, const char *text)
{
	struct given *t = &b->given[b->n++];

	t->text = strdup(text);
	t->fd = openat(b->w->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(t->fd != -1);
	assert_int_equal(io_write_all(t->fd, text, strlen(text)), 0);
	t->at.length = -1;
	t->ncheckpoints = 0;
	t->status = STATUS_NONE;
}

static void
put_next(struct ipc *m, const struct given *t, uint32_t id,
    const char *sender, int64_t length)
{
	ipc_begin(m, IPC_DELIVER_NEXT, id);
	ipc_put_str(m, "3f2a");
	ipc_put_u32(m, 0);
	ipc_put_str(m, sender);
	ipc_put_str(m, "bob");
	ipc_put_str(m, "bob");
	ipc_put_u64(m, 0);
	ipc_put_u64(m, 0);
	ipc_put_u64(m, (uint64_t)length);
	ipc_put_u64(m, t->at.dev);
	ipc_put_u64(m, t->at.ino);
	ipc_put_u64(m, (uint64_t)t->at.length);
	ipc_put_u32(m, 0);
}

static void
send_next(struct batch *b, int i)
{
	struct given *t = &b->given[i];
	struct ipc m;

	ipc_init(&m);
	put_next(&m, t, (uint32_t)i, "", (int64_t)strlen(t->text));
	ipc_put_fd(&m, t->fd);
	assert_int_equal(ipc_send(b->sock, &m), 0);
	ipc_fini(&m);
}

/* The first comes by the helper; limit: bytes of a file. */
static void
start(struct batch *b, unsigned wait_s, rlim_t limit)
{
	struct delivery *d = &b->w->d;
	struct rlimit rl = { limit, limit };
	int i, least = 1, s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	if (b->is_narrow)
		assert_int_equal(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF,
		    &least, sizeof(least)), 0);
	b->sock = s[1];
	b->nreported = 0;
	for (i = 1; i < b->n; i++)
		send_next(b, i);
	b->pid = fork();
	assert_true(b->pid != -1);
	if (b->pid == 0) {
		close(s[1]);
		d->channel = s[0];
		d->id = 0;
		d->arrived = 0;
		d->sender[0] = '\0';
		text_copy(d->recipient, sizeof(d->recipient), "bob");
		close(d->message);
		d->message = b->given[0].fd;
		d->length = (int64_t)strlen(b->given[0].text);
		d->checkpoint = b->given[0].at;
		alarm(30);
		if (limit > 0)
			setrlimit(RLIMIT_FSIZE, &rl);
		_exit(mbox_deliver(d, b->w->dir, "bob", "mail/bob", 1, wait_s,
		    &b->w->res));
	}
	close(s[0]);
}

static void
acknowledge(struct batch *b, uint32_t id)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_ACKNOWLEDGE, id);
	ipc_send(b->sock, &m);
	ipc_fini(&m);
}

/* One IPC message of the child; 0 at its end. */
static int
receive(struct batch *b)
{
	struct given *t;
	struct ipc m;
	int ret;

	ipc_init(&m);
	ret = ipc_recv(b->sock, &m, IPC_CHANNEL_LIMIT) == 1;
	assert_true(!ret || m.id < (uint32_t)b->n);
	t = &b->given[m.id];
	if (ret && m.kind == IPC_DELIVER_CHECKPOINT) {
		t->ncheckpoints++;
		t->at.dev = ipc_get_u64(&m);
		t->at.ino = ipc_get_u64(&m);
		t->at.length = (int64_t)ipc_get_u64(&m);
		/* Each time as if it were another message. */
		if (b->feeds)
			t->at.length = -1;
		if (b->feeds)
			send_next(b, m.id == 1 ? 2 : 1);
		if (b->disturbs)
			put_stranger(b->w);
		if (!b->is_silent)
			acknowledge(b, m.id);
	} else if (ret) {
		assert_int_equal(m.kind, IPC_DELIVER_RESULT);
		assert_true(t->status == STATUS_NONE || b->feeds ||
		    b->is_reported_before);
		t->status = ipc_get_u32(&m);
		b->nreported++;
	}
	ipc_fini(&m);
	return ret;
}

/* Until all is said, or the child is gone; gives its wait status. */
static int
finish(struct batch *b)
{
	int status;

	while (b->nreported < b->n && receive(b))
		;
	shutdown(b->sock, SHUT_WR);
	while (receive(b))
		;
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	close(b->sock);
	return status;
}

static void
drop(struct batch *b)
{
	while (b->n > 0) {
		close(b->given[--b->n].fd);
		free(b->given[b->n].text);
	}
}

/* The file has those that were sent, in order, and nothing else. */
static void
assert_sent(struct batch *b)
{
	static const char head[] = "From MAILER-DAEMON Thu Jan  1 00:00:00 "
	    "1970\nReturn-Path: <>\nDelivered-To: bob\n";
	struct buf all, want;
	int fd, i;

	buf_init(&all, 0);
	buf_init(&want, 0);
	for (i = 0; i < b->n; i++)
		if (b->given[i].status == STATUS_SENT)
			buf_printf(&want, "%s%s\n", head, b->given[i].text);
	fd = openat(b->w->dir, "bob", O_RDONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(io_read_file(fd, &all, 64 * 1024 * 1024), 0);
	close(fd);
	assert_int_equal(all.len, want.len);
	assert_memory_equal(all.data, want.data, want.len);
	buf_fini(&all);
	buf_fini(&want);
	assert_int_equal(size_of(b->w, "bob.lock"), -1);
}

static void
give_many(struct batch *b, int n, size_t bytes)
{
	struct buf text;
	int i;

	buf_init(&text, 0);
	for (i = 0; i < n; i++) {
		buf_reset(&text);
		buf_printf(&text, "Subject: %d\n\n", i);
		while (text.len < bytes)
			buf_printf(&text, "line of %d\n", i);
		give(b, buf_str(&text));
	}
	buf_fini(&text);
}

static void
test_a_batch_is_announced_then_written_then_synced_once(void **state)
{
	struct batch b = { .w = *state, .is_silent = 1 };
	int i;

	*dir_syncs = *file_syncs = 0;
	give_many(&b, MESSAGES, 100);
	start(&b, WAIT_S, 0);
	while (b.given[MESSAGES - 1].ncheckpoints == 0)
		assert_true(receive(&b));
	assert_int_equal(b.given[0].at.length, 0);
	assert_int_equal(size_of(b.w, "bob"), 0);
	assert_int_equal(b.nreported, 0);
	for (i = 0; i < MESSAGES; i++)
		acknowledge(&b, (uint32_t)i);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.nreported, MESSAGES);
	for (i = 0; i < MESSAGES; i++)
		assert_int_equal(b.given[i].status, STATUS_SENT);
	assert_sent(&b);
	assert_int_equal(*file_syncs, 1);
	assert_int_equal(*dir_syncs, 1);
	drop(&b);
}

/* A line that somebody left open is ended once, before the first. */
static void
test_a_batch_ends_an_open_line_once(void **state)
{
	static const char head[] = "From x\nhalf";
	struct batch b = { .w = *state };
	struct buf file;

	t_delivery_put(b.w, "mail/bob", head);
	give(&b, BODY);
	give(&b, BODY);
	start(&b, WAIT_S, 0);
	assert_int_equal(finish(&b), 0);
	buf_init(&file, 0);
	buf_printf(&file, "%s\n" ENTRY ENTRY, head);
	t_assert_file(mailbox(b.w), buf_str(&file));
	buf_fini(&file);
	drop(&b);
}

/* Larger than a block, in the midst of small ones. */
static void
test_a_long_message_of_a_batch_is_written_whole(void **state)
{
	static const size_t bytes[] = { 100, 3000000, 100, 2000000, 700000,
	    700000 };
	struct batch b = { .w = *state };
	size_t i;

	*file_syncs = 0;
	for (i = 0; i < N(bytes); i++)
		give_many(&b, 1, bytes[i]);
	start(&b, WAIT_S, 0);
	assert_int_equal(finish(&b), 0);
	for (i = 0; i < N(bytes); i++)
		assert_int_equal(b.given[i].status, STATUS_SENT);
	assert_sent(&b);
	assert_int_equal(*file_syncs, 1);
	drop(&b);
}

/* It shrinks when it was taken already. */
static void
test_a_message_that_cannot_be_read_fails_alone(void **state)
{
	struct batch b = { .w = *state, .is_silent = 1 };
	int i;

	give_many(&b, 4, 100);
	b.n = 1;
	start(&b, WAIT_S, 0);
	b.n = 4;
	while (b.given[0].ncheckpoints == 0)
		assert_true(receive(&b));
	for (i = 1; i < 4; i++)
		send_next(&b, i);
	usleep(50000);
	assert_int_equal(ftruncate(b.given[2].fd, 5), 0);
	b.is_silent = 0;
	acknowledge(&b, 0);
	assert_int_equal(finish(&b), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(b.given[i].status, i == 2 ? STATUS_DEFERRED :
		    STATUS_SENT);
	assert_sent(&b);
	drop(&b);
}

/* Told while the child already waits for more. */
static void
test_a_batch_goes_on_with_later_messages(void **state)
{
	struct batch b = { .w = *state };
	int i;

	give_many(&b, 1, 100);
	start(&b, WAIT_S, 0);
	for (i = 1; i < 4; i++) {
		while (b.nreported < i)
			assert_true(receive(&b));
		assert_int_equal(size_of(b.w, "bob.lock"), -1);
		give(&b, BODY);
		send_next(&b, i);
	}
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.nreported, 4);
	assert_sent(&b);
	drop(&b);
}

/* A limit in the midst: those before are in, and so is what fits behind. */
static void
test_a_message_that_does_not_fit_fails_alone(void **state)
{
	static const size_t bytes[] = { 1000, 2000, 90000, 3000, 80000 };
	static const uint32_t statuses[] = { STATUS_SENT, STATUS_SENT,
	    STATUS_DEFERRED, STATUS_SENT, STATUS_DEFERRED };
	struct batch b = { .w = *state };
	int i;

	for (i = 0; i < 5; i++)
		give_many(&b, 1, bytes[i]);
	start(&b, WAIT_S, 50000);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.nreported, 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(b.given[i].status, statuses[i]);
	/* Where it had been announced there is no place for it any more. */
	assert_true(b.given[3].ncheckpoints > 1);
	assert_sent(&b);
	drop(&b);
}

/* Others write where a place was announced: theirs stays, ours goes behind. */
static void
test_what_a_stranger_writes_meanwhile_stays(void **state)
{
	static const size_t bytes[] = { 1000, 90000, 1000 };
	static const uint32_t statuses[] = { STATUS_SENT, STATUS_DEFERRED,
	    STATUS_SENT };
	struct batch b = { .w = *state, .is_silent = 1 };
	char start_of[sizeof(STRANGE)];
	int i, fd;

	for (i = 0; i < 3; i++)
		give_many(&b, 1, bytes[i]);
	start(&b, WAIT_S, 50000);
	while (b.given[1].ncheckpoints == 0)
		assert_true(receive(&b));
	put_stranger(b.w);
	b.is_silent = 0;
	acknowledge(&b, 0);
	acknowledge(&b, 1);
	assert_int_equal(finish(&b), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(b.given[i].status, statuses[i]);
	/* Once more for the stranger, and alone for the one that fails. */
	assert_int_equal(b.given[0].ncheckpoints, 3);
	assert_int_equal(b.given[0].at.length, strlen(STRANGE));
	fd = openat(b.w->dir, "bob", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_pread_all(fd, start_of, strlen(STRANGE), 0), 0);
	close(fd);
	assert_memory_equal(start_of, STRANGE, strlen(STRANGE));
	assert_int_equal(size_of(b.w, "bob"), strlen(STRANGE) + 2 *
	    (strlen(b.given[0].text) + strlen(ENTRY) - strlen(BODY)));
	drop(&b);
}

/* Each time: not for ever, and nobody loses anything. */
static void
test_a_mailbox_that_never_rests_defers_a_batch(void **state)
{
	struct batch b = { .w = *state, .disturbs = 1 };

	give_many(&b, 1, 100);
	start(&b, WAIT_S, 0);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.given[0].status, STATUS_DEFERRED);
	assert_int_equal(b.given[0].ncheckpoints, 3);
	assert_int_equal(size_of(b.w, "bob"), 3 * strlen(STRANGE));
	assert_int_equal(size_of(b.w, "bob.lock"), -1);
	drop(&b);
}

/* Nobody has the lock for ever: the file is let go for others. */
static void
test_a_batch_lets_others_have_the_lock(void **state)
{
	struct batch b = { .w = *state };
	struct timespec begun, now;
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t other;
	int fd, status;

	give_many(&b, 3, 100);
	b.n = 1;
	start(&b, WAIT_S, 0);
	b.n = 3;
	while (b.nreported < 1)
		assert_true(receive(&b));
	b.feeds = 1;
	send_next(&b, 1);
	other = fork();
	assert_true(other != -1);
	if (other == 0) {
		fd = openat(b.w->dir, "bob", O_RDWR | O_CLOEXEC);
		usleep(100000);
		_exit(fcntl(fd, F_SETLKW, &fl) == 0 ? 0 : 1);
	}
	/* Without an end, as long as the other waits. */
	clock_gettime(CLOCK_MONOTONIC, &begun);
	do {
		assert_true(receive(&b));
		clock_gettime(CLOCK_MONOTONIC, &now);
		assert_true(now.tv_sec - begun.tv_sec < 30);
	} while (waitpid(other, &status, WNOHANG) == 0);
	assert_int_equal(status, 0);
	b.feeds = 0;
	b.is_reported_before = b.is_silent = 1;
	kill(b.pid, SIGKILL);
	b.nreported = b.n;
	finish(&b);
	unlinkat(b.w->dir, "bob.lock", 0);
	drop(&b);
}

/* What a runner that was taken over might send: refused, and the end. */
static void
test_what_a_compromised_runner_sends_is_refused(void **state)
{
	static const struct {
		const char *sender;
		int64_t length;
		int nfds, extra;
		int status;		/* -1: this message alone is refused */
	} cases[] = {
		{ "", 5, 0, 0, EX_PROTOCOL },
		{ "", 5, 2, 0, EX_PROTOCOL },
		{ "", 5, 1, 1, EX_PROTOCOL },
		{ "a\nb", 5, 1, 0, EX_PROTOCOL },
		{ "", -1, 1, 0, EX_PROTOCOL },
		{ "", 5000, 1, 0, -1 },
		{ "", 5, 1, 0, 0 },
	};
	struct batch b = { .w = *state };
	struct ipc m;
	size_t i;
	int k, status;

	for (i = 0; i < N(cases); i++) {
		give_many(&b, 1, 100);
		give(&b, BODY);
		b.n = 1;
		start(&b, WAIT_S, 0);
		b.n = 2;
		ipc_init(&m);
		put_next(&m, &b.given[1], 1, cases[i].sender,
		    cases[i].length);
		if (cases[i].extra)
			ipc_put_str(&m, "root");
		for (k = 0; k < cases[i].nfds; k++)
			ipc_put_fd(&m, b.given[1].fd);
		assert_int_equal(ipc_send(b.sock, &m), 0);
		ipc_fini(&m);
		status = finish(&b);
		assert_int_equal(status, W_EXITCODE(cases[i].status > 0 ?
		    EX_PROTOCOL : 0, 0));
		assert_int_equal(b.given[1].status, cases[i].status > 0 ?
		    STATUS_NONE : cases[i].status == -1 ? STATUS_DEFERRED :
		    STATUS_SENT);
		assert_int_equal(size_of(b.w, "bob.lock"), -1);
		drop(&b);
	}
}

/* An answer to what was not asked. */
static void
test_an_acknowledgement_of_something_else_ends_it(void **state)
{
	struct batch b = { .w = *state };

	give_many(&b, 2, 100);
	b.is_silent = 1;
	start(&b, WAIT_S, 0);
	while (b.given[1].ncheckpoints == 0)
		assert_true(receive(&b));
	acknowledge(&b, 1);
	assert_int_equal(finish(&b), W_EXITCODE(EX_PROTOCOL, 0));
	assert_int_equal(b.nreported, 0);
	assert_int_equal(size_of(b.w, "bob"), 0);
	drop(&b);
}

/* Killed at some moment, then told again with the marks: each is in once. */
static void
test_a_kill_of_a_batch_neither_loses_nor_doubles(void **state)
{
	struct batch b = { .w = *state };
	int i, k;

	give_many(&b, 6, 700000);
	for (i = 0; i < 25; i++) {
		unlinkat(b.w->dir, "bob", 0);
		for (k = 0; k < b.n; k++) {
			b.given[k].at.length = -1;
			b.given[k].status = STATUS_NONE;
		}
		start(&b, 10, 0);
		while (b.given[i % b.n].ncheckpoints == 0)
			assert_true(receive(&b));
		usleep((useconds_t)i * 100);
		kill(b.pid, SIGKILL);
		finish(&b);
		for (k = 0; k < b.n; k++)
			b.given[k].status = STATUS_NONE;
		start(&b, 10, 0);
		assert_int_equal(finish(&b), 0);
		for (k = 0; k < b.n; k++)
			assert_int_equal(b.given[k].status, STATUS_SENT);
		assert_sent(&b);
	}
	drop(&b);
}

/* A runner that is gone while some are announced: nothing of them stays. */
static void
test_nothing_of_a_batch_stays_without_a_runner(void **state)
{
	struct batch b = { .w = *state };
	int status;

	*dir_syncs = 0;
	give_many(&b, 3, 100);
	b.is_silent = 1;
	start(&b, WAIT_S, 0);
	while (b.given[2].ncheckpoints == 0)
		assert_true(receive(&b));
	close(b.sock);
	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	assert_int_equal(status, W_EXITCODE(1, 0));
	assert_int_equal(size_of(b.w, "bob"), 0);
	assert_int_equal(size_of(b.w, "bob.lock"), -1);
	/* The next one finds the file there. */
	assert_int_equal(*dir_syncs, 1);
	drop(&b);
}

/* One that reads nothing keeps the locks no longer than one that is silent. */
static void
test_a_runner_that_reads_nothing_does_not_keep_the_lock(void **state)
{
	struct batch b = { .w = *state, .is_narrow = 1 };
	int status;

	give_many(&b, 20, 100);
	start(&b, WAIT_S, 0);
	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	assert_int_equal(status, W_EXITCODE(1, 0));
	assert_in_range(*out_wait_ms, 1000, 60000);
	assert_int_equal(size_of(b.w, "bob"), 0);
	assert_int_equal(size_of(b.w, "bob.lock"), -1);
	close(b.sock);
	drop(&b);
}

/* Memory that a process has in common with its children. */
static void *
share(size_t size)
{
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_event_in_every_state),
		EACH(test_a_message_is_appended_where_it_was_announced),
		EACH(test_a_line_that_somebody_left_open_is_ended),
		EACH(test_nothing_is_written_without_an_acknowledgement),
		EACH(test_an_interrupted_append_is_completed_once),
		EACH(test_a_kill_at_any_moment_neither_loses_nor_doubles),
		EACH(test_a_write_that_fails_is_taken_back),
		EACH(test_a_message_that_shrinks_meanwhile_is_taken_back),
		EACH(test_a_mailbox_that_never_rests_defers),
		EACH(test_the_name_is_synced_when_it_may_be_new),
		EACH(test_a_batch_is_announced_then_written_then_synced_once),
		EACH(test_a_batch_ends_an_open_line_once),
		EACH(test_a_long_message_of_a_batch_is_written_whole),
		EACH(test_a_message_that_cannot_be_read_fails_alone),
		EACH(test_a_batch_goes_on_with_later_messages),
		EACH(test_a_message_that_does_not_fit_fails_alone),
		EACH(test_what_a_stranger_writes_meanwhile_stays),
		EACH(test_a_mailbox_that_never_rests_defers_a_batch),
		EACH(test_a_batch_lets_others_have_the_lock),
		EACH(test_what_a_compromised_runner_sends_is_refused),
		EACH(test_an_acknowledgement_of_something_else_ends_it),
		EACH(test_a_kill_of_a_batch_neither_loses_nor_doubles),
		EACH(test_nothing_of_a_batch_stays_without_a_runner),
		EACH(test_a_runner_that_reads_nothing_does_not_keep_the_lock),
	};

	t_become_nobody();
	dir_syncs = share(sizeof(*dir_syncs));
	file_syncs = share(sizeof(*file_syncs));
	out_wait_ms = share(sizeof(*out_wait_ms));
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
