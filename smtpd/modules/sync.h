/*
 * sync.h - fsync(2) of several descriptors at once.
 * Syncs that run at the same time share a commit of the file system's journal;
 * one after the other, each has its own.
 */
#ifndef SMTPD_MODULES_SYNC_H
#define SMTPD_MODULES_SYNC_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>

#define SYNC_THREADS	15	/* that help the caller */

struct sync_item {
	int	 fd;		/* lent */
	int	 error;		/* errno of its sync, or 0 */
};

struct sync_pool;

struct sync_helper {
	struct sync_pool *pool;	/* lent */
	pthread_t	 thread;
	sem_t		 go;
	size_t		 share;	/* which one is its */
};

/* Written by the thread that calls, while no helper is busy. */
struct sync_pool {
	struct sync_helper helpers[SYNC_THREADS];
	size_t		 nthreads;	/* that run */
	size_t		 max_threads;	/* begun when they are needed */
	struct sync_item *items;	/* lent: under way */
	size_t		 n, nshares;
	atomic_size_t	 nbusy;		/* helpers */
	sem_t		 done;		/* none is */
	int		 is_ending;
};

void	sync_pool_init(struct sync_pool *);
/* No sync is under way. */
void	sync_pool_fini(struct sync_pool *);
/* Syncs all; called by one thread at a time. */
void	sync_all(struct sync_pool *, struct sync_item *, size_t n);

#endif
