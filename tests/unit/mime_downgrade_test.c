/*
 * mime_downgrade_test.c - messages made fit, tables of cases.  Each one is
 * fed whole and cut into small chunks.
 */
#include "lib/mime_downgrade.h"
#include "tests/unit/t.h"

#define UE	"\xc3\xbc"		/* ü */
#define BOTH	(MIME_NO_8BIT | MIME_NO_8BIT_HEADER)
#define MIXED	"MIME-Version: 1.0\nContent-Type: multipart/mixed; " \
		"boundary=b\n"
#define QP	"Content-Transfer-Encoding: quoted-printable\n"
#define ADDED	"MIME-Version: 1.0\nContent-Type: text/plain; charset="

/* How it ended. */
enum end { FITS, CHANGED, SEALED, TROUBLE };

static const struct {
	unsigned lacks;
	const char *in; size_t inlen;
	enum end end;
	const char *out;		/* NULL: as in */
} cases[] = {
	{ 0, T("A: b\n\n" UE "\n"), FITS, NULL },
	{ BOTH, T("A: b\n\nx\n"), CHANGED, NULL },
	/* no MIME at all */
	{ BOTH, T("A: b\n\n" UE "\n"), CHANGED,
	  "A: b\n" ADDED "utf-8\n" QP "\n=C3=BC\n" },
	{ BOTH, T("A: b\n\n\xfc\n"), CHANGED,
	  "A: b\n" ADDED "unknown-8bit\n" QP "\n=FC\n" },
	{ BOTH, T("A: b\n\n\xc3\n\xbc\n"), CHANGED,
	  "A: b\n" ADDED "unknown-8bit\n" QP "\n=C3\n=BC\n" },
	{ BOTH, T("A: b\n\n\xe2\x82\xac\xf0\x90\x80\x80\n"), CHANGED,
	  "A: b\n" ADDED "utf-8\n" QP "\n=E2=82=AC=F0=90=80=80\n" },
	{ BOTH, T("A: b\n\n\xed\xa0\x80\n"), CHANGED,
	  "A: b\n" ADDED "unknown-8bit\n" QP "\n=ED=A0=80\n" },
	/* CR is a line end, NUL is dropped, as on the wire */
	{ BOTH, T("A: b\n\n" UE "\0 \rx\r\ny\n"), CHANGED,
	  "A: b\n" ADDED "utf-8\n" QP "\n=C3=BC=20\nx\ny\n" },
	/* the header alone */
	{ MIME_NO_8BIT_HEADER, T("Subject: " UE "\n\n" UE "\n"), CHANGED,
	  "Subject: =?utf-8?Q?=C3=BC?=\n\n" UE "\n" },
	{ MIME_NO_8BIT, T("Subject: " UE "\n\n" UE "\n"), CHANGED,
	  "Subject: " UE "\n" ADDED "utf-8\n" QP "\n=C3=BC\n" },
	{ BOTH, T("From: <" UE "@x>\n\nx\n"), TROUBLE, NULL },
	/* its own labels */
	{ BOTH, T("Content-Transfer-Encoding: 8bit\nMIME-Version: 1.0\n"
	  "Content-Type: text/html\n\n" UE " \n"), CHANGED,
	  QP "MIME-Version: 1.0\nContent-Type: text/html\n\n=C3=BC=20\n" },
	{ BOTH, T("Content-transfer-encoding :\n 8BIT\nContent-Transfer-"
	  "Encoding: 7bit\nContent-Type: text\n\n" UE "\n"), CHANGED,
	  QP "Content-Type: text\nMIME-Version: 1.0\n\n=C3=BC\n" },
	{ BOTH, T("Content-Transfer-Encoding: utf-8\n\n" UE "\n"), CHANGED,
	  QP ADDED "utf-8\n\n=C3=BC\n" },
	{ BOTH, T("Content-Type: application/x (c); a=\"\\\"\"\n\n" UE "\n"),
	  CHANGED, "Content-Type: application/x (c); a=\"\\\"\"\n"
	  "MIME-Version: 1.0\n" QP "\n=C3=BC\n" },
	{ BOTH, T(QP "\n=C3" UE "=\n"), CHANGED, QP "\n=C3=C3=BC=\n" },
	{ BOTH, T("Content-Transfer-Encoding: base64\n\nw7w=\n"), CHANGED,
	  NULL },
	{ BOTH, T("Content-Transfer-Encoding: base64\n\n" UE "\n"), SEALED,
	  NULL },
	{ BOTH, T("Content-Transfer-Encoding: x-uuencode\n\n" UE "\n"),
	  SEALED, NULL },
	/* a message whose coding hides what it is */
	{ BOTH, T("MIME-Version: 1.0\nContent-Type: message/rfc822\n" QP
	  "\nA: b\n\n" UE "\n"), CHANGED,
	  "MIME-Version: 1.0\nContent-Type: message/rfc822\n" QP
	  "\nA: b\n\n=C3=BC\n" },
	/* parts */
	{ BOTH, T(MIXED "Content-Transfer-Encoding: 8bit\n\n" UE "\n--b\n\n"
	  UE "\n--b \t\nContent-Type: image/x\n\n\n" UE "\n\n--b\n"
	  "Content-Type: text/plain\n\nx \n--b--\n" UE "\n--b\n"), CHANGED,
	  MIXED "Content-Transfer-Encoding: 7bit\n\n??\n--b\n"
	  "Content-Type: text/plain; charset=utf-8\n" QP "\n=C3=BC\n--b \t\n"
	  "Content-Type: image/x\n" QP "\n\n=C3=BC\n"
	  "\n--b\nContent-Type: text/plain\n\nx \n--b--\n??\n--b\n" },
	/* only the whole line is a boundary */
	{ BOTH, T(MIXED "\n--b\n\n" UE "\n--bb\n-b\n--b-\n--b--x\n--b--\n"),
	  CHANGED, MIXED "\n--b\nContent-Type: text/plain; charset=utf-8\n"
	  QP "\n=C3=BC\n=2D-bb\n=2Db\n=2D-b-\n=2D-b--x\n--b--\n" },
	/* comments, with one of their own and a quoted character */
	{ BOTH, T("MIME-Version: 1.0\nContent-Type: (a (b\\)) c) multipart/x "
	  "(d (e) f); boundary=b\n\n--b\n\n" UE "\n--b--\n"), CHANGED,
	  "MIME-Version: 1.0\nContent-Type: (a (b\\)) c) multipart/x "
	  "(d (e) f); boundary=b\n\n--b\nContent-Type: text/plain; "
	  "charset=utf-8\n" QP "\n=C3=BC\n--b--\n" },
	/* an inner one that is not closed */
	{ BOTH, T(MIXED "\n--b\nContent-Type: multipart/x; boundary=\"c d\"\n"
	  "\n--c d\nA: " UE "\n\n" UE "\n--b\n\n" UE "\n--c d\n--b--\n"),
	  CHANGED, MIXED "\n--b\nContent-Type: multipart/x; boundary=\"c d\"\n"
	  "\n--c d\nA: =?utf-8?Q?=C3=BC?=\nContent-Type: text/plain; "
	  "charset=utf-8\n" QP "\n=C3=BC\n--b\nContent-Type: text/plain; "
	  "charset=utf-8\n" QP "\n=C3=BC\n=2D-c d\n--b--\n" },
	/* parts without an empty line, or without anything */
	{ BOTH, T(MIXED "\n--b\nno header " UE "\n--b\nA: b\n" UE "\n--b\n"
	  "--b--\n"), CHANGED, MIXED "\n--b\nContent-Type: text/plain; "
	  "charset=utf-8\n" QP "\nno header =C3=BC\n--b\nA: b\nContent-Type: "
	  "text/plain; charset=utf-8\n" QP "\n=C3=BC\n--b\n--b--\n" },
	{ BOTH, T(MIXED "\n--b\n x\n--b\nA: b\ny\n--b--\n"), CHANGED, NULL },
	/* messages within */
	{ BOTH, T("Content-Type: message/rfc822\nContent-Transfer-Encoding: "
	  "8bit\n\nSubject: " UE "\n\n" UE "\n"), CHANGED,
	  "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n"
	  "Subject: =?utf-8?Q?=C3=BC?=\n" ADDED "utf-8\n" QP "\n=C3=BC\n" },
	{ BOTH, T("Content-Type: message/rfc822\n\n" UE "\n"), CHANGED,
	  "Content-Type: message/rfc822\n\n" ADDED "utf-8\n" QP "\n=C3=BC\n" },
	{ BOTH, T("Content-Type: message/rfc822\n\nFrom " UE " x\nA: " UE
	  "\n\n" UE "\n"), CHANGED, "Content-Type: message/rfc822\n\n"
	  "From ?? x\nA: =?utf-8?Q?=C3=BC?=\n" ADDED "utf-8\n" QP
	  "\n=C3=BC\n" },
	{ BOTH, T("Content-Type: multipart/digest; boundary=b\n\n--b\n\n"
	  "A: b\n\n" UE "\n--b--\n"), CHANGED, "Content-Type: multipart/digest;"
	  " boundary=b\n\n--b\n\nA: b\n" ADDED "utf-8\n" QP
	  "\n=C3=BC\n--b--\n" },
	{ BOTH, T("Content-Type: message/delivery-status\n\nA: " UE "\n"),
	  CHANGED, "Content-Type: message/delivery-status\nMIME-Version: 1.0\n"
	  QP "\nA: =C3=BC\n" },
	{ BOTH, T("Content-Type: message/partial\n\n" UE "\n"), SEALED, NULL },
	/* what must not be altered */
	{ BOTH, T("Subject: " UE "\nContent-Type: Multipart/Signed; "
	  "boundary=b\n\n--b\n\nx  \n--b--\n"), CHANGED,
	  "Subject: =?utf-8?Q?=C3=BC?=\nContent-Type: Multipart/Signed; "
	  "boundary=b\n\n--b\n\nx  \n--b--\n" },
	{ BOTH, T("Content-Type: multipart/signed; boundary=b\n\n--b\n\n" UE
	  "\n--b--\n"), SEALED, NULL },
	{ BOTH, T("Content-Type: multipart/encrypted; boundary=b\n\n" UE
	  "\n"), SEALED, NULL },
	{ BOTH, T(MIXED "\n--b\n\n" UE "\n--b\nContent-Type: multipart/signed;"
	  " boundary=c\n\n--c\n\nx  \n--c--\n--b--\n"), CHANGED,
	  MIXED "\n--b\nContent-Type: text/plain; charset=utf-8\n" QP
	  "\n=C3=BC\n--b\nContent-Type: multipart/signed; boundary=c\n\n"
	  "--c\n\nx  \n--c--\n--b--\n" },
	/* not understood */
	{ BOTH, T("Content-Type: multipart/mixed\n\n" UE "\n"), SEALED, NULL },
	{ BOTH, T("Content-Type: multipart/mixed; boundary=\"\"\n\n" UE "\n"),
	  SEALED, NULL },
	{ BOTH, T("Content-Type: multipart/mixed; boundary=\"b \"\n\n" UE
	  "\n"), SEALED, NULL },
	{ BOTH, T("Content-Type: multipart/mixed; boundary=" UE "\n\nx\n"),
	  TROUBLE, NULL },
	{ BOTH, T("Content-Type: multipart/mixed; boundary=b\n"
	  "Content-Transfer-Encoding: base64\n\n" UE "\n"), SEALED, NULL },
	{ 0, T("Content-Type: multipart/mixed\n\n" UE "\n"), FITS, NULL },
	/* reports */
	{ BOTH | MIME_AT_ANY_COST, T("Subject: " UE "\nTo: <" UE "@x>\n"
	  "Content-Type: multipart/signed; boundary=b\n\n--b\n\n" UE "\n"
	  "--b--\n"), CHANGED, "Subject: =?utf-8?Q?=C3=BC?=\nTo: <??@x>\n"
	  "Content-Type: multipart/signed; boundary=b\n\n--b\n\n??\n--b--\n" },
	{ BOTH | MIME_AT_ANY_COST, T("A: b\n\n" UE "\n"), CHANGED,
	  "A: b\n" ADDED "utf-8\n" QP "\n=C3=BC\n" },
	{ BOTH | MIME_AT_ANY_COST, T("Content-Type: multipart/mixed; "
	  "boundary=" UE "\nContent-Transfer-Encoding: base64\n\n" UE "\n"),
	  CHANGED, "Content-Type: multipart/mixed; boundary=??\n"
	  "Content-Transfer-Encoding: base64\n\n??\n" },
	/* cut short */
	{ BOTH, T(""), CHANGED, NULL },
	{ BOTH, T("A: b"), CHANGED, "A: b\n" },
	{ BOTH, T("A: b\n\n" UE), CHANGED,
	  "A: b\n" ADDED "utf-8\n" QP "\n=C3=BC\n" },
	{ BOTH, T(MIXED), CHANGED, NULL },
	{ BOTH, T(MIXED "\n--b"), CHANGED, MIXED "\n--b\n" },
	{ BOTH, T(MIXED "\n--b\n"), CHANGED, NULL },
	{ BOTH, T("Content-Type: message/rfc822\n"), CHANGED, NULL },
};

