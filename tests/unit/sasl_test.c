/*
 * sasl_test.c - AUTH mechanisms and base64.
 */
#include <openssl/evp.h>

#include "lib/base64.h"
#include "lib/sasl.h"
#include "tests/unit/t.h"

/* Octets that the fake generator gives next, or NULL. */
static const uint8_t *next_random;

static const char *const names[] = { "MD5", "SHA1", "SHA256" };

static int
digest(enum sasl_hash hash, const void *data, size_t len, uint8_t *out)
{
	return EVP_Q_digest(NULL, names[hash], NULL, data, len, out,
	    NULL) == 1 ? 0 : -1;
}

static int
hmac(enum sasl_hash hash, const void *key, size_t keylen, const void *text,
    size_t len, uint8_t *out)
{
	return EVP_Q_mac(NULL, "HMAC", NULL, names[hash], NULL, key, keylen,
	    text, len, out, 32, NULL) != NULL ? 0 : -1;
}

static int
stretch(enum sasl_hash hash, const void *key, size_t keylen, uint8_t *u,
    uint8_t *sum, unsigned n)
{
	size_t i;

	while (n-- > 0) {
		if (hmac(hash, key, keylen, u, hash == SASL_SHA1 ? 20 : 32,
		    u) == -1)
			return -1;
		for (i = 0; i < 32; i++)
			sum[i] ^= u[i];
	}
	return 0;
}

static int
give_random(void *out, size_t len)
{
	assert_int_equal(len, SASL_NONCE);
	if (next_random == NULL)
		return -1;
	memcpy(out, next_random, len);
	return 0;
}

static int
broken_hmac(enum sasl_hash hash, const void *key, size_t keylen,
    const void *text, size_t len, uint8_t *out)
{
	(void)hash;
	(void)key;
	(void)keylen;
	(void)text;
	(void)len;
	(void)out;
	return -1;
}

static const struct sasl_crypto crypto = { digest, hmac, stretch,
    give_random };
static const struct sasl_crypto broken = { digest, broken_hmac, stretch,
    give_random };

#define TIM(...) { .user = "tim", .password = "tanstaaftanstaaf", __VA_ARGS__ }
static const struct sasl_env tim = TIM(.is_private = 1, .crypto = &crypto);
static const struct sasl_env tim_open = TIM(.crypto = &crypto);
static const struct sasl_env tim_plain = TIM(.is_private = 1);
static const struct sasl_env tim_none = TIM(.is_private = 0);
static const struct sasl_env tim_broken = TIM(.is_private = 1,
    .crypto = &broken);
static const struct sasl_env tim_bound = TIM(.is_private = 1,
    .crypto = &crypto, .binding = "tls-exporter",
    .binding_data = (const uint8_t *)"0123", .binding_len = 4);
static const struct sasl_env tim_cert = TIM(.is_private = 1,
    .crypto = &crypto, .has_cert = 1);
static const struct sasl_env only_cert = { .user = "", .is_private = 1,
    .crypto = &crypto, .has_cert = 1 };
static const struct sasl_env no_cert = { .user = "", .is_private = 1,
    .crypto = &crypto };
static const struct sasl_env tim_some = TIM(.is_private = 1,
    .crypto = &crypto, .allowed = "plain Login");
static const struct sasl_env tim_nothing = TIM(.is_private = 1,
    .crypto = &crypto, .allowed = "");
static const struct sasl_env token = TIM(.is_private = 1, .crypto = &crypto,
    .is_token = 1);
static const struct sasl_env token_open = TIM(.crypto = &crypto,
    .is_token = 1);

#define PASSWORDS "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256-PLUS " \
	"SCRAM-SHA-256"

