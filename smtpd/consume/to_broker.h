/*
 * to_broker.h - publishes messages of the tree.
 */
#ifndef SMTPD_CONSUME_TO_BROKER_H
#define SMTPD_CONSUME_TO_BROKER_H

#include <sys/types.h>

#include <stdint.h>

#include "lib/log.h"
#include "smtpd/drain/message.h"
#include "smtpd/modules/broker_settings.h"
#include "smtpd/modules/rabbitmq.h"

struct to_broker {
	const struct broker_settings *settings;	/* lent */
	const struct log *log;		/* lent */
	amqp_connection_state_t link;	/* owned by this process; or NULL */
	pid_t		 pid;		/* that opened it */
	int64_t		 down_until_ms;	/* no broker confirms at present */
};

/* A message_taker, with a struct to_broker. */
int	to_broker_take(void *arg, const struct message_run *);
void	to_broker_close(struct to_broker *);

#endif
