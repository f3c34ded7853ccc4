/*
 * smtp_auth.h - the AUTH command and its replies (RFC 4954).
 */
#ifndef LIB_SMTP_AUTH_H
#define LIB_SMTP_AUTH_H

#include "lib/buf.h"
#include "lib/result.h"
#include "lib/smtp_reply.h"

enum smtp_auth_state {
	SMTP_AUTH_OPEN,		/* the server's word is enough */
	SMTP_AUTH_UNPROVEN,	/* it has to prove that it knows us, first */
	SMTP_AUTH_CANCELLED	/* "*" was said to a challenge */
};

/* What a reply to AUTH, or to an answer, means. */
enum smtp_auth_step {
	SMTP_AUTH_DONE,
	SMTP_AUTH_CHALLENGE,	/* it wants an answer */
	SMTP_AUTH_REFUSED,	/* the mechanism; another may do */
	SMTP_AUTH_DENIED,	/* the password: do not ask again */
	SMTP_AUTH_LATER,
	SMTP_AUTH_NO_PROOF,	/* taken without a proof: not the server */
	SMTP_AUTH_INVALID
};

struct smtp_auth {
	enum smtp_auth_state state;
	int		 is_external;	/* EXTERNAL: shows no password */
	struct smtp_secrets secrets;
	struct buf	 challenge;	/* base64 as it came */
	struct result	 refusal;	/* of the last mechanism */
};

void	smtp_auth_init(struct smtp_auth *, const char *password);
void	smtp_auth_fini(struct smtp_auth *);	/* wipes what was secret */
/*
 * Adds the AUTH line, without its end.  initial: base64, or NULL.  NULL, or
 * why it cannot be said.
 */
const char *smtp_auth_begin(struct smtp_auth *, const char *mechanism,
	    const char *initial, struct buf *out);
enum smtp_auth_step smtp_auth_reply(struct smtp_auth *,
	    const struct smtp_reply *);

#endif
