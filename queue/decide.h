/*
 * decide.h - an active message: what is next for each of its recipients.
 * What becomes of a recipient is stored here, without I/O; status.c records it.
 */
#ifndef QUEUE_DECIDE_H
#define QUEUE_DECIDE_H

#include "lib/buf.h"
#include "lib/result.h"
#include "message.h"

struct entry;
struct share;

enum attempt_stage {
	STAGE_NONE,		/* not to be tried now */
	STAGE_ROUTE,		/* to be routed */
	STAGE_LOOKUP,		/* pending: a lookup is under way */
	STAGE_LOCAL,		/* to be given to the delivery helper */
	STAGE_REMOTE,		/* to be given to a destination */
	STAGE_BUSY,		/* a helper or dma-remote has it */
	STAGE_HELD,		/* DEFER: waits for a flush */
	STAGE_DECIDED,		/* its result is known, and not yet recorded */
	STAGE_DONE		/* recorded */
};

/* A recipient of an active message in this attempt. */
struct attempt {
	enum attempt_stage	 stage;
	enum action	 action;	/* of a report of success */
	int		 is_same;	/* the result is the last attempt's */
	unsigned	 nlost;		/* children that ended without it */
	char		*where;		/* owned: host or program, for the log;
					 * NULL: this host */
};

/* Owned by struct active. */
struct active_message {
	struct active_message *next;
	struct entry	*entry;		/* of the queue */
	struct message	 m;
	struct attempt	*attempts;	/* owned: one for each recipient */
	uint32_t	 nattempts;
	uint32_t	 open;		/* recipients not decided yet */
	uint32_t	 decided;	/* recipients not recorded yet */
	uint32_t	 requests;	/* of destinations, not over yet */
	struct share	*share;		/* it counts for; or NULL */
	struct buf	 notes;		/* for the journal, not yet written */
	int		 is_forced;	/* a flush: whatever is due */
	int		 is_partial;	/* some recipients are not tried */
	int		 needs_sync;	/* notes hold what must not be lost */
	int64_t		 again_ms;	/* a write failed: not before */
};

/* A recipient of an active message. */
struct pending {
	struct active_message *a;
	uint32_t	 i;
};

void	active_message_free(struct active_message *);
/* Room for recipients that were added: they are to be routed.  0 or -1. */
int	decide_grow(struct active_message *);
/*
 * Stores what became of recipient i in this attempt, once.
 * where: host or program, for the log; NULL: this host.
 */
void	decide(struct active_message *, uint32_t i, const struct result *,
	    const char *where);
/* The same for a host; is_passed_on: it will report a success itself. */
void	decide_remote(struct active_message *, uint32_t i,
	    const struct result *, const char *host, int is_passed_on);
/* The same, in our words. */
void	decide_as(struct active_message *, uint32_t i, enum status,
	    const char *code, const char *reason);
/* The same, deferred 4.3.0: something of this host is in trouble. */
void	decide_later(struct active_message *, uint32_t i, const char *reason);
/* Recipient i is replaced by those from before on, which are new. */
void	decide_expanded(struct active_message *, uint32_t i, uint32_t before);
/* Not in this attempt, which does not count. */
void	decide_not_now(struct active_message *, uint32_t i);
/* The same, until others had their turn. */
void	decide_postponed(struct active_message *, uint32_t i);
/* DEFER: not until a flush, which does not count as an attempt. */
void	decide_held(struct active_message *, uint32_t i);
/*
 * 1 with the first from *i on that is decided and not recorded: it is taken
 * as recorded.  0: there is none.
 */
int	decide_next(struct active_message *, uint32_t *i);
/* action, if the sender wants a report of that success; else ACTION_NONE. */
enum action decide_action(const struct message *, uint32_t i, enum action);

#endif
