/*
 * dns_test.c - hand-built answers, and a resolver that says what it is told.
 * res_ninit(), res_nquery() and getaddrinfo() are this file's own: neither the
 * network nor resolv.conf is asked.
 */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include "net/dns.h"
#include "tests/unit/t.h"

#define A		1
#define CNAME		5
#define MX		15
#define AAAA		28
#define SRV		33
#define TLSA		52
#define ADDRS		40

struct packet {
	uint8_t	data[65535];
	size_t	len;
};

/* An answer to one question. */
struct reply {
	const char	*name;		/* NULL ends the list */
	int		 type, error, is_secure;
	const struct packet *packet;
};

/* What the resolver will say, and what it was asked. */
struct script {
	const struct reply *replies;	/* or NULL: the rest counts */
	const char *server;		/* NULL: 127.0.0.1 */
	unsigned long trust;		/* RES_TRUSTAD: by resolv.conf */
	const struct packet *mx;	/* NULL: fail with mx_errno */
	int	mx_errno, a_errno, aaaa_errno;	/* 0: there is data */
	int	oversized;
	int	gai_error;
	const char *addrs[ADDRS];	/* in the system's order */
	char	name[300], service[16];	/* asked for last */
	int	flags, queries, lists;
	unsigned long options;
};

static struct script script;

int
res_ninit(res_state state)
{
	static struct sockaddr_in6 six;
	const char *server = script.server == NULL ? "127.0.0.1" :
	    script.server;

	memset(state, 0, sizeof(*state));
	state->options = script.trust;
	state->nscount = 1;
	if (inet_pton(AF_INET, server, &state->nsaddr_list[0].sin_addr) == 1) {
		state->nsaddr_list[0].sin_family = AF_INET;
		return 0;
	}
	assert_int_equal(inet_pton(AF_INET6, server, &six.sin6_addr), 1);
	six.sin6_family = AF_INET6;
	state->_u._ext.nsaddrs[0] = &six;
	return 0;
}

void
res_nclose(res_state state)
{
	(void)state;
}

/* As the C library: an answer that has nothing leaves its head there. */
static int
reply(res_state state, const char *name, int type, unsigned char *answer,
    int size)
{
	const struct reply *r;

	for (r = script.replies; r->name != NULL; r++)
		if (r->type == type && strcmp(r->name, name) == 0)
			break;
	if (r->name == NULL)
		fail_msg("asked for %s %d", name, type);
	if (r->packet != NULL) {
		assert_true(r->packet->len <= (size_t)size);
		memcpy(answer, r->packet->data, r->packet->len);
	}
	answer[3] = (unsigned char)(r->is_secure &&
	    state->options & RES_TRUSTAD ? 0xa0 : 0x80);
	if (r->error == 0)
		return (int)r->packet->len;
	state->res_h_errno = r->error;
	return -1;
}

int
res_nquery(res_state state, const char *name, int class, int type,
    unsigned char *answer, int size)
{
	int error = type == MX ? script.mx_errno :
	    type == A ? script.a_errno : script.aaaa_errno;

	assert_int_equal(class, 1);
	script.queries++;
	snprintf(script.name, sizeof(script.name), "%s", name);
	if (script.replies != NULL)
		return reply(state, name, type, answer, size);
	if (error != 0) {
		state->res_h_errno = error;
		return -1;
	}
	if (script.oversized)
		return size + 1;
	if (type != MX)
		return HFIXEDSZ;
	assert_true(script.mx->len <= (size_t)size);
	memcpy(answer, script.mx->data, script.mx->len);
	return (int)script.mx->len;
}

static void
fill(struct addrinfo *ai, const char *text, uint16_t port)
{
	struct sockaddr_in6 *six = calloc(1, sizeof(*six));
	struct sockaddr_in *four;

	assert_non_null(six);
	ai->ai_addr = (struct sockaddr *)(void *)six;
	if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
		ai->ai_family = six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		ai->ai_addrlen = sizeof(*six);
		return;
	}
	four = (struct sockaddr_in *)(void *)six;
	assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
	ai->ai_family = four->sin_family = AF_INET;
	four->sin_port = htons(port);
	ai->ai_addrlen = sizeof(*four);
}

int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	struct addrinfo **next = list;
	size_t i;

	snprintf(script.name, sizeof(script.name), "%s", name);
	snprintf(script.service, sizeof(script.service), "%s", service);
	script.flags = hints->ai_flags;
	script.options = _res.options;
	assert_int_equal(hints->ai_socktype, SOCK_STREAM);
	if (script.gai_error != 0)
		return script.gai_error;
	for (i = 0; i < ADDRS && script.addrs[i] != NULL; i++) {
		*next = calloc(1, sizeof(**next));
		assert_non_null(*next);
		fill(*next, script.addrs[i], (uint16_t)atoi(service));
		next = &(*next)->ai_next;
	}
	script.lists++;
	return 0;
}

void
freeaddrinfo(struct addrinfo *ai)
{
	struct addrinfo *next;

	script.lists--;
	for (; ai != NULL; ai = next) {
		next = ai->ai_next;
		free(ai->ai_addr);
		free(ai);
	}
}

static void
put(struct packet *p, const void *data, size_t len)
{
	assert_true(len <= sizeof(p->data) - p->len);
	memcpy(p->data + p->len, data, len);
	p->len += len;
}

