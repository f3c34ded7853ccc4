/*
 * maildir.c - one message into one Maildir.
 * Runs as: the user.  Uses: the Maildir, its tmp, new and cur.
 * Promise: a message is in new or cur once and whole, or not at all, however
 * often an attempt is interrupted and made again.
 *
 * How: the name follows from the queue: arrival, id, index of the recipient.
 * The message is written in tmp, locked, and synced; the runner records that
 * it is about to appear (a checkpoint); then it gets its name in new.  An
 * attempt that comes with a checkpoint looks for the name in new and cur, with
 * any flags: there it was delivered.  A file of that name in tmp without a
 * lock was left by an interrupted attempt.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/delivery.h"
#include "local/maildir.h"

#define HOST_BYTES	64	/* of the host's name in a file's name */
#define TMP_TRIES	10	/* when the name in tmp comes and goes */
#define SCAN_TRIES	10	/* while a reader renames what is in cur */
#define OPEN_DIRECTORY	(O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct maildir {
	const struct delivery *d;
	const char	*path;		/* lent */
	int		 tmp, new, cur;	/* owned: the directories, or -1 */
	int		 fd;		/* owned: our file in tmp, or -1 */
	char		 name[NAME_MAX + 1];
	size_t		 own;		/* bytes of it that are unique */
	struct result	*res;
};

/* ---- names ---- */

/* ARRIVED.ID_INDEX.HOST; the host may be called otherwise the next time. */
static int
make_name(struct maildir *m)
{
	const struct delivery *d = m->d;
	const char *host = d->conf->names.mailname;
	size_t n;

	n = strlen(d->queue_id);
	if (n == 0 || strspn(d->queue_id, "0123456789abcdefghijklmnopqrstuvw"
	    "xyz") != n)
		return delivery_defer(m->res, m->path, "queue id is missing");
	if (host == NULL || *host == '\0')
		host = "localhost";
	n = (size_t)snprintf(m->name, sizeof(m->name), "%lld.%s_%lu.",
	    (long long)d->arrived, d->queue_id, (unsigned long)d->rcpt);
	m->own = n;
	snprintf(m->name + n, sizeof(m->name) - n, "%.*s", HOST_BYTES, host);
	for (; m->name[n] != '\0'; n++)
		if (strchr("/:,", m->name[n]) != NULL)
			m->name[n] = '_';
	return 0;
}

/* A directory of ours below at, made when it is missing; -1 with res. */
static int
open_own(struct maildir *m, int at, const char *name, int flags)
{
	struct stat st;
	int fd;

	if (mkdirat(at, name, 0700) == -1 && errno != EEXIST)
		return delivery_defer_errno(m->res, m->path, "cannot create");
	fd = openat(at, name, OPEN_DIRECTORY | flags);
	if (fd == -1 || fstat(fd, &st) == -1) {
		delivery_defer_errno(m->res, m->path, name);
	} else if (st.st_uid != m->d->user->uid) {
		delivery_defer(m->res, m->path, "%s is owned by uid %lu, not "
		    "by %s: chown it", name,
		    (unsigned long)st.st_uid, m->d->user->name);
	} else if ((st.st_mode & S_IWOTH) != 0) {
		delivery_defer(m->res, m->path, "%s is writable by others: "
		    "chmod o-w it", name);
	} else {
		return fd;
	}
	io_close(&fd);
	return -1;
}

/*
 * Of the three cur is made last: where it is, the names of the others are
 * durable, whoever made them, and was killed there.
 */
static int
open_cur(struct maildir *m, int dir, int top)
{
	int is_new;

	is_new = faccessat(top, "cur", F_OK, 0) == -1;
	if (is_new && (delivery_sync_names(top) == -1 ||
	    delivery_sync_names(dir) == -1))
		return delivery_defer_errno(m->res, m->path, "sync");
	m->cur = open_own(m, top, "cur", 0);
	if (m->cur != -1 && is_new && delivery_sync_names(top) == -1)
		return delivery_defer_errno(m->res, m->path, "sync");
	return m->cur == -1 ? -1 : 0;
}

static int
open_all(struct maildir *m, int dir, const char *name, int is_shared)
{
	int ret = -1, top;

	top = open_own(m, dir, name, is_shared ? O_NOFOLLOW : 0);
	if (top == -1)
		return -1;
	m->tmp = open_own(m, top, "tmp", 0);
	if (m->tmp != -1)
		m->new = open_own(m, top, "new", 0);
	if (m->new != -1)
		ret = open_cur(m, dir, top);
	close(top);
	return ret;
}

/* ---- an earlier attempt ---- */

/* 1 when our message is in that directory, with any flags; -1 with errno. */
static int
scan(struct maildir *m, int at)
{
	struct dirent *entry;
	DIR *dir;
	int error, fd, found = 0;

	fd = openat(at, ".", OPEN_DIRECTORY);
	dir = fd == -1 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		io_close(&fd);
		return -1;
	}
	errno = 0;
	while (!found && (entry = readdir(dir)) != NULL)
		found = strncmp(entry->d_name, m->name, m->own) == 0;
	error = found ? 0 : errno;
	closedir(dir);
	errno = error;
	return error != 0 ? -1 : found;
}

