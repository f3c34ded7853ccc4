/*
 * addr_test.c - addresses, tables of cases.
 */
#include "lib/addr.h"
#include "tests/unit/t.h"

struct heard {
	const char	*text;
	struct buf	 out;
	int		 stop_at, n;
};

/* Each address as "canonical flags;", each bad member as "!as written;". */
static int
hear_found(void *arg, const struct addr_found *f)
{
	struct heard *h = arg;

	if (f->is_bad) {
		assert_true(f->start <= f->end);
		buf_putc(&h->out, '!');
		buf_add(&h->out, h->text + f->start, f->end - f->start);
		buf_putc(&h->out, ';');
		return 0;
	}
	assert_true(f->start < f->end);
	assert_int_equal(addr_canonical(h->text + f->start, f->end - f->start,
	    &h->out), 0);
	buf_printf(&h->out, "%s%s%s;", f->is_bare ? " bare" : "",
	    f->in_angle ? " angle" : "", f->in_group ? " group" : "");
	return ++h->n == h->stop_at ? 7 : 0;
}

static int
hear_good(void *arg, const struct addr_found *f)
{
	return f->is_bad ? 0 : hear_found(arg, f);
}

static void
test_local_part(void **state)
{
	static const struct { const char *name, *local; } cases[] = {
		{ "ann", "ann" }, { "20231234", "20231234" },
		{ "EXAMPLE\\dave", "\"EXAMPLE\\\\dave\"" },
		{ "two words", "\"two words\"" }, { "a..b", "\"a..b\"" },
		{ "b.", "\"b.\"" }, { "a@b", "\"a@b\"" },
		{ "\\a", "\"\\\\a\"" }, { "a\"b", "\"a\\\"b\"" },
		{ "j\xc3\xb6rg", "j\xc3\xb6rg" }, { "a$", "a$" },
		{ "a\tb", NULL }, { "", "\"\"" },
	};
	char back[ADDRESS_MAX + 1];
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		addr_put_local(&b, cases[i].name);
		assert_int_equal(buf_failed(&b), cases[i].local == NULL);
		if (cases[i].local != NULL) {
			assert_string_equal(buf_str(&b), cases[i].local);
			buf_puts(&b, "@b.c");
			assert_int_equal(addr_local(buf_str(&b), back,
			    sizeof(back)), 0);
			assert_string_equal(back, cases[i].name);
		}
		buf_fini(&b);
	}
	assert_int_equal(addr_local("abc@d", back, 3), -1);
	assert_int_equal(addr_local("abc@d", back, 4), 0);
}

