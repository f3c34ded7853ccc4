/*
 * smtp_dialogue.h - SMTP on standard input and output: sendmail -bs.
 */
#ifndef SUBMIT_SMTP_DIALOGUE_H
#define SUBMIT_SMTP_DIALOGUE_H

#include "conf.h"
#include "priv/caller.h"
#include "spool.h"
#include "submit/options.h"

/*
 * Until QUIT or the end of standard input.  Each message is queued before the
 * reply that accepts it.  Gives the exit status.
 */
int	smtp_dialogue(const struct caller *, const struct options *,
	    const struct conf *, const struct spool *, const struct log *);

#endif
