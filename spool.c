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

#include "compat/compat.h"
#include "lib/io.h"
#include "lib/trusted_open.h"
#include "spool.h"
#include "spool/journal.h"
#include "spool/preamble.h"

#define READ_CHUNK	65536
#define START_CHUNK	(4 * 1024 * 1024)	/* bytes, to the disk at once */
#define TEXT_CHECK_MAX	(16 * 1024 * 1024)	/* bytes read while all wait */
#define HEAD_MAX	8192	/* bytes of a file that is read at once */
#define MARK		"version-2"	/* the runner understands that */
#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

/* ---- opening ---- */

#define NOT_OURS	"it belongs to another user: run \"chown _dma\" on it"

/* What others made in a spool that they could write once stays unused. */
static int
is_of(int fd, uid_t uid)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return 0;
	errno = EPERM;
	return st.st_uid == uid;
}

static int
open_folder(int at, const char *name, uid_t uid)
{
	int fd = openat(at, name, DIR_FLAGS);

	if (fd != -1 && !is_of(fd, uid))
		io_close(&fd);
	return fd;
}

static int
open_spool(const char *path, uid_t uid)
{
	int fd = open_folder(AT_FDCWD, path, uid);

	/* It may be a link to another disk. */
	if (fd == -1 && (errno == ENOTDIR || errno == ELOOP))
		fd = trusted_open(path, uid, DIR_FLAGS);
	return fd;
}

/* A directory in the spool. */
static int
open_dir(const struct spool *sp, const char *name, int make)
{
	int fd = open_folder(sp->dir, name, sp->uid);

	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(sp->dir, name, 0700) == -1 ? errno != EEXIST :
	    fsync(sp->dir) == -1)
		return -1;
	return open_folder(sp->dir, name, sp->uid);
}

int
spool_open(struct spool *sp, const char *path, struct result *res)
{
	memset(sp, 0, sizeof(*sp));
	sp->dir = sp->queue = -1;
	if (text_copy(sp->path, sizeof(sp->path), path) == -1)
		return result_set(res, STATUS_DEFERRED, "4.3.5",
		    "spool directory %s: path is longer than %d bytes", path,
		    SPOOL_PATH_MAX);
	sp->uid = geteuid();
	sp->dir = open_spool(path, sp->uid);
	if (sp->dir != -1)
		sp->queue = open_dir(sp, "queue", 1);
	if (sp->queue == -1) {
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "spool directory %s%s: %s", path, sp->dir == -1 ? "" :
		    "/queue", errno == EPERM ? NOT_OURS : strerror(errno));
		spool_close(sp);
		return -1;
	}
	return 0;
}

void
spool_close(struct spool *sp)
{
	io_close(&sp->dir);
	io_close(&sp->queue);
}

int
spool_open_folder(const struct spool *sp, const char *name,
    struct spool *folder)
{
	*folder = *sp;
	folder->dir = fcntl(sp->dir, F_DUPFD_CLOEXEC, 0);
	folder->queue = open_dir(sp, name, 0);
	if (folder->dir != -1 && folder->queue != -1)
		return 0;
	spool_close(folder);
	return -1;
}

/* ---- writing ---- */

