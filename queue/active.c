/*
 * active.c - the queue in memory.
 * Runs as: the spool user.  Uses: the queue through spool.c.
 * Promise: every message in the queue has one entry; one that is due is
 * loaded, the oldest first, unless its share is used up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/array.h"
#include "lib/io.h"
#include "queue/active.h"
#include "queue/bounce_facts.h"
#include "queue/outcome.h"

#define NEW_S		10	/* a message is new for this long */
#define RECENT_S	2	/* a runner may be started for it so long */
#define SCAN_AGAIN_MS	1000	/* until a failed scan is repeated */
#define SCAN_SHARE	50	/* scans take at most this part of the time */
#define FULL_AGAIN_MS	3600000	/* until the log has it again */
#define LOAD_AGAIN_S	60	/* until an unreadable message is tried again */
#define PEEKS_MAX	256	/* entries whose submitter is read in a turn */
#define LOADS_MAX	64	/* messages that are loaded in a turn */
#define REASON_HELD	"held: release it first"
#define REASON_DAMAGED \
	"its file is damaged, and is moved to corrupt: see the log"
#define UID_NOBODY	UINT32_MAX	/* of a message that cannot be read */

void
active_init(struct active *a, const struct queue *q, struct watchers *watchers)
{
	memset(a, 0, sizeof(*a));
	a->q = q;
	a->watchers = watchers;
	a->scan = SCAN_WANTED;
	a->fresh.before = a->backlog.before = entry_is_older;
	a->waiting.before = entry_is_due_before;
	turns_init(&a->turns);
	backoffs_init(&a->backoffs);
}

void
active_fini(struct active *a)
{
	size_t i;

	turns_fini(&a->turns);
	backoffs_fini(&a->backoffs);
	entry_heap_fini(&a->fresh);
	entry_heap_fini(&a->backlog);
	entry_heap_fini(&a->waiting);
	for (i = 0; i < a->n; i++)
		free(a->entries[i]);
	free(a->entries);
	damaged_fini(&a->damaged);
}

/* ---- where an entry waits ---- */

/* Reports the result to the callers that wait for it. */
static void
tell(struct active *a, struct entry *e, struct tried *t)
{
	unsigned set = e->waiting;

	t->id = e->id;
	e->waiting = 0;
	watchers_tried(a->watchers, set, t);
	e->flushes += e->is_forced;
	e->is_forced = 0;
}

/* The same: it was not tried, and why. */
static void
not_tried(struct active *a, struct entry *e, const char *failure)
{
	struct tried t = { .failure = failure };

	tell(a, e, &t);
}

/* Takes the entry out of the heap that it waits in. */
static void
leave(struct active *a, struct entry *e)
{
	struct share *share = e->share;

	entry_leave(e);
	e->share = NULL;
	if (share != NULL)
		turns_drop(&a->turns, share);
}

static void
gone(struct active *a, struct entry *e)
{
	leave(a, e);
	if (e->waiting != 0)
		not_tried(a, e, "out of memory");
	e->state = ENTRY_GONE;
	a->ngone++;
}

/* Without memory it is forgotten: the next scan finds it again. */
static void
wait_in(struct active *a, struct entry *e, enum entry_state state,
    struct entry_heap *heap)
{
	leave(a, e);
	e->state = (unsigned char)state;
	if (entry_heap_add(heap, e) == 0)
		return;
	gone(a, e);
	a->scan = SCAN_FAILED;
}

static void
make_ready(struct active *a, struct entry *e)
{
	if (e->submitter == NULL)
		wait_in(a, e, ENTRY_NEW, &a->fresh);
	else
		wait_in(a, e, ENTRY_READY, &e->submitter->ready);
	a->is_stale = 1;
}

/* Its submitter may have announced it. */
static void
announced(struct active *a, struct entry *e)
{
	unsigned set = watchers_came(a->watchers, e->id, e->submitter->uid);

	active_wait_for(a, e, set);
	watchers_ready(a->watchers, set);
}

/* Whose it is: by its message, or NULL.  -1 without memory: then it is gone. */
static int
find_submitter(struct active *a, struct entry *e,
    const struct active_message *am)
{
	uint32_t uid;

	if (am != NULL)
		uid = am->m.submitter;
	else if (spool_submitter(&a->q->spool, e->id, &uid) == -1)
		uid = UID_NOBODY;
	e->submitter = turns_submitter(&a->turns, uid);
	if (e->submitter != NULL) {
		announced(a, e);
		return 0;
	}
	gone(a, e);
	a->scan = SCAN_FAILED;
	return -1;
}

