/*
 * hosts_test.c - which host is next, and which are passed over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hosts.h"

#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))
#define DEAD_S		(HOSTS_DEAD_MS / 1000)

/* A name's letter says what the look-up gives: see fake_addrs(). */
static int
fake_mx(const char *domain, struct dns_host *hosts, size_t max, size_t *n,
    struct result *res)
{
	size_t i;

	if (strcmp(domain, "nxdomain") == 0)
		return result_set(res, FATE_FAILED, "5.1.2", "no such domain");
	if (strcmp(domain, "servfail") == 0)
		return result_set(res, FATE_RETRY, "4.4.3", "server failed");
	/* "a,b": the hosts a and b. */
	*n = 0;
	for (i = 0; i < max && domain[2 * i] != '\0'; i++) {
		memset(&hosts[i], 0, sizeof(hosts[i]));
		hosts[i].name[0] = domain[2 * i];
		hosts[i].preference = (unsigned)i;
		(*n)++;
		if (domain[2 * i + 1] == '\0')
			break;
	}
	return 0;
}

/* x: no such name; t: later; m: 15 addresses; others: two. */
static int
fake_addrs(const char *host, uint16_t port, struct dns_addr *addrs,
    size_t max, size_t *n, struct result *res)
{
	size_t i;

	(void)port;
	if (host[0] == 'x')
		return result_set(res, FATE_FAILED, "5.4.4", "no such host");
	if (host[0] == 't')
		return result_set(res, FATE_RETRY, "4.4.3", "timed out");
	*n = host[0] == 'm' ? 15 : 2;
	assert_true(*n <= max);
	for (i = 0; i < *n; i++) {
		memset(&addrs[i], 0, sizeof(addrs[i]));
		snprintf(addrs[i].text, sizeof(addrs[i].text), "%c%zu",
		    host[0], i + 1);
	}
	return 0;
}

static const struct hosts_lookup fake = { fake_mx, fake_addrs };

/*
 * Steps of a play: "a1" must be next and then dies; "a1." must be next and
 * lives; "a1!" must be next and be the last; "+9" nine seconds pass;
 * "R4.4.3" and "F5.1.2" there is none, for that reason.
 */
static const struct {
	const char *domain;	/* NULL: the relays a and b */
	const char *play;
} cases[] = {
	{ NULL,		"a1. a1. a1 a2. a2 b1 b2! R4.4.1" },
	{ NULL,		"a1 +59 a2 +1 a1. +58 a1 b1 +1 a2." },
	{ "a,b",	"a1 a2 b1 b2 R4.4.1 +59 R4.4.1 +1 a1." },
	{ "x,b",	"b1. b1 b2! R4.4.1" },
	{ "x,t",	"R4.4.3 +60 R4.4.3" },
	{ "x",		"F5.4.4 +60 F5.4.4" },
	{ "t,a",	"a1. +60 a1." },
	{ "m",		"m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 R4.4.1 +60 m1." },
	{ "m,b",	"m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 R4.4.1" },
	{ "nxdomain",	"F5.1.2 F5.1.2 +60 F5.1.2" },
	{ "servfail",	"R4.4.3 +60 R4.4.3" },
};

static void
expect_none(struct hosts *h, int64_t now_ms, const char *step)
{
	struct result res;
	struct host host;

	result_init(&res);
	assert_int_equal(hosts_next(h, 0, now_ms, &host, &res), -1);
	assert_int_equal(res.fate, step[0] == 'F' ? FATE_FAILED : FATE_RETRY);
	assert_memory_equal(res.code, step + 1, 5);
	result_fini(&res);
}

static void
expect_host(struct hosts *h, int64_t now_ms, const char *step)
{
	struct result res;
	struct host host;
	size_t n;

	result_init(&res);
	assert_int_equal(hosts_next(h, 0, now_ms, &host, &res), 0);
	n = strcspn(step, " .!");
	assert_int_equal(strlen(host.addr->text), n);
	assert_memory_equal(host.addr->text, step, n);
	assert_int_equal(host.name[0], step[0]);
	if (step[n] == '!')
		assert_int_equal(host.is_last, 1);
	if (step[n] != '.') {
		result_set(&res, FATE_RETRY, "4.4.1", "refused");
		hosts_dead(h, &host, now_ms, &res);
	}
	result_fini(&res);
}

