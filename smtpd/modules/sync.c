/*
 * sync.c - fsync(2) of several descriptors at once.
 * Runs as: the user of dma-smtpd, in threads of a child.  Uses: threads.
 * Promise: when sync_all() returns, each descriptor was synced, and has its
 * error.  Without threads the caller does all of it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "smtpd/modules/sync.h"

#define PARALLEL_MIN	4	/* items for which others are woken */

/* Takes items until none is left; called, and returns, with the lock. */
static void
take_items(struct sync_pool *pool)
{
	struct sync_item *item;

	while (pool->next < pool->n) {
		item = &pool->items[pool->next++];
		pthread_mutex_unlock(&pool->lock);
		item->error = fsync(item->fd) == -1 ? errno : 0;
		pthread_mutex_lock(&pool->lock);
		if (++pool->ndone == pool->n)
			pthread_cond_signal(&pool->done);
	}
}

static void *
help(void *arg)
{
	struct sync_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	while (!pool->is_ending) {
		take_items(pool);
		if (!pool->is_ending)
			pthread_cond_wait(&pool->wake, &pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

void
sync_pool_init(struct sync_pool *pool)
{
	memset(pool, 0, sizeof(*pool));
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	pthread_cond_init(&pool->done, NULL);
	pool->max_threads = SYNC_THREADS;
}

void
sync_pool_fini(struct sync_pool *pool)
{
	int i;

	pthread_mutex_lock(&pool->lock);
	pool->is_ending = 1;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_cond_destroy(&pool->done);
	pthread_mutex_destroy(&pool->lock);
}

/* Their signals are blocked, as those of the thread that calls. */
static void
begin_threads(struct sync_pool *pool)
{
	while (pool->nthreads < pool->max_threads) {
		if (pthread_create(&pool->threads[pool->nthreads], NULL, help,
		    pool) != 0)
			return;
		pool->nthreads++;
	}
}

void
sync_all(struct sync_pool *pool, struct sync_item *items, size_t n)
{
	if (n >= PARALLEL_MIN)
		begin_threads(pool);
	pthread_mutex_lock(&pool->lock);
	pool->items = items;
	pool->n = n;
	pool->next = pool->ndone = 0;
	if (n >= PARALLEL_MIN)
		pthread_cond_broadcast(&pool->wake);
	take_items(pool);
	while (pool->ndone < pool->n)
		pthread_cond_wait(&pool->done, &pool->lock);
	pool->items = NULL;
	pool->n = 0;
	pool->next = 0;
	pthread_mutex_unlock(&pool->lock);
}
