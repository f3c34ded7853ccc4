/*
 * values_test.c - unit tests of conf/values.c.
 */
#include "conf/values.h"
#include "tests/unit/t.h"
#define X63	"a23456789012345678901234567890123456789012345678901234567890123"

static void
test_names(void **state)
{
	static const struct {
		const char *text;
		int is_host, is_literal;
	} cases[] = {
		{ "a", 1, 0 },
		{ "mail.example.org", 1, 0 },
		{ "mail.example.org.", 1, 0 },
		{ "a_b-c", 1, 0 },
		{ "m\xc3\xbcller", 1, 0 },
		{ "a..b", 0, 0 },
		{ "1", 1, 0 },
		{ "1a", 1, 0 },
		{ "192.0.2.1", 1, 1 },
		{ "::1", 0, 1 },
		{ "2001:DB8::1", 0, 1 },
		{ "[::1]", 0, 0 },
		{ "", 0, 0 },
		{ "-a", 0, 0 },
		{ ".a", 0, 0 },
		{ "a b", 0, 0 },
		{ "a/b", 0, 0 },
		{ "../a", 0, 0 },
		{ "a\x01", 0, 0 },
		{ X63, 1, 0 },
		{ X63 "." X63 "." X63 "." X63, 1, 0 },
		{ X63 "." X63 "." X63 "." X63 ".", 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(value_is_host(cases[i].text),
		    cases[i].is_host);
		assert_int_equal(value_is_literal(cases[i].text),
		    cases[i].is_literal);
	}
}

static void
test_numbers(void **state)
{
	static const struct { const char *text; int ret; unsigned value; }
	    cases[] = {
		{ "1", 0, 1 }, { "1000", 0, 1000 }, { "007", 0, 7 },
		{ "0", -1, 0 }, { "1001", -1, 0 }, { "-1", -1, 0 },
		{ "+1", -1, 0 }, { "", -1, 0 }, { "1x", -1, 0 },
		{ " 1", -1, 0 }, { "4294967297", -1, 0 },
		{ "18446744073709551617", -1, 0 },
	};
	unsigned v;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		v = 0;
		assert_int_equal(value_number(cases[i].text, 1, 1000, &v),
		    cases[i].ret);
		assert_int_equal(v, cases[i].value);
	}
}

static void
test_times(void **state)
{
	static const struct { const char *text; int ret; unsigned s; }
	    cases[] = {
		{ "30s", 0, 30 }, { "5m", 0, 300 }, { "3h", 0, 10800 },
		{ "5d", 0, 432000 }, { "90", 0, 90 }, { "0", 0, 0 },
		{ "365d", 0, 31536000 }, { "366d", -1, 7 },
		{ "18446744073709551616", -1, 7 }, { "", -1, 7 },
		{ "s", -1, 7 }, { "-5m", -1, 7 }, { "5 m", -1, 7 },
		{ "5ms", -1, 7 }, { "1.5h", -1, 7 },
	};
	unsigned s;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		s = 7;
		assert_int_equal(value_time(cases[i].text, &s), cases[i].ret);
		assert_int_equal(s, cases[i].s);
	}
}

static void
test_sizes(void **state)
{
	static const struct { const char *text; int ret; uint64_t bytes; }
	    cases[] = {
		{ "0", 0, 0 }, { "12345", 0, 12345 }, { "10M", 0, 10 << 20 },
		{ "3k", 0, 3 << 10 }, { "2G", 0, 2ULL << 30 },
		{ "10MB", -1, 7 }, { "M", -1, 7 }, { "", -1, 7 },
		{ "99999999999G", -1, 7 }, { "10 M", -1, 7 },
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		bytes = 7;
		assert_int_equal(value_size(cases[i].text, &bytes),
		    cases[i].ret);
		assert_int_equal(bytes, cases[i].bytes);
	}
}

#define HEX	"00112233445566778899aabbccddeeff"

static void
test_fingerprints(void **state)
{
	static const struct { const char *text; int ret; } cases[] = {
		{ HEX HEX, 0 },
		{ "00112233445566778899AABBCCDDEEFF" HEX, 0 },
		{ "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:" HEX, 0 },
		{ HEX HEX "0", -1 },
		{ HEX HEX ":", -1 },
		{ HEX, -1 },
		{ "0:0112233445566778899aabbccddeeff" HEX, -1 },
		{ "", -1 },
	};
	uint8_t digest[VALUE_SHA256];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(value_sha256(cases[i].text, digest),
		    cases[i].ret);
		if (cases[i].ret == 0) {
			assert_int_equal(digest[1], 0x11);
			assert_int_equal(digest[15], 0xff);
			assert_memory_equal(digest, digest + 16, 16);
		}
	}
}

static void
test_a_host_has_one_spelling(void **state)
{
	static const struct { const char *text, *plain; } cases[] = {
		{ "mail.example.org", "mail.example.org" },
		{ "mail.example.org.", "mail.example.org" },
		{ "Mail", "Mail" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "2001:DB8::0:1", "2001:db8::1" },
		{ ".", "." },
	};
	char *host = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_null(value_copy_host(&host, cases[i].text));
		assert_string_equal(host, cases[i].plain);
	}
	assert_null(value_copy(&host, "x"));
	assert_string_equal(host, "x");
	assert_null(value_copy(&host, NULL));
	assert_null(host);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_a_host_has_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
