/*
 * entry_test.c - entries of the queue in an order.
 */
#include "queue/entry.h"
#include "tests/unit/t.h"

#define MANY	100

struct queue {
	struct entry_heap heap;
	struct entry	 entries[MANY];
};

/* Ids in an order of their own: 37 has no divisor in common with MANY. */
static void
fill(struct queue *q, int (*before)(const struct entry *,
    const struct entry *))
{
	int i;

	memset(q, 0, sizeof(*q));
	q->heap.before = before;
	for (i = 0; i < MANY; i++) {
		snprintf(q->entries[i].id, sizeof(q->entries[i].id), "%04d",
		    i * 37 % MANY);
		q->entries[i].due = 1000 - i / 10;
		assert_int_equal(entry_heap_add(&q->heap, &q->entries[i]), 0);
		assert_ptr_equal(q->entries[i].heap, &q->heap);
	}
}

/* Takes all out from the first on; how many there were. */
static int
drain(struct queue *q)
{
	struct entry *e, *last = NULL;
	int n;

	for (n = 0; (e = entry_heap_first(&q->heap)) != NULL; n++) {
		assert_true(last == NULL || q->heap.before(last, e));
		entry_leave(e);
		assert_null(e->heap);
		last = e;
	}
	entry_heap_fini(&q->heap);
	return n;
}

static void
test_first_is_first(void **state)
{
	struct queue q;

	(void)state;
	fill(&q, entry_is_older);
	assert_string_equal(entry_heap_first(&q.heap)->id, "0000");
	assert_int_equal(drain(&q), MANY);
	fill(&q, entry_is_due_before);
	assert_int_equal(entry_heap_first(&q.heap)->due, 991);
	assert_int_equal(drain(&q), MANY);
}

/* From any place: the order of the others stays. */
static void
test_one_leaves(void **state)
{
	struct queue q;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		fill(&q, entry_is_older);
		entry_leave(&q.entries[i]);
		entry_leave(&q.entries[i]);	/* it is in none */
		assert_int_equal(drain(&q), MANY - 1);
	}
}

static void
test_orders(void **state)
{
	static const struct {
		struct entry	 a, b;
		int		 is_older, is_due_before;
	} cases[] = {
		{ { .id = "a", .due = 1 }, { .id = "b", .due = 2 }, 1, 1 },
		{ { .id = "a", .due = 2 }, { .id = "b", .due = 1 }, 1, 0 },
		{ { .id = "b", .due = 1 }, { .id = "a", .due = 2 }, 0, 1 },
		/* Due at the same time: the older one. */
		{ { .id = "a", .due = 1 }, { .id = "b", .due = 1 }, 1, 1 },
		{ { .id = "b", .due = 1 }, { .id = "a", .due = 1 }, 0, 0 },
		{ { .id = "a", .due = 1 }, { .id = "a", .due = 1 }, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(entry_is_older(&cases[i].a, &cases[i].b),
		    cases[i].is_older);
		assert_int_equal(entry_is_due_before(&cases[i].a,
		    &cases[i].b), cases[i].is_due_before);
	}
}

static void
test_end_of_a_heap(void **state)
{
	struct queue q;
	int i;

	(void)state;
	fill(&q, entry_is_older);
	entry_heap_fini(&q.heap);
	assert_null(entry_heap_first(&q.heap));
	for (i = 0; i < MANY; i++)
		assert_null(q.entries[i].heap);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_is_first),
		cmocka_unit_test(test_one_leaves),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_end_of_a_heap),
	};

	return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
