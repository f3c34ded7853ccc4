/*
 * smtp_auth_test.c - the AUTH command and its replies.
 */
#include "lib/smtp_auth.h"
#include "tests/unit/t.h"

static void
test_every_state_and_reply(void **state)
{
	/* The steps for a state: open, unproven, cancelled, EXTERNAL. */
	static const struct { int code; enum smtp_auth_step steps[4]; }
	    cases[] = {
		{ 235, { SMTP_AUTH_DONE, SMTP_AUTH_NO_PROOF,
		  SMTP_AUTH_INVALID, SMTP_AUTH_DONE } },
		{ 334, { SMTP_AUTH_CHALLENGE, SMTP_AUTH_CHALLENGE,
		  SMTP_AUTH_INVALID, SMTP_AUTH_CHALLENGE } },
		{ 354, { SMTP_AUTH_INVALID, SMTP_AUTH_INVALID,
		  SMTP_AUTH_INVALID, SMTP_AUTH_INVALID } },
		{ 421, { SMTP_AUTH_LATER, SMTP_AUTH_LATER,
		  SMTP_AUTH_LATER, SMTP_AUTH_LATER } },
		{ 454, { SMTP_AUTH_LATER, SMTP_AUTH_LATER,
		  SMTP_AUTH_REFUSED, SMTP_AUTH_LATER } },
		{ 504, { SMTP_AUTH_REFUSED, SMTP_AUTH_REFUSED,
		  SMTP_AUTH_REFUSED, SMTP_AUTH_REFUSED } },
		{ 534, { SMTP_AUTH_REFUSED, SMTP_AUTH_REFUSED,
		  SMTP_AUTH_REFUSED, SMTP_AUTH_REFUSED } },
		{ 535, { SMTP_AUTH_DENIED, SMTP_AUTH_DENIED,
		  SMTP_AUTH_REFUSED, SMTP_AUTH_REFUSED } },
	};
	static const enum smtp_auth_state states[] = { SMTP_AUTH_OPEN,
	    SMTP_AUTH_UNPROVEN, SMTP_AUTH_CANCELLED, SMTP_AUTH_OPEN };
	struct smtp_reply reply;
	struct smtp_auth a;
	size_t i, k;

	(void)state;
	memset(&reply, 0, sizeof(reply));
	for (i = 0; i < N(cases); i++)
		for (k = 0; k < N(states); k++) {
			smtp_auth_init(&a, NULL);
			a.state = states[k];
			a.is_external = k == 3;
			reply.code = cases[i].code;
			assert_int_equal(smtp_auth_reply(&a, &reply),
			    cases[i].steps[k]);
			assert_int_equal(a.refusal.status,
			    cases[i].steps[k] == SMTP_AUTH_REFUSED ?
			    STATUS_DEFERRED : STATUS_NONE);
			smtp_auth_fini(&a);
		}
}

static void
test_lines(void **state)
{
	static char fits[490];
	const struct {
		const char *mechanism, *initial, *line;
		int is_bad;
	} cases[] = {
		{ "LOGIN", NULL, "AUTH LOGIN", 0 },
		{ "PLAIN", "c2VjcmV0", "AUTH PLAIN c2VjcmV0", 0 },
		{ "EXTERNAL", "", "AUTH EXTERNAL =", 0 },
		{ "PLAIN", fits, NULL, 0 },
		{ "PLA\rIN", NULL, "", 1 },
		{ "PLAIN", "a\nRSET", "", 1 },
	};
	struct smtp_auth a;
	struct buf out;
	size_t i;

	(void)state;
	memset(fits, 'A', sizeof(fits) - 1);
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		smtp_auth_init(&a, NULL);
		buf_reset(&out);
		assert_int_equal(smtp_auth_begin(&a, cases[i].mechanism,
		    cases[i].initial, &out) != NULL, cases[i].is_bad);
		if (cases[i].line != NULL)
			assert_string_equal(buf_str(&out), cases[i].line);
		else
			assert_string_equal(out.data + 11, cases[i].initial);
		/* What is said is masked. */
		if (!cases[i].is_bad && cases[i].initial != NULL)
			assert_int_equal(a.secrets.said.len > 0,
			    cases[i].initial[0] != '\0');
		smtp_auth_fini(&a);
	}
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_reply),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
