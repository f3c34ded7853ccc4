/*
 * local_test.c - .forward, mailbox, file and command, as a plain user in a
 * directory of its own.  Started as root it becomes nobody first.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "aliases.h"
#include "local.h"
#include "local/forward.h"
#include "priv/records.h"
#include "tests/unit/t.h"

#define BODY	"Subject: x\n\nFrom the start\n>From here\nend\n"
#define ENTRY	"From ann@example.org Thu Jan  1 00:01:40 1970\n"	\
	"Return-Path: <ann@example.org>\nDelivered-To: bob@here\n"	\
	"Subject: x\n\n>From the start\n>>From here\nend\n\n"
#define PIPED	"From ann@example.org Thu Jan  1 00:01:40 1970\n"	\
	"Return-Path: <ann@example.org>\nDelivered-To: bob@here\n" BODY

/* A place to deliver in, and the runner's end of a channel. */
struct world {
	char		 top[64];	/* home and mail directory are in it */
	struct conf	 conf;
	char		 maildir[128];
	struct user	 user;
	struct delivery	 d;
	int		 runner;	/* the other end of d.channel */
	/* what the runner was told */
	struct checkpoint	 at;
	int		 nat;
	uint32_t	 status, verdict;
	char		 code[16], reason[REASON_MAX + 1];
	struct buf	 text;		/* of a .forward, or command output */
	int		 wait_status;	/* wait status of a delivery by fork */
	/* done between AT and GO */
	void		(*between)(struct world *);
};

static void
put_text(struct world *w, const char *name, const char *text)
{
	t_put(t_path(w->top, name), text, strlen(text), 0600);
}

static void
use_message(struct world *w, const void *text, size_t len)
{
	const char *path = t_path(w->top, "message");

	io_close(&w->d.message);
	unlink(path);
	t_put(path, text, len, 0600);
	w->d.message = open(path, O_RDWR | O_CLOEXEC);
	assert_true(w->d.message != -1);
	w->d.offset = 0;
	w->d.length = (int64_t)len;
}

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	assert_int_equal(mkdir(t_path(w->top, "home"), 0755), 0);
	assert_int_equal(chmod(t_path(w->top, "home"), 0755), 0);
	assert_int_equal(mkdir(t_path(w->top, "mail"), 0700), 0);
	text_copy(w->maildir, sizeof(w->maildir), t_path(w->top, "mail"));
	w->conf.local.mailspool = w->maildir;
	w->conf.names.delimiter = '+';
	text_copy(w->user.name, sizeof(w->user.name), "bob");
	text_copy(w->user.home, sizeof(w->user.home), t_path(w->top, "home"));
	text_copy(w->user.shell, sizeof(w->user.shell), "/bin/sh");
	w->user.uid = getuid();
	w->user.gid = getgid();
	w->d.kind = ROUTE_MAILBOX;
	w->d.user = &w->user;
	w->d.conf = &w->conf;
	w->d.message = w->d.channel = w->d.aliases = w->runner = -1;
	w->d.checkpoint.length = -1;
	w->d.arrived = 100;
	text_copy(w->d.name, sizeof(w->d.name), "bob");
	text_copy(w->d.queue_id, sizeof(w->d.queue_id), "3f2a");
	text_copy(w->d.sender, sizeof(w->d.sender), "ann@example.org");
	text_copy(w->d.recipient, sizeof(w->d.recipient), "bob@here");
	text_copy(w->d.original, sizeof(w->d.original), "Bob@here");
	buf_init(&w->text, 0);
	use_message(w, BODY, strlen(BODY));
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	io_close(&w->d.message);
	io_close(&w->d.aliases);
	chmod(t_path(w->top, "home"), 0700);
	chmod(t_path(w->top, "mail"), 0700);
	t_dir_remove(w->top);
	buf_fini(&w->text);
	free(w);
	return 0;
}

static void
open_channel(struct world *w)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	w->d.channel = s[0];
	w->runner = s[1];
	w->nat = 0;
	w->status = STATUS_NONE;
	w->code[0] = w->reason[0] = '\0';
	buf_reset(&w->text);
}

static void
send_kind(int sock, uint32_t kind)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, kind, 0);
	assert_int_equal(ipc_send(sock, &m), 0);
	ipc_fini(&m);
}

