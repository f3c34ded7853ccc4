/*
 * commands.c - the commands of a client (RFC 5321 4.1, 3030, 3207, 3461, 6531).
 *
 * Runs as: a child.
 * Uses: the clock, for ids.
 * Promise: each command has exactly one reply; what is out of order changes
 * nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/smtp_command.h"
#include "smtpd/commands.h"
#include "smtpd/message_text.h"
#include "smtpd/outcome.h"
#include "smtpd/reply.h"

#define HELO_MAX	255	/* bytes of a domain (RFC 5321 4.5.3.1.2) */

static void
out_of_order(struct smtpd_session *s, const char *text)
{
	reply_error(s, 503, "5.5.1", text);
}

static void
greet(struct smtpd_session *s, const char *args, int is_esmtp)
{
	char *name;

	if (strlen(args) > HELO_MAX || smtp_command_helo(args) == -1) {
		reply_error(s, 501, "5.5.4",
		    "the name of your host, or its address in brackets, is "
		    "required");
		return;
	}
	name = strdup(args);
	if (name == NULL) {
		reply_put(s, 451, "4.3.0", "out of memory: try again later");
		return;
	}
	outcome_reset(s);
	free(s->client.helo);
	s->client.helo = name;
	s->client.is_esmtp = is_esmtp;
	outcome_of(s, STAGE_HELO);
}

/*
 * Unique over processes and restarts: a number that began as the microseconds
 * of the clock and grows by one for each, and the process.
 */
static void
make_id(struct smtpd_host *h, char *out, size_t size)
{
	struct timespec now;

	if (h->next_id == 0) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		h->next_id = (uint64_t)now.tv_sec * 1000000 +
		    (uint64_t)now.tv_nsec / 1000;
		h->pid = (unsigned)getpid();
	}
	snprintf(out, size, "%llx%05x", (unsigned long long)h->next_id++,
	    h->pid);
}

static void
mail(struct smtpd_session *s, const char *args)
{
	struct smtp_mail_command m;
	struct smtp_syntax wrong;
	char id[32];

	if (s->client.helo == NULL) {
		out_of_order(s, "send EHLO or HELO first");
	} else if (outcome_has_transaction(s)) {
		out_of_order(s, "a transaction is under way: send RSET first");
	} else if (smtp_command_mail(args, &m, &wrong) == -1) {
		reply_error(s, wrong.code, wrong.status, wrong.reason);
	} else if (m.has_size &&
	    m.size_bytes > s->host->conf->limits.max_size_bytes) {
		reply_put(s, 552, "5.3.4",
		    "message is larger than the limit of this server");
		counters_add(&s->host->counters->refused, 1);
	} else {
		make_id(s->host, id, sizeof(id));
		if (transaction_begin(&s->transaction, id, m.path.text,
		    m.parameters) == -1) {
			reply_put(s, 451, "4.3.0",
			    "out of memory: try again later");
			return;
		}
		s->transaction.is_smtputf8 = m.is_smtputf8;
		s->ntransactions++;
		outcome_of(s, STAGE_MAIL);
	}
}

static void
rcpt(struct smtpd_session *s, const char *args)
{
	struct transaction *t = &s->transaction;
	struct smtp_rcpt_command r;
	struct smtp_syntax wrong;

	if (!outcome_has_transaction(s)) {
		out_of_order(s, "send MAIL first");
	} else if (s->text.chunks != CHUNK_NONE) {
		out_of_order(s, "the text has begun: send RSET first");
	} else if (smtp_command_rcpt(args, t->is_smtputf8, &r, &wrong) == -1) {
		reply_error(s, wrong.code, wrong.status, wrong.reason);
	} else if (t->nrecipients + s->ndropped >=
	    s->host->conf->limits.max_recipients) {
		reply_put(s, 452, "4.5.3",
		    "too many recipients: send the rest in another message");
		counters_add(&s->host->counters->deferred, 1);
	} else if (transaction_add(t, r.path.text, r.parameters) == -1) {
		reply_put(s, 451, "4.3.0", "out of memory: try again later");
	} else {
		t->recipients[t->nrecipients - 1].is_asked = 1;
		outcome_of(s, STAGE_RCPT);
	}
}

/* NULL, or why no text can come now. */
static const char *
why_no_text(const struct smtpd_session *s)
{
	if (!outcome_has_transaction(s))
		return "send MAIL first";
	if (s->transaction.nrecipients + s->ndropped == 0)
		return "no recipient was accepted";
	return NULL;
}

static void
data(struct smtpd_session *s, const char *args)
{
	const char *reason = why_no_text(s);

	if (args[0] != '\0') {
		reply_error(s, 501, "5.5.4", "DATA takes no parameters");
	} else if (reason != NULL) {
		out_of_order(s, reason);
	} else if (s->text.chunks != CHUNK_NONE) {
		out_of_order(s, "the text has begun with BDAT: send RSET "
		    "first");
	} else {
		message_text_begin(s, SMTP_DATA_DOTS);
		outcome_of(s, STAGE_DATA);
	}
}

