/*
 * smtpd_tls_test.c - the server of TLS against clients of OpenSSL's own.
 * The clients do not block either, so that both sides run in one process.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/io.h"
#include "smtpd/tls.h"
#include "tests/unit/t.h"

#define STEPS_MAX	64	/* calls of each side until they agree */
#define SIZE		(256 * 1024)

enum kind { KIND_RSA, KIND_EC };

static char dir[64];

/* 1. Certificates. */

static EVP_PKEY *
make_key(enum kind kind)
{
	EVP_PKEY *key = kind == KIND_RSA ? EVP_RSA_gen(2048) :
	    EVP_EC_gen("P-256");

	assert_non_null(key);
	return key;
}

static void
write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, passphrase == NULL ?
	    NULL : EVP_aes_128_cbc(), NULL, 0, NULL, (void *)passphrase), 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
write_certificate(const char *path, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_NAME_new();
	FILE *f = fopen(path, "a");

	assert_non_null(f);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"mx.test", -1, -1, 0);
	X509_set_subject_name(cert, name);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_int_not_equal(X509_sign(cert, key, EVP_sha256()), 0);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	assert_int_equal(fclose(f), 0);
	X509_NAME_free(name);
	X509_free(cert);
}

/* rsa.crt, rsa.key, ec.crt, ec.key; both.pem has a key and its certificate. */
static int
set_up(void **state)
{
	EVP_PKEY *rsa = make_key(KIND_RSA), *ec = make_key(KIND_EC);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	t_dir(dir, sizeof(dir));
	write_key(t_path(dir, "rsa.key"), rsa, NULL);
	write_key(t_path(dir, "ec.key"), ec, NULL);
	write_key(t_path(dir, "locked.key"), ec, "secret");
	write_key(t_path(dir, "open.key"), ec, NULL);
	assert_int_equal(chmod(t_path(dir, "open.key"), 0644), 0);
	write_certificate(t_path(dir, "rsa.crt"), rsa);
	write_certificate(t_path(dir, "ec.crt"), ec);
	write_certificate(t_path(dir, "chain.crt"), ec);
	write_certificate(t_path(dir, "chain.crt"), rsa);
	write_key(t_path(dir, "both.pem"), ec, NULL);
	write_certificate(t_path(dir, "both.pem"), ec);
	t_put(t_path(dir, "junk"), T("not PEM\n"), 0600);
	t_put(t_path(dir, "cut"), T("-----BEGIN CERTIFICATE-----\nMII\n"),
	    0600);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	t_dir_remove(dir);
	return 0;
}

static struct tls_server *
server_of(const char *certificate, const char *key)
{
	char reason[256] = "";
	struct tls_server *server = tls_server_new(t_path(dir, certificate),
	    key == NULL ? NULL : t_path(dir, key), reason, sizeof(reason));

	if (server == NULL)
		fail_msg("%s", reason);
	return server;
}

/* 2. Two sides of a connection. */

struct pair {
	struct tls_server	*server;	/* owned, as is all */
	struct tls_stream	*stream;
	SSL_CTX			*ctx;
	SSL			*client;
	int			 fds[2];	/* server, client */
};

static void
connect_pair(struct pair *pair)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    pair->fds), 0);
	pair->stream = tls_stream_new(pair->server, pair->fds[0]);
	pair->client = SSL_new(pair->ctx);
	assert_non_null(pair->stream);
	assert_non_null(pair->client);
	assert_int_equal(SSL_set_fd(pair->client, pair->fds[1]), 1);
	SSL_set_connect_state(pair->client);
}

static void
pair_init(struct pair *pair, const char *certificate, const char *key)
{
	pair->server = server_of(certificate, key);
	pair->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(pair->ctx);
	connect_pair(pair);
}

static void
disconnect_pair(struct pair *pair)
{
	tls_stream_free(pair->stream);
	SSL_free(pair->client);
	io_close(&pair->fds[0]);
	io_close(&pair->fds[1]);
}

static void
pair_fini(struct pair *pair)
{
	disconnect_pair(pair);
	SSL_CTX_free(pair->ctx);
	tls_server_free(pair->server);
}

/* What the server wants at last; both sides have gone as far as they can. */
static enum tls_wants
shake_hands(struct pair *pair)
{
	enum tls_wants wants = TLS_WANTS_READ;
	int i, is_client_done = 0;

	for (i = 0; i < STEPS_MAX; i++) {
		if (!is_client_done)
			is_client_done = SSL_do_handshake(pair->client) == 1;
		if (wants == TLS_WANTS_READ || wants == TLS_WANTS_WRITE)
			tls_stream_handshake(pair->stream, &wants);
		if (wants == TLS_WANTS_CLOSE ||
		    (is_client_done && wants == TLS_WANTS_NOTHING))
			return wants;
	}
	return wants;
}

