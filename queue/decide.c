/*
 * decide.c - an active message: what is next for each of its recipients.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: the first result of an attempt counts; no decision writes.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/decide.h"
#include "queue/entry.h"
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
	result_fini(&a->unwritten);
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

void
decide_unwritten(struct active_message *a, uint32_t i)
{
	a->attempts[i].is_uncounted = 1;
	decide(a, i, &a->unwritten, NULL);
}

/* What the journal has already is not written again. */
void
decide_unreachable(struct active_message *a, uint32_t i,
    const struct result *reason, const char *where, uint64_t key,
    time_t until)
{
	struct attempt *t = &a->attempts[i];
	struct recipient *r = &a->m.rcpts[i];

	t->waits_for = key;
	t->is_uncounted = 1;
	r->due = until;
	if (result_is_same(&r->last, reason))
		decide_not_now(a, i);
	else
		decide(a, i, reason, where);
}

void
decide_unsynced(struct active_message *a, enum unsynced least)
{
	if (a->unsynced < least)
		a->unsynced = least;
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
	if (route_is_owned(&a->m, i, before))
		r->action = decide_action(&a->m, i, ACTION_DELIVERED);
	else if (route_is_list(&a->m, before))
		r->action = decide_action(&a->m, i, ACTION_EXPANDED);
	/* A mailing list has it: its members are the owner's concern. */
	if (r->action == ACTION_DELIVERED)
		r->state = RCPT_SENT;
	if (r->action != ACTION_NONE) {
		result_set(&r->last, STATUS_SENT, "2.1.5", "sent on to %u "
		    "recipients", a->m.nrcpts - before);
		decide_unsynced(a, UNSYNCED_FACT);
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
decide_stop(struct active_message *a)
{
	enum attempt_stage stage;
	uint32_t i;

	for (i = 0; i < a->nattempts; i++) {
		stage = a->attempts[i].stage;
		if (stage == STAGE_ROUTE || stage == STAGE_LOCAL ||
		    stage == STAGE_REMOTE)
			decide_not_now(a, i);
	}
}

void
decide_removal(struct active_message *a, enum removal removal)
{
	uint32_t i;

	a->removal = removal;
	for (i = 0; i < a->nattempts; i++)
		a->attempts[i].was_busy = a->attempts[i].stage == STAGE_BUSY;
}

int
decide_has_open(const struct active_message *a)
{
	uint32_t i;

	for (i = 0; i < a->nattempts; i++)
		if (a->m.rcpts[i].state == RCPT_OPEN)
			return 1;
	return 0;
}

/* Its result in this attempt, if any, was another one, and is recorded. */
static int
may_be_returned(const struct active_message *a, uint32_t i)
{
	enum attempt_stage stage = a->attempts[i].stage;

	return a->m.rcpts[i].state == RCPT_OPEN && stage != STAGE_BUSY &&
	    stage != STAGE_LOOKUP && stage != STAGE_DECIDED;
}

/*
 * 5.0.0: RFC 3463 has no code for that.  Codes of classes x.3 and x.7 would
 * blame the host of the recipient or the right of the sender.
 */
void
decide_returned(struct active_message *a)
{
	enum attempt_stage stage;
	uint32_t i;

	for (i = 0; i < a->nattempts; i++) {
		if (!may_be_returned(a, i))
			continue;
		stage = a->attempts[i].stage;
		a->open += stage == STAGE_NONE || stage == STAGE_DONE ||
		    stage == STAGE_UNTIL_FLUSH;
		a->attempts[i].stage = STAGE_ROUTE;
		decide_as(a, i, STATUS_FAILED, "5.0.0", "returned by its "
		    "sender or the administrator of the mail system before "
		    "it could be delivered");
	}
}

int
decide_is_over(const struct active_message *a)
{
	if (a->requests > 0 || a->decided != 0)
		return 0;
	if (a->entry->state == ENTRY_GONE)
		return 1;
	/* Deferred meanwhile: it fails in the next turn. */
	if (a->removal == REMOVAL_BOUNCE && decide_has_open(a))
		return 0;
	return a->open == 0 && a->again_ms == 0;
}

void
decide_postponed(struct active_message *a, uint32_t i)
{
	decide_not_now(a, i);
	a->m.rcpts[i].due = time(NULL) + POSTPONE_S;
}

void
decide_without_helper(struct active_message *a, uint32_t i)
{
	decide_not_now(a, i);
	a->is_partial = 1;
	a->is_forced = 0;
}

void
decide_until_flush(struct active_message *a, uint32_t i)
{
	a->attempts[i].stage = STAGE_UNTIL_FLUSH;
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
