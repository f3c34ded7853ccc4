/*
 * mailq.c - the queue, as people and monitors read it.
 * Runs as: the spool user.  Uses: standard output.
 * Promise: nobody sees what is not theirs; no control character gets out;
 * memory does not grow with the number of messages.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/json.h"
#include "submit/mailq.h"
#include "submit/queue_walk.h"
#include "submit/time_text.h"

#define OUT_CHUNK	32768	/* bytes that are written at a time */

struct queue_listing {
	struct queue_walk walk;
	struct json	 json;
	struct buf	*out;		/* of json: all that is printed */
	struct buf	 reply;		/* of a recipient */
	time_t		 now;
	int64_t		 bytes;		/* of the messages shown */
	size_t		 shown;
	int		 is_broken;	/* the output: dma.c says why */
};

/* To standard output, in large pieces. */
static int
flush_chunk(struct queue_listing *l, size_t from)
{
	if (l->out->len < from || l->out->len == 0)
		return 0;
	l->is_broken = buf_failed(l->out) || fwrite(l->out->data, 1,
	    l->out->len, stdout) != l->out->len;
	buf_reset(l->out);
	return l->is_broken ? -1 : 0;
}

/* ---- for people ---- */

static void
put_recipient(struct queue_listing *l, const struct message *m, uint32_t i)
{
	enum queue_state state = queue_state(m, i);

	if (state == QUEUE_STATE_DONE)
		return;
	queue_put_line(l->out, "To\t: ", message_address(m, i));
	queue_put_line(l->out, "State\t: ", queue_state_name(state));
	queue_put_attempts(l->out, &m->rcpts[i], l->walk.sees_all);
	queue_put_next(l->out, m, i, l->now);
}

static int
put_message(struct queue_listing *l, const struct message *m)
{
	uint32_t i;

	if (l->shown > 0)
		buf_puts(l->out, "--\n");
	queue_put_line(l->out, "ID\t: ", m->id);
	queue_put_line(l->out, "From\t: ", m->sender[0] == '\0' ? "<>" :
	    m->sender);
	queue_put_number(l->out, "Size\t: ", m->text.length);
	buf_puts(l->out, "Date\t: ");
	time_text_put(l->out, m->arrived);
	buf_puts(l->out, "\nAge\t: ");
	time_text_put_span(l->out, (int64_t)l->now - m->arrived);
	buf_putc(l->out, '\n');
	for (i = 0; i < m->nrcpts; i++) {
		put_recipient(l, m, i);
		if (flush_chunk(l, OUT_CHUNK) == -1)
			return -1;
	}
	return 0;
}

/* Monitors look for these lines: sendmail's, and Postfix's, which is last. */
static void
put_end(struct queue_listing *l)
{
	if (l->shown == 0)
		buf_puts(l->out, "Mail queue is empty\n");
	else
		buf_printf(l->out, "\t\tTotal requests: %zu\n-- %" PRId64
		    " Kbytes in %zu Request%s.\n", l->shown,
		    (l->bytes + 1023) / 1024, l->shown,
		    l->shown == 1 ? "" : "s");
}

/* ---- for programs ---- */

static void
put_json_recipient(struct queue_listing *l, const struct message *m, uint32_t i)
{
	const struct recipient *r = &m->rcpts[i];
	enum queue_state state = queue_state(m, i);
	struct json *j = &l->json;

	if (state == QUEUE_STATE_DONE)
		return;
	buf_reset(&l->reply);
	queue_put_reply(&l->reply, r, l->walk.sees_all);
	json_open(j, NULL, '{');
	json_text(j, "address", message_address(m, i));
	json_text(j, "sender", r->sender);
	json_text(j, "state", queue_state_name(state));
	json_number(j, "attempts", r->attempts);
	json_text(j, "code", r->last.code[0] != '\0' ? r->last.code : NULL);
	json_text(j, "reply", l->reply.len > 0 ? buf_str(&l->reply) :
	    NULL);
	if (state == QUEUE_STATE_DEFERRED && r->due > l->now)
		json_number(j, "next", r->due);
	else
		json_null(j, "next");
	json_close(j, '}');
}

static int
put_json_message(struct queue_listing *l, const struct message *m)
{
	struct json *j = &l->json;
	uint32_t i;

	json_open(j, NULL, '{');
	json_text(j, "id", m->id);
	json_text(j, "sender", m->sender);
	json_number(j, "submitter", m->submitter);
	json_number(j, "size", m->text.length);
	json_number(j, "arrived", m->arrived);
	json_number(j, "age", (int64_t)l->now - m->arrived);
	json_bool(j, "held", m->is_held);
	json_open(j, "recipients", '[');
	for (i = 0; i < m->nrcpts; i++) {
		put_json_recipient(l, m, i);
		if (flush_chunk(l, OUT_CHUNK) == -1)
			return -1;
	}
	json_close(j, ']');
	json_close(j, '}');
	json_line(j);
	return 0;
}

/* ---- the listing ---- */

static int
show_text(struct queue_walk *w, const struct message *m)
{
	struct queue_listing *l = w->arg;

	if (put_message(l, m) == -1)
		return -1;
	l->shown++;
	l->bytes += m->text.length;
	return flush_chunk(l, OUT_CHUNK);
}

static int
show_json(struct queue_walk *w, const struct message *m)
{
	return put_json_message(w->arg, m) == -1 ? -1 :
	    flush_chunk(w->arg, OUT_CHUNK);
}

int
mailq_print(const struct caller *c, const char *group, const struct spool *sp,
    int is_json)
{
	struct queue_listing l = { .walk = { .sp = sp, .caller = c,
	    .group = group, .each = is_json ? show_json : show_text,
	    .arg = &l }, .out = &l.json.out, .now = time(NULL) };
	static char pieces[OUT_CHUNK];
	int ret;

	(void)setvbuf(stdout, pieces, _IOFBF, sizeof(pieces));
	json_init(&l.json);
	ret = queue_walk(&l.walk);
	if (ret == -1)
		log_stderr("queue: %s", strerror(errno));
	else if (!is_json && !l.is_broken)
		put_end(&l);
	flush_chunk(&l, 0);
	json_fini(&l.json);
	buf_fini(&l.reply);
	/* Whose it is cannot be read, either. */
	if (l.walk.unreadable > 0 && l.walk.sees_all)
		log_stderr("queue: %zu file%s cannot be read: run \"sendmail "
		    "-q\", and see the log", l.walk.unreadable,
		    l.walk.unreadable == 1 ? "" : "s");
	if (ret == -1)
		return EX_OSERR;
	return l.is_broken ? EX_IOERR : 0;
}
