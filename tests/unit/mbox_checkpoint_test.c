/*
 * mbox_checkpoint_test.c - what an interrupted attempt left in an mbox file:
 * a comparison over an open file.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "local/mbox_checkpoint.h"
#include "local/mbox_text.h"
#include "tests/unit/t_delivery.h"

/* Looks at mail/bob, which has these bytes; the checkpoint is at length. */
static enum mbox_found
look(struct t_delivery *w, const void *file, size_t len, int64_t length,
    enum mbox_found (*how)(int, const struct delivery *))
{
	enum mbox_found found;
	int fd;

	t_put(t_delivery_path(w, "mail/bob"), file, len, 0600);
	t_delivery_interrupted(w, length);
	fd = openat(w->dir, "bob", O_RDWR | O_APPEND | O_CLOEXEC);
	assert_true(fd != -1);
	found = how(fd, &w->d);
	close(fd);
	return found;
}

static off_t
size_now(struct t_delivery *w)
{
	struct stat st;

	assert_int_equal(fstatat(w->dir, "bob", &st, 0), 0);
	return st.st_size;
}

/* Cut at every byte. */
static void
test_every_beginning_at_the_end_of_the_file_is_torn(void **state)
{
	static const char *befores[] = { "", "From x\n\n", "no line end" };
	struct t_delivery *w = *state;
	struct buf file;
	size_t i, k, begin;

	buf_init(&file, 0);
	for (k = 0; k < N(befores); k++) {
		begin = strlen(befores[k]);
		buf_reset(&file);
		buf_printf(&file, "%s%s", befores[k], k == 2 ? "\n" T_ENTRY :
		    T_ENTRY);
		for (i = begin + 1; i < file.len; i++) {
			assert_int_equal(look(w, file.data, i, (int64_t)begin,
			    mbox_checkpoint_recover), MBOX_FOUND_TORN);
			assert_int_equal(size_now(w), begin);
		}
		assert_int_equal(look(w, file.data, begin, (int64_t)begin,
		    mbox_checkpoint_recover), MBOX_FOUND_OTHER);
		assert_int_equal(look(w, file.data, file.len, (int64_t)begin,
		    mbox_checkpoint_recover), MBOX_FOUND_WHOLE);
		assert_int_equal(size_now(w), file.len);
	}
	buf_fini(&file);
}

static const struct {
	const char	*file;
	int64_t		 length;
	int		 ino;		/* added to that of the checkpoint */
	enum mbox_found	 found;
} files[] = {
	{ "a\n" T_ENTRY, 2, 0, MBOX_FOUND_WHOLE },
	/* whole, and others wrote after it */
	{ "a\n" T_ENTRY "From y\n\n", 2, 0, MBOX_FOUND_WHOLE },
	/* somebody else's bytes at the checkpoint */
	{ "a\nFrom y\n\n", 2, 0, MBOX_FOUND_OTHER },
	/* torn, and somebody wrote after it */
	{ "a\nFrom ann@exFrom y\n\n", 2, 0, MBOX_FOUND_OTHER },
	/* the line before was ended since */
	{ "a\n\n" T_ENTRY, 1, 0, MBOX_FOUND_OTHER },
	/* another file now */
	{ "a\n" T_ENTRY, 2, 1, MBOX_FOUND_OTHER },
	/* emptied by its reader since */
	{ "", 2, 0, MBOX_FOUND_OTHER },
	{ "a\n", 50, 0, MBOX_FOUND_OTHER },
	/* none, and nonsense */
	{ "a\n" T_ENTRY, -1, 0, MBOX_FOUND_OTHER },
	{ "a\n" T_ENTRY, -5, 0, MBOX_FOUND_OTHER },
	{ "a\n" T_ENTRY, INT64_MAX, 0, MBOX_FOUND_OTHER },
};

static int inode_offset;

static enum mbox_found
find_with_offset(int fd, const struct delivery *d)
{
	struct delivery other = *d;

	other.checkpoint.ino += (uint64_t)inode_offset;
	return mbox_checkpoint_recover(fd, &other);
}

