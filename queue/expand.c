/*
 * expand.c - where each recipient goes, and what the forward branch says.
 * Runs as: the spool user.  Uses: the sockets of the forward children.
 * Promise: a question that nobody answers is deferred, not lost; an answer is
 * believed for the recipients that were asked about, and no other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "queue/queue.h"
#include "conf/local_names.h"
#include "lib/array.h"
#include "lib/io.h"
#include "aliases_include.h"
#include "priv/user_shell.h"
#include "queue/route.h"
#include "conf/files.h"

#define NEW_S		10	/* a message is new for so long */
#define ASK_LIMIT_MS	90000	/* for one answer about a .forward */
#define ASK_LIFE_MS	20000	/* of a child that answers */
#define ASKS_SHARE	4	/* that may wait long for one, on a full desk */

/* ---- lanes ---- */

static void
leave_lane(struct desk *d, const struct work *w)
{
	struct lane *lane;

	if (w->lane == 0)
		return;
	lane = &d->lanes[w->lane - 1];
	lane->in_hand--;
	if (lane->parked == 0 || lane->in_hand >= LANE_SHARE / 2)
		return;
	/* From the start: the oldest come first. */
	d->must_look = 1;
	d->cursor = 0;
}

/* -1 when a message for this user is off the desk until there is room. */
static int
take_lane(struct desk *d, struct work *w, uint32_t i, const char *user)
{
	char lower[ADDRESS_MAX + 1];
	unsigned k;
	size_t n;

	/* One for many users waits for none of them alone. */
	if (w->lane != 0 || w->open > 1)
		return 0;
	n = strnlen(user, ADDRESS_MAX);
	text_lower(lower, user, n);
	k = (unsigned)(text_digest(lower, n) % LANES);
	/* Nobody overtakes those that are parked. */
	if (d->lanes[k].in_hand < LANE_SHARE && d->lanes[k].parked == 0) {
		d->lanes[k].in_hand++;
		w->lane = k + 1;
		return 0;
	}
	d->lanes[k].parked++;
	w->item->lane = k + 1;
	w->attempts[i].stage = STAGE_NONE;
	w->open--;
	return -1;
}

void
handout_unpark(struct desk *d, struct item *item, struct work *w)
{
	if (item->lane == 0)
		return;
	d->lanes[item->lane - 1].parked--;
	if (w != NULL) {
		w->lane = item->lane;
		d->lanes[item->lane - 1].in_hand++;
	}
	item->lane = 0;
}

/* ---- works ---- */

void
work_free(struct desk *d, struct work *w)
{
	struct work **p;
	uint32_t i;

	leave_lane(d, w);
	for (p = &d->works; *p != NULL && *p != w; p = &(*p)->next)
		;
	if (*p == w) {
		*p = w->next;
		d->nworks--;
	}
	if (w->item != NULL)
		w->item->work = NULL;
	message_fini(&w->m);
	buf_fini(&w->notes);
	for (i = 0; i < w->nattempts; i++)
		free(w->attempts[i].where);
	free(w->attempts);
	free(w);
}

/* Room for the stages of recipients that an expansion added. */
static int
grow_attempts(struct work *w)
{
	struct attempt *p;
	uint32_t i;

	if (w->nattempts >= w->m.nrcpts)
		return 0;
	p = reallocarray(w->attempts, w->m.crcpts, sizeof(*p));
	if (p == NULL)
		return -1;
	w->attempts = p;
	for (i = w->nattempts; i < w->m.nrcpts; i++) {
		memset(&p[i], 0, sizeof(*p));
		p[i].stage = STAGE_ROUTE;
		w->open++;
	}
	w->nattempts = w->m.nrcpts;
	return 0;
}

static int
load_failed(struct desk *d, struct item *item, enum spool_got got,
    const struct result *res)
{
	const char *reason = res->reason == NULL ? "" : res->reason;

	item->state = ITEM_GONE;
	if (got == SPOOL_CORRUPT) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s %s: moved to "
		    "%s/corrupt", item->id, reason, d->conf.where.spool);
		if (spool_put_aside(&d->spool, item->id, "corrupt") == 0)
			return -1;
		got = SPOOL_LATER;
		reason = "cannot be moved to corrupt/";
	}
	if (got == SPOOL_LATER) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s %s: will be retried",
		    item->id, reason);
		item->state = ITEM_WAITING;
		item->due = time(NULL) + (time_t)d->conf.retry.first_s;
	}
	return -1;
}

