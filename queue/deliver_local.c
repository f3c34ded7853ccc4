/*
 * deliver_local.c - local deliveries, of one user's messages several at a time.
 * Runs as: the spool user.  Uses: the delivery helper and its children.
 * Promise: where a message is about to appear is in its journal first; what
 * a child sends is believed for what it was given, and no other; a child that
 * ends without a result has delivered nothing but what its checkpoint shows.
 *
 * One child serves one user.  For an mbox it is given further messages as long
 * as there are some (IPC_DELIVER_NEXT), and stays a moment for the next ones;
 * for everything else it has one.
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/local_names.h"
#include "lib/array.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "queue/deliver_local.h"
#include "queue/limits.h"
#include "spool/journal.h"

#define LOST_MAX	8	/* children that end on one message */
#define OUTPUT_MAX	4096	/* bytes of a command's output: the last */
#define OUTPUT_SHOWN	(REASON_MAX - 64)	/* bytes of it in a reason */
#define COMMAND_SHOWN	256	/* bytes of a command in a detail */
#define DRAIN_MAX	64	/* reads of what a command left in its pipe */
#define RECORDS_MAX	512	/* of one channel in a turn */
#define GIVEN_MAX	32	/* messages of a child without a checkpoint */
#define REQUESTS_MAX	256	/* messages of a child */
#define LIFE_MS		20000	/* of a child that takes messages */

/* ---- children ---- */

static void
start(struct local_child *c, const char *name, uint32_t id, int is_single)
{
	c->state = is_single ? CHILD_ASKED : CHILD_OPEN;
	c->id = id;
	text_copy(c->name, sizeof(c->name), name);
	buf_init(&c->text, 0);
	result_init(&c->res);
	c->born_ms = io_clock_ms();
}

static void
end(struct local_child *c)
{
	io_close(&c->channel);
	io_close(&c->output);
	buf_fini(&c->text);
	result_fini(&c->res);
	free(c->requests);
	memset(c, 0, sizeof(*c));
	c->channel = c->output = -1;
}

/* Nothing more is read from it. */
static void
cut(struct local_child *c)
{
	io_close(&c->channel);
	c->state = child_event(c->state, CHILD_BROKEN);
}

void
local_init(struct local_helper *h, struct active *active, int fd)
{
	int i;

	memset(h, 0, sizeof(*h));
	h->active = active;
	h->socket.fd = fd;
	for (i = 0; i < CHILDREN_MAX; i++)
		h->children[i].channel = h->children[i].output = -1;
}

/* Free ones have no name. */
static struct local_child *
find_child(struct local_helper *h, const char *name)
{
	int i;

	for (i = 0; i < CHILDREN_MAX; i++)
		if (text_casecmp(h->children[i].name, name) == 0)
			return &h->children[i];
	return NULL;
}

/* A free one.  Where there is none, an idle one is let go: NULL. */
static struct local_child *
free_child(struct local_helper *h)
{
	struct local_child *c, *idle = NULL;
	int i, is_leaving = 0;

	for (i = 0; i < CHILDREN_MAX; i++) {
		c = &h->children[i];
		if (c->state == CHILD_FREE)
			return c;
		if (c->n == 0 && c->channel == -1)
			is_leaving = 1;
		else if (c->n == 0)
			idle = c;
	}
	if (idle != NULL && !is_leaving)
		cut(idle);
	return NULL;
}

/* ---- requests ---- */

static struct local_request *
add_request(struct local_child *c, uint32_t id, struct active_message *a,
    uint32_t i)
{
	struct local_request *r;

	if (array_grow(&c->requests, &c->cap, c->n, sizeof(*r)) == -1)
		return NULL;
	r = &c->requests[c->n++];
	r->id = id;
	r->state = LOCAL_GIVEN;
	r->rcpt.a = a;
	r->rcpt.i = i;
	return r;
}

