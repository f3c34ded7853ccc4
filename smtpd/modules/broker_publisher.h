/*
 * broker_publisher.h - publishes with confirms, in a thread of its own.
 * The functions are called by one other thread, and do not block it.
 */
#ifndef BROKER_PUBLISHER_H
#define BROKER_PUBLISHER_H

#include <stddef.h>
#include <stdint.h>

#include "smtpd/modules/broker_settings.h"
#include "smtpd/modules/rabbitmq.h"

enum publication_status {
	PUBLICATION_QUEUED,
	PUBLICATION_CONFIRMED,
	PUBLICATION_RETURNED,	/* no queue takes this routing key */
	PUBLICATION_REFUSED,	/* a nack, or a broker that cannot take it */
	PUBLICATION_LOST	/* no broker confirmed it */
};

/* One message for one routing key; its owner keeps it until it is done. */
struct publication {
	amqp_bytes_t	 body, routing_key;	/* lent */
	amqp_bytes_t	 id;		/* unique in this process */
	amqp_table_t	 headers;	/* lent */
	void		*owner;
	_Atomic int	 is_abandoned;	/* nobody waits: do not try again */
	/* The publisher's until it is done. */
	struct publication *next;
	enum publication_status status;
	unsigned	 tries;		/* connections that it was sent on */
	unsigned	 nacks;
	int64_t		 due_ms;	/* to be sent again after one */
};

struct publisher_event {
	int		 is_connected;
	char		 text[512];	/* the broker, or the reason */
};

struct publisher;

/* NULL with errno.  The settings are lent. */
struct publisher *publisher_new(const struct broker_settings *,
	    const char *name);
/*
 * Ends the thread, for which it waits a few seconds; all publications are done
 * then.  0, or -1 when the thread is still there, and uses what it was lent.
 */
int	publisher_stop(struct publisher *);
/* After it was stopped. */
void	publisher_free(struct publisher *);
/* To be read; then publisher_done(). */
int	publisher_fd(const struct publisher *);
/*
 * Hands over a list of publications; -1 when there is no broker at present, and
 * nothing was taken.
 */
int	publisher_submit(struct publisher *, struct publication *);
/* Gives a list of those that are done. */
struct publication *publisher_done(struct publisher *);
/* The last event that was not asked for yet: 1, else 0. */
int	publisher_event(struct publisher *, struct publisher_event *);
/*
 * A publication was not confirmed in time: if none was lately, all under way
 * are lost, and the publisher connects anew.
 */
void	publisher_break(struct publisher *);

#endif
