/*
 * tree.h - the tree of minutes: finds what is closed, and drains it.
 */
#ifndef SMTPD_DRAIN_TREE_H
#define SMTPD_DRAIN_TREE_H

#include <sys/types.h>

#include <time.h>

#include "lib/log.h"
#include "smtpd/drain/message.h"

#define TREE_JOBS_MAX	256

struct tree {
	struct log	 log;
	const char	*path;		/* lent */
	const char	*sendmail;	/* lent: the program */
	message_taker	*take;		/* in place of it, or NULL */
	void		*arg;		/* lent: of take */
	int		 jobs;		/* messages at once */
	int		 root;		/* owned */
	uid_t		 owner;
	int		 is_ending;	/* SIGTERM or SIGINT came */
};

/* 1 when text is the name of a minute, with the time that it began. */
int	tree_minute(const char *text, time_t *began);
/* 0, or -1 after it was said on stderr. */
int	tree_open(struct tree *);
void	tree_close(struct tree *);
#define TREE_CLOSED_S	120	/* after its beginning a minute is closed */
/*
 * Drains the minutes that are closed and began after since, -1 for all: 0 when
 * nothing of them remains, 1 when something does, which was logged.  Ends early
 * with 1 after SIGTERM or SIGINT; the caller has blocked these, and SIGCHLD,
 * which it catches.  does_wait: for minutes that another process drains; else
 * those are passed over.
 */
int	tree_drain(struct tree *, time_t now, time_t since, int does_wait);
/* SIGTERM or SIGINT came, or is pending. */
int	tree_is_ending(const struct tree *);

#endif
