/*
 * t_queue.h - messages in a spool, for the unit tests of what reads them.
 */
#ifndef TESTS_UNIT_T_QUEUE_H
#define TESTS_UNIT_T_QUEUE_H

#include "conf.h"
#include "spool.h"
#include "tests/unit/t.h"

/* From sender, an hour before now_s, to the recipients up to NULL. */
void	t_message(struct message *, const char *sender, int64_t now_s, ...);
/* Puts it into the queue under id. */
void	t_commit(struct spool *, const char *id, const struct message *,
	    const void *text, size_t len);
/* Names in a folder of the spool below top; 0 when there is no folder. */
int	t_count(const char *top, const char *folder);

/* A spool below a directory of its own, with the aliases in it. */
struct t_spool {
	char		 dir[64];
	struct spool	 sp;
	struct conf	 conf;
};

/* conf: the lines of dma.conf. */
void	t_spool_init(struct t_spool *, const char *conf);
void	t_spool_fini(struct t_spool *);

/* A spool with the wake socket of a runner, whose part the test plays. */
struct t_wake {
	char		 dir[64];
	struct spool	 sp;
	int		 wake;
};

void	t_wake_init(struct t_wake *);
void	t_wake_fini(struct t_wake *);

#endif
