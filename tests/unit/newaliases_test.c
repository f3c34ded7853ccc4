/*
 * newaliases_test.c - what is said of the aliases and their lists.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "aliases.h"
#include "lib/io.h"
#include "submit/newaliases.h"
#include "tests/unit/t.h"

/* Runs in a process of its own; the texts are in out and err. */
static int
run(const char *dir, const char *aliases, struct buf *out, struct buf *err)
{
	struct conf conf;
	int status;
	pid_t pid;

	assert_int_equal(conf_init(&conf), 0);
	free(conf.where.aliases);
	conf.where.aliases = strdup(aliases);
	fflush(NULL);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		if (freopen(t_path(dir, "out"), "w", stdout) == NULL ||
		    freopen(t_path(dir, "err"), "w", stderr) == NULL)
			_exit(99);
		status = newaliases(&conf);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	buf_reset(out);
	buf_reset(err);
	t_get(t_path(dir, "out"), out);
	t_get(t_path(dir, "err"), err);
	conf_fini(&conf);
	return WEXITSTATUS(status);
}

static void
test_what_is_said(void **state)
{
	static const struct {
		const char *aliases, *list;
		int status;
		const char *out, *err;
	} cases[] = {
		{ "a: bob\nb: carl, dan\n", NULL, 0,
		    ": 2 aliases, 3 targets\n", "" },
		{ "", NULL, 0, ": 0 aliases, 0 targets\n", "" },
		{ "a: bob\nb carl\n", NULL, EX_DATAERR,
		    ": 1 alias, 1 target, 1 line with errors\n",
		    "aliases:2: " },
		{ "a: b\nb: a\n", NULL, EX_DATAERR, "1 line with errors",
		    "aliases:2: b leads back to a, and there is no user " },
		{ "a: :include:LIST\n", "bob\ncarl\n", 0, "1 alias,", "" },
		{ "a: :include:LIST\n", NULL, EX_DATAERR, "1 line with errors",
		    "aliases:1: " },
	};
	char dir[64], text[256], list[128];
	struct buf out, err;
	const char *p;
	size_t i;

	(void)state;
	t_dir(dir, sizeof(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(list, sizeof(list), "%s/list", dir);
	buf_init(&out, 0);
	buf_init(&err, 0);
	for (i = 0; i < N(cases); i++) {
		unlink(list);
		if (cases[i].list != NULL)
			t_put(list, cases[i].list, strlen(cases[i].list), 0644);
		p = strstr(cases[i].aliases, "LIST");
		snprintf(text, sizeof(text), "%.*s%s%s", p == NULL ? 255 :
		    (int)(p - cases[i].aliases), cases[i].aliases,
		    p == NULL ? "" : list, p == NULL ? "" : p + 4);
		t_put(t_path(dir, "aliases"), text, strlen(text), 0644);
		if (run(dir, t_path(dir, "aliases"), &out, &err) !=
		    cases[i].status)
			fail_msg("case %zu: %s", i, buf_str(&err));
		if (strstr(buf_str(&out), cases[i].out) == NULL)
			fail_msg("case %zu: %s", i, buf_str(&out));
		if (cases[i].err[0] == '\0' ? err.len > 0 :
		    strstr(buf_str(&err), cases[i].err) == NULL)
			fail_msg("case %zu: %s", i, buf_str(&err));
	}
	buf_fini(&out);
	buf_fini(&err);
	t_dir_remove(dir);
}

static void
test_no_file_and_an_unreadable_one(void **state)
{
	char dir[64];
	struct buf out, err;

	(void)state;
	t_dir(dir, sizeof(dir));
	buf_init(&out, 0);
	buf_init(&err, 0);
	/* Without aliases there is nothing wrong with them. */
	assert_int_equal(run(dir, t_path(dir, "none"), &out, &err), 0);
	assert_int_equal(mkdir(t_path(dir, "aliases"), 0755), 0);
	assert_int_equal(run(dir, t_path(dir, "aliases"), &out, &err),
	    EX_NOINPUT);
	assert_true(err.len > 0 && out.len == 0);
	/* One that nobody uses. */
	t_put(t_path(dir, "large"), "a: b\n", 5, 0644);
	assert_int_equal(truncate(t_path(dir, "large"), ALIASES_BYTES_MAX + 1),
	    0);
	assert_int_equal(run(dir, t_path(dir, "large"), &out, &err),
	    EX_DATAERR);
	assert_non_null(strstr(buf_str(&err), ALIASES_TOO_LARGE));
	buf_fini(&out);
	buf_fini(&err);
	t_dir_remove(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_said),
		cmocka_unit_test(test_no_file_and_an_unreadable_one),
	};

	return cmocka_run_group_tests_name("newaliases", tests, NULL, NULL);
}
