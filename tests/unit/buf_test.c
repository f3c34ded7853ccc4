/*
 * buf_test.c - growable bytes and the text helpers, tables of cases.
 */
#include "lib/buf.h"
#include "tests/unit/t.h"

static void
test_limit(void **state)
{
	static const struct { size_t limit, first, then; int failed; }
	    cases[] = {
		{ 0, 100000, 100000, 0 },
		{ 8, 8, 0, 0 },
		{ 8, 4, 4, 0 },
		{ 8, 4, 5, 1 },
		{ 8, 9, 0, 1 },
		{ 1, 1, 1, 1 },
		{ 0, 1, SIZE_MAX, 1 },
		{ 0, 1, SIZE_MAX / 2, 1 },
		{ 0, 0, SIZE_MAX - 1, 1 },
	};
	struct buf b;
	size_t i, before;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, cases[i].limit);
		if (buf_space(&b, cases[i].first) != NULL) {
			memset(b.data, 'x', cases[i].first);
			buf_grown(&b, cases[i].first);
		}
		if (cases[i].then > 0 && buf_space(&b, cases[i].then) != NULL) {
			memset(b.data + b.len, 'y', cases[i].then);
			buf_grown(&b, cases[i].then);
		}
		assert_int_equal(buf_failed(&b), cases[i].failed);
		/* Sticky: what would fit is not added to a failed buf. */
		before = b.len;
		buf_putc(&b, 'z');
		if (cases[i].failed) {
			assert_int_equal(b.len, before);
			assert_null(buf_take(&b));
		}
		buf_fini(&b);
	}
}

static void
test_failure_is_forgotten_by_reset(void **state)
{
	struct buf b;
	char *p;

	(void)state;
	buf_init(&b, 4);
	buf_puts(&b, "12345");
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "");
	buf_reset(&b);
	assert_false(buf_failed(&b));
	buf_puts(&b, "1234");
	assert_false(buf_failed(&b));
	/* The limit outlives the text. */
	p = buf_take(&b);
	assert_string_equal(p, "1234");
	free(p);
	assert_int_equal(b.len, 0);
	buf_printf(&b, "%d", 12345);
	assert_true(buf_failed(&b));
	buf_fini(&b);
	p = buf_take(&b);
	assert_string_equal(p, "");	/* an empty text, not none */
	free(p);
}

static void
test_text_is_always_ended(void **state)
{
	static const char digits[] = "0123456789";
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < 2000; i++) {
		buf_add(&b, digits + i % 10, 1);
		assert_int_equal(b.data[b.len], '\0');
		assert_true(b.len < b.cap);
	}
	buf_printf(&b, "%0500d", 7);
	assert_int_equal(b.len, 2500);
	assert_int_equal(strlen(buf_str(&b)), 2500);
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 2503);
	assert_memory_equal(b.data + 2500, "a\0b", 4);
	buf_fini(&b);
	assert_string_equal(buf_str(&b), "");
	/* Room that is not used, as for an empty file. */
	memset(buf_space(&b, 5000), 'x', 5000);
	buf_fini(&b);
	assert_non_null(buf_space(&b, 1));
	assert_string_equal(buf_str(&b), "");
	buf_fini(&b);
}

static void
test_drop(void **state)
{
	static const struct { size_t n; const char *left; } cases[] = {
		{ 0, "abcdef" }, { 1, "bcdef" }, { 5, "f" }, { 6, "" },
		{ 7, "" }, { SIZE_MAX, "" },
	};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		buf_drop(&b, cases[i].n);
		buf_puts(&b, "abcdef");
		buf_drop(&b, cases[i].n);
		assert_string_equal(buf_str(&b), cases[i].left);
		assert_int_equal(b.len, strlen(cases[i].left));
		buf_fini(&b);
	}
}

