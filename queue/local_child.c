/*
 * local_child.c - the states of a child of the delivery helper.
 * Runs as: the spool user.  Uses: nothing.
 * Promise: a result is believed once, from a child whose turn it is, and for
 * a single delivery only when its process has ended well.
 */
#include "queue/local_child.h"

#define X	CHILD__MAX
#define EXECED	CHILD_EXECED
#define ANSWERED CHILD_ANSWERED
#define CUT	CHILD_CUT

/* A command shows itself only before any result; a single child is read on
 * when its channel is closed, since its exit status counts. */
static const enum child_state next[CHILD__MAX][CHILD_EVENT__MAX] = {
	/* OUTPUT, CHECKPOINT, RESULT, REFUSES, EOF, BROKEN */
	[CHILD_FREE] = { X, X, X, X, X, X },
	[CHILD_ASKED] = { EXECED, CHILD_ASKED, ANSWERED, X, CHILD_ASKED,
	    CHILD_ASKED },
	[CHILD_EXECED] = { X, EXECED, ANSWERED, X, EXECED, EXECED },
	[CHILD_ANSWERED] = { X, X, X, X, ANSWERED, ANSWERED },
	[CHILD_OPEN] = { EXECED, CHILD_OPEN, CHILD_TAKING, CHILD_REFUSING, CUT,
	    CUT },
	[CHILD_TAKING] = { X, CHILD_TAKING, CHILD_TAKING, CHILD_DRAINING,
	    CHILD_LEFT, CUT },
	[CHILD_REFUSING] = { EXECED, CHILD_REFUSING, CHILD_DRAINING,
	    CHILD_REFUSING, CUT, CUT },
	[CHILD_DRAINING] = { X, CHILD_DRAINING, CHILD_DRAINING, CHILD_DRAINING,
	    CHILD_LEFT, CUT },
	[CHILD_LEFT] = { X, X, X, X, CHILD_LEFT, CHILD_LEFT },
	[CHILD_CUT] = { X, X, X, X, CUT, CUT },
};

enum child_state
child_event(enum child_state state, enum child_event event)
{
	return next[state][event];
}

int
child_takes(enum child_state state)
{
	return state == CHILD_OPEN || state == CHILD_TAKING;
}

int
child_is_single(enum child_state state)
{
	return state == CHILD_ASKED || state == CHILD_EXECED ||
	    state == CHILD_ANSWERED;
}

enum child_outcome
child_outcome(enum child_state state, int is_first, int has_failed)
{
	if (is_first && state == CHILD_EXECED)
		return OUTCOME_COMMAND;
	if (is_first && state == CHILD_ANSWERED && !has_failed)
		return OUTCOME_RESULT;
	return state == CHILD_LEFT && !has_failed ? OUTCOME_AGAIN :
	    OUTCOME_LOST;
}
