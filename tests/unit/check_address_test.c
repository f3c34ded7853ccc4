/*
 * check_address_test.c - where mail for an address goes, through aliases that
 * form trees, chains and loops.  The one user that every host has is root.
 */
#include <sys/stat.h>

#include <sysexits.h>
#include <unistd.h>

#include "submit/check_address.h"
#include "tests/unit/t_queue.h"

#define FROM		"ann@from.test"
#define X10		"xxxxxxxxxx"
#define X100		X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X500		X100 X100 X100 X100 X100
/* What is printed of an address; aliases are in ALIASES. */
#define BOX(a)		"ok      " a ": deliverable: local user root, mailbox " \
	"/m/root; a .forward file is read at delivery\n"
#define USER(a)		"ok      " a ": deliverable: local user root\n"
#define FINAL(a)	"ok      " a ": deliverable: local user root, mailbox " \
	"/m/root\n"
#define MX(a, domain)	"ok      " a ": deliverable: mail exchangers of " \
	domain "\n"
#define IS(a, alias, n)	"ok      " a ": is the alias " alias ", ALIASES:" n \
	"\n"
#define HIDDEN(a)	"ok      " a ": deliverable: alias " a ", whose " \
	"targets are shown only to root\n"
#define NONE(a)		"error   " a ": rejected: not an address\n"
#define UNKNOWN(a)	"error   " a ": rejected: user unknown: there is " \
	"neither an alias nor a user " a "\n"
#define LOOP(a)		"error   " a ": rejected: the aliases form a loop at " \
	a "\n"

/* A caller's question, and what is printed. */
struct question {
	const char *conf, *aliases;	/* NULL: they cannot be read */
	uint32_t uid;
	int	 is_brief;
	const char *args[3];
	int	 status;
	const char *printed;
};

/* Copies a text, with ALIASES in place of a path. */
static void
put_without(struct buf *out, const char *text, const char *path)
{
	const char *p;

	for (; (p = strstr(text, path)) != NULL; text = p + strlen(path)) {
		buf_add(out, text, (size_t)(p - text));
		buf_puts(out, "ALIASES");
	}
	buf_puts(out, text);
}

static int
ask(const struct question *a, const char *sender, struct buf *printed)
{
	struct options options = { .sender = sender };
	struct caller caller = { .uid = a->uid };
	struct findings f = { .form = FINDINGS_LINES };
	struct check_address of = { .findings = &f, .caller = &caller,
	    .options = &options, .is_brief = a->is_brief };
	struct t_printed out;
	struct t_spool q;
	struct buf raw;
	int n, status;

	t_spool_init(&q, a->conf);
	if (a->aliases != NULL)
		t_put(q.conf.where.aliases, a->aliases, strlen(a->aliases),
		    0644);
	else
		assert_int_equal(mkdir(q.conf.where.aliases, 0700), 0);
	free(q.conf.local.mailspool);
	q.conf.local.mailspool = strdup("/m");
	of.conf = &q.conf;
	for (n = 0; n < 3 && a->args[n] != NULL; n++)
		;
	buf_init(&raw, 0);
	t_printed_begin(&out, STDOUT_FILENO);
	status = check_address(&of, (char *const *)a->args, n);
	t_printed_end(&out, &raw);
	put_without(printed, buf_str(&raw), q.conf.where.aliases);
	buf_fini(&raw);
	t_spool_fini(&q);
	return status;
}

static void
check(const struct question *cases, size_t n)
{
	struct buf printed;
	size_t i;
	int status;

	for (i = 0; i < n; i++) {
		buf_init(&printed, 0);
		status = ask(&cases[i], FROM, &printed);
		if (status != cases[i].status ||
		    strcmp(buf_str(&printed), cases[i].printed) != 0)
			fail_msg("case %zu, %s: %d:\n%s", i, cases[i].args[0],
			    status, buf_str(&printed));
		buf_fini(&printed);
	}
}

