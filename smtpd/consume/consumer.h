/*
 * consumer.h - takes messages from a queue of RabbitMQ into sendmail.
 */
#ifndef SMTPD_CONSUME_CONSUMER_H
#define SMTPD_CONSUME_CONSUMER_H

#include "smtpd/consume/setup.h"

/*
 * Until the queue is empty, or SIGTERM or SIGINT with does_follow: an exit
 * status.
 */
int	consumer_run(const struct consumer_setup *);

#endif
