/*
 * deliver_remote.c - remote deliveries: destinations and their dma-remote.
 * Runs as: the spool user.  Uses: the sockets of the dma-remote processes.
 * Promise: whatever a dma-remote sends or fails to send, each recipient that
 * it had is decided once.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "priv/request.h"
#include "queue/deliver_remote.h"
#include "queue/helper_socket.h"
#include "queue/limits.h"
#include "queue/route.h"

#define REQUESTS_FIRST	64	/* messages that one process has at first */
#define REQUESTS_SENT	128	/* and once the host takes some: enough while
				 * this process waits for the disk */
#define IDLE_MS		1000	/* an idle process stays */
#define RECORD_LIMIT	(IPC_REMOTE_LIMIT - 2048)	/* bytes to fill */
#define RECORDS_MAX	256	/* of one process in a turn */
#define DOMAIN_MAX	255	/* RFC 1035 2.3.4 */
#define DIALOGUE_MAX	2048	/* bytes of a line of the dialogue */

/* ---- destinations ---- */

/* Where a message goes that is for other hosts. */
struct next_hop {
	const char	*sender;	/* lent: for mail of whom */
	enum destination_kind kind;
	const char	*name;		/* lent; NULL: the recipient's domain */
	const char	*user;		/* lent: of auth.conf, or "" */
	const char	*trouble;	/* lent: why there is none now */
};

static int
is_for(const struct destination *d, const struct next_hop *hop,
    const char *name)
{
	return d->kind == hop->kind && text_casecmp(d->name, name) == 0 &&
	    strcmp(d->user, hop->user) == 0;
}

static uint64_t
key_of(const struct destinations *ds, const struct next_hop *hop,
    const char *name)
{
	const struct backoff_name b = { hop->kind, name, hop->user };

	return backoffs_key(&ds->active->backoffs, &b);
}

static struct destination *
find(const struct destinations *ds, const struct next_hop *hop,
    const char *name)
{
	struct destination *d;

	for (d = ds->list; d != NULL; d = d->next)
		if (is_for(d, hop, name))
			return d;
	return NULL;
}

static struct destination *
add_destination(struct destinations *ds, const struct next_hop *hop,
    const char *name)
{
	struct destination *d = calloc(1, sizeof(*d)), **last = &ds->list;

	if (d == NULL || text_copy(d->name, sizeof(d->name), name) == -1 ||
	    text_copy(d->user, sizeof(d->user), hop->user) == -1) {
		free(d);
		return NULL;
	}
	d->kind = hop->kind;
	d->key = key_of(ds, hop, name);
	d->sock = -1;
	d->idle_ms = io_clock_ms();
	while (*last != NULL)
		last = &(*last)->next;
	*last = d;	/* who came first has the first process */
	return d;
}

static void
free_destination(struct destinations *ds, struct destination *d)
{
	struct destination **p;

	io_close(&d->sock);
	for (p = &ds->list; *p != d; p = &(*p)->next)
		;
	*p = d->next;
	free(d);
}

/* Whose a destination is: its first message's.  It has requests. */
static const struct submitter *
submitter_of(const struct destination *d)
{
	return d->requests->a->entry->submitter;
}

/* 1 when this submitter may have one process more. */
static int
may_open(const struct destinations *ds, const struct submitter *by)
{
	struct held held = { .by = by, .nfree = PROCESSES_MAX };
	const struct destination *d;

	for (d = ds->list; d != NULL; d = d->next) {
		if (d->sock == -1 || d->requests == NULL)
			continue;
		turns_count(&held, submitter_of(d));
		held.nfree -= held.nfree > 0;
	}
	return turns_may_take(&held);
}

/* Room for another process: one that is idle makes it.  0 or -1. */
static int
make_room(struct destinations *ds, const struct submitter *by)
{
	struct destination *d, *idle = NULL;
	unsigned n = 0;

	if (!may_open(ds, by))
		return -1;
	for (d = ds->list; d != NULL; d = d->next) {
		if (d->sock == -1)
			continue;
		n++;
		if (d->requests == NULL)
			idle = d;
	}
	if (n < PROCESSES_MAX)
		return 0;
	if (idle == NULL)
		return -1;
	io_close(&idle->sock);
	return 0;
}

/* Attempts, where they left addresses untried: of this runner or before. */
static uint32_t
count_tries(const struct destinations *ds, const struct destination *d)
{
	const struct backoff *b = backoffs_find(&ds->active->backoffs, d->key);
	const struct remote_request *r = d->requests;
	const struct recipient *rcpt = &r->a->m.rcpts[r->rcpts[0]];

	if (b != NULL && result_has_more_hosts(&b->reason))
		return b->tries;
	return result_has_more_hosts(&rcpt->last) ? rcpt->attempts +
	    r->a->entry->flushes : 0;
}