/* It takes its turn among those of its submitter. */
static void
peek_at(struct active *a, struct entry *e)
{
	if (find_submitter(a, e, NULL) == 0)
		make_ready(a, e);
}

/* ---- the list of entries ---- */

/* New ones of a scan, in no order. */
struct found {
	struct active	*active;
	struct entry	**list;		/* owned */
	size_t		 n, cap;
};

static size_t
find_place(const struct active *a, const char *id)
{
	size_t high = a->n, low = 0, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(a->entries[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* NULL when it is not there. */
static struct entry *
find(const struct active *a, const char *id)
{
	size_t at = find_place(a, id);

	return at < a->n && strcmp(a->entries[at]->id, id) == 0 ?
	    a->entries[at] : NULL;
}

uint32_t
active_submitter(struct active *a, struct entry *e)
{
	if (e->submitter == NULL)
		peek_at(a, e);
	return e->submitter == NULL ? UID_NOBODY : e->submitter->uid;
}

/* Into a list that has room for it; NULL without memory. */
static struct entry *
new_entry(struct active *a, const char *id)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		a->scan = SCAN_FAILED;
		return NULL;
	}
	text_copy(e->id, sizeof(e->id), id);
	e->scan = a->scans;
	return e;
}

static int
grow(struct active *a, struct entry ***list, size_t *cap, size_t n)
{
	if (array_grow(list, cap, n, sizeof(**list)) == 0)
		return 0;
	a->scan = SCAN_FAILED;
	return -1;
}

/*
 * That of a file that is in the queue; NULL when it has none yet.  One that was
 * gone is back: by dma queue requeue, or because there was no memory for it.
 */
static struct entry *
find_queued(struct active *a, const char *id)
{
	struct entry *e = find(a, id);

	if (e == NULL)
		return NULL;
	if (e->state == ENTRY_GONE && e->message == NULL) {
		memset(e, 0, sizeof(*e));
		text_copy(e->id, sizeof(e->id), id);
		a->ngone--;
		make_ready(a, e);
	}
	e->scan = a->scans;
	return e;
}

void
active_add(struct active *a, const char *id)
{
	struct entry *e = find_queued(a, id);
	size_t at;

	if (e != NULL) {
		if (e->state == ENTRY_NEW)
			peek_at(a, e);
		return;
	}
	if (grow(a, &a->entries, &a->cap, a->n) == -1 ||
	    (e = new_entry(a, id)) == NULL)
		return;
	at = find_place(a, id);
	memmove(&a->entries[at + 1], &a->entries[at],
	    (a->n - at) * sizeof(*a->entries));
	a->entries[at] = e;
	a->n++;
	/* At once: it does not wait for a long queue to be looked at. */
	peek_at(a, e);
}

static int
list_one(void *arg, const char *id)
{
	struct found *f = arg;
	struct entry *e;

	if (find_queued(f->active, id) != NULL)
		return 0;
	if (grow(f->active, &f->list, &f->cap, f->n) == -1)
		return 0;
	e = new_entry(f->active, id);
	if (e != NULL)
		f->list[f->n++] = e;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct entry *const *one = a, *const *two = b;

	return strcmp((*one)->id, (*two)->id);
}

/* One of the future was made before the clock was set back. */
static int
is_recent(const char *id, time_t now)
{
	time_t made = spool_id_time(id);

	return made >= now - RECENT_S && made <= now + RECENT_S;
}

/* The new ones take their places among the others: sorted once. */
static void
merge(struct active *a, struct found *f)
{
	time_t now = time(NULL);
	size_t i, from = a->n, n = f->n, to;

	qsort(f->list, f->n, sizeof(*f->list), compare);
	while (a->cap < a->n + f->n)
		if (grow(a, &a->entries, &a->cap, a->cap) == -1)
			break;
	if (a->cap < a->n + f->n) {
		for (i = 0; i < f->n; i++)
			free(f->list[i]);
		return;
	}
	for (to = a->n + n; n > 0; to--)
		a->entries[to - 1] = from > 0 && compare(
		    &a->entries[from - 1], &f->list[n - 1]) > 0 ?
		    a->entries[--from] : f->list[--n];
	a->n += f->n;
	/* Mail that a runner was started for does not wait for a backlog. */
	for (i = 0; i < f->n; i++)
		wait_in(a, f->list[i], ENTRY_NEW,
		    is_recent(f->list[i]->id, now) ? &a->fresh : &a->backlog);
	a->is_stale = 1;
}

void
active_hold(struct active *a, struct entry *e)
{
	struct tried held = { .failure = REASON_HELD, .is_by_command = 1,
	    .replies = { [QUEUE_RETRY] = "late " REASON_HELD } };

	leave(a, e);
	e->state = ENTRY_HELD;
	tell(a, e, &held);
}

/* Somebody removed its file. */
static void
lost(struct active *a, struct entry *e)
{
	struct tried t = { .replies = { [QUEUE_RETRY] = "unknown",
	    [QUEUE_DELETE] = "unknown", [QUEUE_BOUNCE] = "unknown" } };

	tell(a, e, &t);
	gone(a, e);
}

void
active_scan(struct active *a)
{
	struct found found = { a, NULL, 0, 0 };
	int64_t began_ms = io_clock_ms();
	int error = 0, has_failed = a->scan == SCAN_FAILED;
	struct entry *e;
	size_t i;

	a->scan = SCAN_DONE;
	a->scans++;
	if (spool_list(&a->q->spool, list_one, &found) == -1) {
		error = errno;
		a->scan = SCAN_FAILED;
		if (!has_failed)
			log_say(&a->q->log, LOG_LEVEL_ERROR, "the queue "
			    "cannot be read: %s", strerror(error));
	}
	if (found.n > 0)
		merge(a, &found);
	free(found.list);
	errno = error;
	if (a->scan != SCAN_DONE)
		return;
	a->scanned_ms = io_clock_ms();
	a->scan_took_ms = a->scanned_ms - began_ms;
	for (i = 0; i < a->n; i++) {
		e = a->entries[i];
		if (e->scan != a->scans && e->state != ENTRY_ACTIVE &&
		    e->state != ENTRY_GONE)
			lost(a, e);
	}
}

void
active_scan_soon(struct active *a)
{
	if (a->scan == SCAN_DONE)
		a->scan = SCAN_WANTED;
}

/* At once, unless the last one failed: then not in a circle. */
int64_t
active_scan_ms(const struct active *a)
{
	if (a->scan == SCAN_DONE)
		return -1;
	return a->scan == SCAN_FAILED ? SCAN_AGAIN_MS : 0;
}

/* DEFER: what is left of it is remote, and waits for a flush. */
static int
awaits_flush(const struct active *a, const struct entry *e)
{
	return e->state == ENTRY_UNTIL_FLUSH && a->q->conf.retry.is_defer;
}

static int
is_due(const struct active *a, const struct entry *e, time_t now)
{
	return limits_is_due(e->due, now, a->q->conf.retry.max_s);
}

/* A clock may have been set, or DEFER be gone. */
static void
look_again(struct active *a)
{
	time_t now = time(NULL);
	struct entry *e;
	size_t i;

	for (i = 0; i < a->n; i++) {
		e = a->entries[i];
		if ((e->heap == &a->waiting ||
		    e->state == ENTRY_UNTIL_FLUSH) && !awaits_flush(a, e) &&
		    is_due(a, e, now))
			make_ready(a, e);
	}
	a->is_stale = 1;
}

void
active_clock_set(struct active *a)
{
	look_again(a);
}

/* A long queue is scanned less often. */
int
active_refresh(struct active *a, int64_t limit_ms)
{
	if (limit_ms > 0 && limit_ms < a->scan_took_ms * SCAN_SHARE)
		limit_ms = a->scan_took_ms * SCAN_SHARE;
	if (io_clock_ms() - a->scanned_ms < limit_ms)
		return 0;
	active_scan_soon(a);
	look_again(a);
	return 1;
}

/* Recipients that were decided before this flush are tried again. */
static void
force(struct active *a, struct entry *e)
{
	struct active_message *am = e->message;

	e->is_forced = 1;
	if (am != NULL && am->again_ms != 0)
		am->again_ms = 1;
	if (am != NULL && am->open < am->nattempts)
		am->is_partial = 1;
	if (e->state == ENTRY_WAITING || e->state == ENTRY_UNTIL_FLUSH)
		make_ready(a, e);
}

void
active_unhold(struct active *a, struct entry *e)
{
	if (e->state == ENTRY_HELD)
		e->state = ENTRY_WAITING;
	force(a, e);
}

void
active_wait_for(struct active *a, struct entry *e, unsigned set)
{
	watchers_wait_for(a->watchers, set & ~e->waiting, 1);
	e->waiting |= set;
}

/* A message on hold is not tried: the callers of the set get that reply. */
static void
refuse_held(struct active *a, struct entry *e, unsigned set)
{
	struct tried held = { .failure = REASON_HELD, .is_by_command = 1,
	    .replies = { [QUEUE_RETRY] = "late " REASON_HELD } };
	unsigned others = e->waiting & ~set;

	e->waiting &= set;
	tell(a, e, &held);
	e->waiting = others;
}

void
active_try(struct active *a, struct entry *e, unsigned set)
{
	active_wait_for(a, e, set);
	if (e->state == ENTRY_HELD)
		refuse_held(a, e, set);
	else
		force(a, e);
}

static void
flush_one(struct active *a, const struct watcher *w, struct entry *e,
    unsigned set)
{
	uint32_t submitter;

	if (e->state == ENTRY_GONE)
		return;
	submitter = w->sees_all ? UID_NOBODY : active_submitter(a, e);
	if (watcher_wants(w, e->id, submitter) && e->state != ENTRY_GONE)
		active_try(a, e, set);
}

/*
 * A message that is about to be committed must not be found by a scan that was
 * wanted before: it would be tried as if there were no flush.
 */
static int
scan_before_flush(struct active *a, int is_for_all)
{
	if (is_for_all || a->scan != SCAN_DONE)
		active_scan(a);
	return a->scan == SCAN_FAILED ? -1 : 0;
}

struct entry *
active_find(struct active *a, const char *id)
{
	int has_scan = scan_before_flush(a, 0) == 0;
	struct entry *e = find(a, id);

	/* One that is known is not looked for in the directory. */
	if (has_scan && (e == NULL || e->state == ENTRY_NEW ||
	    e->state == ENTRY_GONE) && spool_has(&a->q->spool, id)) {
		active_add(a, id);
		e = find(a, id);
	}
	return e == NULL || e->state == ENTRY_GONE ? NULL : e;
}

int
active_flush(struct active *a, const struct watcher *w, unsigned set)
{
	struct entry *e;
	size_t i;

	if (scan_before_flush(a, w->id[0] == '\0') == -1)
		return -1;
	if (w->id[0] != '\0') {
		e = active_find(a, w->id);
		if (e != NULL)
			flush_one(a, w, e, set);
		return 0;
	}
	for (i = 0; i < a->n; i++)
		flush_one(a, w, a->entries[i], set);
	return 0;
}

unsigned
active_watch(struct active *a, const struct watcher *new)
{
	unsigned stale = watchers_take_stale(a->watchers);
	size_t i;

	/* These bits are used again. */
	for (i = 0; i < a->n && stale != 0; i++)
		a->entries[i]->waiting &= ~stale;
	return watchers_add(a->watchers, new);
}

void
active_sweep(struct active *a)
{
	size_t i, n = 0;

	/* Rarely, since it walks the whole list. */
	if (a->ngone < a->n && a->ngone <= a->n / 4)
		return;
	for (i = 0; i < a->n; i++) {
		if (a->entries[i]->state != ENTRY_GONE)
			a->entries[n++] = a->entries[i];
		else
			free(a->entries[i]);
	}
	a->n = n;
	a->ngone = 0;
}

/* ---- shares ---- */

struct part
active_part(const struct active *a, const struct active_message *am)
{
	return turns_part(&a->turns, am->entry->submitter);
}

/* Of some, nothing is known yet. */
static int
has_unread(const struct active *a)
{
	return a->fresh.n > 0 || a->backlog.n > 0;
}

int
active_is_next(const struct active *a, const struct active_message *am)
{
	const struct entry *e = am->entry, *ready;
	struct part part = active_part(a, am);

	ready = entry_heap_first(&e->submitter->ready);
	return !has_unread(a) && (ready == NULL ||
	    entry_is_older(e, ready) || !limits_may_take(&part, 0));
}

int
active_admit(struct active *a, struct active_message *am, uint32_t i,
    const char *name)
{
	struct share *share;

	/* A message for many users waits for none of them alone. */
	if (am->share != NULL || am->open > 1)
		return 0;
	share = turns_share(&a->turns, am->entry->submitter, SHARE_USER, name,
	    "");
	if (share == NULL)
		return 0;
	if (turns_has_room(&a->turns, share)) {
		share->active++;
		am->share = share;
		return 0;
	}
	decide_not_now(am, i);
	active_postpone(am, share);
	return -1;
}

/* Without memory it is due as it was. */
void
active_postpone(struct active_message *am, struct share *share)
{
	if (am->entry->share == NULL)
		(void)turns_postpone(share, am->entry);
}

void
active_release(struct active *a, struct share *share)
{
	share->active--;
	if (share->postponed.n > 0)
		a->is_stale = 1;
	turns_drop(&a->turns, share);
}

/* ---- trouble ---- */

int
active_is_news(struct active *a, struct entry *e, const struct result *res)
{
	int64_t now = io_clock_ms();
	uint32_t text;

	/* Of the whole spool. */
	if (strcmp(res->code, CODE_FULL) == 0) {
		if (a->full_ms != 0 && now - a->full_ms < FULL_AGAIN_MS)
			return 0;
		a->full_ms = now;
		return 1;
	}
	text = (uint32_t)text_digest(res->reason, strlen(res->reason));
	if (e->trouble == text)
		return 0;
	e->trouble = text;
	return 1;
}

void
active_failed(struct active *a, struct active_message *am, const char *reason)
{
	not_tried(a, am->entry, reason);
}

/* ---- loading ---- */

/* Sets the state of its entry.  0 when it is put aside, -1 when it stays. */
static int
load_failed(struct active *a, struct entry *e, enum spool_got got,
    struct result *res)
{
	const struct queue *q = a->q;

	e->state = ENTRY_GONE;
	if (got == SPOOL_GONE)
		return 0;
	e->state = ENTRY_WAITING;
	e->due = time(NULL) + (time_t)q->conf.retry.first_s;
	if (got == SPOOL_CORRUPT) {
		damaged_add(&a->damaged, e->id, res->reason,
		    e->reported.is_damage);
		return 0;
	}
	if (active_is_news(a, e, res))
		log_say(&q->log, LOG_LEVEL_ERROR, "id=%s %s: will be retried",
		    e->id, res->reason);
	return -1;
}

/* ---- damaged files ---- */

/* It is in a notice, or needs none. */
static void
put_aside(struct active *a, const struct damaged_file *f, const char *notice)
{
	const struct queue *q = a->q;
	struct entry *e = find(a, f->id);
	struct result res;

	if (spool_put_aside(&q->spool, f->id, "corrupt") == 0) {
		log_say(&q->log, LOG_LEVEL_ERROR, "id=%s %s: moved to "
		    "%s/corrupt notice=%s", f->id, f->reason,
		    q->conf.where.spool, notice[0] == '\0' ? "none" : notice);
		if (e != NULL && e->message == NULL)
			gone(a, e);
		return;
	}
	if (e == NULL)
		return;
	e->reported.is_damage = 1;
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0", "%s: cannot be moved to "
	    "corrupt/: %s", f->reason, strerror(errno));
	if (active_is_news(a, e, &res))
		log_say(&q->log, LOG_LEVEL_ERROR, "id=%s %s: will be retried",
		    f->id, res.reason);
	result_fini(&res);
}

