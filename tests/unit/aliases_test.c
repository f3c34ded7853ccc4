/*
 * aliases_test.c - aliases(5) and ~/.forward: what is kept, what is told.
 */
#include <errno.h>

#include "aliases.h"
#include "lib/buf.h"
#include "tests/unit/t.h"

static void
put_targets(struct buf *b, const struct targets *ts)
{
	static const char kinds[] = "@=/|:";	/* as enum target_kind */
	size_t i;

	for (i = 0; i < ts->n; i++) {
		buf_printf(b, "%s%c[%s]", i == 0 ? "" : " ",
		    kinds[ts->list[i].kind], ts->list[i].text);
		assert_true(ts->list[i].digest == text_digest(
		    ts->list[i].text, strlen(ts->list[i].text)));
	}
}

/* "name: @[user] |[command]\n" in the order of the list. */
static const struct {
	const char	*in;
	size_t		 len;
	const char	*out;
	const char	*bad;		/* lines that were told */
	const char	*text;		/* within the last report; or NULL */
} files[] = {
	{ T(""), "", "", NULL },
	{ T("\n\n# comment\n  # another\n   \n"), "", "", NULL },
	{ T("root: ann\n"), "root: @[ann]\n", "", NULL },
	{ T("root: ann"), "root: @[ann]\n", "", NULL },
	{ T("root:ann,bob@example.org"),
	    "root: @[ann] @[bob@example.org]\n", "", NULL },
	{ T("root : ann , bob\n"), "root: @[ann] @[bob]\n", "", NULL },
	{ T("root: ann,, bob,\n"), "root: @[ann] @[bob]\n", "", NULL },
	{ T("root: ann\r\nbob: carol\r\n"),
	    "bob: @[carol]\nroot: @[ann]\n", "", NULL },
	{ T("# x\r\n\r\nroot: ann\r\n# y\r\n"), "root: @[ann]\n", "", NULL },
	{ T("root: ann,\n\tbob,\n    carol\nx: y\n"),
	    "root: @[ann] @[bob] @[carol]\nx: @[y]\n", "", NULL },
	{ T("root: ann,\n# between\n\n  # and indented\n bob\n"),
	    "root: @[ann] @[bob]\n", "", NULL },
	{ T("\xef\xbb\xbfroot: ann\n"), "root: @[ann]\n", "", NULL },
	{ T("\xef\xbb\xbf"), "", "", NULL },
	{ T("root:\n ann\n"), "root: @[ann]\n", "", NULL },
	{ T("root: ann # the boss\n"), "root: @[ann]\n", "", NULL },
	{ T("root: ann#1\n"), "root: @[ann#1]\n", "", NULL },
	{ T("*: ann\n"), "*: @[ann]\n", "", NULL },
	{ T("\"a b\": ann\n"), "a b: @[ann]\n", "", NULL },
	{ T("\"a\\\"b\": ann\n"), "a\"b: @[ann]\n", "", NULL },
	{ T("list-owner: ann\n\"user@host\": bob\na.b+c/d: ann\n"),
	    "a.b+c/d: @[ann]\nlist-owner: @[ann]\nuser@host: @[bob]\n", "",
	    NULL },
	{ T("user@host: bob\nc: d\n"), "c: @[d]\n", "1;", "@ or a domain" },
	{ T("root: \\root, me@example.org\n"),
	    "root: =[root] @[me@example.org]\n", "", NULL },
	{ T("root: \"\\root\", \"\\\\bob\", !carol\n"),
	    "root: =[root] =[bob] =[carol]\n", "", NULL },
	{ T("a: /var/log/mail.txt, \"/path with/blank\"\n"),
	    "a: /[/var/log/mail.txt] /[/path with/blank]\n", "", NULL },
	{ T("a: \"|/bin/cat -v\", b\n"), "a: |[/bin/cat -v] @[b]\n", "",
	    NULL },
	{ T("a: \"| /bin/cat\"\n"), "a: |[/bin/cat]\n", "", NULL },
	{ T("a: |\"/bin/cat -v\" , b\n"), "a: |[/bin/cat -v] @[b]\n", "",
	    NULL },
	{ T("a: |\"/bin/c x\" -v, b\n"), "a: |[\"/bin/c x\" -v] @[b]\n", "",
	    NULL },
	{ T("a: |/bin/cat -v, b # c  \n"), "a: |[/bin/cat -v] @[b]\n", "",
	    NULL },
	{ T("a: |/bin/cat,b@h,/x,y\n"), "a: |[/bin/cat] @[b@h] /[/x] @[y]\n",
	    "", NULL },
	{ T("a: |sh -c \"a, b\" x , c\n"), "a: |[sh -c \"a, b\" x] @[c]\n",
	    "", NULL },
	{ T("a: |sh -c \"a,\n b\", c\n"), "a: |[sh -c \"a, b\"] @[c]\n",
	    "", NULL },
	{ T("a: |x -\\, -\\\", c\n"), "a: |[x -\\, -\\\"] @[c]\n", "",
	    NULL },
	{ T("a: |x \"y, z\nc: d\n"), "c: @[d]\n", "1;", "unterminated" },
	{ T("a: |x, |y ,, :include:/z , \"|w, v\"\n"),
	    "a: |[x] |[y] :[/z] |[w, v]\n", "", NULL },
	{ T("a: |/bin/cat\n  # c\nb: c\n"),
	    "a: |[/bin/cat]\nb: @[c]\n", "", NULL },
	{ T("a: |/bin/cat\r\n"), "a: |[/bin/cat]\n", "", NULL },
	{ T("a: |/bin/cat\t-v\n"), "a: |[/bin/cat -v]\n", "", NULL },
	{ T("a: |/bin/cat\n# c\n\t-v\nb: c\n"),
	    "a: |[/bin/cat -v]\nb: @[c]\n", "", NULL },
	{ T("a: \"|/bin/cat\n   -v\" , b\n"), "a: |[/bin/cat -v] @[b]\n", "",
	    NULL },
	{ T("a: \"|/bin/cat\r\n   -v\"\r\n"), "a: |[/bin/cat -v]\n", "",
	    NULL },
	{ T("a: \"|sh -c \\\"x\\\\y\\\" '\\d'\"\n"),
	    "a: |[sh -c \"x\\y\" '\\d']\n", "", NULL },
	{ T("a: \"b@example.org\"\n"), "a: @[b@example.org]\n", "", NULL },
	{ T("a: \"b c\"@example.org, \"d e\"\n"),
	    "a: @[\"b c\"@example.org] @[\"d e\"]\n", "", NULL },
	{ T("a: j\xc3\xb6rg@example.org\n"), "a: @[j\xc3\xb6rg@example.org]\n",
	    "", NULL },
	{ T("a: Ann Lee <ann@example.org>, bob (Bob)\n"),
	    "a: @[Ann Lee <ann@example.org>] @[bob (Bob)]\n", "", NULL },
	{ T("a: \"Lee, Ann\" <ann@x.org>, Bob\n   B <bob>\n"),
	    "a: @[\"Lee, Ann\" <ann@x.org>] @[Bob B <bob>]\n", "", NULL },
	{ T("B: x\na: y\nC: z\n"), "a: @[y]\nB: @[x]\nC: @[z]\n", "", NULL },
	/* what costs its line */
	{ T("a b\nc: d\n"), "c: @[d]\n", "1;", "expecting colon" },
	{ T("a\nc: d\n"), "c: @[d]\n", "1;", "expecting colon" },
	{ T(": x\nc: d\n"), "c: @[d]\n", "1;", "unexpected colon" },
	{ T("a:\nc: d\n"), "c: @[d]\n", "1;", "without targets" },
	{ T("a: ,\nc: d\n"), "c: @[d]\n", "1;", "without targets" },
	{ T("a: b c\nc: d\n"), "c: @[d]\n", "1;", "by commas" },
	{ T("a: \"b\" c \"d\"\nc: d\n"), "c: @[d]\n", "1;", "by commas" },
	{ T("a: /b <c>\nc: d\n"), "c: @[d]\n", "1;", "by commas" },
	{ T("a: Ann <b@> \nc: d\n"), "c: @[d]\n", "1;", "not an address" },
	{ T("a: Ann <b> <c>\nc: d\n"), "c: @[d]\n", "1;", "not an address" },
	{ T("a: Ann |b\nc: d\n"), "c: @[d]\n", "1;", NULL },
	{ T("a: mail/in\nb: \"./x\"\nc: d/e@f.org\n"), "c: @[d/e@f.org]\n",
	    "1;2;", "a path must begin" },
	{ T("  a: b\nc: d\n"), "c: @[d]\n", "1;", "blank" },
	{ T("a: b\nc: x y\n z\nd: e\n"), "a: @[b]\nd: @[e]\n", "2;", NULL },
	{ T("a: b,\n c\n\nd: x y\n"), "a: @[b] @[c]\n", "4;", NULL },
	{ T("a: \"b\nc: d\n"), "c: @[d]\n", "1;", "quotes" },
	{ T("a: x, \"b\n c\nd: e\n"), "d: @[e]\n", "1;", "quotes" },
	{ T("a: \"|x\ty\"\nc: d\n"), "c: @[d]\n", "1;", "control" },
	{ T("a: b\0c\nc: d\n"), "c: @[d]\n", "1;", "NUL" },
	{ T("a\0: b\nc: d\n"), "c: @[d]\n", "1;", "NUL" },
	{ T("# \0\nc: d\n"), "c: @[d]\n", "1;", "NUL" },
	{ T("a: \"|x\0\"\nc: d\n"), "c: @[d]\n", "1;", NULL },
	{ T("a: |x\0y\nc: d\n"), "c: @[d]\n", "1;", "NUL" },
	{ T("a: |x\033y\nc: d\n"), "c: @[d]\n", "1;", "control" },
	{ T("a: b\rc\nc: d\n"), "c: @[d]\n", "1;", "control" },
	{ T("a: \"b\n c\"@d\nc: d\n"), "c: @[d]\n", "1;", "control" },
	{ T("\"\": b\nc: d\n"), "c: @[d]\n", "1;", "invalid name" },
	{ T("a: \"\"\nc: d\n"), "c: @[d]\n", "1;", "target is missing" },
	{ T("a: |\nc: d\n"), "c: @[d]\n", "1;", "target is missing" },
	{ T("a: |  \nc: d\n"), "c: @[d]\n", "1;", "target is missing" },
	{ T("a: \"|\"\nc: d\n"), "c: @[d]\n", "1;", "target is missing" },
	{ T("a: |\"\"\nc: d\n"), "c: @[d]\n", "1;", "target is missing" },
	{ T("a: \\\nc: d\n"), "c: @[d]\n", "1;", "user name" },
	{ T("a: !/etc/x\nc: d\n"), "c: @[d]\n", "1;", "user name" },
	{ T("a: /home/a/Maildir/\nc: d\n"),
	    "a: /[/home/a/Maildir/]\nc: @[d]\n", "", NULL },
	{ T("a: /\nc: d\n"), "c: @[d]\n", "1;", "not the path" },
	{ T("a: ~/mail\nc: d\n"), "c: @[d]\n", "1;", "path" },
	{ T("a: :include:/l\nc: d\n"), "a: :[/l]\nc: @[d]\n", "", NULL },
	{ T("a: :include:~/l\nc: d\n"), "c: @[d]\n", "1;",
	  "the path of a list must begin with /: \":include:~/l\"" },
	{ T("a: bad@\nc: d\n"), "c: @[d]\n", "1;", "not an address" },
	{ T("a: b@-bad, x\nc: d\n"), "c: @[d]\n", "1;", "not an address" },
	{ T("a: \\b@-bad\nc: d\n"), "c: @[d]\n", "1;", NULL },
	{ T("a: x, \":Include:/l\"\nc: d\n"),
	    "a: @[x] :[/l]\nc: @[d]\n", "", NULL },
	{ T("a: :x\nc: d\n"), "c: @[d]\n", "1;", "invalid target" },
	{ T("a: b\nA: c\na: d\n"), "a: @[b]\n", "2;3;", "line 1 is used" },
	{ T("x y\na: \001\nb: c\nz z\n"), "b: @[c]\n", "1;2;4;", NULL },
};

