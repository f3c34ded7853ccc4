/*
 * sandbox.h - what each unprivileged process may still do.
 * Absence of a mechanism is no error; a mechanism that fails is (-1).
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "conf.h"

int	sandbox_runner(const struct conf *);
/* After the connection is made: no file at all. */
int	sandbox_lmtp(void);
int	sandbox_remote(const struct conf *);

#endif
