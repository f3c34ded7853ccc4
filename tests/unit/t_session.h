/*
 * t_session.h - an SMTP session whose server is the test, and whose runner is,
 * too.
 */
#ifndef TESTS_UNIT_T_SESSION_H
#define TESTS_UNIT_T_SESSION_H

#include "net/session.h"
#include "tests/unit/t.h"

struct t_session {
	struct conf	 conf;
	struct auths	 auths;
	struct log	 log;
	struct net	 net;
	struct session	*s;
	int		 server;	/* the other end of the connection */
	int		 runner;	/* and that of the requests */
	uint32_t	 nrequests;
};

/* At a host that offers PIPELINING; nothing has been said yet. */
void	t_session_init(struct t_session *);
void	t_session_fini(struct t_session *);
/* One more session with the same host: it becomes t->s. */
void	t_session_another(struct t_session *);
/* A message waits, for one recipient. */
struct request *t_session_request(struct t_session *);
/* The server says these lines ("\n" ends one), and the session gets on. */
void	t_session_say(struct t_session *, const char *lines);
/* The session has said these lines since. */
void	t_session_expect(struct t_session *, const char *lines);
/* Greeting and EHLO; it is ready for mail. */
void	t_session_ready(struct t_session *);

#endif
