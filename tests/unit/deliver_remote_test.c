/*
 * deliver_remote_test.c - remote deliveries: which recipients go where, and
 * what a dma-remote is believed.
 * The test is dma-remote.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#ifdef __linux__
#include <malloc.h>
#endif
#include <signal.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/request.h"
#include "queue/deliver_remote.h"
#include "tests/unit/t_active.h"

struct world {
	struct t_active	 t;
	struct destinations ds;
};

/* The ends of the processes that were started, in their order. */
static struct {
	int	 socks[PROCESSES_MAX + 2];
	int	 n, is_missing;
} remotes;

int
request_remote(void)
{
	int pair[2];

	if (remotes.is_missing) {
		errno = ENOENT;
		return -1;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(io_nonblock(pair[0]), 0);
	assert_int_equal(io_nonblock(pair[1]), 0);
	remotes.socks[remotes.n++] = pair[1];
	return pair[0];
}

/* In the same object as that one: not used here. */
int
request_channel(int pair[2])
{
	(void)pair;
	return -1;
}

static int
setup_with(void **state, const char *conf)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	t_active_init(&w->t, conf);
	w->ds.active = &w->t.active;
	remotes.n = remotes.is_missing = 0;
	*state = w;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, "");
}

static int
setup_smarthost(void **state)
{
	return setup_with(state, "SMARTHOST relay.example.net\n");
}

static int
teardown(void **state)
{
	struct world *w = *state;
	struct destination *d, *next;
	struct remote_request *r;

	while (w->t.active.messages != NULL)
		t_active_unload(&w->t, w->t.active.messages);
	for (d = w->ds.list; d != NULL; d = next) {
		next = d->next;
		while ((r = d->requests) != NULL) {
			d->requests = r->next;
			free(r);
		}
		io_close(&d->sock);
		free(d);
	}
	while (remotes.n > 0)
		io_close(&remotes.socks[--remotes.n]);
	t_active_fini(&w->t);
	free(w);
	return 0;
}

/* Up to four recipients, all remote. */
static struct active_message *
message(struct world *w, const char *id, const char *a, const char *b,
    const char *c)
{
	struct active_message *m;
	uint32_t i;

	t_active_commit(&w->t, id, a, b, c, NULL);
	m = t_active_load(&w->t, id);
	assert_non_null(m);
	for (i = 0; i < m->nattempts; i++)
		t_active_stage(m, i, STAGE_REMOTE);
	return m;
}

static const char *
stages(const struct active_message *a)
{
	static const char letters[] = "nrliRbhdD";
	static char text[16];
	uint32_t i;

	for (i = 0; i < a->nattempts; i++)
		text[i] = letters[a->attempts[i].stage];
	text[i] = '\0';
	return text;
}

/* Reads one record of what process k is sent; its kind, 0 for none. */
static uint32_t
next_kind(int k, uint32_t *id)
{
	uint32_t kind = 0;
	struct ipc m;

	ipc_init(&m);
	if (ipc_recv(remotes.socks[k], &m, IPC_REMOTE_LIMIT) == 1) {
		kind = m.kind;
		*id = m.id;
	}
	ipc_fini(&m);
	return kind;
}

/* Reads all; gives the id of the last message. */
static uint32_t
drain(int k)
{
	uint32_t id = 0, kind, last = 0;

	while ((kind = next_kind(k, &id)) != 0)
		if (kind == IPC_REMOTE_MESSAGE)
			last = id;
	return last;
}

static struct destination *
named(struct world *w, const char *name)
{
	struct destination *d;

	for (d = w->ds.list; d != NULL; d = d->next)
		if (strcmp(d->name, name) == 0)
			return d;
	return NULL;
}


static void
put_status(struct ipc *m, uint32_t index, enum status status)
{
	struct result res;

	result_init(&res);
	result_quote(&res, SOURCE_SERVER, status, status == STATUS_SENT ?
	    "2.0.0" : status == STATUS_FAILED ? "5.1.1" : "4.2.0", "250 ok");
	ipc_put_u32(m, index);
	result_put(m, &res);
	ipc_put_str(m, "mx.example.org[192.0.2.1]");
	ipc_put_str(m, "mx.example.org[192.0.2.1]");
	ipc_put_u32(m, 0);
	result_fini(&res);
}

static void
send_status(int k, uint32_t id, uint32_t index, enum status status)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_STATUS, id);
	put_status(&m, index, status);
	assert_int_equal(ipc_send(remotes.socks[k], &m), 0);
	ipc_fini(&m);
}

