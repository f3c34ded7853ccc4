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
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/dsn.h"
#include "lib/io.h"
#include "spool.h"

#define PREAMBLE_SIZE	1024	/* octets before the text */
#define WRITE_CHUNK	65536
#define WRITE_FIRST	16384	/* most messages are smaller */
#define JOURNAL_MAX	(256 * 1024 * 1024)
#define JOURNAL_LONG	(JOURNAL_MAX / 2)	/* then words are cut */
#define JOURNAL_FULL	(JOURNAL_MAX / 4 * 3)	/* then they are left out */
#define WHY_CUT		128	/* octets of what is cut */
#define PATH_LEN_MAX	90	/* sun_path has 108 octets */
#define FIELDS_MAX	12

/* ---- opening ---- */

static int
open_dir(int at, const char *name, int make)
{
	int fd;

	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(at, name, 0700) == -1 ? errno != EEXIST :
	    at != AT_FDCWD && fsync(at) == -1)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
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

static int
id_ok(const char *id)
{
	size_t n;

	n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz");
	return n > 0 && n <= QUEUE_ID_MAX && id[n] == '\0';
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
	else if (!id_ok(id) || text_copy(d->id, sizeof(d->id), id) == -1) {
		d->fd = -1;
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "invalid queue id");
	}
	d->fd = draft_open(d);
	if (d->fd == -1)
		return spool_trouble(res, "create");
	/* The preamble's place; its text is known only at the end. */
	if (buf_space(&d->out, WRITE_FIRST) == NULL) {
		errno = ENOMEM;
		return spool_trouble(res, "create");
	}
	memset(d->out.data, ' ', PREAMBLE_SIZE);
	buf_grown(&d->out, PREAMBLE_SIZE);
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
	if (d->out.len >= WRITE_CHUNK && draft_flush(d) == -1)
		return spool_trouble(res, "write");
	return buf_failed(&d->out) ? result_set(res, STATUS_DEFERRED, "4.3.0",
	    "out of memory") : 0;
}

static const char *const ret_names[] = {
	[RET_UNSAID] = NULL, [RET_FULL] = "full", [RET_HDRS] = "hdrs",
};

static int
preamble_text(const struct draft *d, const struct message *m, struct buf *b)
{
	buf_printf(b,
	    "dma-queue 1\narrived %" PRId64 "\nsubmitter %" PRIu32 "\n"
	    "offset %d\nlength %" PRId64 "\nlines %" PRId64 "\nflags %u\n"
	    "hops %u\nsender <%s>\n", (int64_t)m->arrived, m->submitter,
	    PREAMBLE_SIZE, d->length, m->lines, m->flags, m->hops, m->sender);
	if (m->ret != RET_UNSAID)
		buf_printf(b, "ret %s\n", ret_names[m->ret]);
	if (m->envid[0] != '\0')
		buf_printf(b, "envid <%s>\n", m->envid);
	if (!buf_failed(b) && text_is_clean(m->sender, strlen(m->sender)) &&
	    (m->envid[0] == '\0' || dsn_envid_ok(m->envid)))
		return 0;
	errno = EINVAL;
	return -1;
}

static int
write_preamble(struct draft *d, const struct message *m)
{
	char text[PREAMBLE_SIZE];
	struct buf lines;
	int ret;

	memset(text, ' ', sizeof(text));
	buf_init(&lines, sizeof(text) - 2);
	ret = preamble_text(d, m, &lines);
	if (ret == 0)
		memcpy(text, lines.data, lines.len);
	buf_fini(&lines);
	if (ret == -1)
		return -1;
	text[sizeof(text) - 1] = '\n';
	/* What was never flushed is written by one system call. */
	if (d->length + PREAMBLE_SIZE < WRITE_CHUNK && !buf_failed(&d->out)) {
		memcpy(d->out.data, text, sizeof(text));
		return draft_flush(d);
	}
	if (draft_flush(d) == -1)
		return -1;
	return io_pwrite_all(d->fd, text, sizeof(text), 0);
}

