/*
 * queue.h - what lies on the runner's desk.
 * Shared by runner.c (the loop), handout.c (what goes where), batch.c (local
 * deliveries), hops.c (remote ones) and settle.c (what became of it); nobody
 * else.
 * They call in this order only.
 */
#ifndef DESK_H
#define DESK_H

#include <sys/stat.h>

#include "aliases.h"
#include "conf.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/ipc.h"
#include "priv/monitor.h"
#include "priv/request.h"
#include "priv/records.h"
#include "lib/result.h"
#include "conf/sender_relay.h"
#include "spool.h"

#define WORKS_MAX	200	/* messages in hand at once */
#define LANES		256	/* of users, by digest */
#define LANE_SHARE	(WORKS_MAX / 2)	/* messages in hand of each */
#define ASKS_MAX	64	/* questions to the forward branch */
#define REQUESTS_MAX	16	/* to the deliver branch under way */
#define HOPS_MAX	24	/* dma-remote processes at once */
#define HOP_JOBS_MAX	64	/* messages given to one of them */
#define HOP_LINGER_MS	1000	/* an idle one stays for so long */
#define WAITERS_MAX	16	/* callers of -q that wait */
#define OUTPUT_MAX	4096	/* octets of a command's output: the last */
#define LINGER_MS	500	/* an idle child of a local branch stays */
#define SLOW_MS		1000	/* who takes longer has to leave room */
#define FULL_MS		100	/* until a branch that reads nothing is tried */

struct work;
struct hop;

enum item_state {
	ITEM_WAITING,		/* until due */
	ITEM_ACTIVE,		/* in hand: work is set */
	ITEM_PARKED,		/* until its hop has room */
	ITEM_GONE		/* to be taken off the list */
};

/* A queued message as the scheduler sees it: small, there may be many. */
struct item {
	char		 id[QUEUE_ID_MAX + 1];
	enum item_state	 state;
	int		 is_forced;	/* a flush wants it tried now */
	int		 is_held;	/* DEFER: only remote ones are left */
	int		 is_listed;	/* seen in the directory this time */
	int		 is_logged;	/* the line of log_new() is out */
	time_t		 due;
	uint64_t	 seen, tried;	/* ticks: first seen, last tried */
	struct work	*work;
	struct hop	*hop;		/* for ITEM_PARKED: until it has room */
	unsigned	 lane;		/* or this lane has, plus 1; 0: none */
};

enum stage {
	STAGE_NONE,		/* not to be tried now */
	STAGE_ROUTE,		/* to be routed */
	STAGE_ASK,		/* waits for a .forward */
	STAGE_DELIVER,		/* waits for local delivery */
	STAGE_REMOTE,		/* to go to a hop */
	STAGE_BUSY,		/* a branch has it */
	STAGE_HELD,		/* DEFER: waits for a flush */
	STAGE_DECIDED,		/* its result is known, and not yet recorded */
	STAGE_DONE		/* recorded */
};

/* A recipient of an active message in this attempt. */
struct attempt {
	enum stage	 stage;
	enum action	 action;	/* of a success in a report */
	int		 is_same;	/* result of the last attempt */
	char		*where;		/* owned: host or program, for the log;
					 * NULL: this host */
	uint32_t	 next;		/* decided after it, plus 1; 0: none */
};

/* A message in hand. */
struct work {
	struct work	*next;
	struct item	*item;
	struct message	 m;
	struct attempt	*attempts;	/* owned: one for each recipient */
	uint32_t	 nattempts;
	uint32_t	 open;		/* recipients not decided yet */
	uint32_t	 decided, last_decided;	/* list, plus 1; 0: none */
	uint32_t	 asking;	/* forward requests under way */
	uint32_t	 jobs;		/* of hops, not over yet */
	struct buf	 notes;		/* for the journal, not yet written */
	int		 is_forced;	/* as its item was when it was loaded */
	int		 is_partial;	/* somebody was left out of this try */
	int		 was_parked;	/* its hop had room: not parked again */
	unsigned	 lane;		/* it counts for, plus 1; 0: none */
	int		 needs_sync;	/* notes hold what must not be lost */
	int		 was_lost;	/* a delivery ended without a word */
	int64_t		 again_ms;	/* a write failed: not before */
};

/* A recipient of a message in hand. */
struct place {
	struct work	*work;
	uint32_t	 rcpt;
};

enum ask_state {
	ASK_FREE,
	ASK_GATHERS,		/* to be sent when all of this turn are in */
	ASK_OUT,		/* to be answered */
	ASK_IDLE		/* answered; the child may be asked again */
};

