/*
 * handout.c - what the runner gives to the branches, and what they say.
 * Runs as: the spool user.  Door to: the sockets of the branches.
 * Promise: a request that a branch does not answer is deferred, not lost; an
 * answer is believed for the recipient that was asked about, and no other.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "desk.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "lists.h"
#include "local.h"
#include "route.h"
#include "setup.h"

#define NEW_S		10	/* a message is new for so long */
#define PUT_BACK_S	30	/* until a busy mailbox is asked for again */
#define DRAIN_MAX	64	/* reads of what a command left in its pipe */
#define OUTPUT_SHOWN	(WHY_MAX - 64)	/* octets of it that a reason holds */

/* ---- works ---- */

void
work_free(struct desk *d, struct work *w)
{
	struct work **p;

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
	free(w->stages);
	free(w);
}

/* Room for the stages of recipients that an expansion added. */
static int
grow_stages(struct work *w)
{
	enum stage *p;
	uint32_t i;

	if (w->nstages >= w->m.nrcpts)
		return 0;
	p = reallocarray(w->stages, w->m.crcpts, sizeof(*p));
	if (p == NULL)
		return -1;
	w->stages = p;
	for (i = w->nstages; i < w->m.nrcpts; i++) {
		w->stages[i] = STAGE_ROUTE;
		w->open++;
	}
	w->nstages = w->m.nrcpts;
	return 0;
}

static int
load_failed(struct desk *d, struct item *item, enum spool_got got,
    const struct result *res)
{
	const char *why = res->why == NULL ? "" : res->why;

	item->state = ITEM_GONE;
	if (got == SPOOL_CORRUPT) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s %s: moved to "
		    "%s/corrupt", item->id, why, d->conf.spooldir);
		if (spool_put_aside(&d->spool, item->id, "corrupt") == 0)
			return -1;
		got = SPOOL_LATER;
		why = "it can not be moved";
	}
	if (got == SPOOL_LATER) {
		log_say(&d->log, LOG_LEVEL_ERROR, "id=%s %s: tried again later",
		    item->id, why);
		item->state = ITEM_WAITING;
		item->due = time(NULL) + (time_t)d->conf.retry_first_s;
	}
	return -1;
}

/* Which recipients this attempt is for: all that are open and due. */
static void
choose(const struct conf *conf, struct work *w, time_t now, int forced)
{
	struct recipient *r;
	uint32_t i;

	for (i = 0; i < w->nstages; i++) {
		r = &w->m.rcpts[i];
		if (r->state == RCPT_OPEN &&
		    (forced || is_due(conf, r->due, now)))
			continue;
		w->is_partial |= r->state == RCPT_OPEN;
		w->stages[i] = STAGE_NONE;
		w->open--;
	}
}

/* Once, since then it was tried. */
static void
log_new(struct desk *d, const struct message *m)
{
	uint32_t i;

	/* With DEFER each runner sees the held ones again; see submit.c. */
	if (d->conf.is_defer && (time(NULL) - m->arrived > NEW_S ||
	    !route_any_local(&d->conf, m)))
		return;
	for (i = 0; i < m->nrcpts; i++)
		if (m->rcpts[i].attempts > 0 || m->rcpts[i].parent != i ||
		    m->rcpts[i].state != RCPT_OPEN)
			return;
	setup_log_queued(&d->log, m);
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
	if (got == SPOOL_GOT && grow_stages(w) == -1)
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
	w->next = d->works;
	d->works = w;
	d->nworks++;
	w->is_forced = item->is_forced;
	choose(&d->conf, w, time(NULL), w->is_forced);
	settle_warned(d, w);
	if (!item->is_logged)
		log_new(d, &w->m);
	item->is_logged = 1;
	return 0;
}

/* ---- requests to the local branches ---- */

static struct request *
free_request(struct desk *d, struct request *table)
{
	int i;

	for (i = 0; i < REQUESTS_MAX; i++) {
		if (table[i].id != 0)
			continue;
		memset(&table[i], 0, sizeof(table[i]));
		table[i].channel = table[i].output = -1;
		buf_init(&table[i].text, 0);
		result_init(&table[i].res);
		if (++d->last_id == 0)
			++d->last_id;
		table[i].id = d->last_id;
		return &table[i];
	}
	return NULL;
}

