/*
 * domain_test.c - which names are the same.
 */
#include "lib/domain.h"
#include "tests/unit/t.h"

#define M	"m\xc3\xbcller.example"

static void
test_cases(void **state)
{
	static const struct {
		const char *a, *b;
		int is_same;
	} cases[] = {
		{ "host.test", "HOST.test", 1 },
		{ "host.test", "host.test.", 1 },
		{ "host.test.", "host.test", 1 },
		{ "host.test", "host.tes", 0 },
		{ "host.test", "ahost.test", 0 },
		{ "a.b", "a-b", 0 },
		{ "", "", 1 },
		{ ".", "", 0 },
		{ "a.", "a..", 0 },
		{ M, "xn--mller-kva.example", 1 },
		{ "XN--MLLER-KVA.EXAMPLE.", M, 1 },
		{ "M\xc3\x9cLLER.example", M, 1 },
		{ "m\xc3\xbcller", M, 0 },
		{ M, "mueller.example", 0 },
		{ M ".x", "xn--mller-kva.example", 0 },
		{ "xn--mller-kva.example", "xn--mller-kvb.example", 0 },
		/* Greek, Russian, Chinese, Polish. */
		{ "\xce\x9f\xce\x94\xce\x9f\xce\xa3.gr",
		  "\xce\xbf\xce\xb4\xce\xbf\xcf\x83.gr", 1 },
		{ "\xd0\x9c\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0.test",
		  "xn--80adxhks.test", 1 },
		{ "\xe4\xb8\xad\xe6\x96\x87.test", "xn--fiq228c.test", 1 },
		{ "\xc5\x81\xc3\xb3" "d\xc5\xba.test",
		  "\xc5\x82\xc3\xb3" "d\xc5\xb9.test", 1 },
		{ "\xd0\x81\xd0\x96.test", "\xd1\x91\xd0\xb6.test", 1 },
		{ "\xc4\x84.test", "\xc4\x85.test", 1 },
		{ "\xf0\x9f\x98\x80.test", "xn--e28h.test", 1 },
		{ "\xc3\xbc.test", "\xc3\xa4.test", 0 },
		/* Malformed. */
		{ "m\xfcller", "m\xfcller", 1 },
		{ "m\xfcller", "M\xfcller", 1 },
		{ "m\xfcller", M, 0 },
		{ "xn--", "\xc3\xbc", 0 },
		{ "xn---", "\xc3\xbc", 0 },
		{ "xn--99999999", "\xc3\xbc", 0 },
		{ "xn--zzzzzzzzzzzzzzzzzzzzz", "\xc3\xbc", 0 },
		{ "xn--a\xc3\xbc-kva", "\xc3\xbc", 0 },
		{ "xn--abc-", "abc", 0 },
		{ "xn--a.b-", "a.b", 0 },
		{ "xn--tda", "xn---tda", 0 },
		{ "xn--abc-.\xc3\xbc", "abc.\xc3\xbc", 0 },
		/* Of an upper-case letter, and of half a character. */
		{ "xn--wca", "xn--tda", 0 },
		{ "xn--wca.\xc3\xbc", "xn--tda.\xc3\xbc", 0 },
		{ "xn--ib9b", "\xed\xa0\x80", 0 },
	};
	char a[DOMAIN_KEY(64)], b[DOMAIN_KEY(64)];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (domain_same(cases[i].a, cases[i].b) != cases[i].is_same ||
		    domain_same(cases[i].b, cases[i].a) != cases[i].is_same)
			fail_msg("%s, %s", cases[i].a, cases[i].b);
	for (i = 0; i < N(cases); i++) {
		domain_key(cases[i].a, strlen(cases[i].a), a);
		domain_key(cases[i].b, strlen(cases[i].b), b);
		if ((strcmp(a, b) == 0) != cases[i].is_same)
			fail_msg("keys %s, %s", a, b);
	}
}

static void
test_keys(void **state)
{
	static const struct {
		const char *name; size_t len;
		const char *key; size_t keylen;
	} cases[] = {
		{ T("Host.Test."),	T("host.test") },
		{ T("xn--E28h.test"),	T("\xf0\x9f\x98\x80.test") },
		/* After the last character, and a NUL, which would end it. */
		{ T("xn--99999B"),	T("xn--99999b") },
		{ T("xn--a\0b-kva"),	T("xn--a\0b-kva") },
	};
	char key[DOMAIN_KEY(64)];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		domain_key(cases[i].name, cases[i].len, key);
		assert_memory_equal(key, cases[i].key, cases[i].keylen + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
