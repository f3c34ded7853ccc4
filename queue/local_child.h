/*
 * local_child.h - the states of a child of the delivery helper.
 * Pure; the table is in docs/states.md.
 */
#ifndef QUEUE_LOCAL_CHILD_H
#define QUEUE_LOCAL_CHILD_H

/*
 * A child of a single delivery is ASKED first; one that takes several messages
 * for an mbox is OPEN.
 */
enum child_state {
	CHILD_FREE,
	CHILD_ASKED,		/* single: no word yet */
	CHILD_EXECED,		/* single: it becomes a command */
	CHILD_ANSWERED,		/* single: its result is known */
	CHILD_OPEN,		/* takes messages; no result yet */
	CHILD_TAKING,		/* takes messages; has sent results */
	CHILD_REFUSING,		/* takes no more; no result yet */
	CHILD_DRAINING,		/* takes no more; has sent results */
	CHILD_LEFT,		/* has sent results, and all of them are read */
	CHILD_CUT,		/* its channel ended before that */
	CHILD__MAX
};

enum child_event {
	CHILD_OUTPUT,		/* it sent the pipe of a command */
	CHILD_CHECKPOINT,	/* it is about to append */
	CHILD_RESULT,		/* it sent the result of a message */
	CHILD_REFUSES,		/* it does not take another message */
	CHILD_EOF,		/* it closed its channel */
	CHILD_BROKEN,		/* we closed it */
	CHILD_EVENT__MAX
};

/* What its exit means for a message without a result. */
enum child_outcome {
	OUTCOME_RESULT,		/* the result that it sent holds */
	OUTCOME_COMMAND,	/* its status is that of the command */
	OUTCOME_AGAIN,		/* nothing was begun: to another child */
	OUTCOME_LOST		/* unknown: the checkpoint shows it */
};

/* The next state; CHILD__MAX: out of turn. */
enum child_state child_event(enum child_state, enum child_event);
/* 1 for the states of a child that may be given another message. */
int	child_takes(enum child_state);
/* 1 for the states of a child that has one message only. */
int	child_is_single(enum child_state);
/*
 * The child is reaped.  is_first: the message is the only one of a single
 * child.  has_failed: it ended by a signal or with a status.
 */
enum child_outcome child_outcome(enum child_state, int is_first,
	    int has_failed);

#endif