static int
same_time(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * A message moves from new to cur, and there from name to name; one that is
 * renamed during the scan can be missed by it.
 */
static int
is_delivered(struct maildir *m)
{
	struct stat before, after;
	int found, tries;

	found = scan(m, m->new);
	for (tries = 0; found == 0 && tries < SCAN_TRIES; tries++) {
		if (fstat(m->cur, &before) == -1)
			return -1;
		found = scan(m, m->cur);
		if (found == 0 && fstat(m->cur, &after) == 0 &&
		    same_time(&before, &after))
			break;
	}
	return found;
}

/* ---- the file in tmp ---- */

/* An attempt that is still at work holds a lock on its file. */
static int
lock_tmp(struct maildir *m)
{
	/* Where locks do not work, there is one runner all the same. */
	return flock(m->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK ?
	    0 : -1;
}

/* What an attempt left that was cut short.  -1: one is at work. */
static int
remove_stale(struct maildir *m)
{
	int ret = 0;

	m->fd = openat(m->tmp, m->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (m->fd != -1 && lock_tmp(m) == -1)
		ret = delivery_defer(m->res, m->path,
		    "another delivery is in progress");
	else if (m->fd == -1 || delivery_is_named(m->tmp, m->name, m->fd))
		unlinkat(m->tmp, m->name, 0);
	io_close(&m->fd);
	return ret;
}

static int
make_tmp(struct maildir *m)
{
	int tries;

	for (tries = 0; tries < TMP_TRIES; tries++) {
		m->fd = openat(m->tmp, m->name, O_RDWR | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
		if (m->fd == -1 && errno != EEXIST)
			return delivery_defer_errno(m->res, m->path, "tmp");
		if (m->fd != -1 && lock_tmp(m) == 0 &&
		    delivery_is_named(m->tmp, m->name, m->fd))
			return 0;
		io_close(&m->fd);
		if (remove_stale(m) == -1)
			return -1;
	}
	return delivery_defer(m->res, m->path, "cannot create a file in tmp");
}

static int
fill_tmp(struct maildir *m)
{
	switch (delivery_copy(m->d, 0, m->fd)) {
	case DELIVERY_COPIED:
		return fsync(m->fd) == 0 ? 0 :
		    delivery_defer_errno(m->res, m->path, "sync");
	case DELIVERY_UNREADABLE:
		return delivery_defer_message(m->res);
	default:
		return delivery_defer_errno(m->res, m->path, "write");
	}
}

/* ---- the name in new ---- */

static void
set_sent(struct maildir *m, const char *how)
{
	result_set(m->res, STATUS_SENT, "2.0.0", "%s mailbox", how);
	result_detail(m->res, "%s", m->path);
}

/*
 * 0 when res is set, -1 when the checkpoint must stay.  Nobody else has this
 * name: what it could replace in new is the same message.
 */
static int
appear(struct maildir *m)
{
	if (renameat(m->tmp, m->name, m->new, m->name) == -1) {
		delivery_defer_errno(m->res, m->path, "new");
		return 0;
	}
	if (delivery_sync_names(m->new) == 0) {
		set_sent(m, "delivered to");
		return 0;
	}
	/* Not durable: taken back, unless a reader has it already. */
	delivery_defer_errno(m->res, m->path, "sync");
	return unlinkat(m->new, m->name, 0);
}

/* 0 when res is set, -1 when nothing may be reported. */
static int
deliver(struct maildir *m)
{
	struct checkpoint at = { 0, 0, 0 };
	struct stat st;
	int found = 0;

	if (m->d->checkpoint.length >= 0)
		found = is_delivered(m);
	if (found == 1 && (delivery_sync_names(m->new) == -1 ||
	    delivery_sync_names(m->cur) == -1))
		return -1;
	if (found == 1) {
		set_sent(m, "found complete in");
		return 0;
	}
	if (found == -1)
		return -1;	/* unknown: the checkpoint stays */
	if (fill_tmp(m) == -1)
		return 0;
	if (fstat(m->fd, &st) == -1) {
		delivery_defer_errno(m->res, m->path, "stat");
		return 0;
	}
	at.dev = (uint64_t)st.st_dev;
	at.ino = (uint64_t)st.st_ino;
	if (delivery_record_checkpoint(m->d, &at) == -1)
		return -1;
	return appear(m);
}

int
maildir_put(const struct delivery *d, int dir, const char *name,
    const char *path, int is_shared, struct result *res)
{
	struct maildir m;
	int ret = 0;

	memset(&m, 0, sizeof(m));
	m.d = d;
	m.path = path;
	m.tmp = m.new = m.cur = m.fd = -1;
	m.res = res;
	if (make_name(&m) == 0 && open_all(&m, dir, name, is_shared) == 0 &&
	    make_tmp(&m) == 0) {
		ret = deliver(&m);
		if (delivery_is_named(m.tmp, m.name, m.fd))
			unlinkat(m.tmp, m.name, 0);
	}
	io_close(&m.fd);
	io_close(&m.tmp);
	io_close(&m.new);
	io_close(&m.cur);
	return ret;
}