static void
test_put_clean(void **state)
{
	static const struct { const char *in; size_t len; const char *out; }
	    cases[] = {
		{ "", 0, "" },
		{ "plain", 5, "plain" },
		{ "a b", 3, "a b" },
		{ "  a  b  ", 8, "a b" },
		{ "550 no\r\n550 such user\r\n", 23, "550 no 550 such user" },
		{ "\r\n\t ", 4, "" },
		{ "a\tb", 3, "a b" },
		{ "a\0b", 3, "a\\000b" },
		{ "\033[2J", 4, "\\033[2J" },
		{ "\x7f", 1, "\\177" },
		{ "\x80\xff", 2, "\\200\\377" },
		{ "\xc3\xbc", 2, "\\303\\274" },
		{ "id=1\nid=2", 9, "id=1 id=2" },
		{ "\\n", 2, "\\n" },
	};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		buf_puts(&b, "> ");
		buf_put_clean(&b, cases[i].in, cases[i].len, 4096);
		assert_memory_equal(buf_str(&b), "> ", 2);
		assert_string_equal(buf_str(&b) + 2, cases[i].out);
		buf_fini(&b);
	}
}

/* Many bytes at a time, or one after the other. */
static void
test_put_clean_in_words(void **state)
{
	static const char bytes[] = "aaaaaaaaaaaa!~~   \t\n\x1f\x7f\x80\xff";
	struct buf one, many;
	char text[40];
	uint32_t random = 1;
	size_t i, n, len;

	(void)state;
	buf_init(&one, 0);
	buf_init(&many, 0);
	for (n = 0; n < 20000; n++) {
		len = n % sizeof(text);
		for (i = 0; i < len; i++) {
			random = random * 1103515245 + 12345;
			text[i] = bytes[(random >> 16) % (sizeof(bytes) -
			    (n % 2 == 0 ? 1 : 7))];
		}
		buf_reset(&one);
		buf_reset(&many);
		buf_put_value(&one, text, len, 4096, "\001");
		buf_put_clean(&many, text, len, 4096);
		assert_string_equal(buf_str(&many), buf_str(&one));
	}
	buf_fini(&one);
	buf_fini(&many);
}

static void
test_put_number(void **state)
{
	static const struct { int64_t n; const char *want; } cases[] = {
		{ 0, "0" }, { 7, "7" }, { 10, "10" }, { -1, "-1" },
		{ INT64_MAX, "9223372036854775807" },
		{ INT64_MIN, "-9223372036854775808" },
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&b);
		buf_put_number(&b, cases[i].n);
		assert_string_equal(buf_str(&b), cases[i].want);
	}
	buf_fini(&b);
}

static void
test_put_clean_bound(void **state)
{
	static const char text[] = "a\001 b\377\377  \r\n c\0d a-longer-word "
	    "\177 end \200";
	struct buf whole, b;
	size_t max;

	(void)state;
	buf_init(&whole, 0);
	buf_put_clean(&whole, text, sizeof(text) - 1, 4096);
	for (max = 0; max < 90; max++) {
		buf_init(&b, 0);
		buf_put_clean(&b, text, sizeof(text) - 1, max);
		assert_true(b.len <= max);
		assert_true(text_is_clean(buf_str(&b), b.len));
		assert_memory_equal(buf_str(&b), buf_str(&whole), b.len);
		assert_true(b.len == 0 || b.data[b.len - 1] != ' ');
		/* What is left has no room for a blank and an escape. */
		assert_true(b.len == whole.len || b.len + 5 > max);
		buf_fini(&b);
	}
	buf_fini(&whole);
}

static void
test_is_clean(void **state)
{
	char c[1];
	int i;

	(void)state;
	for (i = 0; i < 256; i++) {
		c[0] = (char)i;
		assert_int_equal(text_is_clean(c, 1), i >= 0x20 && i != 0x7f);
	}
	assert_true(text_is_clean("", 0));
	assert_false(text_is_clean("ann@x\nb", 7));
	assert_true(text_is_clean("ann@x\nb", 5));
}

static void
test_copy(void **state)
{
	static const struct { size_t size; const char *in; int ret; }
	    cases[] = {
		{ 4, "abc", 0 }, { 4, "", 0 }, { 4, "abcd", -1 },
		{ 1, "", 0 }, { 1, "a", -1 }, { 0, "", -1 }, { 0, "a", -1 },
	};
	char dst[8];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(dst, '#', sizeof(dst));
		assert_int_equal(text_copy(dst, cases[i].size, cases[i].in),
		    cases[i].ret);
		if (cases[i].size > 0)
			assert_string_equal(dst, cases[i].ret == 0 ?
			    cases[i].in : "");
		assert_int_equal(dst[cases[i].size], '#');
	}
}

