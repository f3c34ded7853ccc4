/*
 * sender.h - who sends: -f, the environment, the caller, MASQUERADE.
 */
#ifndef SUBMIT_SENDER_H
#define SUBMIT_SENDER_H

#include "conf.h"
#include "conf/from_map.h"
#include "priv/caller.h"
#include "submit/options.h"

struct sender {
	char	address[ADDRESS_MAX + 1];	/* canonical; "" is <> */
	char	login[LOGIN_MAX + 1];	/* of the caller; "": not looked up */
	char	mapped_name[257];	/* of FROM_MAP; or "" */
	char	fullname[257];		/* for a From: that is added; or "" */
	char	ignored[64];		/* variables that are of no use */
};

/*
 * Finds the address; 0, or -1 with the reason why -f has none.  The caller is
 * looked up only if that matters.
 */
int	sender_find(struct sender *, const struct caller *,
	    const struct options *, const struct conf_names *,
	    const struct from_map *, const char **reason);
/* Lends the line of FROM_MAP for an address; NULL when there is none. */
const struct from_mapping *sender_map(const struct from_map *,
	    const struct conf_names *, const char *address);
/* Looks the caller up, if that was not done yet, for login and fullname. */
void	sender_find_login(struct sender *, const struct caller *,
	    const struct options *);

#endif
