/*
 * deliver_local.c - local deliveries, of one user's messages several at a time.
 * Runs as: the spool user.  Uses: the deliver branch and its children.
 * Promise: where a message is about to appear is in its journal first; what
 * a child says is believed for what it was given, and no other; a child that
 * ends without a word has delivered nothing that its mark does not tell.
 *
 * One child serves one user.  For an mbox it is told further messages as long
 * as some are at hand (IPC_DELIVER_NEXT), and stays a moment for the next
 * ones; for everything else it has one.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "queue/queue.h"
#include "spool/journal.h"
#include "conf/local_names.h"
#include "lib/array.h"
#include "lib/io.h"
#include "queue/route.h"

#define PUT_BACK_S	30	/* until a busy mailbox is asked for again */
#define DRAIN_MAX	64	/* reads of what a command left in its pipe */
#define OUTPUT_SHOWN	(REASON_MAX - 64)	/* of it in a reason */
#define RECORDS_MAX	512	/* of one channel at a time */
#define TOLD_MAX	32	/* messages that a child has no place for yet */
#define PARCELS_MAX	256	/* messages that a child has */
#define BATCH_LIFE_MS	20000	/* then another child goes on */

/* ---- what the branches are sent ---- */

uint32_t
batch_new_id(struct desk *d)
{
	if (++d->last_id == 0)
		++d->last_id;
	return d->last_id;
}

/* Short of memory or of room, or too many descriptors on their way. */
static int
is_passing(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM ||
	    error == ETOOMANYREFS;
}

int
batch_ask(struct desk *d, int *sock, int *channel)
{
	int error, ok, pair[2];

	if (*sock == -1 || d->ipc.bad || request_channel(pair) == -1)
		return -1;
	ipc_put_fd(&d->ipc, pair[1]);
	ok = io_nonblock(pair[0]) == 0 && ipc_send(*sock, &d->ipc) == 0;
	error = errno;
	ipc_begin(&d->ipc, 0, 0);
	close(pair[1]);
	if (ok) {
		*channel = pair[0];
		return 0;
	}
	close(pair[0]);
	if (error == EAGAIN) {
		d->is_full = 1;
		return 1;
	}
	if (is_passing(error))
		return -1;
	log_say(&d->log, LOG_LEVEL_ERROR, "a local delivery helper has exited: "
	    "%s",
	    strerror(error));
	io_close(sock);
	d->is_crippled = 1;
	return -1;
}

static enum route_kind
kind_of(const struct recipient *r)
{
	return r->kind == ROUTE_UNKNOWN ? ROUTE_MAILBOX : r->kind;
}

static int
copy_qualified(const struct desk *d, char *dst, size_t size,
    const char *address)
{
	struct buf b;
	int ret;

	buf_init(&b, ADDRESS_MAX);
	names_put_qualified(&b, &d->conf.names, address);
	ret = text_copy(dst, size, buf_failed(&b) ? address : buf_str(&b));
	buf_fini(&b);
	return ret;
}

/* What is asked for; -1 when a text is too long. */
static int
describe(const struct desk *d, const struct batch *b, const struct parcel *p,
    int file, struct delivery *q)
{
	const struct message *m = &p->work->m;
	const struct recipient *r = &m->rcpts[p->rcpt];

	memset(q, 0, sizeof(*q));
	q->id = p->id;
	q->kind = kind_of(r);
	q->origin = r->origin;
	q->entry.index = r->entry;
	q->entry.digest = r->digest;
	q->rcpt = p->rcpt;
	q->arrived = m->arrived;
	q->offset = m->offset;
	q->length = m->length;
	q->checkpoint = r->checkpoint;
	q->message = file;
	return text_copy(q->name, sizeof(q->name), b->name) == -1 ||
	    text_copy(q->queue_id, sizeof(q->queue_id), m->id) == -1 ||
	    text_copy(q->sender, sizeof(q->sender), m->sender) == -1 ||
	    copy_qualified(d, q->recipient, sizeof(q->recipient),
	    message_address(m, p->rcpt)) == -1 ||
	    copy_qualified(d, q->original, sizeof(q->original),
	    message_original(m, p->rcpt)) == -1 ? -1 : 0;
}

