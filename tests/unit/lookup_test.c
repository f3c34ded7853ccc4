/*
 * lookup_test.c - lookups are shared, answered once, and end in time.
 * The test is the forward helper.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/io.h"
#include "priv/delivery_request.h"
#include "priv/records.h"
#include "priv/request.h"
#include "queue/lookup.h"
#include "tests/unit/t_active.h"

struct world {
	struct t_active	 t;
	struct lookups	 ls;
	int		 helper;	/* the helper's end */
	int		 child;		/* the child's end of its channel */
	struct active_message *a;	/* to bob, carl, dora, eve, fred */
	struct buf	 got;		/* "0=text " for each answer */
};

static void
answered(struct lookups *ls, const struct lookup *l, const struct pending *p,
    const struct lookup_answer *answer)
{
	struct world *w = (struct world *)((char *)ls -
	    offsetof(struct world, ls));

	buf_printf(&w->got, "%s:%u=%u:%.*s ", l->name, p->i, answer->verdict,
	    (int)answer->len, answer->text);
	/* As the expander: it is not pending any more. */
	t_active_stage(p->a, p->i, STAGE_LOCAL);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int pair[2];

	assert_non_null(w);
	t_active_init(&w->t, "");
	t_active_commit(&w->t, "a", "bob", "carl", "dora", "eve", "fred", NULL);
	w->a = t_active_load(&w->t, "a");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(io_nonblock(pair[0]), 0);
	assert_int_equal(io_nonblock(pair[1]), 0);
	lookups_init(&w->ls, &w->t.active, pair[0]);
	w->ls.answered = answered;
	w->helper = pair[1];
	w->child = -1;
	buf_init(&w->got, 0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++) {
		io_close(&w->ls.list[i].channel);
		free(w->ls.list[i].pending);
		buf_fini(&w->ls.list[i].lists);
	}
	io_close(&w->ls.socket.fd);
	io_close(&w->helper);
	io_close(&w->child);
	buf_fini(&w->got);
	t_active_fini(&w->t);
	free(w);
	return 0;
}

static void
ask(struct world *w, uint32_t i, const char *name)
{
	lookups_ask(&w->ls, w->a, i, ORIGIN_FORWARD, name);
}

/* Takes the next request; its name, or "-". */
static const char *
request(struct world *w)
{
	static char name[ADDRESS_MAX + 1];
	struct delivery d;
	struct ipc m;

	ipc_init(&m);
	memset(&d, 0, sizeof(d));
	d.channel = -1;
	text_copy(name, sizeof(name), "-");
	if (ipc_recv(w->helper, &m, IPC_FORWARD_LIMIT) == 1) {
		assert_int_equal(m.kind, IPC_FORWARD_REQUEST);
		assert_int_equal(forward_request_get(&m, &d), 0);
		text_copy(name, sizeof(name), d.name);
		io_close(&w->child);
		w->child = d.channel;
	}
	ipc_fini(&m);
	return name;
}

static void
reply(struct world *w, uint32_t kind, uint32_t verdict, const char *text)
{
	struct ipc m;

	ipc_init(&m);
	ipc_begin(&m, kind, 1);
	ipc_put_u32(&m, verdict);
	ipc_put_bytes(&m, text, strlen(text));
	assert_int_equal(ipc_send(w->child, &m), 0);
	ipc_fini(&m);
}

/* The runner reads what children have sent. */
static void
turn(struct world *w)
{
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++)
		if (w->ls.list[i].channel != -1)
			lookup_read(&w->ls, &w->ls.list[i]);
}

static const char *
got(struct world *w)
{
	return buf_str(&w->got);
}

static void
test_shared_in_a_turn(void **state)
{
	struct world *w = *state;

	ask(w, 0, "bob");
	ask(w, 1, "bob");
	assert_string_equal(request(w), "-");	/* not before the end of it */
	lookups_send(&w->ls);
	assert_string_equal(request(w), "bob");
	assert_string_equal(request(w), "-");
	/* One that comes later has the next one. */
	ask(w, 2, "bob");
	assert_int_equal(w->a->attempts[2].stage, STAGE_ROUTE);
	reply(w, IPC_FORWARD_REPLY, FORWARD_TEXT, "x");
	turn(w);
	assert_string_equal(got(w), "bob:0=1:x bob:1=1:x ");
	ask(w, 2, "bob");
	assert_int_equal(w->a->attempts[2].stage, STAGE_LOOKUP);
}