static void
test_walk(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "", "" },
		{ " , ,\n\t,", "" },
		{ "a@b", "a@b;" },
		{ "root", "root bare;" },
		{ "root (Cron Daemon)", "root bare;" },
		{ "(x) root(y)", "root bare;" },
		{ "a@b, c@d", "a@b;c@d;" },
		{ "a@b,\n\tc@d,\r\n e@f", "a@b;c@d;e@f;" },
		{ "a@b; c@d;", "a@b;c@d;" },
		{ "Ann <a@b>", "a@b angle;" },
		{ "<a@b>", "a@b angle;" },
		{ "Ann <root>", "root bare angle;" },
		{ "\"Doe, Ann\" <a@b>, c@d", "a@b angle;c@d;" },
		{ "\"\\\"x, y\" <a@b>", "a@b angle;" },
		{ "Ann Q. Doe <a@b>", "a@b angle;" },
		{ "a@x.org <a@b>", "a@b angle;" },
		{ "[Team] Re <a@b>", "a@b angle;" },
		{ "J\xc3\xbcrgen <a@b>", "a@b angle;" },
		{ "Ann (a (nested, comment) <x@y>) <a@b> (z)", "a@b angle;" },
		{ "(\\)) a@b", "a@b;" },
		{ "a (x) @ (y) b . (z) c", "a@b.c;" },
		{ "a . b @ c.d", "a.b@c.d;" },
		{ "A.b@EXAMPLE.Org", "A.b@example.org;" },
		{ "a@example.org.", "a@example.org;" },
		{ "\"a b\"@c", "\"a b\"@c;" },
		{ "\"ab\"@c", "ab@c;" },
		{ "\"a..b\"@c", "\"a..b\"@c;" },
		{ "a..b@c", "a..b@c;" },
		{ "a.@c", "a.@c;" },
		{ "\"a\\b\\\"\"@c", "\"ab\\\"\"@c;" },
		{ "\"a@b\"", "\"a@b\" bare;" },
		{ "a@[127.0.0.1]", "a@[127.0.0.1];" },
		{ "a@[IPv6:::1]", "a@[ipv6:::1];" },
		{ "<@x,@y:a@b>, c@d", "a@b angle;c@d;" },
		{ "<@x:root>", "root bare angle;" },
		{ "u%h!x+y=z@b", "u%h!x+y=z@b;" },
		{ "/usr/bin/x", "/usr/bin/x bare;" },
		{ "a@my_box", "a@my_box;" },
		/* not in quotes as they should be, but clear */
		{ "\\root, d@e", "root bare;d@e;" },
		{ "EXAMPLE\\dave", "\"EXAMPLE\\\\dave\" bare;" },
		{ "<EXAMPLE\\dave@b>", "\"EXAMPLE\\\\dave\"@b angle;" },
		{ "\\bob@b", "\"\\\\bob\"@b;" },
		{ "a..b, b., 1", "\"a..b\" bare;\"b.\" bare;1 bare;" },
		{ "|x@b, !x@b, /G=A/S=B/@b", "|x@b;!x@b;/G=A/S=B/@b;" },
		{ ":x@b, <:x:y@b>, a: :x@b", "\":x\"@b;\":x:y\"@b angle;"
		    "\":x\"@b group;" },
		{ "\"|a b\"@c, :a b@c", "\"|a b\"@c;!:a b@c;" },
		{ "\xc3\xbc@b\xc3\xbc", "\xc3\xbc@b\xc3\xbc;" },
		/* groups */
		{ "undisclosed-recipients:;", "" },
		{ "Friends: a@b, Bob <c@d>; e@f",
		    "a@b group;c@d angle group;e@f;" },
		{ "\"My: group\": a@b;, c@d", "a@b group;c@d;" },
		{ "Open: a@b", "a@b group;" },
		{ "A: B: a@b, c@d;", "!B: a@b;c@d group;" },
		{ ":include:/etc/list, c@d", "!:include:/etc/list;c@d;" },
		{ "a@b: c@d", "!a@b: c@d;" },
		/* encoded words */
		{ "=?utf-8?Q?J=C3=BC?= <root>", "root bare angle;" },
		{ "=?utf-8?Q?Doe,_(J?= <a@b>", "a@b angle;" },
		{ "=?utf-8?Q?Doe,_J?= <a@b>", "a@b angle;" },
		{ "=?utf-8?Q?Doe, J?= <a@b>",
		    "=?utf-8?Q?Doe bare;a@b angle;" },
		{ "=?utf-8?B?SsO8?=", "!=?utf-8?B?SsO8?=;" },
		{ "=?utf-8?B", "=?utf-8?B bare;" },
		{ "<=?x?Q?y?=@b>", "=?x?Q?y?=@b angle;" },
		/* bad members */
		{ "<>", "!<>;" },
		{ "Ann Doe", "!Ann Doe;" },
		{ "Ann Doe, a@b", "!Ann Doe;a@b;" },
		{ "a@, b@c", "!a@;b@c;" },
		{ "@b, b@c", "!@b;b@c;" },
		{ "a@b@c, d@e", "!a@b@c;d@e;" },
		{ "a b@c", "!a b@c;" },
		{ "a@b c", "!a@b c;" },
		{ "a@b..c", "!a@b..c;" },
		{ "a@.b", "!a@.b;" },
		{ "a@-b", "!a@-b;" },
		{ "a@b]", "!a@b];" },
		{ "a@[x y]", "!a@[x y];" },
		{ "a@[]", "!a@[];" },
		{ ".", "!.;" },
		{ "..@b", "!..@b;" },
		{ "\"\"@b", "!\"\"@b;" },
		{ "<a@b, c@d", "!<a@b;c@d;" },
		{ "<a@b> <c@d>", "!<a@b> <c@d>;" },
		{ "<a@b> x, c@d", "!<a@b> x;c@d;" },
		{ "<<a@b>>, c@d", "!<<a@b>>;c@d;" },
		{ "a@b>, c@d", "!a@b>;c@d;" },
		{ "<@x,@y>, c@d", "!<@x,@y>, c@d;" },
		{ "a\001b@c", "!a\001b@c;" },
		{ "\"a\nb\"@c, d@e", "!\"a\nb\"@c;d@e;" },
		{ "\\, d@e", "\"\\\\\" bare;d@e;" },
		/* what never ends takes the rest with it */
		{ "a@b, \"c@d, e@f", "a@b;!\"c@d, e@f;" },
		{ "a@b, c (d, e@f", "a@b;!c (d, e@f;" },
		{ "a@b, (d, e@f\r\n ", "a@b;!(d, e@f;" },
		{ "\"a\\", "!\"a\\;" },
	};
	struct heard h;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&h, 0, sizeof(h));
		buf_init(&h.out, 0);
		h.text = cases[i].in;
		assert_int_equal(addr_walk(h.text, strlen(h.text), hear_found,
		    &h), 0);
		assert_string_equal(buf_str(&h.out), cases[i].out);
		buf_fini(&h.out);
	}
}

