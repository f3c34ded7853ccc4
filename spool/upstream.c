/*
 * upstream.c - takes over the queue of upstream dma.
 * Runs as: the spool user.  Uses: files under the spool, nothing else.
 * Promise: each message is delivered by upstream or by us, whatever is killed
 * when: it is committed here under an id that follows from its name there,
 * and nothing of it is delivered before its files there are gone.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/io.h"
#include "lib/mail.h"
#include "spool/upstream.h"

#define NAMES_MAX	100000	/* in one pass; later ones are for the next */
#define MEMBERS_MAX	64	/* recipients that become one message */
#define CHUNK		65536	/* bytes of a text in memory */
#define OPEN_FLAGS	(O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

#define BUSY		"another process is using it"
#define UNREADABLE	"_dma cannot read it: run \"chgrp _dma\" on it"

enum found {
	FOUND_GOOD,
	FOUND_GONE,		/* there is none, or not any more */
	FOUND_LATER,		/* locked, or it cannot be read now */
	FOUND_BAD		/* it is damaged */
};

struct name {
	char	 text[UPSTREAM_NAME_MAX + 1];
	int	 is_done;
};

/* The two files of a recipient; for as long as they are open, locked. */
struct pair {
	const char	*name;		/* lent */
	int		 q, m;		/* owned; or -1 */
	struct stat	 q_st, m_st;
	struct upstream_envelope envelope;
};

struct takeover {
	const struct spool	*sp;
	const struct conf_names	*names;
	const struct log	*log;
	struct name		*list;	/* owned, sorted */
	size_t			 n, cap;
	struct upstream_left	*left;
	char			 reason[128];	/* of what was found last */
	int			 is_look;
	/* The members that become one message. */
	struct pair		 members[MEMBERS_MAX];
	unsigned		 nmembers;
};

/* ---- reading the queue of upstream ---- */

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text,
	    ((const struct name *)b)->text);
}

/* A directory is never one, and could not be moved. */
static int
may_be_q(const struct dirent *e)
{
#ifdef DT_DIR
	if (e->d_type == DT_DIR)
		return 0;
#endif
	return e->d_name[0] == 'Q';
}

static int
add_name(struct takeover *t, const char *text)
{
	char id[QUEUE_ID_MAX + 1];

	if (t->n == NAMES_MAX || upstream_id(text, id) == -1)
		return 0;
	if (array_grow(&t->list, &t->cap, t->n, sizeof(*t->list)) == -1)
		return -1;
	t->list[t->n].is_done = 0;
	return text_copy(t->list[t->n++].text, sizeof(t->list->text), text);
}