/* A line from the client is answered; reading takes its ticket, too. */
static void
exchange(struct pair *pair)
{
	enum tls_wants wants;
	char text[32];
	ssize_t n = -1;
	int i;

	assert_int_equal(SSL_write(pair->client, "EHLO\r\n", 6), 6);
	for (i = 0; i < STEPS_MAX && n == -1; i++)
		n = tls_stream_read(pair->stream, text, sizeof(text), &wants);
	assert_int_equal(n, 6);
	assert_memory_equal(text, "EHLO\r\n", 6);
	assert_int_equal(tls_stream_write(pair->stream, "250 hi\r\n", 8,
	    &wants), 8);
	assert_int_equal(wants, TLS_WANTS_NOTHING);
	for (i = 0, n = -1; i < STEPS_MAX && n <= 0; i++)
		n = SSL_read(pair->client, text, sizeof(text));
	assert_int_equal(n, 8);
	assert_memory_equal(text, "250 hi\r\n", 8);
}

/* 3. Tests. */

static void
test_both_kinds_of_keys_serve(void **state)
{
	static const struct {
		const char *certificate, *key;
		int version;
		const char *description;
	} cases[] = {
		{ "rsa.crt", "rsa.key", TLS1_3_VERSION, "TLSv1.3 TLS_" },
		{ "ec.crt", "ec.key", TLS1_3_VERSION, "TLSv1.3 TLS_" },
		{ "rsa.crt", "rsa.key", TLS1_2_VERSION,
		  "TLSv1.2 ECDHE-RSA-" },
		{ "ec.crt", "ec.key", TLS1_2_VERSION, "TLSv1.2 ECDHE-ECDSA-" },
		{ "chain.crt", "ec.key", TLS1_3_VERSION, "TLSv1.3 TLS_" },
		{ "both.pem", NULL, TLS1_3_VERSION, "TLSv1.3 TLS_" },
		{ "both.pem", "both.pem", TLS1_3_VERSION, "TLSv1.3 TLS_" },
	};
	struct pair pair;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		pair_init(&pair, cases[i].certificate, cases[i].key);
		SSL_set_max_proto_version(pair.client, cases[i].version);
		assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
		if (strncmp(tls_stream_describe(pair.stream),
		    cases[i].description, strlen(cases[i].description)) != 0)
			fail_msg("%zu: %s", i,
			    tls_stream_describe(pair.stream));
		exchange(&pair);
		assert_string_equal(tls_stream_error(pair.stream), "");
		pair_fini(&pair);
	}
}

static void
test_the_chain_is_sent(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair, "chain.crt", "ec.key");
	assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(pair.client)),
	    2);
	pair_fini(&pair);
}

static void
test_a_bad_file_is_named_with_its_cause(void **state)
{
	static const struct {
		const char *certificate, *key, *name, *file, *cause;
	} cases[] = {
		{ "none", "ec.key", "CERTIFICATE", "none",
		  "No such file or directory" },
		{ "ec.crt", "none", "PRIVATE_KEY", "none",
		  "No such file or directory" },
		{ ".", "ec.key", "CERTIFICATE", ".", "not a regular file" },
		{ "junk", "ec.key", "CERTIFICATE", "junk",
		  "no certificate in PEM format" },
		{ "cut", "ec.key", "CERTIFICATE", "cut",
		  "no certificate in PEM format" },
		{ "ec.key", "ec.key", "CERTIFICATE", "ec.key",
		  "no certificate in PEM format" },
		{ "ec.crt", "junk", "PRIVATE_KEY", "junk",
		  "no private key in PEM format" },
		{ "ec.crt", NULL, "PRIVATE_KEY", "ec.crt",
		  "accessible to all users" },
		{ "ec.crt", "open.key", "PRIVATE_KEY", "open.key",
		  "accessible to all users" },
		{ "ec.crt", "locked.key", "PRIVATE_KEY", "locked.key",
		  "encrypted: remove its passphrase" },
		{ "ec.crt", "rsa.key", "PRIVATE_KEY", "rsa.key",
		  "not the private key of the certificate in" },
		{ "rsa.crt", "ec.key", "PRIVATE_KEY", "ec.key",
		  "not the private key of the certificate in" },
		{ "chain.crt", "rsa.key", "PRIVATE_KEY", "rsa.key",
		  "not the private key of the certificate in" },
		{ "broken", "ec.key", "CERTIFICATE", "broken",
		  "certificate 2: " },
	};
	char reason[256], expected[256];
	struct buf good;
	size_t i;

	(void)state;
	buf_init(&good, 0);
	t_get(t_path(dir, "ec.crt"), &good);
	buf_puts(&good, "-----BEGIN CERTIFICATE-----\nMII\n");
	t_put(t_path(dir, "broken"), good.data, good.len, 0600);
	buf_fini(&good);
	for (i = 0; i < N(cases); i++) {
		if (tls_server_new(t_path(dir, cases[i].certificate),
		    cases[i].key == NULL ? NULL : t_path(dir, cases[i].key),
		    reason, sizeof(reason)) != NULL)
			fail_msg("case %zu", i);
		snprintf(expected, sizeof(expected), "%s %s: %s", cases[i].name,
		    t_path(dir, cases[i].file), cases[i].cause);
		if (strncmp(reason, expected, strlen(expected)) != 0)
			fail_msg("case %zu: %s", i, reason);
	}
}

