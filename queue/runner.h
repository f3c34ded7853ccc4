/*
 * runner.h - the one runner: schedules, routes, hands out, settles.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include "priv/monitor.h"

/* The whole life of the runner process; gives its exit status. */
int	runner_main(struct helpers *);

#endif
