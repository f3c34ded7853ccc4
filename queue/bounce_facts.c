/*
 * bounce_facts.c - what a report is about.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: each status that is owed is in one report, and only if it was
 * requested.
 */
#include <string.h>

#include "queue/bounce_facts.h"
#include "lib/header.h"

static int
is_delayed(const struct recipient *r)
{
	return r->state == RCPT_OPEN &&
	    r->last.status == STATUS_DEFERRED && recipient_wants(r,
	    NOTIFY_DELAY);
}

int
bounce_is_orphan(const struct bounce *t)
{
	return t->sender[0] == '\0';
}

int
bounce_is_for_owner(const struct bounce *t)
{
	return strcmp(t->sender, t->m->sender) != 0;
}

int
bounce_has_delay(const struct message *m)
{
	uint32_t i;

	for (i = 0; i < m->nrcpts && m->sender[0] != '\0'; i++)
		if (is_delayed(&m->rcpts[i]))
			return 1;
	return 0;
}

time_t
bounce_delay_at(const struct conf *conf, const struct message *m)
{
	if (conf->retry.warn_after_s == 0 || m->reports.is_warned ||
	    m->is_held || !bounce_has_delay(m))
		return 0;
	return m->arrived + (time_t)conf->retry.warn_after_s;
}

enum action
bounce_action(const struct bounce *t, uint32_t i)
{
	const struct recipient *r = &t->m->rcpts[i];

	if (t->is_delay)
		return is_delayed(r) ? ACTION_DELAYED : ACTION_NONE;
	return recipient_is_owed(r) && strcmp(message_sender(t->m, i),
	    t->sender) == 0 ? r->action : ACTION_NONE;
}

int
bounce_has_arrived(enum action action)
{
	return action == ACTION_DELIVERED || action == ACTION_EXPANDED;
}

time_t
bounce_expires(const struct bounce *t)
{
	return t->m->arrived + (time_t)t->conf->retry.lifetime_s;
}

uint32_t
bounce_count(const struct bounce *t, enum action action)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->m->nrcpts; i++)
		n += bounce_action(t, i) == action;
	return n;
}

int
bounce_has_reason(const struct result *res)
{
	return res->reason != NULL && res->reason[0] != '\0';
}

void
bounce_put_date(struct buf *b, const char *before, time_t when,
    const char *after)
{
	char date[64];

	header_date(date, sizeof(date), when);
	buf_printf(b, "%s%s%s", before, date, after);
}