int
draft_seal(struct draft *d, const struct message *m, struct result *res)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		note_rcpt(&d->out, m, i);
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
	int error, tmp;

	if (!d->is_named) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
		return linkat(AT_FDCWD, path, d->sp->queue, d->id,
		    AT_SYMLINK_FOLLOW);
	}
	tmp = open_dir(d->sp->dir, "tmp", 0);
	if (tmp == -1)
		return -1;
	error = 0;
	if (linkat(tmp, d->id, d->sp->queue, d->id, 0) == -1)
		error = errno;
	else
		unlinkat(tmp, d->id, 0);
	close(tmp);
	errno = error;
	return error == 0 ? 0 : -1;
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
	d->is_named = 0;
	return 0;
}

void
draft_drop(struct draft *d)
{
	int tmp;

	if (d->is_named) {
		tmp = open_dir(d->sp->dir, "tmp", 0);
		if (tmp != -1) {
			unlinkat(tmp, d->id, 0);
			close(tmp);
		}
	}
	d->is_named = 0;
	io_close(&d->fd);
	buf_fini(&d->out);
}

/* ---- messages in memory ---- */

/* ---- the journal, written ---- */

/* A control in a value would make another record of the rest. */
static void
put_value(struct buf *b, const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n > max || !text_is_clean(s, n))
		b->failed = 1;
	buf_add(b, s, n);
}

void
note_rcpt(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	buf_printf(b, "R\t%u\t%u\t%u\t%d\t%d\t%d\t%u\t%016" PRIx64 "\t", i,
	    r->parent, r->depth, (int)r->kind, (int)r->origin, r->is_final,
	    r->entry, r->digest);
	put_value(b, r->address, TARGET_MAX);
	buf_putc(b, '\t');
	put_value(b, r->owner == NULL ? "" : r->owner, ADDRESS_MAX);
	buf_putc(b, '\n');
	if (r->notify == 0 && r->orcpt == NULL)
		return;
	if (!dsn_notify_ok(r->notify) ||
	    (r->orcpt != NULL && !dsn_orcpt_ok(r->orcpt)))
		b->failed = 1;
	buf_printf(b, "N\t%u\t%u\t%s\n", i, r->notify,
	    r->orcpt == NULL ? "" : r->orcpt);
}

/* Octets of a reason: so few that the journal can still be read at the end. */
static size_t
why_room(const struct buf *b, const struct message *m)
{
	int64_t size = m->journal + (int64_t)b->len;

	if (size > JOURNAL_FULL)
		return 0;
	return size > JOURNAL_LONG ? WHY_CUT : REASON_MAX;
}

static void
put_result(struct buf *b, const struct message *m, const struct result *res)
{
	size_t room = why_room(b, m);

	put_value(b, res->code, sizeof(res->code) - 1);
	buf_putc(b, '\t');
	if (res->reason != NULL)
		buf_put_clean(b, res->reason, strlen(res->reason), room);
	buf_printf(b, "\t%d\t", (int)res->source);
	if (res->detail != NULL)
		buf_put_clean(b, res->detail, strlen(res->detail), room);
	buf_putc(b, '\t');
	if (res->server != NULL)
		buf_put_clean(b, res->server, strlen(res->server), room);
	buf_putc(b, '\n');
}

/* A report that is owed takes its words from the same line. */
static void
note_success(struct buf *b, const struct message *m, uint32_t i, char letter)
{
	const struct recipient *r = &m->rcpts[i];

	if (r->action < ACTION_DELIVERED) {
		buf_printf(b, "%c\t%u\n", letter, i);
		return;
	}
	buf_printf(b, "Y\t%u\t%d\t", i, (int)r->action);
	put_result(b, m, &r->last);
}

void
note_expanded(struct buf *b, const struct message *m, uint32_t i)
{
	note_success(b, m, i, 'X');
}

void
note_sent(struct buf *b, const struct message *m, uint32_t i)
{
	note_success(b, m, i, 'S');
}

void
note_failed(struct buf *b, const struct message *m, uint32_t i)
{
	buf_printf(b, "F\t%u\t%u\t", i, m->rcpts[i].attempts);
	put_result(b, m, &m->rcpts[i].last);
}

/*
 * The one record that comes again and again.  What is left of a full journal
 * is for what must not be lost: without a D it is tried again all the same.
 */
