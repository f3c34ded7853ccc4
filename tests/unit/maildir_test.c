/*
 * maildir_test.c - a message into a Maildir, and again after every state that
 * a kill can leave.  Started as root it becomes nobody first.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "local/maildir.h"
#include "priv/records.h"
#include "lib/result.h"
#include "tests/unit/t.h"

#define BODY	"Subject: x\n\nFrom the start\n.\nend\n"
#define WHOLE	"Return-Path: <ann@far>\nDelivered-To: bob@here\n" BODY
#define NAME	"100.3f2a_7.here_x"

struct world {
	char		 top[64];
	int		 dir;
	struct conf	 conf;
	char		 host[16];
	struct user	 user;
	struct delivery	 d;
	struct result	 res;
	struct checkpoint	 at;		/* what the runner was told */
	int		 nat;
};

static int
setup(void **state)
{
	struct world *w;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	t_dir(w->top, sizeof(w->top));
	w->dir = open(w->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dir != -1);
	text_copy(w->host, sizeof(w->host), "here/x");
	w->conf.names.mailname = w->host;
	w->d.conf = &w->conf;
	w->user.uid = getuid();
	w->d.user = &w->user;
	w->d.arrived = 100;
	w->d.rcpt = 7;
	text_copy(w->d.queue_id, sizeof(w->d.queue_id), "3f2a");
	text_copy(w->d.sender, sizeof(w->d.sender), "ann@far");
	text_copy(w->d.recipient, sizeof(w->d.recipient), "bob@here");
	w->d.checkpoint.length = -1;
	w->d.message = openat(w->dir, "message", O_RDWR | O_CREAT | O_CLOEXEC,
	    0600);
	assert_int_equal(io_write_all(w->d.message, "junk" BODY, 4 +
	    strlen(BODY)), 0);
	w->d.offset = 4;
	w->d.length = strlen(BODY);
	result_init(&w->res);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close(w->dir);
	close(w->d.message);
	t_dir_remove(w->top);
	result_fini(&w->res);
	free(w);
	return 0;
}