static void
end_request(struct request *q)
{
	io_close(&q->channel);
	io_close(&q->output);
	buf_fini(&q->text);
	result_fini(&q->res);
	q->id = 0;
}

/* A branch that does not take requests is gone: no more of them. */
static int
send_request(struct desk *d, int *sock, struct msg *m)
{
	if (*sock == -1)
		return -1;
	if (msg_send(*sock, m) == 0)
		return 0;
	/* Short of memory, or too many descriptors on their way. */
	if (errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
		return -1;
	log_say(&d->log, LOG_LEVEL_ERROR, "a local branch is gone: %s",
	    strerror(errno));
	io_close(sock);
	d->is_crippled = 1;
	return -1;
}

static int
make_channel(struct request *q, int *theirs)
{
	int pair[2];

	if (priv_channel(pair) == -1)
		return -1;
	q->channel = pair[0];
	*theirs = pair[1];
	return 0;
}

static void
start_ask(struct desk *d, struct request *q)
{
	int theirs = -1, ok;

	ok = make_channel(q, &theirs) == 0;
	if (ok) {
		msg_begin(&d->msg, REC_FORWARD_ASK, q->id);
		msg_put_u32(&d->msg, q->origin);
		msg_put_str(&d->msg, q->name);
		msg_put_fd(&d->msg, theirs);
		ok = send_request(d, &d->branches->forward, &d->msg) == 0;
		msg_begin(&d->msg, 0, 0);
	}
	io_close(&theirs);
	if (ok)
		return;
	q->work->asking--;
	settle_as(d, q->work, q->rcpt, FATE_RETRY, "4.3.0",
	    "the forward branch can not be asked");
	end_request(q);
}

static void
put_qualified(struct desk *d, const char *address)
{
	struct buf b;

	buf_init(&b, ADDRESS_MAX);
	route_put_qualified(&b, &d->conf, address);
	msg_put_str(&d->msg, buf_failed(&b) ? address : buf_str(&b));
	buf_fini(&b);
}

static void
put_delivery(struct desk *d, const struct request *q)
{
	const struct message *m = &q->work->m;
	const struct recipient *r = &m->rcpts[q->rcpt];
	enum route_kind kind;

	kind = r->kind == ROUTE_UNKNOWN ? ROUTE_MAILBOX : r->kind;
	msg_begin(&d->msg, REC_DELIVER_ASK, q->id);
	msg_put_u32(&d->msg, kind);
	msg_put_u32(&d->msg, r->origin);
	msg_put_str(&d->msg, q->name);
	msg_put_u32(&d->msg, r->entry);
	msg_put_u64(&d->msg, r->digest);
	msg_put_str(&d->msg, m->id);
	msg_put_u32(&d->msg, q->rcpt);
	msg_put_str(&d->msg, m->sender);
	put_qualified(d, route_address(m, q->rcpt));
	put_qualified(d, route_original(m, q->rcpt));
	msg_put_u64(&d->msg, (uint64_t)m->arrived);
	msg_put_u64(&d->msg, (uint64_t)m->offset);
	msg_put_u64(&d->msg, (uint64_t)m->length);
	msg_put_u64(&d->msg, r->mark.dev);
	msg_put_u64(&d->msg, r->mark.ino);
	msg_put_u64(&d->msg, (uint64_t)r->mark.length);
}

static void
start_delivery(struct desk *d, struct request *q)
{
	int file, theirs = -1, ok;

	/* Theirs can not write, whatever becomes of the process. */
	file = openat(d->spool.queue, q->work->m.id, O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW);
	ok = file != -1 && make_channel(q, &theirs) == 0;
	if (ok) {
		put_delivery(d, q);
		msg_put_fd(&d->msg, file);
		msg_put_fd(&d->msg, theirs);
		ok = send_request(d, &d->branches->deliver, &d->msg) == 0;
		msg_begin(&d->msg, 0, 0);
	}
	io_close(&theirs);
	io_close(&file);
	if (ok)
		return;
	settle_as(d, q->work, q->rcpt, FATE_RETRY, "4.3.0",
	    "the deliver branch can not be asked");
	end_request(q);
}

/* One mailbox takes one message after the other. */
static int
is_busy(const struct desk *d, const char *name)
{
	int i;

	for (i = 0; i < REQUESTS_MAX; i++)
		if (d->deliveries[i].id != 0 &&
		    strcasecmp(d->deliveries[i].name, name) == 0)
			return 1;
	return 0;
}

/* Not tried, and so not counted: back to the queue for a while. */
void
put_back(struct work *w, uint32_t i)
{
	w->stages[i] = STAGE_NONE;
	w->open--;
	w->m.rcpts[i].due = time(NULL) + PUT_BACK_S;
}

static void
give_delivery(struct desk *d, struct work *w, uint32_t i)
{
	struct request *q;
	const char *name = w->m.rcpts[i].owner;

	if (name == NULL) {
		settle_as(d, w, i, FATE_RETRY, "4.3.0", "out of memory");
		return;
	}
	if (is_busy(d, name)) {
		/* One slow user must not fill the desk for all others. */
		if (d->nworks > WORKS_MAX / 2)
			put_back(w, i);
		return;
	}
	q = free_request(d, d->deliveries);
	if (q == NULL)
		return;
	q->work = w;
	q->rcpt = i;
	w->stages[i] = STAGE_BUSY;
	if (text_copy(q->name, sizeof(q->name), name) == -1) {
		settle_as(d, w, i, FATE_RETRY, "4.3.0", "name is too long");
		end_request(q);
		return;
	}
	start_delivery(d, q);
}

/* ---- routing ---- */

static void
to_mailbox(struct desk *d, struct work *w, uint32_t i, const char *user)
{
	struct recipient *r = &w->m.rcpts[i];

	free(r->owner);
	r->owner = strdup(user);
	if (r->owner == NULL)
		settle_as(d, w, i, FATE_RETRY, "4.3.0", "out of memory");
	else
		w->stages[i] = STAGE_DELIVER;
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

	return user_lookup(name, &u) != 0 || local_may_run(&d->conf, &u);
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
		    "names a command or a file, which root and users without "
		    "a login shell can not have: mail goes to the mailbox",
		    w->m.id, owner);
		to_mailbox(d, w, i, owner);
		return;
	}
	result_init(&res);
	if (route_expand(&d->conf, &w->m, i, targets, origin, owner,
	    &res) == -1 || grow_stages(w) == -1) {
		route_cut(&w->m, before);
		if (res.fate == FATE_NONE)
			result_set(&res, FATE_RETRY, "4.3.0", "out of memory");
		settle(d, w, i, &res, "local");
	} else {
		settle_expanded(w, i, before);
	}
	result_fini(&res);
}