static void
put16(struct packet *p, unsigned v)
{
	uint8_t two[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(p, two, 2);
}

/* "a.b", "" for the root; "a.b>12" goes on at offset 12. */
static void
put_name(struct packet *p, const char *name)
{
	uint8_t n;

	while (*name != '\0' && *name != '>') {
		n = (uint8_t)strcspn(name, ".>");
		put(p, &n, 1);
		put(p, name, n);
		name += n;
		if (*name == '.')
			name++;
	}
	if (*name == '>')
		put16(p, 0xc000U | (unsigned)atoi(name + 1));
	else
		put(p, "", 1);
}

/* A header with so many answers, and one question at offset 12. */
static void
begin(struct packet *p, unsigned answers, const char *question)
{
	p->len = 0;
	put16(p, 0x1234);
	put16(p, 0x8180);
	put16(p, 1);
	put16(p, answers);
	put16(p, 0);
	put16(p, 0);
	put_name(p, question);
	put16(p, MX);
	put16(p, 1);
}

static void
put_record(struct packet *p, const char *owner, unsigned type, int preference,
    const char *target)
{
	size_t at;

	put_name(p, owner);
	put16(p, type);
	put16(p, 1);
	put16(p, 0);
	put16(p, 300);
	at = p->len;
	put16(p, 0);
	if (preference >= 0)
		put16(p, (unsigned)preference);
	put_name(p, target);
	p->data[at] = (uint8_t)((p->len - at - 2) >> 8);
	p->data[at + 1] = (uint8_t)(p->len - at - 2);
}

static struct packet *
new_packet(void)
{
	struct packet *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	return p;
}

struct mx {
	int		 preference;
	const char	*target;
};

static void
put_mxs(struct packet *p, const struct mx *list)
{
	unsigned n = 0;

	while (list[n].target != NULL)
		n++;
	begin(p, n, "example.org");
	for (; list->target != NULL; list++)
		put_record(p, ">12", MX, list->preference, list->target);
}

static void
test_read(void **state)
{
	static const struct {
		struct mx	 in[6];
		int		 ret, is_null;
		const char	*names;		/* in order, with blanks */
	} cases[] = {
		{ { { 10, "mx1>12" } }, 1, 0, "mx1.example.org " },
		{ { { 10, "mx.example.net" } }, 1, 0, "mx.example.net " },
		{ { { 20, "b>12" }, { 10, "a>12" }, { 30, "c>12" } }, 3, 0,
		    "a.example.org b.example.org c.example.org " },
		{ { { 10, "b>12" }, { 10, "a>12" }, { 10, "c>12" } }, 3, 0,
		    "a.example.org b.example.org c.example.org " },
		{ { { 65535, "z>12" }, { 0, "a>12" } }, 2, 0,
		    "a.example.org z.example.org " },
		/* the domain itself, by a pointer alone */
		{ { { 10, ">12" } }, 1, 0, "example.org " },
		/* twice the same: the better counts */
		{ { { 20, "a>12" }, { 15, "b>12" }, { 10, "A>12" } }, 2, 0,
		    "A.example.org b.example.org " },
		{ { { 10, "a>12" }, { 15, "b>12" }, { 20, "A>12" } }, 2, 0,
		    "a.example.org b.example.org " },
		{ { { 0, "" } }, 0, 1, "" },
		{ { { 10, "" } }, 0, 1, "" },
		/* a null MX stands alone, or is none */
		{ { { 0, "" }, { 10, "a>12" } }, 1, 0, "a.example.org " },
		{ { { 0, "" }, { 0, "" } }, 0, 0, "" },
		/* no name of a host */
		{ { { 5, "a b>12" }, { 10, "a>12" } }, 1, 0,
		    "a.example.org " },
		{ { { 5, "a\nb>12" }, { 10, "a>12" } }, 1, 0,
		    "a.example.org " },
		{ { { 5, "-a>12" } }, -1, 0, "" },
		{ { { 5, "127.1" } }, -1, 0, "" },
		{ { { 5, "0x7f000001" } }, -1, 0, "" },
		{ { { 5, "*>12" } }, -1, 0, "" },
		{ { { 5, "_mx>12" } }, 1, 0, "_mx.example.org " },
		{ { { 5, "192.0.2.1" } }, 1, 0, "192.0.2.1 " },
		{ { { 0, NULL } }, 0, 0, "" },
	};
	struct packet *p = new_packet();
	struct dns_host hosts[DNS_HOSTS_MAX];
	struct buf names;
	int is_null, ret, j;
	size_t i;

	(void)state;
	buf_init(&names, 0);
	for (i = 0; i < N(cases); i++) {
		put_mxs(p, cases[i].in);
		ret = dns_read_hosts(ns_t_mx, p->data, p->len,
		    hosts, DNS_HOSTS_MAX,
		    &is_null);
		buf_reset(&names);
		for (j = 0; j < ret; j++)
			buf_printf(&names, "%s ", hosts[j].name);
		if (ret != cases[i].ret || is_null != cases[i].is_null ||
		    strcmp(buf_str(&names), cases[i].names) != 0)
			fail_msg("case %zu: %d %s", i, ret, buf_str(&names));
	}
	buf_fini(&names);
	free(p);
}

static void
test_read_cname(void **state)
{
	struct packet *p = new_packet();
	struct dns_host hosts[2];
	int is_null;

	(void)state;
	begin(p, 4, "www.example.org");
	put_record(p, ">12", CNAME, -1, "mid.example.net");
	put_record(p, "mid.example.net", CNAME, -1, "end.example.net");
	put_record(p, "end.example.net", MX, 7, "mx.example.net");
	put_record(p, "end.example.net", A, -1, "abc");
	assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
	    hosts, 2, &is_null), 1);
	assert_string_equal(hosts[0].name, "mx.example.net");
	assert_int_equal(hosts[0].preference, 7);
	assert_int_equal(is_null, 0);

	begin(p, 1, "www.example.org");		/* an alias, and no MX */
	put_record(p, ">12", CNAME, -1, "mid.example.net");
	assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
	    hosts, 2, &is_null), 0);
	free(p);
}

