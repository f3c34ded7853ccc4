/*
 * mbox_lock.h - opens an mbox file and locks it, as mail readers do.
 */
#ifndef LOCAL_MBOX_LOCK_H
#define LOCAL_MBOX_LOCK_H

#include <limits.h>
#include <stdint.h>

#include "lib/result.h"
#include "priv/user.h"

struct mbox_lock {
	int		 dir;		/* lent: where the file is */
	const char	*name, *path;	/* lent; path: the full name */
	const struct user *owner;	/* lent */
	int		 opens_to_group; /* a new file: see open_to_group() */
	int		 fd;		/* owned: the locked file, or -1 */
	int		 is_name_unsure; /* its name may not be durable yet */
	/* the dotlock */
	char		 dotlock_name[NAME_MAX + 1];
	int		 dotlock;	/* owned: ours, or -1 */
	int64_t		 touched_ms;	/* last */
	/* waiting */
	int64_t		 deadline_ms;
	int		 poll_ms;
};

/* Nothing is locked yet.  -1 with the reason: the name is too long. */
int	mbox_lock_init(struct mbox_lock *, int dir, const char *name,
	    const char *path, const struct user *owner, struct result *);
/*
 * Opens or creates the file and takes all locks: fd is the file.  -1 with the
 * reason: then nothing is locked.
 */
int	mbox_lock_take(struct mbox_lock *, unsigned wait_s, struct result *);
/* Keeps the dotlock young; for long writes, at any rate. */
void	mbox_lock_touch(struct mbox_lock *);
void	mbox_lock_release(struct mbox_lock *);

#endif
