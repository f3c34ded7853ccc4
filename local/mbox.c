/*
 * mbox.c - messages into one mbox file: one, or a batch under one lock.
 * Runs as: the user.  Uses: the file it is told, and its dotlock.
 * Promise: a message is in the file once and whole, or not at all, however
 * often the attempt is cut short and made again.
 *
 * How: what will be appended follows from the delivery alone, octet by octet.
 * The place of the append is written down by the runner before the first
 * octet (IPC_DELIVER_CHECKPOINT, IPC_DELIVER_ACKNOWLEDGE).  An attempt that
 * finds such a mark compares what is in the file there: all of it, then it
 * was delivered; a beginning of it at the very end of the file, then that is
 * cut off and written anew; anything else is not ours, and the message goes
 * to the end.
 *
 * A batch: the runner tells further messages for the same file
 * (IPC_DELIVER_NEXT).  Where one ends the next begins, so the places of many
 * are announced while the first is written; one sync is for all.
 */
#include <sys/file.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "local/delivery.h"
#include "priv/delivery_request.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "lib/ipc.h"
#include "local/mbox.h"
#include "priv/records.h"
#include "lib/result.h"

#define STALE_S		600	/* age of a dotlock that nobody holds */
#define TOUCH_MS	60000	/* our own dotlock is kept younger than that */
#define POLL_FIRST_MS	5	/* between two attempts to get a lock */
#define POLL_MAX_MS	250	/* doubling up to this */
#define OPEN_TRIES	10	/* when the name comes and goes */
#define READ_OCTETS	65536
/* A message of 1 MiB, with its quotes and envelope, is one write(2). */
#define BLOCK_OCTETS	(1280 * 1024)
#define MOVES		3	/* of a message, by those who take no lock */
#define BATCH_LETTERS	200	/* messages under one lock */
#define BATCH_OCTETS	(64 * 1024 * 1024)	/* of them */
#define HOLD_MS		1000	/* no more is begun under one lock */
#define REST_MS		100	/* others may lock it before the next batch */
#define LINGER_MS	1000	/* the runner closes the channel before that */
#define LIFE_MS		60000	/* then another process goes on */
#define LOCK_SUFFIX	".lock"
#define LOCK_MARK	"\ndma\n"	/* in our dotlocks, after the pid */
/* Of ours, too: the mode comes to the disk with the name, the text later. */
#define LOCK_MODE	(0600 | S_ISVTX)
#ifndef NFS_SUPER_MAGIC
#define NFS_SUPER_MAGIC	0x6969
#endif

/* What is appended, block by block. */
struct text {
	const struct delivery *d;
	struct mail_mbox mbox;
	struct buf	 out;		/* owned: the block */
	int64_t		 done;		/* octets of the message taken */
	int		 needs_newline;	/* the file ends within a line */
	int		 is_begun, is_over;
};

enum letter_state {
	LETTER_TOLD,		/* to be put in */
	LETTER_AT,		/* the runner was told where */
	LETTER_GO,		/* it has written that down */
	LETTER_IN,		/* in the file, not synced */
	LETTER_OVER		/* res tells */
};

/* A message on its way into the file. */
struct letter {
	struct letter	*next;
	struct delivery	 d;
	int		 is_ours;	/* d.message is to be closed */
	enum letter_state state;
	int		 is_found;	/* by its mark: nothing was written */
	int64_t		 start;		/* its place in the file */
	int		 moves;		/* others wrote there in the meantime */
	struct text	 text;		/* while AT and GO: its first block */
	struct result	 res;
};

struct mbox {
	const struct delivery *d;	/* lent: whose file this is */
	int		 dir;		/* lent */
	const char	*name, *path;	/* lent */
	char		 lock_name[NAME_MAX + 1];
	int		 lock;		/* owned: our dotlock, or -1 */
	int		 fd;		/* owned: the file, or -1 */
	int		 is_new;	/* made by this attempt */
	int		 is_heir;	/* of a killed one: it left a dotlock */
	int64_t		 deadline_ms;	/* for the locks */
	int		 poll_ms;	/* next wait for a lock */
	int64_t		 touched_ms;	/* the dotlock, last */
	struct result	*res;		/* lent: of what is being done */
	struct result	 reason;		/* there is no lock */
	struct ipc	 ipc;		/* scratch: one record at a time */
	int		 status;	/* of the exit when nobody is told */