/*
 * When all that can be loaded now is: one notice for all.  A file stays in the
 * queue until its notice is there; a kill in between brings another notice.
 */
static void
report_damaged(struct active *a)
{
	char notice[QUEUE_ID_MAX + 1];
	struct entry *e;
	struct result res;
	size_t i;

	if (a->damaged.n == 0 || a->is_stale || has_unread(a))
		return;
	result_init(&res);
	e = find(a, a->damaged.list[0].id);
	if (damaged_report(&a->damaged, &a->q->conf, &a->q->spool, time(NULL),
	    notice, &res) == 0) {
		for (i = 0; i < a->damaged.n; i++)
			put_aside(a, &a->damaged.list[i], notice);
		if (notice[0] != '\0')
			active_add(a, notice);
	} else if (e != NULL && active_is_news(a, e, &res)) {
		log_say(&a->q->log, LOG_LEVEL_ERROR, "id=%s %s, and postmaster "
		    "cannot be notified: %s", e->id, a->damaged.list[0].reason,
		    res.reason);
	}
	damaged_fini(&a->damaged);
	result_fini(&res);
}

/* This attempt is for all recipients that are open and due. */
static int
is_chosen(const struct conf *conf, const struct entry *e,
    const struct message *m, const struct recipient *r, time_t now)
{
	return r->state == RCPT_OPEN && !m->is_held && (e->is_forced ||
	    e->is_reachable || limits_is_due(r->due, now, conf->retry.max_s));
}

