/*
 * requests.h - what the runner wants delivered by a dma-remote, and what it is
 * told: priv/records.h, IPC_REMOTE_*.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "lib/mime_downgrade.h"
#include "lib/ipc.h"
#include "lib/log.h"
#include "lib/smtp.h"
#include "conf/auth.h"
#include "conf/sender_relay.h"
#include "priv/records.h"

#define REQUESTS_HOST_MAX	320	/* bytes of "name[address]" */

/* How one host gets the text: content.c. */
enum fit_stage { FIT_NEW, FIT_SCAN, FIT_MEASURE, FIT_DONE };
/* Whether it is sent with SMTPUTF8. */
enum fit_utf8 {
	FIT_UTF8_NONE,
	FIT_UTF8_ASKED,		/* for the envelope */
	FIT_UTF8_NEEDED		/* the header cannot do without */
};

struct fit {
	enum fit_stage	 stage;
	unsigned	 offers;	/* SMTP_OFFERS_* of that host */
	unsigned	 lacks;		/* MIME_NO_* */
	enum fit_utf8	 utf8;
	int		 is_encoded;	/* some of it is, for that host */
	int		 has_8bit;	/* and 8-bit text is left */
	struct mime_plan *plan;		/* owned; or NULL */
	uint64_t	 size_bytes;	/* on the wire */
};

/* Whether the hosts are tried without a message. */
enum probe_state {
	PROBE_NONE,
	PROBE_WANTED,
	PROBE_DONE
};

/* A message for recipients that share a destination. */
struct request {
	struct request	*next;
	uint32_t	 id;
	char		 queue_id[QUEUE_ID_MAX + 1];
	char		 sender[ADDRESS_MAX + 1];
	char		 envid[ENVID_MAX + 1];
	enum ret	 ret;
	unsigned	 flags;		/* MESSAGE_* */
	struct {
		int		 fd;	/* owned: the queue file */
		uint64_t	 offset, length, lines;
	}		 text;
	uint32_t	 nwanted;	/* recipients announced */
	uint32_t	 nrcpts;	/* that are here and not settled */
	uint32_t	 nbad;		/* of these, have no domain */
	struct smtp_rcpt *rcpts;	/* owned */
	struct buf	 addresses;	/* owned: address, orcpt, address...;
					 * NUL after each */
	struct smtp_mail mail;		/* its transaction under way */
	struct fit	 fit;
	unsigned	 drops;		/* connections that ended on it */
	int		 is_suspect;	/* it goes last and alone for that */
	uint64_t	 turn;		/* the runner's: lower ones go first */
	int		 is_watched;	/* somebody wants to see the dialogue */
	int		 is_cancelled;	/* it must not be sent any more */
	struct {
		size_t		 place;	/* the hosts before that one ... */
		unsigned	 nhosts;	/* (so many) deferred it */
		char		 host[REQUESTS_HOST_MAX + 1];	/* the last */
	}		 past;
};

struct requests {
	int		 sock;		/* lent, non-blocking */
	struct {
		int		 is_known;	/* the record came */
		uint32_t	 kind;
		char		 name[SENDER_RELAYS_MAX + 1];
		char		 user[SENDER_USER_MAX + 1];
		uint32_t	 tries;		/* see hosts_skip() */
	}		 destination;
	struct request	*coming;	/* the rest of its recipients follows */
	struct request	*waiting;	/* for a session, in order */
	unsigned	 nwaiting, nopen;	/* nopen: all not settled */
	unsigned	 nwatched;	/* of these */
	unsigned	 nlater;	/* waiting for a host after the first */
	struct record	*out, **out_end;	/* owned: to be sent */
	int		 has_failed;	/* a record was lost for memory */
	int		 must_yield;	/* other destinations wait */
	uint32_t	*cancels;	/* owned: ids of requests to cancel */
	size_t		 ncancels, ccancels;
	enum probe_state probe;
	struct auths	 login;		/* to be tried; only if takes_login */
	int		 takes_login;	/* no other login is known */
	struct ipc	 in;
};

void	 requests_init(struct requests *, int sock);
void	 requests_fini(struct requests *);
/*
 * Reads the records that are there.  1, 0 when the runner will send no more,
 * -1 when it broke the rules.
 */
int	 requests_read(struct requests *);
/* Sends what it can.  0, or -1 when the runner is gone or memory is. */
int	 requests_write(struct requests *);
/*
 * Takes off the list (lent) the first waiting request that is for hosts from
 * one of these places on, or gives NULL.  A suspect comes after all others,
 * and only for a session that has_room for it alone.
 */
struct request *requests_take(struct requests *, size_t first, size_t last,
	    int has_room);
/* Puts a taken request back, as the first or the last. */
void	 requests_put_first(struct requests *, struct request *);
void	 requests_put_last(struct requests *, struct request *);
/* A line for those who watch a request, or, NULL, any; else does nothing. */
void	 requests_show(struct requests *, const struct request *,
	    const char *line);
/* What a probe has found: about is clean. */
void	 requests_finding(struct requests *, enum probe_level,
	    const char *about, const char *text);
/* It is over. */
void	 requests_probed(struct requests *, uint32_t nready);
/* For struct log, with the requests as its argument: the runner logs it. */
void	 requests_log(void *requests, enum log_level, const char *text);
/*
 * Reports the statuses that are known, and that they are to be recorded.
 * holds: deferred recipients are kept for another host.  Returns the number of
 * recipients left; at 0 the request is freed.
 */
uint32_t requests_settle(struct requests *, struct request *,
	    const char *host, int holds);
/*
 * Once all that is left of a request was deferred by this host, it is for
 * those from that place on: 1.  0 when a recipient is not decided.
 */
int	 requests_pass(struct request *, const char *host, size_t place);
/* No host can be reached: the runner sends no more for a while. */
void	 requests_no_host(struct requests *, const char *host,
	    const struct result *);
/* Undecided recipients are deferred for that reason; it is not reported yet. */
void	 requests_defer(struct request *, const struct result *);
/* Takes a request that is to be cancelled off the list; or NULL. */
struct request *requests_take_id(struct requests *, uint32_t id);
/* What is not decided of a request is deferred, as it is not wanted. */
void	 requests_cancel(struct requests *, struct request *,
	    const char *host);
/*
 * Reports that all that is left of it has this result, or what a host before
 * has said of it.
 */
void	 requests_refuse(struct requests *, struct request *, const char *host,
	    const struct result *);

#endif