	struct letter	*first, **tail;	/* owned, in the order told */
	struct letter	*at;		/* next to be announced */
	struct letter	*go;		/* next to be written; at: none */
	int		 is_single;	/* no batch: the first alone */
	/* Under one lock: */
	int64_t		 locked_ms;
	unsigned	 count;		/* messages begun */
	int64_t		 octets;	/* of them */
	size_t		 ahead;		/* octets in memory for the file */
	uint64_t	 dev, ino;	/* of the file */
	int64_t		 end;		/* of what is announced; -1 unknown */
	int64_t		 from;		/* first octet written; -1 none */
	int		 is_over;	/* a write failed: no more is begun */
};

static int
retry(struct mbox *m, const char *code, const char *what)
{
	return result_set(m->res, STATUS_DEFERRED, code, "%s: %s", m->path,
	    what);
}

static int
retry_errno(struct mbox *m, const char *what)
{
	return result_set(m->res, STATUS_DEFERRED, delivery_code(errno),
	    "%s: %s: %s", m->path, what, strerror(errno));
}

/* ---- what is appended ---- */

static void
text_init(struct text *t, const struct delivery *d, int needs_newline)
{
	memset(t, 0, sizeof(*t));
	t->d = d;
	t->needs_newline = needs_newline;
	buf_init(&t->out, 0);
}

static void
text_fini(struct text *t)
{
	buf_fini(&t->out);
}

static void
text_begin(struct text *t)
{
	t->is_begun = 1;
	if (t->needs_newline)
		buf_putc(&t->out, '\n');
	mail_put_envelope(&t->out, 1, t->d->sender, t->d->recipient,
	    t->d->arrived);
}

/* The next block is in out: 1, 0 at the end, -1 with errno. */
static int
text_next(struct text *t)
{
	char chunk[READ_OCTETS];
	long n;

	buf_reset(&t->out);
	if (!t->is_begun)
		text_begin(t);
	while (t->done < t->d->length && t->out.len < BLOCK_OCTETS) {
		n = delivery_read(t->d, t->done, chunk, sizeof(chunk));
		if (n == -1)
			return -1;
		mail_mbox(&t->mbox, chunk, (size_t)n, &t->out);
		t->done += n;
	}
	if (t->done == t->d->length && !t->is_over) {
		mail_mbox_end(&t->mbox, &t->out);
		t->is_over = 1;
	}
	if (buf_failed(&t->out)) {
		errno = ENOMEM;
		return -1;
	}
	return t->out.len > 0;
}

/* ---- locks: dotlock, fcntl, flock, in that order ---- */

/* Waits a little; -1 when the time for locks is over. */
static int
wait_lock(struct mbox *m)
{
	if (io_clock_ms() >= m->deadline_ms)
		return retry(m, "4.2.0", "mailbox is locked");
	poll(NULL, 0, m->poll_ms);
	m->poll_ms = m->poll_ms * 2 < POLL_MAX_MS ? m->poll_ms * 2 :
	    POLL_MAX_MS;
	return 0;
}

/* What time the file system has: that of a file made now; 0 when unknown. */
static time_t
file_system_time(int dir)
{
	struct stat st;
	char name[64];
	int fd = -1, is_named = 0;

#ifdef O_TMPFILE
	fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
#endif
	if (fd == -1) {
		snprintf(name, sizeof(name), ".dma.%ld.time", (long)getpid());
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
		is_named = fd != -1;
	}
	if (fd == -1)
		return 0;
	if (fstat(fd, &st) == -1)
		st.st_mtime = 0;
	close(fd);
	if (is_named)
		unlinkat(dir, name, 0);
	return st.st_mtime;
}

static int
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * 1 when a dotlock is one of ours and its maker is gone: it holds an flock
 * on it as long as it lives.  That lock is then ours, in *fd.
 */
