/*
 * scoreboard.h - what the children are doing, in memory that all share.
 * Made by the parent before all else.  A slot is given to a child by the
 * process that forks it and is taken back when that child was waited for; what
 * a killed child had counted as connected is discharged then.
 */
#ifndef SMTPD_SCOREBOARD_H
#define SMTPD_SCOREBOARD_H

#include <stddef.h>
#include <sys/types.h>

#include "smtpd/counters.h"
#include "smtpd/netset.h"

enum scoreboard_state {
	SCOREBOARD_FREE,
	SCOREBOARD_STARTING,	/* forked, not in its loop */
	SCOREBOARD_SERVING,
	SCOREBOARD_DRAINING	/* takes no more connections */
};

enum scoreboard_admission {
	SCOREBOARD_ADMITTED,
	SCOREBOARD_FULL,		/* MAX_CONNECTIONS */
	SCOREBOARD_FULL_OF_ADDRESS	/* MAX_CONNECTIONS_PER_ADDRESS */
};

struct scoreboard;

/* nslots: children at once, of all generations; connections: at most, in all.
 * NULL with errno. */
struct scoreboard *scoreboard_new(size_t nslots, size_t connections);
void	scoreboard_free(struct scoreboard *);

/* By the process that forks: a slot that is STARTING; -1: none is free. */
int	scoreboard_take_slot(struct scoreboard *, unsigned generation);
void	scoreboard_set_pid(struct scoreboard *, int slot, pid_t);
/* The child ended, in whatever way; its counters are added to the total. */
void	scoreboard_release_slot(struct scoreboard *, int slot);

/* By the child. */
void	scoreboard_set_state(struct scoreboard *, int slot,
	    enum scoreboard_state);
void	scoreboard_set_sessions(struct scoreboard *, int slot, size_t);
struct counters *scoreboard_counters(struct scoreboard *, int slot);
/*
 * Counts one more connection of the address, which the client or a trusted
 * proxy gave, if the limits (0: none) allow it.
 */
enum scoreboard_admission scoreboard_admit(struct scoreboard *, int slot,
	    const struct netaddr *, unsigned max_connections,
	    unsigned max_per_address);
/* The same address, or NULL if there was no limit for it. */
void	scoreboard_discharge(struct scoreboard *, int slot,
	    const struct netaddr *);

/* By anyone. */
struct scoreboard_view {
	pid_t		 pid;
	unsigned	 generation;
	enum scoreboard_state state;
	unsigned	 sessions;
};
size_t	scoreboard_slots(const struct scoreboard *);
void	scoreboard_look(const struct scoreboard *, size_t slot,
	    struct scoreboard_view *);
/* Connections that count for the limits now. */
unsigned scoreboard_connected(const struct scoreboard *);
/* Sums over all children, those that ended too; of modules by name. */
void	scoreboard_total(const struct scoreboard *, struct counters *);

#endif
