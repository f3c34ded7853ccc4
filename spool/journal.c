/*
 * journal.c - what became of a message, as lines at the end of its file.
 * Runs as: the spool user.  Uses: nothing; structures in, text out, and back.
 * Promise: what is noted is folded to the same message again; a line that is
 * not understood makes the journal damaged, not the message lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/dsn.h"
#include "lib/text.h"
#include "spool/journal.h"

#define JOURNAL_LONG	(JOURNAL_MAX / 2)	/* then reasons are cut */
#define JOURNAL_FULL	(JOURNAL_MAX / 4 * 3)	/* then they are left out */
#define REASON_CUT	128	/* bytes of what is cut */
#define FIELDS_MAX	12

/* ---- written ---- */

/* A control in a value would make another record of the rest. */
static void
put_value(struct buf *b, const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n > max || !text_is_clean(s, n))
		b->failed = 1;
	buf_add(b, s, n);
}

static void
put_wishes(struct buf *b, const struct recipient *r, uint32_t i)
{
	if (r->notify == 0 && r->orcpt == NULL)
		return;
	if (!dsn_notify_ok(r->notify) ||
	    (r->orcpt != NULL && !dsn_orcpt_ok(r->orcpt)))
		b->failed = 1;
	buf_printf(b, "N\t%u\t%u\t%s\n", i, r->notify,
	    r->orcpt == NULL ? "" : r->orcpt);
}

void
journal_recipient(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	buf_printf(b, "R\t%u\t%u\t%u\t%d\t%d\t%d\t%u\t%016" PRIx64 "\t", i,
	    r->parent, r->depth, (int)r->kind, (int)r->origin, r->is_final,
	    r->entry.index, r->entry.digest);
	put_value(b, r->address, TARGET_MAX);
	buf_putc(b, '\t');
	put_value(b, r->owner == NULL ? "" : r->owner, ADDRESS_MAX);
	buf_putc(b, '\n');
	put_wishes(b, r, i);
	if (r->sender == NULL)
		return;
	buf_printf(b, "O\t%u\t", i);
	put_value(b, r->sender, ADDRESS_MAX);
	buf_putc(b, '\n');
}

/* Bytes of a reason: so few that the journal can still be read at the end. */
static size_t
reason_room(const struct buf *b, const struct message *m)
{
	int64_t size = m->journal + (int64_t)b->len;

	if (size > JOURNAL_FULL)
		return 0;
	return size > JOURNAL_LONG ? REASON_CUT : REASON_MAX;
}

static void
put_text(struct buf *b, const char *s, size_t room)
{
	if (s != NULL)
		buf_put_clean(b, s, strlen(s), room);
}

static void
put_result(struct buf *b, const struct message *m, const struct result *res)
{
	size_t room = reason_room(b, m);

	put_value(b, res->code, sizeof(res->code) - 1);
	buf_putc(b, '\t');
	put_text(b, res->reason, room);
	buf_printf(b, "\t%d\t", (int)res->source);
	put_text(b, res->detail, room);
	buf_putc(b, '\t');
	put_text(b, res->server, room);
	buf_putc(b, '\n');
}

/* A report that is owed takes its text from the same line. */
static void
note_success(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	if (r->action < ACTION_DELIVERED) {
		buf_printf(b, "%c\t%u\n", r->state == RCPT_SENT ? 'S' : 'X', i);
		return;
	}
	buf_printf(b, "Y\t%u\t%d\t", i, (int)r->action);
	put_result(b, m, &r->last);
}

/*
 * The one record that comes again and again.  What is left of a full journal
 * is for what must not be lost: without a D it is tried again all the same.
 */