/* More than there is room for: the best are kept. */
static void
test_read_many(void **state)
{
	struct packet *p = new_packet();
	struct dns_host hosts[DNS_HOSTS_MAX + 1];
	char name[32];
	int is_null, i;

	(void)state;
	begin(p, 1000, "example.org");
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "h%d>12", 999 - i);
		put_record(p, ">12", MX, 999 - i, name);
	}
	memset(&hosts[DNS_HOSTS_MAX], 0x5a, sizeof(hosts[0]));
	assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
	    hosts, DNS_HOSTS_MAX,
	    &is_null), DNS_HOSTS_MAX);
	for (i = 0; i < DNS_HOSTS_MAX; i++) {
		assert_int_equal(hosts[i].preference, i);
		snprintf(name, sizeof(name), "h%d.example.org", i);
		assert_string_equal(hosts[i].name, name);
	}
	assert_int_equal(hosts[DNS_HOSTS_MAX].name[0], 0x5a);
	assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
	    hosts, 1, &is_null), 1);
	assert_int_equal(hosts[0].preference, 0);
	free(p);
}

/* Every cut of a good answer is malformed, and read no further. */
static void
test_read_cut(void **state)
{
	struct packet *p = new_packet();
	struct dns_host hosts[4];
	uint8_t *exact;
	size_t len;
	int is_null;

	(void)state;
	begin(p, 2, "example.org");
	put_record(p, ">12", MX, 10, "mx1>12");
	put_record(p, ">12", MX, 20, "mx2.example.net");
	for (len = 0; len <= p->len; len++) {
		/* Of its own, so that a read past the end is noticed. */
		exact = malloc(len == 0 ? 1 : len);
		assert_non_null(exact);
		memcpy(exact, p->data, len);
		assert_int_equal(dns_read_hosts(ns_t_mx, exact, len,
		    hosts, 4, &is_null),
		    len == p->len ? 2 : -1);
		free(exact);
	}
	free(p);
}

static void
test_read_bad(void **state)
{
	static const struct { size_t at; uint8_t value; } cases[] = {
		{ 2, 0x01 },		/* a question, no answer */
		{ 2, 0x83 },		/* truncated */
		{ 5, 2 },		/* one question more than there is */
		{ 7, 2 },		/* one answer more than there is */
		{ 29, 0x40 },		/* a name with a reserved label type */
		{ 39, 0xff },		/* data past the end */
		{ 40, 9 },
		{ 40, 2 },		/* data of two bytes */
		{ 40, 0 },
		{ 40, 4 },		/* a name longer than the data */
		{ 43, 0x80 },
		{ 43, 63 },		/* a label longer than the packet */
	};
	struct packet *p = new_packet();
	struct dns_host hosts[4];
	int is_null;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(p, 1, "example.org");
		assert_int_equal(p->len, 29);
		put_record(p, ">12", MX, 10, "mx1>12");
		assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
		    hosts, 4,
		    &is_null), 1);
		p->data[cases[i].at] = cases[i].value;
		if (dns_read_hosts(ns_t_mx, p->data, p->len,
		    hosts, 4, &is_null) != -1)
			fail_msg("case %zu", i);
	}
	free(p);
}

/* Names that point at themselves, at each other, ahead, or nowhere. */
static void
test_read_loops(void **state)
{
	/* The target begins at 43: after the preference at 41. */
	static const char *const targets[] = {
		">43", "a>43", ">45", "a.b.c>45", ">16383", "a>44",
	};
	struct packet *p = new_packet();
	struct dns_host hosts[4];
	int is_null, ret;
	size_t i;

	(void)state;
	for (i = 0; i < N(targets); i++) {
		begin(p, 1, "example.org");
		put_record(p, ">12", MX, 10, targets[i]);
		ret = dns_read_hosts(ns_t_mx, p->data, p->len,
		    hosts, 4, &is_null);
		if (ret != -1)
			fail_msg("target %s: %d", targets[i], ret);
	}
	begin(p, 1, "x>12");		/* the question is a loop itself */
	put_record(p, ">12", MX, 10, "a>12");
	assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
	    hosts, 4, &is_null), -1);
	free(p);
}

static void
restart(void)
{
	memset(&script, 0, sizeof(script));
}

static void
test_mx_literals(void **state)
{
	static const struct { const char *domain, *name; } cases[] = {
		{ "[192.0.2.1]", "192.0.2.1" },
		{ "[IPv6:2001:db8::1]", "2001:db8::1" },
		{ "[ipv6:2001:db8::1]", "2001:db8::1" },
		{ "[192.0.2.1", NULL },
		{ "[192.0.2]", NULL },
		{ "[192.0.2.1]x", NULL },
		{ "[]", NULL },
		{ "[", NULL },
		{ "[mail.example.org]", NULL },
		{ "[IPv6:]", NULL },
		{ "[IPv6:192.0.2.1]", "192.0.2.1" },
	};
	struct dns_host hosts[2];
	struct result res;
	size_t i, n;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		restart();
		result_init(&res);
		ret = dns_mx(cases[i].domain, hosts, 2, &n, &res);
		assert_int_equal(script.queries, 0);
		if (cases[i].name != NULL) {
			assert_int_equal(ret, 0);
			assert_int_equal(n, 1);
			assert_string_equal(hosts[0].name, cases[i].name);
		} else {
			assert_int_equal(ret, -1);
			assert_int_equal(res.status, STATUS_FAILED);
			assert_string_equal(res.code, "5.1.2");
		}
		result_fini(&res);
	}
}

