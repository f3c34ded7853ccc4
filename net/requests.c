/*
 * requests.c - what the runner wants of a dma-remote, and what it is told.
 * Runs as: the spool user, in dma-remote.  Uses: the socket to the runner.
 * Promise: a status that is known is never lost to a full socket; a record out
 * of turn ends the process, not a message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/concurrency.h"
#include "net/requests.h"
#include "net/idn.h"
#include "lib/addr.h"
#include "lib/array.h"
#include "lib/dsn.h"
#include "lib/io.h"
#include "lib/result.h"

#define REQUESTS_MAX	1024	/* not settled at once */
/* Bytes of a status at most: 64 besides its texts, and " port N". */
#define STATUS_BYTES_MAX (80 + 2 * REQUESTS_HOST_MAX + 2 * REASON_MAX)

struct record {
	struct record	*next;
	struct ipc	 ipc;
};

void
requests_init(struct requests *q, int sock)
{
	memset(q, 0, sizeof(*q));
	q->sock = sock;
	q->out_end = &q->out;
	ipc_init(&q->in);
}

static void
request_free(struct request *r)
{
	uint32_t i;

	if (r == NULL)
		return;
	for (i = 0; r->rcpts != NULL && i < r->nrcpts; i++) {
		result_fini(&r->rcpts[i].res);
		result_fini(&r->rcpts[i].before);
	}
	free(r->rcpts);
	buf_fini(&r->addresses);
	result_fini(&r->mail.res);
	free(r->fit.plan);
	io_close(&r->text.fd);
	free(r);
}

/* The first that is to be sent. */
static void
drop_record(struct requests *q)
{
	struct record *r = q->out;

	q->out = r->next;
	if (q->out == NULL)
		q->out_end = &q->out;
	ipc_fini(&r->ipc);
	free(r);
}

void
requests_fini(struct requests *q)
{
	struct request *r;

	while ((r = requests_take(q, 0, SIZE_MAX, 1)) != NULL)
		request_free(r);
	request_free(q->coming);
	free(q->cancels);
	auth_fini(&q->login);
	while (q->out != NULL)
		drop_record(q);
	ipc_fini(&q->in);
}

/* 1. The list. */

/* Takes the request at that place of the list. */
static struct request *
unlink_request(struct requests *q, struct request **p)
{
	struct request *r = *p;

	*p = r->next;
	r->next = NULL;
	q->nwaiting--;
	q->nlater -= r->past.place > 0;
	return r;
}

struct request *
requests_take(struct requests *q, size_t first, size_t last, int has_room)
{
	struct request **p, **suspect = NULL;

	for (p = &q->waiting; *p != NULL; p = &(*p)->next) {
		if ((*p)->past.place < first || (*p)->past.place > last)
			continue;
		if (!(*p)->is_suspect)
			return unlink_request(q, p);
		if (suspect == NULL && has_room)
			suspect = p;
	}
	return suspect == NULL ? NULL : unlink_request(q, suspect);
}

struct request *
requests_take_id(struct requests *q, uint32_t id)
{
	struct request **p;

	for (p = &q->waiting; *p != NULL; p = &(*p)->next)
		if ((*p)->id == id)
			return unlink_request(q, p);
	return NULL;
}

static void
put(struct requests *q, struct request **at, struct request *r)
{
	r->next = *at;
	*at = r;
	q->nwaiting++;
	q->nlater += r->past.place > 0;
}

void
requests_put_first(struct requests *q, struct request *r)
{
	put(q, &q->waiting, r);
}

void
requests_put_last(struct requests *q, struct request *r)
{
	struct request **p;

	for (p = &q->waiting; *p != NULL; p = &(*p)->next)
		;
	put(q, p, r);
}

/* Before those whose turn is later. */
static void
put_by_turn(struct requests *q, struct request *r)
{
	struct request **p;

	for (p = &q->waiting; *p != NULL && (*p)->turn <= r->turn;
	    p = &(*p)->next)
		;
	put(q, p, r);
}

/* 2. From the runner. */

static int
read_destination(struct requests *q, struct ipc *m)
{
	if (q->destination.is_known)
		return -1;
	q->destination.kind = ipc_get_u32(m);
	ipc_get_text(m, q->destination.name, sizeof(q->destination.name));
	ipc_get_text(m, q->destination.user, sizeof(q->destination.user));
	q->destination.tries = ipc_get_u32(m);
	if (ipc_done(m) == -1 || q->destination.kind > DESTINATION_SENDER ||
	    (q->destination.kind != DESTINATION_SMARTHOST &&
	    q->destination.name[0] == '\0') ||
	    (q->destination.kind != DESTINATION_SENDER &&
	    q->destination.user[0] != '\0'))
		return -1;
	if (q->destination.kind == DESTINATION_SMARTHOST)
		q->destination.name[0] = '\0';
	q->destination.is_known = 1;
	return 0;
}

