/*
 * text_test.c - the lines of a text file, and the words of a line.
 */
#include "lib/text.h"
#include "tests/unit/t.h"

#define BOM		"\xef\xbb\xbf"
#define TEXT(s)		s, sizeof(s) - 1

/* Lines joined by "|"; one with trouble is followed by "!". */
static void
join(const char *bytes, size_t len, char *all)
{
	struct text_lines t;
	unsigned n = 0;

	all[0] = '\0';
	for (text_init(&t, bytes, len); text_next(&t); ) {
		assert_int_equal(t.lineno, ++n);
		strcat(all, t.line);
		strcat(all, t.trouble != NULL ? "!|" : "|");
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
	char all[64];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		join(cases[i].bytes, cases[i].len, all);
		assert_string_equal(all, cases[i].want);
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
	char line[64], words[64], *p, *word;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		text_copy(line, sizeof(line), cases[i].line);
		p = text_trim(line);
		assert_string_equal(p, cases[i].trimmed);
		words[0] = '\0';
		while ((word = text_word(&p)) != NULL) {
			strcat(words, word);
			strcat(words, "|");
		}
		assert_string_equal(words, cases[i].words);
		assert_null(text_word(&p));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_secrets_are_wiped),
		cmocka_unit_test(test_comments_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
