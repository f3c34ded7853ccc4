/*
 * notify.h - tells a service manager what it waits for, by sd_notify(3).
 */
#ifndef SMTPD_NOTIFY_H
#define SMTPD_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int	 fd;		/* -1: nobody waits */
	struct sockaddr_un to;
	socklen_t len;
};

/* Takes NOTIFY_SOCKET out of the environment. */
void	notify_init(struct notify *);
void	notify_fini(struct notify *);
void	notify_ready(struct notify *);
void	notify_stopping(struct notify *);

#endif
