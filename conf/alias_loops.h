/*
 * alias_loops.h - aliases that lead back to themselves.
 */
#ifndef CONF_ALIAS_LOOPS_H
#define CONF_ALIAS_LOOPS_H

#include "aliases.h"
#include "conf.h"

/*
 * Reports each alias that is reached again from itself, with the line of the
 * one that leads back to it: mail for it is returned.  A user's name ends the
 * way in the mailbox (aliases(5): "bob: bob, ann"), as does one of which it
 * cannot be told now whether it is a user's; with NULLCLIENT, every name ends
 * at another host.  Returns their number, or -1 without memory.
 */
int	alias_loops(const struct aliases *, const struct conf *,
	    const struct names_users *, const struct report *);

#endif
