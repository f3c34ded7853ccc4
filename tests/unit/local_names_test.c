/*
 * local_names_test.c - unit tests of conf/local_names.c.
 */
#include <strings.h>

#include "conf/local_names.h"
#include "tests/unit/t.h"

static void
make_conf(struct conf *conf, const char *text)
{
	assert_int_equal(conf_init(conf), 0);
	assert_int_equal(conf_parse(conf, text, strlen(text), "conf",
	    &report_quiet), 0);
	assert_int_equal(conf_finish(conf, NULL, "this.example.org"), 0);
}

static const char usual[] =
    "MAILNAME host.example.org\nLOCALDOMAINS one.example two.example\n";
static const char nullclient[] =
    "MAILNAME host.example.org\nSMARTHOST relay\nNULLCLIENT\n";
static const char nullclient_aliases[] =
    "MAILNAME host.example.org\nSMARTHOST relay\nNULLCLIENT aliases\n";

static void
test_own_names_in_every_spelling_are_local(void **state)
{
	static const struct { const char *address, *local; } cases[] = {
		{ "ann", "ann" },
		{ "ann@localhost", "ann" },
		{ "ann@localhost.localdomain", "ann" },
		{ "ann@host.example.org", "ann" },
		{ "ann@HOST.Example.org", "ann" },
		{ "ann@host.example.org.", "ann" },
		{ "ann@one.example", "ann" },
		{ "ann@[127.0.0.1]", "ann" },
		{ "ann@[::1]", "ann" },
		{ "ann@[ipv6:::1]", "ann" },
		{ "ann@[IPv6:0:0:0:0:0:0:0:1]", "ann" },
		{ "ann@[ipv6:::ffff:127.0.0.1]", "ann" },
		{ "ann@[0.0.0.0]", "ann" },
		{ "ann@[192.0.2.99]", NULL },
		{ "ann@[127.0.0.1", NULL },
		{ "ann@[]", NULL },
		{ "ann@[ipv6:]", NULL },
		{ "ann@[127.1]", NULL },
		{ "ann@TWO.example", "ann" },
		{ "ann+x@localhost", "ann+x" },
		{ "\"a b\"@localhost", "a b" },
		{ "\"a\\\"b\"@localhost", "a\"b" },
		{ "\"a b\"", "a b" },
		{ "", "" },
		{ "ann@this.example.org", NULL },
		{ "ann@example.org", NULL },
		{ "ann@host.example.org.example", NULL },
		{ "ann@three.example", NULL },
	};
	char local[ADDRESS_MAX + 1];
	struct conf conf;
	size_t i;
	int is;

	(void)state;
	make_conf(&conf, usual);
	for (i = 0; i < N(cases); i++) {
		is = names_is_local(&conf.names, cases[i].address, local,
		    sizeof(local));
		assert_int_equal(is, cases[i].local != NULL);
		if (is)
			assert_string_equal(local, cases[i].local);
		assert_int_equal(names_is_own(&conf.names, cases[i].address,
		    local, sizeof(local)), is);
	}
	conf_fini(&conf);
}

static void
test_with_nullclient_own_names_are_not_local(void **state)
{
	char local[ADDRESS_MAX + 1];
	struct message m;
	struct conf conf;

	(void)state;
	make_conf(&conf, nullclient);
	message_init(&m);
	assert_non_null(message_add(&m, "ann@localhost"));
	assert_true(names_is_own(&conf.names, "ann", local, sizeof(local)));
	assert_false(names_is_local(&conf.names, "ann", local, sizeof(local)));
	assert_false(names_any_local(&conf.names, &m));
	message_fini(&m);
	conf_fini(&conf);
}

static void
test_one_local_recipient_is_enough(void **state)
{
	struct message m;
	struct conf conf;

	(void)state;
	make_conf(&conf, usual);
	message_init(&m);
	assert_false(names_any_local(&conf.names, &m));
	assert_non_null(message_add(&m, "ann@example.org"));
	assert_false(names_any_local(&conf.names, &m));
	assert_non_null(message_add(&m, "ann@one.example"));
	assert_true(names_any_local(&conf.names, &m));
	message_fini(&m);
	conf_fini(&conf);
}