static void
send_left(int k, uint32_t id, uint32_t left)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_RECORD, id);
	ipc_put_u32(&m, left);
	assert_int_equal(ipc_send(remotes.socks[k], &m), 0);
	ipc_fini(&m);
}

static void
send_text(int k, uint32_t kind, uint32_t id, const char *text)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, kind, id);
	ipc_put_str(&m, text);
	assert_int_equal(ipc_send(remotes.socks[k], &m), 0);
	ipc_fini(&m);
}

/* Without SMARTHOST by domain, however it is spelled. */
static void
test_by_domain(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	uint32_t id;

	a = message(w, "a", "x@one.example", "y@two.example", "z@ONE.example");
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "bbb");
	assert_int_equal(a->requests, 2);
	assert_int_equal(named(w, "one.example")->requests->n, 2);
	assert_int_equal(named(w, "two.example")->requests->n, 1);
	destinations_send(&w->ds);
	assert_int_equal(remotes.n, 2);
	assert_int_equal(next_kind(0, &id), IPC_REMOTE_DESTINATION);
	assert_int_equal(next_kind(0, &id), IPC_REMOTE_MESSAGE);
	assert_int_equal(next_kind(0, &id), IPC_REMOTE_RECIPIENTS);
	assert_int_equal(next_kind(0, &id), 0);
}

/* One transaction for each envelope sender, each with what is its own. */
static void
test_by_sender(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	struct remote_request *r;

	a = message(w, "a", "x@one.example", "y@two.example", "z@one.example");
	a->m.rcpts[1].sender = strdup("owner@list.example");
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "bbb");
	assert_int_equal(a->requests, 2);
	assert_null(w->ds.list->next);
	for (r = w->ds.list->requests; r != NULL; r = r->next)
		assert_int_equal(r->n, message_sender(&a->m, r->rcpts[0]) ==
		    a->m.sender ? 2 : 1);
}

static void
test_by_smarthost(void **state)
{
	struct world *w = *state;
	struct active_message *a;

	a = message(w, "a", "x@one.example", "y@two.example", "z");
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "bbb");
	assert_int_equal(a->requests, 1);
	assert_int_equal(w->ds.list->kind, DESTINATION_SMARTHOST);
}

static void
test_no_way(void **state)
{
	struct world *w = *state;
	char domain[400], local[ADDRESS_MAX + 1];
	struct active_message *a;

	memset(domain, 'a', sizeof(domain) - 1);
	domain[0] = 'x';
	domain[1] = '@';
	domain[sizeof(domain) - 1] = '\0';
	memset(local, 'a', sizeof(local) - 1);
	local[sizeof(local) - 1] = '\0';
	a = message(w, "a", "bob", domain, NULL);
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "dd");
	assert_int_equal(a->m.rcpts[0].last.status, STATUS_DEFERRED);
	assert_null(w->ds.list);
	/* What is read from SENDER_RELAY is never guessed. */
	w->t.q.conf.where.sender_relay = strdup("/etc/dma/relays");
	w->t.q.has_senders = 0;
	a = message(w, "b", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "d");
	assert_int_equal(a->m.rcpts[0].last.status, STATUS_DEFERRED);
	assert_null(w->ds.list);
}

/* A transaction: each recipient is decided once; the last ends the request. */
static void
test_transaction(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	struct destination *d;
	uint32_t id;

	a = message(w, "a", "x@one.example", "y@one.example", "z@one.example");
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	id = drain(0);
	d = w->ds.list;
	send_status(0, id, 2, STATUS_SENT);
	send_status(0, id, 0, STATUS_FAILED);
	send_left(0, id, 1);
	destination_read(&w->ds, d);
	assert_string_equal(stages(a), "dbd");
	assert_string_equal(a->m.rcpts[2].last.server,
	    "mx.example.org[192.0.2.1]");
	assert_int_equal(a->requests, 1);
	assert_int_equal(d->requests->share->active, 1);
	send_status(0, id, 1, STATUS_DEFERRED);
	send_left(0, id, 0);
	destination_read(&w->ds, d);
	assert_string_equal(stages(a), "ddd");
	assert_int_equal(a->requests, 0);
	assert_null(d->requests);
	/* It may know a dead host, so the next message has another. */
	assert_int_equal(d->sock, -1);
}

