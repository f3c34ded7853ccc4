/*
 * auth_test.c - auth.conf, tables of cases.
 */
#include "conf/auth.h"
#include "tests/unit/t.h"

/* An entry as text; what is not there is left out. */
static void
put_auth(struct buf *b, const struct auth *a)
{
	buf_printf(b, "%s@%s", a->user, a->host);
	if (a->trouble != NULL)
		buf_puts(b, " trouble");
	else if (a->is_token)
		buf_puts(b, " token");
	if (a->is_external)
		buf_puts(b, " external");
	if (a->password != NULL)
		buf_printf(b, " password=%s", a->password);
	if (a->file != NULL)
		buf_printf(b, " file=%s", a->file);
	if (a->command != NULL)
		buf_printf(b, " command=%s", a->command);
}

static const struct {
	const char	*in;
	const char	*want;		/* "": no entry */
	int		 bad;
} lines[] = {
	/* with bars: the password is all that is left */
	{ "me|mail.example.org:secret", "me@mail.example.org password=secret",
	    0 },
	{ "me|mail.example.org|se:cr|et",
	    "me@mail.example.org password=se:cr|et", 0 },
	{ "me|h:se:cr|et #1 \r\n", "me@h password=se:cr|et #1 ", 0 },
	{ "me@dom.org|h: x", "me@dom.org@h password= x", 0 },
	{ "me|h secret", "me@h password=secret", 0 },
	{ "me|[2001:DB8::1]:x", "me@2001:db8::1 password=x", 0 },
	{ "me|192.0.2.1:x", "me@192.0.2.1 password=x", 0 },
	{ "me|h.example.:x", "me@h.example password=x", 0 },
	{ "me|h:", "me@h password=", 0 },
	{ "\xef\xbb\xbfme|h:x\r\n", "me@h password=x", 0 },
	{ "# me|h:x", "", 0 },
	{ "\n  \n", "", 0 },
	{ "me|h", "", 1 },
	{ "me:h:x", "", 1 },
	{ "|h:x", "", 1 },
	{ "me|:x", "", 1 },
	{ "me|[::1:x", "", 1 },
	{ "me|[::1]x", "", 1 },
	{ "me|h:a\x01z", "", 1 },
	/* of keywords; what is not understood closes the way to its host */
	{ "host h.org user me password se:cret", "me@h.org password=se:cret",
	    0 },
	{ "\thost [2001:db8::1]  password-file /etc/p user me@x ",
	    "me@x@2001:db8::1 file=/etc/p", 0 },
	{ "host h user a|b password c|d:e", "a|b@h password=c|d:e", 0 },
	{ "host h user me token ya29.x-Y_z==", "me@h token password="
	    "ya29.x-Y_z==", 0 },
	{ "host h user me token-file /run/t", "me@h token file=/run/t", 0 },
	{ "host h external", "@h external", 0 },
	{ "host h user me password x external", "me@h external password=x", 0 },
	{ "host h user me", "me@h trouble", 1 },
	{ "host h password x", "@h trouble", 1 },
	{ "host h user me password", "me@h trouble", 1 },
	{ "host h user me password x token y", "me@h trouble", 1 },
	{ "host h user me password-file p", "me@h trouble", 1 },
	{ "host h user me pasword x", "me@h trouble", 1 },
	{ "host h host i user me password x", "@h trouble", 1 },
	{ "user me password x", "", 1 },
	{ "host /x user me password x", "", 1 },
	{ "host", "", 1 },
	/* without that keyword first: with bars */
	{ "user host|h:host x", "user host@h password=host x", 0 },
	{ "host|h:x", "host@h password=x", 0 },
	/* a command is text that no shell would read in another way */
	{ "host h user u password-command /bin/x", "u@h command=/bin/x", 0 },
	{ "host h user u token-command /bin/x", "u@h token command=/bin/x",
	    0 },
	{ "host h token-command \"/bin/x a  b\"  user u",
	    "u@h token command=/bin/x a  b", 0 },
	{ "host h user u password-command \"/bin/x #1 k=v %\"",
	    "u@h command=/bin/x #1 k=v %", 0 },
	{ "host h user u password-command", "u@h trouble", 1 },
	{ "host h user u password-command \"\"", "u@h trouble", 1 },
	{ "host h user u password-command x", "u@h trouble", 1 },
	{ "host h user u password-command \"/bin/x", "u@h trouble", 1 },
	{ "host h user u password-command \"/bin/x\"y", "u@h trouble", 1 },
	{ "host h user u password-command /bin/x y", "u@h trouble", 1 },
	{ "host h user u password-command /bin/x;y", "u@h trouble", 1 },
	{ "host h user u password-command /bin/x\\y", "u@h trouble", 1 },
	{ "host h user u password-command \"/x $(id)\"", "u@h trouble", 1 },
	{ "host h user u password-command \"/x 'a b'\"", "u@h trouble", 1 },
	{ "host h user u password-command /x password y", "u@h trouble", 1 },
	{ "host h user u token-file /x token-command /y", "u@h trouble", 1 },
	{ "host h password-command /x", "@h trouble", 1 },
};

