/*
 * mbox.c - appends messages to an mbox file: one, or many under one lock.
 * Runs as: the user.  Uses: the file, its dotlock, the runner's channel.
 * Promise: a message is in the file once and whole, or not at all, however
 * often an attempt is interrupted and made again.
 *
 * How: the messages at hand form a group: their texts are put together, the
 * runner is told where each will begin (a checkpoint), and when it has
 * recorded all of them they are written with one write(2).  One sync is for
 * all groups under a lock: with the runner's record of each message that is
 * 1 + 2/N syncs a message in a batch of N.  An attempt that comes with a
 * checkpoint looks at what is in the file there; see mbox_checkpoint.c.
 */
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/ipc.h"
#include "local/delivery.h"
#include "local/mbox.h"
#include "local/mbox_checkpoint.h"
#include "local/mbox_lock.h"
#include "local/mbox_text.h"
#include "priv/records.h"

/* A message of 1 MiB, with its quotes and envelope, is one write(2). */
#define BLOCK_BYTES	(1280 * 1024)
#define GROUP_MAX	64	/* messages: their checkpoints lie unread */
#define APPENDS_MAX	512	/* more than the runner sends ahead */
#define MOVES_MAX	3	/* of a message, by writers without a lock */
#define TURN_MESSAGES	200	/* under one lock */
#define TURN_BYTES	(64 * 1024 * 1024)
#define TURN_MS		1000	/* no more is begun under this lock */
#define REST_MS		100	/* others may lock it before the next turn */
#define LINGER_MS	1000	/* the runner closes the channel before that */
#define LIFE_MS		60000	/* then another process goes on */

/* A message on its way into the file. */
struct append {
	struct append	*next;
	struct delivery	 d;
	int		 owns_message;	/* d.message */
	enum mbox_state state;
	int		 is_found;	/* an earlier attempt wrote it */
	int		 is_alone;	/* the group it was in failed */
	struct checkpoint at;		/* where its text begins */
	unsigned	 moves;		/* others wrote there meanwhile */
	struct result	 res;
};

/* What is written at once. */
struct group {
	struct buf	 text;		/* owned */
	struct mbox_text rest;		/* of its last message */
	unsigned	 n;		/* messages */
	struct checkpoint start;	/* of the first */
};

/* What is done under one lock. */
struct turn {
	int64_t		 locked_ms;
	unsigned	 n;		/* messages begun */
	int64_t		 bytes;		/* of them */
	int64_t		 start;		/* first byte written; -1: none */
	int		 is_over;	/* a write failed: begin no more */
};

struct mbox {
	const struct delivery *d;	/* lent: the first */
	struct mbox_lock lock;
	int		 is_batch;	/* the runner may send more */
	struct append	*first, **tail;	/* owned, in the order received */
	unsigned	 n;
	struct turn	 turn;
	struct group	 group;
	struct ipc	 ipc;		/* scratch: one message at a time */
	int		 status;	/* of the exit, without a report */
};

/* ---- states ---- */

enum mbox_state
mbox_next(enum mbox_state state, enum mbox_event event)
{
	switch (event) {
	case MBOX_EVENT_FOUND:
		return state == MBOX_NEW ? MBOX_WRITTEN : state;
	case MBOX_EVENT_PLACE:
		return state == MBOX_NEW ? MBOX_PLACED : state;
	case MBOX_EVENT_ANNOUNCE:
		return state == MBOX_PLACED ? MBOX_ANNOUNCED : state;
	case MBOX_EVENT_ACKNOWLEDGE:
		return state == MBOX_ANNOUNCED ? MBOX_RECORDED : state;
	case MBOX_EVENT_WRITE:
		return state == MBOX_RECORDED ? MBOX_WRITTEN : state;
	case MBOX_EVENT_WITHDRAW:
		return state == MBOX_RECORDED ? MBOX_NEW : state;
	case MBOX_EVENT_SYNC:
		return state == MBOX_WRITTEN ? MBOX_DONE : state;
	case MBOX_EVENT_FAIL:
		return state == MBOX_NEW || state == MBOX_RECORDED ||
		    state == MBOX_WRITTEN ? MBOX_DONE : state;
	default:
		return state;
	}
}

