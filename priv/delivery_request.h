/*
 * delivery_request.h - one delivery, and its way through a socket.
 */
#ifndef PRIV_DELIVERY_REQUEST_H
#define PRIV_DELIVERY_REQUEST_H

#include "lib/ipc.h"
#include "lib/result.h"
#include "conf.h"
#include "message.h"
#include "priv/user.h"

/* One delivery, as the child that makes it knows it. */
struct delivery {
	/* what is asked for */
	uint32_t	 id;		/* of its IPC messages */
	enum route_kind	 kind;
	enum origin	 origin;
	char		 name[ADDRESS_MAX + 1];	/* user, or alias asked for */
	struct list_entry entry;	/* of files and commands */
	/* the message */
	char		 queue_id[QUEUE_ID_MAX + 1];
	uint32_t	 rcpt;		/* index of the recipient there */
	char		 sender[ADDRESS_MAX + 1];
	char		 recipient[ADDRESS_MAX + 1];
	char		 original[ADDRESS_MAX + 1];
	time_t		 arrived;
	int64_t		 offset, length;	/* of the text in message */
	unsigned	 flags;		/* MESSAGE_*: of the text */
	struct checkpoint checkpoint;	/* of an earlier, interrupted attempt */
	int		 message;	/* regular file, read with pread */
	int		 channel;	/* to the runner, this delivery only */
	/* what the asked side knows by itself */
	const struct user *user;	/* who this process is */
	int		 aliases;	/* open alias file, or -1 */
	int		 no_command;	/* this user runs none: root, _dma */
	const struct conf *conf;
};

/*
 * IPC_DELIVER_REQUEST: all that is asked for.  Put lends the message, and the
 * channel follows it; get gives both, -1 where they did not come, and returns
 * 0, or -1 for a request that is out of shape or a message that is no file.
 */
void	delivery_request_put(struct ipc *, const struct delivery *);
int	delivery_request_get(struct ipc *, struct delivery *);
/* IPC_DELIVER_NEXT: the same from the queue id on, without a channel. */
void	delivery_next_put(struct ipc *, const struct delivery *);
int	delivery_next_get(struct ipc *, struct delivery *);
/* IPC_DELIVER_EXIT: the child of that request is reaped. */
void	delivery_exit_put(struct ipc *, uint32_t id, int wait_status,
	    int is_late);
int	delivery_exit_get(struct ipc *, int *wait_status, int *is_late);
/*
 * IPC_FORWARD_REQUEST: a user's .forward, or the lists of an alias.  Got as a
 * delivery of kind ROUTE_UNKNOWN with origin, name and channel.
 */
void	forward_request_put(struct ipc *, uint32_t id, enum origin,
	    const char *name);
int	forward_request_get(struct ipc *, struct delivery *);
/*
 * For struct include_source: a list from the rest of an IPC_FORWARD_REPLY,
 * which is lent and stays as it is, or from the fields of IPC_FORWARD_LIST.
 */
int	forward_list_get(void *ipc, const char *path, struct buf *text,
	    int *is_loose, struct result *);

#endif