static void
test_files(void **state)
{
	struct t_reports told;
	const struct report report = { t_report, &told };
	struct aliases as;
	struct buf out;
	size_t i, k;
	int n;

	(void)state;
	for (i = 0; i < N(files); i++) {
		t_reports_init(&told, "list");
		buf_init(&out, 0);
		n = aliases_parse(&as, files[i].in, files[i].len, "list",
		    &report);
		assert_true(n >= 0);
		for (k = 0; k < as.n; k++) {
			if (as.list[k].is_bad)
				continue;	/* see test_bad_names */
			buf_printf(&out, "%s: ", as.list[k].name);
			put_targets(&out, &as.list[k].targets);
			buf_putc(&out, '\n');
			assert_ptr_equal(aliases_find(&as, as.list[k].name),
			    &as.list[k]);
		}
		assert_string_equal(buf_str(&out), files[i].out);
		assert_string_equal(told.lines, files[i].bad);
		if (files[i].text != NULL)
			assert_non_null(strstr(told.text, files[i].text));
		assert_int_equal(n, told.count);
		buf_fini(&out);
		aliases_fini(&as);
	}
}

/* Mail for these must wait; for all others nothing is changed. */
static const struct {
	const char	*in;
	size_t		 len;
	const char	*out;		/* names and lines that are bad */
} bad_names[] = {
	{ T("a: b\n# x y: z\n"), "" },
	{ T("a: b c\nc: d\n"), "a:1 " },
	{ T("x: y\na : b,\n c d\nc: d\n"), "a:2 " },
	{ T("a:\nb: ,\n"), "a:1 b:2 " },
	{ T("a: b@\n"), "a:1 " },
	{ T("a: \"b\nc: d\n"), "a:1 " },
	{ T("a: b\0c\n"), "a:1 " },
	{ T("a\0: b\n"), "a:1 " },
	{ T("a\033b: c\n"), "a:1 b:1 " },
	{ T("\"a b\": c d"), "a b:1 " },
	{ T("\"a: b\nc: d\n"), "a:1 " },
	{ T("a b, \"c\": d\n"), "a:1 b:1 c:1 " },
	{ T("  a: b\nc: d\n"), "a:1 " },
	{ T("\n\n # x\n  a: b\n"), "a:4 " },
	{ T("*: a b"), "*:1 " },
	{ T("A: b c\na: d e\n"), "A:1 " },
	/* without a colon it names nobody */
	{ T("a b\nbob\n"), "" },
	{ T("root: ann,\nbob, carol\n"), "" },
	{ T(": x\n\"\": x\n"), "" },
	{ T("# \0 x y: z\n"), "" },
	{ T("a b\n c: d\n"), "c:2 " },
	/* a good line of that name counts */
	{ T("a: b c\na: d\n"), "" },
	{ T("a: d\nA: b c\n"), "" },
};

