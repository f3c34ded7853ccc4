/*
 * setup.h - what the consumer is told.
 */
#ifndef SMTPD_CONSUME_SETUP_H
#define SMTPD_CONSUME_SETUP_H

#include "lib/log.h"
#include "smtpd/modules/broker_settings.h"

struct consumer_setup {
	const struct broker_settings *settings;	/* lent, as is the rest */
	const char	*queue, *dead;	/* dead: of messages that are no mail */
	const char	*sendmail;
	unsigned	 jobs;		/* of sendmail at once */
	int		 does_follow;	/* stays when the queue is empty */
	int		 does_declare;	/* makes exchange and queues first */
	const struct log *log;
};

#endif