static void
list_names(struct takeover *t)
{
	struct dirent *e;
	DIR *dir;
	int fd;

	fd = openat(t->sp->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd == -1 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		io_close(&fd);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (may_be_q(e) && add_name(t, e->d_name + 1) == -1)
			break;
	closedir(dir);
	if (t->n > 0)
		qsort(t->list, t->n, sizeof(*t->list), compare);
}

/* Those that were submitted together: the same inode. */
static int
are_kin(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");

	return strncmp(a, b, n + 1) == 0;
}

static enum found
found(struct takeover *t, enum found what, const char *reason)
{
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	return what;
}

static void
file_name(char dst[UPSTREAM_NAME_MAX + 2], char letter, const char *name)
{
	snprintf(dst, UPSTREAM_NAME_MAX + 2, "%c%.*s", letter,
	    UPSTREAM_NAME_MAX, name);
}

/*
 * Upstream locks the Q file as long as it delivers that recipient, and the M
 * file, which those of one submission share, as long as it delivers any.
 */
static enum found
open_file(struct takeover *t, char letter, const char *name, int *fd,
    struct stat *st)
{
	char file[UPSTREAM_NAME_MAX + 2];

	file_name(file, letter, name);
	*fd = openat(t->sp->dir, file, OPEN_FLAGS);
	if (*fd == -1 && errno == ENOENT)
		return FOUND_GONE;
	if (*fd == -1 && errno != ELOOP && errno != ENXIO)
		return found(t, FOUND_LATER, errno == EACCES ? UNREADABLE :
		    strerror(errno));
	if (*fd == -1 || (fstat(*fd, st) == 0 && !S_ISREG(st->st_mode)))
		return found(t, FOUND_BAD, "it is not a regular file");
	if (flock(*fd, LOCK_SH | LOCK_NB) == -1)
		return found(t, FOUND_LATER, errno == EWOULDBLOCK ? BUSY :
		    strerror(errno));
	/* Delivered after it was opened. */
	if (fstat(*fd, st) == -1)
		return found(t, FOUND_LATER, strerror(errno));
	return st->st_nlink == 0 ? FOUND_GONE : FOUND_GOOD;
}

static enum found
read_envelope(struct takeover *t, struct pair *p)
{
	char text[UPSTREAM_Q_MAX];
	const char *reason;

	if (p->q_st.st_nlink != 1)
		return found(t, FOUND_BAD, "it has several names");
	if (p->q_st.st_size > UPSTREAM_Q_MAX)
		return found(t, FOUND_BAD, "it is too long");
	if (io_pread_all(p->q, text, (size_t)p->q_st.st_size, 0) == -1)
		return found(t, FOUND_LATER, strerror(errno));
	reason = upstream_parse(text, (size_t)p->q_st.st_size, p->name,
	    &p->envelope);
	return reason == NULL ? FOUND_GOOD : found(t, FOUND_BAD, reason);
}

static enum found
open_q(struct takeover *t, struct pair *p, const char *name)
{
	enum found what;

	p->name = name;
	p->q = p->m = -1;
	what = open_file(t, 'Q', name, &p->q, &p->q_st);
	return what == FOUND_GOOD ? read_envelope(t, p) : what;
}

/* Else the sender of this message would receive another's text. */
static enum found
open_m(struct takeover *t, struct pair *p)
{
	enum found what = open_file(t, 'M', p->name, &p->m, &p->m_st);

	if (what == FOUND_GONE)
		return found(t, FOUND_BAD, "its M file is missing");
	if (what == FOUND_GOOD && (p->m_st.st_uid != p->q_st.st_uid ||
	    p->m_st.st_gid != p->q_st.st_gid))
		return found(t, FOUND_BAD, "its M file has another owner");
	return what;
}

static void
pair_close(struct pair *p)
{
	io_close(&p->q);
	io_close(&p->m);
}

/* ---- files that are not taken over ---- */

static void
leave(struct takeover *t, struct name *n)
{
	n->is_done = 1;
	if (t->left->n++ > 0)
		return;
	text_copy(t->left->name, sizeof(t->left->name), n->text);
	text_copy(t->left->reason, sizeof(t->left->reason), t->reason);
}

/* Never looked at again, but kept; the envelope last. */
static void
put_aside(struct takeover *t, struct name *n)
{
	char q[UPSTREAM_NAME_MAX + 2], m[UPSTREAM_NAME_MAX + 2];

	file_name(q, 'Q', n->text);
	file_name(m, 'M', n->text);
	if (t->is_look || (spool_put_other_aside(t->sp, m) == -1 &&
	    errno != ENOENT) || spool_put_other_aside(t->sp, q) == -1) {
		leave(t, n);
		return;
	}
	n->is_done = 1;
	log_say(t->log, LOG_LEVEL_ERROR, "queue file %s of upstream dma is "
	    "damaged: %s; moved to %s/corrupt", q, t->reason, t->sp->path);
}

static void
not_good(struct takeover *t, struct name *n, enum found what)
{
	if (what == FOUND_BAD)
		put_aside(t, n);
	else if (what == FOUND_LATER)
		leave(t, n);
	n->is_done = 1;
}

/* ---- the text ---- */

struct upstream_text {
	struct draft	*draft;
	struct message	*m;
	struct mail_facts facts;
	struct buf	 bytes;		/* not used yet */
	int		 in_header;
};

static enum found
put_text(struct takeover *t, struct upstream_text *x, const char *p, size_t n)
{
	struct result res;
	enum found what = FOUND_GOOD;

	mail_count(&x->facts, p, n);
	result_init(&res);
	if (draft_write(x->draft, p, n, &res) == -1)
		what = found(t, FOUND_LATER, res.reason != NULL ?
		    res.reason : "write");
	result_fini(&res);
	return what;
}

/* Bytes of the header, once it is all there; -1 before. */
static ssize_t
header_length(const struct buf *b, int at_end)
{
	const char *p = buf_str(b), *end = p + b->len, *nl;
	enum header_line kind;

	while (p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL && !at_end)
			return -1;
		kind = header_line_kind(p, (size_t)(end - p));
		if (kind == HEADER_LINE_BLANK || kind == HEADER_LINE_OTHER)
			return p - b->data;
		p = nl == NULL ? end : nl + 1;
	}
	return at_end ? (ssize_t)b->len : -1;
}