static int
same_targets(const struct alias *a, const struct alias *b)
{
	size_t i;

	if (a == NULL || b == NULL || a->is_bad != b->is_bad ||
	    a->targets.n != b->targets.n)
		return 0;
	for (i = 0; i < a->targets.n; i++)
		if (a->targets.list[i].kind != b->targets.list[i].kind ||
		    strcmp(a->targets.list[i].text,
		    b->targets.list[i].text) != 0)
			return 0;
	return 1;
}

/* The lines of a name alone say of it what the whole file says. */
static void
expect_cut(const char *text, size_t len)
{
	struct aliases all, few;
	struct buf lines;
	size_t i;

	if (aliases_parse(&all, text, len, "list", &report_quiet) == -1)
		return;
	for (i = 0; i < all.n; i++) {
		buf_init(&lines, 0);
		aliases_cut(text, len, all.list[i].name, &lines);
		assert_true(aliases_parse(&few, buf_str(&lines), lines.len,
		    "list", &report_quiet) >= 0);
		if (!same_targets(&all.list[i], aliases_find(&few,
		    all.list[i].name)))
			fail_msg("%s of: %s", all.list[i].name, text);
		aliases_fini(&few);
		buf_fini(&lines);
	}
	aliases_fini(&all);
}

static void
test_cut(void **state)
{
	static const char text[] = "bob: ann\nteam: bob,\n# x\n  carl\n"
	    "\nlist: bob\nBOB: other\n\"two w\": x\n\"b\\ob2\": y\n"
	    "far\n : near\nlast: |x";
	static const char joined[] = "bob: ann\n\xef\xbb\xbfteam: carl\n";
	struct buf lines;
	size_t i;

	(void)state;
	for (i = 0; i < N(files); i++)
		expect_cut(files[i].in, files[i].len);
	expect_cut(text, sizeof(text) - 1);
	expect_cut(joined, sizeof(joined) - 1);
	buf_init(&lines, 0);
	aliases_cut(text, sizeof(text) - 1, "team", &lines);
	assert_string_equal(buf_str(&lines), "team: bob,\n# x\n  carl\n\n"
	    "\"two w\": x\n\"b\\ob2\": y\n");
	buf_fini(&lines);
}

