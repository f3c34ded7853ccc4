/*
 * hosts_test.c - which host is next, and which are passed over.
 */
#include "net/hosts.h"
#include "tests/unit/t.h"

#define DEAD_S		(HOSTS_DEAD_MS / 1000)

/* What the look-ups say besides; set by a test. */
struct script {
	const char	*mx;		/* NULL: the domain says it itself */
	unsigned	 weights[4];
	int		 is_secure;
	uint32_t	 seed;		/* of chance; 0: always the first */
	unsigned	 nlookups, ntlsas;
	const char	*tlsa;		/* letters of hosts that have them */
};

static struct script script;

static int
add_host(struct dns_host *hosts, size_t max, size_t *n, char name,
    unsigned preference)
{
	struct dns_host *h = &hosts[*n];

	if (*n == max)
		return -1;
	memset(h, 0, sizeof(*h));
	h->name[0] = name;
	h->preference = preference;
	h->is_secure = script.is_secure;
	if (*n < N(script.weights))
		h->weight = script.weights[*n];
	++*n;
	return 0;
}

/* "a,b=c": the host a, then b and c, which are as good as each other. */
static int
fake_mx(const char *domain, struct dns_host *hosts, size_t max, size_t *n,
    struct result *res)
{
	unsigned preference = 10;

	if (script.mx != NULL)
		domain = script.mx;
	script.nlookups++;
	if (strcmp(domain, "nxdomain") == 0)
		return result_set(res, STATUS_FAILED, "5.1.2",
		    "no such domain");
	if (strcmp(domain, "servfail") == 0)
		return result_set(res, STATUS_DEFERRED, "4.4.3",
		    "server failed");
	*n = 0;
	for (; *domain != '\0'; domain++) {
		if (*domain == ',')
			preference += 10;
		else if (*domain != '=' &&
		    add_host(hosts, max, n, *domain, preference) == -1)
			break;
	}
	return 0;
}

/* "a|b": a with TLS before the greeting, b without; "." none, "!" later. */
static int
fake_srv(const char *domain, int is_tls, struct dns_host *hosts, size_t max,
    size_t *n, struct result *res)
{
	char part[16];
	size_t i, at;

	at = is_tls ? 0 : strcspn(domain, "|") + 1;
	i = strcspn(domain + at, "|");
	memcpy(part, domain + at, i);
	part[i] = '\0';
	*n = 0;
	if (part[0] == '.')
		return result_set(res, STATUS_FAILED, "5.4.4", "no service");
	if (part[0] == '!')
		return result_set(res, STATUS_DEFERRED, "4.4.3", "timed out");
	if (fake_mx(part, hosts, max, n, res) == -1)
		return -1;
	for (i = 0; i < *n; i++)
		hosts[i].port = is_tls ? 465 : 587;
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
		return result_set(res, STATUS_FAILED, "5.4.4", "no such host");
	if (host[0] == 't')
		return result_set(res, STATUS_DEFERRED, "4.4.3", "timed out");
	*n = host[0] == 'm' ? 15 : 2;
	assert_true(*n <= max);
	for (i = 0; i < *n; i++) {
		memset(&addrs[i], 0, sizeof(addrs[i]));
		snprintf(addrs[i].text, sizeof(addrs[i].text), "%c%zu",
		    host[0], i + 1);
	}
	return 0;
}

/* n: records that can't be used; e: nobody can tell. */
static int
fake_tlsa(const char *host, uint16_t port, struct tlsas **tlsas,
    struct result *res)
{
	(void)port;
	*tlsas = NULL;
	script.ntlsas++;
	if (script.tlsa == NULL || strchr(script.tlsa, host[0]) == NULL)
		return 0;
	if (host[0] == 'e')
		return result_set(res, STATUS_DEFERRED, "4.7.5", "bogus");
	*tlsas = calloc(1, sizeof(**tlsas));
	assert_non_null(*tlsas);
	(*tlsas)->users = 1;
	(*tlsas)->n = host[0] != 'n';
	return 0;
}

