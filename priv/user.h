/*
 * user.h - a local user, and becoming one for good.
 */
#ifndef PRIV_USER_H
#define PRIV_USER_H

#include <sys/types.h>

#include "message.h"

/* A local user, looked up by the process that acts as them. */
struct user {
	char		 name[LOGIN_MAX + 1];
	uint32_t	 uid, gid;
	char		 home[1024];
	char		 shell[256];
};

/* The owner of the queue, _dma. */
struct spool_user {
	uid_t	 uid;
	gid_t	 gid;
};

/* 1 when a text can be a user's name as THREATS.md has it. */
int	user_name_ok(const char *);
/* 0 found, 1 there is none, -1 it cannot be told now. */
int	user_lookup(const char *name, struct user *);
/* NULL, or why the owner of the spool directory cannot be the spool user. */
const char *user_find_spool(const char *spooldir, struct spool_user *);

/*
 * Each becomes somebody for good: all three user and group ids and the
 * groups.  0 after a look that there is no way back, else -1: the process
 * must end then, whoever it is by now.
 *
 * mail_dir: with the group of that directory, where the group may write
 * there, so that lock and mailbox can be made without root; or NULL.
 */
int	user_become(const struct user *, const char *mail_dir);
/* with_groups: those that the group file gives to that user, else none. */
int	user_become_spool(const struct spool_user *, int with_groups);
int	user_become_root(void);

#endif
