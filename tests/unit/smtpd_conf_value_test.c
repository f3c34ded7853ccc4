/*
 * smtpd_conf_value_test.c - single values of dma-smtpd.conf.
 */
#include <arpa/inet.h>

#include "smtpd/conf_value.h"
#include "tests/unit/t.h"

#define UNTOUCHED	77

struct number {
	const char	*text;
	uint64_t	 low, high;
	int		 ret;
	uint64_t	 value;
};

static void
check(int (*read_value)(const char *, uint64_t, uint64_t, uint64_t *),
    const struct number *c, size_t n)
{
	uint64_t v;

	for (; n-- > 0; c++) {
		print_message("\"%s\"\n", c->text);
		v = UNTOUCHED;
		assert_int_equal(read_value(c->text, c->low, c->high, &v),
		    c->ret);
		assert_int_equal(v, c->ret == 0 ? c->value : UNTOUCHED);
	}
}

static void
test_a_number_is_digits_within_the_limits(void **state)
{
	static const struct number cases[] = {
		{ "1", 1, 1000, 0, 1 },
		{ "1000", 1, 1000, 0, 1000 },
		{ "007", 1, 1000, 0, 7 },
		{ "0", 0, 1000, 0, 0 },
		{ "0", 1, 1000, -1, 0 },
		{ "1001", 1, 1000, -1, 0 },
		{ "", 0, 1000, -1, 0 },
		{ "-1", 0, 1000, -1, 0 },
		{ "+1", 0, 1000, -1, 0 },
		{ " 1", 0, 1000, -1, 0 },
		{ "1 ", 0, 1000, -1, 0 },
		{ "1x", 0, 1000, -1, 0 },
		{ "0x1", 0, 1000, -1, 0 },
		{ "1k", 0, 100000, -1, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -1, 0 },
		{ "4294967297", 0, 1000, -1, 0 },
	};

	(void)state;
	check(conf_value_number, cases, N(cases));
}

static void
test_a_time_may_have_one_unit(void **state)
{
	static const struct number cases[] = {
		{ "90", 1, 86400, 0, 90 },
		{ "30s", 1, 86400, 0, 30 },
		{ "5m", 1, 86400, 0, 300 },
		{ "3h", 1, 86400, 0, 10800 },
		{ "1d", 1, 86400, 0, 86400 },
		{ "24h", 1, 86400, 0, 86400 },
		{ "25h", 1, 86400, -1, 0 },
		{ "2d", 1, 86400, -1, 0 },
		{ "0", 1, 86400, -1, 0 },
		{ "0m", 1, 86400, -1, 0 },
		{ "5M", 1, 86400, -1, 0 },
		{ "5 m", 1, 86400, -1, 0 },
		{ "5ms", 1, 86400, -1, 0 },
		{ "5sm", 1, 86400, -1, 0 },
		{ "m", 1, 86400, -1, 0 },
		{ "", 1, 86400, -1, 0 },
		{ "1.5h", 1, 86400, -1, 0 },
		{ "-5m", 1, 86400, -1, 0 },
		{ "99999999999999999999d", 1, 86400, -1, 0 },
		{ "000000000000000000000000000001s", 1, 86400, -1, 0 },
	};

	(void)state;
	check(conf_value_time, cases, N(cases));
}

static void
test_a_size_may_have_one_unit(void **state)
{
	static const struct number cases[] = {
		{ "4096", 1024, 1ULL << 40, 0, 4096 },
		{ "1K", 1024, 1ULL << 40, 0, 1024 },
		{ "50M", 1024, 1ULL << 40, 0, 50 << 20 },
		{ "2G", 1024, 1ULL << 40, 0, 2ULL << 30 },
		{ "1024G", 1024, 1ULL << 40, 0, 1ULL << 40 },
		{ "1025G", 1024, 1ULL << 40, -1, 0 },
		{ "1023", 1024, 1ULL << 40, -1, 0 },
		{ "50m", 1024, 1ULL << 40, -1, 0 },
		{ "50MB", 1024, 1ULL << 40, -1, 0 },
		{ "50 M", 1024, 1ULL << 40, -1, 0 },
		{ "M", 1024, 1ULL << 40, -1, 0 },
		{ "", 1024, 1ULL << 40, -1, 0 },
		{ "17179869185G", 1024, 1ULL << 40, -1, 0 },
	};

	(void)state;
	check(conf_value_size, cases, N(cases));
}

/* "host port" of an address. */
static void
listen_text(const struct sockaddr_storage *addr, char *out, size_t size)
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;
	int is_ipv4 = addr->ss_family == AF_INET;
	char host[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(addr->ss_family, is_ipv4 ?
	    (const void *)&in->sin_addr : (const void *)&in6->sin6_addr, host,
	    sizeof(host)));
	snprintf(out, size, "%s %u", host, ntohs(is_ipv4 ? in->sin_port :
	    in6->sin6_port));
}

