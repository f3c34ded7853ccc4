/*
 * broker_link.h - a connection to a broker, with one open channel.
 */
#ifndef BROKER_LINK_H
#define BROKER_LINK_H

#include <stddef.h>

#include "smtpd/modules/broker_settings.h"
#include "smtpd/modules/rabbitmq.h"

#define BROKER_CHANNEL		1
#define BROKER_REASON_MAX	512

/*
 * Connects and logs in, within the connect timeout of the settings for each
 * step; name: of this program, which the broker shows.  NULL with the reason.
 */
amqp_connection_state_t broker_link_open(const struct broker_settings *,
	    const struct broker_address *, const char *name, char *reason,
	    size_t size);
/* Says goodbye if the connection is_good.  NULL is accepted. */
void	broker_link_close(amqp_connection_state_t, int is_good);
/* 0 if the call succeeded, else -1 with the reason. */
int	broker_link_check(amqp_rpc_reply_t, const char *what, char *reason,
	    size_t size);
/* The next frame, if it is there: 1, 0 if not, or -1 with the reason. */
int	broker_link_take(amqp_connection_state_t, amqp_frame_t *, char *reason,
	    size_t size);
/* What a broker said in a channel.close or connection.close. */
void	broker_link_describe(const amqp_method_t *, char *reason, size_t size);

#endif