static void
note_deferred(struct buf *b, const struct message *m, uint32_t i, int is_same)
{
	if (reason_room(b, m) == 0)
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
journal_state(struct buf *b, const struct message *m, uint32_t i, int is_same)
{
	const struct recipient *r = &m->rcpts[i];

	if (r->state == RCPT_OPEN) {
		note_deferred(b, m, i, is_same);
	} else if (r->state == RCPT_FAILED) {
		buf_printf(b, "F\t%u\t%u\t", i, r->attempts);
		put_result(b, m, &r->last);
	} else {
		note_success(b, m, i);
	}
}

void
journal_append(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	buf_printf(b, "A\t%u\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t", i,
	    r->checkpoint.dev, r->checkpoint.ino, r->checkpoint.length);
	put_value(b, r->owner == NULL ? "" : r->owner, ADDRESS_MAX);
	buf_putc(b, '\n');
}

void
journal_withdrawn(struct buf *b, uint32_t i)
{
	buf_printf(b, "W\t%u\n", i);
}

void
journal_bounce(struct buf *b, const char *bounce_id, uint32_t of)
{
	if (!message_id_ok(bounce_id))
		b->failed = 1;
	buf_printf(b, "B\t%s\t%u\n", bounce_id, of);
}

void
journal_reported(struct buf *b, uint32_t i)
{
	buf_printf(b, "P\t%u\n", i);
}

void
journal_warning(struct buf *b, const char *notice_id)
{
	if (!message_id_ok(notice_id))
		b->failed = 1;
	buf_printf(b, "H\t%s\n", notice_id);
}

void
journal_warned(struct buf *b)
{
	buf_puts(b, "G\n");
}

void
journal_held(struct buf *b, int is_held)
{
	buf_printf(b, "K\t%d\n", is_held);
}

/* An open one if this runner tried it, or its checkpoint may have changed. */
static void
note_anew(struct buf *b, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];
	int is_open = r->state == RCPT_OPEN;

	if (is_open && r->checkpoint.length != -1)
		journal_append(b, m, i);
	else if (is_open && r->kind != ROUTE_REMOTE)
		journal_withdrawn(b, i);
	if (!is_open || r->tried != 0)
		journal_state(b, m, i, 0);
}

static void
note_reported(struct buf *b, const struct message *m, uint32_t i)
{
	note_anew(b, m, i);
	journal_reported(b, i);
}

void
journal_all(struct buf *b, const struct message *m)
{
	uint32_t i;

	for (i = m->nnoted; i < m->nrcpts; i++)
		journal_recipient(b, m, i);
	/* First the reported ones, the one that ends the report at last. */
	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].is_reported && i != m->reports.bounce_of)
			note_reported(b, m, i);
	i = m->reports.bounce_of;
	if (i < m->nrcpts && m->rcpts[i].is_reported)
		note_reported(b, m, i);
	for (i = 0; i < m->nrcpts; i++)
		if (!m->rcpts[i].is_reported)
			note_anew(b, m, i);
	if (m->reports.bounce_id[0] != '\0')
		journal_bounce(b, m->reports.bounce_id, m->reports.bounce_of);
	if (m->reports.warn_id[0] != '\0')
		journal_warning(b, m->reports.warn_id);
	if (m->reports.is_warned)
		journal_warned(b);
	journal_held(b, m->is_held);
}

/* ---- as it stands in the file ---- */

/* A TAB and eight digits end each line. */
#define SUM_LEN	9

static void
put_sum(char *dst, const char *line, size_t n)
{
	uint32_t sum = checksum_line(line, n);
	int i;

	dst[0] = '\t';
	for (i = SUM_LEN - 1; i > 0; i--, sum >>= 4)
		dst[i] = "0123456789abcdef"[sum & 0xf];
}

uint32_t
journal_put(struct buf *b, const struct message *m, const struct buf *lines)
{
	const char *p = buf_str(lines), *end = p + lines->len, *nl;
	char sum[SUM_LEN];
	uint32_t n = 0;

	b->failed |= buf_failed(lines);
	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL;
	    p = nl + 1, n++) {
		buf_add(b, p, (size_t)(nl - p));
		if (m->text.sum != 0) {
			put_sum(sum, p, (size_t)(nl - p));
			buf_add(b, sum, sizeof(sum));
		}
		buf_putc(b, '\n');
	}
	return n;
}

/* Cuts the checksum off; 0, or -1 if the line is another one. */
static int
cut_sum(char *line, size_t *n)
{
	char want[SUM_LEN];

	if (*n < SUM_LEN)
		return -1;
	*n -= SUM_LEN;
	put_sum(want, line, *n);
	if (memcmp(line + *n, want, SUM_LEN) != 0)
		return -1;
	line[*n] = '\0';
	return 0;
}

/* ---- read back ---- */

struct fields {
	char	*v[FIELDS_MAX];
	int	 n;
};

static struct recipient *
field_rcpt(struct message *m, const struct fields *f)
{
	uint64_t i;

	if (f->n < 2 || text_number(f->v[1], RECIPIENTS_MAX, &i) == -1 ||
	    i >= m->nrcpts)
		return NULL;
	return &m->rcpts[i];
}

