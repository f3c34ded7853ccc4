/*
 * runner.h - the queue runner.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include "priv/monitor.h"

/* The whole life of the runner process; gives its exit status. */
int	runner_main(struct helpers *);

#endif