static void
test_digest(void **state)
{
	/* The vectors that FNV-1a 64 is published with. */
	static const struct { const char *in; uint64_t out; } cases[] = {
		{ "", 0xcbf29ce484222325ULL },
		{ "a", 0xaf63dc4c8601ec8cULL },
		{ "foobar", 0x85944171f73967e8ULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_true(text_digest(cases[i].in, strlen(cases[i].in)) ==
		    cases[i].out);
	assert_true(text_digest("a\0b", 3) != text_digest("a\0c", 3));
}

static void
test_lower(void **state)
{
	char dst[] = "########";

	(void)state;
	text_lower(dst, "@AZ[a\303\0Zx", 8);
	assert_memory_equal(dst, "@az[a\303\0z", 9);
}

/* As of strcasecmp(3), but an accent is no letter in any locale. */
static void
test_case_of_ascii_is_ignored(void **state)
{
	static const struct {
		const char	*a, *b;
		int		 sign;
	} cases[] = {
		{ "", "", 0 }, { "", "a", -1 }, { "a", "", 1 },
		{ "PostMaster", "postmaster", 0 }, { "a", "B", -1 },
		{ "B", "a", 1 }, { "[", "{", -1 }, { "@", "`", -1 },
		{ "\303\204", "\303\244", -1 }, { "z", "\303", -1 },
		{ "abc", "ABCD", -1 },
	};
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		n = text_casecmp(cases[i].a, cases[i].b);
		assert_int_equal((n > 0) - (n < 0), cases[i].sign);
	}
	assert_int_equal(text_ncasecmp("IPv6:x", "ipV6:y", 5), 0);
	assert_int_not_equal(text_ncasecmp("IPv6:x", "ipV6:y", 6), 0);
	assert_int_equal(text_ncasecmp("a", "b", 0), 0);
	assert_int_equal(text_ncasecmp("a\0b", "A\0c", 3), 0);
}

static void
test_blanks_and_words(void **state)
{
	(void)state;
	assert_string_equal(text_skip_blanks(" \t\ta b"), "a b");
	assert_string_equal(text_skip_blanks("\n "), "\n ");
	assert_string_equal(text_skip_blanks(" \t"), "");
	assert_int_equal(text_word_len("one\ttwo"), 3);
	assert_int_equal(text_word_len(" one"), 0);
	assert_int_equal(text_word_len("one\n"), 4);
	assert_int_equal(text_word_len(""), 0);
}

static void
test_a_paragraph_is_folded(void **state)
{
	static const struct {
		const char	*text, *lines;
	} cases[] = {
		{ "", "> \n" }, { "a  b ", "> a b\n" },
		{ "123456789 123456789 123456789 123456789 123456789 "
		    "123456789 123456789 12", "> 123456789 123456789 "
		    "123456789 123456789 123456789 123456789 123456789 "
		    "12\n" },
		{ "123456789 123456789 123456789 123456789 123456789 "
		    "123456789 123456789 123", "> 123456789 123456789 "
		    "123456789 123456789 123456789 123456789 123456789\n"
		    "| 123\n" },
	};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		buf_put_folded(&b, cases[i].text, "> ", "| ");
		assert_string_equal(buf_str(&b), cases[i].lines);
		buf_fini(&b);
	}
}

static void
test_letters_and_digits_are_those_of_ascii(void **state)
{
	static const char digits[] = "0123456789", letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	int c;

	(void)state;
	for (c = 1; c < 256; c++) {
		assert_int_equal(text_is_digit((char)c),
		    strchr(digits, c) != NULL);
		assert_int_equal(text_is_alnum((char)c),
		    strchr(digits, c) != NULL || strchr(letters, c) != NULL);
	}
	assert_int_equal(text_is_alnum('\0'), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters_and_digits_are_those_of_ascii),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_failure_is_forgotten_by_reset),
		cmocka_unit_test(test_text_is_always_ended),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_put_clean),
		cmocka_unit_test(test_put_clean_in_words),
		cmocka_unit_test(test_put_number),
		cmocka_unit_test(test_put_clean_bound),
		cmocka_unit_test(test_is_clean),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_lower),
		cmocka_unit_test(test_case_of_ascii_is_ignored),
		cmocka_unit_test(test_blanks_and_words),
		cmocka_unit_test(test_a_paragraph_is_folded),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
