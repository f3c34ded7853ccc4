/*
 * saslprep.h - names and passwords as SCRAM compares them: SASLprep (RFC 4013).
 */
#ifndef LIB_PREP_H
#define LIB_PREP_H

#include "lib/buf.h"

#define PREP_GROWS	3	/* times its length, at most */

/*
 * Adds the text as SASLprep has it.  0, or -1: it holds what must not be in a
 * name or password.  Text that is no UTF-8 is added as it stands.
 * Of Unicode's normalisation (NFKC) only this is done: characters of Latin-1,
 * ligatures and the full-width forms of ASCII become what they stand for.
 * Letters must come composed, which is how keyboards make them; the rules for
 * text that runs from right to left are left to the host.
 */
int	saslprep_secret(struct buf *, const char *text);

#endif
