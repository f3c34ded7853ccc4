/*
 * local.h - what is done as the user: .forward, mailbox, file, pipe.
 * The bodies are called by priv.c in a process of their own that has become
 * the user for good, and whose exit status they return: 0 when all was told
 * over the channel, 1 when nobody was there to be told (the mark settles what
 * was written).  A command takes the process over; where it can not be started
 * after IPC_DELIVER_OUTPUT, the status is 126 or 127 as a shell has it.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "conf.h"
#include "message.h"
#include "priv/delivery_request.h"

int	local_forward(const struct user *, int channel);
/* Reads the lists of that alias; lends the alias file, open, or -1. */
int	local_lists(const struct user *, const char *alias, int aliases,
	    int channel);
int	local_deliver(struct delivery *);
/* 1 when commands and files of this user's .forward are for use, 0 when not,
 * -1 with errno when that can't be told now. */
int	local_may_run(const struct conf *, const struct user *);

#endif
