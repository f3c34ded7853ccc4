/*
 * status.c - what became of each recipient, written down.
 * Runs as: the spool user.  Uses: the queue by spool.c, the log.
 * Promise: what succeeded is noted before anything else is done with it; a
 * message leaves the queue only when nobody is owed anything any more.
 */
#include <sys/ioctl.h>

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bounce.h"
#include "queue/queue.h"
#include "spool/journal.h"
#include "lib/io.h"
#include "queue/route.h"

#define WATCH_LINE_MAX	1000	/* octets that who watches is shown */
#define AGAIN_MS	15000	/* until a failed write is tried again */
#define MARK_AGAIN_S	30	/* until who has a mark is looked at again */
#define WARN_AGAIN_S	60	/* the same for a notice of delay */

int
is_due(const struct conf *conf, time_t due, time_t now)
{
	return due <= now || due > now + 60 + 2 * (time_t)conf->retry.max_s;
}

/* ---- who watches ---- */

unsigned
watchers_of(const struct desk *d, const struct work *w)
{
	const struct waiter *wt;
	unsigned set = 0;
	int i;

	for (i = 0; i < WAITERS_MAX; i++) {
		wt = &d->waiters[i];
		if (wt->fd != -1 && wt->is_watching &&
		    (wt->uid == 0 || wt->uid == w->m.submitter) &&
		    (wt->id[0] == '\0' || strcmp(wt->id, w->m.id) == 0))
			set |= 1U << i;
	}
	return set;
}

/* The rest of the pipe has room for it. */
void
watcher_mend(struct waiter *wt)
{
	static const char cut[] = "=== some lines are omitted here\n";

	if (wt->is_cut)
		(void)io_write_all(wt->fd, cut, sizeof(cut) - 1);
	wt->is_cut = 0;
}

static int
pipe_size(int fd)
{
#ifdef F_GETPIPE_SZ
	return fcntl(fd, F_GETPIPE_SZ);
#else
	(void)fd;
	return 4 * PIPE_BUF;
#endif
}

/*
 * Who does not read does not hold up the runner: what would fill more than a
 * part of the pipe is left out, so that the last octet has room, too.
 */
static void
tell_one(struct waiter *wt, const char *text, size_t len)
{
	int size = pipe_size(wt->fd), used = 0;

	if (size < 0 || ioctl(wt->fd, FIONREAD, &used) == -1 || used < 0 ||
	    (size_t)used + len > (size_t)size / 4) {
		wt->is_cut = 1;
		return;
	}
	watcher_mend(wt);
	(void)io_write_all(wt->fd, text, len);
}

void
watchers_tell(struct desk *d, unsigned set, const char *line)
{
	struct buf b;
	int i;

	if (set == 0)
		return;
	buf_init(&b, 0);
	buf_put_clean(&b, line, strlen(line), WATCH_LINE_MAX);
	buf_putc(&b, '\n');
	for (i = 0; i < WAITERS_MAX && !buf_failed(&b); i++)
		if (set & 1U << i)
			tell_one(&d->waiters[i], buf_str(&b), b.len);
	buf_fini(&b);
}

/* The end of it, for mail of this host, too. */
static void
show_fate(struct desk *d, const struct work *w, uint32_t i,
    const struct result *res)
{
	unsigned set = watchers_of(d, w);
	struct buf b;

	if (set == 0)
		return;
	buf_init(&b, 0);
	buf_printf(&b, "=== %s: %s: ", w->m.rcpts[i].address,
	    status_name(res->status));
	result_put_reason(&b, res);
	watchers_tell(d, set, buf_str(&b));
	buf_fini(&b);
}

/* ---- decisions ---- */

/* action: what a success is called in a report. */
static void
store(struct work *w, uint32_t i, const struct result *res, const char *where,
    enum action action)
{
	struct attempt *a = &w->attempts[i];
	struct recipient *r = &w->m.rcpts[i];

	if (a->stage == STAGE_DECIDED || a->stage == STAGE_DONE ||
	    a->stage == STAGE_NONE)
		return;
	a->stage = STAGE_DECIDED;
	a->action = action;
	a->is_same = result_is_same(&r->last, res);
	result_copy(&r->last, res);
	free(a->where);
	a->where = where == NULL ? NULL : strdup(where);
	a->next = 0;
	if (w->decided == 0)
		w->decided = i + 1;
	else
		w->attempts[w->last_decided - 1].next = i + 1;
	w->last_decided = i + 1;
	w->open--;
}

void
decide(struct work *w, uint32_t i, const struct result *res,
    const char *where)
{
	store(w, i, res, where, ACTION_DELIVERED);
}