/* Takes the output of the command to its end. */
static void
drain(struct world *w, int fd)
{
	char chunk[4096];
	ssize_t n;

	while ((n = io_read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&w->text, chunk, (size_t)n);
	close(fd);
}

static void
take_record(struct world *w, struct ipc *m)
{
	struct result res;
	struct buf full;
	const char *p;
	size_t n;

	switch (m->kind) {
	case IPC_DELIVER_CHECKPOINT:
		w->nat++;
		w->at.dev = ipc_get_u64(m);
		w->at.ino = ipc_get_u64(m);
		w->at.length = (int64_t)ipc_get_u64(m);
		break;
	case IPC_DELIVER_RESULT:
		result_init(&res);
		assert_int_equal(result_get(m, &res), 0);
		buf_init(&full, 0);
		result_put_full(&full, &res);
		w->status = res.status;
		text_copy(w->code, sizeof(w->code), res.code);
		text_copy(w->reason, sizeof(w->reason), buf_str(&full));
		buf_fini(&full);
		result_fini(&res);
		break;
	case IPC_FORWARD_REPLY:
		w->verdict = ipc_get_u32(m);
		p = ipc_get_bytes(m, &n);
		buf_add(&w->text, p, n);
		break;
	case IPC_DELIVER_OUTPUT:
		drain(w, ipc_take_fd(m, 0));
		break;
	default:
		fail();
	}
	assert_int_equal(ipc_done(m), 0);
}

/* All records until the other side is gone. */
static void
hear(struct world *w)
{
	struct ipc m;

	ipc_init(&m);
	while (ipc_recv(w->runner, &m, IPC_CHANNEL_LIMIT) == 1) {
		take_record(w, &m);
		/* Nothing more for this child. */
		if (m.kind == IPC_DELIVER_RESULT)
			shutdown(w->runner, SHUT_WR);
		if (m.kind != IPC_DELIVER_CHECKPOINT)
			continue;
		if (w->between != NULL)
			w->between(w);
		send_kind(w->runner, IPC_DELIVER_ACKNOWLEDGE);
	}
	ipc_fini(&m);
	io_close(&w->runner);
}

/* In a process of its own, as it is; kill_us: killed so long after GO. */
static void
deliver_fork(struct world *w, int kill_us)
{
	pid_t pid;

	open_channel(w);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(w->runner);
		_exit(local_deliver(&w->d));
	}
	io_close(&w->d.channel);
	if (kill_us >= 0) {
		struct ipc m;

		ipc_init(&m);
		assert_int_equal(ipc_recv(w->runner, &m, IPC_CHANNEL_LIMIT),
		    1);
		take_record(w, &m);
		ipc_fini(&m);
		send_kind(w->runner, IPC_DELIVER_ACKNOWLEDGE);
		usleep((useconds_t)kill_us);
		kill(pid, SIGKILL);
	}
	hear(w);
	assert_int_equal(waitpid(pid, &w->wait_status, 0), pid);
}

/* The runner answers as it should, or with another record, or not at all. */
static int
deliver(struct world *w, int answer)
{
	struct ipc m;
	int ret;

	if (answer == IPC_DELIVER_ACKNOWLEDGE) {
		deliver_fork(w, -1);
		assert_true(WIFEXITED(w->wait_status));
		return WEXITSTATUS(w->wait_status);
	}
	open_channel(w);
	if (answer)
		send_kind(w->runner, answer);
	shutdown(w->runner, SHUT_WR);
	ret = local_deliver(&w->d);
	/* Before the close: an answer left unread would make it a reset. */
	assert_int_equal(io_nonblock(w->runner), 0);
	ipc_init(&m);
	while (ipc_recv(w->runner, &m, IPC_CHANNEL_LIMIT) == 1)
		take_record(w, &m);
	ipc_fini(&m);
	io_close(&w->d.channel);
	io_close(&w->runner);
	return ret;
}

/* ---- mailbox ---- */

