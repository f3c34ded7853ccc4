/*
 * sasl.h - AUTH mechanisms: challenge in, response out (RFC 4954).
 * Pure; digests are handed in, so that no crypto library is linked here.
 * A new mechanism is one function and one line of the table.
 */
#ifndef LIB_SASL_H
#define LIB_SASL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define SASL_ROUNDS_MAX		4
#define SASL_CHALLENGE_MAX	12288	/* bytes of base64 */
#define SASL_DIGEST_MAX		32
#define SASL_NONCE		18	/* random bytes of one of ours */
#define SASL_WHY_MAX		160

enum sasl_hash { SASL_MD5, SASL_SHA1, SASL_SHA256 };

/* Each gives 0 or -1; a digest has 16, 20 or 32 bytes. */
struct sasl_crypto {
	int	(*digest)(enum sasl_hash, const void *, size_t, uint8_t *out);
	int	(*hmac)(enum sasl_hash, const void *key, size_t keylen,
		    const void *text, size_t len, uint8_t *out);
	/* n rounds of PBKDF2: u = HMAC(key, u), sum ^= u. */
	int	(*stretch)(enum sasl_hash, const void *key, size_t keylen,
		    uint8_t *u, uint8_t *sum, unsigned n);
	int	(*random)(void *, size_t);
};

struct sasl_env {		/* all lent */
	const char	*user;
	const char	*password;	/* or token; or NULL */
	const char	*host;		/* for OAUTHBEARER; may be NULL */
	unsigned	 port;
	const char	*allowed;	/* mechanisms; NULL: all */
	const char	*binding;	/* of the channel, its name; or NULL */
	const uint8_t	*binding_data;
	size_t		 binding_len;
	const struct sasl_crypto *crypto;	/* NULL: plain ones only */
	int		 is_token;	/* the password is a token */
	int		 is_private;	/* the connection is encrypted, or
					 * INSECURE: plain text may be sent */
	int		 has_cert;	/* TLS has shown one of ours */
};

/* What came of a challenge. */
enum sasl_did {
	SASL_ANSWER,		/* the response is in out */
	SASL_BUSY,		/* not finished: call again with the same */
	SASL_OUT,		/* the mechanism is out: cancel with "*", then
				 * sasl_give_up() */
	SASL_STOP		/* no login with this host: sasl_why() */
};

struct sasl {
	const struct sasl_env *env;
	unsigned	 tried;		/* bit set of mechanisms given up */
	/* The rest is private. */
	const struct sasl_mech *mech;
	int		 round;
	int		 said;		/* messages of ours */
	int		 is_proven;
	char		 gs2;		/* RFC 5802 7: 'n', 'y' or 'p' */
	char		 nonce[SASL_NONCE / 3 * 4 + 1];
	unsigned	 stretched;	/* rounds of PBKDF2 that are done */
	uint8_t		 u[SASL_DIGEST_MAX], sum[SASL_DIGEST_MAX];
	uint8_t		 signature[SASL_DIGEST_MAX];	/* the server's */
	struct buf	 user, password;	/* owned: as SCRAM wants them */
	int		 is_prepared;	/* they can be had */
	char		 reason[SASL_WHY_MAX];
};

void	sasl_init(struct sasl *, const struct sasl_env *);	/* lends env */
void	sasl_fini(struct sasl *);	/* wipes */
/*
 * Picks the best mechanism offered ("CRAM-MD5 PLAIN LOGIN", any case) that
 * was not given up and is allowed; lends its name, or NULL.  Order: EXTERNAL,
 * SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN; with
 * a token EXTERNAL, OAUTHBEARER, XOAUTH2.  What shows the password or the
 * token to the host only when is_private.
 */
const char *sasl_pick(struct sasl *, const char *offered);
/*
 * 1 and base64 in out when the picked mechanism has an initial response; it
 * may be empty.
 */
int	sasl_initial(struct sasl *, struct buf *out);
/* Answers a challenge: base64 as it came after "334 ", base64 in out. */
enum sasl_did sasl_step(struct sasl *, const char *challenge, struct buf *out);
/* 1 when the host has to prove that it knows the password, too. */
int	sasl_needs_proof(const struct sasl *);
int	sasl_is_proven(const struct sasl *);
const char *sasl_why(const struct sasl *);	/* of SASL_STOP; printable */
void	sasl_give_up(struct sasl *);

#endif