/* What dma-remote gets wrong ends it: the rest is deferred, once. */
static void
test_not_believed(void **state)
{
	static const struct {
		uint32_t index, status, left;
		int	 other;		/* another request's id */
	} cases[] = {
		{ 2, STATUS_SENT, 0, 0 },	/* there are two */
		{ 0, STATUS_SENT, 0, 0 },	/* one is left */
		{ 0, STATUS_SENT, 2, 0 },
		{ 0, STATUS_FAILED + 1, 1, 0 },
		{ 0, STATUS_NONE, 1, 0 },
		{ 0, STATUS_SENT, 1, 1 },
	};
	struct world *w = *state;
	struct active_message *a;
	uint32_t id;
	char name[8];
	size_t i;

	for (i = 0; i < N(cases); i++) {
		snprintf(name, sizeof(name), "m%zu", i);
		a = message(w, name, "x@one.example", "y@one.example", NULL);
		destinations_give(&w->ds, a);
		destinations_send(&w->ds);
		id = drain(remotes.n - 1) + (uint32_t)cases[i].other;
		send_status(remotes.n - 1, id, cases[i].index,
		    (enum status)cases[i].status);
		send_left(remotes.n - 1, id, cases[i].left);
		destination_read(&w->ds, w->ds.list);
		assert_string_equal(stages(a), "dd");
		assert_int_equal(a->m.rcpts[1].last.status, STATUS_DEFERRED);
		assert_int_equal(a->requests, 0);
		assert_int_equal(w->ds.list->sock, -1);
	}
}

static void
test_told_twice(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	uint32_t id;

	a = message(w, "a", "x@one.example", "y@one.example", NULL);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	id = drain(0);
	send_status(0, id, 0, STATUS_SENT);
	send_status(0, id, 0, STATUS_FAILED);
	destination_read(&w->ds, w->ds.list);
	assert_int_equal(a->m.rcpts[0].last.status, STATUS_SENT);
	assert_int_equal(a->m.rcpts[1].last.status, STATUS_DEFERRED);
}

/* It ends: with a reason of its own, or without one. */
static void
test_ends(void **state)
{
	static const char *const reasons[] = { NULL, "no certificates" };
	struct world *w = *state;
	struct active_message *a;
	char name[8];
	size_t i;

	for (i = 0; i < N(reasons); i++) {
		snprintf(name, sizeof(name), "m%zu", i);
		a = message(w, name, "x@one.example", NULL, NULL);
		destinations_give(&w->ds, a);
		destinations_send(&w->ds);
		if (reasons[i] != NULL)
			send_text(remotes.n - 1, IPC_REMOTE_TROUBLE, 0,
			    reasons[i]);
		io_close(&remotes.socks[remotes.n - 1]);
		destination_read(&w->ds, w->ds.list);
		assert_string_equal(stages(a), "d");
		assert_string_equal(a->m.rcpts[0].last.reason,
		    reasons[i] != NULL ?
		    "this host cannot send mail to other hosts now" :
		    "dma-remote exited before delivery was complete");
		/* It may name files: for the log and root alone. */
		if (reasons[i] != NULL)
			assert_string_equal(a->m.rcpts[0].last.detail,
			    reasons[i]);
	}
}