static void
test_old_versions_are_refused(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair, "ec.crt", "ec.key");
	SSL_set_security_level(pair.client, 0);
	SSL_set_min_proto_version(pair.client, TLS1_VERSION);
	SSL_set_max_proto_version(pair.client, TLS1_1_VERSION);
	assert_int_equal(shake_hands(&pair), TLS_WANTS_CLOSE);
	assert_string_not_equal(tls_stream_error(pair.stream), "");
	pair_fini(&pair);
}

static void
test_plain_text_ends_the_handshake(void **state)
{
	enum tls_wants wants;
	struct pair pair;

	(void)state;
	pair_init(&pair, "ec.crt", "ec.key");
	assert_int_equal(tls_stream_handshake(pair.stream, &wants), -1);
	assert_int_equal(wants, TLS_WANTS_READ);
	assert_int_equal(write(pair.fds[1], "MAIL FROM:<a@b>\r\n", 17), 17);
	assert_int_equal(tls_stream_handshake(pair.stream, &wants), -1);
	assert_int_equal(wants, TLS_WANTS_CLOSE);
	assert_string_not_equal(tls_stream_error(pair.stream), "");
	/* Nothing more is written after it. */
	tls_stream_close(pair.stream);
	pair_fini(&pair);
}

static void
test_renegotiation_is_refused(void **state)
{
	enum tls_wants wants = TLS_WANTS_NOTHING;
	struct pair pair;
	char text[16];
	int i, n, was_refused = 0;

	(void)state;
	pair_init(&pair, "ec.crt", "ec.key");
	SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
	assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
	assert_int_equal(SSL_renegotiate(pair.client), 1);
	for (i = 0; i < STEPS_MAX; i++) {
		n = SSL_do_handshake(pair.client);
		assert_int_not_equal(n, 1);
		was_refused |= SSL_get_error(pair.client, n) == SSL_ERROR_SSL &&
		    ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_RENEGOTIATION;
		assert_int_equal(tls_stream_read(pair.stream, text,
		    sizeof(text), &wants), -1);
	}
	assert_true(was_refused);
	pair_fini(&pair);
}

