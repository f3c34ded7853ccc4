/*
 * tls.c - TLS as a server, without blocking.
 * Runs as: root or the user of dma-smtpd, for tls_server_new(); children, which
 * share the server that was made before they were forked, for the rest.
 * Uses: the two files, the connections it is lent.
 * Promise: a client that sends what it likes costs bounded work for each call,
 * and no memory that it can make grow; an idle connection has no buffers.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "smtpd/tls.h"

#define FILE_MAX	(1024 * 1024)	/* bytes of certificates or a key */
#define CHAIN_MAX	16		/* certificates of one file */
#define DESCRIPTION	64		/* bytes of a protocol and a cipher */
#define SESSION_S	3600		/* how long a ticket is taken */

struct tls_server {
	SSL_CTX		*ctx;		/* owned */
};

struct tls_stream {
	SSL		*ssl;		/* owned */
	const char	*error;		/* static; NULL: it is not broken */
	char		 description[DESCRIPTION];
};

/* 1. Certificate and key. */

/* The first error of OpenSSL's queue in words; the queue is empty then. */
static const char *
error_words(void)
{
	unsigned long e = ERR_get_error();
	const char *words;

	ERR_clear_error();
	if (e != 0 && ERR_SYSTEM_ERROR(e))
		return strerror(ERR_GET_REASON(e));
	words = e == 0 ? NULL : ERR_reason_error_string(e);
	return words == NULL ? "unknown error" : words;
}

/* Where it says what is wrong with which file. */
struct reason {
	char	*text;		/* lent */
	size_t	 size;
};

static int PRINTF_LIKE(2, 3)
fail(const struct reason *reason, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(reason->text, reason->size, format, ap);
	va_end(ap);
	ERR_clear_error();
	return -1;
}

/* The rest of the reason, after a word at its beginning. */
static struct reason
reason_after(const struct reason *r, const char *word)
{
	size_t n = strlen(word) + 1;

	if (n >= r->size)
		return *r;
	snprintf(r->text, r->size, "%s ", word);
	return (struct reason){ r->text + n, r->size - n };
}

/* A private key that everybody can read is no secret. */
static int
read_file(const char *path, int is_secret, struct buf *bytes,
    const struct reason *reason)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = -1;

	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)))
		fail(reason, "%s: not a regular file", path);
	else if (fd != -1 && is_secret && (st.st_mode & S_IRWXO) != 0)
		fail(reason, "%s: accessible to all users: run "
		    "\"chmod o= %s\"", path, path);
	else if (fd == -1 || io_read_file(fd, bytes, FILE_MAX) == -1)
		fail(reason, "%s: %s", path, strerror(errno));
	else
		ret = 0;
	io_close(&fd);
	return ret;
}

/* The server's own certificate and those that lead from it to an authority. */
static int
use_chain(SSL_CTX *ctx, BIO *bio, const char *path,
    const struct reason *reason)
{
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned n;
	int is_ok;

	if (cert == NULL)
		return fail(reason, "%s: no certificate in PEM format", path);
	is_ok = SSL_CTX_use_certificate(ctx, cert) == 1;
	X509_free(cert);
	if (!is_ok)
		return fail(reason, "%s: %s", path, error_words());
	for (n = 0; n < CHAIN_MAX; n++) {
		cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (cert == NULL)
			break;
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			return fail(reason, "%s: %s", path, error_words());
		}
	}
	if (n == CHAIN_MAX)
		return fail(reason, "%s: more than %d certificates", path,
		    CHAIN_MAX);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return fail(reason, "%s: certificate %u: %s", path, n + 2,
		    error_words());
	ERR_clear_error();
	return 0;
}

/* There is nobody to ask for the passphrase of a key. */
static int
no_passphrase(char *out, int size, int is_writing, void *was_asked)
{
	(void)out;
	(void)size;
	(void)is_writing;
	*(int *)was_asked = 1;
	return -1;
}

static int
use_key(SSL_CTX *ctx, BIO *bio, const char *path, const char *certificate,
    const struct reason *reason)
{
	int is_ok, was_asked = 0;
	EVP_PKEY *key;

	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &was_asked);
	if (key == NULL)
		return fail(reason, was_asked ? "%s: encrypted: remove its "
		    "passphrase" : "%s: no private key in PEM format", path);
	is_ok = X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) == 1;
	if (!is_ok) {
		EVP_PKEY_free(key);
		return fail(reason, "%s: not the private key of the "
		    "certificate in %s", path, certificate);
	}
	is_ok = SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	return is_ok ? 0 : fail(reason, "%s: %s", path, error_words());
}

/*
 * A certificate, or the private key of one; the reason begins with the key of
 * the configuration.
 */
static int
load(SSL_CTX *ctx, const char *key, const char *path, const char *certificate,
    const struct reason *whole)
{
	const struct reason after = reason_after(whole, key), *reason = &after;
	struct buf bytes;
	BIO *bio = NULL;
	int ret;

	buf_init(&bytes, FILE_MAX);
	ret = read_file(path, certificate != NULL, &bytes, reason);
	if (ret == 0) {
		bio = BIO_new_mem_buf(buf_str(&bytes), (int)bytes.len);
		if (bio == NULL)
			ret = fail(reason, "%s", strerror(ENOMEM));
		else if (certificate == NULL)
			ret = use_chain(ctx, bio, path, reason);
		else
			ret = use_key(ctx, bio, path, certificate, reason);
	}
	BIO_free(bio);
	buf_wipe(&bytes);
	return ret;
}