static void
choose(const struct conf *conf, struct active_message *am, time_t now)
{
	const struct recipient *r;
	uint32_t i;

	for (i = 0; i < am->nattempts; i++) {
		r = &am->m.rcpts[i];
		if (is_chosen(conf, am->entry, &am->m, r, now))
			continue;
		am->is_partial |= r->state == RCPT_OPEN;
		decide_not_now(am, i);
	}
}

/* Failed from the start, and not reported: no address. */
static int
is_bad(const struct recipient *r)
{
	return r->state == RCPT_FAILED && r->attempts == 0 && !r->is_reported;
}

/* Its arrival, unless it was tried or logged before. */
static void
log_new(const struct queue *q, const struct message *m)
{
	uint32_t i;

	/* With DEFER, each runner finds them again; see submission.c. */
	if (q->conf.retry.is_defer && (time(NULL) - m->arrived > NEW_S ||
	    !names_any_local(&q->conf.names, m)))
		return;
	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].attempts > 0 ||
		    m->rcpts[i].last.status == STATUS_DEFERRED ||
		    m->rcpts[i].parent != i ||
		    (m->rcpts[i].state != RCPT_OPEN && !is_bad(&m->rcpts[i])))
			return;
	message_log_queued(m, &q->log);
}

/* Oldest first: in this order they go into a mailbox. */
static void
link_message(struct active *a, struct active_message *am)
{
	struct active_message **p = &a->messages;

	while (*p != NULL && strcmp((*p)->m.id, am->m.id) < 0)
		p = &(*p)->next;
	am->next = *p;
	*p = am;
}