static void
test_cannot_be_started(void **state)
{
	struct world *w = *state;
	struct active_message *a;

	remotes.is_missing = 1;
	a = message(w, "a", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	assert_string_equal(stages(a), "d");
	assert_int_equal(a->m.rcpts[0].last.status, STATUS_DEFERRED);
}

/* The file is gone: this message is deferred, others go. */
static void
test_no_file(void **state)
{
	struct world *w = *state;
	struct active_message *a, *b;

	a = message(w, "a", "x@one.example", NULL, NULL);
	b = message(w, "b", "y@one.example", NULL, NULL);
	assert_int_equal(unlinkat(w->t.q.spool.queue, "a", 0), 0);
	destinations_give(&w->ds, a);
	destinations_give(&w->ds, b);
	destinations_send(&w->ds);
	assert_string_equal(stages(a), "d");
	assert_string_equal(stages(b), "b");
	assert_int_not_equal(drain(0), 0);
}

/* More than a share is postponed, and comes back with a place. */
static void
test_share(void **state)
{
	struct world *w = *state;
	struct active_message *a, *b;
	struct share *share;

	a = message(w, "a", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	share = w->ds.list->requests->share;
	share->active = ACTIVE_MAX;
	b = message(w, "b", "y@one.example", "z@two.example", NULL);
	destinations_give(&w->ds, b);
	assert_string_equal(stages(b), "nn");
	assert_int_equal(share->postponed.n, 1);
	b->entry->state = ENTRY_WAITING;
	active_end(&w->t.active, b);
	share->active = 1;
	b = t_active_load(&w->t, "b");
	assert_non_null(b);
	assert_ptr_equal(b->share, share);
	t_active_stage(b, 0, STAGE_REMOTE);
	t_active_stage(b, 1, STAGE_REMOTE);
	/* However crowded it is. */
	share->active = ACTIVE_MAX;
	destinations_give(&w->ds, b);
	assert_string_equal(stages(b), "bb");
	t_active_unload(&w->t, b);
}

/* Many hosts that do not answer: others wait in the queue, not here. */
static void
test_crowded(void **state)
{
	struct world *w = *state;
	struct active_message *a = NULL;
	char id[8], address[32];
	int i, more;

	for (i = 0; i <= PROCESSES_MAX; i++) {
		snprintf(id, sizeof(id), "m%02d", i);
		snprintf(address, sizeof(address), "x@h%d.example", i);
		a = message(w, id, address, NULL, NULL);
		if (i == PROCESSES_MAX)
			t_active_crowd(&w->t, ACTIVE_MAX);
		destinations_give(&w->ds, a);
		assert_string_equal(stages(a), i == PROCESSES_MAX ? "n" : "b");
		destinations_send(&w->ds);
	}
	assert_true(a->m.rcpts[0].due > time(NULL));
	assert_null(named(w, address + 2));
	/* Its own host is none of those: with room it waits for a process. */
	t_active_crowd(&w->t, PROCESSES_MAX + 1);
	a->open = 1;
	t_active_stage(a, 0, STAGE_REMOTE);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	assert_string_equal(stages(a), "b");
	/* A quarter of them is for others: of whom the next one has one. */
	assert_int_equal(remotes.n, PROCESSES_MAX / 4 * 3);
	a = message(w, "other", "x@other.example", NULL, NULL);
	a->entry->submitter = turns_submitter(&w->t.active.turns, 77);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	assert_int_equal(remotes.n, PROCESSES_MAX / 4 * 3 + 1);
	assert_int_not_equal(named(w, "other.example")->sock, -1);
	a->entry->submitter = turns_submitter(&w->t.active.turns, 0);
	/* What is over makes room for the next one. */
	for (more = 0; more < 2; more++) {
		send_status(more, drain(more), 0, STATUS_SENT);
		send_left(more, (uint32_t)more + 1, 0);
		destination_read(&w->ds, w->ds.list);
		destination_read(&w->ds, w->ds.list->next);
		destinations_send(&w->ds);
	}
	assert_true(remotes.n > PROCESSES_MAX / 4 * 3 + 1);
}

/* A host for each recipient: neither a destination nor memory for all. */
static void
test_many_domains(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	struct destination *d;
	char address[32];
	struct message m;
	uint32_t i, n = 0;

	t_message(&m, "ann@example.org", time(NULL), NULL);
	for (i = 0; i < 2000; i++) {
		snprintf(address, sizeof(address), "x@h%u.example", i);
		assert_non_null(message_add(&m, address));
	}
	t_commit(&w->t.q.spool, "a", &m, T_TEXT, sizeof(T_TEXT) - 1);
	message_fini(&m);
	a = t_active_load(&w->t, "a");
	assert_non_null(a);
	for (i = 0; i < a->nattempts; i++)
		t_active_stage(a, i, STAGE_REMOTE);
	destinations_give(&w->ds, a);
	for (d = w->ds.list; d != NULL; d = d->next, n++)
		assert_int_equal(d->requests->n, 1);
	assert_int_equal(n, 512);
	assert_int_equal(a->attempts[1999].stage, STAGE_NONE);
	assert_true(a->m.rcpts[1999].due > time(NULL));
#ifdef __linux__
	assert_true(malloc_usable_size(w->ds.list->requests) < 1000);
#endif
}

/* Which destinations were asked to yield: their records are read. */
static unsigned
count_yields(void)
{
	unsigned n = 0;
	struct ipc m;
	int i;

	ipc_init(&m);
	for (i = 0; i < remotes.n; i++)
		while (ipc_recv(remotes.socks[i], &m, IPC_REMOTE_LIMIT) == 1)
			n += m.kind == IPC_REMOTE_YIELD;
	ipc_fini(&m);
	return n;
}

/* Silent destinations give way when another one of their submitter waits. */
static void
test_yield(void **state)
{
	struct world *w = *state;
	struct active_message *a = NULL;
	char id[8], address[32];
	struct destination *d;
	int i;

	for (i = 0; i <= PROCESSES_MAX / 4 * 3; i++) {
		assert_int_equal(destinations_yield(&w->ds), -1);
		snprintf(id, sizeof(id), "m%02d", i);
		snprintf(address, sizeof(address), "x@h%02d.example", i);
		a = message(w, id, address, NULL, NULL);
		destinations_give(&w->ds, a);
		destinations_send(&w->ds);
	}
	assert_in_range(destinations_yield(&w->ds), 1, 4000);
	assert_int_equal(count_yields(), 0);
	for (d = w->ds.list; d != NULL; d = d->next)
		d->moved_ms -= 4001;
	(void)destinations_yield(&w->ds);
	assert_int_equal(count_yields(), 1);
	/* Whose mail was tried before has more time. */
	for (d = w->ds.list; d != NULL; d = d->next)
		d->requests->a->m.rcpts[0].attempts = 1;
	(void)destinations_yield(&w->ds);
	assert_int_equal(count_yields(), 0);
	/* Nobody waits: nobody gives way. */
	a->entry->submitter = turns_submitter(&w->t.active.turns, 77);
	for (d = w->ds.list; d != NULL; d = d->next)
		d->moved_ms = 0;
	assert_int_equal(destinations_yield(&w->ds), -1);
	assert_int_equal(count_yields(), 0);
	a->entry->submitter = turns_submitter(&w->t.active.turns, 0);
}

/*
 * Uids that may be one user share what one may have: so those of one give way
 * to that of another.
 */
static void
test_yield_to_a_uid_of_the_range(void **state)
{
	struct world *w = *state;
	struct turns *turns = &w->t.active.turns;
	struct active_message *a = NULL;
	char id[8], address[32];
	struct destination *d;
	int i, nwaiting = 0;

	for (i = 0; i < PROCESSES_MAX && nwaiting == 0; i++) {
		snprintf(id, sizeof(id), "m%02d", i);
		snprintf(address, sizeof(address), "x@h%02d.example", i);
		a = message(w, id, address, NULL, NULL);
		a->entry->submitter = turns_submitter(turns,
		    100000 + (uint32_t)i);
		destinations_give(&w->ds, a);
		destinations_send(&w->ds);
		nwaiting = named(w, address + 2)->is_waiting;
	}
	assert_in_range(i, 2, PROCESSES_MAX - 1);
	for (d = w->ds.list; d != NULL; d = d->next)
		d->moved_ms = 0;
	(void)destinations_yield(&w->ds);
	assert_int_equal(count_yields(), 1);
	for (a = w->t.active.messages; a != NULL; a = a->next)
		a->entry->submitter = turns_submitter(turns, 0);
}

static const char *
order_of(const struct destination *d)
{
	static char order[16];
	const struct remote_request *r;
	size_t n = 0;

	for (r = d->requests; r != NULL && n + 1 < sizeof(order); r = r->next)
		order[n++] = r->a->m.id[0];
	order[n] = '\0';
	return order;
}

/* One message of another submitter does not come after all of the first. */
static void
test_turns(void **state)
{
	static const char *const ids[] = { "a", "b", "c", "d" };
	struct world *w = *state;
	struct active_message *a;
	size_t i;

	for (i = 0; i < N(ids); i++) {
		a = message(w, ids[i], "x@one.example", NULL, NULL);
		destinations_give(&w->ds, a);
	}
	a = message(w, "o", "x@one.example", NULL, NULL);
	a->entry->submitter = turns_submitter(&w->t.active.turns, 77);
	destinations_give(&w->ds, a);
	assert_string_equal(order_of(w->ds.list), "aobcd");
	destinations_send(&w->ds);
	a->entry->submitter = turns_submitter(&w->t.active.turns, 0);
}

static void
test_linger(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	struct destination *d;
	uint32_t id;

	assert_int_equal(destinations_linger(&w->ds), -1);
	a = message(w, "a", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	assert_int_equal(destinations_linger(&w->ds), -1);
	id = drain(0);
	send_status(0, id, 0, STATUS_SENT);
	send_left(0, id, 0);
	d = w->ds.list;
	destination_read(&w->ds, d);
	assert_in_range(destinations_linger(&w->ds), 1, 1000);
	d->idle_ms -= 3600 * 1000;
	/* Whoever slept a day now would have nothing to do, and not end. */
	assert_int_equal(destinations_linger(&w->ds), 0);
	assert_null(w->ds.list);
	assert_int_equal(destinations_linger(&w->ds), -1);
}

/* ---- destinations that cannot be reached ---- */

/* Process k has no host to connect to. */
static void
send_no_host(int k)
{
	struct result res;
	struct ipc m;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "connection refused");
	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_NO_HOST, 0);
	result_put(&m, &res);
	ipc_put_str(&m, "mx.example.org[192.0.2.1] port 25");
	ipc_put_str(&m, "mx.example.org[192.0.2.1]");
	assert_int_equal(ipc_send(remotes.socks[k], &m), 0);
	ipc_fini(&m);
	result_fini(&res);
}

static struct backoff *
backoff(struct world *w, const char *domain)
{
	const struct backoff_name name = { DESTINATION_DOMAIN, domain, "" };

	return backoffs_find(&w->t.active.backoffs,
	    backoffs_key(&w->t.active.backoffs, &name));
}

/* Gives a message for x@one.example, and sends what can be sent. */
static struct active_message *
give(struct world *w, const char *id)
{
	struct active_message *a = message(w, id, "x@one.example", NULL, NULL);

	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	return a;
}

/* Its process finds no host for the message that it was sent last. */
static void
fail_to_reach(struct world *w, int k)
{
	uint32_t id = drain(k);

	send_no_host(k);
	send_status(k, id, 0, STATUS_DEFERRED);
	send_left(k, id, 0);
	destination_read(&w->ds, named(w, "one.example"));
}

static void
test_unreachable_destination_gets_one_probe(void **state)
{
	struct world *w = *state;
	struct active_message *a, *b, *c;

	a = give(w, "a");
	b = message(w, "b", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, b);
	fail_to_reach(w, 0);
	/* The one that was sent was tried, the other was not. */
	assert_string_equal(stages(a), "d");
	assert_int_equal(a->attempts[0].is_uncounted, 0);
	assert_string_equal(stages(b), "d");
	assert_int_equal(b->attempts[0].is_uncounted, 1);
	assert_string_equal(b->m.rcpts[0].last.code, "4.4.1");
	assert_true(a->attempts[0].waits_for != 0);
	assert_true(a->attempts[0].waits_for == b->attempts[0].waits_for);
	assert_in_range(b->m.rcpts[0].due, time(NULL) + 200,
	    time(NULL) + 400);
	/* Nor is new mail, with a flush or without. */
	c = give(w, "c");
	assert_string_equal(stages(c), "d");
	t_active_stage(c, 0, STAGE_REMOTE);
	c->is_forced = 1;
	destinations_give(&w->ds, c);
	/* What its journal has already is not decided again. */
	assert_string_equal(stages(c), "n");
	assert_int_equal(remotes.n, 1);
	/* A flush makes it due; then one message is under way. */
	destinations_renew(&w->ds, 0);
	t_active_stage(a, 0, STAGE_REMOTE);
	a->decided = b->decided = c->decided = 0;
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "b");
	assert_int_equal(backoff(w, "one.example")->state, BACKOFF_PROBING);
	t_active_stage(b, 0, STAGE_REMOTE);
	destinations_give(&w->ds, b);
	assert_string_equal(stages(b), "n");
	/* An explicit wish is obeyed. */
	t_active_stage(c, 0, STAGE_REMOTE);
	destinations_give(&w->ds, c);
	assert_string_equal(stages(c), "b");
	destinations_send(&w->ds);
	assert_int_equal(remotes.n, 2);
}

