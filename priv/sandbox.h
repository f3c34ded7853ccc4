/*
 * sandbox.h - what each unprivileged process may still do.
 * Absence of a mechanism is no error; a mechanism that fails is (-1).
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdint.h>

#include "conf.h"

/* TCP ports that may be connected to; all zero at first: that of DNS. */
struct sandbox_ports {
	int	is_any;
	uint8_t	set[8192];	/* a bit for each */
};

void	sandbox_ports_add(struct sandbox_ports *, unsigned port);

int	sandbox_runner(const struct conf *);
/* After the connection is made: no file at all. */
int	sandbox_lmtp(void);
int	sandbox_remote(const struct conf *, const struct sandbox_ports *);

#endif
