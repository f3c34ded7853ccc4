/*
 * lookup.c - lookups: the .forward of a user, the lists of an alias.
 * Runs as: the spool user.  Uses: the forward helper and its children.
 * Promise: a recipient whose lookup has no answer is deferred, not lost; an
 * answer is believed for the recipients of that lookup, and no other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aliases_include.h"
#include "lib/array.h"
#include "lib/buf.h"
#include "lib/io.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "priv/request.h"
#include "priv/user.h"
#include "queue/limits.h"
#include "queue/lookup.h"

#define LIFE_MS		20000	/* of a child that answers */

void
lookups_init(struct lookups *ls, struct active *active, int fd)
{
	int i;

	memset(ls, 0, sizeof(*ls));
	ls->active = active;
	ls->socket.fd = fd;
	for (i = 0; i < LOOKUPS_MAX; i++)
		ls->list[i].channel = -1;
}

/* However the name is spelled, it may be the same user's. */
static struct lookup *
find(struct lookups *ls, enum origin origin, const char *name)
{
	struct lookup *l;
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++) {
		l = &ls->list[i];
		if (l->state != LOOKUP_FREE && l->origin == origin &&
		    text_casecmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

static void
end(struct lookup *l)
{
	io_close(&l->channel);
	buf_fini(&l->lists);
	free(l->pending);
	memset(l, 0, sizeof(*l));
	l->channel = -1;
}

/* One more of the lookups may be for this message. */
static int
may_begin(const struct lookups *ls, const struct active_message *a)
{
	struct held held = { .by = a->entry->submitter };
	const struct lookup *l;
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++) {
		l = &ls->list[i];
		if (l->state == LOOKUP_FREE || l->state == LOOKUP_IDLE) {
			held.nfree++;
			continue;
		}
		turns_count(&held, l->submitter);
		held.own += l->first == a;
	}
	return turns_may_take(&held);
}

/* A free one, or one whose child is idle; NULL while all are sent. */
static struct lookup *
begin(struct lookups *ls, enum origin origin, const char *name)
{
	struct lookup *l = NULL;
	int i;

	for (i = 0; i < LOOKUPS_MAX &&
	    (l == NULL || l->state != LOOKUP_FREE); i++)
		if (ls->list[i].state == LOOKUP_FREE ||
		    (l == NULL && ls->list[i].state == LOOKUP_IDLE))
			l = &ls->list[i];
	if (l == NULL)
		return NULL;
	end(l);
	if (text_copy(l->name, sizeof(l->name), name) == -1)
		return NULL;
	l->origin = origin;
	l->moved_ms = io_clock_ms();
	buf_init(&l->lists, 0);
	return l;
}

static int
add_pending(struct lookup *l, struct active_message *a, uint32_t i)
{
	if (array_grow(&l->pending, &l->cap, l->n, sizeof(*l->pending)) == -1)
		return -1;
	l->pending[l->n].a = a;
	l->pending[l->n++].i = i;
	a->attempts[i].stage = STAGE_LOOKUP;
	return 0;
}

/* Another user in name, perhaps the same in truth: one after the other. */
static int
is_taken(const struct lookup *l, const char *name)
{
	return l->state == LOOKUP_SENT ||
	    (l->state == LOOKUP_GATHERING && strcmp(l->name, name) != 0);
}

/*
 * All recipients that are routed to a user in one turn share a lookup, which
 * is sent at its end; later ones have the next.
 */
void
lookups_ask(struct lookups *ls, struct active_message *a, uint32_t i,
    enum origin origin, const char *name)
{
	struct lookup *l;
	struct part part;

	a->attempts[i].stage = STAGE_ROUTE;
	l = find(ls, origin, name);
	if (l != NULL && is_taken(l, name)) {
		part = active_part(ls->active, a);
		if (limits_must_yield(&part, io_clock_ms() - l->moved_ms))
			decide_postponed(a, i);
		return;
	}
	if (l == NULL || l->state != LOOKUP_GATHERING) {
		if (!may_begin(ls, a)) {
			a->pass.full |= PASS_NO_LOOKUP;
			return;
		}
		if (l != NULL && strcmp(l->name, name) != 0) {
			end(l);
			l = NULL;
		}
		if (l == NULL)
			l = begin(ls, origin, name);
		if (l == NULL)
			return;
		l->first = a;
		l->submitter = a->entry->submitter;
	}
	l->state = LOOKUP_GATHERING;
	if (add_pending(l, a, i) == -1)
		decide_later(a, i, "out of memory");
}

static void
forget(struct lookup *l, struct active_message *a)
{
	size_t k, n = 0;

	for (k = 0; k < l->n; k++) {
		if (l->pending[k].a == a)
			a->attempts[l->pending[k].i].stage = STAGE_ROUTE;
		else
			l->pending[n++] = l->pending[k];
	}
	l->n = n;
}

void
lookups_forget(struct lookups *ls, struct active_message *a)
{
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++)
		forget(&ls->list[i], a);
}