static void
test_arguments(void **state)
{
	static const struct question cases[] = {
		{ "", "", 0, 0, { "root" }, 0, BOX("root") },
		{ "", "", 0, 0, { "ROOT@LOCALHOST", "root@host.test",
		  "root+x" }, 0, BOX("ROOT@localhost") BOX("root@host.test")
		  BOX("root+x") },
		{ "", "", 0, 0, { "root@[127.0.0.1]", "\"root\"@localhost",
		  "postmaster" }, 0, BOX("root@[127.0.0.1]")
		  BOX("root@localhost") BOX("postmaster") },
		{ "", "", 0, 0, { "b@C.test", "\"a@b\"@c.test" }, 0,
		  MX("b@c.test", "c.test") MX("\"a@b\"@c.test", "c.test") },
		{ "", "", 0, 0, { "Bob <b@c.test>, d@e.test", "root" }, 0,
		  MX("b@c.test", "c.test") MX("d@e.test", "e.test")
		  BOX("root") },
		{ "", "", 0, 0, { "group: b@c.test;" }, 0,
		  MX("b@c.test", "c.test") },
		{ "", "", 0, 0, { "m\xc3\xbcller@c.test" }, 0,
		  MX("m\xc3\xbcller@c.test", "c.test") },
		/* What is wrong with the first is the status. */
		{ "", "", 0, 0, { "" }, EX_DATAERR, NONE("") },
		{ "", "", 0, 0, { "," }, EX_DATAERR, NONE(",") },
		{ "", "", 0, 0, { "<>", "a@", "b@c.test" }, EX_DATAERR,
		  NONE("<>") NONE("a@") MX("b@c.test", "c.test") },
		{ "", "", 0, 0, { "a@", "no-such-user" }, EX_DATAERR,
		  NONE("a@") UNKNOWN("no-such-user") },
		{ "", "", 0, 0, { "no-such-user", "a@" }, EX_NOUSER,
		  UNKNOWN("no-such-user") NONE("a@") },
		{ "", "", 0, 0, { "a@b@c", "b@c.test d" }, EX_DATAERR,
		  NONE("a@b@c") NONE("b@c.test d") },
		{ "", "", 0, 0, { X500 X10 "@c.test" }, EX_DATAERR,
		  NONE(X500 X10 "@c.test") },
		/* A terminal obeys none of it. */
		{ "", "", 0, 0, { "a\nb@c.test", "\033[2Jb@c.test" },
		  EX_DATAERR, NONE("a b@c.test") NONE("\\033[2Jb@c.test") },
		{ "", "", 0, 0, { "\xc2\x9b" "2Jb@c.test" }, 0,
		  MX("\\302\\2332Jb@c.test", "c.test") },
		{ "", "", 0, 0, { "a\xe2\x80\xae@c.test" }, 0,
		  MX("a\\342\\200\\256@c.test", "c.test") },
		{ "", "", 0, 0, { "\xff@c.test" }, 0,
		  MX("\\377@c.test", "c.test") },
	};

	(void)state;
	check(cases, N(cases));
}

#define ABC	"a: b\nb: c\nc: root\n"

