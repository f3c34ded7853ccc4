/*
 * child.h - a process that serves connections.
 */
#ifndef SMTPD_CHILD_H
#define SMTPD_CHILD_H

#include <stddef.h>

#include "smtpd/host.h"

/* What a child reports to its generation, a byte each. */
enum child_report {
	CHILD_REPORT_SERVES = 's',	/* it is in its loop */
	CHILD_REPORT_BUSY = 'b',	/* there are too few idle children */
	/* It takes no connections: another is to look for one that it was
	 * woken for. */
	CHILD_REPORT_LEAVES = 'l'
};

/* Signals from its generation, besides SIGTERM and SIGUSR1. */
#define CHILD_SIGNAL_END	SIGQUIT	/* now */
#define CHILD_SIGNAL_ACCEPT	SIGUSR2	/* a connection may be waiting */

/*
 * Serves until it has had its share, is retired (SIGUSR1) or drained (SIGTERM,
 * or the generation ended, whose descriptor then can be read), and is without
 * sessions; the exit status of the process.  The host has its modules,
 * initialized, and its slot.  Takes the descriptors.
 */
int	child_run(struct smtpd_host *, const int *listeners, size_t nlisteners,
	    int generation);

#endif
