/*
 * confine.h - what a child may still do.
 * Absence of a mechanism is no error; a mechanism that fails is.
 */
#ifndef SMTPD_CONFINE_H
#define SMTPD_CONFINE_H

#include "smtpd/host.h"

/*
 * From here on, for this process and the threads that it starts: files below
 * ROOT and the paths that modules asked for, connections to the ports that they
 * asked for, no more programs.  0, or -1 with errno.
 */
int	confine_child(const struct smtpd_host *);
/* For all processes: no rights by programs, no core files.  0 or -1. */
int	confine_process(void);

#endif
