/*
 * crypto.c - TLS over a non-blocking socket, and digests for AUTH.
 * Runs as: the spool user, sandboxed.  Uses: the connection it is lent,
 * the files of CAFILE, CERTFILE and KEYFILE, the system's certificate store.
 * Promise: a stream that demands trust carries no byte of ours before chain
 * and name, or a pin, were found good; not on a resumed session either.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/opensslv.h>
#if defined(OPENSSL_VERSION_NUMBER) && OPENSSL_VERSION_NUMBER < 0x30000000L
#error "OpenSSL is too old: version 3.0 or later is required"
#endif
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "conf/values.h"
#include "crypto.h"
#include "lib/buf.h"

#define HOST_MAX	255	/* bytes of a host name */
#define CHAIN_MAX	10	/* certificates between the server's and a CA */
#define DEMANDS_MAX	4	/* names that a certificate may be for */
#define KEY_MAX		((DEMANDS_MAX + 1) * (HOST_MAX + 1))
#define NAMES_MAX	4	/* names of a certificate in a reason */
#define NAME_QUOTED_MAX	64	/* bytes of each */
#define SHA256_SIZE	32

#define CODE_TRUST	"4.7.5"	/* RFC 3463: cryptographic failure */
#define CODE_BROKEN	"4.4.2"	/* RFC 3463: bad connection */

struct tls_setup {
	SSL_CTX		*ctx;		/* owned */
	/* The latest that can be resumed. */
	SSL_SESSION	*session;	/* owned; NULL: none */
	char		 key[KEY_MAX + 1];
	int		 is_chain_ok;	/* chain and name, when it was made */
	int		 is_system;	/* no CAFILE */
	X509_STORE	*store;		/* owned: all that the system trusts;
				 * NULL: it was not needed yet */
};

enum stream { STREAM_HANDSHAKE, STREAM_OPEN, STREAM_BROKEN };

/* What speaks for the server's certificate. */
enum trust { TRUST_NONE, TRUST_CHAIN, TRUST_PIN };

struct tls {
	SSL		*ssl;		/* owned */
	struct tls_setup *setup;	/* lent */
	char		 key[KEY_MAX + 1];	/* of sessions: SNI, names */
	const char	*wanted;	/* in key: the names */
	int		 verify;
	int		 has_dane;
	const uint8_t	(*pins)[SHA256_SIZE];	/* lent */
	size_t		 npins;
	enum stream	 stream;
	enum trust	 trust;
	int		 has_shown_cert;	/* our own */
	struct result	 doubt;		/* why it is not verified */
	struct buf	 description;
};

/* OpenSSL's words for these would not help anybody. */
static const struct {
	int		 reason;
	const char	*text;
} tls_words[] = {
	{ SSL_R_WRONG_VERSION_NUMBER, "the server does not use TLS on this "
	    "port; check PORT, SECURETRANSFER and STARTTLS" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "the server does not support TLS 1.2 or "
	    "newer" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
	    "the server does not support TLS 1.2 or newer" },
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING, "connection closed" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
	    "the server requires a client certificate; set CERTFILE" },
};

/* What helps against an error of certificate verification. */
static const char trust_advice[] = "; set CAFILE or FINGERPRINT";
static const struct {
	int		 error;
	const char	*advice;
} advices[] = {
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,	trust_advice },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,		trust_advice },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,		trust_advice },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,	trust_advice },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,	trust_advice },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "; check the clock of this host" },
};

#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))

/* The first error of OpenSSL's queue in words; the queue is empty then. */
static const char *
queued_words(void)
{
	const char *words;
	unsigned long e;
	size_t i;

	e = ERR_get_error();
	ERR_clear_error();
	if (e == 0)
		return NULL;
	if (ERR_SYSTEM_ERROR(e))
		return strerror(ERR_GET_REASON(e));
	for (i = 0; ERR_GET_LIB(e) == ERR_LIB_SSL && i < NELEM(tls_words); i++)
		if (ERR_GET_REASON(e) == tls_words[i].reason)
			return tls_words[i].text;
	words = ERR_reason_error_string(e);
	return words == NULL ? "unknown TLS error" : words;
}

/* As queued_words() for places where an error there is. */
static const char *
error_words(void)
{
	const char *words;

	words = queued_words();
	return words == NULL ? "unknown error" : words;
}

