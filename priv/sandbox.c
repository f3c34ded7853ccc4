/*
 * sandbox.c - what each unprivileged process may still do.
 * Runs as: the spool user.  Uses: the kernel's confinement.
 * Promise: nothing here gives a right; a system without the mechanism loses
 * the extra wall, not the mail.
 */
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <stddef.h>
#include <string.h>

#include "compat/landlock.h"
#include "lib/buf.h"
#include "priv/sandbox.h"
#include "priv/syscalls.h"

#define DNS_PORT	53

/* Nor a core file, which could hold messages and passwords. */
static int
no_new_privs(void)
{
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		return -1;
#if defined(__linux__) && defined(PR_SET_NO_NEW_PRIVS)
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#else
	return 0;
#endif
}

void
sandbox_ports_add(struct sandbox_ports *ports, unsigned port)
{
	ports->set[port / 8 % sizeof(ports->set)] |=
	    (uint8_t)(1U << port % 8);
}

struct allowed_path {
	const char	*path;
	uint64_t	 access;
};

#define RUN_FS		(READ_FS | FS_EXECUTE | FS_IOCTL_DEV)

/* A NULL path is a file that is not configured; no access ends the list. */
static int
allow_places(int fd, const struct allowed_path *places, uint64_t handled)
{
	int ret = 0;

	for (; ret == 0 && places->access != 0; places++)
		if (places->path != NULL)
			ret = landlock_allow_path(fd, places->path,
			    places->access & handled);
	return ret;
}

static int
allow_ports(int fd, const struct sandbox_ports *ports)
{
	unsigned port;
	int ret = 0;

	for (port = 0; ret == 0 && port < 8 * sizeof(ports->set); port++)
		if (ports->set[port / 8] & 1U << port % 8)
			ret = landlock_allow_port(fd, port);
	return ret;
}

/* Only these places of the file system and these ports (NULL: any). */
static int
confine(const struct allowed_path *places, const struct sandbox_ports *ports)
{
	uint64_t net = ports == NULL ? 0 : ports->is_any ? NET_BIND_TCP :
	    NET_BIND_TCP | NET_CONNECT_TCP;
	struct ruleset set;
	int fd = landlock_begin(net, &set), ret;

	if (fd == -1)
		return 0;
	ret = allow_places(fd, places, set.fs);
	if (ret == 0 && (set.net & NET_CONNECT_TCP) != 0)
		ret = allow_ports(fd, ports);
	return landlock_end(fd, ret);
}

/*
 * A rule is for the file that has the name now, and a log that is rotated is
 * another file tomorrow: so it is for its directory.
 */
static const char *
log_place(const char *path, char *dir, size_t size)
{
	char *slash;

	if (path == NULL || text_copy(dir, size, path) == -1)
		return path;
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return path;
	*slash = '\0';
	return dir;
}

/*
 * The runner writes to the spool and the log.  It may read what its user may
 * read, since dma.conf names files anywhere, and names others tomorrow; the
 * remote branch, which talks to strangers, narrows that for itself.
 */
int
sandbox_runner(const struct conf *conf)
{
	char dir[1024];
	const struct allowed_path places[] = {
		{ conf->where.spool, ALL_FS },
		{ "/", RUN_FS },
		{ "/dev/null", FILE_FS },
		{ log_place(conf->log.path, dir, sizeof(dir)),
		    FS_READ_FILE | FS_WRITE_FILE },
		{ NULL, 0 }
	};

	if (no_new_privs() == -1 || confine(places, NULL) == -1)
		return -1;
	return syscalls_confine(SYSCALLS_RUNNER);
}

int
sandbox_remote(const struct conf *conf, const struct sandbox_ports *wanted)
{
	const struct allowed_path places[] = {
		{ DMA_CONFDIR, READ_FS },
		{ "/etc", READ_FS },
		{ "/usr", READ_FS },
		{ "/lib", READ_FS },
		{ "/lib64", READ_FS },
		{ "/run", READ_FS },
		{ "/dev/random", READ_FS },
		{ "/dev/urandom", READ_FS },
		{ conf->tls.cafile, READ_FS },
		{ conf->tls.certfile, READ_FS },
		{ conf->tls.keyfile, READ_FS },
		{ NULL, 0 }
	};
	struct sandbox_ports ports = *wanted;

	sandbox_ports_add(&ports, DNS_PORT);
	if (no_new_privs() == -1 || confine(places, &ports) == -1)
		return -1;
	return syscalls_confine(SYSCALLS_REMOTE);
}

int
sandbox_lmtp(void)
{
	static const struct allowed_path no_places[] = { { NULL, 0 } };
	static const struct sandbox_ports no_ports;

	if (no_new_privs() == -1 || confine(no_places, &no_ports) == -1)
		return -1;
	return syscalls_confine(SYSCALLS_REMOTE);
}