static void
test_mx_names(void **state)
{
	static const char label_of_64[] = "a12345678901234567890123456789"
	    "0123456789012345678901234567890123.org";
	static const char *const bad[] = {
		"", ".", "..", "a..b", ".a", "a b", "a\nb", "-a.org", "a/b",
		"m\xc3\xbcller.example", "10", "1.2.3", "a.0x1",
		label_of_64,
	};
	struct dns_host hosts[2];
	struct result res;
	char longest[300];
	size_t i, n;

	(void)state;
	for (i = 0; i < N(bad); i++) {
		restart();
		result_init(&res);
		assert_int_equal(dns_mx(bad[i], hosts, 2, &n, &res), -1);
		assert_int_equal(res.status, STATUS_FAILED);
		assert_string_equal(res.code, "5.1.2");
		assert_int_equal(script.queries, 0);
		result_fini(&res);
	}
	for (i = 0; i < sizeof(longest) - 1; i++)
		longest[i] = i % 2 == 0 ? 'a' : '.';
	result_init(&res);
	for (n = 252; n < 256; n++) {
		restart();
		script.mx_errno = NO_DATA;
		longest[n - 1] = 'a';
		longest[n] = '\0';
		i = 0;
		assert_int_equal(dns_mx(longest, hosts, 2, &i, &res),
		    n <= 253 ? 0 : -1);
		longest[n - 1] = n % 2 == 1 ? 'a' : '.';
	}
	result_fini(&res);
}

/* What the resolver's answer means for the mail. */
static void
test_mx_fates(void **state)
{
	static const struct {
		int		 error, oversized;
		struct mx	 in[3];
		enum status	 status;	/* SENT: hosts are found */
		const char	*code, *words;
	} cases[] = {
		{ 0, 0, { { 10, "mx>12" } }, STATUS_SENT, "",
		    "mx.example.org" },
		{ 0, 0, { { 0, NULL } }, STATUS_SENT, "", "example.org" },
		{ NO_DATA, 0, { { 0, NULL } }, STATUS_SENT, "", "example.org" },
		{ 0, 0, { { 0, "" } }, STATUS_FAILED, "5.1.10",
		    "example.org accepts no mail (null MX)" },
		{ 0, 0, { { 0, "*>12" } }, STATUS_DEFERRED, "4.4.3",
		    "malformed" },
		{ 0, 1, { { 10, "mx>12" } }, STATUS_DEFERRED, "4.4.3",
		    "name servers gave no usable answer" },
		{ HOST_NOT_FOUND, 0, { { 0, NULL } }, STATUS_FAILED, "5.1.2",
		    "domain example.org does not exist" },
		{ TRY_AGAIN, 0, { { 0, NULL } }, STATUS_DEFERRED, "4.4.3",
		    "MX of example.org: name servers gave no usable answer" },
		{ NO_RECOVERY, 0, { { 0, NULL } }, STATUS_DEFERRED, "4.4.3",
		    "MX of example.org: name servers gave no usable answer" },
	};
	struct packet *p = new_packet();
	struct dns_host hosts[4];
	struct result res;
	size_t i, n;
	int ret;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		restart();
		put_mxs(p, cases[i].in);
		script.mx = p;
		script.mx_errno = cases[i].error;
		script.oversized = cases[i].oversized;
		result_init(&res);
		ret = dns_mx("example.org.", hosts, 4, &n, &res);
		assert_string_equal(script.name, "example.org");
		assert_int_equal(ret, cases[i].status == STATUS_SENT ? 0 : -1);
		if (ret == 0) {
			assert_int_equal(n, 1);
			assert_string_equal(hosts[0].name, cases[i].words);
			result_fini(&res);
			continue;
		}
		assert_int_equal(n, 0);
		assert_int_equal(res.status, cases[i].status);
		assert_string_equal(res.code, cases[i].code);
		assert_non_null(strstr(res.reason, cases[i].words));
		result_fini(&res);
	}
	free(p);
}

static void
test_addrs(void **state)
{
	static const struct {
		const char *host, *in[ADDRS];
		size_t max;
		const char *out;
	} cases[] = {
		{ "mx.example.org", { "192.0.2.1" }, 4, "192.0.2.1 " },
		{ "mx.example.org.", { "192.0.2.1", "2001:db8::1" }, 4,
		    "192.0.2.1 2001:db8::1 " },
		{ "localhost", { "::1", "127.0.0.1" }, 4, "::1 127.0.0.1 " },
		{ "mx.example.org", { "2001:db8::1", "2001:db8::2",
		    "2001:db8::3", "192.0.2.1", "192.0.2.2" }, 16,
		    "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 "
		    "2001:db8::3 " },
		{ "mx.example.org", { "2001:db8::1", "2001:db8::2",
		    "2001:db8::3", "192.0.2.1" }, 2,
		    "2001:db8::1 192.0.2.1 " },
		{ "mx.example.org", { "192.0.2.1", "192.0.2.2",
		    "2001:db8::1" }, 2, "192.0.2.1 2001:db8::1 " },
		{ "mx.example.org", { "192.0.2.1", "192.0.2.1",
		    "2001:db8::1", "192.0.2.1", "192.0.2.2" }, 16,
		    "192.0.2.1 2001:db8::1 192.0.2.2 " },
		{ "192.0.2.7", { "192.0.2.7" }, 4, "192.0.2.7 " },
		{ "2001:db8::7", { "2001:db8::7" }, 4, "2001:db8::7 " },
		{ "fe80::1%lo", { "fe80::1" }, 4, "fe80::1 " },
	};
	struct dns_addr addrs[DNS_ADDRS_MAX];
	const struct sockaddr_in *four;
	struct buf text;
	struct result res;
	size_t i, j, n;

	(void)state;
	buf_init(&text, 0);
	for (i = 0; i < N(cases); i++) {
		restart();
		memcpy(script.addrs, cases[i].in, sizeof(script.addrs));
		result_init(&res);
		assert_int_equal(dns_addrs(cases[i].host, 587, addrs,
		    cases[i].max, &n, &res), 0);
		assert_string_equal(script.service, "587");
		assert_int_equal(script.lists, 0);
		assert_int_equal((script.flags & AI_NUMERICHOST) != 0,
		    strpbrk(cases[i].host, "7%") != NULL);
		buf_reset(&text);
		for (j = 0; j < n; j++) {
			buf_printf(&text, "%s ", addrs[j].text);
			four = (const void *)&addrs[j].ss;
			assert_int_equal(ntohs(four->sin_port), 587);
			assert_int_equal(addrs[j].len,
			    addrs[j].ss.ss_family == AF_INET ?
			    sizeof(*four) : sizeof(struct sockaddr_in6));
		}
		assert_string_equal(buf_str(&text), cases[i].out);
		result_fini(&res);
	}
	buf_fini(&text);
}