static int
is_sane(const struct request *r, uint32_t ret)
{
	return r->text.fd != -1 && r->nwanted > 0 &&
	    r->nwanted <= RECIPIENTS_MAX && r->text.offset <= INT64_MAX &&
	    r->text.length <= INT64_MAX - r->text.offset &&
	    r->text.lines <= r->text.length + 1 && ret <= RET_HDRS &&
	    (r->envid[0] == '\0' || dsn_envid_ok(r->envid));
}

/* A sender that cannot be converted needs SMTPUTF8. */
static void
read_sender(struct request *r, struct ipc *m)
{
	struct buf ascii;

	ipc_get_text(m, r->sender, sizeof(r->sender));
	buf_init(&ascii, ADDRESS_MAX);
	(void)idn_address(r->sender, &ascii);
	if (!buf_failed(&ascii))
		(void)text_copy(r->sender, sizeof(r->sender), buf_str(&ascii));
	buf_fini(&ascii);
}

static int
read_message(struct requests *q, struct ipc *m)
{
	struct request *r;
	uint32_t ret;

	if (!q->destination.is_known || q->coming != NULL ||
	    q->probe != PROBE_NONE || q->nopen >= REQUESTS_MAX)
		return -1;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -1;
	q->coming = r;
	r->id = m->id;
	ipc_get_text(m, r->queue_id, sizeof(r->queue_id));
	read_sender(r, m);
	r->flags = ipc_get_u32(m);
	r->text.offset = ipc_get_u64(m);
	r->text.length = ipc_get_u64(m);
	r->text.lines = ipc_get_u64(m);
	r->nwanted = ipc_get_u32(m);
	ret = ipc_get_u32(m);
	ipc_get_text(m, r->envid, sizeof(r->envid));
	r->is_watched = ipc_get_u32(m) != 0;
	r->is_suspect = ipc_get_u32(m) != 0;
	r->turn = ipc_get_u64(m);
	r->drops = r->is_suspect ? DROPS_MAX - 1 : 0;
	r->text.fd = ipc_take_fd(m, 0);
	if (ipc_done(m) == -1 || !is_sane(r, ret))
		return -1;
	r->ret = (enum ret)ret;
	r->rcpts = calloc(r->nwanted, sizeof(*r->rcpts));
	return r->rcpts == NULL ? -1 : 0;
}

/* All is here.  Only now do the addresses stay where they are. */
static void
request_ready(struct requests *q, struct request *r)
{
	const char *p = r->addresses.data;
	uint32_t i;

	for (i = 0; i < r->nrcpts; i++) {
		r->rcpts[i].address = p;
		p += strlen(p) + 1;
		r->rcpts[i].orcpt = p;
		p += strlen(p) + 1;
	}
	q->coming = NULL;
	q->nopen++;
	q->nwatched += r->is_watched != 0;
	if (r->nbad == 0 || requests_settle(q, r, "", 0) > 0)
		put_by_turn(q, r);
}

static int
read_recipient(struct request *r, struct ipc *m)
{
	char address[ADDRESS_MAX + 1], orcpt[ORCPT_MAX + 1];
	uint32_t index, notify;
	const char *reason;

	if (r->nrcpts == r->nwanted)
		return -1;
	index = ipc_get_u32(m);
	ipc_get_text(m, address, sizeof(address));
	notify = ipc_get_u32(m);
	ipc_get_text(m, orcpt, sizeof(orcpt));
	if (m->bad || !dsn_notify_ok(notify) ||
	    (orcpt[0] != '\0' && !dsn_orcpt_ok(orcpt)))
		return -1;
	r->rcpts[r->nrcpts].index = index;
	r->rcpts[r->nrcpts].notify = notify;
	reason = idn_address(address, &r->addresses);
	buf_putc(&r->addresses, '\0');
	if (reason != NULL && !idn_is_missing()) {
		result_set(&r->rcpts[r->nrcpts].res, STATUS_FAILED, "5.1.2",
		    "%s is not a domain name: %s", addr_domain(address),
		    reason);
		r->nbad++;
	}
	r->nrcpts++;
	buf_add(&r->addresses, orcpt, strlen(orcpt) + 1);
	return 0;
}

static int
read_recipients(struct requests *q, struct ipc *m)
{
	struct request *r = q->coming;

	if (r == NULL || r->id != m->id)
		return -1;
	while (ipc_more(m))
		if (read_recipient(r, m) == -1)
			return -1;
	if (ipc_done(m) == -1 || buf_failed(&r->addresses))
		return -1;
	if (r->nrcpts == r->nwanted)
		request_ready(q, r);
	return 0;
}

