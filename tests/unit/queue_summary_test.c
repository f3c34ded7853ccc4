/*
 * queue_summary_test.c - what is counted of which message.
 */
#include "submit/queue_summary.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000

/* A message of one recipient that arrived 100 seconds ago. */
static void
add(struct queue_summary *s, enum rcpt_state state, unsigned attempts,
    time_t due, int is_held)
{
	struct message m;
	struct recipient *r;

	message_init(&m);
	m.arrived = NOW - 100;
	m.text.length = 10;
	m.is_held = is_held;
	r = message_add(&m, "ann@Far.test");
	assert_non_null(r);
	r->kind = attempts == 1 ? ROUTE_UNKNOWN : ROUTE_REMOTE;
	r->state = state;
	r->attempts = attempts;
	r->due = due;
	if (state == RCPT_FAILED)
		r->action = ACTION_FAILED;
	if (attempts > 0) {
		result_set(&r->last, STATUS_DEFERRED, "4.4.1",
		    "host 10.0.0.%u: no", attempts);
		result_detail(&r->last, "/path");
	}
	queue_summary_add(s, &m, NOW);
	message_fini(&m);
}

static void
test_classes(void **state)
{
	static const struct {
		enum rcpt_state	state;
		unsigned	attempts;
		time_t		due;
		int		is_held;
		enum queue_class class;
		time_t		due_since;
	} cases[] = {
		{ RCPT_OPEN, 0, 0, 0, QUEUE_CLASS_DUE, NOW - 100 },
		{ RCPT_OPEN, 1, NOW, 0, QUEUE_CLASS_DUE, NOW },
		{ RCPT_OPEN, 1, NOW - 9, 0, QUEUE_CLASS_DUE, NOW - 9 },
		{ RCPT_OPEN, 1, NOW + 1, 0, QUEUE_CLASS_DEFERRED, 0 },
		{ RCPT_OPEN, 0, 0, 1, QUEUE_CLASS_HELD, 0 },
		{ RCPT_OPEN, 1, NOW + 1, 1, QUEUE_CLASS_HELD, 0 },
		{ RCPT_FAILED, 1, 0, 0, QUEUE_CLASS_REPORT, 0 },
		{ RCPT_FAILED, 1, 0, 1, QUEUE_CLASS_REPORT, 0 },
	};
	struct queue_summary *s = malloc(sizeof(*s));
	size_t i;

	(void)state;
	assert_non_null(s);
	for (i = 0; i < N(cases); i++) {
		memset(s, 0, sizeof(*s));
		add(s, cases[i].state, cases[i].attempts, cases[i].due,
		    cases[i].is_held);
		assert_int_equal(s->messages[cases[i].class], 1);
		assert_int_equal(queue_summary_messages(s), 1);
		assert_int_equal(s->due_since, cases[i].due_since);
		assert_int_equal(s->oldest, NOW - 100);
		assert_int_equal(s->bytes, 10);
	}
	free(s);
}

static void
test_domains_and_reasons(void **state)
{
	struct queue_summary *s = calloc(1, sizeof(*s));
	struct recipient *r;
	struct message m;

	(void)state;
	assert_non_null(s);
	add(s, RCPT_OPEN, 1, NOW + 60, 0);
	add(s, RCPT_OPEN, 2, NOW + 30, 0);
	add(s, RCPT_OPEN, 0, 0, 0);
	add(s, RCPT_OPEN, 1, NOW + 20, 1);
	add(s, RCPT_FAILED, 1, 0, 0);
	message_init(&m);
	r = message_add(&m, "bob@host.test");
	assert_non_null(r);
	r->kind = ROUTE_MAILBOX;
	r->attempts = 1;
	r->last.status = STATUS_DEFERRED;
	queue_summary_add(s, &m, NOW);
	message_fini(&m);
	assert_int_equal(s->domains.n, 2);
	assert_string_equal(s->domains.list[0].key, "far.test");
	assert_int_equal(s->domains.list[0].n, 2);
	assert_int_equal(s->domains.list[0].next, NOW + 30);
	assert_string_equal(s->domains.list[0].code, "4.4.1");
	assert_string_equal(s->domains.list[0].text, "host 10.0.0.2: no");
	assert_string_equal(s->domains.list[1].key, "(local)");
	assert_int_equal(s->reasons.n, 2);
	assert_string_equal(s->reasons.list[0].text, "host *: no");
	assert_int_equal(s->reasons.list[0].n, 2);
	assert_int_equal(s->codes.n, 2);
	assert_string_equal(s->codes.list[1].key, "unknown");
	/* Only for those who may read everything. */
	s->sees_all = 1;
	add(s, RCPT_OPEN, 3, NOW + 30, 0);
	assert_string_equal(s->domains.list[0].text,
	    "host 10.0.0.3: no (/path)");
	free(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_domains_and_reasons),
	};

	return cmocka_run_group_tests_name("queue_summary", tests, NULL,
	    NULL);
}