/* Over and over, with the same struct. */
static void
start(struct sasl *s, const struct sasl_env *env)
{
	sasl_fini(s);
	sasl_init(s, env);
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
		{ &tim, "LOGIN SCRAM-SHA-1 SCRAM-SHA-256-PLUS SCRAM-SHA-256",
		    "SCRAM-SHA-256", "SCRAM-SHA-1", "LOGIN" },
		{ &tim_bound, "CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS",
		    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "CRAM-MD5" },
		{ &tim_open, "PLAIN scram-sha-1 LOGIN", "SCRAM-SHA-1", NULL,
		    NULL },
		{ &tim_plain, "SCRAM-SHA-256 LOGIN", "LOGIN", NULL, NULL },
		{ &tim, "SCRAM-SHA-1-PLUS SCRAM-SHA-512", NULL, NULL, NULL },
		{ &tim_cert, "PLAIN SCRAM-SHA-256 EXTERNAL", "EXTERNAL",
		    "SCRAM-SHA-256", "PLAIN" },
		{ &only_cert, PASSWORDS " EXTERNAL XOAUTH2", "EXTERNAL", NULL,
		    NULL },
		{ &no_cert, PASSWORDS " EXTERNAL XOAUTH2", NULL, NULL, NULL },
		{ &tim_some, PASSWORDS, "PLAIN", "LOGIN", NULL },
		{ &tim_nothing, PASSWORDS " EXTERNAL", NULL, NULL, NULL },
		{ &token, PASSWORDS " XOAUTH2 OAUTHBEARER EXTERNAL",
		    "OAUTHBEARER", "XOAUTH2", NULL },
		{ &tim, "XOAUTH2 OAUTHBEARER PLAIN", "PLAIN", NULL, NULL },
		{ &token_open, PASSWORDS " XOAUTH2 OAUTHBEARER", NULL, NULL,
		    NULL },
	};
	const char *want[3], *got;
	struct sasl s = { .env = NULL };
	size_t i, j;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		want[0] = cases[i].first;
		want[1] = cases[i].second;
		want[2] = cases[i].third;
		start(&s, cases[i].env);
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
	sasl_fini(&s);
}

/* RFC 2195 2. */
static void
test_cram_md5(void **state)
{
	struct sasl s = { .env = NULL };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	start(&s, &tim);
	assert_string_equal(sasl_pick(&s, "PLAIN CRAM-MD5"), "CRAM-MD5");
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(sasl_step(&s, "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2Uuc"
	    "mVzdG9uLm1jaS5uZXQ+", &b), SASL_ANSWER);
	assert_string_equal(buf_str(&b), "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZl"
	    "NzMzNGQzODkw");
	/* One challenge is all that there is. */
	assert_int_equal(sasl_step(&s, "Zm9v", &b), SASL_OUT);
	buf_fini(&b);
	sasl_fini(&s);
}

/* RFC 4616 4, without an authorization identity. */
static void
test_plain(void **state)
{
	static const char b64[] = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";
	struct sasl s = { .env = NULL };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	start(&s, &tim);
	assert_string_equal(sasl_pick(&s, "PLAIN"), "PLAIN");
	assert_int_equal(sasl_initial(&s, &b), 1);
	assert_string_equal(buf_str(&b), b64);
	/* A server that overlooks the initial response gets it again, once. */
	buf_reset(&b);
	assert_int_equal(sasl_step(&s, "", &b), SASL_ANSWER);
	assert_string_equal(buf_str(&b), b64);
	assert_int_equal(sasl_step(&s, "", &b), SASL_OUT);
	buf_fini(&b);
	sasl_fini(&s);
}

static void
test_login(void **state)
{
	struct sasl s = { .env = NULL };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	start(&s, &tim);
	assert_string_equal(sasl_pick(&s, "LOGIN"), "LOGIN");
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(sasl_step(&s, "VXNlcm5hbWU6", &b), SASL_ANSWER);
	assert_string_equal(buf_str(&b), "dGlt");
	buf_reset(&b);
	assert_int_equal(sasl_step(&s, "UGFzc3dvcmQ6", &b), SASL_ANSWER);
	assert_string_equal(buf_str(&b), "dGFuc3RhYWZ0YW5zdGFhZg==");
	assert_int_equal(sasl_step(&s, "", &b), SASL_OUT);
	buf_fini(&b);
	sasl_fini(&s);
}