/* ---- :include: ---- */

/* What the child told: path, text, path, text; "" goes on with the last. */
static int
get_list(void *arg, const char *path, struct buf *text, int *is_loose,
    struct result *res)
{
	struct msg m = *(struct msg *)arg;
	char name[TARGET_MAX + 1];
	int found = 0;
	const char *p;
	size_t len;

	(void)is_loose;		/* the child that would use it asks */
	while (msg_more(&m)) {
		msg_get_text(&m, name, sizeof(name));
		p = msg_get_bytes(&m, &len);
		if (m.bad || (found && name[0] != '\0'))
			break;
		found |= name[0] != '\0' && strcmp(name, path) == 0;
		if (found)
			buf_add(text, p, len);
	}
	if (found)
		return 0;
	return result_set(res, FATE_RETRY, "4.3.0",
	    "list %s: it was not read with what names it", path);
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
    struct msg *lists)
{
	struct lists_source source = { get_list, lists };
	struct report report = { list_report, d };
	struct targets flat;
	struct result res;

	if (!lists_any(targets)) {
		expand(d, w, i, targets, origin, owner);
		return;
	}
	result_init(&res);
	if (lists_flatten(targets, &flat, &source, &report, &res) == -1) {
		settle(d, w, i, &res, "local");
	} else {
		expand(d, w, i, &flat, origin, owner);
		targets_fini(&flat);
	}
	result_fini(&res);
}

static int
count_asks(const struct desk *d, const char *user)
{
	int i, n = 0;

	for (i = 0; i < REQUESTS_MAX; i++)
		n += d->asks[i].id != 0 && strcmp(d->asks[i].name, user) == 0;
	return n;
}

