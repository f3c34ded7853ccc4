/*
 * trusted_open.c - opens a file that nobody else can put another in place of.
 * Runs as: the user.  Uses: the path.
 * Promise: where others can write, a file is opened only if it is no link and
 * has no second name: they cannot have another file of the owner's read in
 * place of it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/trusted_open.h"

#define LINKS_MAX	16	/* followed on one way */

#ifdef O_PATH
#define OPEN_DIRECTORY	(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#else
#define OPEN_DIRECTORY	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#endif

struct trusted_walk {
	uid_t		 owner;
	int		 dir;		/* owned: where we are, or -1 */
	char		 path[PATH_MAX];
	char		*rest;		/* of it, from there */
	unsigned	 links;
};

static int
enter(struct trusted_walk *w, const char *name)
{
	int dir;

	dir = name[0] == '/' ? open("/", OPEN_DIRECTORY) :
	    openat(w->dir, name, OPEN_DIRECTORY);
	io_close(&w->dir);
	w->dir = dir;
	return dir == -1 ? -1 : 0;
}

int
trusted_stat(const struct stat *st, uid_t owner)
{
	return (st->st_uid == 0 || st->st_uid == owner) &&
	    (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int
is_trusted(const struct trusted_walk *w)
{
	struct stat st;

	return fstat(w->dir, &st) == 0 && trusted_stat(&st, w->owner);
}

/* A link is root's or the owner's, in a directory that is. */
static int
may_follow(struct trusted_walk *w, const char *name)
{
	struct stat st;

	return ++w->links <= LINKS_MAX && is_trusted(w) &&
	    fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_uid == 0 || st.st_uid == w->owner);
}

/* The rest of the path becomes what the link says, and then the rest. */
static int
follow(struct trusted_walk *w, const char *name, const char *target)
{
	char path[PATH_MAX];
	int n;

	if (!may_follow(w, name)) {
		errno = ELOOP;
		return -1;
	}
	n = snprintf(path, sizeof(path), "%s/%s", target, w->rest);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w->path, path, (size_t)n + 1);
	w->rest = w->path;
	return target[0] == '/' ? enter(w, "/") : 0;
}

static char *
skip_slashes(char *path)
{
	while (*path == '/')
		path++;
	return path;
}

/* Takes the next name off the rest; "" when there is none. */
static const char *
next_name(struct trusted_walk *w)
{
	char *name = skip_slashes(w->rest), *end = strchr(name, '/');

	if (end != NULL)
		*end++ = '\0';
	w->rest = end == NULL ? strchr(name, '\0') : skip_slashes(end);
	return name;
}

/* A second name, where others can make one, is as good as a link. */
static int
open_last(const struct trusted_walk *w, const char *name, int flags)
{
	struct stat st;
	int fd = openat(w->dir, name, flags | O_NOFOLLOW);

	if (fd != -1 && !is_trusted(w) && (fstat(fd, &st) == -1 ||
	    (!S_ISDIR(st.st_mode) && st.st_nlink > 1))) {
		io_close(&fd);
		errno = ELOOP;
	}
	return fd;
}

static int
walk(struct trusted_walk *w, int flags)
{
	char target[PATH_MAX];
	const char *name;
	ssize_t n;

	for (;;) {
		name = next_name(w);
		n = readlinkat(w->dir, name, target, sizeof(target) - 1);
		if (n == -1 && errno != EINVAL)
			return -1;
		if (n == -1 && w->rest[0] == '\0')
			return open_last(w, name, flags);
		target[n < 0 ? 0 : n] = '\0';
		if ((n == -1 ? enter(w, name) : follow(w, name, target)) == -1)
			return -1;
	}
}

int
trusted_open(const char *path, uid_t owner, int flags)
{
	struct trusted_walk w = { .owner = owner, .dir = -1 };
	int fd = -1;

	if (path[0] != '/' || text_copy(w.path, sizeof(w.path), path) == -1) {
		errno = ENAMETOOLONG;
		return -1;
	}
	w.rest = w.path;
	if (enter(&w, "/") == 0)
		fd = walk(&w, flags);
	io_close(&w.dir);
	return fd;
}
