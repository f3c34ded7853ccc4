/*
 * bounce.h - reports: the statuses of recipients -> a new message from <>.
 */
#ifndef BOUNCE_H
#define BOUNCE_H

#include "conf.h"
#include "message.h"
#include "lib/result.h"
#include "spool.h"

enum bounced { BOUNCED, BOUNCE_LATER, BOUNCE_IMPOSSIBLE };

/*
 * Commits the report of all recipients of m that are owed one and have the
 * sender of recipient bounce_of, under the id that m's journal planned for it;
 * finding it there already is success.  It goes to that sender, or for <> to
 * postmaster; the failure of such a report is BOUNCE_IMPOSSIBLE.  BOUNCE_LATER
 * comes with a reason.
 * is_delay: the notice of delay instead, under warn_id.
 */
enum bounced bounce_commit(const struct conf *, const struct spool *,
	    const struct message *m, int is_delay, time_t now,
	    struct result *);

#endif
