/*
 * status.c - what became of each recipient, recorded.
 * Runs as: the spool user.  Uses: the queue through spool.c, the log.
 * Promise: a success is durable before anything of it is forgotten; a message
 * leaves the queue only when nothing is owed to anybody.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/io.h"
#include "queue/bounce.h"
#include "queue/bounce_facts.h"
#include "queue/status.h"
#include "spool/journal.h"

#define AGAIN_MS	15000	/* until a failed write is tried again */
#define CHECKPOINT_AGAIN_S 30	/* until a recipient with a checkpoint is */
#define WARN_AGAIN_S	60	/* the same for a notice of delay */

static void
show_status(struct active *all, const struct active_message *a, uint32_t i)
{
	unsigned set = watchers_of(all->watchers, &a->m, a->entry->waiting);
	const struct recipient *r = &a->m.rcpts[i];
	struct buf b;

	if (set == 0)
		return;
	buf_init(&b, 0);
	/* A command or file of a .forward is not for the sender. */
	buf_printf(&b, "=== %s: %s: ", message_address(&a->m, i),
	    status_name(r->last.status));
	result_put_reason(&b, &r->last);
	watchers_show(all->watchers, set, buf_str(&b));
	buf_fini(&b);
}

static time_t
next_due(const struct conf *conf, const struct message *m,
    const struct recipient *r, time_t now)
{
	return now + (time_t)limits_retry_s(r->attempts, conf->retry.first_s,
	    conf->retry.max_s, text_digest(m->id, strlen(m->id)));
}

/* 1 when our words are about a connection to that host. */
static int
is_about(const struct result *res, const char *where)
{
	size_t n = strlen(where);

	return res->source != SOURCE_SERVER && res->server != NULL &&
	    strncmp(res->server, where, n) == 0 && res->server[n] == ' ';
}

static void
log_recipient(const struct log *log, const struct message *m, uint32_t i,
    const char *where, time_t now)
{
	const struct recipient *r = &m->rcpts[i];
	const struct result *res = &r->last;
	const char *original = message_first(m, i)->address;
	int failed = res->status == STATUS_FAILED;
	struct log_line l = { .in_quotes = 0 };
	struct buf reply;

	buf_init(&reply, 0);
	/* "relay=" names it already. */
	if (is_about(res, where))
		result_put_bare(&reply, res);
	else
		result_put_full(&reply, res);
	log_put(&l, "id=%s from=<%s> to=<%s%s>", m->id,
	    message_sender(m, i), r->kind == ROUTE_PIPE ? "|" : "", r->address);
	if (original != r->address)
		log_put(&l, " orig=<%s>", original);
	log_put(&l, " relay=%s delay=%" PRId64 " dsn=%s status=%s", where,
	    (int64_t)(now - m->arrived), res->code, status_name(res->status));
	if (failed && r->action == ACTION_NONE)
		log_put(&l, " report=none");
	log_put(&l, " reply=\"");
	if (failed && res->code[0] == '4')
		log_put(&l, "expired; last reply: ");
	log_put(&l, "%s\"", buf_str(&reply));
	log_end(log, failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, &l);
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
		decide_unsynced(a, UNSYNCED_FACT);
}

static void
record_failed(struct active_message *a, uint32_t i)
{
	struct recipient *r = &a->m.rcpts[i];

	r->state = RCPT_FAILED;
	if (recipient_wants(r, NOTIFY_FAILURE))
		r->action = ACTION_FAILED;
	journal_state(&a->notes, &a->m, i, 0);
	decide_unsynced(a, UNSYNCED_FACT);
}