/* A long password does not fit in the command and waits for its turn. */
static void
test_long_initial(void **state)
{
	static const struct { size_t len; int initial;
	    enum sasl_did step; } cases[] = {
		{ 100, 1, SASL_ANSWER },
		{ 358, 1, SASL_ANSWER },	/* 484 bytes of base64 */
		{ 359, 0, SASL_ANSWER },
		{ 4096, 0, SASL_ANSWER },
		{ 16384, 0, SASL_OUT },
	};
	struct sasl_env env = { .user = "tim", .is_private = 1 };
	char password[16385];
	struct sasl s = { .env = NULL };
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		memset(password, 'x', cases[i].len);
		password[cases[i].len] = '\0';
		env.password = password;
		start(&s, &env);
		assert_non_null(sasl_pick(&s, "PLAIN"));
		buf_reset(&b);
		assert_int_equal(sasl_initial(&s, &b), cases[i].initial);
		assert_int_equal(b.len > 0, cases[i].initial);
		buf_reset(&b);
		assert_int_equal(sasl_step(&s, "", &b), cases[i].step);
	}
	buf_fini(&b);
	sasl_fini(&s);
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
	struct sasl s = { .env = NULL };
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		start(&s, cases[i].env);
		assert_non_null(sasl_pick(&s, cases[i].mech));
		assert_int_equal(sasl_step(&s, cases[i].challenge, &b),
		    SASL_OUT);
		assert_int_equal(b.len, 0);
	}
	long_one = malloc(SASL_CHALLENGE_MAX + 5);
	assert_non_null(long_one);
	memset(long_one, 'A', SASL_CHALLENGE_MAX + 4);
	long_one[SASL_CHALLENGE_MAX + 4] = '\0';
	start(&s, &tim);
	assert_non_null(sasl_pick(&s, "PLAIN"));
	assert_int_equal(sasl_step(&s, long_one, &b), SASL_OUT);
	assert_int_equal(b.len, 0);
	free(long_one);
	buf_fini(&b);
	sasl_fini(&s);
}

static void
put_plain(struct buf *out, const char *b64)
{
	buf_reset(out);
	assert_int_equal(base64_get(out, b64, strlen(b64)), 0);
}

/* One message of ours, without its base64; and the next of the host's. */
static enum sasl_did
say(struct sasl *s, const char *theirs, const char *ours)
{
	struct buf b64, out, plain;
	enum sasl_did did;

	buf_init(&b64, 0);
	buf_init(&out, 0);
	buf_init(&plain, 0);
	base64_put(&b64, theirs, strlen(theirs));
	do
		did = sasl_step(s, buf_str(&b64), &out);
	while (did == SASL_BUSY);
	if (did == SASL_ANSWER) {
		put_plain(&plain, buf_str(&out));
		assert_string_equal(buf_str(&plain), ours);
	} else {
		assert_int_equal(out.len, 0);
	}
	buf_fini(&b64);
	buf_fini(&out);
	buf_fini(&plain);
	return did;
}

/* The first message, whose nonce is then as the example has it. */
static void
begin(struct sasl *s, const struct sasl_env *env, const char *mech,
    const char *nonce, const char *first)
{
	struct buf out, plain;

	buf_init(&out, 0);
	buf_init(&plain, 0);
	next_random = (const uint8_t *)"012345678901234567";
	start(s, env);
	assert_string_equal(sasl_pick(s, mech), mech);
	assert_true(sasl_needs_proof(s));
	assert_int_equal(sasl_initial(s, &out), 1);
	put_plain(&plain, buf_str(&out));
	assert_string_equal(buf_str(&plain), first);
	assert_int_equal(text_copy(s->nonce, sizeof(s->nonce), nonce), 0);
	buf_fini(&out);
	buf_fini(&plain);
}

#define FIRST		"n,,n=user,r=MDEyMzQ1Njc4OTAxMjM0NTY3"
#define NONCE1		"fyko+d2lbbFgONRv9qkxdawL"
#define SERVER1		"r=" NONCE1 "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
#define FINAL1		"c=biws,r=" NONCE1 "3rfcNHYJY1ZVvWVs7j," \
			"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
#define PROOF1		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="
#define NONCE256	"rOprNGfwEbeRWgbNEkqO"
#define SERVER256	"r=" NONCE256 "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," \
			"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL256	"c=biws,r=" NONCE256 "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," \
			"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define PROOF256	"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static const struct sasl_env user = { .user = "user", .password = "pencil",
    .crypto = &crypto };

/* RFC 5802 5 and RFC 7677 3. */
static void
test_scram(void **state)
{
	static const struct {
		const char *mech, *nonce, *server, *final, *proof;
	} cases[] = {
		{ "SCRAM-SHA-1", NONCE1, SERVER1, FINAL1, PROOF1 },
		{ "SCRAM-SHA-1", NONCE1, SERVER1, FINAL1, PROOF1 ",x=more" },
		{ "SCRAM-SHA-256", NONCE256, SERVER256, FINAL256, PROOF256 },
	};
	struct sasl s = { .env = NULL };
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&s, &user, cases[i].mech, cases[i].nonce, FIRST);
		assert_int_equal(say(&s, cases[i].server, cases[i].final),
		    SASL_ANSWER);
		assert_false(sasl_is_proven(&s));
		assert_int_equal(say(&s, cases[i].proof, ""), SASL_ANSWER);
		assert_true(sasl_is_proven(&s));
		/* What comes after that has no meaning. */
		assert_int_equal(say(&s, cases[i].proof, ""), SASL_OUT);
		sasl_fini(&s);
	}
	sasl_fini(&s);
}

