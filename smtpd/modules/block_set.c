/*
 * block_set.c - what is on a block list, made for look-ups.
 * Runs as: the user of dma-smtpd, or root when it reads a list.
 * Uses: memory, a random key of the table.
 * Promise: a look-up costs the same for one entry and for 100,000, and nobody
 * outside can choose names that make it slow.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/domain.h"
#include "lib/text.h"
#include "smtpd/modules/block_set.h"

#define NAME_BYTES	ADDR_MAX	/* of a name or path on a list */
/* A kind, a local part, and the key of a domain. */
#define KEY_BYTES	(1 + NAME_BYTES + DOMAIN_KEY(NAME_BYTES))
#define KEYS_MAX	(512u * 1024 * 1024)	/* bytes: fit in 32 bits */
#define SLOTS_MIN	16

/* 1. Keys: what is the same is the same text. */

/* The bytes of the key, or 0 for what cannot be on a list. */
static size_t
key_of_name(enum block_kind kind, const char *name, char key[KEY_BYTES])
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_BYTES)
		return 0;
	key[0] = (char)('0' + kind);
	domain_key(name, n, key + 1);
	return strlen(key);
}

/* An address that needs no quotes, or "@domain". */
static size_t
key_of_plain(enum block_kind kind, const char *path, char key[KEY_BYTES])
{
	const char *at = strrchr(path, '@');
	size_t n = strlen(path), local;

	if (n > NAME_BYTES)
		return 0;
	local = at == NULL ? n : (size_t)(at - path);
	key[0] = (char)('0' + kind);
	text_lower(key + 1, path, local);
	key[1 + local] = '\0';
	if (at == NULL)
		return 1 + local;
	key[1 + local] = '@';
	domain_key(at + 1, n - local - 1, key + 2 + local);
	return strlen(key);
}

/* "a b"@c has to be quoted, "a"@c is a@c. */
static size_t
key_of_path(enum block_kind kind, const char *path, char key[KEY_BYTES])
{
	struct buf plain;
	size_t n = 0;

	if (path[0] != '"')
		return key_of_plain(kind, path, key);
	buf_init(&plain, 0);
	if (addr_one(path, &plain) == 0 && !buf_failed(&plain))
		n = key_of_plain(kind, buf_str(&plain), key);
	buf_fini(&plain);
	return n;
}

/* 2. The table. */

static uint64_t
hash_of(const struct block_set *set, const char *key, size_t len)
{
	return hash_bytes(&set->hash_key, key, len);
}

/* The slot of the key, or the free one where it belongs. */
static struct block_slot *
slot_of(const struct block_set *set, const char *key, uint64_t hash)
{
	size_t i = (size_t)hash & (set->nslots - 1);
	struct block_slot *slot;

	for (;; i = (i + 1) & (set->nslots - 1)) {
		slot = &set->slots[i];
		if (slot->at == 0 || (slot->hash == (uint32_t)(hash >> 32) &&
		    strcmp(set->keys.data + slot->at - 1, key) == 0))
			return slot;
	}
}

static int
has(const struct block_set *set, const char *key, size_t len)
{
	return len > 0 && set->nslots > 0 &&
	    slot_of(set, key, hash_of(set, key, len))->at != 0;
}

/* At most half of the slots are taken. */
static int
make_table(struct block_set *set)
{
	size_t at, len, i, n = 0;
	struct block_slot *slot;
	uint64_t hash;

	for (i = 0; i < BLOCK_KINDS; i++)
		n += set->counts[i];
	if (n == 0)
		return 0;
	for (set->nslots = SLOTS_MIN; set->nslots < 2 * n; set->nslots *= 2)
		;
	set->slots = calloc(set->nslots, sizeof(*set->slots));
	if (set->slots == NULL)
		return -1;
	for (at = 0; at < set->keys.len; at += len + 1) {
		len = strlen(set->keys.data + at);
		hash = hash_of(set, set->keys.data + at, len);
		slot = slot_of(set, set->keys.data + at, hash);
		slot->at = (uint32_t)at + 1;
		slot->hash = (uint32_t)(hash >> 32);
	}
	return 0;
}

void
block_set_init(struct block_set *set)
{
	memset(set, 0, sizeof(*set));
	netset_init(&set->clients);
	buf_init(&set->keys, KEYS_MAX);
	hash_key_make(&set->hash_key);
}

