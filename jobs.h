/*
 * jobs.h - what the runner wants delivered by a remote branch, and what it
 * is told: records.h, REC_REMOTE_*.
 */
#ifndef JOBS_H
#define JOBS_H

#include <stddef.h>
#include <stdint.h>

#include "dma.h"
#include "lib/mime.h"
#include "lib/msg.h"
#include "lib/smtp.h"
#include "senders.h"

#define JOBS_HOST_MAX	320	/* octets of "name[address]" */
#define JOBS_DROPS_POISON 2	/* connections that ended on one message */

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
	char		 before[JOBS_HOST_MAX + 1];	/* the latest */
	int64_t		 begun_ms;	/* its latest transaction was */
};

struct jobs {
	int		 sock;		/* lent, non-blocking */
	int		 has_hop;	/* REC_REMOTE_HOP came */
	uint32_t	 hop_kind;
	char		 hop_name[SENDER_RELAYS_MAX + 1];
	char		 hop_user[SENDER_USER_MAX + 1];
	struct job	*coming;	/* the rest of its recipients follows */
	struct job	*waiting;	/* for a connection, in order */
	unsigned	 nwaiting, nopen;	/* nopen: all not settled */
	unsigned	 nwatched;	/* of these */
	unsigned	 nlater;	/* waiting that have a place but 0 */
	struct msg	*says;		/* ring of records to be sent */
	size_t		 nsays, csays, first_say;
	int		 has_failed;	/* a record was lost for memory */
	struct msg	 in;
};

void	 jobs_init(struct jobs *, int sock);
void	 jobs_fini(struct jobs *);
/*
 * Reads the records that are there.  1, 0 when the runner will send no more,
 * -1 when it broke the rules.
 */
int	 jobs_read(struct jobs *);
/* Sends what it can.  0, or -1 when the runner is gone or memory is. */
int	 jobs_write(struct jobs *);
int	 jobs_has_output(const struct jobs *);
/*
 * Takes off the list (lent) the first waiting job that is for hosts from one
 * of these places on, or gives NULL.  One that is poison comes after all
 * others, and only for a connection that has_room for it alone.
 */
struct job *jobs_take(struct jobs *, size_t first, size_t last, int has_room);
/* Takes that one off the list. */
void	 jobs_pick(struct jobs *, struct job *);
int	 jobs_is_poison(const struct job *);
/* Puts a taken job back, as the first or the last. */
void	 jobs_put_first(struct jobs *, struct job *);
void	 jobs_put_last(struct jobs *, struct job *);
/* A line for those who watch a job, or, NULL, any; else nothing is done. */
void	 jobs_show(struct jobs *, const struct job *, const char *line);
/*
 * Tells the fates that are known, and that they are to be written down.
 * Returns the number of recipients left; at 0 the job is freed.
 */
uint32_t jobs_settle(struct jobs *, struct job *, const char *host);
/* The same, but who is deferred stays for another host. */
uint32_t jobs_hold(struct jobs *, struct job *, const char *host);
/*
 * Once all that is left of a job was deferred by this host, it is for those
 * from that place on: 1.  0 when somebody is not decided.
 */
int	 jobs_pass(struct job *, const char *host, size_t place);
/* Who is not decided is deferred for that reason; it is not told yet. */
void	 jobs_defer(struct job *, const struct result *);
/*
 * Tells that all that is left of it has this result, or what a host before
 * has said of it.
 */
void	 jobs_refuse(struct jobs *, struct job *, const char *host,
	    const struct result *);

#endif