static void
ignore_bad(void *arg, const char *field, const char *text, size_t len)
{
	(void)arg;
	(void)field;
	(void)text;
	(void)len;
}

static enum found
put_header(struct takeover *t, struct upstream_text *x, size_t len)
{
	struct header_env env = { .mailname = t->names->mailname,
	    .sender = x->m->sender, .queue_id = x->draft->id,
	    .version = DMA_VERSION, .now = time(NULL), .bad = ignore_bad,
	    .from = (enum header_from)t->names->from };
	enum found what = FOUND_GOOD;
	struct buf out;

	x->in_header = 0;
	x->facts.in_header = 1;
	buf_init(&out, 2 * HEADER_MAX);
	if (header_repair(buf_str(&x->bytes), len, &env, &out,
	    &x->m->text.hops) == -1)
		what = found(t, FOUND_LATER, "its header is too large");
	else
		what = put_text(t, x, buf_str(&out), out.len);
	x->facts.in_header = 0;
	buf_fini(&out);
	/* With the empty line after it, which is there again. */
	buf_drop(&x->bytes, len);
	if (x->bytes.len > 0 && x->bytes.data[0] == '\n')
		buf_drop(&x->bytes, 1);
	return what;
}

static enum found
use_text(struct takeover *t, struct upstream_text *x, int at_end)
{
	enum found what = FOUND_GOOD;
	ssize_t len;

	if (x->in_header) {
		len = header_length(&x->bytes, at_end);
		if (len == -1 && x->bytes.len <= HEADER_MAX)
			return FOUND_GOOD;
		if (len == -1)
			return found(t, FOUND_BAD, "its header is too large");
		what = put_header(t, x, (size_t)len);
	}
	if (what == FOUND_GOOD && x->bytes.len > 0)
		what = put_text(t, x, x->bytes.data, x->bytes.len);
	buf_reset(&x->bytes);
	return what;
}

static enum found
copy_text(struct takeover *t, struct draft *draft, struct message *m)
{
	struct upstream_text x = { .draft = draft, .m = m, .in_header = 1 };
	enum found what = FOUND_GOOD;
	char chunk[CHUNK];
	struct mail_input input;
	ssize_t n = 1;

	buf_init(&x.bytes, 0);
	mail_input_init(&input, 0);
	while (what == FOUND_GOOD && n > 0) {
		n = io_read(t->members[0].m, chunk, sizeof(chunk));
		if (n > 0)
			mail_input(&input, chunk, (size_t)n, &x.bytes);
		else
			mail_input_end(&input, &x.bytes);
		what = n == -1 || buf_failed(&x.bytes) ? found(t, FOUND_LATER,
		    strerror(errno)) : use_text(t, &x, n == 0);
	}
	m->text.lines = x.facts.lines;
	m->text.flags = x.facts.flags;
	m->text.length = draft->length;
	buf_fini(&x.bytes);
	return what;
}

/* ---- the message ---- */

static int
add_recipient(struct message *m, const struct upstream_envelope *e)
{
	struct recipient *r = message_add(m, e->recipient);

	if (r == NULL || e->is_address)
		return r == NULL ? -1 : 0;
	r->state = RCPT_FAILED;
	r->action = ACTION_FAILED;
	result_set(&r->last, STATUS_FAILED, "5.1.3", "not an address");
	return 0;
}

/* The time that upstream counts from. */
static time_t
arrival(const struct stat *st)
{
	time_t now = time(NULL);

	return st->st_mtime > 0 && st->st_mtime < now ? st->st_mtime : now;
}

