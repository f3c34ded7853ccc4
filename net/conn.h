/*
 * conn.h - one connection: TCP, TLS, bytes, and where it is in its life.
 * Knows nothing of SMTP but the steps of that life: docs/states.md.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "lib/result.h"
#include "net/dns.h"

enum conn_state {
	CONN_CONNECTING,	/* TCP */
	CONN_SETUP,		/* from the greeting to the first MAIL */
	CONN_TLS,		/* the handshake */
	CONN_IDLE,		/* takes mail, has none */
	CONN_BUSY,		/* takes mail, has some */
	CONN_ENDING,		/* takes no more, has some */
	CONN_QUITTING,		/* QUIT was sent */
	CONN_CLOSED,		/* of no more use */
	CONN_STATES
};

enum conn_event {
	CONN_IS_UP,		/* TCP is */
	CONN_STARTS_TLS,
	CONN_HAS_TLS,
	CONN_IS_READY,		/* for MAIL */
	CONN_GETS_MAIL,
	CONN_HAS_NO_MAIL,	/* all that it had is over */
	CONN_TAKES_NO_MORE,
	CONN_QUITS,
	CONN_ENDS,		/* for whatever reason */
	CONN_EVENTS
};

struct conn {
	enum conn_state	 state;
	int64_t		 deadline_ms;
	int		 fd;		/* owned; or -1 */
	struct tls	*tls;		/* owned; or NULL */
	int		 read_wants_out, write_wants_in;	/* TLS does */
};

void	conn_init(struct conn *);
/* Closes it, with a goodbye where TLS is up. */
void	conn_fini(struct conn *);

/* Enters the next state; -1 when the event is out of turn: nothing changes. */
int	conn_event(struct conn *, enum conn_event);
int	conn_is_open(const struct conn *);	/* takes mail, now or soon */
int	conn_is_in_use(const struct conn *);	/* or has some, still */
int	conn_is_ready(const struct conn *);	/* in use, and was at MAIL */

/*
 * Each gives 0, or -1 with the reason in the result.  conn_connected() is to
 * be called once the connection can be written to.
 */
int	conn_connect(struct conn *, const struct dns_addr *, struct result *);
int	conn_connected(struct conn *, struct result *);
/* Takes the stream, NULL without memory.  The handshake is to be driven. */
int	conn_start_tls(struct conn *, struct tls *, struct result *);
/* 1 when TLS is up, 0 when it takes more, -1 with the reason. */
int	conn_handshake(struct conn *, struct result *);

/* As read(2) and write(2): -1 with errno; EAGAIN, EPROTO for broken TLS. */
ssize_t	conn_read(struct conn *, char *, size_t);
ssize_t	conn_write(struct conn *, const char *, size_t);
const char *conn_error(int error);	/* text for that errno */
/* What to poll for, with or without something to write. */
short	conn_poll_events(const struct conn *, int has_output);
/* 1 when conn_read() has something that poll(2) does not see. */
int	conn_has_input(const struct conn *);

#endif
