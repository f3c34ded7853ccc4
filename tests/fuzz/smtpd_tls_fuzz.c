/*
 * smtpd_tls_fuzz.c - any bytes as what a client sends to start TLS, then its
 * end.
 * Holds: what a stream wants fits what it did, and the end ends it.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "smtpd/tls.h"

#define HOLDS(claim)	do { if (!(claim)) abort(); } while (0)
#define BYTES_MAX	65536	/* that a socket takes without a reader */
#define STEPS_MAX	256

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A key and a certificate of it, in memory; the path of the file. */
static void
make_certificate(char *path, size_t size)
{
	int fd = memfd_create("certificate", 0);
	FILE *f = fdopen(fd, "w");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	HOLDS(f != NULL && key != NULL && cert != NULL);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	HOLDS(X509_sign(cert, key, EVP_sha256()) != 0);
	HOLDS(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	HOLDS(PEM_write_X509(f, cert) == 1);
	HOLDS(fflush(f) == 0 && fchmod(fd, 0600) == 0);
	X509_free(cert);
	EVP_PKEY_free(key);
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

static struct tls_server *
server(void)
{
	static struct tls_server *made;
	char path[32], reason[256];

	if (made == NULL) {
		signal(SIGPIPE, SIG_IGN);
		make_certificate(path, sizeof(path));
		made = tls_server_new(path, NULL, reason, sizeof(reason));
		HOLDS(made != NULL);
	}
	return made;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_stream *stream;
	enum tls_wants wants = TLS_WANTS_READ;
	char text[512];
	int fds[2], i, is_open = 0;

	if (size > BYTES_MAX)
		return 0;
	HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	stream = tls_stream_new(server(), fds[0]);
	HOLDS(stream != NULL);
	HOLDS(write(fds[1], data, size) == (ssize_t)size);
	HOLDS(shutdown(fds[1], SHUT_WR) == 0);
	for (i = 0; i < STEPS_MAX && wants != TLS_WANTS_CLOSE; i++) {
		if (!is_open)
			is_open = tls_stream_handshake(stream, &wants) == 0;
		else if (tls_stream_read(stream, text, sizeof(text),
		    &wants) == -1)
			HOLDS(wants != TLS_WANTS_NOTHING);
		HOLDS(wants != TLS_WANTS_NOTHING || is_open);
	}
	HOLDS(wants == TLS_WANTS_CLOSE);
	HOLDS(tls_stream_error(stream)[0] != '\0');
	tls_stream_close(stream);
	tls_stream_free(stream);
	close(fds[0]);
	close(fds[1]);
	return 0;
}
