/*
 * result.c - what became of an attempt, and why.
 * Runs as: anyone.  Door to: nothing.
 * Promise: a reason is one printable line; without memory it is left out.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"

void
result_init(struct result *res)
{
	memset(res, 0, sizeof(*res));
}

void
result_fini(struct result *res)
{
	free(res->why);
	result_init(res);
}

int
result_set(struct result *res, enum fate fate, const char *code,
    const char *fmt, ...)
{
	struct buf raw, clean;
	va_list ap;

	buf_init(&raw, 0);
	buf_init(&clean, 0);
	va_start(ap, fmt);
	buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	buf_put_clean(&clean, buf_str(&raw), raw.len, WHY_MAX);
	buf_fini(&raw);
	free(res->why);		/* after fmt's arguments, which may be it */
	res->why = buf_take(&clean);
	res->fate = fate;
	if (text_copy(res->code, sizeof(res->code), code) == -1)
		res->code[0] = '\0';
	return fate == FATE_SENT ? 0 : -1;
}

void
result_copy(struct result *dst, const struct result *src)
{
	if (dst == src)
		return;
	free(dst->why);
	*dst = *src;
	dst->why = src->why == NULL ? NULL : strdup(src->why);
}

int
result_is_same(const struct result *a, const struct result *b)
{
	const char *p = a->why == NULL ? "" : a->why;

	return a->fate == b->fate && strcmp(a->code, b->code) == 0 &&
	    strcmp(p, b->why == NULL ? "" : b->why) == 0;
}

const char *
fate_name(enum fate fate)
{
	switch (fate) {
	case FATE_SENT:
		return "sent";
	case FATE_RETRY:
		return "deferred";
	case FATE_FAILED:
		return "failed";
	default:
		return "open";
	}
}
