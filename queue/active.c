/*
 * active.c - the queue in memory.
 * Runs as: the spool user.  Uses: the queue through spool.c.
 * Promise: every message in the queue has one entry; one that is due is
 * loaded, the oldest first, unless its share is used up.
 */
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/array.h"
#include "lib/io.h"
#include "queue/active.h"

#define NEW_S		10	/* a message is new for this long */
#define SCAN_AGAIN_MS	1000	/* until a failed scan is repeated */
#define LOAD_AGAIN_S	60	/* until an unreadable message is tried again */

void
active_init(struct active *a, const struct queue *q, struct watchers *watchers)
{
	memset(a, 0, sizeof(*a));
	a->q = q;
	a->watchers = watchers;
	a->scan = SCAN_WANTED;
	if (getrandom(&a->seed, sizeof(a->seed), 0) != sizeof(a->seed))
		a->seed = (uint64_t)io_clock_ms();
}

/* ---- the list of entries ---- */

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

static struct entry *
insert(struct active *a, const char *id, size_t at)
{
	struct entry *e;

	e = calloc(1, sizeof(*e));
	if (e == NULL || array_grow(&a->entries, &a->cap, a->n,
	    sizeof(*a->entries)) == -1) {
		free(e);
		a->scan = SCAN_FAILED;
		return NULL;
	}
	text_copy(e->id, sizeof(e->id), id);
	e->seen = a->run;
	memmove(&a->entries[at + 1], &a->entries[at],
	    (a->n - at) * sizeof(*a->entries));
	a->entries[at] = e;
	a->n++;
	a->is_stale = 1;
	return e;
}

void
active_add(struct active *a, const char *id)
{
	size_t at = find_place(a, id);
	struct entry *e;

	if (at < a->n && strcmp(a->entries[at]->id, id) == 0)
		e = a->entries[at];
	else
		e = insert(a, id, at);
	if (e != NULL)
		e->scan = a->scans;
}

static void
list_one(void *arg, const char *id)
{
	active_add(arg, id);
}

/* Callers that wait for it learn that it was tried. */
static void
tried(struct active *a, struct entry *e)
{
	watchers_tried(a->watchers, e->id, e->seen, e->tried);
	e->tried = ++a->run;
	e->is_forced = 0;
}

static void
unpostpone(struct entry *e)
{
	if (e->share != NULL)
		e->share->postponed--;
	e->share = NULL;
}

/* Somebody removed its file. */
static void
lost(struct active *a, struct entry *e)
{
	tried(a, e);
	unpostpone(e);
	e->state = ENTRY_GONE;
	a->ngone++;
}