static void
drop_request(struct local_child *c, struct local_request *r)
{
	size_t k = (size_t)(r - c->requests);

	c->n--;
	memmove(r, r + 1, (c->n - k) * sizeof(*r));
}

static struct local_request *
find_request(struct local_child *c, uint32_t id)
{
	size_t k;

	for (k = 0; k < c->n; k++)
		if (c->requests[k].id == id)
			return &c->requests[k];
	return NULL;
}

static size_t
count_given(const struct local_child *c)
{
	size_t k, n = 0;

	for (k = 0; k < c->n; k++)
		n += c->requests[k].state == LOCAL_GIVEN;
	return n;
}

static struct recipient *
recipient_of(const struct local_request *r)
{
	return &r->rcpt.a->m.rcpts[r->rcpt.i];
}

static enum route_kind
kind_of(const struct recipient *r)
{
	return r->kind == ROUTE_UNKNOWN ? ROUTE_MAILBOX : r->kind;
}

static int
is_for_mbox(const struct local_helper *h, const struct recipient *r)
{
	return kind_of(r) == ROUTE_MAILBOX &&
	    h->active->q->conf.local.mailbox == MAILBOX_MBOX;
}

/* ---- to the children ---- */

static int
copy_qualified(const struct conf_names *names, char *dst, size_t size,
    const char *address)
{
	struct buf b;
	int ret;

	buf_init(&b, ADDRESS_MAX);
	names_put_qualified(&b, names, address);
	ret = text_copy(dst, size, buf_failed(&b) ? address : buf_str(&b));
	buf_fini(&b);
	return ret;
}

/* What is asked for; -1 when a text is too long. */
static int
describe(const struct conf_names *names, const struct local_child *c,
    const struct local_request *r, int file, struct delivery *d)
{
	const struct message *m = &r->rcpt.a->m;
	const struct recipient *rcpt = recipient_of(r);

	memset(d, 0, sizeof(*d));
	d->id = r->id;
	d->kind = kind_of(rcpt);
	d->origin = rcpt->origin;
	d->entry = rcpt->entry;
	d->rcpt = r->rcpt.i;
	d->arrived = m->arrived;
	d->offset = m->text.offset;
	d->length = m->text.length;
	d->flags = m->text.flags;
	d->checkpoint = rcpt->checkpoint;
	d->message = file;
	return text_copy(d->name, sizeof(d->name), c->name) == -1 ||
	    text_copy(d->queue_id, sizeof(d->queue_id), m->id) == -1 ||
	    text_copy(d->sender, sizeof(d->sender),
	    message_sender(m, r->rcpt.i)) == -1 ||
	    copy_qualified(names, d->recipient, sizeof(d->recipient),
	    message_address(m, r->rcpt.i)) == -1 ||
	    copy_qualified(names, d->original, sizeof(d->original),
	    message_first(m, r->rcpt.i)->address) == -1 ? -1 : 0;
}

static int
send_next(struct local_child *c, struct ipc *m)
{
	int ret = ipc_send(c->channel, m) == -1;

	/* A child that is just leaving: what it sent last is still to be
	 * read, and its exit is on the way to us. */
	if (ret == 1 && !helper_is_passing(errno))
		c->state = child_event(c->state, CHILD_REFUSES);
	return ret;
}

/* 0, 1 when the child does not take it now, -1 when it cannot be sent. */
static int
send_request(struct local_helper *h, struct local_child *c,
    const struct local_request *r)
{
	const struct queue *q = h->active->q;
	struct delivery d;
	struct ipc m;
	int file, ret = -1;

	ipc_init(&m);
	file = spool_open_text(&q->spool, r->rcpt.a->m.id);
	if (file != -1 && describe(&q->conf.names, c, r, file, &d) == 0) {
		(c->channel == -1 ? delivery_request_put :
		    delivery_next_put)(&m, &d);
		ret = c->channel == -1 ? helper_ask(&h->socket, &m,
		    &c->channel, &q->log) : send_next(c, &m);
	}
	ipc_fini(&m);
	io_close(&file);
	return ret;
}

