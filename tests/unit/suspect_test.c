/*
 * suspect_test.c - what a line that is not understood may have been meant for.
 */
#include "conf/suspect.h"
#include "tests/unit/t.h"

static void
test_lines(void **state)
{
	static const struct {
		const char	*line;
		enum suspect	 waits;
	} cases[] = {
		{ "", SUSPECT_NONE },
		{ "COLOUR green", SUSPECT_NONE },
		{ "root=postmaster", SUSPECT_NONE },
		/* Misspelled: letters missing, added, or others. */
		{ "SMARTHSOT relay.example", SUSPECT_REMOTE },
		{ "smarthots relay.example", SUSPECT_REMOTE },
		{ "DEFFER", SUSPECT_REMOTE },
		{ "DEFR", SUSPECT_REMOTE },
		{ "DNE", SUSPECT_REMOTE },
		{ "NULCLIENT", SUSPECT_ALL },
		{ "LOCALDOMAIN example.org", SUSPECT_ALL },
		{ "MAILNAM example.org", SUSPECT_ALL },
		{ "ALIAS /etc/aliases", SUSPECT_ALL },
		{ "MAILBX ~/Maildir", SUSPECT_ALL },
		/* A short key has one error at most, any key two. */
		{ "PANEL", SUSPECT_NONE },
		{ "MAILBAG", SUSPECT_ALL },
		{ "MAILMAN", SUSPECT_NONE },
		/* Of other programs. */
		{ "relayhost = [relay.example]:587", SUSPECT_REMOTE },
		{ "mailhub=relay.example", SUSPECT_REMOTE },
		{ "dc_smarthost='relay.example'", SUSPECT_REMOTE },
		{ "UseSTARTTLS=YES", SUSPECT_REMOTE },
		{ "tls_trust_file /etc/ssl/ca.pem", SUSPECT_REMOTE },
		{ "password secret", SUSPECT_REMOTE },
		/* A known key further on: the line began with something else. */
		{ "set SMARTHOST relay.example", SUSPECT_REMOTE },
		{ "export NULLCLIENT", SUSPECT_ALL },
		{ "// SMARTHOST a NULLCLIENT", SUSPECT_ALL },
		{ "use PORT 25", SUSPECT_NONE },	/* any text has it */
		/* The key ends at a blank, = or :. */
		{ "COLOUR relay", SUSPECT_NONE },
		{ "COLOUR=relay", SUSPECT_NONE },
		{ "COLOUR:relay", SUSPECT_NONE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (suspect_line(cases[i].line) != cases[i].waits)
			fail_msg("%s: %d", cases[i].line,
			    (int)suspect_line(cases[i].line));
}

/* A key that is too long to compare, a line that is too long to show. */
static void
test_long_ones(void **state)
{
	char line[2000];

	(void)state;
	memset(line, 'X', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(suspect_line(line), SUSPECT_NONE);
	memcpy(line + 30, "RELAY", 5);
	assert_int_equal(suspect_line(line), SUSPECT_REMOTE);
	memset(line + 30, 'X', 5);
	memcpy(line + 1000, "RELAY", 5);
	assert_int_equal(suspect_line(line), SUSPECT_NONE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_ones),
	};

	return cmocka_run_group_tests_name("suspect", tests, NULL, NULL);
}
