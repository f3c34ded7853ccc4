/*
 * check_connect.h - dma check --connect: what the hosts themselves say.
 */
#ifndef SUBMIT_CHECK_CONNECT_H
#define SUBMIT_CHECK_CONNECT_H

#include "conf.h"
#include "priv/records.h"
#include "submit/check_findings.h"

/*
 * Connects to each relay, as mail for it would, and logs in; prints what came
 * of it.  For root alone: it is this host's login.
 */
void	check_connect(struct findings *, const struct conf *);
/* The same for one destination, as IPC_REMOTE_DESTINATION has it. */
void	check_connect_to(struct findings *, enum destination_kind,
	    const char *name, const char *user);
/* The same for relays that are not in dma.conf yet, and a line of auth.conf. */
void	check_connect_given(struct findings *, const char *relays,
	    const char *login);

#endif