/* 0, 1 when it has to wait, -1 when it cannot be given. */
static int
give(struct local_helper *h, struct local_child *c, struct active_message *a,
    uint32_t i)
{
	struct local_request *r;
	int ret = -1;

	r = add_request(c, c->channel == -1 ? c->id : ++h->last_id, a, i);
	if (r != NULL)
		ret = send_request(h, c, r);
	if (ret != 0 && r != NULL)
		drop_request(c, r);
	c->moved_ms = io_clock_ms();
	if (ret == 0)
		a->attempts[i].stage = STAGE_BUSY;
	return ret;
}

static void
give_or_defer(struct local_helper *h, struct local_child *c,
    struct active_message *a, uint32_t i)
{
	int ret = give(h, c, a, i);

	if (ret == -1 && h->socket.fd == -1)
		decide_without_helper(a, i);
	else if (ret == -1)
		decide_later(a, i, "the local delivery helper cannot be "
		    "reached");
}

static int
takes_more(const struct local_helper *h, const struct local_child *c,
    const struct recipient *r)
{
	/* Bob and bob may be two users, and a further message names nobody. */
	return child_takes(c->state) && c->channel != -1 &&
	    !c->is_cancelled &&
	    strcmp(c->name, r->owner) == 0 && is_for_mbox(h, r) &&
	    c->n < REQUESTS_MAX && count_given(c) < GIVEN_MAX &&
	    io_clock_ms() - c->born_ms < LIFE_MS;
}

/* One more child may be for this message. */
static int
may_start(const struct local_helper *h, const struct active_message *a)
{
	struct held held = { .by = a->entry->submitter };
	const struct local_child *c;
	int i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		c = &h->children[i];
		if (c->n == 0) {
			held.nfree++;
			continue;
		}
		turns_count(&held, c->submitter);
		held.own += c->first == a;
	}
	return turns_may_take(&held);
}

/* It waits for a child that is busy. */
static void
wait_for(struct local_helper *h, const struct local_child *c,
    struct active_message *a, uint32_t i)
{
	struct part part = active_part(h->active, a);

	if (limits_must_yield(&part, io_clock_ms() - c->moved_ms))
		decide_postponed(a, i);
}

void
local_give(struct local_helper *h, struct active_message *a, uint32_t i)
{
	const struct recipient *r = &a->m.rcpts[i];
	struct local_child *c = find_child(h, r->owner);

	if (c != NULL && takes_more(h, c, r)) {
		give_or_defer(h, c, a, i);
		return;
	}
	if (c != NULL) {
		wait_for(h, c, a, i);
		return;
	}
	if (strlen(r->owner) > ADDRESS_MAX) {
		decide_later(a, i, "the user name is too long");
		return;
	}
	c = may_start(h, a) ? free_child(h) : NULL;
	if (c == NULL) {
		a->pass.full |= PASS_NO_CHILD;
		return;
	}
	start(c, r->owner, ++h->last_id, !is_for_mbox(h, r));
	c->first = a;
	c->submitter = a->entry->submitter;
	give_or_defer(h, c, a, i);
	if (c->n == 0)
		end(c);
}

static int
runs_command(const struct local_helper *h, const struct recipient *r)
{
	return r->kind == ROUTE_PIPE || (kind_of(r) == ROUTE_MAILBOX &&
	    h->active->q->conf.local.mailbox == MAILBOX_COMMAND);
}

static int
has_request_of(const struct local_child *c, const struct active_message *a)
{
	size_t k;

	for (k = 0; k < c->n; k++)
		if (c->requests[k].rcpt.a == a)
			return 1;
	return 0;
}

/*
 * Without an acknowledgement it appends nothing: perhaps it waits for a lock.
 * What it leaves of other messages is given to another child.
 */