static const struct {
	const char	*name;
	size_t		 size;
} hashes[] = {
	[SASL_MD5] = { "MD5", 16 }, [SASL_SHA1] = { "SHA1", 20 },
	[SASL_SHA256] = { "SHA256", SHA256_SIZE },
};

static int
crypto_digest(enum sasl_hash hash, const void *data, size_t len,
    uint8_t *out)
{
	size_t n = 0;

	if (EVP_Q_digest(NULL, hashes[hash].name, NULL, data, len, out,
	    &n) != 1 || n != hashes[hash].size) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}

/* SHA-256 of the whole certificate. */
static int
digest_cert(const X509 *cert, uint8_t out[SHA256_SIZE])
{
	unsigned n = SHA256_SIZE;

	return X509_digest(cert, EVP_sha256(), out, &n) == 1 &&
	    n == SHA256_SIZE ? 0 : -1;
}

/* SHA-256 of its SubjectPublicKeyInfo; outlives a renewed certificate. */
static int
digest_key(const X509 *cert, uint8_t out[SHA256_SIZE])
{
	unsigned char *der = NULL;
	int n, ret;

	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (n <= 0)
		return -1;
	ret = crypto_digest(SASL_SHA256, der, (size_t)n, out);
	OPENSSL_free(der);
	return ret;
}

static int
has_pin(const struct tls *t, const X509 *cert)
{
	uint8_t whole[SHA256_SIZE], key[SHA256_SIZE];
	size_t i;

	if (t->npins == 0 || cert == NULL ||
	    digest_cert(cert, whole) == -1 || digest_key(cert, key) == -1)
		return 0;
	for (i = 0; i < t->npins; i++)
		if (memcmp(t->pins[i], whole, SHA256_SIZE) == 0 ||
		    memcmp(t->pins[i], key, SHA256_SIZE) == 0)
			return 1;
	return 0;
}

static int
is_acceptable(const struct tls *t)
{
	if (t->npins > 0)
		return t->trust == TRUST_PIN;
	return t->trust == TRUST_CHAIN || !t->verify;
}

static void
put_fingerprint(struct buf *b, const X509 *cert)
{
	uint8_t digest[SHA256_SIZE];
	size_t i;

	if (cert == NULL || digest_cert(cert, digest) == -1)
		return;
	buf_puts(b, " (its SHA-256 is ");
	for (i = 0; i < SHA256_SIZE; i++)
		buf_printf(b, "%02x", digest[i]);
	buf_putc(b, ')');
}

static void
put_date(struct buf *b, const ASN1_TIME *when)
{
	struct tm tm;
	char text[32];

	if (when != NULL && ASN1_TIME_to_tm(when, &tm) == 1 &&
	    strftime(text, sizeof(text), "%Y-%m-%d", &tm) > 0)
		buf_printf(b, " (%s)", text);
}

/* The DNS names that a certificate is for; they come from outside. */
static void
put_names(struct buf *b, X509 *cert, const char *wanted)
{
	const GENERAL_NAME *name;
	const ASN1_STRING *text;
	GENERAL_NAMES *list;
	int i, n = 0;

	list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(list) && n < NAMES_MAX; i++) {
		name = sk_GENERAL_NAME_value(list, i);
		if (name->type != GEN_DNS)
			continue;
		text = name->d.dNSName;
		buf_puts(b, n++ == 0 ? "; it is valid for " : ", ");
		buf_put_clean(b, (const char *)ASN1_STRING_get0_data(text),
		    (size_t)ASN1_STRING_length(text), NAME_QUOTED_MAX);
	}
	GENERAL_NAMES_free(list);
	if (n == 0)
		buf_puts(b, "; it contains no host name");
	buf_printf(b, "; expected %s", wanted);
}