/* Which recipients this attempt is for: all that are open and due. */
static void
choose(const struct conf *conf, struct work *w, time_t now, int forced)
{
	struct recipient *r;
	uint32_t i;

	for (i = 0; i < w->nattempts; i++) {
		r = &w->m.rcpts[i];
		if (r->state == RCPT_OPEN &&
		    (forced || is_due(conf, r->due, now)))
			continue;
		w->is_partial |= r->state == RCPT_OPEN;
		w->attempts[i].stage = STAGE_NONE;
		w->open--;
	}
}

/* Once, since then it was tried. */
static void
log_new(struct desk *d, const struct message *m)
{
	uint32_t i;

	/* With DEFER each runner sees the held ones again; see submit.c. */
	if (d->conf.retry.is_defer && (time(NULL) - m->arrived > NEW_S ||
	    !names_any_local(&d->conf.names, m)))
		return;
	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].attempts > 0 || m->rcpts[i].parent != i ||
		    m->rcpts[i].state != RCPT_OPEN)
			return;
	message_log_queued(m, &d->log);
}

/* Oldest first: in this order they go into a mailbox. */
static void
put_on_desk(struct desk *d, struct work *w)
{
	struct work **p = &d->works;

	while (*p != NULL && strcmp((*p)->m.id, w->m.id) < 0)
		p = &(*p)->next;
	w->next = *p;
	*p = w;
	d->nworks++;
}

int
handout_load(struct desk *d, struct item *item)
{
	struct result res;
	struct work *w;
	enum spool_got got;

	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -1;
	result_init(&res);
	buf_init(&w->notes, 0);
	got = spool_load(&d->spool, item->id, 1, &w->m, &res);
	if (got == SPOOL_GOT && grow_attempts(w) == -1)
		got = SPOOL_LATER;
	if (got != SPOOL_GOT) {
		work_free(d, w);
		load_failed(d, item, got, &res);
		result_fini(&res);
		return -1;
	}
	result_fini(&res);
	w->item = item;
	item->is_held = 0;
	item->work = w;
	item->state = ITEM_ACTIVE;
	put_on_desk(d, w);
	w->is_forced = item->is_forced;
	choose(&d->conf, w, time(NULL), w->is_forced);
	status_warned(d, w);
	if (!item->is_logged)
		log_new(d, &w->m);
	item->is_logged = 1;
	return 0;
}

/* ---- questions to the forward branch ---- */

/* However the name is spelled, it may be the same user's. */
static struct ask *
find_ask(struct desk *d, enum origin origin, const char *name)
{
	int i;

	for (i = 0; i < ASKS_MAX; i++)
		if (d->asks[i].state != ASK_FREE &&
		    d->asks[i].origin == origin &&
		    strcasecmp(d->asks[i].name, name) == 0)
			return &d->asks[i];
	return NULL;
}

static void
end_ask(struct ask *a)
{
	io_close(&a->channel);
	buf_fini(&a->lists);
	free(a->waiters);
	a->waiters = NULL;
	a->n = a->cap = 0;
	a->state = ASK_FREE;
}

/* A free one, or one whose child only waits; NULL while all are out. */
static struct ask *
new_ask(struct desk *d, enum origin origin, const char *name)
{
	struct ask *a = NULL;
	int i;

	for (i = 0; i < ASKS_MAX; i++) {
		if (a == NULL && d->asks[i].state == ASK_IDLE)
			a = &d->asks[i];
		if (d->asks[i].state != ASK_FREE)
			continue;
		a = &d->asks[i];
		break;
	}
	if (a == NULL)
		return NULL;
	if (a->state == ASK_IDLE)
		end_ask(a);
	memset(a, 0, sizeof(*a));
	a->channel = -1;
	a->origin = origin;
	a->moved_ms = io_clock_ms();
	buf_init(&a->lists, 0);
	return text_copy(a->name, sizeof(a->name), name) == 0 ? a : NULL;
}

