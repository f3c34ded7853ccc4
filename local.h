/*
 * local.h - what is done as the user: .forward, mailbox, file, pipe.
 * The bodies are called by priv.c in a process of their own that has become
 * the user for good, and whose exit status they return: 0 when all was told
 * over the channel, 1 when nobody was there to be told (the mark settles what
 * was written).  A command takes the process over; where it can not be started
 * after REC_DELIVER_OUTPUT, the status is 126 or 127 as a shell has it.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "conf.h"
#include "dma.h"

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
	struct mark	 mark;		/* of an earlier, interrupted attempt */
	int		 message;	/* regular file, read with pread */
	int		 channel;	/* to the runner, this delivery only */
	int		 aliases;	/* open alias file, or -1 */
	int		 no_command;	/* this user runs none: root, _dma */
	const struct conf *conf;
};

int	local_forward(const struct user *, int channel);
/* Reads the lists of that alias; lends the alias file, open, or -1. */
int	local_lists(const struct user *, const char *alias, int aliases,
	    int channel);
int	local_deliver(struct delivery *);
/* 1 when commands and files of this user's .forward are for use, 0 when not,
 * -1 with errno when that can't be told now. */
int	local_may_run(const struct conf *, const struct user *);

#endif
