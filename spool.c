/*
 * spool.c - the queue directory.
 * Runs as: the spool user.  Uses: files under the spool, nothing else.
 * Promise: once draft_publish() returns 0 the message survives a power cut;
 * until then nothing of it can be seen.
 */
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "spool.h"
#include "spool/journal.h"
#include "spool/preamble.h"

#define WRITE_CHUNK	65536
#define PATH_LEN_MAX	90	/* sun_path has 108 bytes */
#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

/* ---- opening ---- */

static int
open_dir(int at, const char *name, int make)
{
	int fd;

	fd = openat(at, name, DIR_FLAGS);
	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(at, name, 0700) == -1 ? errno != EEXIST :
	    at != AT_FDCWD && fsync(at) == -1)
		return -1;
	return openat(at, name, DIR_FLAGS);
}

int
spool_open(struct spool *sp, const char *path, struct result *res)
{
	memset(sp, 0, sizeof(*sp));
	sp->dir = sp->queue = -1;
	if (strlen(path) > PATH_LEN_MAX)
		return result_set(res, STATUS_DEFERRED, "4.3.5",
		    "spool directory %s: path is longer than %d bytes", path,
		    PATH_LEN_MAX);
	sp->path = strdup(path);
	sp->dir = open_dir(AT_FDCWD, path, 0);
	if (sp->dir != -1)
		sp->queue = open_dir(sp->dir, "queue", 1);
	if (sp->path == NULL || sp->queue == -1) {
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "spool directory %s: %s", path, strerror(errno));
		spool_close(sp);
		return -1;
	}
	return 0;
}

void
spool_close(struct spool *sp)
{
	free(sp->path);
	sp->path = NULL;
	io_close(&sp->dir);
	io_close(&sp->queue);
}

/* ---- writing ---- */

static int
spool_trouble(struct result *res, const char *what)
{
	const char *code = "4.3.0";
	int error = errno;

	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		code = "4.3.1";
	result_set(res, STATUS_DEFERRED, code, "spool: %s: %s", what,
	    strerror(error));
	errno = error;		/* callers ask what it was */
	return -1;
}

void
spool_new_id(char dst[QUEUE_ID_MAX + 1])
{
	struct timespec ts;
	uint32_t salt;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		salt = (uint32_t)getpid();
	snprintf(dst, QUEUE_ID_MAX + 1, "%08" PRIx32 "%05lx%08" PRIx32,
	    (uint32_t)ts.tv_sec, (unsigned long)(ts.tv_nsec / 1000), salt);
}

/*
 * An anonymous file needs /proc to get its name later; where either is
 * missing, a name in tmp/ with a lock on it says that its writer lives.
 */
static int
draft_open(struct draft *d)
{
	int fd, tmp;

#ifdef O_TMPFILE
	if (access("/proc/self/fd", F_OK) == 0) {
		fd = openat(d->sp->queue, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
		    0600);
		if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR &&
		    errno != EINVAL && errno != ENOENT))
			return fd;
	}
#endif
	tmp = open_dir(d->sp->dir, "tmp", 1);
	if (tmp == -1)
		return -1;
	fd = openat(tmp, d->id, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	close(tmp);
	d->is_named = fd != -1;
	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1)
		io_close(&fd);
	return fd;
}

int
draft_begin(const struct spool *sp, struct draft *d, const char *id,
    struct result *res)
{
	memset(d, 0, sizeof(*d));
	d->sp = sp;
	buf_init(&d->out, 0);
	if (id == NULL)
		spool_new_id(d->id);
	else if (!message_id_ok(id) ||
	    text_copy(d->id, sizeof(d->id), id) == -1) {
		d->fd = -1;
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "invalid queue id");
	}
	d->fd = draft_open(d);
	/* The preamble's text is known only at the end. */
	if (d->fd == -1 || lseek(d->fd, PREAMBLE_SIZE, SEEK_SET) == -1)
		return spool_trouble(res, "create");
	return 0;
}

static int
draft_flush(struct draft *d)
{
	if (buf_failed(&d->out)) {
		errno = ENOMEM;
		return -1;
	}
	if (io_write_all(d->fd, buf_str(&d->out), d->out.len) == -1)
		return -1;
	buf_reset(&d->out);
	return 0;
}

int
draft_write(struct draft *d, const void *p, size_t n, struct result *res)
{
	d->length += (int64_t)n;
	buf_add(&d->out, p, n);
	if ((d->out.len >= WRITE_CHUNK || buf_failed(&d->out)) &&
	    draft_flush(d) == -1)
		return spool_trouble(res, "write");
	return 0;
}

