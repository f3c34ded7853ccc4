/*
 * user_shell_test.c - who may run commands from a .forward.
 */
#include "priv/user_shell.h"
#include "tests/unit/t.h"

static void
test_a_shell_counts_when_it_is_a_line_of_its_own(void **state)
{
	static const struct {
		const char	*shell, *text;
		int		 is_listed;
	} cases[] = {
		{ "/bin/sh", "/bin/sh\n", 1 },
		{ "/bin/sh", "/bin/csh\n/bin/sh", 1 },
		{ "/bin/sh", "# comment\n\n  /bin/sh # the shell\n", 1 },
		{ "/bin/sh", "/bin/sh\t\n", 1 },
		{ "/bin/sh", "/bin/sh#the shell\n", 1 },
		{ "/bin/sh", "\xef\xbb\xbf/bin/sh\r\n/bin/csh\r\n", 1 },
		{ "/bin/sh", "", 0 },
		{ "/bin/sh", "#/bin/sh\n", 0 },
		{ "/bin/sh", "/bin/shell\n", 0 },
		{ "/bin/shell", "/bin/sh\n", 0 },
		{ "/bin/sh", "/usr/bin/sh\n", 0 },
		{ "/usr/sbin/nologin", "/bin/sh\n/bin/bash\n", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (user_shell_is_listed(cases[i].shell, cases[i].text) !=
		    cases[i].is_listed)
			fail_msg("case %zu: %s", i, cases[i].shell);
}

static void
test_root_runs_nothing_and_others_with_a_shell(void **state)
{
	static const struct {
		uint32_t	 uid;
		int		 is_required;
		const char	*shell;
		int		 may;
	} cases[] = {
		{ 0, 0, "/bin/sh", 0 },
		{ 0, 1, "/bin/sh", 0 },
		{ 1, 0, "/nonexistent/shell", 1 },
		{ 1, 1, "/nonexistent/shell", 0 },
		{ 1, 1, "/bin/sh", 1 },
	};
	struct conf conf;
	struct user user;
	size_t i;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	memset(&user, 0, sizeof(user));
	for (i = 0; i < N(cases); i++) {
		conf.local.is_shell_required = cases[i].is_required;
		user.uid = cases[i].uid;
		text_copy(user.shell, sizeof(user.shell), cases[i].shell);
		if (user_may_run(&conf.local, &user) != cases[i].may)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_shell_counts_when_it_is_a_line_of_its_own),
		cmocka_unit_test(
		    test_root_runs_nothing_and_others_with_a_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
