/*
 * modules.h - loads modules and runs the hooks of a process.
 * The hooks of a session are run by dialogue.c.
 */
#ifndef SMTPD_MODULES_H
#define SMTPD_MODULES_H

#include "smtpd/host.h"

/*
 * Loads the modules of host->conf and lets each configure itself; errors are
 * reported.  0 or -1; modules_fini() in either case.  directory: where a name
 * without a slash is looked for, as NAME.so.
 */
int	modules_load(struct smtpd_host *, const char *directory);
/* The init() of each, in order: 0, or -1 after an error was reported. */
int	modules_init(struct smtpd_host *);
int	modules_child_init(struct smtpd_host *);
void	modules_child_exit(struct smtpd_host *);
/* In reverse order; frees host->paths, too. */
void	modules_fini(struct smtpd_host *);

#endif
