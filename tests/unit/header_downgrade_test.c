/*
 * header_downgrade_test.c - header fields with 8-bit text, a table of cases.
 */
#include "lib/header_downgrade.h"
#include "tests/unit/t.h"

#define UE	"\xc3\xbc"		/* ü */
#define Q(s)	"=?utf-8?Q?" s "?="

static const struct {
	const char *in, *out;		/* out NULL: it cannot be */
} cases[] = {
	/* text */
	{ "Subject: a b\n", "Subject: a b\n" },
	{ "Subject: " UE "\n", "Subject: " Q("=C3=BC") "\n" },
	{ "Subject:" UE, "Subject:" Q("=C3=BC") "\n" },
	{ "Subject: a " UE " b  c\n", "Subject: a " Q("=C3=BC") " b  c\n" },
	{ "Subject: x" UE "  y" UE "_?\n",
	  "Subject: " Q("x=C3=BC__y=C3=BC=5F=3F") "\n" },
	{ "Subject: " UE "\n\t" UE " c\n",
	    "Subject: " Q("=C3=BC_=C3=BC") " c\n" },
	{ "Subject: a\n " UE "\n", "Subject: a\n " Q("=C3=BC") "\n" },
	{ "Subject: " UE " \n", "Subject: " Q("=C3=BC") " \n" },
	/* beside encoded words the blanks would not be seen */
	{ "Subject: " Q("a") " " UE " " Q("b") " c\n",
	  "Subject: " Q("a") " " Q("_=C3=BC_") " " Q("b") " c\n" },
	{ "X-Any: \xfc \xc3\xbc\n",
	  "X-Any: =?unknown-8bit?Q?=FC_=C3=BC?=\n" },
	{ "Received: from " UE " (x)\n",
	    "Received: from xn-- (x)\n" },
	{ "no field " UE "\n", "no field " UE "\n" },
	/* names, comments, groups */
	{ "From: J" UE "rg M <j@x>\n", "From: " Q("J=C3=BCrg") " M <j@x>\n" },
	{ "from : J" UE "rg<j@x>\n", "from : " Q("J=C3=BCrg") " <j@x>\n" },
	{ "To: \"D, J\\\"" UE "\" <a@b>, c@d\n",
	  "To: " Q("D=2C_J=22=C3=BC") " <a@b>, c@d\n" },
	{ "To: \"A\" " UE " \"B\" <a@b>\n",
	  "To: \"A\" " Q("=C3=BC") " \"B\" <a@b>\n" },
	{ "Cc: a@b (" UE " (x\\)" UE ") y)\n",
	  "Cc: a@b (" Q("=C3=BC") " (" Q("x=29=C3=BC") ") y)\n" },
	{ "Cc: " UE "(x) <a@b>\n", "Cc: " Q("=C3=BC") " (x) <a@b>\n" },
	{ "To: Gr" UE "n: a@b, " UE " <c@d>;\n",
	  "To: " Q("Gr=C3=BCn") " : a@b, " Q("=C3=BC") " <c@d>;\n" },
	{ "To: " UE ", " UE "\n", "To: " Q("=C3=BC") " , " Q("=C3=BC") "\n" },
	{ "To: J. M" UE "ller <a@b>\n", "To: J. " Q("M=C3=BCller") " <a@b>\n" },
	/* addresses stay what they are */
	{ "From: J <j" UE "@x>\n", NULL },
	{ "From: j" UE "@x\n", NULL },
	{ "From: j" UE " @x\n", NULL },
	{ "From: \"j" UE "\"@x\n", NULL },
	{ "From: j@[x" UE "]\n", NULL },
	{ "From: <\"a>\"" UE "@x>\n", NULL },
	/* domains are written in another way */
	{ "From: J <j@" UE ".org>\n", "From: J <j@xn--.org>\n" },
	{ "From: <j@a." UE ">\n", "From: <j@a.xn-->\n" },
	{ "From: j@" UE ".org (" UE ")\n",
	  "From: j@xn--.org (" Q("=C3=BC") ")\n" },
	{ "To: a@b, " UE " <j@" UE ">,c@d\n",
	  "To: a@b, " Q("=C3=BC") " <j@xn-->,c@d\n" },
	{ "To: j@" UE "," UE "@x\n", NULL },
	{ "To: <" UE ">\n", NULL },
	{ "To: <@" UE ":a@x>\n", NULL },
	{ "Received: by " UE ".org (" UE ") id x\n",
	  "Received: by xn--.org " Q("=28=C3=BC=29") " id x\n" },
	/* ids */
	{ "Message-ID: <" UE "@x>\n", "Message-ID: <=C3=BC@x>\n" },
	{ "Message-ID: <a@" UE ".org>\n", "Message-ID: <a@xn--.org>\n" },
	{ "References: <a@" UE ">\n <" UE "@b> <c>\n",
	  "References: <a@xn-->\n <=C3=BC@b> <c>\n" },
	{ "In-Reply-To: Your mail of " UE " <i@d>\n",
	  "In-Reply-To: Your mail of =C3=BC <i@d>\n" },
	{ "Content-ID: @ @@" UE "\n", "Content-ID: @ @@xn--\n" },
	/* parameters */
	{ "Content-type : text/plain; name=\"" UE "\"",
	  "Content-type : text/plain; name*=utf-8''%C3%BC\n" },
	{ "Content-Type: text/plain; charset=utf-8;\n\tname=" UE ".txt; a=b\n",
	  "Content-Type: text/plain; charset=utf-8;\n\tname*=utf-8''%C3%BC.txt; "
	  "a=b\n" },
	{ "Content-Disposition: attachment; filename=\"a; \\\"" UE "\"(x)\n",
	  "Content-Disposition: attachment; filename*=utf-8''a%3B%20%22%C3%BC"
	  "(x)\n" },
	{ "Content-Disposition: attachment; filename=\"\xfc\"; size=1\n",
	  "Content-Disposition: attachment; filename*=unknown-8bit''%FC; "
	  "size=1\n" },
	{ "Content-Disposition: a; filename=\"" UE UE UE UE UE UE UE UE UE UE UE
	  "0123456789\"\n", "Content-Disposition: a; filename*0*=utf-8''%C3%BC"
	  "%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC;\n "
	  "filename*1*=%C3%BC0123456789\n" },
	{ "Content-Disposition: a; filename*=utf-8''" UE "; " UE "; x=" UE "\n",
	  "Content-Disposition: a; filename*=utf-8''%C3%BC; =C3=BC; "
	  "x*=utf-8''%C3%BC\n" },
	{ "Content-Type: multipart/mixed; Boundary=" UE "\n", NULL },
	{ "Content-Type: t" UE "xt; =" UE "; \"" UE ";\n",
	  "Content-Type: t=C3=BCxt; ==C3=BC; \"=C3=BC;\n" },
	{ "Content-Type: a/b; " UE "=" UE "\n",
	  "Content-Type: a/b; =C3=BC==C3=BC\n" },
	/* not closed */
	{ "From: \"" UE "\n", "From: " Q("=C3=BC") "\n" },
	{ "From: (" UE "\n", "From: (" Q("=C3=BC") "\n" },
	{ "From: <" UE "\n", NULL },
	{ "To: (\\\n", "To: (\\\n" },
	{ "To: \"\\\n", "To: \"\\\n" },
};

