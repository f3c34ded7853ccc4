/*
 * crypto.h - TLS over a non-blocking socket, and digests for AUTH.
 * The only user of OpenSSL.  Names nothing of OpenSSL, so that who includes
 * it does not either.
 */
#ifndef CRYPTO_H
#define CRYPTO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf.h"
#include "lib/sasl.h"
#include "lib/result.h"

#define TLS_BINDING_MAX	64	/* bytes of a channel binding */

#define TLSA_MAX	16	/* records of one host that are kept */

/*
 * Which certificates a host has, as signed DNS says (RFC 6698).  There may be
 * none that can be used (RFC 7672 2.2): TLS is owed all the same.
 */
struct tlsas {
	struct tlsa {
		uint8_t		 usage, selector, matching;
		uint16_t	 at, len;	/* in data */
	}		 list[TLSA_MAX];
	unsigned	 n;
	uint8_t		*data;		/* owned */
	char		 base[256];	/* the name that has them */
	unsigned	 users;
};

struct tls_setup;	/* one per process: trust, client key, sessions */
struct tls;		/* one per connection */

/* What a step of a TLS stream wants before it can go on. */
enum tls_want { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_BROKEN };

/*
 * Gives the set-up for conf's CAFILE, CERTFILE, KEYFILE; NULL with the reason
 * in the result (status RETRY, 4.7.x): bad files are never the mail's fault.
 * TLS 1.2 and newer.  Without CAFILE the system's store is a directory that
 * is read certificate by certificate when a server shows its own: a sandbox
 * must leave it readable, with what its links lead to.
 */
struct tls_setup *tls_setup_new(const struct conf_tls *, struct result *);
void	 tls_setup_free(struct tls_setup *);

/* What a stream asks of the server.  All is lent; pins until its end. */
struct tls_demand {
	const char	*sni;		/* the name that is asked for */
	const char	*const *names;	/* the certificate is for one of them */
	size_t		 nnames;
	int		 verify;
	const uint8_t	(*pins)[32];
	size_t		 npins;
	const struct tlsas *tlsas;	/* or NULL */
};

/*
 * Gives a client stream over fd (lent, non-blocking); NULL without memory or
 * for what is no name (an address literal: verified as an address, no SNI; a
 * final dot is dropped).
 * With pins (SHA-256 of the certificate or of its public key) the handshake
 * fails unless one matches, which stands for chain and name; a CA does not
 * stand for a pin.  Without pins it fails unless TLSA records match, where
 * there are any that can be used, which stands for the system's trust; the
 * set-up is to be made with DANE.  Without either, and with verify, it fails
 * unless the chain and the name (RFC 9525: subjectAltName) are good.  Without
 * any it is still found out whether they are.  The session that this set-up
 * made last is resumed with the same host where it meets the same demands;
 * never with TLSA records or a certificate of ours.
 */
struct tls *tls_new(struct tls_setup *, int fd, const struct tls_demand *);
void	 tls_free(struct tls *);
/* Drives the handshake. TLS_BROKEN: the reason is in the result (RETRY). */
enum tls_want tls_handshake(struct tls *, struct result *);
/*
 * After the handshake: "TLSv1.3 TLS_AES_256_GCM_SHA384 verified" (or "pinned",
 * "verified by DANE", or "not verified: certificate: …"; and "resumed").
 * Printable.
 */
const char *tls_describe(const struct tls *);
/* After the handshake: 1 when the server is known to be the right one. */
int	 tls_is_verified(const struct tls *);
/*
 * As read(2)/write(2): bytes, 0 at the end, -1 with *want set.  An end
 * without close_notify is -1 with TLS_BROKEN.  SIGPIPE is to be ignored.
 */
ssize_t	 tls_read(struct tls *, void *, size_t, enum tls_want *want);
ssize_t	 tls_write(struct tls *, const void *, size_t, enum tls_want *want);
/* Octets that tls_read() would give without touching the socket. */
size_t	 tls_pending(const struct tls *);
/* Sends close_notify if that is possible at once. */
void	 tls_shutdown(struct tls *);

/*
 * What binds a login to this very channel: lends the name, with *n bytes in
 * out; NULL when there is none.  TLS 1.3: tls-exporter (RFC 9266).  TLS 1.2:
 * tls-unique (RFC 5929 3) where the extended master secret makes it unique,
 * else tls-server-end-point (RFC 5929 4).
 */
const char *tls_binding(const struct tls *, uint8_t out[TLS_BINDING_MAX],
	    size_t *n);
/* 1 when the server asked for our certificate, and got it. */
int	 tls_has_shown_cert(const struct tls *);

/* Digests, HMAC (RFC 2104), PBKDF2 (RFC 8018) and random bytes for sasl. */
const struct sasl_crypto *crypto_sasl(void);

#endif
