/*
 * smtpd_sync_test.c - several descriptors are synced at once: each of them, and
 * each has its own error.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/t.h"

#define ITEMS_MAX	300

/* A disk that counts; descriptors are numbers of their own. */
static struct {
	atomic_int syncs[ITEMS_MAX];	/* of each descriptor */
	atomic_int inside;		/* that have not returned */
	atomic_int most_inside;
	int	 meet;			/* so many of the first wait for each
					 * other */
	atomic_int begun;
	pthread_t caller;
	int	 are_others_slow;	/* than the caller */
	int	 threads_left;		/* that can be begun */
} disk;

/* Every third fails, each with an error of its own. */
static int
error_of(int fd)
{
	return fd % 3 == 0 ? EIO + fd : 0;
}

static int
my_fsync(int fd)
{
	const int n = atomic_fetch_add(&disk.inside, 1) + 1;
	int most = atomic_load(&disk.most_inside);

	while (n > most && !atomic_compare_exchange_weak(&disk.most_inside,
	    &most, n))
		;
	if (atomic_fetch_add(&disk.begun, 1) < disk.meet)
		while (atomic_load(&disk.begun) < disk.meet)
			usleep(100);
	if (disk.are_others_slow && !pthread_equal(pthread_self(),
	    disk.caller))
		usleep(20000);
	atomic_fetch_add(&disk.syncs[fd], 1);
	atomic_fetch_sub(&disk.inside, 1);
	errno = error_of(fd);
	return errno == 0 ? 0 : -1;
}

static int
my_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *), void *arg)
{
	if (disk.threads_left == 0)
		return EAGAIN;
	disk.threads_left--;
	return pthread_create(thread, attr, run, arg);
}

#define fsync	my_fsync
#define pthread_create my_pthread_create
#include "smtpd/modules/sync.c"
#undef fsync
#undef pthread_create

static void
reset(int nthreads)
{
	size_t i;

	for (i = 0; i < ITEMS_MAX; i++)
		atomic_store(&disk.syncs[i], 0);
	atomic_store(&disk.most_inside, 0);
	atomic_store(&disk.begun, 0);
	disk.meet = 0;
	disk.caller = pthread_self();
	disk.are_others_slow = 0;
	disk.threads_left = nthreads;
}

/* Those of n descriptors, and no others, once more. */
static void
sync_and_check(struct sync_pool *pool, size_t n, int times)
{
	struct sync_item items[ITEMS_MAX];
	size_t i;

	for (i = 0; i < ITEMS_MAX; i++)
		items[i] = (struct sync_item){ .fd = (int)i, .error = -1 };
	sync_all(pool, items, n);
	assert_int_equal(atomic_load(&disk.inside), 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(items[i].error, error_of((int)i));
		assert_int_equal(atomic_load(&disk.syncs[i]), times);
	}
	for (; i < ITEMS_MAX; i++) {
		assert_int_equal(items[i].error, -1);
		assert_int_equal(atomic_load(&disk.syncs[i]), 0);
	}
}

/* With all threads, with some, and where none can be begun; never more than
 * there are items for. */
static void
test_each_is_synced_once_with_its_error(void **state)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 5, 16, ITEMS_MAX };
	struct sync_pool pool;
	size_t i;
	int nthreads;

	(void)state;
	for (nthreads = 0; nthreads <= SYNC_THREADS; nthreads++)
		for (i = 0; i < N(sizes); i++) {
			reset(nthreads);
			sync_pool_init(&pool);
			sync_and_check(&pool, sizes[i], 1);
			assert_int_equal(pool.nthreads, sizes[i] <
			    PARALLEL_MIN ? 0 : sizes[i] - 1 < (size_t)nthreads ?
			    sizes[i] - 1 : (size_t)nthreads);
			sync_pool_fini(&pool);
		}
}

static void
test_a_pool_is_used_again(void **state)
{
	struct sync_pool pool;
	int i;

	(void)state;
	reset(SYNC_THREADS);
	sync_pool_init(&pool);
	for (i = 1; i <= 500; i++)
		sync_and_check(&pool, 7, i);
	assert_int_equal(pool.nthreads, 6);
	sync_pool_fini(&pool);
}

/* If they were not at once, none of them would return. */
static void
test_they_run_at_the_same_time(void **state)
{
	struct sync_pool pool;

	(void)state;
	reset(SYNC_THREADS);
	disk.meet = SYNC_THREADS + 1;
	sync_pool_init(&pool);
	sync_and_check(&pool, SYNC_THREADS + 1, 1);
	assert_int_equal(atomic_load(&disk.most_inside), SYNC_THREADS + 1);
	sync_pool_fini(&pool);
}

/* The caller is done first, and another is still at it. */
static void
test_the_last_one_is_waited_for(void **state)
{
	struct sync_pool pool;
	int i;

	(void)state;
	reset(SYNC_THREADS);
	disk.meet = 2;
	disk.are_others_slow = 1;
	sync_pool_init(&pool);
	for (i = 1; i <= 3; i++) {
		atomic_store(&disk.begun, 0);
		sync_and_check(&pool, PARALLEL_MIN, i);
	}
	sync_pool_fini(&pool);
}

/* A few are not worth a thread. */
static void
test_a_few_are_synced_by_the_caller(void **state)
{
	struct sync_pool pool;

	(void)state;
	reset(SYNC_THREADS);
	sync_pool_init(&pool);
	sync_and_check(&pool, PARALLEL_MIN - 1, 1);
	assert_int_equal(pool.nthreads, 0);
	assert_int_equal(atomic_load(&disk.most_inside), 1);
	sync_pool_fini(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_synced_once_with_its_error),
		cmocka_unit_test(test_a_pool_is_used_again),
		cmocka_unit_test(test_they_run_at_the_same_time),
		cmocka_unit_test(test_the_last_one_is_waited_for),
		cmocka_unit_test(test_a_few_are_synced_by_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