/* A full name is not looked for below the search list; a short one is. */
static void
test_addrs_search(void **state)
{
	static const struct { const char *host; int searched; } cases[] = {
		{ "mail", 1 },
		{ "mail.example.org", 0 },
		{ "mail", 1 },
	};
	struct dns_addr addrs[2];
	struct result res;
	size_t i, n;

	(void)state;
	result_init(&res);
	for (i = 0; i < N(cases); i++) {
		restart();
		script.addrs[0] = "192.0.2.1";
		assert_int_equal(dns_addrs(cases[i].host, 25, addrs, 2, &n,
		    &res), 0);
		assert_int_equal((script.options & RES_DNSRCH) != 0,
		    cases[i].searched);
		assert_int_equal((script.options & RES_DEFNAMES) != 0,
		    cases[i].searched);
	}
	result_fini(&res);
}

static void
test_addrs_fates(void **state)
{
	static const struct {
		const char	*host;
		int		 error, a, aaaa;
		enum status	 status;
		const char	*code;
	} cases[] = {
		{ "a.b", EAI_NONAME, HOST_NOT_FOUND, HOST_NOT_FOUND,
		    STATUS_FAILED, "5.4.4" },
		{ "a.b", EAI_NONAME, NO_DATA, NO_DATA, STATUS_FAILED, "5.4.4" },
		{ "a.b", EAI_NODATA, NO_DATA, NO_DATA, STATUS_FAILED, "5.4.4" },
		/* The system says no, a name server does not. */
		{ "a.b", EAI_NONAME, NO_DATA, TRY_AGAIN, STATUS_DEFERRED,
		    "4.4.3" },
		{ "a.b", EAI_NONAME, TRY_AGAIN, NO_DATA, STATUS_DEFERRED,
		    "4.4.3" },
		{ "a.b", EAI_NONAME, 0, NO_DATA, STATUS_DEFERRED, "4.4.3" },
		{ "a.b", EAI_NONAME, NO_RECOVERY, NO_RECOVERY, STATUS_DEFERRED,
		    "4.4.3" },
		{ "a.b", EAI_AGAIN, NO_DATA, NO_DATA, STATUS_DEFERRED,
		    "4.4.3" },
		{ "a.b", EAI_FAIL, NO_DATA, NO_DATA, STATUS_DEFERRED, "4.4.3" },
		{ "a.b", EAI_SYSTEM, NO_DATA, NO_DATA, STATUS_DEFERRED,
		    "4.4.3" },
		{ "a.b", EAI_MEMORY, NO_DATA, NO_DATA, STATUS_DEFERRED,
		    "4.4.3" },
		{ "::1", EAI_NONAME, NO_DATA, NO_DATA, STATUS_DEFERRED,
		    "4.4.3" },
		/* never asked */
		{ "127.1", 0, 0, 0, STATUS_FAILED, "5.4.4" },
		{ "0x7f.1", 0, 0, 0, STATUS_FAILED, "5.4.4" },
		{ "0x7f000001", 0, 0, 0, STATUS_FAILED, "5.4.4" },
		{ "2130706433", 0, 0, 0, STATUS_FAILED, "5.4.4" },
		{ "a b", 0, 0, 0, STATUS_FAILED, "5.4.4" },
		{ "", 0, 0, 0, STATUS_FAILED, "5.4.4" },
		{ "[::1]", 0, 0, 0, STATUS_FAILED, "5.4.4" },
	};
	struct dns_addr addrs[2];
	struct result res;
	size_t i, n;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		restart();
		script.gai_error = cases[i].error;
		script.a_errno = cases[i].a;
		script.aaaa_errno = cases[i].aaaa;
		result_init(&res);
		assert_int_equal(dns_addrs(cases[i].host, 25, addrs, 2, &n,
		    &res), -1);
		assert_int_equal(n, 0);
		if (res.status != cases[i].status ||
		    strcmp(res.code, cases[i].code) != 0)
			fail_msg("case %zu: %s %s", i, res.code, res.reason);
		assert_int_equal(script.service[0] != '\0',
		    cases[i].error != 0);
		result_fini(&res);
	}
}

static void
put_srv(struct packet *p, unsigned priority, unsigned weight, unsigned port,
    const char *target)
{
	size_t at;

	put_name(p, ">12");
	put16(p, SRV);
	put16(p, 1);
	put16(p, 0);
	put16(p, 300);
	at = p->len;
	put16(p, 0);
	put16(p, priority);
	put16(p, weight);
	put16(p, port);
	put_name(p, target);
	p->data[at + 1] = (uint8_t)(p->len - at - 2);
}

static void
test_read_srv(void **state)
{
	struct packet *p = new_packet();
	struct dns_host hosts[4];
	uint8_t *exact;
	int is_null;
	size_t len;

	(void)state;
	begin(p, 4, "example.org");
	put_srv(p, 20, 0, 587, "c>12");
	put_srv(p, 10, 3, 465, "a>12");
	put_srv(p, 10, 70, 4650, "a>12");
	put_srv(p, 20, 1, 0, "zero>12");	/* no port: no host */
	for (len = 0; len <= p->len; len++) {
		exact = malloc(len == 0 ? 1 : len);
		assert_non_null(exact);
		memcpy(exact, p->data, len);
		assert_int_equal(dns_read_hosts(ns_t_srv, exact, len,
		    hosts, 4, &is_null),
		    len == p->len ? 3 : -1);
		free(exact);
	}
	assert_string_equal(hosts[0].name, "a.example.org");
	assert_int_equal(hosts[0].port, 465);
	assert_int_equal(hosts[0].weight, 3);
	assert_int_equal(hosts[1].port, 4650);
	assert_int_equal(hosts[1].weight, 70);
	assert_int_equal(hosts[2].preference, 20);
	assert_int_equal(dns_read_hosts(ns_t_mx, p->data, p->len,
	    hosts, 4, &is_null), 0);

	begin(p, 1, "example.org");
	put_srv(p, 0, 0, 0, "");
	assert_int_equal(dns_read_hosts(ns_t_srv, p->data, p->len,
	    hosts, 4, &is_null), 0);
	assert_int_equal(is_null, 1);
	free(p);
}