static int
write_preamble(struct draft *d, const struct message *m)
{
	char text[PREAMBLE_SIZE];
	struct buf lines;
	int ret;

	memset(text, ' ', sizeof(text));
	buf_init(&lines, sizeof(text) - 2);
	ret = preamble_put(&lines, m, d->length);
	if (ret == 0)
		memcpy(text, lines.data, lines.len);
	buf_fini(&lines);
	text[sizeof(text) - 1] = '\n';
	if (ret == -1 || draft_flush(d) == -1)
		return -1;
	return io_pwrite_all(d->fd, text, sizeof(text), 0);
}

int
draft_seal(struct draft *d, const struct message *m, struct result *res)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		journal_recipient(&d->out, m, i);
	if (write_preamble(d, m) == -1)
		return spool_trouble(res, "write");
	if (fsync(d->fd) == -1)
		return spool_trouble(res, "fsync");
	return 0;
}

static int
give_name(struct draft *d)
{
	char path[64];

	if (!d->is_named)
		snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
	else
		snprintf(path, sizeof(path), "tmp/%s", d->id);
	return linkat(d->sp->dir, path, d->sp->queue, d->id,
	    d->is_named ? 0 : AT_SYMLINK_FOLLOW);
}

static void
drop_name(struct draft *d)
{
	char path[64];

	if (!d->is_named)
		return;
	snprintf(path, sizeof(path), "tmp/%s", d->id);
	unlinkat(d->sp->dir, path, 0);
	d->is_named = 0;
}

int
draft_publish(struct draft *d, struct result *res)
{
	if (give_name(d) == -1) {
		/* There before: then let that be as durable as ours. */
		if (errno == EEXIST && fsync(d->sp->queue) == 0)
			errno = EEXIST;
		return spool_trouble(res, "link");
	}
	if (fsync(d->sp->queue) == -1) {
		spool_trouble(res, "fsync of the directory");
		unlinkat(d->sp->queue, d->id, 0);
		return -1;
	}
	drop_name(d);
	return 0;
}

void
draft_drop(struct draft *d)
{
	drop_name(d);
	io_close(&d->fd);
	buf_fini(&d->out);
}

/* ---- the journal ---- */

int
spool_append(struct message *m, const struct buf *notes, int is_durable,
    struct result *res)
{
	off_t end;

	if (buf_failed(notes)) {
		errno = ENOMEM;
		return spool_trouble(res, "journal");
	}
	end = lseek(m->fd, 0, SEEK_END);
	if (end == -1)
		return spool_trouble(res, "journal");
	if (io_write_all(m->fd, buf_str(notes), notes->len) == -1 ||
	    (is_durable && fdatasync(m->fd) == -1)) {
		spool_trouble(res, "journal");
		if (ftruncate(m->fd, end) == -1)
			spool_trouble(res, "journal");
		return -1;
	}
	m->journal += (int64_t)notes->len;
	m->nnoted = m->nrcpts;
	return 0;
}

/* ---- reading back ---- */

static enum spool_got
corrupt(struct result *res, const char *reason)
{
	result_set(res, STATUS_DEFERRED, "4.3.0", "queue file is damaged: %s",
	    reason);
	return SPOOL_CORRUPT;
}

static enum spool_got
later(struct result *res, const char *what)
{
	spool_trouble(res, what);
	return SPOOL_LATER;
}

static enum spool_got
read_preamble(struct message *m, off_t size, struct result *res)
{
	char text[PREAMBLE_SIZE + 1];

	if (size < PREAMBLE_SIZE)
		return corrupt(res, "truncated preamble");
	if (io_pread_all(m->fd, text, PREAMBLE_SIZE, 0) == -1)
		return later(res, "read");
	text[PREAMBLE_SIZE] = '\0';
	if (preamble_get(m, text) == -1)
		return corrupt(res, "invalid preamble");
	if (m->text.offset + m->text.length >= size)
		return corrupt(res, "truncated message");
	return SPOOL_GOT;
}

/* What follows the text; for_write: a last line without its end is cut off. */
static enum spool_got
read_journal(struct message *m, int for_write, off_t size, struct result *res)
{
	off_t start = m->text.offset + m->text.length;
	size_t n = (size_t)(size - start), used = 0;
	struct buf b;
	int ret;

	if (size - start > JOURNAL_MAX) {
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "the journal is longer than %d MiB: mail is deferred",
		    JOURNAL_MAX / 1024 / 1024);
		return SPOOL_LATER;
	}
	buf_init(&b, 0);
	if (buf_space(&b, n) == NULL ||
	    io_pread_all(m->fd, b.data, n, start) == -1) {
		buf_fini(&b);
		return later(res, "read");
	}
	buf_grown(&b, n);
	ret = journal_fold(m, &b, &used);
	buf_fini(&b);
	if (ret == -1)
		return corrupt(res, "invalid journal");
	if (for_write && used < n &&
	    ftruncate(m->fd, start + (off_t)used) == -1)
		return later(res, "cut");
	m->journal = (int64_t)used;
	m->nnoted = m->nrcpts;
	return SPOOL_GOT;
}