static void
step(struct append *a, enum mbox_event event)
{
	a->state = mbox_next(a->state, event);
}

/* ---- messages from the runner ---- */

static int
out_of_turn(struct mbox *m)
{
	m->status = EX_PROTOCOL;
	return -1;
}

static struct append *
add_append(struct mbox *m, const struct delivery *d)
{
	struct append *a;

	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->d = *d;
	result_init(&a->res);
	*m->tail = a;
	m->tail = &a->next;
	m->n++;
	return a;
}

/* Takes *at out of the list. */
static void
free_append(struct mbox *m, struct append **at)
{
	struct append *a = *at;

	*at = a->next;
	if (m->tail == &a->next)
		m->tail = at;
	m->n--;
	if (a->owns_message)
		io_close(&a->d.message);
	result_fini(&a->res);
	free(a);
}

/* Another message: for this user and file, whatever it says of itself. */
static int
take_next(struct mbox *m)
{
	struct delivery d = *m->d;
	struct append *a = NULL;

	if (!m->is_batch)
		return 1;	/* the runner has an older dma.conf */
	if (m->ipc.nfds != 1 || m->n >= APPENDS_MAX)
		return out_of_turn(m);
	if (delivery_next_get(&m->ipc, &d) == -1)
		out_of_turn(m);
	else
		a = add_append(m, &d);
	if (a == NULL) {
		io_close(&d.message);
		return -1;
	}
	a->owns_message = 1;
	if (delivery_check(&a->d, &a->res) == -1)
		step(a, MBOX_EVENT_FAIL);
	return 1;
}

static struct append *
first_in(const struct mbox *m, enum mbox_state state)
{
	struct append *a;

	for (a = m->first; a != NULL && a->state != state; a = a->next)
		;
	return a;
}

/* Acknowledgements come in the order of what they answer. */
static int
take_acknowledgement(struct mbox *m)
{
	struct append *a = first_in(m, MBOX_ANNOUNCED);

	if (a == NULL || m->ipc.id != a->d.id || ipc_done(&m->ipc) == -1)
		return out_of_turn(m);
	step(a, MBOX_EVENT_ACKNOWLEDGE);
	return 1;
}

/* 1 after a message, 0 when none came in time, -1 when m->status tells. */
static int
receive(struct mbox *m, int64_t deadline_ms)
{
	int n;

	if (io_wait(m->d->channel, POLLIN, deadline_ms) != 1)
		return 0;
	n = ipc_recv(m->d->channel, &m->ipc, IPC_CHANNEL_LIMIT);
	if (n == 0)
		return -1;
	if (n == 1 && m->ipc.kind == IPC_DELIVER_ACKNOWLEDGE)
		return take_acknowledgement(m);
	if (n == 1 && m->ipc.kind == IPC_DELIVER_NEXT)
		return take_next(m);
	return out_of_turn(m);
}

/* ---- the group ---- */

/*
 * Finds a message of an earlier attempt, or cuts off its beginning, if there is
 * any.  -1 when nothing more may be appended under this lock.
 */
static int
recover(struct mbox *m, struct append *a)
{
	enum mbox_found found;

	if (a->d.checkpoint.length == -1)
		return 0;
	/* Whoever wrote first may have been killed before the name was
	 * synced. */
	m->lock.is_name_unsure |= a->d.checkpoint.length == 0;
	found = mbox_checkpoint_recover(m->lock.fd, &a->d);
	a->d.checkpoint.length = -1;
	if (found == MBOX_FOUND_WHOLE) {
		a->is_found = 1;
		step(a, MBOX_EVENT_FOUND);
	}
	if (found != MBOX_FOUND_ERROR)
		return 0;
	delivery_defer_errno(&a->res, m->lock.path,
	    "cannot complete an interrupted delivery");
	step(a, MBOX_EVENT_FAIL);
	m->turn.is_over = 1;
	return -1;
}

