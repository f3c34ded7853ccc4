/*
 * concurrency.h - how many connections a destination gets, what may follow on
 * one, and what the end of one means.  Pure: times are passed in.
 */
#ifndef NET_CONCURRENCY_H
#define NET_CONCURRENCY_H

#include <stdint.h>

#include "lib/smtp.h"

#define CONNECTIONS_MAX	256	/* whatever CONCURRENCY says */
#define SLOW_MS		1000	/* a transaction that takes longer holds
				 * nothing up */
#define DROPS_MAX	3	/* connections that may end on one message */

struct concurrency {
	unsigned	 configured;	/* CONCURRENCY */
	unsigned	 limit;		/* connections at most, for now */
	int64_t		 until_ms;	/* then that is forgotten */
	unsigned	 nlost;		/* connections in a row, no verdict */
	int64_t		 verdict_ms;	/* when the latest one came; 0: none */
	int64_t		 took_ms;	/* and how long it took */
};

/* The connections of a destination, and what waits for one. */
struct load {
	unsigned	 total;		/* closing ones, too */
	unsigned	 in_use;	/* what CONCURRENCY limits */
	unsigned	 ready;		/* of these, have got as far as MAIL */
	unsigned	 quick;		/* take mail, now or soon */
	unsigned	 waiting;	/* messages */
};

/* How a connection ended. */
struct loss {
	enum smtp_cause	 cause;
	int64_t		 begun_ms;	/* the connection was */
	unsigned	 nsettled;	/* transactions that had a verdict */
	int		 was_throttled;	/* by a reply: 421, 432, 4yz x.3.2 */
	int		 was_idle;	/* which hosts may end */
	int		 was_suspect;	/* it ended on a suspect */
};

enum host_state {
	HOST_GOOD,		/* nothing is known against it */
	HOST_CROWDED,		/* it takes no more connections now */
	HOST_DEAD		/* the next one is to be tried */
};

/* What becomes of a message whose transaction was cut off. */
enum retry {
	RETRY_FIRST,		/* another connection, at once */
	RETRY_LAST,		/* the same, after the others */
	RETRY_ALONE,		/* last, and nothing else on its connection */
	RETRY_NEVER		/* not in this attempt */
};

/* A transaction that ended with its connection. */
struct cut {
	int		 is_guilty;	/* the connection ended in it */
	int		 is_late;	/* the host said nothing for too long */
	int		 was_throttled;	/* by a reply: no fault of it */
	unsigned	 nsettled;	/* over the same connection */
};

void	concurrency_init(struct concurrency *, unsigned configured);
/* To be called before the others in each turn: what was learned expires. */
void	concurrency_tick(struct concurrency *, int64_t now_ms);
/* 1 when one connection more is allowed. */
int	concurrency_has_room(const struct concurrency *, const struct load *);
/* 1 when one connection more is wanted, too. */
int	concurrency_may_grow(const struct concurrency *, const struct load *);
/* 1 when an envelope may follow a text whose verdict is not known. */
int	concurrency_may_follow(const struct concurrency *);
/* 1 when a transaction that waits since then has waited for too long. */
int	concurrency_is_slow(int64_t since_ms, int64_t now_ms);
/* A verdict came, of a transaction that waited since then. */
void	concurrency_verdict(struct concurrency *, int64_t since_ms,
	    int64_t now_ms);
/* A connection ended.  nready: others that are ready. */
enum host_state concurrency_lost(struct concurrency *, const struct loss *,
	    unsigned nready, int64_t now_ms);
/* Counts in *drops the connections that ended on a message. */
enum retry concurrency_cut(unsigned *drops, const struct cut *);

#endif
