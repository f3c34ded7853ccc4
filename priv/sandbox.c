/*
 * sandbox.c - what each unprivileged process may still do.
 * Runs as: the spool user.  Uses: the kernel's confinement.
 * Promise: nothing here gives a right; a system without the mechanism loses
 * the extra wall, not the mail.
 */
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#if defined(__has_include)
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#define HAVE_LANDLOCK 1
#endif
#endif
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "priv/sandbox.h"

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

#ifdef HAVE_LANDLOCK

#define READ_FS		(LANDLOCK_ACCESS_FS_READ_FILE | \
			LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN_FS		(READ_FS | LANDLOCK_ACCESS_FS_EXECUTE)
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER	(LANDLOCK_ACCESS_FS_MAKE_SYM << 1)
#endif
/*
 * Everything of the second version of the interface.  The first one can not
 * allow a rename from one directory to another, which putting a message
 * aside is: there this wall is left out.
 */
#define ABI_NEEDED	2
#define ALL_FS		((LANDLOCK_ACCESS_FS_REFER << 1) - 1)

struct place {
	const char	*path;
	uint64_t	 access;
};

static int
allow(int ruleset, const struct place *place)
{
	struct landlock_path_beneath_attr beneath;
	int ret;

	beneath.parent_fd = open(place->path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd == -1)
		return errno == ENOENT ? 0 : -1;
	beneath.allowed_access = place->access;
	ret = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	/* A plain file takes no rights of directories: ask for less. */
	if (ret == -1 && errno == EINVAL) {
		beneath.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE |
		    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
		ret = (int)syscall(SYS_landlock_add_rule, ruleset,
		    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	}
	close(beneath.parent_fd);
	return ret;
}

/*
 * Only these places of the file system from here on.  A NULL path is a file
 * that is not configured; no access at all ends the list.
 */
static int
confine(const struct place *places)
{
	struct landlock_ruleset_attr attr;
	int ret, ruleset;

	if (syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    LANDLOCK_CREATE_RULESET_VERSION) < ABI_NEEDED)
		return 0;
	memset(&attr, 0, sizeof(attr));
	attr.handled_access_fs = ALL_FS;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    sizeof(attr.handled_access_fs), 0);
	if (ruleset == -1)
		return 0;
	ret = 0;
	for (; ret == 0 && places->access != 0; places++)
		if (places->path != NULL)
			ret = allow(ruleset, places);
	if (ret == 0)
		ret = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return ret;
}

/*
 * The runner writes to the spool and the log.  It may read what its user may
 * read, since dma.conf names files anywhere, and names others tomorrow; the
 * remote branch, which talks to strangers, narrows that for itself.
 */
int
sandbox_runner(const struct conf *conf)
{
	const struct place places[] = {
		{ conf->where.spool, ALL_FS },
		{ "/", RUN_FS },
		{ "/dev/null", READ_FS | LANDLOCK_ACCESS_FS_WRITE_FILE },
		{ conf->log.path, READ_FS | LANDLOCK_ACCESS_FS_WRITE_FILE },
		{ NULL, 0 }
	};

	if (no_new_privs() == -1)
		return -1;
	return confine(places);
}

int
sandbox_remote(const struct conf *conf)
{
	const struct place places[] = {
		{ DMA_CONFDIR, READ_FS },
		{ "/etc", READ_FS },
		{ "/usr", READ_FS },
		{ "/lib", READ_FS },
		{ "/lib64", READ_FS },
		{ "/run", READ_FS },
		{ "/dev", READ_FS },
		{ conf->tls.cafile, READ_FS },
		{ conf->tls.certfile, READ_FS },
		{ conf->tls.keyfile, READ_FS },
		{ NULL, 0 }
	};

	if (no_new_privs() == -1)
		return -1;
	return confine(places);
}

int
sandbox_lmtp(void)
{
	const struct place none[] = { { NULL, 0 } };

	return no_new_privs() == -1 ? -1 : confine(none);
}

#else

int
sandbox_lmtp(void)
{
	return no_new_privs();
}

int
sandbox_runner(const struct conf *conf)
{
	(void)conf;
	return no_new_privs();
}

int
sandbox_remote(const struct conf *conf)
{
	(void)conf;
	return no_new_privs();
}

#endif
