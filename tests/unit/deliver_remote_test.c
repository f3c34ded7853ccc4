/*
 * deliver_remote_test.c - remote deliveries: which recipients go where, and
 * what a dma-remote is believed.
 * The test is dma-remote.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
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
	assert_int_equal(d->share.active, 1);
	send_status(0, id, 1, STATUS_DEFERRED);
	send_left(0, id, 0);
	destination_read(&w->ds, d);
	assert_string_equal(stages(a), "ddd");
	assert_int_equal(a->requests, 0);
	assert_int_equal(d->share.active, 0);
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
		    "this host cannot send mail to others now" :
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
	struct destination *d;

	a = message(w, "a", "x@one.example", NULL, NULL);
	destinations_give(&w->ds, a);
	d = w->ds.list;
	d->share.active = ACTIVE_MAX;
	b = message(w, "b", "y@one.example", "z@two.example", NULL);
	destinations_give(&w->ds, b);
	assert_string_equal(stages(b), "nn");
	assert_int_equal(d->share.postponed, 1);
	b->entry->state = ENTRY_WAITING;
	active_end(&w->t.active, b);
	d->share.active = 1;
	b = t_active_load(&w->t, "b");
	assert_non_null(b);
	assert_ptr_equal(b->share, &d->share);
	t_active_stage(b, 0, STAGE_REMOTE);
	t_active_stage(b, 1, STAGE_REMOTE);
	/* Whatever else waits, and however crowded it is. */
	d->share.postponed = 7;
	d->share.active = ACTIVE_MAX;
	destinations_give(&w->ds, b);
	assert_string_equal(stages(b), "bb");
	d->share.postponed = 0;
	t_active_unload(&w->t, b);
}

/* Many hosts that do not answer: others wait in the queue, not here. */
static void
test_crowded(void **state)
{
	struct world *w = *state;
	struct active_message *a = NULL;
	char id[8], address[32];
	int i;

	for (i = 0; i <= PROCESSES_MAX; i++) {
		snprintf(id, sizeof(id), "m%02d", i);
		snprintf(address, sizeof(address), "x@h%d.example", i);
		a = message(w, id, address, NULL, NULL);
		if (i == PROCESSES_MAX)
			w->t.active.nmessages += ACTIVE_MAX;
		destinations_give(&w->ds, a);
		assert_string_equal(stages(a), i == PROCESSES_MAX ? "n" : "b");
		destinations_send(&w->ds);
	}
	assert_true(a->m.rcpts[0].due > time(NULL));
	/* Its own host is none of those: with room it waits for a process. */
	w->t.active.nmessages -= ACTIVE_MAX;
	a->open = 1;
	t_active_stage(a, 0, STAGE_REMOTE);
	destinations_give(&w->ds, a);
	destinations_send(&w->ds);
	assert_string_equal(stages(a), "b");
	assert_int_equal(remotes.n, PROCESSES_MAX);
	/* One that is idle makes room. */
	send_status(0, drain(0), 0, STATUS_SENT);
	send_left(0, 1, 0);
	destination_read(&w->ds, named(w, "h0.example"));
	assert_int_not_equal(named(w, "h0.example")->sock, -1);
	destinations_send(&w->ds);
	assert_int_equal(remotes.n, PROCESSES_MAX + 1);
	assert_int_equal(named(w, "h0.example")->sock, -1);
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
	/* Not while a message of it is postponed. */
	d->idle_ms -= 3600 * 1000;
	d->share.postponed = 1;
	assert_int_equal(destinations_linger(&w->ds), -1);
	d->share.postponed = 0;
	assert_int_equal(destinations_linger(&w->ds), -1);
	assert_null(w->ds.list);
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
	destinations_renew(&w->ds);
	assert_int_not_equal(d->sock, -1);
	id = drain(0);
	send_status(0, id, 0, STATUS_SENT);
	send_left(0, id, 0);
	destination_read(&w->ds, d);
	assert_int_equal(d->sock, -1);
}

/* A dialogue is shown to whoever watches that message; id 0: any of them. */
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
	who.state = WATCHER_WATCHING;
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
	send_text(0, IPC_REMOTE_DIALOGUE, id, "not mine");
	send_text(0, IPC_REMOTE_DIALOGUE, id - 1, "mine");
	send_text(0, IPC_REMOTE_DIALOGUE, 0, "all");
	destination_read(&w->ds, w->ds.list);
	n = read(p[0], text, sizeof(text));
	assert_int_equal(n, 9);
	assert_memory_equal(text, "mine\nall\n", 9);
	close(p[0]);
	close(p[1]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_by_domain),
		cmocka_unit_test_setup_teardown(test_by_smarthost,
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
		CASE(test_linger),
		CASE(test_renew),
		CASE(test_dialogue),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("deliver_remote", tests, NULL,
	    NULL);
}
