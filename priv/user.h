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

void	user_ids(uint32_t *real, uint32_t *effective);
/* 1 when a text may be looked up: it has no control character. */
int	user_name_ok(const char *);
/* 1 when a user's name can be that of a file or directory. */
int	user_name_is_file(const char *);
/* The user database, for whoever only asks for names. */
extern const struct names_users user_names;
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
/*
 * The spool user but for the real uid, which stays the caller's: who can end
 * it, and on whose account it runs.  Root as a caller leaves nothing of its
 * own.
 */
int	user_become_front_end(const struct spool_user *, uid_t caller);
/* From there on: the spool user alone; no signal of the caller reaches it. */
int	user_leave_caller(void);
/*
 * The front end as its caller, for what the kernel attributes to the effective
 * uid; and back: -1 then must end the call.  Nobody else gets at it meanwhile:
 * the saved uid is not the caller's.
 */
int	user_as_caller(void);
int	user_as_before(uid_t);
/* 1 for a member, by the group's list or as login group.  name: or NULL. */
int	user_in_group(uid_t, const char *name);
/* 1 when there is such a group. */
int	user_is_group(const char *name);
/* The first uid of those that may be one user, who can have a range of them
 * (subuid(5)); the uid itself below all such ranges. */
uid_t	user_range(uid_t);
/* May be the same user. */
int	user_may_be(uid_t, uid_t);
/* The real ids of this process, with the groups it has. */
int	user_become_caller(void);

#endif
