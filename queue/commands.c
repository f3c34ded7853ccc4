/*
 * commands.c - commands about queued messages.
 * Runs as: the spool user.  Uses: the queue through spool.c.
 * Promise: "ok" is durable; a message that the caller may not see is unknown;
 * deliveries continue while a command about many messages is obeyed.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "queue/commands.h"
#include "queue/status.h"
#include "spool/journal.h"

#define LINE_MAX_BYTES	1000	/* of a reply about one message */
#define PIPE_BYTES	65536	/* in which all lines of a reply have room */

/* A message that a command is about, and the caller. */
struct commanded {
	struct active	*active;
	struct watcher	*w;
	unsigned	 bit;		/* of w */
	const char	*id;
	struct entry	*e;
};

/* ---- the request ---- */

enum command_right
command_right(enum queue_command command, uint32_t uid, int sees_all,
    uint32_t submitter)
{
	if (uid == 0 || uid == submitter ||
	    (sees_all && command == QUEUE_RETRY))
		return COMMAND_ALLOWED;
	return sees_all ? COMMAND_DENIED : COMMAND_UNKNOWN;
}

/* How many there are; -1 when one is none. */
static int
count_ids(const char *ids, size_t len)
{
	char id[QUEUE_ID_MAX + 1];
	const char *end;
	size_t n;
	int count = 0;

	for (; len > 0; ids += n + 1, len -= n + 1) {
		end = memchr(ids, '\n', len);
		n = end == NULL ? len : (size_t)(end - ids);
		if (end == NULL || n > QUEUE_ID_MAX)
			return -1;
		memcpy(id, ids, n);
		id[n] = '\0';
		if (strlen(id) != n || !message_id_ok(id) ||
		    ++count > QUEUE_IDS_MAX)
			return -1;
	}
	return count;
}

struct watcher_command *
command_new(uint32_t command, const char *ids, size_t len)
{
	struct watcher_command *c;
	int n = count_ids(ids, len);

	if (command >= QUEUE__MAX || n == -1 ||
	    (n == 0) != (command == QUEUE_STATUS))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->command = (enum queue_command)command;
	buf_init(&c->ids, 0);
	buf_add(&c->ids, ids, len);
	c->line_max = n == 0 ? LINE_MAX_BYTES : PIPE_BYTES / (size_t)(n + 1);
	if (c->line_max > LINE_MAX_BYTES)
		c->line_max = LINE_MAX_BYTES;
	if (!buf_failed(&c->ids))
		return c;
	buf_fini(&c->ids);
	free(c);
	return NULL;
}

/* ---- hold and release ---- */

static void
reply_failed(const struct commanded *t, const struct result *res)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "failed %s", res->reason == NULL ? "out of memory" :
	    res->reason);
	watcher_reply(t->w, t->id, buf_str(&b));
	buf_fini(&b);
}

/*
 * Records in the file of a message, which is not active, that it is held or
 * not: 0 when that is durable, 1 if it was so before, -1 with the reason.
 * Each is synced by itself: 64 records that were written first, by means of
 * sync_file_range(2), and synced afterwards took 1.6 ms each in place of 2.3
 * (ext4, median of 5 runs), which is not worth a second mechanism.
 */
static int
note_held(const struct commanded *t, int is_held, struct result *res)
{
	const struct spool *sp = &t->active->q->spool;
	struct message m;
	struct buf notes;
	int ret = -1;

	buf_init(&notes, 0);
	journal_held(&notes, is_held);
	switch (spool_load(sp, t->id, 1, &m, res)) {
	case SPOOL_GOT:
		ret = m.is_held == is_held ? 1 :
		    spool_append(&m, &notes, 1, res);
		break;
	case SPOOL_GONE:
		result_set(res, STATUS_DEFERRED, "4.3.0",
		    "it has left the queue");
		break;
	case SPOOL_LATER:
	case SPOOL_CORRUPT:
		break;
	}
	message_fini(&m);
	buf_fini(&notes);
	return ret;
}

/* As note_held(), wherever the message is. */
static int
set_held(const struct commanded *t, int is_held, struct result *res)
{
	struct active_message *am = t->e->message;

	if (am == NULL)
		return note_held(t, is_held, res);
	if (am->m.is_held == is_held)
		return 1;
	if (status_hold(am, is_held) == 0)
		return 0;
	result_copy(res, &am->unwritten);
	return -1;
}

static void
hold(const struct commanded *t)
{
	struct result res;
	int ret;

	result_init(&res);
	ret = set_held(t, 1, &res);
	if (ret == -1) {
		reply_failed(t, &res);
	} else {
		if (t->e->message == NULL && t->e->state != ENTRY_HELD)
			active_hold(t->active, t->e);
		watcher_reply(t->w, t->id, ret == 1 ? "ok was on hold before" :
		    t->e->message == NULL ? "ok on hold" : "ok on hold; "
		    "deliveries in progress are completed");
	}
	result_fini(&res);
}

static void
release(const struct commanded *t)
{
	struct result res;
	int ret;

	result_init(&res);
	ret = set_held(t, 0, &res);
	if (ret == -1)
		reply_failed(t, &res);
	else if (ret == 1)
		watcher_reply(t->w, t->id, "ok was not on hold");
	if (ret == 0) {
		active_unhold(t->active, t->e);
		watcher_reply(t->w, t->id, "ok released");
	}
	result_fini(&res);
}

static void
retry(const struct commanded *t)
{
	active_try(t->active, t->e, t->bit);
}

/* ---- delete and bounce ---- */

/*
 * The caller waits until deliveries in progress have ended: active_end() gives
 * the reply.
 */