static int
fold_rcpt(struct message *m, struct recipient *r, const struct fields *f)
{
	uint64_t index, parent, depth, kind, origin, final, entry, digest;

	if (text_number(f->v[1], RECIPIENTS_MAX, &index) == -1 ||
	    text_number(f->v[2], RECIPIENTS_MAX, &parent) == -1 ||
	    text_number(f->v[3], 1000, &depth) == -1 ||
	    text_number(f->v[4], ROUTE_REMOTE, &kind) == -1 ||
	    text_number(f->v[5], ORIGIN_FORWARD, &origin) == -1 ||
	    text_number(f->v[6], 1, &final) == -1 ||
	    text_number(f->v[7], UINT32_MAX, &entry) == -1 ||
	    index != m->nrcpts || parent > index)
		return -1;
	if (text_hex(f->v[8], 16, &digest) == -1 ||
	    strlen(f->v[9]) > TARGET_MAX || strlen(f->v[10]) > ADDRESS_MAX)
		return -1;
	r = message_add(m, f->v[9]);
	if (r == NULL)
		return -1;
	r->entry.digest = digest;
	r->parent = (uint32_t)parent;
	if (parent != index)
		m->rcpts[parent].nchildren++;
	r->depth = (unsigned)depth;
	r->kind = (enum route_kind)kind;
	r->origin = (enum origin)origin;
	r->is_final = (int)final;
	r->entry.index = (uint32_t)entry;
	if (f->v[10][0] != '\0') {
		r->owner = strdup(f->v[10]);
		if (r->owner == NULL)
			return -1;
	}
	return 0;
}

/* Right after its recipient, so that it holds for all that follows. */
static int
fold_notify(struct message *m, struct recipient *r, const struct fields *f)
{
	uint64_t notify;

	if (r != &m->rcpts[m->nrcpts - 1] ||
	    r->notify != 0 || r->orcpt != NULL || r->state != RCPT_OPEN ||
	    r->attempts > 0 ||
	    text_number(f->v[2], UINT32_MAX, &notify) == -1 ||
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
	    text_number(f->v[at + 2], SOURCE__MAX - 1, &source) == -1)
		return -1;
	result_words(&r->last, (enum source)source, status, f->v[at],
	    f->v[at + 1]);
	if (f->v[at + 3][0] != '\0')
		result_detail(&r->last, "%s", f->v[at + 3]);
	if (f->v[at + 4][0] != '\0')
		result_from_server(&r->last, f->v[at + 4]);
	return 0;
}

/* A success that the sender asked to hear of. */
static int
fold_success(struct message *m, struct recipient *r, const struct fields *f)
{
	uint64_t action;

	if (f->n < 5 || text_number(f->v[2], ACTION_EXPANDED, &action) == -1 ||
	    action < ACTION_DELIVERED ||
	    fold_reply(r, STATUS_SENT, f, 3) == -1)
		return -1;
	if (r->action == ACTION_NONE)
		m->reports.owed++;
	r->action = (enum action)action;
	r->state = action == ACTION_EXPANDED ? RCPT_EXPANDED : RCPT_SENT;
	return 0;
}

static int
fold_state(struct message *m, struct recipient *r, const struct fields *f)
{
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
		m->reports.owed -= m->reports.owed > 0;
		/* That report is done; what is owed next plans another. */
		if (r == &m->rcpts[m->reports.bounce_of])
			m->reports.bounce_id[0] = '\0';
		break;
	}
	return 0;
}

static int
fold_result(struct message *m, struct recipient *r, const struct fields *f)
{
	int deferred = f->v[0][0] == 'D', same = deferred && f->n == 4;
	uint64_t attempts, due = 0;

	if ((f->n < 5 + deferred && !same) ||
	    text_number(f->v[2], UINT32_MAX, &attempts) == -1 ||
	    (deferred && text_number(f->v[3], INT64_MAX, &due) == -1) ||
	    (!same && fold_reply(r, deferred ? STATUS_DEFERRED :
	    STATUS_FAILED, f, 3 + deferred) == -1))
		return -1;
	r->attempts = (unsigned)attempts;
	r->due = (time_t)due;
	r->state = deferred ? RCPT_OPEN : RCPT_FAILED;
	if (!deferred && r->action == ACTION_NONE &&
	    recipient_wants(r, NOTIFY_FAILURE)) {
		r->action = ACTION_FAILED;
		m->reports.owed++;
	}
	if (same)
		r->last.status = STATUS_DEFERRED;
	return 0;
}

