/*
 * deliver_remote.h - remote deliveries: destinations and their dma-remote.
 */
#ifndef QUEUE_DELIVER_REMOTE_H
#define QUEUE_DELIVER_REMOTE_H

#include "priv/records.h"
#include "queue/active.h"

#define PROCESSES_MAX	24	/* of dma-remote */

enum cancel_state {
	CANCEL_NOT,
	CANCEL_WANTED,
	CANCEL_SENT		/* IPC_REMOTE_CANCEL is */
};

/* The recipients of one message for one destination. */
struct remote_request {
	struct remote_request *next;
	uint32_t	 id;		/* of its IPC messages */
	struct active_message *a;
	uint32_t	 n, left;	/* left: not decided yet */
	uint32_t	 sent;		/* recipients sent so far */
	int		 is_sent;	/* IPC_REMOTE_MESSAGE is */
	int		 is_watched;	/* somebody did, when it was sent */
	enum cancel_state cancel;
	struct share	*share;		/* lent: of the submitter here */
	uint64_t	 turn;		/* requests go by it */
	uint32_t	 rcpts[];	/* indexes into the message */
};

/* A next hop: the relays of dma.conf, a domain, or the relays of a sender. */
struct destination {
	struct destination *next;
	enum destination_kind kind;
	char		 name[SENDER_RELAYS_MAX + 1];
	char		 user[SENDER_USER_MAX + 1];	/* of auth.conf */
	int		 sock;		/* owned: of dma-remote; -1: none */
	int		 is_full;	/* the socket did not take all */
	struct remote_request *requests;	/* owned, by turn */
	unsigned	 window;	/* how many its process may have */
	uint64_t	 turn;		/* of the latest that was the first */
	uint64_t	 key;		/* of its backoff */
	int		 is_stale;	/* dma-remote may remember dead hosts */
	char		 reason[512];	/* that nothing can be sent, from it */
	int64_t		 idle_ms;	/* without requests since */
	int64_t		 moved_ms;	/* the latest that its process sent */
	int		 is_waiting;	/* for a process */
};

/* All zero but active at the beginning. */
struct destinations {
	struct active	*active;	/* lent */
	struct destination *list;	/* owned */
	uint32_t	 last_id;
};

/* Gives a message's remote recipients to their destinations, or postpones
 * the message. */
void	destinations_give(struct destinations *, struct active_message *);
/*
 * Requests for a message that was not sent to dma-remote yet are withdrawn; if
 * it is to be removed, others are cancelled.
 */
void	destinations_withdraw(struct destinations *, struct active_message *);
/* Starts dma-remote where it is needed, and sends what it has room for. */
void	destinations_send(struct destinations *);
/*
 * Where destinations wait for a process, those that were silent for long are
 * asked to defer what they have not begun; milliseconds until the next is due,
 * or -1.
 */
int64_t	destinations_yield(struct destinations *);
/* Reads what a dma-remote sent; its end defers what it has. */
void	destination_read(struct destinations *, struct destination *);
/* What they know of hosts is stale: a flush, another dma.conf. */
void	destinations_renew(struct destinations *, time_t rest_s);
/* 1 while a dma-remote has a message. */
int	destinations_are_busy(const struct destinations *);
/*
 * Ends idle ones; milliseconds until the next is due, or -1.  0 if one ended:
 * the runner may have nothing more to wait for.
 */
int64_t	destinations_linger(struct destinations *);

#endif
