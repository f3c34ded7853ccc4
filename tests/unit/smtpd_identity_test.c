/*
 * smtpd_identity_test.c - the user is become for good, or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "smtpd/identity.h"
#include "tests/unit/t.h"

static int
find_and_become(const void *arg)
{
	const char *name = arg;
	const struct passwd *pw = getpwnam(name);
	struct identity id;
	gid_t groups[64];

	if (pw == NULL || identity_find(&id, name) != NULL ||
	    identity_become(&id) == -1)
		return 1;
	if (geteuid() != pw->pw_uid || getegid() != pw->pw_gid)
		return 2;
	if (setuid(0) != -1 || seteuid(0) != -1 || setgid(0) != -1)
		return 3;
	/* None of root's groups. */
	if (getgroups(64, groups) != id.ngroups)
		return 4;
	if (open("/etc/shadow", O_RDONLY) != -1)
		return 5;
	/* What it became is what it is for the next process. */
	return identity_find(&id, "root") == NULL && id.is_kept &&
	    identity_become(&id) == 0 ? 0 : 6;
}

static void
test_root_becomes_the_user_for_good(void **state)
{
	(void)state;
	t_needs_root();
	assert_int_equal(t_in_child(find_and_become, "nobody"), 0);
	assert_int_equal(t_in_child(find_and_become, "daemon"), 0);
}

static void
test_root_needs_a_user_without_rights(void **state)
{
	struct identity id;

	(void)state;
	t_needs_root();
	assert_non_null(identity_find(&id, "root"));
	assert_non_null(identity_find(&id, "no-such-user-here"));
	/* Never to root, whatever is in the struct. */
	memset(&id, 0, sizeof(id));
	assert_int_equal(identity_become(&id), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(geteuid(), 0);
}

static int
stay(const void *arg)
{
	struct identity id;

	(void)arg;
	t_become_nobody();
	return identity_find(&id, "no-such-user-here") == NULL &&
	    id.is_kept && id.uid == geteuid() && identity_become(&id) == 0 ?
	    0 : 1;
}

static void
test_any_other_user_stays(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(stay, NULL), 0);
}

static int
pretend(const void *arg)
{
	struct identity id;

	(void)arg;
	t_become_nobody();
	memset(&id, 0, sizeof(id));
	id.uid = 12345;
	id.gid = 12345;
	return identity_become(&id) == -1 ? 0 : 1;
}

static void
test_what_fails_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(t_in_child(pretend, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_becomes_the_user_for_good),
		cmocka_unit_test(test_root_needs_a_user_without_rights),
		cmocka_unit_test(test_any_other_user_stays),
		cmocka_unit_test(test_what_fails_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