static void
test_an_address_to_listen_on_is_numeric(void **state)
{
	static const struct { const char *text, *expected; } cases[] = {
		{ "127.0.0.1", "127.0.0.1 25" },
		{ "127.0.0.1:2525", "127.0.0.1 2525" },
		{ "0.0.0.0:65535", "0.0.0.0 65535" },
		{ "::1", "::1 25" },
		{ "[::1]", "::1 25" },
		{ "[::1]:2525", "::1 2525" },
		{ "[2001:DB8::1]:25", "2001:db8::1 25" },
		{ "::", ":: 25" },
		{ "", NULL },
		{ "25", NULL },
		{ ":25", NULL },
		{ "localhost:25", NULL },
		{ "127.1:25", NULL },
		{ "127.0.0.1:", NULL },
		{ "127.0.0.1:0", NULL },
		{ "127.0.0.1:65536", NULL },
		{ "127.0.0.1:smtp", NULL },
		{ "127.0.0.1:2525 ", NULL },
		{ "127.0.0.1.:25", NULL },
		{ "[127.0.0.1]:25", NULL },
		{ "[::1", NULL },
		{ "[::1]25", NULL },
		{ "[::1]:", NULL },
		{ "[]:25", NULL },
		{ "::1]:25", NULL },
		{ "[[::1]]:25", NULL },
		{ "[::1%lo]:25", NULL },
		{ "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:"
		  "0000:0000:0000:0000:0000]:25", NULL },
	};
	struct sockaddr_storage addr;
	socklen_t len;
	char out[80];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("\"%s\"\n", cases[i].text);
		len = 0;
		ret = conf_value_listen(cases[i].text, &addr, &len);
		assert_int_equal(ret, cases[i].expected == NULL ? -1 : 0);
		if (ret == -1)
			continue;
		listen_text(&addr, out, sizeof(out));
		assert_string_equal(out, cases[i].expected);
		assert_int_equal(len, addr.ss_family == AF_INET ?
		    sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	}
}

static void
test_a_path_is_full_and_has_no_detours(void **state)
{
	static const struct { const char *path; int ret; } cases[] = {
		{ "/var/spool/dma-smtpd", 0 },
		{ "/a", 0 },
		{ "/a b", 0 },
		{ "/..a/.b/...", 0 },
		{ "/", -1 },
		{ "", -1 },
		{ "a", -1 },
		{ "./a", -1 },
		{ "/a/", -1 },
		{ "//a", -1 },
		{ "/a//b", -1 },
		{ "/a/./b", -1 },
		{ "/a/../b", -1 },
		{ "/a/..", -1 },
	};
	char longest[CONF_PATH_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("\"%s\"\n", cases[i].path);
		assert_int_equal(conf_value_path(cases[i].path), cases[i].ret);
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[CONF_PATH_MAX + 1] = '\0';
	assert_int_equal(conf_value_path(longest), -1);
	longest[CONF_PATH_MAX] = '\0';
	assert_int_equal(conf_value_path(longest), 0);
}

#define A31	"abcdefghijklmnopqrstuvwxyz12345"

static void
test_names_of_users_and_modules(void **state)
{
	static const struct { const char *text; int is_user;
	    const char *module; } cases[] = {
		{ "_dma-smtpd", 1, "_dma-smtpd" },
		{ "a.b", 1, NULL },
		{ "minute", 1, "minute" },
		{ "minute2", 1, "minute2" },
		{ A31, 1, A31 },
		{ A31 "6", 1, NULL },
		{ A31 "67", 0, NULL },
		{ "", 0, NULL },
		{ "-x", 0, NULL },
		{ "a b", 0, NULL },
		{ "a/b", 0, NULL },
		{ "../minute", 0, NULL },
		{ "minute.so", 1, NULL },
		{ "/opt/minute.so", 0, "minute" },
		{ "/opt/mine_1.so", 0, "mine_1" },
		{ "/opt/minute", 0, NULL },
		{ "/opt/.so", 0, NULL },
		{ "/opt/a.b.so", 0, NULL },
		{ "/opt/../minute.so", 0, NULL },
		{ "/opt/minute.so/", 0, NULL },
		{ "/opt/-x.so", 0, NULL },
	};
	char name[CONF_NAME_MAX + 1];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(conf_value_user(cases[i].text),
		    cases[i].is_user ? 0 : -1);
		ret = conf_value_module(cases[i].text, name);
		assert_int_equal(ret, cases[i].module == NULL ? -1 : 0);
		if (ret == 0)
			assert_string_equal(name, cases[i].module);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_number_is_digits_within_the_limits),
		cmocka_unit_test(test_a_time_may_have_one_unit),
		cmocka_unit_test(test_a_size_may_have_one_unit),
		cmocka_unit_test(test_an_address_to_listen_on_is_numeric),
		cmocka_unit_test(test_a_path_is_full_and_has_no_detours),
		cmocka_unit_test(test_names_of_users_and_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
