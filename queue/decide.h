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
	STAGE_UNTIL_FLUSH,	/* DEFER: not tried before a flush */
	STAGE_DECIDED,		/* its result is known, and not yet recorded */
	STAGE_DONE		/* recorded */
};

/* How a message is to leave the queue before its time. */
enum removal {
	REMOVAL_NONE,
	REMOVAL_DELETE,		/* without a report */
	REMOVAL_BOUNCE		/* open recipients fail */
};

/* A recipient of an active message in this attempt. */
struct attempt {
	enum attempt_stage	 stage;
	enum action	 action;	/* of a report of success */
	int		 is_same;	/* the result is the last attempt's */
	int		 is_uncounted;	/* it was not tried: the spool was in
				 * the way, or its destination is */
	uint64_t	 waits_for;	/* key of that destination; or 0 */
	unsigned	 nlost;		/* children that ended without it */
	int		 was_busy;	/* when its removal was commanded */
	char		*where;		/* owned: host or program, for the log;
					 * NULL: this host */
};

#define PASS_NO_LOOKUP	0x01
#define PASS_NO_CHILD	0x02

/* How far the recipients of a message have been looked at. */
struct pass {
	uint32_t	 next;		/* goes on there */
	uint32_t	 barren;	/* of them in a row nothing came */
	unsigned	 full;		/* PASS_NO_*: for now it gets none */
};

/* What the notes of a message hold that is not in its journal yet. */
enum unsynced {
	UNSYNCED_NONE,		/* nothing, or what would be found again */
	UNSYNCED_PLAN,		/* a checkpoint or a report that is to come:
				 * nothing is done before it is durable */
	UNSYNCED_FACT,		/* what must not be lost any more */
	UNSYNCED_REMOVAL	/* such, and the file is removed: the sync of
				 * the directory is due */
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
	unsigned	 places;	/* of the active queue */
	struct pass	 pass;
	struct share	*share;		/* it counts for; or NULL */
	struct buf	 notes;		/* for the journal, not yet written */
	uint64_t	 waits_for;	/* of all recipients; or 0 */
	enum removal	 removal;
	int		 is_forced;	/* a flush: whatever is due */
	int		 is_partial;	/* some recipients are not tried */
	int		 is_checked;	/* its text is as it was committed */
	enum unsynced	 unsynced;
	struct result	 unwritten;	/* why the notes could not be written */
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
/* Its journal cannot be written, so nothing is begun: not an attempt. */
void	decide_unwritten(struct active_message *, uint32_t i);
/*
 * Its destination, of that key and name, cannot be reached for that reason and
 * is not tried before that time: not an attempt.
 */
void	decide_unreachable(struct active_message *, uint32_t i,
	    const struct result *, const char *where, uint64_t key,
	    time_t until);
/* The notes hold at least that. */
void	decide_unsynced(struct active_message *, enum unsynced);
/* Recipient i is replaced by those from before on, which are new. */
void	decide_expanded(struct active_message *, uint32_t i, uint32_t before);
/* Not in this attempt, which does not count. */
void	decide_not_now(struct active_message *, uint32_t i);
/* The same, for all recipients that nothing has been begun for. */
void	decide_stop(struct active_message *);
/* The message is to leave the queue. */
void	decide_removal(struct active_message *, enum removal);
/* A bounce: all that is open, and not under way, has failed. */
void	decide_returned(struct active_message *);
/* 1 when some recipients are open, whether tried in this attempt or not. */
int	decide_has_open(const struct active_message *);
/*
 * 1 when the attempt is over, and no destination has a request for it: what
 * remains is to finish it.
 */
int	decide_is_over(const struct active_message *);
/* As decide_not_now(), until others had their turn. */
void	decide_postponed(struct active_message *, uint32_t i);
/* Not by this runner, which has lost a helper; nor was a flush obeyed. */
void	decide_without_helper(struct active_message *, uint32_t i);
/* DEFER: not until a flush, which does not count as an attempt. */
void	decide_until_flush(struct active_message *, uint32_t i);
/*
 * 1 with the first from *i on that is decided and not recorded: it is taken
 * as recorded.  0: there is none.
 */
int	decide_next(struct active_message *, uint32_t *i);
/* action, if the sender wants a report of that success; else ACTION_NONE. */
enum action decide_action(const struct message *, uint32_t i, enum action);

#endif
