/*
 * status.c - what became of each recipient, recorded.
 * Runs as: the spool user.  Uses: the queue through spool.c, the log.
 * Promise: a success is durable before anything of it is forgotten; a message
 * leaves the queue only when nothing is owed to anybody.
 */
#include <inttypes.h>
#include <string.h>

#include "lib/io.h"
#include "queue/bounce.h"
#include "queue/status.h"
#include "spool/journal.h"

#define AGAIN_MS	15000	/* until a failed write is tried again */
#define CHECKPOINT_AGAIN_S 30	/* until a recipient with a checkpoint is */
#define WARN_AGAIN_S	60	/* the same for a notice of delay */

static void
show_status(struct active *all, const struct active_message *a, uint32_t i)
{
	unsigned set = watchers_of(all->watchers, &a->m);
	const struct recipient *r = &a->m.rcpts[i];
	struct buf b;

	if (set == 0)
		return;
	buf_init(&b, 0);
	buf_printf(&b, "=== %s: %s: ", r->address, status_name(r->last.status));
	result_put_reason(&b, &r->last);
	watchers_show(all->watchers, set, buf_str(&b));
	buf_fini(&b);
}

static time_t
next_due(const struct conf *conf, const struct message *m,
    const struct recipient *r, time_t now)
{
	uint64_t spread, wait = conf->retry.first_s;
	unsigned i;

	for (i = 1; i < r->attempts && wait < conf->retry.max_s; i++)
		wait *= 2;
	if (wait > conf->retry.max_s)
		wait = conf->retry.max_s;
	/* Spread by id, so that a queue does not come due in one second. */
	spread = wait / 8;
	if (spread > 0)
		wait += text_digest(m->id, strlen(m->id)) % spread - spread / 2;
	return now + (time_t)wait;
}

static void
log_recipient(struct active *all, const struct message *m, uint32_t i,
    const char *where, time_t now)
{
	const struct recipient *r = &m->rcpts[i];
	const struct result *res = &r->last;
	const char *original = message_first(m, i)->address;
	int failed = res->status == STATUS_FAILED;
	int is_same = original == r->address;
	struct buf reply;

	buf_init(&reply, 0);
	result_put_full(&reply, res);
	log_say(&all->q->log, failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
	    "id=%s from=<%s> to=<%s%s>%s%s%s relay=%s delay=%" PRId64 " dsn=%s "
	    "status=%s%s reply=\"%s%s\"", m->id, m->sender,
	    r->kind == ROUTE_PIPE ? "|" : "", r->address,
	    is_same ? "" : " orig=<", is_same ? "" : original,
	    is_same ? "" : ">", where, (int64_t)(now - m->arrived), res->code,
	    status_name(res->status), failed && r->action == ACTION_NONE ?
	    " report=none" : "", failed && res->code[0] == '4' ?
	    "expired; last reply: " : "", buf_str(&reply));
	buf_fini(&reply);
}

static void
record_sent(struct active_message *a, uint32_t i, enum action action)
{
	struct recipient *r = &a->m.rcpts[i];

	r->state = RCPT_SENT;
	r->action = decide_action(&a->m, i, action);
	journal_state(&a->notes, &a->m, i, 0);
	/* An append is found again by its checkpoint; a report is not. */
	if (r->checkpoint.length == -1 || r->action != ACTION_NONE)
		a->needs_sync = 1;
}

static void
record_failed(struct active_message *a, uint32_t i)
{
	struct recipient *r = &a->m.rcpts[i];

	r->state = RCPT_FAILED;
	if (recipient_wants(r, NOTIFY_FAILURE))
		r->action = ACTION_FAILED;
	journal_state(&a->notes, &a->m, i, 0);
	a->needs_sync = 1;
}

static void
record_deferred(struct active *all, struct active_message *a, uint32_t i,
    time_t now, int is_same)
{
	struct recipient *r = &a->m.rcpts[i];

	if (now - a->m.arrived < (time_t)all->q->conf.retry.lifetime_s) {
		r->due = next_due(&all->q->conf, &a->m, r, now);
		/* A checkpoint tells only until others get at the file. */
		if (r->checkpoint.length != -1 &&
		    r->due > now + CHECKPOINT_AGAIN_S)
			r->due = now + CHECKPOINT_AGAIN_S;
		journal_state(&a->notes, &a->m, i, is_same);
		return;
	}
	/* Code and words stay those of the last reply. */
	r->last.status = STATUS_FAILED;
	record_failed(a, i);
}