/* SASLprep: other bytes, the same name and password; or no SCRAM. */
static void
test_scram_prepared(void **state)
{
	static const struct sasl_env same = { .user = "us\xc2\xad" "er",
	    .password = "pen\xe2\x81\xa0" "cil", .crypto = &crypto };
	static const struct sasl_env bad = { .user = "user",
	    .password = "pencil\xee\x80\x80", .crypto = &crypto,
	    .is_private = 1 };
	struct sasl s = { .env = NULL };

	(void)state;
	begin(&s, &same, "SCRAM-SHA-256", NONCE256, FIRST);
	assert_int_equal(say(&s, SERVER256, FINAL256), SASL_ANSWER);
	assert_int_equal(say(&s, PROOF256, ""), SASL_ANSWER);
	assert_true(sasl_is_proven(&s));
	sasl_fini(&s);
	start(&s, &bad);
	assert_string_equal(sasl_pick(&s, "SCRAM-SHA-1 SCRAM-SHA-256 PLAIN "
	    "CRAM-MD5"), "CRAM-MD5");
	assert_null(sasl_pick(&s, "SCRAM-SHA-1 SCRAM-SHA-256"));
	sasl_fini(&s);
}

/* The second message of the host's, after a good first one. */
static void
test_scram_proof(void **state)
{
	static const struct { const char *b64, *reason; } cases[] = {
		{ "v=rmF9pqV8S7suAoZWja4dJRkFsKR=", NULL },
		{ "v=rmF9pqV8S7suAoZWja4dJRkFsKA=", NULL },
		{ "v=rmF9pqV8S7suAoZWja4dJRkFsK==", NULL },
		{ "v=", NULL },
		{ "v", NULL },
		{ "", NULL },
		{ "x=1," PROOF1, NULL },
		{ "e=invalid-proof", "authentication failed: invalid-proof" },
		{ "e=\r\n\033", "authentication failed: \\033" },
	};
	struct sasl s = { .env = NULL };
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
		assert_int_equal(say(&s, SERVER1, FINAL1), SASL_ANSWER);
		assert_int_equal(say(&s, cases[i].b64, NULL), SASL_STOP);
		assert_false(sasl_is_proven(&s));
		assert_string_equal(sasl_why(&s), cases[i].reason == NULL ?
		    "the server did not prove that it knows the password" :
		    cases[i].reason);
	}
	/* Not even base64: no other mechanism is for this host. */
	buf_init(&b, 0);
	begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
	assert_int_equal(say(&s, SERVER1, FINAL1), SASL_ANSWER);
	assert_int_equal(sasl_step(&s, "%%%", &b), SASL_STOP);
	buf_fini(&b);
	sasl_fini(&s);
}

static void
test_scram_first(void **state)
{
	static const struct { const char *in; enum sasl_did did; } cases[] = {
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=4095", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=1000001", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=04096", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=4294971392", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=40960x", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92", SASL_OUT },
		{ "r=" NONCE1 "x,s=QSXCR+Q6sek8bf9,i=4096", SASL_OUT },
		{ "r=" NONCE1 "x,s=,i=4096", SASL_OUT },
		{ "r=" NONCE1 "x,i=4096,s=QSXCR+Q6sek8bf92", SASL_OUT },
		{ "r=" NONCE1 ",s=QSXCR+Q6sek8bf92,i=4096", SASL_OUT },
		{ "r=gyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=4096", SASL_OUT },
		{ "r=x,s=QSXCR+Q6sek8bf92,i=4096", SASL_OUT },
		{ "m=1,r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=4096", SASL_OUT },
		{ "r=" NONCE1 "x\n,s=QSXCR+Q6sek8bf92,i=4096", SASL_OUT },
		{ "e=other-error", SASL_OUT },
		{ "r", SASL_OUT },
		{ ",", SASL_OUT },
	};
	struct sasl s = { .env = NULL };
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
		assert_int_equal(say(&s, cases[i].in, NULL), cases[i].did);
	}
	/* A host that overlooks the first message gets it again, once. */
	begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
	assert_int_equal(say(&s, "", "n,,n=user,r=" NONCE1), SASL_ANSWER);
	assert_int_equal(say(&s, SERVER1, FINAL1), SASL_ANSWER);
	begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
	assert_int_equal(say(&s, "", "n,,n=user,r=" NONCE1), SASL_ANSWER);
	assert_int_equal(say(&s, "", NULL), SASL_OUT);
	sasl_fini(&s);
}

