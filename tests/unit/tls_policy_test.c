/*
 * tls_policy_test.c - whom a password may be shown to, and by which TLS.
 */
#include "net/tls_policy.h"
#include "tests/unit/t.h"

/* Where a host comes from: relay kind, or by MX of a domain. */
enum from { BY_NAME, BY_MX, BY_SRV, DIRECT };

enum tls_way { CLEAR, MAY, MUST, VERIFY };

struct play {
	enum from	 from;
	const char	*domain, *host;
	int		 is_secure;	/* 2: and DANE is on */
	enum tls_policy	 tls;
	int		 is_insecure;
	const char	*auth;		/* the host of auth.conf's only entry */
	int		 has_auth;
	enum tls_way	 way;
	const char	*names;		/* with blanks between */
};

static const struct play plays[] = {
	/* the host was written: its name counts, and TLS as configured */
	{ BY_NAME, "", "a.org", 1, TLS_UNSET, 0, "", 0, MAY, "a.org" },
	{ BY_NAME, "", "a.org", 1, TLS_UNSET, 0, "A.org", 1, VERIFY, "a.org" },
	{ BY_NAME, "", "a.org", 1, TLS_UNSET, 1, "a.org", 1, MAY, "a.org" },
	{ BY_NAME, "", "a.org", 1, TLS_REQUIRED, 0, "a.org", 1, MUST,
	    "a.org" },
	{ BY_NAME, "", "a.org", 1, TLS_OFF, 0, "a.org", 1, CLEAR, "a.org" },
	{ BY_NAME, "", "a.org", 1, TLS_UNSET, 0, "b.org", 0, MAY, "a.org" },
	{ DIRECT, "b.org", "a.org", 0, TLS_VERIFY, 0, "b.org", 0, VERIFY,
	    "a.org" },
	/* a host below the domain: either name */
	{ BY_MX, "b.org", "mx.b.org", 0, TLS_UNSET, 0, "", 0, MAY,
	    "mx.b.org b.org" },
	{ BY_MX, "b.org", "mx.b.org", 0, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "mx.b.org b.org" },
	{ BY_MX, "b.org", "B.org", 0, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "B.org" },
	/* one that is not: the domain alone, unless DNSSEC says so */
	{ BY_MX, "b.org", "mx.c.org", 0, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "b.org" },
	{ BY_MX, "b.org", "mxb.org", 0, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "b.org" },
	{ BY_MX, "b.org", "b.org.evil.net", 0, TLS_UNSET, 0, "b.org", 1,
	    VERIFY, "b.org" },
	{ BY_MX, "b.org", "org", 0, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "b.org" },
	{ BY_SRV, "b.org", "s.c.org", 0, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "b.org" },
	{ BY_SRV, "b.org", "s.c.org", 1, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "b.org" },
	{ BY_SRV, "b.org", "s.c.org", 2, TLS_UNSET, 0, "b.org", 1, VERIFY,
	    "s.c.org b.org" },
	/* an entry by the host's own name: that name */
	{ BY_SRV, "b.org", "s.c.org", 0, TLS_UNSET, 0, "s.c.org", 1, VERIFY,
	    "s.c.org" },
	{ BY_MX, "b.org", "mx.b.org", 0, TLS_UNSET, 0, "mx.b.org", 1, VERIFY,
	    "mx.b.org" },
	/* no key of dma.conf opens that */
	{ BY_SRV, "b.org", "s.c.org", 0, TLS_OPPORTUNISTIC, 0, "b.org", 1,
	    VERIFY, "b.org" },
	{ BY_SRV, "b.org", "s.c.org", 0, TLS_UNSET, 1, "b.org", 1, VERIFY,
	    "b.org" },
	{ BY_MX, "b.org", "mx.b.org", 0, TLS_OFF, 1, "b.org", 1, VERIFY,
	    "mx.b.org b.org" },
	{ BY_MX, "b.org", "mx.b.org", 1, TLS_REQUIRED, 0, "b.org", 1, VERIFY,
	    "mx.b.org b.org" },
};

/* Everything that a policy lends from. */
struct scene {
	struct conf	 conf;
	struct auths	 auths;
	struct auth	 auth;
	struct relay	 relay;
	struct host	 host;
	struct tlsas	 tlsas;
};

static void
set_scene(struct scene *s, const struct play *p)
{
	static const enum relay_kind kinds[] = { [BY_NAME] = RELAY_HOST,
	    [BY_MX] = RELAY_MX, [BY_SRV] = RELAY_SRV };

	memset(s, 0, sizeof(*s));
	s->conf.tls.policy = p->tls;
	s->conf.smtp.is_insecure = p->is_insecure;
	s->auth.host = (char *)(uintptr_t)p->auth;
	s->auths.list = &s->auth;
	s->auths.n = 1;
	s->host.port = 25;
	s->host.is_secure = p->is_secure > 0;
	s->conf.tls.is_dane = p->is_secure == 2;
	memcpy(s->host.name, p->host, strlen(p->host));
	if (p->from != BY_NAME)
		s->host.domain = p->domain;
	if (p->from == DIRECT)
		return;
	s->relay.kind = kinds[p->from];
	s->relay.host = (char *)(uintptr_t)
	    (p->from == BY_NAME ? p->host : p->domain);
	s->host.relay = &s->relay;
}