static void
test_first_answer_of_a_probe_releases_the_others(void **state)
{
	static const struct {
		enum status	 status;
		enum backoff_state becomes;
	} cases[] = {
		{ STATUS_SENT, BACKOFF_OVER }, { STATUS_FAILED, BACKOFF_OVER },
		/* By a host, about this message. */
		{ STATUS_DEFERRED, BACKOFF_OVER },
		/* The process died. */
		{ STATUS_NONE, BACKOFF_RESTING },
	};
	struct world *w = *state;
	struct active_message *a;
	char name[2] = "b";
	uint32_t id;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		name[0] = (char)('b' + i);
		a = give(w, name);
		fail_to_reach(w, remotes.n - 1);
		destinations_renew(&w->ds, 0);
		t_active_stage(a, 0, STAGE_REMOTE);
		a->decided = 0;
		destinations_give(&w->ds, a);
		destinations_send(&w->ds);
		id = drain(remotes.n - 1);
		if (cases[i].status == STATUS_NONE) {
			io_close(&remotes.socks[remotes.n - 1]);
		} else {
			send_status(remotes.n - 1, id, 0, cases[i].status);
			send_left(remotes.n - 1, id, 0);
		}
		destination_read(&w->ds, named(w, "one.example"));
		assert_string_equal(stages(a), "d");
		assert_int_equal(backoff(w, "one.example")->state,
		    cases[i].becomes);
		a->decided = 0;
	}
}

