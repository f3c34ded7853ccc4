/*
 * command_test.c - a command gets a message on its standard input.
 * Started as root it becomes nobody first.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/io.h"
#include "local/command.h"
#include "local/delivery.h"
#include "tests/unit/t_delivery.h"

static const char *command;

static int
run_command(struct t_delivery *w)
{
	struct result res;
	int status;

	/* What should not have been there, and is not closed by exec. */
	if (open("/dev/null", O_RDONLY) == -1)
		return 1;
	result_init(&res);
	status = command_run(&w->d, command, &res);
	if (status == 0)
		status = delivery_report(&w->d, &res) == 0 ? 0 : 1;
	return status;
}

/* Its output is in w->text, its wait status in w->wait_status. */
static void
run(struct t_delivery *w, const char *text)
{
	command = text;
	t_delivery_fork(w, run_command, -1);
}

/* %s in a command is the home directory. */
static const struct {
	const char	*text;
	int		 status;
	const char	*output;
} commands[] = {
	{ "/bin/cat", 0, T_FROM T_HEAD T_BODY },
	{ "/bin/echo one  two", 0, "one two\n" },
	{ "echo \"one  two\" >&2", 0, "one  two\n" },
	{ "cat >/dev/null; echo $USER; exit 75", 75, "bob\n" },
	{ "/bin/true", 0, "" },
	{ "/nonexistent/program x", 127,
	    "cannot run the command: No such file or directory\n" },
	{ "/etc/passwd", 126, "cannot run the command: Permission denied\n" },
	{ "/bin/pwd", 0, "%s\n" },
	{ "umask", 0, "0077\n" },
	{ "/usr/bin/env", 0, "PATH=/usr/local/bin:/usr/bin:/bin\nHOME=%s\n"
	    "USER=bob\nLOGNAME=bob\nSHELL=/bin/sh\nSENDER=ann@example.org\n"
	    "RECIPIENT=bob@here\nORIGINAL_RECIPIENT=Bob@here\nEXTENSION=\n"
	    "QUEUE_ID=3f2a\n" },
	{ "ls /proc/self/fd", 0, "0\n1\n2\n3\n" },
	{ "/bin/grep -E Sig(Blk|Ign|Cgt) /proc/self/status", 2, NULL },
	/* Its own two signals are ignored by glibc in what make spawns. */
	{ "grep -E 'Sig(Blk|Ign)' /proc/self/status |"
	    "sed s/0000000[01]80000000/0000000000000000/", 0,
	    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n" },
	{ "kill -9 $$", -9, "" },
	{ "%s/script a b", 0, "a-b\n" },
};

static void
put_home(struct t_delivery *w, const char *text, char *out, size_t size)
{
	const char *p = strstr(text, "%s");

	if (p == NULL)
		snprintf(out, size, "%s", text);
	else
		assert_true(snprintf(out, size, "%.*s%s%s", (int)(p - text),
		    text, w->user.home, p + 2) < (int)size);
}

static void
test_a_command_has_what_a_command_of_the_user_has(void **state)
{
	struct t_delivery *w = *state;
	char text[512], output[1024];
	size_t i;

	t_delivery_put(w, "home/script", "echo $1-$2\n");
	assert_int_equal(chmod(t_delivery_path(w, "home/script"), 0700), 0);
	umask(077);
	for (i = 0; i < N(commands); i++) {
		put_home(w, commands[i].text, text, sizeof(text));
		run(w, text);
		assert_int_equal(w->res.status, STATUS_NONE);
		if (commands[i].status < 0)
			assert_true(WIFSIGNALED(w->wait_status));
		else
			assert_int_equal(WEXITSTATUS(w->wait_status),
			    commands[i].status);
		if (commands[i].output == NULL)
			continue;
		put_home(w, commands[i].output, output, sizeof(output));
		assert_string_equal(buf_str(&w->text), output);
	}
}

static void
test_the_extension_is_what_follows_the_delimiter(void **state)
{
	static const struct { const char *recipient, *extension; } cases[] = {
		{ "bob+lists@here", "lists\n" },
		{ "bob+a+b@here", "a+b\n" },
		{ "bob+x", "x\n" },
		{ "bob@he+re", "\n" },
		{ "bob+@here", "\n" },
		{ "bob", "\n" },
	};
	struct t_delivery *w = *state;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		text_copy(w->d.recipient, sizeof(w->d.recipient),
		    cases[i].recipient);
		run(w, "echo $EXTENSION");
		assert_string_equal(buf_str(&w->text), cases[i].extension);
	}
}