enum spool_got
spool_load(const struct spool *sp, const char *id, int for_write,
    struct message *m, struct result *res)
{
	enum spool_got got;
	struct stat st;

	message_init(m);
	if (!message_id_ok(id) || text_copy(m->id, sizeof(m->id), id) == -1)
		return SPOOL_GONE;
	m->fd = openat(sp->queue, id, (for_write ? O_RDWR | O_APPEND :
	    O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (m->fd == -1) {
		if (errno == ENOENT)
			return SPOOL_GONE;
		spool_trouble(res, "open");
		/* A link, a directory, a socket: no later try reads it. */
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ?
		    SPOOL_CORRUPT : SPOOL_LATER;
	}
	if (fstat(m->fd, &st) == -1)
		return later(res, "stat");
	if (!S_ISREG(st.st_mode))
		return corrupt(res, "not a regular file");
	got = read_preamble(m, st.st_size, res);
	return got != SPOOL_GOT ? got :
	    read_journal(m, for_write, st.st_size, res);
}

/* ---- the directory ---- */

int
spool_open_text(const struct spool *sp, const char *id)
{
	return openat(sp->queue, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int
spool_remove(const struct spool *sp, const char *id)
{
	return unlinkat(sp->queue, id, 0) == -1 && errno != ENOENT ? -1 : 0;
}

int
spool_put_aside(const struct spool *sp, const char *id, const char *where)
{
	int dir, ret;

	dir = open_dir(sp->dir, where, 1);
	if (dir == -1)
		return -1;
	ret = renameat(sp->queue, id, dir, id);
	/* It may have been moved before, and only the sync had failed. */
	if (ret == -1 && errno == ENOENT)
		ret = faccessat(dir, id, F_OK, 0);
	if (ret == 0)
		ret = fsync(dir);
	io_close(&dir);
	return ret;
}

/* Opens a directory for reading its names; the caller closedir()s. */
static DIR *
read_dir(int at, const char *name)
{
	int fd = open_dir(at, name, 0);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL)
		io_close(&fd);
	return dir;
}

int
spool_list(const struct spool *sp, void (*each)(void *, const char *),
    void *arg)
{
	struct dirent *e;
	DIR *dir;
	int error;

	dir = read_dir(sp->dir, "queue");
	if (dir == NULL)
		return -1;
	for (;;) {
		errno = 0;
		e = readdir(dir);
		if (e == NULL)
			break;
		if (message_id_ok(e->d_name))
			each(arg, e->d_name);
	}
	error = errno;
	closedir(dir);
	errno = error;
	return error == 0 ? 0 : -1;
}

void
spool_sweep(const struct spool *sp)
{
	struct dirent *e;
	DIR *dir;
	int fd;

	dir = read_dir(sp->dir, "tmp");
	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (!message_id_ok(e->d_name))
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC |
		    O_NOFOLLOW | O_NONBLOCK);
		if (fd == -1)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(dir), e->d_name, 0);
		close(fd);
	}
	closedir(dir);
}

int
spool_lock(const struct spool *sp)
{
	int fd;

	fd = openat(sp->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK, 0600);
	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1)
		io_close(&fd);
	return fd;
}

void
spool_unlock(int *fd)
{
	if (*fd != -1)
		(void)flock(*fd, LOCK_UN);
	io_close(fd);
}

uint64_t
spool_wake_ino(const struct spool *sp)
{
	struct stat st;

	if (fstatat(sp->dir, "wake", &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return st.st_ino;
}

/* A socket and the address of the runner's; -1 with errno. */
static int
wake_socket(const struct spool *sp, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/wake", sp->path);
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int
spool_wake_open(const struct spool *sp)
{
	struct sockaddr_un sun;
	int fd = wake_socket(sp, &sun);

	if (fd == -1)
		return -1;
	/* Whoever holds the lock owns the name: what is there is stale. */
	if ((unlinkat(sp->dir, "wake", 0) == -1 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		io_close(&fd);
	return fd;
}

int
spool_poke(const struct spool *sp, struct ipc *m)
{
	struct sockaddr_un sun;
	int fd = wake_socket(sp, &sun), ret;

	if (fd == -1)
		return -1;
	ret = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
	if (ret == 0)
		ret = ipc_send(fd, m);
	io_close(&fd);
	return ret;
}