/* 0, 1 when it has to wait for a process, -1 when there is none. */
static int
open_destination(struct destinations *ds, struct destination *d)
{
	struct ipc m;
	int ret;

	d->is_waiting = make_room(ds, submitter_of(d)) == -1;
	if (d->is_waiting)
		return 1;
	d->moved_ms = io_clock_ms();
	d->is_stale = 0;
	d->window = REQUESTS_FIRST;
	d->reason[0] = '\0';
	d->sock = request_remote();
	if (d->sock == -1) {
		log_say(&ds->active->q->log, LOG_LEVEL_ERROR, "cannot start "
		    "dma-remote: %s", strerror(errno));
		return -1;
	}
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_DESTINATION, 0);
	ipc_put_u32(&m, d->kind);
	ipc_put_str(&m, d->name);
	ipc_put_str(&m, d->user);
	ipc_put_u32(&m, count_tries(ds, d));
	ret = ipc_send(d->sock, &m);
	ipc_fini(&m);
	return ret;
}

/* ---- requests ---- */

static void
remove_request(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	struct remote_request **p;

	for (p = &d->requests; *p != r; p = &(*p)->next)
		;
	*p = r->next;
	if (d->requests != NULL) {
		d->turn = d->requests->turn;
	} else {
		d->turn = r->turn;
		d->is_waiting = 0;
		d->idle_ms = io_clock_ms();
		backoffs_event(&ds->active->backoffs, d->key, BACKOFF_ENDED);
		if (d->is_stale)
			io_close(&d->sock);
	}
	active_release(ds->active, r->share);
	r->a->requests--;
	free(r);
}

static const char *
log_name(const struct destination *d)
{
	return d->kind == DESTINATION_SMARTHOST ? "smarthost" : d->name;
}

/* It was tried, and waits with all other mail for that destination. */
static void
wait_for(const struct destination *d, struct remote_request *r, uint32_t i,
    const struct backoff *b)
{
	struct clocks now;

	clocks_get(&now);
	r->a->attempts[i].waits_for = d->key;
	r->a->m.rcpts[i].due = backoff_until(b, &now);
}

/* Requests that were not sent yet wait as new ones would. */
static void
defer_unsent(struct destinations *ds, struct destination *d,
    const struct backoff *b, time_t until)
{
	struct remote_request *r, *next;
	uint32_t k;

	for (r = d->requests; r != NULL; r = next) {
		next = r->next;
		if (r->is_sent)
			continue;
		for (k = 0; k < r->n; k++)
			decide_unreachable(r->a, r->rcpts[k], &b->reason,
			    log_name(d), d->key, until);
		remove_request(ds, d, r);
	}
}

/* Nothing of it can be reached, whatever the message. */
static void
back_off(struct destinations *ds, struct destination *d,
    const struct result *reason)
{
	const struct backoff_name name = { d->kind, d->name, d->user };
	const struct backoff *b;
	struct clocks now;

	clocks_get(&now);
	d->is_stale = 1;
	b = backoffs_failed(&ds->active->backoffs, &name, reason,
	    &ds->active->q->conf.retry, &now);
	if (b != NULL)
		defer_unsent(ds, d, b, backoff_until(b, &now));
}

static void
fail_request(struct destinations *ds, struct destination *d,
    struct remote_request *r, const struct result *res)
{
	const struct backoff *b = backoffs_find(&ds->active->backoffs, d->key);
	uint32_t i, k;

	for (k = 0; k < r->n; k++) {
		i = r->rcpts[k];
		if (r->a->attempts[i].stage != STAGE_BUSY)
			continue;
		if (b != NULL && b->state == BACKOFF_RESTING)
			wait_for(d, r, i, b);
		decide(r->a, i, res, log_name(d));
	}
	remove_request(ds, d, r);
}

/*
 * reason: unless dma-remote gave one, which is not about a message.  It may
 * name files: no sender reads it.
 */
