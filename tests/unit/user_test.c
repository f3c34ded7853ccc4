/*
 * user_test.c - names of users, and becoming one for good.
 * As root all of it; else what needs no other identity.
 */
#include <sys/prctl.h>
#include <sys/stat.h>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "priv/user.h"
#include "tests/unit/t.h"

#define USER	"daemon"
#define SPOOL	65534

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		int ok;
	} cases[] = {
		{ "bob", 1 }, { "Bob", 1 }, { "b", 1 }, { "bob.smith", 1 },
		{ "bob-2", 1 }, { "2bob", 1 }, { "_dma", 1 },
		{ "j\xc3\xb6rg", 1 },
		{ "two words", 1 }, { "EXAMPLE\\dave", 1 },
		{ "20231234", 1 }, { "", 0 }, { "a..b", 1 }, { "bob.", 1 },
		{ "bob\n", 0 }, { "bo\tb", 0 }, { "bo\x7f", 0 },
	};
	static const struct {
		const char *name;
		int ok;
	} files[] = {
		{ "bob", 1 }, { "two words", 1 }, { "EXAMPLE\\dave", 1 },
		{ "a..b", 1 }, { "-bob", 0 }, { ".bob", 0 }, { "..", 0 },
		{ "a/b", 0 }, { "/", 0 },
	};
	char name[LOGIN_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (user_name_ok(cases[i].name) != cases[i].ok)
			fail_msg("%s", cases[i].name);
	memset(name, 'a', LOGIN_MAX);
	name[LOGIN_MAX] = '\0';
	assert_true(user_name_ok(name));
	name[LOGIN_MAX] = 'a';
	name[LOGIN_MAX + 1] = '\0';
	assert_false(user_name_ok(name));
	for (i = 0; i < N(files); i++)
		assert_int_equal(user_name_is_file(files[i].name),
		    files[i].ok);
}

static void
test_lookup(void **state)
{
	struct user u;

	(void)state;
	assert_int_equal(user_lookup("root", &u), 0);
	assert_int_equal(u.uid, 0);
	assert_string_equal(u.name, "root");
	assert_true(u.home[0] == '/' && u.shell[0] == '/');
	/* Mail for ROOT is for root. */
	assert_int_equal(user_lookup("ROOT", &u), 0);
	assert_string_equal(u.name, "root");
	assert_int_equal(user_lookup("no-such-user", &u), 1);
	/* No name at all: the database is not even asked. */
	assert_int_equal(user_lookup("0", &u), 1);
	assert_int_equal(user_lookup("../root", &u), 1);
	assert_string_equal(u.name, "");
}

static void
test_the_spool_user_owns_the_spool(void **state)
{
	struct spool_user u;
	char dir[64];

	(void)state;
	t_dir(dir, sizeof(dir));
	assert_non_null(user_find_spool(t_path(dir, "none"), &u));
	t_put(t_path(dir, "file"), T("x"), 0600);
	assert_non_null(user_find_spool(t_path(dir, "file"), &u));
	if (geteuid() == 0) {
		/* Never root. */
		assert_non_null(user_find_spool(dir, &u));
		assert_int_equal(chown(dir, SPOOL, 0), 0);
		assert_non_null(user_find_spool(dir, &u));
		assert_int_equal(chown(dir, SPOOL, SPOOL), 0);
	}
	assert_null(user_find_spool(dir, &u));
	assert_int_equal(u.uid, geteuid() == 0 ? SPOOL : geteuid());
	t_dir_remove(dir);
}

/* All ids, no group but these, no way back, no core and no tracing. */
static int
is_only(uid_t uid, gid_t gid, int groups)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) == -1 || getresgid(&rg, &eg, &sg) == -1)
		return 0;
	return r == uid && e == uid && s == uid && rg == gid && eg == gid &&
	    sg == gid && (groups == -1 || getgroups(0, NULL) == groups) &&
	    setuid(0) == -1 && seteuid(0) == -1 && setgid(0) == -1 &&
	    prctl(PR_GET_DUMPABLE) == 0;
}

static int
becomes_user(const void *mail_dir)
{
	struct user u;
	struct stat st;

	if (user_lookup(USER, &u) != 0 || user_become(&u, mail_dir) == -1)
		return 1;
	if (mail_dir == NULL || stat(mail_dir, &st) == -1)
		return !is_only(u.uid, u.gid, -1);
	return !is_only(u.uid, (st.st_mode & S_IWGRP) && st.st_gid != 0 ?
	    st.st_gid : u.gid, -1);
}

