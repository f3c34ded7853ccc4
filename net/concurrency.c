/*
 * concurrency.c - how many connections a destination gets, what may follow on
 * one, and what the end of one means.
 * Runs as: the spool user, in dma-remote.  Uses: nothing.
 * Promise: never more connections than CONCURRENCY; a slow transaction holds
 * nothing up; one message is never the death of a host for the others.
 */
#include <string.h>

#include "net/concurrency.h"

#define LEARNED_MS	10000	/* for how long a refusal limits us */
/*
 * Connections in a row without a verdict.  A host that drops every connection
 * at MAIL has 9 of them for 100 messages, and 300 without this.
 */
#define LOST_MAX	3

void
concurrency_init(struct concurrency *c, unsigned configured)
{
	memset(c, 0, sizeof(*c));
	c->configured = configured < 1 ? 1 : configured > CONNECTIONS_MAX ?
	    CONNECTIONS_MAX : configured;
	c->limit = c->configured;
}

void
concurrency_tick(struct concurrency *c, int64_t now_ms)
{
	if (now_ms >= c->until_ms)
		c->limit = c->configured;
}

int
concurrency_has_room(const struct concurrency *c, const struct load *load)
{
	return load->in_use < c->limit && load->total < CONNECTIONS_MAX;
}

/*
 * The first connection shows whether host and login work at all: a wrong
 * password is tried once.  After that there is one for every two messages that
 * wait, since the second follows the first without a round trip: 10 messages
 * take 5 connections and no more time than over 9.  A slow one is not counted,
 * since it takes nothing soon.
 */
int
concurrency_may_grow(const struct concurrency *c, const struct load *load)
{
	return load->waiting > 0 && load->ready > 0 &&
	    concurrency_has_room(c, load) &&
	    load->quick < 1 + load->waiting / 2;
}

/*
 * An envelope right after a text saves 10 to 40 % of the round trips of P4 and
 * P5.  Where verdicts are slow it would only be moved to another connection,
 * and its own be closed: see smtp_release().
 */
int
concurrency_may_follow(const struct concurrency *c)
{
	return c->took_ms < SLOW_MS;
}

int
concurrency_is_slow(int64_t since_ms, int64_t now_ms)
{
	return now_ms - since_ms >= SLOW_MS;
}

void
concurrency_verdict(struct concurrency *c, int64_t since_ms, int64_t now_ms)
{
	c->verdict_ms = now_ms;
	c->took_ms = now_ms - since_ms;
	c->nlost = 0;
}

/*
 * The host takes as many as are working, but no more.  300 messages for one
 * that takes 3 connections make 20 of them, and 6400 without this.
 */
static enum host_state
crowded(struct concurrency *c, unsigned nready, int64_t now_ms)
{
	c->limit = nready > 0 ? nready : 1;
	if (c->limit > c->configured)
		c->limit = c->configured;
	c->until_ms = now_ms + LEARNED_MS;
	return HOST_CROWDED;
}

/* 1 when the loss says nothing about the host. */
static int
is_harmless(const struct concurrency *c, const struct loss *loss)
{
	return loss->nsettled > 0 || loss->was_idle || loss->was_suspect ||
	    (c->verdict_ms != 0 && c->verdict_ms >= loss->begun_ms);
}

/*
 * A connection that is throttled after some messages has had enough of them.
 * One that is at its first is one too many.
 */
enum host_state
concurrency_lost(struct concurrency *c, const struct loss *loss,
    unsigned nready, int64_t now_ms)
{
	enum host_state state = HOST_GOOD;

	if (loss->cause == SMTP_CAUSE_NONE)
		return HOST_GOOD;
	if (loss->cause == SMTP_CAUSE_LOST) {
		if (loss->was_throttled && loss->nsettled == 0 &&
		    !loss->was_idle)
			state = crowded(c, nready, now_ms);
		if (is_harmless(c, loss) || ++c->nlost < LOST_MAX)
			return state;
	}
	/* With others at work it is not dead, it only takes no more. */
	return nready > 0 ? crowded(c, nready, now_ms) : HOST_DEAD;
}

/*
 * A host that has had enough of a connection means none of its messages.  One
 * that says nothing for as long as may be is not asked again.
 */
enum retry
concurrency_cut(unsigned *drops, const struct cut *cut)
{
	if (!cut->is_guilty)
		return RETRY_FIRST;
	if (cut->was_throttled && cut->nsettled > 0)
		return RETRY_LAST;
	*drops += cut->is_late ? DROPS_MAX : 1;
	if (*drops >= DROPS_MAX)
		return RETRY_NEVER;
	return cut->was_throttled ? RETRY_LAST : RETRY_ALONE;
}
