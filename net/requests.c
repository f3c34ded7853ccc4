/*
 * requests.c - what the runner wants of a remote branch, and what it is told.
 * Runs as: the spool user, in the remote branch.  Uses: the socket to the
 * runner.
 * Promise: a status that is known is never lost to a full socket; a record out
 * of turn ends the branch, not a message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/requests.h"
#include "lib/dsn.h"
#include "lib/io.h"
#include "priv/records.h"
#include "lib/result.h"

#define REQUESTS_MAX	1024		/* not settled at once */
#define STATUS_MIN	64	/* bytes of a status besides its text */

void
requests_init(struct requests *j, int sock)
{
	memset(j, 0, sizeof(*j));
	j->sock = sock;
	ipc_init(&j->in);
}

static void
job_free(struct job *job)
{
	uint32_t i;

	if (job == NULL)
		return;
	for (i = 0; job->rcpts != NULL && i < job->nrcpts; i++) {
		result_fini(&job->rcpts[i].res);
		result_fini(&job->rcpts[i].before);
	}
	free(job->rcpts);
	buf_fini(&job->addresses);
	result_fini(&job->mail.res);
	free(job->fit.plan);
	io_close(&job->fd);
	free(job);
}

void
requests_fini(struct requests *j)
{
	struct job *job;
	size_t i;

	while ((job = requests_take(j, 0, SIZE_MAX, 1)) != NULL)
		job_free(job);
	job_free(j->coming);
	for (i = 0; i < j->nsays; i++)
		ipc_fini(&j->says[(j->first_say + i) % j->csays]);
	free(j->says);
	ipc_fini(&j->in);
}

/* 1. The list. */

int
requests_is_poison(const struct job *job)
{
	return job->drops >= REQUESTS_DROPS_POISON;
}

/* Takes the job at that place of the list. */
static struct job *
unlink_job(struct requests *j, struct job **p)
{
	struct job *job = *p;

	*p = job->next;
	job->next = NULL;
	j->nwaiting--;
	j->nlater -= job->place > 0;
	return job;
}

struct job *
requests_take(struct requests *j, size_t first, size_t last, int has_room)
{
	struct job **p, **found = NULL;

	for (p = &j->waiting; *p != NULL; p = &(*p)->next) {
		if ((*p)->place < first || (*p)->place > last)
			continue;
		if (!requests_is_poison(*p))
			return unlink_job(j, p);
		if (found == NULL && has_room)
			found = p;
	}
	return found == NULL ? NULL : unlink_job(j, found);
}

void
requests_pick(struct requests *j, struct job *job)
{
	struct job **p;

	for (p = &j->waiting; *p != job; p = &(*p)->next)
		;
	unlink_job(j, p);
}

void
requests_put_first(struct requests *j, struct job *job)
{
	job->next = j->waiting;
	j->waiting = job;
	j->nwaiting++;
	j->nlater += job->place > 0;
}

void
requests_put_last(struct requests *j, struct job *job)
{
	struct job **p;

	for (p = &j->waiting; *p != NULL; p = &(*p)->next)
		;
	*p = job;
	job->next = NULL;
	j->nwaiting++;
	j->nlater += job->place > 0;
}

/* 2. From the runner. */

static int
read_hop(struct requests *j, struct ipc *m)
{
	if (j->has_hop)
		return -1;
	j->hop_kind = ipc_get_u32(m);
	ipc_get_text(m, j->hop_name, sizeof(j->hop_name));
	ipc_get_text(m, j->hop_user, sizeof(j->hop_user));
	if (ipc_done(m) == -1 || j->hop_kind > DESTINATION_SENDER ||
	    (j->hop_kind != DESTINATION_SMARTHOST && j->hop_name[0] == '\0') ||
	    (j->hop_kind != DESTINATION_SENDER && j->hop_user[0] != '\0'))
		return -1;
	if (j->hop_kind == DESTINATION_SMARTHOST)
		j->hop_name[0] = '\0';
	j->has_hop = 1;
	return 0;
}