static int
fake_is_self(const struct dns_addr *addr)
{
	return addr->text[0] == 's';
}

static uint32_t
fake_random(uint32_t below)
{
	if (script.seed == 0)
		return 0;
	script.seed = script.seed * 1664525U + 1013904223U;
	return (script.seed >> 8) % below;
}

static const struct hosts_lookup fake = { fake_mx, fake_srv, fake_addrs,
    fake_tlsa, fake_is_self, fake_random };

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
	{ "m",		"m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 R4.4.0 +60 m1." },
	{ "m,b",	"m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 R4.4.0" },
	{ "nxdomain",	"F5.1.2 F5.1.2 +60 F5.1.2" },
	/* this host among them: only what is better than it */
	{ "s",		"F5.4.6 +60 F5.4.6" },
	{ "s,a",	"F5.4.6" },
	{ "u,a",	"F5.4.6" },
	{ "a,s,b",	"a1 a2 R4.4.1 +60 a1." },
	{ "a,b=u,c",	"a1 a2! R4.4.1" },
	{ "a,U=b,c",	"a1 a2! R4.4.1" },
	{ "x,s,a",	"F5.4.6" },
	{ "t,s,a",	"R4.4.3" },
	{ "servfail",	"R4.4.3 +60 R4.4.3" },
};

static void
expect_none(struct hosts *h, int64_t now_ms, const char *step)
{
	struct result res;
	struct host host;

	result_init(&res);
	assert_int_equal(hosts_next(h, 0, now_ms, &host, &res), -1);
	assert_int_equal(res.status, step[0] == 'F' ? STATUS_FAILED :
	    STATUS_DEFERRED);
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
	assert_int_equal(strlen(host.addr.text), n);
	assert_memory_equal(host.addr.text, step, n);
	assert_int_equal(host.name[0], step[0]);
	if (step[n] == '!')
		assert_int_equal(host.is_last, 1);
	if (step[n] != '.') {
		result_set(&res, STATUS_DEFERRED, "4.4.1", "refused");
		hosts_dead(h, &host, now_ms, &res);
	}
	result_fini(&res);
}

static void
relays(struct conf *conf, struct relay *two)
{
	static char a[] = "a", b[] = "b", us[] = "U";

	memset(&script, 0, sizeof(script));
	memset(conf, 0, sizeof(*conf));
	memset(two, 0, 2 * sizeof(*two));
	two[0].host = a;
	two[1].host = b;
	two[1].port = 587;
	conf->relays.list = two;
	conf->relays.n = 2;
	conf->relays.port = 25;
	conf->names.mailname = us;
}

static int64_t
play_from(struct hosts *h, const char *p, int64_t now_ms)
{
	for (; *p != '\0'; p += strspn(p, " ")) {
		if (*p == '+')
			now_ms += 1000 * strtol(p + 1, NULL, 10);
		else if (*p == 'R' || *p == 'F')
			expect_none(h, now_ms, p);
		else
			expect_host(h, now_ms, p);
		p += strcspn(p, " ");
	}
	return now_ms;
}

static void
play(struct hosts *h, const char *p)
{
	(void)play_from(h, p, 1000000);
}

static void
test_plays(void **state)
{
	struct relay two[2];
	struct hosts h;
	struct conf conf;
	size_t i;

	(void)state;
	assert_int_equal(DEAD_S, 60);
	relays(&conf, two);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(hosts_init(&h, &conf, &conf.relays,
		    cases[i].domain == NULL ? "" : cases[i].domain, &fake), 0);
		play(&h, cases[i].play);
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
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	expect_none(&h, 1000, "R4.4.4");
	hosts_fini(&h);
	conf.relays.n = 0;
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
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
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
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

/* Each name keeps why it has no address. */
static void
test_trouble(void **state)
{
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;

	(void)state;
	result_init(&res);
	relays(&conf, two);
	two[0].host = "x";
	two[1].host = "t";
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), -1);
	assert_string_equal(h.list[0].trouble, "no such host");
	assert_string_equal(h.list[1].trouble, "timed out");
	hosts_fini(&h);
	result_fini(&res);
}

