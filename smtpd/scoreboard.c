/*
 * scoreboard.c - what the children are doing, in memory that all share.
 *
 * Runs as: the parent, the generations and the children.
 * Uses: shared memory, atomic operations.
 * Promise: no lock, so that a child that is stopped or killed anywhere delays
 * nobody.  All that a child counts as connected stands in cells of its own and
 * is found again by its slot.
 *
 * A cell counts the connections of one child from one address.  It lies within
 * a window that begins at the keyed hash of the address; connections of the
 * address in all children are the sum over the window.
 */
#include <sys/mman.h>
#include <sys/random.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/scoreboard.h"

#define SLOTS_MAX	32000	/* a cell has 16 bits for one */
#define CONNECTIONS_MAX	(1U << 22)
#define CELLS_EACH	4	/* for a connection: most are empty */
#define WINDOW_MORE	32	/* cells beyond one for each slot */
#define ATTEMPTS	8	/* of children that exceed a limit together */

/* One line of the processor's cache: only its child writes it often. */
struct slot {
	_Alignas(64) _Atomic int state;
	_Atomic int	 pid;
	_Atomic unsigned generation;
	_Atomic unsigned sessions;
	_Atomic unsigned connected;
	struct counters	 counters;
};

/* A process has its own: a child that is compromised can not change it. */
struct scoreboard {
	void		*memory;	/* what is shared */
	size_t		 size;
	size_t		 nslots, ncells, window;
	uint64_t	 key[2];
	struct counters	*ended;		/* of children that ended */
	struct slot	*slots;
	_Atomic uint64_t *cells;
};

/* slot + 1 in 16 bits, 32 bits of the hash, the count in 16 bits; 0: free. */
#define CELL_COUNT	0xffffULL

static uint64_t
cell_key(int slot, uint64_t hash)
{
	return (uint64_t)(slot + 1) << 48 | (hash >> 32) << 16;
}