void
decide_remote(struct work *w, uint32_t i, const struct result *res,
    const char *host, int is_passed_on)
{
	store(w, i, res, host, is_passed_on ? ACTION_NONE : ACTION_RELAYED);
}

void
decide_as(struct work *w, uint32_t i, enum status status, const char *code,
    const char *reason)
{
	struct result res;

	result_init(&res);
	result_set(&res, status, code, "%s", reason);
	decide(w, i, &res, NULL);
	result_fini(&res);
}

/* ---- statuses ---- */

static unsigned
jitter(unsigned seconds, const char *id)
{
	unsigned spread = seconds / 8;

	/* Spread by id, so that a queue does not come due in one second. */
	if (spread == 0)
		return seconds;
	return seconds - spread / 2 +
	    (unsigned)(text_digest(id, strlen(id)) % spread);
}

static time_t
next_due(const struct conf *conf, const struct message *m,
    const struct recipient *r, time_t now)
{
	uint64_t wait = conf->retry.first_s;
	unsigned i;

	for (i = 1; i < r->attempts && wait < conf->retry.max_s; i++)
		wait *= 2;
	if (wait > conf->retry.max_s)
		wait = conf->retry.max_s;
	return now + (time_t)jitter((unsigned)wait, m->id);
}

static void
log_recipient(struct desk *d, const struct message *m, uint32_t i,
    const struct result *res, const char *where, time_t now)
{
	const struct recipient *r = &m->rcpts[i];
	const char *original = message_original(m, i);
	int failed = res->status == STATUS_FAILED;
	struct buf orig, reply;

	buf_init(&orig, 0);
	buf_init(&reply, 0);
	result_put_full(&reply, res);
	if (original != r->address)
		buf_printf(&orig, " orig=<%s>", original);
	log_say(&d->log, failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
	    "id=%s from=<%s> to=<%s%s>%s relay=%s delay=%" PRId64 " dsn=%s "
	    "status=%s%s reply=\"%s%s\"", m->id, m->sender,
	    r->kind == ROUTE_PIPE ? "|" : "", r->address, buf_str(&orig),
	    where, (int64_t)(now - m->arrived), res->code,
	    status_name(res->status), failed && r->action == ACTION_NONE ?
	    " report=none" : "", failed && res->code[0] == '4' ?
	    "expired; last reply: " : "", buf_str(&reply));
	buf_fini(&reply);
	buf_fini(&orig);
}

/* What the sender hears of a success, if it asked to. */
static enum action
success(const struct message *m, uint32_t i, enum action action)
{
	return m->sender[0] != '\0' && recipient_wants(&m->rcpts[i],
	    NOTIFY_SUCCESS) ? action : ACTION_NONE;
}

static void
record_sent(struct work *w, uint32_t i, enum action action)
{
	struct recipient *r = &w->m.rcpts[i];

	r->state = RCPT_SENT;
	r->action = success(&w->m, i, action);
	journal_sent(&w->notes, &w->m, i);
	/* A mailbox append is found again by its mark; a report is not. */
	if (r->checkpoint.length == -1 || r->action != ACTION_NONE)
		w->needs_sync = 1;
}

static void
record_failed(struct work *w, uint32_t i)
{
	struct recipient *r = &w->m.rcpts[i];

	r->state = RCPT_FAILED;
	if (recipient_wants(r, NOTIFY_FAILURE))
		r->action = ACTION_FAILED;
	journal_failed(&w->notes, &w->m, i);
	w->needs_sync = 1;
}

static void
record_deferred(struct desk *d, struct work *w, uint32_t i, time_t now,
    int is_same)
{
	struct recipient *r = &w->m.rcpts[i];

	if (now - w->m.arrived < (time_t)d->conf.retry.lifetime_s) {
		r->due = next_due(&d->conf, &w->m, r, now);
		/* Its mark tells only until others get at the file. */
		if (r->checkpoint.length != -1 && r->due > now + MARK_AGAIN_S)
			r->due = now + MARK_AGAIN_S;
		journal_deferred(&w->notes, &w->m, i, is_same);
		return;
	}
	/* Code and words stay those of the last reply. */
	r->last.status = STATUS_FAILED;
	record_failed(w, i);
}

static void
record(struct desk *d, struct work *w, uint32_t i, time_t now)
{
	struct attempt *a = &w->attempts[i];
	struct recipient *r = &w->m.rcpts[i];

	a->stage = STAGE_DONE;
	/* A flush by hand does not lengthen the wait. */
	if (!w->is_forced || r->attempts == 0)
		r->attempts++;
	r->tried = now;
	switch (r->last.status) {
	case STATUS_SENT:
		record_sent(w, i, a->action);
		break;
	case STATUS_FAILED:
		record_failed(w, i);
		break;
	default:
		record_deferred(d, w, i, now, a->is_same);
		break;
	}
	log_recipient(d, &w->m, i, &r->last, a->where == NULL ? "local" :
	    a->where, now);
	show_fate(d, w, i, &r->last);
}

