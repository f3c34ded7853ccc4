/*
 * auth_command_test.c - what becomes of the commands of auth.conf: a password,
 * or why there is none.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <signal.h>
#include <unistd.h>

#include "net/auth_command.h"
#include "tests/unit/t.h"

static const struct {
	const char	*script;	/* of a shell; NULL: it does not exist */
	const char	*password;	/* or NULL */
	const char	*trouble;	/* a part of it; or NULL */
} cases[] = {
	{ "echo sesame", "sesame", NULL },
	{ "printf 'sesame\\r\\nmore\\n'", "sesame", NULL },
	{ "printf sesame", "sesame", NULL },
	/* What it leaves running may keep its output open. */
	{ "sleep 5 & echo sesame", "sesame", NULL },
	/* A fresh environment, and no input. */
	{ "echo \"$SHELL $SECRET\"", "/bin/sh ", NULL },
	{ "read x || echo none", "none", NULL },
	/* No word of the output in what went wrong. */
	{ "echo sesame; exit 3", NULL, "exited with status 3" },
	{ "echo sesame; kill -9 $$", NULL, "was terminated by signal 9" },
	{ "echo", NULL, "its first line is empty" },
	{ "printf 'a\\001b\\n'", NULL, "control characters" },
	{ "head -c 9000 /dev/zero", NULL, "printed more than 8192 bytes" },
	{ NULL, NULL, "does not exist" },
};

/* One entry for each case; its command is a script in that directory. */
static void
make_entries(struct auths *auths, const char *dir)
{
	struct buf line, script;
	char name[16];
	size_t i;

	buf_init(&line, 0);
	for (i = 0; i < N(cases); i++) {
		snprintf(name, sizeof(name), "c%zu", i);
		buf_init(&script, 0);
		buf_printf(&script, "#!/bin/sh\n%s\n", cases[i].script == NULL ?
		    "" : cases[i].script);
		if (cases[i].script != NULL)
			t_put(t_path(dir, name), script.data, script.len,
			    0700);
		buf_fini(&script);
		buf_printf(&line, "host h%zu user u password-command %s\n", i,
		    t_path(dir, name));
	}
	buf_puts(&line, "host last user u password plain\n");
	assert_int_equal(auth_parse(auths, line.data, line.len, NULL,
	    &report_quiet), 0);
	assert_int_equal(auths->n, N(cases) + 1);
	buf_fini(&line);
}

static void
check(size_t i, const struct auth *a)
{
	if (cases[i].password != NULL && (a->password == NULL ||
	    strcmp(a->password, cases[i].password) != 0))
		fail_msg("case %zu: password %s, %s", i, a->password == NULL ?
		    "" : a->password, a->trouble == NULL ? "" : a->trouble);
	if (cases[i].trouble == NULL)
		return;
	assert_null(a->password);
	if (a->trouble == NULL || strstr(a->trouble, cases[i].trouble) == NULL)
		fail_msg("case %zu: %s", i, a->trouble == NULL ? "" :
		    a->trouble);
	assert_null(strstr(a->trouble, "sesame"));
}

static void
test_commands(void **state)
{
	struct auths auths = { 0 };
	char dir[64];
	size_t i;
	int sock, status;

	(void)state;
	t_dir(dir, sizeof(dir));
	make_entries(&auths, dir);
	setenv("SECRET", "of the caller", 1);
	assert_int_equal(auth_command_open(&auths, &sock), 0);
	assert_true(sock != -1);
	for (i = 0; i < N(cases); i++) {
		assert_int_equal(auth_command_fetch(sock, &auths,
		    &auths.list[i]), 0);
		check(i, &auths.list[i]);
	}
	/* It ends with its socket. */
	close(sock);
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	auth_fini(&auths);
	t_dir_remove(dir);
}

static void
test_helper_that_is_gone(void **state)
{
	static const char line[] = "host h user u password-command /bin/true\n";
	struct auths auths = { 0 };
	int sock;

	(void)state;
	assert_int_equal(auth_parse(&auths, T(line), NULL, &report_quiet), 0);
	assert_int_equal(auth_command_open(&auths, &sock), 0);
	assert_int_equal(shutdown(sock, SHUT_WR), 0);
	assert_true(wait(NULL) > 0);
	assert_int_equal(auth_command_fetch(sock, &auths, &auths.list[0]), 0);
	assert_string_equal(auths.list[0].trouble,
	    "/bin/true: the helper that runs it has exited");
	close(sock);
	auth_fini(&auths);
}

static void
test_no_command_no_helper(void **state)
{
	static const char line[] = "host h user u password plain\n";
	struct auths auths = { 0 };
	int sock = 5;

	(void)state;
	assert_int_equal(auth_parse(&auths, T(line), NULL, &report_quiet), 0);
	assert_int_equal(auth_command_open(&auths, &sock), 0);
	assert_int_equal(sock, -1);
	auth_fini(&auths);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_helper_that_is_gone),
		cmocka_unit_test(test_no_command_no_helper),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
