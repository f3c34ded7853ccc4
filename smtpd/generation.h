/*
 * generation.h - the process of one configuration: it loads modules, forks the
 * children and replaces them.
 */
#ifndef SMTPD_GENERATION_H
#define SMTPD_GENERATION_H

#include "smtpd/host.h"
#include "smtpd/identity.h"
#include "smtpd/listen.h"

/* Signals from the parent, besides SIGTERM (drain) and SIGUSR1 (retire). */
#define GENERATION_SIGNAL_END	SIGQUIT

/* What a generation reports to the parent once its children serve. */
struct generation_report {
	unsigned shutdown_timeout_s;
};

/* What the parent has for it, lent. */
struct generation_start {
	unsigned		 number;	/* from 1 on */
	const struct smtpd_config *conf;
	const struct identity	*identity;
	struct listeners	*listeners;	/* lent: closed at the end */
	struct scoreboard	*scoreboard;
	const struct log	*log;
	int			 parent;	/* descriptor */
};

/*
 * Runs one until its last child has ended; the exit status of the process.
 * The first one is started as root, initializes its modules, and drops root.
 */
int	generation_run(const struct generation_start *);

/*
 * Loads the modules and the certificate of a configuration into a host.  0, or
 * -1 after errors were reported; generation_unload() in either case.
 */
int	generation_load(struct smtpd_host *, const struct smtpd_config *,
	    const struct log *);
void	generation_unload(struct smtpd_host *);

#endif