static void
test_key_updates_do_not_keep_a_read(void **state)
{
	enum tls_wants wants;
	struct pair pair;
	char text[16];
	int i;

	(void)state;
	pair_init(&pair, "ec.crt", "ec.key");
	assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
	for (i = 0; i < 3; i++) {
		assert_int_equal(SSL_key_update(pair.client,
		    SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(pair.client), 1);
	}
	assert_int_equal(SSL_write(pair.client, "x", 1), 1);
	/* One record a call. */
	for (i = 0; i < 3; i++) {
		assert_int_equal(tls_stream_read(pair.stream, text,
		    sizeof(text), &wants), -1);
		assert_int_equal(wants, TLS_WANTS_READ);
	}
	assert_int_equal(tls_stream_read(pair.stream, text, sizeof(text),
	    &wants), 1);
	pair_fini(&pair);
}

static void
test_the_end_is_reported_either_way(void **state)
{
	enum tls_wants wants;
	struct pair pair;
	char text[16];
	int with_notify;

	(void)state;
	for (with_notify = 0; with_notify < 2; with_notify++) {
		pair_init(&pair, "ec.crt", "ec.key");
		assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
		assert_int_equal(tls_stream_read(pair.stream, text,
		    sizeof(text), &wants), -1);
		assert_int_equal(wants, TLS_WANTS_READ);
		if (with_notify)
			SSL_shutdown(pair.client);
		io_close(&pair.fds[1]);
		assert_int_equal(tls_stream_read(pair.stream, text,
		    sizeof(text), &wants), -1);
		assert_int_equal(wants, TLS_WANTS_CLOSE);
		assert_string_not_equal(tls_stream_error(pair.stream), "");
		pair_fini(&pair);
	}
}

static void
test_our_end_reaches_the_client(void **state)
{
	struct pair pair;
	char text[16];
	int n, i;

	(void)state;
	pair_init(&pair, "ec.crt", "ec.key");
	assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
	tls_stream_close(pair.stream);
	io_close(&pair.fds[0]);
	for (i = 0, n = 0; i < STEPS_MAX && SSL_get_shutdown(pair.client) == 0;
	    i++)
		n = SSL_read(pair.client, text, sizeof(text));
	assert_int_equal(SSL_get_error(pair.client, n), SSL_ERROR_ZERO_RETURN);
	pair_fini(&pair);
}

/* A stream with a full socket goes on where it stopped, from a moved buffer. */
static void
test_writes_are_partial_and_go_on(void **state)
{
	static char sent[SIZE], moved[SIZE], got[SIZE];
	enum tls_wants wants = TLS_WANTS_NOTHING;
	size_t at = 0, in = 0, i;
	struct pair pair;
	ssize_t n;
	int was_full = 0;

	(void)state;
	for (i = 0; i < SIZE; i++)
		sent[i] = moved[i] = (char)(i * 7 ^ i >> 8);
	pair_init(&pair, "ec.crt", "ec.key");
	assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
	assert_int_equal(tls_stream_write(pair.stream, sent, 0, &wants), 0);
	while (in < SIZE) {
		n = tls_stream_write(pair.stream, (was_full ? moved : sent) +
		    at, SIZE - at, &wants);
		at += n > 0 ? (size_t)n : 0;
		if (n > 0)
			continue;
		assert_true(at == SIZE || wants == TLS_WANTS_WRITE);
		was_full |= wants == TLS_WANTS_WRITE;
		n = SSL_read(pair.client, got + in, (int)(SIZE - in));
		in += n > 0 ? (size_t)n : 0;
	}
	assert_true(was_full);
	assert_memory_equal(sent, got, SIZE);
	pair_fini(&pair);
}

static void
test_what_is_decrypted_and_not_read_is_pending(void **state)
{
	enum tls_wants wants;
	struct pair pair;
	char text[4];

	(void)state;
	pair_init(&pair, "ec.crt", "ec.key");
	assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
	assert_int_equal(tls_stream_pending(pair.stream), 0);
	assert_int_equal(SSL_write(pair.client, "RSET\r\n", 6), 6);
	assert_int_equal(tls_stream_read(pair.stream, text, sizeof(text),
	    &wants), 4);
	assert_int_equal(tls_stream_pending(pair.stream), 2);
	assert_int_equal(tls_stream_read(pair.stream, text, sizeof(text),
	    &wants), 2);
	assert_int_equal(tls_stream_pending(pair.stream), 0);
	pair_fini(&pair);
}

static int
resumes(const void *arg)
{
	struct pair *pair = (struct pair *)arg;
	SSL_SESSION *session = SSL_get1_session(pair->client);
	int is_resumed;

	/* Else OpenSSL takes the session for a bad one. */
	SSL_shutdown(pair->client);
	disconnect_pair(pair);
	connect_pair(pair);
	SSL_set_session(pair->client, session);
	is_resumed = shake_hands(pair) == TLS_WANTS_NOTHING &&
	    SSL_session_reused(pair->client);
	SSL_SESSION_free(session);
	return !is_resumed;
}

static void
test_another_child_takes_the_ticket(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct pair pair;
	size_t i;

	(void)state;
	for (i = 0; i < N(versions); i++) {
		pair_init(&pair, "ec.crt", "ec.key");
		SSL_CTX_set_max_proto_version(pair.ctx, versions[i]);
		disconnect_pair(&pair);
		connect_pair(&pair);
		assert_int_equal(shake_hands(&pair), TLS_WANTS_NOTHING);
		exchange(&pair);
		assert_int_equal(t_in_child(resumes, &pair), 0);
		pair_fini(&pair);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_kinds_of_keys_serve),
		cmocka_unit_test(test_the_chain_is_sent),
		cmocka_unit_test(test_a_bad_file_is_named_with_its_cause),
		cmocka_unit_test(test_old_versions_are_refused),
		cmocka_unit_test(test_plain_text_ends_the_handshake),
		cmocka_unit_test(test_renegotiation_is_refused),
		cmocka_unit_test(test_key_updates_do_not_keep_a_read),
		cmocka_unit_test(test_the_end_is_reported_either_way),
		cmocka_unit_test(test_our_end_reaches_the_client),
		cmocka_unit_test(test_writes_are_partial_and_go_on),
		cmocka_unit_test(
		    test_what_is_decrypted_and_not_read_is_pending),
		cmocka_unit_test(test_another_child_takes_the_ticket),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
