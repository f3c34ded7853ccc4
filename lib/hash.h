/*
 * hash.h - SipHash-1-3: places in tables that hold names from outside.
 * Without the secret key, nobody can choose names that collide.  For digests
 * that are stored, or compared between processes, use text_digest().
 */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

/* A random one. */
void	 hash_key_make(struct hash_key *);
uint64_t hash_bytes(const struct hash_key *, const void *, size_t);

#endif