static void
test_srv(void **state)
{
	static const struct {
		const char *domain;
		int is_tls, error;
		const char *target, *asked;
		enum status status;		/* SENT: it is found */
		const char *code;
	} cases[] = {
		{ "example.org", 1, 0, "a>12",
		    "_submissions._tcp.example.org", STATUS_SENT, "" },
		{ "example.org", 0, 0, "a>12",
		    "_submission._tcp.example.org", STATUS_SENT, "" },
		{ "example.org", 0, 0, "", "_submission._tcp.example.org",
		    STATUS_FAILED, "5.4.4" },
		{ "example.org", 1, NO_DATA, "a",
		    "_submissions._tcp.example.org", STATUS_FAILED, "5.4.4" },
		{ "example.org", 1, HOST_NOT_FOUND, "a",
		    "_submissions._tcp.example.org", STATUS_FAILED, "5.4.4" },
		{ "example.org", 1, TRY_AGAIN, "a",
		    "_submissions._tcp.example.org", STATUS_DEFERRED, "4.4.3" },
		{ "example.org", 1, 0, "a b",
		    "_submissions._tcp.example.org", STATUS_DEFERRED, "4.4.3" },
		{ "a b", 1, 0, "a", NULL, STATUS_FAILED, "5.1.2" },
		{ "", 1, 0, "a", NULL, STATUS_FAILED, "5.1.2" },
	};
	struct packet *p = new_packet();
	struct dns_host hosts[4];
	struct reply replies[2];
	struct result res;
	size_t i, n;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		restart();
		memset(replies, 0, sizeof(replies));
		begin(p, 1, "example.org");
		put_srv(p, 1, 2, 587, cases[i].target);
		replies[0].name = cases[i].asked;
		replies[0].type = SRV;
		replies[0].error = cases[i].error;
		replies[0].packet = p;
		replies[0].is_secure = cases[i].is_tls;
		script.replies = replies;
		result_init(&res);
		assert_int_equal(dns_srv(cases[i].domain, cases[i].is_tls,
		    hosts, 4, &n, &res), cases[i].status == STATUS_SENT ? 0 :
		    -1);
		assert_int_equal(n, cases[i].status == STATUS_SENT);
		assert_string_equal(res.code, cases[i].code);
		if (cases[i].status == STATUS_SENT)
			assert_int_equal(hosts[0].is_secure, cases[i].is_tls);
		else
			assert_int_equal(res.status, cases[i].status);
		result_fini(&res);
	}
	free(p);
}

static void
put_tlsa(struct packet *p, int usage, int selector, int matching, size_t len)
{
	uint8_t head[3] = { (uint8_t)usage, (uint8_t)selector,
	    (uint8_t)matching };

	put_name(p, ">12");
	put16(p, TLSA);
	put16(p, 1);
	put16(p, 0);
	put16(p, 300);
	put16(p, (unsigned)(sizeof(head) + len));
	put(p, head, sizeof(head));
	for (; len > 0; len--)
		put(p, "x", 1);
}

static void
test_read_tlsa(void **state)
{
	static const struct {
		int usage, selector, matching;
		size_t len;
		int is_usable;
	} cases[] = {
		{ 3, 1, 1, 32, 1 }, { 3, 0, 1, 32, 1 }, { 2, 0, 1, 32, 1 },
		{ 2, 1, 2, 64, 1 }, { 3, 1, 0, 1, 1 }, { 3, 0, 0, 3000, 1 },
		/* of public authorities: not for SMTP */
		{ 0, 0, 1, 32, 0 }, { 1, 1, 1, 32, 0 }, { 4, 1, 1, 32, 0 },
		{ 3, 2, 1, 32, 0 }, { 3, 1, 3, 32, 0 }, { 255, 0, 1, 32, 0 },
		/* no digest of that length */
		{ 3, 1, 1, 31, 0 }, { 3, 1, 1, 33, 0 }, { 3, 1, 2, 32, 0 },
		{ 3, 1, 0, 0, 0 },
	};
	struct packet *p = new_packet();
	struct tlsas t;
	uint8_t *exact;
	size_t i, len;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(p, 1, "example.org");
		put_tlsa(p, cases[i].usage, cases[i].selector,
		    cases[i].matching, cases[i].len);
		memset(&t, 0, sizeof(t));
		assert_int_equal(dns_read_tlsa(p->data, p->len, &t), 1);
		assert_int_equal(t.n, cases[i].is_usable);
		if (t.n == 1) {
			assert_int_equal(t.list[0].usage, cases[i].usage);
			assert_int_equal(t.list[0].len, cases[i].len);
			assert_int_equal(t.data[t.list[0].at], 'x');
		}
		free(t.data);
	}
	begin(p, 2, "example.org");
	put_tlsa(p, 3, 1, 1, 32);
	put_tlsa(p, 2, 0, 2, 64);
	for (len = 0; len <= p->len; len++) {
		exact = malloc(len == 0 ? 1 : len);
		assert_non_null(exact);
		memcpy(exact, p->data, len);
		memset(&t, 0, sizeof(t));
		assert_int_equal(dns_read_tlsa(exact, len, &t),
		    len == p->len ? 2 : -1);
		free(exact);
		free(t.data);
	}
	assert_int_equal(t.list[1].at, 32);
	for (i = TLSA_MAX; i <= TLSA_MAX + 1; i++) {
		begin(p, (unsigned)i, "example.org");
		for (len = 0; len < i; len++)
			put_tlsa(p, 3, 1, 1, 32);
		memset(&t, 0, sizeof(t));
		assert_int_equal(dns_read_tlsa(p->data, p->len, &t),
		    i == TLSA_MAX ? TLSA_MAX : -1);
		free(t.data);
	}
	free(p);
}

