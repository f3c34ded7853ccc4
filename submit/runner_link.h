/*
 * runner_link.h - a request to the runner, and its reply.
 */
#ifndef SUBMIT_RUNNER_LINK_H
#define SUBMIT_RUNNER_LINK_H

#include "lib/ipc.h"
#include "priv/caller.h"
#include "spool.h"

struct runner_link {
	const struct spool *sp;		/* lent */
	int		 channel[2];	/* owned: see request_call() */
	int		 starts_none;	/* no runner is started for it */
	int		 reply_bytes;	/* room of the pipe; 0: the default */
	char		 reason[512];	/* of a failure */
};

enum runner_reply {
	RUNNER_DONE,
	RUNNER_REFUSED,		/* for the reason that it replied */
	RUNNER_LOST,		/* it died before it had replied */
	RUNNER_NONE		/* none can be asked, for that reason */
};

/* A request, and the function that takes the lines of the reply. */
struct runner_request {
	/* Fills a record; once more for each runner that dies. */
	void	(*put)(void *arg, struct ipc *);
	void	(*line)(void *arg, const char *line);
	void	*arg;
};

/* Owns nothing yet. */
void	runner_link_clear(struct runner_link *);
/* 0, or -1 with errno. */
int	runner_link_init(struct runner_link *, const struct spool *,
	    const struct caller *);
void	runner_link_fini(struct runner_link *);

/*
 * Asks, and waits for the end of the reply; a runner is started if there is
 * none, and another one is asked if it dies.
 */
enum runner_reply runner_link_call(struct runner_link *,
	    const struct runner_request *);

/*
 * The same in steps.  ask: gives the descriptor of the reply; -1 with the
 * reason.  is_read: 0 if no runner is left that reads the request.  more: sends
 * an addition to the request, without a reply of its own; -1 with errno.
 */
int	runner_link_ask(struct runner_link *, const struct runner_request *);
int	runner_link_is_read(struct runner_link *, int fd);
int	runner_link_more(struct runner_link *, const struct runner_request *);
enum runner_reply runner_link_await(struct runner_link *, int fd,
	    const struct runner_request *);

#endif