static void
test_bad_names(void **state)
{
	struct t_reports told;
	const struct report report = { t_report, &told };
	const struct alias *a;
	struct aliases as;
	struct buf out;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(bad_names); i++) {
		t_reports_init(&told, "list");
		buf_init(&out, 0);
		assert_true(aliases_parse(&as, bad_names[i].in,
		    bad_names[i].len, "list", &report) >= 0);
		for (k = 0; k < as.n; k++) {
			a = &as.list[k];
			assert_ptr_equal(aliases_find(&as, a->name), a);
			assert_int_equal(a->targets.n == 0, a->is_bad);
			if (a->is_bad)
				buf_printf(&out, "%s:%u ", a->name, a->line);
		}
		assert_string_equal(buf_str(&out), bad_names[i].out);
		buf_fini(&out);
		aliases_fini(&as);
	}
}

static void
test_find(void **state)
{
	static const struct { const char *name; int line; } cases[] = {
		{ "root", 3 }, { "ROOT", 3 }, { "Postmaster", 1 },
		{ "abuse", 2 }, { "*", 4 }, { "roo", 0 }, { "roots", 0 },
		{ "", 0 }, { "zz", 0 }, { "!", 0 },
	};
	static const char text[] = "postmaster: x\nAbuse: x\nroot: x\n*: x\n";
	struct t_reports told;
	const struct report report = { t_report, &told };
	const struct alias *a;
	struct aliases as;
	size_t i;

	(void)state;
	t_reports_init(&told, "list");
	assert_int_equal(aliases_parse(&as, T(text), "list", &report), 0);
	for (i = 0; i < N(cases); i++) {
		a = aliases_find(&as, cases[i].name);
		assert_int_equal(a == NULL ? 0 : (int)a->line, cases[i].line);
	}
	aliases_fini(&as);
	assert_null(aliases_find(&as, "root"));
}