/* 2. The server. */

/*
 * Sessions are in the clients' tickets alone.  The key of these is made with
 * the SSL_CTX, so that all children of a configuration take each other's, and
 * it goes with the configuration.
 */
static int
set_rules(SSL_CTX *ctx)
{
	static const unsigned char context[] = "dma-smtpd";

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION);
	/* The caller's buffer may move or grow between two tries. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	/* Else a client that sends key updates without end keeps one read. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, SESSION_S);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, context,
	    sizeof(context) - 1) != 1)
		return -1;
	return 0;
}

struct tls_server *
tls_server_new(const char *certificate, const char *private_key,
    char *text, size_t size)
{
	const struct reason reason = { text, size };
	struct tls_server *server = calloc(1, sizeof(*server));

	ERR_clear_error();
	if (server != NULL)
		server->ctx = SSL_CTX_new(TLS_server_method());
	if (server == NULL || server->ctx == NULL ||
	    set_rules(server->ctx) == -1) {
		fail(&reason, "TLS: %s", error_words());
		tls_server_free(server);
		return NULL;
	}
	if (private_key == NULL)
		private_key = certificate;
	if (load(server->ctx, "CERTIFICATE", certificate, NULL, &reason) ==
	    -1 || load(server->ctx, "PRIVATE_KEY", private_key, certificate,
	    &reason) == -1) {
		tls_server_free(server);
		return NULL;
	}
	return server;
}

void
tls_server_free(struct tls_server *server)
{
	if (server == NULL)
		return;
	SSL_CTX_free(server->ctx);
	free(server);
}

/* 3. A connection. */

struct tls_stream *
tls_stream_new(struct tls_server *server, int fd)
{
	struct tls_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return NULL;
	ERR_clear_error();
	stream->ssl = SSL_new(server->ctx);
	if (stream->ssl == NULL || SSL_set_fd(stream->ssl, fd) != 1) {
		ERR_clear_error();
		tls_stream_free(stream);
		return NULL;
	}
	SSL_set_accept_state(stream->ssl);
	return stream;
}

void
tls_stream_free(struct tls_stream *stream)
{
	if (stream == NULL)
		return;
	SSL_free(stream->ssl);
	free(stream);
}

/* Never the words for an errno, which another call may change. */
static const char *
words_of(int error)
{
	const char *words = NULL;

	if (error == SSL_ERROR_SSL)
		words = ERR_reason_error_string(ERR_peek_error());
	return words == NULL ? "connection closed" : words;
}

/* What a call that did not succeed wants; the errors of the queue are taken. */
static enum tls_wants
wants_of(struct tls_stream *stream, int result)
{
	int error = SSL_get_error(stream->ssl, result);

	switch (error) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	default:
		if (stream->error == NULL)
			stream->error = words_of(error);
		ERR_clear_error();
		return TLS_WANTS_CLOSE;
	}
}

int
tls_stream_handshake(struct tls_stream *stream, enum tls_wants *wants)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(stream->ssl);
	if (result != 1) {
		*wants = wants_of(stream, result);
		return -1;
	}
	*wants = TLS_WANTS_NOTHING;
	snprintf(stream->description, sizeof(stream->description), "%s %s",
	    SSL_get_version(stream->ssl), SSL_get_cipher_name(stream->ssl));
	return 0;
}

ssize_t
tls_stream_read(struct tls_stream *stream, void *out, size_t size,
    enum tls_wants *wants)
{
	int n;

	ERR_clear_error();
	n = SSL_read(stream->ssl, out, size < INT_MAX ? (int)size : INT_MAX);
	if (n <= 0) {
		*wants = wants_of(stream, n);
		return -1;
	}
	*wants = TLS_WANTS_NOTHING;
	return n;
}

ssize_t
tls_stream_write(struct tls_stream *stream, const void *bytes, size_t len,
    enum tls_wants *wants)
{
	int n;

	*wants = TLS_WANTS_NOTHING;
	/* OpenSSL does not define this. */
	if (len == 0)
		return 0;
	ERR_clear_error();
	n = SSL_write(stream->ssl, bytes, len < INT_MAX ? (int)len : INT_MAX);
	if (n > 0)
		return n;
	*wants = wants_of(stream, n);
	return -1;
}

size_t
tls_stream_pending(const struct tls_stream *stream)
{
	return (size_t)SSL_pending(stream->ssl);
}

void
tls_stream_close(struct tls_stream *stream)
{
	/* After a failure OpenSSL must not write any more. */
	if (stream->error != NULL || !SSL_is_init_finished(stream->ssl))
		return;
	ERR_clear_error();
	SSL_shutdown(stream->ssl);
	ERR_clear_error();
}

const char *
tls_stream_describe(const struct tls_stream *stream)
{
	return stream->description;
}

const char *
tls_stream_error(const struct tls_stream *stream)
{
	return stream->error == NULL ? "" : stream->error;
}
