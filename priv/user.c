/*
 * user.c - a local user, and becoming one for good.
 * Runs as: root, and then as the user.  Uses: identities, the user database.
 * Promise: every change of identity is complete, final and checked.
 */
#include <sys/stat.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "priv/user.h"

int
user_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > LOGIN_MAX || name[0] == '-' || name[0] == '.' ||
	    strchr(name, '/') != NULL || !text_is_clean(name, n))
		return 0;
	return strspn(name, "0123456789") != n;
}

int
user_lookup(const char *name, struct user *u)
{
	char lower[LOGIN_MAX + 1];
	struct passwd *pw = NULL;
	int i;

	memset(u, 0, sizeof(*u));
	if (!user_name_ok(name))
		return 1;
	text_lower(lower, name, strlen(name) + 1);
	/* Mail for Bob is for bob, as with every local MTA. */
	for (i = 0; i < 1 + (strcmp(lower, name) != 0) && pw == NULL; i++) {
		errno = 0;
		pw = getpwnam(i == 0 ? name : lower);
		if (pw == NULL && errno != 0 && errno != ENOENT &&
		    errno != ESRCH)
			return -1;
	}
	if (pw == NULL)
		return 1;
	if (!user_name_ok(pw->pw_name) ||
	    text_copy(u->name, sizeof(u->name), pw->pw_name) == -1 ||
	    text_copy(u->home, sizeof(u->home), pw->pw_dir) == -1 ||
	    text_copy(u->shell, sizeof(u->shell), pw->pw_shell) == -1)
		return -1;
	if (u->shell[0] == '\0')
		text_copy(u->shell, sizeof(u->shell), "/bin/sh");
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return 0;
}

const char *
user_find_spool(const char *spooldir, struct spool_user *u)
{
	struct stat st;

	if (lstat(spooldir, &st) == -1)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode) || st.st_uid == 0 || st.st_gid == 0)
		return "must be a directory owned by the user _dma (see "
		    "dma(8), FILES)";
	u->uid = st.st_uid;
	u->gid = st.st_gid;
	return NULL;
}

/* Becomes uid and gid for good; groups were set by the caller. */
static int
become(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1)
		return -1;
	if (getresuid(&r, &e, &s) == -1 || getresgid(&rg, &eg, &sg) == -1 ||
	    r != uid || e != uid || s != uid || rg != gid || eg != gid ||
	    sg != gid)
		return -1;
#if defined(__linux__)
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (uid == 0)
		return 0;
	/* The way back must be shut. */
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ||
	    (gid != 0 && setresgid((gid_t)-1, 0, (gid_t)-1) == 0))
		return -1;
	return 0;
}

/*
 * A session's keys follow no id: commands would have those of whoever started
 * the runner.  As root, so that no quota of a user is in the way; not vital.
 */
static void
leave_keyring(void)
{
#if defined(__linux__)
	(void)syscall(SYS_keyctl, 1 /* join a new session */, NULL);
#endif
}

int
user_become_root(void)
{
	leave_keyring();
	return setgroups(0, NULL) == -1 ? -1 : become(0, 0);
}

int
user_become_spool(const struct spool_user *u, int with_groups)
{
	const struct passwd *pw = with_groups ? getpwuid(u->uid) : NULL;

	if (u->uid == 0 || u->gid == 0 || (pw != NULL ?
	    initgroups(pw->pw_name, u->gid) : setgroups(0, NULL)) == -1)
		return -1;
	return become(u->uid, u->gid);
}

int
user_become(const struct user *u, const char *mail_dir)
{
	struct stat st;
	gid_t gid = u->gid;

	leave_keyring();
	if (initgroups(u->name, u->gid) == -1)
		return -1;
	if (mail_dir != NULL && stat(mail_dir, &st) == 0 &&
	    S_ISDIR(st.st_mode) && (st.st_mode & S_IWGRP) != 0 &&
	    st.st_gid != 0)
		gid = st.st_gid;
	return become(u->uid, gid);
}
