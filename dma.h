/*
 * dma.h - the nouns: result, recipient, message, user.
 * What the rooms hand to each other.  Knows no room and no system.
 */
#ifndef DMA_H
#define DMA_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DMA_VERSION	"0.1"

/* Bounds that several rooms share; every buffer for such a text has + 1. */
#define ADDRESS_MAX	512	/* octets of an address or a sender */
#define LOGIN_MAX	32	/* octets of a user name */
#define QUEUE_ID_MAX	24	/* octets of a queue id, [0-9a-z] only */
#define WHY_MAX		4096	/* octets of a reply or reason that are kept */
#define ENVID_MAX	100	/* octets of an envelope id (RFC 3461 4.4) */
#define ORCPT_MAX	520	/* octets of "type;address" as it is kept */
#define TARGET_MAX	1024	/* octets of one alias or .forward target */
#define TARGETS_MAX	1000	/* targets of one alias or .forward file */
#define FORWARD_MAX	65536	/* octets of a .forward file */
#define DEPTH_MAX	10	/* expansions of one recipient */
#define RECEIVED_MAX	50	/* Received and Delivered-To lines */

/* What became of one recipient in one attempt. */
enum fate {
	FATE_NONE,		/* nothing yet */
	FATE_SENT,
	FATE_RETRY,		/* the default of every failure */
	FATE_FAILED		/* only by a permanent answer */
};

struct result {
	enum fate	 fate;
	char		 code[12];	/* enhanced status (RFC 3463) */
	char		*why;		/* owned: one line; or NULL */
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

/* When the sender wants to hear of a recipient (RFC 3461 4.1); 0: not said. */
#define NOTIFY_NEVER	0x01	/* alone */
#define NOTIFY_SUCCESS	0x02
#define NOTIFY_FAILURE	0x04
#define NOTIFY_DELAY	0x08

/* What a report of failure shall bring back (RFC 3461 4.3). */
enum ret {
	RET_UNSAID,
	RET_FULL,
	RET_HDRS
};

/* What a report says of a recipient (RFC 3464 2.3.3). */
enum action {
	ACTION_NONE,		/* there is nothing to tell */
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
struct mark {
	uint64_t	 dev, ino;
	int64_t		 length;	/* octets before the append; -1: none */
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
	uint32_t	 parent;	/* what it came from; itself: none */
	uint32_t	 nchildren;	/* that came from it */
	unsigned	 depth;		/* expansions so far */
	char		*address;	/* owned: or path, or command */
	char		*owner;		/* owned: whose list; or NULL */
	uint32_t	 entry;		/* index in that list */
	uint64_t	 digest;	/* text_digest() of that entry */
	unsigned	 attempts;
	time_t		 due;		/* next attempt, wall clock */
	time_t		 tried;		/* latest attempt; 0: before it was
					 * read from its file */
	struct mark	 mark;
	struct result	 last;		/* of the latest attempt */
};

/* Facts about the text of a message, found once at submission. */
#define MESSAGE_8BIT_BODY	0x01
#define MESSAGE_8BIT_HEADER	0x02
#define MESSAGE_HAS_NUL		0x04
#define MESSAGE_LONG_LINES	0x08	/* a line of more than 998 octets */
#define MESSAGE_HAS_CR		0x10	/* one that ends no line */
#define MESSAGE_UTF8_HEADER	0x20	/* its 8-bit text is UTF-8 */
#define MESSAGE_SAID_8BIT	0x80	/* the caller called it 8BITMIME */

struct message {
	char		 id[QUEUE_ID_MAX + 1];
	int		 fd;		/* owned: the queue file; or -1 */
	uint32_t	 submitter;	/* real uid of the caller */
	time_t		 arrived;
	char		 sender[ADDRESS_MAX + 1];	/* "" is <> */
	enum ret	 ret;
	char		 envid[ENVID_MAX + 1];	/* "": none */
	unsigned	 flags;		/* MESSAGE_* */
	unsigned	 hops;		/* Received and Delivered-To lines */
	int64_t		 offset, length, lines;	/* of the text in the file */
	int64_t		 journal;	/* octets of it in the file */
	uint32_t	 nnoted;	/* recipients that are in it */
	struct recipient *rcpts;	/* owned */
	uint32_t	 nrcpts, crcpts;
	uint32_t	*slots;		/* owned: index of rcpts; see route.c */
	uint32_t	 nslots, nindexed;
	uint32_t	 owed;		/* in no report yet, on load */
	char		 bounce_id[QUEUE_ID_MAX + 1]; /* report under way */
	char		 warn_id[QUEUE_ID_MAX + 1];	/* notice of delay */
	int		 is_warned;	/* that notice is committed */
};

/* A local user, looked up by the process that acts as them. */
struct user {
	char		 name[LOGIN_MAX + 1];
	uint32_t	 uid, gid;
	char		 home[1024];
	char		 shell[256];
};

#define TLSA_MAX	16	/* records of one host that are kept */

/*
 * Which certificates a host has, as signed DNS says (RFC 6698).  There may be
 * none that can be used (RFC 7672 2.2): TLS is owed all the same.
 */
struct tlsas {
	struct tlsa {
		uint8_t		 usage, selector, matching;
		uint16_t	 at, len;	/* in data */
	}		 list[TLSA_MAX];
	unsigned	 n;
	uint8_t		*data;		/* owned */
	char		 base[256];	/* the name that has them */
	unsigned	 users;
};

/* Where a parser or a check says what it found; never NULL-called. */
struct report {
	void	(*say)(void *arg, const char *file, unsigned line,
		    const char *text);
	void	*arg;
};

#endif
