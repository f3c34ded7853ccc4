/*
 * sender_test.c - who sends.
 */
#include "submit/sender.h"
#include "tests/unit/t.h"

#define LONG	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

struct sender_case {
	const char	*option, *email;	/* -f; EMAIL */
	const char	*user, *host;		/* MASQUERADE */
	const char	*address;		/* NULL: none */
	const char	*ignored;
};

/* The caller is root; the host is host.example. */
static void
check(const struct sender_case *c)
{
	struct conf_names names = { 0 };
	struct caller caller = { .uid = 0, .logname = "root" };
	struct options o = { .sender = c->option };
	const struct from_map map = { 0 };
	const char *reason = NULL;
	struct sender s;
	int ret;

	names.mailname = strdup("host.example");
	names.masquerade_user = c->user == NULL ? NULL : strdup(c->user);
	names.masquerade_host = c->host == NULL ? NULL : strdup(c->host);
	if (c->email != NULL)
		text_copy(caller.email, sizeof(caller.email), c->email);
	ret = sender_find(&s, &caller, &o, &names, &map, &reason);
	assert_int_equal(ret, c->address == NULL ? -1 : 0);
	if (c->address == NULL)
		assert_non_null(reason);
	else
		assert_string_equal(s.address, c->address);
	assert_string_equal(s.ignored, c->ignored == NULL ? "" : c->ignored);
	free(names.mailname);
	free(names.masquerade_user);
	free(names.masquerade_host);
}

static void
test_address(void **state)
{
	static const struct sender_case cases[] = {
		{ NULL, NULL, NULL, NULL, "root@host.example", NULL },
		{ "bob@example.net", NULL, NULL, NULL, "bob@example.net",
		    NULL },
		{ "bob", NULL, NULL, NULL, "bob@host.example", NULL },
		{ "", NULL, NULL, NULL, "", NULL },
		{ "<>", NULL, NULL, NULL, "", NULL },
		{ "a b@", NULL, NULL, NULL, NULL, NULL },
		{ "bob\r\nRCPT", NULL, NULL, NULL, NULL, NULL },
		/* EMAIL is a wish; -f is more. */
		{ NULL, "bob@example.net", NULL, NULL, "bob@example.net",
		    NULL },
		{ "eve@example.net", "bob@example.net", NULL, NULL,
		    "eve@example.net", NULL },
		{ NULL, "a b@", NULL, NULL, "root@host.example", "EMAIL" },
		{ NULL, "<>", NULL, NULL, "root@host.example", "EMAIL" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(&cases[i]);
}

static void
test_masquerade(void **state)
{
	static const struct sender_case cases[] = {
		/* user@host: every address but the null one. */
		{ NULL, NULL, "m", "m.example", "m@m.example", NULL },
		{ "bob@example.net", NULL, "m", "m.example", "m@m.example",
		    NULL },
		{ "<>", NULL, "m", "m.example", "", NULL },
		/* host: the names of this host alone. */
		{ NULL, NULL, NULL, "m.example", "root@m.example", NULL },
		{ "bob", NULL, NULL, "m.example", "bob@m.example", NULL },
		{ "bob@host.example", NULL, NULL, "m.example",
		    "bob@m.example", NULL },
		{ "bob@example.net", NULL, NULL, "m.example",
		    "bob@example.net", NULL },
		/* user@: the caller's own name alone. */
		{ NULL, NULL, "m", NULL, "m@host.example", NULL },
		{ "root", NULL, "m", NULL, "m@host.example", NULL },
		{ "root@host.example", NULL, "m", NULL, "m@host.example",
		    NULL },
		{ "bob", NULL, "m", NULL, "bob@host.example", NULL },
		{ "root@example.net", NULL, "m", NULL, "root@example.net",
		    NULL },
		/* An address that it makes too long. */
		{ NULL, NULL, NULL, LONG LONG LONG LONG LONG LONG LONG LONG
		    "example", NULL, NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		check(&cases[i]);
}

static void
test_login(void **state)
{
	static const struct {
		uint32_t	 uid;
		const char	*logname, *login, *ignored;
	} cases[] = {
		{ 0, "", "root", "" },
		{ 0, "root", "root", "" },
		/* Not the name of that uid. */
		{ 0, "nobody", "root", "LOGNAME" },
		{ 0, "no such user", "root", "LOGNAME" },
		{ 4000000001U, "", "uid-4000000001", "" },
		{ 4000000001U, "root", "uid-4000000001", "LOGNAME" },
	};
	struct options o = { 0 };
	struct caller c;
	struct sender s;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&c, 0, sizeof(c));
		memset(&s, 0, sizeof(s));
		c.uid = cases[i].uid;
		text_copy(c.logname, sizeof(c.logname), cases[i].logname);
		sender_find_login(&s, &c, &o);
		assert_string_equal(s.login, cases[i].login);
		assert_string_equal(s.ignored, cases[i].ignored);
	}
}

/* -F is more than NAME, which is more than the user database. */
static void
test_fullname(void **state)
{
	struct options o = { 0 };
	struct caller c = { .uid = 0, .name = "Bob" };
	struct sender s = { .login = "" };

	(void)state;
	sender_find_login(&s, &c, &o);
	assert_string_equal(s.fullname, "Bob");
	o.fullname = "Eve";
	sender_find_login(&s, &c, &o);		/* it is known */
	assert_string_equal(s.fullname, "Bob");
	s.login[0] = '\0';
	sender_find_login(&s, &c, &o);
	assert_string_equal(s.fullname, "Eve");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_masquerade),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_fullname),
	};

	return cmocka_run_group_tests_name("sender", tests, NULL, NULL);
}
