/*
 * smtp_path_test.c - how much of a text is a domain, a literal, a route or a
 * mailbox.
 */
#include "lib/smtp_path.h"
#include "tests/unit/t.h"

#define X5	"xxxxx"
#define X10	X5 X5
#define X50	X10 X10 X10 X10 X10
#define X64	X50 X10 "xxxx"
#define X250	X50 X50 X50 X50 X50
#define U	"\xc3\xbc"		/* of two bytes */
#define E	"\xf0\x9f\x98\x80"	/* of four */

struct path_case {
	const char *text;
	size_t	 len;
};

/* The text, where a sanitizer notices what is read beyond its end. */
static char *
alone(const char *text)
{
	size_t n = strlen(text) + 1;
	char *p = malloc(n);

	assert_non_null(p);
	memcpy(p, text, n);
	return p;
}

static size_t
strict_domain(const char *p)
{
	return smtp_path_domain_len(p, 0);
}

static size_t
lax_domain(const char *p)
{
	return smtp_path_domain_len(p, 1);
}

static void
check(const struct path_case *cases, size_t n, size_t (*len)(const char *))
{
	size_t got, i;
	char *p;

	for (i = 0; i < n; i++) {
		p = alone(cases[i].text);
		got = len(p);
		free(p);
		if (got != cases[i].len)
			fail_msg("\"%s\": %zu", cases[i].text, got);
	}
}

/* What no domain begins with is none; what follows one is left. */
static void
test_domains(void **state)
{
	static const struct path_case cases[] = {
		{ "", 0 }, { ".", 0 }, { "-", 0 }, { " a", 0 }, { "@", 0 },
		{ "a", 1 }, { "a>", 1 }, { "a b", 1 }, { "a@b", 1 },
		{ "a:b", 1 }, { "a,b", 1 }, { "a/b", 1 }, { "a\r\n", 1 },
		{ "a.b", 3 }, { "A.9", 3 }, { "1.2.3.4", 7 }, { "a--b", 4 },
		{ "a.", 0 }, { "a.>", 0 }, { "a..b", 0 }, { ".a", 0 },
		{ "-a", 0 }, { "a-", 0 }, { "a->", 0 }, { "a-.b", 0 },
		{ "a.-b", 0 }, { "a.b-", 0 },
		{ X250 X250, 500 },
		{ U, 2 }, { E ".x", 6 }, { "a" U "-" U, 6 }, { U "-", 0 },
		/* The character that is cut or is none ends it. */
		{ "a\xc3", 1 }, { "a\xf0\x9f\x98", 1 }, { "a\xc0\xaf", 1 },
		{ "a\xed\xa0\x80", 1 }, { "\xff", 0 }, { "a.\xff", 0 },
	};
	static const struct path_case with_underscore[] = {
		{ "_", 1 }, { "a_b", 3 }, { "_a._b", 5 }, { "a_", 2 },
		{ "_-", 0 }, { "-_", 0 },
	};
	static const struct path_case without[] = {
		{ "_", 0 }, { "a_b", 1 }, { "_a._b", 0 }, { "a_", 1 },
		{ "a._", 0 },
	};

	(void)state;
	check(cases, N(cases), strict_domain);
	check(cases, N(cases), lax_domain);
	check(with_underscore, N(with_underscore), lax_domain);
	check(without, N(without), strict_domain);
}

