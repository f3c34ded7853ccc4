/*
 * mail_test.c - the text of a message, tables of cases.  Each stream is fed
 * whole and cut at every place, since chunks may end anywhere.
 */
#include "lib/mail.h"
#include "tests/unit/t.h"

static const struct {
	const char *in; size_t inlen; const char *out; size_t outlen;
	int dot_ends, is_over;
} inputs[] = {
	{ T(""),		T(""),			0, 0 },
	{ T("a"),		T("a\n"),		0, 0 },
	{ T("a\n"),		T("a\n"),		0, 0 },
	{ T("a\r\nb\n\r\nc\r\n"), T("a\nb\n\nc\n"),	0, 0 },
	{ T("a\r"),		T("a\n"),		0, 0 },
	{ T("a\rb\r\r\n\r"),	T("a\rb\r\n\n"),	0, 0 },
	{ T("a\0b\r\n"),	T("a\0b\n"),		0, 0 },
	{ T("a\n.\nb\n"),	T("a\n.\nb\n"),		0, 0 },
	{ T("a\n.\nb\n"),	T("a\n"),		1, 1 },
	{ T("a\r\n.\r\nb\r\n"),	T("a\n"),		1, 1 },
	{ T(".\n"),		T(""),			1, 1 },
	{ T("a\n."),		T("a\n"),		1, 1 },
	{ T("a\n.\r"),		T("a\n"),		1, 1 },
	{ T("a\n..\n.b\n. \n"),	T("a\n..\n.b\n. \n"),	1, 0 },
	{ T("a\n.\r\r\nb\n"),	T("a\n.\r\nb\n"),	1, 0 },
	{ T("a\n.\rb\n"),	T("a\n.\rb\n"),		1, 0 },
	{ T("a.\nb"),		T("a.\nb\n"),		1, 0 },
	{ T("\r.\n"),		T("\r.\n"),		1, 0 },
};

/* Some of the input, which may be copied as it stands if the function says so. */
static void
take(struct mail_input *in, const char *p, size_t n, int asks, struct buf *out)
{
	if (asks && mail_input_is_text(in, p, n))
		buf_add(out, p, n);
	else
		mail_input(in, p, n, out);
}

static void
test_input(void **state)
{
	struct mail_input in;
	struct buf out;
	size_t i, cut;
	int asks;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(inputs); i++) {
		for (cut = 0; cut <= 2 * inputs[i].inlen + 1; cut++) {
			const size_t n = cut / 2;

			asks = cut % 2;
			buf_reset(&out);
			mail_input_init(&in, inputs[i].dot_ends);
			take(&in, inputs[i].in, n, asks, &out);
			take(&in, inputs[i].in + n, inputs[i].inlen - n, asks,
			    &out);
			mail_input_end(&in, &out);
			t_assert_text(&out, inputs[i].out, inputs[i].outlen);
			assert_int_equal(in.is_over, inputs[i].is_over);
		}
	}
	buf_fini(&out);
}

static void
test_count(void **state)
{
	static const struct {
		const char *in; size_t len; int lines, wide, nul;
	} cases[] = {
		{ T(""),			0, 0, 0 },
		{ T("a\n\nb\n"),		3, 0, 0 },
		{ T("0123456701234567\xc3\n"),	1, 1, 0 },
		{ T("012\xc3" "567\n"),		1, 1, 0 },
		{ T("a\0\n"),			1, 0, 1 },
	};
	struct mail_facts f;
	size_t i, cut;
	int in_header;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		for (cut = 0; cut <= cases[i].len; cut++) {
			in_header = (int)(cut % 2);
			memset(&f, 0, sizeof(f));
			f.in_header = in_header;
			mail_count(&f, cases[i].in, cut);
			mail_count(&f, cases[i].in + cut, cases[i].len - cut);
			assert_int_equal(f.lines, cases[i].lines);
			assert_int_equal((f.flags & (in_header ?
			    MESSAGE_8BIT_HEADER : MESSAGE_8BIT_BODY)) != 0,
			    cases[i].wide);
			assert_int_equal(f.flags & (in_header ?
			    MESSAGE_8BIT_BODY : MESSAGE_8BIT_HEADER), 0);
			assert_int_equal((f.flags & MESSAGE_HAS_NUL) != 0,
			    cases[i].nul);
			assert_int_equal(f.flags & MESSAGE_LONG_LINES, 0);
		}
	}
}