/* What it waited for counts it from now on. */
static void
take_share(struct active *a, struct entry *e)
{
	struct share *share = e->share;

	if (share != NULL && e->message != NULL) {
		share->active++;
		e->message->share = share;
	}
	leave(a, e);
}

/*
 * 1 when something is delivered or reported now: else nobody reads the text.
 * At a start, most of a long queue is not due.
 */
static int
needs_text(const struct conf *conf, const struct entry *e,
    const struct message *m, enum removal removal, time_t now)
{
	time_t delay_at = bounce_delay_at(conf, m);
	uint32_t i;

	if (removal != REMOVAL_NONE)
		return removal == REMOVAL_BOUNCE;
	for (i = 0; i < m->nrcpts; i++)
		if (recipient_is_owed(&m->rcpts[i]) ||
		    is_chosen(conf, e, m, &m->rcpts[i], now))
			return 1;
	return delay_at != 0 && (delay_at <= now ||
	    m->reports.warn_id[0] != '\0');
}

/* NULL: the state of its entry is set, and why if it stays. */
static struct active_message *
read_message(struct active *a, struct entry *e, enum removal removal,
    time_t now, struct result *res)
{
	struct active_message *am;
	enum spool_got got;

	am = calloc(1, sizeof(*am));
	if (am == NULL) {
		result_set(res, STATUS_DEFERRED, "4.3.0", "out of memory");
		return NULL;
	}
	buf_init(&am->notes, 0);
	got = spool_load(&a->q->spool, e->id, 1, &am->m, res);
	if (got == SPOOL_GOT && needs_text(&a->q->conf, e, &am->m, removal,
	    now)) {
		got = spool_check_text(&am->m, res);
		am->is_checked = got == SPOOL_GOT;
	}
	if (got == SPOOL_GOT && decide_grow(am) == -1) {
		got = SPOOL_LATER;
		result_set(res, STATUS_DEFERRED, "4.3.0", "out of memory");
	}
	if (got == SPOOL_GOT)
		return am;
	if (load_failed(a, e, got, res) == 0)
		result_fini(res);
	active_message_free(am);
	return NULL;
}

