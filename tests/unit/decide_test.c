/*
 * decide_test.c - what is stored of a recipient, once, and nothing written.
 */
#include "queue/limits.h"
#include "tests/unit/t_active.h"

#define ID	"0123456789abc"

struct world {
	struct t_active	 t;
	struct active_message *a;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	t_active_init(&w->t, "");
	t_active_commit(&w->t, ID, "bob", "carl", "dora", NULL);
	w->a = t_active_load(&w->t, ID);
	assert_non_null(w->a);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	t_active_fini(&w->t);
	free(w);
	return 0;
}

/* In each stage: is it taken? */
static void
test_once(void **state)
{
	static const struct {
		enum attempt_stage stage;
		int		 is_stored;
	} cases[] = {
		{ STAGE_NONE, 0 }, { STAGE_ROUTE, 1 }, { STAGE_LOOKUP, 1 },
		{ STAGE_LOCAL, 1 }, { STAGE_REMOTE, 1 }, { STAGE_BUSY, 1 },
		{ STAGE_DECIDED, 0 }, { STAGE_DONE, 0 },
	};
	struct world *w = *state;
	struct active_message *a = w->a;
	uint32_t k;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		t_active_stage(a, 1, cases[i].stage);
		a->open = 3;
		decide_as(a, 1, STATUS_DEFERRED, "4.0.0", "busy");
		assert_int_equal(a->open, 3 - cases[i].is_stored);
		assert_int_equal(a->attempts[1].stage, cases[i].is_stored ?
		    STAGE_DECIDED : cases[i].stage);
		k = 0;
		assert_int_equal(decide_next(a, &k), cases[i].is_stored);
		if (!cases[i].is_stored)
			continue;
		assert_int_equal(k, 1);
		assert_int_equal(a->m.rcpts[1].state, RCPT_OPEN);
		assert_string_equal(a->m.rcpts[1].last.reason, "busy");
		assert_int_equal(a->notes.len, 0);
	}
}

static void
test_in_order(void **state)
{
	static const uint32_t order[] = { 2, 0, 1 };
	struct world *w = *state;
	uint32_t k = 0;
	size_t i;

	for (i = 0; i < N(order); i++)
		decide_as(w->a, order[i], STATUS_SENT, "2.0.0", "in");
	for (i = 0; i < N(order); i++) {
		assert_int_equal(decide_next(w->a, &k), 1);
		assert_int_equal(k, i);
		assert_int_equal(w->a->attempts[i].stage, STAGE_DONE);
	}
	assert_int_equal(decide_next(w->a, &k), 0);
	assert_int_equal(w->a->open, 0);
}

/* The journal need not repeat a reply, and a report needs its kind. */
static void
test_what_is_kept(void **state)
{
	struct world *w = *state;
	struct active_message *a = w->a;
	struct result res;

	result_init(&res);
	result_set(&res, STATUS_DEFERRED, "4.2.0", "full");
	decide(a, 0, &res, "bob");
	assert_int_equal(a->attempts[0].is_same, 0);
	assert_string_equal(a->attempts[0].where, "bob");
	assert_int_equal(a->attempts[0].action, ACTION_DELIVERED);
	t_active_stage(a, 0, STAGE_ROUTE);
	decide_remote(a, 0, &res, "mx.example.org", 0);
	assert_int_equal(a->attempts[0].is_same, 1);
	assert_string_equal(a->attempts[0].where, "mx.example.org");
	assert_int_equal(a->attempts[0].action, ACTION_RELAYED);
	decide_remote(a, 1, &res, "mx.example.org", 1);
	assert_int_equal(a->attempts[1].action, ACTION_NONE);
	result_fini(&res);
}

static void
test_action(void **state)
{
	static const struct {
		const char	*sender;
		unsigned	 notify;
		enum action	 action;
	} cases[] = {
		{ "ann@x", 0, ACTION_NONE },
		{ "ann@x", NOTIFY_SUCCESS, ACTION_RELAYED },
		{ "ann@x", NOTIFY_FAILURE | NOTIFY_DELAY, ACTION_NONE },
		{ "ann@x", NOTIFY_NEVER, ACTION_NONE },
		{ "", NOTIFY_SUCCESS, ACTION_NONE },
	};
	struct world *w = *state;
	struct message *m = &w->a->m;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		text_copy(m->sender, sizeof(m->sender), cases[i].sender);
		m->rcpts[0].notify = cases[i].notify;
		assert_int_equal(decide_action(m, 0, ACTION_RELAYED),
		    cases[i].action);
	}
}

static void
test_not_now(void **state)
{
	struct world *w = *state;
	struct active_message *a = w->a;
	time_t now = time(NULL);
	uint32_t k = 0;

	decide_not_now(a, 0);
	decide_postponed(a, 1);
	decide_until_flush(a, 2);
	assert_int_equal(a->open, 0);
	assert_int_equal(decide_next(a, &k), 0);
	assert_int_equal(a->attempts[0].stage, STAGE_NONE);
	assert_true(a->m.rcpts[0].due <= now);
	assert_true(a->m.rcpts[1].due >= now + POSTPONE_S);
	assert_int_equal(a->attempts[2].stage, STAGE_UNTIL_FLUSH);
	assert_true(a->is_partial);
	for (k = 0; k < 3; k++)
		assert_int_equal(a->m.rcpts[k].attempts, 0);
}

/* New recipients are to be routed; the old one is only noted as expanded. */
static void
test_expanded(void **state)
{
	struct world *w = *state;
	struct active_message *a = w->a;
	struct recipient *r;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		r = message_add(&a->m, i == 0 ? "eve" : "fred");
		assert_non_null(r);
		r->parent = 0;
	}
	assert_int_equal(decide_grow(a), 0);
	assert_int_equal(a->open, 5);
	decide_expanded(a, 0, 3);
	assert_int_equal(a->open, 4);
	assert_int_equal(a->attempts[0].stage, STAGE_DONE);
	assert_int_equal(a->m.rcpts[0].state, RCPT_EXPANDED);
	assert_int_equal(a->attempts[3].stage, STAGE_ROUTE);
	assert_int_equal(a->attempts[4].stage, STAGE_ROUTE);
	assert_non_null(strstr(buf_str(&a->notes), "fred"));
	/* It is done again after a kill: no sync is due for it. */
	assert_int_equal(a->unsynced, UNSYNCED_NONE);
	t_active_unload(&w->t, a);
}

/* But not if a report of it is owed. */
static void
test_expanded_is_reported(void **state)
{
	struct world *w = *state;
	struct active_message *a = w->a;
	uint32_t i;

	a->m.rcpts[0].notify = NOTIFY_SUCCESS;
	for (i = 0; i < 2; i++)
		assert_non_null(message_add(&a->m, "eve"));
	assert_int_equal(decide_grow(a), 0);
	decide_expanded(a, 0, 3);
	assert_int_equal(a->m.rcpts[0].action, ACTION_EXPANDED);
	assert_true(recipient_is_owed(&a->m.rcpts[0]));
	assert_int_equal(a->unsynced, UNSYNCED_FACT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_once),
		CASE(test_in_order),
		CASE(test_what_is_kept),
		CASE(test_action),
		CASE(test_not_now),
		CASE(test_expanded),
		CASE(test_expanded_is_reported),
	};

	return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
