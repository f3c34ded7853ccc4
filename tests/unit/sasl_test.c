/*
 * sasl_test.c - AUTH mechanisms and base64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/sasl.h"

#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))

/* What the fake digest was asked for last. */
struct asked {
	char	key[64], text[256];
};

static struct asked asked;

/* The digest of the example in RFC 2195 2; the arguments are checked. */
static int
fake_hmac(const void *key, size_t keylen, const void *text, size_t len,
    uint8_t out[16])
{
	static const uint8_t digest[16] = {
		0xb9, 0x13, 0xa6, 0x02, 0xc7, 0xed, 0xa7, 0xa4,
		0x95, 0xb4, 0xe6, 0xe7, 0x33, 0x4d, 0x38, 0x90,
	};

	assert_true(keylen < sizeof(asked.key));
	assert_true(len < sizeof(asked.text));
	memset(&asked, 0, sizeof(asked));
	memcpy(asked.key, key, keylen);
	memcpy(asked.text, text, len);
	memcpy(out, digest, sizeof(digest));
	return 0;
}

static int
broken_hmac(const void *key, size_t keylen, const void *text, size_t len,
    uint8_t out[16])
{
	(void)key;
	(void)keylen;
	(void)text;
	(void)len;
	(void)out;
	return -1;
}

static const struct sasl_env tim = { "tim", "tanstaaftanstaaf", 1, fake_hmac };
static const struct sasl_env tim_open = { "tim", "tanstaaftanstaaf", 0,
    fake_hmac };
static const struct sasl_env tim_plain = { "tim", "tanstaaftanstaaf", 1, NULL };
static const struct sasl_env tim_none = { "tim", "tanstaaftanstaaf", 0, NULL };
static const struct sasl_env tim_broken = { "tim", "tanstaaftanstaaf", 1,
    broken_hmac };

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
	for (i = 0; i < NELEM(cases); i++) {
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
	for (i = 0; i < NELEM(cases); i++) {
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

static void
test_pick(void **state)
{
	static const struct {
		const struct sasl_env *env;
		const char *offered, *first, *second, *third;
	} cases[] = {
		{ &tim, "LOGIN PLAIN CRAM-MD5", "CRAM-MD5", "PLAIN", "LOGIN" },
		{ &tim, " login\tplain  cram-md5 ", "CRAM-MD5", "PLAIN",
		    "LOGIN" },
		{ &tim, "PLAIN LOGIN", "PLAIN", "LOGIN", NULL },
		{ &tim, "LOGIN", "LOGIN", NULL, NULL },
		{ &tim, "", NULL, NULL, NULL },
		{ &tim, "   ", NULL, NULL, NULL },
		{ &tim, "GSSAPI XPLAIN PLAINX CRAM-MD55 CRAM-MD", NULL, NULL,
		    NULL },
		{ &tim, "PLAIN,LOGIN", NULL, NULL, NULL },
		{ &tim_open, "LOGIN PLAIN CRAM-MD5", "CRAM-MD5", NULL, NULL },
		{ &tim_open, "LOGIN PLAIN", NULL, NULL, NULL },
		{ &tim_plain, "CRAM-MD5 PLAIN", "PLAIN", NULL, NULL },
		{ &tim_none, "CRAM-MD5 PLAIN LOGIN", NULL, NULL, NULL },
	};
	const char *want[3], *got;
	struct sasl s;
	size_t i, j;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		want[0] = cases[i].first;
		want[1] = cases[i].second;
		want[2] = cases[i].third;
		sasl_init(&s, cases[i].env);
		for (j = 0; j < 3; j++) {
			got = sasl_pick(&s, cases[i].offered);
			if (want[j] == NULL)
				assert_null(got);
			else
				assert_string_equal(got, want[j]);
			sasl_give_up(&s);
		}
		assert_null(sasl_pick(&s, cases[i].offered));
	}
}

/* RFC 2195 2. */
static void
test_cram_md5(void **state)
{
	struct sasl s;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	sasl_init(&s, &tim);
	assert_string_equal(sasl_pick(&s, "PLAIN CRAM-MD5"), "CRAM-MD5");
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(sasl_step(&s, "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2Uuc"
	    "mVzdG9uLm1jaS5uZXQ+", &b), 0);
	assert_string_equal(asked.key, "tanstaaftanstaaf");
	assert_string_equal(asked.text,
	    "<1896.697170952@postoffice.reston.mci.net>");
	assert_string_equal(buf_str(&b), "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZl"
	    "NzMzNGQzODkw");
	/* One challenge is all that there is. */
	assert_int_equal(sasl_step(&s, "Zm9v", &b), -1);
	buf_fini(&b);
}

/* RFC 4616 4, without an authorization identity. */
static void
test_plain(void **state)
{
	static const char b64[] = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";
	struct sasl s;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	sasl_init(&s, &tim);
	assert_string_equal(sasl_pick(&s, "PLAIN"), "PLAIN");
	assert_int_equal(sasl_initial(&s, &b), 1);
	assert_string_equal(buf_str(&b), b64);
	/* A server that overlooks the initial response gets it again, once. */
	buf_reset(&b);
	assert_int_equal(sasl_step(&s, "", &b), 0);
	assert_string_equal(buf_str(&b), b64);
	assert_int_equal(sasl_step(&s, "", &b), -1);
	buf_fini(&b);
}

static void
test_login(void **state)
{
	struct sasl s;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	sasl_init(&s, &tim);
	assert_string_equal(sasl_pick(&s, "LOGIN"), "LOGIN");
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(sasl_step(&s, "VXNlcm5hbWU6", &b), 0);
	assert_string_equal(buf_str(&b), "dGlt");
	buf_reset(&b);
	assert_int_equal(sasl_step(&s, "UGFzc3dvcmQ6", &b), 0);
	assert_string_equal(buf_str(&b), "dGFuc3RhYWZ0YW5zdGFhZg==");
	assert_int_equal(sasl_step(&s, "", &b), -1);
	buf_fini(&b);
}

/* A long password does not fit in the command and waits for its turn. */
static void
test_long_initial(void **state)
{
	static const struct { size_t len; int initial, step; } cases[] = {
		{ 100,	 1,	 0 },
		{ 358,	 1,	 0 },	/* 484 octets of base64 */
		{ 359,	 0,	 0 },
		{ 4096,	 0,	 0 },
		{ 16384, 0,	-1 },
	};
	struct sasl_env env = { "tim", NULL, 1, NULL };
	char password[16385];
	struct sasl s;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < NELEM(cases); i++) {
		memset(password, 'x', cases[i].len);
		password[cases[i].len] = '\0';
		env.password = password;
		sasl_init(&s, &env);
		assert_non_null(sasl_pick(&s, "PLAIN"));
		buf_reset(&b);
		assert_int_equal(sasl_initial(&s, &b), cases[i].initial);
		assert_int_equal(b.len > 0, cases[i].initial);
		buf_reset(&b);
		assert_int_equal(sasl_step(&s, "", &b), cases[i].step);
	}
	buf_fini(&b);
}

