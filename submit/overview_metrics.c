/*
 * overview_metrics.c - dma status for Prometheus.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: valid text format; labels have few values, since each is a series.
 */
#include <inttypes.h>
#include <string.h>

#include "submit/overview.h"

static void
put_head(struct buf *b, const char *name, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* The value of a label: these three characters are escaped; ASCII alone. */
static void
put_label(struct buf *b, const char *name, const char *label,
    const char *value)
{
	buf_printf(b, "%s{%s=\"", name, label);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			buf_puts(b, "\\n");
		else if (*value == '"' || *value == '\\')
			buf_printf(b, "\\%c", *value);
		else
			buf_putc(b, (*value & 0x80) != 0 ? '?' : *value);
	}
	buf_puts(b, "\"} ");
}

static void
put_one(struct buf *b, const char *name, const char *help, int64_t value)
{
	put_head(b, name, help);
	buf_printf(b, "%s %" PRId64 "\n", name, value);
}

static size_t
count_unreachable(const struct runner_state *r)
{
	size_t i, n = 0;

	for (i = 0; i < r->ndestinations; i++)
		n += strcmp(r->destinations[i].state,
		    RUNNER_UNREACHABLE) == 0;
	return n;
}

static void
put_runner(struct buf *b, const struct runner_state *r)
{
	static const char info[] = "dma_runner_info";

	put_one(b, "dma_runner_active", "1 if a runner is active.",
	    r->presence != RUNNER_ABSENT);
	put_one(b, "dma_runner_responsive",
	    "1 if the runner replied to the request for its status.",
	    r->presence == RUNNER_THERE);
	if (r->pid == 0)
		return;
	put_head(b, info, "The version of the runner.");
	put_label(b, info, "version", r->version);
	buf_puts(b, "1\n");
	put_one(b, "dma_runner_start_time_seconds",
	    "The time at which the runner was started, in seconds since "
	    "1970.",
	    (int64_t)r->since);
	put_one(b, "dma_runner_unreachable_destinations",
	    "Relays and domains of which no host could be reached.",
	    (int64_t)count_unreachable(r));
	if (r->knows_active)
		put_one(b, "dma_runner_messages",
		    "Messages that the runner is trying to deliver.",
		    (int64_t)r->active);
}

static void
put_queue(struct buf *b, const struct queue_summary *q)
{
	static const char messages[] = "dma_queue_messages";
	size_t i;

	put_head(b, messages, "Queued messages by state.");
	for (i = 0; i < QUEUE_CLASS__MAX; i++) {
		put_label(b, messages, "state",
		    queue_class_name((enum queue_class)i));
		buf_printf(b, "%zu\n", q->messages[i]);
	}
	put_one(b, "dma_queue_size_bytes", "The size of the queued messages.",
	    q->bytes);
	put_one(b, "dma_queue_unreadable_files",
	    "Files of the queue that cannot be read.", (int64_t)q->unreadable);
	put_one(b, "dma_queue_oldest_arrival_time_seconds",
	    "The time at which the oldest message was queued, in seconds "
	    "since 1970; 0 if the queue is empty.", q->oldest);
	put_one(b, "dma_queue_due_since_time_seconds",
	    "The time since which mail has been due, in seconds since 1970; "
	    "0 if none is due.", q->due_since);
}

static void
put_codes(struct buf *b, const struct tally *codes)
{
	static const char name[] = "dma_deferred_recipients";
	size_t i;

	put_head(b, name,
	    "Deferred recipients by enhanced status code (RFC 3463).");
	for (i = 0; i < codes->n; i++) {
		put_label(b, name, "code", codes->list[i].key);
		buf_printf(b, "%zu\n", codes->list[i].n);
	}
	put_label(b, name, "code", "other");
	buf_printf(b, "%zu\n", codes->others);
}

void
overview_put_metrics(struct buf *b, const struct overview *o)
{
	put_runner(b, &o->runner);
	put_queue(b, &o->queue);
	put_codes(b, &o->queue.codes);
	put_one(b, "dma_stuck", "1 if mail has been due for more than a minute "
	    "and no runner delivers it.", overview_is_stuck(o));
	put_one(b, "dma_dead_messages",
	    "Messages whose failure could not be reported.",
	    (int64_t)o->dead);
	put_one(b, "dma_corrupt_messages", "Messages with a damaged file.",
	    (int64_t)o->corrupt);
}