/* One relay that is looked up, in the notation of fake_mx(), fake_srv(). */
static void
relay_by(struct conf *conf, struct relay *two, enum relay_kind kind,
    const char *text)
{
	relays(conf, two);
	two[0].kind = kind;
	two[0].host = (char *)(uintptr_t)text;
	conf->relays.n = 1;
}

static void
test_looked_up(void **state)
{
	static const struct {
		enum relay_kind kind;
		const char *domain, *play;
	} relay_cases[] = {
		{ RELAY_MX, "a,b", "a1 a2 b1 b2! R4.4.1" },
		{ RELAY_MX, "a=b", "a1 a2 b1 b2! R4.4.1" },
		/* this host may be a relay of its own, at another port */
		{ RELAY_MX, "s,u", "s1 s2 u1 u2! R4.4.1" },
		{ RELAY_MX, "nxdomain", "R4.1.2" },
		{ RELAY_MX, "servfail", "R4.4.3" },
		{ RELAY_SRV, "a|b", "a1 a2 b1 b2! R4.4.1" },
		{ RELAY_SRV, "b,a|a", "b1 b2 a1 a2 a1 a2! R4.4.1" },
		{ RELAY_SRV, ".|b", "b1 b2! R4.4.1" },
		{ RELAY_SRV, "a|.", "a1 a2! R4.4.1" },
		{ RELAY_SRV, "!|b", "b1 b2! R4.4.1" },
		{ RELAY_SRV, ".|.", "R4.4.4" },
		{ RELAY_SRV, "!|.", "R4.4.3" },
		{ RELAY_SRV, ".|!", "R4.4.3" },
	};
	struct relay two[2];
	struct hosts h;
	struct conf conf;
	size_t i;

	(void)state;
	for (i = 0; i < N(relay_cases); i++) {
		relay_by(&conf, two, relay_cases[i].kind,
		    relay_cases[i].domain);
		assert_int_equal(hosts_init(&h, &conf, &conf.relays,
		    "", &fake), 0);
		play(&h, relay_cases[i].play);
		hosts_fini(&h);
	}
	/* In the order of SMARTHOST, whatever the kind. */
	relay_by(&conf, two, RELAY_MX, "nxdomain");
	conf.relays.n = 2;
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	play(&h, "b1 b2 R4.4.1");
	hosts_fini(&h);
}

static void
test_ports_of_services(void **state)
{
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;

	(void)state;
	result_init(&res);
	relay_by(&conf, two, RELAY_SRV, "a|b");
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.port, 465);
	assert_int_equal(host.is_tls_first, 1);
	assert_int_equal(host.is_secure, 0);
	assert_string_equal(host.domain, "a|b");
	expect_host(&h, 1000, "a1");
	expect_host(&h, 1000, "a2");
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.port, 587);
	assert_int_equal(host.is_tls_first, 0);
	hosts_fini(&h);
	relay_by(&conf, two, RELAY_MX, "a");
	script.is_secure = 1;
	two[0].port = 2525;
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.port, 2525);
	assert_int_equal(host.is_secure, 1);
	assert_ptr_equal(host.relay, &two[0]);
	hosts_fini(&h);
	result_fini(&res);
}

/* How often each of "a=b=c,d" is chosen, of 1000. */
static void
count_choices(struct hosts *h, unsigned counts[4])
{
	struct result res;
	struct host host;
	int i;

	result_init(&res);
	memset(counts, 0, 4 * sizeof(*counts));
	for (i = 0; i < 1000; i++) {
		assert_int_equal(hosts_next(h, 0, 1000, &host, &res), 0);
		assert_in_range(host.name[0], 'a', 'd');
		counts[host.name[0] - 'a']++;
	}
	result_fini(&res);
}