/* answer: what the runner says to the announcement, 0 when it is gone. */
static int
put(struct world *w, uint32_t answer)
{
	struct ipc m;
	int s[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	ipc_init(&m);
	ipc_begin(&m, answer, 0);
	if (answer != 0)
		assert_int_equal(ipc_send(s[1], &m), 0);
	shutdown(s[1], SHUT_WR);
	w->d.channel = s[0];
	result_fini(&w->res);
	result_init(&w->res);
	ret = maildir_put(&w->d, w->dir, "box", "the box", 0, &w->res);
	assert_int_equal(io_nonblock(s[1]), 0);
	w->nat = 0;
	while (ipc_recv(s[1], &m, IPC_CHANNEL_LIMIT) == 1) {
		w->nat++;
		assert_int_equal(m.kind, IPC_DELIVER_CHECKPOINT);
		w->at.dev = ipc_get_u64(&m);
		w->at.ino = ipc_get_u64(&m);
		w->at.length = (int64_t)ipc_get_u64(&m);
		assert_int_equal(ipc_done(&m), 0);
	}
	ipc_fini(&m);
	close(s[0]);
	close(s[1]);
	return ret;
}

static const char *
in_top(struct world *w, const char *name)
{
	static char path[2][256];
	static int i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", w->top, name);
	return path[i];
}

static void
make_file(struct world *w, const char *name, const char *text)
{
	int fd;

	fd = open(in_top(w, name), O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd != -1);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void
assert_text(struct world *w, const char *name, const char *text)
{
	struct buf b;
	int fd;

	buf_init(&b, 0);
	fd = open(in_top(w, name), O_RDONLY);
	assert_true(fd != -1);
	assert_int_equal(io_read_file(fd, &b, 1 << 20), 0);
	assert_string_equal(buf_str(&b), text);
	close(fd);
	buf_fini(&b);
}

/* How many files are in a directory of the box. */
static int
count(struct world *w, const char *name)
{
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	dir = opendir(in_top(w, name));
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
make_box(struct world *w)
{
	assert_int_equal(mkdir(in_top(w, "box"), 0700), 0);
	assert_int_equal(mkdir(in_top(w, "box/tmp"), 0700), 0);
	assert_int_equal(mkdir(in_top(w, "box/new"), 0700), 0);
	assert_int_equal(mkdir(in_top(w, "box/cur"), 0700), 0);
}

static void
test_new_box(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_text(w, "box/new/" NAME, WHOLE);
	assert_int_equal(stat(in_top(w, "box/new/" NAME), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(w->nat, 1);
	assert_true(w->at.dev == st.st_dev && w->at.ino == st.st_ino);
	assert_int_equal(w->at.length, 0);
	assert_int_equal(count(w, "box/tmp"), 0);
	assert_int_equal(stat(in_top(w, "box"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* Another recipient of the same message is another letter. */
	w->d.rcpt = 8;
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(count(w, "box/new"), 2);
}

/* What an attempt that was cut short has left, and a reader made of it. */
static const struct {
	const char	*tmp, *new, *cur;	/* names in box, or NULL */
	int		 has_mark;
	int		 is_there;	/* it was delivered */
} lefts[] = {
	{ NULL, NULL, NULL, 0, 0 },
	{ NULL, NULL, NULL, 1, 0 },
	{ NAME, NULL, NULL, 0, 0 },
	{ NAME, NULL, NULL, 1, 0 },
	{ NAME, NAME, NULL, 1, 1 },
	{ NULL, NAME, NULL, 1, 1 },
	{ NULL, "100.3f2a_7.other", NULL, 1, 1 },
	{ NULL, NULL, NAME ":2,", 1, 1 },
	{ NULL, NULL, NAME ":2,FS", 1, 1 },
	{ NULL, NULL, NAME ",S=12:2,RS", 1, 1 },
	{ NAME, NULL, NAME ":2,S", 1, 1 },
	{ NULL, NULL, "100.3f2a_77.here_x:2,S", 1, 0 },
	{ NULL, NULL, "100.3f2ab_7.here_x:2,S", 1, 0 },
	{ NULL, "1100.3f2a_7.here_x", NULL, 1, 0 },
};

static void
leave(struct world *w, const char *where, const char *name, const char *text)
{
	char path[256];

	if (name == NULL)
		return;
	snprintf(path, sizeof(path), "box/%s/%s", where, name);
	make_file(w, path, text);
}

static void
test_lefts(void **state)
{
	struct world *w;
	int before, n;
	size_t i;
	void *p;

	(void)state;
	for (i = 0; i < N(lefts); i++) {
		setup(&p);
		w = p;
		make_box(w);
		leave(w, "tmp", lefts[i].tmp, "Return-Path: <a");
		leave(w, "new", lefts[i].new, WHOLE);
		leave(w, "cur", lefts[i].cur, WHOLE);
		before = count(w, "box/new") + count(w, "box/cur");
		w->d.checkpoint.length = lefts[i].has_mark ? 0 : -1;
		/* Twice: the second finds what the first has done. */
		for (n = 0; n < 2; n++) {
			assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
			assert_int_equal(w->res.status, STATUS_SENT);
			assert_int_equal(w->nat, n == 0 && !lefts[i].is_there);
			assert_int_equal(count(w, "box/tmp"), 0);
			assert_int_equal(count(w, "box/new") +
			    count(w, "box/cur"), before + !lefts[i].is_there);
			if (!lefts[i].is_there)
				assert_text(w, "box/new/" NAME, WHOLE);
			w->d.checkpoint.length = 0;
		}
		teardown(&p);
	}
}

/* The runner does not agree: nothing appears, nothing is left. */
static void
test_runner_gone(void **state)
{
	struct world *w = *state;

	assert_int_equal(put(w, 0), -1);
	assert_int_equal(w->res.status, STATUS_NONE);
	assert_int_equal(put(w, IPC_DELIVER_RESULT), -1);
	assert_int_equal(count(w, "box/tmp"), 0);
	assert_int_equal(count(w, "box/new"), 0);
}

/* An attempt of another process is still at work. */
static void
test_busy(void **state)
{
	struct world *w = *state;
	int fd;

	make_box(w);
	make_file(w, "box/tmp/" NAME, "From");
	fd = open(in_top(w, "box/tmp/" NAME), O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_non_null(strstr(w->res.reason, "in progress"));
	assert_text(w, "box/tmp/" NAME, "From");
	close(fd);
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_text(w, "box/new/" NAME, WHOLE);
	assert_int_equal(count(w, "box/tmp"), 0);
}

static void make_plain(struct world *w)
{
	make_file(w, "box", "From x\n\n");
}

static void make_loose(struct world *w)
{
	make_box(w);
	assert_int_equal(chmod(in_top(w, "box"), 0777), 0);
}

static void make_loose_new(struct world *w)
{
	make_box(w);
	assert_int_equal(chmod(in_top(w, "box/new"), 0703), 0);
}

static void make_locked(struct world *w)
{
	make_box(w);
	assert_int_equal(chmod(in_top(w, "box/tmp"), 0500), 0);
}

static void make_foreign(struct world *w)
{
	make_box(w);
	w->user.uid++;
}

static void make_cut(struct world *w)
{
	assert_int_equal(ftruncate(w->d.message, 10), 0);
}

static void make_bad_id(struct world *w)
{
	text_copy(w->d.queue_id, sizeof(w->d.queue_id), "../x");
}

static void make_no_id(struct world *w)
{
	w->d.queue_id[0] = '\0';
}

static const struct {
	void		(*make)(struct world *);
	const char	*reason;
} unfit[] = {
	{ make_plain, "directory" },
	{ make_loose, "chmod" },
	{ make_loose_new, "new is writable by others" },
	{ make_locked, "tmp: Permission" },
	{ make_foreign, "is owned by" },
	{ make_cut, "queue" },
	{ make_bad_id, "queue id" },
	{ make_no_id, "queue id" },
};

static void
test_unfit(void **state)
{
	struct world *w;
	size_t i;
	void *p;

	(void)state;
	for (i = 0; i < N(unfit); i++) {
		setup(&p);
		w = p;
		unfit[i].make(w);
		assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_non_null(strstr(w->res.reason, unfit[i].reason));
		assert_int_equal(w->nat, 0);
		if (access(in_top(w, "box/new"), F_OK) == 0)
			assert_int_equal(count(w, "box/new"), 0);
		teardown(&p);
	}
}

/* A link in the user's own home is theirs to make; elsewhere it is not. */
static void
test_links(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdir(in_top(w, "real"), 0700), 0);
	assert_int_equal(symlink("real", in_top(w, "box")), 0);
	assert_int_equal(put(w, IPC_DELIVER_ACKNOWLEDGE), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_text(w, "real/new/" NAME, WHOLE);
	assert_int_equal(maildir_put(&w->d, w->dir, "box", "box", 1, &w->res),
	    0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_new_box),
		cmocka_unit_test(test_lefts),
		EACH(test_runner_gone),
		EACH(test_busy),
		cmocka_unit_test(test_unfit),
		EACH(test_links),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