static int
fold_append(struct message *m, struct recipient *r, const struct fields *f)
{
	uint64_t len;

	(void)m;
	if (strlen(f->v[5]) > ADDRESS_MAX ||
	    text_number(f->v[2], UINT64_MAX, &r->checkpoint.dev) == -1 ||
	    text_number(f->v[3], UINT64_MAX, &r->checkpoint.ino) == -1 ||
	    text_number(f->v[4], INT64_MAX, &len) == -1)
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

/* The envelope sender, right after the recipient, like its wishes. */
static int
fold_sender(struct message *m, struct recipient *r, const struct fields *f)
{
	if (r != &m->rcpts[m->nrcpts - 1] || r->sender != NULL ||
	    r->state != RCPT_OPEN || r->attempts > 0 || f->v[2][0] == '\0' ||
	    strlen(f->v[2]) > ADDRESS_MAX)
		return -1;
	r->sender = strdup(f->v[2]);
	return r->sender == NULL ? -1 : 0;
}

/* Version 0.1 had one report for all that were owed, in their order. */
static uint64_t
last_owed(const struct message *m)
{
	uint32_t i, last = 0;

	for (i = 0; i < m->nrcpts; i++)
		if (recipient_is_owed(&m->rcpts[i]))
			last = i;
	return last;
}

/* A report that is about to be committed. */
static int
fold_bounce(struct message *m, struct recipient *r, const struct fields *f)
{
	uint64_t of;

	(void)r;
	if ((f->n != 2 && f->n != 3) || !message_id_ok(f->v[1]))
		return -1;
	if (f->n == 2)
		of = last_owed(m);
	else if (text_number(f->v[2], RECIPIENTS_MAX, &of) == -1)
		return -1;
	if (of >= m->nrcpts)
		return -1;
	m->reports.bounce_of = (uint32_t)of;
	return text_copy(m->reports.bounce_id, QUEUE_ID_MAX + 1, f->v[1]);
}

/* The same of a notice of delay. */
static int
fold_warning(struct message *m, struct recipient *r, const struct fields *f)
{
	(void)r;
	if (!message_id_ok(f->v[1]))
		return -1;
	return text_copy(m->reports.warn_id, QUEUE_ID_MAX + 1, f->v[1]);
}

static int
fold_warned(struct message *m, struct recipient *r, const struct fields *f)
{
	(void)r;
	(void)f;
	m->reports.is_warned = 1;
	return 0;
}

static int
fold_held(struct message *m, struct recipient *r, const struct fields *f)
{
	uint64_t is_held;

	(void)r;
	if (text_number(f->v[1], 1, &is_held) == -1)
		return -1;
	m->is_held = (int)is_held;
	return 0;
}

/* nfields: what a record of that letter has; 0: its fold checks it. */
static const struct fold {
	char	 letter;
	int	 nfields;
	int	 is_of_recipient;	/* the first of them is its number */
	int	(*fold)(struct message *, struct recipient *,
		    const struct fields *);
} folds[] = {
	{ 'R', 11, 0, fold_rcpt },	{ 'N', 4, 1, fold_notify },
	{ 'Y', 0, 1, fold_success },	{ 'X', 2, 1, fold_state },
	{ 'S', 2, 1, fold_state },	{ 'W', 2, 1, fold_state },
	{ 'P', 2, 1, fold_state },	{ 'F', 0, 1, fold_result },
	{ 'D', 0, 1, fold_result },	{ 'A', 6, 1, fold_append },
	{ 'B', 0, 0, fold_bounce },	{ 'H', 2, 0, fold_warning },
	{ 'O', 3, 1, fold_sender },
	{ 'G', 1, 0, fold_warned },	{ 'K', 2, 0, fold_held },
};

/* TABs part the fields; no other control is written. */
static int
split(struct fields *f, char *p, const char *end)
{
	unsigned char c;

	f->v[0] = p;
	f->n = 1;
	for (; p < end; p++) {
		c = (unsigned char)*p;
		if (c >= 0x20 && c != 0x7f)
			continue;
		if (c != '\t' || f->n == FIELDS_MAX)
			return -1;
		*p = '\0';
		f->v[f->n++] = p + 1;
	}
	return 0;
}

/* Of n bytes, and a NUL. */
static int
fold_line(struct message *m, char *line, size_t n)
{
	const struct fold *fold = folds;
	struct recipient *r = NULL;
	struct fields f;

	if (split(&f, line, line + n) == -1 || strlen(f.v[0]) != 1)
		return -1;
	while (fold->letter != f.v[0][0])
		if (++fold == folds + sizeof(folds) / sizeof(*folds))
			return -1;
	if (fold->nfields != 0 && f.n != fold->nfields)
		return -1;
	if (fold->is_of_recipient && (r = field_rcpt(m, &f)) == NULL)
		return -1;
	return fold->fold(m, r, &f);
}

int
journal_fold(struct message *m, char *p, size_t len, size_t *used)
{
	const char *start = p, *end = p + len;
	uint32_t nrecords = 0;
	char *nl;
	size_t n;

	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		*nl = '\0';
		n = (size_t)(nl - p);
		if ((m->text.sum != 0 && cut_sum(p, &n) == -1) ||
		    fold_line(m, p, n) == -1)
			return -1;
		p = nl + 1;
		nrecords++;
	}
	*used = (size_t)(p - start);
	return m->nrcpts > 0 && nrecords >= m->nsealed ? 0 : -1;
}