/* Slots first, for their alignment. */
static int
map(struct scoreboard *sb)
{
	const size_t slots = sb->nslots * sizeof(struct slot);
	const size_t cells = sb->ncells * sizeof(*sb->cells);
	char *memory;

	sb->size = slots + cells + sizeof(struct counters);
	memory = mmap(NULL, sb->size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	sb->memory = memory;
	sb->slots = (struct slot *)(void *)memory;
	sb->cells = (_Atomic uint64_t *)(void *)(memory + slots);
	sb->ended = (struct counters *)(void *)(memory + slots + cells);
	return 0;
}

struct scoreboard *
scoreboard_new(size_t nslots, size_t connections)
{
	struct scoreboard *sb;

	if (nslots == 0 || nslots > SLOTS_MAX ||
	    connections > CONNECTIONS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	sb = calloc(1, sizeof(*sb));
	if (sb == NULL)
		return NULL;
	sb->nslots = nslots;
	for (sb->ncells = 1024; sb->ncells < CELLS_EACH * connections;)
		sb->ncells *= 2;
	sb->window = nslots + WINDOW_MORE;
	if (sb->window > sb->ncells)
		sb->window = sb->ncells;
	if (getrandom(sb->key, sizeof(sb->key), 0) !=
	    (ssize_t)sizeof(sb->key) || map(sb) == -1) {
		scoreboard_free(sb);
		return NULL;
	}
	return sb;
}

void
scoreboard_free(struct scoreboard *sb)
{
	if (sb != NULL && sb->memory != NULL)
		(void)munmap(sb->memory, sb->size);
	free(sb);
}

/* ---- slots ---- */

static void
zero(struct counters *c)
{
	const struct counters none = { .connections = 0 };

	memcpy(c, &none, sizeof(none));
}

int
scoreboard_take_slot(struct scoreboard *sb, unsigned generation)
{
	struct slot *s;
	int is_free;

	for (s = sb->slots; s < sb->slots + sb->nslots; s++) {
		is_free = SCOREBOARD_FREE;
		if (!atomic_compare_exchange_strong(&s->state, &is_free,
		    SCOREBOARD_STARTING))
			continue;
		s->generation = generation;
		return (int)(s - sb->slots);
	}
	return -1;
}

void
scoreboard_set_pid(struct scoreboard *sb, int slot, pid_t pid)
{
	atomic_store(&sb->slots[slot].pid, pid);
}

/* Text of a child, which may have written anything. */
static int
has_name(const struct counters *c, size_t i, char name[COUNTERS_NAME])
{
	size_t n = 0;

	memset(name, 0, COUNTERS_NAME);
	while (n < COUNTERS_NAME - 1 && (c->modules[i].name[n] == '_' ||
	    (c->modules[i].name[n] >= 'a' && c->modules[i].name[n] <= 'z'))) {
		name[n] = c->modules[i].name[n];
		n++;
	}
	return n > 0;
}

static void
sum_modules(struct counters *to, const struct counters *c)
{
	char name[COUNTERS_NAME];
	size_t i, k;

	for (i = 0; i < COUNTERS_MODULE_MAX; i++) {
		if (!has_name(c, i, name))
			continue;
		for (k = 0; k < COUNTERS_MODULE_MAX; k++)
			if (to->modules[k].name[0] == '\0' ||
			    memcmp(to->modules[k].name, name,
			    sizeof(name)) == 0)
				break;
		if (k == COUNTERS_MODULE_MAX)
			continue;
		memcpy(to->modules[k].name, name, sizeof(name));
		counters_add(&to->modules[k].value, c->modules[i].value);
	}
}

static void
sum(struct counters *to, const struct counters *c)
{
	counters_add(&to->connections, c->connections);
	counters_add(&to->accepted, c->accepted);
	counters_add(&to->bytes, c->bytes);
	counters_add(&to->recipients, c->recipients);
	counters_add(&to->refused, c->refused);
	counters_add(&to->deferred, c->deferred);
	counters_add(&to->dropped, c->dropped);
	counters_add(&to->syncs, c->syncs);
	counters_add(&to->sync_us, c->sync_us);
	if (c->sync_max_us > to->sync_max_us)
		to->sync_max_us = c->sync_max_us;
	sum_modules(to, c);
}

/* What a child that was killed had counted. */
static void
free_cells(struct scoreboard *sb, int slot)
{
	size_t i;

	for (i = 0; i < sb->ncells; i++)
		if (sb->cells[i] >> 48 == (uint64_t)slot + 1)
			atomic_store(&sb->cells[i], 0);
}

void
scoreboard_release_slot(struct scoreboard *sb, int slot)
{
	struct slot *s = &sb->slots[slot];

	sum(sb->ended, &s->counters);
	zero(&s->counters);
	if (s->connected != 0)
		free_cells(sb, slot);
	s->connected = 0;
	s->sessions = 0;
	s->pid = 0;
	atomic_store(&s->state, SCOREBOARD_FREE);
}

void
scoreboard_set_state(struct scoreboard *sb, int slot,
    enum scoreboard_state state)
{
	atomic_store(&sb->slots[slot].state, (int)state);
}

void
scoreboard_set_sessions(struct scoreboard *sb, int slot, size_t sessions)
{
	atomic_store(&sb->slots[slot].sessions, (unsigned)sessions);
}

struct counters *
scoreboard_counters(struct scoreboard *sb, int slot)
{
	return &sb->slots[slot].counters;
}

/* ---- connections ---- */

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

/* A client does not know the key, and can not choose who shares a window. */
static uint64_t
hash_of(const struct scoreboard *sb, const struct netaddr *a)
{
	uint64_t half[2];

	memcpy(half, a->bytes, sizeof(half));
	return mix(mix(half[0] ^ sb->key[0]) + mix(half[1] ^ sb->key[1]));
}

static _Atomic uint64_t *
cell_at(const struct scoreboard *sb, uint64_t hash, size_t i)
{
	return &sb->cells[(hash + i) & (sb->ncells - 1)];
}

/* Of all children; own: the child's cell for it, or NULL. */
static unsigned
look_up(const struct scoreboard *sb, int slot, uint64_t hash,
    _Atomic uint64_t **own)
{
	const uint64_t key = cell_key(slot, hash);
	const uint64_t tag = key & 0xffffffff0000ULL;
	_Atomic uint64_t *cell;
	unsigned n = 0;
	uint64_t c;
	size_t i;

	*own = NULL;
	for (i = 0; i < sb->window; i++) {
		cell = cell_at(sb, hash, i);
		c = atomic_load_explicit(cell, memory_order_relaxed);
		if (c == 0 || (c & 0xffffffff0000ULL) != tag)
			continue;
		n += (unsigned)(c & CELL_COUNT);
		if ((c & ~CELL_COUNT) == key && (c & CELL_COUNT) < CELL_COUNT)
			*own = cell;
	}
	return n;
}

static _Atomic uint64_t *
take_cell(struct scoreboard *sb, int slot, uint64_t hash)
{
	_Atomic uint64_t *cell;
	uint64_t is_free;
	size_t i;

	for (i = 0; i < sb->window; i++) {
		cell = cell_at(sb, hash, i);
		is_free = 0;
		if (*cell == 0 && atomic_compare_exchange_strong(cell,
		    &is_free, cell_key(slot, hash) | 1))
			return cell;
	}
	return NULL;
}

static void
leave_cell(_Atomic uint64_t *cell)
{
	if ((*cell & CELL_COUNT) <= 1)
		atomic_store(cell, 0);
	else
		atomic_fetch_sub(cell, 1);
}

/* Counts, and looks whether that was one too many. */
static enum scoreboard_admission
admit_address(struct scoreboard *sb, int slot, uint64_t hash, unsigned max)
{
	_Atomic uint64_t *own, *ignored;
	int i;

	for (i = 0; i < ATTEMPTS; i++) {
		if (look_up(sb, slot, hash, &own) >= max)
			return SCOREBOARD_FULL_OF_ADDRESS;
		if (own != NULL)
			atomic_fetch_add(own, 1);
		else
			own = take_cell(sb, slot, hash);
		if (own == NULL)
			return SCOREBOARD_FULL;
		if (look_up(sb, slot, hash, &ignored) <= max)
			return SCOREBOARD_ADMITTED;
		leave_cell(own);
	}
	return SCOREBOARD_FULL_OF_ADDRESS;
}

unsigned
scoreboard_connected(const struct scoreboard *sb)
{
	const struct slot *s;
	unsigned n = 0;

	for (s = sb->slots; s < sb->slots + sb->nslots; s++)
		if (s->state != SCOREBOARD_FREE)
			n += s->connected;
	return n;
}

static int
admit_one(struct scoreboard *sb, struct slot *s, unsigned max)
{
	int i;

	for (i = 0; i < ATTEMPTS; i++) {
		if (max != 0 && scoreboard_connected(sb) >= max)
			return 0;
		atomic_fetch_add(&s->connected, 1);
		if (max == 0 || scoreboard_connected(sb) <= max)
			return 1;
		atomic_fetch_sub(&s->connected, 1);
	}
	return 0;
}

/*
 * The slot first, and last at the end: a child that is killed in between has
 * connections if it has cells.
 */
enum scoreboard_admission
scoreboard_admit(struct scoreboard *sb, int slot, const struct netaddr *a,
    unsigned max_connections, unsigned max_per_address)
{
	struct slot *s = &sb->slots[slot];
	enum scoreboard_admission admission = SCOREBOARD_ADMITTED;

	if (!admit_one(sb, s, max_connections))
		return SCOREBOARD_FULL;
	if (max_per_address != 0)
		admission = admit_address(sb, slot, hash_of(sb, a),
		    max_per_address);
	if (admission != SCOREBOARD_ADMITTED)
		atomic_fetch_sub(&s->connected, 1);
	return admission;
}

static void
discharge_address(struct scoreboard *sb, int slot, const struct netaddr *a)
{
	const uint64_t hash = hash_of(sb, a);
	const uint64_t key = cell_key(slot, hash);
	_Atomic uint64_t *cell;
	size_t i;

	for (i = 0; i < sb->window; i++) {
		cell = cell_at(sb, hash, i);
		if ((*cell & ~CELL_COUNT) != key)
			continue;
		leave_cell(cell);
		break;
	}
}

void
scoreboard_discharge(struct scoreboard *sb, int slot, const struct netaddr *a)
{
	if (a != NULL)
		discharge_address(sb, slot, a);
	if (sb->slots[slot].connected != 0)
		atomic_fetch_sub(&sb->slots[slot].connected, 1);
}

/* ---- views ---- */

size_t
scoreboard_slots(const struct scoreboard *sb)
{
	return sb->nslots;
}

void
scoreboard_look(const struct scoreboard *sb, size_t slot,
    struct scoreboard_view *v)
{
	const struct slot *s = &sb->slots[slot];

	v->pid = s->pid;
	v->generation = s->generation;
	v->state = (enum scoreboard_state)s->state;
	v->sessions = s->sessions;
}

void
scoreboard_total(const struct scoreboard *sb, struct counters *total)
{
	const struct slot *s;

	zero(total);
	sum(total, sb->ended);
	for (s = sb->slots; s < sb->slots + sb->nslots; s++)
		if (s->state != SCOREBOARD_FREE)
			sum(total, &s->counters);
}