/*
 * What waits for one user; users that share a lane share its room.  More than
 * LANE_SHARE would keep the mail of others from the desk.
 */
struct lane {
	unsigned	 in_hand, parked;
};

/*
 * A question to the forward branch: about the .forward of a user or the lists
 * of an alias; of all who had it when it was sent.
 */
struct ask {
	enum ask_state	 state;
	enum origin	 origin;	/* whose name that is */
	char		 name[ADDRESS_MAX + 1];
	int		 channel;	/* -1: no child */
	struct buf	 lists;		/* of an alias, as far as they came */
	int		 is_again;	/* its child had answered before */
	struct place	*waiters;	/* owned */
	size_t		 n, cap;
	int64_t		 born_ms;	/* the child */
	int64_t		 moved_ms;	/* sent, or answered */
};

/* One message that a child of the deliver branch was given. */
struct parcel {
	uint32_t	 id;		/* of its records */
	struct work	*work;
	uint32_t	 rcpt;
	int		 is_placed;	/* the child has told where it goes */
	int		 must_go;	/* and waits for the answer */
};

/* A child of the deliver branch. */
struct batch {
	uint32_t	 id;		/* of its request; 0: free */
	char		 name[ADDRESS_MAX + 1];	/* user or alias */
	int		 is_open;	/* takes more messages for the user */
	int		 is_leaving;	/* it does not take them any more */
	int		 is_heard_out;	/* all that it said was read */
	int		 channel, output;
	struct buf	 text;		/* the command's last output */
	int		 has_execed;
	int		 has_said;	/* anything */
	int		 is_said;	/* all, when it has one message only */
	struct result	 res;		/* what it said last */
	struct parcel	*parcels;	/* owned, in the order told */
	size_t		 n, cap;
	size_t		 told;		/* of them not placed yet */
	int64_t		 born_ms;
	int64_t		 moved_ms;	/* its last sign of life */
};

/* One message for one next hop. */
struct job {
	struct job	*next;
	uint32_t	 id;
	struct work	*work;
	uint32_t	*rcpts;		/* owned: indexes into the message */
	uint32_t	 n, left;	/* left: not settled yet */
	uint32_t	 sent;		/* recipients told to the hop so far */
	int		 is_told;	/* IPC_REMOTE_MESSAGE is out */
	int		 is_watched;	/* somebody did, when that went out */
};

struct hop {
	struct hop	*next;
	enum destination_kind	 kind;
	char		 name[SENDER_RELAYS_MAX + 1];
	char		 user[SENDER_USER_MAX + 1];	/* of auth.conf */
	int		 sock;		/* -1: no process yet */
	struct job	*jobs, **tail;	/* in order; told ones first */
	unsigned	 njobs, parked;
	unsigned	 claimed;	/* parked ones just taken in hand */
	int		 had_trouble;	/* it may remember a dead host */
	char		 reason[512];	/* it can't work at all: said by it */
	int64_t		 idle_ms;	/* since; when njobs is 0 */
};

/* Somebody who waits in -q. */
struct waiter {
	int		 fd;		/* -1: free */
	char		 id[QUEUE_ID_MAX + 1];	/* "": all */
	uint64_t	 tick;
	size_t		 left;
	int		 is_watching;	/* is told what is said */
	int		 is_cut;	/* had no room for the latest of it */
	uint32_t	 uid;		/* 0 sees all, others their own */
};

struct desk {
	struct helpers	*branches;
	struct spool	 spool;
	struct conf	 conf;
	struct log	 log;
	struct aliases	 aliases;
	int		 has_aliases;	/* 0: could not be read */
	struct sender_relays	 senders;
	int		 has_senders;	/* 0: could not be read */
	struct stat	 conf_stat, aliases_stat, senders_stat;
	int		 has_tried_aliases, has_tried_senders;
	int		 wake;		/* datagram socket */
	uint64_t	 wake_ino;	/* of its name */
	int64_t		 scanned_ms;	/* last time that it worked */
	int64_t		 idle_ms;	/* since; 0: there is work */
	struct item	**items;	/* sorted by id */
	size_t		 nitems, citems, cursor, ngone;
	int		 must_scan;
	int		 has_trouble;	/* the last scan failed */
	int		 must_look;	/* something may be due */
	time_t		 look_at;	/* else not before */
	uint64_t	 tick;
	struct work	*works;
	unsigned	 nworks;
	struct lane	 lanes[LANES];
	struct ask	 asks[ASKS_MAX];
	struct batch	 batches[REQUESTS_MAX];
	uint32_t	 last_id;
	struct hop	*hops;
	struct waiter	 waiters[WAITERS_MAX];
	int		 is_crippled;	/* a local branch is gone */
	int		 is_full;	/* one had no room for a request */
	struct ipc	 ipc;		/* scratch: one record at a time */
};