void
active_scan(struct active *a)
{
	struct entry *e;
	size_t i;

	a->scan = SCAN_DONE;
	a->scans++;
	if (spool_list(&a->q->spool, list_one, a) == -1) {
		a->scan = SCAN_FAILED;
		log_say(&a->q->log, LOG_LEVEL_ERROR, "queue: %s",
		    strerror(errno));
		return;
	}
	if (a->scan == SCAN_DONE)
		a->scanned_ms = io_clock_ms();
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

int
active_refresh(struct active *a, int64_t limit_ms)
{
	if (io_clock_ms() - a->scanned_ms < limit_ms)
		return 0;
	active_scan_soon(a);
	a->is_stale = 1;
	return 1;
}

size_t
active_flush(struct active *a, const char *id)
{
	size_t i, n = 0;
	struct entry *e;

	active_scan(a);
	a->run++;
	for (i = 0; i < a->n; i++) {
		e = a->entries[i];
		if (e->state == ENTRY_GONE ||
		    (id[0] != '\0' && strcmp(e->id, id) != 0))
			continue;
		e->is_forced = 1;
		/* Whoever was decided before this flush is tried again. */
		if (e->message != NULL &&
		    e->message->open < e->message->nattempts)
			e->message->is_partial = 1;
		a->is_stale = 1;
		n++;
	}
	return n;
}

void
active_sweep(struct active *a)
{
	size_t i, n = 0;

	/* Rarely, since it walks the whole list. */
	if (a->ngone == 0 || (a->messages != NULL && a->ngone <= a->n / 4))
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

/* Users who have the same share have it together. */
struct share *
active_user(struct active *a, const char *name)
{
	char key[sizeof(a->seed) + ADDRESS_MAX];
	size_t n = strnlen(name, ADDRESS_MAX);

	/* Keyed, so that nobody can choose a name to share another's. */
	memcpy(key, &a->seed, sizeof(a->seed));
	text_lower(key + sizeof(a->seed), name, n);
	return &a->users[text_digest(key, sizeof(a->seed) + n) % USERS];
}

int
active_admit(struct active *a, struct active_message *am, uint32_t i,
    struct share *share)
{
	/* A message for many users waits for none of them alone. */
	if (am->share != NULL || am->open > 1)
		return 0;
	if (limits_has_room(share, a->nmessages)) {
		share->active++;
		am->share = share;
		return 0;
	}
	decide_not_now(am, i);
	active_postpone(am, share);
	return -1;
}

void
active_postpone(struct active_message *am, struct share *share)
{
	share->postponed++;
	am->entry->share = share;
}

void
active_release(struct active *a, struct share *share)
{
	share->active--;
	if (share->postponed > 0 && limits_is_low(share, a->nmessages))
		a->is_stale = 1;
}

void
active_forget(struct active *a, struct share *share)
{
	size_t i;

	if (share->postponed == 0)
		return;
	for (i = 0; i < a->n; i++)
		if (a->entries[i]->share == share)
			unpostpone(a->entries[i]);
	a->is_stale = 1;
}

/* ---- loading ---- */

/* Sets the state of its entry; reason: of the failure. */
static void
load_failed(struct active *a, struct entry *e, enum spool_got got,
    const char *reason)
{
	const struct queue *q = a->q;

	e->state = ENTRY_GONE;
	if (got == SPOOL_CORRUPT) {
		log_say(&q->log, LOG_LEVEL_ERROR, "id=%s %s: moved to "
		    "%s/corrupt", e->id, reason, q->conf.where.spool);
		if (spool_put_aside(&q->spool, e->id, "corrupt") == 0)
			return;
		got = SPOOL_LATER;
		reason = "cannot be moved to corrupt/";
	}
	if (got == SPOOL_LATER) {
		log_say(&q->log, LOG_LEVEL_ERROR, "id=%s %s: will be retried",
		    e->id, reason);
		e->state = ENTRY_WAITING;
		e->due = time(NULL) + (time_t)q->conf.retry.first_s;
	}
}

/* This attempt is for all recipients that are open and due. */
static void
choose(const struct conf *conf, struct active_message *am, time_t now)
{
	const struct recipient *r;
	uint32_t i;

	for (i = 0; i < am->nattempts; i++) {
		r = &am->m.rcpts[i];
		if (r->state == RCPT_OPEN && (am->is_forced ||
		    limits_is_due(r->due, now, conf->retry.max_s)))
			continue;
		am->is_partial |= r->state == RCPT_OPEN;
		decide_not_now(am, i);
	}
}

/* Its arrival, unless it was tried or logged before. */
static void
log_new(const struct queue *q, const struct message *m)
{
	uint32_t i;

	/* With DEFER each runner sees the held ones again; see submit.c. */
	if (q->conf.retry.is_defer && (time(NULL) - m->arrived > NEW_S ||
	    !names_any_local(&q->conf.names, m)))
		return;
	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].attempts > 0 || m->rcpts[i].parent != i ||
		    m->rcpts[i].state != RCPT_OPEN)
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
	a->nmessages++;
}

/* What it waited for counts it from now on. */
static void
take_share(struct entry *e)
{
	struct share *share = e->share;

	unpostpone(e);
	if (share == NULL || e->message == NULL)
		return;
	share->active++;
	e->message->share = share;
}

/* NULL: the state of its entry is set. */
static struct active_message *
read_message(struct active *a, struct entry *e)
{
	struct active_message *am;
	enum spool_got got;
	struct result res;

	am = calloc(1, sizeof(*am));
	if (am == NULL)
		return NULL;
	result_init(&res);
	buf_init(&am->notes, 0);
	got = spool_load(&a->q->spool, e->id, 1, &am->m, &res);
	if (got == SPOOL_GOT && decide_grow(am) == -1)
		got = SPOOL_LATER;
	if (got != SPOOL_GOT) {
		load_failed(a, e, got, res.reason == NULL ? "" : res.reason);
		active_message_free(am);
		am = NULL;
	}
	result_fini(&res);
	return am;
}

