/*
 * host.h - what the parts of one process share: struct smtpd_host.
 */
#ifndef SMTPD_HOST_H
#define SMTPD_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/log.h"
#include "smtpd/conf.h"
#include "smtpd/counters.h"
#include "smtpd/loop.h"
#include "smtpd/scoreboard.h"
#include "smtpd/smtpd_module.h"
#include "smtpd/tls.h"

#define HOST_PATHS_MAX	64
#define HOST_PORTS_MAX	64
#define HOST_SESSIONS_MAX	60000	/* of one child */

/* What a child does with connections. */
enum host_phase {
	HOST_SERVING,
	HOST_RETIRING,	/* takes none; its sessions go on until they end */
	HOST_DRAINING	/* takes none; sessions end with 421 once they are
			 * between transactions */
};

/* A module of the configuration, in its order. */
struct module {
	const struct smtpd_module *hooks;
	void		*self;		/* what configure() allocated */
	void		*handle;	/* of dlopen(3) */
	const char	*name;		/* lent: of hooks */
	int		 is_fallback;	/* asked only when another refused for
					 * now to deliver */
};

struct host_path {
	char	*path;		/* owned */
	int	 is_writable;
};

struct client_session;

struct smtpd_host {
	/* The same in all children of a configuration. */
	const struct smtpd_config *conf;		/* lent */
	struct log		 log;
	char			 name[256];	/* of this machine */
	struct tls_server	*tls;		/* lent; or NULL */
	struct module		 modules[CONF_MODULES_MAX];
	size_t			 nmodules;
	const struct module	*current;	/* whose code runs; or NULL */
	int			 is_in_hook;	/* of a session */
	/* What the sandbox leaves open. */
	struct host_path	 paths[HOST_PATHS_MAX];
	size_t			 npaths;
	uint16_t		 ports[HOST_PORTS_MAX];
	size_t			 nports;

	/* Of a child. */
	struct loop		 loop;
	struct scoreboard	*scoreboard;	/* lent */
	int			 slot;
	struct counters		*counters;	/* lent: of the slot */
	enum host_phase	 state;
	struct client_session *sessions;	/* all, a list */
	size_t			 nsessions;
	uint64_t		 nserved;	/* sessions begun */
	uint64_t		 next_id;	/* of a transaction */
	unsigned		 pid;		/* of the process, in it */
	char			*input;		/* of one read: shared */
	struct buf		 decoded;	/* of one take: shared */
	char			 value[4352];	/* of smtpd_conf() */
};

/*
 * Around each hook of a session, and around other code of a module: whose it
 * is, also for the parent.
 */
static inline void
host_run(struct smtpd_host *host, const struct module *m)
{
	host->current = m;
	if (host->counters != NULL)
		atomic_store_explicit(&host->counters->module,
		    m == NULL ? 0 : (uint32_t)(m - host->modules) + 1,
		    memory_order_relaxed);
}

static inline void
host_enter(struct smtpd_host *host, const struct module *m)
{
	host_run(host, m);
	host->is_in_hook = 1;
}

static inline void
host_leave(struct smtpd_host *host)
{
	host_run(host, NULL);
	host->is_in_hook = 0;
}

#endif
