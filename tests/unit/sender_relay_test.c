/*
 * sender_relay_test.c - the file of SENDER_RELAY: lines, and whom they are for.
 */
#include "conf/sender_relay.h"
#include "tests/unit/t.h"

static int
parse(struct sender_relays *all, const char *text, struct t_reports *h)
{
	const struct report report = { t_report, h };

	memset(all, 0, sizeof(*all));
	t_reports_init(h, "senders");
	return sender_relay_parse(all, text, strlen(text), "senders", &report);
}

static const struct {
	const char *in;
	int bad;
	const char *pattern;		/* NULL: no line comes of it */
	const char *relays, *user, *login;
} line_cases[] = {
	{ "a@b.org mail.b.org", 0, "a@b.org", "mail.b.org", NULL, NULL },
	{ " @b.org\tm1:587  [::1]:25\r\n", 0, "@b.org", "m1:587 [::1]:25", NULL,
	    NULL },
	{ "@b.org mx:b.org srv:c.org", 0, "@b.org", "mx:b.org srv:c.org",
	    NULL, NULL },
	{ "* m user me@b.org", 0, "*", "m", "me@b.org", NULL },
	{ "ann m user x login ann", 0, "ann", "m", "x", "ann" },
	{ "ann m login ann user x # why", 0, "ann", "m", "x", "ann" },
	{ "\"a b\"@c m", 1, NULL, NULL, NULL, NULL },
	{ "# a m", 0, NULL, NULL, NULL, NULL },
	{ "   ", 0, NULL, NULL, NULL, NULL },
	{ "@ m", 1, NULL, NULL, NULL, NULL },
	{ "a@ m", 1, NULL, NULL, NULL, NULL },
	{ "<a@b> m", 1, NULL, NULL, NULL, NULL },
	{ "** m", 1, NULL, NULL, NULL, NULL },
	{ "a,b m", 1, NULL, NULL, NULL, NULL },
	{ "a", 1, "a", NULL, NULL, NULL },
	{ "a user u", 1, "a", NULL, "u", NULL },
	{ "a m user", 1, "a", NULL, NULL, NULL },
	{ "a m user u user v", 1, "a", NULL, "u", NULL },
	{ "a m login", 1, "a", NULL, NULL, NULL },
	{ "a m login *", 1, "a", NULL, NULL, NULL },
	{ "a m login b@c", 1, "a", NULL, NULL, NULL },
	{ "a m login b n", 1, "a", NULL, NULL, "b" },
	{ "a m:0", 1, "a", NULL, NULL, NULL },
	{ "a m:65536 user u", 1, "a", NULL, "u", NULL },
	{ "\"two words\" m login \"x y\"", 0, "two words", "m", NULL, "x y" },
	{ "\"EX\\a b\" m user \"u v\"", 0, "EX\\a b", "m", "u v", NULL },
	{ "a [m", 1, "a", NULL, NULL, NULL },
	{ "a good bad:x", 1, "a", NULL, NULL, NULL },
	{ "a m\x01", 1, "a", NULL, NULL, NULL },
	{ "\"a b\" m\x01", 1, "a b", NULL, NULL, NULL },
	{ "\"\" m", 1, NULL, NULL, NULL, NULL },
	{ "a m login \"\"", 1, "a", NULL, NULL, NULL },
	{ "\"a b m", 1, NULL, NULL, NULL, NULL },
};

static void
same(const char *got, const char *want)
{
	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void
test_lines(void **state)
{
	struct sender_relays all;
	struct t_reports h;
	size_t i;

	(void)state;
	for (i = 0; i < N(line_cases); i++) {
		print_message("%s\n", line_cases[i].in);
		assert_int_equal(parse(&all, line_cases[i].in, &h),
		    line_cases[i].bad);
		assert_int_equal(h.count, line_cases[i].bad);
		assert_int_equal(all.n, line_cases[i].pattern != NULL);
		if (all.n == 1) {
			same(all.list[0].pattern, line_cases[i].pattern);
			same(all.list[0].user, line_cases[i].user);
			same(all.list[0].login, line_cases[i].login);
			/* what is bad has its trouble, and only that */
			assert_int_equal(all.list[0].trouble != NULL,
			    line_cases[i].bad);
			if (line_cases[i].bad == 0)
				same(all.list[0].relays,
				    line_cases[i].relays);
		}
		sender_relay_fini(&all);
	}
}

/* Nobody's mail takes another way because a line could not be held. */
static void
test_long_line(void **state)
{
	char text[6000];
	struct sender_relays all;
	struct t_reports h;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "a@b ", 4);
	memcpy(text + sizeof(text) - 9, "\nc@d mmm", 9);
	assert_int_equal(parse(&all, text, &h), 1);
	assert_int_equal(h.line, 1);
	assert_int_equal(all.n, 2);
	assert_non_null(sender_relay_find(&all, "a@b", NULL)->trouble);
	assert_null(sender_relay_find(&all, "c@d", NULL)->trouble);
	sender_relay_fini(&all);
}

