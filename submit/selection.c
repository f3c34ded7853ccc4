/*
 * selection.c - which queued messages a call is about.
 * Runs as: the spool user.  Uses: the queue by spool.c.
 * Promise: a user selects messages of their own, however many others there
 * are; one message is in memory at a time.
 */
#include <string.h>

#include "lib/buf.h"
#include "submit/selection.h"

const char *
selection_add(struct selection *s, enum selection_by by, int is_not,
    const char *text)
{
	size_t n = strlen(text);

	if (n == 0)
		return "requires a text";
	if (n > TARGET_MAX || !text_is_clean(text, n))
		return "takes a part of an id or an address";
	if (s->n == SELECTION_MAX)
		return "is given too often";
	s->list[s->n].by = by;
	s->list[s->n].is_not = is_not;
	s->list[s->n++].text = text;
	return NULL;
}

int
selection_is_given(const struct selection *s)
{
	return s->n > 0 || s->is_all;
}

static int
has_part(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text != '\0'; text++)
		if (text_ncasecmp(text, part, n) == 0)
			return 1;
	return 0;
}

static int
has_recipient(const struct message *m, const char *part)
{
	const struct recipient *r;
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++) {
		r = &m->rcpts[i];
		if (r->state != RCPT_OPEN && !recipient_is_owed(r))
			continue;
		if (has_part(message_address(m, i), part) ||
		    has_part(message_first(m, i)->address, part))
			return 1;
	}
	return 0;
}

/* Or of the owner of a list, which its members are sent it as. */
static int
has_sender(const struct message *m, const char *part)
{
	const struct recipient *r;
	uint32_t i;

	if (has_part(m->sender[0] == '\0' ? "<>" : m->sender, part))
		return 1;
	for (i = 0; i < m->nrcpts; i++) {
		r = &m->rcpts[i];
		if (r->sender != NULL && (r->state == RCPT_OPEN ||
		    recipient_is_owed(r)) && has_part(r->sender, part))
			return 1;
	}
	return 0;
}

static int
holds(const struct selection_text *t, const struct message *m)
{
	int has = 0;

	switch (t->by) {
	case SELECTION_ID:
		has = strstr(m->id, t->text) != NULL;
		break;
	case SELECTION_SENDER:
		has = has_sender(m, t->text);
		break;
	case SELECTION_RECIPIENT:
		has = has_recipient(m, t->text);
		break;
	}
	return has != t->is_not;
}

int
selection_takes(const struct selection *s, const struct message *m)
{
	int i;

	for (i = 0; i < s->n; i++)
		if (!holds(&s->list[i], m))
			return 0;
	return selection_is_given(s);
}

struct selection_walk {
	const struct selection *selection;
	const struct selection_scope *scope;
	const struct spool *sp;
	int		(*each)(void *, const char *id);
	void		*arg;
	int		 ret;		/* of the latest each() */
};

/* By its id alone; is_read: for the other conditions, it must be read. */
static int
may_take(const struct selection *s, const char *id, int *is_read)
{
	int i;

	*is_read = 0;
	for (i = 0; i < s->n; i++)
		if (s->list[i].by != SELECTION_ID)
			*is_read = 1;
		else if ((strstr(id, s->list[i].text) != NULL) ==
		    s->list[i].is_not)
			return 0;
	return 1;
}

static int
takes_file(const struct selection_walk *w, const char *id)
{
	enum spool_got got;
	struct message m;
	struct result res;
	int takes;

	result_init(&res);
	got = w->scope->sees_all ? spool_load(w->sp, id, 0, &m, &res) :
	    spool_load_of(w->sp, id, w->scope->uid, &m, &res);
	takes = got == SPOOL_GOT && selection_takes(w->selection, &m);
	message_fini(&m);
	result_fini(&res);
	return takes;
}

static int
is_in_scope(const struct selection_walk *w, const char *id)
{
	uint32_t uid;

	return w->scope->sees_all || (spool_submitter(w->sp, id, &uid) == 0 &&
	    uid == w->scope->uid);
}

static int
walk_one(void *arg, const char *id)
{
	struct selection_walk *w = arg;
	int is_read;

	if (may_take(w->selection, id, &is_read) &&
	    (is_read ? takes_file(w, id) : is_in_scope(w, id)))
		w->ret = w->each(w->arg, id);
	return w->ret;
}

int
selection_each(const struct selection *s, const struct selection_scope *scope,
    const struct spool *sp, int (*each)(void *, const char *id), void *arg)
{
	struct selection_walk w = { s, scope, sp, each, arg, 0 };

	if (selection_is_given(s) && spool_list(sp, walk_one, &w) == -1)
		return -1;
	return w.ret;
}
