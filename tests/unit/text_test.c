/*
 * text_test.c - the lines of a text file, and the words of a line.
 */
#include "lib/text.h"
#include "tests/unit/t.h"

#define BOM		"\xef\xbb\xbf"
#define TEXT(s)		s, sizeof(s) - 1

/* Lines joined by "|"; one with trouble is followed by "!". */
static void
join(const char *bytes, size_t len, struct buf *all)
{
	struct text_lines t;
	unsigned n = 0;

	buf_reset(all);
	for (text_init(&t, bytes, len); text_next(&t); ) {
		assert_int_equal(t.lineno, ++n);
		buf_printf(all, "%s%s", t.line, t.trouble != NULL ? "!|" : "|");
	}
	assert_int_equal(text_next(&t), 0);
	text_fini(&t);
}

static void
test_lines(void **state)
{
	static const struct { const char *bytes; size_t len; const char *want; }
	    cases[] = {
		{ TEXT(""), "" },
		{ TEXT("a"), "a|" },
		{ TEXT("a\n"), "a|" },
		{ TEXT("\n"), "|" },
		{ TEXT("\na\n\nb"), "|a||b|" },
		{ TEXT("a\r\nb\r\n"), "a|b|" },
		{ TEXT("a\r\nb\r"), "a|b|" },
		{ TEXT("a\r"), "a|" },
		{ TEXT(" a\tb \n"), " a\tb |" },
		{ TEXT(BOM "a\n"), "a|" },
		{ TEXT(BOM), "" },
		{ TEXT(BOM "\nb"), "|b|" },
		{ TEXT("\xef\xbb"), "\xef\xbb|" },
		/* A mark further on is text. */
		{ TEXT("a\n" BOM "b"), "a|" BOM "b|" },
		{ TEXT(BOM BOM "b"), BOM "b|" },
		{ TEXT("Gr\xc3\xbc\xc3\x9f" "e"), "Gr\xc3\xbc\xc3\x9f" "e|" },
		{ TEXT("a\rb\nc"), "a!|c|" },
		{ TEXT("a\r\r\nc"), "a!|c|" },
		{ TEXT("a\0b\nc"), "a!|c|" },
		{ TEXT("\x7f\nc"), "!|c|" },
		{ TEXT("ab\x1b[1m\n"), "ab!|" },
	};
	struct buf all;
	size_t i;

	(void)state;
	buf_init(&all, 0);
	for (i = 0; i < N(cases); i++) {
		join(cases[i].bytes, cases[i].len, &all);
		assert_string_equal(buf_str(&all), cases[i].want);
	}
	buf_fini(&all);
}

/* Wherever it is: text is looked at eight bytes at a time. */
static void
test_each_byte_at_each_place(void **state)
{
	char bytes[20];
	struct text_lines t;
	size_t at;
	int c, is_bad;

	(void)state;
	for (at = 0; at < sizeof(bytes) - 1; at++) {
		for (c = 0; c < 256; c++) {
			if (c == '\n')
				continue;
			memset(bytes, c % 2 == 0 ? ' ' : '~', sizeof(bytes));
			bytes[at] = (char)c;
			text_init(&t, bytes, sizeof(bytes));
			assert_int_equal(text_next(&t), 1);
			is_bad = (c < ' ' && c != '\t') || c == 0x7f;
			assert_int_equal(t.trouble != NULL, is_bad);
			assert_int_equal(strlen(t.line), is_bad ? at :
			    sizeof(bytes));
			assert_memory_equal(t.line, bytes, strlen(t.line));
		}
	}
}

