/*
 * host_context.h - makes a runner independent of the caller that started it.
 */
#ifndef PRIV_HOST_CONTEXT_H
#define PRIV_HOST_CONTEXT_H

/* Every attribute that can be, as for a process that init starts. */
void	host_context_reset(void);
/*
 * The same, and enters the namespaces, root directory and cgroup of init.
 * NULL, or the first attribute of the caller that cannot be left.
 */
const char *host_context_enter(const char *spooldir);

#endif
