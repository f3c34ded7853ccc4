/*
 * trusted_open_test.c - links on the way to a file.
 * Started as root it becomes nobody first.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/trusted_open.h"
#include "tests/unit/t.h"

/* In the top: "safe" is the owner's alone, "loose" can be written by others. */
static const struct { const char *name, *target; } links[] = {
	{ "safe/link", "file" },
	{ "safe/up", "../safe/./file" },
	{ "safe/dir", "../loose" },
	{ "safe/out", "../loose/link" },
	{ "safe/none", "nothing" },
	{ "safe/self", "self" },
	{ "loose/link", "../safe/file" },
	{ "loose/dir", "../safe" },
};

static const struct {
	const char	*path;
	int		 error;		/* 0: it is opened */
} cases[] = {
	{ "safe/file", 0 },
	{ "safe//.//file", 0 },
	{ "safe/../safe/file", 0 },
	{ "safe/link", 0 },
	{ "safe/up", 0 },
	{ "safe/dir/file", 0 },
	{ "safe/absolute", 0 },
	{ "loose/file", 0 },
	{ "loose/twice", ELOOP },
	{ "safe/twice", 0 },
	{ "loose/link", ELOOP },
	{ "loose/dir/file", ELOOP },
	{ "safe/dir/link", ELOOP },
	{ "safe/out", ELOOP },
	{ "safe/self", ELOOP },
	{ "safe/none", ENOENT },
	{ "safe/nothing", ENOENT },
	{ "safe/file/x", ENOTDIR },
	{ "shut/file", EACCES },
};

static void
make_tree(const char *top)
{
	size_t i;

	assert_int_equal(mkdir(t_path(top, "safe"), 0700), 0);
	assert_int_equal(mkdir(t_path(top, "shut"), 0600), 0);
	assert_int_equal(mkdir(t_path(top, "loose"), 0700), 0);
	assert_int_equal(chmod(t_path(top, "loose"), 0777), 0);
	t_put(t_path(top, "safe/file"), "x", 1, 0600);
	t_put(t_path(top, "loose/file"), "x", 1, 0600);
	t_put(t_path(top, "safe/twice"), "x", 1, 0600);
	assert_int_equal(linkat(AT_FDCWD, t_path(top, "safe/twice"), AT_FDCWD,
	    t_path(top, "loose/twice"), 0), 0);
	for (i = 0; i < N(links); i++)
		assert_int_equal(symlink(links[i].target, t_path(top,
		    links[i].name)), 0);
	assert_int_equal(symlink(t_path(top, "safe/file"), t_path(top,
	    "safe/absolute")), 0);
}

static void
test_a_link_counts_only_where_nobody_else_can_make_one(void **state)
{
	char top[64];
	size_t i;
	int fd;

	(void)state;
	t_dir(top, sizeof(top));
	make_tree(top);
	for (i = 0; i < N(cases); i++) {
		errno = 0;
		fd = trusted_open(t_path(top, cases[i].path), getuid(),
		    O_RDONLY | O_CLOEXEC);
		if ((fd == -1 ? errno : 0) != cases[i].error)
			fail_msg("%s: %s", cases[i].path, strerror(errno));
		if (fd != -1)
			close(fd);
	}
	/* The directories are somebody else's now. */
	fd = trusted_open(t_path(top, "safe/link"), getuid() + 1, O_RDONLY);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, ELOOP);
	fd = trusted_open(t_path(top, "safe/file"), getuid() + 1, O_RDONLY);
	assert_true(fd != -1);
	close(fd);
	t_dir_remove(top);
}

/* It would be the path of another file if it were cut. */
static void
test_a_path_that_a_link_makes_too_long_is_refused(void **state)
{
	char top[64], target[4000], path[4000];
	size_t i;

	(void)state;
	t_dir(top, sizeof(top));
	assert_int_equal(mkdir(t_path(top, "safe"), 0700), 0);
	t_put(t_path(top, "safe/file"), "x", 1, 0600);
	for (i = 0; i < sizeof(target) - 1; i++)
		target[i] = "./"[i % 2];
	target[i] = '\0';
	assert_int_equal(symlink(target, t_path(top, "safe/link")), 0);
	snprintf(path, sizeof(path), "%s/safe/link/%.200sfile", top, target);
	assert_int_equal(trusted_open(path, getuid(), O_RDONLY), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	t_dir_remove(top);
}

static void
test_a_path_is_full_and_names_a_file(void **state)
{
	char long_path[8192];

	(void)state;
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(trusted_open(long_path, 0, O_RDONLY), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(trusted_open("etc/passwd", 0, O_RDONLY), -1);
	assert_int_equal(trusted_open("/", 0, O_RDONLY), -1);
	memset(long_path + 1, 'a', 300);
	long_path[301] = '\0';
	assert_int_equal(trusted_open(long_path, 0, O_RDONLY), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_link_counts_only_where_nobody_else_can_make_one),
		cmocka_unit_test(
		    test_a_path_that_a_link_makes_too_long_is_refused),
		cmocka_unit_test(test_a_path_is_full_and_names_a_file),
	};

	t_become_nobody();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
