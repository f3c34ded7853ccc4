/*
 * smtp_data_test.c - the text of a message: dots, line ends, smuggling, chunks;
 * and the same bytes in all pieces against a reader of single bytes.
 */
#include "lib/smtp_data.h"
#include "tests/unit/t.h"

#define SHORT_MAX	6	/* bytes of which all texts are tried */
#define LONG_MAX	400	/* bytes of a random text */
#define RUNS		4000

#define DOTS		SMTP_DATA_DOTS
#define CHUNKS		SMTP_DATA_CHUNKS

struct outcome {
	struct buf	out;
	size_t		taken;
	int		has_bare, is_over;
	uint64_t	size_bytes;
};

static void
test_cases(void **state)
{
	static const struct {
		enum smtp_data_form form;
		int does_normalise;
		const char *in;
		size_t len;
		const char *out;
		size_t out_len;
		int has_bare, is_over;
		size_t left;
	} cases[] = {
		/* The ordinary end, dot-stuffing. */
		{ DOTS, 0, T(".\r\n"), T(""), 0, 1, 0 },
		{ DOTS, 0, T("a\r\n.\r\n"), T("a\r\n"), 0, 1, 0 },
		{ DOTS, 0, T("a\r\n.\r\nQUIT\r\n"), T("a\r\n"), 0, 1, 6 },
		{ DOTS, 0, T("..\r\n...\r\n.a\r\na.\r\n.\r\n"),
		  T(".\r\n..\r\na\r\na.\r\n"), 0, 1, 0 },
		{ DOTS, 0, T("\r\n\r\n.\r\n"), T("\r\n\r\n"), 0, 1, 0 },
		{ DOTS, 0, T("a"), T("a"), 0, 0, 0 },
		{ DOTS, 0, T("a\r\n"), T("a\r\n"), 0, 0, 0 },
		{ DOTS, 0, T("a\r\n."), T("a\r\n"), 0, 0, 0 },
		{ DOTS, 0, T("a\r\n.\r"), T("a\r\n"), 0, 0, 0 },
		{ DOTS, 0, T("a\r"), T("a"), 0, 0, 0 },
		/* NUL and 8-bit are text. */
		{ DOTS, 0, T("\0.\r\n\xff\0\r\n.\r\n"), T("\0.\r\n\xff\0\r\n"),
		  0, 1, 0 },
		{ DOTS, 0, T("\r\n\0.\r\n.\0\r\n.\r\n"), T("\r\n\0.\r\n\0\r\n"),
		  0, 1, 0 },
		/* What others have taken for the end. */
		{ DOTS, 0, T("a\n.\nb\r\n.\r\n"), T("a"), 1, 1, 0 },
		{ DOTS, 0, T("a\n.\r\nb\r\n.\r\n"), T("a"), 1, 1, 0 },
		{ DOTS, 0, T("a\r.\rb\r\n.\r\n"), T("a"), 1, 1, 0 },
		{ DOTS, 0, T("a\r.\r\nb\r\n.\r\n"), T("a"), 1, 1, 0 },
		{ DOTS, 0, T("a\r\n.\nb\r\n.\r\n"), T("a\r\n"), 1, 1, 0 },
		{ DOTS, 0, T("a\r\n.\rb\r\n.\r\n"), T("a\r\n"), 1, 1, 0 },
		{ DOTS, 0, T("a\r\n.\r\r\nb\r\n.\r\n"), T("a\r\n"), 1, 1, 0 },
		{ DOTS, 0, T("a\r\n\0.\r\nb\r\n.\r\n"),
		  T("a\r\n\0.\r\nb\r\n"), 0, 1, 0 },
		{ DOTS, 0, T("a\r\r\n.\r\nRSET\r\n"), T("a"), 1, 1, 6 },
		{ DOTS, 0, T("\n.\r\nb\r\n"), T(""), 1, 0, 0 },
		{ DOTS, 0, T("\r.\r\nb\r\n"), T(""), 1, 0, 0 },
		/* The same made CRLF, before the test for a dot. */
		{ DOTS, 1, T("a\n.\nb\r\n"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\n.\r\nb\r\n"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\r.\rb\r\n"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\r.\r\nb\r\n"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\r\n.\nb\r\n"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\r\n.\rb\r\n"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\r\n.\r\r\nb"), T("a\r\n"), 1, 1, 3 },
		{ DOTS, 1, T("a\r\r\n.\r\nRSET\r\n"), T("a\r\n\r\n"), 1, 1, 6 },
		{ DOTS, 1, T("a\n..b\nc.\n.x\n.\r\n"),
		  T("a\r\n.b\r\nc.\r\nx\r\n"), 1, 1, 0 },
		{ DOTS, 1, T("a\r\n.\r\n"), T("a\r\n"), 0, 1, 0 },
		/* Chunks: a dot is a dot. */
		{ CHUNKS, 0, T("a\r\n.\r\n..\r\n"), T("a\r\n.\r\n..\r\n"),
		  0, 0, 0 },
		{ CHUNKS, 0, T(""), T(""), 0, 0, 0 },
		{ CHUNKS, 0, T("a"), T("a"), 0, 0, 0 },
		{ CHUNKS, 0, T("a\0b"), T("a\0b"), 0, 0, 0 },
		{ CHUNKS, 0, T("a\r"), T("a"), 1, 0, 0 },
		{ CHUNKS, 0, T("a\nb\r\n"), T("a"), 1, 0, 0 },
		{ CHUNKS, 0, T("a\r\n.\n.\r\n"), T("a\r\n."), 1, 0, 0 },
		{ CHUNKS, 1, T("a\r"), T("a\r\n"), 1, 0, 0 },
		{ CHUNKS, 1, T("a\n.\r.\r\r\n"), T("a\r\n.\r\n.\r\n\r\n"),
		  1, 0, 0 },
	};
	struct smtp_data d;
	struct buf out;
	size_t i, n;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&out, 0);
		smtp_data_init(&d, cases[i].form, cases[i].does_normalise);
		n = smtp_data_take(&d, cases[i].in, cases[i].len, &out);
		if (cases[i].form == CHUNKS)
			smtp_data_end(&d, &out);
		if (cases[i].len - n != cases[i].left ||
		    d.has_bare != cases[i].has_bare ||
		    d.is_over != cases[i].is_over ||
		    d.size_bytes != cases[i].out_len)
			fail_msg("case %zu: left %zu, bare %d, over %d", i,
			    cases[i].len - n, d.has_bare, d.is_over);
		t_assert_text(&out, cases[i].out, cases[i].out_len);
		buf_fini(&out);
	}
}

