/*
 * auth_test.c - auth.conf, tables of cases.
 */
#include "conf/auth.h"
#include "tests/unit/t.h"

static const struct {
	const char *in;
	int bad;
	const char *user, *host, *password;
} auths_cases[] = {
	{ "me|mail.example.org:secret", 0, "me", "mail.example.org",
	    "secret" },
	{ "me|mail.example.org|se:cr|et", 0, "me", "mail.example.org",
	    "se:cr|et" },
	{ "me|h:se:cr|et #1 \r\n", 0, "me", "h", "se:cr|et #1 " },
	{ "me@dom.org|h: x", 0, "me@dom.org", "h", " x" },
	{ "me|h secret", 0, "me", "h", "secret" },
	{ "me|[2001:db8::1]:x", 0, "me", "2001:db8::1", "x" },
	{ "me|192.0.2.1:x", 0, "me", "192.0.2.1", "x" },
	{ "me|h:", 0, "me", "h", "" },
	{ "\xef\xbb\xbfme|h:x\r\n", 0, "me", "h", "x" },
	{ "# me|h:x", 0, NULL, NULL, NULL },
	{ "\n  \n", 0, NULL, NULL, NULL },
	{ "me|h", 1, NULL, NULL, NULL },
	{ "me:h:x", 1, NULL, NULL, NULL },
	{ "|h:x", 1, NULL, NULL, NULL },
	{ "me|:x", 1, NULL, NULL, NULL },
	{ "me|[::1:x", 1, NULL, NULL, NULL },
	{ "me|[::1]x", 1, NULL, NULL, NULL },
	{ "me|h:a\x01z", 1, NULL, NULL, NULL },
};

static void
test_auth(void **state)
{
	struct t_reports r;
	const struct report report = { t_report, &r };
	struct auths a;
	size_t i;

	(void)state;
	t_reports_init(&r, "auth.conf");
	for (i = 0; i < N(auths_cases); i++) {
		print_message("%s\n", auths_cases[i].in);
		memset(&a, 0, sizeof(a));
		assert_int_equal(auth_parse(&a, auths_cases[i].in,
		    strlen(auths_cases[i].in), "auth.conf", &report),
		    auths_cases[i].bad);
		assert_int_equal(a.n, auths_cases[i].user != NULL);
		if (a.n == 1) {
			assert_string_equal(a.list[0].user,
			    auths_cases[i].user);
			assert_string_equal(a.list[0].host,
			    auths_cases[i].host);
			assert_string_equal(a.list[0].password,
			    auths_cases[i].password);
		}
		/* what is said never quotes a line that may hold a secret */
		assert_null(strstr(r.text, "me"));
		auth_fini(&a);
	}
}

