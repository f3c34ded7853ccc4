/*
 * requeue.c - puts a message of dead/ or corrupt/ back into the queue.
 * Runs as: the spool user.  Uses: the spool by spool.c.
 * Promise: the message is in its folder or in the queue, at any time; so a kill
 * between any two steps loses nothing and doubles nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/addr.h"
#include "lib/io.h"
#include "spool/salvage.h"
#include "submit/flush.h"
#include "submit/put_aside.h"
#include "submit/requeue.h"

#define CHUNK	65536

/* A message in its folder. */
struct requeued {
	const struct spool *sp;
	struct spool	 folder;
	struct message	 m;
	struct result	 res;		/* why it is damaged, or not written */
	enum spool_got	 got;
};

/* ---- recipients ---- */

/* What it had, it is looked up anew. */
static void
reopen(struct message *m, uint32_t i)
{
	struct recipient *r = &m->rcpts[i];

	if (r->state == RCPT_FAILED) {
		r->state = RCPT_OPEN;
		r->action = ACTION_NONE;
		r->checkpoint.length = -1;
	}
	if (r->is_reported)
		r->action = ACTION_NONE;
	r->is_reported = 0;
	if (r->state != RCPT_OPEN)
		return;
	r->attempts = 0;
	r->due = 0;
	if (r->parent == i && r->checkpoint.length == -1) {
		r->kind = ROUTE_UNKNOWN;
		free(r->owner);
		r->owner = NULL;
	}
}

/* The ones of its journal: how many are open then. */
static uint32_t
reopen_all(struct message *m)
{
	uint32_t i, open = 0;

	for (i = 0; i < m->nrcpts; i++) {
		reopen(m, i);
		open += m->rcpts[i].state == RCPT_OPEN;
	}
	return open;
}

/* NULL, or why an argument is no recipient. */
static const char *
add(struct message *m, const char *text)
{
	const char *why = NULL;
	struct buf address;

	buf_init(&address, ADDRESS_MAX);
	if (addr_one(text, &address) == -1 || address.len == 0 ||
	    !addr_is_address(buf_str(&address)))
		why = "not an address";
	else if (message_add(m, buf_str(&address)) == NULL)
		why = strerror(ENOMEM);
	buf_fini(&address);
	return why;
}

/* Others, in place of those of the journal. */
static int
replace_recipients(struct message *m, char *const *recipients, int n)
{
	struct message new = *m;
	const char *why = NULL;
	int i;

	new.rcpts = NULL;
	new.nrcpts = 0;
	new.crcpts = 0;
	new.index.slots = NULL;
	new.fd = -1;
	for (i = 0; i < n && why == NULL; i++)
		why = add(&new, recipients[i]);
	if (why != NULL) {
		log_stderr("queue: \"%s\": %s", recipients[i - 1], why);
		message_fini(&new);
		return EX_DATAERR;
	}
	new.fd = m->fd;
	m->fd = -1;
	message_fini(m);
	*m = new;
	return 0;
}

static int
choose_recipients(struct requeued *r, char *const *recipients, int n)
{
	if (n > 0)
		return replace_recipients(&r->m, recipients, n);
	if (r->m.nrcpts == 0) {
		log_stderr("%s: its recipients cannot be read (%s): name them "
		    "after the id", r->m.id, r->res.reason);
		return EX_DATAERR;
	}
	if (reopen_all(&r->m) > 0)
		return 0;
	log_stderr("%s: all recipients have received it: name those who are to "
	    "receive it again after the id, or remove it with \"dma queue "
	    "delete %s\"", r->m.id, r->m.id);
	return EX_UNAVAILABLE;
}

/* ---- the file ---- */

static int
copy_text(struct draft *d, const struct message *m, struct result *res)
{
	int64_t at = m->text.offset, end = at + m->text.length;
	static char chunk[CHUNK];
	size_t n;

	for (; at < end; at += (int64_t)n) {
		n = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		if (io_pread_all(m->fd, chunk, n, at) == -1)
			return result_set(res, STATUS_DEFERRED, "4.3.0",
			    "spool: read: %s", strerror(errno));
		if (draft_write(d, chunk, n, res) == -1)
			return -1;
	}
	return 0;
}

