/*
 * verify.c - sendmail -bv: how addresses would be delivered.
 * Runs as: the spool user.  Uses: standard output.
 * Promise: nothing is sent, and standard input is not read.
 */
#include <sysexits.h>

#include "lib/log.h"
#include "submit/check_address.h"
#include "submit/verify.h"

int
verify_mode(const struct caller *caller, const struct options *o,
    const struct conf *conf, const struct spool *sp)
{
	struct findings f = { .form = FINDINGS_SENDMAIL };
	const struct check_address of = { .findings = &f, .caller = caller,
	    .options = o, .conf = conf, .spool = sp,
	    .is_brief = !o->is_watched };

	if (o->take_recipients) {
		log_stderr("-bv: takes addresses as arguments, not from a "
		    "message (-t)");
		return EX_USAGE;
	}
	if (o->nrcpts == 0) {
		log_stderr("-bv: no addresses: give them as arguments");
		return EX_USAGE;
	}
	return check_address(&of, o->rcpts, o->nrcpts);
}