static void
test_same_recipients_have_the_same_digest(void **state)
{
	static const struct {
		const char *conf, *a, *b;
		int is_same;
	} cases[] = {
		{ usual, "ann", "ann@localhost", 1 },
		{ usual, "ann@one.example", "ann@HOST.example.org", 1 },
		{ usual, "\"ann\"@localhost", "ann", 1 },
		{ usual, "a@example.org", "a@example.org", 1 },
		{ usual, "ann", "Ann", 0 },
		{ usual, "ann", "ann+x", 0 },
		{ usual, "a@example.org", "a", 0 },
		{ usual, "a@example.org", "b@example.org", 0 },
		{ nullclient, "ann", "ann@localhost", 0 },
		{ nullclient, "ann", "ann", 1 },
		{ nullclient_aliases, "ann", "ann@localhost", 1 },
	};
	struct hash_key key;
	struct conf conf;
	size_t i;

	(void)state;
	hash_key_make(&key);
	for (i = 0; i < N(cases); i++) {
		make_conf(&conf, cases[i].conf);
		assert_int_equal(names_same(&conf.names, NULL, cases[i].a,
		    cases[i].b), cases[i].is_same);
		if (cases[i].is_same)
			assert_true(
			    names_hash(&conf.names, &key, cases[i].a, 0) ==
			    names_hash(&conf.names, &key, cases[i].b, 0));
		conf_fini(&conf);
	}
}

/* The users are ann, and two that differ: Bob and bob. */
static int
is_same_user(const char *a, const char *b)
{
	if (strcasecmp(a, "slow") == 0)
		return strcmp(a, b) == 0 ? 1 : -1;
	if (strcasecmp(a, "bob") == 0 && strcmp(a, "Bob") != 0)
		a = "bob";
	if (strcasecmp(b, "bob") == 0 && strcmp(b, "Bob") != 0)
		b = "bob";
	return strcasecmp(a, "bob") == 0 ? strcmp(a, b) == 0 :
	    strcasecmp(a, b) == 0;
}

static void
test_spellings_of_a_user_are_one_recipient(void **state)
{
	static const struct names_users two = { NULL, is_same_user };
	static const struct {
		const char *conf, *a, *b;
		int is_same;
	} cases[] = {
		{ usual, "ann", "Ann@LOCALHOST", 1 },
		{ usual, "bob", "BOB", 1 },
		{ usual, "bob", "Bob", 0 },
		{ usual, "BOB", "Bob@one.example", 0 },
		{ usual, "slow", "SLOW", 0 },
		{ usual, "slow", "slow@localhost", 1 },
		{ usual, "ann@example.org", "Ann@example.org", 0 },
		/* A command may look at the extension. */
		{ "RECIPIENT_DELIMITER +\n", "ann+x", "ANN+x", 1 },
		{ "RECIPIENT_DELIMITER +\n", "ann+x", "ann+X", 0 },
		{ "RECIPIENT_DELIMITER +\n", "bob+x", "Bob+x", 0 },
		{ nullclient, "ann", "Ann", 0 },
		{ nullclient_aliases, "ann", "Ann", 1 },
	};
	struct hash_key key;
	struct conf conf;
	size_t i;

	(void)state;
	hash_key_make(&key);
	for (i = 0; i < N(cases); i++) {
		make_conf(&conf, cases[i].conf);
		assert_int_equal(names_same(&conf.names, &two, cases[i].a,
		    cases[i].b), cases[i].is_same);
		assert_int_equal(names_same(&conf.names, &two, cases[i].b,
		    cases[i].a), cases[i].is_same);
		if (cases[i].is_same)
			assert_true(
			    names_hash(&conf.names, &key, cases[i].a, 1) ==
			    names_hash(&conf.names, &key, cases[i].b, 1));
		conf_fini(&conf);
	}
}

