/*
 * mbox_text_test.c - what is appended for a message, in pieces of any size.
 */
#include <fcntl.h>
#include <unistd.h>

#include "local/mbox_text.h"
#include "tests/unit/t_delivery.h"

static void
test_the_text_is_the_same_in_pieces_of_any_size(void **state)
{
	static const size_t sizes[] = { 1, 7, 65536, 1000000 };
	struct t_delivery *w = *state;
	struct buf whole, piece, all;
	struct mbox_text t;
	size_t i;
	int more;

	t_delivery_long_message(w, 300000);
	buf_init(&whole, 0);
	buf_init(&piece, 0);
	buf_init(&all, 0);
	mbox_text_init(&t, &w->d, 1);
	assert_int_equal(mbox_text_add(&t, &whole, SIZE_MAX), 0);
	assert_memory_equal(whole.data, "\nFrom ann@example.org ", 22);
	for (i = 0; i < N(sizes); i++) {
		buf_reset(&all);
		mbox_text_init(&t, &w->d, 1);
		do {
			buf_reset(&piece);
			more = mbox_text_add(&t, &piece, sizes[i]);
			assert_true(more != -1);
			assert_true(more == 0 || piece.len >= sizes[i]);
			buf_add(&all, piece.data, piece.len);
		} while (more);
		assert_int_equal(all.len, whole.len);
		assert_memory_equal(all.data, whole.data, all.len);
		/* The end stays the end. */
		buf_reset(&piece);
		assert_int_equal(mbox_text_add(&t, &piece, 100), 0);
		assert_int_equal(piece.len, 0);
	}
	buf_fini(&whole);
	buf_fini(&piece);
	buf_fini(&all);
}

static void
test_a_text_follows_others_in_one_buf(void **state)
{
	struct t_delivery *w = *state;
	struct mbox_text t;
	int i;

	for (i = 0; i < 2; i++) {
		mbox_text_init(&t, &w->d, 0);
		assert_int_equal(mbox_text_add(&t, &w->text, SIZE_MAX), 0);
	}
	assert_string_equal(buf_str(&w->text), T_ENTRY T_ENTRY);
}

static void
test_a_message_that_is_cut_is_an_error(void **state)
{
	struct t_delivery *w = *state;
	struct mbox_text t;

	w->d.length++;
	mbox_text_init(&t, &w->d, 0);
	assert_int_equal(mbox_text_add(&t, &w->text, SIZE_MAX), -1);
}

static void
test_a_newline_is_needed_within_a_line_only(void **state)
{
	struct t_delivery *w = *state;
	int fd;

	t_delivery_put(w, "file", "a\nb");
	fd = open(t_delivery_path(w, "file"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(mbox_text_needs_newline(fd, 0), 0);
	assert_int_equal(mbox_text_needs_newline(fd, 1), 1);
	assert_int_equal(mbox_text_needs_newline(fd, 2), 0);
	assert_int_equal(mbox_text_needs_newline(fd, 3), 1);
	assert_int_equal(mbox_text_needs_newline(fd, 4), -1);
	close(fd);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_the_text_is_the_same_in_pieces_of_any_size),
		EACH(test_a_text_follows_others_in_one_buf),
		EACH(test_a_message_that_is_cut_is_an_error),
		EACH(test_a_newline_is_needed_within_a_line_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
