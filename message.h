/*
 * message.h - a queued message and its recipients.
 * What the folders hand to each other.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/addr.h"
#include "lib/dsn.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mail.h"
#include "lib/result.h"

#define DMA_VERSION	"0.2-dev"

/* Bounds that several rooms share; every buffer for such a text has + 1. */
#define LOGIN_MAX	255	/* bytes of a user name */
#define QUEUE_ID_MAX	24	/* bytes of a queue id, [0-9a-z] only */
#define TARGET_MAX	1024	/* bytes of one alias or .forward target */
#define RECIPIENTS_MAX	1000000	/* of one message */
#define DEPTH_MAX	10	/* expansions of one recipient */
#define RECEIVED_MAX	50	/* Received and Delivered-To lines */

/* What is asked of the user database; see priv/user.h. */
struct names_users {
	/* 1 when there is such a user, 0, -1 when it cannot be told now. */
	int	(*exists)(const char *name);
	/* 1 when both names are one user's, or no user's and differ in case
	 * alone; -1 when it cannot be told now. */
	int	(*is_same)(const char *, const char *);
};

/* How a recipient is reached. */
enum route_kind {
	ROUTE_UNKNOWN,		/* not looked at yet */
	ROUTE_MAILBOX,		/* the mailbox of a local user */
	ROUTE_FILE,		/* a file named in a .forward or in aliases */
	ROUTE_PIPE,		/* a command named in one of them */
	ROUTE_REMOTE		/* by SMTP */
};

/* Which list a recipient was written in. */
enum origin {
	ORIGIN_CALLER,		/* command line or header */
	ORIGIN_ALIASES,
	ORIGIN_FORWARD
};

/* What a report says of a recipient (RFC 3464 2.3.3). */
enum action {
	ACTION_NONE,		/* none */
	ACTION_FAILED,
	ACTION_DELAYED,
	ACTION_DELIVERED,
	ACTION_RELAYED,		/* to a host that reports nothing itself */
	ACTION_EXPANDED
};

enum rcpt_state {
	RCPT_OPEN,		/* still to be delivered */
	RCPT_EXPANDED,		/* replaced by others (its children) */
	RCPT_SENT,
	RCPT_FAILED		/* permanently */
};

/* Where an append to a mailbox began; see local.c on exactly-once. */
struct checkpoint {
	uint64_t	 dev, ino;
	int64_t		 length;	/* bytes before the append; -1: none */
};

/* Which target of a list: what was written there is known by its digest. */
struct list_entry {
	uint32_t	 index;
	uint64_t	 digest;	/* text_digest() */
};

struct recipient {
	enum rcpt_state	 state;
	enum route_kind	 kind;
	enum origin	 origin;
	int		 is_final;	/* no more expansion */
	enum action	 action;	/* of which a report is owed */
	int		 is_reported;	/* in a committed report */
	unsigned	 notify;	/* NOTIFY_* */
	char		*orcpt;		/* owned: "type;address" as the caller
				 * named it; NULL: by its address */
	char		*sender;	/* owned: the owner of the mailing list
				 * that it is of; NULL: the message's */
	uint32_t	 parent;	/* what it came from; itself: none */
	uint32_t	 nchildren;	/* that came from it */
	unsigned	 depth;		/* expansions so far */
	char		*address;	/* owned: or path, or command */
	char		*owner;		/* owned: whose list; or NULL */
	struct list_entry entry;	/* of that list */
	unsigned	 attempts;
	time_t		 due;		/* next attempt, wall clock */
	time_t		 tried;		/* latest attempt; 0: before it was
					 * read from its file */
	struct checkpoint checkpoint;
	struct result	 last;		/* of the latest attempt */
};

/* The text of a message: where it is in the file, and what it is like. */
struct message_text {
	int64_t		 offset, length, lines;
	unsigned	 flags;		/* MESSAGE_* */
	unsigned	 hops;		/* Received and Delivered-To lines */
	uint64_t	 sum;		/* its checksum; 0: of version 0.1 */
};

/* The reports of a message: of failures and successes, and of delay. */
struct message_reports {
	uint32_t	 owed;		/* in no report yet, on load */
	char		 bounce_id[QUEUE_ID_MAX + 1];	/* under way */
	uint32_t	 bounce_of;	/* it is for the sender of this
				 * recipient, who is reported last */
	char		 warn_id[QUEUE_ID_MAX + 1];	/* notice of delay */
	int		 is_warned;	/* that notice is committed */
};

/* Finds the recipients that mean the same; see route.c. */
struct message_index {
	struct hash_key	 key;
	uint32_t	*slots;		/* owned: of the recipients */
	uint32_t	 nslots, nindexed;
};

struct message {
	char		 id[QUEUE_ID_MAX + 1];
	int		 fd;		/* owned: the queue file; or -1 */
	uint32_t	 submitter;	/* real uid of the caller */
	time_t		 arrived;
	char		 sender[ADDRESS_MAX + 1];	/* "" is <> */
	enum ret	 ret;
	char		 envid[ENVID_MAX + 1];	/* "": none */
	struct message_text text;
	int64_t		 journal;	/* bytes of it in the file */
	int64_t		 tail;		/* after these: still to be synced; -1:
					 * what has to be cut off */
	uint32_t	 nsealed;	/* records that it had from the start */
	uint32_t	 nnoted;	/* recipients that are in it */
	struct recipient *rcpts;	/* owned */
	uint32_t	 nrcpts;
	size_t		 crcpts;
	struct message_index index;
	struct message_reports reports;
	int		 is_held;	/* no attempt until it is released */
};

void	message_init(struct message *);
void	message_fini(struct message *);
/* 1 when a text is a queue id. */
int	message_id_ok(const char *);
/* Adds a recipient (texts are copied) and lends it; NULL without memory. */
struct recipient *message_add(struct message *, const char *address);
/* The recipient that the submitter named, of which recipient i came.  Lent. */
const struct recipient *message_first(const struct message *, uint32_t i);
/*
 * The same, or the nearest one that the owner of a mailing list named: reports
 * about i go to whoever named it.  It is neither command nor file.  Lent.
 */
const struct recipient *message_named(const struct message *, uint32_t i);
/* The envelope sender of i, to which reports about it go.  Lent. */
const char *message_sender(const struct message *, uint32_t i);
/*
 * The address that i was delivered to: for a command or file, that of the
 * user or alias whose list names it, since the list is theirs alone.  Lent.
 */
const char *message_address(const struct message *, uint32_t i);
/*
 * 1 when the sender wants to hear of that (NOTIFY_*).  Without a NOTIFY of
 * theirs senders hear of failure and delay (RFC 3461 4.1).
 */
int	recipient_wants(const struct recipient *, unsigned what);
/* 1 when there is something to report that no report tells yet. */
int	recipient_is_owed(const struct recipient *);
/* The one line that says what came in, and from whom. */
void	message_log_queued(const struct message *, const struct log *);

#endif
