/*
 * mbox_test.c - the locks of an mbox file, held by others and by ourselves;
 * batches of messages under one lock.
 * Started as root it becomes nobody first.
 */
#include <sys/file.h>
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

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "local/mbox.h"
#include "priv/records.h"
#include "lib/result.h"
#include "tests/unit/t.h"

#define WAIT_S		1
#define WRITERS		8
#define EACH_WRITES	10
#define LETTERS		50	/* of a batch */
#define BODY		"Subject: x\n\nbody\n"
#define STRANGE		"From stranger Thu Jan  1 00:00:00 1970\n\nstrange\n\n"
#define ENTRY		"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"	\
	"Return-Path: <>\nDelivered-To: bob\n" BODY "\n"

/* Of this process and its children: syncs of directories. */
static unsigned *dir_syncs;
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

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		__atomic_add_fetch(dir_syncs, 1, __ATOMIC_SEQ_CST);
	return (int)syscall(SYS_fsync, fd);
}

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
	t_dir(w->top, sizeof(w->top));
	w->dir = open(w->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dir != -1);
	w->user.uid = getuid();
	w->user.gid = getgid();
	w->d.kind = ROUTE_MAILBOX;
	w->d.user = &w->user;
	text_copy(w->d.recipient, sizeof(w->d.recipient), "bob");
	w->d.checkpoint.length = -1;
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
	struct ipc m;
	int s[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    s), 0);
	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_ACKNOWLEDGE, 0);
	assert_int_equal(ipc_send(s[1], &m), 0);
	ipc_fini(&m);
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
	for (i = 0; i < N(cases); i++) {
		make_lock(w, cases[i].age_s);
		assert_int_equal(append(w, WAIT_S), 0);
		if (cases[i].is_held) {
			assert_int_equal(w->res.status, STATUS_DEFERRED);
			assert_string_equal(w->res.code, "4.2.0");
			assert_non_null(strstr(w->res.reason, "locked"));
		} else {
			assert_int_equal(w->res.status, STATUS_SENT);
			size += (off_t)strlen(ENTRY);
		}
		assert_int_equal(size_of(w, "bob"), size);
		assert_int_equal(size_of(w, "bob.lock"),
		    cases[i].is_held ? 0 : -1);
	}
}

/*
 * One of ours whose maker is gone, and whose text did not come to the disk;
 * while its maker lives, it is a lock.
 */
