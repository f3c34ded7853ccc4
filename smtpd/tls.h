/*
 * tls.h - TLS as a server, without blocking: one of two users of OpenSSL.
 */
#ifndef SMTPD_TLS_H
#define SMTPD_TLS_H

#include <stddef.h>
#include <sys/types.h>

struct tls_server;	/* certificate and key; read before root is dropped */
struct tls_stream;	/* one connection; SIGPIPE is to be ignored */

enum tls_wants {
	TLS_WANTS_NOTHING,
	TLS_WANTS_READ,		/* again when the descriptor can be read */
	TLS_WANTS_WRITE,
	TLS_WANTS_CLOSE		/* it is over */
};

/*
 * Both in PEM; private_key NULL: it is in the same file.  NULL with a reason
 * that names the file.  Made before the fork, it is shared by all children.
 */
struct tls_server *tls_server_new(const char *certificate,
	    const char *private_key, char *reason, size_t size);
void	tls_server_free(struct tls_server *);

/* The descriptor is lent, and does not block.  NULL without memory. */
struct tls_stream *tls_stream_new(struct tls_server *, int fd);
/* Sends no close_notify: see tls_stream_close(). */
void	tls_stream_free(struct tls_stream *);
/* 0 when the handshake is complete; -1 and what it wants. */
int	tls_stream_handshake(struct tls_stream *, enum tls_wants *);
/* Bytes, or -1 and what it wants; the end of the connection is CLOSE. */
ssize_t	tls_stream_read(struct tls_stream *, void *, size_t,
	    enum tls_wants *);
ssize_t	tls_stream_write(struct tls_stream *, const void *, size_t,
	    enum tls_wants *);
/* Bytes that were decrypted and not read. */
size_t	tls_stream_pending(const struct tls_stream *);
/* One attempt to send a close_notify. */
void	tls_stream_close(struct tls_stream *);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; lent. */
const char *tls_stream_describe(const struct tls_stream *);
/* Why it wanted CLOSE, for the log; "" before that. */
const char *tls_stream_error(const struct tls_stream *);

#endif
