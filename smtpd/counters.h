/*
 * counters.h - what a child counts for the status socket.
 * In memory that all processes share; each slot is written by one child.
 */
#ifndef SMTPD_COUNTERS_H
#define SMTPD_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS_MODULE_MAX	16	/* counters of modules */
#define COUNTERS_NAME		32

struct counters {
	/* 1 + the index of the module whose hook runs, or 0: what is to be said
	 * of a child that crashed. */
	_Atomic uint32_t module;
	_Atomic uint64_t connections;	/* accepted, in all */
	_Atomic uint64_t accepted;	/* messages replied to with 250 */
	_Atomic uint64_t bytes;		/* of their texts */
	_Atomic uint64_t recipients;	/* of those messages */
	_Atomic uint64_t refused;	/* 5yz to any of them */
	_Atomic uint64_t deferred;	/* 4yz to any of them */
	_Atomic uint64_t dropped;	/* messages accepted and discarded */
	_Atomic uint64_t syncs;		/* commits of the store */
	_Atomic uint64_t sync_us;	/* microseconds that they took in all */
	_Atomic uint64_t sync_max_us;
	struct {
		char		 name[COUNTERS_NAME];
		_Atomic uint64_t value;
	} modules[COUNTERS_MODULE_MAX];
};

static inline void
counters_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
