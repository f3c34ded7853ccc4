/*
 * compat_test.c - many files synced side by side, and some that cannot be.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "compat/compat.h"
#include "tests/unit/t.h"

static void
sync_all(size_t n, size_t bad, int bad_fd, int error, int is_missing)
{
	char name[] = "/tmp/compat_test.XXXXXX";
	struct compat_syncs syncs = { 0, is_missing };
	int errors[COMPAT_SYNCS], fds[COMPAT_SYNCS], file;
	size_t i;

	file = mkstemp(name);
	assert_true(file != -1);
	unlink(name);
	assert_int_equal(write(file, "x", 1), 1);
	for (i = 0; i < n; i++) {
		fds[i] = i == bad ? bad_fd : file;
		errors[i] = -1;
	}
	compat_sync_all(&syncs, fds, errors, n);
	for (i = 0; i < n; i++)
		assert_int_equal(errors[i], i == bad ? error : 0);
	/* Again, with what is kept. */
	compat_sync_all(&syncs, fds, errors, n);
	for (i = 0; i < n; i++)
		assert_int_equal(errors[i], i == bad ? error : 0);
	close(file);
}

static void
test_syncs(void **state)
{
	int is_missing, p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	for (is_missing = 0; is_missing < 2; is_missing++) {
		sync_all(0, 1, -1, 0, is_missing);
		sync_all(1, 1, -1, 0, is_missing);
		sync_all(COMPAT_SYNCS, COMPAT_SYNCS, -1, 0, is_missing);
		sync_all(1, 0, -1, EBADF, is_missing);
		sync_all(9, 0, -1, EBADF, is_missing);
		sync_all(9, 4, -1, EBADF, is_missing);
		sync_all(9, 8, -1, EBADF, is_missing);
		sync_all(9, 4, p[1], EINVAL, is_missing);
	}
	close(p[0]);
	close(p[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syncs),
	};

	return cmocka_run_group_tests_name("compat", tests, NULL, NULL);
}