void
decide_expanded(struct work *w, uint32_t i, uint32_t before)
{
	struct recipient *r = &w->m.rcpts[i];
	uint32_t k;

	for (k = before; k < w->m.nrcpts; k++)
		journal_recipient(&w->notes, &w->m, k);
	r->state = RCPT_EXPANDED;
	if (route_is_list(&w->m, before))
		r->action = success(&w->m, i, ACTION_EXPANDED);
	if (r->action != ACTION_NONE) {
		result_set(&r->last, STATUS_SENT, "2.1.5", "sent on to %u "
		    "recipients", w->m.nrcpts - before);
		w->needs_sync = 1;
	}
	journal_expanded(&w->notes, &w->m, i);
	w->attempts[i].stage = STAGE_DONE;
	w->open--;
}

/* 0, or -1: they stay, to be written later. */
static int
write_notes(struct desk *d, struct work *w, int is_durable)
{
	struct result res;

	if (w->notes.len == 0 && !buf_failed(&w->notes))
		return 0;
	/*
	 * What there was no memory for is lost, and all notes after it.  It
	 * is known here still: noted anew, nothing is lost or done twice.
	 */
	if (buf_failed(&w->notes)) {
		buf_reset(&w->notes);
		journal_all(&w->notes, &w->m);
	}
	result_init(&res);
	if (spool_append(&w->m, &w->notes, is_durable, &res) == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s %s; will be retried "
		    "soon",
		    w->m.id, res.reason == NULL ? "journal" : res.reason);
		result_fini(&res);
		w->again_ms = io_clock_ms() + AGAIN_MS;
		return -1;
	}
	buf_reset(&w->notes);
	if (is_durable)
		w->needs_sync = 0;
	return 0;
}

/* How many there were. */
static unsigned
record_decided(struct desk *d, struct work *w, time_t now)
{
	unsigned n = 0;
	uint32_t i;

	for (; w->decided != 0; n++) {
		i = w->decided - 1;
		w->decided = w->attempts[i].next;
		record(d, w, i, now);
	}
	return n;
}

void
status_record(struct desk *d)
{
	time_t now = time(NULL);
	struct work *w;
	unsigned n;

	for (w = d->works; w != NULL; w = w->next) {
		n = record_decided(d, w, now);
		/* What nobody else has is written when it is finished. */
		if ((n > 0 || w->needs_sync) && w->again_ms == 0 &&
		    (w->open > 0 || w->jobs > 0))
			write_notes(d, w, w->needs_sync);
	}
}

/* When the sender is to hear of the delay: once, by the stored time; or 0. */
static time_t
warn_at(const struct conf *conf, const struct message *m)
{
	if (conf->retry.warn_after_s == 0 || m->is_warned ||
	    !bounce_has_delay(m))
		return 0;
	return m->arrived + (time_t)conf->retry.warn_after_s;
}

/* When it is wanted again; what DEFER holds is nobody's turn. */
static void
reschedule(struct work *w, time_t warning)
{
	const struct recipient *r;
	uint32_t i;

	w->item->is_held = 1;
	for (i = 0; i < w->nattempts; i++) {
		r = &w->m.rcpts[i];
		if (r->state != RCPT_OPEN || w->attempts[i].stage == STAGE_HELD)
			continue;
		if (w->item->is_held || r->due < w->item->due)
			w->item->due = r->due;
		w->item->is_held = 0;
	}
	if (warning != 0 && !w->item->is_held && warning < w->item->due)
		w->item->due = warning;
}

static int
stay(struct work *w)
{
	w->again_ms = io_clock_ms() + AGAIN_MS;
	return -1;
}

/* What is left: reports that are owed, and the earliest open recipient. */
static void
count(const struct message *m, uint32_t *owed, uint32_t *open, time_t *due)
{
	const struct recipient *r;
	uint32_t i;

	*owed = *open = 0;
	*due = 0;
	for (i = 0; i < m->nrcpts; i++) {
		r = &m->rcpts[i];
		*owed += (uint32_t)recipient_is_owed(r);
		if (r->state != RCPT_OPEN)
			continue;
		if (*open == 0 || r->due < *due)
			*due = r->due;
		++*open;
	}
}

/* Nobody can be told: the message itself is kept. */
static int
bury(struct desk *d, struct work *w)
{
	if (spool_put_aside(&d->spool, w->m.id, "dead") == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s cannot be moved to "
		    "dead/", w->m.id);
		return stay(w);
	}
	log_say(&d->log, LOG_LEVEL_ERROR, "id=%s undeliverable, and the "
	    "failure cannot be reported: kept in %s/dead/%s", w->m.id,
	    d->conf.where.spool, w->m.id);
	w->item->state = ITEM_GONE;
	return 0;
}

