/*
 * mbox_lock.c - opens an mbox file and locks it, as mail readers do.
 * Runs as: the user.  Uses: the file and its dotlock.
 * Promise: no file but a regular one of the user's, with one name; whoever
 * takes any of the three locks is alone with it; a dotlock that nobody holds
 * any more stops nobody.
 *
 * The order is dotlock, fcntl, flock.  Others take them in another order
 * (Dovecot: fcntl, then dotlock), so none is kept while waiting for another.
 */
#include <sys/file.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/delivery.h"
#include "local/mbox_lock.h"

#define STALE_S		600	/* age of a dotlock that nobody holds */
#define TOUCH_MS	60000	/* our own dotlock is kept younger than that */
#define POLL_FIRST_MS	5	/* between two attempts to get a lock */
#define POLL_MAX_MS	250	/* doubling up to this */
#define OPEN_TRIES	10	/* while the name comes and goes */
#define LOCK_SUFFIX	".lock"
#define LOCK_TEXT	"\ndma\n"	/* in our dotlocks, after the pid */
/* Ours have it, too: the mode is on the disk with the name, the text later. */
#define LOCK_MODE	(0600 | S_ISVTX)
#ifndef NFS_SUPER_MAGIC
#define NFS_SUPER_MAGIC	0x6969
#endif

/* Of one attempt to get a lock. */
enum attempt {
	ATTEMPT_FAILED = -1,	/* the result is set */
	ATTEMPT_TAKEN,
	ATTEMPT_BUSY		/* somebody holds it */
};

/* Waits a little; -1 when the time for locks is over. */
static int
wait_a_little(struct mbox_lock *l, struct result *res)
{
	if (io_clock_ms() >= l->deadline_ms) {
		result_set(res, STATUS_DEFERRED, "4.2.0", "mailbox is locked");
		return result_detail(res, "%s", l->path);
	}
	poll(NULL, 0, l->poll_ms);
	l->poll_ms = l->poll_ms * 2 < POLL_MAX_MS ? l->poll_ms * 2 :
	    POLL_MAX_MS;
	return 0;
}

/* ---- the dotlock ---- */

