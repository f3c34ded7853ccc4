/*
 * outcome.c - what follows from the verdict on a stage.
 *
 * Runs as: a child.
 * Uses: nothing of the system.
 * Promise: 250 for a text is said only when a module has said DELIVERED, or the
 * message was to be dropped; each message is one line in the log.
 */
#include <stdlib.h>
#include <string.h>

#include "smtpd/message_text.h"
#include "smtpd/outcome.h"
#include "smtpd/reply.h"
#include "smtpd/stage.h"

#define LOGGED_RECIPIENTS	10	/* in the line of a message */

/*
 * When a recipient is refused, that one alone: a client may have thousands
 * refused, and each line is not to be as long as that of a message.
 */
static void
put_recipients(struct log_line *line, struct transaction *t)
{
	const struct transaction_recipient *asked = transaction_asked(t);

	if (asked != NULL) {
		log_put(line, " to=<%s>", asked->path);
		return;
	}
	for (size_t i = 0; i < t->nrecipients && i < LOGGED_RECIPIENTS; i++)
		log_put(line, " to=<%s>", t->recipients[i].path);
}

static void
log_transaction(struct smtpd_session *s, const char *status)
{
	struct transaction *t = &s->transaction;
	struct log_line line = { .in_quotes = 0 };
	const char *last = s->out->data;
	size_t len = s->out->len;

	log_put(&line, "id=%s client=%s helo=%s from=<%s>", t->id,
	    s->client.text, s->client.helo, t->sender);
	put_recipients(&line, t);
	log_put(&line, " nrcpt=%zu size=%llu proto=%s", t->nrecipients +
	    s->ndropped, (unsigned long long)s->text.data.size_bytes,
	    smtpd_protocol(s));
	if (s->client.tls[0] != '\0')
		log_put(&line, " tls=\"%s\"", s->client.tls);
	log_put(&line, " status=%s", status);
	/* The reply is the last line that was added. */
	if (len > 2 && strcmp(status, "accepted") != 0) {
		size_t start = len - 2;

		while (start > 0 && last[start - 1] != '\n')
			start--;
		log_put(&line, " reply=\"%.*s\"", (int)(len - 2 - start),
		    last + start);
	}
	log_end(&s->host->log, LOG_LEVEL_INFO, &line);
}

int
outcome_has_transaction(const struct smtpd_session *s)
{
	return s->transaction.id[0] != '\0';
}

void
outcome_reset(struct smtpd_session *s)
{
	struct smtpd_host *h = s->host;

	for (size_t i = 0; s->mail != MAIL_UNASKED && i < h->nmodules; i++) {
		const struct module *m = &h->modules[i];

		host_enter(h, m);
		if (m->hooks->reset != NULL)
			m->hooks->reset(m->self, s);
	}
	host_leave(h);
	s->mail = MAIL_UNASKED;
	s->is_paused = 0;
	s->ndropped = 0;
	message_text_fini(s);
	transaction_reset(&s->transaction);
}

static void
apply_connect(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	if (verdict == SMTPD_TEMPORARY || verdict == SMTPD_PERMANENT) {
		reply_refuse(s, verdict, verdict == SMTPD_TEMPORARY ?
		    "421 4.7.0 try again later" :
		    "554 5.7.1 no mail is accepted from your address");
		log_say(&s->host->log, LOG_LEVEL_INFO, "client=%s status=%s",
		    s->client.text, verdict == SMTPD_TEMPORARY ? "deferred" :
		    "refused");
		s->state = DIALOGUE_CLOSING;
		return;
	}
	if (verdict == SMTPD_DROP)
		s->client.is_dropped = 1;
	buf_printf(s->out, "220 %s ESMTP dma-smtpd\r\n", s->host->name);
	s->state = DIALOGUE_COMMANDS;
}

static void
put_extensions(struct smtpd_session *s)
{
	const struct smtpd_limits *limits = &s->host->conf->limits;

	buf_printf(s->out, "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
	    "250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
	    "250-CHUNKING\r\n", s->host->name);
	if (s->host->tls != NULL && s->client.tls[0] == '\0')
		buf_puts(s->out, "250-STARTTLS\r\n");
	buf_printf(s->out, "250-LIMITS RCPTMAX=%u\r\n250 SIZE %llu\r\n",
	    limits->max_recipients,
	    (unsigned long long)limits->max_size_bytes);
}

