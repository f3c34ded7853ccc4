/*
 * block_set.h - what is on a block list, made for look-ups.
 * Addresses and networks of clients, names in HELO, senders and recipients; an
 * entry "@domain" is for all addresses of the domain, and of no other.  Names
 * are the same as U-labels and as A-labels, in any case of letters.
 */
#ifndef SMTPD_BLOCK_SET_H
#define SMTPD_BLOCK_SET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "smtpd/netset.h"

enum block_kind {
	BLOCK_HELO,
	BLOCK_SENDER,
	BLOCK_RECIPIENT,
	BLOCK_KINDS
};

struct block_slot {
	uint32_t	 at;	/* + 1 of the key in keys; 0: free */
	uint32_t	 hash;	/* its upper half */
};

struct block_set {
	struct netset	 clients;
	struct buf	 keys;		/* each with its kind and a NUL */
	size_t		 counts[BLOCK_KINDS];
	struct block_slot *slots;	/* owned; a power of two of them */
	size_t		 nslots;
	struct hash_key	 hash_key;
};

void	block_set_init(struct block_set *);
void	block_set_fini(struct block_set *);
/*
 * Takes the text of a list; a bad line is reported and skipped.  0, or -1
 * without memory.
 */
int	block_set_read(struct block_set *, const char *text, size_t len,
	    const char *file, const struct report *);
/* "192.0.2.1": 1 when it is on the list. */
int	block_set_has_client(const struct block_set *, const char *address);
int	block_set_has_helo(const struct block_set *, const char *name);
/* A path without its brackets; "" is the null path. */
int	block_set_has_path(const struct block_set *, enum block_kind,
	    const char *path);

#endif