static int
has_begun(const struct local_child *c)
{
	size_t k;

	for (k = 0; k < c->n; k++)
		if (c->requests[k].state == LOCAL_ACKNOWLEDGED)
			return 1;
	return 0;
}

/* A command, or an append to a file that has not begun. */
static int
may_be_ended(const struct local_helper *h, const struct local_child *c)
{
	const struct recipient *r = recipient_of(&c->requests[0]);

	if (runs_command(h, r))
		return 1;
	return (r->kind == ROUTE_FILE || is_for_mbox(h, r)) && !has_begun(c);
}

/* Without room it is sent in a later turn. */
static void
cancel_child(struct local_helper *h, struct local_child *c)
{
	c->is_cancelled = h->socket.fd == -1 ||
	    ipc_send_empty(h->socket.fd, IPC_DELIVER_CANCEL, c->id) == 0;
}

void
local_cancel(struct local_helper *h, const struct active_message *a)
{
	struct local_child *c;
	int i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		c = &h->children[i];
		if (!c->is_cancelled && has_request_of(c, a) &&
		    may_be_ended(h, c))
			cancel_child(h, c);
	}
}

/* ---- from the children ---- */

/* What it had begun is cut back, or it had not begun. */
static void
withdraw(const struct local_request *r)
{
	struct recipient *rcpt = recipient_of(r);

	if (r->state == LOCAL_GIVEN || rcpt->checkpoint.length == -1)
		return;
	rcpt->checkpoint.length = -1;
	journal_withdrawn(&r->rcpt.a->notes, r->rcpt.i);
}

static void
conclude(struct local_child *c, struct local_request *r)
{
	decide(r->rcpt.a, r->rcpt.i, &c->res, c->name);
	drop_request(c, r);
}

/* -1: out of turn. */
static int
take_checkpoint(struct local_child *c, struct ipc *m)
{
	struct local_request *r = find_request(c, m->id);
	struct checkpoint at;

	at.dev = ipc_get_u64(m);
	at.ino = ipc_get_u64(m);
	at.length = (int64_t)ipc_get_u64(m);
	if (r == NULL || r->state == LOCAL_CHECKPOINT || ipc_done(m) == -1 ||
	    at.length < 0)
		return -1;
	recipient_of(r)->checkpoint = at;
	journal_append(&r->rcpt.a->notes, &r->rcpt.a->m, r->rcpt.i);
	decide_unsynced(r->rcpt.a, UNSYNCED_PLAN);
	r->state = LOCAL_CHECKPOINT;
	return 0;
}

static int
take_result(struct local_child *c, struct ipc *m)
{
	struct local_request *r = find_request(c, m->id);

	if (r == NULL || result_get(m, &c->res) == -1 || ipc_done(m) == -1)
		return -1;
	/* The result of a single one holds when its process has ended well. */
	if (child_is_single(c->state))
		return 0;
	if (c->res.status != STATUS_SENT)
		withdraw(r);
	conclude(c, r);
	return 0;
}

static int
take_output(struct local_child *c, struct ipc *m)
{
	if (m->nfds != 1)
		return -1;
	c->output = ipc_take_fd(m, 0);
	if (io_nonblock(c->output) == -1)
		io_close(&c->output);
	return 0;
}

/* 0, or -1: out of turn. */
static int
take_record(struct local_child *c, struct ipc *m)
{
	static const struct {
		uint32_t	 kind;
		enum child_event event;
		int		(*take)(struct local_child *, struct ipc *);
	} records[] = {
		{ IPC_DELIVER_CHECKPOINT, CHILD_CHECKPOINT, take_checkpoint },
		{ IPC_DELIVER_RESULT, CHILD_RESULT, take_result },
		{ IPC_DELIVER_OUTPUT, CHILD_OUTPUT, take_output },
	};
	enum child_state next;
	size_t k;

	for (k = 0; k < sizeof(records) / sizeof(records[0]); k++) {
		if (records[k].kind != m->kind)
			continue;
		next = child_event(c->state, records[k].event);
		if (next == CHILD__MAX || records[k].take(c, m) == -1)
			return -1;
		c->state = next;
		return 0;
	}
	return -1;
}

