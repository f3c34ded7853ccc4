/*
 * queue_summary.c - the queue in a few numbers.
 * Runs as: the spool user.  Uses: the queue by queue_walk.c.
 * Promise: memory does not depend on the number of messages.
 */
#include <stdio.h>
#include <string.h>

#include "submit/queue_summary.h"

#define LOCAL_NAME	"(local)"	/* of all mailboxes and commands */
#define UNKNOWN_CODE	"unknown"

struct summary_reader {
	struct queue_summary *summary;
	time_t		 now;
};

const char *
queue_class_name(enum queue_class class)
{
	static const char *const names[] = {
		[QUEUE_CLASS_DUE] = "due",
		[QUEUE_CLASS_DEFERRED] = "deferred",
		[QUEUE_CLASS_HELD] = "held",
		[QUEUE_CLASS_REPORT] = "report",
	};

	return names[class];
}

size_t
queue_summary_messages(const struct queue_summary *s)
{
	size_t i, n = 0;

	for (i = 0; i < QUEUE_CLASS__MAX; i++)
		n += s->messages[i];
	return n;
}

static void
keep_earliest(time_t *earliest, time_t t)
{
	if (*earliest == 0 || t < *earliest)
		*earliest = t;
}

static void
count(struct tally *t, const char *key, const struct recipient *r,
    const char *text)
{
	struct tally_entry *e = tally_add(t, key);

	if (e == NULL)
		return;
	keep_earliest(&e->next, r->due);
	tally_copy(e->code, sizeof(e->code), r->last.code);
	tally_copy(e->text, sizeof(e->text), text);
}

static void
count_domain(struct queue_summary *s, const struct recipient *r)
{
	const char *at = strrchr(r->address, '@');
	char name[TALLY_KEY_MAX + 1];
	struct buf reply;

	/* A file may not say yet how its recipients are reached. */
	if ((r->kind != ROUTE_REMOTE && r->kind != ROUTE_UNKNOWN) ||
	    at == NULL)
		at = "@" LOCAL_NAME;
	tally_copy(name, sizeof(name), at + 1);
	text_lower(name, name, strlen(name));
	buf_init(&reply, 0);
	queue_put_reply(&reply, r, s->sees_all);
	count(&s->domains, name, r, buf_str(&reply));
	buf_fini(&reply);
}

static void
count_reason(struct queue_summary *s, const struct recipient *r)
{
	const char *code = r->last.code[0] == '\0' ? UNKNOWN_CODE :
	    r->last.code;
	char same[TALLY_KEY_MAX + 1], key[TALLY_KEY_MAX + TALLY_CODE_MAX + 2];

	tally_normalise(same, sizeof(same), r->last.reason == NULL ? "" :
	    r->last.reason);
	snprintf(key, sizeof(key), "%s %s", code, same);
	count(&s->reasons, key, r, same);
	count(&s->codes, code, r, "");
}

/* An open recipient: 1 when it is to be tried now. */
static int
add_open(struct queue_summary *s, const struct message *m,
    const struct recipient *r, time_t now)
{
	int is_due = r->due <= now;

	/* One on hold has no next attempt, whatever the last one said. */
	if (r->last.status == STATUS_DEFERRED && !m->is_held) {
		count_domain(s, r);
		count_reason(s, r);
	}
	if (is_due && !m->is_held)
		keep_earliest(&s->due_since, r->due == 0 ? m->arrived :
		    r->due);
	return is_due;
}

void
queue_summary_add(struct queue_summary *s, const struct message *m, time_t now)
{
	enum queue_class class = QUEUE_CLASS_REPORT;
	uint32_t i;

	for (i = 0; i < m->nrcpts; i++) {
		if (m->rcpts[i].state != RCPT_OPEN)
			continue;
		if (add_open(s, m, &m->rcpts[i], now))
			class = QUEUE_CLASS_DUE;
		else if (class == QUEUE_CLASS_REPORT)
			class = QUEUE_CLASS_DEFERRED;
	}
	if (class != QUEUE_CLASS_REPORT && m->is_held)
		class = QUEUE_CLASS_HELD;
	s->messages[class]++;
	s->bytes += m->text.length;
	keep_earliest(&s->oldest, m->arrived);
}

static int
read_one(struct queue_walk *w, const struct message *m)
{
	struct summary_reader *r = w->arg;

	queue_summary_add(r->summary, m, r->now);
	return 0;
}

int
queue_summary_read(struct queue_summary *s, const struct spool *sp,
    const struct caller *c, const char *group)
{
	struct summary_reader reader = { s, time(NULL) };
	struct queue_walk w = { .sp = sp, .caller = c, .group = group,
	    .each = read_one, .arg = &reader };
	int ret;

	memset(s, 0, sizeof(*s));
	s->sees_all = queue_sees_all(c, group);
	ret = queue_walk(&w);
	s->unreadable = w.unreadable;
	tally_sort(&s->domains);
	tally_sort(&s->reasons);
	tally_sort(&s->codes);
	return ret;
}