static struct active_message *
load(struct active *a, struct entry *e, time_t now)
{
	struct active_message *am;

	am = e->message = read_message(a, e);
	take_share(e);
	if (am == NULL) {
		tried(a, e);
		if (e->state == ENTRY_GONE) {
			a->ngone++;
			return NULL;
		}
		e->state = ENTRY_WAITING;
		if (e->due <= now)
			e->due = now + LOAD_AGAIN_S;
		return NULL;
	}
	am->entry = e;
	am->is_forced = e->is_forced;
	e->state = ENTRY_ACTIVE;
	link_message(a, am);
	choose(&a->q->conf, am, now);
	if (!e->is_logged)
		log_new(a->q, &am->m);
	e->is_logged = 1;
	return am;
}

/* ---- what is due ---- */

/* DEFER: what is left of it is remote, and waits for a flush. */
static int
is_held(const struct active *a, const struct entry *e)
{
	return e->state == ENTRY_HELD && a->q->conf.retry.is_defer;
}

static int
is_ready(const struct active *a, const struct entry *e, time_t now)
{
	if (e->state == ENTRY_POSTPONED)
		return e->share == NULL ||
		    limits_is_ready(e->share, a->nmessages);
	if (e->state != ENTRY_WAITING && e->state != ENTRY_HELD)
		return 0;
	return e->is_forced || (!is_held(a, e) &&
	    limits_is_due(e->due, now, a->q->conf.retry.max_s));
}

static int
is_look_due(const struct active *a, time_t now)
{
	return a->is_stale || (a->look_at != 0 &&
	    limits_is_due(a->look_at, now, a->q->conf.retry.max_s));
}

/*
 * A whole walk that ends with room left needs no other before look_at.
 */
void
active_load(struct active *a,
    void (*loaded)(struct active *, struct active_message *))
{
	time_t now = time(NULL), least = 0;
	struct active_message *am;
	struct entry *e;
	size_t i;

	if (!is_look_due(a, now))
		return;
	for (i = 0; i < a->n && a->nmessages < ACTIVE_MAX; i++) {
		e = a->entries[i];
		am = is_ready(a, e, now) ? load(a, e, now) : NULL;
		if (am != NULL)
			loaded(a, am);
		else if ((e->state == ENTRY_WAITING || e->state == ENTRY_HELD)
		    && !is_held(a, e) && (least == 0 || e->due < least))
			least = e->due;
	}
	a->is_stale = a->nmessages >= ACTIVE_MAX;
	a->look_at = least;
}

int64_t
active_due_ms(const struct active *a)
{
	time_t now = time(NULL);

	if (a->is_stale)
		return a->nmessages < ACTIVE_MAX ? 0 : -1;
	if (a->look_at == 0)
		return -1;
	return is_look_due(a, now) ? 0 : (int64_t)(a->look_at - now) * 1000;
}

int
active_is_empty(const struct active *a)
{
	return a->messages == NULL && a->scan == SCAN_DONE;
}

int
active_is_idle(const struct active *a)
{
	return active_is_empty(a) && !a->is_stale;
}

int
active_is_done(const struct active *a)
{
	return a->n == 0 || (a->q->conf.retry.is_defer && a->look_at == 0);
}

/* ---- the end of an attempt ---- */

static void
unlink_message(struct active *a, struct active_message *am)
{
	struct active_message **p;

	for (p = &a->messages; *p != am; p = &(*p)->next)
		;
	*p = am->next;
	a->nmessages--;
}

void
active_end(struct active *a, struct active_message *am)
{
	struct entry *e = am->entry;

	if (e->share != NULL && e->state != ENTRY_GONE)
		e->state = ENTRY_POSTPONED;
	else if (e->state == ENTRY_GONE || !e->is_forced || am->is_forced ||
	    !am->is_partial)
		tried(a, e);
	if (e->state == ENTRY_GONE) {
		unpostpone(e);
		a->ngone++;
	} else {
		a->is_stale = 1;
	}
	unlink_message(a, am);
	e->message = NULL;
	if (am->share != NULL)
		active_release(a, am->share);
	active_message_free(am);
}