static void
test_new_mailbox(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_SENT);
	t_assert_file(t_path(w->top, "mail/bob"), ENTRY);
	assert_int_equal(stat(t_path(w->top, "mail/bob"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(w->nat, 1);
	assert_true(w->at.dev == st.st_dev && w->at.ino == st.st_ino);
	assert_int_equal(w->at.length, 0);
	assert_false(t_exists(t_path(w->top, "mail/bob.lock")));
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->at.length, strlen(ENTRY));
	t_assert_file(t_path(w->top, "mail/bob"), ENTRY ENTRY);
}

static void
test_group_mailbox(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(chmod(w->maildir, 02770), 0);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(stat(t_path(w->top, "mail/bob"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	/* What exists keeps its mode. */
	assert_int_equal(chmod(t_path(w->top, "mail/bob"), 0600), 0);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(stat(t_path(w->top, "mail/bob"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
test_torn_neighbour(void **state)
{
	struct world *w = *state;

	put_text(w, "mail/bob", "From x\nhalf a li");
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_SENT);
	t_assert_file(t_path(w->top, "mail/bob"), "From x\nhalf a li\n" ENTRY);
}

/* Each makes mail/bob something that is not to be used. */
static void make_link(struct world *w)
{
	put_text(w, "other", "x");
	assert_int_equal(symlink(t_path(w->top, "other"),
	    t_path(w->top, "mail/bob")), 0);
}

static void make_dangling(struct world *w)
{
	assert_int_equal(symlink(t_path(w->top, "none"),
	    t_path(w->top, "mail/bob")), 0);
}

static void make_hard_link(struct world *w)
{
	put_text(w, "other", "x");
	assert_int_equal(link(t_path(w->top, "other"),
	    t_path(w->top, "mail/bob")), 0);
}

static void make_directory(struct world *w)
{
	assert_int_equal(mkdir(t_path(w->top, "mail/bob"), 0700), 0);
}

static void make_fifo(struct world *w)
{
	assert_int_equal(mkfifo(t_path(w->top, "mail/bob"), 0600), 0);
}

static void make_setgid(struct world *w)
{
	put_text(w, "mail/bob", "x");
	assert_int_equal(chmod(t_path(w->top, "mail/bob"), 02700), 0);
}

static void make_unreadable(struct world *w)
{
	put_text(w, "mail/bob", "x");
	assert_int_equal(chmod(t_path(w->top, "mail/bob"), 0), 0);
}

static void make_nowhere(struct world *w)
{
	assert_int_equal(rmdir(w->maildir), 0);
}

static void make_readonly(struct world *w)
{
	assert_int_equal(chmod(w->maildir, 0555), 0);
}

static void make_short(struct world *w)
{
	w->d.length++;
}

static void make_negative(struct world *w)
{
	w->d.offset = -1;
}

static void make_control(struct world *w)
{
	text_copy(w->d.sender, sizeof(w->d.sender), "a\nFrom b");
}

static const struct {
	void		(*make)(struct world *);
	const char	*code, *reason;	/* why: within the reason */
} unfit[] = {
	{ make_link,		"4.2.0", "symbolic link" },
	{ make_dangling,	"4.2.0", "symbolic link" },
	{ make_hard_link,	"4.2.0", "hard link" },
	{ make_directory,	"4.2.0", "not a regular file" },
	{ make_fifo,		"4.2.0", "not a regular file" },
	{ make_setgid,		"4.2.0", "set-id" },
	{ make_unreadable,	"4.2.0", "Permission denied" },
	{ make_nowhere,		"4.2.0", "No such file" },
	{ make_readonly,	"4.2.0", "cannot create" },
	{ make_short,		"4.3.0", "truncated" },
	{ make_negative,	"4.3.0", "truncated" },
	{ make_control,		"4.3.0", "control character" },
};

static void
test_unfit_mailbox(void **state)
{
	struct world *w;
	void *own;
	size_t i;

	(void)state;
	for (i = 0; i < N(unfit); i++) {
		setup(&own);
		w = own;
		unfit[i].make(w);
		assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->status, STATUS_DEFERRED);
		assert_string_equal(w->code, unfit[i].code);
		if (strstr(w->reason, unfit[i].reason) == NULL)
			fail_msg("%s: %s", unfit[i].reason, w->reason);
		assert_int_equal(w->nat, 0);
		assert_false(t_exists(t_path(w->top, "mail/bob.lock")));
		assert_false(t_exists(t_path(w->top, "none")));
		if (t_exists(t_path(w->top, "other")))
			t_assert_file(t_path(w->top, "other"), "x");
		teardown(&own);
	}
}

static void
test_runner_gone(void **state)
{
	static const int answers[] = { 0, IPC_DELIVER_CHECKPOINT, IPC_DELIVER_RESULT };
	static const int status[] = { 1, EX_PROTOCOL, EX_PROTOCOL };
	struct world *w = *state;
	size_t i;

	put_text(w, "mail/bob", "before\n");
	for (i = 0; i < N(answers); i++) {
		assert_int_equal(deliver(w, answers[i]), status[i]);
		assert_int_equal(w->nat, 1);
		assert_int_equal(w->status, STATUS_NONE);
		t_assert_file(t_path(w->top, "mail/bob"), "before\n");
		assert_false(t_exists(t_path(w->top, "mail/bob.lock")));
	}
}

/* Cut at every octet, then made again with the mark. */
static void
test_every_cut(void **state)
{
	static const char *befores[] = { "", "From x\n\n", "no line end" };
	struct world *w = *state;
	struct buf cut, whole;
	struct stat st;
	size_t i, k, begin;

	buf_init(&cut, 0);
	buf_init(&whole, 0);
	for (k = 0; k < 3; k++) {
		begin = strlen(befores[k]);
		buf_reset(&whole);
		buf_puts(&whole, befores[k]);
		buf_puts(&whole, k == 2 ? "\n" ENTRY : ENTRY);
		for (i = begin; i <= whole.len; i++) {
			t_put(t_path(w->top, "mail/bob"), whole.data, i, 0600);
			stat(t_path(w->top, "mail/bob"), &st);
			w->d.checkpoint.dev = st.st_dev;
			w->d.checkpoint.ino = st.st_ino;
			w->d.checkpoint.length = (int64_t)begin;
			assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
			assert_int_equal(w->status, STATUS_SENT);
			t_assert_file(t_path(w->top, "mail/bob"), whole.data);
			assert_int_equal(w->nat, i < whole.len);
			if (w->nat)
				assert_int_equal(w->at.length, begin);
		}
	}
	buf_fini(&cut);
	buf_fini(&whole);
}

/* A power cut: the file is as long as it was, but zeros stand in it. */
static const struct {
	size_t		 from, to;	/* octets of the entry that are zeros */
	size_t		 behind;	/* zeros behind the entry */
	const char	*others;	/* behind all that */
} gaps[] = {
	{ 0, sizeof(ENTRY) - 1, 0, "" },
	{ 0, 1, 0, "" },
	{ 9, 30, 0, "" },
	{ sizeof(ENTRY) - 2, sizeof(ENTRY) - 1, 0, "" },
	{ 5, 20, 70000, "" },
	/* somebody wrote behind it: kept, and ours goes to the end */
	{ 0, sizeof(ENTRY) - 1, 0, "From y\n\n" },
	{ 5, 20, 100, "From y\n\n" },
	/* whole: zeros behind it are not ours to remove */
	{ 0, 0, 3, "" },
};

static void
test_gaps(void **state)
{
	struct world *w = *state;
	struct buf file;
	struct stat st;
	size_t i, k;

	buf_init(&file, 0);
	for (i = 0; i < N(gaps); i++) {
		buf_reset(&file);
		buf_puts(&file, "a\n" ENTRY);
		for (k = 0; k < gaps[i].behind; k++)
			buf_putc(&file, '\0');
		for (k = gaps[i].from; k < gaps[i].to; k++)
			file.data[2 + k] = '\0';
		buf_puts(&file, gaps[i].others);
		t_put(t_path(w->top, "mail/bob"), file.data, file.len, 0600);
		stat(t_path(w->top, "mail/bob"), &st);
		w->d.checkpoint.dev = st.st_dev;
		w->d.checkpoint.ino = st.st_ino;
		w->d.checkpoint.length = 2;
		assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->status, STATUS_SENT);
		if (gaps[i].to > 0 && gaps[i].others[0] == '\0') {
			t_assert_file(t_path(w->top, "mail/bob"), "a\n" ENTRY);
			continue;
		}
		if (gaps[i].to > 0)
			buf_puts(&file, ENTRY);
		stat(t_path(w->top, "mail/bob"), &st);
		assert_int_equal(st.st_size, file.len);
	}
	buf_fini(&file);
}

/* What stands at the mark and how it must look afterwards. */
static const struct {
	const char	*file;
	int64_t		 checkpoint;
	int		 ino;		/* added to the inode of the mark */
	const char	*after;
} marks[] = {
	/* complete, and others wrote behind it */
	{ "a\n" ENTRY "From y\n\n", 2, 0, "a\n" ENTRY "From y\n\n" },
	/* somebody else's octets at the mark */
	{ "a\nFrom y\n\n", 2, 0, "a\nFrom y\n\n" ENTRY },
	/* torn, and somebody wrote behind it: theirs is kept */
	{ "a\nFrom ann@exFrom y\n\n", 2, 0,
	    "a\nFrom ann@exFrom y\n\n" ENTRY },
	/* another file now */
	{ "a\n" ENTRY, 2, 1, "a\n" ENTRY ENTRY },
	/* emptied by its reader since */
	{ "", 2, 0, ENTRY },
	{ "a\n", 50, 0, "a\n" ENTRY },
	/* no sense */
	{ "a\n", -5, 0, "a\n" ENTRY },
	{ "a\n", INT64_MAX, 0, "a\n" ENTRY },
};

static void
test_marks(void **state)
{
	struct world *w = *state;
	struct stat st;
	size_t i;

	for (i = 0; i < N(marks); i++) {
		put_text(w, "mail/bob", marks[i].file);
		stat(t_path(w->top, "mail/bob"), &st);
		w->d.checkpoint.dev = st.st_dev;
		w->d.checkpoint.ino = st.st_ino + (uint64_t)marks[i].ino;
		w->d.checkpoint.length = marks[i].checkpoint;
		assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->status, STATUS_SENT);
		t_assert_file(t_path(w->top, "mail/bob"), marks[i].after);
	}
}

/* A text of len octets in lines, some of which need a quote. */
static void
use_long_message(struct world *w, size_t len)
{
	struct buf b;
	unsigned i = 0;

	buf_init(&b, 0);
	buf_puts(&b, "Subject: long\n\n");
	while (b.len + 40 < len)
		buf_printf(&b, "%s line of many\n", i++ % 7 == 0 ? "From " :
		    "");
	while (b.len + 1 < len)
		buf_putc(&b, 'x');
	buf_putc(&b, '\n');
	use_message(w, b.data, b.len);
	buf_fini(&b);
}

/* Killed for good at some moment of the append, again and again. */
static void
test_kills(void **state)
{
	struct world *w = *state;
	struct buf whole, now;
	int i;

	use_long_message(w, 6 * 1024 * 1024 + 17);
	buf_init(&whole, 0);
	buf_init(&now, 0);
	put_text(w, "mail/bob", "before\n");
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	t_get(t_path(w->top, "mail/bob"), &whole);
	assert_true(whole.len > 6 * 1024 * 1024 + 17);
	for (i = 0; i < 20; i++) {
		put_text(w, "mail/bob", "before\n");
		w->d.checkpoint.length = -1;
		deliver_fork(w, i * 500);
		assert_int_equal(w->nat, 1);
		w->d.checkpoint = w->at;
		unlink(t_path(w->top, "mail/bob.lock"));
		assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->status, STATUS_SENT);
		t_get(t_path(w->top, "mail/bob"), &now);
		assert_int_equal(now.len, whole.len);
		assert_memory_equal(now.data, whole.data, whole.len);
	}
	buf_fini(&whole);
	buf_fini(&now);
}

/* A limit in the middle of the write: cut back to what it was. */
static void
test_write_fails(void **state)
{
	struct world *w = *state;
	struct rlimit old, rl;

	put_text(w, "mail/bob", "before\n");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	rl = old;
	rl.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_string_equal(w->code, "4.2.0");
	assert_non_null(strstr(w->reason, "File too large"));
	t_assert_file(t_path(w->top, "mail/bob"), "before\n");
	assert_false(t_exists(t_path(w->top, "mail/bob.lock")));
}

static void
cut_message(struct world *w)
{
	assert_int_equal(ftruncate(w->d.message, w->d.length - 3), 0);
}

static void
test_message_cut(void **state)
{
	struct world *w = *state;

	use_long_message(w, 3 * 1024 * 1024);
	put_text(w, "mail/bob", "before\n");
	w->between = cut_message;
	deliver_fork(w, -1);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_string_equal(w->code, "4.3.0");
	t_assert_file(t_path(w->top, "mail/bob"), "before\n");
}

/* ---- .forward ---- */

static void fwd_plain(struct world *w)
{
	put_text(w, "home/.forward", "ann@example.org\n");
}

static void fwd_none(struct world *w)
{
	(void)w;
}

static void fwd_no_home(struct world *w)
{
	text_copy(w->user.home, sizeof(w->user.home), "/nonexistent/bob");
}

static void fwd_home_is_file(struct world *w)
{
	put_text(w, "file", "x");
	text_copy(w->user.home, sizeof(w->user.home), t_path(w->top, "file"));
}

static void fwd_relative_home(struct world *w)
{
	fwd_plain(w);
	text_copy(w->user.home, sizeof(w->user.home), "home");
}

static void fwd_empty(struct world *w)
{
	put_text(w, "home/.forward", "");
}

static void fwd_group(struct world *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_path(w->top, "home/.forward"), 0660), 0);
}

static void fwd_others(struct world *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_path(w->top, "home/.forward"), 0602), 0);
}