/*
 * A due time that no back-off can have set is left by a clock that jumped:
 * it is due now.
 */
int	is_due(const struct conf *, time_t due, time_t now);

/* ---- status.c ---- */

/*
 * Stores what became of a recipient in this attempt, once; nothing is written.
 * where: host or program, for the log; NULL: this host.
 */
void	decide(struct work *, uint32_t rcpt, const struct result *,
	    const char *where);
/* The same for a host; is_passed_on: it will report a success itself. */
void	decide_remote(struct work *, uint32_t rcpt, const struct result *,
	    const char *host, int is_passed_on);
/* The same, in our words. */
void	decide_as(struct work *, uint32_t rcpt, enum status, const char *code,
	    const char *reason);
/*
 * Once in each turn of the loop: attempts, back-off, expiry, journal and log
 * of all that was decided; one write and one sync for each message.
 */
void	status_record(struct desk *);
/* Which waiters watch a message, as a set of bits; and a line for such. */
unsigned watchers_of(const struct desk *, const struct work *);
void	watchers_tell(struct desk *, unsigned set, const char *line);
void	watcher_mend(struct waiter *);	/* says where lines are left out */
/* Recipient i is replaced by those from before on, which are new. */
void	decide_expanded(struct work *, uint32_t rcpt, uint32_t before);
/* Reports what no report tells yet; as status_finish(). */
int	status_report(struct desk *, struct work *);
/* Ends a notice of delay that was begun: at load, before all else. */
void	status_warned(struct desk *, struct work *);
/* The work's attempt is over: bounces, removal or next time. 0 when it is
 * off the desk, -1 when it stays because something could not be written. */
int	status_finish(struct desk *, struct work *);

/* ---- handout.c ---- */

/* Takes a message in hand; 0, or -1 (the item says what is next). */
int	handout_load(struct desk *, struct item *);
/* Ends the questions that nobody answers, and those that nobody has;
 * milliseconds until the next is due, or -1. */
int64_t	handout_late(struct desk *);
/* Gives out what can be given out now. */
void	handout_all(struct desk *);
/* Reads an answer about a .forward. */
void	handout_forward(struct desk *, struct ask *);
void	work_free(struct desk *, struct work *);
/* A parked message is off its lane's list; NULL: it is not taken in hand. */
void	handout_unpark(struct desk *, struct item *, struct work *);

/* ---- batch.c ---- */

/* Not 0, and of no record that is under way. */
uint32_t batch_new_id(struct desk *);
/*
 * Sends d->ipc to a local branch with the child's end of a new channel; ours
 * (non-blocking) is in *channel.  1: the branch has not read what it was sent
 * before: to be tried again.  -1: it can not be asked, or is gone, and then
 * *sock is closed.
 */
int	batch_ask(struct desk *, int *sock, int *channel);
/* Gives a recipient, whose owner is known, to a child of the deliver branch,
 * or lets it wait. */
void	batch_give(struct desk *, struct work *, uint32_t rcpt);
/* Answers the children, when what they told is durable. */
void	batch_go(struct desk *);
/* Reads what the children and the branch say. */
void	batch_channel(struct desk *, struct batch *);
void	batch_output(struct desk *, struct batch *);
void	batch_ends(struct desk *);
/* Lets idle children go; milliseconds until the next is due, or -1. */
int64_t	batch_linger(struct desk *);
void	put_back(struct work *, uint32_t rcpt);

/* ---- hops.c ---- */

/* Gives the work's remote recipients to their hops, or parks the message. */
void	hops_give(struct desk *, struct work *);
/* Sends the hops what they have room for; starts their processes. */
void	hops_send(struct desk *);
/* Reads one record of a hop; its end defers what it has. */
void	hops_read(struct desk *, struct hop *);
/* Is there something to send that the socket did not take? */
int	hop_has_output(const struct hop *);
int	hop_has_room(const struct desk *, const struct hop *);
/* What the remote processes know is stale: a flush, another dma.conf. */
void	hops_renew(struct desk *);
/* Closes idle hops; milliseconds until the next is due, or -1. */
int64_t	hops_linger(struct desk *);

#endif