static void
test_lines(void **state)
{
	struct t_reports r;
	const struct report report = { t_report, &r };
	struct auths all;
	struct buf b;
	size_t i;

	(void)state;
	t_reports_init(&r, "auth.conf");
	for (i = 0; i < N(lines); i++) {
		print_message("%s\n", lines[i].in);
		memset(&all, 0, sizeof(all));
		assert_int_equal(auth_parse(&all, lines[i].in,
		    strlen(lines[i].in), "auth.conf", &report), lines[i].bad);
		assert_int_equal(all.n, lines[i].want[0] != '\0');
		buf_init(&b, 0);
		if (all.n > 0)
			put_auth(&b, &all.list[0]);
		assert_string_equal(buf_str(&b), lines[i].want);
		/* A report never quotes a line, which may hold a secret. */
		assert_null(strstr(r.text, "me|"));
		assert_null(strstr(r.text, "/bin"));
		buf_fini(&b);
		auth_fini(&all);
	}
}

/* A file that is another's, such as a log, ends. */
static void
test_a_thousand_entries(void **state)
{
	struct t_reports r;
	const struct report report = { t_report, &r };
	struct auths all = { NULL, 0, 0 };
	struct buf b;
	unsigned i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i <= 1000; i++)
		buf_printf(&b, "me|h%u:x\n", i);
	t_reports_init(&r, "auth.conf");
	assert_int_equal(auth_parse(&all, buf_str(&b), b.len, "auth.conf",
	    &report), 1);
	assert_int_equal(r.line, 1001);
	assert_string_equal(r.text, "too many entries");
	assert_int_equal(all.n, 1000);
	auth_fini(&all);
	buf_fini(&b);
}

static void
test_find(void **state)
{
	static const char text[] =
	    "one|a.example.org:1\ntwo|B.example.org:2\n"
	    "three|a.example.org:3\n"
	    "dot|c.example.org.:4\n"
	    "host 0:0::1 user six password 6\n";
	struct t_reports r;
	const struct report report = { t_report, &r };
	struct auths a = { NULL, 0, 0 };
	const struct auth *got;

	(void)state;
	t_reports_init(&r, "auth.conf");
	assert_null(auth_find(&a, "a.example.org", NULL, 1));
	assert_int_equal(auth_parse(&a, text, sizeof(text) - 1, "auth.conf",
	    &report), 0);
	assert_string_equal(auth_find(&a, "a.example.org", NULL, 1)->user,
	    "three");
	assert_string_equal(auth_find(&a, "b.EXAMPLE.org", NULL, 0)->user,
	    "two");
	assert_string_equal(auth_find(&a, "A.example.org", "one", 1)->user,
	    "one");
	assert_null(auth_find(&a, "example.org", NULL, 1));
	/* however it is written */
	assert_string_equal(auth_find(&a, "c.example.org", NULL, 1)->user,
	    "dot");
	assert_string_equal(auth_find(&a, "::1", NULL, 1)->user, "six");
	/* a login that is named must be there */
	got = auth_find(&a, "a.example.org", "two", 1);
	assert_non_null(got->trouble);
	assert_null(got->password);
	/* what is kept for others is not taken, and closes the relay */
	a.list[2].is_kept = 1;
	assert_string_equal(auth_find(&a, "a.example.org", NULL, 1)->user,
	    "one");
	assert_string_equal(auth_find(&a, "a.example.org", "three",
	    1)->password, "3");
	a.list[0].is_kept = 1;
	got = auth_find(&a, "a.example.org", NULL, 1);
	assert_non_null(got->trouble);
	assert_null(got->password);
	assert_null(auth_find(&a, "a.example.org", NULL, 0));
	auth_fini(&a);
	assert_int_equal(a.n, 0);
}

/* The first line counts, however it ends; what is wrong says so. */
static void
test_secret(void **state)
{
	static const struct { const char *text, *password, *trouble; }
	    cases[] = {
		{ "sesame", "sesame", NULL },
		{ "sesame\nopen\n", "sesame", NULL },
		{ "se same \r\n", "se same ", NULL },
		{ "\xef\xbb\xbfsesame\n", "sesame", NULL },
		{ "", NULL, "the first line is empty" },
		{ "\nsesame\n", NULL, "the first line is empty" },
		{ "\xef\xbb\xbf", NULL, "the first line is empty" },
		{ "ses\001ame\n", NULL, "control character in the line" },
	};
	struct auth a;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&a, 0, sizeof(a));
		assert_int_equal(auth_take_secret(&a, cases[i].text,
		    strlen(cases[i].text)), 0);
		assert_int_equal(a.password != NULL,
		    cases[i].password != NULL);
		if (cases[i].password != NULL) {
			assert_string_equal(a.password, cases[i].password);
			assert_null(a.trouble);
		} else {
			assert_string_equal(a.trouble, cases[i].trouble);
		}
		free(a.password);
		free(a.trouble);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_thousand_entries),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
