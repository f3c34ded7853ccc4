/*
 * transaction.c - the envelope of a message, and the lines before its text.
 *
 * Runs as: a child.
 * Uses: nothing of the system.
 * Promise: a change of the envelope makes the lines anew, so that they are
 * never those of another envelope.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/smtp_command.h"
#include "smtpd/transaction.h"

#define DOMAIN_MAX	253

int
transaction_begin(struct transaction *t, const char *id, const char *sender,
    const char *parameters)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->lines, 0);
	(void)text_copy(t->id, sizeof(t->id), id);
	t->sender = strdup(sender);
	t->parameters = strdup(parameters);
	if (t->sender != NULL && t->parameters != NULL)
		return 0;
	transaction_reset(t);
	return -1;
}

void
transaction_reset(struct transaction *t)
{
	for (size_t i = 0; i < t->nrecipients; i++)
		free(t->recipients[i].path);
	free(t->recipients);
	free(t->sender);
	free(t->parameters);
	buf_fini(&t->lines);
	memset(t, 0, sizeof(*t));
}

static int
recipient_init(struct transaction_recipient *r, const char *path,
    const char *parameters, int is_asked)
{
	char domain[DOMAIN_MAX + 1];
	size_t a = strlen(path) + 1, b = strlen(parameters) + 1, c;

	smtp_path_domain(path, domain);
	c = strlen(domain) + 1;
	r->path = malloc(a + b + c);
	if (r->path == NULL)
		return -1;
	memcpy(r->path, path, a);
	r->parameters = memcpy(r->path + a, parameters, b);
	r->domain = memcpy(r->path + a + b, domain, c);
	r->is_asked = is_asked;
	return 0;
}

int
transaction_add(struct transaction *t, const char *path,
    const char *parameters)
{
	if (array_grow(&t->recipients, &t->cap, t->nrecipients,
	    sizeof(*t->recipients)) == -1 ||
	    recipient_init(&t->recipients[t->nrecipients], path,
	    parameters, 0) == -1)
		return -1;
	t->nrecipients++;
	buf_reset(&t->lines);
	return 0;
}

int
transaction_set_sender(struct transaction *t, const char *path)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return -1;
	free(t->sender);
	t->sender = copy;
	buf_reset(&t->lines);
	return 0;
}

/* The parameters stay: they are the client's wishes for that recipient. */
int
transaction_set_recipient(struct transaction *t, size_t i, const char *path)
{
	struct transaction_recipient changed;

	if (recipient_init(&changed, path, t->recipients[i].parameters,
	    t->recipients[i].is_asked) == -1)
		return -1;
	free(t->recipients[i].path);
	t->recipients[i] = changed;
	buf_reset(&t->lines);
	return 0;
}

void
transaction_remove(struct transaction *t, size_t i)
{
	free(t->recipients[i].path);
	memmove(&t->recipients[i], &t->recipients[i + 1],
	    (--t->nrecipients - i) * sizeof(*t->recipients));
	buf_reset(&t->lines);
}

struct transaction_recipient *
transaction_asked(struct transaction *t)
{
	/* Modules may have added others after it. */
	for (size_t i = t->nrecipients; i-- > 0;)
		if (t->recipients[i].is_asked)
			return &t->recipients[i];
	return NULL;
}

static void
put_path(struct buf *out, const char *name, const char *path,
    const char *parameters)
{
	buf_printf(out, "%s: <%s>%s%s\r\n", name, path,
	    parameters[0] != '\0' ? " " : "", parameters);
}

/* RFC 5321 4.4, in UTC; the words are those of the C locale. */
static void
put_received(struct buf *out, const struct received *r, const char *id)
{
	char date[64];
	struct tm tm;
	int is_ipv6 = strchr(r->client, ':') != NULL;

	if (gmtime_r(&r->when, &tm) == NULL || strftime(date, sizeof(date),
	    "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0)
		date[0] = '\0';
	buf_printf(out, "Received: from %s ([%s%s])\r\n", r->helo,
	    is_ipv6 ? "IPv6:" : "", r->client);
	buf_printf(out, "\tby %s with %s id %s", r->host, r->protocol, id);
	if (r->tls[0] != '\0')
		buf_printf(out, "\r\n\t(%s)", r->tls);
	buf_printf(out, ";\r\n\t%s\r\n", date);
}

const char *
transaction_lines(struct transaction *t, const struct received *r, size_t *len)
{
	if (t->lines.len == 0) {
		for (size_t i = 0; i < t->nrecipients; i++)
			put_path(&t->lines, "Forward-Path",
			    t->recipients[i].path, t->recipients[i].parameters);
		put_path(&t->lines, "Return-Path", t->sender, t->parameters);
		put_received(&t->lines, r, t->id);
	}
	*len = t->lines.len;
	return buf_failed(&t->lines) ? NULL : buf_str(&t->lines);
}