static void
assert_exit_0(struct t_delivery *w)
{
	assert_true(WIFEXITED(w->wait_status));
	assert_int_equal(WEXITSTATUS(w->wait_status), 0);
}

/* More than is copied in memory, and unread. */
static void
test_a_command_may_read_all_of_its_input_or_nothing(void **state)
{
	struct t_delivery *w = *state;
	char want[64];

	t_delivery_long_message(w, 2 * 1024 * 1024);
	run(w, "/usr/bin/wc -c");
	snprintf(want, sizeof(want), "%zu\n", 2 * 1024 * 1024 +
	    strlen(T_FROM T_HEAD));
	assert_string_equal(buf_str(&w->text), want);
	run(w, "/bin/true");
	assert_exit_0(w);
}

static void
test_an_address_is_never_part_of_the_command(void **state)
{
	struct t_delivery *w = *state;

	text_copy(w->d.sender, sizeof(w->d.sender), "$(touch hit);`id`@x");
	run(w, "echo \"$SENDER\"");
	assert_string_equal(buf_str(&w->text), "$(touch hit);`id`@x\n");
	assert_false(t_exists(t_delivery_path(w, "home/hit")));
}

static void
test_a_message_that_is_cut_runs_nothing(void **state)
{
	struct t_delivery *w = *state;

	w->d.length++;
	run(w, "touch hit");
	assert_int_equal(w->res.status, STATUS_DEFERRED);
	assert_string_equal(w->res.code, "4.3.0");
	assert_exit_0(w);
	assert_false(t_exists(t_delivery_path(w, "home/hit")));
}

static int
run_without_runner(struct t_delivery *w)
{
	struct result res;

	result_init(&res);
	return command_run(&w->d, "touch hit", &res);
}

static void
test_without_a_runner_nothing_is_run(void **state)
{
	struct t_delivery *w = *state;
	int status;
	pid_t pid;

	t_delivery_open(w);
	io_close(&w->runner);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		_exit(run_without_runner(w));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(1, 0));
	assert_false(t_exists(t_delivery_path(w, "home/hit")));
}

static void
test_a_plain_text_needs_no_shell(void **state)
{
	static const struct { const char *text; int is_plain; } cases[] = {
		{ "/bin/true", 1 }, { "/bin/echo a  b", 1 },
		{ "/bin/x -a=b,c:d@e_f+g%h", 1 },
		{ "true", 0 }, { "", 0 }, { " /bin/true", 0 },
		{ "/bin/true;id", 0 }, { "/bin/a|b", 0 }, { "/bin/a $X", 0 },
		{ "/bin/a ~", 0 }, { "/bin/a *", 0 }, { "/bin/a 'b'", 0 },
		{ "/bin/a\nid", 0 }, { "/bin/a\tb", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(cases); i++)
		if (command_is_plain(cases[i].text) != cases[i].is_plain)
			fail_msg("%s", cases[i].text);
}

int
main(void)
{
#define EACH(f)	cmocka_unit_test_setup_teardown(f, t_delivery_setup,	\
    t_delivery_teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_a_command_has_what_a_command_of_the_user_has),
		EACH(test_the_extension_is_what_follows_the_delimiter),
		EACH(test_a_command_may_read_all_of_its_input_or_nothing),
		EACH(test_an_address_is_never_part_of_the_command),
		EACH(test_a_message_that_is_cut_runs_nothing),
		EACH(test_without_a_runner_nothing_is_run),
		cmocka_unit_test(test_a_plain_text_needs_no_shell),
	};

	t_become_nobody();
	/* Sanitizers look at their own process. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