/* Stays to be routed while all requests are out. */
static void
ask(struct desk *d, struct work *w, uint32_t i, enum origin origin,
    const char *name)
{
	struct request *q;

	w->stages[i] = STAGE_ROUTE;
	if (count_asks(d, name) >= ASKS_SHARE) {
		if (d->nworks > WORKS_MAX / 2)
			put_back(w, i);
		return;
	}
	q = free_request(d, d->asks);
	if (q == NULL)
		return;
	q->deadline_ms = io_clock_ms() + ASK_LIMIT_MS;
	q->work = w;
	q->rcpt = i;
	q->origin = origin;
	w->stages[i] = STAGE_ASK;
	w->asking++;
	if (text_copy(q->name, sizeof(q->name), name) == 0 &&
	    (origin == ORIGIN_ALIASES || user_name_ok(name))) {
		start_ask(d, q);
		return;
	}
	w->asking--;
	end_request(q);
	settle_as(d, w, i, FATE_FAILED, "5.1.1", "no such user here");
}

/* The lists of the aliases are read where a slow disk stops nobody else. */
static void
expand_alias(struct desk *d, struct work *w, uint32_t i,
    const struct alias *alias)
{
	if (lists_any(&alias->targets))
		ask(d, w, i, ORIGIN_ALIASES, alias->name);
	else
		expand(d, w, i, &alias->targets, ORIGIN_ALIASES, alias->name);
}

/* DEFER: not tried, so not counted, until a flush wants it. */
static void
hold(struct work *w, uint32_t i)
{
	w->stages[i] = STAGE_HELD;
	w->open--;
	w->is_partial = 1;
}

static void
route(struct desk *d, struct work *w, uint32_t i)
{
	char user[ADDRESS_MAX + 1];
	const struct alias *alias;
	const struct recipient *r = &w->m.rcpts[i];
	struct route_env env;
	struct result res;

	if (r->kind != ROUTE_UNKNOWN) {
		w->stages[i] = r->kind == ROUTE_REMOTE ? STAGE_REMOTE :
		    STAGE_DELIVER;
		return;
	}
	if (w->m.hops > RECEIVED_MAX) {
		settle_as(d, w, i, FATE_FAILED, "5.4.6",
		    "mail loop: too many Received lines");
		return;
	}
	env.conf = &d->conf;
	env.aliases = d->has_aliases ? &d->aliases : NULL;
	result_init(&res);
	switch (route_next(&env, &w->m, i, user, &alias, &res)) {
	case STEP_REMOTE:
		if (d->conf.is_defer && !w->is_forced)
			hold(w, i);
		else
			w->stages[i] = STAGE_REMOTE;
		break;
	case STEP_ALIAS:
		expand_alias(d, w, i, alias);
		break;
	case STEP_USER:
		ask(d, w, i, ORIGIN_FORWARD, user);
		break;
	case STEP_MAILBOX:
		to_mailbox(d, w, i, user);
		break;
	default:
		settle(d, w, i, &res, "local");
		break;
	}
	result_fini(&res);
}

static void
got_forward(struct desk *d, struct request *q, const char *text, size_t len)
{
	char name[LOGIN_MAX + 32];
	struct report report = { list_report, d };
	struct targets targets;
	int bad;

	snprintf(name, sizeof(name), ".forward of %.32s", q->name);
	memset(&targets, 0, sizeof(targets));
	bad = forward_parse(&targets, text, len, name, &report);
	if (bad != 0)
		log_say(&d->log, LOG_LEVEL_WARNING, "id=%s user=%s .forward "
		    "is not understood: mail goes to the mailbox",
		    q->work->m.id, q->name);
	if (bad != 0 || targets.n == 0)
		to_mailbox(d, q->work, q->rcpt, q->name);
	else
		expand_lists(d, q->work, q->rcpt, &targets, ORIGIN_FORWARD,
		    q->name, &d->msg);
	targets_fini(&targets);
}

static void
got_no_user(struct desk *d, struct request *q)
{
	struct work *w = q->work;
	const struct alias *any = NULL;
	struct result res;
	uint32_t i = q->rcpt;

	result_init(&res);
	if (d->has_aliases)
		any = aliases_find(&d->aliases, "*");
	if (any != NULL && w->m.rcpts[i].parent != i)
		any = NULL;
	if (any != NULL && route_usable(&d->conf, any, &res) == -1)
		settle(d, w, i, &res, "local");
	else if (any != NULL)
		expand_alias(d, w, i, any);
	else if (w->m.rcpts[i].origin == ORIGIN_ALIASES &&
	    w->m.rcpts[i].depth > 1) {
		route_lost(&w->m, i, "the aliases lead in a circle, or to a "
		    "user that does not exist", &res);
		settle(d, w, i, &res, "local");
	} else
		settle_as(d, w, i, FATE_FAILED, "5.1.1", "no such user here");
	result_fini(&res);
}