static void
record_deferred(struct active *all, struct active_message *a, uint32_t i,
    time_t now, int is_same)
{
	struct recipient *r = &a->m.rcpts[i];

	if (a->attempts[i].is_uncounted ||
	    now - a->m.arrived < (time_t)all->q->conf.retry.lifetime_s) {
		if (a->attempts[i].waits_for == 0)
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
record(struct active *all, struct active_message *a, uint32_t i, time_t now,
    const struct log *log)
{
	struct attempt *t = &a->attempts[i];
	struct recipient *r = &a->m.rcpts[i];
	int is_unwritten = t->is_uncounted && t->waits_for == 0;

	/* A flush by hand does not lengthen the wait. */
	if (!t->is_uncounted && (!a->is_forced || r->attempts == 0))
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
	/* While the spool is full, each message is logged once. */
	if (!is_unwritten || !a->entry->reported.is_unwritten)
		log_recipient(log, &a->m, i, t->where == NULL ? "local" :
		    t->where, now);
	a->entry->reported.is_unwritten = (unsigned char)is_unwritten;
	show_status(all, a, i);
}

/* Notes that must not be lost are kept in memory, and written later. */
static int
stay(struct active *all, struct active_message *a, const struct result *res)
{
	if (active_is_news(all, a->entry, res))
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s %s; will be "
		    "retried soon", a->m.id, res->reason);
	a->again_ms = io_clock_ms() + AGAIN_MS;
	active_failed(all, a, res->reason);
	return -1;
}

static int
stay_for(struct active *all, struct active_message *a, const char *what)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0", "%s: %s", what,
	    strerror(errno));
	stay(all, a, &res);
	result_fini(&res);
	return -1;
}

/* Drops the notes: the next attempt has the same outcome. */
static void
forget(struct active *all, struct active_message *a)
{
	/* Else the log has a line for the recipient. */
	if (!a->entry->reported.is_unwritten &&
	    active_is_news(all, a->entry, &a->unwritten))
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s %s: mail is "
		    "deferred", a->m.id, a->unwritten.reason);
	active_failed(all, a, a->unwritten.reason);
}

/* 0, or -1: the notes stay, to be written later; unwritten has the reason. */
static int
put_notes(struct active_message *a)
{
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
	result_fini(&a->unwritten);
	return spool_write(&a->m, &a->notes, &a->unwritten);
}

/* The same, of what was put. */
static int
keep_notes(struct active_message *a, int is_durable)
{
	if (a->notes.len == 0)
		return 0;
	if (spool_keep(&a->m, is_durable, &a->unwritten) == -1)
		return -1;
	buf_reset(&a->notes);
	a->entry->trouble = 0;
	if (is_durable)
		a->unsynced = UNSYNCED_NONE;
	return 0;
}

static int
append_notes(struct active_message *a, int is_durable)
{
	return put_notes(a) == -1 ? -1 : keep_notes(a, is_durable);
}

/* The same; a fact that cannot be written is reported. */
static int
write_notes(struct active *all, struct active_message *a, int is_durable)
{
	if (append_notes(a, is_durable) == 0)
		return 0;
	return a->unsynced == UNSYNCED_FACT ? stay(all, a, &a->unwritten) : -1;
}

/*
 * If nothing is open any more, the message is removed once its requests are
 * back, and needs no note then.
 */
static void
not_recorded(struct active *all, struct active_message *a)
{
	if (a->open > 0 && a->unsynced == UNSYNCED_FACT)
		stay(all, a, &a->unwritten);
}

/* Decides, and gives the notes of it to the file. */
static void
record_decided(struct active *all, struct active_message *a, time_t now,
    const struct log *log)
{
	uint32_t i, n = a->decided;

	for (i = 0; decide_next(a, &i); i++)
		record(all, a, i, now, log);
	/* An attempt that is over is written when it is finished. */
	if ((n > 0 || a->unsynced != UNSYNCED_NONE) && a->again_ms == 0 &&
	    (a->open > 0 || a->requests > 0) && put_notes(a) == -1)
		not_recorded(all, a);
}

/*
 * All messages are written before the first is synced: the file system commits
 * its journal once for them, and the other syncs find that done.
 */