/* One byte after the other, with sight of all. */
static void
read_bytes(enum smtp_data_form form, int does_normalise, const char *in,
    size_t n, struct outcome *o)
{
	int is_firm = form == DOTS, is_start = form == DOTS;
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_firm && n - i >= 3 && memcmp(in + i, ".\r\n", 3) == 0) {
			o->is_over = 1;
			o->taken = i + 3;
			return;
		}
		if (is_firm && does_normalise && in[i] == '.' &&
		    ((n - i >= 2 && in[i + 1] == '\n') ||
		    (n - i >= 3 && in[i + 1] == '\r'))) {
			o->is_over = o->has_bare = 1;
			o->taken = i + 2;
			return;
		}
		if (is_start && in[i] == '.') {
			is_firm = is_start = 0;
			continue;
		}
		is_firm = is_start = 0;
		if (in[i] == '\r' && i + 1 == n && form == DOTS)
			break;
		if (in[i] != '\r' && in[i] != '\n') {
			if (!o->has_bare || does_normalise)
				buf_putc(&o->out, in[i]);
			continue;
		}
		is_start = form == DOTS;
		if (in[i] == '\r' && i + 1 < n && in[i + 1] == '\n') {
			is_firm = is_start;
			i++;
		} else {
			o->has_bare = 1;
			is_firm = is_start && does_normalise;
		}
		if (!o->has_bare || does_normalise)
			buf_puts(&o->out, "\r\n");
	}
	o->taken = n;
}

/* In pieces: bit i of cuts is a cut after byte i (the last bit is repeated). */
static void
take_pieces(enum smtp_data_form form, int does_normalise, const char *in,
    size_t n, uint64_t cuts, struct outcome *o)
{
	struct smtp_data d;
	size_t end, k;

	smtp_data_init(&d, form, does_normalise);
	for (o->taken = 0; o->taken < n; o->taken += k) {
		for (end = o->taken + 1; end < n; end++)
			if (cuts >> ((end - 1) % 64) & 1)
				break;
		k = smtp_data_take(&d, in + o->taken, end - o->taken, &o->out);
		if (k < end - o->taken) {
			o->taken += k;
			break;
		}
	}
	if (form == CHUNKS)
		smtp_data_end(&d, &o->out);
	o->has_bare = d.has_bare;
	o->is_over = d.is_over;
	o->size_bytes = d.size_bytes;
}