static void
got_lists(struct desk *d, struct request *q)
{
	const struct alias *alias = NULL;
	struct msg lists;

	if (d->has_aliases)
		alias = aliases_find(&d->aliases, q->name);
	if (alias == NULL || alias->is_bad) {
		settle_as(d, q->work, q->rcpt, FATE_RETRY, "4.3.5",
		    "the alias changed while its lists were read");
		return;
	}
	msg_init(&lists);
	lists.data = q->text.data;
	lists.len = q->text.len;
	expand_lists(d, q->work, q->rcpt, &alias->targets, ORIGIN_ALIASES,
	    alias->name, &lists);
}

/* 0 when a part of a list is kept. */
static int
keep_list(struct desk *d, struct request *q)
{
	if (q->origin != ORIGIN_ALIASES || q->text.len + d->msg.len >
	    LISTS_OCTETS_MAX + REC_CHANNEL_LIMIT)
		return -1;
	buf_add(&q->text, d->msg.data, d->msg.len);
	return buf_failed(&q->text) ? -1 : 0;
}

static void
take_verdict(struct desk *d, struct request *q, uint32_t verdict,
    const char *text, size_t len)
{
	struct result res;

	/* Of an alias there are its lists, or they can't be had now. */
	if (q->origin == ORIGIN_ALIASES && verdict == FORWARD_TEXT) {
		got_lists(d, q);
		return;
	}
	if (q->origin == ORIGIN_ALIASES)
		verdict = FORWARD_LATER;
	switch (verdict) {
	case FORWARD_NONE:
		to_mailbox(d, q->work, q->rcpt, q->name);
		break;
	case FORWARD_TEXT:
		got_forward(d, q, text, len);
		break;
	case FORWARD_REFUSED:
		log_say(&d->log, LOG_LEVEL_WARNING, "id=%s user=%s .forward "
		    "refused: %.*s: mail goes to the mailbox", q->work->m.id,
		    q->name, (int)(len > WHY_MAX ? WHY_MAX : len), text);
		to_mailbox(d, q->work, q->rcpt, q->name);
		break;
	case FORWARD_NOUSER:
		got_no_user(d, q);
		break;
	default:
		result_init(&res);
		result_set(&res, FATE_RETRY, "4.3.0", "%s %s: %.*s",
		    q->origin == ORIGIN_ALIASES ? "alias" : ".forward of",
		    q->name, (int)(len > WHY_MAX ? WHY_MAX : len), text);
		settle(d, q->work, q->rcpt, &res, "local");
		result_fini(&res);
		break;
	}
}

void
handout_forward(struct desk *d, struct request *q)
{
	const char *text;
	uint32_t verdict = FORWARD_LATER;
	size_t len;
	int n;

	n = msg_recv(q->channel, &d->msg, REC_CHANNEL_LIMIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == 1 && d->msg.kind == REC_FORWARD_LIST && keep_list(d, q) == 0)
		return;
	text = "no answer";
	len = strlen(text);
	if (n == 1 && d->msg.kind == REC_FORWARD_SAY) {
		verdict = msg_get_u32(&d->msg);
		text = msg_get_bytes(&d->msg, &len);
		if (verdict == FORWARD_TEXT ? d->msg.bad :
		    msg_done(&d->msg) == -1) {
			verdict = FORWARD_LATER;
			text = "broken answer";
			len = strlen(text);
		}
	}
	q->work->asking--;
	take_verdict(d, q, verdict, text, len);
	end_request(q);
}

/* ---- answers about deliveries ---- */

static void
channel_at(struct desk *d, struct request *q)
{
	struct recipient *r = &q->work->m.rcpts[q->rcpt];
	struct mark mark;

	mark.dev = msg_get_u64(&d->msg);
	mark.ino = msg_get_u64(&d->msg);
	mark.length = (int64_t)msg_get_u64(&d->msg);
	if (msg_done(&d->msg) == -1 || mark.length < 0) {
		io_close(&q->channel);
		return;
	}
	r->mark = mark;
	note_append(&q->work->notes, &q->work->m, q->rcpt);
	if (settle_write(d, q->work, 1) == -1) {
		/* Not noted, so not to be written: it gives up at the end. */
		io_close(&q->channel);
		return;
	}
	msg_begin(&d->msg, REC_DELIVER_GO, 0);
	if (msg_send(q->channel, &d->msg) == -1)
		io_close(&q->channel);
	else
		q->has_announced = 1;
}