void
status_record(struct active *all)
{
	time_t now = time(NULL);
	struct log log = all->q->log;
	struct active_message *a;
	struct buf lines;

	buf_init(&lines, 0);
	log_hold(&log, &lines);
	for (a = all->messages; a != NULL; a = a->next)
		record_decided(all, a, now, &log);
	log_release(&log);
	buf_fini(&lines);
	for (a = all->messages; a != NULL; a = a->next)
		if (a->m.tail > 0 && keep_notes(a, a->unsynced !=
		    UNSYNCED_NONE) == -1)
			not_recorded(all, a);
}

int
status_hold(struct active_message *a, int is_held)
{
	int was_held = a->m.is_held;

	a->m.is_held = is_held;
	journal_held(&a->notes, is_held);
	decide_unsynced(a, UNSYNCED_FACT);
	if (append_notes(a, 1) == 0)
		return 0;
	/* A later write must not record it. */
	a->m.is_held = was_held;
	journal_held(&a->notes, was_held);
	return -1;
}

/* The one destination that all of its open recipients wait for; or 0. */
static uint64_t
find_destination(const struct active_message *a)
{
	uint64_t key = 0;
	uint32_t i;

	for (i = 0; i < a->nattempts; i++) {
		if (a->m.rcpts[i].state != RCPT_OPEN)
			continue;
		if (a->attempts[i].waits_for == 0 ||
		    (key != 0 && a->attempts[i].waits_for != key))
			return 0;
		key = a->attempts[i].waits_for;
	}
	return key;
}

/*
 * When the message is due again; what DEFER keeps for a flush is never due.
 * One that waits for a destination is due when it expires.
 */
static void
reschedule(const struct conf *conf, struct active_message *a, time_t warning)
{
	struct entry *e = a->entry;
	const struct recipient *r;
	uint32_t i;

	e->state = a->m.is_held ? ENTRY_HELD : ENTRY_UNTIL_FLUSH;
	if (a->m.is_held)
		return;
	for (i = 0; i < a->nattempts; i++) {
		r = &a->m.rcpts[i];
		if (r->state != RCPT_OPEN ||
		    a->attempts[i].stage == STAGE_UNTIL_FLUSH)
			continue;
		if (e->state == ENTRY_UNTIL_FLUSH || r->due < e->due)
			e->due = r->due;
		e->state = ENTRY_WAITING;
	}
	a->waits_for = conf->retry.is_defer ? 0 : find_destination(a);
	if (a->waits_for != 0)
		e->due = a->m.arrived + (time_t)conf->retry.lifetime_s;
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
	if (spool_put_aside(&all->q->spool, a->m.id, "dead") == -1)
		return stay_for(all, a, "cannot be moved to dead/");
	log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s undeliverable, and "
	    "the failure cannot be reported: kept in %s/dead/%s", a->m.id,
	    all->q->conf.where.spool, a->m.id);
	a->entry->state = ENTRY_GONE;
	return 0;
}

static void
cannot_commit(struct active *all, struct active_message *a, int is_delay,
    struct result *res)
{
	if (res->reason == NULL)
		result_set(res, STATUS_DEFERRED, "4.3.0", "out of memory");
	if (active_is_news(all, a->entry, res))
		log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s %s: %s", a->m.id,
		    is_delay ? "delay notification" : "bounce", res->reason);
	result_copy(&a->unwritten, res);
}

/* One is. */
static uint32_t
first_owed(const struct message *m)
{
	uint32_t i;

	for (i = 0; !recipient_is_owed(&m->rcpts[i]); i++)
		;
	return i;
}

