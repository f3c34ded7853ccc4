/*
 * lookup.h - lookups: the .forward of a user, the lists of an alias.
 * The runner's side of the forward helper.
 */
#ifndef QUEUE_LOOKUP_H
#define QUEUE_LOOKUP_H

#include "lib/ipc.h"
#include "queue/active.h"
#include "queue/helper_socket.h"

#define LOOKUPS_MAX	64	/* under way */

enum lookup_state {
	LOOKUP_FREE,
	LOOKUP_GATHERING,	/* to be sent at the end of this turn */
	LOOKUP_SENT,		/* to be answered */
	LOOKUP_IDLE		/* answered; its child may be asked again */
};

/* One question, of all recipients that had it when it was sent. */
struct lookup {
	enum lookup_state state;
	enum origin	 origin;	/* whose name that is */
	char		 name[ADDRESS_MAX + 1];	/* user or alias */
	int		 channel;	/* owned; -1: no child */
	struct buf	 lists;		/* of an alias, as far as they came */
	int		 is_again;	/* its child had answered before */
	const struct active_message *first;	/* lent: that it is for */
	const struct submitter *submitter;	/* lent: of that one */
	struct pending	*pending;	/* owned */
	size_t		 n, cap;
	int64_t		 born_ms;	/* the child */
	int64_t		 moved_ms;	/* sent, or answered */
};

struct lookup_answer {
	uint32_t	 verdict;	/* FORWARD_* */
	const char	*text;
	size_t		 len;
	const struct ipc *rest;		/* for the lists of a .forward */
};

struct lookups {
	struct active	*active;	/* lent */
	struct helper_socket socket;
	uint32_t	 last_id;
	struct lookup	 list[LOOKUPS_MAX];
	/* Is given the answer for each pending recipient. */
	void		(*answered)(struct lookups *, const struct lookup *,
			    const struct pending *,
			    const struct lookup_answer *);
};

/* Takes the socket; answered is set by the caller. */
void	lookups_init(struct lookups *, struct active *, int fd);
/*
 * Recipient i is for that user or alias: it becomes pending, or stays to be
 * routed while there is no room, or is postponed.  The pass of the message
 * has PASS_NO_LOOKUP when it can have no other now.
 */
void	lookups_ask(struct lookups *, struct active_message *, uint32_t i,
	    enum origin, const char *name);
/* Recipients of a message that are pending are to be routed again. */
void	lookups_forget(struct lookups *, struct active_message *);
/* Sends what was gathered in this turn. */
void	lookups_send(struct lookups *);
/*
 * Has the forward child of a user reply over the channel of a caller, which is
 * lent; "", or the reason why not.
 */
const char *lookups_show(struct lookups *, uint32_t uid, const char *name,
	    int channel);
/* Reads an answer. */
void	lookup_read(struct lookups *, struct lookup *);
/*
 * Ends lookups without an answer, and those that nobody needs; milliseconds
 * until the next is due, or -1.
 */
int64_t	lookups_late(struct lookups *);

#endif