static void
read_record(struct local_helper *h, struct local_child *c, struct ipc *m)
{
	c->moved_ms = io_clock_ms();
	if (take_record(c, m) == 0)
		return;
	log_say(&h->active->q->log, LOG_LEVEL_WARNING, "user=%s unexpected "
	    "reply", c->name);
	cut(c);
}

void
local_read_channel(struct local_helper *h, struct local_child *c)
{
	struct ipc m;
	int k, n = 1;

	ipc_init(&m);
	for (k = 0; k < RECORDS_MAX && c->channel != -1; k++) {
		n = ipc_recv(c->channel, &m, IPC_CHANNEL_LIMIT);
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == 1) {
			read_record(h, c, &m);
			continue;
		}
		if (n == 0)
			c->state = child_event(c->state, CHILD_EOF);
		cut(c);
	}
	ipc_fini(&m);
}

void
local_read_output(struct local_child *c)
{
	char chunk[OUTPUT_MAX];
	ssize_t n;

	n = io_read(c->output, chunk, sizeof(chunk));
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		io_close(&c->output);
		return;
	}
	buf_add(&c->text, chunk, (size_t)n);
	if (c->text.len > OUTPUT_MAX)
		buf_drop(&c->text, c->text.len - OUTPUT_MAX);
}

/* ---- the end of a child ---- */

static const char *
sysexit_code(int status)
{
	switch (status) {
	case EX_TEMPFAIL:
	case 126:
	case 127:
		return "4.3.0";
	case EX_DATAERR:
		return "5.6.0";
	case EX_NOUSER:
		return "5.1.1";
	case EX_NOHOST:
		return "5.1.2";
	case EX_NOPERM:
		return "5.7.1";
	case EX_CONFIG:
		return "5.3.5";
	default:
		return "5.3.0";
	}
}

/* How a process ended. */
struct child_exit {
	int	 status;	/* as wait(2) has it */
	int	 is_late;	/* it took too long and was killed */
};

/* The end of its output.  Cleaned here: a NUL in it must not hide the rest. */
static void
put_output(const struct local_child *c, struct buf *out)
{
	buf_put_clean(out, c->text.data, c->text.len, 4 * OUTPUT_MAX + 4);
	if (out->len > OUTPUT_SHOWN)
		buf_drop(out, out->len - OUTPUT_SHOWN);
}

static void
put_place(const struct local_child *c, const struct recipient *rcpt,
    struct buf *out)
{
	if (kind_of(rcpt) != ROUTE_PIPE)
		buf_puts(out, "MAILBOX of dma.conf");
	else if (rcpt->origin == ORIGIN_FORWARD)
		buf_printf(out, "the .forward file of %s", c->name);
	else
		buf_printf(out, "the alias %s", c->name);
}

/*
 * By a shell, for that command or one in it.  Which one it is, and what the
 * shell says of it, is not for the sender: a .forward is its owner's.
 */
static void
set_not_run(const struct local_helper *h, struct local_child *c,
    const struct local_request *r, int status)
{
	const struct recipient *rcpt = recipient_of(r);
	const char *command = kind_of(rcpt) == ROUTE_PIPE ? rcpt->address :
	    h->active->q->conf.local.where;
	struct buf name, place, output;

	buf_init(&name, 0);
	buf_init(&place, 0);
	buf_init(&output, 0);
	buf_put_clean(&name, command, strlen(command), COMMAND_SHOWN);
	put_place(c, rcpt, &place);
	put_output(c, &output);
	result_quote(&c->res, SOURCE_COMMAND, STATUS_DEFERRED,
	    sysexit_code(status), "command exited with status %d: it, or a "
	    "command that it runs, %s", status, status == 127 ?
	    "does not exist" : "cannot be executed");
	result_detail(&c->res, "%s: %s, or correct %s%s%s", buf_str(&name),
	    status == 127 ? "install it" : "make it executable",
	    buf_str(&place), output.len > 0 ? ": " : "", buf_str(&output));
	buf_fini(&output);
	buf_fini(&place);
	buf_fini(&name);
}

