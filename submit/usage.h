/*
 * usage.h - how the commands dma check, queue, setup and status are called.
 */
#ifndef SUBMIT_USAGE_H
#define SUBMIT_USAGE_H

#include "submit/options.h"

/* One of these commands has the argument --help. */
int	usage_is_wanted(const struct options *);
/* Prints the usage of a command, as an answer: 0. */
int	usage_print(enum mode);
/* The same for a call that cannot be understood: EX_USAGE. */
int	usage_refuse(enum mode);

#endif
