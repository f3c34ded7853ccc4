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

/* Those of one thread, of so many that there are. */
static void
sync_share(struct sync_pool *pool, size_t first, size_t stride)
{
	struct sync_item *item;

	for (; first < pool->n; first += stride) {
		item = &pool->items[first];
		item->error = fsync(item->fd) == -1 ? errno : 0;
	}
}

static void
await(sem_t *sem)
{
	while (sem_wait(sem) == -1 && errno == EINTR)
		;
}

static void *
help(void *arg)
{
	struct sync_helper *h = arg;
	struct sync_pool *pool = h->pool;

	for (;;) {
		await(&h->go);
		if (pool->is_ending)
			return NULL;
		sync_share(pool, h->share, pool->nshares);
		if (atomic_fetch_sub(&pool->nbusy, 1) == 1)
			sem_post(&pool->done);
	}
}

void
sync_pool_init(struct sync_pool *pool)
{
	memset(pool, 0, sizeof(*pool));
	sem_init(&pool->done, 0, 0);
	pool->max_threads = SYNC_THREADS;
}

void
sync_pool_fini(struct sync_pool *pool)
{
	size_t i;

	pool->is_ending = 1;
	for (i = 0; i < pool->nthreads; i++)
		sem_post(&pool->helpers[i].go);
	for (i = 0; i < pool->nthreads; i++) {
		pthread_join(pool->helpers[i].thread, NULL);
		sem_destroy(&pool->helpers[i].go);
	}
	sem_destroy(&pool->done);
}

/* Their signals are blocked, as those of the thread that calls. */
static void
begin_threads(struct sync_pool *pool, size_t n)
{
	struct sync_helper *h;

	while (pool->nthreads < pool->max_threads && pool->nthreads < n) {
		h = &pool->helpers[pool->nthreads];
		h->pool = pool;
		h->share = pool->nthreads + 1;
		if (sem_init(&h->go, 0, 0) == -1)
			return;
		if (pthread_create(&h->thread, NULL, help, h) != 0) {
			sem_destroy(&h->go);
			return;
		}
		pool->nthreads++;
	}
}

void
sync_all(struct sync_pool *pool, struct sync_item *items, size_t n)
{
	size_t i, nhelpers = 0;

	if (n >= PARALLEL_MIN) {
		begin_threads(pool, n - 1);
		nhelpers = pool->nthreads < n - 1 ? pool->nthreads : n - 1;
	}
	pool->items = items;
	pool->n = n;
	pool->nshares = nhelpers + 1;
	atomic_store(&pool->nbusy, nhelpers);
	for (i = 0; i < nhelpers; i++)
		sem_post(&pool->helpers[i].go);
	sync_share(pool, 0, pool->nshares);
	if (nhelpers > 0)
		await(&pool->done);
	pool->items = NULL;
	pool->n = 0;
}