static void
plan(struct active_message *a, int is_delay)
{
	struct message_reports *to = &a->m.reports;

	if (is_delay ? to->warn_id[0] != '\0' : to->bounce_id[0] != '\0' &&
	    recipient_is_owed(&a->m.rcpts[to->bounce_of]))
		return;
	if (is_delay) {
		spool_new_id(to->warn_id);
		journal_warning(&a->notes, to->warn_id);
	} else {
		spool_new_id(to->bounce_id);
		to->bounce_of = first_owed(&a->m);
		journal_bounce(&a->notes, to->bounce_id, to->bounce_of);
	}
	decide_unsynced(a, UNSYNCED_PLAN);
}

/* A load for something else has not done this. */
static int
check_text(struct active_message *a, struct result *res)
{
	if (!a->is_checked)
		a->is_checked = spool_check_text(&a->m, res) == SPOOL_GOT;
	return a->is_checked ? 0 : -1;
}

/*
 * Plan (durable), commit, note as reported (durable): see docs/spool.md.
 * Here the first two.  is_delay: a notice of delay.
 */
static enum bounced
commit(struct active *all, struct active_message *a, int is_delay)
{
	const struct message_reports *to = &a->m.reports;
	const char *sender;
	enum bounced got;
	struct result res;

	result_init(&res);
	if (check_text(a, &res) == -1) {
		cannot_commit(all, a, is_delay, &res);
		result_fini(&res);
		return BOUNCE_LATER;
	}
	plan(a, is_delay);
	sender = is_delay ? a->m.sender : message_sender(&a->m,
	    to->bounce_of);
	if (write_notes(all, a, 1) == -1)
		return BOUNCE_LATER;
	got = bounce_commit(&all->q->conf, &all->q->spool, &a->m, is_delay,
	    time(NULL), &res);
	if (got == BOUNCED)
		log_say(&all->q->log, LOG_LEVEL_INFO, "id=%s %s=%s to=<%s>",
		    a->m.id, is_delay ? "notice" : "bounce", is_delay ?
		    to->warn_id : to->bounce_id, sender[0] == '\0' ?
		    "postmaster" : sender);
	else if (got == BOUNCE_LATER)
		cannot_commit(all, a, is_delay, &res);
	result_fini(&res);
	return got;
}

/* The third.  If this write fails, a later one must be as durable. */
static int
committed(struct active *all, struct active_message *a)
{
	decide_unsynced(a, UNSYNCED_FACT);
	active_scan_soon(all);
	return write_notes(all, a, 1);
}

static void
note_reported(struct active_message *a, uint32_t i)
{
	a->m.rcpts[i].is_reported = 1;
	journal_reported(&a->notes, i);
}

/* The recipient that the plan names comes last: until then, it holds. */
static void
note_all_reported(struct active_message *a)
{
	uint32_t i, of = a->m.reports.bounce_of;
	const char *sender = message_sender(&a->m, of);

	for (i = 0; i < a->m.nrcpts; i++)
		if (i != of && recipient_is_owed(&a->m.rcpts[i]) &&
		    strcmp(message_sender(&a->m, i), sender) == 0)
			note_reported(a, i);
	note_reported(a, of);
	a->m.reports.bounce_id[0] = '\0';
}

/* One report, to one sender.  BOUNCED, or why there is none. */
static enum bounced
report_one(struct active *all, struct active_message *a)
{
	enum bounced got = commit(all, a, 0);

	if (got == BOUNCE_LATER)
		(void)stay(all, a, &a->unwritten);
	if (got != BOUNCED)
		return got;
	note_all_reported(a);
	return committed(all, a) == 0 ? BOUNCED : BOUNCE_LATER;
}

int
status_report(struct active *all, struct active_message *a)
{
	enum bounced got = BOUNCED;
	uint32_t open, owed;

	for (;;) {
		count(&a->m, &owed, &open);
		a->m.reports.owed = owed;
		if (owed == 0 || got != BOUNCED)
			break;
		got = report_one(all, a);
	}
	if (got == BOUNCE_LATER)
		return -1;
	if (got == BOUNCED)
		return 0;
	a->m.reports.owed = 0;
	/* Others may still get it: it is kept when they are through. */
	return open > 0 ? 0 : bury(all, a);
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
	    bounce_delay_at(&all->q->conf, &a->m) != 0)
		(void)warn(all, a);
}