static const struct {
	const char	*in;
	size_t		 len;
	const char	*out;
	const char	*bad;		/* NULL: accepted */
} forwards[] = {
	{ T(""), "", NULL },
	{ T("\n# nothing\n\n"), "", NULL },
	{ T("ann"), "@[ann]", NULL },
	{ T("ann@example.org\n"), "@[ann@example.org]", NULL },
	{ T("ann, bob\ncarol\r\n,,\n"), "@[ann] @[bob] @[carol]", NULL },
	{ T("  ann\n\tbob"), "@[ann] @[bob]", NULL },
	{ T("\\ann, \"|/usr/bin/vacation -a allman ann\"\n"),
	    "=[ann] |[/usr/bin/vacation -a allman ann]", NULL },
	{ T("|/usr/bin/procmail -a x, y\nbob # x\n"),
	    "|[/usr/bin/procmail -a x] @[y] @[bob]", NULL },
	{ T("|/cmd -x, bob@example.org\n|/cmd,bob"),
	    "|[/cmd -x] @[bob@example.org] |[/cmd] @[bob]", NULL },
	{ T("|/cmd \"x, y\" ,~/m/,\"|z, w\" , \\bob\n"),
	    "|[/cmd \"x, y\"] /[~/m/] |[z, w] =[bob]", NULL },
	{ T("|/bin/a\n   b\n"), "|[/bin/a] @[b]", NULL },
	{ T("\"|IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #ann\""),
	    "|[IFS=' ' && exec /usr/bin/procmail -f- || exit 75 #ann]", NULL },
	{ T("!ann,/home/ann/mail/in"), "=[ann] /[/home/ann/mail/in]", NULL },
	{ T("| /bin/cat  \r\n"), "|[/bin/cat]", NULL },
	{ T("\xef\xbb\xbf" "ann"), "@[ann]", NULL },
	{ T("ann: bob"), "", "1;" },
	{ T("a b"), "", "1;" },
	{ T("Ann Lee <ann>\nbob (Bob), \"C\" <c@x.org>"),
	    "@[Ann Lee <ann>] @[bob (Bob)] @[\"C\" <c@x.org>]", NULL },
	{ T("Ann\nLee <ann>"), "@[Ann] @[Lee <ann>]", NULL },
	{ T("mail/in"), "", "1;" },
	{ T("ann\n\"bob\n"), "", "2;" },
	{ T("ann\n\"bob\n c\"\n"), "", "2;" },
	{ T("ann\n\0"), "", "2;" },
	{ T("ann\nb\033ob\n"), "", "2;" },
	{ T("ann\n:include:/etc/passwd\nbob"), "@[ann] :[/etc/passwd] @[bob]",
	    NULL },
	{ T("\":include: ~/a list\", :INCLUDE:/x"), ":[~/a list] :[/x]",
	    NULL },
	{ T(":include:list"), "", "1;" },
	{ T(":include:"), "", "1;" },
	{ T(":include:~ann/x"), "", "1;" },
	{ T(":including:/x"), "", "1;" },
	{ T("ann\nme@\nbob"), "", "2;" },
	{ T("~/Maildir/, \"~/in box\""), "/[~/Maildir/] /[~/in box]", NULL },
	{ T("/home/ann/Maildir/"), "/[/home/ann/Maildir/]", NULL },
	{ T("/"), "", "1;" },
	{ T("~/"), "", "1;" },
	{ T("~"), "", "1;" },
	{ T("~bob/Maildir/"), "", "1;" },
	{ T("ann\n\n|\n"), "", "3;" },
};