static void
feed(struct mime *m, const char *p, size_t n, size_t chunk, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i += chunk)
		mime_text(m, p + i, n - i < chunk ? n - i : chunk, out);
	mime_end(m, out);
	assert_false(buf_failed(out));
	mime_fini(m);
}

static enum end
pass(const char *p, size_t n, unsigned lacks, size_t chunk, struct buf *out)
{
	struct mime_plan *plan;
	struct mime *m;
	enum end end;
	int is_needless;

	plan = test_malloc(sizeof(*plan));
	m = test_malloc(sizeof(*m));
	buf_reset(out);
	mime_scan(m, plan);
	feed(m, p, n, chunk, out);
	assert_int_equal(out->len, 0);
	if (mime_verdict(plan, lacks, &is_needless) != NULL) {
		end = SEALED;
	} else {
		mime_write(m, plan, lacks, NULL);
		feed(m, p, n, chunk, out);
		end = m->trouble != NULL ? TROUBLE :
		    is_needless ? FITS : CHANGED;
	}
	test_free(plan);
	test_free(m);
	return end;
}

static void
test_cases(void **state)
{
	static const size_t chunks[] = { 1, 2, 3, 7, 100000 };
	const char *want;
	struct buf out;
	size_t i, k;
	enum end end;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		for (k = 0; k < N(chunks); k++) {
			end = pass(cases[i].in, cases[i].inlen, cases[i].lacks,
			    chunks[k], &out);
			if (end != cases[i].end)
				fail_msg("%s: %d", cases[i].in, (int)end);
			want = cases[i].out != NULL ? cases[i].out :
			    cases[i].in;
			if (end != SEALED && end != TROUBLE)
				assert_string_equal(buf_str(&out), want);
		}
	}
	buf_fini(&out);
}

