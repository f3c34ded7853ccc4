/*
 * overview.h - how the mail of this host is doing: the queue and its runner.
 */
#ifndef SUBMIT_OVERVIEW_H
#define SUBMIT_OVERVIEW_H

#include "conf.h"
#include "lib/json.h"
#include "submit/check_findings.h"
#include "submit/queue_summary.h"
#include "submit/runner_state.h"

#define OVERVIEW_DUE_S	60	/* that mail may be due before it is an error */

struct overview {
	time_t		 now;
	const char	*spool;		/* lent: its path */
	char		 relays[256];	/* of SMARTHOST, as people read them */
	int		 is_defer;	/* DEFER: mail stays due */
	struct queue_summary queue;
	struct runner_state runner;
	size_t		 dead, corrupt;	/* files there */
};

/* 0, or -1 with errno when the queue cannot be read. */
int	overview_read(struct overview *, const struct conf *,
	    const struct spool *, const struct caller *);
/* 1 when mail has long been due and no runner delivers. */
int	overview_is_stuck(const struct overview *);

/* Prints the lines of dma status. */
void	overview_print_text(const struct overview *, struct findings *);
/* Pure: adds one object, on a line. */
void	overview_put_json(struct json *, const struct overview *);
/* Pure: adds metrics in the text format of Prometheus. */
void	overview_put_metrics(struct buf *, const struct overview *);

#endif