static void
relays(struct conf *conf, struct relay *two)
{
	static char a[] = "a", b[] = "b";

	memset(conf, 0, sizeof(*conf));
	memset(two, 0, 2 * sizeof(*two));
	two[0].host = a;
	two[1].host = b;
	two[1].port = 587;
	conf->relays = two;
	conf->nrelays = 2;
	conf->port = 25;
}

static void
test_plays(void **state)
{
	struct relay two[2];
	struct hosts h;
	struct conf conf;
	const char *p;
	int64_t now_ms;
	size_t i;

	(void)state;
	assert_int_equal(DEAD_S, 60);
	relays(&conf, two);
	for (i = 0; i < NELEM(cases); i++) {
		now_ms = 1000000;
		assert_int_equal(hosts_init(&h, &conf, cases[i].domain == NULL ?
		    "" : cases[i].domain, &fake), 0);
		for (p = cases[i].play; *p != '\0'; p += strspn(p, " ")) {
			if (*p == '+')
				now_ms += 1000 * strtol(p + 1, NULL, 10);
			else if (*p == 'R' || *p == 'F')
				expect_none(&h, now_ms, p);
			else
				expect_host(&h, now_ms, p);
			p += strcspn(p, " ");
		}
		hosts_fini(&h);
	}
}

/* A relay's own name not found is the configuration's or DNS's trouble. */
static void
test_relay_unknown(void **state)
{
	static char x[] = "x";
	struct relay two[2];
	struct hosts h;
	struct conf conf;

	(void)state;
	relays(&conf, two);
	two[0].host = two[1].host = x;
	assert_int_equal(hosts_init(&h, &conf, "", &fake), 0);
	expect_none(&h, 1000, "R4.4.4");
	hosts_fini(&h);
	conf.nrelays = 0;
	assert_int_equal(hosts_init(&h, &conf, "", &fake), 0);
	expect_none(&h, 1000, "R4.3.5");
	hosts_fini(&h);
}

static void
test_ports_and_clear(void **state)
{
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;

	(void)state;
	relays(&conf, two);
	result_init(&res);
	assert_int_equal(hosts_init(&h, &conf, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.port, 25);
	assert_int_equal(host.is_clear, 0);
	hosts_clear(&h, &host);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.is_clear, 1);
	/* Asked anew after a while, in case the host was repaired. */
	assert_int_equal(hosts_next(&h, 0, 1000 + HOSTS_FRESH_MS, &host, &res),
	    0);
	assert_int_equal(host.is_clear, 0);
	expect_host(&h, 1000 + HOSTS_FRESH_MS, "a1");
	expect_host(&h, 1000 + HOSTS_FRESH_MS, "a2");
	assert_int_equal(hosts_next(&h, 0, 1000 + HOSTS_FRESH_MS, &host, &res),
	    0);
	assert_int_equal(host.port, 587);
	hosts_fini(&h);
	result_fini(&res);
}

/* A host that put something off is left out of what is asked next. */
static void
test_from(void **state)
{
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;
	struct relay two[2];

	(void)state;
	relays(&conf, two);
	result_init(&res);
	assert_int_equal(hosts_init(&h, &conf, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.place, 0);
	assert_int_equal(hosts_left(&h, 1, 1000), 1);
	assert_int_equal(hosts_left(&h, 2, 1000), 0);
	assert_int_equal(hosts_next(&h, 1, 1000, &host, &res), 0);
	assert_int_equal(host.place, 1);
	assert_string_equal(host.name, "b");
	assert_int_equal(hosts_next(&h, 2, 1000, &host, &res), -1);
	result_set(&res, FATE_RETRY, "4.4.1", "refused");
	hosts_dead(&h, &host, 1000, &res);
	assert_int_equal(hosts_left(&h, 1, 1000), 1);
	assert_int_equal(hosts_next(&h, 1, 1000, &host, &res), 0);
	result_set(&res, FATE_RETRY, "4.4.1", "refused");
	hosts_dead(&h, &host, 1000, &res);
	assert_int_equal(hosts_left(&h, 1, 1000), 0);
	assert_int_equal(hosts_left(&h, 1, 1000 + HOSTS_DEAD_MS), 1);
	hosts_fini(&h);
	result_fini(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plays),
		cmocka_unit_test(test_relay_unknown),
		cmocka_unit_test(test_ports_and_clear),
		cmocka_unit_test(test_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