static int
add_waiter(struct ask *a, struct work *w, uint32_t i)
{
	if (array_grow(&a->waiters, &a->cap, a->n, sizeof(*a->waiters)) == -1)
		return -1;
	a->waiters[a->n].work = w;
	a->waiters[a->n++].rcpt = i;
	w->attempts[i].stage = STAGE_ASK;
	w->asking++;
	return 0;
}

/* All who wait get this; a->n is 0 then. */
static void
fail_ask(struct ask *a, const char *reason)
{
	struct place p;

	while (a->n > 0) {
		p = a->waiters[--a->n];
		p.work->asking--;
		decide_as(p.work, p.rcpt, STATUS_DEFERRED, "4.3.0", reason);
	}
}

/* Asks a new child; 1 when the branch has no room yet. */
static int
ask_branch(struct desk *d, struct ask *a)
{
	a->born_ms = io_clock_ms();
	forward_request_put(&d->ipc, batch_new_id(d), a->origin, a->name);
	return batch_ask(d, &d->branches->forward, &a->channel);
}

/* The child that answered last. */
static int
ask_again(struct desk *d, struct ask *a)
{
	if (io_clock_ms() - a->born_ms >= ASK_LIFE_MS)
		io_close(&a->channel);
	if (a->channel == -1)
		return -1;
	ipc_begin(&d->ipc, IPC_FORWARD_AGAIN, 0);
	if (ipc_send(a->channel, &d->ipc) == 0)
		return 0;
	io_close(&a->channel);
	return -1;
}

/* Without room it goes on to gather, and is late in its time. */
static void
send_ask(struct desk *d, struct ask *a)
{
	int ret = 0;

	a->is_again = ask_again(d, a) == 0;
	if (!a->is_again)
		ret = ask_branch(d, a);
	if (ret == -1) {
		fail_ask(a, "the .forward helper cannot be reached");
		end_ask(a);
		return;
	}
	a->state = ret == 0 ? ASK_OUT : ASK_GATHERS;
	if (ret == 0)
		a->moved_ms = io_clock_ms();
}

static void
send_asks(struct desk *d)
{
	int i;

	for (i = 0; i < ASKS_MAX; i++)
		if (d->asks[i].state == ASK_GATHERS)
			send_ask(d, &d->asks[i]);
}

/* ---- routing ---- */

static void
to_mailbox(struct work *w, uint32_t i, const char *user)
{
	struct recipient *r = &w->m.rcpts[i];

	free(r->owner);
	r->owner = strdup(user);
	if (r->owner == NULL)
		decide_as(w, i, STATUS_DEFERRED, "4.3.0", "out of memory");
	else
		w->attempts[i].stage = STAGE_DELIVER;
}

static int
names_command(const struct targets *targets)
{
	size_t i;

	for (i = 0; i < targets->n; i++)
		if (targets->list[i].kind == TARGET_PIPE ||
		    targets->list[i].kind == TARGET_FILE)
			return 1;
	return 0;
}

/* Only for kindness: the deliver branch refuses by itself. */
static int
may_run(const struct desk *d, const char *name)
{
	struct user u;

	return user_lookup(name, &u) != 0 ||
	    user_may_run(&d->conf, &u) != 0;
}

static void
expand(struct desk *d, struct work *w, uint32_t i,
    const struct targets *targets, enum origin origin, const char *owner)
{
	struct result res;
	uint32_t before = w->m.nrcpts;

	if (origin == ORIGIN_FORWARD && names_command(targets) &&
	    !may_run(d, owner)) {
		log_say(&d->log, LOG_LEVEL_WARNING, "id=%s user=%s .forward "
		    "contains a command or a file, which is not available to "
		    "root and users without a login shell: delivering to the "
		    "mailbox",
		    w->m.id, owner);
		to_mailbox(w, i, owner);
		return;
	}
	result_init(&res);
	if (route_expand(&d->conf, &w->m, i, targets, origin, owner,
	    &res) == -1 || grow_attempts(w) == -1) {
		route_cut(&w->m, before);
		if (res.status == STATUS_NONE)
			result_set(&res, STATUS_DEFERRED, "4.3.0",
			    "out of memory");
		decide(w, i, &res, NULL);
	} else {
		decide_expanded(w, i, before);
	}
	result_fini(&res);
}

