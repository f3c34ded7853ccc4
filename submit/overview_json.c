/*
 * overview_json.c - dma status for programs.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: the members that dma(8) names, whatever there is.
 */
#include "submit/overview.h"

static void
put_time(struct json *j, const char *key, time_t t)
{
	if (t == 0)
		json_null(j, key);
	else
		json_number(j, key, t);
}

static void
put_destinations(struct json *j, const struct runner_state *r)
{
	const struct runner_destination *d;
	size_t i;

	json_open(j, "destinations", '[');
	for (i = 0; i < r->ndestinations; i++) {
		d = &r->destinations[i];
		json_open(j, NULL, '{');
		json_text(j, "kind", d->kind);
		json_text(j, "name", d->name);
		json_text(j, "state", d->state);
		json_number(j, "messages", (int64_t)d->messages);
		json_number(j, "failures", (int64_t)d->failures);
		put_time(j, "next", (time_t)d->next);
		json_text(j, "reason", d->reason[0] == '\0' ? NULL :
		    d->reason);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void
put_runner(struct json *j, const struct runner_state *r)
{
	static const char *const names[] = {
		[RUNNER_ABSENT] = "absent", [RUNNER_MUTE] = "mute",
		[RUNNER_THERE] = "active",
	};
	int is_known = r->pid != 0;

	json_open(j, "runner", '{');
	json_text(j, "state", names[r->presence]);
	json_text(j, "trouble", r->trouble[0] == '\0' ? NULL : r->trouble);
	put_time(j, "pid", (time_t)r->pid);
	json_text(j, "version", is_known ? r->version : NULL);
	put_time(j, "since", (time_t)r->since);
	json_text(j, "started_by", is_known ? r->starter : NULL);
	if (r->knows_active)
		json_number(j, "active", (int64_t)r->active);
	else
		json_null(j, "active");
	put_destinations(j, r);
	json_number(j, "other_destinations", (int64_t)r->nothers);
	json_close(j, '}');
}

static void
put_queue(struct json *j, const struct queue_summary *q)
{
	size_t i;

	json_open(j, "queue", '{');
	json_bool(j, "all", q->sees_all);
	json_number(j, "messages", (int64_t)queue_summary_messages(q));
	for (i = 0; i < QUEUE_CLASS__MAX; i++)
		json_number(j, queue_class_name((enum queue_class)i),
		    (int64_t)q->messages[i]);
	json_number(j, "bytes", q->bytes);
	json_number(j, "unreadable", (int64_t)q->unreadable);
	put_time(j, "oldest", q->oldest);
	put_time(j, "due_since", q->due_since);
	json_close(j, '}');
}

static void
put_tally(struct json *j, const char *key, const struct tally *t,
    int has_domains)
{
	const struct tally_entry *e;
	size_t i;

	json_open(j, key, '[');
	for (i = 0; i < t->n; i++) {
		e = &t->list[i];
		json_open(j, NULL, '{');
		if (has_domains)
			json_text(j, "domain", e->key);
		json_text(j, "code", e->code[0] == '\0' ? NULL : e->code);
		json_text(j, "reply", e->text);
		json_number(j, "recipients", (int64_t)e->n);
		json_number(j, "next", e->next);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void
overview_put_json(struct json *j, const struct overview *o)
{
	json_open(j, NULL, '{');
	json_bool(j, "stuck", overview_is_stuck(o));
	put_runner(j, &o->runner);
	put_queue(j, &o->queue);
	put_tally(j, "domains", &o->queue.domains, 1);
	json_number(j, "other_recipients", (int64_t)o->queue.domains.others);
	put_tally(j, "reasons", &o->queue.reasons, 0);
	json_number(j, "dead", (int64_t)o->dead);
	json_number(j, "corrupt", (int64_t)o->corrupt);
	json_close(j, '}');
	json_line(j);
}
