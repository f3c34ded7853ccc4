/*
 * relays_test.c - unit tests of conf/relays.c.
 */
#include "conf/relays.h"
#include "conf/values.h"
#include "tests/unit/t.h"

/* A list as text: "kind:host:port", with an = where it is an address. */
static void
put_list(struct buf *b, const struct relays *all)
{
	static const char *const kinds[] = { [RELAY_HOST] = "",
	    [RELAY_MX] = "mx:", [RELAY_SRV] = "srv:" };
	const struct relay *r;
	size_t i;

	for (i = 0; i < all->n; i++) {
		r = &all->list[i];
		buf_printf(b, "%s%s%s%s", i > 0 ? " " : "", kinds[r->kind],
		    value_is_literal(r->host) ? "=" : "", r->host);
		if (r->port != 0)
			buf_printf(b, ":%u", r->port);
	}
}

static void
test_entries(void **state)
{
	static const struct { const char *in; int bad; const char *want; }
	    cases[] = {
		{ "mail.example.org", 0, "mail.example.org" },
		{ "a:587 b [2001:db8::1]:465", 0,
		    "a:587 b =2001:db8::1:465" },
		{ "[::1]", 0, "=::1" },
		{ "[IPv6:::1]:25", 0, "=::1:25" },
		{ "::1", 0, "=::1" },
		{ "0:0:0:0:0:0:0:1 [2001:DB8::0:1]:25", 0,
		    "=::1 =2001:db8::1:25" },
		{ "mail.example.org.:587 a.", 0, "mail.example.org:587 a" },
		{ "192.0.2.1:2525", 0, "=192.0.2.1:2525" },
		{ "[192.0.2.1]", 0, "=192.0.2.1" },
		{ "mx:example.org", 0, "mx:example.org" },
		{ "MX:example.org:587 Srv:example.net", 0,
		    "mx:example.org:587 srv:example.net" },
		/* Hosts that have these names. */
		{ "mx:25 srv:587 mx", 0, "mx:25 srv:587 mx" },
		/* One good entry is enough; none is not "to the MX". */
		{ "a:x b", 1, "b" },
		{ "a:b mx:example.org", 1, "mx:example.org" },
		{ "a:0", 1, RELAY_NONE }, { "a:", 1, RELAY_NONE },
		{ "[::1", 1, RELAY_NONE }, { "[::1]x", 1, RELAY_NONE },
		{ "[name] [b]:587", 0, "name b:587" }, { "mx:", 1, RELAY_NONE },
		{ "[na me]", 1, RELAY_NONE }, { "mx:[name]", 1, RELAY_NONE },
		{ "mx:a:b", 1, RELAY_NONE }, { "mx:192.0.2.1", 1, RELAY_NONE },
		{ "mx:[::1]", 1, RELAY_NONE }, { "srv:a:587", 1, RELAY_NONE },
		{ "srv:::1", 1, RELAY_NONE }, { "", 0, RELAY_NONE },
	};
	struct relays all;
	struct buf b;
	size_t i;

	(void)state;
	memset(&all, 0, sizeof(all));
	for (i = 0; i < N(cases); i++) {
		print_message("%s\n", cases[i].in);
		assert_int_equal(relays_parse(&all, cases[i].in) != NULL,
		    cases[i].bad);
		buf_init(&b, 0);
		put_list(&b, &all);
		assert_string_equal(buf_str(&b), cases[i].want);
		buf_fini(&b);
	}
	relays_fini(&all);
	assert_int_equal(all.n, 0);
}

static void
test_too_many_are_refused(void **state)
{
	struct relays all;
	struct buf b;
	int i;

	(void)state;
	memset(&all, 0, sizeof(all));
	buf_init(&b, 0);
	for (i = 0; i < 33; i++)
		buf_printf(&b, "host%d ", i);
	assert_string_equal(relays_parse(&all, buf_str(&b)),
	    "too many hosts");
	assert_int_equal(all.n, 32);
	assert_string_equal(all.list[31].host, "host31");
	buf_fini(&b);
	relays_fini(&all);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