/* ---- :include: ---- */

/* What the child told: path, text, path, text; "" goes on with the last. */
static int
get_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	struct ipc m = *(struct ipc *)arg;
	char name[TARGET_MAX + 1];
	int found = 0;
	const char *p;
	size_t len;

	(void)is_loose;		/* the child that would use it asks */
	while (ipc_more(&m)) {
		ipc_get_text(&m, name, sizeof(name));
		p = ipc_get_bytes(&m, &len);
		if (m.bad || (found && name[0] != '\0'))
			break;
		found |= name[0] != '\0' && strcmp(name, path) == 0;
		if (found)
			buf_add(text, p, len);
	}
	if (found)
		return 0;
	result_set(res, STATUS_DEFERRED, "4.3.0",
	    "a list that the address expands to cannot be read now");
	return result_detail(res, "list %s: not read with the file that names "
	    "it", path);
}

static void
list_report(void *arg, const char *file, unsigned line, const char *text)
{
	struct desk *d = arg;

	log_say(&d->log, LOG_LEVEL_WARNING, "%s:%u: %s", file, line, text);
}

/* lists: what the child told of them, field by field. */
static void
expand_lists(struct desk *d, struct work *w, uint32_t i,
    const struct targets *targets, enum origin origin, const char *owner,
    struct ipc *lists)
{
	struct include_source source = { get_list, lists };
	struct report report = { list_report, d };
	struct targets flat;
	struct result res;

	if (!include_any(targets)) {
		expand(d, w, i, targets, origin, owner);
		return;
	}
	result_init(&res);
	if (include_flatten(targets, &flat, &source, &report, &res) == -1) {
		decide(w, i, &res, NULL);
	} else {
		expand(d, w, i, &flat, origin, owner);
		targets_fini(&flat);
	}
	result_fini(&res);
}

/* Another user in name, perhaps the same in truth: one after the other. */
static int
must_wait(const struct ask *a, const char *name)
{
	return a->state == ASK_OUT ||
	    (a->state == ASK_GATHERS && strcmp(a->name, name) != 0);
}

/*
 * All who are routed to a user in one turn share a question, that is sent at
 * its end; who comes while it is out has the next one.
 */
static void
ask(struct desk *d, struct work *w, uint32_t i, enum origin origin,
    const char *name)
{
	struct ask *a;

	w->attempts[i].stage = STAGE_ROUTE;
	if (origin != ORIGIN_ALIASES && !user_name_ok(name)) {
		decide_as(w, i, STATUS_FAILED, "5.1.1",
		    "no such user here");
		return;
	}
	if (origin != ORIGIN_ALIASES && take_lane(d, w, i, name) == -1)
		return;
	a = find_ask(d, origin, name);
	if (a != NULL && must_wait(a, name)) {
		if (d->nworks > WORKS_MAX / 2 &&
		    io_clock_ms() - a->moved_ms > SLOW_MS)
			put_back(w, i);
		return;
	}
	if (a != NULL && strcmp(a->name, name) != 0) {
		end_ask(a);
		a = NULL;
	}
	/* Stays to be routed while all requests are out. */
	if (a == NULL)
		a = new_ask(d, origin, name);
	if (a == NULL)
		return;
	a->state = ASK_GATHERS;
	if (add_waiter(a, w, i) == -1)
		decide_as(w, i, STATUS_DEFERRED, "4.3.0", "out of memory");
}

/* The lists of the aliases are read where a slow disk stops nobody else. */
static void
expand_alias(struct desk *d, struct work *w, uint32_t i,
    const struct alias *alias)
{
	if (include_any(&alias->targets))
		ask(d, w, i, ORIGIN_ALIASES, alias->name);
	else
		expand(d, w, i, &alias->targets, ORIGIN_ALIASES, alias->name);
}