void
note_deferred(struct buf *b, const struct message *m, uint32_t i, int is_same)
{
	if (why_room(b, m) == 0)
		return;
	buf_printf(b, "D\t%u\t%u\t%" PRId64, i, m->rcpts[i].attempts,
	    (int64_t)m->rcpts[i].due);
	if (is_same) {
		buf_putc(b, '\n');
		return;
	}
	buf_putc(b, '\t');
	put_result(b, m, &m->rcpts[i].last);
}

void
note_append(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	buf_printf(b, "A\t%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t", i,
	    r->checkpoint.dev, r->checkpoint.ino, r->checkpoint.length);
	put_value(b, r->owner == NULL ? "" : r->owner, ADDRESS_MAX);
	buf_putc(b, '\n');
}

void
note_withdrawn(struct buf *b, uint32_t i)
{
	buf_printf(b, "W\t%u\n", i);
}

static void
note_plan(struct buf *b, char letter, const char *id)
{
	if (!id_ok(id))
		b->failed = 1;
	buf_printf(b, "%c\t%s\n", letter, id);
}

void
note_bounce(struct buf *b, const char *bounce_id)
{
	note_plan(b, 'B', bounce_id);
}

void
note_reported(struct buf *b, uint32_t i)
{
	buf_printf(b, "P\t%u\n", i);
}

void
note_warning(struct buf *b, const char *notice_id)
{
	note_plan(b, 'H', notice_id);
}

void
note_warned(struct buf *b)
{
	buf_puts(b, "G\n");
}

/* Who is tried by this runner, or may have got or lost a mark. */
static void
note_open(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	if (r->checkpoint.length != -1)
		note_append(b, m, i);
	else if (r->kind != ROUTE_REMOTE)
		note_withdrawn(b, i);
	if (r->tried != 0)
		note_deferred(b, m, i, 0);
}

static void
note_state(struct buf *b, const struct message *m, uint32_t i)
{
	switch (m->rcpts[i].state) {
	case RCPT_EXPANDED:
		note_expanded(b, m, i);
		break;
	case RCPT_SENT:
		note_sent(b, m, i);
		break;
	case RCPT_FAILED:
		note_failed(b, m, i);
		break;
	default:
		note_open(b, m, i);
		break;
	}
}

void
note_all(struct buf *b, const struct message *m)
{
	uint32_t i;

	for (i = m->nnoted; i < m->nrcpts; i++)
		note_rcpt(b, m, i);
	/* First who is reported: their last P ends the report in the file. */
	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].is_reported) {
			note_state(b, m, i);
			note_reported(b, i);
		}
	for (i = 0; i < m->nrcpts; i++)
		if (!m->rcpts[i].is_reported)
			note_state(b, m, i);
	if (m->bounce_id[0] != '\0')
		note_bounce(b, m->bounce_id);
	if (m->warn_id[0] != '\0')
		note_warning(b, m->warn_id);
	if (m->is_warned)
		note_warned(b);
}

int
spool_append(struct message *m, const struct buf *notes, int is_durable,
    struct result *res)
{
	off_t end;
	int error;

	if (buf_failed(notes)) {
		errno = ENOMEM;
		return spool_trouble(res, "journal");
	}
	end = lseek(m->fd, 0, SEEK_END);
	if (end == -1)
		return spool_trouble(res, "journal");
	if (io_write_all(m->fd, buf_str(notes), notes->len) == -1 ||
	    (is_durable && fdatasync(m->fd) == -1)) {
		error = errno;
		if (ftruncate(m->fd, end) == -1)
			error = errno;
		errno = error;
		return spool_trouble(res, "journal");
	}
	m->journal += (int64_t)notes->len;
	m->nnoted = m->nrcpts;
	return 0;
}

/* ---- the journal, read back ---- */

struct fields {
	char	*v[FIELDS_MAX];
	int	 n;
};

static int
number(const char *s, uint64_t max, uint64_t *v)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	*v = strtoull(s, &end, 10);
	return errno != 0 || *end != '\0' || *v > max ? -1 : 0;
}

static struct recipient *
field_rcpt(struct message *m, const struct fields *f)
{
	uint64_t i;

	if (f->n < 2 || number(f->v[1], RECIPIENTS_MAX, &i) == -1 ||
	    i >= m->nrcpts)
		return NULL;
	return &m->rcpts[i];
}