void
block_set_fini(struct block_set *set)
{
	netset_fini(&set->clients);
	buf_fini(&set->keys);
	free(set->slots);
	set->slots = NULL;
	set->nslots = 0;
}

/* 3. The list.  Each returns NULL, or why the line is bad. */

static const char *
add_key(struct block_set *set, enum block_kind kind, const char *key,
    size_t len)
{
	if (len == 0)
		return "too long";
	buf_add(&set->keys, key, len + 1);
	set->counts[kind]++;
	return NULL;
}

static const char *
add_name(struct block_set *set, enum block_kind kind, const char *name)
{
	char key[KEY_BYTES];

	if (!addr_domain_ok(name))
		return "not the name of a host, or an address in brackets";
	return add_key(set, kind, key, key_of_name(kind, name, key));
}

static const char *
add_path(struct block_set *set, enum block_kind kind, const char *path)
{
	char key[KEY_BYTES];
	struct buf plain;
	const char *problem = "not an address or @domain";

	if (path[0] == '@')
		return !addr_domain_ok(path + 1) ? problem :
		    add_key(set, kind, key, key_of_plain(kind, path, key));
	if (path[0] == '\0')
		return problem;
	buf_init(&plain, 0);
	if (addr_one(path, &plain) == 0 && !buf_failed(&plain) &&
	    (addr_domain(buf_str(&plain)) != NULL ||
	    (kind == BLOCK_SENDER && plain.len == 0) ||
	    (kind == BLOCK_RECIPIENT &&
	    text_casecmp(buf_str(&plain), "postmaster") == 0)))
		problem = add_key(set, kind, key,
		    key_of_path(kind, buf_str(&plain), key));
	buf_fini(&plain);
	return problem;
}

static const struct {
	const char	*prefix;
	const char	*(*add)(struct block_set *, enum block_kind,
			    const char *);
	enum block_kind	 kind;
} prefixes[] = {
	{ "helo:", add_name, BLOCK_HELO },
	{ "sender:", add_path, BLOCK_SENDER },
	{ "rcpt:", add_path, BLOCK_RECIPIENT },
};

static const char *
add_line(struct block_set *set, const char *line)
{
	const char *problem;
	size_t i, len;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		len = strlen(prefixes[i].prefix);
		if (text_ncasecmp(line, prefixes[i].prefix, len) == 0)
			return prefixes[i].add(set, prefixes[i].kind,
			    line + len + strspn(line + len, " \t"));
	}
	if (netset_add(&set->clients, line, &problem) == 0)
		return NULL;
	if (problem == NULL)
		set->keys.failed = 1;
	return problem;
}

int
block_set_read(struct block_set *set, const char *text, size_t len,
    const char *file, const struct report *report)
{
	struct text_lines lines;
	const char *problem;
	char *line;

	text_init(&lines, text, len);
	while (text_next(&lines)) {
		line = text_trim(lines.line);
		problem = lines.trouble;
		if (problem == NULL && line[0] != '\0')
			problem = add_line(set, line);
		if (problem != NULL)
			report->say(report->arg, file, lines.lineno, problem);
	}
	if (buf_failed(&set->keys))
		return -1;
	netset_ready(&set->clients);
	return make_table(set);
}

/* 4. Look-ups. */

int
block_set_has_client(const struct block_set *set, const char *address)
{
	struct netaddr addr;

	return set->clients.n > 0 && netaddr_parse(address, &addr) == 0 &&
	    netset_has(&set->clients, &addr);
}

int
block_set_has_helo(const struct block_set *set, const char *name)
{
	char key[KEY_BYTES];
	size_t n;

	if (set->counts[BLOCK_HELO] == 0)
		return 0;
	n = key_of_name(BLOCK_HELO, name, key);
	return has(set, key, n);
}

int
block_set_has_path(const struct block_set *set, enum block_kind kind,
    const char *path)
{
	char key[KEY_BYTES];
	const char *at;
	size_t n;

	if (set->counts[kind] == 0)
		return 0;
	n = key_of_path(kind, path, key);
	if (has(set, key, n))
		return 1;
	at = strrchr(path, '@');
	if (at == NULL)
		return 0;
	n = key_of_plain(kind, at, key);
	return has(set, key, n);
}