static void
test_aliases(void **state)
{
	static const struct question cases[] = {
		{ "", ABC, 0, 0, { "a" }, 0, IS("a", "a", "1")
		  IS("b", "b", "2") IS("c", "c", "3") BOX("root") },
		{ "", ABC, 0, 0, { "A+x@localhost" }, 0,
		  IS("A+x@localhost", "a", "1") IS("b", "b", "2")
		  IS("c", "c", "3") BOX("root") },
		{ "", ABC, 0, 1, { "a" }, 0, USER("root") },
		/* Targets are root's. */
		{ "", ABC, 1234, 0, { "a" }, 0, HIDDEN("a") },
		{ "", ABC, 1234, 1, { "a", "no-such-user" }, EX_NOUSER,
		  HIDDEN("a") UNKNOWN("no-such-user") },
		{ "", "a: no-such-user\n", 1234, 1, { "a" }, 0, HIDDEN("a") },
		{ "", "a: no-such-user\n", 0, 1, { "a" }, EX_NOUSER,
		  UNKNOWN("no-such-user") },
		{ "", "a: \\root, \\no-such-user\n", 0, 0, { "a" }, EX_NOUSER,
		  IS("a", "a", "1") FINAL("root") UNKNOWN("no-such-user") },
		{ "", "a: \"|/bin/x y\", /f, :include:/l\n", 0, 1, { "a" }, 0,
		  "ok      /bin/x y: deliverable: command, run as nobody\n"
		  "ok      /f: deliverable: file, written as nobody\n"
		  "ok      /l: deliverable: list, read at delivery as "
		  "nobody\n" },
		{ "", "a: root\nowner-a: root\n", 0, 0, { "a" }, 0,
		  IS("a", "a", "1") "ok      a: failures of its targets are "
		  "reported to the owner of the list, root@host.test\n"
		  BOX("root") },
		/* A name that is its own alias is the user. */
		{ "", "root: root, b@c.test\n", 0, 1, { "root" }, 0,
		  USER("root") MX("b@c.test", "c.test") },
		{ "", "root: a\na: root\n", 0, 1, { "root", "a" }, EX_NOUSER,
		  USER("root") LOOP("a") },
		/* Loops of names that are no users. */
		{ "", "l: l\n", 0, 1, { "l" }, EX_NOUSER, LOOP("l") },
		{ "", "x: y\ny: z\nz: x\n", 0, 1, { "y" }, EX_NOUSER,
		  LOOP("y") },
		{ "", "x: y, root\ny: x, root\n", 0, 1, { "x" }, EX_NOUSER,
		  LOOP("x") USER("root") USER("root") },
		/* One for all other names, as they are given. */
		{ "", "*: b@c.test\n", 0, 0, { "no-such-user", "root" }, 0,
		  IS("no-such-user", "*", "1") MX("b@c.test", "c.test")
		  BOX("root") },
		{ "", "*: b@c.test\na: no-such-user\n", 0, 1, { "a" },
		  EX_NOUSER, UNKNOWN("no-such-user") },
		{ "", "*: x\n", 0, 1, { "no-such-user" }, EX_NOUSER,
		  UNKNOWN("x") },
		/* Errors of the file. */
		{ "", "bad: \"\nok: root\n", 0, 1, { "bad", "ok" }, EX_CONFIG,
		  "error   bad: deferred: the alias bad has an error, "
		  "ALIASES:1\n" USER("root") },
		{ "", NULL, 0, 1, { "root", "b@c.test" }, EX_TEMPFAIL,
		  "error   root: deferred: ALIASES cannot be read\n"
		  MX("b@c.test", "c.test") },
	};

	(void)state;
	check(cases, N(cases));
}

static void
test_other_hosts(void **state)
{
	static const struct question cases[] = {
		{ "NOREMOTE\n", "a: b@c.test\n", 0, 1, { "a", "root" },
		  EX_UNAVAILABLE, "error   b@c.test: rejected: this host sends "
		  "no mail to other hosts (NOREMOTE)\n" USER("root") },
		{ "SMARTHOST r.test s.test:26\n", "", 0, 1, { "b@c.test" }, 0,
		  "ok      b@c.test: deliverable: relay r.test port 25, then "
		  "s.test port 26 (SMARTHOST)\n" },
		{ "SMARTHOST r.test\nNULLCLIENT\n", "root: b@c.test\n", 0, 1,
		  { "root" }, 0, "ok      root: deliverable: relay r.test port "
		  "25 (SMARTHOST)\n" },
		{ "SENDER_RELAY /no/file\n", "", 0, 1, { "b@c.test", "root" },
		  EX_CONFIG, "error   b@c.test: deferred: the file of "
		  "SENDER_RELAY cannot be read\n" USER("root") },
	};

	(void)state;
	check(cases, N(cases));
}

