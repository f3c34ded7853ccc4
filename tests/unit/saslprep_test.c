/*
 * saslprep_test.c - SASLprep: what stays, what becomes something else, what is
 * refused.
 */
#include "lib/saslprep.h"
#include "tests/unit/t.h"

static const struct {
	const char *in, *out;		/* NULL: refused */
} cases[] = {
	/* RFC 4013 3 */
	{ "I\xc2\xadX", "IX" },
	{ "user", "user" },
	{ "USER", "USER" },
	{ "\xc2\xaa", "a" },
	{ "a\x07", NULL },
	/* stays: ASCII, composed letters, other scripts, beyond 16 bits */
	{ "", "" },
	{ " ~!\"\\=,", " ~!\"\\=," },
	{ "gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac", "gr\xc3\xbc\xc3\x9f" "e "
	    "\xe2\x82\xac" },
	{ "\xd0\xbf\xe6\x97\xa5\xf0\x9f\x98\x80", "\xd0\xbf\xe6\x97\xa5"
	    "\xf0\x9f\x98\x80" },
	/* composing is not done */
	{ "u\xcc\x88", "u\xcc\x88" },
	/* blanks and nothing */
	{ "a\xc2\xa0" "b\xe3\x80\x80", "a b " },
	{ "\xe2\x80\x8b|\xe2\x80\x8c\xe2\x80\x8d|", " ||" },
	{ "\xef\xbb\xbfx\xef\xb8\x8f", "x" },
	/* what stands for something else */
	{ "x\xc2\xb2 \xc2\xb5 \xef\xac\x83", "x2 \xce\xbc ffi" },
	{ "\xc2\xbc", "1\xe2\x81\x84" "4" },
	{ "\xef\xbc\xa1\xef\xbd\x9e\xef\xbc\x81", "A~!" },
	/* prohibited: controls, marks, private, none at all, tags */
	{ "\x7f", NULL },
	{ "x\xc2\x85", NULL },
	{ "\xe2\x80\x8e", NULL },
	{ "\xe2\x80\xae", NULL },
	{ "\xee\x80\x80", NULL },
	{ "\xef\xbf\xbd", NULL },
	{ "\xef\xbf\xbe", NULL },
	{ "\xf0\x9f\xbf\xbf", NULL },
	{ "\xf3\xa0\x82\x80", "\xf3\xa0\x82\x80" },
	{ "\xf3\xa0\x80\x81", NULL },
	{ "\xf4\x8f\xbf\xbf", NULL },
	/* no UTF-8: as it stands */
	{ "gr\xfc\xdf", "gr\xfc\xdf" },
	{ "\xc0\x80", "\xc0\x80" },
	{ "\xed\xa0\x80", "\xed\xa0\x80" },
	{ "\xc2", "\xc2" },
};

static void
test_prep(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("%zu: %s\n", i, cases[i].in);
		buf_init(&out, 0);
		assert_int_equal(saslprep_secret(&out, cases[i].in),
		    cases[i].out == NULL ? -1 : 0);
		if (cases[i].out != NULL)
			assert_string_equal(buf_str(&out), cases[i].out);
		assert_true(out.len <= PREP_GROWS * strlen(cases[i].in));
		buf_fini(&out);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
