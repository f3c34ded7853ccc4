/*
 * queue_walk.c - the messages of the queue that a caller may see, and lines
 * that show them.
 * Runs as: the spool user.  Uses: the queue by spool.c.
 * Promise: nobody is given what is not theirs; memory does not grow with the
 * number of messages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "priv/user.h"
#include "submit/queue_walk.h"
#include "submit/time_text.h"

struct walk_group {
	struct queue_walk *walk;
	char		(*ids)[QUEUE_ID_MAX + 1];	/* owned */
	size_t		 n, cap;
	int		 is_known;	/* whether the caller sees all */
	int		 error;
};

int
queue_sees_all(const struct caller *c, const char *group)
{
	return c->uid == 0 || user_in_group(c->uid, group);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The submitter of a file without a preamble is unknown. */
static int
show_damaged(struct queue_walk *w, const struct message *m,
    const struct result *res)
{
	w->unreadable++;
	if (w->damaged == NULL || (!w->sees_all && (m->text.offset == 0 ||
	    m->submitter != w->caller->uid)))
		return 0;
	return w->damaged(w, m, res);
}

static int
show_one(struct queue_walk *w, const char *id, struct result *res)
{
	struct message m;
	enum spool_got got;
	int ret = 0;

	got = w->sees_all ? spool_load(w->sp, id, 0, &m, res) :
	    spool_load_of(w->sp, id, w->caller->uid, &m, res);
	if (got == SPOOL_GOT)
		ret = w->each(w, &m);
	else if (got != SPOOL_GONE)
		ret = show_damaged(w, &m, res);
	message_fini(&m);
	return ret;
}

static int
show_group(struct walk_group *g)
{
	struct queue_walk *w = g->walk;
	struct result res;
	size_t i;
	int ret = 0;

	/* Asked for only if there is something to see. */
	if (!g->is_known)
		w->sees_all = queue_sees_all(w->caller, w->group);
	g->is_known = 1;
	qsort(g->ids, g->n, sizeof(*g->ids), compare);
	result_init(&res);
	for (i = 0; i < g->n && ret == 0; i++)
		ret = show_one(w, g->ids[i], &res);
	result_fini(&res);
	g->n = 0;
	return ret;
}

static int
add_id(void *arg, const char *id)
{
	struct walk_group *g = arg;

	if (array_grow(&g->ids, &g->cap, g->n, sizeof(*g->ids)) == -1) {
		g->error = ENOMEM;
		return -1;
	}
	text_copy(g->ids[g->n++], sizeof(*g->ids), id);
	return g->n == QUEUE_WALK_GROUP ? show_group(g) : 0;
}

int
queue_walk(struct queue_walk *w)
{
	struct walk_group g = { .walk = w };

	w->sees_all = 0;
	w->unreadable = 0;
	if (spool_list(w->sp, add_id, &g) == -1)
		g.error = errno;
	else if (g.error == 0 && g.n > 0)
		show_group(&g);
	free(g.ids);
	errno = g.error;
	return g.error == 0 ? 0 : -1;
}

enum queue_state
queue_state(const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];

	if (r->state == RCPT_OPEN && m->is_held)
		return QUEUE_STATE_HELD;
	if (r->state == RCPT_OPEN)
		return r->last.status == STATUS_DEFERRED ?
		    QUEUE_STATE_DEFERRED : QUEUE_STATE_NEW;
	if (!recipient_is_owed(r))
		return QUEUE_STATE_DONE;
	return r->state == RCPT_FAILED ? QUEUE_STATE_FAILED :
	    QUEUE_STATE_DELIVERED;
}

const char *
queue_state_name(enum queue_state state)
{
	static const char *const names[] = {
		[QUEUE_STATE_NEW] = "new",
		[QUEUE_STATE_DEFERRED] = "deferred",
		[QUEUE_STATE_HELD] = "held",
		[QUEUE_STATE_FAILED] = "failed",
		[QUEUE_STATE_DELIVERED] = "delivered",
		[QUEUE_STATE_DONE] = "done",
	};

	return names[state];
}

void
queue_put_line(struct buf *b, const char *name, const char *text)
{
	buf_puts(b, name);
	buf_put_clean(b, text, strlen(text), REASON_MAX);
	buf_putc(b, '\n');
}

void
queue_put_number(struct buf *b, const char *name, int64_t n)
{
	buf_puts(b, name);
	buf_put_number(b, n);
	buf_putc(b, '\n');
}

void
queue_put_reply(struct buf *b, const struct recipient *r, int is_full)
{
	if (is_full)
		result_put_full(b, &r->last);
	else
		result_put_reason(b, &r->last);
}

void
queue_put_attempts(struct buf *b, const struct recipient *r, int is_full)
{
	struct buf reply;

	if (r->sender != NULL)
		queue_put_line(b, "Sender\t: ", r->sender);
	if (r->attempts > 0)
		queue_put_number(b, "Tries\t: ", r->attempts);
	buf_init(&reply, 0);
	queue_put_reply(&reply, r, is_full);
	if (reply.len > 0)
		queue_put_line(b, "Reply\t: ", buf_str(&reply));
	buf_fini(&reply);
}

void
queue_put_next(struct buf *b, const struct message *m, uint32_t i, time_t now)
{
	enum queue_state state = queue_state(m, i);

	if (state == QUEUE_STATE_NEW || state == QUEUE_STATE_DONE)
		return;
	buf_puts(b, "Next\t: ");
	if (state == QUEUE_STATE_HELD)
		buf_puts(b, "when it is released");
	else if (state == QUEUE_STATE_DEFERRED)
		time_text_put_attempt(b, m->rcpts[i].due, now);
	else
		buf_puts(b, "a report to the sender");
	buf_putc(b, '\n');
}