/* A message that waits no more: sent or not, its answer is for nobody. */
static void
test_forgotten(void **state)
{
	struct world *w = *state;

	ask(w, 0, "bob");
	lookups_send(&w->ls);
	assert_string_equal(request(w), "bob");
	ask(w, 1, "carl");
	lookups_forget(&w->ls, w->a);
	assert_int_equal(w->a->attempts[0].stage, STAGE_ROUTE);
	assert_int_equal(w->a->attempts[1].stage, STAGE_ROUTE);
	reply(w, IPC_FORWARD_REPLY, FORWARD_TEXT, "x");
	turn(w);
	assert_string_equal(got(w), "");
	ask(w, 0, "bob");
	assert_int_equal(w->a->attempts[0].stage, STAGE_LOOKUP);
}

/* The child that answered is asked again, in its life and after its end. */
static void
test_same_child_again(void **state)
{
	struct world *w = *state;
	struct ipc m;

	ask(w, 0, "bob");
	lookups_send(&w->ls);
	request(w);
	reply(w, IPC_FORWARD_REPLY, FORWARD_NONE, "");
	turn(w);
	ask(w, 1, "bob");
	lookups_send(&w->ls);
	assert_string_equal(request(w), "-");
	ipc_init(&m);
	assert_int_equal(ipc_recv(w->child, &m, IPC_CHANNEL_LIMIT), 1);
	assert_int_equal(m.kind, IPC_FORWARD_AGAIN);
	ipc_fini(&m);
	/* It leaves without an answer: that is no answer, a new one is asked.
	 * */
	io_close(&w->child);
	turn(w);
	assert_string_equal(request(w), "bob");
	reply(w, IPC_FORWARD_REPLY, FORWARD_NOUSER, "");
	turn(w);
	assert_string_equal(got(w), "bob:0=0: bob:1=3: ");
}

/* Names that may be the same user's are looked up one after the other. */
static void
test_spelled_otherwise(void **state)
{
	struct world *w = *state;

	ask(w, 0, "bob");
	ask(w, 1, "Bob");
	assert_int_equal(w->a->attempts[1].stage, STAGE_ROUTE);
	lookups_send(&w->ls);
	assert_string_equal(request(w), "bob");
	assert_string_equal(request(w), "-");
	reply(w, IPC_FORWARD_REPLY, FORWARD_NONE, "");
	turn(w);
	ask(w, 1, "Bob");
	lookups_send(&w->ls);
	assert_string_equal(request(w), "Bob");
}

/* Whatever the child does wrong is "later", for its recipients alone. */
static void
test_broken_answers(void **state)
{
	static const struct {
		uint32_t	 kind, verdict;
		const char	*text;		/* NULL: it ends */
		const char	*got;
	} cases[] = {
		{ IPC_FORWARD_REPLY, FORWARD_REFUSED, "why",
		    "bob:0=2:why " },
		{ IPC_FORWARD_REPLY, FORWARD_LATER, "why", "bob:0=4:why " },
		{ IPC_DELIVER_RESULT, FORWARD_TEXT, "why",
		    "bob:0=4:no reply from the helper " },
		{ IPC_FORWARD_LIST, FORWARD_TEXT, "why",
		    "bob:0=4:no reply from the helper " },
		{ 0, 0, NULL, "bob:0=4:no reply from the helper " },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		buf_reset(&w->got);
		ask(w, 0, "bob");
		lookups_send(&w->ls);
		assert_string_equal(request(w), "bob");
		if (cases[i].text != NULL)
			reply(w, cases[i].kind, cases[i].verdict,
			    cases[i].text);
		else
			io_close(&w->child);
		turn(w);
		assert_string_equal(got(w), cases[i].got);
		/* And nothing after it. */
		if (w->child != -1)
			reply(w, IPC_FORWARD_REPLY, FORWARD_TEXT, "again");
		turn(w);
		assert_string_equal(got(w), cases[i].got);
		io_close(&w->child);
		turn(w);
	}
}

static void
test_too_many_fields(void **state)
{
	struct world *w = *state;
	struct ipc m;

	ask(w, 0, "bob");
	lookups_send(&w->ls);
	request(w);
	ipc_init(&m);
	ipc_begin(&m, IPC_FORWARD_REPLY, 1);
	ipc_put_u32(&m, FORWARD_NONE);
	ipc_put_bytes(&m, "", 0);
	ipc_put_u32(&m, 1);
	assert_int_equal(ipc_send(w->child, &m), 0);
	ipc_fini(&m);
	turn(w);
	assert_string_equal(got(w), "bob:0=4:invalid reply from the helper ");
}