static int
fold_rcpt(struct message *m, const struct fields *f)
{
	uint64_t index, parent, depth, kind, origin, final, entry;
	struct recipient *r;

	if (f->n != 11 || number(f->v[1], RECIPIENTS_MAX, &index) == -1 ||
	    number(f->v[2], RECIPIENTS_MAX, &parent) == -1 ||
	    number(f->v[3], 1000, &depth) == -1 ||
	    number(f->v[4], ROUTE_REMOTE, &kind) == -1 ||
	    number(f->v[5], ORIGIN_FORWARD, &origin) == -1 ||
	    number(f->v[6], 1, &final) == -1 ||
	    number(f->v[7], UINT32_MAX, &entry) == -1 ||
	    index != m->nrcpts || parent > index)
		return -1;
	if (strlen(f->v[8]) != 16 ||
	    strspn(f->v[8], "0123456789abcdef") != 16 ||
	    strlen(f->v[9]) > TARGET_MAX || strlen(f->v[10]) > ADDRESS_MAX)
		return -1;
	r = message_add(m, f->v[9]);
	if (r == NULL)
		return -1;
	r->digest = strtoull(f->v[8], NULL, 16);
	r->parent = (uint32_t)parent;
	if (parent != index)
		m->rcpts[parent].nchildren++;
	r->depth = (unsigned)depth;
	r->kind = (enum route_kind)kind;
	r->origin = (enum origin)origin;
	r->is_final = (int)final;
	r->entry = (uint32_t)entry;
	if (f->v[10][0] != '\0') {
		r->owner = strdup(f->v[10]);
		if (r->owner == NULL)
			return -1;
	}
	return 0;
}

/* Right behind the recipient that it is about, so that it holds for all. */
static int
fold_notify(struct message *m, const struct fields *f)
{
	struct recipient *r;
	uint64_t notify;

	r = field_rcpt(m, f);
	if (r == NULL || f->n != 4 || r != &m->rcpts[m->nrcpts - 1] ||
	    r->notify != 0 || r->orcpt != NULL || r->state != RCPT_OPEN ||
	    r->attempts > 0 || number(f->v[2], UINT32_MAX, &notify) == -1 ||
	    !dsn_notify_ok(notify))
		return -1;
	r->notify = (unsigned)notify;
	if (f->v[3][0] == '\0')
		return 0;
	if (!dsn_orcpt_ok(f->v[3]))
		return -1;
	r->orcpt = strdup(f->v[3]);
	return r->orcpt == NULL ? -1 : 0;
}

/* Version 0.1 wrote only code and reason, with whatever path was in it. */
static void
fold_old_reply(struct recipient *r, enum status status, const struct fields *f,
    int at)
{
	if (r->kind == ROUTE_REMOTE) {
		result_set(&r->last, status, f->v[at], "%s", f->v[at + 1]);
		return;
	}
	result_set(&r->last, status, f->v[at], "%s", "");
	result_detail(&r->last, "%s", f->v[at + 1]);
}

/* From field at on: code, reason, source, detail, server. */
static int
fold_reply(struct recipient *r, enum status status, const struct fields *f,
    int at)
{
	uint64_t source;

	if (f->n < at + 2 || strlen(f->v[at]) >= sizeof(r->last.code))
		return -1;
	if (f->n == at + 2) {
		fold_old_reply(r, status, f, at);
		return 0;
	}
	if (f->n != at + 5 ||
	    number(f->v[at + 2], SOURCE__MAX - 1, &source) == -1)
		return -1;
	result_quote(&r->last, (enum source)source, status, f->v[at], "%s",
	    f->v[at + 1]);
	if (f->v[at + 3][0] != '\0')
		result_detail(&r->last, "%s", f->v[at + 3]);
	if (f->v[at + 4][0] != '\0')
		result_from_server(&r->last, f->v[at + 4]);
	return 0;
}

/* A success that the sender asked to hear of. */
static int
fold_success(struct message *m, const struct fields *f)
{
	struct recipient *r;
	uint64_t action;

	r = field_rcpt(m, f);
	if (r == NULL || f->n < 5 ||
	    number(f->v[2], ACTION_EXPANDED, &action) == -1 ||
	    action < ACTION_DELIVERED ||
	    fold_reply(r, STATUS_SENT, f, 3) == -1)
		return -1;
	if (r->action == ACTION_NONE)
		m->owed++;
	r->action = (enum action)action;
	r->state = action == ACTION_EXPANDED ? RCPT_EXPANDED : RCPT_SENT;
	return 0;
}

