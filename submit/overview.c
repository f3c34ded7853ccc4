/*
 * overview.c - how the mail of this host is doing: the queue and its runner.
 * Runs as: the spool user.  Uses: the queue and the runner by other modules.
 * Promise: changes nothing, and starts nothing.
 */
#include <string.h>

#include "submit/overview.h"

static void
put_relays(struct overview *o, const struct relays *relays)
{
	struct buf b;

	buf_init(&b, 0);
	relays_put(relays, &b);
	tally_copy(o->relays, sizeof(o->relays), buf_str(&b));
	buf_fini(&b);
}

int
overview_read(struct overview *o, const struct conf *conf,
    const struct spool *sp, const struct caller *c)
{
	memset(o, 0, sizeof(*o));
	o->spool = sp->path;
	o->is_defer = conf->retry.is_defer;
	put_relays(o, &conf->relays);
	if (queue_summary_read(&o->queue, sp, c,
	    conf->limits.mailq_group) == -1)
		return -1;
	o->now = time(NULL);
	runner_state_ask(&o->runner, sp, c);
	if (o->queue.sees_all) {
		o->dead = spool_count(sp, "dead");
		o->corrupt = spool_count(sp, "corrupt");
	}
	return 0;
}

int
overview_is_stuck(const struct overview *o)
{
	return (o->runner.presence == RUNNER_ABSENT ||
	    o->runner.trouble[0] != '\0') && !o->is_defer &&
	    o->queue.due_since != 0 &&
	    o->now - o->queue.due_since > OVERVIEW_DUE_S;
}
