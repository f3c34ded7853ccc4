/*
 * proxy.h - the header of the PROXY protocol, versions 1 and 2.
 * Pure.  HAProxy's proxy-protocol.txt of 2020, sections 2.1 and 2.2.
 */
#ifndef SMTPD_PROXY_H
#define SMTPD_PROXY_H

#include <stddef.h>

#include "smtpd/netset.h"

#define PROXY_MAX	(16 + 65535)	/* bytes of a header */

enum proxy_result {
	PROXY_MORE,		/* the header is not complete */
	PROXY_BAD,		/* there is none, or it is not to be believed */
	PROXY_OWN,		/* LOCAL, UNKNOWN: the address of the peer */
	PROXY_ADDRESS		/* client and port are set */
};

/* *used: bytes of the header, once it is complete. */
enum proxy_result proxy_parse(const char *, size_t, size_t *used,
	    struct netaddr *client, unsigned *port);

#endif
