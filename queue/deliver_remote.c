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
#include <strings.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "priv/request.h"
#include "queue/deliver_remote.h"
#include "queue/helper_socket.h"
#include "queue/limits.h"
#include "queue/route.h"

#define REQUESTS_SENT	64	/* messages that one process has */
#define IDLE_MS		1000	/* an idle process stays */
#define RECORD_LIMIT	(IPC_REMOTE_LIMIT - 2048)	/* bytes to fill */
#define RECORDS_MAX	64	/* of one process in a turn */
#define DOMAIN_MAX	255	/* RFC 1035 2.3.4 */
#define DIALOGUE_MAX	2048	/* bytes of a line of the dialogue */

/* ---- destinations ---- */

/* Where a message goes that is for other hosts. */
struct next_hop {
	enum destination_kind kind;
	const char	*name;		/* lent; NULL: the recipient's domain */
	const char	*user;		/* lent: of auth.conf, or "" */
	const char	*trouble;	/* lent: why there is none now */
};

static int
is_for(const struct destination *d, const struct next_hop *hop,
    const char *name)
{
	return d->kind == hop->kind && strcasecmp(d->name, name) == 0 &&
	    strcmp(d->user, hop->user) == 0;
}

static struct destination *
find(struct destinations *ds, const struct next_hop *hop, const char *name)
{
	struct destination *d;

	for (d = ds->list; d != NULL; d = d->next)
		if (is_for(d, hop, name))
			return d;
	d = calloc(1, sizeof(*d));
	if (d == NULL || text_copy(d->name, sizeof(d->name), name) == -1 ||
	    text_copy(d->user, sizeof(d->user), hop->user) == -1) {
		free(d);
		return NULL;
	}
	d->kind = hop->kind;
	d->sock = -1;
	d->idle_ms = io_clock_ms();
	d->next = ds->list;
	ds->list = d;
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

/* Room for another process: one that is idle makes it.  0 or -1. */
static int
make_room(struct destinations *ds)
{
	struct destination *d, *idle = NULL;
	unsigned n = 0;

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

/* 0, 1 when it has to wait for a process, -1 when there is none. */
static int
open_destination(struct destinations *ds, struct destination *d)
{
	struct ipc m;
	int ret;

	if (make_room(ds) == -1)
		return 1;
	d->is_stale = 0;
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
	if (d->requests == NULL) {
		d->idle_ms = io_clock_ms();
		if (d->is_stale)
			io_close(&d->sock);
	}
	active_release(ds->active, &d->share);
	r->a->requests--;
	free(r);
}

/* What dma-remote said may name files: no sender reads it. */
static void
fail_request(struct destinations *ds, struct destination *d,
    struct remote_request *r, const char *reason)
{
	struct result res;
	uint32_t k;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0", "%s", reason);
	if (d->reason[0] != '\0')
		result_detail(&res, "%s", d->reason);
	for (k = 0; k < r->n; k++)
		if (r->a->attempts[r->rcpts[k]].stage == STAGE_BUSY)
			decide(r->a, r->rcpts[k], &res, NULL);
	result_fini(&res);
	remove_request(ds, d, r);
}

/* reason: unless dma-remote gave one. */
static void
fail(struct destinations *ds, struct destination *d, const char *reason)
{
	if (d->reason[0] != '\0')
		reason = "this host cannot send mail to others now";
	io_close(&d->sock);
	if (d->requests != NULL)
		log_say(&ds->active->q->log, LOG_LEVEL_WARNING, "relay=%s %s",
		    d->kind == DESTINATION_SMARTHOST ? "smarthost" : d->name,
		    d->reason[0] != '\0' ? d->reason : reason);
	while (d->requests != NULL)
		fail_request(ds, d, d->requests, reason);
	active_forget(ds->active, &d->share);
}

/* ---- where a message goes ---- */

/*
 * The line of SENDER_RELAY for a message; NULL, and perhaps why it is not
 * known.  The login is that of the submitter, whatever sender they gave.
 */
static const struct sender_relay *
sender_of(const struct queue *q, const struct message *m, const char **reason)
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
	return sender_relay_find(&q->senders, m->sender, pw == NULL ? NULL :
	    pw->pw_name);
}

static void
next_hop_of(const struct queue *q, const struct message *m,
    struct next_hop *hop)
{
	const struct relays *relays = &q->conf.relays;
	const struct sender_relay *s;

	memset(hop, 0, sizeof(*hop));
	hop->name = hop->user = "";
	s = sender_of(q, m, &hop->trouble);
	if (s != NULL) {
		hop->kind = DESTINATION_SENDER;
		hop->name = s->relays;
		hop->user = s->user == NULL ? "" : s->user;
		hop->trouble = s->trouble == NULL ? NULL : "the SENDER_RELAY "
		    "entry of this sender is invalid";
	} else if (relays->n == 0) {
		hop->kind = DESTINATION_DOMAIN;
		hop->name = NULL;
	} else if (hop->trouble == NULL && relays->n == 1 &&
	    strcmp(relays->list[0].host, RELAY_NONE) == 0)
		hop->trouble = "SMARTHOST in dma.conf is missing or invalid";
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

/* NULL without memory. */
static struct remote_request *
add_request(struct destinations *ds, struct destination *d,
    struct active_message *a)
{
	struct remote_request *r, **last = &d->requests;

	r = calloc(1, sizeof(*r) + a->nattempts * sizeof(r->rcpts[0]));
	if (r == NULL)
		return NULL;
	r->a = a;
	a->requests++;
	r->id = ++ds->last_id;
	while (*last != NULL)
		last = &(*last)->next;
	*last = r;
	d->share.active++;
	return r;
}

/* All of the message that goes to this destination, from recipient i on. */
static void
give(struct destinations *ds, struct destination *d,
    const struct next_hop *hop, struct active_message *a, uint32_t i)
{
	struct remote_request *r = add_request(ds, d, a);

	if (r == NULL) {
		decide_later(a, i, "out of memory");
		return;
	}
	for (; i < a->nattempts; i++) {
		if (a->attempts[i].stage != STAGE_REMOTE ||
		    !goes_to(d, hop, a->m.rcpts[i].address))
			continue;
		a->attempts[i].stage = STAGE_BUSY;
		r->rcpts[r->n++] = i;
	}
	r->left = r->n;
}

/* How many destinations have something to do. */
static unsigned
count_busy(const struct destinations *ds)
{
	const struct destination *d;
	unsigned n = 0;

	for (d = ds->list; d != NULL; d = d->next)
		n += d->requests != NULL;
	return n;
}

/* A message that was postponed for this share is counted in it already. */
static int
has_room(const struct destinations *ds, const struct destination *d,
    const struct active_message *a)
{
	return a->share == &d->share ||
	    limits_has_room(&d->share, ds->active->nmessages);
}

static void
postpone_rest(struct active_message *a, struct destination *d)
{
	uint32_t i;

	for (i = 0; i < a->nattempts; i++)
		if (a->attempts[i].stage == STAGE_REMOTE)
			decide_not_now(a, i);
	active_postpone(a, &d->share);
}

/* 0, or -1 when all that is left of the message is postponed. */
static int
give_one(struct destinations *ds, struct active_message *a, uint32_t i,
    const struct next_hop *hop)
{
	const char *address = a->m.rcpts[i].address;
	const char *name = name_of(hop, address);
	struct destination *d;

	d = hop->trouble != NULL || name == NULL ? NULL : find(ds, hop, name);
	if (d == NULL)
		decide_as(a, i, STATUS_DEFERRED, "4.3.5", hop->trouble != NULL ?
		    hop->trouble : "there is no SMARTHOST for this address");
	else if (is_too_long(&ds->active->q->conf, address))
		decide_as(a, i, STATUS_FAILED, "5.1.3",
		    "the address is too long");
	else if (d->requests == NULL && !limits_may_queue(
	    ds->active->nmessages, count_busy(ds), PROCESSES_MAX))
		decide_postponed(a, i);
	else if (has_room(ds, d, a))
		give(ds, d, hop, a, i);
	else {
		postpone_rest(a, d);
		return -1;
	}
	return 0;
}

void
destinations_give(struct destinations *ds, struct active_message *a)
{
	struct next_hop hop;
	uint32_t i;

	next_hop_of(ds->active->q, &a->m, &hop);
	for (i = 0; i < a->nattempts; i++)
		if (a->attempts[i].stage == STAGE_REMOTE &&
		    give_one(ds, a, i, &hop) == -1)
			return;
}

/* ---- to dma-remote ---- */

/* 1 sent, 0 the socket is full for now, -1 it is gone. */
static int
send_record(struct destination *d, struct ipc *m)
{
	if (ipc_send(d->sock, m) == 0)
		return 1;
	return helper_is_passing(errno) ? 0 : -1;
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

/* As send_record(); 2: this message cannot be read, others can. */
static int
send_message(struct destinations *ds, struct destination *d,
    struct remote_request *r)
{
	const struct message *m = &r->a->m;
	struct ipc out;
	int file, ret;

	file = spool_open_text(&ds->active->q->spool, m->id);
	if (file == -1)
		return 2;
	r->is_watched = watchers_of(ds->active->watchers, m) != 0;
	ipc_init(&out);
	ipc_begin(&out, IPC_REMOTE_MESSAGE, r->id);
	ipc_put_str(&out, m->id);
	ipc_put_str(&out, m->sender);
	ipc_put_u32(&out, m->text.flags);
	ipc_put_u64(&out, (uint64_t)m->text.offset);
	ipc_put_u64(&out, (uint64_t)m->text.length);
	ipc_put_u64(&out, (uint64_t)m->text.lines);
	ipc_put_u32(&out, r->n);
	ipc_put_u32(&out, m->ret);
	ipc_put_str(&out, m->envid);
	ipc_put_u32(&out, r->is_watched != 0);
	ipc_put_u32(&out, is_suspect(r));
	ipc_put_fd(&out, file);
	ret = send_record(d, &out);
	ipc_fini(&out);
	io_close(&file);
	return ret;
}

/* What becomes of a report is reported to nobody (RFC 3461 6.1). */
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
		ret = send_record(d, &out);
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

static int
send_requests(struct destinations *ds, struct destination *d)
{
	struct remote_request *r, *next;
	unsigned n = 0;
	int ret;

	for (r = d->requests; r != NULL && n < REQUESTS_SENT; r = next, n++) {
		next = r->next;
		ret = send_request(ds, d, r);
		if (ret == 2)
			fail_request(ds, d, r, "cannot open the queue file");
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
		/* It has ended: what it sent last may say why. */
		destination_read(ds, d);
		fail(ds, d, "dma-remote cannot be reached");
	}
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

/* The status of one recipient; -1 when it is not for us to believe. */
static int
take_status(struct destination *d, struct remote_request *r, struct ipc *m,
    struct result *res)
{
	uint32_t index, passed_on;
	char host[300];

	index = ipc_get_u32(m);
	if (result_get(m, res) == -1)
		return -1;
	ipc_get_text(m, host, sizeof(host));
	passed_on = ipc_get_u32(m);
	if (m->bad || index >= r->n || passed_on > 1 ||
	    r->a->attempts[r->rcpts[index]].stage != STAGE_BUSY)
		return -1;
	if (res->status == STATUS_DEFERRED)
		d->is_stale = 1;
	if (res->source == SOURCE_SERVER)
		result_from_server(res, host);
	decide_remote(r->a, r->rcpts[index], res, host, passed_on != 0);
	r->left--;
	return 0;
}

static int
take_statuses(struct destination *d, struct remote_request *r, struct ipc *m)
{
	struct result res;
	int ret = 0;

	result_init(&res);
	while (ret == 0 && ipc_more(m))
		ret = take_status(d, r, m, &res);
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

/* A line of the session is for all who watch something that goes there. */
static int
take_dialogue(struct destinations *ds, struct destination *d, struct ipc *m)
{
	char line[DIALOGUE_MAX + 1];
	struct remote_request *r;
	unsigned set = 0;

	ipc_get_text(m, line, sizeof(line));
	if (ipc_done(m) == -1)
		return -1;
	for (r = d->requests; r != NULL; r = r->next)
		if (r->is_watched && (m->id == 0 || r->id == m->id))
			set |= watchers_of(ds->active->watchers, &r->a->m);
	watchers_show(ds->active->watchers, set, line);
	return 0;
}

static int
take_record(struct destinations *ds, struct destination *d, struct ipc *m)
{
	struct remote_request *r = find_request(d, m->id);

	switch (m->kind) {
	case IPC_REMOTE_TROUBLE:
		ipc_get_text(m, d->reason, sizeof(d->reason));
		return 0;
	case IPC_REMOTE_DIALOGUE:
		return take_dialogue(ds, d, m);
	case IPC_REMOTE_STATUS:
		return r == NULL ? -1 : take_statuses(d, r, m);
	case IPC_REMOTE_RECORD:
		return r == NULL ? -1 : take_end(ds, d, r, m);
	default:
		return -1;
	}
}

/* Statuses that come together are recorded together. */
void
destination_read(struct destinations *ds, struct destination *d)
{
	struct ipc m;
	int is_broken, k, n = 1, ret = 0;

	ipc_init(&m);
	for (k = 0; k < RECORDS_MAX && n == 1 && ret == 0 && d->sock != -1;
	    k++) {
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
destinations_renew(struct destinations *ds)
{
	struct destination *d;

	for (d = ds->list; d != NULL; d = d->next) {
		d->is_stale = 1;
		if (d->requests == NULL)
			io_close(&d->sock);
	}
}

int64_t
destinations_linger(struct destinations *ds)
{
	int64_t least = -1, left, now = io_clock_ms();
	struct destination *d, *next;

	for (d = ds->list; d != NULL; d = next) {
		next = d->next;
		if (d->share.active > 0 || d->share.postponed > 0)
			continue;
		left = d->sock == -1 ? 0 : d->idle_ms + IDLE_MS - now;
		if (left <= 0)
			free_destination(ds, d);
		else if (least == -1 || left < least)
			least = left;
	}
	return least;
}