/* Others want the mailbox, too. */
static int
is_turn_over(const struct mbox *m)
{
	const struct turn *t = &m->turn;

	return t->is_over || t->n >= TURN_MESSAGES || t->bytes >= TURN_BYTES ||
	    (t->n > 0 && io_clock_ms() - t->locked_ms >= TURN_MS);
}

static int
is_group_full(const struct mbox *m, const struct append *next)
{
	const struct group *g = &m->group;

	return g->n > 0 && (next->is_alone || g->n >= GROUP_MAX ||
	    g->text.len >= BLOCK_BYTES || is_turn_over(m));
}

/* What has not begun gets this result. */
static void
fail_new(struct mbox *m, const struct result *res)
{
	struct append *a;

	while ((a = first_in(m, MBOX_NEW)) != NULL) {
		result_copy(&a->res, res);
		step(a, MBOX_EVENT_FAIL);
	}
}

/* -1 when the message cannot be read: then it is not in the group. */
static int
place(struct mbox *m, struct append *a, int needs_newline)
{
	struct group *g = &m->group;
	size_t before = g->text.len;

	mbox_text_init(&g->rest, &a->d, needs_newline);
	if (mbox_text_add(&g->rest, &g->text, BLOCK_BYTES) == -1) {
		g->text.len = before;
		g->rest.state = MBOX_TEXT_END;
		return -1;
	}
	a->at = g->start;
	a->at.length += (int64_t)before;
	step(a, MBOX_EVENT_PLACE);
	g->n++;
	m->turn.n++;
	m->turn.bytes += a->d.length;
	return 0;
}

/* Where the file ends, and whether a newline must be added there; -1. */
static int
find_end(struct mbox *m)
{
	struct stat st;

	if (fstat(m->lock.fd, &st) == -1)
		return -1;
	m->group.start.dev = (uint64_t)st.st_dev;
	m->group.start.ino = (uint64_t)st.st_ino;
	m->group.start.length = st.st_size;
	return mbox_text_needs_newline(m->lock.fd, st.st_size);
}

/* 0 when nothing may be placed after it. */
static int
place_or_fail(struct mbox *m, struct append *a, int needs_newline)
{
	if (place(m, a, needs_newline) == 0)
		return !a->is_alone;
	if (m->group.n > 0) {
		a->is_alone = 1;
		return 0;
	}
	delivery_defer_message(&a->res);
	step(a, MBOX_EVENT_FAIL);
	return 1;
}

static void
build_group(struct mbox *m)
{
	struct group *g = &m->group;
	struct append *a;
	struct result res;
	int newline;

	g->n = 0;
	buf_reset(&g->text);
	for (a = m->first; a != NULL; a = a->next)
		if (a->state == MBOX_NEW && recover(m, a) == -1)
			return;
	newline = find_end(m);
	if (newline == -1) {
		result_init(&res);
		delivery_defer_errno(&res, m->lock.path, "read");
		fail_new(m, &res);
		result_fini(&res);
	}
	while ((a = first_in(m, MBOX_NEW)) != NULL && !is_group_full(m, a))
		if (!place_or_fail(m, a, g->n == 0 && newline))
			break;
}

/* Tells the runner where each will begin; -1 when it is gone. */
static int
announce_group(struct mbox *m)
{
	struct append *a;

	while ((a = first_in(m, MBOX_PLACED)) != NULL) {
		/* A runner that reads nothing must not keep the locks. */
		if (io_wait(m->d->channel, POLLOUT, m->turn.locked_ms +
		    DELIVERY_ACK_MS) != 1 ||
		    delivery_send_checkpoint(&a->d, &a->at) == -1)
			return -1;
		step(a, MBOX_EVENT_ANNOUNCE);
	}
	while (first_in(m, MBOX_ANNOUNCED) != NULL)
		if (receive(m, m->turn.locked_ms + DELIVERY_ACK_MS) != 1)
			return -1;
	return 0;
}

static int
write_block(struct mbox *m, struct result *res)
{
	const struct buf *text = &m->group.text;

	mbox_lock_touch(&m->lock);
	return io_write_all(m->lock.fd, text->data, text->len) == -1 ?
	    delivery_defer_errno(res, m->lock.path, "write") : 0;
}