static void
test_shares(void **state)
{
	static const struct {
		unsigned weights[4];
		unsigned low[4], high[4];
	} shares[] = {
		{ { 0, 0, 0, 0 }, { 280, 280, 280, 0 }, { 390, 390, 390, 0 } },
		{ { 10, 20, 70, 0 }, { 70, 160, 650, 0 },
		    { 130, 240, 750, 0 } },
		{ { 0, 65535, 0, 0 }, { 0, 990, 0, 0 }, { 5, 1000, 5, 0 } },
		{ { 0, 1, 0, 0 }, { 1, 950, 1, 0 }, { 30, 998, 30, 0 } },
	};
	struct relay two[2];
	unsigned counts[4];
	struct hosts h;
	struct conf conf;
	size_t i, j;

	(void)state;
	for (i = 0; i < N(shares); i++) {
		relay_by(&conf, two, RELAY_MX, "a=b=c,d");
		script.seed = 17;
		memcpy(script.weights, shares[i].weights,
		    sizeof(script.weights));
		assert_int_equal(hosts_init(&h, &conf, &conf.relays,
		    "", &fake), 0);
		count_choices(&h, counts);
		for (j = 0; j < 4; j++)
			assert_in_range(counts[j], shares[i].low[j],
			    shares[i].high[j]);
		hosts_fini(&h);
	}
}

/* Each comes first as often as its share says, and none is left out then. */
static void
test_mix(void **state)
{
	unsigned counts[4] = { 0, 0, 0, 0 }, seen;
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;
	size_t i, from;

	(void)state;
	result_init(&res);
	relay_by(&conf, two, RELAY_MX, "a=b=c,d");
	script.seed = 17;
	script.weights[0] = 1;
	script.weights[1] = 3;
	script.weights[2] = 6;
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	for (i = 0; i < 1000; i++) {
		seen = 0;
		hosts_mix(&h);
		for (from = 0; from < 4; from = host.place + 1) {
			assert_int_equal(hosts_next(&h, from, 1000,
			    &host, &res), 0);
			assert_int_equal(host.place, from);
			if (from == 0)
				counts[host.name[0] - 'a']++;
			assert_int_equal(host.name[0] == 'd', from == 3);
			seen |= 1U << (host.name[0] - 'a');
		}
		assert_int_equal(seen, 15);
	}
	assert_in_range(counts[0], 70, 130);
	assert_in_range(counts[1], 250, 350);
	assert_in_range(counts[2], 540, 660);
	hosts_fini(&h);
	result_fini(&res);
}

/* A dead one's share goes to the others, until it is tried again. */
static void
test_share_of_the_dead(void **state)
{
	unsigned counts[4], i;
	struct relay two[2];
	struct hosts h;
	struct conf conf;

	(void)state;
	relay_by(&conf, two, RELAY_MX, "a=b=c,d");
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	play(&h, "a1 a2");
	script.seed = 17;
	count_choices(&h, counts);
	assert_int_equal(counts[0], 0);
	assert_true(counts[1] > 400 && counts[2] > 400);
	assert_int_equal(counts[3], 0);
	for (i = 0; i < h.list[0].naddresses; i++)
		h.list[0].addresses[i].dead_until_ms = 0;
	count_choices(&h, counts);
	assert_true(counts[0] > 250);
	hosts_fini(&h);
}