static int
fold_state(struct message *m, const struct fields *f)
{
	struct recipient *r;

	r = field_rcpt(m, f);
	if (r == NULL || f->n != 2)
		return -1;
	switch (f->v[0][0]) {
	case 'X':
		r->state = RCPT_EXPANDED;
		break;
	case 'S':
		r->state = RCPT_SENT;
		break;
	case 'W':
		r->checkpoint.length = -1;
		break;
	default:
		if (!recipient_is_owed(r))
			break;
		r->is_reported = 1;
		/* That report is done; what is owed next plans another. */
		if (m->owed > 0 && --m->owed == 0)
			m->bounce_id[0] = '\0';
		break;
	}
	return 0;
}

static int
fold_result(struct message *m, const struct fields *f)
{
	uint64_t attempts, due = 0;
	struct recipient *r;
	int deferred, same;

	deferred = f->v[0][0] == 'D';
	same = deferred && f->n == 4;
	r = field_rcpt(m, f);
	if (r == NULL || (f->n < 5 + deferred && !same) ||
	    number(f->v[2], UINT32_MAX, &attempts) == -1 ||
	    (deferred && number(f->v[3], INT64_MAX, &due) == -1) ||
	    (!same && fold_reply(r, deferred ? STATUS_DEFERRED :
	    STATUS_FAILED, f, 3 + deferred) == -1))
		return -1;
	r->attempts = (unsigned)attempts;
	r->due = (time_t)due;
	r->state = deferred ? RCPT_OPEN : RCPT_FAILED;
	if (!deferred && r->action == ACTION_NONE &&
	    recipient_wants(r, NOTIFY_FAILURE)) {
		r->action = ACTION_FAILED;
		m->owed++;
	}
	if (same)
		r->last.status = STATUS_DEFERRED;
	return 0;
}

static int
fold_append(struct message *m, const struct fields *f)
{
	struct recipient *r;
	uint64_t len;

	r = field_rcpt(m, f);
	if (r == NULL || f->n != 6 || strlen(f->v[5]) > ADDRESS_MAX ||
	    number(f->v[2], UINT64_MAX, &r->checkpoint.dev) == -1 ||
	    number(f->v[3], UINT64_MAX, &r->checkpoint.ino) == -1 ||
	    number(f->v[4], INT64_MAX, &len) == -1)
		return -1;
	r->checkpoint.length = (int64_t)len;
	/* Looked at before others get at the file, whatever a D said. */
	r->due = 0;
	if (r->kind != ROUTE_UNKNOWN)
		return 0;
	/* It was on its way into this user's mailbox: there it goes on. */
	r->kind = ROUTE_MAILBOX;
	free(r->owner);
	r->owner = strdup(f->v[5]);
	return r->owner == NULL ? -1 : 0;
}

/* A message that is about to be committed; id has QUEUE_ID_MAX + 1 octets. */
static int
fold_plan(char *id, const struct fields *f)
{
	if (f->n != 2 || !id_ok(f->v[1]))
		return -1;
	return text_copy(id, QUEUE_ID_MAX + 1, f->v[1]);
}

static int
fold_line(struct message *m, char *line)
{
	struct fields f;
	char *p = line;

	f.n = 0;
	while (p != NULL && f.n < FIELDS_MAX)
		f.v[f.n++] = strsep(&p, "\t");
	if (p != NULL || strlen(f.v[0]) != 1)
		return -1;
	switch (f.v[0][0]) {
	case 'R':
		return fold_rcpt(m, &f);
	case 'N':
		return fold_notify(m, &f);
	case 'Y':
		return fold_success(m, &f);
	case 'X':
	case 'S':
	case 'W':
	case 'P':
		return fold_state(m, &f);
	case 'F':
	case 'D':
		return fold_result(m, &f);
	case 'A':
		return fold_append(m, &f);
	case 'B':
		return fold_plan(m->bounce_id, &f);
	case 'H':
		return fold_plan(m->warn_id, &f);
	case 'G':
		m->is_warned = 1;
		return f.n == 1 ? 0 : -1;
	default:
		return -1;
	}
}

