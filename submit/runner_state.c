/*
 * runner_state.c - what a runner tells of itself.
 * Runs as: the spool user.  Uses: the runner by runner_link.c.
 * Promise: no runner is started for it, and none is waited for for long.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/text.h"
#include "priv/records.h"
#include "submit/runner_link.h"
#include "submit/runner_state.h"

#define FIELDS_MAX	7	/* of a line */
#define LINE_MAX_BYTES	2048
#define REPLY_BYTES	(1024 * 1024)

static void
take_field(char *dst, size_t size, const char *text)
{
	snprintf(dst, size, "%s", text);
}

static void
take_runner(struct runner_state *s, char **v)
{
	uint64_t pid, since;

	if (text_number(v[1], INT64_MAX, &pid) == -1 ||
	    text_number(v[3], INT64_MAX, &since) == -1)
		return;
	s->pid = pid;
	s->since = since;
	take_field(s->version, sizeof(s->version), v[2]);
	take_field(s->starter, sizeof(s->starter), v[4]);
}

static void
take_active(struct runner_state *s, char **v)
{
	s->knows_active = text_number(v[1], INT64_MAX, &s->active) == 0;
}

static void
add_destination(struct runner_state *s, const struct runner_destination *d)
{
	if (s->ndestinations < RUNNER_DESTINATIONS_MAX)
		s->destinations[s->ndestinations++] = *d;
	else
		s->nothers++;
}

static void
take_destination(struct runner_state *s, char **v)
{
	struct runner_destination d = { .failures = 0 };

	if (text_number(v[4], INT64_MAX, &d.messages) == -1)
		return;
	take_field(d.kind, sizeof(d.kind), v[1]);
	take_field(d.name, sizeof(d.name), v[2]);
	take_field(d.state, sizeof(d.state), v[3]);
	take_field(d.reason, sizeof(d.reason), v[5]);
	add_destination(s, &d);
}

static void
take_backoff(struct runner_state *s, char **v)
{
	struct runner_destination d = { .state = RUNNER_UNREACHABLE };

	if (text_number(v[3], INT64_MAX, &d.failures) == -1 ||
	    text_number(v[4], INT64_MAX, &d.next) == -1 ||
	    text_number(v[5], INT64_MAX, &d.messages) == -1)
		return;
	take_field(d.kind, sizeof(d.kind), v[1]);
	take_field(d.name, sizeof(d.name), v[2]);
	take_field(d.reason, sizeof(d.reason), v[6]);
	add_destination(s, &d);
}

static void
take_omitted(struct runner_state *s, char **v)
{
	uint64_t n;

	if (text_number(v[1], INT32_MAX, &n) == 0)
		s->nothers += n;
}

static const struct {
	const char	*name;
	int		 nfields;
	void		(*take)(struct runner_state *, char **fields);
} takers[] = {
	{ "runner", 5, take_runner }, { "active", 2, take_active },
	{ "destination", 6, take_destination }, { "backoff", 7, take_backoff },
	{ "omitted", 2, take_omitted },
};

void
runner_state_take(struct runner_state *s, const char *line)
{
	char text[LINE_MAX_BYTES], *rest = text, *v[FIELDS_MAX];
	size_t i;
	int n = 0;

	if (text_copy(text, sizeof(text), line) == -1)
		return;
	while (rest != NULL && n < FIELDS_MAX)
		v[n++] = strsep(&rest, "\t");
	for (i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (rest == NULL && n == takers[i].nfields &&
		    strcmp(v[0], takers[i].name) == 0)
			takers[i].take(s, v);
}

static void
put(void *arg, struct ipc *m)
{
	(void)arg;
	ipc_begin(m, IPC_QUEUE_REQUEST, 0);
	ipc_put_u32(m, QUEUE_STATUS);
	ipc_put_u32(m, 0);
	ipc_put_bytes(m, "", 0);
}

static void
take_line(void *arg, const char *line)
{
	runner_state_take(arg, line);
}

/* A runner of a version that knows no such request is there all the same. */
static void
read_reply(struct runner_state *s, struct runner_link *l,
    const struct runner_request *r)
{
	int fd = runner_link_ask(l, r);

	if (fd == -1)
		return;
	s->presence = RUNNER_MUTE;
	if (io_wait(fd, POLLIN | POLLHUP, io_clock_ms() +
	    RUNNER_WAIT_MS) == 1 && runner_link_await(l, fd, r) == RUNNER_DONE)
		s->presence = RUNNER_THERE;
	close(fd);
}

void
runner_state_ask(struct runner_state *s, const struct spool *sp,
    const struct caller *c)
{
	const struct runner_request r = { put, take_line, s };
	struct runner_link l;

	memset(s, 0, sizeof(*s));
	if (runner_link_init(&l, sp, c) == 0) {
		l.starts_none = 1;
		l.reply_bytes = REPLY_BYTES;
		read_reply(s, &l, &r);
	}
	runner_link_fini(&l);
	if (s->presence == RUNNER_ABSENT && spool_is_woken(sp))
		s->presence = RUNNER_MUTE;
	if (s->presence != RUNNER_THERE)
		(void)spool_lock_reason(sp, s->trouble, sizeof(s->trouble));
}