/* Names are asked for anew; what is known of their addresses stays. */
static void
test_names_change(void **state)
{
	static const struct {
		const char *mx, *play;
	} steps[] = {
		{ "a,b", "a1. +290 a1 a2 b1." },
		{ "b,a", "+10 b1 b2 R4.4.1 +50 a1. +249 b1." },
		{ "c,b", "+1 c1. +299 c1." },
		{ "servfail", "+1 c1. +59 c1." },	/* still does */
		{ "d", "+1 d1. +299 d1." },
		{ "nxdomain", "+1 F5.1.2 +59 F5.1.2" },
		{ "a", "+1 a1." },
	};
	struct relay two[2];
	struct hosts h;
	struct conf conf;
	int64_t now_ms = 1000000;
	size_t i;

	(void)state;
	relays(&conf, two);
	assert_int_equal(hosts_init(&h, &conf, &conf.relays,
	    "example.org", &fake), 0);
	for (i = 0; i < N(steps); i++) {
		script.mx = steps[i].mx;
		now_ms = play_from(&h, steps[i].play, now_ms);
	}
	hosts_fini(&h);
}

/* An end that was seen late finds its host in the list that is there now. */
/* The first that is tried after so many attempts, each of ten addresses. */
static void
expect_first(const char *domain, uint32_t tries, const char *first)
{
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;
	unsigned n;

	relays(&conf, two);
	result_init(&res);
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, domain,
	    &fake), 0);
	hosts_skip(&h, tries);
	for (n = 0; hosts_next(&h, 0, 1000, &host, &res) == 0; n++) {
		if (n == 0)
			assert_string_equal(host.addr.text, first);
		result_set(&res, STATUS_DEFERRED, "4.4.1", "dead");
		hosts_dead(&h, &host, 1000, &res);
	}
	assert_true(n <= HOSTS_TRIES_MAX);
	if (tries == 0)
		assert_int_equal(result_has_more_hosts(&res),
		    n == HOSTS_TRIES_MAX);
	hosts_fini(&h);
	result_fini(&res);
}

/* What no attempt has tried comes first, however the addresses are spread. */
static void
test_more_addresses_than_are_tried(void **state)
{
	(void)state;
	expect_first("m", 0, "m1");
	expect_first("m", 1, "m11");
	expect_first("m", 2, "m6");	/* the 20th after 15 */
	expect_first("m", 3, "m1");
	expect_first("a,b,m", 1, "m7");
	expect_first("a,b,c,d,e,f", 1, "f1");
	/* Few are tried in every attempt. */
	expect_first("a,b", 1, "a1");
	expect_first("a,b", 7, "a1");
}

static void
test_late_end(void **state)
{
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host old;
	struct conf conf;

	(void)state;
	result_init(&res);
	relays(&conf, two);
	script.mx = "a,b";
	assert_int_equal(hosts_init(&h, &conf, &conf.relays,
	    "example.org", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &old, &res), 0);
	script.mx = "b,a";
	expect_host(&h, 1000 + HOSTS_FRESH_MS, "b1.");
	result_set(&res, STATUS_DEFERRED, "4.4.1", "refused");
	hosts_dead(&h, &old, 1000 + HOSTS_FRESH_MS, &res);
	expect_host(&h, 1000 + HOSTS_FRESH_MS, "b1");
	expect_host(&h, 1000 + HOSTS_FRESH_MS, "b2");
	expect_host(&h, 1000 + HOSTS_FRESH_MS, "a2");
	hosts_fini(&h);
	result_fini(&res);
}