/* Many iterations are done bit by bit, and not without end. */
static void
test_scram_slices(void **state)
{
	static const char first[] = "r=" NONCE1 "x,s=QSXCR+Q6sek8bf92,i=20000";
	struct buf b64, out;
	struct sasl s = { .env = NULL };
	unsigned n = 0;

	(void)state;
	buf_init(&b64, 0);
	buf_init(&out, 0);
	begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
	base64_put(&b64, first, strlen(first));
	while (sasl_step(&s, buf_str(&b64), &out) == SASL_BUSY) {
		assert_int_equal(out.len, 0);
		assert_true(++n < 100);
	}
	assert_in_range(n, 2, 10);
	assert_true(out.len > 0);
	buf_fini(&b64);
	buf_fini(&out);
	sasl_fini(&s);
}

/* RFC 5802 6, 7: what the first bytes say, and which channel is meant. */
static void
test_scram_binding(void **state)
{
	static const char bare[] = "n=tim,r=MDEyMzQ1Njc4OTAxMjM0NTY3";
	static const struct {
		const char *offered, *mech, *gs2;
	} cases[] = {
		{ "SCRAM-SHA-256 SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS",
		    "p=tls-exporter,," },
		{ "SCRAM-SHA-256", "SCRAM-SHA-256", "y,," },
		{ "SCRAM-SHA-1", "SCRAM-SHA-1", "n,," },
	};
	struct buf out, plain;
	struct sasl s = { .env = NULL };
	size_t i;

	(void)state;
	buf_init(&out, 0);
	buf_init(&plain, 0);
	next_random = (const uint8_t *)"012345678901234567";
	for (i = 0; i < N(cases); i++) {
		start(&s, &tim_bound);
		assert_string_equal(sasl_pick(&s, cases[i].offered),
		    cases[i].mech);
		buf_reset(&out);
		assert_int_equal(sasl_initial(&s, &out), 1);
		put_plain(&plain, buf_str(&out));
		assert_memory_equal(plain.data, cases[i].gs2,
		    strlen(cases[i].gs2));
		assert_string_equal(plain.data + strlen(cases[i].gs2), bare);
	}
	/* Offered but refused: it was no stranger who took it away. */
	start(&s, &tim_bound);
	sasl_pick(&s, cases[0].offered);
	sasl_give_up(&s);
	assert_string_equal(sasl_pick(&s, cases[0].offered), "SCRAM-SHA-256");
	buf_reset(&out);
	assert_int_equal(sasl_initial(&s, &out), 1);
	put_plain(&plain, buf_str(&out));
	assert_memory_equal(plain.data, "n,,", 3);
	/* The channel's bytes are in the last message: p=..., 0123 */
	start(&s, &tim_bound);
	sasl_pick(&s, cases[0].offered);
	sasl_initial(&s, &out);
	buf_reset(&out);
	buf_reset(&plain);
	base64_put(&plain, "r=MDEyMzQ1Njc4OTAxMjM0NTY3z,s=AAAA,i=4096", 41);
	assert_int_equal(sasl_step(&s, buf_str(&plain), &out), SASL_ANSWER);
	put_plain(&plain, buf_str(&out));
	assert_memory_equal(plain.data, "c=cD10bHMtZXhwb3J0ZXIsLDAxMjM=,"
	    "r=MDEyMzQ1Njc4OTAxMjM0NTY3z,p=", 61);
	buf_fini(&out);
	buf_fini(&plain);
	sasl_fini(&s);
}

static void
test_scram_name(void **state)
{
	static const struct sasl_env odd = { .user = "a,b=c", .password = "x",
	    .crypto = &crypto };
	struct sasl s = { .env = NULL };
	struct buf out;

	(void)state;
	begin(&s, &odd, "SCRAM-SHA-256", NONCE1,
	    "n,,n=a=2Cb=3Dc,r=MDEyMzQ1Njc4OTAxMjM0NTY3");
	buf_init(&out, 0);
	next_random = NULL;
	assert_non_null(sasl_pick(&s, "SCRAM-SHA-256"));
	assert_int_equal(sasl_initial(&s, &out), 0);
	assert_int_equal(sasl_step(&s, "", &out), SASL_OUT);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
	sasl_fini(&s);
}