static void
test_line_limit(void **state)
{
	char bytes[TEXT_LINE_MAX + 8];
	struct text_lines t;
	size_t n;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (n = TEXT_LINE_MAX - 1; n <= TEXT_LINE_MAX + 2; n++) {
		memcpy(bytes + n, "\r\ny", 3);
		text_init(&t, bytes, n + 3);
		assert_int_equal(text_next(&t), 1);
		assert_int_equal(t.trouble != NULL, n > TEXT_LINE_MAX);
		assert_int_equal(strlen(t.line), n > TEXT_LINE_MAX ?
		    TEXT_LINE_MAX : n);
		assert_int_equal(text_next(&t), 1);
		assert_null(t.trouble);
		assert_string_equal(t.line, "y");
		memset(bytes + n, 'x', 3);
	}
}

static void
test_secrets_are_wiped(void **state)
{
	struct text_lines t;
	size_t i;

	(void)state;
	text_init(&t, "hunter2", 7);
	assert_int_equal(text_next(&t), 1);
	text_fini(&t);
	for (i = 0; i < sizeof(t.line); i++)
		assert_int_equal(t.line[i], 0);
}

static void
test_comments_and_words(void **state)
{
	static const struct { const char *line, *trimmed, *words; } cases[] = {
		{ "", "", "" },
		{ "a", "a", "a|" },
		{ "  a \t b\t", "a \t b", "a|b|" },
		{ "# a", "", "" },
		{ " # a", "", "" },
		{ "a # b", "a", "a|" },
		{ "a\t#b", "a", "a|" },
		{ "a#b", "a#b", "a#b|" },
		{ "a #", "a", "a|" },
		{ "\t \t", "", "" },
	};
	char line[64], *p, *word;
	struct buf words;
	size_t i;

	(void)state;
	buf_init(&words, 0);
	for (i = 0; i < N(cases); i++) {
		text_copy(line, sizeof(line), cases[i].line);
		p = text_trim(line);
		assert_string_equal(p, cases[i].trimmed);
		buf_reset(&words);
		while ((word = text_word(&p)) != NULL)
			buf_printf(&words, "%s|", word);
		assert_string_equal(buf_str(&words), cases[i].words);
		assert_null(text_word(&p));
	}
	buf_fini(&words);
}

static void
test_numbers(void **state)
{
	static const struct { const char *text; uint64_t max; int ret;
	    uint64_t v; } cases[] = {
		{ "0", 0, 0, 0 }, { "0", 7, 0, 0 }, { "007", 7, 0, 7 },
		{ "1", 0, -1, 0 }, { "8", 7, -1, 0 }, { "70", 7, -1, 0 },
		{ "1999", 2000, 0, 1999 }, { "2000", 2000, 0, 2000 },
		{ "2001", 2000, -1, 0 }, { "20000", 2000, -1, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -1, 0 },
		{ "184467440737095516150", UINT64_MAX, -1, 0 },
		{ "9223372036854775807", INT64_MAX, 0, INT64_MAX },
		{ "9223372036854775808", INT64_MAX, -1, 0 },
		{ "", 9, -1, 0 }, { "-1", 9, -1, 0 }, { "+1", 9, -1, 0 },
		{ " 1", 9, -1, 0 }, { "1 ", 9, -1, 0 }, { "0x1", 9, -1, 0 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		v = 0;
		assert_int_equal(text_number(cases[i].text, cases[i].max, &v),
		    cases[i].ret);
		assert_true(v == cases[i].v);
	}
}

static void
test_hex(void **state)
{
	static const struct { const char *text; size_t n; int ok; } cases[] = {
		{ "0123456789abcdef", 16, 1 }, { "00000000", 8, 1 },
		{ "", 0, 1 }, { "", 8, 0 }, { "0000000", 8, 0 },
		{ "000000000", 8, 0 }, { "0000000A", 8, 0 },
		{ "0000000g", 8, 0 }, { "0x000000", 8, 0 }, { " 0000000", 8, 0 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(text_hex(cases[i].text, cases[i].n, &v),
		    cases[i].ok ? 0 : -1);
	assert_int_equal(text_hex(cases[0].text, 16, &v), 0);
	assert_true(v == UINT64_C(0x0123456789abcdef));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_each_byte_at_each_place),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_secrets_are_wiped),
		cmocka_unit_test(test_comments_and_words),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