/* Lists come in parts; too many of them are no answer. */
static void
test_lists_of_an_alias(void **state)
{
	struct world *w = *state;
	char part[60000];
	struct ipc m;
	int i, sent;

	lookups_ask(&w->ls, w->a, 0, ORIGIN_ALIASES, "team");
	ask(w, 1, "team");	/* the user of that name is another thing */
	lookups_send(&w->ls);
	assert_string_equal(request(w), "team");
	memset(part, 'x', sizeof(part));
	ipc_init(&m);
	for (i = sent = 0; i < 40 && buf_str(&w->got)[0] == '\0'; i++) {
		ipc_begin(&m, IPC_FORWARD_LIST, 1);
		ipc_put_str(&m, i == 0 ? "/list" : "");
		ipc_put_bytes(&m, part, sizeof(part));
		if (ipc_send(w->child, &m) == 0)
			sent++;
		turn(w);
	}
	ipc_fini(&m);
	assert_in_range(sent, 17, 25);
	assert_string_equal(got(w), "team:0=4:no reply from the helper ");
}

static void
test_late(void **state)
{
	struct world *w = *state;
	struct lookup *l = &w->ls.list[0];

	assert_int_equal(lookups_late(&w->ls), -1);
	ask(w, 0, "bob");
	lookups_send(&w->ls);
	assert_in_range(lookups_late(&w->ls), 1, SLOW_MS);
	l->moved_ms -= LOOKUP_LIMIT_MS / 2;
	assert_in_range(lookups_late(&w->ls), SLOW_MS, LOOKUP_LIMIT_MS / 2);
	assert_int_equal(w->a->attempts[0].stage, STAGE_LOOKUP);
	l->moved_ms -= LOOKUP_LIMIT_MS / 2;
	assert_int_equal(lookups_late(&w->ls), 0);
	assert_int_equal(w->a->attempts[0].stage, STAGE_DECIDED);
	assert_int_equal(w->a->m.rcpts[0].last.status, STATUS_DEFERRED);
	assert_int_equal(l->state, LOOKUP_FREE);
	assert_int_equal(lookups_late(&w->ls), -1);
}

/* An idle child is let go. */
static void
test_idle(void **state)
{
	struct world *w = *state;

	ask(w, 0, "bob");
	lookups_send(&w->ls);
	request(w);
	reply(w, IPC_FORWARD_REPLY, FORWARD_NONE, "");
	turn(w);
	assert_in_range(lookups_late(&w->ls), 1, LINGER_MS);
	w->ls.list[0].moved_ms -= LINGER_MS;
	assert_int_equal(lookups_late(&w->ls), 0);
	assert_int_equal(w->ls.list[0].channel, -1);
}

