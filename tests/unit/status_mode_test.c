/*
 * status_mode_test.c - dma status: its arguments, its forms, its exit status.
 */
#include <sysexits.h>
#include <unistd.h>

#include "submit/status_mode.h"
#include "tests/unit/t_queue.h"

#define NOW	1700000000

struct fixture {
	struct t_spool	 q;
	struct buf	 out, err;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	t_spool_init(&f->q, "");
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->out);
	buf_fini(&f->err);
	t_spool_fini(&f->q);
	free(f);
	return 0;
}

/* The arguments after "status". */
static int
run(struct fixture *f, const char *first, const char *second)
{
	static const struct caller root = { .uid = 0 };
	char *args[] = { (char *)(uintptr_t)"status", (char *)(uintptr_t)first,
	    (char *)(uintptr_t)second };
	struct options o = { .rcpts = args, .nrcpts = first == NULL ? 1 :
	    second == NULL ? 2 : 3 };
	struct t_printed out, err;
	int status;

	t_printed_begin(&out, STDOUT_FILENO);
	t_printed_begin(&err, STDERR_FILENO);
	status = status_mode(&root, &o, &f->q.conf, &f->q.sp);
	t_printed_end(&err, &f->err);
	t_printed_end(&out, &f->out);
	return status;
}

static void
test_arguments(void **state)
{
	static const char *const bad[] = { "", "-", "--jso", "--json=1", "x",
	    "--JSON", "a\nb" };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < 2 * N(bad); i++) {
		assert_int_equal(i % 2 == 0 ? run(f, bad[i / 2], NULL) :
		    run(f, "--json", bad[i / 2]), EX_USAGE);
		assert_string_equal(buf_str(&f->out), "");
		assert_int_equal(strncmp(buf_str(&f->err),
		    "dma: status: unknown argument \"", 31), 0);
	}
	assert_non_null(strstr(buf_str(&f->err), "\"a b\""));
}

/* Of an empty queue; the last argument decides. */
static void
test_forms(void **state)
{
	static const struct {
		const char *first, *second, *begins, *ends;
	} cases[] = {
		{ NULL, NULL, "ok      runner: none is active\n",
		  "0 errors, 0 warnings\n" },
		{ "--json", NULL, "{\"stuck\":false,", "}\n" },
		{ "--prometheus", NULL, "# HELP dma_runner_active ", "\n" },
		{ "--json", "--prometheus", "# HELP ", "\n" },
		{ "--prometheus", "--json", "{\"stuck\":false,", "}\n" },
	};
	struct fixture *f = *state;
	const char *text;
	size_t i, n;

	for (i = 0; i < N(cases); i++) {
		assert_int_equal(run(f, cases[i].first, cases[i].second), 0);
		assert_string_equal(buf_str(&f->err), "");
		text = buf_str(&f->out);
		n = strlen(cases[i].ends);
		if (strncmp(text, cases[i].begins,
		    strlen(cases[i].begins)) != 0 || f->out.len < n ||
		    strcmp(text + f->out.len - n, cases[i].ends) != 0)
			fail_msg("case %zu: %s", i, text);
	}
}

/* A collector takes no output of a command that fails. */
static void
test_mail_that_nobody_sends_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct message m;

	t_message(&m, "ann@from.test", NOW, "bob@to.test", NULL);
	t_commit(&f->q.sp, "one", &m, T("Subject: x\n\n"));
	message_fini(&m);
	assert_int_equal(run(f, NULL, NULL), EX_UNAVAILABLE);
	assert_int_equal(strncmp(buf_str(&f->out), "error   runner: none, ",
	    22), 0);
	assert_int_equal(run(f, "--json", NULL), EX_UNAVAILABLE);
	assert_int_equal(strncmp(buf_str(&f->out), "{\"stuck\":true,", 14), 0);
	assert_int_equal(run(f, "--prometheus", NULL), 0);
	assert_non_null(strstr(buf_str(&f->out), "\ndma_stuck 1\n"));
	assert_int_equal(t_count(f->q.dir, "queue"), 1);
}

#define CASE(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_arguments),
		CASE(test_forms),
		CASE(test_mail_that_nobody_sends_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