static void
test_what_is_not_ours_stays(void **state)
{
	struct t_delivery *w = *state;
	enum mbox_found found;
	size_t i;

	for (i = 0; i < N(files); i++) {
		inode_offset = files[i].ino;
		found = look(w, files[i].file, strlen(files[i].file),
		    files[i].length, find_with_offset);
		if (found != files[i].found)
			fail_msg("case %zu: %d", i, (int)found);
		t_assert_file(t_delivery_path(w, "mail/bob"), files[i].file);
	}
}

/* After a power cut the file has its length, but zeros are in it. */
static const struct {
	size_t		 from, to;	/* zeros in the text */
	size_t		 after;		/* zeros after it */
	const char	*others;	/* after all that */
	enum mbox_found	 found;
} gaps[] = {
	{ 0, sizeof(T_ENTRY) - 1, 0, "", MBOX_FOUND_TORN },
	{ 0, 1, 0, "", MBOX_FOUND_TORN },
	{ 5, 20, 70000, "", MBOX_FOUND_TORN },
	/* somebody wrote after it: theirs is kept */
	{ 0, sizeof(T_ENTRY) - 1, 0, "From y\n\n", MBOX_FOUND_OTHER },
	{ 5, 20, 100, "From y\n\n", MBOX_FOUND_OTHER },
	/* whole: zeros after it are not ours to remove */
	{ 0, 0, 3, "", MBOX_FOUND_WHOLE },
};

static void
test_zeros_may_be_in_place_of_any_byte(void **state)
{
	struct t_delivery *w = *state;
	enum mbox_found found;
	struct buf file;
	size_t i, k;

	buf_init(&file, 0);
	for (i = 0; i < N(gaps); i++) {
		buf_reset(&file);
		buf_puts(&file, "a\n" T_ENTRY);
		for (k = gaps[i].from; k < gaps[i].to; k++)
			file.data[2 + k] = '\0';
		for (k = 0; k < gaps[i].after; k++)
			buf_putc(&file, '\0');
		buf_puts(&file, gaps[i].others);
		found = look(w, file.data, file.len, 2,
		    mbox_checkpoint_recover);
		if (found != gaps[i].found)
			fail_msg("case %zu: %d", i, (int)found);
	}
	buf_fini(&file);
}

/* Cut at the ends of the pieces that it is compared in, and beside them. */
static void
test_a_long_text_is_compared_to_its_end(void **state)
{
	struct t_delivery *w = *state;
	size_t ends[8], n = 0, i;
	struct mbox_text t;
	struct buf whole;
	int k;

	t_delivery_long_message(w, 200000);
	buf_init(&whole, 0);
	mbox_text_init(&t, &w->d, 0);
	while (mbox_text_add(&t, &whole, whole.len + 65536) == 1)
		ends[n++] = whole.len;
	assert_true(n > 1);
	for (i = 0; i < n; i++)
		for (k = -1; k <= 1; k++)
			assert_int_equal(look(w, whole.data, ends[i] +
			    (size_t)k, 0, mbox_checkpoint_recover),
			    MBOX_FOUND_TORN);
	assert_int_equal(look(w, whole.data, whole.len - 1, 0,
	    mbox_checkpoint_recover), MBOX_FOUND_TORN);
	assert_int_equal(look(w, whole.data, whole.len, 0,
	    mbox_checkpoint_recover), MBOX_FOUND_WHOLE);
	whole.data[whole.len - 2] ^= 1;
	assert_int_equal(look(w, whole.data, whole.len, 0,
	    mbox_checkpoint_recover), MBOX_FOUND_OTHER);
	buf_fini(&whole);
}

static void
test_a_message_that_cannot_be_read_decides_nothing(void **state)
{
	struct t_delivery *w = *state;

	w->d.length++;
	assert_int_equal(look(w, T_ENTRY, strlen(T_ENTRY), 0,
	    mbox_checkpoint_recover), MBOX_FOUND_ERROR);
	assert_int_equal(size_now(w), strlen(T_ENTRY));
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_every_beginning_at_the_end_of_the_file_is_torn),
		EACH(test_what_is_not_ours_stays),
		EACH(test_zeros_may_be_in_place_of_any_byte),
		EACH(test_a_long_text_is_compared_to_its_end),
		EACH(test_a_message_that_cannot_be_read_decides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