static int
write_group(struct mbox *m, struct result *res)
{
	struct group *g = &m->group;
	int more;

	do {
		if (write_block(m, res) == -1)
			return -1;
		buf_reset(&g->text);
		more = mbox_text_add(&g->rest, &g->text, BLOCK_BYTES);
	} while (g->text.len > 0 && more != -1);
	return more == -1 ? delivery_defer_message(res) : 0;
}

/* 1 when what was written cannot be taken back: it must stay recorded. */
static int
cut_back(struct mbox *m, int64_t length)
{
	return ftruncate(m->lock.fd, length) == -1 ||
	    fsync(m->lock.fd) == -1;
}

/*
 * Of a group that failed, and was taken back, each message is tried alone, so
 * that only the one that is to blame fails.
 */
static void
withdraw_group(struct mbox *m, const struct result *res)
{
	int is_last = m->group.n == 1;
	struct append *a;

	m->turn.is_over = 1;
	while ((a = first_in(m, MBOX_RECORDED)) != NULL) {
		a->is_alone = 1;
		step(a, is_last ? MBOX_EVENT_FAIL : MBOX_EVENT_WITHDRAW);
		if (is_last)
			result_copy(&a->res, res);
	}
}

/*
 * Somebody writes to the file without a lock: nothing was written, and what
 * they wrote is not cut off.
 */
static void
move_group(struct mbox *m)
{
	struct append *a;

	m->turn.is_over = 1;
	while ((a = first_in(m, MBOX_RECORDED)) != NULL) {
		step(a, ++a->moves < MOVES_MAX ? MBOX_EVENT_WITHDRAW :
		    MBOX_EVENT_FAIL);
		if (a->state == MBOX_DONE)
			delivery_defer(&a->res, m->lock.path,
			    "is being changed without a lock");
	}
}

static int
is_moved(const struct mbox *m)
{
	struct stat st;

	return fstat(m->lock.fd, &st) == -1 ||
	    st.st_size != m->group.start.length;
}

/* -1 when what could not be taken back must stay recorded: report nothing. */
static int
append_group(struct mbox *m)
{
	int64_t start = m->group.start.length;
	struct append *a;
	struct result res;
	int ret = 0;

	if (is_moved(m)) {
		move_group(m);
		return 0;
	}
	result_init(&res);
	if (write_group(m, &res) == 0) {
		while ((a = first_in(m, MBOX_RECORDED)) != NULL)
			step(a, MBOX_EVENT_WRITE);
		if (m->turn.start == -1)
			m->turn.start = start;
	} else if (cut_back(m, start)) {
		ret = -1;
	} else {
		withdraw_group(m, &res);
	}
	result_fini(&res);
	return ret;
}

/* ---- one lock ---- */

/* Everything at hand, as long as others do not wait too long. */
static int
append_groups(struct mbox *m)
{
	do {
		while (m->is_batch && receive(m, 0) == 1)
			;
		if (m->status == EX_PROTOCOL)
			return -1;
		build_group(m);
		if (m->group.n == 0)
			return 0;
		if (announce_group(m) == -1 || append_group(m) == -1)
			return -1;
	} while (!is_turn_over(m));
	return 0;
}

/*
 * The name of a new file must be as durable as what is in it; whoever created
 * the file and wrote what is found may have been killed before that.
 */
static int
sync_file(struct mbox *m)
{
	const struct append *a;
	int is_unsure = m->lock.is_name_unsure;

	for (a = m->first; a != NULL; a = a->next)
		is_unsure |= a->state == MBOX_WRITTEN && a->is_found;
	if (fsync(m->lock.fd) == -1)
		return -1;
	return is_unsure ? delivery_sync_names(m->lock.dir) : 0;
}

static void
set_sent(const struct mbox *m, struct append *a)
{
	int is_instead = m->d->no_command &&
	    m->d->conf->local.mailbox == MAILBOX_COMMAND;

	result_set(&a->res, STATUS_SENT, "2.0.0", a->is_found ?
	    "found complete in mailbox" : "appended to mailbox");
	result_detail(&a->res, "%s%s%s", m->lock.path, is_instead ?
	    ": MAILBOX command is not run for " : "", is_instead ?
	    m->d->user->name : "");
}