static void
test_literals(void **state)
{
	static const struct path_case cases[] = {
		{ "", 0 }, { "[", 0 }, { "[]", 0 }, { "192.0.2.1", 0 },
		{ "x[192.0.2.1]", 0 }, { "[192.0.2.1", 0 },
		{ "[192.0.2.1]", 11 }, { "[192.0.2.1]]", 11 },
		{ "[192.0.2.1]x", 11 }, { "[0.0.0.0]", 9 },
		{ "[255.255.255.255]", 17 }, { "[256.0.2.1]", 0 },
		{ "[192.0.2.999]", 0 }, { "[192.0.2]", 0 },
		{ "[192.0.2.]", 0 }, { "[192.0..1]", 0 },
		{ "[.192.0.2]", 0 }, { "[192.0.2.1.]", 0 },
		{ "[192.0.2.1.5]", 0 }, { "[192.0.2.0001]", 0 },
		{ "[001.002.003.004]", 17 }, { "[1.2.3.-4]", 0 },
		{ "[1.2.3.+4]", 0 }, { "[1.2.3. 4]", 0 }, { "[1.2.3.4 ]", 0 },
		{ "[ 1.2.3.4]", 0 }, { "[0x1.2.3.4]", 0 },
		{ "[IPv6:::]", 9 }, { "[ipV6:::1]", 10 },
		{ "[IPv6:2001:db8::1]", 18 },
		{ "[IPv6:::ffff:192.0.2.1]", 23 },
		{ "[IPv6:1:2:3:4:5:6:7:8]", 22 },
		{ "[IPv6:1:2:3:4:5:6:7:8:9]", 0 },
		{ "[IPv6:1:2:3:4:5:6:7]", 0 }, { "[IPv6:1::2::3]", 0 },
		{ "[IPv6:12345::]", 0 }, { "[IPv6:g::]", 0 },
		{ "[IPv6:fe80::1%1]", 0 }, { "[IPv6: ::1]", 0 },
		{ "[IPv6:]", 0 }, { "[IPv6]", 0 }, { "[::1]", 0 },
		{ "[IPv6:[::1]]", 0 },
		{ "[x:y]", 5 }, { "[x-1:y:z]", 9 }, { "[x:~!]", 6 },
		{ "[x-:y]", 0 }, { "[:y]", 0 }, { "[x:]", 0 }, { "[x]", 0 },
		{ "[x.z:y]", 0 }, { "[x:a b]", 0 }, { "[x:a\tb]", 0 },
		{ "[x:a\x7f]", 0 }, { "[x:[]", 0 }, { "[x:\\]", 0 },
		{ "[x:" U "]", 0 }, { "[" U ":x]", 0 },
		/* 255 bytes between the brackets do not fit beside them. */
		{ "[x:" X250 "xx]", 256 }, { "[x:" X250 "xxx]", 0 },
		{ "[x:" X250 X250 X250 X250 X250 "]", 0 },
	};

	(void)state;
	check(cases, N(cases), smtp_path_literal_len);
}

static void
test_routes(void **state)
{
	static const struct path_case cases[] = {
		{ "", 0 }, { "a@b", 0 }, { ":", 0 }, { "@", 0 }, { "@:", 0 },
		{ "@a", 0 }, { "@a:", 3 }, { "@a:b@c", 3 }, { "@a::", 3 },
		{ "@a,@b:c", 6 }, { "@a,@b,@c:", 9 }, { "@[192.0.2.1]:x", 13 },
		{ "@[x:y],@b:", 10 },
		{ "@a,", 0 }, { "@a,:", 0 }, { "@a,b:", 0 }, { "@a,,@b:", 0 },
		{ "@a, @b:", 0 }, { "@a :", 0 }, { "@ a:", 0 }, { "@a@b:", 0 },
		{ "@a.:", 0 }, { "@a_b:", 0 }, { "@[192.0.2.1:", 0 },
		{ "@[x]:", 0 }, { "@a,@-:", 0 },
		{ "@" U ":", 4 }, { "@\xc3:", 0 },
	};

	(void)state;
	check(cases, N(cases), smtp_path_route_len);
}

