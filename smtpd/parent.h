/*
 * parent.h - the process that holds the sockets and starts generations.
 */
#ifndef SMTPD_PARENT_H
#define SMTPD_PARENT_H

#include "smtpd/conf.h"

struct parent_options {
	const struct smtpd_config *conf;	/* read at the start */
	unsigned	 given;		/* sockets, of init */
	const char	*file;
	int		 is_file_required;
	const struct conf_override *override;
	const struct log *log;
	/* Once children serve; also told what that process ends with. */
	void		(*ready)(void *arg);
	void		*arg;
};

/* Serves until it is told to end; the exit status of the process. */
int	parent_run(const struct parent_options *);

#endif