/* Why the chain or the name is not good, and what the reader can do. */
static void
put_chain_doubt(struct buf *b, X509_STORE_CTX *store, const char *wanted)
{
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	X509 *bad = X509_STORE_CTX_get_current_cert(store);
	int error = X509_STORE_CTX_get_error(store);
	size_t i;

	buf_puts(b, X509_verify_cert_error_string(error));
	if (error == X509_V_ERR_CERT_HAS_EXPIRED && bad != NULL)
		put_date(b, X509_get0_notAfter(bad));
	if (error == X509_V_ERR_CERT_NOT_YET_VALID && bad != NULL)
		put_date(b, X509_get0_notBefore(bad));
	if (error == X509_V_ERR_HOSTNAME_MISMATCH ||
	    error == X509_V_ERR_IP_ADDRESS_MISMATCH)
		put_names(b, leaf, wanted);
	for (i = 0; i < NELEM(advices); i++) {
		if (advices[i].error != error)
			continue;
		buf_puts(b, advices[i].advice);
		if (advices[i].advice == trust_advice)
			put_fingerprint(b, leaf);
	}
}

static X509_STORE *
system_store(struct tls_setup *setup)
{
	if (setup->store != NULL)
		return setup->store;
	setup->store = X509_STORE_new();
	if (setup->store != NULL)
		(void)X509_STORE_set_default_paths(setup->store);
	return setup->store;
}

/*
 * What the directory of the system's certificates does not have, their file
 * may.  Gives the context for a second try with both; NULL: there is none.
 */
static X509_STORE_CTX *
with_file(struct tls *t, X509_STORE_CTX *first)
{
	X509_STORE_CTX *second;
	X509_VERIFY_PARAM *param;

	/* DANE (RFC 7672) trusts none of them. */
	if (!t->setup->is_system || t->has_dane)
		return NULL;
	second = X509_STORE_CTX_new();
	param = X509_VERIFY_PARAM_new();
	if (second == NULL || param == NULL || X509_VERIFY_PARAM_set1(param,
	    X509_STORE_CTX_get0_param(first)) != 1 ||
	    X509_STORE_CTX_init(second, system_store(t->setup),
	    X509_STORE_CTX_get0_cert(first),
	    X509_STORE_CTX_get0_untrusted(first)) != 1) {
		X509_VERIFY_PARAM_free(param);
		X509_STORE_CTX_free(second);
		return NULL;
	}
	X509_STORE_CTX_set0_param(second, param);
	return second;
}

/* Notes in the result why a certificate is not trusted. */
static void
doubt(struct tls *t, X509_STORE_CTX *store)
{
	struct buf reason;

	buf_init(&reason, 0);
	if (t->npins > 0) {
		buf_puts(&reason, "not listed in FINGERPRINT");
		put_fingerprint(&reason, X509_STORE_CTX_get0_cert(store));
	} else {
		put_chain_doubt(&reason, store, t->wanted);
	}
	result_set(&t->doubt, STATUS_DEFERRED, CODE_TRUST,
	    "certificate: %s", buf_str(&reason));
	buf_fini(&reason);
}

/*
 * Takes the place of OpenSSL's own decision, called once per full handshake;
 * 0 ends the handshake with an alert.
 */
static int
verify_peer(X509_STORE_CTX *store, void *arg)
{
	X509_STORE_CTX *second = NULL;
	struct tls *t;

	(void)arg;
	t = SSL_get_app_data(X509_STORE_CTX_get_ex_data(store,
	    SSL_get_ex_data_X509_STORE_CTX_idx()));
	/* A session was offered and declined: what it brought is void. */
	t->trust = TRUST_NONE;
	if (has_pin(t, X509_STORE_CTX_get0_cert(store)))
		t->trust = TRUST_PIN;
	else if (t->npins == 0 && (X509_verify_cert(store) == 1 ||
	    ((second = with_file(t, store)) != NULL &&
	    X509_verify_cert(second) == 1)))
		t->trust = TRUST_CHAIN;
	if (t->trust == TRUST_NONE)
		doubt(t, second == NULL ? store : second);
	X509_STORE_CTX_set_error(store, t->trust != TRUST_NONE ? X509_V_OK :
	    t->npins > 0 ? X509_V_ERR_APPLICATION_VERIFICATION :
	    X509_STORE_CTX_get_error(second == NULL ? store : second));
	X509_STORE_CTX_free(second);
	return is_acceptable(t);
}

