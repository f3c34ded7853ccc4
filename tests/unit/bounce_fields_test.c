/*
 * bounce_fields_test.c - what programs read in a report.
 */
#include "queue/bounce_fields.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000

/* The fields of a report about bob: that action, and what was replied. */
static void
put(struct buf *b, enum action action, const char *code, const char *reason,
    const char *server)
{
	struct message m;
	struct conf conf;
	const struct bounce t = { &conf, &m, "ann@example.org", "b", NOW,
	    action == ACTION_DELAYED };

	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_finish(&conf, NULL, "host.example.org"), 0);
	t_message(&m, "ann@example.org", NOW, "bob@example.org", NULL);
	m.rcpts[0].state = action == ACTION_FAILED ? RCPT_FAILED :
	    action == ACTION_DELAYED ? RCPT_OPEN : RCPT_SENT;
	m.rcpts[0].action = action;
	m.rcpts[0].notify = NOTIFY_DELAY;
	result_set(&m.rcpts[0].last, action == ACTION_DELAYED ?
	    STATUS_DEFERRED : STATUS_FAILED, code, "%s", reason);
	if (server != NULL) {
		m.rcpts[0].last.source = SOURCE_SERVER;
		result_from_server(&m.rcpts[0].last, server);
	}
	bounce_fields_put(b, &t);
	message_fini(&m);
	conf_fini(&conf);
}

static void
test_the_class_of_the_status_fits_the_action(void **state)
{
	static const struct {
		enum action	 action;
		const char	*code, *fields;
	} cases[] = {
		{ ACTION_FAILED, "5.1.1", "Action: failed\nStatus: 5.1.1\n" },
		{ ACTION_FAILED, "4.4.1", "Action: failed\nStatus: 4.4.1\n" },
		{ ACTION_FAILED, "2.0.0", "Action: failed\nStatus: 5.0.0\n" },
		{ ACTION_FAILED, "", "Action: failed\nStatus: 5.0.0\n" },
		{ ACTION_FAILED, "5.1", "Action: failed\nStatus: 5.0.0\n" },
		{ ACTION_FAILED, "5.1.1 x", "Action: failed\nStatus: 5.0.0\n" },
		{ ACTION_DELAYED, "4.4.1", "Action: delayed\nStatus: 4.4.1\n" },
		{ ACTION_DELAYED, "5.1.1", "Action: delayed\nStatus: 4.0.0\n" },
		{ ACTION_RELAYED, "2.1.5", "Action: relayed\nStatus: 2.1.5\n" },
		{ ACTION_DELIVERED, "", "Action: delivered\nStatus: 2.0.0\n" },
		{ ACTION_EXPANDED, "", "Action: expanded\nStatus: 2.0.0\n" },
	};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		put(&b, cases[i].action, cases[i].code, "no", NULL);
		if (strstr(buf_str(&b), cases[i].fields) == NULL)
			fail_msg("%s: %s", cases[i].fields, buf_str(&b));
		assert_int_equal(strstr(buf_str(&b), "\nWill-Retry-Until: ") !=
		    NULL, cases[i].action == ACTION_DELAYED);
		buf_fini(&b);
	}
}

static void
test_a_reply_names_its_server(void **state)
{
	static const struct {
		const char	*server, *fields;
	} cases[] = {
		{ NULL, "\nDiagnostic-Code: X-dma; 550 no\n" },
		{ "mx.example.org [192.0.2.1]", "\nRemote-MTA: dns; "
		    "mx.example.org\nDiagnostic-Code: smtp; 550 no\n" },
	};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		put(&b, ACTION_FAILED, "5.1.1", "550 no", cases[i].server);
		if (strstr(buf_str(&b), cases[i].fields) == NULL)
			fail_msg("%s: %s", cases[i].fields, buf_str(&b));
		buf_fini(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_class_of_the_status_fits_the_action),
		cmocka_unit_test(test_a_reply_names_its_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
