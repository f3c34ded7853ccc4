/*
 * smtpd_broker_window_test.c - what was published and is not confirmed.
 */
#include "smtpd/modules/broker_window.h"
#include "tests/unit/t.h"

#define LIMIT	6	/* no power of two */

static char things[64];

static struct broker_window
window_of(size_t n)
{
	struct broker_window w;
	size_t i;

	assert_int_equal(broker_window_init(&w, LIMIT), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(broker_window_put(&w, &things[i + 1]), i + 1);
	return w;
}

static void
test_each_thing_is_taken_once(void **state)
{
	struct broker_window w = window_of(4);

	(void)state;
	assert_ptr_equal(broker_window_take(&w, 2), &things[2]);
	assert_null(broker_window_take(&w, 2));
	assert_int_equal(broker_window_span(&w), 4);
	assert_ptr_equal(broker_window_take(&w, 1), &things[1]);
	assert_int_equal(broker_window_span(&w), 2);
	assert_ptr_equal(broker_window_at(&w, 4), &things[4]);
	broker_window_fini(&w);
}

static void
test_made_up_tags_find_nothing(void **state)
{
	static const uint64_t tags[] = { 0, 4, 5, 1000, UINT64_MAX };
	struct broker_window w = window_of(3);
	size_t i;

	(void)state;
	for (i = 0; i < N(tags); i++) {
		assert_null(broker_window_at(&w, tags[i]));
		assert_null(broker_window_take(&w, tags[i]));
	}
	assert_int_equal(broker_window_span(&w), 3);
	broker_window_fini(&w);
}

static void
test_all_up_to_a_tag_are_taken_oldest_first(void **state)
{
	struct broker_window w = window_of(5);

	(void)state;
	assert_non_null(broker_window_take(&w, 2));
	assert_ptr_equal(broker_window_take_oldest(&w, 4), &things[1]);
	assert_ptr_equal(broker_window_take_oldest(&w, 4), &things[3]);
	assert_ptr_equal(broker_window_take_oldest(&w, 4), &things[4]);
	assert_null(broker_window_take_oldest(&w, 4));
	assert_ptr_equal(broker_window_take_oldest(&w, UINT64_MAX), &things[5]);
	assert_null(broker_window_take_oldest(&w, UINT64_MAX));
	broker_window_fini(&w);
}

static void
test_a_full_window_has_room_after_the_oldest_is_taken(void **state)
{
	struct broker_window w = window_of(LIMIT);
	uint64_t tag;

	(void)state;
	assert_true(broker_window_is_full(&w));
	assert_non_null(broker_window_take(&w, LIMIT));
	assert_true(broker_window_is_full(&w));
	assert_non_null(broker_window_take(&w, 1));
	assert_false(broker_window_is_full(&w));
	/* Around the ring, many times. */
	for (tag = LIMIT + 1; tag < 1000; tag++) {
		assert_int_equal(broker_window_put(&w, &things[tag % 64]), tag);
		assert_non_null(broker_window_take_oldest(&w, tag));
	}
	broker_window_fini(&w);
}

static void
test_a_new_channel_begins_with_tag_one(void **state)
{
	struct broker_window w = window_of(2);

	(void)state;
	while (broker_window_take_oldest(&w, UINT64_MAX) != NULL)
		;
	broker_window_restart(&w);
	assert_int_equal(broker_window_put(&w, &things[9]), 1);
	assert_ptr_equal(broker_window_take(&w, 1), &things[9]);
	broker_window_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_thing_is_taken_once),
		cmocka_unit_test(test_made_up_tags_find_nothing),
		cmocka_unit_test(test_all_up_to_a_tag_are_taken_oldest_first),
		cmocka_unit_test(
		    test_a_full_window_has_room_after_the_oldest_is_taken),
		cmocka_unit_test(test_a_new_channel_begins_with_tag_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