/* Its own, or that of its destination since it expired. */
static void
test_expiry_after_a_last_attempt(void **state)
{
	struct world *w = *state;
	time_t lifetime_s = (time_t)w->t.q.conf.retry.lifetime_s;
	struct active_message *a, *b;

	a = give(w, "a");
	fail_to_reach(w, 0);
	a->decided = 0;
	b = message(w, "b", "x@one.example", NULL, NULL);
	/* Since the clock was set forward, nothing was tried. */
	b->m.arrived = time(NULL) - lifetime_s + 1;
	destinations_give(&w->ds, b);
	assert_int_equal(b->attempts[0].is_uncounted, 1);
	b->decided = 0;
	b->attempts[0].is_uncounted = 0;
	b->m.arrived = time(NULL) - lifetime_s - 1;
	t_active_stage(b, 0, STAGE_REMOTE);
	destinations_give(&w->ds, b);
	assert_string_equal(stages(b), "d");
	assert_int_equal(b->attempts[0].is_uncounted, 0);
	assert_string_equal(b->m.rcpts[0].last.code, "4.4.1");
	b->decided = 0;
}

static void
test_destinations_do_not_share_a_backoff(void **state)
{
	struct world *w = *state;
	struct active_message *a;

	a = give(w, "a");
	fail_to_reach(w, 0);
	a->decided = 0;
	a = message(w, "b", "x@two.example", "x@one.example", NULL);
	destinations_give(&w->ds, a);
	assert_string_equal(stages(a), "bd");
	assert_null(backoff(w, "two.example"));
	assert_non_null(backoff(w, "ONE.example"));
	a->decided = 0;
}

