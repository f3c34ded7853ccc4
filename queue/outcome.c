/*
 * outcome.c - the result for a message, as the caller of a command gets it.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: what was delivered is named, as far as there is room.
 */
#include "queue/outcome.h"

#define OUTCOME_MAX	1000	/* bytes: then no more recipients are named */

void
outcome_of_retry(const struct active_message *a, struct buf *b)
{
	enum status worst = STATUS_SENT;
	uint32_t i;

	for (i = 0; i < a->nattempts; i++) {
		if (a->m.rcpts[i].state == RCPT_OPEN &&
		    worst == STATUS_SENT)
			worst = STATUS_DEFERRED;
		if (a->m.rcpts[i].state == RCPT_FAILED &&
		    a->attempts[i].stage == STAGE_DONE)
			worst = STATUS_FAILED;
	}
	buf_printf(b, "ok %s", status_name(worst));
}

enum when {
	WHEN_NEVER,
	WHEN_BEFORE,		/* the command */
	WHEN_AFTER,
	WHEN_PERHAPS		/* the server's reply was lost */
};

static enum when
delivered(const struct active_message *a, uint32_t i)
{
	const struct recipient *r = &a->m.rcpts[i];

	if (r->state == RCPT_SENT)
		return a->attempts[i].was_busy ? WHEN_AFTER : WHEN_BEFORE;
	return a->attempts[i].was_busy && result_is_lost(&r->last) ?
	    WHEN_PERHAPS : WHEN_NEVER;
}

/* Names those; lead: before the first.  Gives how many there are. */
static unsigned
put_delivered(struct buf *b, const struct active_message *a, enum when when,
    const char *lead)
{
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < a->nattempts && b->len < OUTCOME_MAX; i++) {
		if (delivered(a, i) != when)
			continue;
		buf_printf(b, "%s%s", n++ == 0 ? lead : ", ",
		    message_address(&a->m, i));
		if (when == WHEN_BEFORE)
			continue;
		buf_puts(b, " (");
		result_put_reason(b, &a->m.rcpts[i].last);
		buf_putc(b, ')');
	}
	return n;
}

/* 1 when something was left to be removed. */
static int
was_removed(const struct active_message *a)
{
	const struct recipient *r;
	uint32_t i;

	for (i = 0; i < a->nattempts; i++) {
		r = &a->m.rcpts[i];
		if (r->state == RCPT_OPEN || (r->state == RCPT_FAILED &&
		    a->attempts[i].stage == STAGE_DONE))
			return 1;
	}
	return 0;
}

void
outcome_of_removal(const struct active_message *a, struct buf *b)
{
	const char *done = a->removal == REMOVAL_BOUNCE ? "bounced" :
	    "deleted";
	struct buf late;
	unsigned n, before;

	buf_init(&late, 0);
	n = put_delivered(&late, a, WHEN_AFTER, "delivered to ");
	n += put_delivered(&late, a, WHEN_PERHAPS, n > 0 ?
	    "; perhaps delivered to " : "perhaps delivered to ");
	if (n > 0)
		buf_printf(b, "late %s", buf_str(&late));
	else if (was_removed(a))
		buf_printf(b, "ok %s", done);
	else
		buf_puts(b, "late ");
	if (n > 0 && was_removed(a))
		buf_printf(b, "; the rest was %s", done);
	before = put_delivered(b, a, WHEN_BEFORE, n > 0 || was_removed(a) ?
	    "; delivered before to " : "delivered before to ");
	/* A runner was killed before it could unlink the file. */
	if (n + before == 0 && !was_removed(a))
		buf_puts(b, "no recipient was left");
	buf_fini(&late);
}
