/*
 * clean_text_test.c - what of a text may come to a terminal.
 */
#include "submit/clean_text.h"
#include "tests/unit/t.h"

static void
test_controls_come_out_as_digits(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} cases[] = {
		{ T("plain\n\ttext\n"), "plain\n\ttext\n" },
		{ T("a\033[31mb\007\177"), "a\\033[31mb\\007\\177" },
		{ T("cr\r\nnul\0end"), "cr\\015\nnul\\000end" },
		{ T("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa7"),
		    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa7" },
		/* C1 as Latin-1 and as UTF-8; what is none */
		{ T("\x9b" "31m \xc2\x9b" "31m"), "\\23331m \\302\\23331m" },
		{ T("\xff\xc3(\xc0\x80"), "\\377\\303(\\300\\200" },
		/* right to left */
		{ T("a\xe2\x80\xae" "b"), "a\\342\\200\\256b" },
		/* the beginning of a character */
		{ T("a\xe2\x82"), "a\\342\\202" },
	};
	struct buf out, parts, rest;
	size_t i, j;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&out, 0);
		buf_init(&parts, 0);
		buf_init(&rest, 0);
		assert_int_equal(clean_text(&out, cases[i].text, cases[i].len,
		    1), cases[i].len);
		assert_string_equal(buf_str(&out), cases[i].want);
		/* The same byte by byte. */
		for (j = 0; j <= cases[i].len; j++) {
			buf_add(&rest, cases[i].text + j, j < cases[i].len);
			buf_drop(&rest, clean_text(&parts, buf_str(&rest),
			    rest.len, j == cases[i].len));
			assert_true(rest.len < 4);
		}
		assert_string_equal(buf_str(&parts), cases[i].want);
		buf_fini(&out);
		buf_fini(&parts);
		buf_fini(&rest);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_controls_come_out_as_digits),
	};

	return cmocka_run_group_tests_name("clean_text", tests, NULL, NULL);
}
