/*
 * requests.h - what the runner wants delivered by a remote branch, and what it
 * is told: records.h, IPC_REMOTE_*.
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

#define REQUESTS_HOST_MAX	320	/* octets of "name[address]" */
#define REQUESTS_DROPS_POISON 2	/* connections that ended on one message */

/* How one host gets the text: body.c. */
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

struct job {
	struct job	*next;
	uint32_t	 id;
	int		 fd;		/* owned: the message file */
	char		 queue_id[QUEUE_ID_MAX + 1];
	char		 sender[ADDRESS_MAX + 1];
	char		 envid[ENVID_MAX + 1];
	enum ret	 ret;
	unsigned	 flags;		/* MESSAGE_* */
	int		 is_watched;	/* somebody wants to see the dialogue */
	uint64_t	 offset, length, lines;
	uint32_t	 nwanted;	/* recipients announced */
	uint32_t	 nrcpts;	/* that are here and not settled */
	struct smtp_rcpt *rcpts;	/* owned */
	struct buf	 addresses;	/* owned: address, orcpt, address...;
					 * NUL after each */
	struct smtp_mail mail;		/* its transaction under way */
	struct fit	 fit;
	unsigned	 drops;		/* connections that ended on it */
	size_t		 place;		/* hosts before that one put it off */
	unsigned	 nhosts;	/* so many did */
	char		 before[REQUESTS_HOST_MAX + 1];	/* the latest */
};

struct requests {
	int		 sock;		/* lent, non-blocking */
	int		 has_hop;	/* IPC_REMOTE_DESTINATION came */
	uint32_t	 hop_kind;
	char		 hop_name[SENDER_RELAYS_MAX + 1];
	char		 hop_user[SENDER_USER_MAX + 1];
	struct job	*coming;	/* the rest of its recipients follows */
	struct job	*waiting;	/* for a connection, in order */
	unsigned	 nwaiting, nopen;	/* nopen: all not settled */
	unsigned	 nwatched;	/* of these */
	unsigned	 nlater;	/* waiting that have a place but 0 */
	struct ipc	*says;		/* ring of records to be sent */
	size_t		 nsays, csays, first_say;
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
int	 requests_has_output(const struct requests *);
/*
 * Takes off the list (lent) the first waiting job that is for hosts from one
 * of these places on, or gives NULL.  One that is poison comes after all
 * others, and only for a connection that has_room for it alone.
 */
struct job *requests_take(struct requests *, size_t first, size_t last,
    int has_room);
/* Takes that one off the list. */
void	 requests_pick(struct requests *, struct job *);
int	 requests_is_poison(const struct job *);
/* Puts a taken job back, as the first or the last. */
void	 requests_put_first(struct requests *, struct job *);
void	 requests_put_last(struct requests *, struct job *);
/* A line for those who watch a job, or, NULL, any; else nothing is done. */
void	 requests_show(struct requests *, const struct job *, const char *line);
/*
 * Tells the statuses that are known, and that they are to be written down.
 * Returns the number of recipients left; at 0 the job is freed.
 */
uint32_t requests_settle(struct requests *, struct job *, const char *host);
/* The same, but who is deferred stays for another host. */
uint32_t requests_hold(struct requests *, struct job *, const char *host);
/*
 * Once all that is left of a job was deferred by this host, it is for those
 * from that place on: 1.  0 when somebody is not decided.
 */
int	 requests_pass(struct job *, const char *host, size_t place);
/* Who is not decided is deferred for that reason; it is not told yet. */
void	 requests_defer(struct job *, const struct result *);
/*
 * Tells that all that is left of it has this result, or what a host before
 * has said of it.
 */
void	 requests_refuse(struct requests *, struct job *, const char *host,
	    const struct result *);

#endif