static int
send_first(struct desk *d, struct batch *b, const struct parcel *p, int file)
{
	struct delivery q;

	if (describe(d, b, p, file, &q) == -1)
		return -1;
	delivery_request_put(&d->ipc, &q);
	return batch_ask(d, &d->branches->deliver, &b->channel);
}

/* 1 when it does not take it now. */
static int
send_more(struct desk *d, struct batch *b, const struct parcel *p, int file)
{
	struct delivery q;
	int error, ret;

	if (describe(d, b, p, file, &q) == -1)
		return -1;
	delivery_next_put(&d->ipc, &q);
	ret = ipc_send(b->channel, &d->ipc) == -1;
	error = errno;
	ipc_begin(&d->ipc, 0, 0);
	/* A child that leaves just now: what it said last is still to be read,
	 * and its end is on its way to us. */
	if (ret == 1 && !is_passing(error))
		b->is_leaving = 1;
	return ret;
}

/* ---- batches ---- */

static struct batch *
find_batch(struct desk *d, const char *name)
{
	int i;

	for (i = 0; i < REQUESTS_MAX; i++)
		if (d->batches[i].id != 0 &&
		    strcasecmp(d->batches[i].name, name) == 0)
			return &d->batches[i];
	return NULL;
}

/* A free one; where there is none, one that only waits makes place soon. */
static struct batch *
free_batch(struct desk *d)
{
	struct batch *b, *idle = NULL;
	int i, is_leaving = 0;

	for (i = 0; i < REQUESTS_MAX; i++) {
		b = &d->batches[i];
		if (b->id == 0)
			return b;
		if (b->n == 0 && b->channel == -1)
			is_leaving = 1;
		else if (b->n == 0)
			idle = b;
	}
	if (idle != NULL && !is_leaving)
		io_close(&idle->channel);
	return NULL;
}

static void
end_batch(struct batch *b)
{
	io_close(&b->channel);
	io_close(&b->output);
	buf_fini(&b->text);
	result_fini(&b->res);
	free(b->parcels);
	b->parcels = NULL;
	b->id = 0;
}

static struct parcel *
add_parcel(struct batch *b, uint32_t id, struct work *w, uint32_t i)
{
	struct parcel *p;

	if (array_grow(&b->parcels, &b->cap, b->n, sizeof(*p)) == -1)
		return NULL;
	p = &b->parcels[b->n++];
	memset(p, 0, sizeof(*p));
	p->id = id;
	p->work = w;
	p->rcpt = i;
	b->told++;
	return p;
}

static void
drop_parcel(struct batch *b, struct parcel *p)
{
	size_t k = (size_t)(p - b->parcels);

	if (!p->is_placed)
		b->told--;
	b->n--;
	memmove(p, p + 1, (b->n - k) * sizeof(*p));
}

static struct parcel *
find_parcel(struct batch *b, uint32_t id)
{
	size_t k;

	for (k = 0; k < b->n; k++)
		if (b->parcels[k].id == id)
			return &b->parcels[k];
	return NULL;
}

static int
takes_more(const struct desk *d, const struct batch *b,
    const struct recipient *r)
{
	/* Bob and bob may be two users, and a further message names nobody. */
	return b->is_open && !b->is_leaving && b->channel != -1 &&
	    strcmp(b->name, r->owner) == 0 && b->told < TOLD_MAX &&
	    b->n < PARCELS_MAX && kind_of(r) == ROUTE_MAILBOX &&
	    d->conf.local.mailbox == MAILBOX_MBOX &&
	    io_clock_ms() - b->born_ms < BATCH_LIFE_MS;
}

/* Not tried, and so not counted: back to the queue for a while. */
void
put_back(struct work *w, uint32_t i)
{
	w->attempts[i].stage = STAGE_NONE;
	w->open--;
	w->m.rcpts[i].due = time(NULL) + PUT_BACK_S;
}