/* It is tried again, unless it is gone. */
static void
not_loaded(struct active *a, struct entry *e, time_t now,
    const struct result *res)
{
	struct tried t = { .failure = res->reason };

	/* A flush of the whole queue is not to blame for that. */
	if (t.failure == NULL) {
		t.failure = REASON_DAMAGED;
		t.is_by_command = 1;
	}
	if (e->state == ENTRY_GONE) {
		lost(a, e);
		return;
	}
	tell(a, e, &t);
	if (e->due <= now)
		e->due = now + LOAD_AGAIN_S;
	wait_in(a, e, ENTRY_WAITING, &a->waiting);
}

/* It takes its places of the active queue. */
static void
enter(struct active *a, struct active_message *am)
{
	struct submitter *by = turns_submitter(&a->turns, am->m.submitter);
	struct part part;

	/* It could not be read before. */
	if (by != NULL)
		am->entry->submitter = by;
	part = active_part(a, am);
	am->places = limits_places(&part, am->m.nrcpts);
	turns_enter(&a->turns, am->entry->submitter, am->places);
	am->entry->state = ENTRY_ACTIVE;
	link_message(a, am);
}

/* That is found out here; a report that is owed is made all the same. */
static int
stays_held(const struct active_message *am)
{
	return am->m.is_held && am->m.reports.owed == 0;
}