static void fwd_loose_home(struct world *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_path(w->top, "home"), 0775), 0);
}

static void fwd_loose_home_none(struct world *w)
{
	assert_int_equal(chmod(t_path(w->top, "home"), 0777), 0);
}

static void fwd_foreign(struct world *w)
{
	fwd_plain(w);
	w->user.uid++;
}

static void fwd_link(struct world *w)
{
	put_text(w, "home/real", "ann@example.org\n");
	assert_int_equal(symlink("real", t_path(w->top, "home/.forward")), 0);
}

static void fwd_loose_link(struct world *w)
{
	fwd_link(w);
	assert_int_equal(chmod(t_path(w->top, "home/real"), 0666), 0);
}

static void fwd_dangling(struct world *w)
{
	assert_int_equal(symlink("none", t_path(w->top, "home/.forward")), 0);
}

static void fwd_fifo(struct world *w)
{
	assert_int_equal(mkfifo(t_path(w->top, "home/.forward"), 0600), 0);
}

static void fwd_device(struct world *w)
{
	assert_int_equal(symlink("/dev/zero", t_path(w->top, "home/.forward")),
	    0);
}

static void fwd_directory(struct world *w)
{
	assert_int_equal(mkdir(t_path(w->top, "home/.forward"), 0700), 0);
}

