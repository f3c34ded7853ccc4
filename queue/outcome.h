/*
 * outcome.h - the result for a message, as the caller of a command gets it.
 * Functions over an active message whose attempt is over.
 */
#ifndef QUEUE_OUTCOME_H
#define QUEUE_OUTCOME_H

#include "queue/decide.h"

/* Adds "ok sent", "ok deferred" or "ok failed": the worst of its recipients. */
void	outcome_of_retry(const struct active_message *, struct buf *);

/*
 * The same for a removal: "ok", or "late" if a recipient was delivered after
 * the command; and the recipients that have the message.
 */
void	outcome_of_removal(const struct active_message *, struct buf *);

#endif
