/*
 * checksum_test.c - unit tests of lib/checksum.c.
 */
#include "lib/checksum.h"
#include "tests/unit/t.h"

static uint64_t
sum(const void *p, size_t n)
{
	struct checksum c;

	checksum_init(&c);
	checksum_add(&c, p, n);
	return checksum_value(&c);
}

/* They stand in files, which outlive this machine. */
static void
test_values_stay(void **state)
{
	static const struct { const char *text; size_t len; uint64_t sum; }
	    cases[] = {
		{ T(""), UINT64_C(0x365f967e60e17441) },
		{ T("a"), UINT64_C(0x5f8b90836ac93f0b) },
		{ T("Subject: x\n\nbody\n"), UINT64_C(0x3a719ca5da13e239) },
		{ T("\0\0\0\0\0\0\0\0"), UINT64_C(0x91e6f2e76b0d171a) },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(sum(cases[i].text, cases[i].len),
		    cases[i].sum);
}

static void
test_parts_make_the_same(void **state)
{
	unsigned char bytes[67];
	struct checksum c;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37);
	for (i = 0; i <= sizeof(bytes); i++)
		for (k = i; k <= sizeof(bytes); k++) {
			checksum_init(&c);
			checksum_add(&c, bytes, i);
			checksum_add(&c, bytes + i, k - i);
			/* A look at it changes nothing. */
			assert_int_equal(checksum_value(&c), sum(bytes, k));
			checksum_add(&c, bytes + k, sizeof(bytes) - k);
			assert_int_equal(checksum_value(&c), sum(bytes,
			    sizeof(bytes)));
		}
}

static void
test_every_byte_and_every_length_counts(void **state)
{
	unsigned char bytes[40] = { 0 };
	uint64_t whole = sum(bytes, sizeof(bytes));
	size_t i;
	unsigned value;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++) {
		assert_true(sum(bytes, i) != whole);
		for (value = 1; value < 256; value++) {
			bytes[i] = (unsigned char)value;
			assert_true(sum(bytes, sizeof(bytes)) != whole);
		}
		bytes[i] = 0;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_stay),
		cmocka_unit_test(test_parts_make_the_same),
		cmocka_unit_test(test_every_byte_and_every_length_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
