/*
 * listen.h - the sockets on which connections arrive.
 */
#ifndef SMTPD_LISTEN_H
#define SMTPD_LISTEN_H

#include "smtpd/conf.h"

struct listeners {
	int	 fds[CONF_LISTEN_MAX];	/* owned */
	size_t	 n;
	int	 are_given;	/* by init, which holds them, too: connections
				 * wait while nobody accepts */
};

/*
 * How many sockets init gave, from descriptor 3 on, by LISTEN_FDS, which is
 * taken out of the environment.  Before the process forks.
 */
unsigned listeners_given(void);
/*
 * Takes the given sockets, or else binds those of the configuration.  0, or -1
 * after errors were reported; listeners_close() in either case.
 */
int	listeners_open(struct listeners *, unsigned given,
	    const struct smtpd_config *, const struct log *);
void	listeners_close(struct listeners *);
/* 1 if both want the same sockets, in whatever order. */
int	listeners_are_same(const struct smtpd_config *,
	    const struct smtpd_config *);

#endif