/* DEFER: not tried, so not counted, until a flush wants it. */
static void
hold(struct work *w, uint32_t i)
{
	w->attempts[i].stage = STAGE_HELD;
	w->open--;
	w->is_partial = 1;
}

/* 1 when its list was changed: what it names now is what waiting mail gets. */
static int
is_changed(struct work *w, uint32_t i)
{
	uint32_t before = w->m.nrcpts;
	int ret;

	ret = route_again(&w->m, i);
	if (ret == 0)
		return 0;
	if (ret == -1 || grow_attempts(w) == -1) {
		route_cut(&w->m, before);
		decide_as(w, i, STATUS_DEFERRED, CODE_CHANGED,
		    "out of memory");
	} else {
		decide_expanded(w, i, before);
	}
	return 1;
}

static void
route(struct desk *d, struct work *w, uint32_t i)
{
	char user[ADDRESS_MAX + 1];
	const struct alias *alias;
	struct route_env env;
	struct result res;
	enum route_kind kind = w->m.rcpts[i].kind;

	if (is_changed(w, i))
		return;
	if (kind != ROUTE_UNKNOWN) {
		w->attempts[i].stage = kind == ROUTE_REMOTE ? STAGE_REMOTE :
		    STAGE_DELIVER;
		return;
	}
	if (w->m.hops > RECEIVED_MAX) {
		decide_as(w, i, STATUS_FAILED, "5.4.6",
		    "mail loop: too many Received lines");
		return;
	}
	env.conf = &d->conf;
	env.aliases = d->has_aliases ? &d->aliases : NULL;
	result_init(&res);
	switch (route_next(&env, &w->m, i, user, &alias, &res)) {
	case STEP_REMOTE:
		if (d->conf.retry.is_defer && !w->is_forced)
			hold(w, i);
		else
			w->attempts[i].stage = STAGE_REMOTE;
		break;
	case STEP_ALIAS:
		expand_alias(d, w, i, alias);
		break;
	case STEP_USER:
		ask(d, w, i, ORIGIN_FORWARD, user);
		break;
	case STEP_MAILBOX:
		to_mailbox(w, i, user);
		break;
	default:
		decide(w, i, &res, NULL);
		break;
	}
	result_fini(&res);
}

static void
got_forward(struct desk *d, const struct ask *a, const struct place *p,
    const char *text, size_t len)
{
	char name[LOGIN_MAX + 32];
	struct report report = { list_report, d };
	struct targets targets;
	int bad;

	snprintf(name, sizeof(name), ".forward of %.32s", a->name);
	memset(&targets, 0, sizeof(targets));
	bad = forward_parse(&targets, text, len, name, &report);
	if (bad != 0)
		log_say(&d->log, LOG_LEVEL_WARNING, "id=%s user=%s .forward "
		    "contains errors: delivering to the mailbox",
		    p->work->m.id, a->name);
	if (bad != 0 || targets.n == 0)
		to_mailbox(p->work, p->rcpt, a->name);
	else
		expand_lists(d, p->work, p->rcpt, &targets, ORIGIN_FORWARD,
		    a->name, &d->ipc);
	targets_fini(&targets);
}

static void
got_no_user(struct desk *d, const struct place *p)
{
	struct work *w = p->work;
	const struct alias *any = NULL;
	struct result res;
	uint32_t i = p->rcpt;

	result_init(&res);
	if (d->has_aliases)
		any = aliases_find(&d->aliases, "*");
	if (any != NULL && !route_is_named(&w->m, i))
		any = NULL;
	if (any != NULL && route_usable(&d->conf, any, &res) == -1)
		decide(w, i, &res, NULL);
	else if (any != NULL)
		expand_alias(d, w, i, any);
	else if (w->m.rcpts[i].origin == ORIGIN_ALIASES &&
	    w->m.rcpts[i].depth > 1) {
		route_lost(&w->m, i, "the aliases form a loop or lead to an "
		    "unknown user", &res);
		decide(w, i, &res, NULL);
	} else
		decide_as(w, i, STATUS_FAILED, "5.1.1", "no such user here");
	result_fini(&res);
}