/* Asked for only where the name itself can be trusted. */
static void
test_tlsa(void **state)
{
	static const struct {
		int is_dane, is_secure;
		enum tls_policy tls;
		const char *domain, *play;
		unsigned asked;
		int has, n;		/* of the first host */
	} tlsa_cases[] = {
		{ 0, 1, TLS_UNSET, "a", "a1.", 0, 0, 0 },
		{ 1, 0, TLS_UNSET, "a", "a1.", 0, 0, 0 },
		{ 1, 1, TLS_OFF, "a", "a1.", 0, 0, 0 },
		{ 1, 1, TLS_UNSET, "a", "a1.", 1, 1, 1 },
		{ 1, 1, TLS_VERIFY, "n", "n1.", 1, 1, 0 },
		{ 1, 1, TLS_UNSET, "b", "b1.", 1, 0, 0 },
		/* not known: as good as down, and no reason to fail */
		{ 1, 1, TLS_UNSET, "e,b", "b1.", 2, 0, 0 },
		{ 1, 1, TLS_UNSET, "e,x", "R4.7.5", 2, 0, 0 },
	};
	struct relay two[2];
	struct result res;
	struct hosts h;
	struct host host;
	struct conf conf;
	size_t i;

	(void)state;
	result_init(&res);
	for (i = 0; i < N(tlsa_cases); i++) {
		relays(&conf, two);
		conf.tls.is_dane = tlsa_cases[i].is_dane;
		conf.tls.policy = tlsa_cases[i].tls;
		script.is_secure = tlsa_cases[i].is_secure;
		script.tlsa = "aen";
		assert_int_equal(hosts_init(&h, &conf, &conf.relays,
		    tlsa_cases[i].domain,
		    &fake), 0);
		play(&h, tlsa_cases[i].play);
		assert_int_equal(script.ntlsas, tlsa_cases[i].asked);
		if (hosts_next(&h, 0, 1000, &host, &res) == 0) {
			assert_int_equal(host.tlsas != NULL,
			    tlsa_cases[i].has);
			if (host.tlsas != NULL)
				assert_int_equal(host.tlsas->n,
				    tlsa_cases[i].n);
		}
		hosts_fini(&h);
	}
	/* A relay by its name in dma.conf needs no DNSSEC to be that one. */
	relays(&conf, two);
	conf.tls.is_dane = 1;
	script.tlsa = "a";
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_non_null(host.tlsas);
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
	assert_int_equal(hosts_init(&h, &conf, &conf.relays, "", &fake), 0);
	assert_int_equal(hosts_next(&h, 0, 1000, &host, &res), 0);
	assert_int_equal(host.place, 0);
	assert_int_equal(hosts_left(&h, 1, 1000), 1);
	assert_int_equal(hosts_left(&h, 2, 1000), 0);
	assert_int_equal(hosts_next(&h, 1, 1000, &host, &res), 0);
	assert_int_equal(host.place, 1);
	assert_string_equal(host.name, "b");
	assert_int_equal(hosts_next(&h, 2, 1000, &host, &res), -1);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "refused");
	hosts_dead(&h, &host, 1000, &res);
	assert_int_equal(hosts_left(&h, 1, 1000), 1);
	assert_int_equal(hosts_next(&h, 1, 1000, &host, &res), 0);
	result_set(&res, STATUS_DEFERRED, "4.4.1", "refused");
	hosts_dead(&h, &host, 1000, &res);
	assert_int_equal(hosts_left(&h, 1, 1000), 0);
	assert_int_equal(hosts_left(&h, 1, 1000 + HOSTS_DEAD_MS), 1);
	hosts_fini(&h);
	/* Of equals the rest in order, so that each has its turn. */
	relays(&conf, two);
	assert_int_equal(hosts_init(&h, &conf, &conf.relays,
	    "a=b=c,d", &fake), 0);
	script.seed = 17;
	assert_int_equal(hosts_next(&h, 1, 1000, &host, &res), 0);
	assert_string_equal(host.name, "b");
	assert_int_equal(hosts_next(&h, 2, 1000, &host, &res), 0);
	assert_string_equal(host.name, "c");
	assert_int_equal(hosts_next(&h, 3, 1000, &host, &res), 0);
	assert_string_equal(host.name, "d");
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
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_looked_up),
		cmocka_unit_test(test_ports_of_services),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_mix),
		cmocka_unit_test(test_share_of_the_dead),
		cmocka_unit_test(test_names_change),
		cmocka_unit_test(test_more_addresses_than_are_tried),
		cmocka_unit_test(test_late_end),
		cmocka_unit_test(test_tlsa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
