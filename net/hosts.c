/*
 * hosts.c - the hosts of one destination, in order.
 * Runs as: the spool user, in dma-remote.  Uses: nothing; look-ups
 * are passed in.
 * Promise: a host that failed is not asked again for a while, whatever the
 * number of messages; a relay's own trouble is never the mail's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/local_names.h"
#include "lib/buf.h"
#include "net/hosts.h"

#define SKIP_MAX	10000	/* attempts that are skipped */
#define WEIGHT_UNIT	100	/* a weight of 1 beside one of 0 */

int
hosts_init(struct hosts *h, const struct conf *conf,
    const struct relays *relays, const char *domain,
    const struct hosts_lookup *lookup)
{
	memset(h, 0, sizeof(*h));
	result_init(&h->reason);
	h->conf = conf;
	h->relays = relays;
	h->lookup = lookup;
	return text_copy(h->domain, sizeof(h->domain), domain);
}

static void
empty_host(struct mail_host *p)
{
	free(p->addresses);
	tlsas_free(p->tlsas);
	p->addresses = NULL;
	p->naddresses = 0;
	p->tlsas = NULL;
}

static void
drop_hosts(struct mail_host *list, size_t n)
{
	while (n > 0)
		empty_host(&list[--n]);
}

void
hosts_fini(struct hosts *h)
{
	drop_hosts(h->list, h->nhosts);
	free(h->list);
	result_fini(&h->reason);
	memset(h, 0, sizeof(*h));
}

/* A passing trouble outweighs a lasting one: the host may come back. */
static void
note(struct hosts *h, const struct result *reason)
{
	if (h->reason.status == STATUS_DEFERRED &&
	    reason->status == STATUS_FAILED)
		return;
	result_copy(&h->reason, reason);
	if (h->domain[0] == '\0')
		result_defer(&h->reason);
}

/* 1. Names. */

/* A list of hosts that is being made. */
struct host_list {
	struct mail_host	*list;	/* room for HOSTS_MAX */
	size_t		 n;
	unsigned	 rank;		/* the next */
};

static struct mail_host *
add_host(struct host_list *l, const char *name, uint16_t port)
{
	struct mail_host *p;

	if (l->n == HOSTS_MAX)
		return NULL;
	p = &l->list[l->n];
	memset(p, 0, sizeof(*p));
	if (text_copy(p->name, sizeof(p->name), name) == -1)
		return NULL;
	p->port = port;
	p->rank = l->rank;
	l->n++;
	return p;
}

/* Those that a look-up found, best first; more than there is room: left out. */
static void
add_found(struct hosts *h, struct host_list *l, const struct relay *relay,
    int is_tls_first, const struct dns_host *found, size_t n)
{
	uint16_t port = relay != NULL && relay->port != 0 ? relay->port :
	    h->relays->port;
	struct mail_host *p;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i > 0 && found[i].preference != found[i - 1].preference)
			l->rank++;
		p = add_host(l, found[i].name,
		    found[i].port != 0 ? found[i].port : port);
		if (p == NULL)
			break;
		p->weight = found[i].weight;
		p->relay = relay;
		p->is_secure = found[i].is_secure;
		p->is_tls_first = is_tls_first;
	}
	l->rank++;
}

/*
 * Those better than this host, where it is one of them (RFC 5321 5.1): mail
 * for the others would only come back.  0, -1 when it is the best itself.
 */
static int
cut_at_self(const struct hosts *h, const struct dns_host *found, size_t *n)
{
	size_t better, i;

	for (i = 0; i < *n; i++)
		if (names_is_host(&h->conf->names, found[i].name))
			break;
	if (i == *n)
		return 0;
	for (better = 0; found[better].preference < found[i].preference; )
		better++;
	*n = better;
	return better == 0 ? -1 : 0;
}

static int
is_self(const struct hosts *h, struct result *res)
{
	return result_set(res, STATUS_FAILED, "5.4.6",
	    "mail for %s loops back to this host", h->domain);
}

static int
find_mx(struct hosts *h, struct host_list *l, const struct relay *relay,
    struct result *res)
{
	struct dns_host found[DNS_HOSTS_MAX];
	size_t n = 0;