/* As a new one that arrives now, under the same id. */
static void
renew(struct message *m)
{
	m->arrived = time(NULL);
	m->journal = 0;
	m->is_held = 0;
	memset(&m->reports, 0, sizeof(m->reports));
}

/* Takes the place of the old file in the folder.  d stays open: its lock. */
static int
rewrite(struct requeued *r, struct draft *d)
{
	renew(&r->m);
	if (draft_begin(r->sp, d, NULL, &r->res) == -1)
		return -1;
	return copy_text(d, &r->m, &r->res) == -1 ||
	    draft_seal(d, &r->m, &r->res) == -1 ||
	    draft_replace(d, &r->folder, r->m.id, &r->res) == -1 ? -1 : 0;
}

/* It is in the queue. */
static int
finish(struct requeued *r, const struct log *log)
{
	int error = 0;

	if (spool_sync_back(r->sp, &r->folder) == -1)
		error = errno;
	log_say(log, LOG_LEVEL_INFO, "id=%s status=requeued", r->m.id);
	flush_wake(r->sp, log, r->m.id);
	if (error == 0) {
		printf("%s: queued\n", r->m.id);
		return 0;
	}
	log_stderr("%s: queued, but after a power failure it may be back "
	    "where it was: %s", r->m.id, strerror(error));
	return EX_IOERR;
}

static int
cannot_move(const struct requeued *r)
{
	if (errno == EEXIST)
		log_stderr("%s: a message with this id is in the queue: wait "
		    "until it is delivered", r->m.id);
	else
		log_stderr("%s: not queued: %s", r->m.id, strerror(errno));
	return EX_TEMPFAIL;
}

static int
put_back(struct requeued *r, const struct log *log)
{
	struct draft d;
	int status;

	memset(&d, 0, sizeof(d));
	d.fd = -1;
	if (rewrite(r, &d) == -1) {
		log_stderr("%s: not queued: %s", r->m.id, r->res.reason);
		status = EX_TEMPFAIL;
	} else if (spool_put_back(r->sp, &r->folder, r->m.id) == -1) {
		status = cannot_move(r);
	} else {
		status = finish(r, log);
	}
	draft_drop(&d);
	return status;
}

/* ---- the call ---- */

/* 1 when it is there. */
static int
find(struct requeued *r, const char *id)
{
	if (put_aside_open(r->sp, id, &r->folder) == NULL)
		return 0;
	r->got = spool_load(&r->folder, id, 0, &r->m, &r->res);
	if (r->got != SPOOL_GONE)
		return 1;
	message_fini(&r->m);
	spool_close(&r->folder);
	return 0;
}

static int
requeue_found(struct requeued *r, const struct log *log,
    char *const *recipients, int n)
{
	int status;

	if (r->got == SPOOL_LATER || spool_claim(&r->m) == -1) {
		log_stderr("%s: %s", r->m.id, r->got == SPOOL_LATER ?
		    r->res.reason : errno == EWOULDBLOCK ?
		    "another call puts it back" : strerror(errno));
		return EX_TEMPFAIL;
	}
	if (r->got == SPOOL_CORRUPT && salvage_text(&r->m) == -1) {
		log_stderr("%s: the file has no text: %s", r->m.id,
		    r->res.reason);
		return EX_DATAERR;
	}
	status = choose_recipients(r, recipients, n);
	return status != 0 ? status : put_back(r, log);
}

int
requeue(const struct caller *caller, const struct spool *sp,
    const struct log *log, const char *id, char *const *recipients, int n)
{
	struct requeued r = { .sp = sp };
	int status = EX_NOINPUT;

	if (caller->uid != 0) {
		log_stderr("queue: only root can put messages back into the "
		    "queue");
		return EX_NOPERM;
	}
	result_init(&r.res);
	if (find(&r, id)) {
		status = requeue_found(&r, log, recipients, n);
		message_fini(&r.m);
		spool_close(&r.folder);
	} else {
		log_stderr("%s: neither in dead nor in corrupt: see \"dma "
		    "queue list dead\"%s", id, spool_has(sp, id) ?
		    "; it is in the queue" : "");
	}
	result_fini(&r.res);
	return status;
}
