/*
 * jobs.c - what the runner wants of a remote branch, and what it is told.
 * Runs as: the spool user, in the remote branch.  Door to: the socket to the
 * runner.
 * Promise: a fate that is known is never lost to a full socket; a record out
 * of turn ends the branch, not a message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs.h"
#include "lib/dsn.h"
#include "lib/io.h"
#include "records.h"
#include "result.h"

#define JOBS_MAX	1024		/* not settled at once */
#define RCPTS_MAX	1000000		/* of one job */
#define FATE_MIN	64		/* octets of a fate besides its words */

void
jobs_init(struct jobs *j, int sock)
{
	memset(j, 0, sizeof(*j));
	j->sock = sock;
	msg_init(&j->in);
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
jobs_fini(struct jobs *j)
{
	struct job *job;
	size_t i;

	while ((job = jobs_take(j, 0, SIZE_MAX, 1)) != NULL)
		job_free(job);
	job_free(j->coming);
	for (i = 0; i < j->nsays; i++)
		msg_fini(&j->says[(j->first_say + i) % j->csays]);
	free(j->says);
	msg_fini(&j->in);
}

/* 1. The list. */

int
jobs_is_poison(const struct job *job)
{
	return job->drops >= JOBS_DROPS_POISON;
}

/* Takes the job at that place of the list. */
static struct job *
unlink_job(struct jobs *j, struct job **p)
{
	struct job *job = *p;

	*p = job->next;
	job->next = NULL;
	j->nwaiting--;
	j->nlater -= job->place > 0;
	return job;
}

struct job *
jobs_take(struct jobs *j, size_t first, size_t last, int has_room)
{
	struct job **p, **found = NULL;

	for (p = &j->waiting; *p != NULL; p = &(*p)->next) {
		if ((*p)->place < first || (*p)->place > last)
			continue;
		if (!jobs_is_poison(*p))
			return unlink_job(j, p);
		if (found == NULL && has_room)
			found = p;
	}
	return found == NULL ? NULL : unlink_job(j, found);
}

void
jobs_pick(struct jobs *j, struct job *job)
{
	struct job **p;

	for (p = &j->waiting; *p != job; p = &(*p)->next)
		;
	unlink_job(j, p);
}

void
jobs_put_first(struct jobs *j, struct job *job)
{
	job->next = j->waiting;
	j->waiting = job;
	j->nwaiting++;
	j->nlater += job->place > 0;
}

void
jobs_put_last(struct jobs *j, struct job *job)
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
read_hop(struct jobs *j, struct msg *m)
{
	if (j->has_hop)
		return -1;
	j->hop_kind = msg_get_u32(m);
	msg_get_text(m, j->hop_name, sizeof(j->hop_name));
	msg_get_text(m, j->hop_user, sizeof(j->hop_user));
	if (msg_done(m) == -1 || j->hop_kind > HOP_SENDER ||
	    (j->hop_kind != HOP_SMARTHOST && j->hop_name[0] == '\0') ||
	    (j->hop_kind != HOP_SENDER && j->hop_user[0] != '\0'))
		return -1;
	if (j->hop_kind == HOP_SMARTHOST)
		j->hop_name[0] = '\0';
	j->has_hop = 1;
	return 0;
}

static int
read_job(struct jobs *j, struct msg *m)
{
	struct job *job;
	uint32_t ret;

	if (!j->has_hop || j->coming != NULL || j->nopen >= JOBS_MAX)
		return -1;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return -1;
	j->coming = job;
	job->id = m->id;
	msg_get_text(m, job->queue_id, sizeof(job->queue_id));
	msg_get_text(m, job->sender, sizeof(job->sender));
	job->flags = msg_get_u32(m);
	job->offset = msg_get_u64(m);
	job->length = msg_get_u64(m);
	job->lines = msg_get_u64(m);
	job->nwanted = msg_get_u32(m);
	ret = msg_get_u32(m);
	msg_get_text(m, job->envid, sizeof(job->envid));
	job->is_watched = msg_get_u32(m) != 0;
	job->fd = msg_take_fd(m, 0);
	if (msg_done(m) == -1 || job->fd == -1 || job->nwanted == 0 ||
	    job->nwanted > RCPTS_MAX || job->offset > INT64_MAX ||
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
job_ready(struct jobs *j, struct job *job)
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
	jobs_put_last(j, job);
}

static int
read_rcpt(struct jobs *j, struct msg *m)
{
	struct job *job = j->coming;
	char address[ADDRESS_MAX + 1], orcpt[ORCPT_MAX + 1];
	uint32_t index, notify;

	if (job == NULL || job->id != m->id)
		return -1;
	while (msg_more(m)) {
		if (job->nrcpts == job->nwanted)
			return -1;
		index = msg_get_u32(m);
		msg_get_text(m, address, sizeof(address));
		notify = msg_get_u32(m);
		msg_get_text(m, orcpt, sizeof(orcpt));
		if (m->bad || !dsn_notify_ok(notify) ||
		    (orcpt[0] != '\0' && !dsn_orcpt_ok(orcpt)))
			return -1;
		job->rcpts[job->nrcpts].index = index;
		job->rcpts[job->nrcpts++].notify = notify;
		buf_add(&job->addresses, address, strlen(address) + 1);
		buf_add(&job->addresses, orcpt, strlen(orcpt) + 1);
	}
	if (msg_done(m) == -1 || buf_failed(&job->addresses))
		return -1;
	if (job->nrcpts == job->nwanted)
		job_ready(j, job);
	return 0;
}

int
jobs_read(struct jobs *j)
{
	struct msg *m = &j->in;
	int ret;

	for (;;) {
		ret = msg_recv(j->sock, m, REC_REMOTE_LIMIT);
		if (ret == 0)
			return 0;
		if (ret == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
		switch (m->kind) {
		case REC_REMOTE_HOP:
			ret = read_hop(j, m);
			break;
		case REC_REMOTE_JOB:
			ret = read_job(j, m);
			break;
		case REC_REMOTE_RCPT:
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
jobs_has_output(const struct jobs *j)
{
	return j->nsays > 0;
}

int
jobs_write(struct jobs *j)
{
	struct msg *m;

	if (j->has_failed)
		return -1;
	while (j->nsays > 0) {
		m = &j->says[j->first_say];
		if (msg_send(j->sock, m) == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ||
			    errno == ENOBUFS ? 0 : -1;
		msg_fini(m);
		j->first_say = (j->first_say + 1) % j->csays;
		j->nsays--;
	}
	return 0;
}

/* A new record at the end of the queue, or NULL without memory. */
static struct msg *
say(struct jobs *j, enum record kind, uint32_t id)
{
	struct msg *m;
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
	msg_init(m);
	msg_begin(m, kind, id);
	return m;
}

static void
put_fate(struct msg *m, const struct smtp_rcpt *r, const char *host)
{
	const char *why = r->res.why == NULL ? "" : r->res.why;

	msg_put_u32(m, r->index);
	msg_put_u32(m, r->res.fate);
	msg_put_str(m, r->res.code);
	msg_put_str(m, host);
	msg_put_bytes(m, why, strlen(why));
	msg_put_u32(m, r->is_passed_on != 0);
}

/* Whose fate is told now: with holds not those that are only deferred. */
static int
is_told(const struct smtp_rcpt *r, int holds)
{
	return r->res.fate != FATE_NONE &&
	    !(holds && r->res.fate == FATE_RETRY);
}

/*
 * Without memory for a record the fates in it stay unknown to the runner,
 * which takes the job for deferred when this branch ends: a repeat, no loss.
 */
static void
tell_fates(struct jobs *j, const struct job *job, const char *host, int holds)
{
	const struct smtp_rcpt *r;
	struct msg *m = NULL;
	size_t need;

	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++) {
		if (!is_told(r, holds))
			continue;
		need = FATE_MIN + strlen(host) +
		    (r->res.why == NULL ? 0 : strlen(r->res.why));
		if (m == NULL || m->len + need > REC_REMOTE_LIMIT)
			m = say(j, REC_REMOTE_FATE, job->id);
		if (m == NULL)
			return;
		put_fate(m, r, host);
	}
}

static uint32_t
tell(struct jobs *j, struct job *job, const char *host, int holds)
{
	struct smtp_rcpt left;
	struct msg *m;
	uint32_t i, n = 0;

	if (strlen(host) > JOBS_HOST_MAX)
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
	m = say(j, REC_REMOTE_SETTLE, job->id);
	if (m != NULL)
		msg_put_u32(m, n);
	if (n == 0) {
		j->nopen--;
		j->nwatched -= job->is_watched != 0;
		job_free(job);
	}
	return n;
}

void
jobs_show(struct jobs *j, const struct job *job, const char *line)
{
	struct msg *m;

	if (job == NULL ? j->nwatched == 0 : !job->is_watched)
		return;
	m = say(j, REC_REMOTE_SAID, job == NULL ? 0 : job->id);
	if (m != NULL)
		msg_put_str(m, line);
}

uint32_t
jobs_settle(struct jobs *j, struct job *job, const char *host)
{
	return tell(j, job, host, 0);
}

uint32_t
jobs_hold(struct jobs *j, struct job *job, const char *host)
{
	return tell(j, job, host, 1);
}

int
jobs_pass(struct job *job, const char *host, size_t place)
{
	struct smtp_rcpt *r;

	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++)
		if (r->res.fate == FATE_NONE)
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
jobs_defer(struct job *job, const struct result *why)
{
	struct smtp_rcpt *r;

	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++)
		if (r->res.fate == FATE_NONE)
			result_copy(&r->res, why);
}

void
jobs_refuse(struct jobs *j, struct job *job, const char *host,
    const struct result *why)
{
	struct smtp_rcpt *r;

	/* What a host said counts for more than that there is no other. */
	for (r = job->rcpts; r < job->rcpts + job->nrcpts; r++)
		if (r->res.fate == FATE_NONE && r->before.fate != FATE_NONE) {
			r->res = r->before;
			result_init(&r->before);
		}
	if (job->nhosts > 0 && jobs_settle(j, job, job->before) == 0)
		return;
	jobs_defer(job, why);
	jobs_settle(j, job, host);
}
