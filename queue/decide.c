/*
 * decide.c - an active message: what is next for each of its recipients.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: the first result of an attempt counts; no decision writes.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/decide.h"
#include "queue/limits.h"
#include "queue/route.h"
#include "spool/journal.h"

void
active_message_free(struct active_message *a)
{
	uint32_t i;

	for (i = 0; i < a->nattempts; i++)
		free(a->attempts[i].where);
	free(a->attempts);
	message_fini(&a->m);
	buf_fini(&a->notes);
	free(a);
}

int
decide_grow(struct active_message *a)
{
	struct attempt *p;

	if (a->nattempts >= a->m.nrcpts)
		return 0;
	p = reallocarray(a->attempts, a->m.crcpts, sizeof(*p));
	if (p == NULL)
		return -1;
	a->attempts = p;
	for (; a->nattempts < a->m.nrcpts; a->nattempts++) {
		memset(&p[a->nattempts], 0, sizeof(*p));
		p[a->nattempts].stage = STAGE_ROUTE;
		a->open++;
	}
	return 0;
}

static void
store(struct active_message *a, uint32_t i, const struct result *res,
    const char *where, enum action action)
{
	struct attempt *t = &a->attempts[i];
	struct recipient *r = &a->m.rcpts[i];

	if (t->stage == STAGE_NONE || t->stage == STAGE_DECIDED ||
	    t->stage == STAGE_DONE)
		return;
	t->stage = STAGE_DECIDED;
	t->action = action;
	t->is_same = result_is_same(&r->last, res);
	result_copy(&r->last, res);
	free(t->where);
	t->where = where == NULL ? NULL : strdup(where);
	a->decided++;
	a->open--;
}

void
decide(struct active_message *a, uint32_t i, const struct result *res,
    const char *where)
{
	store(a, i, res, where, ACTION_DELIVERED);
}

void
decide_remote(struct active_message *a, uint32_t i, const struct result *res,
    const char *host, int is_passed_on)
{
	store(a, i, res, host, is_passed_on ? ACTION_NONE : ACTION_RELAYED);
}

void
decide_as(struct active_message *a, uint32_t i, enum status status,
    const char *code, const char *reason)
{
	struct result res;

	result_init(&res);
	result_set(&res, status, code, "%s", reason);
	decide(a, i, &res, NULL);
	result_fini(&res);
}

void
decide_later(struct active_message *a, uint32_t i, const char *reason)
{
	decide_as(a, i, STATUS_DEFERRED, "4.3.0", reason);
}

enum action
decide_action(const struct message *m, uint32_t i, enum action action)
{
	return m->sender[0] != '\0' && recipient_wants(&m->rcpts[i],
	    NOTIFY_SUCCESS) ? action : ACTION_NONE;
}

void
decide_expanded(struct active_message *a, uint32_t i, uint32_t before)
{
	struct recipient *r = &a->m.rcpts[i];
	uint32_t k;

	for (k = before; k < a->m.nrcpts; k++)
		journal_recipient(&a->notes, &a->m, k);
	r->state = RCPT_EXPANDED;
	if (route_is_list(&a->m, before))
		r->action = decide_action(&a->m, i, ACTION_EXPANDED);
	if (r->action != ACTION_NONE) {
		result_set(&r->last, STATUS_SENT, "2.1.5", "sent on to %u "
		    "recipients", a->m.nrcpts - before);
		a->needs_sync = 1;
	}
	journal_state(&a->notes, &a->m, i, 0);
	a->attempts[i].stage = STAGE_DONE;
	a->open--;
}

void
decide_not_now(struct active_message *a, uint32_t i)
{
	a->attempts[i].stage = STAGE_NONE;
	a->open--;
}

void
decide_postponed(struct active_message *a, uint32_t i)
{
	decide_not_now(a, i);
	a->m.rcpts[i].due = time(NULL) + POSTPONE_S;
}

void
decide_held(struct active_message *a, uint32_t i)
{
	a->attempts[i].stage = STAGE_HELD;
	a->open--;
	a->is_partial = 1;
}

int
decide_next(struct active_message *a, uint32_t *i)
{
	if (a->decided == 0)
		return 0;
	while (a->attempts[*i].stage != STAGE_DECIDED)
		++*i;
	a->attempts[*i].stage = STAGE_DONE;
	a->decided--;
	return 1;
}