/* Called by OpenSSL for each new session or ticket; 1 takes it. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);
	struct tls_setup *setup = t->setup;

	/*
	 * Records may change while a session lives, and a resumed handshake
	 * asks for no certificate of ours.
	 */
	if (!SSL_SESSION_is_resumable(session) || !is_acceptable(t) ||
	    t->has_dane || t->has_shown_cert)
		return 0;
	SSL_SESSION_free(setup->session);
	setup->session = session;
	setup->is_chain_ok = t->trust == TRUST_CHAIN;
	memcpy(setup->key, t->key, sizeof(setup->key));
	return 1;
}

/*
 * The verdict on a session's certificate travels with it, since a resumed
 * handshake shows none; one that would not be accepted is not offered.
 */
static void
offer_session(struct tls *t)
{
	const struct tls_setup *setup = t->setup;

	if (t->has_dane || setup->session == NULL ||
	    text_casecmp(setup->key, t->key) != 0 ||
	    !SSL_SESSION_is_resumable(setup->session))
		return;
	if (has_pin(t, SSL_SESSION_get0_peer(setup->session)))
		t->trust = TRUST_PIN;
	else if (setup->is_chain_ok)
		t->trust = TRUST_CHAIN;
	if (!is_acceptable(t) || SSL_set_session(t->ssl, setup->session) != 1)
		t->trust = TRUST_NONE;
}

/* Called by OpenSSL when the server asks for our certificate; 1: go on. */
static int
note_cert_wish(SSL *ssl, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);

	(void)arg;
	if (SSL_get_certificate(ssl) != NULL)
		t->has_shown_cert = 1;
	return 1;
}

/* Senders do not read the path. */
static int
unusable(struct result *res, const char *key, const char *path,
    const char *why)
{
	result_set(res, STATUS_DEFERRED, CODE_TRUST, "%s in dma.conf cannot be "
	    "used", key);
	return result_detail(res, "%s: %s", path, why);
}

/*
 * The system's directory is looked at for the issuer alone; its file, of 140
 * certificates, takes ten times as long as all the rest of the handshake.
 */
static int
load_trust(struct tls_setup *setup, const struct conf_tls *conf,
    struct result *res)
{
	SSL_CTX *ctx = setup->ctx;

	if (conf->cafile == NULL) {
		setup->is_system = 1;
		if (SSL_CTX_set_default_verify_dir(ctx) == 1)
			return 0;
		return result_set(res, STATUS_DEFERRED, CODE_TRUST,
		    "the system's certificate store: %s", error_words());
	}
	if (SSL_CTX_load_verify_file(ctx, conf->cafile) == 1)
		return 0;
	return unusable(res, "CAFILE", conf->cafile, error_words());
}

static int
load_client(SSL_CTX *ctx, const struct conf_tls *conf, struct result *res)
{
	static char no_passphrase[] = "";
	const char *keyfile;

	if (conf->certfile == NULL)
		return 0;
	keyfile = conf->keyfile == NULL ? conf->certfile :
	    conf->keyfile;
	/* There is nobody to ask for the passphrase of a key. */
	SSL_CTX_set_default_passwd_cb_userdata(ctx, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(ctx, conf->certfile) != 1)
		return unusable(res, "CERTFILE", conf->certfile,
		    error_words());
	if (SSL_CTX_use_PrivateKey_file(ctx, keyfile, SSL_FILETYPE_PEM) != 1)
		return unusable(res, "KEYFILE", keyfile, error_words());
	if (SSL_CTX_check_private_key(ctx) != 1)
		return unusable(res, "KEYFILE", keyfile,
		    "the key does not match CERTFILE");
	return 0;
}

static void
set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION);
	/* The caller's buffer may move or grow between two tries. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ctx, CHAIN_MAX);
	SSL_CTX_set_cert_verify_callback(ctx, verify_peer, NULL);
	SSL_CTX_set_cert_cb(ctx, note_cert_wish, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
}

struct tls_setup *
tls_setup_new(const struct conf_tls *conf, struct result *res)
{
	struct tls_setup *setup;

	/* Nothing is left to be put in order when this process ends. */
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
	setup = calloc(1, sizeof(*setup));
	if (setup != NULL)
		setup->ctx = SSL_CTX_new(TLS_client_method());
	if (setup == NULL || setup->ctx == NULL ||
	    SSL_CTX_set_min_proto_version(setup->ctx, TLS1_2_VERSION) != 1 ||
	    (conf->is_dane && SSL_CTX_dane_enable(setup->ctx) != 1)) {
		result_set(res, STATUS_DEFERRED, CODE_TRUST, "TLS: %s",
		    error_words());
		tls_setup_free(setup);
		return NULL;
	}
	set_rules(setup->ctx);
	if (load_trust(setup, conf, res) == -1 ||
	    load_client(setup->ctx, conf, res) == -1) {
		tls_setup_free(setup);
		return NULL;
	}
	return setup;
}

