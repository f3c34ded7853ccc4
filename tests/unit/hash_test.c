/*
 * hash_test.c - the keyed hash of tables.
 */
#include "lib/hash.h"
#include "tests/unit/t.h"

/* Of the reference implementation (github.com/veorq/SipHash, cROUNDS 1,
 * dROUNDS 3): key 00 01 .. 0f, input 00 01 .. */
static void
test_vectors(void **state)
{
	static const uint64_t expected[] = {
		0xabac0158050fc4dcULL, 0xc9f49bf37d57ca93ULL,
		0x82cb9b024dc7d44dULL, 0x8bf80ab8e7ddf7fbULL,
		0xcf75576088d38328ULL, 0xdef9d52f49533b67ULL,
		0xc50d2b50c59f22a7ULL, 0xd3927d989bb11140ULL,
		0x369095118d299a8eULL,
	};
	struct hash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };
	unsigned char in[N(expected)];
	size_t i;

	(void)state;
	for (i = 0; i < N(expected); i++) {
		in[i] = (unsigned char)i;
		assert_true(hash_bytes(&key, in, i) == expected[i]);
	}
}

static void
test_keys_differ(void **state)
{
	struct hash_key a, b;

	(void)state;
	hash_key_make(&a);
	hash_key_make(&b);
	assert_true(a.k0 != b.k0 && a.k1 != b.k1);
	assert_true(hash_bytes(&a, "bob", 3) != hash_bytes(&b, "bob", 3));
	assert_true(hash_bytes(&a, "bob", 3) == hash_bytes(&a, "bobby", 3));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_keys_differ),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