static void
fail(struct destinations *ds, struct destination *d, const char *reason)
{
	struct result res;

	if (d->reason[0] != '\0')
		reason = "this host cannot send mail to other hosts now";
	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0", "%s", reason);
	io_close(&d->sock);
	if (d->requests != NULL)
		log_say(&ds->active->q->log, LOG_LEVEL_WARNING, "relay=%s %s",
		    log_name(d), d->reason[0] != '\0' ? d->reason : reason);
	if (d->requests != NULL && d->reason[0] != '\0') {
		result_detail(&res, "%s", d->reason);
		back_off(ds, d, &res);
	}
	while (d->requests != NULL)
		fail_request(ds, d, d->requests, &res);
	result_fini(&res);
}

/* ---- where a message goes ---- */

/*
 * The line of SENDER_RELAY for a message and a sender of it; NULL, and perhaps
 * why it is not known.  The login is that of the submitter, whatever sender
 * they gave.
 */
static const struct sender_relay *
sender_of(const struct queue *q, const struct message *m, const char *sender,
    const char **reason)
{
	const struct passwd *pw = NULL;

	*reason = NULL;
	if (q->conf.where.sender_relay == NULL)
		return NULL;
	if (!q->has_senders) {
		*reason = "the file of SENDER_RELAY cannot be read";
		return NULL;
	}
	if (q->senders.has_logins) {
		errno = 0;
		pw = getpwuid(m->submitter);
		if (pw == NULL && errno != 0 && errno != ENOENT &&
		    errno != ESRCH) {
			*reason = "the submitter cannot be looked up to select "
			    "a relay";
			return NULL;
		}
	}
	return sender_relay_find(&q->senders, sender, pw == NULL ? NULL :
	    pw->pw_name);
}

static void
next_hop_of(const struct queue *q, const struct message *m,
    const char *sender, struct next_hop *hop)
{
	const struct relays *relays = &q->conf.relays;
	const struct sender_relay *s;

	memset(hop, 0, sizeof(*hop));
	hop->sender = sender;
	hop->name = hop->user = "";
	s = sender_of(q, m, sender, &hop->trouble);
	if (s != NULL) {
		hop->kind = DESTINATION_SENDER;
		hop->name = s->relays;
		hop->user = s->user == NULL ? "" : s->user;
		hop->trouble = s->trouble == NULL ? NULL : "the SENDER_RELAY "
		    "entry of this sender is invalid";
	} else if (relays->n == 0) {
		hop->kind = DESTINATION_DOMAIN;
		hop->name = NULL;
	} else if (hop->trouble == NULL && relays_is_none(relays))
		hop->trouble = "SMARTHOST in dma.conf is missing or invalid";
}

/* Recipients of a mailing list are sent to with a sender of their own. */
static int
is_of(const struct next_hop *hop, const struct message *m, uint32_t i)
{
	const char *sender = message_sender(m, i);

	return sender == hop->sender || strcmp(sender, hop->sender) == 0;
}

/* NULL: the recipient has none that can be looked up. */
static const char *
name_of(const struct next_hop *hop, const char *address)
{
	const char *domain;

	if (hop->name != NULL)
		return hop->name;
	domain = addr_domain(address);
	return domain != NULL && strlen(domain) > DOMAIN_MAX ? NULL : domain;
}

static int
goes_to(const struct destination *d, const struct next_hop *hop,
    const char *address)
{
	const char *name = name_of(hop, address);

	return name != NULL && is_for(d, hop, name);
}

/* ---- giving ---- */

/* With what put_rcpt() adds it would be no address any more. */
static int
is_too_long(const struct conf *conf, const char *address)
{
	size_t n = strlen(address);

	if (addr_domain(address) == NULL)
		n += 1 + strlen(conf->names.mailname);
	return n > ADDRESS_MAX;
}

/*
 * All of the message that goes to this destination, from recipient i on; NULL
 * without memory.
 */
static struct remote_request *
gather(const struct destination *d, const struct next_hop *hop,
    struct active_message *a, uint32_t i)
{
	struct remote_request *r, *fit;

	r = calloc(1, sizeof(*r) + a->nattempts * sizeof(r->rcpts[0]));
	if (r == NULL)
		return NULL;
	for (; i < a->nattempts; i++) {
		if (a->attempts[i].stage != STAGE_REMOTE ||
		    !is_of(hop, &a->m, i) ||
		    !goes_to(d, hop, a->m.rcpts[i].address))
			continue;
		a->attempts[i].stage = STAGE_BUSY;
		r->rcpts[r->n++] = i;
	}
	r->left = r->n;
	/* A message with many recipients may have as many destinations. */
	fit = realloc(r, sizeof(*r) + r->n * sizeof(r->rcpts[0]));
	return fit == NULL ? r : fit;
}

/*
 * By its turn: those of a submitter in the order given, and those of another
 * one in between.
 */