/* 0 when it is not to be loaded: its submitter has no place for it. */
static int
meets_submitter(struct active *a, struct entry *e,
    const struct active_message *am, enum removal removal)
{
	struct part part;

	if (find_submitter(a, e, am) == -1)
		return 0;
	part = turns_part(&a->turns, e->submitter);
	if (am == NULL || removal != REMOVAL_NONE || limits_may_take(&part, 0))
		return 1;
	make_ready(a, e);
	return 0;
}

/* For a removal, even if it is on hold. */
static struct active_message *
load(struct active *a, struct entry *e, time_t now, enum removal removal)
{
	struct active_message *am;
	struct result res;

	result_init(&res);
	am = read_message(a, e, removal, now, &res);
	if (e->submitter == NULL && e->state != ENTRY_GONE &&
	    !meets_submitter(a, e, am, removal)) {
		active_message_free(am);
		result_fini(&res);
		return NULL;
	}
	if (am != NULL && stays_held(am) && removal == REMOVAL_NONE) {
		active_message_free(am);
		active_hold(a, e);
		return NULL;
	}
	e->message = am;
	take_share(a, e);
	if (am == NULL)
		not_loaded(a, e, now, &res);
	result_fini(&res);
	if (am == NULL)
		return NULL;
	am->entry = e;
	am->is_forced = e->is_forced;
	enter(a, am);
	choose(&a->q->conf, am, now);
	if (!e->reported.is_arrival)
		log_new(a->q, &am->m);
	e->reported.is_arrival = 1;
	return am;
}

/* ---- what is due ---- */

/* Of them, whoever has none gets one even if the others are taken. */
static int
has_places(const struct active *a)
{
	return a->turns.nplaces < ACTIVE_MAX / 2;
}

/*
 * Whose they are: a part of them in each turn, as the queue may be long.  While
 * few are active, a backlog is loaded instead, since most of it is not due.
 */
static void
peek(struct active *a)
{
	struct entry *e;
	int n;

	for (n = 0; n < PEEKS_MAX; n++) {
		e = entry_heap_first(&a->fresh);
		if (e == NULL && !has_places(a))
			e = entry_heap_first(&a->backlog);
		if (e == NULL)
			break;
		peek_at(a, e);
	}
}

/*
 * A backlog, and newer messages, take turns: neither waits for the end of the
 * other.
 */
static struct entry *
next_entry(struct active *a, int n)
{
	struct entry *e = a->is_stale ? turns_next(&a->turns) : NULL;
	struct entry *unread = has_places(a) ?
	    entry_heap_first(&a->backlog) : NULL;

	a->is_stale = e != NULL;
	if (unread != NULL && (e == NULL ||
	    (n % 2 == 0 && entry_is_older(unread, e))))
		return unread;
	if (e != NULL)
		turns_took(&a->turns, e->submitter);
	return e;
}

/* Of destinations that could not be reached. */
static void
reached(void *arg, struct entry *e)
{
	e->is_reachable = 1;
	make_ready(arg, e);
}

void
active_load(struct active *a,
    void (*loaded)(struct active *, struct active_message *))
{
	time_t now = time(NULL);
	struct clocks clocks;
	struct active_message *am;
	struct entry *e;
	int n;

	peek(a);
	clocks_get(&clocks);
	backoffs_tick(&a->backoffs, &clocks, reached, a);
	while ((e = entry_heap_first(&a->waiting)) != NULL &&
	    is_due(a, e, now))
		make_ready(a, e);
	for (n = 0; n < LOADS_MAX && (e = next_entry(a, n)) != NULL; n++) {
		am = load(a, e, now, REMOVAL_NONE);
		if (am != NULL)
			loaded(a, am);
	}
	report_damaged(a);
}

