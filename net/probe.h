/*
 * probe.h - the hosts of a destination, tried without a message.
 */
#ifndef NET_PROBE_H
#define NET_PROBE_H

#include "net/session.h"

/*
 * Tries the addresses of all hosts, one after the other, up to where MAIL
 * would be next, and reports what DNS, TLS and the login did.  It returns when
 * that is done, or nobody is there to read it.
 */
void	probe(struct net *);

#endif
