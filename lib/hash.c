/*
 * hash.c - SipHash-1-3 (Aumasson, Bernstein: SipHash, a fast short-input PRF).
 * Runs as: anyone.  Uses: the kernel's random numbers.
 * Promise: names that collide cannot be found without the key.
 */
#include <sys/random.h>

#include <time.h>
#include <unistd.h>

#include "lib/hash.h"

static uint64_t
rotate(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void
mix(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static uint64_t
little_endian(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	while (n > 0)
		v = v << 8 | p[--n];
	return v;
}

static void
take(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v);
	v[0] ^= word;
}

void
hash_key_make(struct hash_key *key)
{
	struct timespec ts;

	if (getrandom(key, sizeof(*key), 0) == (ssize_t)sizeof(*key))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	key->k0 = (uint64_t)ts.tv_sec << 32 ^ (uint64_t)ts.tv_nsec;
	key->k1 = (uint64_t)getpid();
}

uint64_t
hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	uint64_t v[4] = { key->k0 ^ 0x736f6d6570736575ULL,
	    key->k1 ^ 0x646f72616e646f6dULL, key->k0 ^ 0x6c7967656e657261ULL,
	    key->k1 ^ 0x7465646279746573ULL };
	const unsigned char *p = data;
	size_t n;

	for (n = len; n >= 8; n -= 8, p += 8)
		take(v, little_endian(p, 8));
	take(v, little_endian(p, n) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	mix(v);
	mix(v);
	mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