static void
got_lists(struct desk *d, const struct ask *a, const struct place *p)
{
	const struct alias *alias = NULL;
	struct ipc lists;

	if (d->has_aliases)
		alias = aliases_find(&d->aliases, a->name);
	if (alias == NULL || alias->is_bad) {
		decide_as(p->work, p->rcpt, STATUS_DEFERRED, "4.3.5",
		    "the alias changed while its lists were read");
		return;
	}
	ipc_init(&lists);
	lists.data = a->lists.data;
	lists.len = a->lists.len;
	expand_lists(d, p->work, p->rcpt, &alias->targets, ORIGIN_ALIASES,
	    alias->name, &lists);
}

/* 0 when a part of a list is kept. */
static int
keep_list(struct desk *d, struct ask *a)
{
	if (a->origin != ORIGIN_ALIASES || a->lists.len + d->ipc.len >
	    LISTS_OCTETS_MAX + IPC_CHANNEL_LIMIT)
		return -1;
	buf_add(&a->lists, d->ipc.data, d->ipc.len);
	return buf_failed(&a->lists) ? -1 : 0;
}

/* The forward helper's text is about files of the user or the alias. */
static void
unreadable_list(const struct ask *a, const char *text, size_t len,
    struct result *res)
{
	if (a->origin == ORIGIN_ALIASES)
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "a list of the alias %s cannot be read now", a->name);
	else
		result_quote(res, SOURCE_USER_FILE, STATUS_DEFERRED, "4.3.0",
		    ".forward of %s cannot be read now", a->name);
	result_detail(res, "%.*s", (int)(len > REASON_MAX ? REASON_MAX : len),
	    text);
}

static void
take_verdict(struct desk *d, const struct ask *a, const struct place *p,
    uint32_t verdict, const char *text, size_t len)
{
	struct result res;

	/* Of an alias there are its lists, or they can't be had now. */
	if (a->origin == ORIGIN_ALIASES && verdict == FORWARD_TEXT) {
		got_lists(d, a, p);
		return;
	}
	if (a->origin == ORIGIN_ALIASES)
		verdict = FORWARD_LATER;
	switch (verdict) {
	case FORWARD_NONE:
		to_mailbox(p->work, p->rcpt, a->name);
		break;
	case FORWARD_TEXT:
		got_forward(d, a, p, text, len);
		break;
	case FORWARD_REFUSED:
		log_say(&d->log, LOG_LEVEL_WARNING, "id=%s user=%s .forward "
		    "refused: %.*s: delivering to the mailbox", p->work->m.id,
		    a->name, (int)(len > REASON_MAX ? REASON_MAX : len), text);
		to_mailbox(p->work, p->rcpt, a->name);
		break;
	case FORWARD_NOUSER:
		got_no_user(d, p);
		break;
	default:
		result_init(&res);
		unreadable_list(a, text, len, &res);
		decide(p->work, p->rcpt, &res, NULL);
		result_fini(&res);
		break;
	}
}

/* For each who asked; an answer without one is "later". */
static void
answer(struct desk *d, struct ask *a, uint32_t verdict, const char *text,
    size_t len)
{
	struct place p;
	size_t k;

	for (k = 0; k < a->n; k++) {
		p = a->waiters[k];
		p.work->asking--;
		take_verdict(d, a, &p, verdict, text, len);
	}
	a->n = 0;
	a->state = ASK_IDLE;
	a->moved_ms = io_clock_ms();
}

void
handout_forward(struct desk *d, struct ask *a)
{
	const char *text = "no reply from the helper";
	uint32_t verdict = FORWARD_LATER;
	size_t len = strlen(text);
	int n;

	n = ipc_recv(a->channel, &d->ipc, IPC_CHANNEL_LIMIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == 1 && a->state == ASK_OUT &&
	    d->ipc.kind == IPC_FORWARD_LIST && keep_list(d, a) == 0)
		return;
	if (n != 1 || a->state != ASK_OUT || a->origin == ORIGIN_ALIASES)
		io_close(&a->channel);
	if (a->state != ASK_OUT) {
		if (a->state == ASK_IDLE)
			end_ask(a);
		return;
	}
	/* It had left before it read the question: that is no answer. */
	if (n != 1 && a->is_again) {
		send_ask(d, a);
		return;
	}
	if (n == 1 && d->ipc.kind == IPC_FORWARD_REPLY) {
		verdict = ipc_get_u32(&d->ipc);
		text = ipc_get_bytes(&d->ipc, &len);
		if (verdict == FORWARD_TEXT ? d->ipc.bad :
		    ipc_done(&d->ipc) == -1) {
			verdict = FORWARD_LATER;
			text = "invalid reply from the helper";
			len = strlen(text);
		}
	}
	answer(d, a, verdict, text, len);
	if (a->channel == -1)
		end_ask(a);
}