/* The result of all that are pending. */
static void
fail(struct lookup *l, const char *reason)
{
	for (; l->n > 0; l->n--)
		decide_later(l->pending[l->n - 1].a, l->pending[l->n - 1].i,
		    reason);
	end(l);
}

/* For the next runner, which has a helper. */
static void
fail_without_helper(struct lookup *l)
{
	for (; l->n > 0; l->n--)
		decide_without_helper(l->pending[l->n - 1].a,
		    l->pending[l->n - 1].i);
	end(l);
}

/* ---- to the forward helper ---- */

/* Asks a new child: as helper_ask(). */
static int
ask_new(struct lookups *ls, struct lookup *l)
{
	struct ipc m;
	int ret;

	l->born_ms = io_clock_ms();
	ipc_init(&m);
	forward_request_put(&m, ++ls->last_id, l->origin, l->name);
	ret = helper_ask(&ls->socket, &m, &l->channel, &ls->active->q->log);
	ipc_fini(&m);
	return ret;
}

/*
 * Asks the child that answered last; 0 or -1.  A new one for each lookup costs
 * 8 to 20 % more CPU for each message (P2).
 */
static int
ask_again(struct lookup *l)
{
	if (io_clock_ms() - l->born_ms >= LIFE_MS)
		io_close(&l->channel);
	if (l->channel != -1 &&
	    ipc_send_empty(l->channel, IPC_FORWARD_AGAIN, 0) == 0)
		return 0;
	io_close(&l->channel);
	return -1;
}

/* Without room it goes on gathering, and is late in its time. */
static void
send_lookup(struct lookups *ls, struct lookup *l)
{
	int ret = 0;

	l->is_again = ask_again(l) == 0;
	if (!l->is_again)
		ret = ask_new(ls, l);
	if (ret == -1 && ls->socket.fd == -1) {
		fail_without_helper(l);
		return;
	}
	if (ret == -1) {
		fail(l, "the .forward helper cannot be reached");
		return;
	}
	l->state = ret == 0 ? LOOKUP_SENT : LOOKUP_GATHERING;
	if (ret == 0)
		l->moved_ms = io_clock_ms();
}

void
lookups_send(struct lookups *ls)
{
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++)
		if (ls->list[i].state == LOOKUP_GATHERING)
			send_lookup(ls, &ls->list[i]);
}

/* Users may see their own .forward, and root all. */
const char *
lookups_show(struct lookups *ls, uint32_t uid, const char *name, int channel)
{
	struct user user;
	struct ipc m;
	int ret;

	if (uid != 0 && (user_lookup(name, &user) != 0 || user.uid != uid))
		return "the .forward file of another user";
	/* A helper that is given anything else ends. */
	if (!request_is_channel(channel, geteuid()))
		return "not a channel of the spool user";
	ipc_init(&m);
	forward_request_put(&m, ++ls->last_id, ORIGIN_FORWARD, name);
	ret = helper_pass(&ls->socket, &m, channel, &ls->active->q->log);
	ipc_fini(&m);
	return ret == 0 ? "" : "too many .forward files are being read: try "
	    "again later";
}

/* ---- from its children ---- */

/* 0 when a part of a list is kept. */
static int
keep_list(struct lookup *l, const struct ipc *m)
{
	if (l->origin != ORIGIN_ALIASES || l->lists.len + m->fields.len >
	    LISTS_BYTES_MAX + IPC_CHANNEL_LIMIT)
		return -1;
	buf_add(&l->lists, m->fields.data, m->fields.len);
	return buf_failed(&l->lists) ? -1 : 0;
}