/* It may be over already: then there is nothing to find. */
static int
read_cancel(struct requests *q, struct ipc *m)
{
	if (q->ncancels >= REQUESTS_MAX || q->coming != NULL ||
	    array_grow(&q->cancels, &q->ccancels, q->ncancels,
	    sizeof(*q->cancels)) == -1)
		return -1;
	q->cancels[q->ncancels++] = m->id;
	return ipc_done(m);
}

/* A process that probes gets no mail. */
static int
read_probe(struct requests *q, struct ipc *m)
{
	if (!q->destination.is_known || q->coming != NULL || q->nopen > 0 ||
	    q->probe != PROBE_NONE)
		return -1;
	q->probe = PROBE_WANTED;
	return ipc_done(m);
}

/* One line, with a password; what names files or commands came too late. */
static int
read_login(struct requests *q, struct ipc *m)
{
	const char *text;
	size_t len;
	int bad;

	if (!q->takes_login || q->login.n > 0 || q->probe != PROBE_NONE)
		return -1;
	text = ipc_get_bytes(m, &len);
	if (ipc_done(m) == -1)
		return -1;
	bad = auth_parse(&q->login, text, len, "login", &report_quiet);
	explicit_bzero(m->fields.data, m->fields.len);
	return bad == 0 && q->login.n == 1 &&
	    q->login.list[0].password != NULL ? 0 : -1;
}

static int
read_record(struct requests *q, struct ipc *m)
{
	switch (m->kind) {
	case IPC_REMOTE_DESTINATION:
		return read_destination(q, m);
	case IPC_REMOTE_MESSAGE:
		return read_message(q, m);
	case IPC_REMOTE_RECIPIENTS:
		return read_recipients(q, m);
	case IPC_REMOTE_YIELD:
		q->must_yield = 1;
		return ipc_done(m);
	case IPC_REMOTE_CANCEL:
		return read_cancel(q, m);
	case IPC_REMOTE_LOGIN:
		return read_login(q, m);
	case IPC_REMOTE_PROBE:
		return read_probe(q, m);
	default:
		return -1;
	}
}

