/*
 * bounce.h - reports: the statuses of recipients -> a new message from <>.
 */
#ifndef BOUNCE_H
#define BOUNCE_H

#include "conf.h"
#include "message.h"
#include "lib/result.h"
#include "spool.h"

/* Set in a bounce of a bounce: if that fails, it is kept in dead/. */
#define MESSAGE_DOUBLE_BOUNCE	0x40

enum bounced { BOUNCED, BOUNCE_LATER, BOUNCE_IMPOSSIBLE };

/*
 * Commits the report of all recipients of m that are owed one, under the id
 * that m's journal planned for it; finding it there already is success.  It
 * goes to the sender, or for <> to postmaster; the failure of such a one is
 * BOUNCE_IMPOSSIBLE.  BOUNCE_LATER comes with a reason.
 * is_delay: the notice of delay instead, under warn_id.
 */
enum bounced bounce_commit(const struct conf *, const struct spool *,
	    const struct message *m, int is_delay, time_t now,
	    struct result *);
/* 1 when there is a delay to report, and a sender who wants that. */
int	bounce_has_delay(const struct message *m);

#endif
