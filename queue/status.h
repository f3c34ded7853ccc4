/*
 * status.h - records what was decided: sent, deferred, failed.
 */
#ifndef QUEUE_STATUS_H
#define QUEUE_STATUS_H

#include "queue/active.h"

/*
 * Once in each turn of the loop: attempts, back-off, expiry, journal and log
 * of all that was decided; one write for each message, and one sync where the
 * journal must not be lost.  When that fails again_ms is set, and the rest is
 * done later.
 */
void	status_record(struct active *);
/*
 * An active message is on hold from now on, or not any more, and that is
 * durable.  -1: it is as it was, and a->unwritten has the reason.
 */
int	status_hold(struct active_message *a, int is_held);
/* After loading: ends a notice of delay that a kill interrupted. */
void	status_warned(struct active *, struct active_message *);
/* Commits the report that is owed; as status_finish(). */
int	status_report(struct active *, struct active_message *);
/*
 * Once in each turn, before status_finish(): removes the messages that are to
 * be deleted and whose attempt is over, without a report, and with one sync for
 * all.  One that cannot be removed stays as if nobody had commanded that.
 */
void	status_delete(struct active *);
/*
 * The attempt is over: reports, removal or the next time.  0 when the entry
 * has its state, or will have it by status_sync_removed(); -1 when something
 * could not be written: to be repeated.
 */
int	status_finish(struct active *, struct active_message *);
/*
 * Once in each turn, after status_finish(): removals that nothing else records
 * are made durable, with one sync for all.
 */
void	status_sync_removed(struct active *);

#endif
