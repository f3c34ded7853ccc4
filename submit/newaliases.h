/*
 * newaliases.h - reads the aliases and lists, and reports what is wrong.
 */
#ifndef SUBMIT_NEWALIASES_H
#define SUBMIT_NEWALIASES_H

#include "conf.h"

/* -bi: the exit status; EX_DATAERR when a line is wrong. */
int	newaliases(const struct conf *);
/* A struct report's: writes a line to standard error. */
void	newaliases_report(void *arg, const char *file, unsigned line,
	    const char *text);

#endif