static void
apply_helo(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	if (verdict == SMTPD_TEMPORARY || verdict == SMTPD_PERMANENT) {
		reply_refuse(s, verdict, verdict == SMTPD_TEMPORARY ?
		    "450 4.7.1 try again later" :
		    "550 5.7.1 no mail is accepted from a host of that name");
		log_say(&s->host->log, LOG_LEVEL_INFO,
		    "client=%s helo=%s status=refused", s->client.text,
		    s->client.helo);
		free(s->client.helo);
		s->client.helo = NULL;
		return;
	}
	if (verdict == SMTPD_DROP)
		s->client.is_dropped = 1;
	if (s->client.is_esmtp)
		put_extensions(s);
	else
		reply_put(s, 250, "", s->host->name);
}

static void
apply_mail(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	if (verdict == SMTPD_TEMPORARY || verdict == SMTPD_PERMANENT) {
		reply_refuse(s, verdict, verdict == SMTPD_TEMPORARY ?
		    "451 4.7.1 try again later" : "550 5.7.1 sender refused");
		log_transaction(s, "refused");
		outcome_reset(s);
		return;
	}
	if (verdict == SMTPD_DROP)
		s->mail = MAIL_DROPPED;
	reply_put(s, 250, "2.1.0", "OK");
}

/* A module may have done that itself, or have added others. */
static void
remove_asked(struct transaction *t)
{
	const struct transaction_recipient *r = transaction_asked(t);

	if (r != NULL)
		transaction_remove(t, (size_t)(r - t->recipients));
}

static void
apply_rcpt(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	struct transaction *t = &s->transaction;
	struct transaction_recipient *r;

	if (verdict == SMTPD_TEMPORARY || verdict == SMTPD_PERMANENT) {
		reply_refuse(s, verdict, verdict == SMTPD_TEMPORARY ?
		    "451 4.7.1 try again later" :
		    "550 5.7.1 recipient refused");
		log_transaction(s, "refused");
		remove_asked(t);
		return;
	}
	if (verdict == SMTPD_DROP) {
		s->ndropped++;
		remove_asked(t);
	} else if ((r = transaction_asked(t)) != NULL) {
		r->is_asked = 0;
	}
	reply_put(s, 250, "2.1.5", "OK");
}

/* The text may come: after DATA, or it is already under way after BDAT. */
static void
apply_data(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	struct incoming_text *x = &s->text;
	int is_bdat = x->data.form == SMTP_DATA_CHUNKS;

	if (verdict == SMTPD_DROP)
		s->mail = MAIL_DROPPED;
	if (verdict == SMTPD_TEMPORARY || verdict == SMTPD_PERMANENT) {
		const char *otherwise = verdict == SMTPD_TEMPORARY ?
		    "451 4.7.1 try again later" : "554 5.7.1 message refused";
		struct buf line;

		if (!is_bdat) {
			reply_refuse(s, verdict, otherwise);
			log_transaction(s, "refused");
			outcome_reset(s);
			return;
		}
		buf_init(&line, 0);
		reply_add_refusal(s, verdict, otherwise, &line);
		x->refusal = buf_take(&line);
		x->chunks = CHUNK_REFUSED;
		if (x->refusal == NULL) {
			reply_close(s, REPLY_NO_MEMORY);
			return;
		}
	}
	if (is_bdat) {
		s->state = DIALOGUE_CHUNK;
		if (x->chunk_left == 0)
			outcome_of_chunk(s);
		return;
	}
	buf_puts(s->out, "354 end the text with a dot on a line by itself\r\n");
	s->state = DIALOGUE_DATA;
}

static void
end_accepted(struct smtpd_session *s, const char *status)
{
	struct counters *c = s->host->counters;

	buf_printf(s->out, "250 2.0.0 %s accepted\r\n", s->transaction.id);
	if (strcmp(status, "dropped") == 0) {
		counters_add(&c->dropped, 1);
	} else {
		counters_add(&c->accepted, 1);
		counters_add(&c->bytes, s->text.data.size_bytes);
		counters_add(&c->recipients, s->transaction.nrecipients);
	}
	log_transaction(s, status);
	outcome_reset(s);
}

/* Refuses the message, in the words of the module or else these. */
static void
end_refused(struct smtpd_session *s, enum smtpd_verdict verdict,
    const char *otherwise)
{
	reply_refuse(s, verdict, otherwise);
	log_transaction(s, verdict == SMTPD_TEMPORARY ? "deferred" :
	    "refused");
	outcome_reset(s);
}