static int
spool_trouble(struct result *res, const char *what)
{
	const char *code = "4.3.0";
	int error = errno;

	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		code = CODE_FULL;
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

time_t
spool_id_time(const char *id)
{
	char digits[9];

	if (strspn(id, "0123456789abcdef") < sizeof(digits) - 1)
		return 0;
	memcpy(digits, id, sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	return (time_t)strtoul(digits, NULL, 16);
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
	if (faccessat(AT_FDCWD, "/proc/self/fd", F_OK, AT_EACCESS) == 0) {
		fd = openat(d->sp->queue, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
		    0600);
		if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR &&
		    errno != EINVAL && errno != ENOENT))
			return fd;
	}
#endif
	tmp = open_dir(d->sp, "tmp", 1);
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

/* Not by access(2), which asks for the caller. */
static int
has_mark(const struct spool *sp)
{
	struct stat st;

	return fstatat(sp->dir, MARK, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int
draft_begin(const struct spool *sp, struct draft *d, const char *id,
    struct result *res)
{
	memset(d, 0, sizeof(*d));
	d->sp = sp;
	buf_init(&d->out, 0);
	checksum_init(&d->sum);
	d->has_sums = has_mark(sp);
	if (id == NULL)
		spool_new_id(d->id);
	else if (!message_id_ok(id) ||
	    text_copy(d->id, sizeof(d->id), id) == -1) {
		d->fd = -1;
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "invalid queue id");
	}
	d->fd = draft_open(d);
	if (d->fd == -1)
		return spool_trouble(res, "create");
	/* The preamble's text is known only at the end. */
	if (buf_space(&d->out, PREAMBLE_SIZE) != NULL) {
		memset(d->out.data, ' ', PREAMBLE_SIZE);
		buf_grown(&d->out, PREAMBLE_SIZE);
	}
	return 0;
}

static int
write_on(struct draft *d, const void *p, size_t n)
{
	if (io_write_all(d->fd, p, n) == -1)
		return -1;
	d->written += (int64_t)n;
	/* The disk works while the rest is read. */
	if (d->written - d->started >= START_CHUNK) {
		compat_start_writing(d->fd, d->started, d->written -
		    d->started);
		d->started = d->written;
	}
	return 0;
}

static int
draft_flush(struct draft *d)
{
	if (buf_failed(&d->out)) {
		errno = ENOMEM;
		return -1;
	}
	if (write_on(d, buf_str(&d->out), d->out.len) == -1)
		return -1;
	buf_reset(&d->out);
	return 0;
}

/* Only as much as will be checked. */
static void
add_to_sum(struct draft *d, const void *p, size_t n)
{
	int64_t left = TEXT_CHECK_MAX - d->length;

	if (left > 0)
		checksum_add(&d->sum, p, (int64_t)n < left ? n : (size_t)left);
}

size_t
draft_room(const struct draft *d)
{
	return DRAFT_BLOCK - ((size_t)d->written + d->out.len) % DRAFT_BLOCK;
}

int
draft_write(struct draft *d, const void *p, size_t n, struct result *res)
{
	int ret = 0;

	add_to_sum(d, p, n);
	d->length += (int64_t)n;
	if (n < DRAFT_BLOCK) {
		buf_add(&d->out, p, n);
		n = 0;
	}
	/* What is large is not copied before. */
	if (n > 0 || d->out.len >= DRAFT_BLOCK || buf_failed(&d->out))
		ret = draft_flush(d);
	if (ret == 0 && n > 0)
		ret = write_on(d, p, n);
	return ret == -1 ? spool_trouble(res, "write") : 0;
}

/* All that is left; of a small message, that is the whole file. */
static int
write_rest(struct draft *d, const struct message *m,
    const struct preamble_sums *sums)
{
	char text[PREAMBLE_SIZE];
	struct buf lines;
	int ret;

	memset(text, ' ', sizeof(text));
	buf_init(&lines, sizeof(text) - 2);
	ret = preamble_put(&lines, m, d->length, sums);
	if (ret == 0)
		memcpy(text, lines.data, lines.len);
	buf_fini(&lines);
	text[sizeof(text) - 1] = '\n';
	if (ret == -1)
		return -1;
	if (d->written > 0)
		return draft_flush(d) == -1 ? -1 :
		    io_pwrite_all(d->fd, text, sizeof(text), 0);
	if (!buf_failed(&d->out))
		memcpy(d->out.data, text, sizeof(text));
	return draft_flush(d);
}

static void
put_recipients(struct draft *d, const struct message *m,
    struct preamble_sums *sums)
{
	struct message sealed = { .text.sum = sums->text };
	struct buf lines;
	uint32_t i;

	buf_init(&lines, 0);
	for (i = 0; i < m->nrcpts; i++) {
		journal_recipient(&lines, m, i);
		if (m->rcpts[i].checkpoint.length != -1)
			journal_append(&lines, m, i);
		if (m->rcpts[i].state != RCPT_OPEN)
			journal_state(&lines, m, i, 0);
	}
	sums->records = journal_put(&d->out, &sealed, &lines);
	buf_fini(&lines);
}

int
draft_seal(struct draft *d, const struct message *m, struct result *res)
{
	struct preamble_sums sums = { d->has_sums ? checksum_value(&d->sum) :
	    0, 0 };

	put_recipients(d, m, &sums);
	if (write_rest(d, m, &sums) == -1)
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

/* A name for the moment; its lock says that its writer lives. */
static int
name_draft(struct draft *d)
{
	char path[64], name[64];
	int tmp;

	if (d->is_named)
		return 0;
	tmp = open_dir(d->sp, "tmp", 1);
	io_close(&tmp);
	if (flock(d->fd, LOCK_EX | LOCK_NB) == -1)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
	snprintf(name, sizeof(name), "tmp/%s", d->id);
	if (linkat(AT_FDCWD, path, d->sp->dir, name, AT_SYMLINK_FOLLOW) == -1)
		return -1;
	d->is_named = 1;
	return 0;
}

int
draft_replace(struct draft *d, const struct spool *folder, const char *id,
    struct result *res)
{
	char name[64];

	if (name_draft(d) == -1)
		return spool_trouble(res, "link");
	snprintf(name, sizeof(name), "tmp/%s", d->id);
	if (renameat(d->sp->dir, name, folder->queue, id) == -1)
		return spool_trouble(res, "rename");
	d->is_named = 0;
	if (fsync(folder->queue) == -1)
		return spool_trouble(res, "fsync of the directory");
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

static int
cut_tail(struct message *m)
{
	m->tail = -1;
	if (ftruncate(m->fd, m->text.offset + m->text.length +
	    m->journal) == -1)
		return -1;
	m->tail = 0;
	return 0;
}

/* What was appended last is cut off: the journal is as before. */
static int
take_back(struct message *m, struct result *res)
{
	spool_trouble(res, "journal");
	return cut_tail(m) == -1 ? spool_trouble(res, "journal") : -1;
}

static int
write_lines(struct message *m, const struct buf *lines, struct result *res)
{
	if (buf_failed(lines)) {
		errno = ENOMEM;
		return spool_trouble(res, "journal");
	}
	/* Behind what could not be cut off, it would not be read. */
	if (m->tail < 0 && cut_tail(m) == -1)
		return spool_trouble(res, "journal");
	if (io_write_all(m->fd, buf_str(lines), lines->len) == -1)
		return take_back(m, res);
	m->tail = (int64_t)lines->len;
	return 0;
}

int
spool_write(struct message *m, const struct buf *notes, struct result *res)
{
	struct buf lines;
	int ret;

	buf_init(&lines, 0);
	journal_put(&lines, m, notes);
	ret = write_lines(m, &lines, res);
	buf_fini(&lines);
	return ret;
}

int
spool_keep(struct message *m, int is_durable, struct result *res)
{
	if (is_durable && fdatasync(m->fd) == -1)
		return take_back(m, res);
	m->journal += m->tail;
	m->tail = 0;
	m->nnoted = m->nrcpts;
	return 0;
}

int
spool_append(struct message *m, const struct buf *notes, int is_durable,
    struct result *res)
{
	return spool_write(m, notes, res) == -1 ? -1 :
	    spool_keep(m, is_durable, res);
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

/* The preamble of a file, or all of one that is small. */
struct file_head {
	char	 data[HEAD_MAX];
	off_t	 size;		/* of the file */
};

static enum spool_got
read_preamble(struct message *m, struct file_head *h, struct result *res)
{
	char text[PREAMBLE_SIZE + 1];

	if (h->size < PREAMBLE_SIZE)
		return corrupt(res, "truncated preamble");
	if (io_pread_all(m->fd, h->data, h->size <= HEAD_MAX ?
	    (size_t)h->size : PREAMBLE_SIZE, 0) == -1)
		return later(res, "read");
	memcpy(text, h->data, PREAMBLE_SIZE);
	text[PREAMBLE_SIZE] = '\0';
	if (preamble_get(m, text) == -1)
		return corrupt(res, "invalid preamble");
	if (m->text.offset + m->text.length >= h->size)
		return corrupt(res, "truncated message");
	return SPOOL_GOT;
}

/* Lends the n bytes of the journal, which begin at start; NULL with errno. */
static char *
get_journal(const struct message *m, struct file_head *h, off_t start,
    size_t n, struct buf *b)
{
	if (h->size <= HEAD_MAX)
		return h->data + start;
	if (buf_space(b, n) == NULL)
		return NULL;
	return io_pread_all(m->fd, b->data, n, start) == -1 ? NULL : b->data;
}

/* What follows the text; for_write: a last line without its end is cut off. */
static enum spool_got
read_journal(struct message *m, int for_write, struct file_head *h,
    struct result *res)
{
	off_t start = m->text.offset + m->text.length;
	size_t n = (size_t)(h->size - start), used = 0;
	struct buf b;
	char *lines;
	int ret;

	if (h->size - start > JOURNAL_MAX) {
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "the journal is longer than %d MiB: mail is deferred",
		    JOURNAL_MAX / 1024 / 1024);
		return SPOOL_LATER;
	}
	buf_init(&b, 0);
	lines = get_journal(m, h, start, n, &b);
	if (lines == NULL) {
		buf_fini(&b);
		return later(res, "read");
	}
	ret = journal_fold(m, lines, n, &used);
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

/* To look at a queue is no reason to write to it. */
static int
open_message(const struct spool *sp, const char *id, int for_write)
{
	int flags = (for_write ? O_RDWR | O_APPEND : O_RDONLY) | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK;

#ifdef O_NOATIME
	int fd = openat(sp->queue, id, flags | O_NOATIME);

	/* Not for a file of another user. */
	if (fd != -1 || errno != EPERM)
		return fd;
#endif
	return openat(sp->queue, id, flags);
}

static enum spool_got
open_head(const struct spool *sp, const char *id, int for_write,
    struct message *m, struct file_head *h, struct result *res)
{
	struct stat st;

	message_init(m);
	if (!message_id_ok(id) || text_copy(m->id, sizeof(m->id), id) == -1)
		return SPOOL_GONE;
	m->fd = open_message(sp, id, for_write);
	if (m->fd == -1) {
		if (errno == ENOENT)
			return SPOOL_GONE;
		spool_trouble(res, "open");
		/* A link, a directory, a socket: no later try reads it. */
		return fstatat(sp->queue, id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISREG(st.st_mode) ? SPOOL_CORRUPT : SPOOL_LATER;
	}
	if (fstat(m->fd, &st) == -1)
		return later(res, "stat");
	if (!S_ISREG(st.st_mode))
		return corrupt(res, "not a regular file");
	h->size = st.st_size;
	return read_preamble(m, h, res);
}

enum spool_got
spool_load(const struct spool *sp, const char *id, int for_write,
    struct message *m, struct result *res)
{
	enum spool_got got;
	struct file_head h;

	got = open_head(sp, id, for_write, m, &h, res);
	return got != SPOOL_GOT ? got : read_journal(m, for_write, &h, res);
}

enum spool_got
spool_load_of(const struct spool *sp, const char *id, uint32_t uid,
    struct message *m, struct result *res)
{
	enum spool_got got;
	struct file_head h;

	got = open_head(sp, id, 0, m, &h, res);
	if (got != SPOOL_GOT)
		return got;
	return m->submitter == uid ? read_journal(m, 0, &h, res) : SPOOL_GONE;
}

enum spool_got
spool_check_text(const struct message *m, struct result *res)
{
	char chunk[READ_CHUNK];
	int64_t at = m->text.offset, end = at + m->text.length;
	struct checksum sum;
	size_t n;

	if (m->text.sum == 0 || m->text.length > TEXT_CHECK_MAX)
		return SPOOL_GOT;
	checksum_init(&sum);
	for (; at < end; at += (int64_t)n) {
		n = end - at < READ_CHUNK ? (size_t)(end - at) : READ_CHUNK;
		if (io_pread_all(m->fd, chunk, n, (off_t)at) == -1)
			return later(res, "read");
		checksum_add(&sum, chunk, n);
	}
	return checksum_value(&sum) == m->text.sum ? SPOOL_GOT : corrupt(res,
	    "the text has changed");
}

int
spool_submitter(const struct spool *sp, const char *id, uint32_t *uid)
{
	char text[PREAMBLE_SIZE + 1];
	struct message m;
	int ret;

	message_init(&m);
	m.fd = openat(sp->queue, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (m.fd == -1)
		return -1;
	ret = io_pread_all(m.fd, text, PREAMBLE_SIZE, 0);
	text[PREAMBLE_SIZE] = '\0';
	if (ret == 0)
		ret = preamble_get(&m, text);
	*uid = m.submitter;
	message_fini(&m);
	return ret;
}

int
spool_has(const struct spool *sp, const char *id)
{
	struct stat st;

	return message_id_ok(id) &&
	    fstatat(sp->queue, id, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- the directory ---- */

int
spool_open_text(const struct spool *sp, const char *id)
{
	return openat(sp->queue, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int
spool_remove(const struct spool *sp, const char *id, int is_durable)
{
	if (unlinkat(sp->queue, id, 0) == -1 && errno != ENOENT)
		return -1;
	return is_durable ? spool_sync_removed(sp) : 0;
}

int
spool_sync_removed(const struct spool *sp)
{
	return fsync(sp->queue);
}

static int
put_aside(const struct spool *sp, int from, const char *name,
    const char *where)
{
	int dir, ret;

	dir = open_dir(sp, where, 1);
	if (dir == -1)
		return -1;
	ret = renameat(from, name, dir, name);
	/* It may have been moved before, and only the sync had failed. */
	if (ret == -1 && errno == ENOENT)
		ret = faccessat(dir, name, F_OK, 0);
	/* Of two names of one file, which a power failure may leave where it
	 * cuts a rename in two, both remain. */
	if (ret == 0 && unlinkat(from, name, 0) == 0)
		ret = fsync(from);
	if (ret == 0)
		ret = fsync(dir);
	io_close(&dir);
	return ret;
}

int
spool_put_aside(const struct spool *sp, const char *id, const char *where)
{
	return put_aside(sp, sp->queue, id, where);
}

int
spool_put_other_aside(const struct spool *sp, const char *name)
{
	return put_aside(sp, sp->dir, name, "corrupt");
}

int
spool_claim(const struct message *m)
{
	struct stat st;

	if (flock(m->fd, LOCK_EX | LOCK_NB) == -1 || fstat(m->fd, &st) == -1)
		return -1;
	if (st.st_nlink > 0)
		return 0;
	errno = ENOENT;
	return -1;
}

/*
 * The runner may have it from the rename on, and put it aside again: so there
 * is no name in the folder then that is still to be removed.
 */
int
spool_put_back(const struct spool *sp, const struct spool *folder,
    const char *id)
{
	if (spool_has(sp, id)) {
		errno = EEXIST;
		return -1;
	}
	return renameat(folder->queue, id, sp->queue, id);
}

int
spool_sync_back(const struct spool *sp, const struct spool *folder)
{
	return fsync(sp->queue) == -1 ? -1 : fsync(folder->queue);
}

/* Opens a directory for reading its names; the caller closedir()s. */
static DIR *
read_dir(int at, const char *name, uid_t uid)
{
	int fd = open_folder(at, name, uid);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL)
		io_close(&fd);
	return dir;
}

/* Only a regular file can be a message. */
static int
may_be_file(const struct dirent *e)
{
#ifdef DT_REG
	return e->d_type == DT_REG || e->d_type == DT_UNKNOWN;
#else
	(void)e;
	return 1;
#endif
}

int
spool_list(const struct spool *sp, int (*each)(void *, const char *),
    void *arg)
{
	struct dirent *e;
	DIR *dir;
	int error;

	dir = read_dir(sp->queue, ".", sp->uid);
	if (dir == NULL)
		return -1;
	for (;;) {
		errno = 0;
		e = readdir(dir);
		if (e == NULL)
			break;
		if (message_id_ok(e->d_name) && may_be_file(e) &&
		    each(arg, e->d_name) != 0)
			break;
	}
	error = e == NULL ? errno : 0;
	closedir(dir);
	errno = error;
	return error == 0 ? 0 : -1;
}

size_t
spool_count(const struct spool *sp, const char *where)
{
	DIR *dir = read_dir(sp->dir, where, sp->uid);
	struct dirent *e;
	size_t n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.' && may_be_file(e);
	if (dir != NULL)
		closedir(dir);
	return n;
}

void
spool_sweep(const struct spool *sp)
{
	struct dirent *e;
	DIR *dir;
	int fd;

	dir = read_dir(sp->dir, "tmp", sp->uid);
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

/* A file of the spool that only locks are taken on. */
static int
open_lock(const struct spool *sp, const char *name)
{
	return openat(sp->dir, name, O_RDWR | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, 0600);
}

int
spool_lock(const struct spool *sp)
{
	int fd = open_lock(sp, "lock");

	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1)
		io_close(&fd);
	return fd;
}

int
spool_start_lock(const struct spool *sp)
{
	int fd = openat(sp->queue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1)
		io_close(&fd);
	return fd;
}

int
spool_lock_reason(const struct spool *sp, char *dst, size_t size)
{
	int error, fd = open_lock(sp, "lock");

	error = errno;
	if (fd != -1) {
		close(fd);
		return -1;
	}
	snprintf(dst, size, "cannot lock the spool: %s/lock: %s%s", sp->path,
	    strerror(error), error == EACCES || error == EPERM ||
	    error == EISDIR || error == ELOOP || error == ENXIO ?
	    ": remove it" : "");
	return 0;
}

void
spool_mark(const struct spool *sp)
{
	int fd = -1;

	if (!has_mark(sp))
		fd = open_lock(sp, MARK);
	io_close(&fd);
}

int
spool_standby(const struct spool *sp, int on)
{
	if (flock(sp->dir, on ? LOCK_EX | LOCK_NB : LOCK_UN) == 0)
		return 0;
	/* Not on this file system. */
	return errno == EWOULDBLOCK ? -1 : 0;
}

/* A byte of the file for each: locks end with their process. */
int
spool_hold_call(const struct spool *sp, uint32_t uid)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
	    .l_len = 1 };
	int fd = open_lock(sp, "repeats"), i;

	for (i = 0; i < CALLS_OF_USER && fd != -1; i++) {
		lock.l_start = (off_t)uid * CALLS_OF_USER + i;
		if (fcntl(fd, F_SETLK, &lock) == 0)
			return fd;
		if (errno != EACCES && errno != EAGAIN)
			break;
	}
	io_close(&fd);
	return -1;
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

int
spool_is_replaced(const struct spool *sp)
{
	struct stat named, opened;

	if (fstatat(sp->dir, "queue", &named, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT;
	return fstat(sp->queue, &opened) == 0 &&
	    (named.st_ino != opened.st_ino || named.st_dev != opened.st_dev);
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

/* A socket that is connected to the runner; -1 with errno. */
static int
wake_connect(const struct spool *sp)
{
	struct sockaddr_un sun;
	int fd = wake_socket(sp, &sun);

	if (fd != -1 && connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == -1)
		io_close(&fd);
	return fd;
}

int
spool_is_woken(const struct spool *sp)
{
	int fd = wake_connect(sp), is_there = fd != -1;

	io_close(&fd);
	return is_there;
}

int
spool_poke(const struct spool *sp, struct ipc *m)
{
	int fd = wake_connect(sp), ret;

	if (fd == -1)
		return -1;
	ret = ipc_send(fd, m);
	io_close(&fd);
	return ret;
}