/* ---- giving out ---- */

static void
deliver(struct desk *d, struct work *w, uint32_t i)
{
	const char *owner = w->m.rcpts[i].owner;

	if (owner == NULL)
		decide_as(w, i, STATUS_DEFERRED, "4.3.0", "out of memory");
	else if (take_lane(d, w, i, owner) == 0)
		batch_give(d, w, i);
}

static void
give_work(struct desk *d, struct work *w)
{
	uint32_t i, remote = 0;

	/* Expansion appends, so that one pass routes what it adds, too. */
	for (i = 0; i < w->nattempts; i++) {
		if (w->attempts[i].stage == STAGE_ROUTE)
			route(d, w, i);
		if (w->attempts[i].stage == STAGE_DELIVER)
			deliver(d, w, i);
		if (w->attempts[i].stage == STAGE_ROUTE ||
		    w->attempts[i].stage == STAGE_ASK)
			remote = UINT32_MAX;
		if (w->attempts[i].stage == STAGE_REMOTE &&
		    remote != UINT32_MAX)
			remote++;
	}
	/* All that share a hop go in one transaction: so only when all are
	 * known. */
	if (remote > 0 && remote != UINT32_MAX)
		hops_give(d, w);
}

/* A child that hangs must not keep the desk for itself. */
static void
make_room(struct desk *d, struct ask *a)
{
	struct place p;

	while (a->n > ASKS_SHARE && d->nworks > WORKS_MAX / 2) {
		p = a->waiters[--a->n];
		p.work->asking--;
		put_back(p.work, p.rcpt);
	}
}

/* How long it may go on like this; 0: it is late. */
static int64_t
ask_left_ms(const struct desk *d, const struct ask *a)
{
	int64_t age = io_clock_ms() - a->moved_ms, most = ASK_LIMIT_MS;

	if (a->state == ASK_IDLE)
		most = LINGER_MS;
	else if (age < SLOW_MS || (a->n > ASKS_SHARE &&
	    d->nworks > WORKS_MAX / 2))
		most = SLOW_MS;
	return age < most ? most - age : 0;
}

static void
ask_late(struct desk *d, struct ask *a)
{
	make_room(d, a);
	if (ask_left_ms(d, a) > 0)
		return;
	fail_ask(a, a->origin == ORIGIN_ALIASES ?
	    "timed out while reading the lists of the alias" :
	    "timed out while reading the .forward");
	end_ask(a);
}

int64_t
handout_late(struct desk *d)
{
	int64_t least = -1, left;
	int i;

	for (i = 0; i < ASKS_MAX; i++) {
		if (d->asks[i].state == ASK_FREE)
			continue;
		left = ask_left_ms(d, &d->asks[i]);
		if (left == 0)
			ask_late(d, &d->asks[i]);
		if (least == -1 || left < least)
			least = left;
	}
	return least;
}

void
handout_all(struct desk *d)
{
	int64_t now = io_clock_ms();
	struct work *next, *w;

	d->is_full = 0;
	for (w = d->works; w != NULL; w = next) {
		next = w->next;
		if (w->again_ms <= now)
			w->again_ms = 0;
		if (w->again_ms != 0 || w->item->state == ITEM_GONE)
			continue;
		/* A bounce that a kill cut off comes first: its plan names
		 * these failures and must not take in others. */
		if (w->m.owed > 0 && status_report(d, w) == -1)
			continue;
		if (w->open > 0 && w->item->state != ITEM_GONE)
			give_work(d, w);
	}
	send_asks(d);
	hops_send(d);
}