/* Plan (durable), commit, note as reported (durable): see docs/spool.md. */
int
status_report(struct desk *d, struct work *w)
{
	struct result res;
	enum bounced got;
	uint32_t i, open, owed;
	time_t due;

	if (w->m.bounce_id[0] == '\0') {
		spool_new_id(w->m.bounce_id);
		journal_bounce(&w->notes, w->m.bounce_id);
		w->needs_sync = 1;
	}
	if (write_notes(d, w, 1) == -1)
		return -1;
	result_init(&res);
	got = bounce_commit(&d->conf, &d->spool, &w->m, time(NULL), &res);
	if (got == BOUNCE_LATER)
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s bounce: %s", w->m.id,
		    res.reason == NULL ? "failed" : res.reason);
	result_fini(&res);
	if (got == BOUNCE_LATER)
		return stay(w);
	if (got == BOUNCE_IMPOSSIBLE) {
		count(&w->m, &owed, &open, &due);
		w->m.owed = 0;
		/* Others may still get it: it is kept when they are through. */
		return open > 0 ? 0 : bury(d, w);
	}
	log_say(&d->log, LOG_LEVEL_INFO, "id=%s bounce=%s to=<%s>", w->m.id,
	    w->m.bounce_id, w->m.sender[0] == '\0' ? "postmaster" :
	    w->m.sender);
	for (i = 0; i < w->m.nrcpts; i++)
		if (recipient_is_owed(&w->m.rcpts[i])) {
			w->m.rcpts[i].is_reported = 1;
			journal_reported(&w->notes, i);
		}
	/* If this write fails, a later one must be as durable. */
	w->needs_sync = 1;
	w->m.bounce_id[0] = '\0';
	w->m.owed = 0;
	d->must_scan = 1;
	return write_notes(d, w, 1);
}

/*
 * As status_report(), but nobody waits for it: mail is tried on in the
 * meantime.  0, or -1 when it has to be done again.
 */
static int
warn(struct desk *d, struct work *w)
{
	struct result res;
	enum bounced got;

	if (w->m.warn_id[0] == '\0') {
		spool_new_id(w->m.warn_id);
		journal_warning(&w->notes, w->m.warn_id);
		w->needs_sync = 1;
	}
	if (write_notes(d, w, 1) == -1)
		return -1;
	result_init(&res);
	got = bounce_warn(&d->conf, &d->spool, &w->m, time(NULL), &res);
	if (got == BOUNCED)
		log_say(&d->log, LOG_LEVEL_INFO, "id=%s notice=%s to=<%s>",
		    w->m.id, w->m.warn_id, w->m.sender);
	else
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s delay notification: "
		    "%s",
		    w->m.id, res.reason == NULL ? "failed" : res.reason);
	result_fini(&res);
	if (got != BOUNCED)
		return -1;
	w->m.is_warned = 1;
	journal_warned(&w->notes);
	w->needs_sync = 1;
	d->must_scan = 1;
	return write_notes(d, w, 1);
}

void
status_warned(struct desk *d, struct work *w)
{
	if (w->m.warn_id[0] != '\0' && warn_at(&d->conf, &w->m) != 0)
		(void)warn(d, w);
}

/* Back to the queue: what is open waits for its time. */
static int
finish_open(struct desk *d, struct work *w)
{
	time_t at, now = time(NULL);

	at = warn_at(&d->conf, &w->m);
	if (at != 0 && at <= now)
		at = warn(d, w) == 0 ? 0 : now + WARN_AGAIN_S;
	if (write_notes(d, w, w->needs_sync) == -1)
		return -1;
	w->item->state = ITEM_WAITING;
	reschedule(w, at);
	return 0;
}

int
status_finish(struct desk *d, struct work *w)
{
	uint32_t open, owed;
	time_t due;

	count(&w->m, &owed, &open, &due);
	if (owed > 0 && status_report(d, w) == -1)
		return -1;
	if (w->item->state == ITEM_GONE)
		return 0;
	if (open > 0)
		return finish_open(d, w);
	/*
	 * All is done.  What went out by SMTP or into a pipe must be noted
	 * even if the removal is undone by a power cut.
	 */
	if (w->needs_sync && write_notes(d, w, 1) == -1)
		return -1;
	if (spool_remove(&d->spool, w->m.id) == -1) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s cannot be removed",
		    w->m.id);
		return stay(w);
	}
	w->item->state = ITEM_GONE;
	return 0;
}
