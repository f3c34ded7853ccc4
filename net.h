/*
 * net.h - dma-remote: one destination, its sessions in one loop.
 * Talks records.h (IPC_REMOTE_*) on a socket to the runner, and SMTP to the
 * hosts.  Called by net/main.c.
 */
#ifndef NET_H
#define NET_H

#include "conf.h"
#include "conf/auth.h"
#include "lib/log.h"

/*
 * secrets: the socket of auth_command_open().  Without auths, a probe may
 * bring its login.
 * Serves the runner at sock until it closes its end; all that was not settled
 * then is forgotten (the runner defers it).  Gives the exit status.
 */
int	net_main(int sock, int secrets, const struct conf *, struct auths *,
	    const struct log *);

#endif