static void
apply_deliver(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	switch (verdict) {
	case SMTPD_DELIVERED:
		end_accepted(s, "accepted");
		break;
	case SMTPD_DROP:
		end_accepted(s, "dropped");
		break;
	case SMTPD_PERMANENT:
		end_refused(s, verdict, "554 5.7.1 message refused");
		break;
	case SMTPD_TEMPORARY:
		end_refused(s, verdict, "451 4.3.0 try again later");
		break;
	default:
		end_refused(s, SMTPD_TEMPORARY,
		    "451 4.3.5 no module of this server stores the message");
	}
}

/* The text is complete, and no module has refused it so far. */
static void
apply_end_of_data(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	if (verdict == SMTPD_DROP)
		s->mail = MAIL_DROPPED;
	if (verdict == SMTPD_TEMPORARY)
		end_refused(s, verdict, "451 4.3.0 try again later");
	else if (verdict == SMTPD_PERMANENT)
		end_refused(s, verdict, "554 5.7.1 message refused");
	else if (s->mail == MAIL_DROPPED || s->transaction.nrecipients == 0)
		end_accepted(s, "dropped");
	else
		outcome_of(s, STAGE_DELIVER);
}

void
outcome_of_text(struct smtpd_session *s)
{
	const char *fault;

	s->state = DIALOGUE_COMMANDS;
	message_text_end(s);
	fault = message_text_fault(s);
	if (fault != NULL) {
		stage_end(s);
		end_refused(s, SMTPD_PERMANENT, fault);
	} else if (s->text.verdict != SMTPD_PASS) {
		apply_end_of_data(s, s->text.verdict);
	} else if (s->mail != MAIL_WITH_MODULES ||
	    s->transaction.nrecipients == 0) {
		end_accepted(s, "dropped");
	} else {
		outcome_of(s, STAGE_END_OF_DATA);
	}
}

/* A chunk that is refused was skipped; those after it are, too. */
static void
refuse_chunk(struct smtpd_session *s, const char *line)
{
	int is_last = s->text.is_last_chunk;

	buf_puts(s->out, line);
	counters_add(line[0] == '4' ? &s->host->counters->deferred :
	    &s->host->counters->refused, 1);
	free(s->text.refusal);
	s->text.refusal = NULL;
	s->text.chunks = CHUNK_REFUSED;
	if (!outcome_has_transaction(s)) {
		message_text_fini(s);
	} else if (is_last) {
		log_transaction(s, "refused");
		outcome_reset(s);
	}
}

void
outcome_of_chunk(struct smtpd_session *s)
{
	struct incoming_text *x = &s->text;
	const char *fault;

	s->state = DIALOGUE_COMMANDS;
	if (x->refusal != NULL) {
		refuse_chunk(s, x->refusal);
		return;
	}
	if (x->is_last_chunk) {
		outcome_of_text(s);
		return;
	}
	fault = message_text_fault(s);
	if (fault != NULL) {
		struct buf line;

		buf_init(&line, 0);
		buf_printf(&line, "%s\r\n", fault);
		refuse_chunk(s, buf_str(&line));
		buf_fini(&line);
		return;
	}
	x->chunks = CHUNK_BEGUN;
	reply_put(s, 250, "2.0.0", "chunk received");
}

void
outcome_apply(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	switch (s->stage.name) {
	case STAGE_CONNECT:
		apply_connect(s, verdict);
		break;
	case STAGE_HELO:
		apply_helo(s, verdict);
		break;
	case STAGE_MAIL:
		apply_mail(s, verdict);
		break;
	case STAGE_RCPT:
		apply_rcpt(s, verdict);
		break;
	case STAGE_DATA:
		apply_data(s, verdict);
		break;
	case STAGE_END_OF_DATA:
		apply_end_of_data(s, verdict);
		break;
	case STAGE_DELIVER:
		apply_deliver(s, verdict);
		break;
	}
}

void
outcome_of(struct smtpd_session *s, enum stage_name name)
{
	/* What is dropped is no module's any more; the client is not told. */
	int is_asked = !s->client.is_dropped && s->mail != MAIL_DROPPED;
	enum smtpd_verdict verdict;

	if (name == STAGE_MAIL && is_asked)
		s->mail = MAIL_WITH_MODULES;
	if (!is_asked)
		s->stage.name = name;
	verdict = is_asked ? stage_begin(s, name) : SMTPD_PASS;
	if (verdict != SMTPD_PENDING)
		outcome_apply(s, verdict);
}
