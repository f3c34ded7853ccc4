/*
 * result.h - what became of an attempt, and why.
 */
#ifndef RESULT_H
#define RESULT_H

#include "dma.h"
#include "lib/buf.h"

/* The list that names a command or file is not what it was (RFC 3463). */
#define CODE_CHANGED	"4.2.4"

void	result_init(struct result *);
void	result_fini(struct result *);
/*
 * Sets fate, code and a cleaned reason of at most WHY_MAX octets; what was
 * there is freed.  Returns 0 for FATE_SENT, else -1, so that a failure path
 * is one statement.
 */
int	result_set(struct result *, enum fate, const char *code,
	    const char *, ...) PRINTF_LIKE(4, 5);
/* Makes dst a copy of src. */
/* The same fate, code and words. */
int	result_is_same(const struct result *, const struct result *);
void	result_copy(struct result *dst, const struct result *src);
const char *fate_name(enum fate);	/* "sent", "deferred", "failed" */

#endif