	if (h->lookup->mx(relay == NULL ? h->domain : relay->host, found,
	    DNS_HOSTS_MAX, &n, res) == -1)
		return -1;
	if (relay == NULL && cut_at_self(h, found, &n) == -1)
		return is_self(h, res);
	add_found(h, l, relay, 0, found, n);
	return 0;
}

/* TLS before the greeting comes first (RFC 8314 5.1). */
static int
find_srv(struct hosts *h, struct host_list *l, const struct relay *relay,
    struct result *res)
{
	struct dns_host found[DNS_HOSTS_MAX];
	struct result first;
	size_t n = 0;
	int was_found, ret;

	result_init(&first);
	was_found = h->lookup->srv(relay->host, 1, found, DNS_HOSTS_MAX, &n,
	    &first) == 0;
	if (was_found)
		add_found(h, l, relay, 1, found, n);
	ret = h->lookup->srv(relay->host, 0, found, DNS_HOSTS_MAX, &n, res);
	if (ret == 0)
		add_found(h, l, relay, 0, found, n);
	else if (first.status == STATUS_DEFERRED)
		result_copy(res, &first);
	result_fini(&first);
	return was_found ? 0 : ret;
}

/* A look-up that failed for now changes nothing about what is known. */
static void
keep_known(struct hosts *h, struct host_list *l, const struct relay *relay)
{
	struct mail_host *old;
	size_t i, first = l->n;

	for (i = 0; i < h->nhosts && l->n < HOSTS_MAX; i++) {
		old = &h->list[i];
		if (old->relay != relay)
			continue;
		if (l->n > first && old->rank != h->list[i - 1].rank)
			l->rank++;
		l->list[l->n] = *old;
		l->list[l->n++].rank = l->rank;
		old->addresses = NULL;
		old->tlsas = NULL;
	}
	l->rank++;
}

/* One entry of SMARTHOST, or (NULL) the domain: 0, -1 to ask again soon. */
static int
find_names(struct hosts *h, struct host_list *l, const struct relay *relay)
{
	struct result res;
	struct mail_host *p;
	int ret;

	if (relay != NULL && relay->kind == RELAY_HOST) {
		p = add_host(l, relay->host,
		    relay->port != 0 ? relay->port : h->relays->port);
		l->rank++;
		if (p != NULL) {
			p->relay = relay;
			p->is_secure = 1;
		}
		return 0;
	}
	result_init(&res);
	ret = relay != NULL && relay->kind == RELAY_SRV ?
	    find_srv(h, l, relay, &res) : find_mx(h, l, relay, &res);
	if (ret == -1 && res.status == STATUS_DEFERRED)
		keep_known(h, l, relay);
	/* What is said of a whole domain outweighs what hosts had to say. */
	if (ret == -1 && relay == NULL)
		result_copy(&h->reason, &res);
	else if (ret == -1)
		note(h, &res);
	result_fini(&res);
	return ret;
}

/* What is known of a name's addresses goes on to its new entry. */
static void
take_over(struct hosts *h, struct mail_host *p)
{
	struct mail_host *old;
	size_t i;

	for (i = 0; i < h->nhosts; i++) {
		old = &h->list[i];
		if (p->addresses != NULL || old->addresses == NULL ||
		    old->port != p->port ||
		    old->is_secure != p->is_secure ||
		    text_casecmp(old->name, p->name) != 0)
			continue;
		p->addresses = old->addresses;
		p->naddresses = old->naddresses;
		p->tlsas = old->tlsas;
		p->stale_ms = old->stale_ms;
		old->addresses = NULL;
		old->tlsas = NULL;
		return;
	}
}