static void
answer_later(struct lookup_answer *a, const char *text)
{
	a->verdict = FORWARD_LATER;
	a->text = text;
	a->len = strlen(text);
	a->rest = NULL;
}

/* m: NULL when there is none, which is "later". */
static void
get_answer(struct lookup_answer *a, struct ipc *m)
{
	answer_later(a, "no reply from the helper");
	if (m == NULL || m->kind != IPC_FORWARD_REPLY)
		return;
	a->verdict = ipc_get_u32(m);
	a->text = ipc_get_bytes(m, &a->len);
	a->rest = m;
	if (a->verdict == FORWARD_TEXT ? m->bad : ipc_done(m) == -1)
		answer_later(a, "invalid reply from the helper");
}

static void
give_answer(struct lookups *ls, struct lookup *l,
    const struct lookup_answer *a)
{
	size_t k;

	for (k = 0; k < l->n; k++)
		ls->answered(ls, l, &l->pending[k], a);
	l->n = 0;
	l->state = LOOKUP_IDLE;
	l->moved_ms = io_clock_ms();
}

/* m: NULL when the child is gone, or broke the rules. */
static void
take(struct lookups *ls, struct lookup *l, struct ipc *m)
{
	struct lookup_answer a;

	if (m != NULL && l->state == LOOKUP_SENT &&
	    m->kind == IPC_FORWARD_LIST && keep_list(l, m) == 0)
		return;
	if (m == NULL || l->state != LOOKUP_SENT ||
	    l->origin == ORIGIN_ALIASES)
		io_close(&l->channel);
	if (l->state != LOOKUP_SENT) {
		if (l->state == LOOKUP_IDLE)
			end(l);
		return;
	}
	/* It had left before it read the question: that is no answer. */
	if (m == NULL && l->is_again) {
		send_lookup(ls, l);
		return;
	}
	if (m == NULL && !helper_is_there(&ls->socket, &ls->active->q->log)) {
		fail_without_helper(l);
		return;
	}
	get_answer(&a, m);
	give_answer(ls, l, &a);
	if (l->channel == -1)
		end(l);
}

void
lookup_read(struct lookups *ls, struct lookup *l)
{
	struct ipc m;
	int n;

	ipc_init(&m);
	n = ipc_recv(l->channel, &m, IPC_CHANNEL_LIMIT);
	if (n != -1 || errno != EAGAIN)
		take(ls, l, n == 1 ? &m : NULL);
	ipc_fini(&m);
}

/* ---- late ones ---- */

/* How crowded the active queue is for those that wait; none does: not. */
static struct part
part_of(const struct lookups *ls, const struct lookup *l)
{
	struct part none = { 0, ACTIVE_MAX };

	return l->n == 0 ? none : active_part(ls->active, l->pending[0].a);
}

/* A child that hangs must not keep the active queue for itself. */
static void
make_room(struct lookups *ls, struct lookup *l)
{
	struct part part = part_of(ls, l);
	struct pending p;

	while (limits_pending(&part, l->n) < l->n) {
		p = l->pending[--l->n];
		decide_postponed(p.a, p.i);
	}
}

static int64_t
left_ms(const struct lookups *ls, const struct lookup *l)
{
	int64_t age_ms = io_clock_ms() - l->moved_ms;
	struct part part = part_of(ls, l);

	if (l->state == LOOKUP_IDLE)
		return age_ms < LINGER_MS ? LINGER_MS - age_ms : 0;
	return limits_lookup_left_ms(&part, l->n, age_ms);
}

int64_t
lookups_late(struct lookups *ls)
{
	int64_t least = -1, left;
	struct lookup *l;
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++) {
		l = &ls->list[i];
		if (l->state == LOOKUP_FREE)
			continue;
		left = left_ms(ls, l);
		if (left == 0) {
			make_room(ls, l);
			if (left_ms(ls, l) == 0)
				fail(l, l->origin == ORIGIN_ALIASES ?
				    "timed out while reading the lists of "
				    "the alias" :
				    "timed out while reading the .forward");
		}
		if (least == -1 || left < least)
			least = left;
	}
	return least;
}