/* Lines in words; what cannot be read closes the way to its host. */
static void
test_auth_words(void **state)
{
	static const struct {
		const char *in;
		int bad;
		const char *user, *host, *password, *file;
		int is_token, has_trouble;
	} cases[] = {
		{ "host h.org user me password se:cret", 0, "me", "h.org",
		    "se:cret", NULL, 0, 0 },
		{ "\thost [2001:db8::1]  password-file /etc/p user me@x ", 0,
		    "me@x", "2001:db8::1", NULL, "/etc/p", 0, 0 },
		{ "host h user a|b password c|d:e", 0, "a|b", "h", "c|d:e",
		    NULL, 0, 0 },
		{ "host h user me token ya29.x-Y_z==", 0, "me", "h",
		    "ya29.x-Y_z==", NULL, 1, 0 },
		{ "host h user me token-file /run/t", 0, "me", "h", NULL,
		    "/run/t", 1, 0 },
		{ "host h external", 0, "", "h", NULL, NULL, 0, 0 },
		{ "host h user me password x external", 0, "me", "h", "x",
		    NULL, 0, 0 },
		{ "host h user me", 1, "me", "h", NULL, NULL, 0, 1 },
		{ "host h password x", 1, "", "h", NULL, NULL, 0, 1 },
		{ "host h user me password", 1, "me", "h", NULL, NULL, 0, 1 },
		{ "host h user me password x token y", 1, "me", "h", NULL,
		    NULL, 0, 1 },
		{ "host h user me password-file p", 1, "me", "h", NULL, NULL,
		    0, 1 },
		{ "host h user me pasword x", 1, "me", "h", NULL, NULL, 0,
		    1 },
		{ "host h host i user me password x", 1, "", "h", NULL, NULL,
		    0, 1 },
		{ "user me password x", 1, NULL, NULL, NULL, NULL, 0, 0 },
		{ "host /x user me password x", 1, NULL, NULL, NULL, NULL, 0,
		    0 },
		{ "host", 1, NULL, NULL, NULL, NULL, 0, 0 },
		/* Without that word at its start: an old line. */
		{ "user host|h:host x", 0, "user host", "h", "host x", NULL,
		    0, 0 },
		{ "host|h:x", 0, "host", "h", "x", NULL, 0, 0 },
	};
	struct t_reports r;
	const struct report report = { t_report, &r };
	const struct auth *a;
	struct auths list;
	size_t i;

	(void)state;
	t_reports_init(&r, "auth.conf");
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].in);
		memset(&list, 0, sizeof(list));
		assert_int_equal(auth_parse(&list, cases[i].in,
		    strlen(cases[i].in), "auth.conf", &report),
		    cases[i].bad);
		assert_int_equal(list.n, cases[i].host != NULL);
		a = list.list;
		if (a != NULL) {
			assert_string_equal(a->user, cases[i].user);
			assert_string_equal(a->host, cases[i].host);
			assert_int_equal(a->trouble != NULL,
			    cases[i].has_trouble);
			if (cases[i].password == NULL)
				assert_null(a->password);
			else
				assert_string_equal(a->password,
				    cases[i].password);
			if (cases[i].file == NULL)
				assert_null(a->file);
			else
				assert_string_equal(a->file, cases[i].file);
			if (a->trouble == NULL)
				assert_int_equal(a->is_token,
				    cases[i].is_token);
		}
		assert_null(strstr(r.text, "me|"));
		auth_fini(&list);
	}
}

/* A command is text that no shell would read in another way. */
static void
test_auth_command(void **state)
{
	static const struct {
		const char *in, *command;	/* NULL: refused */
		int is_token;
	} cases[] = {
		{ "host h user u password-command /bin/x", "/bin/x", 0 },
		{ "host h user u token-command /bin/x", "/bin/x", 1 },
		{ "host h token-command \"/bin/x a  b\"  user u", "/bin/x a  b",
		    1 },
		{ "host h user u password-command \"/bin/x #1 k=v %\"",
		    "/bin/x #1 k=v %", 0 },
		{ "host h user u password-command", NULL, 0 },
		{ "host h user u password-command \"\"", NULL, 0 },
		{ "host h user u password-command x", NULL, 0 },
		{ "host h user u password-command \"/bin/x", NULL, 0 },
		{ "host h user u password-command \"/bin/x\"y", NULL, 0 },
		{ "host h user u password-command /bin/x y", NULL, 0 },
		{ "host h user u password-command /bin/x;y", NULL, 0 },
		{ "host h user u password-command /bin/x\\y", NULL, 0 },
		{ "host h user u password-command \"/x $(id)\"", NULL, 0 },
		{ "host h user u password-command \"/x 'a b'\"", NULL, 0 },
		{ "host h user u password-command /x password y", NULL, 0 },
		{ "host h user u token-file /x token-command /y", NULL, 0 },
		{ "host h password-command /x", NULL, 0 },
	};
	struct t_reports r;
	const struct report report = { t_report, &r };
	struct auths list;
	size_t i;

	(void)state;
	t_reports_init(&r, "auth.conf");
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].in);
		memset(&list, 0, sizeof(list));
		assert_int_equal(auth_parse(&list, cases[i].in,
		    strlen(cases[i].in), "auth.conf", &report),
		    cases[i].command == NULL);
		assert_int_equal(list.n, 1);
		assert_int_equal(list.list[0].trouble != NULL,
		    cases[i].command == NULL);
		assert_null(list.list[0].password);
		if (cases[i].command == NULL) {
			assert_null(list.list[0].command);
		} else {
			assert_string_equal(list.list[0].command,
			    cases[i].command);
			assert_int_equal(list.list[0].is_token,
			    cases[i].is_token);
		}
		auth_fini(&list);
	}
}

static void
test_auth_find(void **state)
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
		cmocka_unit_test(test_auth),
		cmocka_unit_test(test_auth_words),
		cmocka_unit_test(test_auth_command),
		cmocka_unit_test(test_auth_find),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