static int
read_job(struct requests *j, struct ipc *m)
{
	struct job *job;
	uint32_t ret;

	if (!j->has_hop || j->coming != NULL || j->nopen >= REQUESTS_MAX)
		return -1;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return -1;
	j->coming = job;
	job->id = m->id;
	ipc_get_text(m, job->queue_id, sizeof(job->queue_id));
	ipc_get_text(m, job->sender, sizeof(job->sender));
	job->flags = ipc_get_u32(m);
	job->offset = ipc_get_u64(m);
	job->length = ipc_get_u64(m);
	job->lines = ipc_get_u64(m);
	job->nwanted = ipc_get_u32(m);
	ret = ipc_get_u32(m);
	ipc_get_text(m, job->envid, sizeof(job->envid));
	job->is_watched = ipc_get_u32(m) != 0;
	job->fd = ipc_take_fd(m, 0);
	if (ipc_done(m) == -1 || job->fd == -1 || job->nwanted == 0 ||
	    job->nwanted > RECIPIENTS_MAX || job->offset > INT64_MAX ||
	    job->length > INT64_MAX - job->offset ||
	    job->lines > job->length + 1 || ret > RET_HDRS ||
	    (job->envid[0] != '\0' && !dsn_envid_ok(job->envid)))
		return -1;
	job->ret = (enum ret)ret;
	job->rcpts = calloc(job->nwanted, sizeof(*job->rcpts));
	return job->rcpts == NULL ? -1 : 0;
}

/* All is here.  Only now do the addresses stay where they are. */
static void
job_ready(struct requests *j, struct job *job)
{
	const char *p = job->addresses.data;
	uint32_t i;

	for (i = 0; i < job->nrcpts; i++) {
		job->rcpts[i].address = p;
		p += strlen(p) + 1;
		job->rcpts[i].orcpt = p;
		p += strlen(p) + 1;
	}
	j->coming = NULL;
	j->nopen++;
	j->nwatched += job->is_watched != 0;
	requests_put_last(j, job);
}

static int
read_rcpt(struct requests *j, struct ipc *m)
{
	struct job *job = j->coming;
	char address[ADDRESS_MAX + 1], orcpt[ORCPT_MAX + 1];
	uint32_t index, notify;

	if (job == NULL || job->id != m->id)
		return -1;
	while (ipc_more(m)) {
		if (job->nrcpts == job->nwanted)
			return -1;
		index = ipc_get_u32(m);
		ipc_get_text(m, address, sizeof(address));
		notify = ipc_get_u32(m);
		ipc_get_text(m, orcpt, sizeof(orcpt));
		if (m->bad || !dsn_notify_ok(notify) ||
		    (orcpt[0] != '\0' && !dsn_orcpt_ok(orcpt)))
			return -1;
		job->rcpts[job->nrcpts].index = index;
		job->rcpts[job->nrcpts++].notify = notify;
		buf_add(&job->addresses, address, strlen(address) + 1);
		buf_add(&job->addresses, orcpt, strlen(orcpt) + 1);
	}
	if (ipc_done(m) == -1 || buf_failed(&job->addresses))
		return -1;
	if (job->nrcpts == job->nwanted)
		job_ready(j, job);
	return 0;
}