/* Lines of 998 stay; of 999 they are encoded where that is possible. */
static void
test_long_lines(void **state)
{
	static const struct {
		const char *header; size_t len; const char *label;
	} lines[] = {
		{ "A: b\n\n", 998, NULL },
		{ "A: b\n\n", 999, "us-ascii\n" QP },
		{ "A: b\n\n", 100000, "us-ascii\n" QP },
		{ "Content-Type: application/x\n\n", 998, NULL },
		{ "Content-Type: application/x\n\n", 999, "1.0\n" QP },
		{ QP "\n", 999, "=\n" },
		{ "Content-Transfer-Encoding: base64\n\n", 999, NULL },
		{ "Content-Type: multipart/signed; boundary=b\n\n", 999, NULL },
	};
	struct buf in, out;
	size_t i, k;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (i = 0; i < N(lines); i++) {
		buf_reset(&in);
		buf_puts(&in, lines[i].header);
		for (k = 0; k < lines[i].len; k++)
			buf_putc(&in, 'x');
		buf_puts(&in, "\nend\n");
		assert_int_equal(pass(in.data, in.len, 0, 4096, &out),
		    lines[i].label == NULL ? FITS : CHANGED);
		if (lines[i].label == NULL)
			assert_string_equal(out.data, in.data);
		else
			assert_non_null(strstr(out.data, lines[i].label));
	}
	buf_fini(&in);
	buf_fini(&out);
}

