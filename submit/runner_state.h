/*
 * runner_state.h - what a runner tells of itself.
 */
#ifndef SUBMIT_RUNNER_STATE_H
#define SUBMIT_RUNNER_STATE_H

#include "priv/caller.h"
#include "spool.h"

#define RUNNER_DESTINATIONS_MAX	64	/* that are kept */
#define RUNNER_WAIT_MS		5000	/* for one that is busy */

enum runner_presence {
	RUNNER_ABSENT,
	RUNNER_MUTE,		/* there, and does not reply */
	RUNNER_THERE		/* and what it replied is known */
};

struct runner_destination {
	char	 kind[8];	/* as in priv/records.h */
	char	 name[256];
	char	 state[16];		/* or RUNNER_UNREACHABLE */
	uint64_t messages;
	uint64_t failures, next;	/* of one that is unreachable */
	char	 reason[256];
};

#define RUNNER_UNREACHABLE	"unreachable"
#define RUNNER_WAITING		"waiting"	/* for its turn */

struct runner_state {
	enum runner_presence presence;
	uint64_t pid;			/* 0: not told */
	char	 version[32];
	uint64_t since;
	char	 starter[16];
	int	 knows_active;
	uint64_t active;		/* messages */
	struct runner_destination destinations[RUNNER_DESTINATIONS_MAX];
	size_t	 ndestinations, nothers;
	char	 trouble[512];	/* why none can have the spool's lock */
};

/* Pure: takes a line of QUEUE_STATUS; what it does not know is skipped. */
void	runner_state_take(struct runner_state *, const char *line);
/* Asks the runner that is there, or what keeps all from the spool's lock. */
void	runner_state_ask(struct runner_state *, const struct spool *,
	    const struct caller *);

#endif