static void
test_bad_challenge(void **state)
{
	static const struct {
		const struct sasl_env *env;
		const char *mech, *challenge;
	} cases[] = {
		{ &tim, "CRAM-MD5", "" },
		{ &tim, "CRAM-MD5", "<plain@text>" },
		{ &tim, "CRAM-MD5", "Zm9v Zm9v" },
		{ &tim, "PLAIN", "ok, go on" },
		{ &tim, "LOGIN", "Username:" },
		{ &tim_broken, "CRAM-MD5", "Zm9v" },
	};
	char *long_one;
	struct sasl s;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < NELEM(cases); i++) {
		sasl_init(&s, cases[i].env);
		assert_non_null(sasl_pick(&s, cases[i].mech));
		assert_int_equal(sasl_step(&s, cases[i].challenge, &b), -1);
		assert_int_equal(b.len, 0);
	}
	long_one = malloc(SASL_CHALLENGE_MAX + 5);
	assert_non_null(long_one);
	memset(long_one, 'A', SASL_CHALLENGE_MAX + 4);
	long_one[SASL_CHALLENGE_MAX + 4] = '\0';
	sasl_init(&s, &tim);
	assert_non_null(sasl_pick(&s, "PLAIN"));
	assert_int_equal(sasl_step(&s, long_one, &b), -1);
	assert_int_equal(b.len, 0);
	free(long_one);
	buf_fini(&b);
}

/* Nothing is said without a mechanism, or when privacy went away. */
static void
test_refuses(void **state)
{
	struct sasl_env env = { "tim", "secret", 1, fake_hmac };
	struct sasl s;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	sasl_init(&s, &env);
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(sasl_step(&s, "Zm9v", &b), -1);
	sasl_give_up(&s);
	assert_string_equal(sasl_pick(&s, "PLAIN"), "PLAIN");
	env.is_private = 0;
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(sasl_step(&s, "", &b), -1);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_bad),
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_cram_md5),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_long_initial),
		cmocka_unit_test(test_bad_challenge),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
