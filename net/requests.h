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
#include "lib/smtp.h"
#include "conf/sender_relay.h"

#define REQUESTS_HOST_MAX	320	/* bytes of "name[address]" */

/* How one host gets the text: content.c. */
enum fit_stage { FIT_NEW, FIT_SCAN, FIT_MEASURE, FIT_DONE };

struct fit {
	enum fit_stage	 stage;
	unsigned	 offers;	/* SMTP_OFFERS_* of that host */
	unsigned	 lacks;		/* MIME_NO_* */
	int		 is_encoded;	/* some of it is, for that host */
	int		 has_8bit;	/* and 8-bit text is left */
	struct mime_plan *plan;		/* owned; or NULL */
	uint64_t	 size_bytes;	/* on the wire */
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
	struct smtp_rcpt *rcpts;	/* owned */
	struct buf	 addresses;	/* owned: address, orcpt, address...;
					 * NUL after each */
	struct smtp_mail mail;		/* its transaction under way */
	struct fit	 fit;
	unsigned	 drops;		/* connections that ended on it */
	int		 is_suspect;	/* it goes last and alone for that */
	int		 is_watched;	/* somebody wants to see the dialogue */
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
	}		 destination;
	struct request	*coming;	/* the rest of its recipients follows */
	struct request	*waiting;	/* for a session, in order */
	unsigned	 nwaiting, nopen;	/* nopen: all not settled */
	unsigned	 nwatched;	/* of these */
	unsigned	 nlater;	/* waiting for a host after the first */
	struct record	*out, **out_end;	/* owned: to be sent */
	int		 has_failed;	/* a record was lost for memory */
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
/* Undecided recipients are deferred for that reason; it is not reported yet. */
void	 requests_defer(struct request *, const struct result *);
/*
 * Reports that all that is left of it has this result, or what a host before
 * has said of it.
 */
void	 requests_refuse(struct requests *, struct request *, const char *host,
	    const struct result *);

#endif