/* 0, 1 when it has to wait, -1 when it can not be given. */
static int
give(struct desk *d, struct batch *b, struct work *w, uint32_t i)
{
	struct parcel *p;
	int file, ret = -1;

	/* Theirs can not write, whatever becomes of the process. */
	file = openat(d->spool.queue, w->m.id, O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW);
	p = add_parcel(b, b->n == 0 && b->channel == -1 ? b->id :
	    batch_new_id(d), w, i);
	if (file != -1 && p != NULL)
		ret = b->channel == -1 ? send_first(d, b, p, file) :
		    send_more(d, b, p, file);
	if (ret != 0 && p != NULL)
		drop_parcel(b, p);
	io_close(&file);
	b->moved_ms = io_clock_ms();
	if (ret == 0)
		w->attempts[i].stage = STAGE_BUSY;
	return ret;
}

static void
give_or_defer(struct desk *d, struct batch *b, struct work *w, uint32_t i)
{
	if (give(d, b, w, i) == -1)
		decide_as(w, i, STATUS_DEFERRED, "4.3.0",
		    "the local delivery helper cannot be reached");
}

static void
begin(struct desk *d, const char *name, struct work *w, uint32_t i)
{
	struct batch *b;

	b = free_batch(d);
	if (b == NULL)
		return;
	memset(b, 0, sizeof(*b));
	b->channel = b->output = -1;
	buf_init(&b->text, 0);
	result_init(&b->res);
	b->id = batch_new_id(d);
	b->born_ms = io_clock_ms();
	b->is_open = kind_of(&w->m.rcpts[i]) == ROUTE_MAILBOX &&
	    d->conf.local.mailbox == MAILBOX_MBOX;
	if (text_copy(b->name, sizeof(b->name), name) == -1)
		decide_as(w, i, STATUS_DEFERRED, "4.3.0",
		    "name is too long");
	else
		give_or_defer(d, b, w, i);
	if (b->n == 0)
		end_batch(b);
}

void
batch_give(struct desk *d, struct work *w, uint32_t i)
{
	struct batch *b;
	const struct recipient *r = &w->m.rcpts[i];

	b = find_batch(d, r->owner);
	if (b == NULL)
		begin(d, r->owner, w, i);
	else if (takes_more(d, b, r))
		give_or_defer(d, b, w, i);
	else if (d->nworks > WORKS_MAX / 2 &&
	    io_clock_ms() - b->moved_ms > SLOW_MS)
		/* One slow user must not fill the desk for all others. */
		put_back(w, i);
}

/* ---- what the children say ---- */

static void
channel_at(struct desk *d, struct batch *b)
{
	struct parcel *p = find_parcel(b, d->ipc.id);
	struct recipient *r;
	struct checkpoint mark;

	mark.dev = ipc_get_u64(&d->ipc);
	mark.ino = ipc_get_u64(&d->ipc);
	mark.length = (int64_t)ipc_get_u64(&d->ipc);
	if (p == NULL || p->must_go || ipc_done(&d->ipc) == -1 ||
	    mark.length < 0) {
		io_close(&b->channel);
		return;
	}
	r = &p->work->m.rcpts[p->rcpt];
	r->checkpoint = mark;
	journal_append(&p->work->notes, &p->work->m, p->rcpt);
	p->work->needs_sync = 1;
	p->must_go = 1;
	if (!p->is_placed)
		b->told--;
	p->is_placed = 1;
}

static void
out_of_turn(struct desk *d, struct batch *b)
{
	log_say(&d->log, LOG_LEVEL_WARNING, "user=%s unexpected reply",
	    b->name);
	io_close(&b->channel);
}

/* It cut back what it had begun, or had not begun yet. */
static void
withdraw(const struct parcel *p)
{
	struct recipient *r = &p->work->m.rcpts[p->rcpt];

	if (!p->is_placed || r->checkpoint.length == -1)
		return;
	r->checkpoint.length = -1;
	journal_withdrawn(&p->work->notes, p->rcpt);
}

static void
decide_parcel(struct batch *b, struct parcel *p, const struct result *res)
{
	decide(p->work, p->rcpt, res, b->name);
	drop_parcel(b, p);
}