/* Of the header it is also known whether its 8-bit text is UTF-8. */
static void
test_count_header(void **state)
{
	static const struct { const char *in; int wide, utf8; } cases[] = {
		{ "a: b\n\n", 0, 0 },
		{ "a: \xc3\xbc\n\n", 1, 1 },
		{ "a: \xc3\xbc\nb: \xfc\n\n", 1, 0 },
	};
	struct mail_facts f;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&f, 0, sizeof(f));
		f.in_header = 1;
		mail_count(&f, cases[i].in, strlen(cases[i].in));
		f.in_header = 0;
		mail_count(&f, T("x\xc3\ry\n"));
		assert_int_equal((f.flags & MESSAGE_8BIT_HEADER) != 0,
		    cases[i].wide);
		assert_int_equal((f.flags & MESSAGE_UTF8_HEADER) != 0,
		    cases[i].utf8);
		assert_true(f.flags & MESSAGE_8BIT_BODY);
		assert_true(f.flags & MESSAGE_HAS_CR);
	}
}

static void
test_count_long(void **state)
{
	char line[MAIL_WIRE_LINE + 2];
	struct mail_facts f;
	size_t n, cut;

	(void)state;
	for (n = MAIL_WIRE_LINE; n <= MAIL_WIRE_LINE + 1; n++) {
		memset(line, 'x', n);
		line[n] = '\n';
		for (cut = 0; cut <= n; cut++) {
			memset(&f, 0, sizeof(f));
			mail_count(&f, line, cut);
			mail_count(&f, line + cut, n + 1 - cut);
			mail_count(&f, line, n - 10);
			assert_int_equal((f.flags & MESSAGE_LONG_LINES) != 0,
			    n > MAIL_WIRE_LINE);
		}
	}
}

static void
test_envelope(void **state)
{
	static const struct {
		int from_line; const char *sender, *recipient, *out;
	} cases[] = {
		{ 1, "a@b", "c@d", "From a@b Thu Jan  1 00:00:00 1970\n"
		    "Return-Path: <a@b>\nDelivered-To: c@d\n" },
		{ 1, "", "c", "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
		    "Return-Path: <>\nDelivered-To: c\n" },
		{ 0, "a@b", NULL, "Return-Path: <a@b>\n" },
		{ 1, "\"a b\"@c", "d\ne", "From \"a-b\"@c Thu Jan  1 00:00:00 "
		    "1970\nReturn-Path: <\"a b\"@c>\nDelivered-To: d-e\n" },
	};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	setenv("TZ", "LMT-5:30", 1);
	tzset();
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		mail_put_envelope(&out, cases[i].from_line, cases[i].sender,
		    cases[i].recipient, 0);
		assert_string_equal(buf_str(&out), cases[i].out);
	}
	buf_fini(&out);
}