static void
channel_say(struct desk *d, struct request *q)
{
	char code[sizeof(q->res.code)];
	const char *why;
	uint32_t fate;
	size_t len;

	fate = msg_get_u32(&d->msg);
	msg_get_text(&d->msg, code, sizeof(code));
	why = msg_get_bytes(&d->msg, &len);
	if (msg_done(&d->msg) == -1 || fate < FATE_SENT || fate > FATE_FAILED)
		return;
	if (len > WHY_MAX)
		len = WHY_MAX;
	q->is_said = 1;
	result_set(&q->res, (enum fate)fate, code, "%.*s", (int)len, why);
}

void
handout_channel(struct desk *d, struct request *q)
{
	int n;

	n = msg_recv(q->channel, &d->msg, REC_CHANNEL_LIMIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n != 1) {
		io_close(&q->channel);
		return;
	}
	if (d->msg.kind == REC_DELIVER_AT && !q->is_said)
		channel_at(d, q);
	else if (d->msg.kind == REC_DELIVER_SAY && !q->is_said)
		channel_say(d, q);
	else if (d->msg.kind == REC_DELIVER_OUTPUT && !q->has_execed &&
	    d->msg.nfds == 1) {
		q->has_execed = 1;
		q->output = msg_take_fd(&d->msg, 0);
		if (io_nonblock(q->output) == -1)
			io_close(&q->output);
	} else {
		log_say(&d->log, LOG_LEVEL_WARNING, "id=%s user=%s answer out "
		    "of turn", q->work->m.id, q->name);
		io_close(&q->channel);
	}
}

void
handout_output(struct desk *d, struct request *q)
{
	char chunk[OUTPUT_MAX];
	ssize_t n;

	(void)d;
	n = io_read(q->output, chunk, sizeof(chunk));
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		io_close(&q->output);
		return;
	}
	buf_add(&q->text, chunk, (size_t)n);
	if (q->text.len > OUTPUT_MAX)
		buf_drop(&q->text, q->text.len - OUTPUT_MAX);
}

static const char *
sysexit_code(int status)
{
	switch (status) {
	case EX_DATAERR:
		return "5.6.0";
	case EX_NOUSER:
		return "5.1.1";
	case EX_NOHOST:
		return "5.1.2";
	case EX_NOPERM:
		return "5.7.1";
	case EX_CONFIG:
		return "5.3.5";
	default:
		return "5.3.0";
	}
}

static void
status_result(struct request *q, int code, const char *text)
{
	const char *mark = text[0] == '\0' ? "" : ": ";
	enum fate fate = FATE_FAILED;

	if (code == EX_TEMPFAIL || code == 126 || code == 127)
		fate = FATE_RETRY;
	if (code == 0)
		result_set(&q->res, FATE_SENT, "2.0.0",
		    "delivered to command%s%s", mark, text);
	else
		result_set(&q->res, fate, fate == FATE_RETRY ? "4.3.0" :
		    sysexit_code(code), "command exited with status %d%s%s",
		    code, mark, text);
}

static void
command_result(struct request *q, int status, int late)
{
	struct buf text;

	/* Cleaned here: a NUL in it must not hide the rest.  The end counts. */
	buf_init(&text, 0);
	buf_put_clean(&text, q->text.data, q->text.len, 4 * OUTPUT_MAX + 4);
	if (text.len > OUTPUT_SHOWN)
		buf_drop(&text, text.len - OUTPUT_SHOWN);
	if (late)
		result_set(&q->res, FATE_RETRY, "4.3.0",
		    "command took too long and was ended%s%s",
		    text.len > 0 ? ": " : "", buf_str(&text));
	else if (WIFSIGNALED(status))
		result_set(&q->res, FATE_RETRY, "4.3.0",
		    "command died by signal %d%s%s", WTERMSIG(status),
		    text.len > 0 ? ": " : "", buf_str(&text));
	else
		status_result(q, WEXITSTATUS(status), buf_str(&text));
	buf_fini(&text);
}

