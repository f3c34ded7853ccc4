/*
 * smtpd_temporary_test.c - files without a name, on file systems that have them
 * and on others.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/t.h"

static int has_tmpfile = 1;	/* O_TMPFILE works here */

static int
my_open(const char *path, int flags, mode_t mode)
{
#if defined(O_TMPFILE)
	if (!has_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
#endif
	return open(path, flags, mode);
}

#define open	my_open
#include "smtpd/modules/temporary.c"
#undef open

static void
check_file(const char *dir)
{
	struct stat st;
	char byte;
	int fd = temporary_open(dir);

	assert_true(fd != -1);
	/* rmdir(2) would say so if there was anything in it. */
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	close(fd);
}

static void
test_a_file_has_no_name(void **state)
{
	const mode_t mask = umask(0);
	char top[64], dir[128];

	(void)state;
	t_dir(top, sizeof(top));
	snprintf(dir, sizeof(dir), "%s/d", top);
	assert_int_equal(mkdir(dir, 0700), 0);
	for (has_tmpfile = 0; has_tmpfile <= 1; has_tmpfile++)
		check_file(dir);
	umask(mask);
	t_dir_remove(top);
}

static void
test_what_is_no_directory_is_an_error(void **state)
{
	char top[64], file[128], absent[128], longest[5000];
	const struct {
		const char *path;
		int	 error;
	} cases[] = {
		{ absent, ENOENT },
		{ file, ENOTDIR },
		{ longest, ENAMETOOLONG },
	};
	size_t i;

	(void)state;
	t_dir(top, sizeof(top));
	snprintf(file, sizeof(file), "%s/f", top);
	snprintf(absent, sizeof(absent), "%s/absent", top);
	t_put(file, "", 0, 0600);
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (has_tmpfile = 0; has_tmpfile <= 1; has_tmpfile++)
		for (i = 0; i < N(cases); i++) {
			errno = 0;
			assert_int_equal(temporary_open(cases[i].path), -1);
			assert_int_equal(errno, cases[i].error);
		}
	t_dir_remove(top);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_has_no_name),
		cmocka_unit_test(test_what_is_no_directory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
