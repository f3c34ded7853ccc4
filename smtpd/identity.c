/*
 * identity.c - the user that dma-smtpd becomes.
 * Runs as: root, and then as that user.
 * Uses: identities, the user database.
 * Promise: the change is complete, final and checked, but for that of
 * identity_enter(); it is never to root.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smtpd/identity.h"

const char *
identity_find(struct identity *id, const char *name)
{
	const struct passwd *pw;

	memset(id, 0, sizeof(*id));
	id->is_kept = geteuid() != 0;
	id->uid = geteuid();
	id->gid = getegid();
	if (id->is_kept)
		return NULL;
	errno = 0;
	pw = getpwnam(name == NULL ? SMTPD_USER : name);
	if (pw == NULL)
		return errno == 0 || errno == ENOENT || errno == ESRCH ?
		    "there is no such user: create it, or set USER" :
		    strerror(errno);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return "is root: set USER to a user without rights";
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	id->ngroups = IDENTITY_GROUPS_MAX;
	if (getgrouplist(pw->pw_name, pw->pw_gid, id->groups,
	    &id->ngroups) == -1)
		return "is a member of too many groups";
	return NULL;
}

static int
is_complete(const struct identity *id)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 &&
	    r == id->uid && e == id->uid && s == id->uid &&
	    rg == id->gid && eg == id->gid && sg == id->gid;
}

int
identity_enter(const struct identity *id)
{
	return setegid(id->gid) == -1 || seteuid(id->uid) == -1 ? -1 : 0;
}

void
identity_leave(void)
{
	/* Nobody can go on as something in between. */
	if (seteuid(0) == -1 || setegid(0) == -1)
		abort();
}

int
identity_become(const struct identity *id)
{
	if (id->is_kept)
		return 0;
	errno = EPERM;
	if (id->uid == 0 || id->gid == 0 ||
	    setgroups((size_t)id->ngroups, id->groups) == -1 ||
	    setresgid(id->gid, id->gid, id->gid) == -1 ||
	    setresuid(id->uid, id->uid, id->uid) == -1)
		return -1;
	/* The way back must be shut. */
	errno = EPERM;
	if (!is_complete(id) || setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ||
	    setresgid((gid_t)-1, 0, (gid_t)-1) == 0)
		return -1;
	return 0;
}
