/*
 * dialogue.c - SMTP as a server (RFC 5321): bytes in, replies out.
 *
 * Runs as: a child.
 * Uses: nothing of the system.
 * Promise: input is taken in the order in which it came, one command at a time;
 * while a module's verdict is pending none is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "smtpd/commands.h"
#include "smtpd/dialogue.h"
#include "smtpd/message_text.h"
#include "smtpd/outcome.h"
#include "smtpd/reply.h"
#include "smtpd/stage.h"

void
dialogue_begin(struct smtpd_session *s)
{
	netaddr_text(&s->client.addr, s->client.text);
	s->client.tls = "";
	s->state = DIALOGUE_CONNECT;
	outcome_of(s, STAGE_CONNECT);
}

int
dialogue_has_transaction(const struct smtpd_session *s)
{
	return outcome_has_transaction(s) || s->state == DIALOGUE_CHUNK;
}

enum dialogue_want
dialogue_want(const struct smtpd_session *s)
{
	if (s->stage.state == STAGE_PENDING)
		return DIALOGUE_WANTS_VERDICT;
	if (s->state == DIALOGUE_TLS)
		return DIALOGUE_WANTS_TLS;
	if (s->state == DIALOGUE_CLOSING)
		return DIALOGUE_WANTS_CLOSE;
	return DIALOGUE_WANTS_INPUT;
}

/*
 * One command line.  Without its end in sight, 0: there must be more; a line
 * that is too long is skipped.  A CR or NUL within makes no known command.
 */
static size_t
take_line(struct smtpd_session *s, const char *bytes, size_t n)
{
	size_t max = s->host->conf->limits.max_line_bytes;
	const char *lf = memchr(bytes, '\n', n);
	size_t len = lf != NULL ? (size_t)(lf - bytes) + 1 : n;
	char line[CONF_LINE_BYTES_MAX + 1];

	if (len > max && lf == NULL) {
		s->state = DIALOGUE_LONG_LINE;
		return len;
	}
	if (lf == NULL)
		return 0;
	if (len > max) {
		reply_error(s, 500, "5.5.2", "line is too long");
	} else if (len < 2 || lf[-1] != '\r') {
		reply_error(s, 500, "5.5.2", "a line must end with CRLF");
	} else if (memchr(bytes, '\0', len) != NULL ||
	    memchr(bytes, '\r', len) != lf - 1) {
		reply_error(s, 500, "5.5.2", "a line has a NUL or a bare CR");
	} else {
		memcpy(line, bytes, len - 2);
		line[len - 2] = '\0';
		commands_line(s, line);
	}
	return len;
}

static size_t
take_long_line(struct smtpd_session *s, const char *bytes, size_t n)
{
	const char *lf = memchr(bytes, '\n', n);

	if (lf == NULL)
		return n;
	s->state = DIALOGUE_COMMANDS;
	reply_error(s, 500, "5.5.2", "line is too long");
	return (size_t)(lf - bytes) + 1;
}

static size_t
take_data(struct smtpd_session *s, const char *bytes, size_t n)
{
	size_t taken = message_text_take(s, bytes, n);

	if (s->text.data.is_over)
		outcome_of_text(s);
	return taken;
}

static size_t
take_chunk(struct smtpd_session *s, const char *bytes, size_t n)
{
	struct incoming_text *x = &s->text;
	size_t taken = x->chunk_left < n ? (size_t)x->chunk_left : n;

	if (x->refusal == NULL)
		(void)message_text_take(s, bytes, taken);
	x->chunk_left -= taken;
	if (x->chunk_left == 0)
		outcome_of_chunk(s);
	return taken;
}

static size_t
take(struct smtpd_session *s, const char *bytes, size_t n)
{
	switch (s->state) {
	case DIALOGUE_COMMANDS:
		return take_line(s, bytes, n);
	case DIALOGUE_LONG_LINE:
		return take_long_line(s, bytes, n);
	case DIALOGUE_DATA:
		return take_data(s, bytes, n);
	case DIALOGUE_CHUNK:
		return take_chunk(s, bytes, n);
	default:
		return 0;
	}
}

/* A session that is between transactions does not begin another one. */
static void
end_if_draining(struct smtpd_session *s)
{
	if (s->host->state == HOST_DRAINING &&
	    s->state == DIALOGUE_COMMANDS && !outcome_has_transaction(s))
		reply_close(s, "421 4.3.2 shutting down: try again later");
}

size_t
dialogue_input(struct smtpd_session *s, const char *bytes, size_t n)
{
	size_t used = 0;
	unsigned ncommands = 0;

	s->is_behind = 0;
	while (dialogue_want(s) == DIALOGUE_WANTS_INPUT) {
		size_t taken;

		end_if_draining(s);
		if (used == n || s->state == DIALOGUE_CLOSING ||
		    s->out->len >= DIALOGUE_OUT_HIGH)
			break;
		if (s->state == DIALOGUE_COMMANDS &&
		    ncommands++ == DIALOGUE_COMMANDS_MAX) {
			s->is_behind = 1;
			break;
		}
		taken = take(s, bytes + used, n - used);
		if (taken == 0)
			break;
		used += taken;
	}
	/* What was sent along with STARTTLS is not of the encrypted session. */
	if (s->state == DIALOGUE_TLS && used < n)
		reply_close(s, "501 5.5.1 data received after STARTTLS");
	return used;
}

void
dialogue_tls_up(struct smtpd_session *s, const char *description)
{
	s->client.tls = description;
	free(s->client.helo);
	s->client.helo = NULL;
	s->state = DIALOGUE_COMMANDS;
}

void
dialogue_end(struct smtpd_session *s, const char *reply)
{
	if (s->state != DIALOGUE_CLOSING)
		reply_close(s, reply);
}

void
dialogue_finish(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	/* In a hook of another session: when that is over. */
	if (s->stage.state == STAGE_PENDING && s->host->is_in_hook) {
		s->stage.has_verdict = 1;
		s->stage.verdict = verdict;
		s->resumed(s->arg);
		return;
	}
	verdict = stage_finish(s, verdict);
	if (verdict == SMTPD_PENDING)
		return;
	outcome_apply(s, verdict);
	s->resumed(s->arg);
}

int
dialogue_finish_later(struct smtpd_session *s)
{
	if (s->stage.state != STAGE_PENDING || !s->stage.has_verdict)
		return 0;
	s->stage.has_verdict = 0;
	dialogue_finish(s, s->stage.verdict);
	return 1;
}

void
dialogue_fini(struct smtpd_session *s)
{
	struct smtpd_host *h = s->host;

	outcome_reset(s);
	for (size_t i = 0; s->state != DIALOGUE_NEW && i < h->nmodules; i++) {
		const struct module *m = &h->modules[i];

		host_enter(h, m);
		if (m->hooks->disconnect != NULL)
			m->hooks->disconnect(m->self, s);
	}
	host_leave(h);
	stage_end(s);
	free(s->client.helo);
}