int
requests_read(struct requests *j)
{
	struct ipc *m = &j->in;
	int ret;

	for (;;) {
		ret = ipc_recv(j->sock, m, IPC_REMOTE_LIMIT);
		if (ret == 0)
			return 0;
		if (ret == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
		switch (m->kind) {
		case IPC_REMOTE_DESTINATION:
			ret = read_hop(j, m);
			break;
		case IPC_REMOTE_MESSAGE:
			ret = read_job(j, m);
			break;
		case IPC_REMOTE_RECIPIENTS:
			ret = read_rcpt(j, m);
			break;
		default:
			ret = -1;
		}
		if (ret == -1)
			return -1;
	}
}

/* 3. To the runner. */

int
requests_has_output(const struct requests *j)
{
	return j->nsays > 0;
}

int
requests_write(struct requests *j)
{
	struct ipc *m;

	if (j->has_failed)
		return -1;
	while (j->nsays > 0) {
		m = &j->says[j->first_say];
		if (ipc_send(j->sock, m) == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ||
			    errno == ENOBUFS ? 0 : -1;
		ipc_fini(m);
		j->first_say = (j->first_say + 1) % j->csays;
		j->nsays--;
	}
	return 0;
}

/* A new record at the end of the queue, or NULL without memory. */
static struct ipc *
say(struct requests *j, enum ipc_type kind, uint32_t id)
{
	struct ipc *m;
	size_t cap, i;

	if (j->nsays == j->csays) {
		cap = j->csays == 0 ? 16 : j->csays * 2;
		m = calloc(cap, sizeof(*m));
		if (m == NULL) {
			j->has_failed = 1;
			return NULL;
		}
		for (i = 0; i < j->nsays; i++)
			m[i] = j->says[(j->first_say + i) % j->csays];
		free(j->says);
		j->says = m;
		j->csays = cap;
		j->first_say = 0;
	}
	m = &j->says[(j->first_say + j->nsays++) % j->csays];
	ipc_init(m);
	ipc_begin(m, kind, id);
	return m;
}

static void
put_fate(struct ipc *m, const struct smtp_rcpt *r, const char *host)
{
	ipc_put_u32(m, r->index);
	result_put(m, &r->res);
	ipc_put_str(m, host);
	ipc_put_u32(m, r->is_passed_on != 0);
}

/* Whose status is told now: with holds not those that are only deferred. */
static int
is_told(const struct smtp_rcpt *r, int holds)
{
	return r->res.status != STATUS_NONE &&
	    !(holds && r->res.status == STATUS_DEFERRED);
}

/*
 * Without memory for a record the statuses in it stay unknown to the runner,
 * which takes the job for deferred when this branch ends: a repeat, no loss.
 */
static void
tell_fates(struct requests *j, const struct job *job, const char *host,
    int holds)
{
	const struct smtp_rcpt *r;
	struct ipc *m = NULL;
	size_t need;

	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++) {
		if (!is_told(r, holds))
			continue;
		need = STATUS_MIN + strlen(host) +
		    (r->res.reason == NULL ? 0 : strlen(r->res.reason)) +
		    (r->res.detail == NULL ? 0 : strlen(r->res.detail));
		if (m == NULL || m->len + need > IPC_REMOTE_LIMIT)
			m = say(j, IPC_REMOTE_STATUS, job->id);
		if (m == NULL)
			return;
		put_fate(m, r, host);
	}
}

static uint32_t
tell(struct requests *j, struct job *job, const char *host, int holds)
{
	struct smtp_rcpt left;
	struct ipc *m;
	uint32_t i, n = 0;

	if (strlen(host) > REQUESTS_HOST_MAX)
		host = "";
	tell_fates(j, job, host, holds);
	for (i = 0; i < job->nrcpts; i++) {
		left = job->rcpts[i];
		if (is_told(&left, holds)) {
			result_fini(&left.res);
			result_fini(&left.before);
			continue;
		}
		job->rcpts[n++] = left;
	}
	if (n == job->nrcpts)
		return n;	/* nothing to write down */
	job->nrcpts = n;
	m = say(j, IPC_REMOTE_RECORD, job->id);
	if (m != NULL)
		ipc_put_u32(m, n);
	if (n == 0) {
		j->nopen--;
		j->nwatched -= job->is_watched != 0;
		job_free(job);
	}
	return n;
}

void
requests_show(struct requests *j, const struct job *job, const char *line)
{
	struct ipc *m;

	if (job == NULL ? j->nwatched == 0 : !job->is_watched)
		return;
	m = say(j, IPC_REMOTE_DIALOGUE, job == NULL ? 0 : job->id);
	if (m != NULL)
		ipc_put_str(m, line);
}

uint32_t
requests_settle(struct requests *j, struct job *job, const char *host)
{
	return tell(j, job, host, 0);
}

uint32_t
requests_hold(struct requests *j, struct job *job, const char *host)
{
	return tell(j, job, host, 1);
}

int
requests_pass(struct job *job, const char *host, size_t place)
{
	struct smtp_rcpt *r;

	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++)
		if (r->res.status == STATUS_NONE)
			return 0;
	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++) {
		result_fini(&r->before);
		r->before = r->res;
		result_init(&r->res);
	}
	job->place = place;
	job->nhosts++;
	text_copy(job->before, sizeof(job->before), host);
	return 1;
}

void
requests_defer(struct job *job, const struct result *reason)
{
	struct smtp_rcpt *r;

	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++)
		if (r->res.status == STATUS_NONE)
			result_copy(&r->res, reason);
}

void
requests_refuse(struct requests *j, struct job *job, const char *host,
    const struct result *reason)
{
	struct smtp_rcpt *r;

	/* What a host said counts for more than that there is no other. */
	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++)
		if (r->res.status == STATUS_NONE &&
		    r->before.status != STATUS_NONE) {
			r->res = r->before;
			result_init(&r->before);
		}
	if (job->nhosts > 0 && requests_settle(j, job, job->before) == 0)
		return;
	requests_defer(job, reason);
	requests_settle(j, job, host);
}