static void
fwd_octets(struct world *w, size_t n)
{
	char *text;

	text = malloc(n);
	assert_non_null(text);
	memset(text, '#', n);
	t_put(t_path(w->top, "home/.forward"), text, n, 0600);
	free(text);
}

static void fwd_longest(struct world *w)
{
	fwd_octets(w, FORWARD_MAX);
}

static void fwd_too_long(struct world *w)
{
	fwd_octets(w, FORWARD_MAX + 1);
}

static void fwd_unreadable(struct world *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_path(w->top, "home/.forward"), 0), 0);
}

static void fwd_shut_home(struct world *w)
{
	fwd_plain(w);
	assert_int_equal(chmod(t_path(w->top, "home"), 0), 0);
}

static const struct {
	void		(*make)(struct world *);
	enum forward_verdict verdict;
	const char	*text;		/* within; NULL: any */
} forwards[] = {
	{ fwd_plain,		FORWARD_TEXT,	"ann@example.org\n" },
	{ fwd_none,		FORWARD_NONE,	"" },
	{ fwd_no_home,		FORWARD_NONE,	"" },
	{ fwd_home_is_file,	FORWARD_NONE,	"" },
	{ fwd_relative_home,	FORWARD_NONE,	"" },
	{ fwd_empty,		FORWARD_TEXT,	"" },
	{ fwd_group,		FORWARD_REFUSED, "chmod go-w" },
	{ fwd_others,		FORWARD_REFUSED, "chmod go-w" },
	{ fwd_loose_home,	FORWARD_REFUSED, "directory" },
	{ fwd_loose_home_none,	FORWARD_NONE,	"" },
	{ fwd_foreign,		FORWARD_REFUSED, "not owned by you" },
	{ fwd_link,		FORWARD_TEXT,	"ann@example.org\n" },
	{ fwd_loose_link,	FORWARD_REFUSED, "chmod go-w" },
	{ fwd_dangling,		FORWARD_REFUSED, "dangling" },
	{ fwd_fifo,		FORWARD_REFUSED, "not a regular file" },
	{ fwd_device,		FORWARD_REFUSED, "not a regular file" },
	{ fwd_directory,	FORWARD_REFUSED, "not a regular file" },
	{ fwd_longest,		FORWARD_TEXT,	"#####" },
	{ fwd_too_long,		FORWARD_REFUSED, "longer" },
	{ fwd_unreadable,	FORWARD_LATER,	"Permission denied" },
	{ fwd_shut_home,	FORWARD_LATER,	"Permission denied" },
};

static void
test_forward(void **state)
{
	struct world *w;
	void *own;
	size_t i;

	(void)state;
	for (i = 0; i < N(forwards); i++) {
		setup(&own);
		w = own;
		forwards[i].make(w);
		open_channel(w);
		shutdown(w->runner, SHUT_WR);
		assert_int_equal(forward_answer(&w->user, w->d.channel), 0);
		io_close(&w->d.channel);
		hear(w);
		if (w->verdict != forwards[i].verdict ||
		    strstr(buf_str(&w->text), forwards[i].text) == NULL)
			fail_msg("case %zu: %u %s", i, w->verdict,
			    buf_str(&w->text));
		if (forwards[i].text[0] == '\0')
			assert_int_equal(w->text.len, 0);
		assert_true(w->text.len <= FORWARD_MAX);
		teardown(&own);
	}
}

static void
hear_forward(struct world *w, const char *text)
{
	struct ipc m;

	ipc_init(&m);
	buf_reset(&w->text);
	assert_int_equal(ipc_recv(w->runner, &m, IPC_CHANNEL_LIMIT), 1);
	take_record(w, &m);
	ipc_fini(&m);
	assert_int_equal(w->verdict, FORWARD_TEXT);
	assert_string_equal(buf_str(&w->text), text);
}

/* Asked again it reads the file again; asked anything else it ends. */
static void
test_forward_again(void **state)
{
	struct world *w = *state;
	int status;
	pid_t pid;

	put_text(w, "home/.forward", "ann\n");
	open_channel(w);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(w->runner);
		_exit(forward_answer(&w->user, w->d.channel));
	}
	io_close(&w->d.channel);
	hear_forward(w, "ann\n");
	put_text(w, "home/.forward", "carol\n");
	send_kind(w->runner, IPC_FORWARD_AGAIN);
	hear_forward(w, "carol\n");
	send_kind(w->runner, IPC_FORWARD_REQUEST);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(EX_PROTOCOL, 0));
	io_close(&w->runner);
}

