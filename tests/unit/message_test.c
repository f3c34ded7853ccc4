/*
 * message_test.c - unit tests of message.c.
 */
#include "message.h"
#include "tests/unit/t.h"

/* ann -> team (a list) -> |command and bob; carl */
static void
fill(struct message *m)
{
	static const struct {
		const char *address;
		uint32_t parent;
		enum route_kind kind;
	} recipients[] = {
		{ "ann", 0, ROUTE_UNKNOWN }, { "team", 0, ROUTE_UNKNOWN },
		{ "/bin/command", 1, ROUTE_PIPE }, { "bob", 1, ROUTE_MAILBOX },
		{ "carl", 4, ROUTE_REMOTE }, { "/a/file", 0, ROUTE_FILE },
	};
	struct recipient *r;
	uint32_t i;

	message_init(m);
	for (i = 0; i < N(recipients); i++) {
		r = message_add(m, recipients[i].address);
		assert_non_null(r);
		assert_int_equal(r->parent, i);
		assert_int_equal(r->checkpoint.length, -1);
		r->parent = recipients[i].parent;
		r->kind = recipients[i].kind;
	}
}

static void
test_a_recipient_knows_its_origin(void **state)
{
	static const struct { const char *original, *address; } cases[] = {
		{ "ann", "ann" }, { "ann", "team" }, { "ann", "team" },
		{ "ann", "bob" }, { "carl", "carl" }, { "ann", "ann" },
	};
	struct message m;
	uint32_t i;

	(void)state;
	fill(&m);
	assert_int_equal(m.nrcpts, N(cases));
	for (i = 0; i < N(cases); i++) {
		assert_string_equal(message_first(&m, i)->address,
		    cases[i].original);
		assert_string_equal(message_address(&m, i), cases[i].address);
	}
	message_fini(&m);
	message_fini(&m);	/* once more harms nothing */
}

static void
test_a_circle_of_parents_ends(void **state)
{
	struct message m;

	(void)state;
	fill(&m);
	m.rcpts[0].parent = 1;
	m.rcpts[1].parent = 0;
	assert_non_null(message_first(&m, 0));
	message_fini(&m);
}

static void
test_ids(void **state)
{
	static const struct { const char *id; int is_ok; } cases[] = {
		{ "0", 1 }, { "6b0b5a1200c3f1a2b3c4d5", 1 },
		{ "abcdefghijklmnopqrstuvwx", 1 },
		{ "abcdefghijklmnopqrstuvwxy", 0 }, { "", 0 }, { "A", 0 },
		{ ".", 0 }, { "..", 0 }, { "a/b", 0 }, { "a\n", 0 },
		{ "a b", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(message_id_ok(cases[i].id), cases[i].is_ok);
}

static void
test_what_a_sender_wants_to_hear(void **state)
{
	static const struct { unsigned notify, what; int wants; } cases[] = {
		{ 0, NOTIFY_FAILURE, 1 }, { 0, NOTIFY_DELAY, 1 },
		{ 0, NOTIFY_SUCCESS, 0 },
		{ NOTIFY_NEVER, NOTIFY_FAILURE, 0 },
		{ NOTIFY_NEVER, NOTIFY_SUCCESS, 0 },
		{ NOTIFY_SUCCESS, NOTIFY_SUCCESS, 1 },
		{ NOTIFY_SUCCESS, NOTIFY_FAILURE, 0 },
		{ NOTIFY_SUCCESS | NOTIFY_DELAY, NOTIFY_DELAY, 1 },
	};
	struct recipient r;
	size_t i;

	(void)state;
	memset(&r, 0, sizeof(r));
	for (i = 0; i < N(cases); i++) {
		r.notify = cases[i].notify;
		assert_int_equal(recipient_wants(&r, cases[i].what),
		    cases[i].wants);
	}
}

static void
test_a_report_is_owed_once(void **state)
{
	struct recipient r;

	(void)state;
	memset(&r, 0, sizeof(r));
	assert_false(recipient_is_owed(&r));
	r.action = ACTION_FAILED;
	assert_true(recipient_is_owed(&r));
	r.is_reported = 1;
	assert_false(recipient_is_owed(&r));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_recipient_knows_its_origin),
		cmocka_unit_test(test_a_circle_of_parents_ends),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_what_a_sender_wants_to_hear),
		cmocka_unit_test(test_a_report_is_owed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
