/*
 * run.h - drains a tree, once or until it is asked to end.
 */
#ifndef SMTPD_DRAIN_RUN_H
#define SMTPD_DRAIN_RUN_H

#include "smtpd/drain/tree.h"

/*
 * Opens the tree, whose other members are set; an exit status: 0 when nothing
 * of the closed minutes remains, and with does_follow.
 */
int	run_drain(struct tree *, int does_follow);

#endif