static void
test_empty_dotlock(void **state)
{
	struct world *w = *state;
	int fd;

	make_lock(w, 0);
	assert_int_equal(fchmodat(w->dir, "bob.lock", 01600, 0), 0);
	fd = openat(w->dir, "bob.lock", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	close(fd);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(size_of(w, "bob.lock"), -1);
}

/* A directory without leave to write: the mailbox is there, no dotlock. */
static void
test_no_dotlock(void **state)
{
	struct world *w = *state;

	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(size_of(w, "bob"), 2 * strlen(ENTRY));
	/* A fresh lock of somebody who may write there holds all the same. */
	assert_int_equal(fchmod(w->dir, 0700), 0);
	make_lock(w, 0);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	/* One that nobody can remove any more does not. */
	assert_int_equal(fchmod(w->dir, 0700), 0);
	make_lock(w, 700);
	assert_int_equal(fchmod(w->dir, 0500), 0);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
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
		assert_int_equal(w->res.status, STATUS_DEFERRED);
		assert_non_null(strstr(w->res.reason, "locked"));
		assert_int_equal(size_of(w, "bob.lock"), -1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(append(w, WAIT_S), 0);
		assert_int_equal(w->res.status, STATUS_SENT);
		assert_int_equal(size_of(w, "bob"), (by_flock + 2) *
		    strlen(ENTRY));
	}
}

/* Who has the second lock and waits for the first gets it from us. */
static void
test_other_order(void **state)
{
	struct world *w = *state;
	int i, fd = -1, status;
	pid_t pid, other;

	assert_int_equal(append(w, WAIT_S), 0);
	other = hold(w, 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		append(w, 20);
		_exit(w->res.status == STATUS_SENT ? 0 : 1);
	}
	for (i = 0; i < 100000 && size_of(w, "bob.lock") == -1; i++)
		usleep(100);
	for (i = 0; i < 10000 && fd == -1; i++) {
		fd = openat(w->dir, "bob.lock", O_WRONLY | O_CREAT | O_EXCL |
		    O_CLOEXEC, 0600);
		usleep(1000);
	}
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(unlinkat(w->dir, "bob.lock", 0), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(size_of(w, "bob"), 2 * strlen(ENTRY));
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
		_exit(w->res.status == STATUS_SENT ? 0 : 1);
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
			if (w->res.status != STATUS_SENT)
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

/*
 * Whoever made the file may have been killed before its name was synced: what
 * is found in it counts only with its name.
 */
static void
test_names_are_synced(void **state)
{
	struct world *w = *state;
	struct stat st;
	int fd;

	*dir_syncs = 0;
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(*dir_syncs, 1);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(*dir_syncs, 1);
	/* The second is found. */
	assert_int_equal(fstatat(w->dir, "bob", &st, 0), 0);
	w->d.checkpoint.dev = (uint64_t)st.st_dev;
	w->d.checkpoint.ino = (uint64_t)st.st_ino;
	w->d.checkpoint.length = (int64_t)strlen(ENTRY);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_non_null(strstr(w->res.reason, "found complete"));
	assert_int_equal(size_of(w, "bob"), 2 * strlen(ENTRY));
	assert_int_equal(*dir_syncs, 2);
	/* Behind what another one left that was killed under its lock. */
	w->d.checkpoint.length = -1;
	fd = openat(w->dir, "bob.lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(io_write_all(fd, "1\ndma\n", 6), 0);
	close(fd);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(w->res.status, STATUS_SENT);
	assert_int_equal(*dir_syncs, 3);
	assert_int_equal(append(w, WAIT_S), 0);
	assert_int_equal(*dir_syncs, 3);
}

/* ---- batches: this process is the runner ---- */

/* One message of a batch, and what its runner knows of it. */
struct told {
	char		*text;
	int		 fd;
	struct checkpoint	 at;		/* told last; length -1: never */
	int		 nat;
	uint32_t	 status;
};

struct batch {
	struct world	*w;
	pid_t		 pid;
	int		 sock;
	int		 keeps_go;	/* never answers */
	int		 feeds;		/* before each answer comes another */
	int		 is_ended;	/* what is still said was said before */
	int		 disturbs;	/* before each, a write without lock */
	int		 is_narrow;	/* few records can lie unread */
	int		 nsaid;
	struct told	 told[LETTERS];
	int		 n;
};

static void
tell(struct batch *b, const char *text)
{
	struct told *t = &b->told[b->n++];

	t->text = strdup(text);
	t->fd = openat(b->w->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(t->fd != -1);
	assert_int_equal(io_write_all(t->fd, text, strlen(text)), 0);
	t->at.length = -1;
	t->nat = 0;
	t->status = STATUS_NONE;
}

static void
put_letter(struct ipc *m, const struct told *t, uint32_t id,
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
}

static void
send_more(struct batch *b, int i)
{
	struct told *t = &b->told[i];
	struct ipc m;

	ipc_init(&m);
	put_letter(&m, t, (uint32_t)i, "", (int64_t)strlen(t->text));
	ipc_put_fd(&m, t->fd);
	assert_int_equal(ipc_send(b->sock, &m), 0);
	ipc_fini(&m);
}

/* The first is as if it had come by the branch; limit: octets of a file. */
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
	b->nsaid = 0;
	b->pid = fork();
	assert_true(b->pid != -1);
	if (b->pid == 0) {
		close(s[1]);
		d->channel = s[0];
		d->id = 0;
		close(d->message);
		d->message = b->told[0].fd;
		d->length = (int64_t)strlen(b->told[0].text);
		d->checkpoint = b->told[0].at;
		alarm(30);
		if (limit > 0)
			setrlimit(RLIMIT_FSIZE, &rl);
		_exit(mbox_serve(d, b->w->dir, "bob", "mail/bob", wait_s,
		    &b->w->res));
	}
	close(s[0]);
	for (i = 1; i < b->n; i++)
		send_more(b, i);
}

/* By a program that takes no lock. */
static void
put_stranger(struct world *w)
{
	int fd;

	fd = openat(w->dir, "bob", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(io_write_all(fd, STRANGE, strlen(STRANGE)), 0);
	close(fd);
}

static void
send_go(struct batch *b, uint32_t id)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_DELIVER_ACKNOWLEDGE, id);
	ipc_send(b->sock, &m);
	ipc_fini(&m);
}

/* One record of the child; 0 at its end. */
static int
hear(struct batch *b)
{
	struct told *t;
	struct ipc m;
	int ret;

	ipc_init(&m);
	ret = ipc_recv(b->sock, &m, IPC_CHANNEL_LIMIT) == 1;
	assert_true(!ret || m.id < (uint32_t)b->n);
	t = &b->told[m.id];
	if (ret && m.kind == IPC_DELIVER_CHECKPOINT) {
		t->nat++;
		t->at.dev = ipc_get_u64(&m);
		t->at.ino = ipc_get_u64(&m);
		t->at.length = (int64_t)ipc_get_u64(&m);
		/* Each time as if it were another message. */
		if (b->feeds)
			t->at.length = -1;
		if (b->feeds)
			send_more(b, m.id == 1 ? 2 : 1);
		if (b->disturbs)
			put_stranger(b->w);
		if (!b->keeps_go)
			send_go(b, m.id);
	} else if (ret) {
		assert_int_equal(m.kind, IPC_DELIVER_RESULT);
		assert_true(t->status == STATUS_NONE || b->feeds || b->is_ended);
		t->status = ipc_get_u32(&m);
		b->nsaid++;
	}
	ipc_fini(&m);
	return ret;
}

/* Until all is said, or the child is gone; gives its wait status. */
static int
finish(struct batch *b)
{
	int status;

	while (b->nsaid < b->n && hear(b))
		;
	shutdown(b->sock, SHUT_WR);
	while (hear(b))
		;
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	close(b->sock);
	return status;
}

static void
forget(struct batch *b)
{
	while (b->n > 0) {
		close(b->told[--b->n].fd);
		free(b->told[b->n].text);
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
		if (b->told[i].status == STATUS_SENT)
			buf_printf(&want, "%s%s\n", head, b->told[i].text);
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
tell_many(struct batch *b, int n, size_t octets)
{
	struct buf text;
	int i;

	buf_init(&text, 0);
	for (i = 0; i < n; i++) {
		buf_reset(&text);
		buf_printf(&text, "Subject: %d\n\n", i);
		while (text.len < octets)
			buf_printf(&text, "line of %d\n", i);
		tell(b, buf_str(&text));
	}
	buf_fini(&text);
}

/* One behind the other; the places are told before the first is written. */
static void
test_batch(void **state)
{
	struct batch b = { .w = *state };
	int i;

	tell_many(&b, LETTERS, 100);
	start(&b, WAIT_S, 0);
	b.keeps_go = 1;
	while (b.told[LETTERS - 1].nat == 0)
		assert_true(hear(&b));
	assert_int_equal(b.told[0].at.length, 0);
	assert_int_equal(size_of(b.w, "bob"), 0);
	assert_int_equal(b.nsaid, 0);
	for (i = 0; i < LETTERS; i++)
		send_go(&b, (uint32_t)i);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.nsaid, LETTERS);
	for (i = 0; i < LETTERS; i++)
		assert_int_equal(b.told[i].status, STATUS_SENT);
	assert_sent(&b);
	forget(&b);
}

/* Told while the child already waits for more. */
static void
test_batch_later(void **state)
{
	struct batch b = { .w = *state };
	int i;

	tell_many(&b, 1, 100);
	start(&b, WAIT_S, 0);
	for (i = 1; i < 4; i++) {
		while (b.nsaid < i)
			assert_true(hear(&b));
		assert_int_equal(size_of(b.w, "bob.lock"), -1);
		tell(&b, BODY);
		send_more(&b, i);
	}
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.nsaid, 4);
	assert_sent(&b);
	forget(&b);
}

/* A limit in the midst: those before are in, and so is what fits behind. */
static void
test_batch_write_fails(void **state)
{
	static const size_t octets[] = { 1000, 2000, 90000, 3000, 80000 };
	static const uint32_t fates[] = { STATUS_SENT, STATUS_SENT, STATUS_DEFERRED,
	    STATUS_SENT, STATUS_DEFERRED };
	struct batch b = { .w = *state };
	int i;

	for (i = 0; i < 5; i++)
		tell_many(&b, 1, octets[i]);
	start(&b, WAIT_S, 50000);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.nsaid, 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(b.told[i].status, fates[i]);
	/* Where it had been announced there is no place for it any more. */
	assert_true(b.told[3].nat > 1);
	assert_sent(&b);
	forget(&b);
}

/* Others write where a place was announced: theirs stays, ours goes behind. */
static void
test_batch_stranger(void **state)
{
	static const size_t octets[] = { 1000, 90000, 1000 };
	static const uint32_t fates[] = { STATUS_SENT, STATUS_DEFERRED, STATUS_SENT };
	struct batch b = { .w = *state, .keeps_go = 1 };
	char start_of[sizeof(STRANGE)];
	int i, fd;

	for (i = 0; i < 3; i++)
		tell_many(&b, 1, octets[i]);
	start(&b, WAIT_S, 50000);
	while (b.told[1].nat == 0)
		assert_true(hear(&b));
	put_stranger(b.w);
	b.keeps_go = 0;
	send_go(&b, 0);
	send_go(&b, 1);
	assert_int_equal(finish(&b), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(b.told[i].status, fates[i]);
	assert_int_equal(b.told[0].nat, 2);
	assert_int_equal(b.told[0].at.length, strlen(STRANGE));
	fd = openat(b.w->dir, "bob", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_pread_all(fd, start_of, strlen(STRANGE), 0), 0);
	close(fd);
	assert_memory_equal(start_of, STRANGE, strlen(STRANGE));
	assert_int_equal(size_of(b.w, "bob"), strlen(STRANGE) + 2 *
	    (strlen(b.told[0].text) + strlen(ENTRY) - strlen(BODY)));
	forget(&b);
}

/* Each time: not for ever, and nobody loses anything. */
static void
test_batch_strangers(void **state)
{
	struct batch b = { .w = *state, .disturbs = 1 };

	tell_many(&b, 1, 100);
	start(&b, WAIT_S, 0);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(b.told[0].status, STATUS_DEFERRED);
	assert_int_equal(b.told[0].nat, 3);
	assert_int_equal(size_of(b.w, "bob"), 3 * strlen(STRANGE));
	assert_int_equal(size_of(b.w, "bob.lock"), -1);
	forget(&b);
}

/* Nobody has the lock for ever: the file is let go for others. */
static void
test_batch_shares(void **state)
{
	struct batch b = { .w = *state };
	struct timespec begun, now;
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t other;
	int fd, status;

	tell_many(&b, 3, 100);
	b.n = 1;
	start(&b, WAIT_S, 0);
	b.n = 3;
	while (b.nsaid < 1)
		assert_true(hear(&b));
	b.feeds = 1;
	send_more(&b, 1);
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
		assert_true(hear(&b));
		clock_gettime(CLOCK_MONOTONIC, &now);
		assert_true(now.tv_sec - begun.tv_sec < 30);
	} while (waitpid(other, &status, WNOHANG) == 0);
	assert_int_equal(status, 0);
	b.feeds = 0;
	b.is_ended = b.keeps_go = 1;
	kill(b.pid, SIGKILL);
	b.nsaid = b.n;
	finish(&b);
	unlinkat(b.w->dir, "bob.lock", 0);
	forget(&b);
}

/* What a runner that was taken over might send: refused, and the end. */
static void
test_batch_hostile(void **state)
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
		tell_many(&b, 1, 100);
		tell(&b, BODY);
		b.n = 1;
		start(&b, WAIT_S, 0);
		b.n = 2;
		ipc_init(&m);
		put_letter(&m, &b.told[1], 1, cases[i].sender,
		    cases[i].length);
		if (cases[i].extra)
			ipc_put_str(&m, "root");
		for (k = 0; k < cases[i].nfds; k++)
			ipc_put_fd(&m, b.told[1].fd);
		assert_int_equal(ipc_send(b.sock, &m), 0);
		ipc_fini(&m);
		status = finish(&b);
		assert_int_equal(status, W_EXITCODE(cases[i].status > 0 ?
		    EX_PROTOCOL : 0, 0));
		assert_int_equal(b.told[1].status, cases[i].status > 0 ?
		    STATUS_NONE : cases[i].status == -1 ? STATUS_DEFERRED :
		    STATUS_SENT);
		assert_int_equal(size_of(b.w, "bob.lock"), -1);
		forget(&b);
	}
}

/* An answer to what was not asked. */
static void
test_batch_wrong_go(void **state)
{
	struct batch b = { .w = *state };

	tell_many(&b, 2, 100);
	b.keeps_go = 1;
	start(&b, WAIT_S, 0);
	while (b.told[1].nat == 0)
		assert_true(hear(&b));
	send_go(&b, 1);
	assert_int_equal(finish(&b), W_EXITCODE(EX_PROTOCOL, 0));
	assert_int_equal(b.nsaid, 0);
	assert_int_equal(size_of(b.w, "bob"), 0);
	forget(&b);
}

/* Killed at some moment, then told again with the marks: each is in once. */
static void
test_batch_kills(void **state)
{
	struct batch b = { .w = *state };
	int i, k;

	tell_many(&b, 6, 700000);
	for (i = 0; i < 25; i++) {
		unlinkat(b.w->dir, "bob", 0);
		for (k = 0; k < b.n; k++) {
			b.told[k].at.length = -1;
			b.told[k].status = STATUS_NONE;
		}
		start(&b, 10, 0);
		while (b.told[i % b.n].nat == 0)
			assert_true(hear(&b));
		usleep((useconds_t)i * 100);
		kill(b.pid, SIGKILL);
		finish(&b);
		for (k = 0; k < b.n; k++)
			b.told[k].status = STATUS_NONE;
		start(&b, 10, 0);
		assert_int_equal(finish(&b), 0);
		for (k = 0; k < b.n; k++)
			assert_int_equal(b.told[k].status, STATUS_SENT);
		assert_sent(&b);
	}
	forget(&b);
}

/* A runner that is gone while some are announced: nothing of them stays. */
static void
test_batch_runner_gone(void **state)
{
	struct batch b = { .w = *state };
	int status;

	*dir_syncs = 0;
	tell_many(&b, 3, 100);
	b.keeps_go = 1;
	start(&b, WAIT_S, 0);
	while (b.told[2].nat == 0)
		assert_true(hear(&b));
	close(b.sock);
	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	assert_int_equal(status, W_EXITCODE(1, 0));
	assert_int_equal(size_of(b.w, "bob"), 0);
	assert_int_equal(size_of(b.w, "bob.lock"), -1);
	/* The next one finds the file there. */
	assert_int_equal(*dir_syncs, 1);
	forget(&b);
}

/* One that reads nothing keeps the locks no longer than one that is silent. */
static void
test_batch_unread(void **state)
{
	struct batch b = { .w = *state, .is_narrow = 1 };
	int status;

	tell_many(&b, 20, 100);
	start(&b, WAIT_S, 0);
	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	assert_int_equal(status, W_EXITCODE(1, 0));
	assert_in_range(*out_wait_ms, 1000, 60000);
	assert_int_equal(size_of(b.w, "bob"), 0);
	assert_int_equal(size_of(b.w, "bob.lock"), -1);
	close(b.sock);
	forget(&b);
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
#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_dotlock),
		EACH(test_empty_dotlock),
		EACH(test_no_dotlock),
		EACH(test_held_file),
		EACH(test_other_order),
		EACH(test_replaced_file),
		EACH(test_many_writers),
		EACH(test_names_are_synced),
		EACH(test_batch),
		EACH(test_batch_later),
		EACH(test_batch_write_fails),
		EACH(test_batch_stranger),
		EACH(test_batch_strangers),
		EACH(test_batch_shares),
		EACH(test_batch_hostile),
		EACH(test_batch_wrong_go),
		EACH(test_batch_kills),
		EACH(test_batch_runner_gone),
		EACH(test_batch_unread),
	};

	t_become_nobody();
	dir_syncs = share(sizeof(*dir_syncs));
	out_wait_ms = share(sizeof(*out_wait_ms));
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