/* TABs part the fields; no other control is written. */
static int
line_ok(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != '\t' && !text_is_clean(p + i, 1))
			return 0;
	return 1;
}

/* Folds whole lines; *used is where the last whole line ends. */
static int
fold_journal(struct message *m, struct buf *b, size_t *used)
{
	char *p, *nl, *end;

	if (b->len == 0)
		return -1;
	p = b->data;
	end = b->data + b->len;
	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		*nl = '\0';
		if (!line_ok(p, (size_t)(nl - p)))
			return -1;
		if (fold_line(m, p) == -1)
			return -1;
		p = nl + 1;
	}
	*used = (size_t)(p - b->data);
	return m->nrcpts > 0 ? 0 : -1;
}

/* "name value\n" at *p; lends the value, NUL-terminated, and moves on. */
static const char *
preamble_line(char **p, const char *name)
{
	char *line = *p, *nl;
	size_t n = strlen(name);

	nl = strchr(line, '\n');
	if (nl == NULL || strncmp(line, name, n) != 0 || line[n] != ' ')
		return NULL;
	*nl = '\0';
	*p = nl + 1;
	return line + n + 1;
}

static int
preamble_number(char **p, const char *name, uint64_t max, uint64_t *v)
{
	const char *s;

	s = preamble_line(p, name);
	return s == NULL ? -1 : number(s, max, v);
}

/* What RFC 3461 lets a sender ask for; files without these lines do not. */
static int
read_wishes(struct message *m, char **p)
{
	const char *s;
	size_t n;

	s = preamble_line(p, "ret");
	if (s != NULL && dsn_ret(s, &m->ret) == -1)
		return -1;
	s = preamble_line(p, "envid");
	if (s == NULL)
		return 0;
	n = strlen(s);
	if (n < 2 || s[0] != '<' || s[n - 1] != '>' || n - 2 > ENVID_MAX)
		return -1;
	memcpy(m->envid, s + 1, n - 2);
	m->envid[n - 2] = '\0';
	return dsn_envid_ok(m->envid) ? 0 : -1;
}

static int
read_preamble(struct message *m, char *text)
{
	uint64_t arrived, uid, offset, length, lines, flags, hops;
	const char *s;
	char *p = text;
	size_t n;

	s = preamble_line(&p, "dma-queue");
	if (s == NULL || strcmp(s, "1") != 0 ||
	    preamble_number(&p, "arrived", INT64_MAX / 2, &arrived) == -1 ||
	    preamble_number(&p, "submitter", UINT32_MAX, &uid) == -1 ||
	    preamble_number(&p, "offset", PREAMBLE_SIZE, &offset) == -1 ||
	    preamble_number(&p, "length", INT64_MAX / 2, &length) == -1 ||
	    preamble_number(&p, "lines", INT64_MAX / 2, &lines) == -1 ||
	    preamble_number(&p, "flags", 0xff, &flags) == -1 ||
	    preamble_number(&p, "hops", UINT32_MAX, &hops) == -1)
		return -1;
	s = preamble_line(&p, "sender");
	n = s == NULL ? 0 : strlen(s);
	if (n < 2 || s[0] != '<' || s[n - 1] != '>' || n - 2 > ADDRESS_MAX ||
	    !text_is_clean(s, n) || offset != PREAMBLE_SIZE)
		return -1;
	if (read_wishes(m, &p) == -1 || strcmp(p + strspn(p, " "), "\n") != 0)
		return -1;
	memcpy(m->sender, s + 1, n - 2);
	m->sender[n - 2] = '\0';
	m->arrived = (time_t)arrived;
	m->submitter = (uint32_t)uid;
	m->offset = (int64_t)offset;
	m->length = (int64_t)length;
	m->lines = (int64_t)lines;
	m->flags = (unsigned)flags;
	m->hops = (unsigned)hops;
	return 0;
}

static enum spool_got
corrupt(struct result *res, const char *reason)
{
	result_set(res, STATUS_DEFERRED, "4.3.0", "queue file is damaged: %s",
	    reason);
	return SPOOL_CORRUPT;
}