static int
exists(const char *name)
{
	static const char *const names[] = { "bob+smith", "www-data",
	    "ann", "bob", "a+b+c", "team+z" };
	size_t i;

	if (strcmp(name, "slow+x") == 0)
		return -1;
	for (i = 0; i < N(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return 1;
	return 0;
}

static int
is_same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static const struct names_users users = { exists, is_same };

static void
test_a_local_part_names_a_user(void **state)
{
	static const struct { const char *delimiter, *local, *user; }
	    cases[] = {
		{ "+", "ann", "ann" },
		{ "+", "ann+lists", "ann" },
		{ "+", "ann+a+b", "ann" },
		{ "+", "+ann", "+ann" },
		{ "+", "ann-lists", "ann-lists" },
		{ "-", "ann-lists", "ann" },
		{ "none", "ann+lists", "ann+lists" },
		{ "+", "postmaster", "root" },
		{ "+", "Postmaster+x", "root" },
		{ "+", "MAILER-DAEMON", "root" },
		{ "-", "mailer-daemon", "root" },
		{ "-", "mailer-daemon-x", "root" },
		/* by the whole name first (c4) */
		{ "+", "bob+smith", "bob+smith" },
		{ "+", "Bob+Smith", "Bob+Smith" },
		{ "+", "bob+smith+x", "bob+smith" },
		{ "+", "bob+other", "bob" },
		{ "+", "bob+", "bob" },
		{ "-", "www-data", "www-data" },
		{ "-", "www-data-cron", "www-data" },
		{ "+", "a+b+c+d", "a+b+c" },
		{ "+", "a+b+c+d+e+f", "a" },
		{ "none", "bob+other", "bob+other" },
		{ "+", "", "" },
	};
	char text[64], user[ADDRESS_MAX + 1];
	const struct alias *alias;
	struct conf conf;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text), "RECIPIENT_DELIMITER %s\n",
		    cases[i].delimiter);
		make_conf(&conf, text);
		assert_int_equal(names_resolve(&conf.names, &users, NULL,
		    cases[i].local, user, &alias), 0);
		assert_string_equal(user, cases[i].user);
		assert_null(alias);
		conf_fini(&conf);
	}
	make_conf(&conf, usual);
	assert_int_equal(names_resolve(&conf.names, &users, NULL, "slow+x",
	    user, &alias), -1);
	conf_fini(&conf);
}

static void
test_the_nearest_alias_is_taken(void **state)
{
	static const char text[] =
	    "team+x: a\nteam: b\nroot: c\n*: d\nmailer-daemon: e\nbob: f\n";
	static const struct { const char *local, *target; } cases[] = {
		{ "bob+smith", NULL }, { "bob+smith+x", NULL },
		{ "bob+other", "f" }, { "team+z", NULL },
		{ "team+x", "a" }, { "Team+X", "a" }, { "team+y", "b" },
		{ "team", "b" }, { "root", "c" }, { "postmaster", "c" },
		{ "postmaster+z", "c" }, { "mailer-daemon", "e" },
		{ "nobody", NULL }, { "*", NULL }, { "*+x", NULL },
	};
	char user[ADDRESS_MAX + 1];
	const struct alias *alias;
	struct aliases aliases;
	struct conf conf;
	size_t i;

	(void)state;
	make_conf(&conf, usual);
	assert_int_equal(aliases_parse(&aliases, text, strlen(text), "aliases",
	    &report_quiet), 0);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(names_resolve(&conf.names, &users, &aliases,
		    cases[i].local, user, &alias), 0);
		assert_int_equal(alias != NULL, cases[i].target != NULL);
		if (alias != NULL)
			assert_string_equal(alias->targets.list[0].text,
			    cases[i].target);
	}
	aliases_fini(&aliases);
	conf_fini(&conf);
}

static void
test_a_bare_name_is_qualified(void **state)
{
	static const struct { const char *address, *full; } cases[] = {
		{ "ann", "ann@host.example.org" },
		{ "ann@one.example", "ann@one.example" },
		{ "\"a b\"", "\"a b\"@host.example.org" },
	};
	struct conf conf;
	struct buf b;
	size_t i;

	(void)state;
	make_conf(&conf, usual);
	for (i = 0; i < N(cases); i++) {
		buf_init(&b, 0);
		names_put_qualified(&b, &conf.names, cases[i].address);
		assert_string_equal(buf_str(&b), cases[i].full);
		buf_fini(&b);
	}
	conf_fini(&conf);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_names_in_every_spelling_are_local),
		cmocka_unit_test(test_with_nullclient_own_names_are_not_local),
		cmocka_unit_test(test_one_local_recipient_is_enough),
		cmocka_unit_test(test_same_recipients_have_the_same_digest),
		cmocka_unit_test(test_spellings_of_a_user_are_one_recipient),
		cmocka_unit_test(test_a_local_part_names_a_user),
		cmocka_unit_test(test_the_nearest_alias_is_taken),
		cmocka_unit_test(test_a_bare_name_is_qualified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