static void
add_request(struct destinations *ds, struct destination *d,
    struct active_message *a, struct share *share, struct remote_request *r)
{
	struct remote_request **p = &d->requests;

	backoffs_event(&ds->active->backoffs, d->key, BACKOFF_GIVEN);
	r->a = a;
	a->requests++;
	r->id = ++ds->last_id;
	r->share = share;
	r->turn = share->turn = limits_turn(share->turn, d->turn);
	while (*p != NULL && (*p)->turn <= r->turn)
		p = &(*p)->next;
	r->next = *p;
	*p = r;
	share->active++;
}

static void
give(struct destinations *ds, struct destination *d, struct share *share,
    const struct next_hop *hop, struct active_message *a, uint32_t i)
{
	struct remote_request *r = gather(d, hop, a, i);

	if (r == NULL)
		decide_later(a, i, "out of memory");
	else
		add_request(ds, d, a, share, r);
}

/* 1 when a destination more of this submitter may wait for a process. */
static int
may_queue(const struct destinations *ds, const struct active_message *a)
{
	struct part part = active_part(ds->active, a);
	struct held held = { .by = a->entry->submitter };
	const struct destination *d;

	for (d = ds->list; d != NULL; d = d->next)
		if (d->requests != NULL)
			turns_count(&held, submitter_of(d));
	return limits_may_queue(&part, held.of_submitter, held.of_range,
	    PROCESSES_MAX);
}

static void
postpone_rest(struct active_message *a, struct share *share)
{
	uint32_t i;

	for (i = 0; i < a->nattempts; i++)
		if (a->attempts[i].stage == STAGE_REMOTE)
			decide_not_now(a, i);
	active_postpone(a, share);
}

/*
 * 0, or -1 when all that is left of the message is postponed.  One that was
 * postponed for this share is counted in it already.
 */
static int
give_share(struct destinations *ds, struct destination *d,
    const struct next_hop *hop, struct active_message *a, uint32_t i)
{
	struct turns *turns = &ds->active->turns;
	struct share *share;

	share = turns_share(turns, a->entry->submitter, SHARE_DESTINATION +
	    (unsigned)d->kind, d->name, d->user);
	if (share == NULL) {
		decide_later(a, i, "out of memory");
		return 0;
	}
	if (a->share == share || turns_has_room(turns, share)) {
		give(ds, d, share, hop, a, i);
		turns_drop(turns, share);
		return 0;
	}
	postpone_rest(a, share);
	turns_drop(turns, share);
	return -1;
}

/* Its lifetime was over when the destination was tried for the last time. */
static int
has_expired(const struct destinations *ds, const struct active_message *a,
    const struct backoff *b)
{
	return b->failed_s >= a->m.arrived +
	    (time_t)ds->active->q->conf.retry.lifetime_s;
}

/*
 * 1 when the destination could not be reached and is not tried again yet: the
 * recipient waits for it, or expires as if it had been tried.
 */
static int
is_unreachable(struct destinations *ds, struct active_message *a, uint32_t i,
    const struct next_hop *hop, const char *name)
{
	uint64_t key = key_of(ds, hop, name);
	struct backoff *b = backoffs_find(&ds->active->backoffs, key);
	const char *where = hop->kind == DESTINATION_SMARTHOST ? "smarthost" :
	    name;
	struct clocks now;

	clocks_get(&now);
	if (b == NULL || backoff_admits(b, &now, a->is_forced))
		return 0;
	if (has_expired(ds, a, b))
		decide(a, i, &b->reason, where);
	else
		decide_unreachable(a, i, &b->reason, where, key,
		    backoff_until(b, &now));
	return 1;
}

/* 0, or -1 when all that is left of the message is postponed. */
static int
give_one(struct destinations *ds, struct active_message *a, uint32_t i,
    const struct next_hop *hop)
{
	const char *address = a->m.rcpts[i].address;
	const char *name = hop->trouble != NULL ? NULL : name_of(hop, address);
	struct destination *d;

	d = name == NULL ? NULL : find(ds, hop, name);
	if (name == NULL)
		decide_as(a, i, STATUS_DEFERRED, "4.3.5", hop->trouble != NULL ?
		    hop->trouble : "there is no SMARTHOST for this address");
	else if (is_too_long(&ds->active->q->conf, address))
		decide_as(a, i, STATUS_FAILED, "5.1.3",
		    "the address is too long");
	else if (is_unreachable(ds, a, i, hop, name))
		return 0;
	else if ((d == NULL || d->requests == NULL) && !may_queue(ds, a))
		decide_postponed(a, i);
	else if (d == NULL && (d = add_destination(ds, hop, name)) == NULL)
		decide_later(a, i, "out of memory");
	else
		return give_share(ds, d, hop, a, i);
	return 0;
}