static enum spool_got
read_back(struct message *m, int for_write, off_t size, struct result *res)
{
	char text[PREAMBLE_SIZE + 1];
	struct buf b;
	size_t n, used;
	int bad;

	if (size < PREAMBLE_SIZE)
		return corrupt(res, "truncated preamble");
	if (io_pread_all(m->fd, text, PREAMBLE_SIZE, 0) == -1) {
		spool_trouble(res, "read");
		return SPOOL_LATER;
	}
	text[PREAMBLE_SIZE] = '\0';
	if (read_preamble(m, text) == -1)
		return corrupt(res, "invalid preamble");
	if (m->offset + m->length >= size)
		return corrupt(res, "truncated message");
	if (size - m->offset - m->length > JOURNAL_MAX) {
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "the journal is longer than %d MiB: mail is deferred",
		    JOURNAL_MAX / 1024 / 1024);
		return SPOOL_LATER;
	}
	n = (size_t)(size - m->offset - m->length);
	buf_init(&b, 0);
	if (buf_space(&b, n) == NULL || io_pread_all(m->fd, b.data, n,
	    m->offset + m->length) == -1) {
		spool_trouble(res, "read");
		buf_fini(&b);
		return SPOOL_LATER;
	}
	buf_grown(&b, n);
	used = 0;
	bad = fold_journal(m, &b, &used);
	buf_fini(&b);
	if (bad == -1)
		return corrupt(res, "invalid journal");
	if (for_write && used < n && ftruncate(m->fd, m->offset + m->length +
	    (off_t)used) == -1) {
		spool_trouble(res, "cut");
		return SPOOL_LATER;
	}
	m->journal = (int64_t)used;
	m->nnoted = m->nrcpts;
	return SPOOL_GOT;
}

enum spool_got
spool_load(const struct spool *sp, const char *id, int for_write,
    struct message *m, struct result *res)
{
	struct stat st;

	message_init(m);
	if (!id_ok(id) || text_copy(m->id, sizeof(m->id), id) == -1)
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
	if (fstat(m->fd, &st) == -1) {
		spool_trouble(res, "stat");
		return SPOOL_LATER;
	}
	if (!S_ISREG(st.st_mode))
		return corrupt(res, "not a regular file");
	return read_back(m, for_write, st.st_size, res);
}

/* ---- the directory ---- */

int
spool_remove(const struct spool *sp, const char *id)
{
	return unlinkat(sp->queue, id, 0) == -1 && errno != ENOENT ? -1 : 0;
}

int
spool_put_aside(const struct spool *sp, const char *id, const char *where)
{
	int dir, error;

	dir = open_dir(sp->dir, where, 1);
	if (dir == -1)
		return -1;
	error = 0;
	/* It may have been moved before, and only the sync had failed. */
	if ((renameat(sp->queue, id, dir, id) == -1 && (errno != ENOENT ||
	    faccessat(dir, id, F_OK, 0) == -1)) || fsync(dir) == -1)
		error = errno;
	close(dir);
	errno = error;
	return error == 0 ? 0 : -1;
}

/* Opens a directory for reading its names; the caller closedir()s. */
static DIR *
read_dir(int at, const char *name)
{
	DIR *dir;
	int fd;

	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return NULL;
	dir = fdopendir(fd);
	if (dir == NULL)
		close(fd);
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
		if (id_ok(e->d_name))
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
		if (!id_ok(e->d_name))
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
	int error, fd;

	fd = openat(sp->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK, 0600);
	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
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

static void
wake_address(const struct spool *sp, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/wake", sp->path);
}

int
spool_wake_open(const struct spool *sp)
{
	struct sockaddr_un sun;
	int error, fd;

	wake_address(sp, &sun);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	/* Whoever holds the lock owns the name: what is there is stale. */
	if (unlinkat(sp->dir, "wake", 0) == -1 && errno != ENOENT)
		goto out;
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		goto out;
	return fd;
out:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int
spool_poke(const struct spool *sp, struct ipc *m)
{
	struct sockaddr_un sun;
	int error, fd;

	wake_address(sp, &sun);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	error = 0;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    ipc_send(fd, m) == -1)
		error = errno;
	close(fd);
	errno = error;
	return error == 0 ? 0 : -1;
}