static void
remove_message(const struct commanded *t, enum removal removal)
{
	struct active_message *am;

	active_wait_for(t->active, t->e, t->bit);
	am = active_take(t->active, t->e, removal);
	if (am == NULL || am->removal != REMOVAL_NONE)
		return;
	decide_removal(am, removal);
	/* Not only when a write that failed is repeated. */
	if (am->again_ms != 0)
		am->again_ms = 1;
}

static void
delete_message(const struct commanded *t)
{
	remove_message(t, REMOVAL_DELETE);
}

static void
bounce_message(const struct commanded *t)
{
	remove_message(t, REMOVAL_BOUNCE);
}

/* ---- one message after the other ---- */

/* A removal in progress admits no other command than the same removal. */
static int
is_in_the_way(const struct commanded *t)
{
	const struct active_message *am = t->e->message;
	enum queue_command command = t->w->command->command;

	if (am == NULL || am->removal == REMOVAL_NONE)
		return 0;
	return command != (am->removal == REMOVAL_DELETE ? QUEUE_DELETE :
	    QUEUE_BOUNCE);
}

/* The log names the user who removed mail, or kept it. */
static void
obey_logged(const struct commanded *t,
    void (*obey)(const struct commanded *))
{
	static const char *const names[QUEUE__MAX] = {
		[QUEUE_HOLD] = "hold", [QUEUE_RELEASE] = "release",
		[QUEUE_DELETE] = "delete", [QUEUE_BOUNCE] = "bounce",
	};
	const char *name = names[t->w->command->command];

	if (name != NULL)
		log_say(&t->active->q->log, LOG_LEVEL_INFO, "id=%s command=%s "
		    "uid=%u", t->id, name, (unsigned)t->w->uid);
	obey(t);
}

static void
obey_one(struct commanded *t)
{
	static void (*const obey[QUEUE__MAX])(const struct commanded *) = {
		[QUEUE_RETRY] = retry,
		[QUEUE_HOLD] = hold,
		[QUEUE_RELEASE] = release,
		[QUEUE_DELETE] = delete_message,
		[QUEUE_BOUNCE] = bounce_message,
	};
	enum queue_command command = t->w->command->command;
	enum command_right right = COMMAND_UNKNOWN;

	t->e = active_find(t->active, t->id);
	if (t->e != NULL)
		right = command_right(command, t->w->uid, t->w->sees_all,
		    active_submitter(t->active, t->e));
	if (t->e == NULL && t->active->scan == SCAN_FAILED)
		watcher_reply(t->w, t->id, "failed the queue cannot be read");
	else if (right == COMMAND_UNKNOWN || t->e->state == ENTRY_GONE)
		watcher_reply(t->w, t->id, "unknown");
	else if (right == COMMAND_DENIED)
		watcher_reply(t->w, t->id, "denied only root and the user who "
		    "submitted it may do that");
	else if (is_in_the_way(t))
		watcher_reply(t->w, t->id, "failed it is being removed from "
		    "the queue");
	else
		obey_logged(t, obey[command]);
}

/* Takes the next id of a command: 0 after the last. */
static int
next_id(struct watcher_command *c, char id[QUEUE_ID_MAX + 1])
{
	const char *p = (const char *)c->ids.data + c->next;
	size_t n;

	if (c->next >= c->ids.len)
		return 0;
	n = (size_t)((const char *)memchr(p, '\n', c->ids.len - c->next) - p);
	memcpy(id, p, n);
	id[n] = '\0';
	c->next += n + 1;
	return 1;
}

static int
is_obeyed(const struct watcher *w)
{
	return w->state == WATCHER_WAITING && w->command != NULL &&
	    w->command->next != SIZE_MAX;
}

/* Messages of each caller in this turn. */
static int
count_share(const struct watchers *ws)
{
	int i, n = 0;

	for (i = 0; i < WATCHERS_MAX; i++)
		n += is_obeyed(&ws->list[i]);
	n = n == 0 ? 0 : COMMANDS_OF_ALL / n;
	return n < COMMANDS_MAX ? n : COMMANDS_MAX;
}

/* 1 when it has more ids. */
static int
obey_some(struct active *a, struct watcher *w, unsigned bit, int share)
{
	char id[QUEUE_ID_MAX + 1];
	struct commanded t = { a, w, bit, id, NULL };
	int64_t until_ms = io_clock_ms() + COMMANDS_MS;
	int n;

	if (w->command->command == QUEUE_BOUNCE && share > COMMANDS_BOUNCE)
		share = COMMANDS_BOUNCE;
	for (n = 0; n < share && (n == 0 || io_clock_ms() < until_ms) &&
	    next_id(w->command, id); n++)
		obey_one(&t);
	if (w->command->next < w->command->ids.len)
		return 1;
	w->command->next = SIZE_MAX;
	watchers_ready(a->watchers, bit);
	return 0;
}

static void
report(struct watcher *w, const struct self *self)
{
	struct buf b;

	buf_init(&b, 0);
	self_report_put(&b, self, w->sees_all);
	watcher_put(w, buf_str(&b), b.len);
	buf_fini(&b);
}

int
commands_obey(struct active *a, const struct self *self)
{
	int i, has_more = 0, share = count_share(a->watchers);
	struct watcher *w;

	for (i = 0; i < WATCHERS_MAX; i++) {
		w = &a->watchers->list[i];
		if (!is_obeyed(w))
			continue;
		if (w->command->command == QUEUE_STATUS)
			report(w, self);
		has_more |= obey_some(a, w, 1U << i, share);
	}
	return has_more;
}
