/*
 * message.h - one message of the tree: to sendmail, and away.
 */
#ifndef SMTPD_DRAIN_MESSAGE_H
#define SMTPD_DRAIN_MESSAGE_H

#include <sys/types.h>

#include <stdint.h>

#include "lib/log.h"
#include "smtpd/drain/tree_lines.h"

/* A new copy with fewer recipients has such a name until it replaces one. */
#define MESSAGE_TEMP	".dma-drain-"

/* A message for some of its recipients, all lent. */
struct message_run {
	const char	*domain;
	const char	*head;		/* the first bytes: see tree_lines.h */
	const struct tree_lines *lines;
	const struct tree_recipient *const *recipients;
	size_t		 n;
	int		 file;		/* all of it, with the lines */
	uint64_t	 size;
};

/* Takes responsibility for it: 0, or -1 after the reason was logged. */
typedef int message_taker(void *arg, const struct message_run *);

struct message_place {
	const struct log *log;		/* lent */
	const char	*sendmail;	/* lent: the program */
	message_taker	*take;		/* in place of it, or NULL */
	void		*arg;		/* lent: of take */
	int		 root;		/* lent: the tree, for files without a
					 * name */
	uid_t		 owner;		/* of the tree */
	const char	*minute;	/* lent, as is the rest */
	const char	*domain;
	int		 directory;	/* of the domain */
};

/*
 * Hands a file to sendmail and removes its name: 0; -1 when it is still there,
 * after that was said on stderr.
 */
int	message_drain(const struct message_place *, const char *name);

#endif
