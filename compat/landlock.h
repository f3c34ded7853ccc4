/*
 * landlock.h - Landlock, in words of our own: headers may be older than the
 * kernel.  The numbers are the kernel's; each line of them names the version
 * of the interface that brought it.
 */
#ifndef COMPAT_LANDLOCK_H
#define COMPAT_LANDLOCK_H

#include <stdint.h>

#define LANDLOCK_VERSION	1U	/* flag: ask for the version */

#define FS_EXECUTE	(1ULL << 0)
#define FS_WRITE_FILE	(1ULL << 1)
#define FS_READ_FILE	(1ULL << 2)
#define FS_READ_DIR	(1ULL << 3)
#define FS_REFER	(1ULL << 13)	/* 2: rename between directories */
#define FS_TRUNCATE	(1ULL << 14)	/* 3 */
#define FS_IOCTL_DEV	(1ULL << 15)	/* 5 */
#define NET_BIND_TCP	(1ULL << 0)	/* 4 */
#define NET_CONNECT_TCP	(1ULL << 1)	/* 4 */
#define SCOPE_ABSTRACT	(1ULL << 0)	/* 6: abstract Unix sockets */
#define SCOPE_SIGNAL	(1ULL << 1)	/* 6 */

/* What is denied unless a rule allows it. */
struct ruleset {
	uint64_t	fs, net, scoped;
};

#define RULE_PATH_BENEATH	1
#define RULE_NET_PORT		2

struct path_beneath {
	uint64_t	access;
	int32_t		parent;		/* descriptor */
} __attribute__((packed));

struct net_port {
	uint64_t	access, port;
};

#define READ_FS		(FS_READ_FILE | FS_READ_DIR)
/* What is a right to a file, as opposed to a directory. */
#define FILE_FS		(FS_READ_FILE | FS_WRITE_FILE | FS_EXECUTE | \
			FS_TRUNCATE | FS_IOCTL_DEV)
#define ALL_FS		((FS_IOCTL_DEV << 1) - 1)

/*
 * What that version of the interface can deny, of NET_* no more than net says:
 * 0, or -1 if it is too old for a wall.
 */
int	landlock_choose(int abi, uint64_t net, struct ruleset *);
/*
 * Begins a wall: denied from then on is all of the file system, and of NET_*
 * what net says, as far as the kernel can.  A descriptor, with what it denies;
 * or -1 where there is no such wall, which is no error.  Signals and abstract
 * sockets go to processes under the same wall, or under one inside of it.
 */
int	landlock_begin(uint64_t net, struct ruleset *);
/*
 * Holes in it: 0, or -1 with errno.  A path that cannot be opened now cannot be
 * opened later, either; the rights are those that the ruleset denies.
 */
int	landlock_allow_path(int fd, const char *path, uint64_t access);
int	landlock_allow_port(int fd, unsigned port);	/* to connect to */
/* Puts the wall up, unless ret is -1, and closes it: 0, or -1 with errno. */
int	landlock_end(int fd, int ret);

#endif