void
destinations_give(struct destinations *ds, struct active_message *a)
{
	struct next_hop hop;
	uint32_t i;

	next_hop_of(ds->active->q, &a->m, a->m.sender, &hop);
	for (i = 0; i < a->nattempts; i++) {
		if (a->attempts[i].stage != STAGE_REMOTE)
			continue;
		if (!is_of(&hop, &a->m, i))
			next_hop_of(ds->active->q, &a->m,
			    message_sender(&a->m, i), &hop);
		if (give_one(ds, a, i, &hop) == -1)
			return;
	}
}

/* ---- withdrawing ---- */

static void
withdraw(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	uint32_t k;

	for (k = 0; k < r->n; k++)
		if (r->a->attempts[r->rcpts[k]].stage == STAGE_BUSY)
			decide_not_now(r->a, r->rcpts[k]);
	remove_request(ds, d, r);
}

void
destinations_withdraw(struct destinations *ds, struct active_message *a)
{
	struct remote_request *r, *next;
	struct destination *d;

	for (d = a->requests > 0 ? ds->list : NULL; d != NULL; d = d->next)
		for (r = d->requests; r != NULL; r = next) {
			next = r->next;
			if (r->a == a && !r->is_sent)
				withdraw(ds, d, r);
			else if (r->a == a && a->removal != REMOVAL_NONE &&
			    r->cancel == CANCEL_NOT)
				r->cancel = CANCEL_WANTED;
		}
}

/* ---- to dma-remote ---- */

/* After ipc_send(): 1 sent, 0 the socket is full for now, -1 it is gone. */
static int
sent(int ret)
{
	return ret == 0 ? 1 : helper_is_passing(errno) ? 0 : -1;
}

/* A connection ended on it: it goes last and alone from then on. */
static int
is_suspect(const struct remote_request *r)
{
	uint32_t i;

	for (i = 0; i < r->n; i++)
		if (result_is_lost(&r->a->m.rcpts[r->rcpts[i]].last))
			return 1;
	return 0;
}

/* As sent(); 2: this message cannot be read, others can. */
static int
send_message(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	const struct message *m = &r->a->m;
	/* What the sender asked for is not the list's. */
	int is_list = m->rcpts[r->rcpts[0]].sender != NULL;
	struct ipc out;
	int file, ret;

	file = spool_open_text(&ds->active->q->spool, m->id);
	if (file == -1)
		return 2;
	r->is_watched = watchers_of(ds->active->watchers, m,
	    r->a->entry->waiting) != 0;
	ipc_init(&out);
	ipc_begin(&out, IPC_REMOTE_MESSAGE, r->id);
	ipc_put_str(&out, m->id);
	ipc_put_str(&out, message_sender(m, r->rcpts[0]));
	ipc_put_u32(&out, m->text.flags);
	ipc_put_u64(&out, (uint64_t)m->text.offset);
	ipc_put_u64(&out, (uint64_t)m->text.length);
	ipc_put_u64(&out, (uint64_t)m->text.lines);
	ipc_put_u32(&out, r->n);
	ipc_put_u32(&out, is_list ? RET_UNSAID : m->ret);
	ipc_put_str(&out, is_list ? "" : m->envid);
	ipc_put_u32(&out, r->is_watched != 0);
	ipc_put_u32(&out, is_suspect(r));
	ipc_put_u64(&out, r->turn);
	ipc_put_fd(&out, file);
	ret = sent(ipc_send(d->sock, &out));
	ipc_fini(&out);
	io_close(&file);
	return ret;
}

/* No report is sent about a report (RFC 3461 6.1). */
static void
put_rcpt(struct ipc *out, const struct conf *conf, const struct message *m,
    uint32_t i)
{
	struct buf address, orcpt;

	buf_init(&address, ADDRESS_MAX);
	buf_init(&orcpt, ORCPT_MAX);
	names_put_qualified(&address, &conf->names, m->rcpts[i].address);
	route_put_orcpt(&orcpt, &conf->names, m, i);
	ipc_put_str(out, buf_str(&address));
	ipc_put_u32(out, m->sender[0] == '\0' ? NOTIFY_NEVER :
	    m->rcpts[i].notify);
	ipc_put_str(out, buf_failed(&orcpt) ? "" : buf_str(&orcpt));
	buf_fini(&address);
	buf_fini(&orcpt);
}

