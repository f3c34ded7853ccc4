/*
 * idn_test.c - domain names in ASCII.
 */
#include "net/idn.h"
#include "tests/unit/t.h"

#define BOOKS	"b\xc3\xbc" "cher.example"
#define ASCII	"xn--bcher-kva.example"
#define NONE	"\xcc\x88" "ucher.example"	/* begins with a mark */

struct idn_case {
	const char	*in, *out;
	int		 is_good;
};

/* Without libidn2 what is not ASCII stays, with a reason. */
static int
is_done(const struct idn_case *c)
{
	return strcmp(c->in, c->out) == 0 || !idn_is_missing();
}

static void
test_names(void **state)
{
	static const struct idn_case cases[] = {
		{ "example.org", "example.org", 1 },
		{ "not a name", "not a name", 1 },	/* it is ASCII */
		{ "", "", 1 },
		{ BOOKS, ASCII, 1 },
		{ "B\xc3\x9c" "CHER.example", ASCII, 1 },
		{ "bu\xcc\x88" "cher.example", ASCII, 1 },
		{ NONE, "", 0 },
		{ "\xff.example", "", 0 },
		/* Nothing is dropped: each would be the name of another. */
		{ "a_" BOOKS, "", 0 },
		{ "a_b." BOOKS, "", 0 },
		{ "a/" BOOKS, "", 0 },
		{ "a\xef\xbc\x8f" "b.example", "", 0 },	/* a wide slash */
	};
	struct buf out;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (!is_done(&cases[i]))
			continue;
		buf_init(&out, 0);
		ret = idn_domain(cases[i].in, strlen(cases[i].in), &out);
		assert_int_equal(ret, cases[i].is_good ? 0 : -1);
		t_assert_text(&out, cases[i].out, strlen(cases[i].out));
		assert_int_equal(idn_name(cases[i].in, &out) == NULL,
		    cases[i].is_good);
		buf_fini(&out);
	}
}

/* A part of a text; one that is too long is none. */
static void
test_length(void **state)
{
	char name[2000];
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(idn_domain("example.org>", 11, &out), 0);
	t_assert_text(&out, T("example.org"));
	memset(name, 'a', sizeof(name));
	assert_int_equal(idn_domain(name, sizeof(name), &out), -1);
	t_assert_text(&out, T("example.org"));
	buf_fini(&out);
}

static void
test_addresses(void **state)
{
	static const struct idn_case cases[] = {
		{ "bob@example.org", "bob@example.org", 1 },
		{ "bob", "bob", 1 },
		{ "", "", 1 },
		{ "bob@" BOOKS, "bob@" ASCII, 1 },
		/* It needs SMTPUTF8 anyway. */
		{ "b\xc3\xb6" "b@" BOOKS, "b\xc3\xb6" "b@" BOOKS, 1 },
		{ "bob@" NONE, "bob@" NONE, 0 },
	};
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		if (!is_done(&cases[i]))
			continue;
		buf_init(&out, 0);
		assert_int_equal(idn_address(cases[i].in, &out) == NULL,
		    cases[i].is_good);
		t_assert_text(&out, cases[i].out, strlen(cases[i].out));
		buf_fini(&out);
	}
}

static void
test_configuration(void **state)
{
	struct auth logins[2] = { { .host = strdup(BOOKS) },
	    { .host = strdup("relay.example") } };
	struct auths auths = { logins, N(logins), N(logins) };
	const char *name = idn_is_missing() ? BOOKS : ASCII;
	struct conf conf;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_null(relays_parse(&conf.relays, BOOKS " relay.example:587"));
	assert_int_equal(conf_finish(&conf, NONE "\n", "host"), 0);
	assert_int_equal(idn_conf(&conf, &auths), 0);
	assert_string_equal(conf.relays.list[0].host, name);
	assert_string_equal(conf.relays.list[1].host, "relay.example");
	assert_string_equal(logins[0].host, name);
	assert_string_equal(logins[1].host, "relay.example");
	free(logins[0].host);
	free(logins[1].host);
	conf_fini(&conf);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_configuration),
	};

	return cmocka_run_group_tests_name("idn", tests, NULL, NULL);
}