static void
test_read_alias(void **state)
{
	static const struct {
		const char *from, *to, *name;	/* NULL: malformed */
	} cases[] = {
		{ "mx.example.org", "a.example.net", "a.example.net" },
		{ "MX.example.org", "a.example.net", "a.example.net" },
		{ "other.example.org", "a.example.net", "mx.example.org" },
		{ "mx.example.org", "a b", NULL },
		{ "mx.example.org", "", NULL },
	};
	struct packet *p = new_packet();
	char name[256];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		begin(p, 1, "mx.example.org");
		put_record(p, cases[i].from, CNAME, -1, cases[i].to);
		memcpy(name, "mx.example.org", 15);
		assert_int_equal(dns_read_alias(p->data, p->len, name),
		    cases[i].name == NULL ? -1 : 0);
		if (cases[i].name != NULL)
			assert_string_equal(name, cases[i].name);
	}
	free(p);
}

/* The host mx.example.org, perhaps an alias of a.example.net. */
static const struct tlsa_case {
	int host_error, host_secure;	/* its address */
	int is_alias, alias_secure;	/* of the alias itself */
	int error[2], secure[2], n[2];	/* TLSA of a.example.net, of the host */
	int ret;
	const char *base;		/* NULL: no records that count */
} tlsa_cases[] = {
	{ 0, 1, 0, 0, { 0, 0 }, { 0, 1 }, { 0, 1 }, 0, "mx.example.org" },
	{ 0, 1, 0, 0, { 0, 0 }, { 0, 0 }, { 0, 1 }, 0, NULL },
	{ 0, 1, 0, 0, { 0, NO_DATA }, { 0, 1 }, { 0, 0 }, 0, NULL },
	{ 0, 1, 0, 0, { 0, HOST_NOT_FOUND }, { 0, 1 }, { 0, 0 }, 0, NULL },
	{ 0, 1, 0, 0, { 0, TRY_AGAIN }, { 0, 0 }, { 0, 0 }, -1, NULL },
	{ 0, 1, 0, 0, { 0, NO_RECOVERY }, { 0, 0 }, { 0, 0 }, -1, NULL },
	/* the address is not signed: nobody is asked */
	{ 0, 0, 0, 0, { 0, -1 }, { 0, 1 }, { 0, 1 }, 0, NULL },
	{ TRY_AGAIN, 0, 0, 0, { 0, -1 }, { 0, 1 }, { 0, 1 }, -1, NULL },
	{ HOST_NOT_FOUND, 0, 0, 0, { 0, -1 }, { 0, 1 }, { 0, 1 }, 0, NULL },
	/* an alias, all of it signed: where it leads to, then itself */
	{ 0, 1, 1, 1, { 0, -1 }, { 1, 1 }, { 1, 1 }, 0, "a.example.net" },
	{ 0, 1, 1, 1, { NO_DATA, 0 }, { 1, 1 }, { 0, 1 }, 0,
	    "mx.example.org" },
	{ 0, 1, 1, 1, { TRY_AGAIN, -1 }, { 1, 1 }, { 0, 1 }, -1, NULL },
	/* the alias alone is signed, or nothing */
	{ 0, 0, 1, 1, { -1, 0 }, { 0, 1 }, { 0, 1 }, 0, "mx.example.org" },
	{ 0, 0, 1, 0, { -1, -1 }, { 0, 1 }, { 0, 1 }, 0, NULL },
};

static void
test_tlsa(void **state)
{
	static const char *const names[2] = { "_25._tcp.a.example.net",
	    "_25._tcp.mx.example.org" };
	struct packet *host = new_packet(), *some[2];
	struct reply replies[6];
	const struct tlsa_case *c;
	struct tlsas *t;
	struct result res;
	size_t i, j, n;

	(void)state;
	some[0] = new_packet();
	some[1] = new_packet();
	for (i = 0; i < N(tlsa_cases); i++) {
		c = &tlsa_cases[i];
		restart();
		memset(replies, 0, sizeof(replies));
		begin(host, 1, "mx.example.org");
		put_record(host, ">12", c->is_alias ? CNAME : A, -1,
		    c->is_alias ? "a.example.net" : "abc");
		replies[0] = (struct reply){ "mx.example.org", A,
		    c->host_error, c->host_secure, host };
		replies[1] = (struct reply){ "mx.example.org", CNAME, 0,
		    c->alias_secure, host };
		n = 2;
		for (j = 0; j < 2; j++) {
			begin(some[j], (unsigned)c->n[j], "x");
			if (c->n[j] > 0)
				put_tlsa(some[j], 3, 1, 1, 32);
			/* -1: never asked; the look-up would fail the test */
			if (c->error[j] != -1)
				replies[n++] = (struct reply){ names[j], TLSA,
				    c->error[j], c->secure[j], some[j] };
		}
		script.replies = replies;
		result_init(&res);
		print_message("case %zu\n", i);
		assert_int_equal(dns_tlsa("mx.example.org.", 25, &t, &res),
		    c->ret);
		if (c->ret == -1) {
			assert_int_equal(res.status, STATUS_DEFERRED);
			assert_string_equal(res.code, "4.7.5");
		}
		assert_int_equal(t != NULL, c->base != NULL);
		if (t != NULL)
			assert_string_equal(t->base, c->base);
		tlsas_free(tlsas_hold(t));
		tlsas_free(t);
		result_fini(&res);
	}
	free(host);
	free(some[0]);
	free(some[1]);
}

/*
 * Whoever can make an answer fail or spoil it must not have mail sent without
 * the check that the domain asks for.
 */
