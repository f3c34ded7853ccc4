/*
 * checksum.c - finds out that stored bytes are not what they were.
 * Runs as: anyone.  Uses: nothing.
 * Promise: the value is the same on every machine, and another one for each
 * change within eight bytes in a row, from a multiple of eight on: each step
 * can be undone, whether the word or the state is the unknown one.
 */
#include <string.h>

#include "lib/checksum.h"

#define START	UINT64_C(0x6a09e667f3bcc908)	/* neither matters: bits */
#define FACTOR	UINT64_C(0x9e3779b97f4a7c15)	/* but this one is odd */

static uint64_t
step(uint64_t state, uint64_t word)
{
	state = (state ^ word) * FACTOR;
	return state ^ state >> 32;
}

/* Little-endian; compilers make one load of it. */
static uint64_t
word_at(const unsigned char *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
	    (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
	    (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	    (uint64_t)p[7] << 56;
}

void
checksum_init(struct checksum *c)
{
	memset(c, 0, sizeof(*c));
	c->state = START;
}

/* Bytes that complete a word that was begun. */
static size_t
add_rest(struct checksum *c, const unsigned char *p, size_t n)
{
	size_t have = c->length % 8, want = 8 - have;

	if (have == 0)
		return 0;
	if (n < want) {
		memcpy(c->rest + have, p, n);
		return n;
	}
	memcpy(c->rest + have, p, want);
	c->state = step(c->state, word_at(c->rest));
	return want;
}

void
checksum_add(struct checksum *c, const void *bytes, size_t n)
{
	const unsigned char *p = bytes, *end = p + n;

	if (n == 0)
		return;
	p += add_rest(c, p, n);
	for (; end - p >= 8; p += 8)
		c->state = step(c->state, word_at(p));
	if (end > p)
		memcpy(c->rest, p, (size_t)(end - p));
	c->length += n;
}

uint64_t
checksum_value(const struct checksum *c)
{
	unsigned char last[8] = { 0 };
	uint64_t state = c->state;

	memcpy(last, c->rest, c->length % 8);
	state = step(step(state, word_at(last)), c->length);
	return state != 0 ? state : 1;
}

uint32_t
checksum_line(const void *bytes, size_t n)
{
	struct checksum c;

	checksum_init(&c);
	checksum_add(&c, bytes, n);
	return (uint32_t)checksum_value(&c);
}
