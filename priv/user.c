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
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/trusted_open.h"
#include "priv/user.h"

/* Subordinate uids are above that, and a user has at least as many. */
#define RANGE_UIDS	65536

void
user_ids(uint32_t *real, uint32_t *effective)
{
	uid_t r, e, s;

	/* It cannot fail, and if it did, nobody would be root. */
	if (getresuid(&r, &e, &s) == -1)
		r = e = (uid_t)-1;
	*real = r;
	*effective = e;
}

/* What getpwnam() knows is a user, a number or a blank in it or not. */
int
user_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= LOGIN_MAX && text_is_clean(name, n);
}

int
user_name_is_file(const char *name)
{
	return name[0] != '.' && name[0] != '-' && strchr(name, '/') == NULL;
}

/* By that very name: lends the entry, or NULL; 0, or -1 when it fails. */
static int
find_name(const char *name, const struct passwd **pw)
{
	errno = 0;
	*pw = getpwnam(name);
	return *pw == NULL && errno != 0 && errno != ENOENT &&
	    errno != ESRCH ? -1 : 0;
}

int
user_lookup(const char *name, struct user *u)
{
	char lower[LOGIN_MAX + 1];
	const struct passwd *pw;

	memset(u, 0, sizeof(*u));
	if (!user_name_ok(name))
		return 1;
	text_lower(lower, name, strlen(name) + 1);
	if (find_name(name, &pw) == -1)
		return -1;
	/* Mail for Bob is for bob, as with every local MTA. */
	if (pw == NULL && strcmp(lower, name) != 0 &&
	    find_name(lower, &pw) == -1)
		return -1;
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

static int
exists(const char *name)
{
	struct user u;
	int ret = user_lookup(name, &u);

	return ret == -1 ? -1 : ret == 0;
}

/* Bob and bob are one user, or two. */
static int
is_same(const char *a, const char *b)
{
	const struct passwd *pw;
	struct user u, v;
	int one, two;

	if (strcmp(a, b) == 0)
		return 1;
	if (text_casecmp(a, b) != 0)
		return 0;
	/* With no user of either name, both mean the one in lower case. */
	if (!user_name_ok(a) || (find_name(a, &pw) == 0 && pw == NULL &&
	    find_name(b, &pw) == 0 && pw == NULL))
		return 1;
	one = user_lookup(a, &u);
	two = one == -1 ? -1 : user_lookup(b, &v);
	if (two == -1)
		return -1;
	return one == two && (one == 1 || strcmp(u.name, v.name) == 0);
}

const struct names_users user_names = { exists, is_same };

/* A link to another disk: st becomes its target; NULL, or the reason. */
static const char *
follow_spool(const char *spooldir, struct stat *st)
{
	int fd;

	if (stat(spooldir, st) == -1)
		return strerror(errno);
	fd = trusted_open(spooldir, st->st_uid, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd == -1 && errno == ELOOP)
		return "is a symbolic link that is owned neither by "
		    "root nor by _dma, or is in a directory that others can "
		    "write: run \"chown -h root\" on it, or move it";
	if (fd == -1 || fstat(fd, st) == -1)
		return strerror(errno);
	close(fd);
	return NULL;
}

const char *
user_find_spool(const char *spooldir, struct spool_user *u)
{
	const char *reason = NULL;
	struct stat st;

	if (lstat(spooldir, &st) == -1)
		return errno == ENOENT ? "No such file or directory: install "
		    "dma again" : strerror(errno);
	if (S_ISLNK(st.st_mode))
		reason = follow_spool(spooldir, &st);
	if (reason != NULL)
		return reason;
	if (!S_ISDIR(st.st_mode) || st.st_uid == 0 || st.st_gid == 0)
		return "must be a directory owned by the user _dma (see "
		    "dma(8), FILES)";
	u->uid = st.st_uid;
	u->gid = st.st_gid;
	return NULL;
}

static int
become_uids(uid_t real, uid_t uid)
{
	uid_t r, e, s;

	return setresuid(real, uid, uid) == -1 ||
	    getresuid(&r, &e, &s) == -1 || r != real || e != uid || s != uid ?
	    -1 : 0;
}

static int
become_gid(gid_t gid)
{
	gid_t r, e, s;

	return setresgid(gid, gid, gid) == -1 ||
	    getresgid(&r, &e, &s) == -1 || r != gid || e != gid || s != gid ?
	    -1 : 0;
}

/* Becomes uid and gid for good; groups were set by the caller. */
static int
become(uid_t real, uid_t uid, gid_t gid)
{
	if (become_gid(gid) == -1 || become_uids(real, uid) == -1)
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
	return setgroups(0, NULL) == -1 ? -1 : become(0, 0, 0);
}

int
user_become_spool(const struct spool_user *u, int with_groups)
{
	const struct passwd *pw = with_groups ? getpwuid(u->uid) : NULL;

	if (u->uid == 0 || u->gid == 0 || (pw != NULL ?
	    initgroups(pw->pw_name, u->gid) : setgroups(0, NULL)) == -1)
		return -1;
	return become(u->uid, u->uid, u->gid);
}

/* Root ends what it wants to end, and no other process has its real uid. */
int
user_become_front_end(const struct spool_user *u, uid_t caller)
{
	if (u->uid == 0 || u->gid == 0 || setgroups(0, NULL) == -1)
		return -1;
	return become(caller == 0 ? u->uid : caller, u->uid, u->gid);
}

int
user_leave_caller(void)
{
	uid_t uid = geteuid();

	return become_uids(uid, uid);
}

int
user_as_caller(void)
{
	return seteuid(getuid());
}

int
user_as_before(uid_t uid)
{
	if (seteuid(uid) == -1 || geteuid() != uid)
		return -1;
#if defined(__linux__)
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return 0;
}

int
user_in_group(uid_t uid, const char *name)
{
	const struct passwd *pw;
	const struct group *gr;
	char login[LOGIN_MAX + 1];
	size_t i;

	pw = name == NULL ? NULL : getpwuid(uid);
	gr = pw == NULL ? NULL : getgrnam(name);
	if (gr == NULL)
		return 0;
	if (pw->pw_gid == gr->gr_gid)
		return 1;
	if (text_copy(login, sizeof(login), pw->pw_name) == -1)
		return 0;
	for (i = 0; gr->gr_mem[i] != NULL; i++)
		if (strcmp(gr->gr_mem[i], login) == 0)
			return 1;
	return 0;
}

int
user_is_group(const char *name)
{
	return getgrnam(name) != NULL;
}

uid_t
user_range(uid_t uid)
{
	return uid < RANGE_UIDS ? uid : uid - uid % RANGE_UIDS;
}

int
user_may_be(uid_t one, uid_t other)
{
	return user_range(one) == user_range(other);
}

int
user_become_caller(void)
{
	return getuid() == geteuid() && getgid() == getegid() ? 0 :
	    become(getuid(), getuid(), getgid());
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
	return become(u->uid, u->uid, gid);
}