static void
channel_say(struct desk *d, struct batch *b)
{
	struct parcel *p = find_parcel(b, d->ipc.id);

	if (p == NULL || b->is_said || result_get(&d->ipc, &b->res) == -1 ||
	    ipc_done(&d->ipc) == -1) {
		out_of_turn(d, b);
		return;
	}
	b->has_said = 1;
	/* What no other shares is believed when its process has ended well. */
	b->is_said = !b->is_open;
	if (b->is_open) {
		if (b->res.status != STATUS_SENT)
			withdraw(p);
		decide_parcel(b, p, &b->res);
	}
}

static void
take_record(struct desk *d, struct batch *b)
{
	b->moved_ms = io_clock_ms();
	if (d->ipc.kind == IPC_DELIVER_CHECKPOINT && !b->is_said)
		channel_at(d, b);
	else if (d->ipc.kind == IPC_DELIVER_RESULT)
		channel_say(d, b);
	else if (d->ipc.kind == IPC_DELIVER_OUTPUT && !b->has_execed &&
	    !b->has_said && d->ipc.nfds == 1) {
		/* Also when the branch has a MAILBOX that is not known here. */
		b->is_open = 0;
		b->has_execed = 1;
		b->output = ipc_take_fd(&d->ipc, 0);
		if (io_nonblock(b->output) == -1)
			io_close(&b->output);
	} else
		out_of_turn(d, b);
}

void
batch_channel(struct desk *d, struct batch *b)
{
	int k, n;

	for (k = 0; k < RECORDS_MAX && b->channel != -1; k++) {
		n = ipc_recv(b->channel, &d->ipc, IPC_CHANNEL_LIMIT);
		if (n == -1 && errno == EAGAIN)
			return;
		b->is_heard_out = n == 0;
		if (n != 1)
			io_close(&b->channel);
		else
			take_record(d, b);
	}
}

void
batch_output(struct desk *d, struct batch *b)
{
	char chunk[OUTPUT_MAX];
	ssize_t n;

	(void)d;
	n = io_read(b->output, chunk, sizeof(chunk));
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		io_close(&b->output);
		return;
	}
	buf_add(&b->text, chunk, (size_t)n);
	if (b->text.len > OUTPUT_MAX)
		buf_drop(&b->text, b->text.len - OUTPUT_MAX);
}

/* ---- the end of a child ---- */