void
tls_setup_free(struct tls_setup *setup)
{
	if (setup == NULL)
		return;
	SSL_SESSION_free(setup->session);
	X509_STORE_free(setup->store);
	SSL_CTX_free(setup->ctx);
	free(setup);
}

/* Copies a host's name without its final dot; -1 when it is none. */
static int
copy_host(char dst[HOST_MAX + 1], const char *host)
{
	size_t n;

	n = strlen(host);
	if (n > 0 && host[n - 1] == '.')
		n--;
	if (n == 0 || n > HOST_MAX || !text_is_clean(host, n))
		return -1;
	memcpy(dst, host, n);
	dst[n] = '\0';
	return 0;
}

/* A name or an address that the certificate may be for; RFC 9525.  1, or 0. */
static int
expect_name(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	return value_is_literal(host) ?
	    X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 :
	    X509_VERIFY_PARAM_add1_host(param, host, 0) == 1;
}

/*
 * The TLSA records instead of the system's trust.  Which names count is for
 * who made the demand to say (RFC 7672 3.1.1: none for the server's own key).
 */
static int
expect_tlsas(SSL *ssl, const char *base, const struct tlsas *tlsas,
    int *is_usable)
{
	const struct tlsa *a;
	unsigned i;

	*is_usable = 0;
	if (SSL_dane_enable(ssl, base) <= 0)
		return -1;
	SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (i = 0; i < tlsas->n; i++) {
		a = &tlsas->list[i];
		*is_usable |= SSL_dane_tlsa_add(ssl, a->usage, a->selector,
		    a->matching, tlsas->data + a->at, a->len) > 0;
	}
	ERR_clear_error();
	return 0;
}

/* Notes SNI and names, which sessions go by; -1 when one is none. */
static int
set_names(struct tls *t, const struct tls_demand *d)
{
	char name[HOST_MAX + 1];
	size_t i, n;

	if (d->nnames == 0 || d->nnames > DEMANDS_MAX ||
	    copy_host(name, d->sni) == -1)
		return -1;
	n = strlen(name);
	memcpy(t->key, name, n);
	t->key[n++] = ' ';
	t->wanted = t->key + n;
	if (d->tlsas != NULL && d->npins == 0 &&
	    expect_tlsas(t->ssl, name, d->tlsas, &t->has_dane) == -1)
		return -1;
	if (!value_is_literal(name) &&
	    SSL_set_tlsext_host_name(t->ssl, name) != 1)
		return -1;
	X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(t->ssl),
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	for (i = 0; i < d->nnames; i++) {
		if (copy_host(name, d->names[i]) == -1 ||
		    !expect_name(t->ssl, name))
			return -1;
		if (i > 0)
			t->key[n++] = ',';
		memcpy(t->key + n, name, strlen(name));
		n += strlen(name);
	}
	t->key[n] = '\0';
	return 0;
}

struct tls *
tls_new(struct tls_setup *setup, int fd, const struct tls_demand *d)
{
	struct tls *t;

	ERR_clear_error();
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	result_init(&t->doubt);
	buf_init(&t->description, 0);
	t->setup = setup;
	t->verify = d->verify;
	t->pins = d->pins;
	t->npins = d->npins;
	t->ssl = SSL_new(setup->ctx);
	if (t->ssl == NULL || SSL_set_app_data(t->ssl, t) != 1 ||
	    SSL_set_fd(t->ssl, fd) != 1 || set_names(t, d) == -1) {
		tls_free(t);
		return NULL;
	}
	t->verify |= t->has_dane;
	SSL_set_connect_state(t->ssl);
	offer_session(t);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	/* Without this OpenSSL would hold the session to be spoilt. */
	if (t->stream == STREAM_OPEN)
		SSL_set_shutdown(t->ssl,
		    SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	ERR_clear_error();
	result_fini(&t->doubt);
	buf_fini(&t->description);
	free(t);
}

/* What a call that returned ret waits for; TLS_BROKEN sticks. */
static enum tls_want
want_after(struct tls *t, int ret)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_DONE;
	default:
		t->stream = STREAM_BROKEN;
		return TLS_BROKEN;
	}
}

