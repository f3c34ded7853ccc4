/*
 * session_mail_test.c - which message a session takes next, and what becomes
 * of those that it had.
 */
#include <sys/socket.h>

#include <unistd.h>

#include "tests/unit/t_session.h"

#define ENVELOPE "MAIL FROM:<ann@x>\nRCPT TO:<bob@y>\nDATA\n"

static void
test_next_envelope_after_the_text(void **state)
{
	struct t_session t;

	(void)state;
	t_session_init(&t);
	(void)t_session_request(&t);
	(void)t_session_request(&t);
	t_session_ready(&t);
	t_session_expect(&t, ENVELOPE);
	assert_int_equal(t.s->mail.nlive, 1);
	t_session_say(&t, "250 ok\n250 ok\n354 go\n");
	t_session_expect(&t, ".\n" ENVELOPE);
	assert_int_equal(t.s->mail.nlive, 2);
	assert_int_equal(t.net.requests.nwaiting, 0);
	t_session_fini(&t);
}

/* What a session does with a second message while it has one. */
static void
test_no_second_one(void **state)
{
	static const struct {
		const char *name;
		int is_first_suspect, is_second_suspect, has_idle, is_slow;
	} cases[] = {
		{ "a suspect is alone", 1, 0, 0, 0 },
		{ "a suspect waits until it can be alone", 0, 1, 0, 0 },
		{ "another session has nothing to do", 0, 0, 1, 0 },
		{ "verdicts are slow here", 0, 0, 0, 1 },
	};
	struct session *first;
	struct t_session t;
	size_t i;
	int server;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		t_session_init(&t);
		t_session_request(&t)->is_suspect = cases[i].is_first_suspect;
		t_session_ready(&t);
		t_session_expect(&t, ENVELOPE);
		first = t.s;
		server = t.server;
		if (cases[i].has_idle) {
			t_session_another(&t);
			t_session_ready(&t);
			t.s = first;
			close(t.server);
			t.server = server;
		}
		if (cases[i].is_slow)
			t.net.concurrency.took_ms = SLOW_MS;
		t_session_request(&t)->is_suspect = cases[i].is_second_suspect;
		t_session_say(&t, "250 ok\n250 ok\n354 go\n");
		if (t.s->mail.nlive != 1)
			fail_msg("%s", cases[i].name);
		t_session_fini(&t);
	}
}

static void
test_release(void **state)
{
	struct request *second;
	struct t_session t;

	(void)state;
	t_session_init(&t);
	(void)t_session_request(&t);
	second = t_session_request(&t);
	t_session_ready(&t);
	t_session_expect(&t, ENVELOPE);
	assert_false(session_mail_is_held_up(t.s));
	t_session_say(&t, "250 ok\n250 ok\n354 go\n");
	assert_false(session_mail_is_held_up(t.s));
	t.net.now_ms += SLOW_MS;
	assert_true(session_mail_is_held_up(t.s));
	(void)smtp_release(t.s->smtp);
	session_go_on(t.s);
	assert_ptr_equal(t.net.requests.waiting, second);
	assert_false(second->is_suspect);
	assert_int_equal(t.s->conn.state, CONN_ENDING);
	/* It ends after the verdict, which counts. */
	t_session_say(&t, "250 taken\n");
	assert_int_equal(t.s->conn.state, CONN_CLOSED);
	assert_int_equal(t.s->mail.nsettled, 1);
	assert_int_equal(t.net.requests.nopen, 1);
	t_session_fini(&t);
}

/* How a transaction ended, and what that makes of its message. */
static void
test_ends(void **state)
{
	static const struct {
		const char *name, *said, *then;
		unsigned nopen, drops;
		int is_suspect;
	} cases[] = {
		{ "sent", "250 ok\n250 ok\n354 go\n", "250 ok\n", 0, 0,
		    0 },
		{ "rejected", "250 ok\n550 no\n503 no\n", "", 0, 0, 0 },
		{ "lost at MAIL", "", "", 1, 1, 1 },
		{ "in doubt", "250 ok\n250 ok\n354 go\n", "", 0, 0, 0 },
		{ "throttled", "421 4.7.0 bye\n", "", 1, 1, 0 },
	};
	struct request *r;
	struct t_session t;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		t_session_init(&t);
		r = t_session_request(&t);
		t_session_ready(&t);
		t_session_say(&t, cases[i].said);
		t_session_say(&t, cases[i].then);
		shutdown(t.server, SHUT_WR);
		t_session_say(&t, "");
		if (t.net.requests.nopen != cases[i].nopen)
			fail_msg("%s", cases[i].name);
		if (cases[i].nopen > 0 && (r->drops != cases[i].drops ||
		    r->is_suspect != cases[i].is_suspect))
			fail_msg("%s: %u drops, suspect %d", cases[i].name,
			    r->drops, r->is_suspect);
		assert_int_equal(t.net.requests.nwaiting, cases[i].nopen);
		t_session_fini(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_envelope_after_the_text),
		cmocka_unit_test(test_no_second_one),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
