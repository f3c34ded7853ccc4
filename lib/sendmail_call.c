/*
 * sendmail_call.c - the arguments with which a message is handed to sendmail.
 * Runs as: anyone.
 * Uses: memory.
 * Promise: no address becomes an option.
 */
#include <string.h>
#include <sysexits.h>

#include "lib/buf.h"
#include "lib/dsn.h"
#include "lib/sendmail_call.h"

static void
put(struct buf *b, size_t *n, const char *argument)
{
	buf_add(b, argument, strlen(argument) + 1);
	(*n)++;
}

/* The value of one of "KEY=value KEY=value": 0, or -1 if it is not there. */
static int
find(const char *parameters, const char *key, char *out, size_t size)
{
	size_t len = strlen(key), n;
	const char *p = parameters;

	for (; *p != '\0'; p += n, p += *p == ' ') {
		n = strcspn(p, " ");
		if (n <= len || p[len] != '=' ||
		    text_ncasecmp(p, key, len) != 0)
			continue;
		p += len + 1;
		n -= len + 1;
		if (n >= size)
			return -1;
		memcpy(out, p, n);
		out[n] = '\0';
		return 0;
	}
	return -1;
}

static void
put_option(struct sendmail_call *c, const char *option, const char *value)
{
	put(&c->options, &c->noptions, option);
	put(&c->options, &c->noptions, value);
}

void
sendmail_call_init(struct sendmail_call *c, const char *path,
    const char *parameters)
{
	char value[ENVID_MAX * 3 + 1], envid[ENVID_MAX + 1];
	enum ret ret;

	memset(c, 0, sizeof(*c));
	buf_init(&c->options, 0);
	buf_init(&c->recipients, 0);
	put(&c->options, &c->noptions, "sendmail");
	put(&c->options, &c->noptions, "-oi");
	put_option(c, "-f", *path == '\0' ? "<>" : path);
	if (find(parameters, "BODY", value, sizeof(value)) == 0 &&
	    text_casecmp(value, "8BITMIME") == 0)
		put_option(c, "-B", "8BITMIME");
	if (find(parameters, "RET", value, sizeof(value)) == 0 &&
	    dsn_ret(value, &ret) == 0)
		put_option(c, "-R", ret == RET_HDRS ? "hdrs" : "full");
	if (find(parameters, "ENVID", value, sizeof(value)) == 0 &&
	    dsn_get_xtext(value, envid, sizeof(envid)) == 0 &&
	    dsn_envid_ok(envid))
		put_option(c, "-V", envid);
}

void
sendmail_call_fini(struct sendmail_call *c)
{
	buf_fini(&c->options);
	buf_fini(&c->recipients);
}

void
sendmail_call_add(struct sendmail_call *c, const char *path,
    const char *parameters)
{
	unsigned notify = 0;
	char value[64];

	if (find(parameters, "NOTIFY", value, sizeof(value)) == -1 ||
	    dsn_notify(value, &notify) == -1)
		notify = 0;
	if (c->nrecipients == 0)
		c->notify = notify;
	else if (c->notify != notify)
		c->notify_differs = 1;
	put(&c->recipients, &c->nrecipients, path);
}

static void
put_notify(struct sendmail_call *c)
{
	struct buf words;

	if (c->notify_differs || c->notify == 0)
		return;
	buf_init(&words, 0);
	dsn_put_notify(&words, c->notify);
	put_option(c, "-N", buf_str(&words));
	c->options.failed |= buf_failed(&words);
	buf_fini(&words);
}

size_t
sendmail_call_put(struct sendmail_call *c, struct buf *out)
{
	put_notify(c);
	put(&c->options, &c->noptions, "--");
	buf_add(out, buf_str(&c->options), c->options.len);
	buf_add(out, buf_str(&c->recipients), c->recipients.len);
	if (buf_failed(&c->options) || buf_failed(&c->recipients) ||
	    buf_failed(out))
		return 0;
	return c->noptions + c->nrecipients;
}

int
sendmail_call_is_permanent(int status)
{
	return status == EX_USAGE || status == EX_DATAERR ||
	    status == EX_NOUSER;
}

static int
begins_with(const char *line, size_t len, const char *name)
{
	return len >= strlen(name) && memcmp(line, name, strlen(name)) == 0;
}

size_t
sendmail_call_skip(const char *text, size_t len)
{
	const char *p = text, *end = text + len, *next;

	while (p < end) {
		if (!begins_with(p, (size_t)(end - p), "Forward-Path: ") &&
		    !begins_with(p, (size_t)(end - p), "Return-Path: "))
			break;
		next = memchr(p, '\n', (size_t)(end - p));
		if (next == NULL)
			break;
		p = next + 1;
	}
	return (size_t)(p - text);
}