/* Not what IDNA makes of it, but as short. */
static int
to_ascii(const char *p, size_t n, struct buf *out)
{
	const char *ue = memmem(p, n, UE, 2);

	if (ue == NULL || memchr(p, '(', n) != NULL)
		return -1;
	buf_add(out, p, (size_t)(ue - p));
	buf_puts(out, "xn--");
	buf_add(out, ue + 2, n - 2 - (size_t)(ue - p));
	return 0;
}

static void
test_cases(void **state)
{
	struct buf out;
	size_t i;
	int ret;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		ret = header_downgrade_field(&out, cases[i].in,
		    strlen(cases[i].in), to_ascii);
		if ((ret == 0) != (cases[i].out != NULL))
			fail_msg("%s: %d, %s", cases[i].in, ret,
			    buf_str(&out));
		if (cases[i].out != NULL)
			assert_string_equal(buf_str(&out), cases[i].out);
		assert_false(buf_failed(&out));
	}
	buf_fini(&out);
}

/* Long text: whole characters in words of 75 bytes, in lines of 76. */
static void
test_long_text(void **state)
{
	struct buf in, out;
	const char *line, *nl;
	size_t i;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_puts(&in, "Subject: some words before it");
	for (i = 0; i < 100; i++)
		buf_puts(&in, i % 10 == 5 ? " plain" : " \xe2\x82\xac" UE);
	buf_putc(&in, '\n');
	assert_int_equal(header_downgrade_field(&out, in.data, in.len,
	    NULL), 0);
	assert_true(text_is_ascii(out.data, out.len));
	for (line = out.data; *line != '\0'; line = nl + 1) {
		nl = strchr(line, '\n');
		assert_non_null(nl);
		assert_true(nl - line <= 78);
		assert_true(line == out.data || *line == ' ');
	}
	/* A character is never in two words. */
	assert_null(strstr(out.data, "=E2?="));
	assert_null(strstr(out.data, "=82?="));
	assert_null(strstr(out.data, "=C3?="));
	buf_fini(&in);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
