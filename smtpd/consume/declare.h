/*
 * declare.h - makes the exchange and the queues that messages go through.
 */
#ifndef SMTPD_CONSUME_DECLARE_H
#define SMTPD_CONSUME_DECLARE_H

#include <stddef.h>

#include "smtpd/consume/setup.h"
#include "smtpd/modules/rabbitmq.h"

/*
 * The durable topic exchange of the settings, the quorum queue that it sends
 * all to, and the one of dead messages: 0, also where they are there, or -1
 * with the reason.
 */
int	declare_all(amqp_connection_state_t, const struct consumer_setup *,
	    char *reason, size_t size);

#endif
