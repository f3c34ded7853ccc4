/*
 * smtpd_reply_test.c - replies: one line each, whatever a module wants said.
 */
#include "smtpd/reply.h"
#include "tests/unit/t.h"

#define OTHERWISE	"550 5.7.1 not wanted"
#define OTHERWISE_NOW	"451 4.7.1 not now"
#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X470	X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10
#define X477	X470 "xxxxxxx"

struct peer {
	struct smtpd_config conf;
	struct counters	 counters;
	struct smtpd_host host;
	struct smtpd_session session;
	struct buf	 out;
};

static struct peer *
peer_new(void)
{
	struct peer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->conf.limits.max_errors = 3;
	p->host.conf = &p->conf;
	p->host.counters = &p->counters;
	p->session.host = &p->host;
	p->session.out = &p->out;
	p->session.state = DIALOGUE_COMMANDS;
	return p;
}

static void
peer_free(struct peer *p)
{
	buf_fini(&p->out);
	free(p);
}

static void
test_refusals(void **state)
{
	static const struct {
		enum smtpd_verdict verdict;
		const char *text, *reply;	/* without CRLF */
	} cases[] = {
		{ SMTPD_PERMANENT, NULL, OTHERWISE },
		{ SMTPD_TEMPORARY, NULL, OTHERWISE_NOW },
		{ SMTPD_PERMANENT, "", "550 5.7.1 " },
		{ SMTPD_PERMANENT, "go away", "550 5.7.1 go away" },
		{ SMTPD_TEMPORARY, "not yet", "451 4.7.1 not yet" },
		/* Code and status of the module. */
		{ SMTPD_PERMANENT, "554 5.1.2 no", "554 5.1.2 no" },
		{ SMTPD_PERMANENT, "554 5.7.27 no", "554 5.7.27 no" },
		{ SMTPD_PERMANENT, "554 5.999.999 no", "554 5.999.999 no" },
		{ SMTPD_TEMPORARY, "421 4.3.2 bye", "421 4.3.2 bye" },
		{ SMTPD_PERMANENT, "554 no", "554 5.0.0 no" },
		{ SMTPD_TEMPORARY, "452 full", "452 4.0.0 full" },
		{ SMTPD_PERMANENT, "559 x", "559 5.0.0 x" },
		{ SMTPD_PERMANENT, "550 ", "550 5.0.0 " },
		/* They are no code, or one of another kind: text. */
		{ SMTPD_PERMANENT, "5", "550 5.7.1 5" },
		{ SMTPD_PERMANENT, "55", "550 5.7.1 55" },
		{ SMTPD_PERMANENT, "550", "550 5.7.1 550" },
		{ SMTPD_PERMANENT, "550-x", "550 5.7.1 550-x" },
		{ SMTPD_PERMANENT, "5500 x", "550 5.7.1 5500 x" },
		{ SMTPD_PERMANENT, "560 x", "550 5.7.1 560 x" },
		{ SMTPD_PERMANENT, "5a0 x", "550 5.7.1 5a0 x" },
		{ SMTPD_PERMANENT, "451 4.1.1 x",
		  "550 5.7.1 451 4.1.1 x" },
		{ SMTPD_TEMPORARY, "550 5.1.1 x",
		  "451 4.7.1 550 5.1.1 x" },
		{ SMTPD_PERMANENT, "250 2.0.0 x",
		  "550 5.7.1 250 2.0.0 x" },
		{ SMTPD_PERMANENT, "550 4.1.1 x", "550 5.0.0 4.1.1 x" },
		/* No status. */
		{ SMTPD_PERMANENT, "550 5", "550 5.0.0 5" },
		{ SMTPD_PERMANENT, "550 5.", "550 5.0.0 5." },
		{ SMTPD_PERMANENT, "550 5.1", "550 5.0.0 5.1" },
		{ SMTPD_PERMANENT, "550 5.1.", "550 5.0.0 5.1." },
		{ SMTPD_PERMANENT, "550 5.1.1", "550 5.0.0 5.1.1" },
		{ SMTPD_PERMANENT, "550 5.1.1x y", "550 5.0.0 5.1.1x y" },
		{ SMTPD_PERMANENT, "550 5.1.1.1 y", "550 5.0.0 5.1.1.1 y" },
		{ SMTPD_PERMANENT, "550 5.1000.1 y", "550 5.0.0 5.1000.1 y" },
		{ SMTPD_PERMANENT, "550 5.1.1000 y", "550 5.0.0 5.1.1000 y" },
		{ SMTPD_PERMANENT, "550 5.-1.1 y", "550 5.0.0 5.-1.1 y" },
		{ SMTPD_PERMANENT, "550 5.1.+1 y", "550 5.0.0 5.1.+1 y" },
		{ SMTPD_PERMANENT, "550 5. 1. 1 y", "550 5.0.0 5. 1. 1 y" },
		/* One line, of what may be in one. */
		{ SMTPD_PERMANENT, "550 no\r\n250 yes", "550 5.0.0 no 250 yes" },
		{ SMTPD_PERMANENT, "550 5.7.1\r\n250 yes",
		  "550 5.0.0 5.7.1 250 yes" },
		{ SMTPD_PERMANENT, "550 5.7.1 \r\n250 yes",
		  "550 5.7.1 250 yes" },
		{ SMTPD_PERMANENT, "550 5.\r\n7.\r\n1 yes",
		  "550 5.0.0 5. 7. 1 yes" },
		{ SMTPD_PERMANENT, "550 5.7.1 a\tb\x01\x7f\xc3\xbc",
		  "550 5.7.1 a b\\001\\177\\303\\274" },
		{ SMTPD_PERMANENT, "550 5.7.1  a  b", "550 5.7.1 a b" },
		/* It is cut where the next could be one of \ooo. */
		{ SMTPD_PERMANENT, "550 5.7.1 " X477, "550 5.7.1 " X477 },
		{ SMTPD_PERMANENT, "550 5.7.1 " X477 "y", "550 5.7.1 " X477 },
		{ SMTPD_PERMANENT, X477 X477, "550 5.7.1 " X477 },
		{ SMTPD_PERMANENT, "550 5.7.1                         "
		  "                            " X477, "550 5.7.1 " X477 },
	};
	struct peer *p = peer_new();
	char want[1024], text[1024];
	struct buf got;
	size_t i;

	(void)state;
	buf_init(&got, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&got);
		if (cases[i].text != NULL)
			snprintf(text, sizeof(text), "%s", cases[i].text);
		p->session.stage.text = cases[i].text == NULL ? NULL : text;
		reply_add_refusal(&p->session, cases[i].verdict,
		    cases[i].verdict == SMTPD_TEMPORARY ? OTHERWISE_NOW :
		    OTHERWISE, &got);
		snprintf(want, sizeof(want), "%s\r\n", cases[i].reply);
		if (strcmp(buf_str(&got), want) != 0)
			fail_msg("\"%s\": \"%s\"", cases[i].text == NULL ?
			    "NULL" : cases[i].text, buf_str(&got));
	}
	assert_int_equal(p->out.len, 0);
	buf_fini(&got);
	peer_free(p);
}