static void
record(struct active *all, struct active_message *a, uint32_t i, time_t now)
{
	struct attempt *t = &a->attempts[i];
	struct recipient *r = &a->m.rcpts[i];

	/* A flush by hand does not lengthen the wait. */
	if (!a->is_forced || r->attempts == 0)
		r->attempts++;
	r->tried = now;
	switch (r->last.status) {
	case STATUS_SENT:
		record_sent(a, i, t->action);
		break;
	case STATUS_FAILED:
		record_failed(a, i);
		break;
	default:
		record_deferred(all, a, i, now, t->is_same);
		break;
	}
	log_recipient(all, &a->m, i, t->where == NULL ? "local" : t->where,
	    now);
	show_status(all, a, i);
}

static int
stay(struct active_message *a)
{
	a->again_ms = io_clock_ms() + AGAIN_MS;
	return -1;
}

/*
 * 0, or -1: the notes stay, to be written later.
 * Each journal is synced by itself: to sync those of a turn side by side
 * (kernel AIO) did not move P2 (64 callers, 1 mailbox: 671 messages a second
 * like this, 585 that way; 10 mailboxes: 459 and 490; noise 25 %).
 */
static int
write_notes(struct active *all, struct active_message *a, int is_durable)
{
	struct result res;

	if (a->notes.len == 0 && !buf_failed(&a->notes))
		return 0;
	/*
	 * A note for which memory ran out is lost, and all after it.  Memory
	 * has the state still: noted anew, nothing is lost or done twice.
	 */
	if (buf_failed(&a->notes)) {
		buf_reset(&a->notes);
		journal_all(&a->notes, &a->m);
	}
	result_init(&res);
	if (spool_append(&a->m, &a->notes, is_durable, &res) == -1) {
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s %s; will be "
		    "retried soon", a->m.id, res.reason == NULL ? "journal" :
		    res.reason);
		result_fini(&res);
		return stay(a);
	}
	buf_reset(&a->notes);
	if (is_durable)
		a->needs_sync = 0;
	return 0;
}

void
status_record(struct active *all)
{
	time_t now = time(NULL);
	struct active_message *a;
	uint32_t i, n;

	for (a = all->messages; a != NULL; a = a->next) {
		n = a->decided;
		for (i = 0; decide_next(a, &i); i++)
			record(all, a, i, now);
		/* An attempt that is over is written when it is finished. */
		if ((n > 0 || a->needs_sync) && a->again_ms == 0 &&
		    (a->open > 0 || a->requests > 0))
			write_notes(all, a, a->needs_sync);
	}
}

/* When the sender receives a notice of delay: once, by the stored time; 0. */
static time_t
warn_at(const struct conf *conf, const struct message *m)
{
	if (conf->retry.warn_after_s == 0 || m->reports.is_warned ||
	    !bounce_has_delay(m))
		return 0;
	return m->arrived + (time_t)conf->retry.warn_after_s;
}

/* When the message is due again; what DEFER holds is never due. */
static void
reschedule(struct active_message *a, time_t warning)
{
	struct entry *e = a->entry;
	const struct recipient *r;
	uint32_t i;

	e->state = ENTRY_HELD;
	for (i = 0; i < a->nattempts; i++) {
		r = &a->m.rcpts[i];
		if (r->state != RCPT_OPEN || a->attempts[i].stage == STAGE_HELD)
			continue;
		if (e->state == ENTRY_HELD || r->due < e->due)
			e->due = r->due;
		e->state = ENTRY_WAITING;
	}
	if (warning != 0 && e->state == ENTRY_WAITING && warning < e->due)
		e->due = warning;
}

/* What is left: reports that are owed, and open recipients. */
static void
count(const struct message *m, uint32_t *owed, uint32_t *open)
{
	uint32_t i;

	*owed = *open = 0;
	for (i = 0; i < m->nrcpts; i++) {
		*owed += (uint32_t)recipient_is_owed(&m->rcpts[i]);
		*open += m->rcpts[i].state == RCPT_OPEN;
	}
}