static int
fill_message(struct takeover *t, struct message *m)
{
	const struct pair *first = &t->members[0];
	unsigned i;

	m->submitter = first->q_st.st_uid;
	m->arrived = arrival(&first->m_st);
	text_copy(m->sender, sizeof(m->sender), first->envelope.sender);
	for (i = 0; i < t->nmembers; i++)
		if (add_recipient(m, &t->members[i].envelope) == -1)
			return -1;
	return 0;
}

static enum found
commit(struct takeover *t, struct message *m)
{
	enum found what = FOUND_LATER;
	struct draft draft;
	struct result res;
	int ret;

	if (upstream_id(t->members[0].name, m->id) == -1 ||
	    fill_message(t, m) == -1)
		return found(t, FOUND_LATER, "out of memory");
	result_init(&res);
	ret = draft_begin(t->sp, &draft, m->id, &res);
	if (ret == 0)
		what = copy_text(t, &draft, m);
	if (what == FOUND_GOOD) {
		ret = draft_seal(&draft, m, &res);
		if (ret == 0)
			ret = draft_publish(&draft, &res);
	}
	draft_drop(&draft);
	if (ret == -1)
		what = found(t, FOUND_LATER, res.reason != NULL ?
		    res.reason : "out of memory");
	result_fini(&res);
	return what;
}

/* ---- upstream's files ---- */

/* The envelope last: without its message it is as good as gone. */
static int
remove_files(struct takeover *t, const char *name)
{
	char q[UPSTREAM_NAME_MAX + 2], m[UPSTREAM_NAME_MAX + 2];

	file_name(q, 'Q', name);
	file_name(m, 'M', name);
	if ((unlinkat(t->sp->dir, m, 0) == -1 && errno != ENOENT) ||
	    (unlinkat(t->sp->dir, q, 0) == -1 && errno != ENOENT)) {
		found(t, FOUND_LATER, strerror(errno));
		return -1;
	}
	return 0;
}

/*
 * The first of them last: as long as it is there, the next runner finds the
 * message by its id.  If none can be removed, the message stays upstream's;
 * if some can, it may be delivered twice, which is better than not at all.
 */
static int
remove_members(struct takeover *t, const struct message *m)
{
	unsigned i = t->nmembers;

	while (i > 0 && remove_files(t, t->members[i - 1].name) == 0)
		i--;
	if (i == t->nmembers)
		(void)spool_remove(t->sp, m->id, 1);
	return i == 0 ? 0 : -1;
}

/* ---- one message ---- */

static int
is_member(const struct takeover *t, const struct pair *p)
{
	const struct pair *first = &t->members[0];

	return p->m_st.st_dev == first->m_st.st_dev &&
	    p->m_st.st_ino == first->m_st.st_ino &&
	    p->q_st.st_uid == first->q_st.st_uid &&
	    strcmp(p->envelope.sender, first->envelope.sender) == 0;
}

/* All recipients of the message whose first one is at i. */
static void
gather(struct takeover *t, size_t i)
{
	struct pair *p;

	for (i++; i < t->n && t->nmembers < MEMBERS_MAX &&
	    are_kin(t->members[0].name, t->list[i].text); i++) {
		if (t->list[i].is_done)
			continue;
		p = &t->members[t->nmembers];
		if (open_q(t, p, t->list[i].text) == FOUND_GOOD &&
		    open_m(t, p) == FOUND_GOOD && is_member(t, p)) {
			t->list[i].is_done = 1;
			t->nmembers++;
		} else {
			pair_close(p);
		}
	}
}

static void
take_message(struct takeover *t, struct name *n)
{
	struct message m;
	enum found what;

	message_init(&m);
	what = commit(t, &m);
	if (what == FOUND_GOOD && remove_members(t, &m) == -1)
		what = FOUND_LATER;
	if (what == FOUND_GOOD) {
		log_say(t->log, LOG_LEVEL_INFO, "id=%s taken over from "
		    "upstream dma, where it is %s", m.id, n->text);
	} else {
		not_good(t, n, what);
		t->left->n += t->nmembers - 1;
	}
	message_fini(&m);
}