static enum tls_want
broken(struct tls *t, struct result *res, int error)
{
	const char *words;

	t->stream = STREAM_BROKEN;
	words = queued_words();
	if (t->doubt.reason != NULL && !is_acceptable(t))
		result_copy(res, &t->doubt);
	else if (words != NULL)
		result_set(res, STATUS_DEFERRED, CODE_TRUST, "TLS: %s",
		    words);
	else
		result_set(res, STATUS_DEFERRED, CODE_BROKEN, "TLS: %s",
		    error == 0 ? "connection closed" :
		    strerror(error));
	return TLS_BROKEN;
}

static void
describe(struct tls *t)
{
	const char *word = "not verified";

	if (t->trust == TRUST_PIN)
		word = "pinned";
	else if (t->trust == TRUST_CHAIN)
		word = t->has_dane ? "verified by DANE" : "verified";
	buf_printf(&t->description, "%s %s %s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl), word);
	if (SSL_session_reused(t->ssl))
		buf_puts(&t->description, " resumed");
	if (t->trust == TRUST_NONE && t->doubt.reason != NULL)
		buf_printf(&t->description, ": %s", t->doubt.reason);
}

enum tls_want
tls_handshake(struct tls *t, struct result *res)
{
	enum tls_want want;
	int ret, error;

	if (t->stream == STREAM_BROKEN)
		return broken(t, res, EPIPE);
	if (t->stream == STREAM_OPEN)
		return TLS_DONE;
	ERR_clear_error();
	errno = 0;
	ret = SSL_do_handshake(t->ssl);
	error = errno;
	if (ret != 1) {
		want = want_after(t, ret);
		if (want == TLS_WANT_READ || want == TLS_WANT_WRITE)
			return want;
		return broken(t, res, error);
	}
	/* A peer that showed no certificate at all was never verified. */
	if (!is_acceptable(t)) {
		result_set(&t->doubt, STATUS_DEFERRED, CODE_TRUST,
		    "certificate: the server sent none");
		return broken(t, res, 0);
	}
	t->stream = STREAM_OPEN;
	describe(t);
	return TLS_DONE;
}

const char *
tls_describe(const struct tls *t)
{
	return buf_str(&t->description);
}

int
tls_is_verified(const struct tls *t)
{
	return t->stream == STREAM_OPEN && t->trust != TRUST_NONE;
}

ssize_t
tls_read(struct tls *t, void *data, size_t size, enum tls_want *want)
{
	size_t n = 0;
	int ret;

	*want = TLS_BROKEN;
	if (t->stream != STREAM_OPEN)
		return -1;
	ERR_clear_error();
	ret = SSL_read_ex(t->ssl, data, size, &n);
	*want = ret == 1 ? TLS_DONE : want_after(t, ret);
	ERR_clear_error();
	return *want == TLS_DONE ? (ssize_t)n : -1;
}

ssize_t
tls_write(struct tls *t, const void *data, size_t len, enum tls_want *want)
{
	size_t n = 0;
	int ret;

	*want = TLS_BROKEN;
	if (t->stream != STREAM_OPEN)
		return -1;
	*want = TLS_DONE;
	ERR_clear_error();
	ret = SSL_write_ex(t->ssl, data, len, &n);
	if (ret == 1)
		return (ssize_t)n;
	*want = want_after(t, ret);
	ERR_clear_error();
	/* Nobody can be told more once close_notify was sent. */
	if (*want == TLS_DONE) {
		t->stream = STREAM_BROKEN;
		*want = TLS_BROKEN;
	}
	return -1;
}

size_t
tls_pending(const struct tls *t)
{
	return (size_t)SSL_pending(t->ssl);
}

void
tls_shutdown(struct tls *t)
{
	if (t->stream != STREAM_OPEN)
		return;
	ERR_clear_error();
	/* One call sends ours; the peer's is not waited for. */
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

int
tls_has_shown_cert(const struct tls *t)
{
	return t->has_shown_cert;
}

static const char *
exporter(const struct tls *t, uint8_t *out, size_t *n)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	*n = SHA256_SIZE;
	return SSL_export_keying_material(t->ssl, out, *n, label,
	    sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1 ?
	    "tls-exporter" : NULL;
}

/* The first Finished of the handshake: ours, or in a resumed one theirs. */
static const char *
unique(const struct tls *t, uint8_t *out, size_t *n)
{
	if (SSL_session_reused(t->ssl))
		*n = SSL_get_peer_finished(t->ssl, out, TLS_BINDING_MAX);
	else
		*n = SSL_get_finished(t->ssl, out, TLS_BINDING_MAX);
	return *n > 0 && *n <= TLS_BINDING_MAX ? "tls-unique" : NULL;
}

/* Its digest by the algorithm of its signature, SHA-256 for weaker ones. */
static const char *
end_point(const struct tls *t, uint8_t *out, size_t *n)
{
	const X509 *cert = SSL_get0_peer_certificate(t->ssl);
	const EVP_MD *md;
	unsigned len = 0;
	int nid;

	if (cert == NULL || X509_get_signature_info((X509 *)(uintptr_t)cert,
	    &nid, NULL, NULL, NULL) != 1)
		return NULL;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	md = EVP_get_digestbynid(nid);
	if (md == NULL || EVP_MD_get_size(md) > TLS_BINDING_MAX ||
	    X509_digest(cert, md, out, &len) != 1)
		return NULL;
	*n = len;
	return "tls-server-end-point";
}

const char *
tls_binding(const struct tls *t, uint8_t out[TLS_BINDING_MAX], size_t *n)
{
	const char *name;

	*n = 0;
	if (t->stream != STREAM_OPEN)
		return NULL;
	ERR_clear_error();
	if (SSL_version(t->ssl) >= TLS1_3_VERSION)
		name = exporter(t, out, n);
	else if (SSL_get_extms_support(t->ssl) == 1)
		name = unique(t, out, n);
	else
		name = end_point(t, out, n);
	ERR_clear_error();
	return name;
}

static int
crypto_hmac(enum sasl_hash hash, const void *key, size_t keylen,
    const void *text, size_t len, uint8_t *out)
{
	size_t n = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, hashes[hash].name, NULL, key,
	    keylen, text, len, out, hashes[hash].size, &n) == NULL ||
	    n != hashes[hash].size) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}