static int
send_rcpts(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	struct ipc out;
	uint32_t k;
	int ret = 1;

	ipc_init(&out);
	while (ret == 1 && r->sent < r->n) {
		ipc_begin(&out, IPC_REMOTE_RECIPIENTS, r->id);
		for (k = r->sent; k < r->n && out.fields.len < RECORD_LIMIT;
		    k++) {
			ipc_put_u32(&out, k);
			put_rcpt(&out, &ds->active->q->conf, &r->a->m,
			    r->rcpts[k]);
		}
		ret = sent(ipc_send(d->sock, &out));
		if (ret == 1)
			r->sent = k;
	}
	ipc_fini(&out);
	return ret;
}

/* As send_message(). */
static int
send_request(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	int ret = 1;

	if (!r->is_sent)
		ret = send_message(ds, d, r);
	if (ret != 1)
		return ret;
	r->is_sent = 1;
	return send_rcpts(ds, d, r);
}

static void
fail_unreadable(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0",
	    "cannot open the queue file");
	fail_request(ds, d, r, &res);
	result_fini(&res);
}

/* Of all requests whose recipients were sent: as sent(). */
static int
send_cancels(struct destination *d)
{
	struct remote_request *r;
	int ret = 1;

	for (r = d->requests; r != NULL && ret == 1; r = r->next) {
		if (r->cancel != CANCEL_WANTED || r->sent < r->n)
			continue;
		ret = sent(ipc_send_empty(d->sock, IPC_REMOTE_CANCEL, r->id));
		if (ret == 1)
			r->cancel = CANCEL_SENT;
	}
	return ret;
}

static int
send_requests(struct destinations *ds, struct destination *d)
{
	struct remote_request *r, *next;
	unsigned n = 0;
	int ret;

	/* A request that was sent in part is completed first. */
	for (r = d->requests; r != NULL; r = r->next)
		if (r->is_sent && r->sent < r->n &&
		    (ret = send_rcpts(ds, d, r)) != 1)
			return ret;
	ret = send_cancels(d);
	if (ret != 1)
		return ret;
	for (r = d->requests; r != NULL && n < d->window; r = next, n++) {
		next = r->next;
		ret = send_request(ds, d, r);
		if (ret == 2)
			fail_unreadable(ds, d, r);
		else if (ret != 1)
			return ret;
	}
	return 1;
}

void
destinations_send(struct destinations *ds)
{
	struct destination *d;
	int ret;

	for (d = ds->list; d != NULL; d = d->next) {
		d->is_full = 0;
		if (d->requests == NULL)
			continue;
		ret = d->sock == -1 ? open_destination(ds, d) : 0;
		if (ret == 0) {
			ret = send_requests(ds, d);
			d->is_full = ret == 0;
		}
		if (ret != -1)
			continue;
		/* The process has ended: its last message may state why. */
		destination_read(ds, d);
		fail(ds, d, "dma-remote cannot be reached");
	}
}

/* ---- turns ---- */

/* 0 when it was silent for too long; it has a process and requests. */
static int64_t
patience_left_ms(const struct destination *d)
{
	const struct remote_request *r;
	unsigned most = 0;
	int64_t left;
	uint32_t k;

	for (r = d->requests; r != NULL; r = r->next)
		for (k = 0; k < r->n; k++)
			if (r->a->m.rcpts[r->rcpts[k]].attempts > most)
				most = r->a->m.rcpts[r->rcpts[k]].attempts;
	left = d->moved_ms + limits_patience_ms(most) - io_clock_ms();
	return left > 0 ? left : 0;
}

/*
 * Those that wait for the process of d: of the uids that have processes
 * together with its submitter; or all, with none free.
 */
static unsigned
count_waiting(const struct destinations *ds, const struct destination *d)
{
	const struct uid_range *range = submitter_of(d)->range;
	unsigned n = 0, processes = 0, others = 0;
	const struct destination *w;

	for (w = ds->list; w != NULL; w = w->next) {
		if (w->requests == NULL)
			continue;
		processes += w->sock != -1;
		others += w->is_waiting;
		n += w->is_waiting && submitter_of(w)->range == range;
	}
	return processes < PROCESSES_MAX ? n : others;
}

static void
ask_to_yield(struct destination *d)
{
	/* Without room it is asked again after its next silence. */
	(void)ipc_send_empty(d->sock, IPC_REMOTE_YIELD, 0);
	d->moved_ms = io_clock_ms();
}

