/*
 * overview_text.c - dma status for people.
 * Runs as: the spool user.  Uses: standard output, by check_findings.c.
 * Promise: looks like dma check; what needs attention is no "ok".
 */
#include <string.h>

#include "submit/overview.h"
#include "submit/time_text.h"

#define SHOWN_MAX	10	/* destinations, and reasons */

static void
print_absent(const struct overview *o, struct findings *f)
{
	struct buf text;

	buf_init(&text, 0);
	if (overview_is_stuck(o)) {
		buf_puts(&text, "none, and mail has been due for ");
		time_text_put_span(&text, o->now - o->queue.due_since);
		buf_puts(&text, ": run \"sendmail -qd\", and see the log");
	} else {
		buf_puts(&text, "none is active");
	}
	findings_add(f, overview_is_stuck(o) ? FINDING_ERROR : FINDING_OK,
	    "runner", 0, "%s", buf_str(&text));
	buf_fini(&text);
}

static void
print_runner(const struct overview *o, struct findings *f)
{
	const struct runner_state *r = &o->runner;
	struct buf text;

	if (r->trouble[0] != '\0') {
		findings_add(f, FINDING_ERROR, "runner", 0, "%s",
		    r->trouble);
		return;
	}
	if (r->presence == RUNNER_ABSENT) {
		print_absent(o, f);
		return;
	}
	buf_init(&text, 0);
	buf_puts(&text, "active");
	if (r->pid != 0) {
		buf_printf(&text, ", process %llu, version %s, since ",
		    (unsigned long long)r->pid, r->version);
		time_text_put(&text, (time_t)r->since);
		buf_puts(&text, " (");
		time_text_put_span(&text, o->now - (int64_t)r->since);
		buf_printf(&text, " ago), started by %s%s",
		    strcmp(r->starter, "call") == 0 ? "a " : "", r->starter);
	}
	if (r->knows_active)
		buf_printf(&text, ", %llu message%s being tried",
		    (unsigned long long)r->active, r->active == 1 ? "" : "s");
	if (r->presence == RUNNER_MUTE)
		buf_puts(&text, ", but it does not reply");
	findings_add(f, r->presence == RUNNER_MUTE ? FINDING_WARNING :
	    FINDING_OK, "runner", 0, "%s", buf_str(&text));
	buf_fini(&text);
}

static void
print_queue(const struct overview *o, struct findings *f)
{
	const struct queue_summary *q = &o->queue;
	size_t i, n = queue_summary_messages(q);
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%zu message%s", n, n == 1 ? "" : "s");
	for (i = 0; i < QUEUE_CLASS__MAX; i++)
		if (q->messages[i] > 0)
			buf_printf(&text, ", %zu %s", q->messages[i],
			    queue_class_name((enum queue_class)i));
	if (n > 0) {
		buf_printf(&text, "; %lld KB; the oldest is ",
		    (long long)(q->bytes + 1023) / 1024);
		time_text_put_span(&text, (int64_t)o->now - q->oldest);
		buf_puts(&text, " old");
	}
	findings_add(f, FINDING_OK, q->sees_all ? "queue" : "your mail", 0,
	    "%s", buf_str(&text));
	buf_fini(&text);
	if (q->unreadable > 0 && q->sees_all)
		findings_add(f, FINDING_WARNING, "queue", 0,
		    "%zu file%s cannot be read: run \"sendmail -q\", and see "
		    "the log", q->unreadable, q->unreadable == 1 ? "" : "s");
}

static int
is_away(const struct runner_destination *d)
{
	return strcmp(d->state, RUNNER_UNREACHABLE) == 0;
}

/* 1 when the line of a destination that is away has that reply, too. */
static int
is_of_destination(const struct overview *o, const struct tally_entry *domain)
{
	const struct runner_destination *d;
	size_t i, n;

	for (i = 0; i < o->runner.ndestinations; i++) {
		d = &o->runner.destinations[i];
		n = strlen(d->reason);
		if (is_away(d) && n > 0 &&
		    strncmp(domain->text, d->reason, n) == 0)
			return 1;
	}
	return 0;
}

static void
print_domain(const struct overview *o, struct findings *f,
    const struct tally_entry *e)
{
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%zu recipient%s deferred; next attempt ", e->n,
	    e->n == 1 ? "" : "s");
	time_text_put_attempt(&text, e->next, o->now);
	buf_printf(&text, "; last reply: %s", e->text[0] != '\0' ? e->text :
	    "none");
	findings_add(f, FINDING_WARNING, e->key, 0, "%s", buf_str(&text));
	buf_fini(&text);
}

