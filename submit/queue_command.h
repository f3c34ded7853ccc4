/*
 * queue_command.h - dma queue: what root and users do with queued messages.
 */
#ifndef SUBMIT_QUEUE_COMMAND_H
#define SUBMIT_QUEUE_COMMAND_H

#include "conf.h"
#include "lib/log.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/options.h"

/* The exit status. */
int	queue_command(const struct caller *, const struct options *,
	    const struct conf *, const struct spool *, const struct log *);

#endif