static void
test_mbox(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "",				"\n" },
		{ "a\n",			"a\n\n" },
		{ "a",				"a\n\n" },
		{ "From x\n",			">From x\n\n" },
		{ ">From x\n",			">>From x\n\n" },
		{ ">>>From x\nFrom \n",		">>>>From x\n>From \n\n" },
		{ "a\nFrom b\nc\n",		"a\n>From b\nc\n\n" },
		{ "From\nFrom: x\n",		"From\nFrom: x\n\n" },
		{ "from x\n From y\n",		"from x\n From y\n\n" },
		{ "FFrom x\nF>From y\n",	"FFrom x\nF>From y\n\n" },
		{ "a From b\n",			"a From b\n\n" },
		{ ">\n>>\n\n>From x",		">\n>>\n\n>>From x\n\n" },
		{ "From",			"From\n\n" },
		{ "a\n>>Fro",			"a\n>>Fro\n\n" },
		{ "a\n>",			"a\n>\n\n" },
		{ ">F>From x\n",		">F>From x\n\n" },
	};
	struct mail_mbox m;
	struct buf out;
	size_t i, cut, len;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		len = strlen(cases[i].in);
		for (cut = 0; cut <= len; cut++) {
			memset(&m, 0, sizeof(m));
			buf_reset(&out);
			mail_mbox(&m, cases[i].in, cut, &out);
			mail_mbox(&m, cases[i].in + cut, len - cut, &out);
			mail_mbox_end(&m, &out);
			t_assert_text(&out, cases[i].out, strlen(cases[i].out));
		}
	}
	buf_fini(&out);
}

static const struct {
	int stuff; const char *in; size_t inlen; const char *out; size_t outlen;
} wires[] = {
	{ 1, T(""),			T("") },
	{ 1, T("\n"),			T("\r\n") },
	{ 1, T("A: b\n\nc\n"),		T("A: b\r\n\r\nc\r\n") },
	{ 1, T("A: b\n\nc"),		T("A: b\r\n\r\nc\r\n") },
	{ 1, T("A: b"),			T("A: b\r\n") },
	{ 1, T("A: b\r\n\r\nc\r\n"),	T("A: b\r\n\r\nc\r\n") },
	{ 1, T("A: b\n\nc\rd\r\re\r\r\n"),
	    T("A: b\r\n\r\nc\r\nd\r\n\r\ne\r\n\r\n") },
	{ 1, T("A: b\n\n\r"),		T("A: b\r\n\r\n\r\n") },
	{ 1, T("A: b\n\n.\n..\nc.\n.d"),
	    T("A: b\r\n\r\n..\r\n...\r\nc.\r\n..d\r\n") },
	{ 1, T("A: b\n\nc\r.\r\nd\n"),	T("A: b\r\n\r\nc\r\n..\r\nd\r\n") },
	{ 1, T(".x: y\n\n."),		T("..x: y\r\n\r\n..\r\n") },
	{ 0, T(".x: y\n\n.\n.a"),	T(".x: y\r\n\r\n.\r\n.a\r\n") },
	{ 1, T("A: b\n\n\0.\nc\0d\n"),	T("A: b\r\n\r\n..\r\ncd\r\n") },
	{ 1, T("A: b\n\nc\r\0\nd\n"),	T("A: b\r\n\r\nc\r\nd\r\n") },
	{ 1, T("A: b\n\n\0"),		T("A: b\r\n\r\n") },
};

static void
wire(struct buf *out, int stuff, const char *in, size_t len, size_t cut)
{
	struct mail_wire w;

	buf_reset(out);
	mail_wire_init(&w, stuff);
	mail_wire(&w, in, cut, out);
	mail_wire(&w, in + cut, len - cut, out);
	mail_wire_end(&w, out);
	mail_wire_fini(&w);
}

static void
test_wire(void **state)
{
	struct buf out;
	size_t i, cut;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(wires); i++) {
		for (cut = 0; cut <= wires[i].inlen; cut++) {
			wire(&out, wires[i].stuff, wires[i].in,
			    wires[i].inlen, cut);
			t_assert_text(&out, wires[i].out, wires[i].outlen);
		}
	}
	buf_fini(&out);
}

/* Adds c n times. */
static void
fill(struct buf *b, char c, int n)
{
	while (n-- > 0)
		buf_putc(b, c);
}

/*
 * Lines too long: {n, c} runs in, and how they come out, each part one line.
 * A blank that was put in is a run of its own in front.
 */
struct run { int n; char c; };

