/*
 * reply.c - replies of the server, and what they count for.
 *
 * Runs as: a child.
 * Uses: nothing of the system.
 * Promise: each reply is one line, however strange the words of a module are.
 */
#include <string.h>

#include "smtpd/reply.h"

#define REPLY_TEXT_MAX	480	/* bytes (RFC 5321 4.5.3.1.5: 512 in all) */

void
reply_put(struct smtpd_session *s, unsigned code, const char *status,
    const char *text)
{
	buf_printf(s->out, "%u %s%s%s\r\n", code, status,
	    status[0] != '\0' ? " " : "", text);
}

void
reply_close(struct smtpd_session *s, const char *line)
{
	buf_printf(s->out, "%s\r\n", line);
	s->state = DIALOGUE_CLOSING;
}

void
reply_error(struct smtpd_session *s, unsigned code, const char *status,
    const char *text)
{
	reply_put(s, code, status, text);
	if (++s->nerrors >= s->host->conf->limits.max_errors)
		reply_close(s, "421 4.7.0 too many errors");
}

/* Bytes of ".1.23 " that the text begins with: subject and detail. */
static size_t
status_len(const char *text)
{
	size_t i, k, n = 0;

	for (i = 0; i < 2; i++) {
		k = text[n] == '.' ? strspn(text + n + 1, "0123456789") : 0;
		if (k == 0 || k > 3)
			return 0;
		n += 1 + k;
	}
	return text[n] == ' ' ? n + 1 : 0;
}

/* Bytes of "250" or "250 2.0.0" and a blank that the text begins with. */
static size_t
code_len(const char *text, char class)
{
	size_t n;

	if (text[0] != class || text[1] < '0' || text[1] > '5' ||
	    text[2] < '0' || text[2] > '9' || text[3] != ' ')
		return 0;
	n = text[4] == class ? status_len(text + 5) : 0;
	return n > 0 ? 5 + n : 4;
}

void
reply_add_refusal(const struct smtpd_session *s, enum smtpd_verdict verdict,
    const char *otherwise, struct buf *out)
{
	char class = verdict == SMTPD_TEMPORARY ? '4' : '5';
	const char *text = s->stage.text;
	size_t n;

	if (text == NULL) {
		buf_puts(out, otherwise);
		buf_puts(out, "\r\n");
		return;
	}
	n = code_len(text, class);
	/* The code of ours, when the module gives none: with its status. */
	if (n == 0)
		buf_add(out, otherwise, code_len(otherwise, class));
	else if (n == 4)
		buf_printf(out, "%.3s %c.0.0 ", text, class);
	else
		buf_add(out, text, n);
	buf_put_clean(out, text + n, strlen(text + n), REPLY_TEXT_MAX);
	buf_puts(out, "\r\n");
}

void
reply_refuse(struct smtpd_session *s, enum smtpd_verdict verdict,
    const char *otherwise)
{
	reply_add_refusal(s, verdict, otherwise, s->out);
	counters_add(verdict == SMTPD_TEMPORARY ? &s->host->counters->deferred :
	    &s->host->counters->refused, 1);
}