static void
test_walk_stops(void **state)
{
	struct heard h = { "a@b, c@d, e@f", { 0 }, 2, 0 };

	(void)state;
	assert_int_equal(addr_walk(h.text, strlen(h.text), hear_found,
	    &h), 7);
	assert_string_equal(buf_str(&h.out), "a@b;c@d;");
	buf_fini(&h.out);
	h.stop_at = 0;
	h.text = "<>,a@b,,";
	assert_int_equal(addr_walk(h.text, strlen(h.text), hear_good, &h), 0);
	assert_string_equal(buf_str(&h.out), "a@b;");
	buf_fini(&h.out);
}

/* n times open, then text, then n times close. */
static void
nest(struct buf *b, int n, const char *text)
{
	int i;

	buf_reset(b);
	for (i = 0; i < n; i++)
		buf_putc(b, '(');
	buf_puts(b, "x");
	for (i = 0; i < n; i++)
		buf_putc(b, ')');
	buf_puts(b, text);
}

static void
test_depth(void **state)
{
	struct buf in;
	struct heard h = { NULL, { 0 }, 0, 0 };

	(void)state;
	buf_init(&in, 0);
	nest(&in, ADDR_DEPTH_MAX, "a@b, c@d");
	h.text = buf_str(&in);
	addr_walk(h.text, in.len, hear_good, &h);
	assert_string_equal(buf_str(&h.out), "a@b;c@d;");
	buf_reset(&h.out);
	nest(&in, ADDR_DEPTH_MAX + 1, "a@b, c@d");
	h.text = buf_str(&in);
	addr_walk(h.text, in.len, hear_good, &h);
	assert_string_equal(buf_str(&h.out), "c@d;");
	buf_reset(&h.out);
	/* The walk is one pass: a million of these is no long time. */
	nest(&in, 1000000, "a@b");
	h.text = buf_str(&in);
	addr_walk(h.text, in.len, hear_good, &h);
	assert_string_equal(buf_str(&h.out), "");
	buf_fini(&h.out);
	buf_fini(&in);
}

