/*
 * array_test.c - lists that grow.
 */
#include "lib/array.h"
#include "tests/unit/t.h"

struct wide { uint64_t a, b, c; };

static void
test_elements_are_kept(void **state)
{
	struct wide *list = NULL;
	size_t cap = 0, i, n, ngrown = 0, was;

	(void)state;
	for (n = 0; n < 1000; n++) {
		was = cap;
		assert_int_equal(array_grow(&list, &cap, n, sizeof(*list)), 0);
		assert_true(cap > n);
		ngrown += cap != was;
		list[n].a = n;
		list[n].b = list[n].c = ~n;
	}
	assert_true(ngrown < 10);
	for (i = 0; i < n; i++) {
		assert_int_equal(list[i].a, i);
		assert_int_equal(list[i].c, ~i);
	}
	free(list);
}

static void
test_no_room_changes_nothing(void **state)
{
	static const struct { size_t cap, size; } cases[] = {
		{ SIZE_MAX / 2, 1 },
		{ SIZE_MAX / 16, 8 },
		{ SIZE_MAX / 2 + 1, 1 },	/* twice that is 0 */
		{ 1, SIZE_MAX },
		{ 0, SIZE_MAX / 8 + 1 },	/* more than there is */
	};
	char *first = malloc(1), *list = first;
	size_t cap, i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		cap = cases[i].cap;
		assert_int_equal(array_grow(&list, &cap, cap, cases[i].size),
		    -1);
		assert_int_equal(cap, cases[i].cap);
		assert_ptr_equal(list, first);
	}
	free(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_are_kept),
		cmocka_unit_test(test_no_room_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