static void
set_command_result(struct local_child *c, const struct child_exit *x)
{
	int exited = WEXITSTATUS(x->status);
	enum status status = STATUS_DEFERRED;
	const char *code = "4.3.0";
	struct buf reason, text;

	buf_init(&reason, 0);
	if (x->is_late) {
		buf_puts(&reason, c->is_cancelled ? "command was killed, as "
		    "the message was removed from the queue" :
		    "command timed out and was killed");
	} else if (WIFSIGNALED(x->status)) {
		buf_printf(&reason, "command was terminated by signal %d",
		    WTERMSIG(x->status));
	} else if (exited == 0) {
		status = STATUS_SENT;
		code = "2.0.0";
		buf_puts(&reason, "delivered to command");
	} else {
		buf_printf(&reason, "command exited with status %d", exited);
		code = sysexit_code(exited);
		status = code[0] == '4' ? STATUS_DEFERRED : STATUS_FAILED;
	}
	buf_init(&text, 0);
	put_output(c, &text);
	result_quote(&c->res, SOURCE_COMMAND, status, code, "%s%s%s",
	    buf_str(&reason), text.len > 0 ? ": " : "", buf_str(&text));
	buf_fini(&text);
	buf_fini(&reason);
}

/* 126 and 127 are a shell's, and of command_run(). */
static int
was_run(const struct child_exit *x)
{
	return x->is_late || !WIFEXITED(x->status) ||
	    (WEXITSTATUS(x->status) != 126 && WEXITSTATUS(x->status) != 127);
}

/*
 * Its outcome is not known; of a single one without a checkpoint, which may
 * have been a command, it stays so.  Any other is looked at before other
 * messages get at the file, even if children are killed one after the other: a
 * torn message can be told from others only at the end of a file.
 */
static int
is_tried_again(const struct local_child *c, struct local_request *r,
    int is_single, const struct child_exit *x)
{
	struct attempt *t = &r->rcpt.a->attempts[r->rcpt.i];

	if ((is_single && recipient_of(r)->checkpoint.length == -1) ||
	    (x->is_late && !c->is_cancelled) || t->nlost >= LOST_MAX)
		return 0;
	t->nlost++;
	return 1;
}

/* What becomes of a request that it leaves. */
static void
leave_request(const struct local_helper *h, struct local_child *c,
    struct local_request *r, int is_single, const struct child_exit *x)
{
	int has_failed = !WIFEXITED(x->status) || WEXITSTATUS(x->status) != 0;
	enum child_outcome outcome = child_outcome(c->state, is_single,
	    has_failed);

	if (outcome == OUTCOME_AGAIN || (outcome == OUTCOME_RESULT &&
	    c->res.status != STATUS_SENT))
		withdraw(r);
	if (outcome == OUTCOME_AGAIN || (outcome == OUTCOME_LOST &&
	    is_tried_again(c, r, is_single, x))) {
		r->rcpt.a->attempts[r->rcpt.i].stage = STAGE_LOCAL;
		drop_request(c, r);
		return;
	}
	if (outcome == OUTCOME_COMMAND && was_run(x))
		set_command_result(c, x);
	else if (outcome == OUTCOME_COMMAND)
		set_not_run(h, c, r, WEXITSTATUS(x->status));
	else if (outcome == OUTCOME_LOST)
		result_set(&c->res, STATUS_DEFERRED, "4.3.0", "%s", x->is_late ?
		    "delivery timed out and was killed" :
		    "the delivery process exited unexpectedly");
	conclude(c, r);
}