static void
test_one(void **state)
{
	static const struct { const char *in; int ret; const char *out; }
	    cases[] = {
		{ "a@b",		 0, "a@b" },
		{ "<a@b>",		 0, "a@b" },
		{ "Name <a@B>",		 0, "a@b" },
		{ "a@b (Name)",		 0, "a@b" },
		{ "user",		 0, "user" },
		{ "<user>",		 0, "user" },
		{ "",			 0, "" },
		{ "<>",			 0, "" },
		{ "-f@b",		 0, "-f@b" },
		{ "a@b, c@d",		-1, "" },
		{ "a@b, <",		-1, "" },
		{ "grp: a@b;",		-1, "" },
		{ " ",			-1, "" },
		{ "a b",		-1, "" },
		{ "a@b\nBcc: x@y",	-1, "" },
		{ "a@b\r",		-1, "" },
		{ "a\tb@c",		-1, "" },
		{ "\"a\tb\"@c",		-1, "" },
		{ "a@b\177",		-1, "" },
		{ "a@b> SIZE=1",	-1, "" },
	};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		assert_int_equal(addr_one(cases[i].in, &out), cases[i].ret);
		assert_string_equal(buf_str(&out), cases[i].out);
	}
	buf_fini(&out);
}

static void
test_length(void **state)
{
	struct buf in, out;
	int i, n;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	/* The longest that fits, then one byte more. */
	for (n = ADDR_MAX - 4; n <= ADDR_MAX + 1; n++) {
		buf_reset(&in);
		buf_printf(&in, "%0*d", n, 0);
		buf_reset(&out);
		assert_int_equal(addr_one(buf_str(&in), &out),
		    n <= ADDR_MAX ? 0 : -1);
		assert_int_equal(out.len, n <= ADDR_MAX ? n : 0);
		buf_puts(&in, "@b");
		buf_reset(&out);
		assert_int_equal(addr_one(buf_str(&in), &out),
		    n <= ADDR_MAX - 2 ? 0 : -1);
	}
	/* Quotes and backslashes count: "\"\"..." is 2 n + 2 bytes. */
	for (n = ADDR_MAX / 2 - 2; n <= ADDR_MAX / 2 + 1; n++) {
		buf_reset(&in);
		buf_putc(&in, '"');
		for (i = 0; i < n; i++)
			buf_puts(&in, "\\\"");
		buf_putc(&in, '"');
		buf_reset(&out);
		assert_int_equal(addr_one(buf_str(&in), &out),
		    n < ADDR_MAX / 2 ? 0 : -1);
		assert_int_equal(out.len, n < ADDR_MAX / 2 ? in.len : 0);
	}
	buf_reset(&in);
	buf_printf(&in, "a@%064d", 0);
	assert_int_equal(addr_one(buf_str(&in), &out), -1);
	buf_fini(&in);
	buf_fini(&out);
}

static void
test_domain(void **state)
{
	static const struct { const char *in, *domain; } cases[] = {
		{ "a@b",		"b" },
		{ "a",			NULL },
		{ "",			NULL },
		{ "\"a@b\"",		NULL },
		{ "\"a@b\"@c",		"c" },
		{ "a@[ipv6:::1]",	"[ipv6:::1]" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (cases[i].domain == NULL)
			assert_null(addr_domain(cases[i].in));
		else
			assert_string_equal(addr_domain(cases[i].in),
			    cases[i].domain);
	}
}

static void
test_domain_ok(void **state)
{
	static const struct { const char *in; int ok; } cases[] = {
		{ "b",			1 },
		{ "a.b-c.example",	1 },
		{ "my_box",		1 },
		{ "b\xc3\xbc",		1 },
		{ "[10.0.0.1]",		1 },
		{ "[IPv6:fe80::1]",	1 },
		{ "",			0 },
		{ ".",			0 },
		{ "a.",			0 },
		{ ".a",			0 },
		{ "a..b",		0 },
		{ "-a",			0 },
		{ "a.-b",		0 },
		{ "a-",			0 },
		{ "a b",		0 },
		{ "a\nb",		0 },
		{ "a/b",		0 },
		{ "[]",			0 },
		{ "[1.2.3.4",		0 },
		{ "[1.2.3.4]x",		0 },
		{ "[1.2 3.4]",		0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(addr_domain_ok(cases[i].in), cases[i].ok);
}

static void
test_phrase(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "",			"" },
		{ "Ann Doe",		"Ann Doe" },
		{ "CronDaemon",		"CronDaemon" },
		{ "Ann Q. Doe",		"\"Ann Q. Doe\"" },
		{ "Doe, Ann",		"\"Doe, Ann\"" },
		{ "a \"b\" \\",		"\"a \\\"b\\\" \\\\\"" },
		{ "a  b",		"\"a  b\"" },
		{ " a",			"\" a\"" },
		{ "x <a@b>",		"\"x <a@b>\"" },
		{ "=?utf-8?Q?x?=",	"\"=?utf-8?Q?x?=\"" },
		{ "a\r\nBcc: b",	"\"a  Bcc: b\"" },
		{ "J\xc3\xbcrg X",	"=?utf-8?Q?J=C3=BCrg_X?=" },
		{ "J\xfcrg\n",		"=?unknown-8bit?Q?J=FCrg_?=" },
	};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 0);
	for (i = 0; i < N(cases); i++) {
		buf_reset(&out);
		addr_put_phrase(&out, cases[i].in);
		assert_string_equal(buf_str(&out), cases[i].out);
	}
	buf_fini(&out);
}