/* When others wait, a slow answer keeps few recipients from their turn. */
static void
test_slow_and_crowded(void **state)
{
	struct world *w = *state;
	uint32_t i, pending = 0;

	for (i = 0; i < 5; i++)
		ask(w, i, "bob");
	lookups_send(&w->ls);
	w->ls.list[0].moved_ms -= 2 * SLOW_MS;
	assert_true(lookups_late(&w->ls) > 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(w->a->attempts[i].stage, STAGE_LOOKUP);
	t_active_crowd(&w->t, ACTIVE_MAX);
	lookups_late(&w->ls);
	for (i = 0; i < 5; i++)
		pending += w->a->attempts[i].stage == STAGE_LOOKUP;
	assert_int_equal(pending, 4);
	/* And one that comes to it is postponed. */
	t_active_stage(w->a, 4, STAGE_ROUTE);
	ask(w, 4, "bob");
	assert_int_equal(w->a->attempts[4].stage, STAGE_NONE);
	t_active_crowd(&w->t, 1);
}

/* While all are sent, others stay to be routed; an idle one makes room. */
static void
test_no_room(void **state)
{
	struct world *w = *state;
	char name[16];
	int i;

	for (i = 0; i < LOOKUPS_MAX; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		/* As if each were for another message and submitter. */
		w->a->entry->submitter = turns_submitter(&w->t.active.turns,
		    (uint32_t)i);
		ask(w, 0, name);
		w->ls.list[i].first = NULL;
		lookups_send(&w->ls);
		assert_string_equal(request(w), name);
	}
	ask(w, 1, "another");
	assert_int_equal(w->a->attempts[1].stage, STAGE_ROUTE);
	assert_int_equal(w->a->pass.full, PASS_NO_LOOKUP);
	reply(w, IPC_FORWARD_REPLY, FORWARD_NONE, "");
	turn(w);
	ask(w, 1, "another");
	assert_int_equal(w->a->attempts[1].stage, STAGE_LOOKUP);
}

/* One message, or one submitter, does not have them all. */
static void
test_parts(void **state)
{
	struct world *w = *state;
	char name[16];
	int i, k;

	for (i = 0; i < LOOKUPS_MAX && w->a->pass.full == 0; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		ask(w, 0, name);
		lookups_send(&w->ls);
	}
	assert_int_equal(i, LOOKUPS_MAX / 2 + 1);
	for (w->a->pass.full = 0; w->a->pass.full == 0; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		for (k = 0; k < LOOKUPS_MAX; k++)	/* another message */
			w->ls.list[k].first = NULL;
		ask(w, 0, name);
		lookups_send(&w->ls);
	}
	assert_int_equal(i, LOOKUPS_MAX / 4 * 3 + 2);
	w->a->entry->submitter = turns_submitter(&w->t.active.turns, 77);
	ask(w, 1, "another");
	assert_int_equal(w->a->attempts[1].stage, STAGE_LOOKUP);
}

static void
test_helper_is_gone(void **state)
{
	struct world *w = *state;

	io_close(&w->helper);
	ask(w, 0, "bob");
	lookups_send(&w->ls);
	assert_int_equal(w->a->attempts[0].stage, STAGE_NONE);
	assert_int_equal(w->a->m.rcpts[0].last.status, STATUS_NONE);
	assert_int_equal(w->ls.socket.fd, -1);
	assert_int_equal(w->ls.list[0].state, LOOKUP_FREE);
}

/* One that reads nothing: it is tried again in the next turn. */
static void
test_helper_is_full(void **state)
{
	struct world *w = *state;

	while (send(w->ls.socket.fd, "x", 1, MSG_NOSIGNAL) == 1)
		;
	ask(w, 0, "bob");
	lookups_send(&w->ls);
	assert_true(w->ls.socket.is_full);
	assert_int_equal(w->a->attempts[0].stage, STAGE_LOOKUP);
	assert_int_equal(w->ls.list[0].state, LOOKUP_GATHERING);
	while (recv(w->helper, &(char){ 0 }, 1, 0) > 0)
		;
	helper_retry(&w->ls.socket);
	assert_false(w->ls.socket.is_full);
	lookups_send(&w->ls);
	assert_string_equal(request(w), "bob");
}

/* uid 0 and root are in every user database. */
static void
test_a_caller_is_shown_their_own(void **state)
{
	static const struct {
		uint32_t uid;
		const char *name, *reason;
	} cases[] = {
		{ 0, "root", "" },
		{ 0, "bob", "" },	/* whether there is such a user or not */
		{ 54321, "root", "the .forward file of another user" },
		{ 54321, "no such user", "the .forward file of another user" },
	};
	struct world *w = *state;
	int pair[2];
	size_t i;

	assert_int_equal(request_channel(pair), 0);
	for (i = 0; i < N(cases); i++) {
		assert_string_equal(lookups_show(&w->ls, cases[i].uid,
		    cases[i].name, pair[1]), cases[i].reason);
		assert_string_equal(request(w), cases[i].reason[0] == '\0' ?
		    cases[i].name : "-");
	}
	/* The helper would end if it got that. */
	assert_string_equal(lookups_show(&w->ls, 0, "root", STDIN_FILENO),
	    "not a channel of the spool user");
	assert_string_equal(request(w), "-");
	io_close(&w->helper);
	assert_string_not_equal(lookups_show(&w->ls, 0, "root", pair[1]), "");
	io_close(&pair[0]);
	io_close(&pair[1]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_shared_in_a_turn),
		CASE(test_forgotten),
		CASE(test_same_child_again),
		CASE(test_spelled_otherwise),
		CASE(test_broken_answers),
		CASE(test_too_many_fields),
		CASE(test_lists_of_an_alias),
		CASE(test_late),
		CASE(test_idle),
		CASE(test_slow_and_crowded),
		CASE(test_no_room),
		CASE(test_parts),
		CASE(test_helper_is_gone),
		CASE(test_helper_is_full),
		CASE(test_a_caller_is_shown_their_own),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