static const char *
sysexit_code(int status)
{
	switch (status) {
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

static void
status_result(struct batch *b, int code, const char *text)
{
	const char *mark = text[0] == '\0' ? "" : ": ";
	enum status status = STATUS_FAILED;

	if (code == EX_TEMPFAIL || code == 126 || code == 127)
		status = STATUS_DEFERRED;
	if (code == 0)
		result_quote(&b->res, SOURCE_COMMAND, STATUS_SENT, "2.0.0",
		    "delivered to command%s%s", mark, text);
	else
		result_quote(&b->res, SOURCE_COMMAND, status,
		    status == STATUS_DEFERRED ? "4.3.0" : sysexit_code(code),
		    "command exited with status %d%s%s", code, mark, text);
}

static void
command_result(struct batch *b, int status, int late)
{
	struct buf text;

	/* Cleaned here: a NUL in it must not hide the rest.  The end counts. */
	buf_init(&text, 0);
	buf_put_clean(&text, b->text.data, b->text.len, 4 * OUTPUT_MAX + 4);
	if (text.len > OUTPUT_SHOWN)
		buf_drop(&text, text.len - OUTPUT_SHOWN);
	if (late)
		result_quote(&b->res, SOURCE_COMMAND, STATUS_DEFERRED, "4.3.0",
		    "command timed out and was killed%s%s",
		    text.len > 0 ? ": " : "", buf_str(&text));
	else if (WIFSIGNALED(status))
		result_quote(&b->res, SOURCE_COMMAND, STATUS_DEFERRED, "4.3.0",
		    "command was terminated by signal %d%s%s", WTERMSIG(status),
		    text.len > 0 ? ": " : "", buf_str(&text));
	else
		status_result(b, WEXITSTATUS(status), buf_str(&text));
	buf_fini(&text);
}

/* Its result when its process had nothing else to do. */
static void
single_result(struct batch *b, const struct parcel *p, int status, int late)
{
	if (b->has_execed && !b->is_said)
		command_result(b, status, late);
	else if (!b->is_said || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		result_set(&b->res, STATUS_DEFERRED, "4.3.0", "%s",
		    late ? "delivery timed out and was killed" :
		    "the delivery process exited unexpectedly");
	else if (b->res.status != STATUS_SENT)
		withdraw(p);
}

/*
 * What it was given and told nothing of.  When it left by itself, and all that
 * it said was read, it did not begin it.  Else that is looked at once before
 * others get at the file: only at the end of it a torn message is known as
 * such.
 */
static void
left_over(struct batch *b, struct parcel *p, int status,
    int late)
{
	struct work *w = p->work;
	int left_well;

	left_well = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	    b->has_said && b->is_heard_out;
	if (left_well)
		withdraw(p);
	else if (w->was_lost || late) {
		single_result(b, p, status, late);
		decide_parcel(b, p, &b->res);
		return;
	} else
		w->was_lost = 1;
	w->attempts[p->rcpt].stage = STAGE_DELIVER;
	drop_parcel(b, p);
}

/* The process is reaped: what it said last is in the socket by now. */
static void
conclude(struct desk *d, struct batch *b, int status, int late)
{
	int n;

	batch_channel(d, b);
	io_close(&b->channel);
	/* A background child may write for ever: what is there now counts. */
	for (n = 0; n < DRAIN_MAX && b->output != -1 &&
	    io_wait(b->output, POLLIN, 0) == 1; n++)
		batch_output(d, b);
	if (!b->is_open && b->n > 0) {
		single_result(b, b->parcels, status, late);
		decide_parcel(b, b->parcels, &b->res);
	}
	while (b->n > 0)
		left_over(b, b->parcels, status, late);
	end_batch(b);
}

void
batch_ends(struct desk *d)
{
	uint32_t id, late;
	int i, n, status;

	n = ipc_recv(d->branches->deliver, &d->ipc, IPC_DELIVER_LIMIT);
	if (n == -1 && errno == EAGAIN)
		return;
	id = d->ipc.id;
	status = (int)ipc_get_u32(&d->ipc);
	late = ipc_get_u32(&d->ipc);
	if (n == 1 && d->ipc.kind == IPC_DELIVER_EXIT &&
	    ipc_done(&d->ipc) == 0) {
		for (i = 0; i < REQUESTS_MAX; i++)
			if (d->batches[i].id == id && id != 0)
				conclude(d, &d->batches[i], status, late != 0);
		return;
	}
	log_say(&d->log, LOG_LEVEL_ERROR, "the local delivery helper has "
	    "exited");
	io_close(&d->branches->deliver);
	d->is_crippled = 1;
	for (i = 0; i < REQUESTS_MAX; i++)
		if (d->batches[i].id != 0)
			conclude(d, &d->batches[i], SIGKILL, 0);
}

/* ---- the answers to the children ---- */

/* Only when its checkpoint is durable; else it gives up. */
static void
send_go(struct desk *d, struct batch *b)
{
	struct parcel *p;
	size_t k;

	for (k = 0; k < b->n && b->channel != -1; k++) {
		p = &b->parcels[k];
		if (!p->must_go)
			continue;
		p->must_go = 0;
		ipc_begin(&d->ipc, IPC_DELIVER_ACKNOWLEDGE, p->id);
		if (p->work->again_ms != 0 || p->work->needs_sync ||
		    ipc_send(b->channel, &d->ipc) == -1)
			io_close(&b->channel);
	}
}

void
batch_go(struct desk *d)
{
	int i;

	for (i = 0; i < REQUESTS_MAX; i++)
		if (d->batches[i].id != 0)
			send_go(d, &d->batches[i]);
}

int64_t
batch_linger(struct desk *d)
{
	int64_t least = -1, left, now = io_clock_ms();
	struct batch *b;
	int i;

	for (i = 0; i < REQUESTS_MAX; i++) {
		b = &d->batches[i];
		if (b->id == 0 || b->n > 0 || b->channel == -1 || !b->is_open)
			continue;
		left = b->moved_ms + LINGER_MS - now;
		if (now - b->born_ms >= BATCH_LIFE_MS)
			left = 0;
		if (left <= 0)
			io_close(&b->channel);
		else if (least == -1 || left < least)
			least = left;
	}
	return least;
}
