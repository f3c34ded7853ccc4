/*
 * landlock.c - a wall of Landlock: what a process may still open.
 * Runs as: anyone.  Uses: Landlock, where the kernel has it.
 * Promise: nothing here gives a right.
 */
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "compat/landlock.h"

/*
 * The first version of the interface can allow neither a link nor a rename from
 * one directory to another: there this wall is left out.
 */
#define ABI_NEEDED	2

int
landlock_choose(int abi, uint64_t net, struct ruleset *set)
{
	memset(set, 0, sizeof(*set));
	if (abi < ABI_NEEDED)
		return -1;
	set->fs = abi >= 5 ? ALL_FS : abi >= 3 ? (FS_TRUNCATE << 1) - 1 :
	    (FS_REFER << 1) - 1;
	if (abi >= 4)
		set->net = net;
	if (abi >= 6)
		set->scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	return 0;
}

#ifdef SYS_landlock_create_ruleset

static int
add_rule(int fd, int kind, const void *rule)
{
	return (int)syscall(SYS_landlock_add_rule, fd, kind, rule, 0);
}

int
landlock_allow_path(int fd, const char *path, uint64_t access)
{
	struct path_beneath rule;
	int ret;

	rule.access = access;
	rule.parent = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ?
		    0 : -1;
	ret = add_rule(fd, RULE_PATH_BENEATH, &rule);
	/* A plain file takes no rights of directories: ask for less. */
	if (ret == -1 && errno == EINVAL) {
		rule.access &= FILE_FS;
		ret = add_rule(fd, RULE_PATH_BENEATH, &rule);
	}
	close(rule.parent);
	return ret;
}

int
landlock_allow_port(int fd, unsigned port)
{
	const struct net_port rule = { NET_CONNECT_TCP, port };

	return add_rule(fd, RULE_NET_PORT, &rule);
}

int
landlock_begin(uint64_t net, struct ruleset *set)
{
	int abi;

	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    LANDLOCK_VERSION);
	if (landlock_choose(abi, net, set) == -1)
		return -1;
	return (int)syscall(SYS_landlock_create_ruleset, set, sizeof(*set), 0);
}

int
landlock_end(int fd, int ret)
{
	if (ret == 0)
		ret = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
	return ret;
}

#else

int
landlock_allow_path(int fd, const char *path, uint64_t access)
{
	(void)fd;
	(void)path;
	(void)access;
	return 0;
}

int
landlock_allow_port(int fd, unsigned port)
{
	(void)fd;
	(void)port;
	return 0;
}

int
landlock_begin(uint64_t net, struct ruleset *set)
{
	return landlock_choose(-1, net, set);
}

int
landlock_end(int fd, int ret)
{
	(void)fd;
	return ret;
}

#endif
