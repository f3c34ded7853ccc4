/*
 * sync.h - fsync(2) of several descriptors at once.
 * Syncs that run at the same time share a commit of the file system's journal;
 * one after the other, each has its own.
 */
#ifndef SMTPD_MODULES_SYNC_H
#define SMTPD_MODULES_SYNC_H

#include <pthread.h>
#include <stddef.h>

#define SYNC_THREADS	3	/* that help the caller */

struct sync_item {
	int	 fd;		/* lent */
	int	 error;		/* errno of its sync, or 0 */
};

struct sync_pool {
	pthread_mutex_t	 lock;
	pthread_cond_t	 wake, done;
	pthread_t	 threads[SYNC_THREADS];
	int		 nthreads;	/* that run */
	int		 max_threads;	/* begun when they are needed */
	struct sync_item *items;	/* lent: under way */
	size_t		 n, next, ndone;
	int		 is_ending;
};

void	sync_pool_init(struct sync_pool *);
/* No sync is under way. */
void	sync_pool_fini(struct sync_pool *);
/* Syncs all; called by one thread at a time. */
void	sync_all(struct sync_pool *, struct sync_item *, size_t n);

#endif