static void
test_tlsa_that_cannot_be_read_defers(void **state)
{
	enum packet_kind { NONE, GOOD, BAD, ALIAS };
	static const struct {
		struct { int error, secure; enum packet_kind kind; } a, aaaa,
		    cname, tlsa;
		int ret;
	} cases[] = {
		/* Of IPv6 alone. */
		{ { NO_DATA, 1, NONE }, { 0, 1, GOOD }, { 0, 0, NONE },
		    { 0, 1, GOOD }, 0 },
		{ { NO_DATA, 1, NONE }, { TRY_AGAIN, 0, NONE }, { 0, 0, NONE },
		    { 0, 1, GOOD }, -1 },
		{ { 0, 1, BAD }, { 0, 0, NONE }, { 0, 0, NONE },
		    { 0, 1, GOOD }, -1 },
		{ { 0, 0, ALIAS }, { 0, 0, NONE }, { TRY_AGAIN, 0, NONE },
		    { 0, 1, GOOD }, -1 },
		{ { 0, 1, GOOD }, { 0, 0, NONE }, { 0, 0, NONE },
		    { 0, 1, BAD }, -1 },
	};
	static const char host[] = "mx.example.org";
	struct packet *good = new_packet(), *bad = new_packet();
	struct packet *alias = new_packet(), *tlsa = new_packet();
	struct packet *packets[] = { NULL, good, bad, alias };
	struct tlsas *t;
	struct result res;
	size_t i;

	(void)state;
	begin(good, 1, host);
	put_record(good, ">12", A, -1, "abc");
	begin(bad, 1, host);
	begin(alias, 1, host);
	put_record(alias, ">12", CNAME, -1, "a.example.net");
	begin(tlsa, 1, "x");
	put_tlsa(tlsa, 3, 1, 1, 32);
	for (i = 0; i < N(cases); i++) {
		struct reply replies[] = {
			{ host, A, cases[i].a.error, cases[i].a.secure,
			    packets[cases[i].a.kind] },
			{ host, AAAA, cases[i].aaaa.error,
			    cases[i].aaaa.secure,
			    packets[cases[i].aaaa.kind] },
			{ host, CNAME, cases[i].cname.error,
			    cases[i].cname.secure,
			    packets[cases[i].cname.kind] },
			{ "_25._tcp.mx.example.org", TLSA, cases[i].tlsa.error,
			    cases[i].tlsa.secure, cases[i].tlsa.kind == BAD ?
			    bad : tlsa },
			{ NULL, 0, 0, 0, NULL }
		};

		restart();
		script.replies = replies;
		result_init(&res);
		print_message("case %zu\n", i);
		assert_int_equal(dns_tlsa(host, 25, &t, &res), cases[i].ret);
		assert_int_equal(t != NULL, cases[i].ret == 0);
		if (cases[i].ret == -1)
			assert_string_equal(res.code, "4.7.5");
		tlsas_free(t);
		result_fini(&res);
	}
	free(good);
	free(bad);
	free(alias);
	free(tlsa);
}

/* Whose word on DNSSEC is taken. */
static void
test_trust(void **state)
{
	static const struct {
		const char *server;
		unsigned long trust;
		int is_secure;
	} cases[] = {
		{ "127.0.0.1", 0, 1 },
		{ "127.0.0.53", 0, 1 },
		{ "::1", 0, 1 },
		{ "192.0.2.1", 0, 0 },
		{ "2001:db8::1", 0, 0 },
		{ "192.0.2.1", RES_TRUSTAD, 1 },
	};
	struct reply replies[2] = { { "example.org", MX, NO_DATA, 1, NULL },
	    { NULL, 0, 0, 0, NULL } };
	struct dns_host hosts[2];
	struct result res;
	size_t i, n;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		restart();
		script.replies = replies;
		script.server = cases[i].server;
		script.trust = cases[i].trust;
		result_init(&res);
		assert_int_equal(dns_mx("example.org", hosts, 2, &n, &res), 0);
		assert_int_equal(hosts[0].is_secure, cases[i].is_secure);
		result_fini(&res);
	}
}

static void
test_self(void **state)
{
	static const struct { const char *text; int is_self; } cases[] = {
		{ "127.0.0.1", 1 },
		{ "::ffff:127.0.0.1", 1 },
		{ "0.0.0.0", 1 },
		{ "::", 1 },
		{ "::ffff:0.0.0.0", 1 },
		{ "192.0.2.77", 0 },
		{ "2001:db8::77", 0 },
	};
	struct sockaddr_in6 *six;
	struct sockaddr_in *four;
	struct dns_addr addr;
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++) {
		memset(&addr, 0, sizeof(addr));
		four = (void *)&addr.ss;
		six = (void *)&addr.ss;
		four->sin_family = AF_INET;
		if (inet_pton(AF_INET, cases[i].text, &four->sin_addr) != 1) {
			six->sin6_family = AF_INET6;
			inet_pton(AF_INET6, cases[i].text, &six->sin6_addr);
		}
		assert_int_equal(dns_is_self(&addr), cases[i].is_self);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_cname),
		cmocka_unit_test(test_read_many),
		cmocka_unit_test(test_read_cut),
		cmocka_unit_test(test_read_bad),
		cmocka_unit_test(test_read_loops),
		cmocka_unit_test(test_mx_literals),
		cmocka_unit_test(test_mx_names),
		cmocka_unit_test(test_mx_fates),
		cmocka_unit_test(test_read_srv),
		cmocka_unit_test(test_srv),
		cmocka_unit_test(test_read_tlsa),
		cmocka_unit_test(test_read_alias),
		cmocka_unit_test(test_tlsa),
		cmocka_unit_test(test_tlsa_that_cannot_be_read_defers),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_addrs),
		cmocka_unit_test(test_addrs_search),
		cmocka_unit_test(test_addrs_fates),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