int
requests_read(struct requests *q)
{
	int ret;

	for (;;) {
		ret = ipc_recv(q->sock, &q->in, IPC_REMOTE_LIMIT);
		if (ret == 0)
			return 0;
		if (ret == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
		if (read_record(q, &q->in) == -1)
			return -1;
	}
}

/* 3. To the runner. */

int
requests_write(struct requests *q)
{
	if (q->has_failed)
		return -1;
	while (q->out != NULL) {
		if (ipc_send(q->sock, &q->out->ipc) == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ||
			    errno == ENOBUFS ? 0 : -1;
		drop_record(q);
	}
	return 0;
}

/* A new record at the end of the queue, or NULL without memory. */
static struct ipc *
new_record(struct requests *q, enum ipc_type kind, uint32_t id)
{
	struct record *r;

	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		q->has_failed = 1;
		return NULL;
	}
	ipc_init(&r->ipc);
	ipc_begin(&r->ipc, kind, id);
	*q->out_end = r;
	q->out_end = &r->next;
	return &r->ipc;
}

/* Whose status is reported now: with holds, not that of deferred ones. */
static int
is_due(const struct smtp_rcpt *to, int holds)
{
	return to->res.status != STATUS_NONE &&
	    !(holds && to->res.status == STATUS_DEFERRED);
}

/* A result, and the server that is named in it. */
static void
put_result(struct ipc *m, const struct result *res, const char *host)
{
	const char *server = res->server;

	if (server == NULL)
		server = res->source == SOURCE_SERVER ? host : "";
	result_put(m, res);
	ipc_put_str(m, server);
	ipc_put_str(m, host);
}

/*
 * Without memory for a record the statuses in it stay unknown to the runner,
 * which takes the request for deferred when this process ends: a repeat, no
 * loss.
 */
static void
put_statuses(struct requests *q, const struct request *r, const char *host,
    int holds)
{
	const struct smtp_rcpt *to;
	struct ipc *m = NULL;

	for (to = r->rcpts; to < r->rcpts + r->nrcpts; to++) {
		if (!is_due(to, holds))
			continue;
		if (m == NULL ||
		    m->fields.len + STATUS_BYTES_MAX > IPC_REMOTE_LIMIT)
			m = new_record(q, IPC_REMOTE_STATUS, r->id);
		if (m == NULL)
			return;
		ipc_put_u32(m, to->index);
		put_result(m, &to->res, host);
		ipc_put_u32(m, to->reports != SMTP_REPORTS_OURS);
	}
}

/* Forgets the recipients that were reported. */
static void
drop_due(struct request *r, int holds)
{
	struct smtp_rcpt left;
	uint32_t i, n = 0;

	for (i = 0; i < r->nrcpts; i++) {
		left = r->rcpts[i];
		if (is_due(&left, holds)) {
			result_fini(&left.res);
			result_fini(&left.before);
			continue;
		}
		r->rcpts[n++] = left;
	}
	r->nrcpts = n;
}

uint32_t
requests_settle(struct requests *q, struct request *r, const char *host,
    int holds)
{
	uint32_t before = r->nrcpts, left;
	struct ipc *m;

	if (strlen(host) > REQUESTS_HOST_MAX)
		host = "";
	put_statuses(q, r, host, holds);
	drop_due(r, holds);
	left = r->nrcpts;
	if (left == before)
		return left;	/* nothing to record */
	m = new_record(q, IPC_REMOTE_RECORD, r->id);
	if (m != NULL)
		ipc_put_u32(m, left);
	if (left == 0) {
		q->nopen--;
		q->nwatched -= r->is_watched != 0;
		request_free(r);
	}
	return left;
}

void
requests_show(struct requests *q, const struct request *r, const char *line)
{
	struct ipc *m;

	if (r == NULL ? q->nwatched == 0 : !r->is_watched)
		return;
	m = new_record(q, IPC_REMOTE_DIALOGUE, r == NULL ? 0 : r->id);
	if (m != NULL)
		ipc_put_str(m, line);
}

void
requests_finding(struct requests *q, enum probe_level level,
    const char *about, const char *text)
{
	struct ipc *m = new_record(q, IPC_REMOTE_FINDING, 0);
	size_t len = strlen(text);

	if (m == NULL)
		return;
	ipc_put_u32(m, (uint32_t)level);
	ipc_put_str(m, about);
	ipc_put_bytes(m, text, len < PROBE_TEXT_MAX ? len : PROBE_TEXT_MAX);
}

void
requests_probed(struct requests *q, uint32_t nready)
{
	struct ipc *m = new_record(q, IPC_REMOTE_PROBED, 0);

	if (m != NULL)
		ipc_put_u32(m, nready);
}

void
requests_no_host(struct requests *q, const char *host,
    const struct result *reason)
{
	struct ipc *m = new_record(q, IPC_REMOTE_NO_HOST, 0);

	if (m == NULL)
		return;
	put_result(m, reason, strlen(host) > REQUESTS_HOST_MAX ? "" : host);
}

void
requests_log(void *requests, enum log_level level, const char *text)
{
	struct ipc *m = new_record(requests, IPC_REMOTE_LOG, 0);
	size_t len = strlen(text);

	if (m == NULL)
		return;
	ipc_put_u32(m, (uint32_t)level);
	ipc_put_bytes(m, text, len < LOG_TEXT_MAX ? len : LOG_TEXT_MAX);
}

int
requests_pass(struct request *r, const char *host, size_t place)
{
	struct smtp_rcpt *to;

	for (to = r->rcpts; to < r->rcpts + r->nrcpts; to++)
		if (to->res.status == STATUS_NONE)
			return 0;
	for (to = r->rcpts; to < r->rcpts + r->nrcpts; to++) {
		result_fini(&to->before);
		to->before = to->res;
		result_init(&to->res);
	}
	r->past.place = place;
	r->past.nhosts++;
	text_copy(r->past.host, sizeof(r->past.host), host);
	return 1;
}

void
requests_defer(struct request *r, const struct result *reason)
{
	struct smtp_rcpt *to;

	for (to = r->rcpts; to < r->rcpts + r->nrcpts; to++)
		if (to->res.status == STATUS_NONE)
			result_copy(&to->res, reason);
}

void
requests_refuse(struct requests *q, struct request *r, const char *host,
    const struct result *reason)
{
	struct smtp_rcpt *to;

	/* What a host said counts for more than that there is no other. */
	for (to = r->rcpts; to < r->rcpts + r->nrcpts; to++) {
		if (to->res.status != STATUS_NONE ||
		    to->before.status == STATUS_NONE)
			continue;
		to->res = to->before;
		result_init(&to->before);
	}
	if (r->past.nhosts > 0 &&
	    requests_settle(q, r, r->past.host, 0) == 0)
		return;
	requests_defer(r, reason);
	requests_settle(q, r, host, 0);
}

void
requests_cancel(struct requests *q, struct request *r, const char *host)
{
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.3.0", "delivery was cancelled");
	requests_defer(r, &res);
	result_fini(&res);
	(void)requests_settle(q, r, host, 0);
}
