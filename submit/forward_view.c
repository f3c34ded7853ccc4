/*
 * forward_view.c - what is in a ~/.forward, as its owner's mail finds it.
 * Runs as: the spool user.  Uses: the runner, which has it read as its owner.
 * Promise: the runner knows by the kernel who the caller is; what it does not
 * let that one see is not read here by another way.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "aliases_include.h"
#include "lib/io.h"
#include "priv/delivery_request.h"
#include "priv/request.h"
#include "submit/forward_view.h"

#define REPLY_MS	65000	/* for the child, which is ended after 60 s */

void
forward_view_init(struct forward_view *v, const struct spool *sp,
    const struct caller *caller)
{
	memset(v, 0, sizeof(*v));
	v->sp = sp;
	v->caller = caller;
	runner_link_clear(&v->link);
}

void
forward_view_fini(struct forward_view *v)
{
	runner_link_fini(&v->link);
}

int
forward_view_may(const struct forward_view *v, const struct user *u)
{
	return v->caller->uid == 0 || v->caller->uid == u->uid;
}

/* ---- to the runner ---- */

struct question {
	const char	*name;
	int		 channel;	/* the end of the child that replies */
};

static void
put_question(void *arg, struct ipc *m)
{
	const struct question *q = arg;

	ipc_begin(m, IPC_FORWARD_SHOW, 0);
	ipc_put_str(m, q->name);
	ipc_put_fd(m, q->channel);
}

static void
no_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* NULL when a child was asked, or the reason. */
static const char *
ask(struct forward_view *v, struct question *q)
{
	const struct runner_request r = { put_question, no_line, q };

	if (!v->has_link && runner_link_init(&v->link, v->sp,
	    v->caller) == -1)
		return strerror(errno);
	v->has_link = 1;
	switch (runner_link_call(&v->link, &r)) {
	case RUNNER_DONE:
		return NULL;
	case RUNNER_LOST:
		return "the runner ended: see the log";
	default:
		return v->link.reason;
	}
}

/* ---- from the child ---- */

static void
set(struct forward_seen *seen, enum forward_verdict verdict,
    const char *reason)
{
	seen->verdict = verdict;
	snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

/* The runner says the same of a line, in the log. */
static void
take_error(void *arg, const char *file, unsigned line, const char *text)
{
	struct forward_seen *seen = arg;

	if (seen->reason[0] == '\0')
		snprintf(seen->reason, sizeof(seen->reason), "%s:%u: %s", file,
		    line, text);
}

/* lists: the fields after the text. */
static void
take_targets(struct forward_seen *seen, const char *text, size_t len,
    struct ipc *lists)
{
	const struct include_source source = { forward_list_get, lists };
	const struct report report = { take_error, seen };
	struct targets all;
	struct result res;

	memset(&all, 0, sizeof(all));
	result_init(&res);
	if (forward_parse(&all, text, len, ".forward", &report) != 0)
		seen->verdict = FORWARD_REFUSED;
	else if (include_flatten(&all, &seen->targets, &source, &report_quiet,
	    &res) == -1)
		set(seen, FORWARD_LATER, res.detail != NULL ? res.detail :
		    res.reason);
	targets_fini(&all);
	result_fini(&res);
}

static void
take_reply(struct forward_seen *seen, struct ipc *m)
{
	uint32_t verdict = ipc_get_u32(m);
	const char *text;
	struct buf clean;
	size_t len;

	text = ipc_get_bytes(m, &len);
	seen->verdict = (enum forward_verdict)verdict;
	if (m->kind != IPC_FORWARD_REPLY || text == NULL ||
	    verdict > FORWARD_LATER) {
		set(seen, FORWARD_LATER, "invalid reply");
	} else if (seen->verdict == FORWARD_TEXT) {
		take_targets(seen, text, len, m);
	} else {
		buf_init(&clean, 0);
		buf_put_clean(&clean, text, len, sizeof(seen->reason) - 1);
		set(seen, seen->verdict, buf_str(&clean));
		buf_fini(&clean);
	}
}

static void
await_reply(struct forward_seen *seen, int channel)
{
	struct ipc m;

	ipc_init(&m);
	if (io_wait(channel, POLLIN, io_clock_ms() + REPLY_MS) == 1 &&
	    ipc_recv(channel, &m, IPC_CHANNEL_LIMIT) == 1)
		take_reply(seen, &m);
	else
		set(seen, FORWARD_LATER, "no reply from the process that reads "
		    "it");
	ipc_fini(&m);
}

int
forward_view(struct forward_view *v, const char *name,
    struct forward_seen *seen)
{
	struct question q = { name, -1 };
	const char *reason;
	int pair[2];

	memset(seen, 0, sizeof(*seen));
	if (request_channel(pair) == -1) {
		set(seen, FORWARD_LATER, strerror(errno));
		return -1;
	}
	q.channel = pair[1];
	reason = ask(v, &q);
	/* The child's end is the last one. */
	io_close(&pair[1]);
	if (reason == NULL)
		await_reply(seen, pair[0]);
	else
		set(seen, FORWARD_LATER, reason);
	io_close(&pair[0]);
	return reason == NULL ? 0 : -1;
}
