/*
 * tree_lines.c - the lines that dma-smtpd puts before a message.
 * Runs as: the user of dma-smtpd-drain.  Uses: nothing.
 * Promise: what is not just as dma-smtpd writes it is refused, so that no text
 * of a client is taken for an envelope.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/smtp_command.h"
#include "smtpd/drain/tree_lines.h"

#define FORWARD		"Forward-Path: "
#define RETURN		"Return-Path: "
#define RECEIVED	"Received: "

/* One line without its end. */
struct text_line {
	const char	*p;
	size_t		 len;
};

static int
bad(struct tree_lines *t, const char *problem)
{
	t->problem = problem;
	return -1;
}

static int
has_name(const struct text_line *line, const char *name)
{
	return line->len >= strlen(name) &&
	    memcmp(line->p, name, strlen(name)) == 0;
}

/* "path", a NUL, "parameters": owned by the caller; NULL without memory. */
static char *
copy_pair(const char *path, const char *parameters)
{
	size_t n = strlen(path) + 1;
	char *pair = malloc(n + strlen(parameters) + 1);

	if (pair == NULL)
		return NULL;
	memcpy(pair, path, n);
	memcpy(pair + n, parameters, strlen(parameters) + 1);
	return pair;
}

static int
add_recipient(struct tree_lines *t, const struct text_line *line, size_t at,
    size_t len)
{
	struct smtp_rcpt_command rcpt;
	struct tree_recipient *r;

	if (t->nrecipients == TREE_RECIPIENTS_MAX)
		return bad(t, "too many recipients");
	if (smtp_command_forward_path(line->p + strlen(FORWARD),
	    line->len - strlen(FORWARD), &rcpt) == -1)
		return bad(t, "bad address or parameter of Forward-Path");
	if (array_grow(&t->recipients, &t->cap, t->nrecipients,
	    sizeof(*t->recipients)) == -1)
		return bad(t, "out of memory");
	r = &t->recipients[t->nrecipients];
	r->path = copy_pair(rcpt.path.text, rcpt.parameters);
	if (r->path == NULL)
		return bad(t, "out of memory");
	r->parameters = r->path + strlen(r->path) + 1;
	r->notify = rcpt.notify;
	r->at = at;
	r->len = len;
	t->nrecipients++;
	return 0;
}

static int
set_sender(struct tree_lines *t, const struct text_line *line, size_t at)
{
	struct smtp_mail_command mail;

	if (t->nrecipients == 0)
		return bad(t, "no Forward-Path before the Return-Path");
	if (smtp_command_return_path(line->p + strlen(RETURN),
	    line->len - strlen(RETURN), &mail) == -1)
		return bad(t, "bad address or parameter of Return-Path");
	t->sender = copy_pair(mail.path.text, mail.parameters);
	if (t->sender == NULL)
		return bad(t, "out of memory");
	t->parameters = t->sender + strlen(t->sender) + 1;
	t->return_path_at = at;
	return 0;
}

/* One line with its end: 0, 1 when it is the Received, or -1. */
static int
take_line(struct tree_lines *t, const char *bytes, size_t at, size_t len)
{
	struct text_line line = { bytes + at, len - 1 };

	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (t->sender != NULL) {
		t->received_at = at;
		return has_name(&line, RECEIVED) ? 1 :
		    bad(t, "no Received after the Return-Path");
	}
	if (has_name(&line, FORWARD))
		return add_recipient(t, &line, at, len);
	if (has_name(&line, RETURN))
		return set_sender(t, &line, at);
	return bad(t, "neither Forward-Path nor Return-Path");
}

enum tree_lines_result
tree_lines_parse(struct tree_lines *t, const char *bytes, size_t len)
{
	const char *end;
	size_t at, n;
	int found = 0;

	memset(t, 0, sizeof(*t));
	for (at = 0; found == 0; at += n) {
		end = at == len ? NULL : memchr(bytes + at, '\n', len - at);
		n = end == NULL ? len - at : (size_t)(end + 1 - (bytes + at));
		if (n > TREE_LINE_MAX) {
			bad(t, "a line is too long");
			return TREE_LINES_BAD;
		}
		if (end == NULL)
			return TREE_LINES_MORE;
		found = take_line(t, bytes, at, n);
	}
	return found == 1 ? TREE_LINES_COMPLETE : TREE_LINES_BAD;
}

void
tree_lines_fini(struct tree_lines *t)
{
	size_t i;

	for (i = 0; i < t->nrecipients; i++)
		free(t->recipients[i].path);
	free(t->recipients);
	free(t->sender);
	t->recipients = NULL;
	t->nrecipients = t->cap = 0;
	t->sender = NULL;
}