static void
test_mailboxes(void **state)
{
	static const struct {
		const char *text;
		size_t	 strict, lax;
		int	 is_long, is_long_lax;
	} cases[] = {
		{ "", 0, 0, 0, 0 }, { "@", 0, 0, 0, 0 }, { "@b", 0, 0, 0, 0 },
		{ ".", 0, 0, 0, 0 }, { ".a@b", 0, 0, 0, 0 },
		{ "a.@b", 0, 0, 0, 0 }, { "a..b@c", 0, 0, 0, 0 },
		{ "a@", 0, 0, 0, 0 }, { "a@.b", 0, 0, 0, 0 },
		{ "a@b.", 0, 0, 0, 0 }, { "a@>", 0, 0, 0, 0 },
		{ "a@b", 3, 3, 0, 0 }, { "a@b>", 3, 3, 0, 0 },
		{ "a.b@c d", 5, 5, 0, 0 }, { "a@b@c", 3, 3, 0, 0 },
		{ "a", 0, 1, 0, 0 }, { "a b@c", 0, 1, 0, 0 },
		{ "a\\b@c", 0, 1, 0, 0 }, { "a(b)@c", 0, 1, 0, 0 },
		{ "a@b_c", 3, 5, 0, 0 }, { "a@_b", 0, 4, 0, 0 },
		{ "a@[192.0.2.1]", 13, 13, 0, 0 }, { "a@[]", 0, 0, 0, 0 },
		{ "!#$%&'*+-/=?^_`{|}~@b", 21, 21, 0, 0 },
		{ "\"\"@b", 4, 4, 0, 0 }, { "\"\"", 0, 2, 0, 0 },
		{ "\"", 0, 0, 0, 0 }, { "\"a", 0, 0, 0, 0 },
		{ "\"a\\", 0, 0, 0, 0 }, { "\"a\\\"", 0, 0, 0, 0 },
		{ "\"a\\\"@b", 0, 0, 0, 0 }, { "\"a\\\\\"@b", 7, 7, 0, 0 },
		{ "\"a@b>c\"@d", 9, 9, 0, 0 }, { "\"a\"b@c", 0, 3, 0, 0 },
		{ "\"a\r\nb\"@c", 0, 0, 0, 0 }, { "\"a\tb\"@c", 0, 0, 0, 0 },
		{ "\"\\\x01\"@c", 0, 0, 0, 0 }, { "\"\\" U "\"@c", 0, 0, 0, 0 },
		{ "\"" U "\"@" U, 7, 7, 0, 0 }, { E "@b", 6, 6, 0, 0 },
		{ "\xc3@b", 0, 0, 0, 0 }, { "\"\xc3\"@b", 0, 0, 0, 0 },
		/* Just fits, and one byte too long. */
		{ X64 "@b", 66, 66, 0, 0 }, { X64 "x@b", 0, 67, 1, 0 },
		{ X64, 0, 64, 0, 0 }, { X64 "x", 0, 65, 1, 0 },
		{ "\"" X50 X10 "xx\"@b", 66, 66, 0, 0 },
		{ "\"" X50 X10 "xxx\"@b", 0, 67, 1, 0 },
		{ X250 X5, 0, 255, 1, 0 }, { X250 X5 "x", 0, 0, 1, 1 },
		{ X64 "@" X250 X5, 320, 320, 0, 0 },
		{ X64 "@" X250 X5 "x", 0, 0, 1, 1 },
		{ "a@" X250 X5, 257, 257, 0, 0 },
		{ "a@" X250 X5 "x", 0, 0, 1, 1 },
		{ X64 "x@" X250 "xxxx", 0, 320, 1, 0 },
		{ X64 "x@" X250 X5, 0, 0, 1, 1 },
		/* Of two faults, the one that comes first. */
		{ X64 "x@", 0, 0, 1, 0 }, { X250 X250 "@.", 0, 0, 1, 1 },
	};
	size_t got, i;
	int is_lax, is_long;
	char *p;

	(void)state;
	for (i = 0; i < 2 * N(cases); i++) {
		is_lax = i % 2 == 1;
		p = alone(cases[i / 2].text);
		is_long = -1;
		got = smtp_path_mailbox_len(p, is_lax, &is_long);
		free(p);
		if (got != (is_lax ? cases[i / 2].lax : cases[i / 2].strict) ||
		    is_long != (is_lax ? cases[i / 2].is_long_lax :
		    cases[i / 2].is_long))
			fail_msg("\"%s\", lax %d: %zu, long %d",
			    cases[i / 2].text, is_lax, got, is_long);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_mailboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