/* A flush: what is idle ends now, what is busy after its last message. */
static void
test_renew(void **state)
{
	struct world *w = *state;
	struct active_message *a;
	struct destination *d;
	uint32_t id;

	a = message(w, "a", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	d = w->ds.list;
	destinations_renew(&w->ds, 0);
	assert_int_not_equal(d->sock, -1);
	id = drain(0);
	send_status(0, id, 0, STATUS_SENT);
	send_left(0, id, 0);
	destination_read(&w->ds, d);
	assert_int_equal(d->sock, -1);
}

/*
 * A dialogue is shown to whoever watches that message; id 0: any of them.  A
 * line that could be a reply of the runner ends the session.
 */
static void
test_dialogue(void **state)
{
	struct world *w = *state;
	struct active_message *a, *b;
	struct watcher who;
	char text[64];
	uint32_t id;
	int p[2];
	ssize_t n;

	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	memset(&who, 0, sizeof(who));
	who.state = WATCHER_WAITING;
	who.is_watching = who.sees_all = 1;
	who.fd = p[1];
	text_copy(who.id, sizeof(who.id), "a");
	who.left = 1;
	watchers_add(&w->t.watchers, &who);
	a = message(w, "a", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	b = message(w, "b", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, b);
	destinations_send(&w->ds);
	id = drain(0);		/* of b */
	send_text(0, IPC_REMOTE_DIALOGUE, id, "<<< not mine");
	send_text(0, IPC_REMOTE_DIALOGUE, id - 1, ">>> mine");
	send_text(0, IPC_REMOTE_DIALOGUE, 0, "=== all");
	destination_read(&w->ds, w->ds.list);
	n = read(p[0], text, sizeof(text));
	assert_int_equal(n, 17);
	assert_memory_equal(text, ">>> mine\n=== all\n", 17);
	assert_int_not_equal(w->ds.list->sock, -1);
	send_text(0, IPC_REMOTE_DIALOGUE, 0, "a ok sent");
	destination_read(&w->ds, w->ds.list);
	n = read(p[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	assert_null(strstr(text, "sent"));
	assert_int_equal(w->ds.list->sock, -1);
	close(p[0]);
	close(p[1]);
}

static void
take_line(void *arg, enum log_level level, const char *text)
{
	buf_printf(arg, "%d %s\n", (int)level, text);
}

static void
send_log(uint32_t level, const char *text, uint32_t more)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, IPC_REMOTE_LOG, 0);
	ipc_put_u32(&m, level);
	ipc_put_str(&m, text);
	if (more)
		ipc_put_u32(&m, more);
	assert_int_equal(ipc_send(remotes.socks[0], &m), 0);
	ipc_fini(&m);
}

/* Marked, in one line, and not above the level that is logged. */
static void
test_log_lines(void **state)
{
	struct world *w = *state;
	struct buf seen;
	char text[LOG_TEXT_MAX + 1];

	buf_init(&seen, 0);
	w->t.q.log.where = LOG_TO_FUNCTION;
	w->t.q.log.level = LOG_LEVEL_INFO;
	w->t.q.log.take = take_line;
	w->t.q.log.arg = &seen;
	destinations_give(&w->ds, message(w, "a", "x@one.example", NULL,
	    NULL));
	destinations_send(&w->ds);
	drain(0);
	buf_reset(&seen);
	send_log(LOG_LEVEL_DEBUG, "not wanted", 0);
	send_log(LOG_LEVEL_WARNING, "relay=\"x\" to=<a\303\274\302\205b>", 0);
	send_log(LOG_LEVEL_ERROR, "", 0);
	memset(text, 'x', LOG_TEXT_MAX);
	text[LOG_TEXT_MAX] = '\0';
	send_log(LOG_LEVEL_INFO, text, 0);
	destination_read(&w->ds, w->ds.list);
	assert_int_not_equal(w->ds.list->sock, -1);
	assert_ptr_equal(strstr(buf_str(&seen), "1 dma-remote: relay=\"x\" "
	    "to=<a\\303\\274\\302\\205b>\n0 dma-remote: \n"
	    "2 dma-remote: xxx"), buf_str(&seen));
	buf_fini(&seen);
}

/* One that is not of this format ends the process. */
static void
test_log_lines_of_another_format(void **state)
{
	static const struct { uint32_t level; const char *text; uint32_t more; }
	    cases[] = {
		{ 4, "x", 0 }, { UINT32_MAX, "x", 0 }, { 0, "x", 1 },
		{ 0, "a\nb", 0 }, { 0, "a\033b", 0 },
	};
	struct world *w = *state;
	char id[] = "a";
	size_t i;

	for (i = 0; i < N(cases); i++, id[0]++) {
		destinations_give(&w->ds, message(w, id, "x@one.example", NULL,
		    NULL));
		destinations_send(&w->ds);
		drain(0);
		send_log(cases[i].level, cases[i].text, cases[i].more);
		destination_read(&w->ds, w->ds.list);
		assert_int_equal(w->ds.list->sock, -1);
		while (w->t.active.messages != NULL)
			t_active_unload(&w->t, w->t.active.messages);
		io_close(&remotes.socks[0]);
		remotes.n = 0;
	}
}

/* What dma-remote does not have is withdrawn; the rest is cancelled once. */
static void
test_withdrawn(void **state)
{
	struct world *w = *state;
	struct active_message *a, *b;
	uint32_t id = 0, sent;

	a = message(w, "a", "x@one.example", "y@one.example", NULL);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	sent = drain(0);
	b = message(w, "b", "z@one.example", NULL, NULL);
	destinations_give(&w->ds, b);
	/* On hold: what has begun goes on. */
	destinations_withdraw(&w->ds, a);
	destinations_withdraw(&w->ds, b);
	assert_string_equal(stages(a), "bb");
	assert_string_equal(stages(b), "n");
	assert_int_equal(b->requests, 0);
	destinations_send(&w->ds);
	assert_int_equal(next_kind(0, &id), 0);
	decide_removal(a, REMOVAL_DELETE);
	destinations_withdraw(&w->ds, a);
	destinations_withdraw(&w->ds, a);
	destinations_send(&w->ds);
	assert_int_equal(next_kind(0, &id), IPC_REMOTE_CANCEL);
	assert_int_equal(id, sent);
	destinations_withdraw(&w->ds, a);
	destinations_send(&w->ds);
	assert_int_equal(next_kind(0, &id), 0);
	/* What was cancelled is no attempt; what was sent all the same is. */
	send_status(0, sent, 0, STATUS_DEFERRED);
	send_status(0, sent, 1, STATUS_SENT);
	send_left(0, sent, 0);
	destination_read(&w->ds, w->ds.list);
	assert_string_equal(stages(a), "nd");
	assert_int_equal(a->requests, 0);
	assert_int_equal(a->open, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_by_domain),
		cmocka_unit_test_setup_teardown(test_by_smarthost,
		    setup_smarthost, teardown),
		cmocka_unit_test_setup_teardown(test_by_sender,
		    setup_smarthost, teardown),
		CASE(test_no_way),
		CASE(test_transaction),
		CASE(test_not_believed),
		CASE(test_told_twice),
		CASE(test_ends),
		CASE(test_cannot_be_started),
		CASE(test_no_file),
		CASE(test_share),
		CASE(test_crowded),
		CASE(test_many_domains),
		CASE(test_yield),
		CASE(test_yield_to_a_uid_of_the_range),
		CASE(test_turns),
		CASE(test_linger),
		CASE(test_unreachable_destination_gets_one_probe),
		CASE(test_first_answer_of_a_probe_releases_the_others),
		CASE(test_expiry_after_a_last_attempt),
		CASE(test_destinations_do_not_share_a_backoff),
		CASE(test_renew),
		CASE(test_withdrawn),
		CASE(test_dialogue),
		CASE(test_log_lines),
		CASE(test_log_lines_of_another_format),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("deliver_remote", tests, NULL,
	    NULL);
}
