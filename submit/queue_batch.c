/*
 * queue_batch.c - a command about queued messages: asks the runner in batches,
 * and reports the result for each message.
 * Runs as: the spool user.  Uses: the runner by runner_link.c; the standard
 * output, and standard error for failures.
 * Promise: each message is reported once; the runner decides whose it is; only
 * root removes messages that are not in the queue.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/log.h"
#include "submit/put_aside.h"
#include "submit/queue_batch.h"

/* The state of a message after each command, in a word. */
static const char *const done[QUEUE__MAX] = {
	[QUEUE_RETRY] = "tried",
	[QUEUE_HOLD] = "held",
	[QUEUE_RELEASE] = "released",
	[QUEUE_DELETE] = "deleted",
	[QUEUE_BOUNCE] = "bounced",
};

int
queue_batch_init(struct queue_batch *b, const struct spool *sp,
    const struct caller *c, enum queue_command command)
{
	memset(b, 0, sizeof(*b));
	b->command = command;
	b->is_root = c->uid == 0;
	progress_init(&b->progress);
	return runner_link_init(&b->link, sp, c);
}

void
queue_batch_fini(struct queue_batch *b)
{
	runner_link_fini(&b->link);
}

/* The exit status: the highest of those that were met. */
static void
note_status(struct queue_batch *b, int status)
{
	if (status > b->status)
		b->status = status;
}

/* ---- verdicts ---- */

static void
take_ok(struct queue_batch *b, const char *id, const char *text)
{
	/* No dma of ours writes a control into a reply. */
	if (!text_is_clean(text, strlen(text)))
		text = "";
	if (b->command == QUEUE_RETRY)
		progress_count(&b->progress, text);
	if (b->is_quiet)
		return;
	progress_clear(&b->progress);
	printf("%s: %s\n", id, text[0] != '\0' ? text : done[b->command]);
	if (b->command == QUEUE_RETRY)
		fflush(stdout);
}

static void
take_late(struct queue_batch *b, const char *id, const char *text)
{
	if (b->is_quiet)
		return;
	note_status(b, EX_UNAVAILABLE);
	log_stderr("%s: not %s: %s", id, done[b->command], text);
}

static void
take_failed(struct queue_batch *b, const char *id, const char *text)
{
	note_status(b, EX_TEMPFAIL);
	log_stderr("%s: not %s: %s", id, done[b->command], text);
}

static void
take_denied(struct queue_batch *b, const char *id, const char *text)
{
	note_status(b, EX_NOPERM);
	log_stderr("%s: not %s: %s", id, done[b->command], text);
}

/* 1 when that was done, or failed, with a message that was put aside. */
static int
remove_aside(struct queue_batch *b, const char *id)
{
	const char *folder;

	if (b->command != QUEUE_DELETE || !b->is_root)
		return 0;
	folder = put_aside_remove(b->link.sp, id);
	if (folder == NULL && errno == ENOENT)
		return 0;
	if (folder == NULL) {
		take_failed(b, id, strerror(errno));
		return 1;
	}
	log_say(b->log, LOG_LEVEL_INFO, "id=%s status=deleted from=%s", id,
	    folder);
	printf("%s: deleted from %s\n", id, folder);
	return 1;
}

static void
take_unknown(struct queue_batch *b, const char *id, const char *text)
{
	const char *folder;

	(void)text;
	if (b->is_quiet || remove_aside(b, id))
		return;
	if (b->asked > 1) {
		note_status(b, EX_UNAVAILABLE);
		log_stderr("%s: no longer queued: the runner ended during "
		    "this command; see the log", id);
		return;
	}
	note_status(b, EX_NOINPUT);
	folder = b->is_root ? put_aside_find(b->link.sp, id) : NULL;
	if (folder != NULL)
		log_stderr("%s: in %s, not in the queue: see \"dma queue list "
		    "%s\"", id, folder, folder);
	else
		log_stderr("%s: %s: see mailq", id, b->is_root ?
		    "not in the queue" : "not in the queue, or not yours");
}

