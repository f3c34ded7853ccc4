/*
 * self_report.c - the report of the runner about itself.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: no line is longer than its reader accepts, and all lines fit into
 * the room that is kept for a slow reader.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "queue/self_report.h"

#define TEXT_MAX	240	/* bytes of a name or a reason */

static const char *const kinds[] = {
	[DESTINATION_SMARTHOST] = "relay", [DESTINATION_DOMAIN] = "domain",
	[DESTINATION_SENDER] = "sender",
};

/* A TAB in it becomes a blank. */
static void
put_text(struct buf *b, const char *text)
{
	buf_putc(b, '\t');
	if (text != NULL)
		buf_put_clean(b, text, strlen(text), TEXT_MAX);
}

static void
put_counts(struct buf *b, const struct active *a)
{
	static const char *const names[] = {
		[ENTRY_NEW] = "new", [ENTRY_WAITING] = "waiting",
		[ENTRY_READY] = "ready", [ENTRY_UNTIL_FLUSH] = "until_flush",
		[ENTRY_HELD] = "held", [ENTRY_ACTIVE] = "loaded",
		[ENTRY_POSTPONED] = "postponed",
	};
	size_t counts[ENTRY_GONE + 1] = { 0 }, i;
	const struct active_message *am;
	size_t open = 0;

	for (i = 0; i < a->n; i++)
		counts[a->entries[i]->state]++;
	for (am = a->messages; am != NULL; am = am->next)
		open += am->open > 0;
	buf_printf(b, "active\t%zu\n", open);
	for (i = 0; i < ENTRY_GONE; i++)
		buf_printf(b, "messages\t%s\t%zu\n", names[i], counts[i]);
}

/* Entries are sorted by id, and ids by time. */
static void
put_oldest(struct buf *b, const struct active *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->entries[i]->state != ENTRY_GONE) {
			buf_printf(b, "oldest\t%s\n", a->entries[i]->id);
			return;
		}
}

static void
put_destination(struct buf *b, const struct destination *d)
{
	const struct remote_request *r;
	size_t n = 0;

	for (r = d->requests; r != NULL; r = r->next)
		n++;
	buf_printf(b, "destination\t%s", kinds[d->kind]);
	put_text(b, d->name);
	buf_printf(b, "\t%s\t%zu", d->sock == -1 ? "waiting" :
	    n > 0 ? "connected" : "idle", n);
	put_text(b, d->reason);
	buf_putc(b, '\n');
}

static void
put_backoff(struct buf *b, const struct backoff *d)
{
	struct buf reason;

	buf_printf(b, "backoff\t%s", kinds[d->kind]);
	put_text(b, d->name);
	buf_printf(b, "\t%u\t%" PRId64 "\t%zu", d->failures,
	    (int64_t)d->probe.s, d->waiting.n + d->expired.n);
	buf_init(&reason, 0);
	result_put_reason(&reason, &d->reason);
	put_text(b, buf_str(&reason));
	buf_fini(&reason);
	buf_putc(b, '\n');
}

static int
has_room(const struct buf *b)
{
	return b->len < SELF_REPORT_MAX - 4 * TEXT_MAX;
}

static void
put_destinations(struct buf *b, const struct self *self)
{
	const struct destination *d;
	const struct backoff *away;
	size_t omitted = 0;

	for (d = self->destinations->list; d != NULL; d = d->next) {
		if (has_room(b))
			put_destination(b, d);
		else
			omitted++;
	}
	for (away = self->active->backoffs.list; away != NULL;
	    away = away->next_all) {
		if (away->state == BACKOFF_OVER)
			continue;
		if (has_room(b))
			put_backoff(b, away);
		else
			omitted++;
	}
	if (omitted > 0)
		buf_printf(b, "omitted\t%zu\n", omitted);
}

void
self_report_put(struct buf *b, const struct self *self, int sees_all)
{
	buf_printf(b, "runner\t%ld\t%s\t%" PRId64 "\t%s\n", (long)getpid(),
	    DMA_VERSION, (int64_t)self->since,
	    self->is_by_init ? "init" : "call");
	if (!sees_all)
		return;
	put_counts(b, self->active);
	put_oldest(b, self->active);
	put_destinations(b, self);
}
