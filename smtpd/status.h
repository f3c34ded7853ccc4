/*
 * status.h - the counters for administrators and their programs: the status
 * socket, and the line in the log.
 */
#ifndef SMTPD_STATUS_H
#define SMTPD_STATUS_H

#include <sys/stat.h>

#include "lib/buf.h"
#include "smtpd/counters.h"
#include "smtpd/identity.h"
#include "smtpd/loop.h"
#include "smtpd/scoreboard.h"

#define STATUS_CLIENTS_MAX	16
#define STATUS_REQUEST_MAX	4096	/* bytes that are read of one */
#define STATUS_SAMPLES		3

struct status_values {
	struct counters	 total;
	unsigned	 children;	/* that take connections */
	unsigned	 idle;		/* of those: without a session */
	unsigned	 draining;	/* children that take no more */
	unsigned	 sessions, connections;
	unsigned	 generations;
	uint64_t	 rate_milli;	/* messages in 1000 seconds */
	uint64_t	 uptime_s;
};

/* Pure: "accepted 12\n" and so on, and the text format of Prometheus. */
void	status_text(struct buf *, const struct status_values *);
void	status_prometheus(struct buf *, const struct status_values *);
/* 1 when these bytes are all of a request for /metrics; 0 when they may become
 * one; -1 when they will not. */
int	status_is_for_metrics(const char *, size_t);

struct status_server;

struct status_client {
	struct status_server *status;
	struct loop_watch watch;	/* fd -1: none */
	struct loop_timer timer;
	struct buf	 out;		/* with text: the answer */
	size_t		 sent, received;
	int64_t		 since_ms;
	char		 request[STATUS_REQUEST_MAX];
};

struct status_server {
	struct loop	*loop;		/* lent */
	const struct scoreboard *scoreboard;
	struct loop_watch listener;	/* fd -1: none */
	char		*path;		/* owned, or NULL */
	ino_t		 inode;		/* of the socket that was made */
	struct loop_timer sampling;
	struct {
		int64_t	 at_ms;
		uint64_t accepted;
	} samples[STATUS_SAMPLES];	/* the oldest first */
	int64_t		 started_ms;
	unsigned	 generations;	/* set by the parent */
	struct status_client clients[STATUS_CLIENTS_MAX];
};

void	status_init(struct status_server *, struct loop *,
	    const struct scoreboard *);
void	status_fini(struct status_server *);
/* In a process that was forked: closes its copies and removes nothing. */
void	status_leave(struct status_server *);
/*
 * Makes the socket, for that user and group.  0, or -1 with errno; EADDRINUSE:
 * of another process that is running.
 */
int	status_listen(struct status_server *, const char *path,
	    const struct identity *);
void	status_look(const struct status_server *, struct status_values *);

#endif