/* A file that has no name for long; -1 when none can be created. */
static int
open_probe(int dir, char *name, size_t size)
{
	int fd = -1;

	name[0] = '\0';
#ifdef O_TMPFILE
	fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
#endif
	if (fd == -1) {
		snprintf(name, size, ".dma.%ld.time", (long)getpid());
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	return fd;
}

/* The file system's own time, which may be a server's. */
static time_t
file_system_time(int dir)
{
	struct stat st;
	char name[64];
	int fd;

	fd = open_probe(dir, name, sizeof(name));
	if (fd == -1)
		return time(NULL);
	if (fstat(fd, &st) == -1)
		st.st_mtime = time(NULL);
	close(fd);
	if (name[0] != '\0')
		unlinkat(dir, name, 0);
	return st.st_mtime;
}

/*
 * 1 when a dotlock is one of ours and its maker is gone: a living one holds an
 * flock on it.  That lock is then ours, in *fd.
 */
static int
is_orphan(const struct mbox_lock *l, int *fd)
{
	struct stat st;
	char text[64];
	ssize_t n;

	*fd = openat(l->dir, l->dotlock_name, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC);
	if (*fd == -1)
		return 0;
	n = io_read(*fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	if (strstr(text, LOCK_TEXT) == NULL && (fstat(*fd, &st) == -1 ||
	    (st.st_mode & 07777) != LOCK_MODE))
		return 0;
	return flock(*fd, LOCK_EX | LOCK_NB) == 0;
}

/*
 * Old, or from the future: in a directory that others can write, a date must
 * not give anybody a lasting hold on a mailbox.
 */
static int
is_stale(const struct mbox_lock *l, const struct stat *st)
{
	time_t now = file_system_time(l->dir);

	return now - st->st_mtime >= STALE_S || st->st_mtime - now >= STALE_S;
}

/* 1 when it is in the way and cannot be removed: then it means nothing. */
static int
remove_dotlock(const struct mbox_lock *l, const struct stat *seen)
{
	struct stat st;

	/* Somebody else may have put a new one there in the meantime. */
	if (fstatat(l->dir, l->dotlock_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !delivery_is_same(seen, &st) || seen->st_mtime != st.st_mtime ||
	    unlinkat(l->dir, l->dotlock_name, 0) == 0)
		return 0;
	return errno == EACCES || errno == EPERM || errno == EROFS ||
	    errno == EISDIR;
}

/*
 * Where everybody can create files, only those who may hold this mailbox can
 * lock it: its owner, by mail readers, and root and the owner of the directory,
 * by other programs that deliver.
 */
static int
is_strangers(const struct mbox_lock *l, const struct stat *st)
{
	struct stat dir;

	return fstat(l->dir, &dir) == 0 && (dir.st_mode & S_IWOTH) != 0 &&
	    st->st_uid != l->owner->uid && st->st_uid != dir.st_uid &&
	    st->st_uid != 0;
}

/*
 * The name of a dotlock can be that of another user, whose mailbox it is then.
 * -1 if the user database does not answer.
 */
static int
is_mailbox(const struct mbox_lock *l, const struct stat *st)
{
	struct user user;
	int found;

	if (st->st_uid == l->owner->uid)
		return 0;
	found = user_lookup(l->dotlock_name, &user);
	return found == -1 ? -1 : found == 0 && st->st_uid == user.uid &&
	    strcmp(user.name, l->dotlock_name) == 0;
}

/* Somebody's dotlock is in the way.  Returns as remove_dotlock(). */
static int
remove_stale(struct mbox_lock *l)
{
	struct stat st;
	int fd, mailbox, ret = 0;

	if (fstatat(l->dir, l->dotlock_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	if (is_strangers(l, &st))
		return 1;
	mailbox = is_mailbox(l, &st);
	if (mailbox != 0)
		return mailbox == 1;
	if (is_orphan(l, &fd)) {
		l->is_name_unsure = 1;
		ret = remove_dotlock(l, &st);
	} else if (is_stale(l, &st)) {
		ret = remove_dotlock(l, &st);
	}
	io_close(&fd);
	return ret;
}

static void
drop_dotlock(struct mbox_lock *l)
{
	if (l->dotlock == -1)
		return;
	if (delivery_is_named(l->dir, l->dotlock_name, l->dotlock))
		unlinkat(l->dir, l->dotlock_name, 0);
	io_close(&l->dotlock);
}

/* Who holds it, for other programs; and for us, whether that still lives. */
static int
sign_dotlock(struct mbox_lock *l)
{
	char text[64];
	int n;

	n = snprintf(text, sizeof(text), "%ld" LOCK_TEXT, (long)getpid());
	l->touched_ms = io_clock_ms();
	if (io_write_all(l->dotlock, text, (size_t)n) == -1)
		return -1;
	/* Only a hint: where it does not work, age decides. */
	(void)flock(l->dotlock, LOCK_EX | LOCK_NB);
	return 0;
}

/* -1 with errno and without a dotlock. */
static int
link_dotlock(struct mbox_lock *l)
{
#ifdef O_TMPFILE
	char path[64];

	l->dotlock = openat(l->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
	    LOCK_MODE);
	if (l->dotlock == -1)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->dotlock);
	if (sign_dotlock(l) == 0 && linkat(AT_FDCWD, path, l->dir,
	    l->dotlock_name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	io_close(&l->dotlock);
#else
	(void)l;
	errno = ENOSYS;
#endif
	return -1;
}

/*
 * The dotlock gets its name when it is signed: a kill between the two would
 * leave one that nobody can tell from a living one.
 */
static int
make_dotlock(struct mbox_lock *l)
{
	if (link_dotlock(l) == 0)
		return 0;
	if (errno == EEXIST)
		return -1;
	l->dotlock = openat(l->dir, l->dotlock_name, O_RDWR | O_CREAT |
	    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return l->dotlock == -1 || sign_dotlock(l) == -1 ? -1 : 0;
}

/* Readers of a directory where nobody can create a dotlock have none. */
static enum attempt
try_dotlock(struct mbox_lock *l, struct result *res)
{
	if (make_dotlock(l) == 0)
		return ATTEMPT_TAKEN;
	if (l->dotlock == -1 && errno == EEXIST)
		return remove_stale(l) == 1 ? ATTEMPT_TAKEN : ATTEMPT_BUSY;
	if (l->dotlock == -1 && (errno == EACCES || errno == EPERM ||
	    errno == EROFS))
		return ATTEMPT_TAKEN;
	delivery_defer_errno(res, l->path, "dotlock");
	return ATTEMPT_FAILED;
}

void
mbox_lock_touch(struct mbox_lock *l)
{
	if (l->dotlock == -1 || io_clock_ms() - l->touched_ms < TOUCH_MS)
		return;
	futimens(l->dotlock, NULL);
	l->touched_ms = io_clock_ms();
}

/* ---- fcntl and flock ---- */

/* Of the system call that returned that. */
static enum attempt
attempt(const struct mbox_lock *l, int ret, struct result *res)
{
	if (ret == 0)
		return ATTEMPT_TAKEN;
	if (errno == EAGAIN || errno == EACCES || errno == EINTR)
		return ATTEMPT_BUSY;
	delivery_defer_errno(res, l->path, "lock");
	return ATTEMPT_FAILED;
}

static enum attempt
take_fcntl(const struct mbox_lock *l, struct result *res)
{
	struct flock fl;

	memset(&fl, 0, sizeof(fl));
	fl.l_type = F_WRLCK;
	fl.l_whence = SEEK_SET;
	return attempt(l, fcntl(l->fd, F_SETLK, &fl), res);
}

/*
 * Only where flock and fcntl locks do not see each other: over NFS, and on
 * the BSDs, the second would wait for the first without end.
 */
static enum attempt
take_flock(const struct mbox_lock *l, struct result *res)
{
#ifdef __linux__
	struct statfs fs;

	if (fstatfs(l->fd, &fs) == 0 && fs.f_type == NFS_SUPER_MAGIC)
		return ATTEMPT_TAKEN;
	return attempt(l, flock(l->fd, LOCK_EX | LOCK_NB), res);
#else
	(void)l;
	(void)res;
	return ATTEMPT_TAKEN;
#endif
}

/* ---- the file ---- */

/* -1 with errno. */
static int
open_or_create(struct mbox_lock *l, int *is_new)
{
	const int how = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int tries;

	for (tries = 0; tries < OPEN_TRIES; tries++) {
		*is_new = 0;
		l->fd = openat(l->dir, l->name, how);
		if (l->fd != -1 || errno != ENOENT)
			break;
		*is_new = 1;
		l->fd = openat(l->dir, l->name, how | O_CREAT | O_EXCL, 0600);
		if (l->fd != -1 || errno != EEXIST)
			break;
	}
	return l->fd == -1 ? -1 : 0;
}

/*
 * Where the mail directory belongs to a group that may write in it, readers
 * of that group expect to be let in.  Only ever for a file created here.
 */
static void
open_to_group(const struct mbox_lock *l)
{
	struct stat dir, st;

	if (fstat(l->dir, &dir) == -1 || fstat(l->fd, &st) == -1)
		return;
	if ((dir.st_mode & S_IWGRP) != 0 && st.st_gid == dir.st_gid)
		fchmod(l->fd, 0660);	/* if it fails, 0600 is right, too */
}

static int
check_file(const struct mbox_lock *l, const struct stat *st,
    struct result *res)
{
	if (!S_ISREG(st->st_mode))
		return delivery_defer(res, l->path, "not a regular file");
	if (st->st_uid != l->owner->uid)
		return delivery_defer(res, l->path,
		    "not owned by %s: run \"chown %s %s\"", l->owner->name,
		    l->owner->name, l->path);
	if (st->st_nlink > 1)
		return delivery_defer(res, l->path,
		    "has more than one hard link");
	if ((st->st_mode & (S_ISUID | S_ISGID)) != 0)
		return delivery_defer(res, l->path,
		    "has a set-id bit: run \"chmod ug-s %s\"", l->path);
	return 0;
}

/* Why one that is there cannot be opened, and what helps. */
static int
cannot_open(const struct mbox_lock *l, struct result *res)
{
	int error = errno;
	struct stat st;

	if (error == ELOOP || error == EMLINK)
		return delivery_defer(res, l->path, "is a symbolic link");
	if (error == ENXIO || error == EISDIR)
		return delivery_defer(res, l->path, "not a regular file");
	if (error == EACCES &&
	    fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (check_file(l, &st, res) == -1)
			return -1;
		if ((st.st_mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR))
			return delivery_defer(res, l->path, "its owner cannot "
			    "read and write it: run \"chmod u+rw %s\"",
			    l->path);
	}
	errno = error;
	return delivery_defer_errno(res, l->path, "cannot open");
}

static int
open_file(struct mbox_lock *l, struct result *res)
{
	struct stat st;
	int is_new;

	if (open_or_create(l, &is_new) == -1)
		return is_new ? delivery_defer_errno(res, l->path,
		    "cannot create") : cannot_open(l, res);
	if (is_new && l->opens_to_group)
		open_to_group(l);
	if (fstat(l->fd, &st) == -1)
		return delivery_defer_errno(res, l->path, "stat");
	/* Who created an empty file may have been killed before its name was
	 * synced. */
	l->is_name_unsure |= is_new || st.st_size == 0;
	return check_file(l, &st, res);
}

/* ---- all of them ---- */

int
mbox_lock_init(struct mbox_lock *l, int dir, const char *name,
    const char *path, const struct user *owner, struct result *res)
{
	int n;

	memset(l, 0, sizeof(*l));
	l->dir = dir;
	l->name = name;
	l->path = path;
	l->owner = owner;
	l->fd = l->dotlock = -1;
	n = snprintf(l->dotlock_name, sizeof(l->dotlock_name), "%s" LOCK_SUFFIX,
	    name);
	return n < 0 || (size_t)n >= sizeof(l->dotlock_name) ?
	    delivery_defer(res, l->path, "name is too long") : 0;
}

static enum attempt
try_all(struct mbox_lock *l, struct result *res)
{
	enum attempt got;

	got = try_dotlock(l, res);
	if (got != ATTEMPT_TAKEN)
		return got;
	if (open_file(l, res) == -1)
		return ATTEMPT_FAILED;
	got = take_fcntl(l, res);
	if (got == ATTEMPT_TAKEN)
		got = take_flock(l, res);
	/* Mail readers replace the file, or remove an empty one, under these
	 * locks: so the name is looked at again. */
	if (got == ATTEMPT_TAKEN && !delivery_is_named(l->dir, l->name, l->fd))
		got = ATTEMPT_BUSY;
	return got;
}

int
mbox_lock_take(struct mbox_lock *l, unsigned wait_s, struct result *res)
{
	enum attempt got;

	l->is_name_unsure = 0;
	l->poll_ms = POLL_FIRST_MS;
	l->deadline_ms = io_clock_ms() + (int64_t)wait_s * 1000;
	for (;;) {
		got = try_all(l, res);
		if (got == ATTEMPT_TAKEN)
			return 0;
		mbox_lock_release(l);
		if (got == ATTEMPT_FAILED || wait_a_little(l, res) == -1)
			return -1;
	}
}

void
mbox_lock_release(struct mbox_lock *l)
{
	io_close(&l->fd);
	drop_dotlock(l);
}
