/*
 * stage.c - what the modules say of a stage of a session.
 *
 * Runs as: a child.
 * Uses: nothing of the system.
 * Promise: a module is asked once for each stage, in the order of the
 * configuration; a verdict that comes out of turn changes nothing.
 */
#include <stdlib.h>

#include "smtpd/smtpd_session.h"
#include "smtpd/stage.h"

static enum smtpd_verdict
call_with_text(const struct module *m, struct smtpd_session *s)
{
	const struct smtpd_module *hooks = m->hooks;
	struct transaction *t = &s->transaction;
	const struct transaction_recipient *r;

	switch (s->stage.name) {
	case STAGE_HELO:
		return hooks->helo == NULL ? SMTPD_PASS :
		    hooks->helo(m->self, s, s->client.helo);
	case STAGE_MAIL:
		return hooks->mail == NULL ? SMTPD_PASS :
		    hooks->mail(m->self, s, t->sender);
	default:
		r = transaction_asked(t);
		return hooks->rcpt == NULL || r == NULL ? SMTPD_PASS :
		    hooks->rcpt(m->self, s, r->path);
	}
}

static enum smtpd_verdict
call(const struct module *m, struct smtpd_session *s)
{
	const struct smtpd_module *hooks = m->hooks;
	enum smtpd_verdict (*hook)(void *, struct smtpd_session *) = NULL;

	switch (s->stage.name) {
	case STAGE_HELO:
	case STAGE_MAIL:
	case STAGE_RCPT:
		return call_with_text(m, s);
	case STAGE_CONNECT:
		hook = hooks->connect;
		break;
	case STAGE_DATA:
		hook = hooks->data;
		break;
	case STAGE_END_OF_DATA:
		hook = hooks->end_of_data;
		break;
	case STAGE_DELIVER:
		hook = hooks->deliver;
		break;
	}
	return hook == NULL ? SMTPD_PASS : hook(m->self, s);
}

/* Asks the module at stage.module. */
static enum smtpd_verdict
ask(struct smtpd_session *s)
{
	struct stage *g = &s->stage;
	const struct module *m = &s->host->modules[g->module];
	enum smtpd_verdict verdict;

	g->state = STAGE_IN_HOOK;
	g->has_verdict = 0;
	host_enter(s->host, m);
	verdict = call(m, s);
	host_leave(s->host);
	if (verdict == SMTPD_PENDING && g->has_verdict)
		verdict = g->verdict;
	g->state = verdict == SMTPD_PENDING ? STAGE_PENDING : STAGE_IDLE;
	return verdict;
}

/* 1 when the fallback is asked next; it is the last of the modules. */
static int
turn_to_fallback(struct smtpd_session *s)
{
	const struct smtpd_host *h = s->host;

	if (s->stage.name != STAGE_DELIVER || s->stage.needs_fallback ||
	    h->nmodules == 0 || !h->modules[h->nmodules - 1].is_fallback)
		return 0;
	s->stage.needs_fallback = 1;
	s->stage.module = h->nmodules - 1;
	return 1;
}

/* Goes on with the module at stage.module. */
static enum smtpd_verdict
ask_from_here(struct smtpd_session *s)
{
	struct stage *g = &s->stage;
	const struct smtpd_host *h = s->host;
	enum smtpd_verdict verdict;

	for (; g->module < h->nmodules; g->module++) {
		if (g->name == STAGE_DELIVER && !g->needs_fallback &&
		    h->modules[g->module].is_fallback)
			continue;
		verdict = ask(s);
		if (verdict == SMTPD_TEMPORARY && turn_to_fallback(s))
			verdict = ask(s);
		if (verdict != SMTPD_PASS)
			return verdict;
	}
	return SMTPD_PASS;
}

enum smtpd_verdict
stage_begin(struct smtpd_session *s, enum stage_name name)
{
	struct stage *g = &s->stage;

	stage_end(s);
	g->name = name;
	g->module = 0;
	g->needs_fallback = 0;
	return ask_from_here(s);
}

enum smtpd_verdict
stage_finish(struct smtpd_session *s, enum smtpd_verdict verdict)
{
	struct stage *g = &s->stage;

	if (verdict == SMTPD_PENDING || g->state == STAGE_IDLE)
		return SMTPD_PENDING;
	if (g->state == STAGE_IN_HOOK) {
		g->has_verdict = 1;
		g->verdict = verdict;
		return SMTPD_PENDING;
	}
	g->state = STAGE_IDLE;
	if (verdict == SMTPD_TEMPORARY && turn_to_fallback(s))
		return ask_from_here(s);
	if (verdict != SMTPD_PASS)
		return verdict;
	g->module++;
	return ask_from_here(s);
}

void
stage_end(struct smtpd_session *s)
{
	free(s->stage.text);
	s->stage.text = NULL;
}