static void
test_forwards(void **state)
{
	struct t_reports told;
	const struct report report = { t_report, &told };
	struct targets ts;
	struct buf out;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(forwards); i++) {
		t_reports_init(&told, "list");
		buf_init(&out, 0);
		ret = forward_parse(&ts, forwards[i].in, forwards[i].len,
		    "list", &report);
		put_targets(&out, &ts);
		assert_string_equal(buf_str(&out), forwards[i].out);
		assert_int_equal(ret, forwards[i].bad == NULL ? 0 : -1);
		assert_string_equal(told.lines,
		    forwards[i].bad == NULL ? "" : forwards[i].bad);
		buf_fini(&out);
		targets_fini(&ts);
	}
}

/* A list: as a .forward, but a bad line costs that line only. */
static const struct {
	const char	*in;
	size_t		 len;
	const char	*out;
	const char	*bad;
} lists[] = {
	{ T(""), "", "" },
	{ T("ann\nbob, carol # x\n\n# y\n  dave"),
	    "@[ann] @[bob] @[carol] @[dave]", "" },
	{ T("Ann <ann>, b c\nbob (Bob)"), "@[bob (Bob)]", "1;" },
	{ T("|/bin/a b\n/x/\n:include:/y\n\\z\n"),
	    "|[/bin/a b] /[/x/] :[/y] =[z]", "" },
	{ T("ann\nme@\nbob"), "@[ann] @[bob]", "2;" },
	{ T("ann\n\"bob\n carol\ndave"), "@[ann] @[carol] @[dave]", "2;" },
	{ T("ann\nb\033ob, x\n\ncarol\r\n"), "@[ann] @[carol]", "2;" },
	{ T("\0\nann\nb\0\nc d\ncarol"), "@[ann] @[carol]",
	    "1;3;4;" },
	{ T("ann, me@, bob\ncarol"), "@[carol]", "1;" },
	{ T("~/x\n:include:~/x\nann\n"), "@[ann]", "1;2;" },
};

static void
test_lists(void **state)
{
	struct t_reports told;
	const struct report report = { t_report, &told };
	struct targets ts;
	struct buf out;
	size_t i, n;
	int ret;

	(void)state;
	for (i = 0; i < N(lists); i++) {
		t_reports_init(&told, "list");
		buf_init(&out, 0);
		ret = list_parse(&ts, lists[i].in, lists[i].len, "list",
		    &report);
		put_targets(&out, &ts);
		assert_string_equal(buf_str(&out), lists[i].out);
		assert_string_equal(told.lines, lists[i].bad);
		for (n = 0; n < strlen(lists[i].bad); n++)
			ret -= lists[i].bad[n] == ';';
		assert_int_equal(ret, 0);
		buf_fini(&out);
		targets_fini(&ts);
	}
}

