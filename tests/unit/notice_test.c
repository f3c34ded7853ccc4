/*
 * notice_test.c - what happens outside of the runner is noticed.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/io.h"
#include "queue/notice.h"
#include "tests/unit/t.h"

struct place {
	char		 top[64], program[96], name[96];
	struct notices	 n;
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	t_dir(p->top, sizeof(p->top));
	snprintf(p->program, sizeof(p->program), "%s-program", p->top);
	snprintf(p->name, sizeof(p->name), "%s/wake", p->top);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	io_close(&p->n.clock);
	io_close(&p->n.files);
	(void)unlink(p->program);
	t_dir_remove(p->top);
	free(p);
	return 0;
}

static void
make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	close(fd);
}

static int
has_come(int fd)
{
	return io_wait(fd, POLLIN, io_clock_ms()) == 1;
}

static void
test_what_is_noticed(void **state)
{
	struct place *p = *state;
	char other[112];

	make(p->program);
	make(p->name);
	notices_open(&p->n, p->top, p->program);
	if (!notices_are_complete(&p->n))
		t_skip("no watches of inotify are left");
	assert_false(has_come(p->n.clock) || has_come(p->n.files));
	/* Mail comes and goes without a notice; so does a new name. */
	snprintf(other, sizeof(other), "%s/other", p->top);
	make(other);
	assert_false(has_come(p->n.files));
	assert_int_equal(unlink(p->name), 0);
	assert_true(has_come(p->n.files));
	notices_take(p->n.files);
	assert_false(has_come(p->n.files));
	/* An update renames the new program over the old one. */
	snprintf(other, sizeof(other), "%s.new", p->program);
	make(other);
	assert_int_equal(rename(other, p->program), 0);
	assert_true(has_come(p->n.files));
	notices_take(p->n.files);
	assert_false(has_come(p->n.files));
	notices_take(p->n.clock);
	assert_false(has_come(p->n.clock));
}

static void
test_without_the_directory_it_has_to_look(void **state)
{
	struct place *p = *state;

	make(p->program);
	notices_open(&p->n, "/nonexistent", p->program);
	assert_false(notices_are_complete(&p->n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_noticed, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_without_the_directory_it_has_to_look, setup,
		    teardown),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
