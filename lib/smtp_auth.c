/*
 * smtp_auth.c - the AUTH command and its replies (RFC 4954).
 * Runs as: anyone.  Uses: nothing.
 * Promise: a login counts only if it was not cancelled and, where that is
 * demanded, the server has proved itself; secrets are wiped.
 */
#include <string.h>

#include "lib/buf.h"
#include "lib/smtp_auth.h"

void
smtp_auth_init(struct smtp_auth *a, const char *password)
{
	memset(a, 0, sizeof(*a));
	smtp_secrets_init(&a->secrets, password);
	buf_init(&a->challenge, 0);
	result_init(&a->refusal);
}

void
smtp_auth_fini(struct smtp_auth *a)
{
	smtp_secrets_fini(&a->secrets);
	buf_wipe(&a->challenge);
	result_fini(&a->refusal);
}

const char *
smtp_auth_begin(struct smtp_auth *a, const char *mechanism,
    const char *initial, struct buf *out)
{
	size_t n = initial == NULL ? 0 : strlen(initial);

	a->state = SMTP_AUTH_OPEN;
	a->is_external = text_casecmp(mechanism, "EXTERNAL") == 0;
	if (!text_is_clean(mechanism, strlen(mechanism)) ||
	    (initial != NULL && !text_is_clean(initial, n)))
		return "mechanism not available";
	if (n > 0 && smtp_secrets_add(&a->secrets, initial) == -1)
		return "the credentials are too long";
	buf_printf(out, "AUTH %s", mechanism);
	/* RFC 4954 4: an empty initial response is "=". */
	if (initial != NULL)
		buf_printf(out, " %s", n == 0 ? "=" : initial);
	return NULL;
}

enum smtp_auth_step
smtp_auth_reply(struct smtp_auth *a, const struct smtp_reply *r)
{
	int is_cancelled = a->state == SMTP_AUTH_CANCELLED;
	int class = r->code / 100;

	if (class == 2 && !is_cancelled)
		return a->state == SMTP_AUTH_UNPROVEN ? SMTP_AUTH_NO_PROOF :
		    SMTP_AUTH_DONE;
	if (r->code == 334 && !is_cancelled)
		return SMTP_AUTH_CHALLENGE;
	if (class < 4)
		return SMTP_AUTH_INVALID;
	/* With EXTERNAL, this says only that another mechanism is due. */
	if (r->code == 535 && !is_cancelled && !a->is_external)
		return SMTP_AUTH_DENIED;
	if (r->code == 421 || (class == 4 && !is_cancelled))
		return SMTP_AUTH_LATER;
	smtp_reply_result(r, STATUS_DEFERRED, &a->refusal);
	return SMTP_AUTH_REFUSED;
}