static int
is_orphan(const struct mbox *m, int *fd)
{
	struct stat st;
	char text[64];
	ssize_t n;

	*fd = openat(m->dir, m->lock_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (*fd == -1)
		return 0;
	n = io_read(*fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	if (strstr(text, LOCK_MARK) == NULL && (fstat(*fd, &st) == -1 ||
	    (st.st_mode & 07777) != LOCK_MODE))
		return 0;
	return flock(*fd, LOCK_EX | LOCK_NB) == 0;
}

/*
 * Somebody's dotlock is in the way; an orphan or an old one goes.  1 when it
 * is old and the directory does not let us remove it: then it says nothing.
 */
static int
remove_stale(struct mbox *m)
{
	struct stat st, again;
	time_t now;
	int fd, gone, ret = 0;

	if (fstatat(m->dir, m->lock_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	gone = is_orphan(m, &fd);
	m->is_heir |= gone;
	now = file_system_time(m->dir);
	if (now == 0)
		now = time(NULL);
	if (st.st_mtime <= now && now - st.st_mtime >= STALE_S)
		gone = 1;
	/* Another process may have put its own there in the meantime. */
	if (gone && fstatat(m->dir, m->lock_name, &again,
	    AT_SYMLINK_NOFOLLOW) == 0 && same_file(&st, &again) &&
	    st.st_mtime == again.st_mtime &&
	    unlinkat(m->dir, m->lock_name, 0) == -1)
		ret = errno == EACCES || errno == EPERM || errno == EROFS;
	io_close(&fd);
	return ret;
}

static void
drop_dotlock(struct mbox *m)
{
	struct stat ours, there;

	if (m->lock == -1)
		return;
	if (fstat(m->lock, &ours) == 0 && fstatat(m->dir, m->lock_name, &there,
	    AT_SYMLINK_NOFOLLOW) == 0 && same_file(&ours, &there))
		unlinkat(m->dir, m->lock_name, 0);
	io_close(&m->lock);
}

/* Who holds it, for other programs; and for us, whether it still lives. */
static int
sign_dotlock(struct mbox *m)
{
	char text[64];
	int n;

	n = snprintf(text, sizeof(text), "%ld" LOCK_MARK, (long)getpid());
	m->touched_ms = io_clock_ms();
	if (io_write_all(m->lock, text, (size_t)n) == -1)
		return -1;
	/* No more than a hint: where it does not work, age decides. */
	(void)flock(m->lock, LOCK_EX | LOCK_NB);
	return 0;
}

/*
 * The dotlock gets its name when it is signed: a kill between the two would
 * leave one that nobody can tell from a living one.
 */
static int
make_dotlock(struct mbox *m)
{
#ifdef O_TMPFILE
	char path[64];
	int error;

	m->lock = openat(m->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
	    LOCK_MODE);
	if (m->lock != -1 && sign_dotlock(m) == 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", m->lock);
		if (linkat(AT_FDCWD, path, m->dir, m->lock_name,
		    AT_SYMLINK_FOLLOW) == 0)
			return 0;
		error = errno;
		io_close(&m->lock);
		errno = error;
		if (error == EEXIST)
			return -1;
	}
	io_close(&m->lock);
#endif
	m->lock = openat(m->dir, m->lock_name, O_RDWR | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	return m->lock == -1 || sign_dotlock(m) == -1 ? -1 : 0;
}

/* A directory that lets nobody make a dotlock has readers without one. */
static int
take_dotlock(struct mbox *m)
{
	for (;;) {
		if (make_dotlock(m) == 0)
			return 0;
		if (m->lock != -1) {
			retry_errno(m, "dotlock");
			drop_dotlock(m);
			return -1;
		}
		if (errno == EACCES || errno == EPERM || errno == EROFS)
			return 0;
		if (errno != EEXIST)
			return retry_errno(m, "dotlock");
		if (remove_stale(m) == 1)
			return 0;
		if (wait_lock(m) == -1)
			return -1;
	}
}

/* During a long write the dotlock must not grow old. */
static void
touch_dotlock(struct mbox *m)
{
	if (m->lock == -1 || io_clock_ms() - m->touched_ms < TOUCH_MS)
		return;
	futimens(m->lock, NULL);
	m->touched_ms = io_clock_ms();
}

static int
take_fcntl(struct mbox *m)
{
	struct flock fl;

	memset(&fl, 0, sizeof(fl));
	fl.l_type = F_WRLCK;
	fl.l_whence = SEEK_SET;
	if (fcntl(m->fd, F_SETLK, &fl) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES || errno == EINTR ? 1 :
	    retry_errno(m, "lock");
}

/*
 * Only where flock and fcntl locks do not see each other: over NFS, and on
 * the BSDs, the second would wait for the first for ever.
 */
static int
take_flock(struct mbox *m)
{
#ifdef __linux__
	struct statfs fs;

	if (fstatfs(m->fd, &fs) == 0 && fs.f_type == NFS_SUPER_MAGIC)
		return 0;
	if (flock(m->fd, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK || errno == EINTR ? 1 :
		    retry_errno(m, "lock");
#else
	(void)m;
#endif
	return 0;
}

/* 0, 1 when somebody holds one of them, or -1 with res. */
static int
take_locks(struct mbox *m)
{
	int ret;

	ret = take_fcntl(m);
	return ret == 0 ? take_flock(m) : ret;
}

/* ---- the file ---- */

/* Opened or made; the open file is in m->fd.  -1 with errno. */
static int
open_name(struct mbox *m)
{
	const int how = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int tries;

	for (tries = 0; tries < OPEN_TRIES; tries++) {
		m->is_new = 0;
		m->fd = openat(m->dir, m->name, how);
		if (m->fd != -1 || errno != ENOENT)
			break;
		m->is_new = 1;
		m->fd = openat(m->dir, m->name, how | O_CREAT | O_EXCL, 0600);
		if (m->fd != -1 || errno != EEXIST)
			break;
	}
	return m->fd == -1 ? -1 : 0;
}

/*
 * Where the mail directory belongs to a group that may write in it, readers
 * of that group expect to be let in.  Only ever for a file made here.
 */
static void
open_to_group(struct mbox *m)
{
	struct stat dir, st;

	if (!m->is_new || m->d->kind != ROUTE_MAILBOX)
		return;
	if (fstat(m->dir, &dir) == -1 || fstat(m->fd, &st) == -1)
		return;
	if ((dir.st_mode & S_IWGRP) != 0 && st.st_gid == dir.st_gid)
		fchmod(m->fd, 0660);	/* should it fail: 0600 is right too */
}

static int
check_file(struct mbox *m, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return retry(m, "4.2.0", "is not a regular file");
	if (st->st_uid != m->d->user->uid)
		return result_set(m->res, STATUS_DEFERRED, "4.2.0",
		    "%s: not owned by %s: chown it", m->path, m->d->user->name);
	if (st->st_nlink > 1)
		return retry(m, "4.2.0", "has more than one hard link");
	if ((st->st_mode & (S_ISUID | S_ISGID)) != 0)
		return retry(m, "4.2.0", "has a set-id bit: chmod ug-s it");
	return 0;
}

static int
open_file(struct mbox *m)
{
	struct stat st;

	if (open_name(m) == -1) {
		if (errno == ELOOP || errno == EMLINK)
			return retry(m, "4.2.0", "is a symbolic link");
		if (errno == ENXIO || errno == EISDIR)
			return retry(m, "4.2.0", "is not a regular file");
		return retry_errno(m, m->is_new ? "cannot create" :
		    "cannot open");
	}
	open_to_group(m);
	if (fstat(m->fd, &st) == -1)
		return retry_errno(m, "stat");
	return check_file(m, &st);
}

/* 1 when the name still leads to the file that we have locked. */
static int
is_current(struct mbox *m)
{
	struct stat st, there;

	if (fstat(m->fd, &st) == -1 || fstatat(m->dir, m->name, &there,
	    AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return same_file(&st, &there);
}

static void
unlock(struct mbox *m)
{
	io_close(&m->fd);
	drop_dotlock(m);
}

/*
 * Who made an empty file may have been killed before its name was synced; so
 * may whoever then wrote its first message.
 */
static int
is_first(struct mbox *m)
{
	struct stat st;

	return m->d->checkpoint.length == 0 || fstat(m->fd, &st) == -1 ||
	    st.st_size == 0;
}

/*
 * Mail readers put another file in place or remove an empty one, under the
 * locks that we wait for: so the name is looked at again with all locks held.
 * Others take the same locks in another order (Dovecot: fcntl, then dotlock):
 * so none is kept while one is waited for.
 */
static int
lock_file(struct mbox *m)
{
	int busy, was_new = 0;

	for (;;) {
		if (take_dotlock(m) == -1 || open_file(m) == -1)
			return -1;
		busy = take_locks(m);
		if (busy == -1)
			return -1;
		m->is_new |= was_new || is_first(m);
		if (!busy && is_current(m))
			return 0;
		was_new = m->is_new;
		unlock(m);
		if (wait_lock(m) == -1)
			return -1;
	}
}

/* ---- marks ---- */

enum found { FOUND_ERROR = -1, FOUND_WHOLE, FOUND_TORN, FOUND_OTHER };

/* Zeros may stand for any of the octets; for all of them when p is NULL. */
static int
has_gaps(const char *chunk, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (chunk[i] != '\0' && (p == NULL || chunk[i] != p[i]))
			return 0;
	return 1;
}

/*
 * Does the file have these octets at pos?  After a power cut some of them,
 * and all that came behind them, may be zeros: that is torn, too.
 */
static enum found
compare_at(int fd, const char *p, size_t len, int64_t pos)
{
	char chunk[READ_OCTETS];
	enum found found = FOUND_WHOLE;
	size_t n;

	while (len > 0) {
		n = len < sizeof(chunk) ? len : sizeof(chunk);
		if (io_pread_all(fd, chunk, n, pos) == -1)
			return FOUND_ERROR;
		if (p == NULL || memcmp(chunk, p, n) != 0)
			found = has_gaps(chunk, p, n) ? FOUND_TORN :
			    FOUND_OTHER;
		if (found == FOUND_OTHER)
			return FOUND_OTHER;
		p = p == NULL ? NULL : p + n;
		len -= n;
		pos += (int64_t)n;
	}
	return found;
}

/* Is what t gives in the file, from pos to its end at size? */
static enum found
compare_text(struct mbox *m, struct text *t, int64_t pos, int64_t size)
{
	enum found found = FOUND_WHOLE, part;
	size_t n;
	int more;

	while ((more = text_next(t)) == 1) {
		n = t->out.len;
		if (size - pos < (int64_t)n)
			n = (size_t)(size - pos);
		part = compare_at(m->fd, t->out.data, n, pos);
		if (part == FOUND_ERROR || part == FOUND_OTHER)
			return part;
		if (n < t->out.len)
			return FOUND_TORN;
		if (part == FOUND_TORN)
			found = FOUND_TORN;
		pos += (int64_t)n;
	}
	if (more == -1 || found == FOUND_WHOLE)
		return more == -1 ? FOUND_ERROR : FOUND_WHOLE;
	return size == pos ? FOUND_TORN : compare_at(m->fd, NULL,
	    (size_t)(size - pos), pos);
}

/* 1 when the octet before pos does not end a line; -1 with errno. */
static int
needs_newline(struct mbox *m, int64_t pos)
{
	char c;

	if (pos == 0)
		return 0;
	if (io_pread_all(m->fd, &c, 1, pos - 1) == -1)
		return -1;
	return c != '\n';
}

/*
 * What an earlier attempt left at its mark.  FOUND_OTHER also when there is
 * no mark in this file.  What stands before the mark decides on the newline
 * in front, then as now; only foreign writes could change that, and then the
 * comparison fails and the message goes to the end.
 */
static enum found
look_at_mark(struct mbox *m, const struct letter *l, const struct stat *st)
{
	const struct checkpoint *mark = &l->d.checkpoint;
	struct text t;
	enum found found;
	int newline;

	if (mark->length < 0 || mark->length >= st->st_size ||
	    mark->dev != (uint64_t)st->st_dev ||
	    mark->ino != (uint64_t)st->st_ino)
		return FOUND_OTHER;
	newline = needs_newline(m, mark->length);
	if (newline == -1)
		return FOUND_ERROR;
	text_init(&t, &l->d, newline);
	found = compare_text(m, &t, mark->length, st->st_size);
	text_fini(&t);
	return found;
}

/* ---- letters ---- */

static struct letter *
add_letter(struct mbox *m, const struct delivery *d)
{
	struct letter *l;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->d = *d;
	result_init(&l->res);
	buf_init(&l->text.out, 0);
	*m->tail = l;
	m->tail = &l->next;
	if (m->at == NULL)
		m->at = l;
	if (m->go == NULL)
		m->go = l;
	return l;
}

static void
free_first(struct mbox *m)
{
	struct letter *l = m->first;

	m->first = l->next;
	if (m->first == NULL)
		m->tail = &m->first;
	if (l->is_ours)
		io_close(&l->d.message);
	text_fini(&l->text);
	result_fini(&l->res);
	free(l);
}

/* ---- the runner's records ---- */

static int
out_of_turn(struct mbox *m)
{
	m->status = EX_PROTOCOL;
	return -1;
}

/* Another message: for this user and file, whatever it says of itself. */
static int
take_more(struct mbox *m)
{
	struct delivery d = *m->d;
	struct letter *l = NULL;

	if (m->is_single)
		return 1;	/* asked for by an older dma.conf: not taken */
	if (m->ipc.nfds != 1)
		return out_of_turn(m);
	if (delivery_next_get(&m->ipc, &d) == -1)
		out_of_turn(m);
	else
		l = add_letter(m, &d);
	if (l == NULL) {
		io_close(&d.message);
		return -1;
	}
	l->is_ours = 1;
	if (delivery_check(&l->d, &l->res) == -1)
		l->state = LETTER_OVER;
	return 1;
}

/* It answers the first that waits for it, or is no answer of ours. */
static int
take_go(struct mbox *m)
{
	struct letter *l = m->go;

	while (l != m->at && l->state != LETTER_AT)
		l = l->next;
	if (l == m->at || m->ipc.id != l->d.id || ipc_done(&m->ipc) == -1)
		return out_of_turn(m);
	l->state = LETTER_GO;
	return 1;
}

/* 1 after a record, 0 when none came in time, -1 when m->status tells. */
static int
hear(struct mbox *m, int64_t deadline_ms)
{
	int n;

	if (io_wait(m->d->channel, POLLIN, deadline_ms) != 1)
		return 0;
	n = ipc_recv(m->d->channel, &m->ipc, IPC_CHANNEL_LIMIT);
	if (n == 0)
		return -1;
	if (n == 1 && m->ipc.kind == IPC_DELIVER_ACKNOWLEDGE)
		return take_go(m);
	if (n == 1 && m->ipc.kind == IPC_DELIVER_NEXT)
		return take_more(m);
	return out_of_turn(m);
}

/* ---- the places ---- */

static void
over(struct letter *l)
{
	text_fini(&l->text);
	l->state = LETTER_OVER;
}

/* Past those that need no writing any more. */
static void
skip_done(struct mbox *m)
{
	while (m->go != m->at && m->go->state != LETTER_AT &&
	    m->go->state != LETTER_GO)
		m->go = m->go->next;
}

/* 0: its text begins at start; -1: where it stands is settled already. */
static int
find_place(struct mbox *m, struct letter *l)
{
	struct stat st;
	int newline;

	if (fstat(m->fd, &st) == -1)
		return retry_errno(m, "stat");
	m->dev = (uint64_t)st.st_dev;
	m->ino = (uint64_t)st.st_ino;
	l->start = st.st_size;
	switch (look_at_mark(m, l, &st)) {
	case FOUND_WHOLE:
		l->is_found = 1;
		return -1;
	case FOUND_ERROR:
		return retry_errno(m, "cannot examine an interrupted delivery");
	case FOUND_TORN:
		l->start = l->d.checkpoint.length;
		if (ftruncate(m->fd, l->start) == -1)
			return retry_errno(m, "truncate");
		break;
	case FOUND_OTHER:
		break;
	}
	newline = needs_newline(m, l->start);
	if (newline == -1)
		return retry_errno(m, "read");
	text_init(&l->text, &l->d, newline);
	return 0;
}

/* Its place; behind one that is not written yet without a look at the file. */
static int
take_place(struct mbox *m, struct letter *l, int is_alone)
{
	if (is_alone && find_place(m, l) == -1)
		return -1;
	if (!is_alone) {
		l->start = m->end;
		text_init(&l->text, &l->d, 0);
	}
	if (text_next(&l->text) == -1)
		return result_set(m->res, STATUS_DEFERRED, "4.3.0",
		    "cannot read the message from the queue: %s",
		    strerror(errno));
	return 0;
}

/* Tells the runner where the next one begins; -1 when it is gone. */
static int
announce(struct mbox *m)
{
	struct letter *l = m->at;
	int is_alone = m->go == l;

	m->at = l->next;
	m->res = &l->res;
	if (l->state == LETTER_OVER || take_place(m, l, is_alone) == -1) {
		if (l->is_found)
			l->state = LETTER_IN;
		else
			over(l);
		skip_done(m);
		return 0;
	}
	l->state = LETTER_AT;
	m->count++;
	m->octets += l->d.length;
	m->ahead += l->text.out.len;
	m->end = l->text.is_over ? l->start + (int64_t)l->text.out.len : -1;
	/* Who leaves our records unread keeps the locks no longer for it. */
	if (io_wait(m->d->channel, POLLOUT, m->locked_ms +
	    DELIVERY_ACK_MS) != 1)
		return -1;
	return delivery_send_checkpoint(&l->d, &(struct checkpoint){ m->dev,
	    m->ino, l->start });
}

/* Others want the mailbox, too. */
static int
is_time(const struct mbox *m)
{
	return m->count >= BATCH_LETTERS || m->octets >= BATCH_OCTETS ||
	    (m->count > 0 && io_clock_ms() - m->locked_ms >= HOLD_MS);
}

static int
may_announce(const struct mbox *m)
{
	if (m->at == NULL || m->is_over || is_time(m))
		return 0;
	if (m->go == m->at)
		return 1;
	/* With a mark the file itself must be looked at. */
	return m->at->d.checkpoint.length == -1 && m->end != -1 &&
	    m->ahead < BLOCK_OCTETS;
}

/* ---- the append ---- */

/* After a failure that res tells: as if nothing had been written (-1), or 1
 * when that could not be done. */
static int
cut_back(struct mbox *m, int64_t start)
{
	return ftruncate(m->fd, start) == -1 || fsync(m->fd) == -1 ? 1 : -1;
}

/* The first block is there already. */
static int
write_text(struct mbox *m, struct text *t)
{
	int more = t->out.len > 0;

	for (; more == 1; more = text_next(t)) {
		if (io_write_all(m->fd, t->out.data, t->out.len) == -1)
			return retry_errno(m, "write");
		touch_dotlock(m);
	}
	if (more == -1)
		return result_set(m->res, STATUS_DEFERRED, "4.3.0",
		    "cannot read the message from the queue: %s",
		    strerror(errno));
	return 0;
}

/*
 * What was announced behind one that failed has no place any more: it is
 * told again, under the next lock.  First its answers must have come: one
 * that came late would be taken for that of the next place.
 */
static int
recall(struct mbox *m)
{
	struct letter *l;

	for (l = m->go; l != m->at; l = l->next)
		while (l->state == LETTER_AT)
			if (hear(m, m->locked_ms + DELIVERY_ACK_MS) != 1)
				return -1;
	for (l = m->go; l != m->at; l = l->next) {
		if (l->state != LETTER_GO)
			continue;
		text_fini(&l->text);
		l->state = LETTER_TOLD;
	}
	m->go = m->at;
	return 0;
}

/*
 * Somebody writes to the file without a lock: what was announced has no place
 * any more.  Nothing was written, and nothing of theirs is cut off.
 */
static int
move(struct mbox *m, struct letter *l)
{
	m->is_over = 1;
	if (m->is_single || ++l->moves == MOVES) {
		retry(m, "4.2.0", "is being changed without a lock");
		over(l);
		skip_done(m);
	}
	return recall(m);
}

static int
is_moved(const struct mbox *m, const struct letter *l)
{
	struct stat st;

	return fstat(m->fd, &st) == -1 || st.st_size != l->start;
}

/* -1 when what could not be cut off must stay marked: say nothing at all. */
static int
put(struct mbox *m)
{
	struct letter *l = m->go;
	int ret;

	m->res = &l->res;
	if (is_moved(m, l))
		return move(m, l);
	m->ahead -= l->text.out.len;
	ret = write_text(m, &l->text);
	over(l);
	skip_done(m);
	if (ret == 0) {
		l->state = LETTER_IN;
		if (m->from == -1)
			m->from = l->start;
		return 0;
	}
	m->is_over = 1;
	return cut_back(m, l->start) == 1 ? -1 : recall(m);
}

/* All that is at hand, as long as others do not wait too long. */
static int
fill(struct mbox *m)
{
	for (;;) {
		while (may_announce(m))
			if (announce(m) == -1)
				return -1;
		if (m->go == m->at) {
			if (m->at != NULL || m->is_over || m->is_single)
				return 0;
			/* What came while the last one was written. */
			if (hear(m, 0) == 1)
				continue;
			return m->status == EX_PROTOCOL ? -1 : 0;
		}
		if (m->go->state == LETTER_GO) {
			if (put(m) == -1)
				return -1;
		} else if (hear(m, m->locked_ms + DELIVERY_ACK_MS) != 1)
			return -1;
	}
}

/*
 * The name of a new file must be as durable as what is in it; whoever made it
 * and wrote what is found, or was killed, may not have come to that.
 */
static int
sync_file(struct mbox *m)
{
	const struct letter *l;
	int is_unsure = m->is_new || m->is_heir;

	for (l = m->first; l != NULL; l = l->next)
		is_unsure |= l->state == LETTER_IN && l->is_found;
	if (fsync(m->fd) == -1)
		return -1;
	return is_unsure ? delivery_sync_names(m->dir) : 0;
}

/* One sync for all that is in; -1 as put(). */
static int
settle(struct mbox *m)
{
	struct letter *l;
	int error = 0;

	for (l = m->first; l != NULL && l->state != LETTER_IN; l = l->next)
		;
	if (l == NULL)
		return 0;
	if (sync_file(m) == -1) {
		error = errno;
		if (m->from != -1 && cut_back(m, m->from) == 1)
			return -1;
	}
	for (; l != NULL; l = l->next) {
		if (l->state != LETTER_IN)
			continue;
		l->state = LETTER_OVER;
		m->res = &l->res;
		errno = error;
		if (error != 0)
			retry_errno(m, "sync");
		else
			result_set(m->res, STATUS_SENT, "2.0.0", "%s %s",
			    l->is_found ? "found complete in" : "appended to",
			    m->path);
	}
	return 0;
}

/* ---- one lock ---- */

static int
init(struct mbox *m, const struct delivery *d, int dir, const char *name,
    const char *path, struct result *res)
{
	int n;

	memset(m, 0, sizeof(*m));
	m->d = d;
	m->dir = dir;
	m->name = name;
	m->path = path;
	m->lock = m->fd = -1;
	m->res = res;
	m->status = 1;
	m->tail = &m->first;
	result_init(&m->reason);
	ipc_init(&m->ipc);
	/* A limit on files shall be an error here, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	n = snprintf(m->lock_name, sizeof(m->lock_name), "%s" LOCK_SUFFIX,
	    name);
	if (n < 0 || (size_t)n >= sizeof(m->lock_name))
		return retry(m, "4.2.0", "name is too long");
	if (add_letter(m, d) == NULL)
		return retry(m, "4.3.0", "out of memory");
	return 0;
}

static void
fini(struct mbox *m)
{
	while (m->first != NULL)
		free_first(m);
	result_fini(&m->reason);
	ipc_fini(&m->ipc);
}

/* Why there is no lock is what became of all. */
static void
give_up(struct mbox *m)
{
	struct letter *l;

	for (l = m->first; l != NULL; l = l->next) {
		if (l->state == LETTER_TOLD)
			result_copy(&l->res, &m->reason);
		l->state = LETTER_OVER;
	}
}

/* 0, 1 when there was no lock, or -1 when nobody may be told. */
static int
lock_and_fill(struct mbox *m, unsigned lock_wait_s)
{
	int ret = 1;

	m->res = &m->reason;
	m->poll_ms = POLL_FIRST_MS;
	m->deadline_ms = io_clock_ms() + (int64_t)lock_wait_s * 1000;
	m->at = m->go = m->first;
	m->count = 0;
	m->octets = 0;
	m->ahead = 0;
	m->from = -1;
	m->is_over = m->is_heir = 0;
	if (lock_file(m) == 0) {
		m->locked_ms = io_clock_ms();
		ret = fill(m) == -1 || settle(m) == -1 ? -1 : 0;
		/* The next one finds it there, and does not know whose. */
		if (ret == -1 && m->is_new)
			delivery_sync_names(m->dir);
	} else {
		give_up(m);
	}
	unlock(m);
	return ret;
}

int
mbox_append(const struct delivery *d, int dir, const char *name,
    const char *path, unsigned lock_wait_s, struct result *res)
{
	struct mbox m;
	int ret = 0;

	if (init(&m, d, dir, name, path, res) == 0) {
		m.is_single = 1;
		ret = lock_and_fill(&m, lock_wait_s);
		if (ret != -1)
			result_copy(res, &m.first->res);
	}
	fini(&m);
	return ret == -1 ? -1 : 0;
}

/* ---- a batch ---- */

/* Those that are over; the others are for the next lock. */
static int
say_all(struct mbox *m)
{
	while (m->first != NULL && m->first->state == LETTER_OVER) {
		if (delivery_report(&m->first->d, &m->first->res) == -1)
			return -1;
		free_first(m);
	}
	return 0;
}

/* 1 when there is more to be put in, 0 when not, -1 when m->status tells. */
static int
wait_more(struct mbox *m)
{
	int got;

	m->at = m->go = m->first;
	if (m->first != NULL) {
		if (is_time(m))
			poll(NULL, 0, REST_MS);
		return 1;
	}
	got = hear(m, io_clock_ms() + LINGER_MS);
	/* The end of the channel is the usual end. */
	return got == -1 && m->status != EX_PROTOCOL ? 0 : got;
}

int
mbox_serve(const struct delivery *d, int dir, const char *name,
    const char *path, unsigned lock_wait_s, struct result *res)
{
	int64_t until = io_clock_ms() + LIFE_MS;
	struct mbox m;
	int got, more;

	more = init(&m, d, dir, name, path, res) == 0;
	while (more == 1 && io_clock_ms() < until) {
		got = lock_and_fill(&m, lock_wait_s);
		if (got == -1 || say_all(&m) == -1)
			more = -1;
		else
			more = got == 1 ? 0 : wait_more(&m);
	}
	fini(&m);
	return more == -1 ? m.status : 0;
}
