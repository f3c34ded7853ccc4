/*
 * base64_test.c - base64 there and back, and what is none.
 */
#include "lib/base64.h"
#include "tests/unit/t.h"

static void
test_base64(void **state)
{
	static const struct { const char *plain; size_t len; const char *b64; }
	cases[] = {
		{ "", 0, "" },			/* RFC 4648 10 */
		{ "f", 1, "Zg==" },
		{ "fo", 2, "Zm8=" },
		{ "foo", 3, "Zm9v" },
		{ "foob", 4, "Zm9vYg==" },
		{ "fooba", 5, "Zm9vYmE=" },
		{ "foobar", 6, "Zm9vYmFy" },
		{ "\0\xff\xfe", 3, "AP/+" },
		{ "\0\0\0\0", 4, "AAAAAA==" },
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&b);
		base64_put(&b, cases[i].plain, cases[i].len);
		assert_string_equal(buf_str(&b), cases[i].b64);
		buf_reset(&b);
		assert_int_equal(base64_get(&b, cases[i].b64,
		    strlen(cases[i].b64)), 0);
		assert_int_equal(b.len, cases[i].len);
		assert_memory_equal(buf_str(&b), cases[i].plain, b.len);
	}
	buf_fini(&b);
}

static void
test_base64_bad(void **state)
{
	static const char *const cases[] = {
		"Z", "Zg", "Zg=", "Zg===", "=", "==", "===", "====",
		"Zh==",			/* bits left over */
		"Zm9=", "Zm=v", "=m9v", "Zm9v=", "Zg==Zg==", "Zm9v\n",
		"Zm 9", "Zm9v ", "Zm-_", "Zm9\xc3", "Zm9vZg=A",
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(base64_get(&b, cases[i], strlen(cases[i])),
		    -1);
		assert_int_equal(b.len, 0);
	}
	assert_int_equal(base64_get(&b, "Zm\0v", 4), -1);
	buf_fini(&b);
	buf_init(&b, 5);
	assert_int_equal(base64_get(&b, "Zm9vYmFy", 8), -1);
	buf_fini(&b);
	buf_init(&b, 7);
	base64_put(&b, "foobar", 6);
	assert_true(buf_failed(&b));
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