static void
find_places(struct hosts *h, int64_t now_ms)
{
	const struct relays *relays = h->relays;
	struct host_list l = { NULL, 0, 0 };
	int is_lacking = 0;
	size_t i;

	l.list = calloc(HOSTS_MAX, sizeof(*l.list));
	if (l.list == NULL) {
		h->stale_ms = now_ms + HOSTS_DEAD_MS;
		result_set(&h->reason, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
		return;
	}
	if (h->domain[0] != '\0')
		is_lacking = find_names(h, &l, NULL) == -1;
	else if (relays->n == 0)
		result_set(&h->reason, STATUS_DEFERRED, "4.3.5",
		    "no SMARTHOST is configured");
	else for (i = 0; i < relays->n; i++)
		is_lacking |= find_names(h, &l, &relays->list[i]) == -1;
	for (i = 0; i < l.n; i++)
		take_over(h, &l.list[i]);
	drop_hosts(h->list, h->nhosts);
	free(h->list);
	h->list = l.list;
	h->nhosts = l.n;
	h->stale_ms = now_ms +
	    (is_lacking || l.n == 0 ? HOSTS_DEAD_MS : HOSTS_FRESH_MS);
}

/* 2. Addresses. */

/*
 * This host and those that are no better leave the list: see cut_at_self().
 * One that is as good may have been chosen before that was known.
 */
static void
leave_self(struct hosts *h, const struct mail_host *p)
{
	unsigned rank = p->rank;
	struct result res;

	while (h->nhosts > 0 && h->list[h->nhosts - 1].rank >= rank)
		empty_host(&h->list[--h->nhosts]);
	result_init(&res);
	is_self(h, &res);
	note(h, &res);
	result_fini(&res);
}

static int
has_self(const struct hosts *h, const struct mail_host *p)
{
	size_t i;

	if (p->relay != NULL || h->domain[0] == '[')
		return 0;
	for (i = 0; i < p->naddresses; i++)
		if (h->lookup->is_self(&p->addresses[i].addr))
			return 1;
	return 0;
}

/* Has to be known before anything is sent: it may call for TLS. */
static int
find_tlsas(struct hosts *h, struct mail_host *p, struct result *res)
{
	tlsas_free(p->tlsas);
	p->tlsas = NULL;
	if (!h->conf->tls.is_dane || h->conf->tls.policy == TLS_OFF ||
	    !p->is_secure)
		return 0;
	return h->lookup->tlsa(p->name, p->port, &p->tlsas, res);
}

/* Recent failures of an address are kept when it is looked up again. */
static void
keep_rest(struct address *s, const struct address *old)
{
	s->dead_until_ms = old->dead_until_ms;
	s->is_skipped = old->is_skipped;
}

static int
find_addrs(struct hosts *h, struct mail_host *p, struct result *res)
{
	struct dns_addr found[DNS_ADDRS_MAX];
	struct address *addresses, *old;
	size_t i, j, n = 0;

	if (find_tlsas(h, p, res) == -1 || h->lookup->addrs(p->name, p->port,
	    found, DNS_ADDRS_MAX, &n, res) == -1)
		return -1;
	addresses = calloc(n, sizeof(*addresses));
	if (addresses == NULL)
		return result_set(res, STATUS_DEFERRED, "4.3.0",
		    "out of memory");
	for (i = 0; i < n; i++) {
		addresses[i].addr = found[i];
		for (j = 0; j < p->naddresses; j++) {
			old = &p->addresses[j];
			if (strcmp(old->addr.text, found[i].text) == 0)
				keep_rest(&addresses[i], old);
		}
	}
	free(p->addresses);
	p->addresses = addresses;
	p->naddresses = n;
	return 0;
}

/* 0 when the host has addresses now. */
static int
find_addresses(struct hosts *h, struct mail_host *p, int64_t now_ms)
{
	struct result res;

	result_init(&res);
	if (find_addrs(h, p, &res) == -1) {
		note(h, &res);
		empty_host(p);
		p->dead_until_ms = now_ms + HOSTS_DEAD_MS;
		snprintf(p->trouble, sizeof(p->trouble), "%s",
		    res.reason == NULL ? "" : res.reason);
		result_fini(&res);
		return -1;
	}
	result_fini(&res);
	p->stale_ms = now_ms + HOSTS_FRESH_MS;
	if (!has_self(h, p))
		return 0;
	leave_self(h, p);
	return -1;
}

/* 3. Choices. */

/* What a choice goes by. */
struct view {
	size_t		 from;		/* the first host that counts */
	int		 is_mixed;	/* the first in order will do */
	int64_t		 now_ms;
};

static int
is_known(const struct mail_host *p, const struct view *v)
{
	return p->addresses != NULL && v->now_ms < p->stale_ms;
}

/* The first address of a host that can be tried, if its addresses are known. */
static struct address *
live_address(const struct mail_host *p, const struct view *v)
{
	size_t i;

	for (i = 0; i < p->naddresses; i++)
		if (v->now_ms >= p->addresses[i].dead_until_ms)
			return &p->addresses[i];
	return NULL;
}

/* One that may have such an address, as far as is known. */
static int
is_live(const struct mail_host *p, const struct view *v)
{
	return v->now_ms >= p->dead_until_ms &&
	    (!is_known(p, v) || live_address(p, v) != NULL);
}

/* Addresses that did not work lately. */
static size_t
count_dead(const struct hosts *h, const struct view *v)
{
	size_t i, j, n = 0;

	for (i = v->from; i < h->nhosts; i++)
		for (j = 0; j < h->list[i].naddresses; j++)
			n += v->now_ms <
			    h->list[i].addresses[j].dead_until_ms &&
			    !h->list[i].addresses[j].is_skipped;
	return n;
}

/* Of a rank's load; a weight of 0 has a small one (RFC 2782). */
static uint32_t
share_of(const struct mail_host *p)
{
	return p->weight * WEIGHT_UNIT + 1;
}

/*
 * One of those of a rank that are live, by their shares; or NULL.  Where some
 * of the rank are left out it is the first, as so none is passed over.
 */
static struct mail_host *
choose(struct hosts *h, size_t first, size_t end, const struct view *v)
{
	uint32_t sum = 0, at;
	size_t i;

	for (i = first; i < end; i++)
		if (is_live(&h->list[i], v))
			sum += share_of(&h->list[i]);
	if (sum == 0)
		return NULL;
	at = v->is_mixed || (first > 0 &&
	    h->list[first - 1].rank == h->list[first].rank) ?
	    0 : h->lookup->random(sum);
	for (i = first; i < end; i++) {
		if (!is_live(&h->list[i], v))
			continue;
		if (at < share_of(&h->list[i]))
			return &h->list[i];
		at -= share_of(&h->list[i]);
	}
	return NULL;
}

static size_t
end_of_rank(const struct hosts *h, size_t first)
{
	size_t end;

	for (end = first; end < h->nhosts; end++)
		if (h->list[end].rank != h->list[first].rank)
			break;
	return end;
}

static struct mail_host *
pick(struct hosts *h, const struct view *v)
{
	struct mail_host *p;
	size_t end, first;

	for (first = v->from; first < h->nhosts; first = end) {
		for (;;) {
			end = end_of_rank(h, first);
			p = choose(h, first, end, v);
			if (p == NULL)
				break;
			/* That may find it dead, or cut the list. */
			if ((is_known(p, v) ||
			    find_addresses(h, p, v->now_ms) == 0) &&
			    live_address(p, v) != NULL)
				return p;
		}
	}
	return NULL;
}

/* 1 when there is one besides that host. */
static int
has_live(const struct hosts *h, const struct mail_host *but,
    const struct view *v)
{
	size_t i;

	for (i = v->from; i < h->nhosts; i++)
		if (&h->list[i] != but && is_live(&h->list[i], v))
			return 1;
	return 0;
}

/* 1 when there is nowhere to go on to from there. */
static int
is_last(const struct hosts *h, const struct mail_host *p,
    const struct address *s, const struct view *v)
{
	size_t i;

	if (has_live(h, p, v))
		return 0;
	for (i = 0; i < p->naddresses; i++)
		if (&p->addresses[i] != s &&
		    v->now_ms >= p->addresses[i].dead_until_ms)
			return 0;
	return 1;
}

/* Each rank in an order of chance, by the shares. */
static void
mix(struct hosts *h)
{
	struct mail_host swap;
	size_t end, i, j;
	uint32_t at, sum;

	for (i = 0; i < h->nhosts; i++) {
		end = end_of_rank(h, i);
		for (sum = 0, j = i; j < end; j++)
			sum += share_of(&h->list[j]);
		at = h->lookup->random(sum);
		for (j = i; at >= share_of(&h->list[j]); j++)
			at -= share_of(&h->list[j]);
		swap = h->list[i];
		h->list[i] = h->list[j];
		h->list[j] = swap;
	}
}

void
hosts_mix(struct hosts *h)
{
	h->must_mix = 1;
}

static const char *
looked_up(const struct hosts *h, const struct mail_host *p)
{
	if (p->relay == NULL)
		return h->domain;
	return p->relay->kind == RELAY_HOST ? NULL : p->relay->host;
}

void
hosts_skip(struct hosts *h, uint32_t tries)
{
	h->skip = (tries < SKIP_MAX ? tries : SKIP_MAX) * HOSTS_TRIES_MAX;
}

static void
unskip(struct hosts *h)
{
	struct address *s;
	size_t i, j;

	for (i = 0; i < h->nhosts; i++)
		for (j = 0; j < h->list[i].naddresses; j++) {
			s = &h->list[i].addresses[j];
			if (s->is_skipped)
				s->dead_until_ms = 0;
			s->is_skipped = 0;
		}
}

/* Skips addresses that earlier attempts tried; after the last, starts over. */
static void
skip_tried(struct hosts *h, const struct view *v)
{
	struct mail_host *p;
	struct address *s;
	unsigned n = 0;

	for (; h->skip > 0; h->skip--, n++) {
		p = pick(h, v);
		if (p == NULL) {
			unskip(h);
			h->skip = n > HOSTS_TRIES_MAX ? h->skip % n : 0;
			n = 0;
			p = h->skip == 0 ? NULL : pick(h, v);
		}
		if (p == NULL)
			break;
		s = live_address(p, v);
		s->is_skipped = 1;
		s->dead_until_ms = v->now_ms + HOSTS_DEAD_MS;
	}
	h->skip = 0;
}

int
hosts_next(struct hosts *h, size_t from, int64_t now_ms, struct host *host,
    struct result *res)
{
	const struct view v = { from, h->must_mix, now_ms };
	struct mail_host *p = NULL;
	struct address *s;

	if (now_ms >= h->stale_ms)
		find_places(h, now_ms);
	if (h->must_mix)
		mix(h);
	h->must_mix = 0;
	skip_tried(h, &v);
	if (count_dead(h, &v) < HOSTS_TRIES_MAX)
		p = pick(h, &v);
	if (p == NULL) {
		result_copy(res, &h->reason);
		if (has_live(h, NULL, &v) && res->status == STATUS_DEFERRED)
			text_copy(res->code, sizeof(res->code),
			    CODE_MORE_HOSTS);
		return -1;
	}
	s = live_address(p, &v);
	memset(host, 0, sizeof(*host));
	memcpy(host->name, p->name, sizeof(host->name));
	host->addr = s->addr;
	host->port = p->port;
	host->relay = p->relay;
	host->domain = looked_up(h, p);
	host->is_secure = p->is_secure;
	host->is_tls_first = p->is_tls_first;
	host->tlsas = p->tlsas;
	host->is_clear = s->is_clear;
	host->is_plain = s->is_plain;
	host->is_last = is_last(h, p, s, &v);
	host->place = (size_t)(p - h->list);
	return 0;
}

int
hosts_left(const struct hosts *h, size_t from, int64_t now_ms)
{
	const struct view v = { from, 0, now_ms };

	return has_live(h, NULL, &v);
}

/* The next address that a host is, from at on: lists may have changed. */
static struct address *
spot_of(struct hosts *h, const struct host *host, size_t *at)
{
	struct mail_host *p;
	size_t i;

	while (*at < h->nhosts) {
		p = &h->list[(*at)++];
		if (p->port != host->port || strcmp(p->name, host->name) != 0)
			continue;
		for (i = 0; i < p->naddresses; i++)
			if (strcmp(p->addresses[i].addr.text,
			    host->addr.text) == 0)
				return &p->addresses[i];
	}
	return NULL;
}

void
hosts_dead(struct hosts *h, const struct host *host, int64_t now_ms,
    const struct result *reason)
{
	struct address *s;
	size_t at = 0;

	note(h, reason);
	while ((s = spot_of(h, host, &at)) != NULL)
		s->dead_until_ms = now_ms + HOSTS_DEAD_MS;
}

void
hosts_clear(struct hosts *h, const struct host *host)
{
	struct address *s;
	size_t at = 0;

	while ((s = spot_of(h, host, &at)) != NULL)
		s->is_clear = 1;
}

void
hosts_plain(struct hosts *h, const struct host *host)
{
	struct address *s;
	size_t at = 0;

	while ((s = spot_of(h, host, &at)) != NULL)
		s->is_plain = 1;
}