/* Back to the queue, until open recipients are due. */
static int
finish_open(struct active *all, struct active_message *a)
{
	time_t at, now = time(NULL);

	at = bounce_delay_at(&all->q->conf, &a->m);
	if (at != 0 && at <= now)
		at = warn(all, a) == 0 ? 0 : now + WARN_AGAIN_S;
	if (write_notes(all, a, a->unsynced != UNSYNCED_NONE) == -1) {
		if (a->unsynced == UNSYNCED_FACT)
			return -1;
		forget(all, a);
	}
	reschedule(&all->q->conf, a, at);
	return 0;
}

/*
 * All is done.  Deliveries by SMTP or into a pipe must be recorded: by the
 * removal, once that is synced.  This works in a full spool, too.
 */
static int
drop(struct active *all, struct active_message *a)
{
	if (spool_remove(&all->q->spool, a->m.id, 0) == -1)
		return stay_for(all, a, "cannot be removed");
	if (a->unsynced == UNSYNCED_NONE)
		a->entry->state = ENTRY_GONE;
	else
		a->unsynced = UNSYNCED_REMOVAL;
	return 0;
}

static void
not_deleted(struct active *all, struct active_message *a, const char *what,
    int error)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%s: %s", what, strerror(error));
	active_failed(all, a, buf_str(&b));
	log_say(&all->q->log, LOG_LEVEL_ERROR, "id=%s %s", a->m.id,
	    buf_str(&b));
	buf_fini(&b);
}

/*
 * What was delivered is recorded first, in case that a power cut brings the
 * file back.  0 when it has no name any more.
 */
static int
unlink_deleted(struct active *all, struct active_message *a)
{
	if (a->unsynced != UNSYNCED_NONE)
		(void)append_notes(a, 1);
	if (spool_remove(&all->q->spool, a->m.id, 0) == 0) {
		a->entry->state = ENTRY_GONE;
		return 0;
	}
	not_deleted(all, a, "cannot be removed", errno);
	a->removal = REMOVAL_NONE;
	return -1;
}

static int
is_deleted(const struct active_message *a)
{
	return a->removal == REMOVAL_DELETE && decide_is_over(a);
}

/* Nobody hears "deleted" before the sync. */
void
status_delete(struct active *all)
{
	struct active_message *a;
	int error, n = 0;

	for (a = all->messages; a != NULL; a = a->next)
		if (is_deleted(a))
			n += unlink_deleted(all, a) == 0;
	if (n == 0)
		return;
	error = spool_sync_removed(&all->q->spool) == 0 ? 0 : errno;
	for (a = all->messages; a != NULL; a = a->next) {
		if (!is_deleted(a))
			continue;
		if (error == 0)
			log_say(&all->q->log, LOG_LEVEL_INFO,
			    "id=%s status=deleted", a->m.id);
		else
			not_deleted(all, a, "it is removed, but a crash of "
			    "this host may bring it back", error);
	}
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
	return drop(all, a);
}

void
status_sync_removed(struct active *all)
{
	struct active_message *a;
	int error = 0, n = 0;

	for (a = all->messages; a != NULL; a = a->next)
		n += a->unsynced == UNSYNCED_REMOVAL;
	if (n > 0 && spool_sync_removed(&all->q->spool) == -1)
		error = errno;
	for (a = all->messages; a != NULL; a = a->next) {
		if (a->unsynced != UNSYNCED_REMOVAL)
			continue;
		if (error == 0) {
			a->unsynced = UNSYNCED_NONE;
			a->entry->state = ENTRY_GONE;
			continue;
		}
		errno = error;
		(void)stay_for(all, a, "cannot be removed");
	}
}
