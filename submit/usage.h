/*
 * usage.h - how dma and its commands check, queue, setup and status are called.
 */
#ifndef SUBMIT_USAGE_H
#define SUBMIT_USAGE_H

#include "submit/options.h"

/* One of these commands has the argument --help, or it is the only one. */
int	usage_is_wanted(const struct options *);
/* Prints the usage of a command, or the version, as an answer: 0. */
int	usage_print(enum mode);
/* The same for a call that cannot be understood: EX_USAGE. */
int	usage_refuse(enum mode);

#endif
