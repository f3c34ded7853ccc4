/*
 * reload.h - the configuration, read anew.
 */
#ifndef SMTPD_RELOAD_H
#define SMTPD_RELOAD_H

#include "smtpd/conf.h"

/* As at the start. */
struct reload {
	const struct smtpd_config *first;	/* lent: what was read then */
	const char	*file;		/* lent */
	int		 is_file_required;
	const struct conf_override *override;	/* lent */
	int		 is_listening_given;	/* init passed the sockets */
};

/*
 * The configuration as it is now: owned; or NULL after errors were reported.
 * What only a restart can change is reported.
 */
struct smtpd_config *reload_read(const struct reload *, const struct log *);
void	reload_free(struct smtpd_config *);

#endif