/* Exactly at a limit is accepted, one more is not. */
static void
test_limits(void **state)
{
	struct t_reports told;
	const struct report report = { t_report, &told };
	struct targets ts;
	const struct alias *a;
	struct aliases as;
	struct buf in;
	int i, more;

	(void)state;
	t_reports_init(&told, "list");
	for (more = 0; more < 2; more++) {
		buf_init(&in, 0);
		for (i = 0; i < TARGETS_MAX + more; i++)
			buf_printf(&in, "u%d,", i);
		assert_int_equal(forward_parse(&ts, in.data, in.len, "list",
		    &report), -more);
		assert_int_equal(ts.n, more ? 0 : TARGETS_MAX);
		targets_fini(&ts);
		buf_reset(&in);
		buf_puts(&in, "ok: ann\nlong: |");
		for (i = 0; i < TARGET_MAX + more; i++)
			buf_putc(&in, 'x');
		assert_int_equal(aliases_parse(&as, in.data, in.len, "list",
		    &report), more);
		assert_int_equal(as.n, 2);
		a = aliases_find(&as, "long");
		assert_non_null(a);
		assert_int_equal(a->is_bad, more);
		aliases_fini(&as);
		buf_reset(&in);
		for (i = 0; i < ADDRESS_MAX + more; i++)
			buf_putc(&in, 'x');
		buf_puts(&in, ": ann\nok: ann\n");
		assert_int_equal(aliases_parse(&as, in.data, in.len, "list",
		    &report), more);
		assert_int_equal(as.n, 2 - more);
		aliases_fini(&as);
		buf_fini(&in);
	}
}

/* Many lines: sorted, found, and none of them costs another. */
static void
test_many(void **state)
{
	struct t_reports told;
	const struct report report = { t_report, &told };
	const struct alias *a;
	struct aliases as;
	struct buf in;
	char name[32];
	unsigned i;

	(void)state;
	t_reports_init(&told, "list");
	buf_init(&in, 0);
	for (i = 0; i < 20000; i++)
		buf_printf(&in, "n%u:%s t%u\n", i * 7919 % 20000,
		    i % 100 == 99 ? " x" : "", i);
	assert_int_equal(aliases_parse(&as, in.data, in.len, "list", &report),
	    200);
	assert_int_equal(as.n, 20000);
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "N%u", i * 7919 % 20000);
		a = aliases_find(&as, name);
		assert_non_null(a);
		if (i % 100 == 99) {
			assert_int_equal(a->is_bad, 1);
			continue;
		}
		assert_int_equal(a->line, i + 1);
		assert_int_equal(a->targets.n, 1);
		snprintf(name, sizeof(name), "t%u", i);
		assert_string_equal(a->targets.list[0].text, name);
	}
	aliases_fini(&as);
	buf_fini(&in);
}

static void
count_report(void *arg, const char *file, unsigned line, const char *text)
{
	(void)file;
	assert_int_equal(line, 0);
	assert_string_equal(text, ALIASES_TOO_LARGE);
	++*(unsigned *)arg;
}

/* With some of them unused, their mail would be refused: it is to wait. */
static void
test_too_many(void **state)
{
	enum { MOST = 500000 };
	unsigned told = 0;
	const struct report report = { count_report, &told };
	struct aliases as;
	struct buf in;
	unsigned i;

	(void)state;
	buf_init(&in, 0);
	for (i = 0; i < MOST; i++)
		buf_printf(&in, "%u:b\n", i);
	assert_int_equal(aliases_parse(&as, in.data, in.len, "list", &report),
	    0);
	assert_int_equal(as.n, MOST);
	aliases_fini(&as);
	buf_puts(&in, "a: b\nc: d\n");
	assert_int_equal(aliases_parse(&as, in.data, in.len, "list", &report),
	    -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(told, 1);
	assert_int_equal(as.n, 0);
	buf_fini(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