/* ---- files and commands ---- */

/* Text of a .forward; the entry asked for is of that text and number. */
static void
use_forward(struct world *w, enum route_kind kind, const char *file,
    const char *text, uint32_t entry)
{
	put_text(w, "home/.forward", file);
	w->d.kind = kind;
	w->d.origin = ORIGIN_FORWARD;
	w->d.entry.index = entry;
	w->d.entry.digest = text_digest(text, strlen(text));
}

static void
test_file(void **state)
{
	struct world *w = *state;
	char box[256], forward[512];

	text_copy(box, sizeof(box), t_path(w->top, "home/box"));
	snprintf(forward, sizeof(forward), "ann, %s\n", box);
	use_forward(w, ROUTE_FILE, forward, box, 1);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_SENT);
	assert_int_equal(w->nat, 1);
	t_assert_file(box, ENTRY);
	assert_false(t_exists(t_path(w->top, "home/box.lock")));
	/* Exactly once here too. */
	w->d.checkpoint = w->at;
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_SENT);
	t_assert_file(box, ENTRY);
	use_forward(w, ROUTE_FILE, "/dev/null", "/dev/null", 0);
	assert_int_equal(deliver(w, 0), 0);
	assert_int_equal(w->status, STATUS_SENT);
	assert_int_equal(w->nat, 0);
	use_forward(w, ROUTE_FILE, "/dev/zero", "/dev/zero", 0);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_int_equal(w->nat, 0);
}

/* The request and the file do not fit: nothing is written, nothing run. */
static const struct {
	enum route_kind	 kind;
	const char	*file, *text;
	uint32_t	 entry;
	mode_t		 mode;
	const char	*reason;
} stale[] = {
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/y", 0, 0600, "changed" },
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/x", 1, 0600, "changed" },
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/x", UINT32_MAX, 0600, "changed" },
	{ ROUTE_FILE, "|/tmp/x\n", "/tmp/x", 0, 0600, "changed" },
	{ ROUTE_PIPE, "/bin/true\n", "/bin/true", 0, 0600, "changed" },
	{ ROUTE_PIPE, "|/bin/true\n", "/bin/false", 0, 0600, "changed" },
	{ ROUTE_PIPE, "|/bin/true\n\"\n", "/bin/true", 0, 0600, "changed" },
	{ ROUTE_PIPE, "", "/bin/true", 0, 0600, "changed" },
	{ ROUTE_PIPE, "|/bin/true\n", "/bin/true", 0, 0622, "go-w" },
	{ ROUTE_FILE, "/tmp/x\n", "/tmp/x", 0, 0, "Permission" },
};

static void
test_stale_entry(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(stale); i++) {
		unlink(t_path(w->top, "home/.forward"));
		use_forward(w, stale[i].kind, stale[i].file, stale[i].text,
		    stale[i].entry);
		assert_int_equal(chmod(t_path(w->top, "home/.forward"),
		    stale[i].mode), 0);
		assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->status, STATUS_DEFERRED);
		assert_string_equal(w->code, "4.2.4");
		assert_non_null(strstr(w->reason, stale[i].reason));
		assert_int_equal(w->nat, 0);
	}
	unlink(t_path(w->top, "home/.forward"));
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_string_equal(w->code, "4.2.4");
	w->d.origin = ORIGIN_CALLER;
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_FAILED);
	assert_string_equal(w->code, "5.7.1");
}

static void
test_root_refused(void **state)
{
	static const enum route_kind kinds[] = { ROUTE_PIPE, ROUTE_FILE };
	struct world *w = *state;
	struct result res;
	size_t i;

	result_init(&res);
	use_forward(w, ROUTE_PIPE, "|/bin/true", "/bin/true", 0);
	w->user.uid = 0;
	for (i = 0; i < 2; i++) {
		w->d.kind = kinds[i];
		assert_int_equal(forward_find_entry(&w->d, &w->text, &res),
		    -1);
		assert_int_equal(res.status, STATUS_FAILED);
		assert_string_equal(res.code, "5.7.1");
		/* And not with another identity than the user's. */
		assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->status, STATUS_DEFERRED);
		assert_non_null(strstr(w->reason, "wrong user"));
	}
	result_fini(&res);
}