int64_t
destinations_yield(struct destinations *ds)
{
	struct destination *d;
	int64_t least = -1, left;
	unsigned n = 0;

	for (d = ds->list; d != NULL; d = d->next) {
		if (d->sock == -1 || d->requests == NULL ||
		    count_waiting(ds, d) <= n)
			continue;
		left = patience_left_ms(d);
		if (left == 0) {
			ask_to_yield(d);
			n++;
		} else if (least == -1 || left < least) {
			least = left;
		}
	}
	return least;
}

/* ---- from dma-remote ---- */

static struct remote_request *
find_request(struct destination *d, uint32_t id)
{
	struct remote_request *r;

	for (r = d->requests; r != NULL; r = r->next)
		if (r->id == id && r->is_sent)
			return r;
	return NULL;
}

/* A result with the server that it names, and the host. */
static int
get_result(struct ipc *m, struct result *res, char *host, size_t size)
{
	char server[REMOTE_SERVER_MAX + 1];

	if (result_get(m, res) == -1)
		return -1;
	ipc_get_text(m, server, sizeof(server));
	ipc_get_text(m, host, size);
	if (m->bad)
		return -1;
	if (server[0] != '\0')
		result_from_server(res, server);
	return 0;
}

static int
take_no_host(struct destinations *ds, struct destination *d, struct ipc *m)
{
	struct result res;
	char host[REMOTE_SERVER_MAX + 1];
	int ret;

	result_init(&res);
	ret = get_result(m, &res, host, sizeof(host));
	if (ret == 0)
		ret = ipc_done(m);
	if (ret == 0 && res.status != STATUS_DEFERRED)
		ret = -1;
	if (ret == 0)
		back_off(ds, d, &res);
	result_fini(&res);
	return ret;
}

/* After IPC_REMOTE_NO_HOST, all but a deferral means that it was reached. */
static void
take_reached(struct destinations *ds, struct destination *d,
    struct remote_request *r, uint32_t i, const struct result *res)
{
	struct backoffs *bs = &ds->active->backoffs;
	const struct backoff *b = backoffs_find(bs, d->key);

	if (res->status == STATUS_DEFERRED)
		d->is_stale = 1;
	if (b != NULL && b->state == BACKOFF_RESTING &&
	    res->status == STATUS_DEFERRED)
		wait_for(d, r, i, b);
	else if (b != NULL)
		backoffs_event(bs, d->key, BACKOFF_REACHED);
}

/* The status of one recipient; -1 when it is not for us to believe. */
static int
take_status(struct destinations *ds, struct destination *d,
    struct remote_request *r, struct ipc *m, struct result *res)
{
	uint32_t index, passed_on;
	char host[REMOTE_SERVER_MAX + 1];

	index = ipc_get_u32(m);
	if (get_result(m, res, host, sizeof(host)) == -1)
		return -1;
	passed_on = ipc_get_u32(m);
	if (m->bad || index >= r->n || passed_on > 1 ||
	    r->a->attempts[r->rcpts[index]].stage != STAGE_BUSY)
		return -1;
	take_reached(ds, d, r, r->rcpts[index], res);
	if (res->status == STATUS_SENT)
		d->window = REQUESTS_SENT;
	/* Not an attempt, unless the server may have the message. */
	if (r->cancel == CANCEL_SENT && res->status == STATUS_DEFERRED &&
	    !result_is_lost(res))
		decide_not_now(r->a, r->rcpts[index]);
	else
		decide_remote(r->a, r->rcpts[index], res,
		    host[0] == '\0' ? log_name(d) : host, passed_on != 0);
	r->left--;
	return 0;
}

static int
take_statuses(struct destinations *ds, struct destination *d,
    struct remote_request *r, struct ipc *m)
{
	struct result res;
	int ret = 0;

	result_init(&res);
	while (ret == 0 && ipc_more(m))
		ret = take_status(ds, d, r, m, &res);
	result_fini(&res);
	return ret == -1 ? -1 : ipc_done(m);
}

/* A transaction is over: with the last one the request is. */
static int
take_end(struct destinations *ds, struct destination *d,
    struct remote_request *r, struct ipc *m)
{
	uint32_t left;

	left = ipc_get_u32(m);
	if (ipc_done(m) == -1 || left != r->left)
		return -1;
	if (left == 0)
		remove_request(ds, d, r);
	return 0;
}

/*
 * A line of the session is for all who watch something that goes there.  To a
 * caller, one that begins otherwise would be a verdict of the runner.
 */