static void
test_becoming_a_user(void **state)
{
	char dir[64];

	(void)state;
	if (geteuid() != 0 || getpwnam(USER) == NULL)
		t_skip("only root can do this, with a user " USER);
	assert_int_equal(t_in_child(becomes_user, NULL), 0);
	assert_int_equal(t_in_child(becomes_user, "/nonexistent"), 0);
	t_dir(dir, sizeof(dir));
	/* Writable by a group: with that group; but never root's. */
	assert_int_equal(chown(dir, 0, 8), 0);
	assert_int_equal(chmod(dir, 0775), 0);
	assert_int_equal(t_in_child(becomes_user, dir), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(t_in_child(becomes_user, dir), 0);
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(chmod(dir, 0775), 0);
	assert_int_equal(t_in_child(becomes_user, dir), 0);
	t_dir_remove(dir);
}

static int
becomes_spool(const void *arg)
{
	static const struct spool_user spool = { SPOOL, SPOOL };
	static const gid_t groups[] = { 8, 12 };

	(void)arg;
	return setgroups(2, groups) == -1 || user_become_spool(&spool, 0) == -1 ||
	    !is_only(SPOOL, SPOOL, 0);
}

static int
becomes_member(const void *arg)
{
	static const struct spool_user spool = { SPOOL, SPOOL };

	(void)arg;
	return user_become_spool(&spool, 1) == -1 ||
	    !is_only(SPOOL, SPOOL, -1);
}

/* A spool that is root's is not one: then there is no spool user. */
static int
refuses_root(const void *arg)
{
	static const struct spool_user bad[] = { { 0, 0 }, { 0, SPOOL },
	    { SPOOL, 0 } };
	size_t i;

	(void)arg;
	for (i = 0; i < N(bad); i++)
		if (user_become_spool(&bad[i], 0) != -1 ||
		    user_become_spool(&bad[i], 1) != -1)
			return 1;
	return 0;
}

static int
becomes_root(const void *arg)
{
	static const gid_t groups[] = { 8, 12 };

	(void)arg;
	return setgroups(2, groups) == -1 || setegid(8) == -1 ||
	    user_become_root() == -1 || getegid() != 0 ||
	    getgroups(0, NULL) != 0;
}

static int
stays_who_it_is(const void *arg)
{
	struct user u;

	(void)arg;
	return user_lookup("root", &u) != 0 || user_become(&u, NULL) != -1 ||
	    user_become_root() != -1;
}

/* Its caller can end it, and it stays on the account of its caller. */
static int
becomes_front_end(const void *arg)
{
	static const struct spool_user spool = { SPOOL, SPOOL };
	const uid_t caller = *(const uid_t *)arg;
	uid_t r, e, s;

	if (user_become_front_end(&spool, caller) == -1 ||
	    getresuid(&r, &e, &s) == -1)
		return 1;
	if (r != (caller == 0 ? SPOOL : caller) || e != SPOOL || s != SPOOL)
		return 2;
	if (getgroups(0, NULL) != 0 || getegid() != SPOOL ||
	    getgid() != SPOOL || prctl(PR_GET_DUMPABLE) != 0)
		return 3;
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return 4;
	/* From the commit on nobody's. */
	if (user_leave_caller() == -1 || !is_only(SPOOL, SPOOL, 0))
		return 5;
	return caller != SPOOL && seteuid(caller) == 0 ? 6 : 0;
}

static int
refuses_front_end_of_root(const void *arg)
{
	static const struct spool_user bad[] = { { 0, SPOOL }, { SPOOL, 0 } };
	size_t i;

	(void)arg;
	for (i = 0; i < N(bad); i++)
		if (user_become_front_end(&bad[i], 1000) != -1)
			return 1;
	return 0;
}

static void
test_becoming_the_front_end(void **state)
{
	static const uid_t callers[] = { 1000, 0, SPOOL };

	(void)state;
	t_needs_root();
	t_for_callers(becomes_front_end, callers, N(callers));
	assert_int_equal(t_in_child(refuses_front_end_of_root, NULL), 0);
}

static void
test_becoming_the_spool_user_and_root(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(refuses_root, NULL), 0);
	if (geteuid() != 0) {
		assert_int_equal(t_in_child(stays_who_it_is, NULL), 0);
		return;
	}
	assert_int_equal(t_in_child(becomes_spool, NULL), 0);
	assert_int_equal(t_in_child(becomes_member, NULL), 0);
	assert_int_equal(t_in_child(becomes_root, NULL), 0);
}

static void
test_spellings_of_a_user(void **state)
{
	static const struct { const char *a, *b; int is_same; } cases[] = {
		{ "root", "root", 1 }, { "root", "ROOT", 1 },
		{ "Root", "rOOT", 1 }, { "root", "root2", 0 },
		{ "root", "daemon", 0 },
		{ "no-such-user", "No-Such-User", 1 },
		{ "no such\nuser", "no such\nuser", 1 },
		{ "no\nuser", "NO\nuser", 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(user_names.is_same(cases[i].a, cases[i].b),
		    cases[i].is_same);
		assert_int_equal(user_names.is_same(cases[i].b, cases[i].a),
		    cases[i].is_same);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_the_spool_user_owns_the_spool),
		cmocka_unit_test(test_becoming_a_user),
		cmocka_unit_test(test_becoming_the_spool_user_and_root),
		cmocka_unit_test(test_becoming_the_front_end),
		cmocka_unit_test(test_spellings_of_a_user),
	};

	return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