/* Names of a login have a bound; without the name the mail is deferred. */
static void
test_long_user(void **state)
{
	char text[SENDER_USER_MAX + 16] = "a@b m user ";
	size_t start = strlen(text);
	struct sender_relays all;
	struct t_reports h;
	int over;

	(void)state;
	for (over = 0; over <= 1; over++) {
		memset(text + start, 'x', SENDER_USER_MAX + (size_t)over);
		text[start + SENDER_USER_MAX + (size_t)over] = '\0';
		assert_int_equal(parse(&all, text, &h), over);
		assert_int_equal(all.n, 1);
		assert_int_equal(all.list[0].trouble != NULL, over);
		sender_relay_fini(&all);
	}
}

static const char table[] =
    "ann@b.org one user u1 login ann\n"
    "ann@b.org two\n"
    "@b.org three\n"
    "eve four\n"
    "x@c.org five login eve\n"
    "bad@c.org\n"
    "@c.org six:0 login eve\n"
    "@M\xc3\x9cller.org. seven\n"
    "ann@gr\xc3\xbcn.org eight user u2\n";

static const struct {
	const char *sender, *login;
	int line;			/* 0: none */
} find_cases[] = {
	{ "ann@b.org", "ann", 1 },
	{ "ANN@B.ORG", "ann", 1 },
	{ "ann@b.org", "Ann", 2 },
	{ "ann@b.org", "eve", 2 },
	{ "ann@b.org", NULL, 2 },
	{ "bob@b.org", NULL, 3 },
	{ "bob@x.b.org", NULL, 0 },
	{ "@b.org", NULL, 3 },
	{ "bob@x.org", "eve", 4 },
	{ "x@c.org", "eve", 4 },
	{ "x@c.org", "ann", 0 },
	{ "eve", "ann", 0 },
	{ "bad@c.org", "ann", 6 },
	{ "\"a@b.org\"@d.org", NULL, 0 },
	{ "\"a@d.org\"@b.org", NULL, 3 },
	{ "bob@b.org.", NULL, 3 },
	{ "bob@m\xc3\xbcller.org", NULL, 8 },
	{ "bob@xn--mller-kva.org", NULL, 8 },
	{ "ann@xn--grn-ioa.org", NULL, 9 },
	{ "bann@xn--grn-ioa.org", NULL, 0 },
	{ "", "eve", 0 },
	{ "", NULL, 0 },
};

static void
test_find(void **state)
{
	const struct sender_relay *s;
	struct sender_relays all;
	struct t_reports h;
	size_t i;

	(void)state;
	assert_int_equal(parse(&all, table, &h), 2);
	assert_true(all.has_logins);
	for (i = 0; i < N(find_cases); i++) {
		print_message("%s %s\n", find_cases[i].sender,
		    find_cases[i].login == NULL ? "-" : find_cases[i].login);
		s = sender_relay_find(&all, find_cases[i].sender,
		    find_cases[i].login);
		assert_int_equal(s == NULL ? 0 : s - all.list + 1,
		    find_cases[i].line);
	}
	sender_relay_fini(&all);
}

static void
test_star(void **state)
{
	struct sender_relays all;
	struct t_reports h;

	(void)state;
	assert_int_equal(parse(&all, "* m login ann\n* n\n", &h), 0);
	assert_string_equal(sender_relay_find(&all, "a@b", "ann")->relays, "m");
	assert_string_equal(sender_relay_find(&all, "a@b", "bob")->relays, "n");
	/* a report has no login, though root's number stands in it */
	assert_string_equal(sender_relay_find(&all, "", "ann")->relays, "n");
	sender_relay_fini(&all);
	assert_int_equal(parse(&all, "@a m", &h), 0);
	assert_false(all.has_logins);
	sender_relay_fini(&all);
}

static void
test_own(void **state)
{
	struct sender_relays all;
	struct t_reports h;

	(void)state;
	assert_int_equal(parse(&all, "a@b m1 M2:587 user u\nc@d m3\n"
	    "e@f m4:0 user v\ng@h mx:m.org user w\n", &h), 1);
	assert_true(sender_relay_owns(&all, "m1", "u"));
	assert_true(sender_relay_owns(&all, "m2", "u"));
	assert_false(sender_relay_owns(&all, "m3", "u"));
	assert_false(sender_relay_owns(&all, "m1", "U"));
	assert_false(sender_relay_owns(&all, "m1", "x"));
	/* where it cannot be known the name is theirs everywhere */
	assert_true(sender_relay_owns(&all, "m9", "v"));
	assert_true(sender_relay_owns(&all, "m9", "w"));
	sender_relay_fini(&all);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_long_user),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_star),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