static const struct { struct run in[6], out[8]; } longs[] = {
	/* the header: at a blank, else with a blank put in */
	{ { { 998, 'h' } }, { { 998, 'h' } } },
	{ { { 999, 'h' } }, { { 998, 'h' }, { 1, '\n' }, { 1, ' ' },
	    { 1, 'h' } } },
	{ { { 2000, 'h' } }, { { 998, 'h' }, { 1, '\n' }, { 1, ' ' },
	    { 997, 'h' }, { 1, '\n' }, { 1, ' ' }, { 5, 'h' } } },
	{ { { 900, 'h' }, { 1, ' ' }, { 900, 'i' } },
	    { { 900, 'h' }, { 1, '\n' }, { 1, ' ' }, { 900, 'i' } } },
	{ { { 998, 'h' }, { 1, '\t' }, { 900, 'i' } },
	    { { 998, 'h' }, { 1, '\n' }, { 1, '\t' }, { 900, 'i' } } },
	{ { { 2, 'h' }, { 3, ' ' }, { 997, 'i' } },
	    { { 2, 'h' }, { 1, '\n' }, { 3, ' ' }, { 995, 'i' }, { 1, '\n' },
	    { 1, ' ' }, { 2, 'i' } } },
	/* a blank that leads the line is no place to fold */
	{ { { 1, ' ' }, { 998, 'i' } }, { { 1, ' ' }, { 997, 'i' },
	    { 1, '\n' }, { 1, ' ' }, { 1, 'i' } } },
	/* the body: there */
	{ { { 1, '\n' }, { 998, 'b' } }, { { 1, '\n' }, { 998, 'b' } } },
	{ { { 1, '\n' }, { 999, 'b' } }, { { 1, '\n' }, { 998, 'b' },
	    { 1, '\n' }, { 1, 'b' } } },
	{ { { 1, '\n' }, { 900, 'b' }, { 1, ' ' }, { 900, 'c' } },
	    { { 1, '\n' }, { 900, 'b' }, { 1, ' ' }, { 97, 'c' }, { 1, '\n' },
	    { 803, 'c' } } },
	/* where it is broken a dot may come to lead; doubled, not counted */
	{ { { 1, '\n' }, { 998, 'b' }, { 1, '.' }, { 1, 'c' } },
	    { { 1, '\n' }, { 998, 'b' }, { 1, '\n' }, { 2, '.' },
	    { 1, 'c' } } },
	{ { { 1, '\n' }, { 1, '.' }, { 997, 'b' } },
	    { { 1, '\n' }, { 2, '.' }, { 997, 'b' } } },
};

static void
put_runs(struct buf *b, const struct run *runs, size_t n, int is_wire)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_wire && runs[i].c == '\n')
			fill(b, '\r', 1);
		fill(b, runs[i].c, runs[i].n);
	}
	buf_puts(b, is_wire ? "\r\n" : "\n");
}

static void
test_wire_long(void **state)
{
	struct buf in, out, want;
	size_t i, cut;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_init(&want, 0);
	for (i = 0; i < N(longs); i++) {
		buf_reset(&in);
		buf_reset(&want);
		put_runs(&in, longs[i].in, N(longs[i].in), 0);
		put_runs(&want, longs[i].out, N(longs[i].out), 1);
		for (cut = 0; cut <= in.len; cut++) {
			wire(&out, 1, in.data, in.len, cut);
			t_assert_text(&out, want.data, want.len);
		}
	}
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&want);
}

/* No part of a field can become one, however long it is. */
static void
test_wire_no_new_field(void **state)
{
	struct buf in, out;
	int pad;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (pad = 980; pad < 1010; pad++) {
		buf_reset(&in);
		buf_puts(&in, "X:");
		fill(&in, 'y', pad);
		buf_puts(&in, "Bcc:secret@example.org\n\n");
		wire(&out, 1, in.data, in.len, 0);
		assert_null(strstr(buf_str(&out), "\nBcc"));
		assert_null(strstr(buf_str(&out), "\ncc"));
	}
	buf_fini(&in);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_count_header),
		cmocka_unit_test(test_count_long),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_mbox),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_wire_long),
		cmocka_unit_test(test_wire_no_new_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