/* As many as a delivery follows: a0 is one too many. */
static void
test_the_depth_is_limited(void **state)
{
	struct question a = { "", "", 0, 1, { "a0", "a1" }, EX_NOUSER,
	    "error   root: rejected: too many aliases lead to it\n"
	    USER("root") };
	struct buf aliases;
	unsigned i;

	(void)state;
	buf_init(&aliases, 0);
	for (i = 0; i < DEPTH_MAX; i++)
		buf_printf(&aliases, "a%u: a%u\n", i, i + 1);
	buf_printf(&aliases, "a%u: root\n", i);
	a.aliases = buf_str(&aliases);
	check(&a, 1);
	buf_fini(&aliases);
}

static void
test_what_is_shown_is_limited(void **state)
{
	static const struct {
		unsigned targets, lines;
		int	 is_cut;
	} cases[] = {
		{ 198, 198, 0 }, { 199, 198, 1 }, { 1000, 198, 1 }
	};
	struct question a = { .conf = "", .is_brief = 1, .args = { "all" } };
	struct buf aliases, printed;
	const char *p;
	unsigned k, lines;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		buf_init(&aliases, 0);
		buf_init(&printed, 0);
		buf_puts(&aliases, "all: u0@c.test");
		for (k = 1; k < cases[i].targets; k++)
			buf_printf(&aliases, ",\n u%u@c.test", k);
		buf_putc(&aliases, '\n');
		a.aliases = buf_str(&aliases);
		if (ask(&a, FROM, &printed) != 0)
			fail_msg("%u targets:\n%s", cases[i].targets,
			    buf_str(&printed));
		lines = 0;
		for (p = buf_str(&printed); (p = strchr(p, '\n')) != NULL; p++)
			lines++;
		assert_int_equal(lines, cases[i].lines +
		    (unsigned)cases[i].is_cut);
		assert_int_equal(strstr(buf_str(&printed), "this and other "
		    "targets are not shown") != NULL, cases[i].is_cut);
		buf_fini(&aliases);
		buf_fini(&printed);
	}
	/*
	 * Each name leads to the next by two ways, and so to root by 2^9.  One
	 * address does not count for the next.
	 */
	a.args[1] = "root";
	buf_init(&aliases, 0);
	buf_init(&printed, 0);
	for (k = 0; k < 8; k++)
		buf_printf(&aliases, "%s%u: a%u, b%u\nb%u: a%u, b%u\n",
		    k == 0 ? "all: a0, b0\na" : "a", k, k + 1, k + 1, k,
		    k + 1, k + 1);
	buf_puts(&aliases, "a8: root\nb8: root\n");
	a.aliases = buf_str(&aliases);
	assert_int_equal(ask(&a, FROM, &printed), 0);
	p = strstr(buf_str(&printed), "targets are not shown\n");
	assert_non_null(p);
	assert_string_equal(strchr(p, '\n') + 1, USER("root"));
	buf_fini(&aliases);
	buf_fini(&printed);
}

static void
test_a_sender_that_is_none(void **state)
{
	static const struct question a = { "", "", 0, 0, { "root" }, 0, "" };
	struct buf printed;

	(void)state;
	buf_init(&printed, 0);
	assert_int_equal(ask(&a, "a@b@c", &printed), EX_DATAERR);
	assert_int_equal(strncmp(buf_str(&printed), "error   sender: ", 16), 0);
	assert_null(strstr(buf_str(&printed), "deliverable"));
	buf_fini(&printed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_other_hosts),
		cmocka_unit_test(test_the_depth_is_limited),
		cmocka_unit_test(test_what_is_shown_is_limited),
		cmocka_unit_test(test_a_sender_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