/* Any first 24 bytes of a text, from the bytes that matter. */
static void
test_each_refusal_is_one_line(void **state)
{
	static const char bytes[] = "5541.0 7\r\n\t-+";
	struct peer *p = peer_new();
	char text[24 + 1];
	unsigned seed = 1;
	size_t i, k;

	(void)state;
	p->session.stage.text = text;
	for (i = 0; i < 20000; i++) {
		memcpy(text, "550 5.", 6);
		for (k = i % 7; k < sizeof(text) - 1; k++) {
			seed = seed * 1103515245u + 12345u;
			text[k] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
		}
		text[k] = '\0';
		buf_reset(&p->out);
		reply_refuse(&p->session, SMTPD_PERMANENT, OTHERWISE);
		if (strcspn(buf_str(&p->out), "\r\n") != p->out.len - 2 ||
		    strcmp(buf_str(&p->out) + p->out.len - 2, "\r\n") != 0 ||
		    p->out.data[0] != '5' || p->out.data[3] != ' ')
			fail_msg("\"%s\": \"%s\"", text, buf_str(&p->out));
	}
	peer_free(p);
}

static void
test_refusals_are_counted(void **state)
{
	struct peer *p = peer_new();

	(void)state;
	reply_refuse(&p->session, SMTPD_TEMPORARY, OTHERWISE_NOW);
	reply_refuse(&p->session, SMTPD_PERMANENT, OTHERWISE);
	reply_refuse(&p->session, SMTPD_PERMANENT, OTHERWISE);
	assert_int_equal(atomic_load(&p->counters.deferred), 1);
	assert_int_equal(atomic_load(&p->counters.refused), 2);
	assert_string_equal(buf_str(&p->out), OTHERWISE_NOW "\r\n"
	    OTHERWISE "\r\n" OTHERWISE "\r\n");
	assert_int_equal(p->session.state, DIALOGUE_COMMANDS);
	assert_int_equal(p->session.nerrors, 0);
	peer_free(p);
}

static void
test_the_last_of_the_errors_ends_all(void **state)
{
	struct peer *p = peer_new();

	(void)state;
	reply_put(&p->session, 250, "", "mx.test");
	reply_put(&p->session, 250, "2.0.0", "ok");
	assert_int_equal(p->session.nerrors, 0);
	reply_error(&p->session, 500, "5.5.1", "a");
	reply_error(&p->session, 500, "", "b");
	assert_int_equal(p->session.state, DIALOGUE_COMMANDS);
	reply_error(&p->session, 503, "5.5.1", "c");
	assert_int_equal(p->session.state, DIALOGUE_CLOSING);
	assert_string_equal(buf_str(&p->out), "250 mx.test\r\n250 2.0.0 ok\r\n"
	    "500 5.5.1 a\r\n500 b\r\n503 5.5.1 c\r\n"
	    "421 4.7.0 too many errors\r\n");
	peer_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_each_refusal_is_one_line),
		cmocka_unit_test(test_refusals_are_counted),
		cmocka_unit_test(test_the_last_of_the_errors_ends_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
