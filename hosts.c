/*
 * hosts.c - the hosts of one next hop, in order.
 * Runs as: the spool user, in the remote branch.  Door to: nothing; look-ups
 * are passed in.
 * Promise: a host that failed is not asked again for a while, whatever the
 * number of messages; a relay's own trouble is never the mail's.
 */
#include <stdlib.h>
#include <string.h>

#include "hosts.h"

int
hosts_init(struct hosts *h, const struct conf *conf, const char *domain,
    const struct hosts_lookup *lookup)
{
	memset(h, 0, sizeof(*h));
	result_init(&h->why);
	h->conf = conf;
	h->lookup = lookup;
	return text_copy(h->domain, sizeof(h->domain), domain);
}

void
hosts_fini(struct hosts *h)
{
	size_t i;

	for (i = 0; i < h->nplaces; i++)
		free(h->places[i].spots);
	free(h->places);
	result_fini(&h->why);
	memset(h, 0, sizeof(*h));
}

/* A passing trouble outweighs a lasting one: the host may come back. */
static void
note(struct hosts *h, const struct result *why)
{
	if (h->why.fate == FATE_RETRY && why->fate == FATE_FAILED)
		return;
	result_copy(&h->why, why);
	if (h->domain[0] == '\0' && h->why.fate == FATE_FAILED) {
		h->why.fate = FATE_RETRY;
		if (h->why.code[0] == '5')
			h->why.code[0] = '4';
	}
}

static int
no_memory(struct hosts *h)
{
	return result_set(&h->why, FATE_RETRY, "4.3.0", "out of memory");
}

static int
add_place(struct hosts *h, const char *name, uint16_t port)
{
	struct place *p = &h->places[h->nplaces];

	if (text_copy(p->name, sizeof(p->name), name) == -1)
		return result_set(&h->why, FATE_RETRY, "4.4.4",
		    "host name is too long");
	p->port = port != 0 ? port : h->conf->port;
	h->nplaces++;
	return 0;
}

static int
find_relays(struct hosts *h)
{
	const struct conf *conf = h->conf;
	size_t i;

	if (conf->nrelays == 0)
		return result_set(&h->why, FATE_RETRY, "4.3.5",
		    "no SMARTHOST is configured");
	h->places = calloc(conf->nrelays, sizeof(*h->places));
	if (h->places == NULL)
		return no_memory(h);
	for (i = 0; i < conf->nrelays; i++)
		if (add_place(h, conf->relays[i].host,
		    conf->relays[i].port) == -1)
			return -1;
	return 0;
}

static int
find_mx(struct hosts *h)
{
	struct dns_host found[DNS_HOSTS_MAX];
	struct result res;
	size_t i, n = 0;

	result_init(&res);
	if (h->lookup->mx(h->domain, found, DNS_HOSTS_MAX, &n, &res) == -1) {
		result_copy(&h->why, &res);
		result_fini(&res);
		return -1;
	}
	result_fini(&res);
	h->places = calloc(n, sizeof(*h->places));
	if (h->places == NULL)
		return no_memory(h);
	for (i = 0; i < n; i++)
		if (add_place(h, found[i].name, 0) == -1)
			return -1;
	return 0;
}

static void
find_spots(struct hosts *h, struct place *p, int64_t now_ms)
{
	struct dns_addr found[DNS_ADDRS_MAX];
	struct spot *spots;
	struct result res;
	size_t i, n = 0;

	result_init(&res);
	if (h->lookup->addrs(p->name, p->port, found, DNS_ADDRS_MAX, &n,
	    &res) == -1) {
		note(h, &res);
		p->dead_until_ms = now_ms + HOSTS_DEAD_MS;
		result_fini(&res);
		return;
	}
	result_fini(&res);
	spots = calloc(n, sizeof(*spots));
	if (spots == NULL) {
		no_memory(h);
		return;
	}
	for (i = 0; i < n; i++)
		spots[i].addr = found[i];
	free(p->spots);
	p->spots = spots;
	p->nspots = n;
	p->stale_ms = now_ms + HOSTS_FRESH_MS;
}

/* The first spot of a place that is not dead; looks it up where needed. */
static struct spot *
live_spot(struct hosts *h, struct place *p, int64_t now_ms, unsigned *tries)
{
	size_t i;

	if (now_ms < p->dead_until_ms)
		return NULL;
	if (p->spots == NULL || now_ms >= p->stale_ms)
		find_spots(h, p, now_ms);
	for (i = 0; i < p->nspots && *tries < HOSTS_TRIES_MAX; i++) {
		if (now_ms >= p->spots[i].dead_until_ms)
			return &p->spots[i];
		(*tries)++;
	}
	return NULL;
}

int
hosts_next(struct hosts *h, size_t from, int64_t now_ms, struct host *host,
    struct result *res)
{
	struct spot *s;
	struct place *p;
	unsigned tries = 0;
	size_t i;

	if (h->nplaces == 0 && now_ms >= h->dead_until_ms &&
	    (h->domain[0] == '\0' ? find_relays(h) : find_mx(h)) == -1) {
		free(h->places);
		h->places = NULL;
		h->nplaces = 0;
		h->dead_until_ms = now_ms + HOSTS_DEAD_MS;
	}
	for (i = from; i < h->nplaces && tries < HOSTS_TRIES_MAX; i++) {
		p = &h->places[i];
		s = live_spot(h, p, now_ms, &tries);
		if (s == NULL)
			continue;
		host->name = p->name;
		host->addr = &s->addr;
		host->port = p->port;
		host->is_clear = s->is_clear;
		host->place = i;
		host->spot = (size_t)(s - p->spots);
		host->is_last = i + 1 == h->nplaces &&
		    host->spot + 1 == p->nspots;
		return 0;
	}
	result_copy(res, &h->why);
	return -1;
}

int
hosts_left(const struct hosts *h, size_t from, int64_t now_ms)
{
	const struct place *p;
	size_t i, k;

	for (i = from; i < h->nplaces; i++) {
		p = &h->places[i];
		if (now_ms < p->dead_until_ms)
			continue;
		if (p->spots == NULL || now_ms >= p->stale_ms)
			return 1;
		for (k = 0; k < p->nspots; k++)
			if (now_ms >= p->spots[k].dead_until_ms)
				return 1;
	}
	return 0;
}

static struct spot *
spot_of(struct hosts *h, const struct host *host)
{
	if (host->place >= h->nplaces ||
	    host->spot >= h->places[host->place].nspots)
		return NULL;
	return &h->places[host->place].spots[host->spot];
}

void
hosts_dead(struct hosts *h, const struct host *host, int64_t now_ms,
    const struct result *why)
{
	struct spot *s = spot_of(h, host);

	note(h, why);
	if (s != NULL)
		s->dead_until_ms = now_ms + HOSTS_DEAD_MS;
}

void
hosts_clear(struct hosts *h, const struct host *host)
{
	struct spot *s = spot_of(h, host);

	if (s != NULL)
		s->is_clear = 1;
}
