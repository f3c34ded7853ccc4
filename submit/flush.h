/*
 * flush.h - wakes the runner, and waits until it has tried what is queued.
 */
#ifndef SUBMIT_FLUSH_H
#define SUBMIT_FLUSH_H

#include "lib/log.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/options.h"
#include "submit/runner_link.h"

/* One that waits for delivery. */
struct flush {
	struct runner_link link;
	int		 done;		/* owned: announced, its pipe; or -1 */
	unsigned	 flags;		/* FLUSH_WATCH or none */
};

/* After a commit: has that message tried; "": whatever is due. */
void	flush_wake(const struct spool *, const struct log *, const char *id);
/* Owns nothing yet. */
void	flush_clear(struct flush *);
/* o: whether the dialogue is shown.  0, or -1 with errno. */
int	flush_init(struct flush *, const struct spool *, const struct caller *,
	    const struct options *);
void	flush_fini(struct flush *);
/*
 * Has delivery of a message attempted (id "": of all that the caller may flush)
 * and then returns the exit status.
 */
int	flush(struct flush *, const char *id);
/*
 * The same for one message, in two steps so that nothing of its first attempt
 * is missed.  Announce: before its commit.  Follow: after it.
 */
void	flush_announce(struct flush *, const char *id);
void	flush_follow(struct flush *, const char *id);
/*
 * All forms of -q; the exit status.  group: whose members may have all tried,
 * as root may; or NULL.
 */
int	flush_mode(const struct caller *, const struct options *,
	    const char *group, const struct spool *, const struct log *);

#endif