/* Header lines of parts fold at a blank, or get one. */
static void
test_long_fields(void **state)
{
	static const struct { const char *word; size_t n; } fields[] = {
		{ "word ", 150 }, { "word ", 200 }, { "word\t \t", 1000 },
		{ "x", 985 }, { "x", 987 }, { "x", 3000 }, { " ", 3000 },
	};
	const char *line, *nl;
	struct buf in, out, a, b;
	size_t i, k;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_init(&a, 0);
	buf_init(&b, 0);
	for (i = 0; i < N(fields); i++) {
		buf_reset(&in);
		buf_reset(&a);
		buf_reset(&b);
		buf_puts(&in, MIXED "\n--b\nSubject: a\n b\nX-Long:\n  ");
		for (k = 0; k < fields[i].n; k++)
			buf_puts(&in, fields[i].word);
		buf_puts(&in, "end\nX-B: c\n\ntext\n--b--\n");
		assert_int_equal(pass(in.data, in.len, 0, 4096, &out),
		    fields[i].n * strlen(fields[i].word) + 5 <= 998 ? FITS :
		    CHANGED);
		for (line = out.data; *line != '\0'; line = nl + 1) {
			nl = strchr(line, '\n');
			assert_true(nl - line <= 998);
		}
		assert_non_null(strstr(out.data, "end\nX-B: c\n\ntext\n"));
		for (k = 0; k < in.len; k++)
			if (strchr(" \t\n", in.data[k]) == NULL)
				buf_putc(&a, in.data[k]);
		for (k = 0; k < out.len; k++)
			if (strchr(" \t\n", out.data[k]) == NULL)
				buf_putc(&b, out.data[k]);
		assert_string_equal(buf_str(&a), buf_str(&b));
	}
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&a);
	buf_fini(&b);
}