/* The chunk is skipped, and then refused. */
static void
skip_chunk(struct smtpd_session *s, const char *reason)
{
	struct buf line;

	buf_init(&line, 0);
	buf_printf(&line, "503 5.5.1 %s\r\n", reason);
	s->text.refusal = buf_take(&line);
	/* The rest of a message that is refused may be on its way already. */
	if (s->text.chunks != CHUNK_REFUSED)
		s->nerrors++;
	s->state = DIALOGUE_CHUNK;
	if (s->text.refusal == NULL)
		reply_close(s, REPLY_NO_MEMORY);
}

static void
bdat(struct smtpd_session *s, const char *args)
{
	const char *reason = why_no_text(s);
	struct incoming_text *x = &s->text;
	uint64_t size_bytes;
	int is_last, is_first = x->chunks == CHUNK_NONE;

	if (smtp_command_bdat(args, &size_bytes, &is_last) == -1) {
		/* Where the next command begins is not known. */
		reply_put(s, 501, "5.5.4", "BDAT takes a size, and LAST");
		reply_close(s, "421 4.7.0 commands and text cannot be told "
		    "apart");
		return;
	}
	if (x->chunks == CHUNK_REFUSED)
		reason = "the message was refused: send RSET";
	if (is_first && reason == NULL)
		message_text_begin(s, SMTP_DATA_CHUNKS);
	x->chunk_left = size_bytes;
	x->is_last_chunk = is_last;
	if (reason != NULL)
		skip_chunk(s, reason);
	else if (is_first)
		outcome_of(s, STAGE_DATA);
	else
		s->state = DIALOGUE_CHUNK;
	if (s->state == DIALOGUE_CHUNK && x->chunk_left == 0 &&
	    (reason != NULL || !is_first))
		outcome_of_chunk(s);
}

static void
starttls(struct smtpd_session *s, const char *args)
{
	if (s->host->tls == NULL) {
		reply_error(s, 502, "5.5.1", "STARTTLS is not offered");
	} else if (s->client.tls[0] != '\0') {
		out_of_order(s, "TLS is already in use");
	} else if (args[0] != '\0') {
		reply_error(s, 501, "5.5.4", "STARTTLS takes no parameters");
	} else if (s->client.helo == NULL) {
		out_of_order(s, "send EHLO first");
	} else {
		outcome_reset(s);
		reply_put(s, 220, "2.0.0", "begin TLS");
		s->state = DIALOGUE_TLS;
	}
}

/* The commands that tell and change nothing, or end something. */
static void
other(struct smtpd_session *s, enum smtp_verb verb, const char *args)
{
	switch (verb) {
	case SMTP_VERB_RSET:
		if (args[0] != '\0') {
			reply_error(s, 501, "5.5.4",
			    "RSET takes no parameters");
			break;
		}
		outcome_reset(s);
		reply_put(s, 250, "2.0.0", "OK");
		break;
	case SMTP_VERB_NOOP:
		reply_put(s, 250, "2.0.0", "OK");
		break;
	case SMTP_VERB_VRFY:
		reply_put(s, 252, "2.5.2", "send the mail, and see");
		break;
	case SMTP_VERB_EXPN:
		reply_error(s, 502, "5.5.1", "EXPN is not offered");
		break;
	case SMTP_VERB_HELP:
		reply_put(s, 214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET "
		    "NOOP VRFY HELP QUIT STARTTLS (RFC 5321)");
		break;
	case SMTP_VERB_QUIT:
		outcome_reset(s);
		s->is_quit = 1;
		reply_close(s, "221 2.0.0 goodbye");
		break;
	default:
		reply_error(s, 500, "5.5.2", "unknown command");
	}
}

void
commands_line(struct smtpd_session *s, char *line)
{
	const char *args;
	enum smtp_verb verb = smtp_command_verb(line, &args);

	if (++s->ncommands > s->host->conf->limits.max_commands) {
		reply_close(s, "421 4.7.0 too many commands");
		return;
	}
	switch (verb) {
	case SMTP_VERB_HELO:
	case SMTP_VERB_EHLO:
		greet(s, args, verb == SMTP_VERB_EHLO);
		break;
	case SMTP_VERB_MAIL:
		mail(s, args);
		break;
	case SMTP_VERB_RCPT:
		rcpt(s, args);
		break;
	case SMTP_VERB_DATA:
		data(s, args);
		break;
	case SMTP_VERB_BDAT:
		bdat(s, args);
		break;
	case SMTP_VERB_STARTTLS:
		starttls(s, args);
		break;
	default:
		other(s, verb, args);
	}
}