static void
check_names(const struct policy *p, const char *names)
{
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	for (i = 0; i < p->nnames; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : " ", p->names[i]);
	assert_string_equal(buf_str(&b), names);
	assert_string_equal(p->sni, p->names[0]);
	buf_fini(&b);
}

static void
test_plays(void **state)
{
	struct policy p;
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < N(plays); i++) {
		set_scene(&s, &plays[i]);
		tls_policy_set(&p, &s.conf, &s.auths, NULL, &s.host);
		print_message("%zu %s\n", i, plays[i].host);
		assert_int_equal(p.auth != NULL, plays[i].has_auth);
		assert_int_equal(p.may_tls, plays[i].way != CLEAR);
		assert_int_equal(p.must_tls, plays[i].way >= MUST);
		assert_int_equal(p.must_verify, plays[i].way == VERIFY);
		assert_int_equal(p.may_login_clear, plays[i].is_insecure &&
		    plays[i].from == BY_NAME);
		assert_null(p.tlsas);
		check_names(&p, plays[i].names);
	}
}

/* When TLS begins: by port and keys; for a service by which one it is. */
static void
test_first(void **state)
{
	static const struct {
		enum from from;
		int port, is_implicit, is_tls_first;
		enum tls_policy tls;
		int has_tls_first, must_tls;
	} firsts[] = {
		{ BY_NAME, 25, 0, 0, TLS_UNSET, 0, 0 },
		{ BY_NAME, 465, 0, 0, TLS_UNSET, 1, 1 },
		{ BY_NAME, 25, 1, 0, TLS_UNSET, 1, 1 },
		{ BY_NAME, 465, 0, 0, TLS_OFF, 0, 0 },
		{ BY_MX, 465, 0, 0, TLS_UNSET, 1, 1 },
		{ BY_SRV, 465, 0, 1, TLS_UNSET, 1, 1 },
		{ BY_SRV, 4650, 0, 1, TLS_UNSET, 1, 1 },
		{ BY_SRV, 465, 0, 1, TLS_OFF, 1, 1 },
		{ BY_SRV, 587, 1, 0, TLS_REQUIRED, 0, 1 },
		{ BY_SRV, 587, 0, 0, TLS_UNSET, 0, 0 },
	};
	struct play play = { BY_NAME, "b.org", "a.b.org", 0, TLS_UNSET, 0, "",
	    0, CLEAR, "" };
	struct policy p;
	struct scene s;
	size_t i;

	(void)state;
	for (i = 0; i < N(firsts); i++) {
		play.from = firsts[i].from;
		play.tls = firsts[i].tls;
		set_scene(&s, &play);
		s.host.port = (uint16_t)firsts[i].port;
		s.conf.tls.is_implicit = firsts[i].is_implicit;
		s.host.is_tls_first = firsts[i].is_tls_first;
		tls_policy_set(&p, &s.conf, &s.auths, NULL, &s.host);
		assert_int_equal(p.has_tls_first, firsts[i].has_tls_first);
		assert_int_equal(p.must_tls, firsts[i].must_tls);
		assert_int_equal(p.may_tls, firsts[i].must_tls ||
		    firsts[i].tls != TLS_OFF);
	}
}

static void
test_dane(void **state)
{
	static const struct play direct = { DIRECT, "b.org", "mx.c.org", 1,
	    TLS_UNSET, 0, "", 0, MAY, "" };
	static const struct play literal = { DIRECT, "[192.0.2.1]",
	    "192.0.2.1", 0, TLS_UNSET, 0, "", 0, MAY, "" };
	struct policy p;
	struct scene s;

	(void)state;
	set_scene(&s, &direct);
	s.host.tlsas = &s.tlsas;
	s.host.is_clear = 1;	/* from before the records were there */
	s.tlsas.n = 1;
	memcpy(s.tlsas.base, "base.c.org", 11);
	tls_policy_set(&p, &s.conf, &s.auths, NULL, &s.host);
	assert_ptr_equal(p.tlsas, &s.tlsas);
	assert_true(p.may_tls && p.must_tls);
	check_names(&p, "base.c.org mx.c.org b.org");

	s.tlsas.n = 0;		/* none that can be used: TLS all the same */
	tls_policy_set(&p, &s.conf, &s.auths, NULL, &s.host);
	assert_null(p.tlsas);
	assert_true(p.may_tls && p.must_tls && !p.must_verify);
	check_names(&p, "mx.c.org");

	s.tlsas.n = 1;		/* a pin is what the administrator wants */
	s.conf.tls.npins = 1;
	tls_policy_set(&p, &s.conf, &s.auths, NULL, &s.host);
	assert_null(p.tlsas);
	check_names(&p, "mx.c.org");

	set_scene(&s, &literal);
	tls_policy_set(&p, &s.conf, &s.auths, NULL, &s.host);
	check_names(&p, "192.0.2.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plays),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_dane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