/* One more multipart, or message, within the other than is looked into. */
static void
nest(struct buf *in, unsigned depth, int is_message)
{
	unsigned i;

	for (i = 0; i < depth; i++) {
		if (is_message)
			buf_puts(in, "Content-Type: message/rfc822\n\n");
		else
			buf_printf(in, "Content-Type: multipart/mixed; "
			    "boundary=b%u\n\n--b%u\n", i, i);
	}
	buf_puts(in, "\n" UE "\n");
	while (!is_message && i-- > 0)
		buf_printf(in, "--b%u--\n", i);
}

static void
test_bounds(void **state)
{
	struct buf in, out;
	unsigned i;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (i = 0; i < 4; i++) {
		buf_reset(&in);
		nest(&in, MIME_DEPTH_MAX + (i & 1), i / 2);
		assert_int_equal(pass(in.data, in.len, BOTH, 4096, &out),
		    (i & 1) != 0 ? SEALED : CHANGED);
		assert_int_equal(pass(in.data, in.len, 0, 4096, &out), FITS);
		assert_string_equal(out.data, in.data);
	}
	/* Parts: those that are too many are not touched. */
	buf_reset(&in);
	buf_puts(&in, MIXED "\n");
	for (i = 0; i < MIME_PARTS_MAX + 10; i++)
		buf_printf(&in, "--b\n\n%s\n", i < 10 ? UE : "x");
	assert_int_equal(pass(in.data, in.len, BOTH, 4096, &out), CHANGED);
	buf_puts(&in, "--b\n\n" UE "\n");
	assert_int_equal(pass(in.data, in.len, BOTH, 4096, &out), SEALED);
	/* A header of a part that does not end. */
	buf_reset(&in);
	buf_puts(&in, MIXED "\n--b\nA: ");
	for (i = 0; i < MIME_HEADER_MAX; i++)
		buf_putc(&in, 'x');
	buf_puts(&in, "\n\ny\n--b--\n");
	assert_int_equal(pass(in.data, in.len, BOTH, 4096, &out), CHANGED);
	assert_string_equal(out.data, in.data);
	buf_fini(&in);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_long_fields),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
