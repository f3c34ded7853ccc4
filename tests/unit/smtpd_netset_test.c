/*
 * smtpd_netset_test.c - addresses, networks, and which has which.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <arpa/inet.h>

#include "smtpd/netset.h"
#include "tests/unit/t.h"

#define NETWORKS_MAX	6

static int
has(const struct netset *set, const char *text)
{
	struct netaddr addr;

	assert_int_equal(netaddr_parse(text, &addr), 0);
	return netset_has(set, &addr);
}

static void
add(struct netset *set, const char *text)
{
	const char *reason;

	if (netset_add(set, text, &reason) == -1)
		fail_msg("%s: %s", text, reason);
}

static void
test_addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *out;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::FFFF:C000:201", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "::", "::" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.02.1", NULL },
		{ "192.0.2.1 ", NULL },
		{ "192.0.2.1/32", NULL },
		{ "fe80::1%eth0", NULL },
		{ "[::1]", NULL },
		{ ":::", NULL },
		{ "host.test", NULL },
	};
	char out[NETADDR_TEXT];
	struct netaddr addr;
	size_t i;
	int is_good;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		is_good = netaddr_parse(cases[i].text, &addr) == 0;
		if (is_good != (cases[i].out != NULL))
			fail_msg("%s", cases[i].text);
		if (!is_good)
			continue;
		netaddr_text(&addr, out);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(netaddr_is_ipv4(&addr),
		    strchr(out, '.') != NULL);
	}
}

static void
test_a_client_has_a_network_of_ipv6_addresses(void **state)
{
	static const struct {
		const char *text, *client;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
		{ "2001:db8:1:2::", "2001:db8:1:2::" },
		{ "::1", "::" },
	};
	struct netaddr addr, client;
	char out[NETADDR_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(netaddr_parse(cases[i].text, &addr), 0);
		netaddr_client(&addr, &client);
		netaddr_text(&client, out);
		assert_string_equal(out, cases[i].client);
	}
}

static void
test_socket_addresses_of_the_internet_alone_are_taken(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr un = { .sa_family = AF_UNIX };
	char out[NETADDR_TEXT];
	struct netaddr addr;

	(void)state;
	in.sin_addr.s_addr = htonl(0xc0000201);
	assert_int_equal(netaddr_of((struct sockaddr *)&in, &addr), 0);
	netaddr_text(&addr, out);
	assert_string_equal(out, "192.0.2.1");
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1",
	    &in6.sin6_addr), 1);
	assert_int_equal(netaddr_of((struct sockaddr *)&in6, &addr), 0);
	netaddr_text(&addr, out);
	assert_string_equal(out, "2001:db8::1");
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.9",
	    &in6.sin6_addr), 1);
	assert_int_equal(netaddr_of((struct sockaddr *)&in6, &addr), 0);
	assert_true(netaddr_is_ipv4(&addr));
	assert_int_equal(netaddr_of(&un, &addr), -1);
}

static void
test_what_is_no_network_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "not an address or network" },
		{ "/", "not an address or network" },
		{ "/8", "not an address or network" },
		{ "10/8", "not an address or network" },
		{ "host.test", "not an address or network" },
		{ "2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/1280",
		  "not an address or network" },
		{ "10.0.0.0/33", "the prefix length is not 0 to 32" },
		{ "10.0.0.0/", "the prefix length is not 0 to 32" },
		{ "10.0.0.0/-1", "the prefix length is not 0 to 32" },
		{ "10.0.0.0/8/8", "the prefix length is not 0 to 32" },
		{ "10.0.0.0/255.0.0.0", "the prefix length is not 0 to 32" },
		{ "10.0.0.0/4294967304", "the prefix length is not 0 to 32" },
		{ "::/129", "the prefix length is not 0 to 128" },
		{ "::/ 8", "the prefix length is not 0 to 128" },
		{ "10.0.0.1/8", "the address has bits beyond the prefix" },
		{ "192.0.2.1/31", "the address has bits beyond the prefix" },
		{ "0.0.0.1/0", "the address has bits beyond the prefix" },
		{ "2001:db8::1/127",
		  "the address has bits beyond the prefix" },
		{ "8000::/0", "the address has bits beyond the prefix" },
		{ "::ffff:10.0.0.0/8",
		  "the address has bits beyond the prefix" },
	};
	struct netset set;
	const char *reason;
	size_t i;

	(void)state;
	netset_init(&set);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(netset_add(&set, cases[i].text, &reason), -1);
		assert_string_equal(reason, cases[i].reason);
	}
	assert_int_equal(set.n, 0);
	netset_fini(&set);
}

static void
test_sets_have_what_is_in_their_networks(void **state)
{
	static const struct {
		const char *networks[NETWORKS_MAX];
		const char *in[NETWORKS_MAX], *out[NETWORKS_MAX];
		size_t n;
	} cases[] = {
		{ { NULL }, { NULL }, { "0.0.0.0", "::" }, 0 },
		{ { "192.0.2.1" }, { "192.0.2.1", "::ffff:192.0.2.1" },
		  { "192.0.2.0", "192.0.2.2", "::192.0.2.1" }, 1 },
		{ { "192.0.2.0/24" }, { "192.0.2.0", "192.0.2.255" },
		  { "192.0.1.255", "192.0.3.0" }, 1 },
		{ { "192.0.2.8/29" }, { "192.0.2.8", "192.0.2.15" },
		  { "192.0.2.7", "192.0.2.16" }, 1 },
		/* Neighbours, one in another, the same twice. */
		{ { "10.0.1.0/24", "10.0.0.0/24" },
		  { "10.0.0.0", "10.0.1.0", "10.0.1.255" },
		  { "10.0.2.0", "9.255.255.255" }, 1 },
		{ { "10.0.0.0/8", "10.1.1.1", "10.0.0.0/8" },
		  { "10.1.1.2", "10.255.255.255" }, { "11.0.0.0" }, 1 },
		{ { "10.1.1.1", "10.0.0.0/8", "12.0.0.0/8" },
		  { "10.1.1.2", "12.0.0.0" }, { "11.0.0.0" }, 2 },
		{ { "10.0.0.255", "10.0.1.0" },
		  { "10.0.0.255", "10.0.1.0" }, { "10.0.0.254" }, 1 },
		{ { "2001:db8::/32" },
		  { "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
		  { "2001:db9::", "2001:db7::", "32.1.13.184" }, 1 },
		/* All of one family is nothing of the other. */
		{ { "0.0.0.0/0" }, { "0.0.0.0", "255.255.255.255" },
		  { "::", "::1", "::fffe:ffff:ffff", "::1:0:0:0" }, 1 },
		{ { "::/0" }, { "::", "::1", "::fffe:ffff:ffff",
		    "::1:0:0:0", "ffff::" },
		  { "0.0.0.0", "192.0.2.1", "255.255.255.255" }, 2 },
		{ { "::/80" }, { "::1" }, { "192.0.2.1", "::1:0:0:0" }, 1 },
		{ { "::/64" }, { "::1:0:0:0" }, { "192.0.2.1" }, 2 },
		{ { "::/0", "0.0.0.0/0" }, { "::", "192.0.2.1", "ffff::" },
		  { NULL }, 1 },
		{ { "::ffff:10.0.0.0/104" }, { "10.0.0.0", "10.255.255.255" },
		  { "11.0.0.0", "9.0.0.0" }, 1 },
		{ { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::" },
		  { "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		  { "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe" }, 2 },
	};
	struct netset set;
	size_t i, k;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		netset_init(&set);
		for (k = 0; cases[i].networks[k] != NULL; k++)
			add(&set, cases[i].networks[k]);
		netset_ready(&set);
		if (set.n != cases[i].n)
			fail_msg("case %zu: %zu ranges", i, set.n);
		for (k = 0; cases[i].in[k] != NULL; k++)
			if (!has(&set, cases[i].in[k]))
				fail_msg("case %zu: %s", i, cases[i].in[k]);
		for (k = 0; cases[i].out[k] != NULL; k++)
			if (has(&set, cases[i].out[k]))
				fail_msg("case %zu: %s", i, cases[i].out[k]);
		netset_fini(&set);
	}
}

static void
test_many_networks_are_found_each(void **state)
{
	struct netset set;
	char text[64];
	unsigned i;

	(void)state;
	netset_init(&set);
	/* In an order that is not sorted: 40503 is prime to 2^16. */
	for (i = 0; i < 0x10000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.128/25",
		    i * 40503 % 0x10000 >> 8, i * 40503 % 0x100);
		add(&set, text);
	}
	netset_ready(&set);
	assert_int_equal(set.n, 0x10000);
	for (i = 0; i < 0x10000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.128", i >> 8, i & 0xff);
		assert_true(has(&set, text));
		snprintf(text, sizeof(text), "10.%u.%u.127", i >> 8, i & 0xff);
		assert_false(has(&set, text));
	}
	netset_fini(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_read_and_written),
		cmocka_unit_test(test_a_client_has_a_network_of_ipv6_addresses),
		cmocka_unit_test(
		    test_socket_addresses_of_the_internet_alone_are_taken),
		cmocka_unit_test(
		    test_what_is_no_network_is_refused_with_a_reason),
		cmocka_unit_test(test_sets_have_what_is_in_their_networks),
		cmocka_unit_test(test_many_networks_are_found_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