static const struct {
	const char	*name;
	void		(*take)(struct queue_batch *, const char *id,
			    const char *text);
} verdicts[] = {
	{ "ok", take_ok }, { "late", take_late }, { "unknown", take_unknown },
	{ "failed", take_failed }, { "denied", take_denied },
};

static struct queue_batch_id *
find(struct queue_batch *b, const char *id, size_t len)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (!b->ids[i].is_answered && strlen(b->ids[i].id) == len &&
		    memcmp(b->ids[i].id, id, len) == 0)
			return &b->ids[i];
	return NULL;
}

/* "id verdict text", or a line of a dialogue. */
static void
take_line(void *arg, const char *line)
{
	struct queue_batch *b = arg;
	struct queue_batch_id *of;
	size_t i, len = strcspn(line, " ");
	const char *verdict = line + len + (line[len] != '\0');
	const char *text = verdict + strcspn(verdict, " ");

	if (line[0] != '\0' && strchr("<=>", line[0]) != NULL) {
		progress_clear(&b->progress);
		fprintf(stderr, "%s\n", line);
		return;
	}
	of = find(b, line, len);
	for (i = 0; of != NULL && i < sizeof(verdicts) / sizeof(*verdicts);
	    i++) {
		len = strlen(verdicts[i].name);
		if ((size_t)(text - verdict) != len ||
		    memcmp(verdicts[i].name, verdict, len) != 0)
			continue;
		if (i > 0)
			progress_clear(&b->progress);
		of->is_answered = 1;
		verdicts[i].take(b, of->id, text + (text[0] == ' '));
	}
}

/* ---- requests ---- */

/* A runner that died has answered some of them. */
static void
put_ids(void *arg, struct ipc *m)
{
	struct queue_batch *b = arg;
	struct buf ids;
	size_t i;

	b->asked++;
	buf_init(&ids, 0);
	for (i = 0; i < b->n; i++)
		if (!b->ids[i].is_answered)
			buf_printf(&ids, "%s\n", b->ids[i].id);
	ipc_begin(m, IPC_QUEUE_REQUEST, 0);
	ipc_put_u32(m, b->command);
	ipc_put_u32(m, b->flags);
	ipc_put_bytes(m, buf_str(&ids), ids.len);
	m->bad |= buf_failed(&ids);
	buf_fini(&ids);
}

/* 0 if each was to be answered. */
static int
report(struct queue_batch *b, enum runner_reply reply)
{
	progress_clear(&b->progress);
	switch (reply) {
	case RUNNER_DONE:
		return 0;
	case RUNNER_REFUSED:
		log_stderr("%s", b->link.reason);
		break;
	case RUNNER_LOST:
		log_stderr("the runner ended during this command: see the log, "
		    "and try again");
		break;
	case RUNNER_NONE:
		log_stderr("cannot reach the runner: %s", b->link.reason);
		break;
	}
	note_status(b, EX_TEMPFAIL);
	return -1;
}

static int
send_batch(struct queue_batch *b)
{
	const struct runner_request r = { put_ids, take_line, b };
	size_t i;
	int ret;

	if (b->n == 0)
		return 0;
	b->asked = 0;
	ret = report(b, runner_link_call(&b->link, &r));
	for (i = 0; i < b->n && ret == 0; i++)
		if (!b->ids[i].is_answered)
			take_failed(b, b->ids[i].id, "the runner did not "
			    "reply; see the log");
	b->n = 0;
	return ret;
}

int
queue_batch_add(struct queue_batch *b, const char *id)
{
	/* A message that is named twice is asked about once. */
	if (find(b, id, strlen(id)) != NULL)
		return 0;
	text_copy(b->ids[b->n].id, sizeof(b->ids[b->n].id), id);
	b->ids[b->n++].is_answered = 0;
	b->given++;
	return b->n < QUEUE_IDS_MAX ? 0 : send_batch(b);
}

int
queue_batch_each(void *batch, const char *id)
{
	return queue_batch_add(batch, id);
}

int
queue_batch_end(struct queue_batch *b)
{
	(void)send_batch(b);
	return b->status;
}