static void
take_one(struct takeover *t, size_t i)
{
	struct pair *first = &t->members[0];
	struct name *n = &t->list[i];
	enum found what;

	what = open_q(t, first, n->text);
	if (what == FOUND_GOOD)
		what = open_m(t, first);
	t->nmembers = 1;
	if (what != FOUND_GOOD) {
		not_good(t, n, what);
	} else if (t->is_look) {
		t->left->nready++;
	} else {
		gather(t, i);
		take_message(t, n);
	}
	n->is_done = 1;
	while (t->nmembers > 0)
		pair_close(&t->members[--t->nmembers]);
}

/* ---- after a kill ---- */

static int
has_recipient(const struct message *m, const char *address)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].parent == i &&
		    strcmp(m->rcpts[i].address, address) == 0)
			return 1;
	return 0;
}

/* Messages that were committed here and still have upstream's files. */
static void
finish_one(struct takeover *t, const struct message *m, struct name *n)
{
	struct pair p;
	enum found what = open_q(t, &p, n->text);

	if (what == FOUND_GOOD && strcmp(p.envelope.sender, m->sender) == 0 &&
	    has_recipient(m, p.envelope.recipient)) {
		if (remove_files(t, n->text) == -1)
			leave(t, n);
		n->is_done = 1;
	}
	pair_close(&p);
}

/*
 * The message whose first recipient is at i is in the queue.  If it cannot be
 * read, nobody knows which of the others are in it.
 */
static void
finish(struct takeover *t, size_t i, const char *id)
{
	struct message m;
	struct result res;
	enum spool_got got;
	size_t k = i;

	result_init(&res);
	got = spool_load(t->sp, id, 0, &m, &res);
	found(t, FOUND_LATER, "a message is in the queue by its id");
	while (k < t->n && are_kin(t->list[i].text, t->list[k].text))
		k++;
	while (k-- > i) {
		if (got == SPOOL_GOT && !t->list[k].is_done)
			finish_one(t, &m, &t->list[k]);
		if (!t->list[k].is_done && (got != SPOOL_GOT || k == i))
			leave(t, &t->list[k]);
	}
	message_fini(&m);
	result_fini(&res);
}

/* ---- all of them ---- */

static void
take_all(struct takeover *t)
{
	char id[QUEUE_ID_MAX + 1];
	size_t i;

	for (i = 0; i < t->n && !t->is_look; i++)
		if (!t->list[i].is_done &&
		    upstream_id(t->list[i].text, id) == 0 &&
		    spool_has(t->sp, id))
			finish(t, i, id);
	for (i = 0; i < t->n; i++)
		if (!t->list[i].is_done)
			take_one(t, i);
	/* Upstream's files must not come back after ours was delivered. */
	if (t->n > 0 && !t->is_look && fsync(t->sp->dir) == -1)
		log_say(t->log, LOG_LEVEL_ERROR, "spool directory %s: %s",
		    t->sp->path, strerror(errno));
}

static void
go_through(const struct spool *sp, const struct conf_names *names,
    const struct log *log, struct upstream_left *left)
{
	struct takeover *t = calloc(1, sizeof(*t));

	memset(left, 0, sizeof(*left));
	if (t == NULL)
		return;
	t->sp = sp;
	t->names = names;
	t->log = log;
	t->left = left;
	t->is_look = log == NULL;
	list_names(t);
	take_all(t);
	free(t->list);
	free(t);
}

static int
is_same(const struct upstream_left *a, const struct upstream_left *b)
{
	return a->n == b->n && strcmp(a->name, b->name) == 0 &&
	    strcmp(a->reason, b->reason) == 0;
}

void
upstream_take(const struct spool *sp, const struct conf_names *names,
    const struct log *log, struct upstream_left *left)
{
	struct upstream_left before = *left;

	go_through(sp, names, log, left);
	if (left->n > 0 && !is_same(left, &before))
		log_say(log, LOG_LEVEL_WARNING, "mail of upstream dma for "
		    "%u recipient%s is left in %s: Q%s: %s", left->n,
		    left->n == 1 ? "" : "s", sp->path, left->name,
		    left->reason);
}

void
upstream_look(const struct spool *sp, struct upstream_left *left)
{
	go_through(sp, NULL, NULL, left);
}
