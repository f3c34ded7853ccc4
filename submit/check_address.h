/*
 * check_address.h - dma check --to, sendmail -bv: the way of an address.
 */
#ifndef SUBMIT_CHECK_ADDRESS_H
#define SUBMIT_CHECK_ADDRESS_H

#include "conf.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/check_findings.h"
#include "submit/options.h"

struct check_address {
	struct findings	*findings;	/* lent, as all of these */
	const struct caller *caller;
	const struct options *options;
	const struct conf *conf;
	const struct spool *spool;	/* NULL: no .forward is looked at */
	int		 connects;	/* the next hops are tried, too */
	int		 is_brief;	/* only where it ends */
};

/*
 * Prints where mail of this caller for these addresses goes, as far as is known
 * before a delivery: 0, or the status that a submission to the first one that
 * is not deliverable would have.  Only root sees the targets of aliases, and
 * only root and its owner those of a .forward.
 */
int	check_address(const struct check_address *, char *const *texts, int n);

#endif