/* One sync for everything that is written; -1 as append_group(). */
static int
finish_turn(struct mbox *m)
{
	struct append *a;
	int error = 0;

	if (first_in(m, MBOX_WRITTEN) == NULL)
		return 0;
	if (sync_file(m) == -1) {
		error = errno;
		if (m->turn.start != -1 && cut_back(m, m->turn.start))
			return -1;
	}
	while ((a = first_in(m, MBOX_WRITTEN)) != NULL) {
		errno = error;
		if (error != 0)
			delivery_defer_errno(&a->res, m->lock.path, "sync");
		else
			set_sent(m, a);
		step(a, error == 0 ? MBOX_EVENT_SYNC : MBOX_EVENT_FAIL);
	}
	return 0;
}

/* 0, 1 when there was no lock, or -1 when nothing may be reported. */
static int
run_turn(struct mbox *m, unsigned lock_wait_s)
{
	struct result res;
	int ret = 0;

	memset(&m->turn, 0, sizeof(m->turn));
	m->turn.start = -1;
	result_init(&res);
	if (mbox_lock_take(&m->lock, lock_wait_s, &res) == -1) {
		fail_new(m, &res);
		result_fini(&res);
		return 1;
	}
	m->turn.locked_ms = io_clock_ms();
	if (append_groups(m) == -1 || finish_turn(m) == -1)
		ret = -1;
	/* The next one finds the file, and does not know who created it. */
	if (ret == -1 && m->lock.is_name_unsure)
		delivery_sync_names(m->lock.dir);
	mbox_lock_release(&m->lock);
	return ret;
}

/* ---- one message, or a batch ---- */

static int
init(struct mbox *m, const struct delivery *d, int dir, const char *name,
    const char *path, struct result *res)
{
	memset(m, 0, sizeof(*m));
	m->d = d;
	m->status = 1;
	m->tail = &m->first;
	buf_init(&m->group.text, 0);
	ipc_init(&m->ipc);
	if (mbox_lock_init(&m->lock, dir, name, path, d->user, res) == -1)
		return -1;
	m->lock.opens_to_group = d->kind == ROUTE_MAILBOX;
	if (add_append(m, d) == NULL)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	return 0;
}

static void
fini(struct mbox *m)
{
	while (m->first != NULL)
		free_append(m, &m->first);
	buf_fini(&m->group.text);
	ipc_fini(&m->ipc);
}

/* The others are for the next turn. */
static int
report_done(struct mbox *m)
{
	struct append **at = &m->first;

	while (*at != NULL) {
		if ((*at)->state != MBOX_DONE) {
			at = &(*at)->next;
			continue;
		}
		if (delivery_report(&(*at)->d, &(*at)->res) == -1)
			return -1;
		free_append(m, at);
	}
	return 0;
}

/* 1 when there is more to append, 0 when not, -1 when m->status tells. */
static int
await_more(struct mbox *m)
{
	int got;

	if (m->first != NULL) {
		if (is_turn_over(m))
			poll(NULL, 0, REST_MS);
		return 1;
	}
	if (!m->is_batch)
		return 0;
	got = receive(m, io_clock_ms() + LINGER_MS);
	/* The end of the channel is the usual end. */
	return got == -1 && m->status != EX_PROTOCOL ? 0 : got;
}

int
mbox_deliver(const struct delivery *d, int dir, const char *name,
    const char *path, int is_batch, unsigned lock_wait_s, struct result *res)
{
	int64_t until = io_clock_ms() + LIFE_MS;
	struct mbox m;
	int got, more;

	more = init(&m, d, dir, name, path, res) == 0;
	m.is_batch = is_batch;
	while (more == 1 && io_clock_ms() < until) {
		got = run_turn(&m, lock_wait_s);
		if (got == -1 || report_done(&m) == -1)
			more = -1;
		else
			more = got == 1 ? 0 : await_more(&m);
	}
	fini(&m);
	return more == -1 ? m.status : 0;
}