/* Nobody can be told: the message itself is kept. */
static int
bury(struct active *all, struct active_message *a)
{
	if (spool_put_aside(&all->q->spool, a->m.id, "dead") == -1) {
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s cannot be moved "
		    "to dead/", a->m.id);
		return stay(a);
	}
	log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s undeliverable, and "
	    "the failure cannot be reported: kept in %s/dead/%s", a->m.id,
	    all->q->conf.where.spool, a->m.id);
	a->entry->state = ENTRY_GONE;
	return 0;
}

/*
 * Plan (durable), commit, note as reported (durable): see docs/spool.md.
 * Here the first two.  is_delay: a notice of delay.
 */
static enum bounced
commit(struct active *all, struct active_message *a, int is_delay)
{
	char *id = is_delay ? a->m.reports.warn_id : a->m.reports.bounce_id;
	enum bounced got;
	struct result res;

	if (id[0] == '\0') {
		spool_new_id(id);
		(is_delay ? journal_warning : journal_bounce)(&a->notes, id);
		a->needs_sync = 1;
	}
	if (write_notes(all, a, 1) == -1)
		return BOUNCE_LATER;
	result_init(&res);
	got = bounce_commit(&all->q->conf, &all->q->spool, &a->m, is_delay,
	    time(NULL), &res);
	if (got == BOUNCED)
		log_say(&all->q->log, LOG_LEVEL_INFO, "id=%s %s=%s to=<%s>",
		    a->m.id, is_delay ? "notice" : "bounce", id,
		    a->m.sender[0] == '\0' ? "postmaster" : a->m.sender);
	else if (got == BOUNCE_LATER)
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s %s: %s", a->m.id,
		    is_delay ? "delay notification" : "bounce",
		    res.reason == NULL ? "failed" : res.reason);
	result_fini(&res);
	return got;
}

/* The third.  If this write fails, a later one must be as durable. */
static int
committed(struct active *all, struct active_message *a)
{
	a->needs_sync = 1;
	active_scan_soon(all);
	return write_notes(all, a, 1);
}

int
status_report(struct active *all, struct active_message *a)
{
	enum bounced got = commit(all, a, 0);
	uint32_t i, open, owed;

	if (got == BOUNCE_LATER)
		return stay(a);
	if (got == BOUNCE_IMPOSSIBLE) {
		count(&a->m, &owed, &open);
		a->m.reports.owed = 0;
		/* Others may still get it: it is kept when they are through. */
		return open > 0 ? 0 : bury(all, a);
	}
	for (i = 0; i < a->m.nrcpts; i++)
		if (recipient_is_owed(&a->m.rcpts[i])) {
			a->m.rcpts[i].is_reported = 1;
			journal_reported(&a->notes, i);
		}
	a->m.reports.bounce_id[0] = '\0';
	a->m.reports.owed = 0;
	return committed(all, a);
}

/*
 * As status_report(), but deliveries go on when it cannot be done now: -1.
 */
static int
warn(struct active *all, struct active_message *a)
{
	if (commit(all, a, 1) != BOUNCED)
		return -1;
	a->m.reports.is_warned = 1;
	journal_warned(&a->notes);
	return committed(all, a);
}

void
status_warned(struct active *all, struct active_message *a)
{
	if (a->m.reports.warn_id[0] != '\0' &&
	    warn_at(&all->q->conf, &a->m) != 0)
		(void)warn(all, a);
}

/* Back to the queue, until open recipients are due. */
static int
finish_open(struct active *all, struct active_message *a)
{
	time_t at, now = time(NULL);

	at = warn_at(&all->q->conf, &a->m);
	if (at != 0 && at <= now)
		at = warn(all, a) == 0 ? 0 : now + WARN_AGAIN_S;
	if (write_notes(all, a, a->needs_sync) == -1)
		return -1;
	reschedule(a, at);
	return 0;
}

int
status_finish(struct active *all, struct active_message *a)
{
	uint32_t open, owed;

	count(&a->m, &owed, &open);
	if (owed > 0 && status_report(all, a) == -1)
		return -1;
	if (a->entry->state == ENTRY_GONE)
		return 0;
	if (open > 0)
		return finish_open(all, a);
	/*
	 * All is done.  Deliveries by SMTP or into a pipe must be recorded
	 * even if a power cut undoes the removal.
	 */
	if (a->needs_sync && write_notes(all, a, 1) == -1)
		return -1;
	if (spool_remove(&all->q->spool, a->m.id) == -1) {
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s cannot be "
		    "removed", a->m.id);
		return stay(a);
	}
	a->entry->state = ENTRY_GONE;
	return 0;
}
