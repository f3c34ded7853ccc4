/*
 * submit.c - argv and standard input -> a committed queue file.
 * Runs as: the spool user.  Uses: standard input; the queue by submission.c.
 * Promise: status 0 exactly when the message is on stable storage; with any
 * other status nothing of it is queued.  Memory does not grow with its size.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/local_names.h"
#include "lib/addr.h"
#include "lib/io.h"
#include "submit/submission.h"
#include "submit/submit.h"

#define PAGE		4096	/* bytes, on most machines */
#define SHOWN_MAX	256	/* bytes of an argument in a diagnostic */

/* What is wrong with single addresses explains a failure: first. */
static void
show_notes(struct submission *s)
{
	if (s->notes.len > 0)
		fputs(buf_str(&s->notes), stderr);
	buf_reset(&s->notes);
}

/* ---- recipients ---- */

struct argument {
	struct submission *s;
	const char	*text;
};

/* Adds the address, or the user's name, that an argument has there. */
static void
put_argument(const struct argument *a, const struct addr_found *found,
    struct buf *one)
{
	struct buf name;

	if (!found->is_bad) {
		(void)addr_canonical(a->text + found->start,
		    found->end - found->start, one);
		return;
	}
	buf_init(&name, 0);
	buf_add(&name, a->text + found->name, found->name_end - found->name);
	if (!buf_failed(&name) && submission_is_user(a->s, buf_str(&name)))
		addr_put_local(one, buf_str(&name));
	buf_fini(&name);
}

static int
from_argument(void *arg, const struct addr_found *found)
{
	const struct argument *a = arg;
	struct recipient *r;
	struct buf one;
	int ret;

	buf_init(&one, ADDRESS_MAX);
	put_argument(a, found, &one);
	if (buf_failed(&one) || !addr_is_address(buf_str(&one)))
		ret = submission_note_bad(a->s, "recipient",
		    a->text + found->start, found->end - found->start);
	else
		ret = submission_add(a->s, buf_str(&one), &r);
	buf_fini(&one);
	return ret;
}

static int
fail_argument(struct submission *s, const char *text)
{
	struct buf clean;

	buf_init(&clean, 0);
	buf_put_clean(&clean, text, strlen(text), SHOWN_MAX);
	(void)submission_fail(s, EX_DATAERR, buf_str(&clean),
	    "a recipient must not contain control characters");
	buf_fini(&clean);
	return -1;
}

static int
take_arguments(struct submission *s)
{
	struct argument a;
	size_t len;
	int i;

	for (i = 0; i < s->o->nrcpts; i++) {
		a.s = s;
		a.text = s->o->rcpts[i];
		len = strlen(a.text);
		if (!text_is_clean(a.text, len))
			return fail_argument(s, a.text);
		if (addr_walk(a.text, len, from_argument, &a) != 0)
			return -1;
	}
	return 0;
}

static int
check_recipients(struct submission *s)
{
	if (s->m.nrcpts == 0 && s->bad.nrcpts > 0)
		return submission_fail(s, EX_DATAERR, "no valid recipients",
		    s->bad.rcpts[0].address);
	if (s->m.nrcpts == 0)
		return submission_fail(s, EX_USAGE, "no recipients",
		    s->o->take_recipients ? "there are none in To, Cc and Bcc "
		    "or on the command line" : "give them as arguments, or use "
		    "-t");
	if (s->m.nrcpts == 1 && submission_is_unknown(s,
	    s->m.rcpts[0].address))
		return submission_fail(s, EX_NOUSER, s->m.rcpts[0].address,
		    "no such user here");
	if (s->conf->limits.is_noremote && !names_any_local(&s->conf->names,
	    &s->m))
		return submission_fail(s, EX_UNAVAILABLE,
		    s->m.rcpts[0].address,
		    "this host sends no mail to other hosts (NOREMOTE)");
	return 0;
}

/* ---- the message ---- */

static int
take_text(struct submission *s)
{
	/* Most messages fit into few pages, if the first one is whole.  Not by
	 * _Alignas, which takes a page from all variables together. */
	static char room[DRAFT_BLOCK + PAGE];
	char *chunk = room + PAGE - (uintptr_t)room % PAGE;
	ssize_t n;

	do {
		caller_ask_input(s->caller);
		n = io_read(STDIN_FILENO, chunk, draft_room(&s->draft));
		if (n == -1 && errno == EAGAIN && io_wait(STDIN_FILENO, POLLIN,
		    INT64_MAX) == 1)
			continue;
		if (n == -1)
			return submission_fail(s, EX_NOINPUT,
			    "cannot read the message from standard input",
			    strerror(errno));
		if (n == 0)
			return submission_text_end(s);
		if (submission_text(s, chunk, (size_t)n) == -1)
			return -1;
	} while (!s->text.input.is_over);
	return 0;
}

static int
run(struct submission *s)
{
	if (!s->caller->has_stdin)
		return submission_fail(s, EX_NOINPUT,
		    "standard input is closed",
		    "the message must be given on standard input");
	if (submission_sender(s) == -1 || take_arguments(s) == -1)
		return -1;
	if (!s->o->take_recipients && check_recipients(s) == -1)
		return -1;
	if (submission_begin(s) == -1 || take_text(s) == -1)
		return -1;
	if (s->o->take_recipients && check_recipients(s) == -1)
		return -1;
	/* Now, since a full pipe must not come between commit and status. */
	show_notes(s);
	return submission_commit(s);
}

int
submit_message(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp, const struct log *log,
    struct submitted *done)
{
	struct submission s;
	int status;

	submission_init(&s, caller, o, conf, sp, log);
	s.flush = &done->flush;
	flush_clear(s.flush);
	if (run(&s) == -1) {
		show_notes(&s);
		log_stderr("%s", buf_str(&s.reason));
		submission_log_refusal(&s);
		flush_fini(s.flush);
	} else {
		text_copy(done->id, sizeof(done->id), s.draft.id);
		done->awaits_flush = submission_awaits_flush(&s);
	}
	status = s.status;
	submission_fini(&s);
	return status;
}
