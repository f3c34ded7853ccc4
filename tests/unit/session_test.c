/*
 * session_test.c - the turns of a session, and what its end says.
 */
#include <sys/socket.h>

#include <poll.h>
#include <unistd.h>

#include "tests/unit/t_session.h"

#define ENVELOPE "MAIL FROM:<ann@x>\nRCPT TO:<bob@y>\nDATA\n"

static void
test_from_greeting_to_quit(void **state)
{
	struct t_session t;

	(void)state;
	t_session_init(&t);
	assert_int_equal(session_poll_events(t.s), POLLIN);
	t_session_ready(&t);
	assert_int_equal(t.s->conn.state, CONN_IDLE);
	assert_true(session_wait_ms(t.s) == 10000);
	(void)t_session_request(&t);
	session_go_on(t.s);
	assert_int_equal(t.s->conn.state, CONN_BUSY);
	t_session_expect(&t, ENVELOPE);
	t_session_say(&t, "250 ok\n250 ok\n354 go\n");
	t_session_expect(&t, ".\n");
	t_session_say(&t, "250 taken\n");
	assert_int_equal(t.s->conn.state, CONN_IDLE);
	session_quit(t.s);
	t_session_expect(&t, "QUIT\n");
	assert_int_equal(t.s->conn.state, CONN_QUITTING);
	t_session_say(&t, "221 bye\n");
	assert_int_equal(t.s->conn.state, CONN_CLOSED);
	assert_int_equal(t.s->ending.cause, SMTP_CAUSE_NONE);
	t_session_fini(&t);
}

/* Where it ends, and what that says to net/concurrency. */
static void
test_losses(void **state)
{
	static const struct {
		const char *name;
		int is_ready, has_mail, is_suspect;
		const char *said;	/* then; NULL: it hangs up */
		struct loss loss;	/* cause, begun, settled, throttled,
					 * idle, suspect */
	} cases[] = {
		{ "at the greeting", 0, 0, 0, NULL, { SMTP_CAUSE_HOST,
		    100000, 0, 0, 0, 0 } },
		{ "greeted by 421", 0, 0, 0, "421 busy\n", {
		    SMTP_CAUSE_HOST, 100000, 0, 1, 0, 0 } },
		{ "idle", 1, 0, 0, NULL, { SMTP_CAUSE_LOST, 100000, 0, 0, 1,
		    0 } },
		{ "at MAIL", 1, 1, 0, NULL, { SMTP_CAUSE_LOST, 100000, 0, 0,
		    0, 0 } },
		{ "at MAIL of a suspect", 1, 1, 1, NULL, { SMTP_CAUSE_LOST,
		    100000, 0, 0, 0, 1 } },
		{ "throttled", 1, 1, 0, "452 4.3.2 wait\n", {
		    SMTP_CAUSE_LOST, 100000, 0, 1, 0, 0 } },
		{ "after a message", 1, 1, 0, "550 no\n503 eh\n503 eh\n"
		    "421 bye\n", { SMTP_CAUSE_LOST, 100000, 1, 1, 0, 0 } },
	};
	struct t_session t;
	struct loss loss;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		t_session_init(&t);
		if (cases[i].is_ready)
			t_session_ready(&t);
		if (cases[i].has_mail)
			t_session_request(&t)->is_suspect =
			    cases[i].is_suspect;
		session_go_on(t.s);
		if (cases[i].said == NULL)
			shutdown(t.server, SHUT_WR);
		t_session_say(&t, cases[i].said == NULL ? "" : cases[i].said);
		assert_int_equal(t.s->conn.state, CONN_CLOSED);
		memset(&loss, 0, sizeof(loss));
		session_loss(t.s, &loss);
		if (memcmp(&loss, &cases[i].loss, sizeof(loss)) != 0)
			fail_msg("%s: cause %d, %u settled, throttled %d, "
			    "idle %d, suspect %d", cases[i].name,
			    (int)loss.cause, loss.nsettled,
			    loss.was_throttled, loss.was_idle,
			    loss.was_suspect);
		t_session_fini(&t);
	}
}

static void
test_deadlines(void **state)
{
	struct t_session t;

	(void)state;
	/* A reply has its time; after that the connection is lost. */
	t_session_init(&t);
	assert_true(session_wait_ms(t.s) == 300000);
	t.net.now_ms += 299999;
	session_serve(t.s, 0);
	assert_int_equal(t.s->conn.state, CONN_SETUP);
	t.net.now_ms++;
	session_serve(t.s, 0);
	assert_int_equal(t.s->conn.state, CONN_CLOSED);
	assert_true(t.s->ending.is_late);
	t_session_fini(&t);

	/* Without mail it quits. */
	t_session_init(&t);
	t_session_ready(&t);
	t.net.now_ms += 10000;
	session_serve(t.s, 0);
	t_session_expect(&t, "QUIT\n");
	assert_int_equal(t.s->conn.state, CONN_QUITTING);
	assert_false(t.s->ending.is_late);
	t_session_fini(&t);

	/* One that becomes slow wants a turn then. */
	t_session_init(&t);
	t_session_ready(&t);
	(void)t_session_request(&t);
	session_go_on(t.s);
	assert_true(session_wait_ms(t.s) == SLOW_MS);
	assert_false(session_is_slow(t.s));
	t.net.now_ms += SLOW_MS;
	assert_true(session_is_slow(t.s));
	t_session_fini(&t);
}

static void
test_drop_says_nothing_about_the_host(void **state)
{
	struct t_session t;
	struct loss loss;

	(void)state;
	t_session_init(&t);
	session_drop(t.s);
	session_loss(t.s, &loss);
	assert_int_equal(loss.cause, SMTP_CAUSE_NONE);
	assert_int_equal(t.s->conn.state, CONN_CLOSED);
	t_session_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_greeting_to_quit),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_drop_says_nothing_about_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
