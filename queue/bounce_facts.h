/*
 * bounce_facts.h - what a report is about.
 */
#ifndef QUEUE_BOUNCE_FACTS_H
#define QUEUE_BOUNCE_FACTS_H

#include "conf.h"
#include "message.h"
#include "lib/buf.h"
#include "lib/result.h"

#define ADDRESS_SHOWN	900		/* bytes of an address in a line */

/* One report. */
struct bounce {
	const struct conf	*conf;
	const struct message	*m;
	const char		*sender;	/* whom it is for; "": nobody */
	const char		*id;	/* of the report */
	time_t			 now;
	int			 is_delay;	/* or a final status */
};

/* Without a sender, the report goes to the postmaster. */
int	bounce_is_orphan(const struct bounce *);
/* It goes to the owner of a mailing list, who did not send the message. */
int	bounce_is_for_owner(const struct bounce *);
/* The action reported for recipient i; or ACTION_NONE. */
enum action bounce_action(const struct bounce *, uint32_t i);
/* How many recipients are reported with that action. */
uint32_t bounce_count(const struct bounce *, enum action);
/* There is no reason to give. */
int	bounce_has_arrived(enum action);
int	bounce_has_reason(const struct result *);
/* 1 when there is a delay to report, and a sender who wants that. */
int	bounce_has_delay(const struct message *);
/* When the sender receives a notice of delay: once, by the stored time; 0. */
time_t	bounce_delay_at(const struct conf *, const struct message *);
/* When the message expires. */
time_t	bounce_expires(const struct bounce *);
void	bounce_put_date(struct buf *, const char *before, time_t,
	    const char *after);

#endif
