/*
 * delivery_request.h - what a delivery is told of its message, in a record.
 */
#ifndef LETTER_H
#define LETTER_H

#include "lib/ipc.h"
#include "conf.h"
#include "message.h"
#include "priv/user.h"

/* One delivery, as the child that makes it knows it. */
struct delivery {
	uint32_t	 id;		/* of its records */
	enum route_kind	 kind;
	enum origin	 origin;
	const struct user *user;	/* who this process is */
	char		 name[ADDRESS_MAX + 1];	/* user, or alias asked for */
	uint32_t	 entry;
	uint64_t	 digest;
	char		 queue_id[QUEUE_ID_MAX + 1];
	uint32_t	 rcpt;		/* index of the recipient there */
	char		 sender[ADDRESS_MAX + 1];
	char		 recipient[ADDRESS_MAX + 1];
	char		 original[ADDRESS_MAX + 1];
	time_t		 arrived;
	int64_t		 offset, length;	/* of the text in message */
	struct checkpoint checkpoint;	/* of an earlier, interrupted attempt */
	int		 message;	/* regular file, read with pread */
	int		 channel;	/* to the runner, this delivery only */
	int		 aliases;	/* open alias file, or -1 */
	int		 no_command;	/* this user runs none: root, _dma */
	const struct conf *conf;
};

/*
 * Takes what IPC_DELIVER_REQUEST and IPC_DELIVER_NEXT have in common, from the
 * queue id on, and descriptor 0, which is then the delivery's; 0, or -1 when
 * it is not a record of that shape.
 */
int	delivery_request_get(struct ipc *, struct delivery *);

#endif