/* Those whose outage has no line yet; gives the recipients of the others. */
static size_t
print_domains(const struct overview *o, struct findings *f)
{
	const struct tally *t = &o->queue.domains;
	size_t i, n = 0, rest = t->others;

	for (i = 0; i < t->n; i++) {
		if (is_of_destination(o, &t->list[i]))
			continue;
		if (n++ < SHOWN_MAX)
			print_domain(o, f, &t->list[i]);
		else
			rest += t->list[i].n;
	}
	if (rest > 0)
		findings_add(f, FINDING_WARNING, "other domains", 0,
		    "%zu recipient%s deferred", rest, rest == 1 ? "" : "s");
	return rest;
}

/* 1 when it is the last reply of a domain. */
static int
is_of_domain(const struct overview *o, const struct tally_entry *reason)
{
	const struct tally *t = &o->queue.domains;
	char same[TALLY_TEXT_MAX + 1];
	size_t i;

	for (i = 0; i < t->n; i++) {
		tally_normalise(same, sizeof(same), t->list[i].text);
		if (strstr(same, reason->text) != NULL)
			return 1;
	}
	return 0;
}

/* A reason has a line of its own unless it is on one of the lines above. */
static void
print_deferred(const struct overview *o, struct findings *f)
{
	const struct tally *t = &o->queue.reasons;
	size_t i, n = 0, rest = print_domains(o, f);

	for (i = 0; i < t->n && n < SHOWN_MAX; i++) {
		if (rest == 0 && is_of_domain(o, &t->list[i]))
			continue;
		n++;
		findings_add(f, FINDING_WARNING, "deferred", 0,
		    "%zu recipient%s: %s", t->list[i].n,
		    t->list[i].n == 1 ? "" : "s", t->list[i].key);
	}
}

/* A probe that is due needs a message. */
static void
put_next_probe(struct buf *b, const struct runner_destination *d, time_t now)
{
	if ((time_t)d->next > now)
		time_text_put_next(b, (time_t)d->next, now);
	else
		buf_puts(b, d->messages > 0 ? "now" : "with the next message");
}

/* A destination of the runner, which is a relay or a domain. */
static void
print_destination(const struct overview *o, struct findings *f,
    const struct runner_destination *d)
{
	struct buf text, name;

	buf_init(&name, 0);
	if (d->name[0] == '\0')
		buf_printf(&name, "relay %s", o->relays);
	else
		buf_puts(&name, d->name);
	buf_init(&text, 0);
	buf_puts(&text, d->state);
	if (d->messages > 0)
		buf_printf(&text, ", %llu message%s %s",
		    (unsigned long long)d->messages,
		    d->messages == 1 ? "" : "s",
		    is_away(d) ? "waiting" : strcmp(d->state,
		    RUNNER_WAITING) == 0 ? "to be sent" : "being sent");
	if (is_away(d)) {
		buf_printf(&text, "; %llu failed attempt%s; next attempt ",
		    (unsigned long long)d->failures,
		    d->failures == 1 ? "" : "s");
		put_next_probe(&text, d, o->now);
	}
	if (d->reason[0] != '\0')
		buf_printf(&text, ": %s", d->reason);
	findings_add(f, is_away(d) || d->reason[0] != '\0' ? FINDING_WARNING :
	    FINDING_OK, buf_str(&name), 0, "%s", buf_str(&text));
	buf_fini(&text);
	buf_fini(&name);
}

static void
print_destinations(const struct overview *o, struct findings *f)
{
	size_t i;

	for (i = 0; i < o->runner.ndestinations; i++)
		print_destination(o, f, &o->runner.destinations[i]);
	if (o->runner.nothers > 0)
		findings_add(f, FINDING_OK, "other destinations", 0, "%zu",
		    o->runner.nothers);
}

static void
print_folder(const struct overview *o, struct findings *f, const char *name,
    size_t n, const char *what)
{
	struct buf path;

	if (n == 0)
		return;
	buf_init(&path, 0);
	buf_printf(&path, "%s/%s", o->spool, name);
	findings_add(f, FINDING_WARNING, buf_str(&path), 0,
	    "%zu message%s %s: run \"dma queue list %s\"", n,
	    n == 1 ? "" : "s", what, name);
	buf_fini(&path);
}

void
overview_print_text(const struct overview *o, struct findings *f)
{
	print_runner(o, f);
	print_queue(o, f);
	print_destinations(o, f);
	print_deferred(o, f);
	print_folder(o, f, "dead", o->dead,
	    "whose failure could not be reported");
	print_folder(o, f, "corrupt", o->corrupt, "with a damaged file");
}
