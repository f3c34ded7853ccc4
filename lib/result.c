/*
 * result.c - what became of one attempt, who said it, and why.
 * Runs as: anyone.  Uses: nothing.
 * Promise: a reason is one printable line; without memory it is left out.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/result.h"

void
result_init(struct result *res)
{
	memset(res, 0, sizeof(*res));
}

void
result_fini(struct result *res)
{
	free(res->reason);
	free(res->detail);
	free(res->server);
	result_init(res);
}

static char *
clean_line(const char *text, size_t len)
{
	struct buf clean;

	buf_init(&clean, 0);
	buf_put_clean(&clean, text, len, REASON_MAX);
	return buf_take(&clean);
}

PRINTF_LIKE(1, 0) static char *
format_line(const char *fmt, va_list ap)
{
	struct buf raw;
	char *line;

	buf_init(&raw, 0);
	buf_vprintf(&raw, fmt, ap);
	line = clean_line(buf_str(&raw), raw.len);
	buf_fini(&raw);
	return line;
}

/* Takes the reason; frees the old one, which it may have been made from. */
static int
set_line(struct result *res, enum source source, enum status status,
    const char *code, char *reason)
{
	free(res->reason);
	free(res->detail);
	free(res->server);
	res->reason = reason;
	res->detail = res->server = NULL;
	res->source = source;
	res->status = status;
	if (text_copy(res->code, sizeof(res->code), code) == -1)
		res->code[0] = '\0';
	return status == STATUS_SENT ? 0 : -1;
}

int
result_quote(struct result *res, enum source source, enum status status,
    const char *code, const char *fmt, ...)
{
	char *reason;
	va_list ap;

	va_start(ap, fmt);
	reason = format_line(fmt, ap);
	va_end(ap);
	return set_line(res, source, status, code, reason);
}

int
result_words(struct result *res, enum source source, enum status status,
    const char *code, const char *text)
{
	return set_line(res, source, status, code,
	    clean_line(text, strlen(text)));
}

int
result_detail(struct result *res, const char *fmt, ...)
{
	char *detail;
	va_list ap;

	va_start(ap, fmt);
	detail = format_line(fmt, ap);
	va_end(ap);
	free(res->detail);
	res->detail = detail;
	return res->status == STATUS_SENT ? 0 : -1;
}

void
result_from_server(struct result *res, const char *server)
{
	free(res->server);
	res->server = clean_line(server, strlen(server));
}

static int
is_given(const char *line)
{
	return line != NULL && line[0] != '\0';
}

void
result_put_reason(struct buf *b, const struct result *res)
{
	if (!is_given(res->reason))
		return;
	if (is_given(res->server))
		buf_printf(b, res->source == SOURCE_SERVER ? "%s said: " :
		    "%s: ", res->server);
	buf_puts(b, res->reason);
}

static void
put_detail(struct buf *b, const struct result *res)
{
	if (!is_given(res->detail))
		return;
	if (is_given(res->reason))
		buf_printf(b, " (%s)", res->detail);
	else
		buf_puts(b, res->detail);
}

void
result_put_full(struct buf *b, const struct result *res)
{
	result_put_reason(b, res);
	put_detail(b, res);
}

void
result_put_bare(struct buf *b, const struct result *res)
{
	if (is_given(res->reason))
		buf_puts(b, res->reason);
	put_detail(b, res);
}

static char *
copy_line(const char *line)
{
	return line == NULL ? NULL : strdup(line);
}

int
result_is_lost(const struct result *r)
{
	return r->status == STATUS_DEFERRED && r->source == SOURCE_US &&
	    (strcmp(r->code, CODE_LOST) == 0 ||
	    strcmp(r->code, CODE_OUT_OF_STEP) == 0);
}

int
result_has_more_hosts(const struct result *r)
{
	return r->status == STATUS_DEFERRED && r->source == SOURCE_US &&
	    strcmp(r->code, CODE_MORE_HOSTS) == 0;
}

void
result_defer(struct result *res)
{
	if (res->status != STATUS_FAILED)
		return;
	res->status = STATUS_DEFERRED;
	if (res->code[0] == '5')
		res->code[0] = '4';
}

void
result_copy(struct result *dst, const struct result *src)
{
	if (dst == src)
		return;
	free(dst->reason);
	free(dst->detail);
	free(dst->server);
	*dst = *src;
	dst->reason = copy_line(src->reason);
	dst->detail = copy_line(src->detail);
	dst->server = copy_line(src->server);
}

static int
is_same_line(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

int
result_is_same(const struct result *a, const struct result *b)
{
	return a->status == b->status && a->source == b->source &&
	    strcmp(a->code, b->code) == 0 &&
	    is_same_line(a->reason, b->reason) &&
	    is_same_line(a->detail, b->detail) &&
	    is_same_line(a->server, b->server);
}

const char *
status_name(enum status status)
{
	switch (status) {
	case STATUS_SENT:
		return "sent";
	case STATUS_DEFERRED:
		return "deferred";
	case STATUS_FAILED:
		return "failed";
	default:
		return "open";
	}
}

void
result_put(struct ipc *m, const struct result *res)
{
	ipc_put_u32(m, res->status);
	ipc_put_u32(m, res->source);
	ipc_put_str(m, res->code);
	ipc_put_str(m, res->reason);
	ipc_put_str(m, res->detail);
}

static char *
get_line(struct ipc *m)
{
	const char *line;
	size_t len;

	line = ipc_get_bytes(m, &len);
	return line == NULL || len == 0 ? NULL :
	    clean_line(line, len > REASON_MAX ? REASON_MAX : len);
}

int
result_get(struct ipc *m, struct result *res)
{
	uint32_t source, status;

	result_fini(res);
	status = ipc_get_u32(m);
	source = ipc_get_u32(m);
	ipc_get_text(m, res->code, sizeof(res->code));
	res->reason = get_line(m);
	res->detail = get_line(m);
	if (m->bad || status < STATUS_SENT || status > STATUS_FAILED ||
	    source >= SOURCE__MAX) {
		result_fini(res);
		return -1;
	}
	res->status = (enum status)status;
	res->source = (enum source)source;
	return 0;
}