static void
test_aliases(void **state)
{
	struct world *w = *state;
	char box[256], text[512];

	text_copy(box, sizeof(box), t_path(w->top, "home/box"));
	snprintf(text, sizeof(text), "x y\nother: ann\nlist: ann, %s\n", box);
	put_text(w, "aliases", text);
	w->d.kind = ROUTE_FILE;
	w->d.origin = ORIGIN_ALIASES;
	text_copy(w->d.name, sizeof(w->d.name), "List");
	w->d.entry.index = 1;
	w->d.entry.digest = text_digest(box, strlen(box));
	/* no file now */
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_DEFERRED);
	w->d.aliases = open(t_path(w->top, "aliases"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_SENT);
	t_assert_file(box, ENTRY);
	/* the same descriptor once more; another name; others may write */
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_SENT);
	text_copy(w->d.name, sizeof(w->d.name), "other");
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_string_equal(w->code, "4.2.4");
	text_copy(w->d.name, sizeof(w->d.name), "nobody-has-this");
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_string_equal(w->code, "4.2.4");
	text_copy(w->d.name, sizeof(w->d.name), "list");
	assert_int_equal(fchmod(w->d.aliases, 0620), 0);
	assert_int_equal(deliver(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_string_equal(w->code, "4.3.5");
	t_assert_file(box, ENTRY ENTRY);
}

/* %s in a command is the home directory. */
static const struct {
	const char	*text;
	int		 status;
	const char	*output;
} commands[] = {
	{ "/bin/cat", 0, PIPED },
	{ "/bin/echo one  two", 0, "one two\n" },
	{ "echo \"one  two\" >&2", 0, "one  two\n" },
	{ "cat >/dev/null; echo $USER; exit 75", 75, "bob\n" },
	{ "/bin/true", 0, "" },
	{ "/nonexistent/program x", 127,
	    "cannot run the command: No such file or directory\n" },
	{ "/etc/passwd", 126, "cannot run the command: Permission denied\n" },
	{ "/bin/pwd", 0, "%s\n" },
	{ "umask", 0, "0077\n" },
	{ "/usr/bin/env", 0, "PATH=/usr/local/bin:/usr/bin:/bin\nHOME=%s\n"
	    "USER=bob\nLOGNAME=bob\nSHELL=/bin/sh\nSENDER=ann@example.org\n"
	    "RECIPIENT=bob@here\nORIGINAL_RECIPIENT=Bob@here\nEXTENSION=\n"
	    "QUEUE_ID=3f2a\n" },
	{ "ls /proc/self/fd", 0, "0\n1\n2\n3\n" },
	{ "/bin/grep -E Sig(Blk|Ign|Cgt) /proc/self/status", 2, NULL },
	/* Its own two signals are ignored by glibc in what make spawns. */
	{ "grep -E 'Sig(Blk|Ign)' /proc/self/status |"
	    "sed s/0000000180000000/0000000000000000/", 0,
	    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n" },
	{ "kill -9 $$", -9, "" },
	{ "%s/script a b", 0, "a-b\n" },
};

static void
put_home(struct world *w, const char *text, char *out, size_t size)
{
	const char *p = strstr(text, "%s");

	if (p == NULL)
		snprintf(out, size, "%s", text);
	else
		assert_true(snprintf(out, size, "%.*s%s%s", (int)(p - text),
		    text, w->user.home, p + 2) < (int)size);
}

static void
test_commands(void **state)
{
	struct world *w = *state;
	char text[512], forward[600], output[1024];
	size_t i, k, n;

	put_text(w, "home/script", "echo $1-$2\n");
	assert_int_equal(chmod(t_path(w->top, "home/script"), 0700), 0);
	umask(077);
	for (i = 0; i < N(commands); i++) {
		put_home(w, commands[i].text, text, sizeof(text));
		n = 0;
		forward[n++] = '"';
		forward[n++] = '|';
		for (k = 0; text[k] != '\0'; k++) {
			if (text[k] == '"' || text[k] == '\\')
				forward[n++] = '\\';
			forward[n++] = text[k];
		}
		snprintf(forward + n, sizeof(forward) - n, "\"\n");
		use_forward(w, ROUTE_PIPE, forward, text, 0);
		deliver_fork(w, -1);
		assert_int_equal(w->status, STATUS_NONE);
		if (commands[i].status < 0)
			assert_true(WIFSIGNALED(w->wait_status));
		else
			assert_int_equal(WEXITSTATUS(w->wait_status),
			    commands[i].status);
		if (commands[i].output == NULL)
			continue;
		put_home(w, commands[i].output, output, sizeof(output));
		assert_string_equal(buf_str(&w->text), output);
	}
}

static void
test_extensions(void **state)
{
	static const struct { const char *rcpt, *extension; } cases[] = {
		{ "bob+lists@here", "lists\n" },
		{ "bob+a+b@here", "a+b\n" },
		{ "bob+x", "x\n" },
		{ "bob@he+re", "\n" },
		{ "bob+@here", "\n" },
		{ "bob", "\n" },
	};
	struct world *w = *state;
	size_t i;

	use_forward(w, ROUTE_PIPE, "\"|echo $EXTENSION\"", "echo $EXTENSION",
	    0);
	for (i = 0; i < N(cases); i++) {
		text_copy(w->d.recipient, sizeof(w->d.recipient),
		    cases[i].rcpt);
		deliver_fork(w, -1);
		assert_string_equal(buf_str(&w->text), cases[i].extension);
	}
}

/* More than is copied in memory; unread; and with a hostile sender. */
static void
test_command_input(void **state)
{
	struct world *w = *state;
	char want[64];

	use_long_message(w, 2 * 1024 * 1024);
	use_forward(w, ROUTE_PIPE, "|/usr/bin/wc -c\n", "/usr/bin/wc -c", 0);
	deliver_fork(w, -1);
	snprintf(want, sizeof(want), "%zu\n", 2 * 1024 * 1024 +
	    strlen(PIPED) - strlen(BODY));
	assert_string_equal(buf_str(&w->text), want);
	use_forward(w, ROUTE_PIPE, "|/bin/true\n", "/bin/true", 0);
	deliver_fork(w, -1);
	assert_true(WIFEXITED(w->wait_status) && WEXITSTATUS(w->wait_status) == 0);
	text_copy(w->d.sender, sizeof(w->d.sender), "$(touch hit);`id`@x");
	use_forward(w, ROUTE_PIPE, "\"|echo \\\"$SENDER\\\"\"",
	    "echo \"$SENDER\"", 0);
	deliver_fork(w, -1);
	assert_string_equal(buf_str(&w->text), "$(touch hit);`id`@x\n");
	assert_false(t_exists(t_path(w->top, "home/hit")));
	w->d.length++;
	deliver_fork(w, -1);
	assert_int_equal(w->status, STATUS_DEFERRED);
	assert_int_equal(WEXITSTATUS(w->wait_status), 0);
}

static void
test_shell_required(void **state)
{
	struct world *w = *state;

	use_forward(w, ROUTE_PIPE, "|/bin/true\n", "/bin/true", 0);
	w->conf.local.is_shell_required = 1;
	text_copy(w->user.shell, sizeof(w->user.shell), "/usr/sbin/nologin");
	deliver_fork(w, -1);
	assert_int_equal(w->status, STATUS_FAILED);
	assert_string_equal(w->code, "5.7.1");
	text_copy(w->user.shell, sizeof(w->user.shell), "/bin/sh");
	deliver_fork(w, -1);
	assert_int_equal(w->status, STATUS_NONE);
	assert_int_equal(WEXITSTATUS(w->wait_status), 0);
	w->conf.local.is_shell_required = 0;
	text_copy(w->user.shell, sizeof(w->user.shell), "/usr/sbin/nologin");
	deliver_fork(w, -1);
	assert_int_equal(WEXITSTATUS(w->wait_status), 0);
	assert_int_equal(w->status, STATUS_NONE);
}

/* Asks for the lists of an alias; those that were told are in w->text. */
static void
ask_lists(struct world *w, const char *name)
{
	char path[TARGET_MAX + 1];
	const char *p;
	struct ipc m;
	size_t len;
	pid_t pid;

	open_channel(w);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(forward_answer_lists(&w->user, name, w->d.aliases, w->d.channel));
	io_close(&w->d.channel);
	ipc_init(&m);
	w->reason[0] = '\0';
	w->verdict = FORWARD_NOUSER;
	while (ipc_recv(w->runner, &m, IPC_CHANNEL_LIMIT) == 1) {
		assert_int_equal(w->verdict, FORWARD_NOUSER);
		if (m.kind == IPC_FORWARD_REPLY)
			w->verdict = ipc_get_u32(&m);
		else
			ipc_get_text(&m, path, sizeof(path));
		p = ipc_get_bytes(&m, &len);
		if (m.kind == IPC_FORWARD_LIST) {
			buf_printf(&w->text, "%s=", path);
			buf_add(&w->text, p, len);
		} else {
			assert_int_equal(m.kind, IPC_FORWARD_REPLY);
			snprintf(w->reason, sizeof(w->reason), "%.*s", (int)len, p);
		}
		assert_int_equal(ipc_done(&m), 0);
	}
	ipc_fini(&m);
	io_close(&w->runner);
	assert_int_equal(waitpid(pid, &w->wait_status, 0), pid);
	assert_int_equal(w->wait_status, 0);
}

static void
test_lists(void **state)
{
	struct world *w = *state;
	char a[128], b[128], pad[70000], text[600];

	text_copy(a, sizeof(a), t_path(w->top, "a"));
	text_copy(b, sizeof(b), t_path(w->top, "b"));
	snprintf(text, sizeof(text), "x y\none: :include:%s\n"
	    "two: :include:%s, :include:%s\nplain: ann\nlost: :include:%s.\n"
	    "bad: ann bob\n", a, b, a, a);
	put_text(w, "aliases", text);
	/* no alias file */
	ask_lists(w, "one");
	assert_int_equal(w->verdict, FORWARD_LATER);
	w->d.aliases = open(t_path(w->top, "aliases"), O_RDONLY | O_CLOEXEC);
	t_put(a, "ann\n", 4, 0644);
	t_put(b, "", 0, 0644);
	ask_lists(w, "ONE");
	assert_int_equal(w->verdict, FORWARD_TEXT);
	snprintf(text, sizeof(text), "%s=ann\n", a);
	assert_string_equal(buf_str(&w->text), text);
	ask_lists(w, "two");
	snprintf(text, sizeof(text), "%s=%s=ann\n", b, a);
	assert_string_equal(buf_str(&w->text), text);
	ask_lists(w, "plain");
	assert_int_equal(w->verdict, FORWARD_TEXT);
	assert_int_equal(w->text.len, 0);
	/* in pieces */
	memset(pad, '#', sizeof(pad));
	t_put(a, pad, sizeof(pad), 0644);
	ask_lists(w, "one");
	assert_int_equal(w->verdict, FORWARD_TEXT);
	assert_int_equal(w->text.len, sizeof(pad) + strlen(a) + 2);
	/* what cannot be told now */
	ask_lists(w, "lost");
	assert_int_equal(w->verdict, FORWARD_LATER);
	assert_non_null(strstr(w->reason, "No such file"));
	ask_lists(w, "nobody-has-this");
	assert_int_equal(w->verdict, FORWARD_LATER);
	t_put(a, "ann\n", 4, 0640);
	ask_lists(w, "one");
	assert_int_equal(w->verdict, FORWARD_LATER);
	assert_non_null(strstr(w->reason, "chmod o+r"));
	assert_int_equal(w->text.len, 0);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_new_mailbox),
		EACH(test_group_mailbox),
		EACH(test_torn_neighbour),
		cmocka_unit_test(test_unfit_mailbox),
		EACH(test_runner_gone),
		EACH(test_every_cut),
		EACH(test_gaps),
		EACH(test_marks),
		EACH(test_kills),
		EACH(test_write_fails),
		EACH(test_message_cut),
		cmocka_unit_test(test_forward),
		EACH(test_forward_again),
		EACH(test_file),
		EACH(test_stale_entry),
		EACH(test_root_refused),
		EACH(test_aliases),
		EACH(test_commands),
		EACH(test_extensions),
		EACH(test_command_input),
		EACH(test_shell_required),
		EACH(test_lists),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