/* A context with its key; to be used many times. */
static EVP_MAC_CTX *
hmac_open(enum sasl_hash hash, const void *key, size_t keylen)
{
	OSSL_PARAM params[2];
	EVP_MAC_CTX *ctx;
	EVP_MAC *mac;

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    (char *)(uintptr_t)hashes[hash].name, 0);
	params[1] = OSSL_PARAM_construct_end();
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	/* A key of no bytes must still be there. */
	if (ctx != NULL && EVP_MAC_init(ctx, keylen == 0 ? "" : key, keylen,
	    params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

static int
crypto_stretch(enum sasl_hash hash, const void *key, size_t keylen,
    uint8_t *u, uint8_t *sum, unsigned rounds)
{
	size_t i, n, size = hashes[hash].size;
	EVP_MAC_CTX *ctx;
	int is_fine;

	ctx = hmac_open(hash, key, keylen);
	is_fine = ctx != NULL;
	for (; is_fine && rounds > 0; rounds--) {
		is_fine = EVP_MAC_init(ctx, NULL, 0, NULL) == 1 &&
		    EVP_MAC_update(ctx, u, size) == 1 &&
		    EVP_MAC_final(ctx, u, &n, size) == 1 && n == size;
		for (i = 0; i < size; i++)
			sum[i] ^= u[i];
	}
	EVP_MAC_CTX_free(ctx);
	ERR_clear_error();
	return is_fine ? 0 : -1;
}

static int
crypto_random(void *out, size_t len)
{
	if (len > INT_MAX || RAND_bytes(out, (int)len) != 1) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}

const struct sasl_crypto *
crypto_sasl(void)
{
	static const struct sasl_crypto crypto = { crypto_digest, crypto_hmac,
	    crypto_stretch, crypto_random };

	return &crypto;
}
