/*
 * sasl.h - AUTH mechanisms: challenge in, response out (RFC 4954).
 * Pure; digests are handed in, so that no crypto library is linked here.
 * A new mechanism is one function and one line of the table.
 */
#ifndef LIB_SASL_H
#define LIB_SASL_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define SASL_ROUNDS_MAX		4
#define SASL_CHALLENGE_MAX	12288	/* octets of base64 */

struct sasl_env {
	const char	*user, *password;	/* lent */
	int		 is_private;	/* the connection is encrypted, or
					 * INSECURE: plain text may be sent */
	int	(*hmac_md5)(const void *key, size_t keylen, const void *text,
		    size_t len, uint8_t out[16]);
};

struct sasl {
	const struct sasl_env *env;
	const struct sasl_mech *mech;	/* private */
	unsigned	 tried;		/* bit set of mechanisms given up */
	int		 round;
};

void	sasl_init(struct sasl *, const struct sasl_env *);
/*
 * Picks the best mechanism offered ("CRAM-MD5 PLAIN LOGIN", any case) that
 * was not given up and is allowed; lends its name, or NULL.  Order:
 * CRAM-MD5, PLAIN, LOGIN; the plain ones only when is_private.
 */
const char *sasl_pick(struct sasl *, const char *offered);
/* 1 and base64 in out when the picked mechanism has an initial response. */
int	sasl_initial(struct sasl *, struct buf *out);
/*
 * Answers a challenge (base64 as it came after "334 ").  0 with base64 in
 * out, or -1: the mechanism is out (cancel with "*", then sasl_give_up()).
 */
int	sasl_step(struct sasl *, const char *challenge, struct buf *out);
void	sasl_give_up(struct sasl *);

/* Base64 (RFC 4648 4), strict: -1 for a wrong octet, padding or length. */
void	base64_put(struct buf *, const void *, size_t);
int	base64_get(struct buf *, const char *, size_t);

#endif