/* The process is reaped: what it sent last is in the socket by now. */
static void
child_ended(struct local_helper *h, struct local_child *c,
    const struct child_exit *x)
{
	int n, is_single;

	local_read_channel(h, c);
	cut(c);
	/* A background child may write for ever: what is there now counts. */
	for (n = 0; n < DRAIN_MAX && c->output != -1 &&
	    io_wait(c->output, POLLIN, 0) == 1; n++)
		local_read_output(c);
	is_single = child_is_single(c->state);
	for (; c->n > 0; is_single = 0)
		leave_request(h, c, c->requests, is_single, x);
	end(c);
}

static void
helper_ended(struct local_helper *h)
{
	static const struct child_exit killed = { SIGKILL, 0 };
	int i;

	log_say(&h->active->q->log, LOG_LEVEL_ERROR, "the local delivery "
	    "helper has exited");
	io_close(&h->socket.fd);
	for (i = 0; i < CHILDREN_MAX; i++)
		if (h->children[i].state != CHILD_FREE)
			child_ended(h, &h->children[i], &killed);
}

void
local_read_exits(struct local_helper *h)
{
	struct child_exit x;
	struct ipc m;
	int i, n;

	ipc_init(&m);
	n = ipc_recv(h->socket.fd, &m, IPC_DELIVER_LIMIT);
	if (n == -1 && errno == EAGAIN) {
		ipc_fini(&m);
		return;
	}
	if (n != 1 || delivery_exit_get(&m, &x.status, &x.is_late) == -1)
		helper_ended(h);
	else
		for (i = 0; i < CHILDREN_MAX; i++)
			if (h->children[i].state != CHILD_FREE &&
			    h->children[i].id == m.id)
				child_ended(h, &h->children[i], &x);
	ipc_fini(&m);
}

/* ---- once a turn ---- */

/*
 * A checkpoint that is not durable: the child is let go, and has written
 * nothing.  Gives the number of those.
 */
static int
refuse_unwritten(struct local_child *c)
{
	struct local_request *r;
	size_t k;
	int n = 0;

	for (k = c->n; k-- > 0;) {
		r = &c->requests[k];
		if (r->state != LOCAL_CHECKPOINT ||
		    r->rcpt.a->unsynced == UNSYNCED_NONE)
			continue;
		withdraw(r);
		decide_unwritten(r->rcpt.a, r->rcpt.i);
		drop_request(c, r);
		n++;
	}
	if (n > 0)
		cut(c);
	return n;
}

static void
acknowledge(struct local_child *c)
{
	struct local_request *r;
	size_t k;

	/* One that is about to be killed must not begin. */
	for (k = 0; k < c->n && c->channel != -1 && !c->is_cancelled; k++) {
		r = &c->requests[k];
		if (r->state != LOCAL_CHECKPOINT)
			continue;
		r->state = LOCAL_ACKNOWLEDGED;
		if (ipc_send_empty(c->channel, IPC_DELIVER_ACKNOWLEDGE,
		    r->id) == -1)
			cut(c);
	}
}

int
local_acknowledge(struct local_helper *h)
{
	int i, n = 0;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (h->children[i].state == CHILD_FREE)
			continue;
		n += refuse_unwritten(&h->children[i]);
		acknowledge(&h->children[i]);
	}
	return n;
}

int
local_is_busy(const struct local_helper *h)
{
	int i;

	for (i = 0; i < CHILDREN_MAX; i++)
		if (h->children[i].n > 0)
			return 1;
	return 0;
}

int64_t
local_linger(struct local_helper *h)
{
	int64_t least = -1, left, now = io_clock_ms();
	struct local_child *c;
	int i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		c = &h->children[i];
		if (c->n > 0 || c->channel == -1 || !child_takes(c->state))
			continue;
		left = c->moved_ms + LINGER_MS - now;
		if (now - c->born_ms >= LIFE_MS)
			left = 0;
		if (left <= 0)
			cut(c);
		else if (least == -1 || left < least)
			least = left;
	}
	return least;
}