/* The process is reaped: what it said last is in the socket by now. */
static void
conclude(struct desk *d, struct request *q, int status, int late)
{
	struct work *w = q->work;
	struct recipient *r = &w->m.rcpts[q->rcpt];
	int n;

	while (q->channel != -1 && recv(q->channel, NULL, 0, MSG_PEEK |
	    MSG_DONTWAIT) != -1)
		handout_channel(d, q);
	/* A background child may write for ever: what is there now counts. */
	for (n = 0; n < DRAIN_MAX && q->output != -1 &&
	    io_wait(q->output, POLLIN, 0) == 1; n++)
		handout_output(d, q);
	if (q->has_execed && !q->is_said)
		command_result(q, status, late);
	else if (!q->is_said || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		result_set(&q->res, FATE_RETRY, "4.3.0", "%s",
		    late ? "delivery took too long and was ended" :
		    "the delivery process ended early");
	else if (q->res.fate != FATE_SENT && q->has_announced &&
	    r->mark.length != -1) {
		/* It cut back what it had begun, and said so. */
		r->mark.length = -1;
		note_withdrawn(&w->notes, q->rcpt);
	}
	settle(d, w, q->rcpt, &q->res, q->name);
	/* Others of this message may take long: a kill must not undo this. */
	if (w->open > 0)
		settle_write(d, w, w->needs_sync);
	end_request(q);
}

void
handout_ends(struct desk *d)
{
	uint32_t id, late;
	int i, n, status;

	n = msg_recv(d->branches->deliver, &d->msg, REC_DELIVER_LIMIT);
	if (n == -1 && errno == EAGAIN)
		return;
	id = d->msg.id;
	status = (int)msg_get_u32(&d->msg);
	late = msg_get_u32(&d->msg);
	if (n == 1 && d->msg.kind == REC_DELIVER_END &&
	    msg_done(&d->msg) == 0) {
		for (i = 0; i < REQUESTS_MAX; i++)
			if (d->deliveries[i].id == id && id != 0)
				conclude(d, &d->deliveries[i], status,
				    late != 0);
		return;
	}
	log_say(&d->log, LOG_LEVEL_ERROR, "the deliver branch is gone");
	io_close(&d->branches->deliver);
	d->is_crippled = 1;
	for (i = 0; i < REQUESTS_MAX; i++)
		if (d->deliveries[i].id != 0)
			conclude(d, &d->deliveries[i], SIGKILL, 0);
}

/* ---- giving out ---- */

static void
give_work(struct desk *d, struct work *w)
{
	uint32_t i, remote = 0;

	/* Expansion appends, so that one pass routes what it adds, too. */
	for (i = 0; i < w->nstages; i++) {
		if (w->stages[i] == STAGE_ROUTE)
			route(d, w, i);
		if (w->stages[i] == STAGE_DELIVER)
			give_delivery(d, w, i);
		if (w->stages[i] == STAGE_ROUTE || w->stages[i] == STAGE_ASK)
			remote = UINT32_MAX;
		if (w->stages[i] == STAGE_REMOTE && remote != UINT32_MAX)
			remote++;
	}
	/* All that share a hop go in one transaction: so only when all are
	 * known. */
	if (remote > 0 && remote != UINT32_MAX)
		hops_give(d, w);
}

void
handout_late(struct desk *d)
{
	int64_t now = io_clock_ms();
	struct request *q;
	int i;

	for (i = 0; i < REQUESTS_MAX; i++) {
		q = &d->asks[i];
		if (q->id == 0 || q->deadline_ms > now)
			continue;
		q->work->asking--;
		settle_as(d, q->work, q->rcpt, FATE_RETRY, "4.3.0",
		    q->origin == ORIGIN_ALIASES ?
		    "the lists of the alias can not be read in time" :
		    "the .forward can not be read in time");
		end_request(q);
	}
}

void
handout_all(struct desk *d)
{
	int64_t now = io_clock_ms();
	struct work *next, *w;

	for (w = d->works; w != NULL; w = next) {
		next = w->next;
		if (w->again_ms <= now)
			w->again_ms = 0;
		if (w->again_ms != 0 || w->item->state == ITEM_GONE)
			continue;
		/* A bounce that a kill cut off comes first: its plan names
		 * these failures and must not take in others. */
		if (w->m.owed > 0 && settle_report(d, w) == -1)
			continue;
		if (w->open > 0 && w->item->state != ITEM_GONE)
			give_work(d, w);
	}
	hops_send(d);
}