/* Every encoded word is whole, short enough, and so are its characters. */
static void
test_phrase_long(void **state)
{
	struct buf in, out;
	const char *p, *end;
	int i, words = 0;

	(void)state;
	buf_init(&in, 0);
	buf_init(&out, 0);
	for (i = 0; i < 100; i++)
		buf_puts(&in, "\xe2\x82\xac");
	addr_put_phrase(&out, buf_str(&in));
	for (p = buf_str(&out); *p != '\0'; p = end, words++) {
		p += words > 0 ? 1 : 0;
		assert_memory_equal(p, "=?utf-8?Q?", 10);
		end = strstr(p + 10, "?=");
		assert_non_null(end);
		assert_int_equal((end - p - 10) % 9, 0);
		end += 2;
		assert_in_range(end - p, 21, 75);
	}
	/* 85 characters are within 256 bytes, 7 in a word. */
	assert_int_equal(words, 13);
	buf_fini(&in);
	buf_fini(&out);
}

static void
test_utf8(void **state)
{
	static const struct { const char *in; int ok; } cases[] = {
		{ "",			1 },
		{ "abc",		1 },
		{ "\xc3\xbc",		1 },
		{ "\xe2\x82\xac",	1 },
		{ "\xf0\x9f\x98\x80",	1 },
		{ "\xf4\x8f\xbf\xbf",	1 },
		{ "\xfc",		0 },
		{ "\xbc",		0 },
		{ "\xc3",		0 },
		{ "\xc3x",		0 },
		{ "\xc0\x80",		0 },
		{ "\xe0\x80\x80",	0 },
		{ "\xed\xa0\x80",	0 },
		{ "\xf0\x80\x80\x80",	0 },
		{ "\xf4\x90\x80\x80",	0 },
		{ "\xe2\x82",		0 },
		{ "\xe2\x82x",		0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(addr_is_utf8(cases[i].in,
		    strlen(cases[i].in)), cases[i].ok);
}

static void
test_programs_files_and_lists_are_no_addresses(void **state)
{
	static const struct {
		const char *canonical;
		int is_address;
	} cases[] = {
		{ "bob", 1 }, { "b|ob", 1 }, { "a@b.test", 1 },
		{ "|cat@b.test", 1 }, { "|cat", 0 }, { "\"|cat x\"", 0 },
		{ "/tmp/x", 0 }, { ":include:/x", 0 }, { "", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		assert_int_equal(addr_is_address(cases[i].canonical),
		    cases[i].is_address);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_programs_files_and_lists_are_no_addresses),
		cmocka_unit_test(test_local_part),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_stops),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_domain_ok),
		cmocka_unit_test(test_phrase),
		cmocka_unit_test(test_phrase_long),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