/* RFC 7628 4.1, 4.3; and the older form. */
static void
test_tokens(void **state)
{
	static const struct sasl_env env = { .user = "user@example.com",
	    .password = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
	    .host = "server.example.com", .port = 143, .is_token = 1,
	    .is_private = 1 };
	static const struct {
		const char *mech, *ours, *error;
	} cases[] = {
		{ "OAUTHBEARER", "n,a=user@example.com,\001"
		    "host=server.example.com\001port=143\001auth=Bearer "
		    "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001",
		    "\001" },
		{ "XOAUTH2", "user=user@example.com\001auth=Bearer "
		    "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001", "" },
	};
	struct buf out, plain;
	struct sasl s = { .env = NULL };
	size_t i;

	(void)state;
	buf_init(&out, 0);
	buf_init(&plain, 0);
	for (i = 0; i < N(cases); i++) {
		start(&s, &env);
		assert_string_equal(sasl_pick(&s, cases[i].mech),
		    cases[i].mech);
		buf_reset(&out);
		assert_int_equal(sasl_initial(&s, &out), 1);
		put_plain(&plain, buf_str(&out));
		assert_string_equal(buf_str(&plain), cases[i].ours);
		/* RFC 7628 3.2.3: an error wants an answer of its own. */
		assert_int_equal(say(&s, "{\"status\":\"invalid_token\"}",
		    cases[i].error), SASL_ANSWER);
		assert_int_equal(say(&s, "", cases[i].error), SASL_ANSWER);
		/* Without an initial response the prompt gets it. */
		start(&s, &env);
		sasl_pick(&s, cases[i].mech);
		assert_int_equal(say(&s, "", cases[i].ours), SASL_ANSWER);
		assert_int_equal(say(&s, "{}", cases[i].error), SASL_ANSWER);
		assert_false(sasl_needs_proof(&s));
	}
	buf_fini(&out);
	buf_fini(&plain);
	sasl_fini(&s);
}

static void
test_external(void **state)
{
	struct sasl s = { .env = NULL };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	start(&s, &only_cert);
	assert_string_equal(sasl_pick(&s, "EXTERNAL"), "EXTERNAL");
	assert_int_equal(sasl_initial(&s, &b), 1);
	assert_int_equal(b.len, 0);
	assert_int_equal(say(&s, "", ""), SASL_ANSWER);
	assert_int_equal(say(&s, "", NULL), SASL_OUT);
	buf_fini(&b);
	sasl_fini(&s);
}

/* What was computed from the password does not stay. */
static void
test_wiped(void **state)
{
	static const struct sasl zero;
	struct sasl s = { .env = NULL };

	(void)state;
	begin(&s, &user, "SCRAM-SHA-1", NONCE1, FIRST);
	assert_int_equal(say(&s, SERVER1, FINAL1), SASL_ANSWER);
	assert_memory_not_equal(s.sum, zero.sum, sizeof(s.sum));
	sasl_give_up(&s);
	assert_memory_equal(s.sum, zero.sum, sizeof(s.sum));
	assert_memory_equal(s.u, zero.u, sizeof(s.u));
	assert_memory_equal(s.signature, zero.signature, sizeof(s.signature));
	sasl_fini(&s);
	assert_memory_equal(&s, &zero, sizeof(s));
}

/* Nothing is said without a mechanism, or when privacy went away. */
static void
test_refuses(void **state)
{
	struct sasl_env env = TIM(.is_private = 1, .crypto = &crypto);
	struct sasl s = { .env = NULL };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	start(&s, &env);
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(sasl_step(&s, "Zm9v", &b), SASL_OUT);
	sasl_give_up(&s);
	assert_string_equal(sasl_pick(&s, "PLAIN"), "PLAIN");
	env.is_private = 0;
	assert_int_equal(sasl_initial(&s, &b), 0);
	assert_int_equal(sasl_step(&s, "", &b), SASL_OUT);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	sasl_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_cram_md5),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_long_initial),
		cmocka_unit_test(test_bad_challenge),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_scram_proof),
		cmocka_unit_test(test_scram_prepared),
		cmocka_unit_test(test_scram_first),
		cmocka_unit_test(test_scram_slices),
		cmocka_unit_test(test_scram_binding),
		cmocka_unit_test(test_scram_name),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_wiped),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
