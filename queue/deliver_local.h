/*
 * deliver_local.h - local deliveries: the runner's side of the delivery helper.
 */
#ifndef QUEUE_DELIVER_LOCAL_H
#define QUEUE_DELIVER_LOCAL_H

#include "lib/buf.h"
#include "lib/result.h"
#include "queue/active.h"
#include "queue/helper_socket.h"
#include "queue/local_child.h"

/* Of the delivery helper.  Many, since commands may do nothing for long. */
#define CHILDREN_MAX	48

enum local_state {
	LOCAL_GIVEN,		/* the child has it */
	LOCAL_CHECKPOINT,	/* and waits until its checkpoint is durable */
	LOCAL_ACKNOWLEDGED	/* and may append */
};

/* A message that a child of the delivery helper has. */
struct local_request {
	uint32_t	 id;		/* of its IPC messages */
	enum local_state state;
	struct pending	 rcpt;
};

/* It serves one user or alias. */
struct local_child {
	enum child_state state;
	uint32_t	 id;		/* of its first request */
	char		 name[ADDRESS_MAX + 1];	/* user or alias */
	const struct active_message *first;	/* lent: that it is for */
	const struct submitter *submitter;	/* lent: of that one */
	int		 channel, output;	/* owned; or -1 */
	int		 is_cancelled;	/* it is to end */
	struct buf	 text;		/* the last of the command's output */
	struct result	 res;		/* that it sent last */
	struct local_request *requests;	/* owned, in the order given */
	size_t		 n, cap;
	int64_t		 born_ms;
	int64_t		 moved_ms;	/* its last sign of life */
};

struct local_helper {
	struct active	*active;	/* lent */
	struct helper_socket socket;
	struct local_child children[CHILDREN_MAX];
	uint32_t	 last_id;
};

/* Takes the socket. */
void	local_init(struct local_helper *, struct active *, int fd);
/*
 * Gives recipient i, whose owner is known, to a child, or lets it wait.  The
 * pass of the message has PASS_NO_CHILD when it can have no other now.
 */
void	local_give(struct local_helper *, struct active_message *, uint32_t i);
/*
 * A message is to be removed: a command that runs for it is ended, and a child
 * that has not begun to append it.  What has begun is completed.
 */
void	local_cancel(struct local_helper *, const struct active_message *);
/*
 * Answers checkpoints that are durable: after status_record().  Gives the
 * number of those that are not, which are decided.
 */
int	local_acknowledge(struct local_helper *);
/* Reads what a child sends: over its channel, or as output of a command. */
void	local_read_channel(struct local_helper *, struct local_child *);
void	local_read_output(struct local_child *);
/* Reads which children have ended. */
void	local_read_exits(struct local_helper *);
/* 1 while a child has a message. */
int	local_is_busy(const struct local_helper *);
/* Lets idle children go; milliseconds until the next is due, or -1. */
int64_t	local_linger(struct local_helper *);

#endif
