/*
 * smtpd_proxy_test.c - headers of the PROXY protocol, whole and in pieces.
 */
#include "smtpd/proxy.h"
#include "tests/unit/t.h"

#define V2	"\r\n\r\n\0\r\nQUIT\n"
#define A4	"\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x19"
#define A6	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" \
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x00\x19"
#define MAPPED	"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01" \
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x02\0\x01\0\x19"
#define X10	"xxxxxxxxxx"
#define X50	X10 X10 X10 X10 X10
#define X216	X50 X50 X50 X50 X10 "xxxxxx"
/* 107 bytes and 108, with their ends. */
#define LINE107	"PROXY UNKNOWN " X50 X10 X10 X10 X10 "x\r\n"
#define LINE108	"PROXY UNKNOWN " X50 X10 X10 X10 X10 "xx\r\n"

static const struct {
	const char	*text;
	size_t		 len;
	enum proxy_result result;
	size_t		 used;
	const char	*client;
	unsigned	 port;
} cases[] = {
	/* Version 1. */
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\n"), PROXY_ADDRESS, 41,
	  "192.0.2.1", 12345 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\nEHLO x\r\n"),
	  PROXY_ADDRESS, 41, "192.0.2.1", 12345 },
	{ T("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), PROXY_ADDRESS, 36,
	  "2001:db8::1", 0 },
	{ T("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), PROXY_ADDRESS, 37,
	  "192.0.2.1", 1 },
	{ T("PROXY UNKNOWN\r\n"), PROXY_OWN, 15, NULL, 0 },
	{ T("PROXY UNKNOWN what it likes\r\n"), PROXY_OWN, 29, NULL, 0 },
	{ T(LINE107), PROXY_OWN, 107, NULL, 0 },
	{ T(LINE108), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY UNKNOWNS\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY unknown\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY \r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 ::1 192.0.2.2 1 2\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 ::1 1 2\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP6 192.0.2.1 ::1 1 2\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 2x\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2\r1 2\r\n"), PROXY_BAD, 0, NULL,
	  0 },
	{ T("PROXY UNKNOWN\0\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("PROXY\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("EHLO client.test\r\n"), PROXY_BAD, 0, NULL, 0 },
	{ T("\r\n"), PROXY_MORE, 0, NULL, 0 },
	{ T(""), PROXY_MORE, 0, NULL, 0 },
	{ T("P"), PROXY_MORE, 0, NULL, 0 },
	{ T("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r"), PROXY_MORE, 0, NULL, 0 },
	/* Version 2. */
	{ T(V2 "\x21\x11\x00\x0c" A4), PROXY_ADDRESS, 28, "192.0.2.1", 12345 },
	{ T(V2 "\x21\x11\x00\x0c" A4 "EHLO"), PROXY_ADDRESS, 28, "192.0.2.1",
	  12345 },
	{ T(V2 "\x21\x11\x00\x10" A4 "\x04\x00\x01\x00"), PROXY_ADDRESS, 32,
	  "192.0.2.1", 12345 },
	{ T(V2 "\x21\x21\x00\x24" A6), PROXY_ADDRESS, 52, "2001:db8::1",
	  12345 },
	{ T(V2 "\x21\x21\x00\x24" MAPPED), PROXY_ADDRESS, 52, "192.0.2.1",
	  1 },
	{ T(V2 "\x20\x00\x00\x00"), PROXY_OWN, 16, NULL, 0 },
	{ T(V2 "\x20\x11\x00\x0c" A4), PROXY_OWN, 28, NULL, 0 },
	{ T(V2 "\x20\x77\x00\x01x"), PROXY_OWN, 17, NULL, 0 },
	{ T(V2 "\x21\x00\x00\x00"), PROXY_OWN, 16, NULL, 0 },
	{ T(V2 "\x21\x00\x00\x02xx"), PROXY_OWN, 18, NULL, 0 },
	{ T(V2 "\x21\x12\x00\x0c" A4), PROXY_OWN, 28, NULL, 0 },
	{ T(V2 "\x21\x31\x00\xd8" X216), PROXY_OWN, 232, NULL, 0 },
	{ T(V2 "\x21\x31\x00\xd7" X216), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x21\x11\x00\x0b" A4), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x21\x21\x00\x23" A6), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x21\x11\x00\x0c" "\xc0\x00\x02\x01"), PROXY_MORE, 0, NULL,
	  0 },
	{ T(V2 "\x21\x10\x00\x0c" A4), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x21\x13\x00\x0c" A4), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x21\x41\x00\x0c" A4), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x22\x11\x00\x0c" A4), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x11\x11\x00\x0c" A4), PROXY_BAD, 0, NULL, 0 },
	{ T(V2 "\x31"), PROXY_BAD, 0, NULL, 0 },
	{ T(V2), PROXY_MORE, 0, NULL, 0 },
	{ T(V2 "\x21\x11\xff\xff" A4), PROXY_MORE, 0, NULL, 0 },
	{ T("\r\n\r\n\0\r\nQUIT\r"), PROXY_BAD, 0, NULL, 0 },
};

/* A copy of just the bytes shows a read beyond them to the sanitizers. */
static enum proxy_result
parse(size_t i, size_t len, size_t *used, struct netaddr *client,
    unsigned *port)
{
	char *bytes = malloc(len + 1);
	enum proxy_result result;

	assert_non_null(bytes);
	memcpy(bytes + 1, cases[i].text, len);
	result = proxy_parse(bytes + 1, len, used, client, port);
	free(bytes);
	return result;
}

static void
test_cases(void **state)
{
	char text[NETADDR_TEXT];
	struct netaddr client;
	unsigned port;
	size_t i, used;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		used = 0;
		if (parse(i, cases[i].len, &used, &client, &port) !=
		    cases[i].result || used != cases[i].used)
			fail_msg("case %zu: used %zu", i, used);
		if (cases[i].client == NULL)
			continue;
		netaddr_text(&client, text);
		assert_string_equal(text, cases[i].client);
		assert_int_equal(port, cases[i].port);
	}
}

static void
test_the_start_of_a_header_asks_for_more(void **state)
{
	struct netaddr client;
	unsigned port;
	size_t i, len, used;

	(void)state;
	for (i = 0; i < N(cases); i++)
		for (len = 0; len < cases[i].used; len++)
			if (parse(i, len, &used, &client, &port) != PROXY_MORE)
				fail_msg("case %zu: %zu bytes", i, len);
}

static void
test_the_longest_header_is_taken(void **state)
{
	static char text[PROXY_MAX];
	struct netaddr client;
	unsigned port;
	size_t used = 0;

	(void)state;
	memcpy(text, V2 "\x21\x11\xff\xff" A4, 28);
	assert_int_equal(proxy_parse(text, sizeof(text) - 1, &used, &client,
	    &port), PROXY_MORE);
	assert_int_equal(proxy_parse(text, sizeof(text), &used, &client,
	    &port), PROXY_ADDRESS);
	assert_int_equal(used, PROXY_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_the_start_of_a_header_asks_for_more),
		cmocka_unit_test(test_the_longest_header_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
