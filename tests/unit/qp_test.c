/*
 * qp_test.c - quoted-printable, tables of cases.  Each text is fed whole and
 * byte by byte.
 */
#include "lib/qp.h"
#include "tests/unit/t.h"

#define A10	"aaaaaaaaaa"
#define A70	A10 A10 A10 A10 A10 A10 A10

static const struct {
	enum qp_how how; const char *in, *out;
} cases[] = {
	{ QP_TEXT, "", "" },
	{ QP_TEXT, "a\n\nb\n", "a\n\nb\n" },
	{ QP_TEXT, "a", "a\n" },
	{ QP_TEXT, "a=b \t\n", "a=3Db =09\n" },
	{ QP_TEXT, "a  \n", "a =20\n" },
	{ QP_TEXT, "a ", "a=20\n" },
	{ QP_TEXT, "\xc3\xa4\x7f\x01\n", "=C3=A4=7F=01\n" },
	/* no line of text may look like a boundary, nor a piece of one */
	{ QP_TEXT, "-- \n--b\n a--\n", "=2D-=20\n=2D-b\n a--\n" },
	{ QP_TEXT, A70 "aaaaa--b\n", A70 "aaaaa=\n=2D-b\n" },
	{ QP_TEXT, ".\n", ".\n" },
	/* 76 octets are the most, with the "=" */
	{ QP_TEXT, A70 "aaaaa\n", A70 "aaaaa\n" },
	{ QP_TEXT, A70 "aaaaab\n", A70 "aaaaa=\nb\n" },
	{ QP_TEXT, A70 "aa\xff\n", A70 "aa=FF\n" },
	{ QP_TEXT, A70 "aaa\xff\n", A70 "aaa=\n=FF\n" },
	{ QP_TEXT, A70 "aaaaa \n", A70 "aaaaa=\n=20\n" },
	{ QP_TEXT, A70 "aaaaa b\n", A70 "aaaaa=\n b\n" },
	/* what is encoded stays so */
	{ QP_AGAIN, "a=3D=\n=\xff=C3\xa4 \n", "a=3D=\n==FF=C3=A4 \n" },
};

static void
encode(enum qp_how how, const char *p, size_t n, size_t chunk,
    struct buf *out)
{
	struct qp q;
	const char *nl;
	size_t len, i;

	qp_begin(&q, how);
	while (n > 0) {
		nl = memchr(p, '\n', n);
		len = nl == NULL ? n : (size_t)(nl - p);
		for (i = 0; i < len; i += chunk)
			qp_text(&q, p + i, len - i < chunk ? len - i : chunk,
			    out);
		if (nl != NULL)
			qp_line_end(&q, out);
		p += len + (nl != NULL);
		n -= len + (nl != NULL);
	}
	qp_end(&q, out);
}

static void
test_cases(void **state)
{
	struct buf out;
	size_t i, chunk;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		for (chunk = 1; chunk < 100; chunk += 98) {
			buf_reset(&out);
			encode(cases[i].how, cases[i].in, strlen(cases[i].in), chunk, &out);
			assert_string_equal(buf_str(&out), cases[i].out);
		}
	}
	buf_fini(&out);
}

/* A line without end, of "=41" over and over: broken between, not within. */
static void
test_long_line_again(void **state)
{
	struct buf in, out, back;
	size_t i, column = 0;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_init(&back, 0);
	for (i = 0; i < 5000; i++)
		buf_puts(&in, i % 7 == 0 ? "x" : "=41");
	encode(QP_AGAIN, in.data, in.len, 100, &out);
	for (i = 0; i < out.len; i++) {
		assert_true(++column <= 998);
		if (out.data[i] == '\n')
			column = 0;
		if (out.data[i] == '=' && out.data[i + 1] == '\n') {
			column = 0;
			i++;
		} else if (out.data[i] != '\n') {
			buf_putc(&back, out.data[i]);
		}
	}
	assert_string_equal(buf_str(&back), buf_str(&in));
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long_line_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