struct active_message *
active_take(struct active *a, struct entry *e, enum removal removal)
{
	return e->message != NULL ? e->message :
	    load(a, e, time(NULL), removal);
}

int64_t
active_due_ms(const struct active *a)
{
	const struct entry *e = entry_heap_first(&a->waiting);
	struct clocks now;
	int64_t backoff_ms, ms;

	if (a->is_stale || has_unread(a))
		return 0;
	clocks_get(&now);
	backoff_ms = backoffs_due_ms(&a->backoffs, &now);
	if (e == NULL)
		return backoff_ms;
	ms = is_due(a, e, now.s) ? 0 : (int64_t)(e->due - now.s) * 1000;
	return backoff_ms == -1 || ms < backoff_ms ? ms : backoff_ms;
}

int
active_is_empty(const struct active *a)
{
	return a->messages == NULL && a->scan == SCAN_DONE;
}

int
active_is_idle(const struct active *a)
{
	return active_is_empty(a) && !a->is_stale && !has_unread(a);
}

/* Only a caller can have it tried. */
static int
is_at_rest(const struct active *a, const struct entry *e)
{
	return e->state == ENTRY_GONE || e->state == ENTRY_HELD ||
	    awaits_flush(a, e);
}

int
active_is_done(const struct active *a)
{
	size_t i;

	if (a->waiting.n > 0)
		return 0;
	for (i = 0; i < a->n; i++)
		if (!is_at_rest(a, a->entries[i]))
			return 0;
	return 1;
}

/* ---- the end of an attempt ---- */

static void
unlink_message(struct active *a, struct active_message *am)
{
	struct active_message **p;

	for (p = &a->messages; *p != am; p = &(*p)->next)
		;
	*p = am->next;
	turns_leave(&a->turns, am->entry->submitter, am->places);
}

/* For a destination that could not be reached; it may have been since. */
static void
wait_for(struct active *a, struct entry *e, uint64_t key)
{
	leave(a, e);
	if (backoffs_wait(&a->backoffs, key, e, e->due <= time(NULL)) == -1)
		reached(a, e);
}

/* Where its entry waits from now on; key: for that destination. */
static void
put_entry(struct active *a, struct entry *e, uint64_t key)
{
	if (e->share == NULL)
		e->is_reachable = 0;
	if (e->state == ENTRY_GONE)
		gone(a, e);
	else if (e->state == ENTRY_HELD)
		leave(a, e);
	else if (e->share != NULL)
		e->state = ENTRY_POSTPONED;
	else if (e->is_forced)
		make_ready(a, e);
	else if (e->state == ENTRY_WAITING && key != 0)
		wait_for(a, e, key);
	else if (e->state == ENTRY_WAITING)
		wait_in(a, e, ENTRY_WAITING, &a->waiting);
}

static void
tell_outcome(struct active *a, struct active_message *am)
{
	struct tried t = { .failure = NULL };
	struct buf b;

	buf_init(&b, 0);
	if (am->entry->waiting != 0 && am->removal != REMOVAL_NONE)
		outcome_of_removal(am, &b);
	else if (am->entry->waiting != 0)
		outcome_of_retry(am, &b);
	if (am->removal == REMOVAL_NONE)
		t.replies[QUEUE_RETRY] = buf_str(&b);
	else
		t.failure = "it was removed from the queue";
	t.is_by_command = am->removal != REMOVAL_NONE;
	t.replies[QUEUE_DELETE] = t.replies[QUEUE_BOUNCE] = buf_str(&b);
	tell(a, am->entry, &t);
	buf_fini(&b);
}

/* No other attempt follows at once. */
static int
is_tried(const struct entry *e, const struct active_message *am)
{
	if (e->state == ENTRY_GONE || e->state == ENTRY_HELD)
		return 1;
	return e->share == NULL &&
	    (!e->is_forced || am->is_forced || !am->is_partial);
}

void
active_end(struct active *a, struct active_message *am)
{
	struct entry *e = am->entry;
	uint64_t key = am->waits_for;

	if (is_tried(e, am))
		tell_outcome(a, am);
	unlink_message(a, am);
	e->message = NULL;
	put_entry(a, e, key);
	a->is_stale = 1;
	if (am->share != NULL)
		active_release(a, am->share);
	active_message_free(am);
}