static int
take_dialogue(struct destinations *ds, struct destination *d, struct ipc *m)
{
	char line[DIALOGUE_MAX + 1];
	struct remote_request *r;
	unsigned set = 0;

	ipc_get_text(m, line, sizeof(line));
	if (ipc_done(m) == -1 || line[0] == '\0' ||
	    strchr("<=>", line[0]) == NULL)
		return -1;
	for (r = d->requests; r != NULL; r = r->next)
		if (r->is_watched && (m->id == 0 || r->id == m->id))
			set |= watchers_of(ds->active->watchers, &r->a->m,
			    r->a->entry->waiting);
	watchers_show(ds->active->watchers, set, line);
	return 0;
}

/* Marked, so that none of its lines looks like one of the runner's. */
static int
take_log(const struct log *log, struct ipc *m)
{
	struct log_line l = { .in_quotes = 0 };
	char line[LOG_TEXT_MAX + 1];
	uint32_t level;

	level = ipc_get_u32(m);
	ipc_get_text(m, line, sizeof(line));
	if (ipc_done(m) == -1 || level > LOG_LEVEL_DEBUG)
		return -1;
	log_put(&l, "dma-remote: ");
	buf_put_clean(&l.text, line, strlen(line), sizeof(line));
	log_end(log, (enum log_level)level, &l);
	return 0;
}

static int
take_record(struct destinations *ds, struct destination *d, struct ipc *m)
{
	struct remote_request *r = find_request(d, m->id);

	if (m->kind != IPC_REMOTE_DIALOGUE)
		d->moved_ms = io_clock_ms();
	switch (m->kind) {
	case IPC_REMOTE_TROUBLE:
		ipc_get_text(m, d->reason, sizeof(d->reason));
		return 0;
	case IPC_REMOTE_DIALOGUE:
		return take_dialogue(ds, d, m);
	case IPC_REMOTE_NO_HOST:
		return take_no_host(ds, d, m);
	case IPC_REMOTE_LOG:
		return take_log(&ds->active->q->log, m);
	case IPC_REMOTE_STATUS:
		return r == NULL ? -1 : take_statuses(ds, d, r, m);
	case IPC_REMOTE_RECORD:
		return r == NULL ? -1 : take_end(ds, d, r, m);
	default:
		return -1;
	}
}

/*
 * Statuses that come together are recorded together.  After one, the end of
 * its request follows, without which the message would be written to.
 */
void
destination_read(struct destinations *ds, struct destination *d)
{
	struct ipc m;
	int is_broken, k, n = 1, ret = 0;

	ipc_init(&m);
	for (k = 0; (k < RECORDS_MAX || m.kind == IPC_REMOTE_STATUS) &&
	    n == 1 && ret == 0 && d->sock != -1; k++) {
		n = ipc_recv(d->sock, &m, IPC_REMOTE_LIMIT);
		if (n == 1)
			ret = take_record(ds, d, &m);
	}
	is_broken = ret == -1 || (n == -1 && errno != EAGAIN);
	if (is_broken)
		log_say(&ds->active->q->log, LOG_LEVEL_WARNING, "dma-remote "
		    "for %s: invalid message (type %" PRIu32 "): process ends",
		    d->name, m.kind);
	if (is_broken || n == 0)
		fail(ds, d, "dma-remote exited before delivery was complete");
	ipc_fini(&m);
}

/* ---- idle ones ---- */

void
destinations_renew(struct destinations *ds, time_t rest_s)
{
	struct destination *d;
	struct clocks now;

	clocks_get(&now);
	backoffs_renew(&ds->active->backoffs, &now, rest_s);
	for (d = ds->list; d != NULL; d = d->next) {
		d->is_stale = 1;
		if (d->requests == NULL)
			io_close(&d->sock);
	}
}

int
destinations_are_busy(const struct destinations *ds)
{
	const struct destination *d;

	/* Requests that were sent come first. */
	for (d = ds->list; d != NULL; d = d->next)
		if (d->requests != NULL && d->requests->is_sent)
			return 1;
	return 0;
}

int64_t
destinations_linger(struct destinations *ds)
{
	int64_t least = -1, left, now = io_clock_ms();
	struct destination *d, *next;

	for (d = ds->list; d != NULL; d = next) {
		next = d->next;
		if (d->requests != NULL)
			continue;
		left = d->sock == -1 ? 0 : d->idle_ms + IDLE_MS - now;
		if (left <= 0) {
			free_destination(ds, d);
			least = 0;
		} else if (least == -1 || left < least) {
			least = left;
		}
	}
	return least;
}