static void
compare(enum smtp_data_form form, int does_normalise, const char *in, size_t n,
    uint64_t cuts)
{
	struct outcome one = { .taken = 0 }, two = { .taken = 0 };

	read_bytes(form, does_normalise, in, n, &one);
	take_pieces(form, does_normalise, in, n, cuts, &two);
	if (one.taken != two.taken || one.has_bare != two.has_bare ||
	    one.is_over != two.is_over || two.size_bytes != one.out.len ||
	    one.out.len != two.out.len || (one.out.len > 0 &&
	    memcmp(one.out.data, two.out.data, one.out.len) != 0))
		fail_msg("form %d, normalise %d, %zu bytes \"%.*s\", cuts %llx",
		    form, does_normalise, n, (int)n, in,
		    (unsigned long long)cuts);
	buf_fini(&one.out);
	buf_fini(&two.out);
}

static void
compare_forms(const char *in, size_t n, uint64_t cuts)
{
	compare(DOTS, 0, in, n, cuts);
	compare(DOTS, 1, in, n, cuts);
	compare(CHUNKS, 0, in, n, cuts);
	compare(CHUNKS, 1, in, n, cuts);
}

static void
test_all_short_texts_in_all_pieces(void **state)
{
	static const char letters[4] = { 'a', '.', '\r', '\n' };
	char text[SHORT_MAX];
	unsigned number;
	uint64_t cuts;
	size_t i, n;

	(void)state;
	for (n = 1; n <= SHORT_MAX; n++)
		for (number = 0; number < 1u << (2 * n); number++) {
			for (i = 0; i < n; i++)
				text[i] = letters[number >> (2 * i) & 3];
			for (cuts = 0; cuts < (uint64_t)1 << (n - 1); cuts++)
				compare_forms(text, n, cuts);
		}
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Lines, most of which end well. */
static size_t
make_text(uint64_t *seed, char *text)
{
	static const char *const ends[] = {
		"\r\n", "\r\n", "\r\n", "\r\n", "\r\n.", "\r\n..", "\r\n.a",
		"\r\n\r\n", "\n", "\r", "\r\r\n", "\n.\n", "\n.\r\n",
		"\r\n.\r", "\r\n.\n", "\r\n.\r\r\n", "\r\n.\r\n",
	};
	uint64_t r = next_random(seed);
	size_t lines = r % 8, n = 0, tail;
	/* Some are without any fault. */
	size_t kinds = r >> 8 & 1 ? 8 : N(ends);
	const char *end;

	while (lines-- > 0) {
		r = next_random(seed);
		memset(text + n, r & 1 ? 'x' : '\0', r >> 8 & 31);
		n += r >> 8 & 31;
		end = ends[(r >> 16) % kinds];
		tail = strlen(end);
		memcpy(text + n, end, tail);
		n += tail;
	}
	return n;
}

static void
test_random_texts_in_random_pieces(void **state)
{
	uint64_t seed = 88172645463325252ULL;
	char text[LONG_MAX];
	unsigned i;
	size_t n;

	(void)state;
	for (i = 0; i < RUNS; i++) {
		n = make_text(&seed, text);
		assert_true(n <= sizeof(text));
		compare_forms(text, n, 0);
		compare_forms(text, n, UINT64_MAX);
		compare_forms(text, n, next_random(&seed));
		compare_forms(text, n, next_random(&seed) &
		    next_random(&seed) & next_random(&seed));
	}
}

static void
test_nothing_is_taken_after_the_end(void **state)
{
	struct smtp_data d;
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	smtp_data_init(&d, DOTS, 0);
	assert_int_equal(smtp_data_take(&d, NULL, 0, &out), 0);
	assert_int_equal(smtp_data_take(&d, T(".\r\n.\r\n"), &out), 3);
	assert_int_equal(smtp_data_take(&d, T("a\r\n"), &out), 0);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_all_short_texts_in_all_pieces),
		cmocka_unit_test(test_random_texts_in_random_pieces),
		cmocka_unit_test(test_nothing_is_taken_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
